//! Writes the counted requests to the store, a moment after they were counted.
//!
//! A request does not wait for the store: counts are written together, at most five times per
//! second. So a cloud that is killed loses the counts of its last fifth of a second (AWS promises
//! less: its usage is best effort and lags behind); one that is stopped writes them all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::registry::Member;
use crate::store::{Change, Store, StoreError};

/// The collection of usage documents.
pub(super) const USAGE: &str = "apigateway.usage";

/// Time between two writes.
const PAUSE: Duration = Duration::from_millis(200);

/// Time after a write that failed.
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// What has to be written, and whether somebody does.
#[derive(Debug)]
pub(super) struct Desk {
    store: Store,
    dirty: Mutex<Vec<Arc<Member>>>,
    writing: AtomicBool,
    /// Held while a batch is written: what is noted before a flush is written when it returns.
    turn: tokio::sync::Mutex<()>,
}

impl Desk {
    /// Writes to `store`.
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            dirty: Mutex::default(),
            writing: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Has the member's usage written soon.
    pub fn note(self: &Arc<Self>, member: &Arc<Member>) {
        self.keep(member);
        if !self.writing.swap(true, Ordering::AcqRel) {
            let desk = Arc::clone(self);
            tokio::spawn(async move { desk.run().await });
        }
    }

    fn keep(&self, member: &Arc<Member>) {
        if member.mark() {
            self.dirty.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(member));
        }
    }

    /// Writes what is noted now. What could not be written stays noted.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let batch = std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner));
        let mut written = Vec::with_capacity(batch.len());
        let mut changes = Vec::with_capacity(batch.len());
        for member in batch {
            if let Some(usage) = member.unmark() {
                changes.push(Change::put(USAGE, member.document(), &usage)?);
                written.push(member);
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let outcome = self.store.commit(changes).await;
        if outcome.is_err() {
            for member in &written {
                self.keep(member);
            }
        }
        outcome
    }

    async fn run(&self) {
        loop {
            let pause = match self.flush().await {
                Ok(()) => PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "the usage of API keys could not be written");
                    LONG_PAUSE
                }
            };
            tokio::time::sleep(pause).await;
            if self.idle() {
                self.writing.store(false, Ordering::Release);
                // Somebody may have noted a member between the two.
                if self.idle() || self.writing.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        }
    }

    fn idle(&self) -> bool {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
