//! The audit file: one JSON line per call that may change something.
//!
//! It holds no request bodies, no credentials and no key values; every field is bounded.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use etcetera::BaseStrategy;
use serde::Serialize;

/// The file is put aside under this size, in bytes; one older file is kept.
const LARGEST: u64 = 8 * 1024 * 1024;
/// Longest text of a field, in characters.
const LONGEST: usize = 512;

/// What is written about a call.
#[derive(Debug, Clone, Default, Serialize)]
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
    /// The service, such as `Lambda`.
    pub service: String,
    /// The operation, such as `UpdateAlias`.
    pub operation: String,
    /// The resource, as far as the request names it.
    pub resource: String,
    /// `ok`, or the error's code.
    pub result: String,
    /// Milliseconds it took, waits and retries included.
    pub millis: u64,
}

impl Entry {
    fn bounded(mut self) -> Self {
        for field in [
            &mut self.who,
            &mut self.account,
            &mut self.region,
            &mut self.target,
            &mut self.service,
            &mut self.operation,
            &mut self.resource,
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

/// Appends entries to the audit file; opened at the first entry.
#[derive(Debug)]
pub struct Audit {
    path: Option<PathBuf>,
    file: Mutex<Option<File>>,
    complained: AtomicBool,
}

impl Audit {
    /// Writes to `audit.jsonl` in the platform's state directory for labdeck.
    pub fn in_state_dir() -> Self {
        let path = etcetera::choose_base_strategy().ok().map(|base| {
            base.state_dir().unwrap_or_else(|| base.data_dir()).join("labdeck").join("audit.jsonl")
        });
        Self::at(path)
    }

    /// Writes to `path`; nowhere when there is none.
    pub fn at(path: Option<PathBuf>) -> Self {
        Self { path, file: Mutex::new(None), complained: AtomicBool::new(false) }
    }

    /// Appends one line. A file that can't be written is said once in the log and stops no call.
    pub fn write(&self, entry: Entry) {
        let Some(path) = &self.path else { return };
        if let Err(error) = self.append(path, &entry.bounded())
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(path = %path.display(), %error, "the audit file can't be written");
        }
    }

    fn append(&self, path: &Path, entry: &Entry) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let Ok(mut slot) = self.file.lock() else { return Ok(()) };
        if slot.as_ref().is_some_and(|file| file.metadata().is_ok_and(|m| m.len() > LARGEST)) {
            *slot = None;
            std::fs::rename(path, path.with_extension("jsonl.1"))?;
        }
        if slot.is_none() {
            if let Some(dir) = path.parent() {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            *slot = Some(OpenOptions::new().create(true).append(true).mode(0o600).open(path)?);
        }
        // One write per line: lines of several processes do not mix.
        slot.as_mut().map_or(Ok(()), |file| file.write_all(&line))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn lines_are_bounded_and_private() {
        let dir = std::env::temp_dir().join(format!("labdeck-audit-{}", uuid::Uuid::new_v4()));
        let path = dir.join("deep").join("audit.jsonl");
        let audit = Audit::at(Some(path.clone()));
        audit.write(Entry { operation: "CreateAlias".into(), ..Entry::default() });
        audit.write(Entry { resource: "é".repeat(5000), ..Entry::default() });
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains("CreateAlias"));
        assert!(lines[1].len() < 3000);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
