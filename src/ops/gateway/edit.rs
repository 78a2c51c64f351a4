//! What every edit has in common: settings before and after, the patch operations between, what somebody
//! else changed meanwhile, and what the next deploy makes of it.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind};
use serde::Serialize;

use super::patch::Patch;

/// Settings by name, as they are typed and shown.
pub type Settings = BTreeMap<String, String>;

/// What is going to be changed: shown before it is done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// What is edited: `stage ItemsAPI/prod`, `usage plan LabPlan`.
    pub subject: String,
    /// The operations, all in one call.
    pub patches: Vec<Patch>,
    /// What one should know before it is done: what it costs, what it refuses.
    pub warnings: Vec<String>,
}

impl Preview {
    /// One line per operation, with the old and the new value.
    pub fn lines(&self) -> Vec<String> {
        let width = self.patches.iter().map(|patch| patch.path.chars().count()).max().unwrap_or(0);
        let line = |patch: &Patch| {
            format!("{:<7} {:<width$}  {}", patch.op.word(), patch.path, patch.change())
        };
        self.patches.iter().map(line).collect()
    }
}

/// What an edit came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Done {
    /// What was done, in one line: `stage ItemsAPI/prod: 2 settings changed`.
    pub said: String,
    /// What was changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// What follows from it: what the next deploy makes of it, what was done beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Done {
    /// Without patches.
    pub(super) fn new(said: impl Into<String>) -> Self {
        Self { said: said.into(), patches: Vec::new(), notes: Vec::new() }
    }

    /// The same with a note.
    #[must_use]
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Refuses when `now` is not what was read `before`: both sides, and what was to be set, are in the
/// failure.
///
/// # Errors
/// Conflict.
pub(super) fn unchanged(
    subject: &str,
    before: &Settings,
    now: &Settings,
    wanted: &Settings,
) -> Result<(), Failure> {
    let value = |settings: &Settings, key: &str| {
        settings.get(key).map_or_else(|| "nothing".to_owned(), Clone::clone)
    };
    let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differing: Vec<String> = keys
        .into_iter()
        .filter(|key| before.get(*key) != now.get(*key))
        .map(|key| {
            let theirs = format!("{key} was {} and is {} now", value(before, key), value(now, key));
            if wanted.get(key) == before.get(key) {
                theirs
            } else {
                format!("{theirs}; yours is {}", value(wanted, key))
            }
        })
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    let why = format!(
        "somebody else changed it after it was read: {}; nothing was overwritten",
        differing.join("; ")
    );
    Err(Failure::new(FailureKind::Conflict, format!("editing {subject}"), why)
        .next("look at both, and set it again if yours is to count"))
}

/// What the next deploy makes of hand edits: which keys of `lab.toml` hold them.
pub(super) fn drift_note(section: &str, keys: &[(String, String)]) -> Option<String> {
    if keys.is_empty() {
        return None;
    }
    let lines: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    Some(format!(
        "a hand edit: the plan shows it as drift, and the next deploy takes it back; put it into \
         lab.toml to keep it: [{section}] {}",
        lines.join(", ")
    ))
}

/// A value as TOML writes it.
pub(super) fn toml_value(value: &str) -> String {
    let plain = value == "true" || value == "false" || value.parse::<f64>().is_ok();
    if plain { value.to_owned() } else { format!("{value:?}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn both_sides_of_a_conflict_are_named() {
        let before = settings(&[("throttle.rate", "5"), ("tracing", "false")]);
        let wanted = settings(&[("throttle.rate", "7"), ("tracing", "false")]);
        assert!(unchanged("stage a/b", &before, &before.clone(), &wanted).is_ok());
        let now = settings(&[("throttle.rate", "9"), ("tracing", "true")]);
        let failure = unchanged("stage a/b", &before, &now, &wanted).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Conflict);
        assert!(failure.why.contains("throttle.rate was 5 and is 9 now; yours is 7"), "{failure}");
        assert!(failure.why.contains("tracing was false and is true now;"), "{failure}");
    }

    #[test]
    fn the_next_step_is_a_line_of_lab_toml() {
        let keys =
            [("throttle.rate".to_owned(), toml_value("5")), ("a".to_owned(), toml_value("b"))];
        let note = drift_note("stages.prod", &keys).unwrap();
        assert!(note.ends_with("[stages.prod] throttle.rate = 5, a = \"b\""), "{note}");
        assert_eq!(drift_note("stages.prod", &[]), None);
    }
}
