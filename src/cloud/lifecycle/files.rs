//! The small files of the state directory: `cloud.json`, `credentials.json`, the run marker.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{StartError, damage};
use crate::iam::{random_id, random_text};

/// `cloud.json`: where the cloud of this directory is, or was.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CloudFile {
    pub(super) version: String,
    pub(super) pid: u32,
    pub(super) port: u16,
    pub(super) endpoint: String,
    pub(super) started_ms: i64,
}

/// `credentials.json`: made at the first start, the same ever after.
#[derive(Serialize, Deserialize)]
pub(super) struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) admin_token: String,
}

/// `cloud.running`: there while the cloud runs, and after it was killed.
#[derive(Debug)]
pub(super) struct RunMarker {
    path: PathBuf,
}

impl CloudFile {
    /// The file of the last run; none when it is missing or can't be read.
    pub(super) fn read(state_dir: &Path) -> Option<Self> {
        let bytes = std::fs::read(state_dir.join("cloud.json")).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(super) fn write(&self, state_dir: &Path) -> Result<(), StartError> {
        write_json(state_dir, "cloud.json", self)
    }
}

impl Credentials {
    /// Reads the credentials, or makes them. Unreadable ones are moved aside.
    pub(super) fn load_or_make(
        state_dir: &Path,
        notices: &mut Vec<String>,
    ) -> Result<Self, StartError> {
        let path = state_dir.join("credentials.json");
        match std::fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice::<Self>(&bytes) {
                Ok(credentials) if credentials.is_complete() => return Ok(credentials),
                _ => {
                    let aside = damage::move_aside(&path)?;
                    notices.push(format!(
                        "credentials.json could not be read: it was moved to {}, and new \
                         credentials were made",
                        aside.display()
                    ));
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(StartError::StateDir { dir: state_dir.to_owned(), source });
            }
        }
        let credentials = Self {
            access_key_id: random_id("LKIA", 16),
            secret_access_key: random_text(30),
            admin_token: random_id("", 48),
        };
        write_json(state_dir, "credentials.json", &credentials)?;
        Ok(credentials)
    }

    fn is_complete(&self) -> bool {
        ![&self.access_key_id, &self.secret_access_key, &self.admin_token]
            .into_iter()
            .any(String::is_empty)
    }
}

impl RunMarker {
    /// Sets the marker; says whether the run before ended in good order.
    pub(super) fn set(state_dir: &Path) -> Result<(Self, bool), StartError> {
        let path = state_dir.join("cloud.running");
        let was_clean = !path.exists();
        private_file(&path)
            .map_err(|source| StartError::StateDir { dir: state_dir.to_owned(), source })?;
        Ok((Self { path }, was_clean))
    }

    /// Takes the marker away: everything is written.
    pub(super) fn stopped_cleanly(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!("{} stays: {error}", self.path.display());
        }
    }
}

/// Makes the directory for its owner alone, and answers its absolute path.
pub(super) fn make_state_dir(dir: &Path) -> Result<PathBuf, StartError> {
    let unusable = |source| StartError::StateDir { dir: dir.to_owned(), source };
    let existed = dir.is_dir();
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
    let absolute = dir.canonicalize().map_err(unusable)?;
    if existed {
        let permissions = absolute.metadata().map_err(unusable)?.permissions();
        // It holds credentials and everybody's data: nobody else is to read it.
        if permissions.mode() & 0o077 != 0 {
            std::fs::set_permissions(&absolute, std::fs::Permissions::from_mode(0o700))
                .map_err(unusable)?;
        }
    }
    Ok(absolute)
}

/// Opens a file for its owner alone, made when it is not there.
pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Writes a file so that a reader sees either the old one or the new one.
fn write_json(state_dir: &Path, name: &str, value: &impl Serialize) -> Result<(), StartError> {
    let write = || -> std::io::Result<()> {
        let temporary = state_dir.join(format!("{name}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&temporary, state_dir.join(name))
    };
    write().map_err(|source| StartError::StateDir { dir: state_dir.to_owned(), source })
}
