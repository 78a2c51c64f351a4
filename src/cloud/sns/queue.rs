//! What is still to be delivered: in the store until it is, or until its tries are used up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Sns;
use crate::core::Core;
use crate::error::AwsError;
use crate::sqs::Attributes;
use crate::store::{Change, Store, StoreError};

/// Documents of deliveries, by id.
const DELIVERIES: &str = "sns.deliveries";
/// The most deliveries that wait.
const COUNT_LIMIT: usize = 10_000;
/// The most bytes of messages that wait.
const BYTES_LIMIT: usize = 64 << 20;

/// A message on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Content {
    /// `MessageId`.
    pub message_id: String,
    /// ARN of its topic.
    pub topic_arn: String,
    /// When it was published, in milliseconds since the epoch.
    pub sent_ms: i64,
    /// Whether it asks for a confirmation.
    pub confirmation: bool,
    /// `Subject`.
    pub subject: Option<String>,
    /// Its text.
    pub message: String,
    /// Its attributes.
    pub attributes: Attributes,
}

impl Content {
    /// `2012-04-26T20:45:04.751Z`.
    pub fn timestamp(&self) -> String {
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.sent_ms) * 1_000_000)
            .ok()
            .and_then(|at| at.format(&format).ok())
            .unwrap_or_default()
    }
}

/// A message for one subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The subscription's id.
    pub subscription: String,
    /// What is delivered.
    pub content: Content,
    /// How often it was tried.
    pub tries: u32,
    /// Not to be tried before, in milliseconds since the epoch.
    pub due_ms: i64,
}

/// All deliveries that wait.
#[derive(Debug)]
pub struct Deliveries {
    store: Store,
    waiting: Mutex<Waiting>,
    /// Told when something is to be delivered.
    pub changed: Notify,
    /// Cancelled when the cloud stops.
    pub stopped: CancellationToken,
}

#[derive(Debug, Default)]
struct Waiting {
    due: BinaryHeap<Reverse<(i64, String)>>,
    /// By id, those being worked on included.
    all: HashMap<String, Delivery>,
    bytes: usize,
}

impl Waiting {
    fn add(&mut self, delivery: Delivery) {
        self.due.push(Reverse((delivery.due_ms, delivery.id.clone())));
        self.bytes += delivery.content.message.len();
        self.all.insert(delivery.id.clone(), delivery);
    }

    fn remove(&mut self, id: &str) {
        if let Some(delivery) = self.all.remove(id) {
            self.bytes -= delivery.content.message.len();
        }
    }
}

/// What there is to do.
#[derive(Debug)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Something at a time.
    At(i64),
    /// This.
    Delivery(Box<Delivery>),
}

impl Deliveries {
    /// Reads what was accepted before and not delivered.
    pub fn open(core: &Core) -> Result<Self, StoreError> {
        let mut waiting = Waiting::default();
        for (_, delivery) in core.store.load::<Delivery>(DELIVERIES)? {
            waiting.add(delivery);
        }
        Ok(Self {
            store: core.store.clone(),
            waiting: Mutex::new(waiting),
            changed: Notify::new(),
            stopped: CancellationToken::new(),
        })
    }

    /// Delivers no more.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next delivery if it is due, or when it will be.
    pub fn next(&self, now_ms: i64) -> Next {
        let mut waiting = self.waiting();
        match waiting.due.peek() {
            None => Next::Nothing,
            Some(Reverse((due, _))) if *due > now_ms => Next::At(*due),
            Some(_) => {
                let id = waiting.due.pop().map(|Reverse((_, id))| id);
                match id.and_then(|id| waiting.all.get(&id).cloned()) {
                    Some(delivery) => Next::Delivery(Box::new(delivery)),
                    None => Next::At(now_ms),
                }
            }
        }
    }

    /// A delivery is done with.
    pub async fn done(&self, id: &str) -> Result<(), StoreError> {
        let deleted = self.store.commit(vec![Change::delete(DELIVERIES, id)]).await;
        self.waiting().remove(id);
        deleted
    }

    /// A delivery is tried again when it says.
    pub async fn again(&self, delivery: Delivery) -> Result<(), StoreError> {
        let noted =
            self.store.commit(vec![Change::put(DELIVERIES, &delivery.id, &delivery)?]).await;
        let mut waiting = self.waiting();
        waiting.remove(&delivery.id);
        waiting.add(delivery);
        self.changed.notify_one();
        noted
    }
}

impl Sns {
    /// Accepts messages for subscriptions: all are durable when this returns, or none.
    pub(super) async fn enqueue(&self, list: Vec<(String, Content)>) -> Result<(), AwsError> {
        if list.is_empty() {
            return Ok(());
        }
        {
            let waiting = self.deliveries.waiting();
            let bytes: usize = list.iter().map(|(_, content)| content.message.len()).sum();
            let full =
                waiting.all.len() + list.len() > COUNT_LIMIT || waiting.bytes + bytes > BYTES_LIMIT;
            if full {
                return Err(AwsError::new(
                    429,
                    "Throttled",
                    "Too many messages wait for delivery.",
                ));
            }
        }
        let deliveries: Vec<Delivery> = list
            .into_iter()
            .map(|(subscription, content)| Delivery {
                id: uuid::Uuid::new_v4().to_string(),
                subscription,
                due_ms: content.sent_ms,
                content,
                tries: 0,
            })
            .collect();
        let changes = deliveries
            .iter()
            .map(|delivery| Change::put(DELIVERIES, &delivery.id, delivery))
            .collect::<Result<Vec<_>, _>>()?;
        self.core.store.commit(changes).await?;
        let mut waiting = self.deliveries.waiting();
        for delivery in deliveries {
            waiting.add(delivery);
        }
        self.deliveries.changed.notify_one();
        Ok(())
    }
}
