//! `CloudWatch`'s errors, by the codes of its query API.
//!
//! Codes and the shapes behind them are those of the service's model; the messages follow what the
//! service documents for its parameters.

use crate::error::AwsError;

/// A parameter has a value that it can't have.
pub(super) fn invalid_value(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterValue", message)
}

/// Parameters that don't go together.
pub(super) fn invalid_combination(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterCombination", message)
}

/// A parameter that has to be there is not.
pub(super) fn missing(name: &str) -> AwsError {
    AwsError::new(400, "MissingParameter", format!("The parameter {name} is required."))
}

/// A value that breaks a rule of the service's model.
pub(super) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationError", message)
}

/// A token that no earlier answer had.
pub(super) fn invalid_token() -> AwsError {
    AwsError::new(400, "InvalidNextToken", "Invalid nextToken")
}

/// There is no such alarm.
pub(super) fn no_alarm(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "ResourceNotFound", message)
}

/// The metric store failed.
pub(super) fn store_failed(error: &rusqlite::Error) -> AwsError {
    AwsError::new(500, "InternalServiceError", format!("the metric store failed: {error}"))
}

/// The metric store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// SQLite said no.
    #[error("the metric store {path} could not be used: {source}")]
    Sqlite {
        /// The file.
        path: std::path::PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A later version of the program wrote it.
    #[error(
        "the metric store {path} has layout {found}, this program knows up to {known}: \
         use the newer labdeck, or another state directory"
    )]
    Newer {
        /// The file.
        path: std::path::PathBuf,
        /// The layout found.
        found: i64,
        /// The newest layout known.
        known: i64,
    },
    /// It was opened outside the async runtime.
    #[error("metrics must be opened from within the async runtime: {0}")]
    Runtime(#[from] tokio::runtime::TryCurrentError),
}
