//! How a canary of the lab is guarded.

use serde::Serialize;

/// Seconds that a step holds when the lab says nothing.
pub const DEFAULT_HOLD_S: i64 = 30;
/// Longest that a step may hold: a day, in seconds.
pub const LONGEST_HOLD_S: i64 = 86_400;

/// How a canary of the lab is guarded: its steps, and what takes it back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Canary {
    /// Shares of the traffic in percent, rising, each above 0 and below 100. All of it follows.
    pub steps: Vec<f64>,
    /// How long each step holds, in seconds.
    pub hold_s: u32,
    /// How sure a verdict is, in percent, 50 to below 100.
    pub confidence: f64,
    /// The highest share of failed invocations in percent, whatever the stable version has; `None`
    /// without such a limit.
    pub error_limit: Option<f64>,
    /// *Same* is said once the canary's share of failures is known to be at most so many percentage
    /// points above the stable version's.
    pub tolerance: f64,
    /// An invocation is slow when it takes longer than the stable version's p95 times this (above 1).
    pub slowdown: f64,
    /// Alarms that must not go off.
    pub alarms: Vec<String>,
    /// Steady traffic that the canary sends to the release's stage itself.
    pub traffic: Option<Traffic>,
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            steps: vec![5.0, 25.0, 50.0],
            hold_s: DEFAULT_HOLD_S as u32,
            confidence: 99.0,
            error_limit: Some(5.0),
            tolerance: 5.0,
            slowdown: 1.25,
            alarms: Vec::new(),
            traffic: None,
        }
    }
}

/// Steady traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Traffic {
    /// The saved request.
    pub request: String,
    /// Requests a second, 1 to 1000.
    pub rate: u32,
}

/// Shares in percent that a canary may go through.
///
/// # Errors
/// What is wrong, and what is expected: none, not rising, or outside of 0 to 100.
pub fn check_steps(steps: &[f64]) -> Result<(), &'static str> {
    const EXPECTED: &str = "rising percentages above 0 and below 100, such as [5, 25, 50]";
    let in_range = |step: &f64| step.is_finite() && *step >= 0.01 && *step < 100.0;
    let rising = steps.windows(2).all(|pair| pair[0] < pair[1]);
    if steps.is_empty() || !rising || !steps.iter().all(in_range) { Err(EXPECTED) } else { Ok(()) }
}
