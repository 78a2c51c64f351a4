//! The tail against a scripted log service: completeness, gaps, groups that appear, refusals.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

use super::schedule::Pace;
use super::source::{Ended, Live, Page, Source, SourceError, Update};
use super::{TailHandle, TailMessage, TailState, TailStatus, start};
use crate::classify::RawEvent;
use crate::event::{LogEvent, LogKind};

type Updates = mpsc::UnboundedSender<Result<Update, Ended>>;

/// A log service in memory.
#[derive(Default)]
struct Service {
    groups: BTreeMap<String, Vec<RawEvent>>,
    sessions: Vec<(Vec<Arc<str>>, Updates)>,
    opened: usize,
    /// Why no live session can be opened.
    refusal: Option<SourceError>,
    /// Why no page can be read.
    trouble: Option<SourceError>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Service>>);

struct FakeLive(mpsc::UnboundedReceiver<Result<Update, Ended>>);

impl Live for FakeLive {
    async fn next(&mut self) -> Result<Update, Ended> {
        self.0.recv().await.unwrap_or(Err(Ended::Broken("gone".to_owned())))
    }
}

impl Source for Fake {
    type Live = FakeLive;

    async fn open(&self, groups: &[Arc<str>]) -> Result<FakeLive, SourceError> {
        let mut service = self.0.lock().unwrap();
        if let Some(refusal) = &service.refusal {
            return Err(refusal.clone());
        }
        if groups.iter().any(|group| !service.groups.contains_key(&**group)) {
            return Err(SourceError::Missing);
        }
        let (updates, live) = mpsc::unbounded_channel();
        service.sessions.push((groups.to_vec(), updates));
        service.opened += 1;
        Ok(FakeLive(live))
    }

    async fn page(
        &self,
        group: &Arc<str>,
        start_ms: i64,
        token: Option<String>,
    ) -> Result<Page, SourceError> {
        let service = self.0.lock().unwrap();
        if let Some(trouble) = &service.trouble {
            return Err(trouble.clone());
        }
        let events = service.groups.get(&**group).ok_or(SourceError::Missing)?;
        let skip = token.map_or(0, |token| token.parse::<usize>().unwrap());
        let mut all: Vec<(String, RawEvent)> = events
            .iter()
            .enumerate()
            .filter(|(_, event)| event.timestamp_ms >= start_ms)
            .map(|(id, event)| (id.to_string(), event.clone()))
            .collect();
        all.sort_by_key(|(_, event)| event.timestamp_ms);
        let more = all.len() > skip + 3;
        let events = all.into_iter().skip(skip).take(3).collect();
        Ok(Page { events, next_token: more.then(|| (skip + 3).to_string()) })
    }

    async fn exists(&self, group: &str) -> Result<bool, SourceError> {
        Ok(self.0.lock().unwrap().groups.contains_key(group))
    }

    async fn revive(&self) {}
}

impl Fake {
    fn with(groups: &[&str]) -> Self {
        let fake = Self::default();
        for group in groups {
            fake.create(group);
        }
        fake
    }

    fn create(&self, group: &str) {
        self.0.lock().unwrap().groups.insert(group.to_owned(), Vec::new());
    }

    /// Something is logged; the live sessions tell it, or leave it out.
    fn log(&self, group: &str, time: i64, message: &str, live: bool) {
        let mut service = self.0.lock().unwrap();
        let event = RawEvent {
            timestamp_ms: time,
            ingestion_ms: time,
            group: group.into(),
            stream: "s".to_owned(),
            message: message.to_owned(),
        };
        service.groups.get_mut(group).unwrap().push(event.clone());
        service.sessions.retain(|(groups, updates)| {
            if !groups.iter().any(|known| **known == *group) {
                return !updates.is_closed();
            }
            let events = if live { vec![event.clone()] } else { Vec::new() };
            updates.send(Ok(Update { events, sampled: !live })).is_ok()
        });
    }

    fn end_sessions(&self, ended: &Ended) {
        for (_, updates) in self.0.lock().unwrap().sessions.drain(..) {
            let _ = updates.send(Err(ended.clone()));
        }
    }

    fn change(&self, change: impl FnOnce(&mut Service)) {
        change(&mut self.0.lock().unwrap());
    }
}

/// As AWS's, but a thousand times as fast.
fn pace() -> Pace {
    let quick = Duration::from_millis(2);
    Pace {
        call_every: Duration::from_micros(100),
        healthy: quick,
        idle: quick,
        polling: quick,
        missing: quick,
        sampled: quick,
        refused: quick,
        first_wait: quick,
        most_wait: quick,
        silence: Duration::from_mins(1),
        ..Pace::aws()
    }
}

struct Reader {
    _handle: TailHandle,
    messages: mpsc::Receiver<TailMessage>,
    events: Vec<LogEvent>,
    status: Option<TailStatus>,
}

impl Reader {
    fn start(fake: &Fake, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let (handle, messages) = start(Arc::new(fake.clone()), pace(), groups, 0);
        Self { _handle: handle, messages, events: Vec::new(), status: None }
    }

    async fn until(&mut self, what: impl Fn(&Self) -> bool) {
        let wait = async {
            while !what(self) {
                match self.messages.recv().await.unwrap() {
                    TailMessage::Events(events) => self.events.extend(events),
                    TailMessage::Status(status) => self.status = Some(status),
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
        assert!(waited.is_ok(), "{:?} {:?}", self.texts(), self.status);
    }

    async fn until_state(&mut self, state: TailState) {
        self.until(|reader| reader.status.as_ref().is_some_and(|s| s.state == state)).await;
    }

    /// Waits until all these texts were told, and checks that nothing else was.
    async fn until_texts(&mut self, expected: &[&str]) {
        self.until(|reader| reader.texts().len() >= expected.len()).await;
        let mut texts = self.texts();
        texts.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(texts, expected);
    }

    fn texts(&self) -> Vec<&str> {
        self.of(false)
    }

    fn notices(&self) -> Vec<&str> {
        self.of(true)
    }

    fn of(&self, notices: bool) -> Vec<&str> {
        self.events
            .iter()
            .filter(|event| matches!(event.kind, LogKind::Notice) == notices)
            .map(|event| &*event.text)
            .collect()
    }
}

#[tokio::test]
async fn each_event_is_told_once_whichever_source_has_it() {
    let fake = Fake::with(&["a", "b"]);
    fake.log("a", 1, "before", false);
    let mut reader = Reader::start(&fake, &["a", "b", "a"]);
    reader.until_state(TailState::Live).await;
    for n in 0..20 {
        // Equal texts at equal times are different events; every third is left out.
        fake.log("a", 10, "same", n % 3 != 0);
        fake.log("b", 10 + n, "other", n % 5 != 0);
    }
    fake.log("a", 50, "last", true);
    let mut expected = vec!["before", "last"];
    expected.extend(["same"; 20]);
    expected.extend(["other"; 20]);
    reader.until_texts(&expected).await;
    let status = reader.status.clone().unwrap();
    assert_eq!((status.groups, status.waiting), (2, 0));
    reader.until(|reader| reader.notices().len() == 1).await;
    assert!(reader.notices()[0].contains("leaves events out"));
}

#[tokio::test]
async fn a_gap_is_filled_and_told() {
    let fake = Fake::with(&["a"]);
    let mut reader = Reader::start(&fake, &["a"]);
    reader.until_state(TailState::Live).await;
    fake.change(|service| {
        service.refusal = Some(SourceError::Trouble("no way".to_owned()));
        service.trouble = Some(SourceError::Trouble("no way".to_owned()));
    });
    fake.end_sessions(&Ended::Broken("cut".to_owned()));
    reader.until_state(TailState::Disconnected { reason: "no way".to_owned() }).await;
    fake.log("a", 5, "in the gap", false);
    fake.change(|service| {
        service.refusal = None;
        service.trouble = None;
    });
    reader.until_texts(&["in the gap"]).await;
    reader.until(|reader| !reader.notices().is_empty()).await;
    assert!(reader.notices()[0].starts_with("tail reconnected after 0."));
    reader.until_state(TailState::Live).await;
}

#[tokio::test]
async fn the_end_of_a_session_after_three_hours_is_no_news() {
    let fake = Fake::with(&["a"]);
    let mut reader = Reader::start(&fake, &["a"]);
    reader.until_state(TailState::Live).await;
    fake.end_sessions(&Ended::Timeout);
    fake.log("a", 5, "between", false);
    while fake.0.lock().unwrap().opened < 2 {
        tokio::task::yield_now().await;
    }
    fake.log("a", 6, "after", true);
    reader.until_texts(&["between", "after"]).await;
    assert!(reader.notices().is_empty());
}

#[tokio::test]
async fn a_group_that_appears_is_taken_in() {
    let fake = Fake::with(&["a"]);
    let mut reader = Reader::start(&fake, &["a", "late"]);
    reader.until(|r| r.status.as_ref().is_some_and(|s| s.waiting == 1)).await;
    reader.until_state(TailState::Live).await;
    fake.create("late");
    fake.log("late", 1, "first", false);
    reader.until_texts(&["first"]).await;
    reader.until(|r| r.status.as_ref().is_some_and(|s| s.waiting == 0)).await;
    reader.until_state(TailState::Live).await;
    let both = |service: &Service| {
        service.sessions.iter().any(|(groups, live)| groups.len() == 2 && !live.is_closed())
    };
    while !both(&fake.0.lock().unwrap()) {
        tokio::task::yield_now().await;
    }
    fake.log("late", 2, "second", true);
    reader.until_texts(&["first", "second"]).await;
    assert!(reader.notices().is_empty());
}

#[tokio::test]
async fn without_a_live_tail_it_polls_and_says_so_once() {
    let fake = Fake::with(&["a"]);
    fake.change(|s| s.refusal = Some(SourceError::Refused("not allowed".to_owned())));
    let mut reader = Reader::start(&fake, &["a"]);
    reader.until_state(TailState::Polling).await;
    fake.log("a", 1, "one", true);
    reader.until_texts(&["one"]).await;
    fake.log("a", 2, "two", true);
    reader.until_texts(&["one", "two"]).await;
    assert_eq!(reader.notices().len(), 1);
    assert!(reader.notices()[0].contains("not allowed"));
}

#[tokio::test]
async fn dropping_the_handle_ends_everything() {
    let fake = Fake::with(&["a"]);
    let mut reader = Reader::start(&fake, &["a"]);
    reader.until_state(TailState::Live).await;
    let Reader { _handle: handle, mut messages, .. } = reader;
    drop(handle);
    while messages.recv().await.is_some() {}
    let open = |fake: &Fake| fake.0.lock().unwrap().sessions.iter().any(|(_, s)| !s.is_closed());
    while open(&fake) {
        tokio::task::yield_now().await;
    }
}
