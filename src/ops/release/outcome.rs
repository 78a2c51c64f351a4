//! What moving a release did, per function.

use serde::Serialize;

/// What a release operation did to every function of a lab.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReleaseOutcome {
    /// The lab.
    pub lab: String,
    /// What was asked for: `publish`, `shift 20%`, `promote`, `rollback`, `undo`.
    pub operation: String,
    /// Per function, in the blueprint's order.
    pub moves: Vec<Move>,
    /// Stages whose deployment moved, as `(api, stage, from, to)`.
    pub deployments: Vec<(String, String, String, String)>,
    /// What went wrong beside the functions: a stage that did not move, an undo that was not kept.
    pub problems: Vec<labdeck_aws::Failure>,
    /// Milliseconds it took.
    pub millis: f64,
}

/// What happened to one function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Move {
    /// Function name.
    pub function: String,
    /// Before: `v3` or `v3 80% · v4 20%`.
    pub from: String,
    /// After, in the same form.
    pub to: String,
    /// Whether anything changed.
    pub changed: bool,
    /// Why it stays where it is or where it goes, where that needs a word: `nothing newer than v3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why it did not, where it failed.
    pub failure: Option<labdeck_aws::Failure>,
}

impl Move {
    /// Whether its call was made: it changed, failed, or was written again for the record.
    pub fn tried(&self) -> bool {
        self.changed || self.failure.is_some()
    }
}
