//! Guarded canaries: traffic moves to a new version step by step, and back at once when it is worse.
//!
//! A canary goes through the steps of its plan. Each holds for a while; then the next follows when the
//! canary is known to be no worse, and it waits when there is too little to tell. A canary that is worse,
//! fails more than its limit allows, or sets an alarm off, is rolled back at once. What is judged, and how
//! sure a verdict is, is told in `docs/canary.md`.
//!
//! [`Guard`] decides and does nothing; [`run()`] feeds it with log events, alarms and commands and carries
//! its decisions out. Nothing of it is kept on this machine: the plan stands in the alias, so that the
//! canary of a console that is gone can be resumed from any other.

mod alarms;
mod guard;
mod run;
pub mod simulate;
mod standing;
mod traffic;
pub mod words;

use labdeck_lab::blueprint::Canary;
use labdeck_telemetry::compare::{Assessment, Terms, Verdict};
use serde::Serialize;

pub use guard::{Decision, Guard};
pub use run::{Start, run};

/// What a person tells a canary that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Stays at the step until it is told to go on.
    Pause,
    /// Goes on.
    Resume,
    /// Goes to the next step now, whatever is known; after the last one, promotes.
    Skip,
    /// Gives the canary everything now, whatever is known.
    Promote,
    /// Takes the canary back.
    Abort,
    /// Stops guarding; the split stays, and can be resumed.
    Leave,
}

/// What a canary does at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Phase {
    /// The step holds.
    Holding,
    /// It waits.
    Paused {
        /// For what, in one line.
        reason: String,
        /// Whether a person told it to.
        by_person: bool,
    },
    /// Traffic is moved.
    Moving {
        /// Where to, in one line.
        what: String,
    },
    /// It is over.
    Ended(End),
}

/// How a canary ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// The canary serves everything.
    Promoted,
    /// It was taken back, and why.
    RolledBack {
        /// Why, in one line.
        reason: String,
    },
    /// A person took it back.
    Aborted,
    /// Somebody else moved the alias; nothing was overwritten.
    TakenOver {
        /// What was found.
        reason: String,
    },
    /// It is guarded no longer; the split stays.
    Left,
}

/// A canary as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanaryView {
    /// The lab.
    pub lab: String,
    /// What it does.
    #[serde(flatten)]
    pub phase: Phase,
    /// The step, from 0.
    pub step: usize,
    /// The steps, in percent.
    pub steps: Vec<f64>,
    /// How long the step was held, in seconds; pauses are left out.
    pub held_s: f64,
    /// How long it is to be held, in seconds.
    pub hold_s: u32,
    /// What is said of the lab's canary.
    pub verdict: Verdict,
    /// What is said of each function's.
    pub functions: Vec<Assessment>,
    /// How sure a verdict is, in percent.
    pub confidence: f64,
    /// Requests that it sent itself, and how many were not answered with 1xx to 4xx.
    pub sent: (u64, u64),
}

impl CanaryView {
    /// The share of the traffic that the step gives the canary, in percent.
    pub fn percent(&self) -> f64 {
        self.steps.get(self.step).copied().unwrap_or(100.0)
    }
}

/// The judge's terms of a plan.
pub fn terms(plan: &Canary) -> Terms {
    Terms {
        confidence: plan.confidence / 100.0,
        error_limit: plan.error_limit.map(|limit| limit / 100.0),
        tolerance: plan.tolerance / 100.0,
        slowdown: plan.slowdown,
    }
}
