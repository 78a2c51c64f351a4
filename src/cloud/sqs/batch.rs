//! The batch operations: up to ten entries, each with an answer of its own.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answers::sent;
use super::error::{batch, missing};
use super::messages::{HandleInput, SendInput};
use super::{Sqs, body, query_code};
use crate::error::AwsError;
use crate::iam::Requester;
use crate::wire::ApiRequest;

/// The most entries of a batch.
const ENTRIES: usize = 10;
/// The most bytes of the messages of a batch together.
const BATCH_BYTES: usize = 1_048_576;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchInput<T> {
    queue_url: Option<String>,
    entries: Option<Vec<T>>,
}

impl Sqs {
    pub(super) async fn send_batch(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: BatchInput<SendInput> = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        let requester = Requester::Caller(&request.caller);
        self.authorize(requester, "SendMessage", &name)?;
        let entries = input.entries.unwrap_or_default();
        let ids = ids(entries.iter().map(|e| e.id.as_deref()), "SendMessageBatchRequestEntry")?;
        let bytes: usize = entries
            .iter()
            .map(|entry| {
                let attributes = entry.message_attributes.clone().unwrap_or_default();
                super::message::size(entry.message_body.as_deref().unwrap_or(""), &attributes)
            })
            .sum();
        if bytes > BATCH_BYTES {
            return Err(batch(
                "BatchRequestTooLong",
                &format!(
                    "Batch requests cannot be longer than {BATCH_BYTES} bytes. You have sent \
                     {bytes} bytes."
                ),
            ));
        }
        let mut failed = Vec::new();
        let mut accepted = Vec::new();
        let mut messages = Vec::new();
        for (id, entry) in ids.into_iter().zip(entries) {
            match self.check_message(&name, entry) {
                Ok(message) => {
                    accepted.push(id);
                    messages.push(message);
                }
                Err(error) => failed.push(failure(&id, &error)),
            }
        }
        let kept = self.keep(&name, requester, messages).await?;
        let successful = accepted
            .into_iter()
            .zip(kept)
            .map(|(id, message)| {
                let mut answer = sent(&message, None);
                answer.insert("Id".to_owned(), id.into());
                Value::Object(answer)
            })
            .collect();
        Ok(answer(successful, failed))
    }

    pub(super) async fn delete_batch(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: BatchInput<HandleInput> = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "DeleteMessage", &name)?;
        let entries = input.entries.unwrap_or_default();
        let ids = ids(entries.iter().map(|e| e.id.as_deref()), "DeleteMessageBatchRequestEntry")?;
        let handles: Vec<String> =
            entries.into_iter().map(|entry| entry.receipt_handle.unwrap_or_default()).collect();
        let refusals = self.remove(&name, &handles).await?;
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (id, refusal) in ids.into_iter().zip(refusals) {
            match refusal {
                None => successful.push(json!({ "Id": id })),
                Some(error) => failed.push(failure(&id, &error)),
            }
        }
        Ok(answer(successful, failed))
    }

    pub(super) async fn change_visibility_batch(
        &self,
        request: &ApiRequest,
    ) -> Result<Value, AwsError> {
        let input: BatchInput<HandleInput> = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "ChangeMessageVisibility", &name)?;
        let entries = input.entries.unwrap_or_default();
        let ids = ids(
            entries.iter().map(|e| e.id.as_deref()),
            "ChangeMessageVisibilityBatchRequestEntry",
        )?;
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (id, entry) in ids.into_iter().zip(entries) {
            match self.hide(&name, &entry).await {
                Ok(()) => successful.push(json!({ "Id": id })),
                Err(error) => failed.push(failure(&id, &error)),
            }
        }
        Ok(answer(successful, failed))
    }
}

/// The ids of a batch's entries, when the batch is well-formed.
fn ids<'a>(
    ids: impl Iterator<Item = Option<&'a str>>,
    entry: &str,
) -> Result<Vec<String>, AwsError> {
    let ids: Vec<Option<&str>> = ids.collect();
    if ids.is_empty() {
        return Err(batch(
            "EmptyBatchRequest",
            &format!("There should be at least one {entry} in the request."),
        ));
    }
    if ids.len() > ENTRIES {
        return Err(batch(
            "TooManyEntriesInBatchRequest",
            &format!(
                "Maximum number of entries per request are {ENTRIES}. You have sent {}.",
                ids.len()
            ),
        ));
    }
    let mut seen = BTreeSet::new();
    let mut checked = Vec::new();
    for id in ids {
        let id = id.ok_or_else(|| missing(&format!("{entry}.Id")))?;
        let fits = (1..=80).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !fits {
            return Err(batch(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and \
                 underscores. It can be at most 80 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(batch("BatchEntryIdsNotDistinct", &format!("Id {id} repeated.")));
        }
        checked.push(id.to_owned());
    }
    Ok(checked)
}

fn failure(id: &str, error: &AwsError) -> Value {
    json!({
        "Id": id,
        "SenderFault": error.status.is_client_error(),
        "Code": query_code(&error.code),
        "Message": error.message,
    })
}

fn answer(successful: Vec<Value>, failed: Vec<Value>) -> Value {
    let mut answer = Map::new();
    for (member, list) in [("Successful", successful), ("Failed", failed)] {
        if !list.is_empty() {
            answer.insert(member.to_owned(), Value::Array(list));
        }
    }
    Value::Object(answer)
}
