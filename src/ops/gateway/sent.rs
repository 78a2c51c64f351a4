//! How many requests this process has sent with each API key: what the cloud's own figure, which lags,
//! can't be below.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::request::exchange::OutgoingRequest;

/// Answered requests by key id and `API/STAGE`.
static SENT: Mutex<BTreeMap<(String, String), Arc<AtomicU64>>> = Mutex::new(BTreeMap::new());

/// Counts answers to requests with a key; nothing for a request without one.
#[derive(Debug, Clone)]
pub(crate) struct Counter(Option<Arc<AtomicU64>>);

impl Counter {
    /// The counter of a request's key on its stage.
    pub(crate) fn of(request: &OutgoingRequest) -> Self {
        let id = request.key.as_ref().and_then(|key| key.id());
        let (Some(id), Some(origin)) = (id, &request.origin) else { return Self(None) };
        let place = (id.to_owned(), format!("{}/{}", origin.api, origin.stage));
        let mut sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
        Self(Some(Arc::clone(sent.entry(place).or_default())))
    }

    /// Notes an answer. Refusals (403, 429) may not have been counted by the gateway, and are left out:
    /// the count stays a lower bound.
    pub(crate) fn note(&self, status: u16) {
        if let Some(count) = self.0.as_ref().filter(|_| !matches!(status, 403 | 429)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Requests sent with a key to these stages (`API/STAGE`) so far.
pub(super) fn count(key_id: &str, stages: &[&str]) -> u64 {
    let sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
    let of_key = sent.iter().filter(|((id, stage), _)| id == key_id && stages.contains(&&**stage));
    of_key.map(|(_, count)| count.load(Ordering::Relaxed)).sum()
}
