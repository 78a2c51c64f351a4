//! Finding the local cloud of a state directory, and the handshake with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::time::Instant;

use super::admin::{AdminError, CloudStatus, LocalAdmin};
use crate::failure::{Failure, FailureKind, Result};

/// The version that both sides of the handshake must have.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a cloud that breaks connections may hold its directory until that is a failure.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// A running local cloud of this program's version.
#[derive(Debug, Clone)]
pub struct LocalCloud {
    /// The state directory that it serves.
    pub state_dir: PathBuf,
    /// `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// Access key id of its credentials.
    pub access_key_id: String,
    /// Secret access key of its credentials.
    pub secret_access_key: String,
    /// What only the local cloud can do.
    pub admin: LocalAdmin,
    /// Its status at the handshake.
    pub status: CloudStatus,
}

/// `cloud.json`.
#[derive(Debug, Deserialize)]
struct CloudFile {
    pid: i32,
    endpoint: String,
}

/// `credentials.json`.
#[derive(Deserialize)]
struct CredentialsFile {
    access_key_id: String,
    secret_access_key: String,
    admin_token: String,
}

/// What came of asking for a status.
enum Asked {
    /// Nobody serves the directory.
    Nobody,
    /// Somebody does.
    Answered(Box<LocalCloud>),
    /// Somebody listens, but the connection broke or nothing came in time.
    Broken { endpoint: String, pid: i32, error: String },
}

impl LocalCloud {
    /// The running cloud of `state_dir`, or `None` when none runs.
    ///
    /// Fails when another version of labdeck serves the directory, or when the cloud does not answer.
    pub async fn find(state_dir: &Path) -> Result<Option<Self>> {
        let Some(cloud) = Self::find_any_version(state_dir).await? else { return Ok(None) };
        if cloud.status.version != VERSION {
            return Err(Failure::new(
                FailureKind::Refused,
                format!("using the local cloud of {}", state_dir.display()),
                format!(
                    "labdeck {} runs it (process {}), and this is labdeck {VERSION}",
                    cloud.status.version, cloud.status.pid
                ),
            )
            .next(format!(
                "stop it with `labdeck cloud stop --state-dir {}` (its state stays), then run this \
                 again; or use another --state-dir",
                state_dir.display()
            )));
        }
        Ok(Some(cloud))
    }

    /// The running cloud of `state_dir` whatever its version: for `cloud status` and `cloud stop`.
    ///
    /// A cloud that is just ending breaks connections while it still holds its directory; it is asked
    /// again for some seconds until it answers or is gone.
    pub async fn find_any_version(state_dir: &Path) -> Result<Option<Self>> {
        let until = Instant::now() + ENDS_WITHIN;
        loop {
            let (endpoint, pid, error) = match Self::ask(state_dir).await? {
                Asked::Nobody => return Ok(None),
                Asked::Answered(cloud) => return Ok(Some(*cloud)),
                Asked::Broken { endpoint, pid, error } => (endpoint, pid, error),
            };
            // A program that listens on the port but says nothing of use, and nobody who serves the
            // directory: the process id is another program's too.
            if !Self::is_held(state_dir) {
                return Ok(None);
            }
            if Instant::now() >= until {
                return Err(Failure::new(
                    FailureKind::Network,
                    format!("asking the local cloud at {endpoint} for its status"),
                    error,
                )
                .next(format!(
                    "its process is {pid}; its log is {}",
                    state_dir.join("cloud.log").display()
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks whoever `cloud.json` names for its status, once.
    async fn ask(state_dir: &Path) -> Result<Asked> {
        let Some(file) = read::<CloudFile>(state_dir, "cloud.json")? else {
            return Ok(Asked::Nobody);
        };
        // A stale file of a cloud that was killed: its port may be another program's by now.
        if file.pid <= 0 || kill(Pid::from_raw(file.pid), None) == Err(Errno::ESRCH) {
            return Ok(Asked::Nobody);
        }
        let Some(credentials) = read::<CredentialsFile>(state_dir, "credentials.json")? else {
            return Ok(Asked::Nobody);
        };
        let admin = LocalAdmin::new(&file.endpoint, credentials.admin_token);
        let status = match admin.try_status().await {
            Ok(status) => status,
            // Nobody listens, or somebody who does not know the token: not this directory's cloud.
            Err(AdminError::Refused | AdminError::Status(..)) => return Ok(Asked::Nobody),
            Err(error @ AdminError::Broken(_)) => {
                let (endpoint, pid) = (file.endpoint, file.pid);
                return Ok(Asked::Broken { endpoint, pid, error: error.to_string() });
            }
        };
        Ok(Asked::Answered(Box::new(Self {
            state_dir: state_dir.to_owned(),
            endpoint: file.endpoint,
            access_key_id: credentials.access_key_id,
            secret_access_key: credentials.secret_access_key,
            admin,
            status,
        })))
    }
}

impl LocalCloud {
    /// Whether a process still holds the state directory, though it may not answer any more.
    pub fn is_held(state_dir: &Path) -> bool {
        let Ok(file) = std::fs::File::open(state_dir.join("cloud.lock")) else { return false };
        matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
    }
}

/// Reads a JSON file of the state directory; `None` when there is none or it is being replaced.
fn read<T: for<'de> Deserialize<'de>>(state_dir: &Path, name: &str) -> Result<Option<T>> {
    let path = state_dir.join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Failure::new(
            FailureKind::Invalid,
            format!("reading {}", path.display()),
            error.to_string(),
        )
        .next("give the file back to its owner, or use another --state-dir")),
    }
}
