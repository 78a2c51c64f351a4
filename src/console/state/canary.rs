//! Stable and canary side by side, and the canary that this console guards.

use labdeck_ops::canary::CanaryView;
use labdeck_telemetry::LogEvent;
use labdeck_telemetry::compare::{Assessment, Judge, Terms};

use crate::update::BEAT_MS;

/// A split of one function's release alias.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The function.
    pub function: String,
    /// The version that serves the rest.
    pub stable: String,
    /// The version that is tried.
    pub canary: String,
    /// Its share (0.0–1.0).
    pub share: f64,
    /// Since when, in ms since the epoch.
    pub since_ms: i64,
}

/// Stable and canary of the current lab, and the canary that is guarded.
#[derive(Debug)]
pub struct CanaryPane {
    /// The canary that this console guards, as it was told last.
    pub guarded: Option<CanaryView>,
    /// Whether one is being begun.
    pub beginning: bool,
    /// The last one that this console guarded, as it ended.
    pub last: Option<CanaryView>,
    judge: Judge,
    watched: Vec<Compared>,
    assessed: Vec<Assessment>,
    assessed_ms: i64,
    behind: bool,
    /// The canary that was left and is told of already: its lab, and when it was begun.
    told: Option<(String, u64)>,
}

impl Default for CanaryPane {
    fn default() -> Self {
        Self {
            guarded: None,
            beginning: false,
            last: None,
            judge: Judge::new(Terms::default()),
            watched: Vec::new(),
            assessed: Vec::new(),
            assessed_ms: 0,
            behind: false,
            told: None,
        }
    }
}

impl CanaryPane {
    /// Compares these splits by these terms. What was logged before is taken from `events` where a
    /// version is compared for the first time.
    pub fn compare<'e>(
        &mut self,
        terms: Terms,
        splits: Vec<Compared>,
        events: impl Iterator<Item = &'e LogEvent>,
        now_ms: i64,
    ) {
        let pair = |one: &Compared| (one.function.clone(), one.stable.clone(), one.canary.clone());
        let same_terms = *self.judge.terms() == terms;
        let same = same_terms && splits.iter().map(pair).eq(self.watched.iter().map(pair));
        if !same {
            self.judge = Judge::new(terms);
        }
        for one in &splits {
            let (stable, canary) = (one.stable.as_str(), one.canary.as_str());
            self.judge.watch(&one.function, stable, canary, one.share, one.since_ms);
        }
        self.watched = splits;
        if !same {
            for event in events {
                self.judge.ingest(event);
            }
            self.assess(now_ms);
        }
    }

    /// Takes an event in.
    pub fn ingest(&mut self, event: &LogEvent) {
        self.behind |= !self.judge.is_idle() && self.judge.ingest(event);
    }

    /// When it is next to be assessed, in ms since the epoch.
    pub fn due_ms(&self) -> Option<i64> {
        self.behind.then_some(self.assessed_ms + BEAT_MS)
    }

    /// Assesses when it is due.
    pub fn assess_if_due(&mut self, now_ms: i64) {
        if self.due_ms().is_some_and(|due| due <= now_ms) {
            self.assess(now_ms);
        }
    }

    fn assess(&mut self, now_ms: i64) {
        self.behind = false;
        self.assessed_ms = now_ms;
        self.assessed = self.judge.assess();
    }

    /// Stable and canary of each function of `lab` that is split, the ones with the most traffic first:
    /// as its guard sees them, where it has one here.
    pub fn assessed(&self, lab: &str) -> Vec<&Assessment> {
        let of_lab = |view: &Option<CanaryView>| view.as_ref().is_some_and(|view| view.lab == lab);
        let seen = match (&self.guarded, &self.last) {
            (Some(view), _) if of_lab(&self.guarded) => &view.functions,
            (_, Some(view)) if self.watched.is_empty() && of_lab(&self.last) => &view.functions,
            _ => &self.assessed,
        };
        let mut all: Vec<&Assessment> = seen.iter().collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.stable.requests + one.canary.requests));
        all
    }

    /// Forgets what belongs to a lab; the guarded canary stays.
    pub fn forget(&mut self) {
        self.judge = Judge::new(Terms::default());
        self.watched.clear();
        self.assessed.clear();
        self.behind = false;
    }

    /// Whether a canary of `lab` that was begun at `begun_ms` is told of for the first time.
    pub fn news(&mut self, lab: &str, begun_ms: u64) -> bool {
        let one = (lab.to_owned(), begun_ms);
        if self.told.as_ref() == Some(&one) {
            return false;
        }
        self.told = Some(one);
        true
    }
}
