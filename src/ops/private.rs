//! Files of this person alone: below the configuration and state directories, written whole or not at
//! all, one process at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use nix::fcntl::{Flock, FlockArg};

/// `labdeck` in the platform's configuration directory; `None` when the home directory is not known.
pub(crate) fn config_dir() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("labdeck"))
}

/// `labdeck` in the platform's state directory; `None` when the home directory is not known.
pub(crate) fn state_dir() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.state_dir().unwrap_or_else(|| base.data_dir()).join("labdeck"))
}

/// Holds `path`, which may not exist yet, until it is dropped: other processes wait. Its directory is
/// made for this person alone.
pub(crate) fn locked(path: &Path) -> io::Result<Flock<File>> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let lock = path.with_extension("lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
}

/// Writes a file for this person alone, whole or not at all. A link stays one: what it names is written.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let dir = path.parent().ok_or_else(|| io::Error::other("it is in no directory"))?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// A text as one part of a path: what is neither letter, digit, `-`, `_` nor `.` becomes `-`.
pub(crate) fn part(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    text.chars().map(kept).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_for_this_person_alone_and_a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep").join("file.toml");
        let _held = locked(&path).unwrap();
        replace(&path, b"one").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let link = dir.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"two").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(part("http://127.0.0.1:1/../x"), "http---127.0.0.1-1-..-x");
    }
}
