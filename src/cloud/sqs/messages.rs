//! Sending, receiving and deleting messages.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answers::{Receipt, sent, shown};
use super::error::{full, invalid, invalid_value, missing, no_queue, receipt_handle};
use super::message::{Attributes, Message, Receives, check_attributes, check_body, size};
use super::queue::{Kept, Taken};
use super::settings::queue_arn;
use super::{BYTES_LIMIT, COUNT_LIMIT, MESSAGES, RECEIVES, Sqs, body, key, name_of_arn};
use crate::error::AwsError;
use crate::iam::Requester;
use crate::store::Change;
use crate::wire::ApiRequest;

/// The longest time that a message can be hidden, in seconds.
const LONGEST_HIDDEN: i64 = 43_200;

/// A message as a client sends it; also an entry of a batch.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct SendInput {
    queue_url: Option<String>,
    pub(super) id: Option<String>,
    pub(super) message_body: Option<String>,
    pub(super) delay_seconds: Option<i64>,
    pub(super) message_attributes: Option<Attributes>,
    message_system_attributes: Option<Attributes>,
    message_deduplication_id: Option<String>,
    /// Allowed on standard queues, where it only makes their sharing fairer.
    #[serde(rename = "MessageGroupId")]
    _message_group_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveInput {
    queue_url: Option<String>,
    attribute_names: Option<Vec<String>>,
    message_system_attribute_names: Option<Vec<String>>,
    message_attribute_names: Option<Vec<String>>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
}

/// One received message that is to be deleted or hidden for another time; also an entry of a batch.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct HandleInput {
    pub(super) queue_url: Option<String>,
    pub(super) id: Option<String>,
    pub(super) receipt_handle: Option<String>,
    pub(super) visibility_timeout: Option<i64>,
}

/// A message that was checked and is to be kept.
#[derive(Debug)]
pub(super) struct NewMessage {
    pub(super) body: String,
    pub(super) attributes: Attributes,
    pub(super) delay_seconds: Option<u32>,
    pub(super) trace_header: Option<String>,
}

impl Sqs {
    pub(super) async fn send_message(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: SendInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        let requester = Requester::Caller(&request.caller);
        self.authorize(requester, "SendMessage", &name)?;
        let trace = input.message_system_attributes.clone();
        let message = self.check_message(&name, input)?;
        let kept = self.keep(&name, requester, vec![message]).await?;
        let kept = kept.first().ok_or_else(no_queue)?;
        Ok(Value::Object(sent(kept, trace.as_ref())))
    }

    /// Checks a message against the rules of its queue.
    pub(super) fn check_message(
        &self,
        queue: &str,
        input: SendInput,
    ) -> Result<NewMessage, AwsError> {
        let text = input.message_body.ok_or_else(|| missing("MessageBody"))?;
        check_body(&text)?;
        let attributes = input.message_attributes.unwrap_or_default();
        check_attributes(&attributes)?;
        if input.message_deduplication_id.is_some() {
            return Err(invalid(
                "The request includes a parameter that is not valid for this queue type: \
                 MessageDeduplicationId.",
            ));
        }
        let limit = {
            let queues = self.queues();
            let queue = queues.get(queue).ok_or_else(no_queue)?;
            queue.document.settings.maximum_message_size as usize
        };
        if size(&text, &attributes) > limit {
            return Err(invalid(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {limit} \
                 bytes."
            )));
        }
        let delay_seconds = input.delay_seconds.map(|delay| {
            u32::try_from(delay).ok().filter(|delay| *delay <= 900).ok_or_else(|| {
                invalid_value(
                    &delay.to_string(),
                    "DelaySeconds",
                    "DelaySeconds must be >= 0 and <= 900.",
                )
            })
        });
        let trace_header = input
            .message_system_attributes
            .and_then(|mut attributes| attributes.remove("AWSTraceHeader"))
            .and_then(|attribute| attribute.string_value);
        Ok(NewMessage {
            body: text,
            attributes,
            delay_seconds: delay_seconds.transpose()?,
            trace_header,
        })
    }

    /// Keeps messages: they are durable when this returns, all or none.
    pub(super) async fn keep(
        &self,
        name: &str,
        sender: Requester<'_>,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Arc<Message>>, AwsError> {
        let sender = self.sender_id(sender);
        let now = self.core.now_millis();
        let delay = {
            let queues = self.queues();
            let (count, bytes) = queues
                .values()
                .fold((0, 0), |(count, bytes), queue| (count + queue.len(), bytes + queue.bytes()));
            let more: usize = messages.iter().map(|m| size(&m.body, &m.attributes)).sum();
            if count + messages.len() > COUNT_LIMIT {
                return Err(full(&format!("{COUNT_LIMIT} messages")));
            }
            if bytes + more > BYTES_LIMIT {
                return Err(full(&format!("{BYTES_LIMIT} bytes")));
            }
            queues.get(name).ok_or_else(no_queue)?.document.settings.delay_seconds
        };
        let kept: Vec<Arc<Message>> = messages
            .into_iter()
            .map(|message| {
                let delay = i64::from(message.delay_seconds.unwrap_or(delay));
                Arc::new(Message {
                    sequence: self.sequence(),
                    id: uuid::Uuid::new_v4().to_string(),
                    body: message.body,
                    attributes: message.attributes,
                    trace_header: message.trace_header,
                    sender: sender.clone(),
                    sent_ms: now,
                    due_ms: now + delay * 1000,
                    moved_from: None,
                })
            })
            .collect();
        let changes = kept
            .iter()
            .map(|message| Change::put(MESSAGES, key(name, message.sequence), message.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        self.core.store.commit(changes).await?;
        let mut queues = self.queues();
        let queue = queues.get_mut(name).ok_or_else(no_queue)?;
        for message in &kept {
            queue.add(Arc::clone(message), Receives::default(), now);
        }
        Ok(kept)
    }

    /// `SenderId`: the account for its owner, the role's id and session for a function.
    fn sender_id(&self, sender: Requester<'_>) -> String {
        match sender {
            Requester::Caller(caller) => self.iam.caller_id(caller),
            Requester::Service { principal, .. } => principal.to_owned(),
        }
    }

    pub(super) async fn receive_message(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: ReceiveInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "ReceiveMessage", &name)?;
        let most = match input.max_number_of_messages {
            None => 1,
            Some(most @ 1..=10) => most as usize,
            Some(other) => {
                return Err(invalid_value(
                    &other.to_string(),
                    "MaxNumberOfMessages",
                    "Must be between 1 and 10, if provided.",
                ));
            }
        };
        let wait = match input.wait_time_seconds {
            None => {
                let queues = self.queues();
                queues.get(&name).ok_or_else(no_queue)?.document.settings.wait_seconds
            }
            Some(wait @ 0..=20) => wait as u32,
            Some(other) => {
                return Err(invalid_value(
                    &other.to_string(),
                    "WaitTimeSeconds",
                    "Must be >= 0 and <= 20, if provided.",
                ));
            }
        };
        let hidden = input.visibility_timeout.map(hidden_seconds).transpose()?;
        let wait = Duration::from_secs(wait.into());
        let received = self.take(&name, most, wait, hidden).await?;
        let mut system = input.attribute_names.unwrap_or_default();
        system.extend(input.message_system_attribute_names.unwrap_or_default());
        let wanted = input.message_attribute_names.unwrap_or_default();
        let shown: Vec<Value> =
            received.iter().map(|kept| shown(&name, kept, &system, &wanted)).collect();
        Ok(if shown.is_empty() { json!({}) } else { json!({ "Messages": shown }) })
    }

    /// Receives up to `most` messages, waiting for the first one at most `wait`. They are hidden
    /// for `hidden` seconds, or as long as the queue says.
    pub(super) async fn take(
        &self,
        name: &str,
        most: usize,
        wait: Duration,
        hidden: Option<u32>,
    ) -> Result<Vec<Kept>, AwsError> {
        let give_up = Instant::now() + wait;
        loop {
            let now = self.core.now_millis();
            let (arrived, next_due, taken, expired, target) = {
                let mut queues = self.queues();
                let settings = &queues.get(name).ok_or_else(no_queue)?.document.settings;
                let hidden = i64::from(hidden.unwrap_or(settings.visibility_timeout));
                // Without its dead-letter queue a queue keeps its messages.
                let redrive = settings.redrive.clone().and_then(|redrive| {
                    let target = name_of_arn(&redrive.target_arn)?.to_owned();
                    queues.contains_key(&target).then_some((target, redrive.max_receive_count))
                });
                let queue = queues.get_mut(name).ok_or_else(no_queue)?;
                // It counts from here, while nothing can happen: no message is missed.
                let arrived = Arc::clone(&queue.arrived).notified_owned();
                let expired = queue.tick(now);
                let limit = redrive.as_ref().map(|(_, limit)| *limit);
                let taken = queue.take(most, now, now + hidden * 1000, limit);
                (arrived, queue.next_due(), taken, expired, redrive.map(|(target, _)| target))
            };
            let received = self.note(name, taken, &expired, target.as_deref()).await?;
            if !received.is_empty() || Instant::now() >= give_up {
                return Ok(received);
            }
            let next = next_due.map(|due| {
                Instant::now() + Duration::from_millis((due - now).max(1).unsigned_abs())
            });
            let look_again = next.map_or(give_up, |next| next.min(give_up));
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(look_again) => {}
            }
        }
    }

    /// Makes durable what a receive did, and moves what was received too often.
    async fn note(
        &self,
        name: &str,
        taken: Taken,
        expired: &[Kept],
        target: Option<&str>,
    ) -> Result<Vec<Kept>, AwsError> {
        if taken.received.is_empty() && taken.exhausted.is_empty() && expired.is_empty() {
            return Ok(Vec::new());
        }
        let mut changes = Vec::new();
        for kept in &taken.received {
            let key = key(name, kept.message.sequence);
            changes.push(Change::put(RECEIVES, key, &kept.receives)?);
        }
        for kept in expired.iter().chain(&taken.exhausted) {
            let key = key(name, kept.message.sequence);
            changes.push(Change::delete(MESSAGES, key.clone()));
            changes.push(Change::delete(RECEIVES, key));
        }
        let target = target.unwrap_or(name);
        let mut moved = Vec::new();
        for kept in &taken.exhausted {
            let message = Arc::new(Message {
                sequence: self.sequence(),
                due_ms: 0,
                moved_from: Some(queue_arn(name)),
                ..Message::clone(&kept.message)
            });
            changes.push(Change::put(MESSAGES, key(target, message.sequence), message.as_ref())?);
            moved.push(message);
        }
        let now = self.core.now_millis();
        let noted = self.core.store.commit(changes).await;
        let mut queues = self.queues();
        if let Err(error) = noted {
            // What left the queue is still in it.
            if let Some(queue) = queues.get_mut(name) {
                for kept in expired.iter().chain(&taken.exhausted) {
                    queue.add(Arc::clone(&kept.message), kept.receives.clone(), now);
                }
            }
            return Err(error.into());
        }
        if let Some(queue) = queues.get_mut(target) {
            for message in moved {
                queue.add(message, Receives::default(), now);
            }
        }
        Ok(taken.received)
    }

    pub(super) async fn delete_message(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: HandleInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "DeleteMessage", &name)?;
        let handle = input.receipt_handle.ok_or_else(|| missing("ReceiptHandle"))?;
        let failed = self.remove(&name, &[handle]).await?;
        failed.into_iter().next().flatten().map_or(Ok(Value::Null), Err)
    }

    /// Deletes what the handles stand for. One that was received again, or is gone, is no error
    /// and changes nothing. Answers the refusal of each handle that is none.
    pub(super) async fn remove(
        &self,
        name: &str,
        handles: &[String],
    ) -> Result<Vec<Option<AwsError>>, AwsError> {
        let mut refusals = Vec::new();
        let mut sequences = Vec::new();
        {
            let queues = self.queues();
            let queue = queues.get(name).ok_or_else(no_queue)?;
            for handle in handles {
                let Some(receipt) = Receipt::read(name, handle) else {
                    refusals.push(Some(receipt_handle(handle)));
                    continue;
                };
                refusals.push(None);
                if queue.get(receipt.sequence).is_some_and(|kept| receipt.is_of(kept)) {
                    sequences.push(receipt.sequence);
                }
            }
        }
        let changes: Vec<Change> = sequences
            .iter()
            .flat_map(|sequence| {
                let key = key(name, *sequence);
                [Change::delete(MESSAGES, key.clone()), Change::delete(RECEIVES, key)]
            })
            .collect();
        if changes.is_empty() {
            return Ok(refusals);
        }
        self.core.store.commit(changes).await?;
        if let Some(queue) = self.queues().get_mut(name) {
            for sequence in sequences {
                queue.remove(sequence);
            }
        }
        Ok(refusals)
    }

    pub(super) async fn change_visibility(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: HandleInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "ChangeMessageVisibility", &name)?;
        self.hide(&name, &input).await?;
        Ok(Value::Null)
    }

    /// Hides a received message for another time, from now on.
    pub(super) async fn hide(&self, name: &str, input: &HandleInput) -> Result<(), AwsError> {
        let handle = input.receipt_handle.as_deref().ok_or_else(|| missing("ReceiptHandle"))?;
        let seconds = input.visibility_timeout.ok_or_else(|| missing("VisibilityTimeout"))?;
        let until = i64::from(hidden_seconds(seconds)?) * 1000;
        let receipt = Receipt::read(name, handle).ok_or_else(|| receipt_handle(handle))?;
        let sequence = receipt.sequence;
        let now = self.core.now_millis();
        let changed = {
            let mut queues = self.queues();
            let queue = queues.get_mut(name).ok_or_else(no_queue)?;
            if !queue.get(sequence).is_some_and(|kept| receipt.is_of(kept)) {
                return Err(invalid_value(
                    handle,
                    "ReceiptHandle",
                    "Message does not exist or is not available for visibility timeout change.",
                ));
            }
            if !queue.in_flight(sequence, now) {
                return Err(AwsError::new(
                    400,
                    "MessageNotInflight",
                    "The message referred to is not in flight.",
                ));
            }
            queue.hide(sequence, now + until)
        };
        if let Some(receives) = changed {
            let change = Change::put(RECEIVES, key(name, sequence), &receives)?;
            self.core.store.commit(vec![change]).await?;
        }
        Ok(())
    }
}

fn hidden_seconds(seconds: i64) -> Result<u32, AwsError> {
    u32::try_from(seconds).ok().filter(|s| i64::from(*s) <= LONGEST_HIDDEN).ok_or_else(|| {
        invalid_value(
            &seconds.to_string(),
            "VisibilityTimeout",
            "VisibilityTimeout must be >= 0 and <= 43200.",
        )
    })
}
