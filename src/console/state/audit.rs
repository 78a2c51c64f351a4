//! The audit as the console lists it: the newest first, filtered by what is typed.

use labdeck_aws::{AuditEntry, Failure};
use labdeck_ops::audit::{self, Found};
use tui_input::Input;

use crate::text::harmless;

/// How many entries are listed at most: the newest.
const LISTED: usize = 5_000;

/// How far the reading of the audit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// On its way.
    Begun,
    /// There, with so many lines that could not be read.
    Done {
        /// Lines that could not be read, the first of them in words.
        damaged: Option<(usize, String)>,
    },
    /// Not to be had.
    Failed(String),
}

/// The list.
#[derive(Debug)]
pub struct AuditList {
    /// What was typed: words that all must be in an entry.
    pub input: Input,
    /// The selected one of those shown.
    pub selected: usize,
    /// How far the reading is.
    pub reading: Reading,
    /// The newest entries, the newest first, each with its words in small letters.
    entries: Vec<(AuditEntry, String)>,
    /// Indices of those that match.
    shown: Vec<usize>,
}

impl AuditList {
    /// A list that is being read.
    pub fn new() -> Self {
        Self {
            input: Input::default(),
            selected: 0,
            reading: Reading::Begun,
            entries: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// Takes in what was read.
    pub fn read(&mut self, result: Result<Found, Failure>) {
        match result {
            Ok(found) => {
                let first =
                    found.damaged.first().map(|damaged| harmless(&damaged.to_string()).into());
                self.reading = Reading::Done { damaged: first.map(|f| (found.damaged.len(), f)) };
                let newest = found.entries.into_iter().rev().take(LISTED);
                self.entries =
                    newest.map(|entry| (words(&entry), entry)).map(|(w, e)| (e, w)).collect();
            }
            Err(failure) => self.reading = Reading::Failed(failure.to_string()),
        }
        self.filter();
    }

    /// Shows what matches the words that were typed.
    pub fn filter(&mut self) {
        let typed = self.input.value().to_lowercase();
        let wanted: Vec<&str> = typed.split_whitespace().collect();
        let matching = self.entries.iter().enumerate();
        self.shown = matching
            .filter(|(_, (_, words))| wanted.iter().all(|word| words.contains(word)))
            .map(|(index, _)| index)
            .collect();
        self.selected = 0;
    }

    /// How many are shown.
    pub fn count(&self) -> usize {
        self.shown.len()
    }

    /// Those that are shown from the one at `from` on.
    pub fn rows(&self, from: usize) -> impl Iterator<Item = &AuditEntry> {
        self.shown.iter().skip(from).filter_map(|index| self.entries.get(*index)).map(|(e, _)| e)
    }

    /// The selected entry.
    pub fn selected(&self) -> Option<&AuditEntry> {
        self.rows(self.selected).next()
    }
}

impl Default for AuditList {
    fn default() -> Self {
        Self::new()
    }
}

/// What the words that are typed are looked for in.
fn words(entry: &AuditEntry) -> String {
    let failed = if entry.failed() { "failed" } else { "" };
    [
        &entry.time,
        &entry.lab,
        &entry.who,
        &entry.target,
        &entry.account,
        &entry.region,
        &entry.service,
        &entry.operation,
        &entry.resource,
        &audit::change(entry),
        &entry.result,
        failed,
    ]
    .join(" ")
    .to_lowercase()
}

/// An entry whole, one field a line.
pub fn whole(entry: &AuditEntry) -> String {
    let millis = format!("{} ms", entry.millis);
    let fields = [
        ("time", &entry.time),
        ("who", &entry.who),
        ("account", &entry.account),
        ("region", &entry.region),
        ("target", &entry.target),
        ("lab", &entry.lab),
        ("service", &entry.service),
        ("operation", &entry.operation),
        ("resource", &entry.resource),
        ("from", &entry.from),
        ("to", &entry.to),
        ("result", &entry.result),
        ("took", &millis),
    ];
    let lines = fields.iter().filter(|(_, value)| !value.is_empty());
    let lines = lines.map(|(name, value)| format!("{name:>9}  {}", harmless(value)));
    // Names end in one column: what is indented is not wrapped as prose.
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(lab: &str, operation: &str, result: &str) -> AuditEntry {
        AuditEntry {
            lab: lab.to_owned(),
            operation: operation.to_owned(),
            result: result.to_owned(),
            ..AuditEntry::default()
        }
    }

    #[test]
    fn the_newest_comes_first_and_every_word_must_match() {
        let entries = vec![
            entry("shop", "UpdateAlias", "ok"),
            entry("greet", "UpdateAlias", "PreconditionFailedException"),
            entry("greet", "CreateAlias", "ok"),
        ];
        let mut list = AuditList::new();
        list.read(Ok(Found { entries, damaged: Vec::new() }));
        let shown = |list: &AuditList| -> Vec<String> {
            list.rows(0).map(|entry| format!("{} {}", entry.lab, entry.operation)).collect()
        };
        assert_eq!(shown(&list), ["greet CreateAlias", "greet UpdateAlias", "shop UpdateAlias"]);
        list.input = "UPDATE greet".into();
        list.filter();
        assert_eq!(shown(&list), ["greet UpdateAlias"]);
        list.input = "failed".into();
        list.filter();
        assert_eq!(shown(&list), ["greet UpdateAlias"]);
        assert!(list.selected().is_some_and(|entry| whole(entry).contains("   result  Precon")));
    }
}
