//! What was measured and not written yet: the services' own metrics and documents of log events.
//!
//! Recording is a push under a short lock; a task writes some seconds later, and whoever reads
//! metrics has everything written first. Killed in between, the cloud forgets what is here, as
//! CloudWatch itself promises no more for such metrics; data of `PutMetricData` never wait here.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::emf;
use super::own::{Batch, InvocationRecord, RequestRecord};

/// Records after which writing does not wait any longer.
const MANY: usize = 4096;
/// Records and bytes of documents that may wait; more are dropped, and told in the log.
const MOST: usize = 200_000;
const MOST_BYTES: usize = 32 << 20;

/// Something that was measured.
#[derive(Debug)]
enum Item {
    Invocation(InvocationRecord),
    Request(RequestRecord),
    Document(String),
}

#[derive(Debug, Default)]
struct Pending {
    items: Vec<Item>,
    bytes: usize,
    dropped: u64,
}

/// The place where records wait. Full, it drops what comes; nobody ever waits for it.
#[derive(Debug, Default)]
pub struct Recorder {
    pending: Mutex<Pending>,
    /// Something waits where nothing did.
    pub(super) first: Notify,
    /// Much waits.
    pub(super) many: Notify,
}

impl Recorder {
    /// An invocation of a function has ended.
    pub fn invocation(&self, record: InvocationRecord) {
        self.push(Item::Invocation(record), 0);
    }

    /// A request to a stage was answered.
    pub fn request(&self, record: RequestRecord) {
        self.push(Item::Request(record), 0);
    }

    /// A log event, which may be a document; most are none and cost one search.
    pub fn log_event(&self, text: &str) {
        if emf::may_be_document(text) {
            self.push(Item::Document(text.to_owned()), text.len());
        }
    }

    fn push(&self, item: Item, bytes: usize) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.items.len() >= MOST || pending.bytes + bytes > MOST_BYTES {
            pending.dropped += 1;
            return;
        }
        pending.items.push(item);
        pending.bytes += bytes;
        let (waiting, bytes) = (pending.items.len(), pending.bytes);
        drop(pending);
        if waiting == 1 {
            self.first.notify_one();
        }
        if waiting == MANY || bytes > MOST_BYTES / 2 {
            self.many.notify_one();
        }
    }

    /// Takes what waits, added up by bucket. `now` in seconds since the epoch.
    pub(super) fn take(&self, now: i64) -> Batch {
        let pending =
            std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if pending.dropped > 0 {
            tracing::warn!(pending.dropped, "metrics were dropped: too many waited to be written");
        }
        let mut batch = Batch::new();
        for item in pending.items {
            match item {
                Item::Invocation(record) => record.add_to(&mut batch),
                Item::Request(record) => record.add_to(&mut batch),
                Item::Document(text) => emf::add_document(&text, now, &mut batch),
            }
        }
        batch
    }
}
