//! What goes on in the cloud: requests, attached clients, and since when nothing has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

/// Counters, shared by all connections.
#[derive(Debug)]
pub struct Activity {
    requests: AtomicU64,
    running: AtomicU64,
    attached: AtomicU64,
    last_ms: AtomicI64,
    /// Whoever started the cloud has left it to those who are attached.
    end_when_alone: AtomicBool,
    /// Told at each request and each change of the attached clients.
    pub changed: Notify,
}

/// Counts as work of the cloud while it lives.
#[derive(Debug)]
pub struct Busy {
    activity: Arc<Activity>,
    attached: bool,
}

impl Activity {
    /// Nothing has happened yet, as of now.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            requests: AtomicU64::new(0),
            running: AtomicU64::new(0),
            attached: AtomicU64::new(0),
            last_ms: AtomicI64::new(now_ms()),
            end_when_alone: AtomicBool::new(false),
            changed: Notify::new(),
        })
    }

    /// Counts a request of any caller.
    pub fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// A request of somebody other than a function begins.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.running.fetch_add(1, Ordering::SeqCst);
        Busy { activity: Arc::clone(self), attached: false }
    }

    /// A client attaches.
    pub fn attach(self: &Arc<Self>) -> Busy {
        self.attached.fetch_add(1, Ordering::SeqCst);
        Busy { activity: Arc::clone(self), attached: true }
    }

    /// Requests answered since the start.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Clients attached now.
    pub fn attached(&self) -> u64 {
        self.attached.load(Ordering::SeqCst)
    }

    /// From now on the cloud ends with its last attached client.
    pub fn end_when_alone(&self) {
        self.end_when_alone.store(true, Ordering::SeqCst);
    }

    /// Whether the last attached client has left a cloud that ends then.
    pub fn ends_now(&self) -> bool {
        self.end_when_alone.load(Ordering::SeqCst) && self.attached() == 0
    }

    /// For how long nobody has wanted anything; `None` while somebody does.
    pub fn idle_for(&self) -> Option<Duration> {
        if self.attached() > 0 || self.running.load(Ordering::SeqCst) > 0 {
            return None;
        }
        let idle = now_ms().saturating_sub(self.last_ms.load(Ordering::SeqCst));
        Some(Duration::from_millis(u64::try_from(idle).unwrap_or(0)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.last_ms.store(now_ms(), Ordering::SeqCst);
        let counter = if self.attached { &self.activity.attached } else { &self.activity.running };
        counter.fetch_sub(1, Ordering::SeqCst);
        self.activity.changed.notify_one();
    }
}

/// Wall clock, so that a laptop that slept does not count as busy.
fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}
