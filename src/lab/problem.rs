//! Problems of a lab's files: what is wrong, where, what was expected, and the nearest right name.

use std::fmt;
use std::path::{Path, PathBuf};

/// The most problems kept of one lab; more would only be scrolled past.
pub(crate) const MOST_PROBLEMS: usize = 200;

/// One thing wrong with a lab's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, below the lab's folder as the caller named it.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What was expected instead, where that says more than the message.
    pub expected: Option<String>,
    /// The nearest right name, where one is near.
    pub suggestion: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, " (did you mean `{suggestion}`?)")?;
        }
        Ok(())
    }
}

/// Every problem of a lab's files, in the order of the files and lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// A place in a file: line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    /// The place of a byte offset in a text. An offset past the end is the end.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The problems found so far in one file.
#[derive(Debug)]
pub(crate) struct Findings {
    file: PathBuf,
    found: Vec<Problem>,
}

impl Findings {
    pub(crate) fn new(file: &Path) -> Self {
        Self { file: file.to_path_buf(), found: Vec::new() }
    }

    /// Whether as many problems were found as are kept.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= MOST_PROBLEMS
    }

    /// Adds a problem and hands it back, so that what was expected can be added.
    pub(crate) fn add(&mut self, at: Position, message: impl Into<String>) -> &mut Problem {
        // The last slot is overwritten once the list is full, so that a caller always has one.
        if self.is_full() {
            self.found.pop();
        }
        self.found.push(Problem {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            message: message.into(),
            expected: None,
            suggestion: None,
        });
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// The problems by line and column, each only once.
    pub(crate) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        self.found.dedup();
        self.found
    }
}

impl Problem {
    /// Says what was expected.
    pub(crate) fn expected(&mut self, expected: impl Into<String>) -> &mut Self {
        self.expected = Some(expected.into());
        self
    }

    /// Suggests the nearest of the right names, where one is near.
    pub(crate) fn nearest<'a>(
        &mut self,
        wrong: &str,
        right: impl IntoIterator<Item = &'a str>,
    ) -> &mut Self {
        self.suggestion = nearest(wrong, right).map(str::to_owned);
        self
    }
}

/// The right name that a wrong one most likely stands for: what every "did you mean" says.
pub fn nearest<'a>(wrong: &str, right: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Below this similarity a suggestion confuses more than it helps; one slip is always near, and so is
    // a name that goes on: `escape` for `esc`.
    const NEAR: f64 = 0.55;
    let wrong = wrong.to_lowercase();
    right
        .into_iter()
        .map(|name| {
            let right = name.to_lowercase();
            let slip = right.len() > 1 && strsim::damerau_levenshtein(&wrong, &right) <= 1;
            let long = right.len() > 2 && wrong.starts_with(&right);
            let similarity = strsim::normalized_damerau_levenshtein(&wrong, &right);
            (if slip || long { similarity.max(NEAR) } else { similarity }, name)
        })
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Names as a list for a message: "`a`, `b` or `c`"; long lists are cut.
pub(crate) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 12;
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        many if many.len() > MOST => {
            format!("one of {} and {} more", many[..MOST].join(", "), many.len() - MOST)
        }
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
