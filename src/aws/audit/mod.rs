//! The audit: one JSON line per call that may change something.
//!
//! It holds no request bodies, no credentials and no key values; every field is bounded.

mod file;
mod read;
#[cfg(test)]
mod secrets_tests;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

pub use read::{AuditReader, Damaged, Line};

use file::Appended;

/// Longest text of a field, in characters.
const LONGEST: usize = 512;
/// What [`Entry::result`] says of a call that did what it was asked.
const OK: &str = "ok";

/// What is written about a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// When it ended, RFC 3339 in UTC.
    pub time: String,
    /// Who called: the caller's ARN where it is known, else the access key's id.
    pub who: String,
    /// The account, where it is known.
    pub account: String,
    /// The region that was signed for.
    pub region: String,
    /// The target's name.
    pub target: String,
    /// The lab that was worked on, where one was.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lab: String,
    /// The service, such as `Lambda`.
    pub service: String,
    /// The operation, such as `UpdateAlias`.
    pub operation: String,
    /// The resource, as far as the request names it.
    pub resource: String,
    /// What it was, in a few words, where whoever made the call said so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// What it was to become, likewise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// `ok`, or the error's code.
    pub result: String,
    /// Milliseconds it took, waits and retries included.
    pub millis: u64,
}

impl Entry {
    /// Whether it did not do what it was asked, as far as is known.
    pub fn failed(&self) -> bool {
        self.result != OK
    }

    /// The result of a call that did what it was asked.
    pub(crate) fn ok() -> String {
        OK.to_owned()
    }

    fn bounded(mut self) -> Self {
        for field in [
            &mut self.who,
            &mut self.account,
            &mut self.region,
            &mut self.target,
            &mut self.lab,
            &mut self.service,
            &mut self.operation,
            &mut self.resource,
            &mut self.from,
            &mut self.to,
            &mut self.result,
        ] {
            if let Some((at, _)) = field.char_indices().nth(LONGEST) {
                field.truncate(at);
                field.push('…');
            }
        }
        self
    }
}

/// The moment as entries write it.
pub(crate) fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// Where the audit is written: `labdeck/audit.jsonl` in the platform's state directory. `None` when the
/// home directory is not known.
pub fn audit_path() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    let dir = base.state_dir().unwrap_or_else(|| base.data_dir());
    Some(dir.join("labdeck").join("audit.jsonl"))
}

/// Appends entries to the audit file; opened at the first entry.
#[derive(Debug)]
pub struct Audit {
    file: Option<Mutex<Appended>>,
    complained: AtomicBool,
}

impl Audit {
    /// Writes to `path`; nowhere when there is none.
    pub fn at(path: Option<PathBuf>) -> Self {
        let file = path.map(|path| Mutex::new(Appended::new(path)));
        Self { file, complained: AtomicBool::new(false) }
    }

    /// Appends one line. A file that can't be written is said once in the log and stops no call.
    pub fn write(&self, entry: Entry) {
        let Some(file) = &self.file else { return };
        let line = serde_json::to_vec(&entry.bounded());
        let Ok(mut file) = file.lock() else { return };
        let written = line.map_err(Into::into).and_then(|line| file.append(line));
        if let Err(error) = written
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(path = %file.path().display(), %error, "the audit can't be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_bounded() {
        let entry = Entry { from: "é".repeat(5000), to: "b".repeat(5000), ..Entry::default() };
        let bounded = entry.bounded();
        assert_eq!(bounded.from.chars().count(), LONGEST + 1);
        assert!(bounded.to.ends_with('…'));
    }

    #[test]
    fn lines_of_older_versions_are_read() {
        let line = r#"{"time":"t","who":"w","service":"Lambda","operation":"UpdateAlias","result":"ok","new":1}"#;
        let entry: Result<Entry, _> = serde_json::from_str(line);
        assert!(entry.is_ok_and(|entry| !entry.failed() && entry.lab.is_empty()));
    }
}
