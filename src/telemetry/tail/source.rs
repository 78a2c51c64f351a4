//! What the tail needs of a log service; AWS's clients on one side, a script in tests.

use std::future::Future;
use std::sync::Arc;

use crate::classify::RawEvent;

/// Why a call to the log service failed, as far as the tail treats it differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceError {
    /// The log group does not exist (yet).
    Missing,
    /// Not allowed, or not offered there; trying again at once is useless.
    Refused(String),
    /// Too many calls.
    Throttled,
    /// No connection, or the service is in trouble.
    Trouble(String),
}

/// Why a live session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// After its three hours; nothing is wrong.
    Timeout,
    /// Anything else.
    Broken(String),
}

/// What a live session tells once a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Events, without ids.
    pub events: Vec<RawEvent>,
    /// Whether some were left out.
    pub sampled: bool,
}

/// A page of a sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Events with their ids, in order of time.
    pub events: Vec<(String, RawEvent)>,
    /// Leads to the next page; a page may be empty and still have one.
    pub next_token: Option<String>,
}

/// A live session.
pub trait Live: Send + 'static {
    /// The next update.
    fn next(&mut self) -> impl Future<Output = Result<Update, Ended>> + Send;
}

/// A log service.
pub trait Source: Send + Sync + 'static {
    /// Its live sessions.
    type Live: Live;

    /// Opens a live session over up to ten groups.
    fn open(
        &self,
        groups: &[Arc<str>],
    ) -> impl Future<Output = Result<Self::Live, SourceError>> + Send;

    /// Reads a page of a group's events from `start_ms` on.
    fn page(
        &self,
        group: &Arc<str>,
        start_ms: i64,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page, SourceError>> + Send;

    /// Whether a group exists.
    fn exists(&self, group: &str) -> impl Future<Output = Result<bool, SourceError>> + Send;

    /// Called before reconnecting: finds a service that moved.
    fn revive(&self) -> impl Future<Output = ()> + Send;
}
