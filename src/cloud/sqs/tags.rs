//! Tags of queues.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{invalid, missing};
use super::{Sqs, body};
use crate::error::AwsError;
use crate::iam::Requester;
use crate::wire::ApiRequest;

/// The most tags of a queue.
const TAGS: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagInput {
    queue_url: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    tag_keys: Option<Vec<String>>,
}

impl Sqs {
    pub(super) async fn tag_queue(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: TagInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "TagQueue", &name)?;
        let tags = input.tags.ok_or_else(|| missing("Tags"))?;
        self.change_queue(&name, |document| {
            document.tags.extend(tags);
            check_tags(&document.tags)
        })
        .await?;
        Ok(Value::Null)
    }

    pub(super) async fn untag_queue(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: TagInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "UntagQueue", &name)?;
        let keys = input.tag_keys.ok_or_else(|| missing("TagKeys"))?;
        self.change_queue(&name, |document| {
            document.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await?;
        Ok(Value::Null)
    }

    pub(super) fn list_tags(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: TagInput = body(request)?;
        let name = self.known(input.queue_url.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "ListQueueTags", &name)?;
        let tags = self.queues().get(&name).map(|queue| queue.document.tags.clone());
        Ok(match tags {
            Some(tags) if !tags.is_empty() => json!({ "Tags": tags }),
            _ => json!({}),
        })
    }
}

/// Checks the tags of a queue.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
    if tags.len() > TAGS {
        return Err(invalid(format!("Too many tags added for queue. Maximum is {TAGS}.")));
    }
    for (key, value) in tags {
        let fits = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
        if !fits || key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!("Tag key '{key}' or its value is invalid.")));
        }
    }
    Ok(())
}
