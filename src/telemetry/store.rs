//! The log store: a ring of events in order of time, capped by bytes, the oldest dropped first.
//!
//! Every event has an index that rises by one from each to the next and never changes when older
//! events are dropped. An event that comes late is put where its time says; the events behind it
//! move up by one, and the [`Change`] tells from which index on.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::event::{LogEvent, LogKind};
use crate::filter::Filter;

/// Bytes that a store keeps unless told otherwise.
pub const DEFAULT_CAP: usize = 16 << 20;

/// What taking in events changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// The first index whose event is new or another than before.
    pub from: u64,
    /// Events that were taken in.
    pub added: usize,
    /// Of these, events that were put before others that were there already.
    pub late: usize,
    /// Events that were dropped from the old end.
    pub dropped: usize,
}

/// A ring of log events.
#[derive(Debug)]
pub struct LogStore {
    events: VecDeque<Arc<LogEvent>>,
    first: u64,
    bytes: usize,
    cap: usize,
    dropped: u64,
}

impl Default for LogStore {
    fn default() -> Self {
        Self::new(DEFAULT_CAP)
    }
}

impl LogStore {
    /// An empty store that keeps up to `cap_bytes` of events.
    pub fn new(cap_bytes: usize) -> Self {
        Self { events: VecDeque::new(), first: 0, bytes: 0, cap: cap_bytes, dropped: 0 }
    }

    /// Takes in one event.
    pub fn push(&mut self, event: LogEvent) -> Change {
        self.extend(vec![event])
    }

    /// Takes in events; those of one time stay in the order in which they came.
    pub fn extend(&mut self, mut new: Vec<LogEvent>) -> Change {
        new.sort_by_key(|event| event.timestamp_ms);
        let added = new.len();
        let Some(earliest) = new.first().map(|event| event.timestamp_ms) else {
            return Change { from: self.end(), ..Change::default() };
        };
        let keep = self.events.partition_point(|event| event.timestamp_ms <= earliest);
        let from = self.first + keep as u64;
        let mut moved = self.events.split_off(keep).into_iter().peekable();
        let mut late = 0;
        for event in new {
            while let Some(before) = moved.next_if(|old| old.timestamp_ms <= event.timestamp_ms) {
                self.events.push_back(before);
            }
            late += usize::from(moved.peek().is_some());
            self.bytes += cost(&event);
            self.events.push_back(Arc::new(event));
        }
        self.events.extend(moved);
        let dropped = self.shrink();
        Change { from: from.max(self.first), added, late, dropped }
    }

    fn shrink(&mut self) -> usize {
        let mut dropped = 0;
        while self.bytes > self.cap && self.events.len() > 1 {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= cost(&oldest);
            dropped += 1;
        }
        self.first += dropped as u64;
        self.dropped += dropped as u64;
        dropped
    }

    /// Forgets all events; indexes go on.
    pub fn clear(&mut self) {
        self.first = self.end();
        self.events.clear();
        self.bytes = 0;
    }

    /// Events that are kept.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no event is kept.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes that the kept events take, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Events dropped so far to stay below the cap.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Index of the oldest event that is kept.
    pub fn start(&self) -> u64 {
        self.first
    }

    /// Index that the next event will have.
    pub fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// The event at `index`, where it is kept.
    pub fn get(&self, index: u64) -> Option<&Arc<LogEvent>> {
        self.events.get(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }

    /// The kept events of a range of indexes, oldest first; cheap wherever the range lies.
    pub fn range(
        &self,
        range: Range<u64>,
    ) -> impl DoubleEndedIterator<Item = (u64, &Arc<LogEvent>)> + ExactSizeIterator {
        let place = |index: u64| {
            usize::try_from(index.saturating_sub(self.first))
                .unwrap_or(usize::MAX)
                .min(self.events.len())
        };
        let (start, end) = (place(range.start), place(range.end));
        let first = self.first + start as u64;
        let length = end.saturating_sub(start);
        self.events
            .range(start..start + length)
            .enumerate()
            .map(move |(offset, event)| (first + offset as u64, event))
    }

    /// All kept events, oldest first.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (u64, &Arc<LogEvent>)> + ExactSizeIterator {
        self.range(self.start()..self.end())
    }

    /// Indexes of a range whose events a filter shows, oldest first.
    pub fn filter(&self, filter: &Filter, range: Range<u64>) -> Vec<u64> {
        self.range(range)
            .filter(|(_, event)| filter.matches(event))
            .map(|(index, _)| index)
            .collect()
    }

    /// A copy of the events of a range, to be looked through on another thread; the events
    /// themselves are shared.
    pub fn snapshot(&self, range: Range<u64>) -> (u64, Vec<Arc<LogEvent>>) {
        let first = range.start.max(self.first);
        (first, self.range(range).map(|(_, event)| Arc::clone(event)).collect())
    }
}

/// Bytes that an event takes, roughly: its own, its text, what was read from it.
pub fn cost(event: &LogEvent) -> usize {
    const FIXED: usize = size_of::<LogEvent>() + 48;
    FIXED
        + event.text.len()
        + match &event.kind {
            LogKind::Emf(emf) => {
                let texts = emf.dimensions.iter().chain(&emf.properties);
                96 + emf.metrics.len() * 96
                    + texts.map(|(key, value)| 64 + key.len() + value.len()).sum::<usize>()
            }
            LogKind::Json { message, request_id, .. } => {
                message.as_ref().map_or(0, |text| text.len() + 16)
                    + request_id.as_ref().map_or(0, |text| text.len() + 16)
            }
            LogKind::Report(_) => 160,
            LogKind::Start { request_id } | LogKind::End { request_id } => request_id.len() + 16,
            LogKind::Plain | LogKind::InitStart | LogKind::Notice => 0,
        }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::notice;

    fn event(time: i64, text: &str) -> LogEvent {
        LogEvent { kind: LogKind::Plain, ..notice(time, text) }
    }

    fn texts(store: &LogStore) -> Vec<&str> {
        store.iter().map(|(_, event)| &*event.text).collect()
    }

    #[test]
    fn late_events_go_where_their_time_says() {
        let mut store = LogStore::new(1 << 20);
        let change = store.extend(vec![event(10, "a"), event(30, "c"), event(40, "d")]);
        assert_eq!((change.from, change.added, change.late), (0, 3, 0));
        let change = store.extend(vec![event(40, "e"), event(20, "b")]);
        assert_eq!((change.from, change.added, change.late), (1, 2, 1));
        assert_eq!(texts(&store), ["a", "b", "c", "d", "e"]);
        assert_eq!(store.push(event(40, "f")).from, 5);
        assert_eq!(store.range(1..3).map(|(index, _)| index).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let one = cost(&event(0, "12345678"));
        let mut store = LogStore::new(one * 3);
        for time in 0..5 {
            store.push(event(time, "12345678"));
        }
        assert_eq!((store.len(), store.dropped(), store.start(), store.end()), (3, 2, 2, 5));
        assert!(store.get(1).is_none());
        assert_eq!(store.get(4).map(|event| event.timestamp_ms), Some(4));
        // Older than everything that is kept: it has no place any more.
        let change = store.push(event(0, "12345678"));
        assert_eq!((change.added, change.dropped, store.len()), (1, 1, 3));
        assert_eq!(store.get(store.start()).map(|event| event.timestamp_ms), Some(2));
        let large = "x".repeat(one * 5);
        store.push(event(9, &large));
        assert_eq!(store.len(), 1);
        store.clear();
        assert!(store.is_empty() && store.bytes() == 0);
    }

    proptest! {
        #[test]
        fn any_arrival_ends_in_order_with_right_numbers(
            batches in prop::collection::vec(prop::collection::vec(0_i64..20, 0..8), 0..8)
        ) {
            let mut store = LogStore::new(1 << 20);
            let mut all = Vec::new();
            for batch in batches {
                all.extend(batch.iter().copied());
                let before: Vec<_> = store.iter().map(|(i, e)| (i, Arc::clone(e))).collect();
                let change = store.extend(batch.iter().map(|time| event(*time, "x")).collect());
                for (index, event) in before.iter().filter(|(index, _)| *index < change.from) {
                    prop_assert!(store.get(*index).is_some_and(|now| Arc::ptr_eq(now, event)));
                }
            }
            all.sort_unstable();
            let times: Vec<_> = store.iter().map(|(_, event)| event.timestamp_ms).collect();
            prop_assert_eq!(times, all);
            let bytes: usize = store.iter().map(|(_, event)| cost(event)).sum();
            prop_assert_eq!(store.bytes(), bytes);
        }
    }
}
