//! The tail: log events of several groups, live and complete.
//!
//! `StartLiveTail` brings events within a second, an overlapping `FilterLogEvents` sweep behind it
//! brings what it left out; [`merge`] lets each through once. A gap, sampling and a fall back to
//! polling are told as [`LogKind::Notice`](crate::LogKind::Notice) events.

mod aws;
mod engine;
mod history;
mod merge;
mod schedule;
mod session;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use labdeck_aws::Target;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use history::{History, HistoryQuery, history};

use crate::event::LogEvent;
use aws::TargetLogs;
use engine::Engine;
use schedule::Pace;
use source::Source;

/// Messages that may wait for the reader; then the tail waits, and the service with it.
const WAITING: usize = 16;

/// How the tail gets at its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TailState {
    /// Nothing is open yet.
    Connecting,
    /// Live sessions are open over all groups that exist.
    Live,
    /// Only sweeps: the live tail is not allowed, not offered, or not open at the moment; or no
    /// group exists yet.
    Polling,
    /// Neither works.
    Disconnected {
        /// Why, in the words of the service.
        reason: String,
    },
}

/// How the tail is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailStatus {
    /// How it gets at its events.
    pub state: TailState,
    /// Log groups that are tailed.
    pub groups: usize,
    /// Of these, groups that do not exist yet: no logs so far.
    pub waiting: usize,
    /// Updates of the live tail in which the service left events out; the sweeps bring them.
    pub sampled: u64,
    /// When the newest event happened, in ms since the epoch.
    pub last_event_ms: Option<i64>,
    /// Whether the sweeps have much to catch up with.
    pub behind: bool,
}

/// What a tail tells.
#[derive(Debug, Clone, PartialEq)]
pub enum TailMessage {
    /// New events, those of a message in order of time.
    Events(Vec<LogEvent>),
    /// The status, whenever it changed.
    Status(TailStatus),
}

/// A running tail; dropping it ends all of its tasks.
#[derive(Debug)]
pub struct TailHandle {
    _guard: DropGuard,
}

/// Tails log groups.
#[derive(Debug)]
pub struct Tail;

impl Tail {
    /// Tails `groups` of a target from `since_ms` (ms since the epoch) on. Has to be called within
    /// a Tokio runtime.
    ///
    /// The receiver is closed when the handle is dropped; dropping the receiver ends the tail too.
    /// A reader that is slow slows the tail down, nothing is lost by it.
    pub fn start(
        target: Arc<Target>,
        groups: Vec<String>,
        since_ms: i64,
    ) -> (TailHandle, mpsc::Receiver<TailMessage>) {
        let pace = if target.is_local() { Pace::local() } else { Pace::aws() };
        start(Arc::new(TargetLogs::new(target)), pace, groups, since_ms)
    }
}

fn start<S: Source>(
    source: Arc<S>,
    pace: Pace,
    groups: Vec<String>,
    since_ms: i64,
) -> (TailHandle, mpsc::Receiver<TailMessage>) {
    let mut names: Vec<Arc<str>> = Vec::with_capacity(groups.len());
    for group in groups {
        if !names.iter().any(|known| **known == *group) {
            names.push(group.into());
        }
    }
    let (out, messages) = mpsc::channel(WAITING);
    let stop = CancellationToken::new();
    let engine = Engine::new(source, pace, names, since_ms, out);
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stopped.cancelled() => {}
            () = engine.run() => {}
        }
    });
    (TailHandle { _guard: stop.drop_guard() }, messages)
}
