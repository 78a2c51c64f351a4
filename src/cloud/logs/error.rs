//! What can go wrong with the log store itself, and the errors its operations answer.

use std::path::PathBuf;

use crate::error::AwsError;

/// The log store could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// SQLite refused.
    #[error("the log store {path} could not be used: {source}")]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// SQLite's own error.
        source: rusqlite::Error,
    },
    /// The file was written by a newer version of the program.
    #[error("the log store {path} has layout {found}; this version knows up to {known}")]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The layout found.
        found: i64,
        /// The newest layout this version can read.
        known: i64,
    },
    /// A damaged file could not be moved aside.
    #[error("the log store {path} is damaged and could not be moved aside: {source}")]
    Aside {
        /// The database file.
        path: PathBuf,
        /// Why it could not be renamed.
        source: std::io::Error,
    },
    /// The writer's thread could not be started.
    #[error("the log writer's thread could not be started: {0}")]
    Thread(std::io::Error),
}

/// `InvalidParameterException`, status 400.
pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterException", message)
}

/// The answer to a call on a group that does not exist.
pub fn no_group() -> AwsError {
    AwsError::new(400, "ResourceNotFoundException", "The specified log group does not exist.")
}

/// The answer to a call on a stream that does not exist.
pub fn no_stream() -> AwsError {
    AwsError::new(400, "ResourceNotFoundException", "The specified log stream does not exist.")
}

/// The answer to a create of what is there already; `what` is `log group` or `log stream`.
pub fn already_exists(what: &str) -> AwsError {
    AwsError::new(
        400,
        "ResourceAlreadyExistsException",
        format!("The specified {what} already exists"),
    )
}

/// A failure of the store while it worked on a call.
pub fn store_failed(error: &rusqlite::Error) -> AwsError {
    AwsError::internal(format!("the log store could not be used: {error}"))
}

/// A value outside of the model's constraint, in the words of AWS's request validation.
pub fn constraint(value: &str, member: &str, rule: &str) -> AwsError {
    let shown: String = value.chars().take(600).collect();
    invalid(format!(
        "1 validation error detected: Value '{shown}' at '{member}' failed to satisfy constraint: {rule}"
    ))
}
