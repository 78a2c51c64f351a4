//! The syntax of `lab.toml`: parsed as far as it goes, each error with its line.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, Error};

use crate::problem::{Findings, MOST_PROBLEMS, Position};

/// What syntax errors did to a text: which of its parts say nothing about what was meant.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    /// Lines with an error.
    lines: BTreeSet<usize>,
    /// From this byte offset on, lines belong to a table in braces that should have ended.
    swallowed_from: Option<usize>,
}

impl Damage {
    /// Whether something may be missing that the text means to hold.
    pub(crate) fn any(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Whether what stands there is only what an error left of it.
    pub(crate) fn hides(&self, offset: usize, at: Position) -> bool {
        self.lines.contains(&at.line) || self.swallowed_from.is_some_and(|from| offset >= from)
    }
}

/// Parses a text. Errors go to `findings`; what could be read is handed back.
pub(crate) fn parse<'i>(text: &'i str, findings: &mut Findings) -> (Spanned<DeTable<'i>>, Damage) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut damage = Damage::default();
    for error in errors.iter().take(MOST_PROBLEMS) {
        let offset = error.span().map_or(0, |span| span.start);
        let at = Position::of(text, offset);
        // The first error of a table in braces that never ends stands for all that it makes of the
        // lines behind it.
        if damage.swallowed_from.is_some() {
            continue;
        }
        damage.lines.insert(at.line);
        let problem = findings.add(at, error.message());
        if in_braces(error) {
            problem.expected("a `}` where the table in braces ends");
            damage.swallowed_from = Some(offset);
        }
    }
    (root, damage)
}

fn in_braces(error: &Error) -> bool {
    let message = error.message();
    message.starts_with("missing key for inline table")
        || message.starts_with("missing comma between key-value pairs")
}
