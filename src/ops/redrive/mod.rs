//! Sending the messages of a dead-letter queue back for another try.
//!
//! What "back" is depends on who put them there:
//!
//! | source | how they go back |
//! | --- | --- |
//! | other queues | SQS moves them to the queues they came from (`StartMessageMoveTask`) |
//! | asynchronous invocations | the function is invoked with the event once more; then the message is deleted |
//!
//! | a stream's mapping | the batch is read from the stream and the function invoked with it; then the message is deleted |
//!
//! SQS moves messages to queues alone: dead-letter queues of other sources, such as Lambda, are not
//! supported by `StartMessageMoveTask`.

mod stream;

use std::time::{Duration, Instant};

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Destination, Function, Mapping, Source};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::deploy;
use crate::engine::Engine;
use crate::live::existing;

/// How long SQS may take to move messages before that is said.
const MOVED_WITHIN: Duration = Duration::from_mins(2);
/// Pause between two looks at a task.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Receives in a row that find nothing before a queue counts as empty: SQS asks a sample of its servers.
const EMPTY_RECEIVES: u32 = 3;
/// How long a message that was received stays hidden while its function is invoked, in seconds.
const HIDDEN_S: i32 = 60;

/// What went back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Redrive {
    /// The dead-letter queue.
    pub queue: String,
    /// Messages that went back.
    pub moved: u64,
    /// Where to: queues or functions.
    pub to: Vec<String>,
    /// Whether SQS moved them (`StartMessageMoveTask`), or labdeck received, sent and deleted them.
    pub by_sqs: bool,
}

impl Redrive {
    /// As a line for a person.
    pub fn lines(&self) -> Vec<String> {
        let how = if self.by_sqs {
            "moved by SQS"
        } else {
            "received, sent as events and deleted by labdeck: SQS moves to queues alone"
        };
        vec![format!("{}: {} messages to {} ({how})", self.queue, self.moved, self.to.join(", "))]
    }
}

/// Sends the messages of `queue` back.
///
/// # Errors
/// `NotFound` when the queue does not exist; Invalid when nothing of the lab puts its dead letters there,
/// when several do, or when a batch of a stream fails again or is gone.
pub async fn redrive(
    engine: &Engine,
    blueprint: &Blueprint,
    queue: &str,
    cancel: &CancellationToken,
) -> Result<Redrive> {
    let what = format!("sending the messages of {queue} back");
    crate::whose::refuse_attached(blueprint, &what)?;
    engine.target.learn_caller().await;
    let sources: Vec<String> = blueprint
        .queues
        .iter()
        .filter(|other| other.dead_letter.as_ref().is_some_and(|(name, _)| name == queue))
        .map(|other| other.name.clone())
        .collect();
    let functions: Vec<&Function> =
        blueprint.functions.iter().filter(|function| fails_to(function, queue)).collect();
    let mappings: Vec<&Mapping> =
        blueprint.mappings.iter().filter(|mapping| tells(mapping, queue)).collect();
    match functions.as_slice() {
        [] if !sources.is_empty() && mappings.is_empty() => {
            by_sqs(engine, queue, sources, &what, cancel).await
        }
        [function] if sources.is_empty() && mappings.is_empty() => {
            by_hand(engine, queue, &function.name, &what, cancel).await
        }
        [] if sources.is_empty() => match mappings.as_slice() {
            [mapping] => stream::redrive(engine, blueprint, queue, mapping, &what, cancel).await,
            [] => {
                let why = "nothing of the lab puts its dead letters there";
                Err(Failure::new(FailureKind::Invalid, what, why))
            }
            _ => Err(several(what)),
        },
        _ => Err(several(what)),
    }
}

fn several(what: String) -> Failure {
    let why =
        "several sources put their dead letters there: which one a message is from can't be told";
    Failure::new(FailureKind::Invalid, what, why)
        .next("give each source a dead-letter queue of its own")
}

fn tells(mapping: &Mapping, queue: &str) -> bool {
    let to = Destination::Queue(queue.to_owned());
    matches!(&mapping.source, Source::Stream { on_failure: Some(known), .. } if *known == to)
}

fn fails_to(function: &Function, queue: &str) -> bool {
    let to = Destination::Queue(queue.to_owned());
    let failed = function.asynchronous.as_ref().and_then(|settings| settings.on_failure.as_ref());
    [function.dead_letter.as_ref(), failed].into_iter().flatten().any(|known| *known == to)
}

/// The URL of a queue; `None` when there is none.
pub(crate) async fn queue_url(engine: &Engine, queue: &str) -> Result<Option<String>> {
    let answer = engine.target.sqs().get_queue_url().queue_name(queue).send().await;
    let what = format!("looking for queue {queue}");
    let found = existing(answer.map_err(|error| Failure::from_sdk(what, &error)))?;
    Ok(found.and_then(|answer| answer.queue_url))
}

async fn by_sqs(
    engine: &Engine,
    queue: &str,
    sources: Vec<String>,
    what: &str,
    cancel: &CancellationToken,
) -> Result<Redrive> {
    let sqs = engine.target.sqs();
    let place = deploy::place(&engine.target).await?;
    let arn = format!("arn:{}:sqs:{}:{}:{queue}", place.partition, place.region, place.account);
    sqs.start_message_move_task()
        .source_arn(&arn)
        .send()
        .await
        .map_err(|error| Failure::from_sdk(what, &error))?;
    let until = Instant::now() + MOVED_WITHIN;
    loop {
        let answer = sqs.list_message_move_tasks().source_arn(&arn).max_results(1).send().await;
        let answer = answer.map_err(|error| Failure::from_sdk(what, &error))?;
        let task = answer.results().first();
        let moved = task.map_or(
            0,
            aws_sdk_sqs::types::ListMessageMoveTasksResultEntry::approximate_number_of_messages_moved,
        );
        match task.and_then(|task| task.status()) {
            Some("COMPLETED") => {
                let moved = u64::try_from(moved).unwrap_or_default();
                return Ok(Redrive { queue: queue.to_owned(), moved, to: sources, by_sqs: true });
            }
            Some("FAILED") => {
                let why =
                    task.and_then(|task| task.failure_reason()).unwrap_or("SQS says no reason");
                return Err(Failure::new(FailureKind::Conflict, what, why));
            }
            _ if Instant::now() >= until => {
                let why = format!("SQS has moved {moved} messages so far");
                return Err(Failure::new(FailureKind::Service, what, why)
                    .next("it goes on by itself; look at the depth of the queues"));
            }
            _ => {}
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {
                let why = "stopped on request; SQS goes on moving messages";
                return Err(Failure::new(FailureKind::Cancelled, what, why));
            }
        }
    }
}

async fn by_hand(
    engine: &Engine,
    queue: &str,
    function: &str,
    what: &str,
    cancel: &CancellationToken,
) -> Result<Redrive> {
    let failed = |error: Failure| Failure { what: what.to_owned(), ..error };
    let Some(url) = queue_url(engine, queue).await? else {
        return Err(Failure::new(FailureKind::NotFound, what, "the queue does not exist"));
    };
    let sqs = engine.target.sqs();
    let (mut moved, mut empty) = (0, 0);
    while empty < EMPTY_RECEIVES {
        if cancel.is_cancelled() {
            let why = format!("stopped on request; {moved} messages went back");
            return Err(Failure::new(FailureKind::Cancelled, what, why));
        }
        let receive = sqs.receive_message().queue_url(&url).max_number_of_messages(10);
        let answer = receive.visibility_timeout(HIDDEN_S).send().await;
        let answer = answer.map_err(|error| failed(Failure::from_sdk(what, &error)))?;
        empty = if answer.messages().is_empty() { empty + 1 } else { 0 };
        for message in answer.messages() {
            let event = event_of(message.body().unwrap_or_default());
            let invoke = engine.target.lambda().invoke().function_name(function);
            invoke
                .invocation_type(InvocationType::Event)
                .payload(Blob::new(event))
                .send()
                .await
                .map_err(|error| failed(Failure::from_sdk(what, &error)))?;
            // Only now: a message that was not sent stays.
            sqs.delete_message()
                .queue_url(&url)
                .set_receipt_handle(message.receipt_handle().map(str::to_owned))
                .send()
                .await
                .map_err(|error| failed(Failure::from_sdk(what, &error)))?;
            moved += 1;
        }
    }
    Ok(Redrive { queue: queue.to_owned(), moved, to: vec![function.to_owned()], by_sqs: false })
}

/// The event of a message: what a dead-letter queue holds is the event itself, what a destination holds
/// has it as `requestPayload`.
fn event_of(body: &str) -> String {
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    let payload = parsed.as_ref().filter(|value| value.get("requestContext").is_some());
    match payload.and_then(|value| value.get("requestPayload")) {
        Some(payload) => payload.to_string(),
        None => body.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_found_in_both_kinds_of_messages() {
        assert_eq!(event_of(r#"{"ID":1}"#), r#"{"ID":1}"#);
        let told = r#"{"version":"1.0","requestContext":{},"requestPayload":{"ID":1}}"#;
        assert_eq!(event_of(told), r#"{"ID":1}"#);
    }
}
