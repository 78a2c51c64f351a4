//! Batches of a stream that failed: their records are read from the stream again and given to the
//! function once more.
//!
//! What a mapping tells of a failed batch names the shard and the first and last record (Lambda,
//! `DDBStreamBatchInfo`). A stream keeps records for a day; later they are gone.

use std::collections::HashMap;

use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, ShardIteratorType};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use base64::Engine as _;
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Mapping;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{EMPTY_RECEIVES, HIDDEN_S, Redrive, queue_url};
use crate::engine::Engine;

/// Reads of a shard for one batch at most; each gives up to a thousand records.
const MOST_READS: usize = 100;

/// A batch that failed.
struct Batch {
    stream: String,
    shard: String,
    first: String,
    last: String,
}

/// Gives the failed batches that `queue` tells of to the mapping's function once more. A message whose
/// batch fails again stays in the queue.
pub(super) async fn redrive(
    engine: &Engine,
    blueprint: &Blueprint,
    queue: &str,
    mapping: &Mapping,
    what: &str,
    cancel: &CancellationToken,
) -> Result<Redrive> {
    let Some(url) = queue_url(engine, queue).await? else {
        return Err(Failure::new(FailureKind::NotFound, what, "the queue does not exist"));
    };
    let alias = blueprint.released_stage().map(|stage| stage.alias.clone());
    let sqs = engine.target.sqs();
    let (mut moved, mut empty) = (0, 0);
    while empty < EMPTY_RECEIVES {
        if cancel.is_cancelled() {
            let why = format!("stopped on request; {moved} batches went back");
            return Err(Failure::new(FailureKind::Cancelled, what, why));
        }
        let receive = sqs.receive_message().queue_url(&url).max_number_of_messages(1);
        let answer = receive.visibility_timeout(HIDDEN_S).send().await;
        let answer = answer.map_err(|error| Failure::from_sdk(what, &error))?;
        let Some(message) = answer.messages().first() else {
            empty += 1;
            continue;
        };
        empty = 0;
        let handle = message.receipt_handle().unwrap_or_default();
        let again = retried(engine, mapping, alias.as_deref(), message.body().unwrap_or_default());
        if let Err(failure) = again.await {
            // Whoever asks next finds it at once.
            let visible = sqs.change_message_visibility().queue_url(&url).receipt_handle(handle);
            visible
                .visibility_timeout(0)
                .send()
                .await
                .map_err(|error| Failure::from_sdk(what, &error))?;
            let why = format!("{moved} batches went back; the next one: {}", failure.why);
            let next = failure.next.unwrap_or_else(|| "its message stays in the queue".to_owned());
            return Err(Failure::new(failure.kind, what, why).next(next));
        }
        sqs.delete_message()
            .queue_url(&url)
            .receipt_handle(handle)
            .send()
            .await
            .map_err(|error| Failure::from_sdk(what, &error))?;
        moved += 1;
    }
    let to = vec![mapping.function.clone()];
    Ok(Redrive { queue: queue.to_owned(), moved, to, by_sqs: false })
}

/// Reads a batch from its stream and invokes the function with it.
async fn retried(
    engine: &Engine,
    mapping: &Mapping,
    alias: Option<&str>,
    message: &str,
) -> Result<()> {
    let what = format!("invoking {} with a batch once more", mapping.function);
    let bad = |why: String| Failure::new(FailureKind::Invalid, &what, why);
    let batch = batch_of(message)
        .ok_or_else(|| bad("a message of the queue does not tell of a failed batch".to_owned()))?;
    let records = read(engine, &batch, &what).await?;
    if records.is_empty() {
        return Err(bad("the stream does not hold its records any more".to_owned())
            .next("a stream keeps them for a day; delete the message, or write the items again"));
    }
    let event = json!({
        "Records": records
            .iter()
            .map(|record| event_record(record, &batch.stream, engine.target.region()))
            .collect::<Vec<_>>(),
    });
    let answer = engine
        .target
        .lambda()
        .invoke()
        .function_name(&mapping.function)
        .set_qualifier(alias.map(str::to_owned))
        .invocation_type(InvocationType::RequestResponse)
        .payload(Blob::new(event.to_string()))
        .send()
        .await
        .map_err(|error| Failure::from_sdk(&what, &error))?;
    let payload: Option<Value> =
        answer.payload().and_then(|blob| serde_json::from_slice(blob.as_ref()).ok());
    if answer.function_error().is_some() {
        let text = payload.map(|value| value.to_string()).unwrap_or_default();
        return Err(bad(format!("{} failed again: {text}", mapping.function))
            .next("look at the function's log; its message stays in the queue"));
    }
    let failed = payload
        .as_ref()
        .and_then(|value| value.get("batchItemFailures")?.as_array())
        .map_or(0, Vec::len);
    if mapping.partial && failed > 0 {
        let why = format!("{failed} of {} records failed again", records.len());
        return Err(bad(why).next("look at the function's log; its message stays in the queue"));
    }
    Ok(())
}

fn batch_of(message: &str) -> Option<Batch> {
    let told: Value = serde_json::from_str(message).ok()?;
    let batch = told.get("DDBStreamBatchInfo")?;
    let text = |name: &str| Some(batch.get(name)?.as_str()?.to_owned());
    Some(Batch {
        stream: text("streamArn")?,
        shard: text("shardId")?,
        first: text("startSequenceNumber")?,
        last: text("endSequenceNumber")?,
    })
}

/// The records from the first to the last of a batch, as far as the stream still holds them.
async fn read(engine: &Engine, batch: &Batch, what: &str) -> Result<Vec<Record>> {
    let streams = engine.target.streams();
    let iterator = streams
        .get_shard_iterator()
        .stream_arn(&batch.stream)
        .shard_id(&batch.shard)
        .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
        .sequence_number(&batch.first)
        .send()
        .await;
    let mut iterator = match iterator.map_err(|error| Failure::from_sdk(what, &error)) {
        Ok(answer) => answer.shard_iterator,
        Err(failure) if failure.has_code(&["TrimmedDataAccessException"]) => return Ok(Vec::new()),
        Err(failure) => return Err(failure),
    };
    let mut records = Vec::new();
    for _ in 0..MOST_READS {
        let Some(at) = iterator else { break };
        let answer = streams.get_records().shard_iterator(at).send().await;
        let answer = answer.map_err(|error| Failure::from_sdk(what, &error))?;
        for record in answer.records() {
            if is_after(sequence(record), &batch.last) {
                return Ok(records);
            }
            let last = sequence(record) == batch.last;
            records.push(record.clone());
            if last {
                return Ok(records);
            }
        }
        iterator = answer.next_shard_iterator;
    }
    Ok(records)
}

fn sequence(record: &Record) -> &str {
    record.dynamodb().and_then(|change| change.sequence_number()).unwrap_or_default()
}

/// Sequence numbers are decimal numbers of up to 40 digits.
fn is_after(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    (one.len(), one) > (other.len(), other)
}

/// A record as Lambda hands it to a function.
fn event_record(record: &Record, stream: &str, region: &str) -> Value {
    let mut change = Map::new();
    if let Some(dynamodb) = record.dynamodb() {
        if let Some(at) = dynamodb.approximate_creation_date_time() {
            change.insert("ApproximateCreationDateTime".into(), at.secs().into());
        }
        let images = [
            ("Keys", dynamodb.keys()),
            ("NewImage", dynamodb.new_image()),
            ("OldImage", dynamodb.old_image()),
        ];
        for (name, image) in images {
            if let Some(image) = image {
                change.insert(name.into(), item(image));
            }
        }
        change.insert("SequenceNumber".into(), sequence(record).into());
        change.insert("SizeBytes".into(), dynamodb.size_bytes().unwrap_or_default().into());
        if let Some(view) = dynamodb.stream_view_type() {
            change.insert("StreamViewType".into(), view.as_str().into());
        }
    }
    json!({
        "eventID": record.event_id(),
        "eventName": record
            .event_name()
            .map(aws_sdk_dynamodbstreams::types::OperationType::as_str),
        "eventVersion": record.event_version(),
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "dynamodb": change,
        "eventSourceARN": stream,
    })
}

fn item(item: &HashMap<String, AttributeValue>) -> Value {
    Value::Object(item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
}

/// An attribute in `DynamoDB`'s own JSON.
fn attribute(value: &AttributeValue) -> Value {
    let bytes = |blob: &aws_sdk_dynamodbstreams::primitives::Blob| {
        Value::from(base64::engine::general_purpose::STANDARD.encode(blob.as_ref()))
    };
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
        AttributeValue::B(blob) => json!({ "B": bytes(blob) }),
        AttributeValue::L(items) => json!({ "L": items.iter().map(attribute).collect::<Vec<_>>() }),
        AttributeValue::M(members) => json!({ "M": item(members) }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::Bs(blobs) => json!({ "BS": blobs.iter().map(bytes).collect::<Vec<_>>() }),
        _ => json!({ "NULL": true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_are_compared_as_numbers() {
        assert!(is_after("100000000000000000000000000000002", "99999999999999999999999999999999"));
        assert!(is_after("12", "0011"));
        assert!(!is_after("11", "11") && !is_after("9", "11"));
    }

    #[test]
    fn only_what_tells_of_a_batch_is_one() {
        let told = r#"{"DDBStreamBatchInfo":{"shardId":"s","startSequenceNumber":"1",
            "endSequenceNumber":"2","streamArn":"arn"}}"#;
        assert_eq!(batch_of(told).map(|batch| batch.last), Some("2".to_owned()));
        assert!(batch_of(r#"{"ID":1}"#).is_none() && batch_of("text").is_none());
    }
}
