//! Conditions of bindings: boolean words, parsed once, evaluated against a plain snapshot.

use labdeck_lab::nearest;

/// What conditions can ask about the console, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts(u16);

/// A fact with its word in `keymap.toml`.
pub const WORDS: &[(&str, Facts)] = &[
    ("deployed", Facts::DEPLOYED),
    ("chaos", Facts::CHAOS),
    ("job", Facts::JOB),
    ("canary", Facts::CANARY),
    ("rollback", Facts::ROLLBACK),
    ("undo", Facts::UNDO),
    ("read-only", Facts::READ_ONLY),
    ("local", Facts::LOCAL),
    ("zoomed", Facts::ZOOMED),
    ("paused", Facts::PAUSED),
    ("filtered", Facts::FILTERED),
    ("connected", Facts::CONNECTED),
    ("logs", Facts::LOGS_FOCUS),
    ("guarded", Facts::GUARDED),
    ("picking", Facts::PICKING),
];

impl Facts {
    /// Something of the lab is live.
    pub const DEPLOYED: Self = Self(1);
    /// A chaos switch is on.
    pub const CHAOS: Self = Self(1 << 1);
    /// A job is running.
    pub const JOB: Self = Self(1 << 2);
    /// `prod` is split.
    pub const CANARY: Self = Self(1 << 3);
    /// A rollback has somewhere to go.
    pub const ROLLBACK: Self = Self(1 << 4);
    /// The last move can be undone.
    pub const UNDO: Self = Self(1 << 5);
    /// The target is read-only.
    pub const READ_ONLY: Self = Self(1 << 6);
    /// The target is the local cloud.
    pub const LOCAL: Self = Self(1 << 7);
    /// A panel has the whole screen.
    pub const ZOOMED: Self = Self(1 << 8);
    /// The tail is paused.
    pub const PAUSED: Self = Self(1 << 9);
    /// The log pane is filtered.
    pub const FILTERED: Self = Self(1 << 10);
    /// The target is connected.
    pub const CONNECTED: Self = Self(1 << 11);
    /// The log pane has the focus.
    pub const LOGS_FOCUS: Self = Self(1 << 12);

    /// This console guards a canary of the lab.
    pub const GUARDED: Self = Self(1 << 13);
    /// Several can be marked in the list that is open.
    pub const PICKING: Self = Self(1 << 14);

    /// These facts and `other`, when `holds`.
    #[must_use]
    pub const fn with(self, other: Self, holds: bool) -> Self {
        if holds { Self(self.0 | other.0) } else { self }
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A parsed condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Holds always.
    Always,
    /// A fact holds.
    Is(Facts),
    /// The other does not hold.
    Not(Box<Condition>),
    /// Both hold.
    And(Box<Condition>, Box<Condition>),
    /// One of both holds.
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    /// Parses `word`, `not c`, `c and c`, `c or c` and parentheses; `and` binds tighter than `or`.
    ///
    /// # Errors
    /// What is wrong, and a suggestion where there is one.
    pub fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('!', " not ");
        let mut words = spaced.split_whitespace().peekable();
        let mut parser = Parser { words: &mut words, depth: 0 };
        let condition = parser.or()?;
        match parser.words.next() {
            None => Ok(condition),
            Some(word) => Err((format!("{word:?} is not expected in a condition"), None)),
        }
    }

    /// Whether it holds of `facts`.
    pub fn holds(&self, facts: Facts) -> bool {
        match self {
            Self::Always => true,
            Self::Is(fact) => facts.has(*fact),
            Self::Not(inner) => !inner.holds(facts),
            Self::And(a, b) => a.holds(facts) && b.holds(facts),
            Self::Or(a, b) => a.holds(facts) || b.holds(facts),
        }
    }
}

struct Parser<'a, 'b, I: Iterator<Item = &'b str>> {
    words: &'a mut std::iter::Peekable<I>,
    depth: u8,
}

impl<'b, I: Iterator<Item = &'b str>> Parser<'_, 'b, I> {
    fn or(&mut self) -> Result<Condition, (String, Option<String>)> {
        let mut left = self.and()?;
        while self.words.next_if_eq(&"or").is_some() {
            left = Condition::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Condition, (String, Option<String>)> {
        let mut left = self.not()?;
        while self.words.next_if_eq(&"and").is_some() {
            left = Condition::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Condition, (String, Option<String>)> {
        self.depth += 1;
        if self.depth > 32 {
            return Err(("the condition is nested too deeply".to_owned(), None));
        }
        let condition = match self.words.next() {
            Some("not") => Condition::Not(Box::new(self.not()?)),
            Some("(") => {
                let inner = self.or()?;
                if self.words.next() != Some(")") {
                    return Err(("a parenthesis is not closed".to_owned(), None));
                }
                inner
            }
            Some(word) => match WORDS.iter().find(|(name, _)| *name == word) {
                Some((_, fact)) => Condition::Is(*fact),
                None => return Err(unknown(word)),
            },
            None => return Err(("the condition ends too early".to_owned(), None)),
        };
        self.depth -= 1;
        Ok(condition)
    }
}

fn unknown(word: &str) -> (String, Option<String>) {
    let names: Vec<&str> = WORDS.iter().map(|(name, _)| *name).collect();
    let what = format!("unknown word {word:?} in a condition; known are {}", names.join(", "));
    (what, nearest(word, names.iter().copied()).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn conditions_are_boolean() {
        let condition = Condition::parse("deployed and not (chaos or job)").unwrap();
        let facts = Facts::default().with(Facts::DEPLOYED, true);
        assert!(condition.holds(facts));
        assert!(!condition.holds(facts.with(Facts::JOB, true)));
        assert!(Condition::parse("!deployed or chaos").unwrap().holds(Facts::default()));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Condition::parse("deploied").unwrap_err().1.as_deref(), Some("deployed"));
        assert!(Condition::parse("(chaos").unwrap_err().0.contains("not closed"));
        assert!(Condition::parse("chaos and").unwrap_err().0.contains("too early"));
        assert!(Condition::parse(&"not ".repeat(100)).unwrap_err().0.contains("deeply"));
    }
}
