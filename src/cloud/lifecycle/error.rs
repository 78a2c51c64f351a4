//! Why the local cloud could not start, and the way out.

use std::path::PathBuf;

use crate::iam::PolicyFileError;
use crate::store::StoreError;

/// The local cloud could not start. Its text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process serves the state directory.
    #[error("the state directory {} is served by {} already", dir.display(), process(*pid))]
    AlreadyRunning {
        /// The state directory.
        dir: PathBuf,
        /// The process that holds the lock, when it said so.
        pid: Option<u32>,
    },
    /// The state directory can't be used.
    #[error("the state directory {} can't be used: {source}. Make it writable for yourself, or \
             give another with --state-dir", dir.display())]
    StateDir {
        /// The state directory.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The port can't be listened on.
    #[error(
        "port {port} on 127.0.0.1 can't be used: {source}. Give another with --port, or leave \
             it out to have a free one chosen"
    )]
    Port {
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The state was written by a newer version of the program.
    #[error("{} was written by a newer version of labdeck (layout {found}; this version, {}, \
             knows up to {known}). Use the newer version, or another --state-dir",
             path.display(), super::VERSION)]
    Newer {
        /// The file.
        path: PathBuf,
        /// The layout found.
        found: i64,
        /// The newest layout that this version knows.
        known: i64,
    },
    /// A file of the state could not be read.
    #[error(
        "{what}. Use the version of labdeck that wrote it, give another --state-dir, or move \
             the file away to start without it"
    )]
    State {
        /// Which file, and why.
        what: String,
    },
    /// The operator's policy can't be used.
    #[error("the operator's policy {0}. Correct the file, or leave --operator-policy out")]
    OperatorPolicy(#[from] PolicyFileError),
    /// Something of the system failed.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl StartError {
    /// The exit status of the process: 75 when another one serves the state directory.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::AlreadyRunning { .. } => 75,
            _ => 1,
        }
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Newer { path, found, known } => Self::Newer { path, found, known },
            other => Self::State { what: other.to_string() },
        }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
