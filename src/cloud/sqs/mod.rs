//! Amazon SQS: standard queues (awsJson1.0, API version 2012-11-05).
//!
//! Messages are in memory for reading and in the store for good: what was answered survives the
//! end of the process. FIFO queues, encryption with keys of KMS and the older query protocol are
//! refused by name.

mod answers;
mod batch;
mod control;
mod error;
mod message;
mod messages;
mod move_tasks;
mod queue;
mod settings;
mod tags;
#[cfg(test)]
mod tests;
mod typed;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use error::query_code;
pub use message::{Attribute, Attributes, md5_of_attributes, md5_of_body};
pub use settings::{name_of_arn, queue_arn};
pub use typed::{QueueFacts, ReceiveRequest, Received};

use crate::core::{ACCOUNT_ID, Core};
use crate::error::AwsError;
use crate::iam::{Iam, Requester};
use crate::protocol::{Protocol, empty, typed_json};
use crate::store::{Change, StoreError};
use crate::wire::{Answer, ApiRequest};
use message::{Message, Receives};
use move_tasks::MoveTask;
use queue::{Queue, QueueDocument};

/// Documents of queues, by name.
const QUEUES: &str = "sqs.queues";
/// Documents of messages, by queue and sequence number: written once.
const MESSAGES: &str = "sqs.messages";
/// How often and when they were received, by the same keys.
const RECEIVES: &str = "sqs.receives";
/// The most messages of all queues together. AWS has no such limit.
const COUNT_LIMIT: usize = 100_000;
/// The most bytes of all messages together. AWS has no such limit.
const BYTES_LIMIT: usize = 256 << 20;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// The SQS service of the local cloud.
#[derive(Debug)]
pub struct Sqs {
    core: Arc<Core>,
    iam: Arc<Iam>,
    queues: Mutex<BTreeMap<String, Queue>>,
    next_sequence: AtomicU64,
    /// Those that move dead letters back, the newest first.
    move_tasks: Mutex<VecDeque<MoveTask>>,
    /// Held across a change of a queue's document.
    writing: tokio::sync::Mutex<()>,
}

impl Sqs {
    /// Reads the queues and their messages.
    pub fn open(core: Arc<Core>, iam: Arc<Iam>) -> Result<Arc<Self>, StoreError> {
        let mut queues = BTreeMap::new();
        for (name, document) in core.store.load::<QueueDocument>(QUEUES)? {
            queues.insert(name, Queue::new(document));
        }
        let mut receives: BTreeMap<String, Receives> =
            core.store.load::<Receives>(RECEIVES)?.into_iter().collect();
        let now = core.now_millis();
        let mut leftovers = Vec::new();
        let mut last = 0;
        for (key, message) in core.store.load::<Message>(MESSAGES)? {
            last = last.max(message.sequence);
            let received = receives.remove(&key).unwrap_or_default();
            match key.split_once('/').and_then(|(name, _)| queues.get_mut(name)) {
                Some(queue) => queue.add(Arc::new(message), received, now),
                // Its queue was deleted while it was sent.
                None => leftovers.push(Change::delete(MESSAGES, key)),
            }
        }
        leftovers.extend(receives.into_keys().map(|key| Change::delete(RECEIVES, key)));
        if !leftovers.is_empty() {
            core.store.commit_blocking(&leftovers)?;
        }
        Ok(Arc::new(Self {
            core,
            iam,
            queues: Mutex::new(queues),
            next_sequence: AtomicU64::new(last + 1),
            move_tasks: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }))
    }

    /// Answers a request of SQS's API.
    pub async fn call(self: &Arc<Self>, request: ApiRequest) -> Answer {
        if request.header("x-amz-target").is_none() {
            let error = AwsError::not_implemented("SQS", "requests in the query protocol");
            return Protocol::Query.error(&error, &request.request_id);
        }
        match self.answer(&request).await {
            Ok(Value::Null) => {
                let mut answer = empty(200);
                crate::protocol::set_header(&mut answer, "content-type", CONTENT_TYPE);
                answer
            }
            Ok(value) => typed_json(200, CONTENT_TYPE, &value),
            Err(error) => Protocol::Sqs.error(&error, &request.request_id),
        }
    }

    async fn answer(self: &Arc<Self>, request: &ApiRequest) -> Result<Value, AwsError> {
        let target = request.header("x-amz-target").unwrap_or("");
        let Some(operation) = target.strip_prefix("AmazonSQS.") else {
            return Err(AwsError::new(400, "UnknownOperationException", ""));
        };
        match operation {
            "CreateQueue" => self.create_queue(request).await,
            "GetQueueUrl" => self.get_queue_url(request),
            "ListQueues" => self.list_queues(request),
            "DeleteQueue" => self.delete_queue(request).await,
            "PurgeQueue" => self.purge_queue(request).await,
            "GetQueueAttributes" => self.get_attributes(request),
            "SetQueueAttributes" => self.set_attributes(request).await,
            "ListDeadLetterSourceQueues" => self.list_dead_letter_sources(request),
            "StartMessageMoveTask" => self.start_move_task(request),
            "ListMessageMoveTasks" => self.list_move_tasks(request),
            "CancelMessageMoveTask" => self.cancel_move_task(request),
            "TagQueue" => self.tag_queue(request).await,
            "UntagQueue" => self.untag_queue(request).await,
            "ListQueueTags" => self.list_tags(request),
            "SendMessage" => self.send_message(request).await,
            "SendMessageBatch" => self.send_batch(request).await,
            "ReceiveMessage" => self.receive_message(request).await,
            "DeleteMessage" => self.delete_message(request).await,
            "DeleteMessageBatch" => self.delete_batch(request).await,
            "ChangeMessageVisibility" => self.change_visibility(request).await,
            "ChangeMessageVisibilityBatch" => self.change_visibility_batch(request).await,
            other => Err(AwsError::not_implemented("SQS", other)),
        }
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody may do `action` (such as `SendMessage`) on a queue that is there.
    fn authorize(
        &self,
        requester: Requester<'_>,
        action: &str,
        name: &str,
    ) -> Result<(), AwsError> {
        let arn = queue_arn(name);
        // SQS writes actions in lower case in its refusals.
        let action = format!("sqs:{}", action.to_ascii_lowercase());
        let policy = {
            let queues = self.queues();
            queues.get(name).and_then(|queue| queue.policy.clone())
        };
        self.iam
            .authorize_on(requester, &action, &arn, policy.as_ref())
            .map_err(|denial| denial.into_error(403))
    }

    fn sequence(&self) -> u64 {
        self.next_sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// The URL of a queue.
    fn url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT_ID}/{name}", self.core.endpoint())
    }
}

/// Reads the JSON body of a request.
fn body<T: DeserializeOwned>(request: &ApiRequest) -> Result<T, AwsError> {
    let bytes: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(bytes).map_err(|error| {
        AwsError::new(
            400,
            "SerializationException",
            format!("The body is not what this operation takes: {error}"),
        )
    })
}

/// The key of a message's documents.
fn key(queue: &str, sequence: u64) -> String {
    format!("{queue}/{sequence:020}")
}
