//! Stable and canary compared from their log lines, with a verdict that holds under repeated looks.
//!
//! What is compared, and how sure a verdict is, is told in `docs/canary.md`; what the evidence is made
//! of, in [`evidence`].

pub mod evidence;
mod judge;
mod pairing;
mod side;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use judge::{Judge, overall};
pub use side::SideView;

/// What is compared, and how sure one wants to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// How sure a verdict is, 0.5 to below 1: a canary that is no worse is called worse in at most the
    /// rest of all canaries, however long they run.
    pub confidence: f64,
    /// The highest share of failed invocations that the canary may have, whatever the stable version
    /// has (0.0–1.0); `None` without such a limit.
    pub error_limit: Option<f64>,
    /// *Same* is said once the canary's share of failures is known to be at most this much above the
    /// stable version's (0.0–1.0).
    pub tolerance: f64,
    /// An invocation is slow when it takes longer than the stable version's p95 times this (above 1).
    pub slowdown: f64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { confidence: 0.99, error_limit: Some(0.05), tolerance: 0.05, slowdown: 1.25 }
    }
}

/// What is said of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It fails less, or is slow less often.
    Better,
    /// It is known to be no worse by more than what is tolerated.
    Same,
    /// Too few invocations to tell.
    TooLittleData,
    /// It fails more, is slow more often, or fails more than the limit allows.
    Worse,
}

impl Verdict {
    /// In plain words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::TooLittleData => "too little data",
            Self::Worse => "worse",
        }
    }
}

/// A function's two versions side by side.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Assessment {
    /// The function.
    pub function: Arc<str>,
    /// The version that serves the rest.
    pub stable: SideView,
    /// The version that is tried.
    pub canary: SideView,
    /// What is said of the canary.
    pub verdict: Verdict,
    /// Why, in one line.
    pub reason: String,
}
