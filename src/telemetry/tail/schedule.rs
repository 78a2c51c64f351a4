//! When which group is swept, and from which time on. Pure: time comes in from outside.
//!
//! All sweeps share one budget of calls. A sweep goes page by page; the next one begins an overlap
//! before the time at which the last one began, so that events that the service shows late are
//! found. That time is told by the service's own clock, as far as ingestion times and the time
//! passed since they were seen tell it: this machine's clock may be wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// How fast everything goes.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Time between two calls of all sweeps together.
    pub call_every: Duration,
    /// Time between two sweeps of a group while the live tail is up and events flow.
    pub healthy: Duration,
    /// The same while nothing flows.
    pub idle: Duration,
    /// The same without a live tail.
    pub polling: Duration,
    /// Time between two looks for a group that is not there yet.
    pub missing: Duration,
    /// Least time between two sweeps of a group because of sampled updates.
    pub sampled: Duration,
    /// Time until a refused call is tried again.
    pub refused: Duration,
    /// How far sweeps overlap where events are few, in ms: there it costs little.
    pub most_overlap_ms: i64,
    /// How far sweeps overlap, in ms.
    pub overlap_ms: i64,
    /// How far they overlap at least where events are many, in ms.
    pub least_overlap_ms: i64,
    /// First wait before reconnecting; doubles up to `most_wait`.
    pub first_wait: Duration,
    /// Longest wait before reconnecting, or after throttling.
    pub most_wait: Duration,
    /// A live session that says nothing for so long is taken for dead.
    pub silence: Duration,
}

impl Pace {
    /// For AWS, whose account has 5 calls of `FilterLogEvents` per second for everything.
    pub fn aws() -> Self {
        Self {
            call_every: Duration::from_secs(1),
            healthy: Duration::from_secs(10),
            idle: Duration::from_secs(15),
            polling: Duration::from_secs(2),
            missing: Duration::from_secs(5),
            sampled: Duration::from_secs(1),
            refused: Duration::from_mins(1),
            most_overlap_ms: 300_000,
            overlap_ms: 30_000,
            least_overlap_ms: 10_000,
            first_wait: Duration::from_millis(250),
            most_wait: Duration::from_secs(15),
            silence: Duration::from_secs(10),
        }
    }

    /// For the local cloud, which has no such limit and shows events at once.
    pub fn local() -> Self {
        Self {
            call_every: Duration::from_millis(50),
            polling: Duration::from_secs(1),
            missing: Duration::from_secs(2),
            least_overlap_ms: 3_000,
            most_wait: Duration::from_secs(2),
            ..Self::aws()
        }
    }
}

/// Events that an overlap holds before it is made shorter.
const OVERLAP_EVENTS: i64 = 20_000;
/// Events up to which a sweep is a cheap one.
const FEW_EVENTS: usize = 500;
/// Overlaps for which the memory of what was shown is kept behind a sweep's begin.
const MEMORY: i64 = 2;

/// The sweep that a group is in.
#[derive(Debug, Clone)]
struct Sweep {
    start_ms: i64,
    token: Option<String>,
    began: Instant,
    pages: u32,
    events: usize,
}

/// A lower bound of the service's clock: an ingestion time, and when it was seen.
#[derive(Debug, Clone, Copy)]
struct Clock {
    ms: i64,
    seen: Instant,
}

impl Clock {
    fn at(self, now: Instant) -> i64 {
        let passed = now.saturating_duration_since(self.seen).as_millis();
        self.ms.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

#[derive(Debug)]
struct Group {
    name: Arc<str>,
    /// Where the next sweep begins.
    floor_ms: i64,
    clock: Option<Clock>,
    overlap_ms: i64,
    due: Instant,
    done: Option<Instant>,
    sweep: Option<Sweep>,
    /// Sweeps begun so far.
    begun: u64,
    /// Begin again at once when this sweep is over.
    again: bool,
    missing: bool,
    live: bool,
    /// Events came since the last sweep began.
    flowed: bool,
}

/// What to call next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Index of the group.
    pub group: usize,
    /// Its name.
    pub name: Arc<str>,
    /// From which time on, in ms since the epoch.
    pub start_ms: i64,
    /// Which page.
    pub token: Option<String>,
}

/// The plan of all sweeps.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    groups: Vec<Group>,
    next_call: Instant,
}

impl Schedule {
    /// Sweeps of `groups` from `since_ms` on, all due now.
    pub fn new(pace: Pace, groups: &[Arc<str>], since_ms: i64, now: Instant) -> Self {
        let groups = groups
            .iter()
            .map(|name| Group {
                name: Arc::clone(name),
                floor_ms: since_ms,
                clock: None,
                overlap_ms: pace.overlap_ms,
                due: now,
                done: None,
                sweep: None,
                begun: 0,
                again: false,
                missing: false,
                live: false,
                flowed: false,
            })
            .collect();
        Self { pace, groups, next_call: now }
    }

    /// When the next call may be made; `None` without groups.
    pub fn next_at(&self) -> Option<Instant> {
        self.next_group().map(|index| self.groups[index].due.max(self.next_call))
    }

    /// The group that was due first; sweeps that have begun take turns with the others.
    fn next_group(&self) -> Option<usize> {
        (0..self.groups.len()).min_by_key(|index| self.groups[*index].due)
    }

    /// Begins the next call.
    pub fn begin(&mut self, now: Instant) -> Option<Call> {
        let index = self.next_group()?;
        self.next_call = now + self.pace.call_every;
        let group = &mut self.groups[index];
        group.due = now;
        let sweep = group.sweep.get_or_insert_with(|| {
            group.flowed = false;
            group.again = false;
            group.begun += 1;
            Sweep { start_ms: group.floor_ms, token: None, began: now, pages: 0, events: 0 }
        });
        sweep.pages += 1;
        Some(Call {
            group: index,
            name: Arc::clone(&group.name),
            start_ms: sweep.start_ms,
            token: sweep.token.clone(),
        })
    }

    /// A page came: times and count of its events, and where it leads. Answers whether the sweep
    /// is over.
    pub fn page(
        &mut self,
        index: usize,
        now: Instant,
        events: &[(i64, i64)],
        next_token: Option<String>,
    ) -> bool {
        let pace = self.pace.clone();
        let group = &mut self.groups[index];
        group.missing = false;
        let newest = events.iter().map(|(_, ingestion)| *ingestion).max();
        group.hear(newest, now);
        let Some(mut sweep) = group.sweep.take() else { return true };
        sweep.events += events.len();
        if let (Some((first, _)), Some((last, _)), true) =
            (events.first(), events.last(), next_token.is_some())
        {
            let span = (last - first).max(1);
            let holds = OVERLAP_EVENTS * span / events.len() as i64;
            group.overlap_ms = holds.clamp(pace.least_overlap_ms, pace.overlap_ms);
        } else if next_token.is_none() && sweep.pages == 1 {
            let most =
                if sweep.events > FEW_EVENTS { pace.overlap_ms } else { pace.most_overlap_ms };
            group.overlap_ms = (group.overlap_ms * 2).min(most);
        }
        let reached = match &next_token {
            Some(_) => events.last().map(|(time, _)| *time),
            None => Some(i64::MAX),
        };
        if let (Some(reached), Some(clock)) = (reached, group.clock) {
            let passed = i64::try_from((now - sweep.began).as_millis()).unwrap_or(i64::MAX);
            let sure = reached.min(clock.at(now).saturating_sub(passed));
            group.floor_ms = group.floor_ms.max(sure.saturating_sub(group.overlap_ms));
        }
        if next_token.is_some() {
            sweep.token = next_token;
            group.sweep = Some(sweep);
            group.due = now;
            return false;
        }
        group.done = Some(now);
        group.due = now + group.wait(&pace);
        true
    }

    /// The group does not exist: it is looked for again at its own pace.
    pub fn missing(&mut self, index: usize, now: Instant) {
        let group = &mut self.groups[index];
        group.sweep = None;
        group.missing = true;
        group.due = now + self.pace.missing;
    }

    /// A call failed; the sweep goes on from what it had surely seen, after `wait`.
    pub fn failed(&mut self, index: usize, now: Instant, wait: Duration) {
        let group = &mut self.groups[index];
        group.sweep = None;
        group.due = now + wait;
    }

    /// Slows all sweeps down.
    pub fn throttled(&mut self, now: Instant, wait: Duration) {
        self.next_call = self.next_call.max(now + wait);
    }

    /// The live tail told events of a group.
    pub fn flows(&mut self, index: usize, newest_ingestion_ms: i64, now: Instant) {
        let group = &mut self.groups[index];
        group.flowed = true;
        group.missing = false;
        group.hear(Some(newest_ingestion_ms), now);
    }

    /// Whether a live session covers a group; without one it is polled.
    pub fn set_live(&mut self, index: usize, live: bool, now: Instant) {
        let pace = self.pace.clone();
        let group = &mut self.groups[index];
        group.live = live;
        if !live && !group.missing {
            group.due = group.due.min(now + pace.polling);
        }
    }

    /// Sweeps a group at once: after a gap.
    pub fn hurry(&mut self, index: usize, now: Instant) {
        let group = &mut self.groups[index];
        group.again = true;
        if group.sweep.is_none() && !group.missing {
            group.due = now;
        }
    }

    /// Sweeps a group soon: the live tail left events out.
    pub fn sampled(&mut self, index: usize, now: Instant) {
        let pace = self.pace.sampled;
        let group = &mut self.groups[index];
        let soon = group.done.map_or(now, |done| (done + pace).max(now));
        if group.sweep.is_some() {
            group.again = true;
        } else {
            group.due = group.due.min(soon);
        }
    }

    /// Whether a group is not there yet.
    pub fn is_missing(&self, index: usize) -> bool {
        self.groups[index].missing
    }

    /// Sweeps of a group begun so far.
    pub fn begun(&self, index: usize) -> u64 {
        self.groups[index].begun
    }

    /// Groups that are not there yet.
    pub fn count_missing(&self) -> usize {
        self.groups.iter().filter(|group| group.missing).count()
    }

    /// Whether some sweep has much to read.
    pub fn behind(&self) -> bool {
        self.groups.iter().any(|group| group.sweep.as_ref().is_some_and(|sweep| sweep.pages > 3))
    }

    /// The time before which neither source will tell anything of a group twice.
    pub fn horizon_ms(&self, index: usize) -> i64 {
        let group = &self.groups[index];
        group.floor_ms.saturating_sub(MEMORY * group.overlap_ms)
    }

    /// The index of a group.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.groups.iter().position(|group| *group.name == *name)
    }
}

impl Group {
    /// An event was seen that was taken in at this time of the service.
    fn hear(&mut self, ingestion_ms: Option<i64>, now: Instant) {
        let Some(ms) = ingestion_ms else { return };
        if self.clock.is_none_or(|clock| ms > clock.at(now)) {
            self.clock = Some(Clock { ms, seen: now });
        }
    }

    fn wait(&self, pace: &Pace) -> Duration {
        if self.again {
            pace.sampled
        } else if !self.live {
            pace.polling
        } else if self.flowed {
            pace.healthy
        } else {
            pace.idle
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_000_000;

    fn schedule(groups: &[&str]) -> (Schedule, Instant) {
        let now = Instant::now();
        let groups: Vec<Arc<str>> = groups.iter().map(|name| (*name).into()).collect();
        (Schedule::new(Pace::aws(), &groups, NOW_MS - 300_000, now), now)
    }

    #[test]
    fn all_groups_share_one_call_per_second() {
        let (mut schedule, now) = schedule(&["a", "b"]);
        assert_eq!(schedule.next_at(), Some(now));
        let first = schedule.begin(now).unwrap();
        assert_eq!((first.start_ms, first.token), (NOW_MS - 300_000, None));
        assert!(schedule.page(first.group, now, &[], None));
        assert_eq!(schedule.next_at(), Some(now + Duration::from_secs(1)));
        let second = schedule.begin(now + Duration::from_secs(1)).unwrap();
        assert_ne!(first.group, second.group);
    }

    #[test]
    fn sweeps_overlap_and_follow_the_clock_of_the_service() {
        let (mut schedule, now) = schedule(&["a"]);
        let many: Vec<(i64, i64)> = (0..501).map(|_| (NOW_MS - 500, NOW_MS)).collect();
        schedule.begin(now).unwrap();
        // Nothing seen: the next one begins where this one did.
        schedule.page(0, now, &[], None);
        assert_eq!(schedule.begin(now).unwrap().start_ms, NOW_MS - 300_000);
        schedule.page(0, now, &many, None);
        assert_eq!(schedule.begin(now).unwrap().start_ms, NOW_MS - 30_000);
        assert_eq!(schedule.horizon_ms(0), NOW_MS - 90_000);
        // A sweep that took 5 s is only sure of what was there when it began.
        let later = now + Duration::from_secs(5);
        let newer: Vec<(i64, i64)> = many.iter().map(|_| (NOW_MS, NOW_MS + 5_000)).collect();
        schedule.page(0, later, &newer, None);
        assert_eq!(schedule.begin(later).unwrap().start_ms, NOW_MS - 30_000);
        // Nothing flows: time passes at the service as it does here.
        schedule.page(0, later, &[], None);
        let much_later = later + Duration::from_mins(10);
        schedule.begin(much_later).unwrap();
        schedule.page(0, much_later, &[], None);
        let start = schedule.begin(much_later).unwrap().start_ms;
        assert_eq!(start, NOW_MS + 5_000 + 600_000 - 120_000);
    }

    #[test]
    fn pages_are_followed_and_a_flood_shortens_the_overlap() {
        let (mut schedule, now) = schedule(&["a"]);
        schedule.begin(now).unwrap();
        let page: Vec<(i64, i64)> =
            (0..10_000).map(|n| (NOW_MS - 10_000 + n / 10, NOW_MS - 9_000)).collect();
        assert!(!schedule.page(0, now, &page, Some("t".to_owned())));
        let next = schedule.begin(now).unwrap();
        assert_eq!(next.token.as_deref(), Some("t"));
        // 10,000 events a second: 20,000 of them would be 2 s, the least is 10 s.
        schedule.failed(0, now, Duration::ZERO);
        assert_eq!(schedule.begin(now).unwrap().start_ms, NOW_MS - 9_001 - 10_000);
        // An empty page with a token goes on.
        assert!(!schedule.page(0, now, &[], Some("u".to_owned())));
        assert!(schedule.page(0, now, &[], None));
    }

    #[test]
    fn the_pace_depends_on_what_goes_on() {
        let (mut schedule, now) = schedule(&["a"]);
        let wait = |schedule: &Schedule| schedule.groups[0].due - now;
        schedule.set_live(0, true, now);
        schedule.begin(now);
        schedule.page(0, now, &[], None);
        assert_eq!(wait(&schedule), Pace::aws().idle);
        schedule.begin(now);
        schedule.flows(0, NOW_MS, now);
        schedule.page(0, now, &[], None);
        assert_eq!(wait(&schedule), Pace::aws().healthy);
        schedule.sampled(0, now);
        assert_eq!(wait(&schedule), Pace::aws().sampled);
        schedule.hurry(0, now);
        assert_eq!(wait(&schedule), Duration::ZERO);
        schedule.begin(now);
        schedule.set_live(0, false, now);
        schedule.page(0, now, &[], None);
        assert_eq!(wait(&schedule), Pace::aws().polling);
        schedule.begin(now);
        schedule.missing(0, now);
        assert_eq!(wait(&schedule), Pace::aws().missing);
        schedule.hurry(0, now);
        assert_eq!(wait(&schedule), Pace::aws().missing);
    }
}
