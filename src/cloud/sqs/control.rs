//! Queues: making, finding, changing and removing them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{
    attribute_value, invalid_value, missing, no_queue, queue_exists, unknown_attribute,
};
use super::queue::{Queue, QueueDocument};
use super::settings::{Settings, check_name, name_of_url, queue_arn};
use super::tags::check_tags;
use super::{MESSAGES, QUEUES, RECEIVES, Sqs, body, key};
use crate::core::ACCOUNT_ID;
use crate::error::AwsError;
use crate::iam::Requester;
use crate::store::Change;
use crate::wire::ApiRequest;

/// The most queues. AWS has no such limit.
const QUEUES_LIMIT: usize = 10_000;
/// How long the next purge of a queue has to wait, in milliseconds.
const PURGE_PAUSE_MS: i64 = 60_000;
/// The names of attributes that only SQS sets.
const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];
/// The names of attributes that a queue has only when they were set, or never here.
const OPTIONAL: [&str; 10] = [
    "All",
    "Policy",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateInput {
    queue_name: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
    #[serde(rename = "tags")]
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetUrlInput {
    queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    queue_name_prefix: Option<String>,
    queue_url: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueInput {
    queue_url: Option<String>,
    attribute_names: Option<Vec<String>>,
    attributes: Option<BTreeMap<String, String>>,
}

impl Sqs {
    pub(super) async fn create_queue(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: CreateInput = body(request)?;
        let name = input.queue_name.ok_or_else(|| missing("QueueName"))?;
        check_name(&name)?;
        self.authorize(Requester::Caller(&request.caller), "CreateQueue", &name)?;
        let attributes = input.attributes.unwrap_or_default();
        let tags = input.tags.unwrap_or_default();
        check_tags(&tags)?;
        let mut settings = Settings::default();
        settings.apply(&attributes)?;
        let _writing = self.writing.lock().await;
        let existing = self.queues().get(&name).map(|queue| queue.document.settings.clone());
        if let Some(existing) = existing {
            // Only what was asked for is compared.
            let mut asked = existing.clone();
            asked.apply(&attributes)?;
            if asked == existing {
                return Ok(json!({ "QueueUrl": self.url(&name) }));
            }
            let (now, then) = (asked.show(), existing.show());
            let differs = now.iter().find(|pair| !then.contains(pair)).map_or("", |pair| pair.0);
            return Err(queue_exists(differs));
        }
        if self.queues().len() >= QUEUES_LIMIT {
            return Err(AwsError::new(
                403,
                "OverLimit",
                format!("The local cloud keeps at most {QUEUES_LIMIT} queues."),
            ));
        }
        self.check_redrive(&name, &settings)?;
        let now = self.core.now_millis();
        let document = QueueDocument {
            name: name.clone(),
            settings,
            tags,
            created_ms: now,
            modified_ms: now,
            purged_ms: 0,
        };
        self.core.store.commit(vec![Change::put(QUEUES, &name, &document)?]).await?;
        self.queues().insert(name.clone(), Queue::new(document));
        Ok(json!({ "QueueUrl": self.url(&name) }))
    }

    /// Whether a queue may have the dead-letter queue that its settings name.
    fn check_redrive(&self, name: &str, settings: &Settings) -> Result<(), AwsError> {
        let Some(redrive) = &settings.redrive else { return Ok(()) };
        let target = super::name_of_arn(&redrive.target_arn).unwrap_or("");
        let allowed = {
            let queues = self.queues();
            let target = queues.get(target);
            target.map(|queue| queue.document.settings.allows_redrive_from(&queue_arn(name)))
        };
        match allowed {
            Some(true) => Ok(()),
            Some(false) => Err(attribute_value("RedrivePolicy")),
            None => Err(invalid_value(
                &settings
                    .show()
                    .into_iter()
                    .find(|(name, _)| *name == "RedrivePolicy")
                    .map(|(_, value)| value)
                    .unwrap_or_default(),
                "RedrivePolicy",
                "Dead letter target does not exist.",
            )),
        }
    }

    pub(super) fn get_queue_url(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: GetUrlInput = body(request)?;
        let name = input.queue_name.ok_or_else(|| missing("QueueName"))?;
        self.authorize(Requester::Caller(&request.caller), "GetQueueUrl", &name)?;
        if input.owner.is_some_and(|owner| owner != ACCOUNT_ID)
            || !self.queues().contains_key(&name)
        {
            return Err(no_queue());
        }
        Ok(json!({ "QueueUrl": self.url(&name) }))
    }

    pub(super) fn list_queues(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: ListInput = body(request)?;
        self.authorize(Requester::Caller(&request.caller), "ListQueues", "*")?;
        let prefix = input.queue_name_prefix.clone().unwrap_or_default();
        let names: Vec<String> = {
            let queues = self.queues();
            queues.keys().filter(|name| name.starts_with(&prefix)).cloned().collect()
        };
        self.page(names, &input, "QueueUrls")
    }

    pub(super) fn list_dead_letter_sources(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: ListInput = body(request)?;
        let url = input.queue_url.clone().ok_or_else(|| missing("QueueUrl"))?;
        let name = self.known(Some(&url))?;
        self.authorize(Requester::Caller(&request.caller), "ListDeadLetterSourceQueues", &name)?;
        let arn = queue_arn(&name);
        let names: Vec<String> = {
            let queues = self.queues();
            let is_source = |queue: &Queue| {
                queue.document.settings.redrive.as_ref().is_some_and(|r| r.target_arn == arn)
            };
            queues
                .iter()
                .filter(|(_, queue)| is_source(queue))
                .map(|(name, _)| name.clone())
                .collect()
        };
        self.page(names, &input, "queueUrls")
    }

    /// One page of queue URLs. The token is the last name shown.
    fn page(&self, names: Vec<String>, input: &ListInput, member: &str) -> Result<Value, AwsError> {
        let most = match input.max_results {
            None => 1000,
            Some(most @ 1..=1000) => most as usize,
            Some(most) => {
                return Err(invalid_value(
                    &most.to_string(),
                    "MaxResults",
                    "Must be between 1 and 1000, if provided.",
                ));
            }
        };
        let after = input.next_token.as_deref().unwrap_or("");
        let mut rest = names.into_iter().filter(|name| name.as_str() > after);
        let shown: Vec<String> = rest.by_ref().take(most).collect();
        let mut answer = Map::new();
        if rest.next().is_some()
            && input.max_results.is_some()
            && let Some(last) = shown.last()
        {
            answer.insert("NextToken".to_owned(), last.as_str().into());
        }
        let urls: Vec<String> = shown.iter().map(|name| self.url(name)).collect();
        answer.insert(member.to_owned(), json!(urls));
        Ok(Value::Object(answer))
    }

    pub(super) async fn delete_queue(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: QueueInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "DeleteQueue", &name)?;
        let _writing = self.writing.lock().await;
        let Some(queue) = self.queues().remove(&name) else { return Err(no_queue()) };
        queue.arrived.notify_waiters();
        let mut changes = vec![Change::delete(QUEUES, &name)];
        changes.extend(deletions(&name, queue.sequences()));
        if let Err(error) = self.core.store.commit(changes).await {
            // It is still there after all.
            self.queues().insert(name, queue);
            return Err(error.into());
        }
        Ok(Value::Null)
    }

    pub(super) async fn purge_queue(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: QueueInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "PurgeQueue", &name)?;
        let now = self.core.now_millis();
        let _writing = self.writing.lock().await;
        let (document, sequences) = {
            let queues = self.queues();
            let queue = queues.get(&name).ok_or_else(no_queue)?;
            (queue.document.clone(), queue.sequences())
        };
        if now - document.purged_ms < PURGE_PAUSE_MS {
            return Err(AwsError::new(
                403,
                "PurgeQueueInProgress",
                format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds."),
            ));
        }
        let document = QueueDocument { purged_ms: now, ..document };
        let mut changes = vec![Change::put(QUEUES, &name, &document)?];
        changes.extend(deletions(&name, sequences.iter().copied()));
        self.core.store.commit(changes).await?;
        if let Some(queue) = self.queues().get_mut(&name) {
            queue.document = document;
            for sequence in sequences {
                queue.remove(sequence);
            }
        }
        Ok(Value::Null)
    }

    pub(super) fn get_attributes(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: QueueInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "GetQueueAttributes", &name)?;
        let wanted = input.attribute_names.unwrap_or_default();
        let now = self.core.now_millis();
        let shown = {
            let mut queues = self.queues();
            let queue = queues.get_mut(&name).ok_or_else(no_queue)?;
            // What is too old leaves the disk with the next receive.
            queue.show_ready(now);
            attributes(queue)
        };
        let defaults: Vec<&str> = shown.iter().map(|(name, _)| *name).collect();
        let unknown = wanted
            .iter()
            .find(|name| !defaults.contains(&name.as_str()) && !OPTIONAL.contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(unknown_attribute(name));
        }
        let all = wanted.iter().any(|name| name == "All");
        let shown: Map<String, Value> = shown
            .into_iter()
            .filter(|(name, _)| all || wanted.iter().any(|wanted| wanted == name))
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        if shown.is_empty() {
            return Ok(json!({}));
        }
        Ok(json!({ "Attributes": shown }))
    }

    pub(super) async fn set_attributes(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: QueueInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "SetQueueAttributes", &name)?;
        let given = input.attributes.ok_or_else(|| missing("Attributes"))?;
        if let Some(name) = given.keys().find(|name| READ_ONLY.contains(&name.as_str())) {
            return Err(unknown_attribute(name));
        }
        let now = self.core.now_millis();
        self.change_queue(&name, |document| {
            document.settings.apply(&given)?;
            document.modified_ms = now;
            self.check_redrive(&name, &document.settings)
        })
        .await?;
        Ok(Value::Null)
    }

    /// Changes what is stored of a queue: durable first, then visible.
    pub(super) async fn change_queue(
        &self,
        name: &str,
        change: impl FnOnce(&mut QueueDocument) -> Result<(), AwsError>,
    ) -> Result<(), AwsError> {
        let _writing = self.writing.lock().await;
        let document = self.queues().get(name).map(|queue| queue.document.clone());
        let mut document = document.ok_or_else(no_queue)?;
        change(&mut document)?;
        self.core.store.commit(vec![Change::put(QUEUES, name, &document)?]).await?;
        if let Some(queue) = self.queues().get_mut(name) {
            queue.change(document);
        }
        Ok(())
    }

    /// The name of the queue that a URL names, when it is there.
    pub(super) fn known(&self, url: Option<&str>) -> Result<String, AwsError> {
        let url = url.ok_or_else(|| missing("QueueUrl"))?;
        let name = name_of_url(url).ok_or_else(no_queue)?;
        if !self.queues().contains_key(name) {
            return Err(no_queue());
        }
        Ok(name.to_owned())
    }
}

/// What removes messages from the store.
fn deletions(
    queue: &str,
    sequences: impl IntoIterator<Item = u64>,
) -> impl Iterator<Item = Change> {
    sequences.into_iter().flat_map(move |sequence| {
        let key = key(queue, sequence);
        [Change::delete(MESSAGES, key.clone()), Change::delete(RECEIVES, key)]
    })
}

fn attributes(queue: &Queue) -> Vec<(&'static str, String)> {
    let document = &queue.document;
    let counts = queue.counts();
    let mut shown = vec![
        ("QueueArn", queue_arn(&document.name)),
        ("ApproximateNumberOfMessages", counts.visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("CreatedTimestamp", (document.created_ms / 1000).to_string()),
        ("LastModifiedTimestamp", (document.modified_ms / 1000).to_string()),
    ];
    shown.extend(document.settings.show());
    shown
}
