//! The plan of a deploy or destroy: ordered steps, each with its reason.

use serde::Serialize;

/// What must be done to make live state what the blueprint wants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The lab.
    pub lab: String,
    /// The steps; a step's dependencies have smaller indices.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// What is done.
    pub verb: Verb,
    /// The kind of resource, in AWS's words: `table`, `role`, `function`, `alias`, `API` …
    pub resource: String,
    /// The resource's name.
    pub name: String,
    /// Why: `missing`, `code changed (3f2a… → 9b1c…)`, `timeout 5 → 10 s` …
    pub reason: String,
    /// Indices of the steps that must be done before.
    pub after: Vec<usize>,
    /// What the applier does; opaque to the faces.
    #[serde(skip)]
    pub action: super::Action,
}

/// What a step does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// It does not exist and is made.
    Create,
    /// It exists and is changed.
    Update,
    /// It is removed.
    Delete,
}

/// What a deploy did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The lab.
    pub lab: String,
    /// Steps that changed something.
    pub changed: usize,
    /// AWS calls made.
    pub calls: u64,
    /// Seconds in all, the build included.
    pub seconds: f64,
    /// Seconds of the build.
    pub build_seconds: f64,
    /// The URL of every API and stage.
    pub endpoints: Vec<Endpoint>,
    /// What is left after a destroy, by tag and by name; empty after a deploy.
    pub left: Vec<Left>,
}

/// The URL of an API's stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// API name.
    pub api: String,
    /// Stage name.
    pub stage: String,
    /// URL below which the API's paths begin, without a trailing slash.
    pub url: String,
}

/// Something of a lab that is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The kind of resource.
    pub resource: String,
    /// Its name.
    pub name: String,
    /// Why it is still there.
    pub reason: String,
}
