//! The live tail sessions that new events are handed to; costs nothing while there are none.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::pattern::Pattern;

/// Events in one update of a session; AWS samples beyond.
pub const UPDATE_EVENTS: usize = 500;
/// Events kept for a session whose client reads slowly; the oldest go first.
const BUFFER_EVENTS: usize = 5000;
/// Bytes of messages kept for a session whose client reads slowly.
const BUFFER_BYTES: usize = 4 << 20;

/// An event on its way to the sessions.
#[derive(Debug, Clone)]
pub struct TailEvent {
    /// Log group's name.
    pub group: Arc<str>,
    /// Log stream's name.
    pub stream: Arc<str>,
    /// When it happened, in ms since the epoch.
    pub timestamp: i64,
    /// When it was taken in, in ms since the epoch.
    pub ingestion: i64,
    /// The text.
    pub message: Arc<str>,
}

/// What a session wants to see.
#[derive(Debug)]
pub struct Wanted {
    /// Names of log groups.
    pub groups: Vec<Arc<str>>,
    /// Names of log streams; none of these and no prefixes: all.
    pub streams: Vec<String>,
    /// Prefixes of log streams' names.
    pub prefixes: Vec<String>,
    /// Which events.
    pub pattern: Pattern,
}

impl Wanted {
    fn includes(&self, event: &TailEvent) -> bool {
        self.groups.contains(&event.group)
            && ((self.streams.is_empty() && self.prefixes.is_empty())
                || self.streams.iter().any(|name| **name == *event.stream)
                || self.prefixes.iter().any(|prefix| event.stream.starts_with(prefix.as_str())))
            && self.pattern.matches(&event.message)
    }
}

#[derive(Debug, Default)]
struct Buffer {
    events: VecDeque<TailEvent>,
    bytes: usize,
    lost: bool,
}

#[derive(Debug)]
struct Session {
    wanted: Wanted,
    buffer: Mutex<Buffer>,
}

impl Session {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, event: &TailEvent) {
        if !self.wanted.includes(event) {
            return;
        }
        let mut buffer = self.lock();
        buffer.bytes += event.message.len();
        buffer.events.push_back(event.clone());
        while buffer.events.len() > BUFFER_EVENTS
            || (buffer.bytes > BUFFER_BYTES && buffer.events.len() > 1)
        {
            let dropped = buffer.events.pop_front().map_or(0, |event| event.message.len());
            buffer.bytes -= dropped;
            buffer.lost = true;
        }
    }
}

/// All live tail sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    count: AtomicUsize,
    list: Mutex<Vec<Arc<Session>>>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Session>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody tails.
    pub fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Hands committed events to the sessions that want them.
    pub fn publish(&self, events: &[TailEvent]) {
        if events.is_empty() {
            return;
        }
        let sessions = self.lock().clone();
        for session in sessions {
            for event in events {
                session.offer(event);
            }
        }
    }

    /// Opens a session; it ends when the subscription is dropped.
    pub fn subscribe(self: &Arc<Self>, wanted: Wanted) -> Subscription {
        let session = Arc::new(Session { wanted, buffer: Mutex::new(Buffer::default()) });
        let mut list = self.lock();
        list.push(Arc::clone(&session));
        self.count.store(list.len(), Ordering::Relaxed);
        Subscription { sessions: Arc::clone(self), session }
    }
}

/// One open session.
#[derive(Debug)]
pub struct Subscription {
    sessions: Arc<Sessions>,
    session: Arc<Session>,
}

impl Subscription {
    /// What came since the last call: at most [`UPDATE_EVENTS`], spread evenly over what there
    /// was, and whether some were left out.
    pub fn take(&self) -> (Vec<TailEvent>, bool) {
        let Buffer { events, lost, .. } = std::mem::take(&mut *self.session.lock());
        let count = events.len();
        if count <= UPDATE_EVENTS {
            return (events.into(), lost);
        }
        let mut kept = Vec::with_capacity(UPDATE_EVENTS);
        for (index, event) in events.into_iter().enumerate() {
            if kept.len() * count <= index * UPDATE_EVENTS {
                kept.push(event);
            }
        }
        (kept, true)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut list = self.sessions.lock();
        list.retain(|session| !Arc::ptr_eq(session, &self.session));
        self.sessions.count.store(list.len(), Ordering::Relaxed);
    }
}
