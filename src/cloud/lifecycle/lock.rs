//! One cloud per state directory: the lock that ends with its process, whatever way that ends.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::StartError;
use super::files::private_file;

/// How long somebody may hold the lock to look whether it is held.
const A_LOOK: Duration = Duration::from_millis(10);

/// The held lock.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock of a state directory, and writes into it who has it.
    pub(super) fn take(state_dir: &Path) -> Result<Self, StartError> {
        let unusable = |source| StartError::StateDir { dir: state_dir.to_owned(), source };
        let file = private_file(&state_dir.join("cloud.lock")).map_err(unusable)?;
        match exclusive(file) {
            Ok(mut held) => {
                let pid = std::process::id().to_string();
                held.set_len(0).and_then(|()| held.write_all(pid.as_bytes())).map_err(unusable)?;
                Ok(Self { _file: held })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                let pid = text.trim().parse().ok();
                Err(StartError::AlreadyRunning { dir: state_dir.to_owned(), pid })
            }
            Err((_, errno)) => Err(unusable(errno.into())),
        }
    }
}

/// Takes the lock. Whoever looks whether the directory is served holds it for a moment: that is
/// waited for.
fn exclusive(mut file: File) -> Result<Flock<File>, (File, Errno)> {
    let until = Instant::now() + A_LOOK;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < until => file = back,
            other => return other,
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
