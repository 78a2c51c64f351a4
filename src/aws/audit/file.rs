//! Appending lines to a file that several processes write to, and putting it aside when it is large.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// The file is put aside above this size, in bytes; one older file is kept.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Where the older part of `path` is.
pub(super) fn older(path: &Path) -> PathBuf {
    path.with_extension("jsonl.1")
}

/// A file that lines are appended to.
#[derive(Debug)]
pub(super) struct Appended {
    path: PathBuf,
    file: Option<File>,
    largest: u64,
    /// Whether the last line may be cut short: the next one must not become a part of it.
    torn: bool,
}

impl Appended {
    /// Lines go to `path`, which is opened with the first of them.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, largest: LARGEST, torn: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `line`, which has no line break, in one write: lines of several processes do not mix.
    pub(super) fn append(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        self.put_aside_if_large()?;
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        if self.torn {
            line.insert(0, b'\n');
        }
        let written = file.write_all(&line);
        self.torn = written.is_err();
        self.file = Some(file);
        written
    }

    /// Opens the file for this person alone, whoever made it.
    fn open(&mut self) -> io::Result<File> {
        if let Some(dir) = self.path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let open = OpenOptions::new().create(true).append(true).read(true).mode(0o600).clone();
        let mut file = open.open(&self.path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        self.torn = !ends_with_a_line(&mut file)?;
        Ok(file)
    }

    /// Puts the file aside when it has become large. Another process may have done so already: then
    /// what this one has open is the older file, and only the new one is opened.
    fn put_aside_if_large(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if file.metadata()?.len() <= self.largest {
            return Ok(());
        }
        let Some(file) = self.file.take() else { return Ok(()) };
        let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        let same = match std::fs::metadata(&self.path) {
            Ok(there) => there.ino() == file.metadata()?.ino(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if same {
            std::fs::rename(&self.path, older(&self.path))?;
        }
        Ok(())
    }
}

fn ends_with_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("labdeck-audit-{}", uuid::Uuid::new_v4()))
    }

    fn lines(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_file_is_for_this_person_alone_also_when_it_was_not() {
        let dir = folder();
        let path = dir.join("deep").join("audit.jsonl");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        Appended::new(path.clone()).append(b"one".to_vec()).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        Appended::new(path.clone()).append(b"two".to_vec()).unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(lines(&path), ["one", "two"]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_line_that_was_cut_short_stays_a_line_of_its_own() {
        let dir = folder();
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("audit.jsonl");
        std::fs::write(&path, "whole\ncut sho").unwrap();
        Appended::new(path.clone()).append(b"next".to_vec()).unwrap();
        assert_eq!(lines(&path), ["whole", "cut sho", "next"]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn two_processes_put_a_large_file_aside_once() {
        let dir = folder();
        let path = dir.join("audit.jsonl");
        let small = || Appended { largest: 10, ..Appended::new(path.clone()) };
        let (mut one, mut other) = (small(), small());
        for word in ["first line", "second line"] {
            one.append(word.into()).unwrap();
            other.append(word.into()).unwrap();
        }
        // The second round went to a new file, and nothing that was put aside is lost.
        assert_eq!(lines(&older(&path)), ["first line", "first line"]);
        assert_eq!(lines(&path), ["second line", "second line"]);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
