//! The log pane: the events that are kept, a filter over them, and where the reader is.

use std::collections::VecDeque;
use std::sync::Arc;

use labdeck_telemetry::{Filter, LogEvent, LogKind, LogStore};

/// How the tail is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TailHealth {
    /// Whether the live stream is open over every group that exists.
    pub live: bool,
    /// In a word or two, where it is not: `polling`, `no logs yet`.
    pub word: &'static str,
    /// What is wrong, where something is.
    pub note: Option<String>,
    /// Log groups that are tailed.
    pub sources: usize,
}

/// A filter that is on.
#[derive(Debug)]
pub struct ActiveFilter {
    /// As it was typed.
    pub text: String,
    /// As it matches.
    pub filter: Filter,
    /// Which filter this is; a later one has a higher number.
    pub generation: u64,
    /// Indexes of the matching events, rising.
    pub matches: VecDeque<u64>,
    /// Whether the events from before it are still being looked through.
    pub scanning: bool,
    /// Events from this index on were matched as they came.
    pub from: u64,
}

/// The log pane.
#[derive(Debug, Default)]
pub struct LogPane {
    store: LogStore,
    /// Notices of the tail that were seen: gaps, samplings, reconnects.
    pub notices: u64,
    /// The filter.
    pub filter: Option<ActiveFilter>,
    generation: u64,
    /// Index of the selected event; `None` follows the newest.
    pub cursor: Option<u64>,
    /// Index of the last event on the screen, while not following.
    pub bottom: Option<u64>,
    /// Whether long lines are wrapped.
    pub wrap: bool,
    /// Events that came while the pane stood still.
    pub unseen: u64,
    /// How the tail is.
    pub tail: TailHealth,
}

impl LogPane {
    /// Takes in events. They are kept in order of time, so late ones may go before others.
    pub fn extend(&mut self, events: Vec<LogEvent>) {
        let notices = events.iter().filter(|event| matches!(event.kind, LogKind::Notice)).count();
        self.notices += notices as u64;
        let anchors = [self.cursor, self.bottom]
            .map(|index| index.and_then(|index| Some((index, Arc::clone(self.store.get(index)?)))));
        let change = self.store.extend(events);
        let (start, end) = (self.store.start(), self.store.end());
        let mut shown = change.added as u64;
        if let Some(active) = &mut self.filter {
            let before = active.matches.len() as u64;
            while active.matches.back().is_some_and(|index| *index >= change.from) {
                active.matches.pop_back();
            }
            active.matches.extend(self.store.filter(&active.filter, change.from..end));
            shown = (active.matches.len() as u64).saturating_sub(before);
            while active.matches.front().is_some_and(|index| *index < start) {
                active.matches.pop_front();
            }
            // What a running look through says of these would be of other events.
            active.from = active.from.min(change.from);
        }
        if self.cursor.is_some() {
            self.unseen += shown;
        }
        if change.late > 0 {
            // The reader stays with the events that were read, wherever they are now.
            let [cursor, bottom] = anchors.map(|anchor| {
                let (index, event) = anchor?;
                self.store
                    .range(index..index + change.late as u64 + 1)
                    .find(|(_, other)| Arc::ptr_eq(other, &event))
                    .map(|(index, _)| index)
                    .or(Some(index))
            });
            self.cursor = cursor.or(self.cursor);
            self.bottom = bottom.or(self.bottom);
        }
    }

    /// Every event that is kept, oldest first.
    pub fn events(&self) -> impl Iterator<Item = &LogEvent> {
        let (start, end) = (self.store.start(), self.store.end());
        self.store.range(start..end).map(|(_, event)| &**event)
    }

    /// Events that were dropped to stay below the cap.
    pub fn dropped(&self) -> u64 {
        self.store.dropped()
    }

    /// Events that are kept.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// Whether the pane follows the newest event.
    pub fn follows(&self) -> bool {
        self.cursor.is_none()
    }

    /// Events that the filter shows.
    pub fn shown(&self) -> usize {
        self.filter.as_ref().map_or(self.store.len(), |filter| filter.matches.len())
    }

    /// The sequence number of the shown event at `index`.
    pub fn sequence_at(&self, index: usize) -> Option<u64> {
        match &self.filter {
            Some(filter) => filter.matches.get(index).copied(),
            None => (index < self.store.len()).then(|| self.store.start() + index as u64),
        }
    }

    /// The index among the shown events of the one at `sequence`, or of the next one after it.
    pub fn index_of(&self, sequence: u64) -> usize {
        let index = match &self.filter {
            Some(filter) => filter.matches.partition_point(|other| *other < sequence),
            None => sequence.saturating_sub(self.store.start()) as usize,
        };
        index.min(self.shown().saturating_sub(1))
    }

    /// The shown event at `index`.
    pub fn at(&self, index: usize) -> Option<&Arc<LogEvent>> {
        self.store.get(self.sequence_at(index)?)
    }

    /// Index of the selected event among the shown ones.
    pub fn selected(&self) -> Option<usize> {
        let last = self.shown().checked_sub(1)?;
        Some(self.cursor.map_or(last, |sequence| self.index_of(sequence)))
    }

    /// The selected event.
    pub fn selected_event(&self) -> Option<&Arc<LogEvent>> {
        self.at(self.selected()?)
    }

    /// Moves the selection by `by` events on a pane of `height` lines; the last one follows.
    pub fn scroll(&mut self, by: isize, height: usize) {
        let Some(selected) = self.selected() else { return };
        let last = self.shown() - 1;
        let target = selected.saturating_add_signed(by).min(last);
        if target == last && by > 0 {
            self.follow();
            return;
        }
        let bottom = self.bottom.map_or(last, |sequence| self.index_of(sequence));
        let height = height.max(1);
        let bottom =
            bottom.clamp(target, target + height - 1).min(last).max(height.min(last + 1) - 1);
        self.cursor = self.sequence_at(target);
        self.bottom = self.sequence_at(bottom);
    }

    /// Follows the newest event.
    pub fn follow(&mut self) {
        self.cursor = None;
        self.bottom = None;
        self.unseen = 0;
    }

    /// Stands still at the newest event.
    pub fn pause(&mut self) {
        let last = self.shown().checked_sub(1).and_then(|last| self.sequence_at(last));
        self.cursor = last.or(Some(self.store.end()));
        self.bottom = self.cursor;
        self.unseen = 0;
    }

    /// Stands still at the selected event, so that it is still there when its popup is closed.
    pub fn pause_at_selected(&mut self) {
        if self.follows() {
            self.pause();
        }
    }

    /// Switches a filter on; gives what a task must look through: number, first index, events.
    pub fn set_filter(&mut self, text: String, filter: Filter) -> (u64, u64, Vec<Arc<LogEvent>>) {
        self.generation += 1;
        self.follow();
        self.filter = Some(ActiveFilter {
            text,
            filter,
            generation: self.generation,
            matches: VecDeque::new(),
            scanning: !self.store.is_empty(),
            from: self.store.end(),
        });
        let (first, events) = self.store.snapshot(self.store.start()..self.store.end());
        (self.generation, first, events)
    }

    /// Takes what a task found in the events from before the filter.
    pub fn filtered(&mut self, generation: u64, matches: Vec<u64>) -> bool {
        let Some(filter) = self.filter.as_mut().filter(|filter| filter.generation == generation)
        else {
            return false;
        };
        let known = self.store.start()..filter.from;
        let mut all: VecDeque<u64> =
            matches.into_iter().filter(|index| known.contains(index)).collect();
        all.extend(filter.matches.iter().filter(|index| **index >= filter.from));
        filter.matches = all;
        filter.scanning = false;
        true
    }

    /// Switches the filter off.
    pub fn clear_filter(&mut self) {
        self.filter = None;
    }

    /// Forgets every event: another lab is tailed.
    pub fn clear(&mut self) {
        let (wrap, generation) = (self.wrap, self.generation + 1);
        *self = Self { generation, wrap, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::bench_support::event;

    fn line(at: i64, text: &str) -> LogEvent {
        event(at, "f", "1", text)
    }

    fn pane(count: i64) -> LogPane {
        let mut pane = LogPane::default();
        let odd = |at| if at % 2 == 1 { "odd" } else { "even" };
        pane.extend((0..count).map(|at| line(at, odd(at))).collect());
        pane
    }

    #[test]
    fn scrolling_leaves_and_regains_the_newest() {
        let mut pane = pane(100);
        assert!(pane.follows());
        pane.scroll(-10, 20);
        assert_eq!(pane.selected(), Some(89));
        assert_eq!(pane.bottom, Some(99));
        pane.scroll(-30, 20);
        assert_eq!(pane.bottom, Some(78));
        pane.extend(vec![line(100, "late")]);
        assert_eq!(pane.unseen, 1);
        assert_eq!(pane.selected(), Some(59));
        pane.scroll(1000, 20);
        assert!(pane.follows());
        pane.scroll(-1000, 20);
        assert_eq!((pane.selected(), pane.bottom), (Some(0), Some(19)));
    }

    #[test]
    fn a_filter_counts_old_new_and_late_events_once() {
        let mut pane = pane(30);
        let filter = Filter::parse("odd").unwrap();
        let (generation, first, events) = pane.set_filter("odd".into(), filter.clone());
        pane.extend(vec![line(31, "odd")]);
        // A late one goes before events that the task has in another place.
        pane.extend(vec![line(9, "odd and late")]);
        let found = events.iter().enumerate().filter(|(_, event)| filter.matches(event));
        let matches = found.map(|(index, _)| first + index as u64).collect();
        assert!(pane.filtered(generation, matches));
        assert_eq!(pane.shown(), 17);
        assert!((0..17).all(|index| pane.at(index).unwrap().text.contains("odd")));
        assert!(!pane.filtered(generation - 1, vec![1]));
        pane.clear_filter();
        assert_eq!(pane.shown(), 32);
    }

    #[test]
    fn the_reader_stays_with_the_event_when_a_late_one_comes_before_it() {
        let mut pane = pane(50);
        pane.scroll(-10, 20);
        let read = Arc::clone(pane.selected_event().unwrap());
        pane.extend(vec![line(5, "late")]);
        assert!(Arc::ptr_eq(pane.selected_event().unwrap(), &read));
    }
}
