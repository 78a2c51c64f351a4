//! The plan of a deploy or destroy: ordered steps, each with its reason.

use serde::Serialize;

/// What must be done to make live state what the blueprint wants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The lab.
    pub lab: String,
    /// The steps; a step's dependencies have smaller indices.
    pub steps: Vec<Step>,
    /// What one should know beside the steps: what was left out, what is kept as it is.
    pub notes: Vec<String>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What should be said loudly before it is done: what is billed by the hour, what is lost.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| step.warning.as_deref())
    }

    /// Whether data is lost: something is made anew, or removed with what it holds.
    pub fn loses_data(&self) -> bool {
        let lost = |step: &Step| match step.verb {
            Verb::Replace => true,
            Verb::Delete => step.warning.is_some(),
            Verb::Create | Verb::Update => false,
        };
        self.steps.iter().any(lost)
    }

    /// What is asked before a plan with warnings is carried out.
    pub fn question(&self) -> String {
        format!("deploy {} all the same?", self.lab)
    }

    /// How many steps have differences that somebody else made since the last deploy.
    pub fn drifted(&self) -> usize {
        let drifted = |step: &&Step| step.drift || step.changes.iter().any(|change| change.drift);
        self.steps.iter().filter(drifted).count()
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
    /// What changes, field by field.
    pub changes: Vec<Change>,
    /// Whether somebody else made every difference since the last deploy.
    pub drift: bool,
    /// What should be said loudly before: that it is billed by the hour, that something is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Indices of the steps that must be done before.
    pub after: Vec<usize>,
    /// What the applier does; opaque to the faces.
    #[serde(skip)]
    pub action: super::Action,
}

/// Fields whose values may hold secrets, or are long: the audit has their names alone.
const UNTOLD: [&str; 1] = ["variables"];
/// Longest value of a field that the audit has, in characters.
const LONGEST_TOLD: usize = 60;

impl Step {
    /// From what to what, in short words for the audit.
    pub fn noted(&self) -> (String, String) {
        let it = || format!("{} {}", self.resource, self.name);
        match self.verb {
            Verb::Create => ("nothing".to_owned(), it()),
            Verb::Delete => (it(), "nothing".to_owned()),
            Verb::Replace => (it(), format!("{} made anew", it())),
            Verb::Update if self.changes.is_empty() => (String::new(), self.reason.clone()),
            Verb::Update => {
                let told = |value: fn(&Change) -> Option<&String>| {
                    let told = |change: &Change| match value(change) {
                        Some(value) if change.is_told() => format!("{} {value}", change.field),
                        _ => change.field.clone(),
                    };
                    self.changes.iter().map(told).collect::<Vec<_>>().join(", ")
                };
                (told(|change| change.old.as_ref()), told(|change| change.new.as_ref()))
            }
        }
    }
}

impl Change {
    fn is_told(&self) -> bool {
        let short = |value: &Option<String>| {
            value.as_ref().is_none_or(|value| value.chars().count() <= LONGEST_TOLD)
        };
        !UNTOLD.contains(&self.field.as_str()) && short(&self.old) && short(&self.new)
    }
}

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The field's name.
    pub field: String,
    /// The value that is live, where it may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The value that is wanted, where it may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// The change in words: `memory 128 → 256 MB`.
    pub text: String,
    /// Whether somebody else changed it since the last deploy.
    pub drift: bool,
    /// A hash of the value that is live, or what else tells it from others: what a plan would overwrite.
    #[serde(skip)]
    pub overwrites: String,
}

/// The reason that some changes are: what the blueprint changed, then what somebody else did.
pub fn reason(changes: &[Change]) -> String {
    let texts = |drift: bool| {
        let of = changes.iter().filter(|change| change.drift == drift);
        of.map(|change| change.text.as_str()).collect::<Vec<_>>().join(", ")
    };
    match (texts(false), texts(true)) {
        (ours, theirs) if theirs.is_empty() => ours,
        (ours, theirs) if ours.is_empty() => format!("drift: {theirs}"),
        (ours, theirs) => format!("{ours}; drift: {theirs}"),
    }
}

/// What a step does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// It does not exist and is made.
    Create,
    /// It exists and is changed.
    Update,
    /// It exists, cannot become what is wanted, and is removed and made anew.
    Replace,
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
    /// What one should know beside: what waits for somebody, what was left out, what stays.
    pub notes: Vec<String>,
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
