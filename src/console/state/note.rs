//! Notes: what happened, to be read again; the newest is shown above the hint line for a while.

use std::collections::VecDeque;

use labdeck_aws::{Failure, FailureKind};

/// How many notes are kept.
const KEPT: usize = 200;

/// How a note is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// For information.
    Info,
    /// Something worked.
    Good,
    /// Look here.
    Warn,
    /// Something failed.
    Bad,
}

/// One note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When, in ms since the epoch.
    pub at_ms: i64,
    /// How it is meant.
    pub tone: Tone,
    /// What happened.
    pub text: String,
    /// Why.
    pub why: Option<String>,
    /// What to do next.
    pub next: Option<String>,
}

impl Note {
    /// The note as text for the clipboard or the popup.
    pub fn full(&self) -> String {
        let mut text = self.text.clone();
        if let Some(why) = &self.why {
            text.push_str("\n\nWhy: ");
            text.push_str(why);
        }
        if let Some(next) = &self.next {
            text.push_str("\n\nNext: ");
            text.push_str(next);
        }
        text
    }
}

/// The notes.
#[derive(Debug, Default)]
pub struct Notes {
    /// The newest last.
    pub all: VecDeque<Note>,
    /// Whether the newest is shown above the hint line.
    pub shown: bool,
}

impl Notes {
    /// Adds a note and shows it.
    pub fn say(&mut self, at_ms: i64, tone: Tone, text: impl Into<String>) {
        self.add(Note { at_ms, tone, text: text.into(), why: None, next: None });
    }

    /// Adds a note with more to read, and shows it.
    pub fn tell(&mut self, at_ms: i64, tone: Tone, text: String, why: Option<String>) {
        let harmless = |text: String| crate::text::harmless(&text).into_owned();
        let (text, why) = (harmless(text), why.map(harmless));
        self.add(Note { at_ms, tone, text, why, next: None });
    }

    /// Adds a failure and shows it.
    pub fn fail(&mut self, at_ms: i64, failure: &Failure) {
        let tone = match failure.kind {
            FailureKind::Refused | FailureKind::Conflict | FailureKind::Cancelled => Tone::Warn,
            _ => Tone::Bad,
        };
        self.add(Note {
            at_ms,
            tone,
            text: crate::text::harmless(&failure.what).into_owned(),
            why: Some(crate::text::harmless(&failure.why).into_owned()),
            next: failure.next.as_deref().map(|next| crate::text::harmless(next).into_owned()),
        });
    }

    fn add(&mut self, note: Note) {
        // The same thing again, such as a refresh that keeps failing, only moves its time.
        if let Some(last) = self.all.back_mut()
            && (last.tone, &last.text, &last.why) == (note.tone, &note.text, &note.why)
        {
            last.at_ms = note.at_ms;
        } else {
            self.all.push_back(note);
            if self.all.len() > KEPT {
                self.all.pop_front();
            }
        }
        self.shown = true;
    }

    /// The note to show above the hint line.
    pub fn current(&self) -> Option<&Note> {
        self.all.back().filter(|_| self.shown)
    }
}
