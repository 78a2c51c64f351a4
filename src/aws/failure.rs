//! The one error value that people see: what happened, to what, why, and what to do next.

use serde::Serialize;

/// What sort of failure it is; decides the exit status and the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The program refused before any change: read-only mode, chaos on, not confirmed, not ours.
    Refused,
    /// Somebody else changed it in between; nothing was overwritten.
    Conflict,
    /// It does not exist.
    NotFound,
    /// AWS denied the call, or the credentials are missing, wrong or expired.
    Denied,
    /// AWS asked to slow down, and retries did not help.
    Throttled,
    /// The endpoint could not be reached or did not answer.
    Network,
    /// What the person gave cannot work: a file, an argument, a value.
    Invalid,
    /// A build, a compiler or another program that was run failed.
    Build,
    /// Anything else the service answered.
    Service,
    /// Stopped on request.
    Cancelled,
    /// A fault of labdeck itself.
    Internal,
}

/// A failure, ready to be shown or written as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Failure {
    /// What sort of failure.
    pub kind: FailureKind,
    /// What happened, to what: `moving alias prod of greet-stateless failed`.
    pub what: String,
    /// Why, in AWS's words where AWS said so.
    pub why: String,
    /// What to do next, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// AWS's error code, where AWS answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Failure {
    /// A failure of `kind` with what happened and why.
    pub fn new(kind: FailureKind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: why.into(), next: None, code: None }
    }

    /// The same with what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The same with AWS's error code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

/// The result of everything a person can do.
pub type Result<T, E = Failure> = std::result::Result<T, E>;
