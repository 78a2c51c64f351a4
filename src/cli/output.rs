//! Where results go: stdout as text or JSON, errors and remarks to stderr.
//!
//! A reader that has gone (`labdeck logs | head`) is no failure: what follows is dropped.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use labdeck_aws::{Failure, FailureKind};
use labdeck_telemetry::clean;
use serde::Serialize;

/// The exit statuses, as the manual names them.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// Failed.
    pub const FAILED: u8 = 1;
    /// Changes are pending (`plan`).
    pub const PENDING: u8 = 2;
    /// Refused before any change, or a conflict.
    pub const REFUSED: u8 = 3;
    /// The command line makes no sense.
    pub const USAGE: u8 = 64;
    /// Ended at once by a second Ctrl-C.
    pub const INTERRUPTED: u8 = 130;
}

/// The exit status of a failure.
pub fn status_of(failure: &Failure) -> u8 {
    match failure.kind {
        FailureKind::Refused | FailureKind::Conflict => exit::REFUSED,
        _ => exit::FAILED,
    }
}

/// Where a command writes.
#[derive(Debug)]
pub struct Output {
    /// Whether results and errors are JSON.
    pub json: bool,
    closed: AtomicBool,
}

impl Output {
    /// Writes text, or JSON.
    pub fn new(json: bool) -> Self {
        Self { json, closed: AtomicBool::new(false) }
    }

    /// Whether the reader of stdout has gone.
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether a person looks at stderr.
    pub fn interactive() -> bool {
        io::stderr().is_terminal()
    }

    /// A line of text on stdout.
    pub fn line(&self, text: impl AsRef<str>) {
        self.write(text.as_ref());
    }

    /// One JSON value on a line of its own on stdout.
    pub fn value(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.write(&text),
            Err(error) => self.remark(format!("could not be written as JSON: {error}")),
        }
    }

    /// The result, as JSON or as the lines of `text`.
    pub fn result(&self, value: &impl Serialize, text: impl FnOnce() -> Vec<String>) {
        if self.json {
            self.value(value);
        } else {
            for line in text() {
                self.line(line);
            }
        }
    }

    fn write(&self, text: &str) {
        if self.closed() {
            return;
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n"));
        if written.and_then(|()| stdout.flush()).is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    /// A remark for a person on stderr; not with JSON.
    pub fn remark(&self, text: impl AsRef<str>) {
        if !self.json {
            let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
        }
    }

    /// One JSON value on a line of its own on stderr: what must be told beside the results.
    pub fn notice(&self, value: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(value) {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// A failure on stderr: what happened, why, what to do next.
    pub fn failure(&self, failure: &Failure) {
        let mut stderr = io::stderr().lock();
        let _ = if self.json {
            let text = serde_json::to_string(failure).unwrap_or_else(|_| failure.to_string());
            writeln!(stderr, "{text}")
        } else {
            stderr.write_all(told(failure).as_bytes())
        };
    }
}

/// A failure as people read it.
pub fn told(failure: &Failure) -> String {
    // What a service or a compiler said is text from outside.
    let mut text = format!("error: {}\n", clean(&failure.what));
    for line in failure.why.lines() {
        text.push_str("  ");
        text.push_str(&clean(line));
        text.push('\n');
    }
    if let Some(code) = &failure.code
        && !failure.why.contains(code.as_str())
    {
        text.push_str("  (");
        text.push_str(code);
        text.push_str(")\n");
    }
    if let Some(next) = &failure.next {
        text.push_str("next: ");
        text.push_str(&clean(next));
        text.push('\n');
    }
    text
}

/// Rows as columns that line up; the last column is as long as it is.
pub fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let width = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            match widths.get_mut(index) {
                Some(known) => *known = (*known).max(width(cell)),
                None => widths.push(width(cell)),
            }
        }
    }
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (index, cell) in row.iter().enumerate() {
                line.push_str(cell);
                if index + 1 < row.len() {
                    let room = widths.get(index).copied().unwrap_or_default() + 2;
                    line.extend(std::iter::repeat_n(' ', room.saturating_sub(width(cell))));
                }
            }
            line.trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_next() {
        let failure = Failure::new(FailureKind::Conflict, "moving alias prod of a", "it changed")
            .code("PreconditionFailedException")
            .next("look again");
        assert_eq!(
            told(&failure),
            "error: moving alias prod of a\n  it changed\n  (PreconditionFailedException)\n\
             next: look again\n"
        );
        assert_eq!(status_of(&failure), exit::REFUSED);
        assert_eq!(status_of(&Failure::new(FailureKind::NotFound, "a", "b")), exit::FAILED);
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let lines = columns(&[row(&["a", "bb", "c"]), row(&["größe", "", "d"])]);
        assert_eq!(lines, ["a      bb  c", "größe      d"]);
    }
}
