//! The heart of a tail: takes what live sessions and sweeps tell, lets each event through once,
//! and says how it stands.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::merge::{Key, Merger};
use super::schedule::{Call, Pace, Schedule};
use super::session::{MOST_GROUPS, Signal, run};
use super::source::{Page, Source, SourceError};
use super::{TailMessage, TailState, TailStatus};
use crate::classify::{Classifier, RawEvent};
use crate::event::{LogEvent, notice};

/// Events of one message.
const BATCH: usize = 500;
/// Signals of sessions that may wait.
const SIGNALS: usize = 8;
/// Time between two notices of sampling.
const SAMPLED_AGAIN: Duration = Duration::from_mins(1);

type Answer = (Call, Result<Page, SourceError>);
type Sweep = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A gap in the live tail that sweeps are filling.
struct Gap {
    length: Duration,
    /// Groups, and how many of their sweeps had begun when the live tail was back.
    waiting: Vec<(usize, u64)>,
}

enum Link {
    Opening,
    Up,
    /// Since when, and why.
    Down(Instant, String),
    Refused,
    /// It has no groups to tail.
    Empty,
}

struct Session {
    groups: watch::Sender<Vec<Arc<str>>>,
    link: Link,
    /// It has been open before.
    known: bool,
}

/// A tail at work.
pub struct Engine<S: Source> {
    source: Arc<S>,
    pace: Pace,
    names: Vec<Arc<str>>,
    schedule: Schedule,
    mergers: Vec<Merger>,
    classifier: Classifier,
    sessions: Vec<Session>,
    tasks: JoinSet<()>,
    signals: mpsc::Receiver<Signal>,
    gaps: Vec<Gap>,
    pending: Vec<LogEvent>,
    out: mpsc::Sender<TailMessage>,
    sampled: u64,
    sampled_told: Option<Instant>,
    refusal_told: bool,
    unreadable: Vec<bool>,
    last_event_ms: Option<i64>,
    /// Why the last sweep failed.
    trouble: Option<String>,
    throttled: u32,
    told: Option<TailStatus>,
}

impl<S: Source> Engine<S> {
    /// A tail over `names`; its sessions begin at once.
    pub fn new(
        source: Arc<S>,
        pace: Pace,
        names: Vec<Arc<str>>,
        since_ms: i64,
        out: mpsc::Sender<TailMessage>,
    ) -> Self {
        let (sender, signals) = mpsc::channel(SIGNALS);
        let mut tasks = JoinSet::new();
        let sessions = names
            .chunks(MOST_GROUPS)
            .enumerate()
            .map(|(number, chunk)| {
                let (groups, watched) = watch::channel(chunk.to_vec());
                let session =
                    run(Arc::clone(&source), number, pace.clone(), watched, sender.clone());
                tasks.spawn(session);
                Session { groups, link: Link::Opening, known: false }
            })
            .collect();
        Self {
            schedule: Schedule::new(pace.clone(), &names, since_ms, Instant::now()),
            mergers: names.iter().map(|_| Merger::new()).collect(),
            unreadable: vec![false; names.len()],
            source,
            pace,
            names,
            classifier: Classifier::default(),
            sessions,
            tasks,
            signals,
            gaps: Vec::new(),
            pending: Vec::new(),
            out,
            sampled: 0,
            sampled_told: None,
            refusal_told: false,
            last_event_ms: None,
            trouble: None,
            throttled: 0,
            told: None,
        }
    }

    /// Runs until nobody reads any more. Dropping it ends its sessions.
    pub async fn run(mut self) {
        let mut sweep: Option<Sweep> = None;
        loop {
            if self.tell().await.is_none() {
                break;
            }
            let next = if sweep.is_none() { self.schedule.next_at() } else { None };
            tokio::select! {
                () = self.out.closed() => break,
                Some(signal) = self.signals.recv() => self.on_signal(signal),
                (call, result) = answer(&mut sweep) => {
                    sweep = None;
                    self.on_page(&call, result);
                }
                () = until(next) => sweep = self.begin_sweep(),
            }
        }
        self.tasks.shutdown().await;
    }

    fn begin_sweep(&mut self) -> Option<Sweep> {
        let call = self.schedule.begin(Instant::now())?;
        let source = Arc::clone(&self.source);
        Some(Box::pin(async move {
            let result = source.page(&call.name, call.start_ms, call.token.clone()).await;
            (call, result)
        }))
    }

    /// Hands on what is pending, and the status when it changed; `None` when nobody reads.
    async fn tell(&mut self) -> Option<()> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|event| event.timestamp_ms);
        while !pending.is_empty() {
            let rest = pending.split_off(pending.len().min(BATCH));
            let batch = std::mem::replace(&mut pending, rest);
            self.out.send(TailMessage::Events(batch)).await.ok()?;
        }
        let status = self.status();
        let same = self.told.as_ref().is_some_and(|told| {
            // The newest event alone is no news: the events themselves tell it.
            TailStatus { last_event_ms: told.last_event_ms, ..status.clone() } == *told
        });
        if !same {
            self.told = Some(status.clone());
            self.out.send(TailMessage::Status(status)).await.ok()?;
        }
        Some(())
    }

    fn status(&self) -> TailStatus {
        TailStatus {
            state: self.state(),
            groups: self.names.len(),
            waiting: self.schedule.count_missing(),
            sampled: self.sampled,
            last_event_ms: self.last_event_ms,
            behind: self.schedule.behind(),
        }
    }

    fn state(&self) -> TailState {
        let down = self.sessions.iter().find_map(|session| match &session.link {
            Link::Down(_, reason) => Some(reason.clone()),
            _ => None,
        });
        let any = |wanted: fn(&Session) -> bool| self.sessions.iter().any(wanted);
        // One that is opened anew for other groups, or after its three hours, counts as open.
        let up = any(|session| match session.link {
            Link::Up => true,
            Link::Opening => session.known,
            _ => false,
        });
        match (&self.trouble, down) {
            (Some(reason), _) if !up => TailState::Disconnected { reason: reason.clone() },
            (_, Some(_)) => TailState::Polling,
            _ if any(|session| matches!(session.link, Link::Refused)) => TailState::Polling,
            _ if any(|session| matches!(session.link, Link::Opening) && !session.known) => {
                TailState::Connecting
            }
            _ if up => TailState::Live,
            _ => TailState::Polling,
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Up(number, groups) => self.on_up(number, &groups),
            Signal::Update(number, update) => {
                if update.sampled {
                    self.on_sampled(number);
                }
                for event in update.events {
                    self.on_live(&event);
                }
            }
            Signal::Down(number, reason) => {
                self.set_live(number, false);
                let session = &mut self.sessions[number];
                session.link = match (reason, &session.link) {
                    (None, _) => Link::Opening,
                    (Some(reason), Link::Down(since, _)) => Link::Down(*since, reason),
                    (Some(reason), _) => Link::Down(Instant::now(), reason),
                };
            }
            Signal::Missing(number, missing) => {
                self.sessions[number].link = Link::Empty;
                for group in &missing {
                    if let Some(index) = self.schedule.index_of(group) {
                        self.schedule.missing(index, Instant::now());
                    }
                }
                self.sessions[number].groups.send_modify(|groups| {
                    groups.retain(|group| !missing.contains(group));
                });
            }
            Signal::Refused(number, reason) => {
                self.sessions[number].link = Link::Refused;
                self.set_live(number, false);
                if !self.refusal_told {
                    self.refusal_told = true;
                    self.note(&format!(
                        "no live tail (logs:StartLiveTail: {reason}); FilterLogEvents is polled instead"
                    ));
                }
            }
        }
    }

    fn on_up(&mut self, number: usize, groups: &[Arc<str>]) {
        let now = Instant::now();
        let session = &mut self.sessions[number];
        let was = std::mem::replace(&mut session.link, Link::Up);
        let known = std::mem::replace(&mut session.known, true);
        self.refusal_told = false;
        self.set_live(number, true);
        let mut waiting = Vec::new();
        for group in groups {
            let Some(index) = self.schedule.index_of(group) else { continue };
            waiting.push((index, self.schedule.begun(index)));
            self.schedule.hurry(index, now);
        }
        if let (Link::Down(since, _), true) = (was, known) {
            self.gaps.push(Gap { length: now - since, waiting });
        }
    }

    fn set_live(&mut self, number: usize, live: bool) {
        let groups = self.sessions[number].groups.borrow().clone();
        for group in groups {
            if let Some(index) = self.schedule.index_of(&group) {
                self.schedule.set_live(index, live, Instant::now());
            }
        }
    }

    fn on_sampled(&mut self, number: usize) {
        let now = Instant::now();
        self.sampled += 1;
        if self.sampled_told.is_none_or(|told| now - told > SAMPLED_AGAIN) {
            self.note(
                "the live tail leaves events out (over 500 a second); FilterLogEvents brings them",
            );
        }
        self.sampled_told = Some(now);
        // What was left out may be of any group of the session.
        let groups = self.sessions[number].groups.borrow().clone();
        for group in groups {
            if let Some(index) = self.schedule.index_of(&group) {
                self.schedule.sampled(index, now);
            }
        }
    }

    fn on_live(&mut self, event: &RawEvent) {
        let Some(index) = self.schedule.index_of(&event.group) else { return };
        self.schedule.flows(index, event.ingestion_ms, Instant::now());
        if self.mergers[index].live(key(event)) {
            self.show(event);
        }
    }

    fn on_page(&mut self, call: &Call, result: Result<Page, SourceError>) {
        let now = Instant::now();
        match result {
            Ok(page) => {
                self.trouble = None;
                self.throttled = 0;
                self.unreadable[call.group] = false;
                self.on_events(call, page, now);
            }
            Err(SourceError::Missing) => {
                self.trouble = None;
                self.schedule.missing(call.group, now);
                self.fill_gaps(call.group);
            }
            Err(SourceError::Throttled) => {
                self.throttled = (self.throttled + 1).min(6);
                let wait = self.pace.polling * 2_u32.pow(self.throttled);
                self.schedule.failed(call.group, now, Duration::ZERO);
                self.schedule.throttled(now, wait);
            }
            Err(SourceError::Refused(reason)) => {
                if !std::mem::replace(&mut self.unreadable[call.group], true) {
                    self.note(&format!("{} can't be read: {reason}", call.name));
                }
                self.trouble = Some(reason);
                self.schedule.failed(call.group, now, self.pace.refused);
            }
            Err(SourceError::Trouble(reason)) => {
                self.trouble = Some(reason);
                self.schedule.failed(call.group, now, self.pace.polling);
            }
        }
    }

    fn on_events(&mut self, call: &Call, page: Page, now: Instant) {
        let index = call.group;
        if self.schedule.is_missing(index) {
            self.appeared(&call.name);
        }
        let times: Vec<(i64, i64)> =
            page.events.iter().map(|(_, event)| (event.timestamp_ms, event.ingestion_ms)).collect();
        for (id, event) in page.events {
            if self.mergers[index].swept(&id, key(&event)) {
                self.show(&event);
            }
        }
        let over = self.schedule.page(index, now, &times, page.next_token);
        self.mergers[index].forget_before(self.schedule.horizon_ms(index));
        if over {
            self.fill_gaps(index);
        }
    }

    /// A group that was missing is there: its session takes it in.
    fn appeared(&mut self, name: &Arc<str>) {
        let at = self.names.iter().position(|known| known == name).unwrap_or_default();
        let session = &mut self.sessions[at / MOST_GROUPS];
        if matches!(session.link, Link::Empty) {
            session.link = Link::Opening;
        }
        session.groups.send_modify(|groups| {
            if !groups.contains(name) {
                groups.push(Arc::clone(name));
            }
        });
    }

    /// A sweep of a group is over: gaps that waited for it may be filled.
    fn fill_gaps(&mut self, index: usize) {
        let begun = self.schedule.begun(index);
        let mut filled = Vec::new();
        self.gaps.retain_mut(|gap| {
            gap.waiting.retain(|(group, before)| *group != index || begun <= *before);
            if gap.waiting.is_empty() {
                filled.push(gap.length);
            }
            !gap.waiting.is_empty()
        });
        for length in filled {
            self.note(&format!(
                "tail reconnected after {:.1} s; the gap was filled from FilterLogEvents",
                length.as_secs_f64()
            ));
        }
    }

    fn show(&mut self, event: &RawEvent) {
        self.last_event_ms = self.last_event_ms.max(Some(event.timestamp_ms));
        self.pending.push(self.classifier.classify(event));
    }

    fn note(&mut self, text: &str) {
        self.pending.push(notice(now_ms(), text));
    }
}

fn key(event: &RawEvent) -> Key<'_> {
    Key {
        group: &event.group,
        stream: &event.stream,
        timestamp_ms: event.timestamp_ms,
        // The two sources need not agree on the line's end.
        message: event.message.trim_end_matches(['\n', '\r']),
    }
}

/// The answer to the sweep that is under way; never, where none is.
async fn answer(sweep: &mut Option<Sweep>) -> Answer {
    match sweep {
        Some(sweep) => sweep.await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}
