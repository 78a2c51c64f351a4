//! How long work tells what it does while it does it.

use std::sync::Arc;

use serde::Serialize;

use crate::request::burst::Load;
use crate::request::exchange::BurstSummary;

/// One thing that happened during long work. The CLI prints them, the console draws them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Progress {
    /// Cargo compiled a crate.
    Building {
        /// Crates done.
        done: usize,
        /// Crates in all, as far as known.
        total: usize,
        /// The crate.
        unit: String,
    },
    /// The build ended.
    Built {
        /// Seconds it took.
        seconds: f64,
        /// Crates that were compiled anew.
        compiled: usize,
    },
    /// A phase began: `reading live state`, `packing` …
    Phase {
        /// What begins, in present participle.
        name: String,
    },
    /// The plan is known; the indices of the steps below are its own.
    Planned {
        /// The plan.
        plan: crate::deploy::plan::Plan,
    },
    /// A step of the plan began.
    StepStarted {
        /// Its index in the plan.
        index: usize,
    },
    /// A step waits for something: a rate budget, a function becoming active.
    StepWaiting {
        /// Its index in the plan.
        index: usize,
        /// For what.
        reason: String,
        /// How long at most, in seconds, where known.
        seconds: Option<f64>,
    },
    /// A step ended.
    StepDone {
        /// Its index in the plan.
        index: usize,
        /// Seconds it took.
        seconds: f64,
        /// `None` when it succeeded.
        failure: Option<labdeck_aws::Failure>,
    },
    /// Requests of a burst were answered.
    Burst(Box<BurstProgress>),
}

/// How far a burst is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BurstProgress {
    /// What was asked for.
    pub load: Load,
    /// How much of it is done, 0–1: of the requests or of the time, whichever is further.
    pub share: f64,
    /// What was measured so far.
    pub so_far: BurstSummary,
}

/// Where progress goes. Cheap to clone; dropping what is sent is fine, blocking is not.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Fn(Progress) + Send + Sync>);

impl Reporter {
    /// Hands every event to `sink`, which must not block.
    pub fn new(sink: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Tells nobody.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Tells that `event` happened.
    pub fn report(&self, event: Progress) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reporter")
    }
}
