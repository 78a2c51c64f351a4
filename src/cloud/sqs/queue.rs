//! A queue in memory: which messages can be received, which are hidden and until when.
//!
//! Pure: it knows no clock and no disk. What changes is told to the caller, who makes it durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::message::{Message, Receives};
use super::settings::Settings;
use crate::iam::ResourcePolicy;

/// What is stored of a queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueueDocument {
    /// Its name.
    pub name: String,
    /// What can be set.
    #[serde(default)]
    pub settings: Settings,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
    /// When it was purged last, in milliseconds since the epoch.
    #[serde(default)]
    pub purged_ms: i64,
}

/// A queue with its messages.
#[derive(Debug)]
pub struct Queue {
    /// What is stored of it.
    pub document: QueueDocument,
    /// Its policy, where it has one.
    pub policy: Option<ResourcePolicy>,
    /// Told whenever a message may have become receivable.
    pub arrived: Arc<Notify>,
    messages: BTreeMap<u64, Kept>,
    /// Those that can be received, in the order of sending.
    ready: BTreeSet<u64>,
    /// Those that can't yet, by the time when they can.
    hidden: BTreeSet<(i64, u64)>,
    bytes: usize,
}

/// A message in a queue.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What never changes.
    pub message: Arc<Message>,
    /// What receiving changes.
    pub receives: Receives,
}

/// How many messages a queue has, by what can be done with them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// To be received.
    pub visible: usize,
    /// Received and hidden.
    pub in_flight: usize,
    /// Sent and not to be received yet.
    pub delayed: usize,
}

/// What a receive did.
#[derive(Debug, Default)]
pub struct Taken {
    /// What was received.
    pub received: Vec<Kept>,
    /// What was received too often before: it leaves the queue.
    pub exhausted: Vec<Kept>,
}

impl Queue {
    /// A queue without messages.
    pub fn new(document: QueueDocument) -> Self {
        let policy = policy(&document);
        Self {
            document,
            policy,
            arrived: Arc::new(Notify::new()),
            messages: BTreeMap::new(),
            ready: BTreeSet::new(),
            hidden: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Replaces what is stored of the queue.
    pub fn change(&mut self, document: QueueDocument) {
        self.policy = policy(&document);
        self.document = document;
        // Settings decide what a waiting receive may take.
        self.arrived.notify_waiters();
    }

    /// Puts a message in.
    pub fn add(&mut self, message: Arc<Message>, receives: Receives, now_ms: i64) {
        let sequence = message.sequence;
        let due = message.due_ms.max(receives.hidden_until_ms);
        self.bytes += message.size();
        if due > now_ms {
            self.hidden.insert((due, sequence));
        } else {
            self.ready.insert(sequence);
        }
        self.messages.insert(sequence, Kept { message, receives });
        // Also for a delayed one: whoever waits must learn when to look again.
        self.arrived.notify_waiters();
    }

    /// Takes a message out.
    pub fn remove(&mut self, sequence: u64) -> Option<Kept> {
        let kept = self.messages.remove(&sequence)?;
        self.ready.remove(&sequence);
        self.hidden.remove(&(kept.hidden_until(), sequence));
        self.bytes -= kept.message.size();
        Some(kept)
    }

    /// Lets what was hidden long enough be received.
    pub fn show_ready(&mut self, now_ms: i64) {
        while let Some(&(due, sequence)) = self.hidden.first()
            && due <= now_ms
        {
            self.hidden.pop_first();
            self.ready.insert(sequence);
        }
    }

    /// Lets what was hidden long enough be received; answers what was kept too long, taken out.
    pub fn tick(&mut self, now_ms: i64) -> Vec<Kept> {
        self.show_ready(now_ms);
        let oldest = now_ms - i64::from(self.document.settings.retention_seconds) * 1000;
        let mut expired = Vec::new();
        while let Some((&sequence, kept)) = self.messages.first_key_value()
            && kept.message.sent_ms < oldest
        {
            expired.extend(self.remove(sequence));
        }
        expired
    }

    /// When the next hidden message can be received, in milliseconds since the epoch.
    pub fn next_due(&self) -> Option<i64> {
        self.hidden.first().map(|(due, _)| *due)
    }

    /// Receives up to `most` messages and hides them until `hidden_until_ms`; those that were
    /// received `limit` times before leave the queue.
    pub fn take(
        &mut self,
        most: usize,
        now_ms: i64,
        hidden_until_ms: i64,
        limit: Option<u32>,
    ) -> Taken {
        let mut taken = Taken::default();
        while taken.received.len() < most
            && let Some(sequence) = self.ready.pop_first()
        {
            let Some(kept) = self.messages.get_mut(&sequence) else { continue };
            if limit.is_some_and(|limit| kept.receives.count >= limit) {
                taken.exhausted.extend(self.remove(sequence));
                continue;
            }
            let receives = &mut kept.receives;
            receives.count += 1;
            if receives.count == 1 {
                receives.first_ms = now_ms;
            }
            receives.hidden_until_ms = hidden_until_ms;
            taken.received.push(kept.clone());
            // Even when it is receivable again at once: not by this receive.
            self.hidden.insert((kept.hidden_until(), sequence));
        }
        taken
    }

    /// A message of the queue.
    pub fn get(&self, sequence: u64) -> Option<&Kept> {
        self.messages.get(&sequence)
    }

    /// Whether a message is received and still hidden.
    pub fn in_flight(&self, sequence: u64, now_ms: i64) -> bool {
        self.messages
            .get(&sequence)
            .is_some_and(|kept| kept.receives.count > 0 && kept.hidden_until() > now_ms)
    }

    /// Hides a message until another time.
    pub fn hide(&mut self, sequence: u64, until_ms: i64) -> Option<Receives> {
        let kept = self.messages.get_mut(&sequence)?;
        self.hidden.remove(&(kept.hidden_until(), sequence));
        self.ready.remove(&sequence);
        kept.receives.hidden_until_ms = until_ms;
        let receives = kept.receives.clone();
        self.hidden.insert((kept.hidden_until(), sequence));
        self.arrived.notify_waiters();
        Some(receives)
    }

    /// How many messages there are, as of the last [`Queue::show_ready`].
    pub fn counts(&self) -> Counts {
        let in_flight = self
            .hidden
            .iter()
            .filter(|(_, s)| self.messages.get(s).is_some_and(|kept| kept.receives.count > 0))
            .count();
        Counts { visible: self.ready.len(), in_flight, delayed: self.hidden.len() - in_flight }
    }

    /// Sequence numbers of the messages that can be received, in the order of sending.
    pub fn ready(&self) -> impl Iterator<Item = u64> {
        self.ready.iter().copied()
    }

    /// Sequence numbers of all messages.
    pub fn sequences(&self) -> Vec<u64> {
        self.messages.keys().copied().collect()
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Bytes of all messages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Kept {
    fn hidden_until(&self) -> i64 {
        self.message.due_ms.max(self.receives.hidden_until_ms)
    }
}

fn policy(document: &QueueDocument) -> Option<ResourcePolicy> {
    let text = &document.settings.policy;
    if text.is_empty() { None } else { ResourcePolicy::parse(text).ok() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn queue() -> Queue {
        Queue::new(QueueDocument {
            name: "q".to_owned(),
            settings: Settings::default(),
            tags: BTreeMap::new(),
            created_ms: 0,
            modified_ms: 0,
            purged_ms: 0,
        })
    }

    fn message(sequence: u64, due_ms: i64) -> Arc<Message> {
        Arc::new(Message {
            sequence,
            id: sequence.to_string(),
            body: "x".to_owned(),
            attributes: BTreeMap::new(),
            trace_header: None,
            sender: String::new(),
            sent_ms: 0,
            due_ms,
            moved_from: None,
        })
    }

    fn sequences(list: &[Kept]) -> Vec<u64> {
        list.iter().map(|kept| kept.message.sequence).collect()
    }

    #[test]
    fn what_is_received_is_hidden_until_its_time() {
        let mut queue = queue();
        queue.add(message(1, 0), Receives::default(), 0);
        queue.add(message(2, 500), Receives::default(), 0);
        assert_eq!(sequences(&queue.take(10, 0, 100, None).received), [1]);
        assert_eq!(queue.counts(), Counts { visible: 0, in_flight: 1, delayed: 1 });
        queue.tick(99);
        assert!(queue.take(10, 99, 200, None).received.is_empty());
        queue.tick(100);
        let again = queue.take(10, 100, 1000, None).received;
        assert_eq!((again[0].receives.count, again[0].receives.first_ms), (2, 0));
        queue.hide(1, 0);
        queue.tick(500);
        assert_eq!(sequences(&queue.take(10, 500, 501, None).received), [1, 2]);
        assert!(queue.remove(1).is_some());
        assert_eq!((queue.len(), queue.bytes()), (1, 1));
    }

    #[test]
    fn what_was_received_too_often_leaves_and_what_is_too_old_goes() {
        let mut queue = queue();
        queue.add(message(1, 0), Receives::default(), 0);
        assert_eq!(queue.take(1, 0, 0, Some(1)).received.len(), 1);
        queue.tick(1);
        let taken = queue.take(1, 1, 2, Some(1));
        assert_eq!((taken.received.len(), sequences(&taken.exhausted)), (0, vec![1]));
        queue.add(message(2, 0), Receives::default(), 0);
        assert!(queue.tick(345_600_000).is_empty());
        assert_eq!(sequences(&queue.tick(345_600_001)), [2]);
    }
}
