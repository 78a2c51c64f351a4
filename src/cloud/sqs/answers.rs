//! How messages are answered, and the receipts by which clients name what they received.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::message::{Attributes, Message, md5_of_attributes, md5_of_body};
use super::queue::Kept;

/// The answer to a sent message.
pub(super) fn sent(message: &Message, system: Option<&Attributes>) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("MessageId".to_owned(), message.id.as_str().into());
    answer.insert("MD5OfMessageBody".to_owned(), md5_of_body(&message.body).into());
    if let Some(digest) = md5_of_attributes(&message.attributes) {
        answer.insert("MD5OfMessageAttributes".to_owned(), digest.into());
    }
    if let Some(digest) = system.and_then(md5_of_attributes) {
        answer.insert("MD5OfMessageSystemAttributes".to_owned(), digest.into());
    }
    answer
}

/// What stands for one receive of a message: it outlives a restart of the cloud.
pub(super) fn write_handle(queue: &str, kept: &Kept) -> String {
    let Kept { message, receives } = kept;
    STANDARD.encode(format!("{queue} {} {} {}", message.sequence, receives.count, message.id))
}

/// The message and the receive that a handle stands for.
pub(super) struct Receipt {
    /// The message's sequence number.
    pub(super) sequence: u64,
    count: u32,
    id: String,
}

impl Receipt {
    /// Reads what [`write_handle`] wrote for the queue.
    pub(super) fn read(queue: &str, handle: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
        let mut parts = text.split(' ');
        if parts.next() != Some(queue) {
            return None;
        }
        let sequence = parts.next()?.parse().ok()?;
        let count = parts.next()?.parse().ok()?;
        Some(Self { sequence, count, id: parts.next()?.to_owned() })
    }

    /// Whether it stands for the last receive of a message.
    pub(super) fn is_of(&self, kept: &Kept) -> bool {
        kept.receives.count == self.count && kept.message.id == self.id
    }
}

/// A received message as it is answered.
pub(super) fn shown(queue: &str, kept: &Kept, system: &[String], wanted: &[String]) -> Value {
    let message = &kept.message;
    let mut answer = Map::new();
    answer.insert("MessageId".to_owned(), message.id.as_str().into());
    answer.insert("ReceiptHandle".to_owned(), write_handle(queue, kept).into());
    answer.insert("MD5OfBody".to_owned(), md5_of_body(&message.body).into());
    answer.insert("Body".to_owned(), message.body.as_str().into());
    let all = system.iter().any(|name| name == "All");
    let system: Map<String, Value> = system_attributes(kept)
        .into_iter()
        .filter(|(name, _)| all || system.iter().any(|wanted| wanted == name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    if !system.is_empty() {
        answer.insert("Attributes".to_owned(), Value::Object(system));
    }
    let is_wanted = |name: &str| {
        wanted.iter().any(|wanted| {
            wanted == "All"
                || wanted == ".*"
                || wanted == name
                || wanted.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
        })
    };
    let attributes: Attributes = message
        .attributes
        .iter()
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, attribute)| (name.clone(), attribute.clone()))
        .collect();
    if let Some(digest) = md5_of_attributes(&attributes) {
        answer.insert("MD5OfMessageAttributes".to_owned(), digest.into());
        answer.insert("MessageAttributes".to_owned(), json!(attributes));
    }
    Value::Object(answer)
}

/// What SQS itself tells of a message.
pub(super) fn system_attributes(kept: &Kept) -> Vec<(&'static str, String)> {
    let Kept { message, receives } = kept;
    let mut shown = vec![
        ("ApproximateReceiveCount", receives.count.to_string()),
        ("SentTimestamp", message.sent_ms.to_string()),
        ("SenderId", message.sender.clone()),
        ("ApproximateFirstReceiveTimestamp", receives.first_ms.to_string()),
    ];
    shown.extend(message.trace_header.clone().map(|trace| ("AWSTraceHeader", trace)));
    shown.extend(message.moved_from.clone().map(|arn| ("DeadLetterQueueSourceArn", arn)));
    shown
}
