//! Queues as event sources: batches of messages, each deleted once the function is done with it.
//!
//! Source: Lambda Developer Guide, "Using Lambda with Amazon SQS".

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::core::REGION;
use crate::error::AwsError;
use crate::event_pattern::Pattern;
use crate::iam::Requester;
use crate::lambda::destinations::role_caller;
use crate::sqs::{ReceiveRequest, Received};
use crate::wire::Caller;

use super::Work;
use super::partial::{Report, read};

/// How many batches are worked on at once unless the mapping says otherwise: what Lambda starts
/// with.
const AT_ONCE: usize = 5;
/// The most bytes of messages in one batch.
const BATCH_BYTES: usize = 6_000_000;
/// How long one receive waits; only so that a task notices now and then what became of its queue.
const WAIT: Duration = Duration::from_mins(1);
/// The pause after a receive that was refused, and after it was refused again.
const REFUSED: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The pause after an invocation that could not be handed over.
const BUSY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

impl Work {
    /// Reads the queue until the mapping changes or the cloud stops.
    pub(super) async fn read_queue(self) {
        let at_once = self.mapping.maximum_concurrency.map_or(AT_ONCE, |most| most as usize);
        let permits = Arc::new(Semaphore::new(at_once));
        let mut refused = 0;
        loop {
            let permit = tokio::select! {
                () = self.stop.cancelled() => return,
                permit = Arc::clone(&permits).acquire_owned() => permit,
            };
            let received = tokio::select! {
                () = self.stop.cancelled() => return,
                received = self.fill() => received,
            };
            match received {
                Ok(messages) if messages.is_empty() => refused = 0,
                Ok(messages) => {
                    refused = 0;
                    let work = self.clone();
                    self.tasks.spawn(async move {
                        work.process(messages).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    if refused == 0 {
                        let queue = &self.mapping.source_arn;
                        tracing::warn!(queue, %error, "a function's queue can't be read");
                    }
                    let pause = backoff(REFUSED, refused);
                    refused += 1;
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    /// The role of the function, as it is now.
    pub(super) fn caller(&self) -> Result<Caller, AwsError> {
        let function = self.lambda.registry.get(&self.mapping.function)?;
        let c = function.resolve(self.mapping.qualifier.as_deref()).ok_or_else(|| {
            crate::lambda::errors::function_not_found(
                &self.mapping.function,
                self.mapping.qualifier.as_deref(),
            )
        })?;
        Ok(role_caller(&c.role, &function.name))
    }

    /// Receives a batch: the first message may take long, the others as long as the mapping says.
    async fn fill(&self) -> Result<Vec<Received>, AwsError> {
        let sqs = &self.lambda.neighbours()?.sqs;
        let most = self.mapping.batch_size as usize;
        let mut batch: Vec<Received> = Vec::new();
        let mut wait = WAIT;
        let mut full_at: Option<Instant> = None;
        loop {
            // As many as AWS gives in one call.
            let request = ReceiveRequest {
                queue_arn: &self.mapping.source_arn,
                most: (most - batch.len()).min(10),
                wait,
            };
            let caller = self.caller()?;
            let received = sqs.receive(Requester::Caller(&caller), request).await?;
            let none = received.is_empty();
            batch.extend(received);
            let bytes: usize = batch.iter().map(|message| message.body.len()).sum();
            if batch.is_empty() || batch.len() >= most || bytes >= BATCH_BYTES {
                return Ok(batch);
            }
            let full_at = *full_at.get_or_insert_with(|| {
                Instant::now() + Duration::from_secs(self.mapping.window_seconds.into())
            });
            wait = full_at.saturating_duration_since(Instant::now());
            if none && wait.is_zero() {
                return Ok(batch);
            }
        }
    }

    /// Invokes the function with a batch and deletes what it is done with. What it is not done
    /// with can be received again when its visibility timeout is over.
    async fn process(&self, batch: Vec<Received>) {
        let patterns = self.mapping.patterns();
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|message| fits(&patterns, message));
        // What no filter lets through is done with.
        self.delete(unwanted.iter().map(|message| message.receipt_handle.clone()).collect()).await;
        if wanted.is_empty() {
            return;
        }
        let records: Vec<Value> =
            wanted.iter().map(|message| record(message, &self.mapping.source_arn)).collect();
        let event = Bytes::from(json!({ "Records": records }).to_string());
        let Some(outcome) = self.invoke_before(&event, self.patience()).await else { return };
        if outcome.function_error.is_some() {
            self.lambda.mappings.note_result(&self.mapping.uuid, "PROBLEM: Function call failed");
            return;
        }
        let report = if self.mapping.reports_failures {
            let ids: Vec<&str> = wanted.iter().map(|message| message.id.as_str()).collect();
            read(&outcome.payload, &ids)
        } else {
            Report::AllDone
        };
        let done = wanted
            .into_iter()
            .filter(|message| match &report {
                Report::AllDone => true,
                Report::Failed(ids) => !ids.contains(&message.id),
                Report::Unreadable => false,
            })
            .map(|message| message.receipt_handle)
            .collect();
        self.delete(done).await;
        self.lambda.mappings.note_result(&self.mapping.uuid, "OK");
    }

    /// How long messages stay hidden: so long a batch can be handed over.
    fn patience(&self) -> Duration {
        let facts =
            self.lambda.neighbours().ok().and_then(|n| n.sqs.facts(&self.mapping.source_arn));
        Duration::from_secs(facts.map_or(0, |facts| facts.visibility_timeout).into())
    }

    /// Invokes the function, again while it has no room. None when the time is over, or when there
    /// is nothing to invoke.
    async fn invoke_before(
        &self,
        event: &Bytes,
        patience: Duration,
    ) -> Option<crate::lambda::Outcome> {
        let give_up = Instant::now() + patience;
        let mut refused = 0;
        loop {
            match self.invoke(event.clone()).await {
                Ok(outcome) => return Some(outcome),
                Err(error) => {
                    let pause = backoff(BUSY, refused);
                    refused += 1;
                    let function = &self.mapping.function;
                    if refused == 1 {
                        tracing::info!(function, %error, "a batch could not be handed over yet");
                    }
                    if Instant::now() + pause >= give_up {
                        return None;
                    }
                    tokio::select! {
                        () = self.stop.cancelled() => return None,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    async fn delete(&self, handles: Vec<String>) {
        if handles.is_empty() {
            return;
        }
        let arn = &self.mapping.source_arn;
        let deleted = async {
            let caller = self.caller()?;
            let sqs = &self.lambda.neighbours()?.sqs;
            sqs.delete(Requester::Caller(&caller), arn, &handles).await
        };
        if let Err(error) = deleted.await {
            tracing::warn!(queue = arn, %error, "messages that are done with could not be deleted");
        }
    }
}

/// A pause that doubles with every refusal, from the first to the longest.
pub(super) fn backoff((first, longest): (Duration, Duration), refused: u32) -> Duration {
    first.saturating_mul(1 << refused.min(16)).min(longest)
}

/// A message as a function gets it.
fn record(message: &Received, source_arn: &str) -> Value {
    let system: Map<String, Value> = message
        .system
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
        .collect();
    let attributes: Map<String, Value> = message
        .attributes
        .iter()
        .map(|(name, attribute)| {
            let mut shown = Map::new();
            if let Some(text) = &attribute.string_value {
                shown.insert("stringValue".to_owned(), text.as_str().into());
            }
            if let Some(bytes) = &attribute.binary_value {
                shown.insert("binaryValue".to_owned(), bytes.as_str().into());
            }
            shown.insert("stringListValues".to_owned(), json!([]));
            shown.insert("binaryListValues".to_owned(), json!([]));
            shown.insert("dataType".to_owned(), attribute.data_type.as_str().into());
            (name.clone(), Value::Object(shown))
        })
        .collect();
    let mut out = json!({
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": system,
        "messageAttributes": attributes,
        "md5OfBody": message.md5_of_body,
    });
    if let Some(digest) = &message.md5_of_attributes {
        out["md5OfMessageAttributes"] = digest.as_str().into();
    }
    out["eventSource"] = "aws:sqs".into();
    out["eventSourceARN"] = source_arn.into();
    out["awsRegion"] = REGION.into();
    out
}

/// Whether a filter lets a message through. Where a filter looks into the body, the body must be
/// a JSON object.
fn fits(patterns: &[Pattern], message: &Received) -> bool {
    if patterns.is_empty() {
        return true;
    }
    let plain = record(message, "");
    patterns.iter().any(|pattern| {
        if !pattern.looks_into("body") {
            return pattern.matches(&plain);
        }
        match serde_json::from_str::<Value>(&message.body) {
            Ok(body @ Value::Object(_)) => {
                let mut parsed = plain.clone();
                parsed["body"] = body;
                pattern.matches(&parsed)
            }
            _ => false,
        }
    })
}
