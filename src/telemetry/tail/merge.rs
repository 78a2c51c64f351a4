//! Tells which of the events from the two sources are new.
//!
//! The live tail gives no event ids, so live and swept events are matched as multisets on group,
//! stream, time and text: of several equal events as many are let through as the richer source
//! has shown. Sweeps, which overlap, are matched among themselves by event id.
//!
//! What is remembered is bounded: by the time before which neither source is expected to tell
//! anything twice, and by a number of events.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// Events that are remembered at most; beyond, the oldest seconds are forgotten.
const MOST_EVENTS: usize = 100_000;

/// How often each source has shown an event.
#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    live: u32,
    swept: u32,
}

#[derive(Debug, Default)]
struct Second {
    /// By hash of group, stream, time and text.
    shown: HashMap<u64, Shown>,
    /// Hashes of event ids that sweeps have told.
    ids: HashSet<u64>,
}

impl Second {
    fn len(&self) -> usize {
        self.shown.len() + self.ids.len()
    }
}

/// What makes two events equal.
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq)]
pub struct Key<'a> {
    /// Log group.
    pub group: &'a str,
    /// Log stream.
    pub stream: &'a str,
    /// When it happened, in ms since the epoch.
    pub timestamp_ms: i64,
    /// The text, as it came.
    pub message: &'a str,
}

/// The memory of what was let through.
#[derive(Debug, Default)]
pub struct Merger {
    hasher: RandomState,
    seconds: BTreeMap<i64, Second>,
    events: usize,
    /// Nothing before this second is remembered.
    horizon: i64,
}

impl Merger {
    /// An empty memory.
    pub fn new() -> Self {
        Self { horizon: i64::MIN, ..Self::default() }
    }

    /// Whether an event that the live tail told is new.
    pub fn live(&mut self, key: Key<'_>) -> bool {
        let hash = self.hasher.hash_one(key);
        let Some(second) = self.second(key.timestamp_ms) else {
            // Sweeps don't reach back so far: nobody else will tell it.
            return true;
        };
        let before = second.len();
        let shown = second.shown.entry(hash).or_default();
        shown.live += 1;
        let new = shown.live > shown.swept;
        let grown = second.len() - before;
        self.grow(grown);
        new
    }

    /// Whether an event that a sweep told, with its id, is new.
    pub fn swept(&mut self, id: &str, key: Key<'_>) -> bool {
        let id = self.hasher.hash_one((key.group, id));
        let hash = self.hasher.hash_one(key);
        let Some(second) = self.second(key.timestamp_ms) else {
            return false;
        };
        let before = second.len();
        if !second.ids.insert(id) {
            return false;
        }
        let shown = second.shown.entry(hash).or_default();
        shown.swept += 1;
        let new = shown.swept > shown.live;
        let grown = second.len() - before;
        self.grow(grown);
        new
    }

    /// Forgets everything that happened before `time_ms`: no sweep will ask for it any more.
    pub fn forget_before(&mut self, time_ms: i64) {
        let second = time_ms.div_euclid(1000);
        if second <= self.horizon {
            return;
        }
        self.horizon = second;
        let kept = self.seconds.split_off(&second);
        let gone = std::mem::replace(&mut self.seconds, kept);
        self.events -= gone.values().map(Second::len).sum::<usize>();
    }

    /// Remembered entries.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.events
    }

    fn second(&mut self, timestamp_ms: i64) -> Option<&mut Second> {
        let second = timestamp_ms.div_euclid(1000);
        (second >= self.horizon).then(|| self.seconds.entry(second).or_default())
    }

    fn grow(&mut self, entries: usize) {
        self.events += entries;
        // An event told by both sources has two entries.
        while self.events > 2 * MOST_EVENTS {
            let Some((second, gone)) = self.seconds.pop_first() else { return };
            self.events -= gone.len();
            self.horizon = self.horizon.max(second + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn key(timestamp_ms: i64, message: &str) -> Key<'_> {
        Key { group: "g", stream: "s", timestamp_ms, message }
    }

    #[test]
    fn equal_events_are_let_through_as_often_as_they_happened() {
        let mut merger = Merger::new();
        assert!(merger.live(key(1, "a")));
        assert!(!merger.swept("1", key(1, "a")));
        assert!(merger.swept("2", key(1, "a")));
        assert!(!merger.swept("2", key(1, "a")));
        assert!(!merger.live(key(1, "a")));
        assert!(merger.live(key(1, "a")));
        assert!(merger.live(key(2, "a")));
    }

    #[test]
    fn what_is_forgotten_is_bounded_and_asked_for_no_more() {
        let mut merger = Merger::new();
        for time in 0..10_000 {
            merger.live(key(time, "a"));
        }
        merger.forget_before(9_000);
        assert_eq!(merger.len(), 1000);
        // A late one is shown, since no sweep will tell it; a sweep's is not.
        assert!(merger.live(key(5, "late")));
        assert!(!merger.swept("x", key(5, "late")));
        assert_eq!(merger.len(), 1000);
        merger.forget_before(0);
        assert_eq!(merger.len(), 1000);
        for time in 0..i64::try_from(3 * MOST_EVENTS).unwrap_or_default() {
            merger.live(key(10_000 + time, "a"));
        }
        assert!(merger.len() <= 2 * MOST_EVENTS);
    }

    /// Which of the underlying events each source tells, and in which order.
    #[derive(Debug, Clone)]
    enum Told {
        Live(usize),
        Swept(usize),
    }

    prop_compose! {
        /// Events of which many are equal; the live tail samples some, sweeps tell all of them,
        /// some more than once; everything in any order.
        fn stories()(
            events in prop::collection::vec((0_i64..4, 0..3_usize), 1..30)
        )(
            told in story(events.len()), events in Just(events)
        ) -> (Vec<(i64, usize)>, Vec<Told>) {
            (events, told)
        }
    }

    fn story(count: usize) -> impl Strategy<Value = Vec<Told>> {
        (prop::collection::vec(any::<bool>(), count), prop::collection::vec(0..count, 0..count * 2))
            .prop_flat_map(move |(live, again)| {
                let mut told: Vec<Told> = (0..count).map(Told::Swept).collect();
                told.extend(again.into_iter().map(Told::Swept));
                told.extend((0..count).filter(|n| live[*n]).map(Told::Live));
                Just(told).prop_shuffle()
            })
    }

    proptest! {
        #[test]
        fn any_interleaving_shows_each_event_once((events, told) in stories()) {
            let mut merger = Merger::new();
            let mut shown: HashMap<(i64, usize), usize> = HashMap::new();
            for told in told {
                let (new, event) = match told {
                    Told::Live(n) => {
                        let (time, text) = events[n];
                        (merger.live(key(time, ["a", "b", "c"][text])), events[n])
                    }
                    Told::Swept(n) => {
                        let (time, text) = events[n];
                        (merger.swept(&n.to_string(), key(time, ["a", "b", "c"][text])), events[n])
                    }
                };
                if new {
                    *shown.entry(event).or_default() += 1;
                }
            }
            let mut expected: HashMap<(i64, usize), usize> = HashMap::new();
            for event in events {
                *expected.entry(event).or_default() += 1;
            }
            prop_assert_eq!(shown, expected);
        }
    }
}
