//! The attributes of a queue: their names, ranges and defaults.
//!
//! Source: SQS API Reference, `CreateQueue` and `SetQueueAttributes`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{attribute_value, invalid, invalid_value, unknown_attribute};
use crate::core::{ACCOUNT_ID, REGION};
use crate::error::AwsError;
use crate::iam::ResourcePolicy;

/// What can be set of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Seconds that a received message stays hidden.
    pub visibility_timeout: u32,
    /// Bytes.
    pub maximum_message_size: u32,
    /// Seconds that a message is kept.
    pub retention_seconds: u32,
    /// Seconds until a sent message can be received.
    pub delay_seconds: u32,
    /// Seconds that a receive waits for a message.
    pub wait_seconds: u32,
    /// The queue's policy as sent; empty for none.
    pub policy: String,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
    /// Which queues may name this one as their dead-letter queue, as sent; empty for all.
    pub redrive_allow_policy: String,
    /// Shown as it was set; what lies on the disk is not encrypted by the local cloud.
    pub managed_sse: bool,
}

/// `RedrivePolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// ARN of the dead-letter queue.
    pub target_arn: String,
    /// How often a message may be received before it goes there: 1–1000.
    pub max_receive_count: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            visibility_timeout: 30,
            maximum_message_size: 1_048_576,
            retention_seconds: 345_600,
            delay_seconds: 0,
            wait_seconds: 0,
            policy: String::new(),
            redrive: None,
            redrive_allow_policy: String::new(),
            managed_sse: true,
        }
    }
}

impl Settings {
    /// Writes the attributes of a request into the settings, each checked.
    pub fn apply(&mut self, attributes: &BTreeMap<String, String>) -> Result<(), AwsError> {
        for (name, value) in attributes {
            self.set(name, value)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), AwsError> {
        let number = |range: RangeInclusive<u32>| {
            value.parse().ok().filter(|n| range.contains(n)).ok_or_else(|| attribute_value(name))
        };
        match name {
            "VisibilityTimeout" => self.visibility_timeout = number(0..=43_200)?,
            "MaximumMessageSize" => self.maximum_message_size = number(1024..=1_048_576)?,
            "MessageRetentionPeriod" => self.retention_seconds = number(60..=1_209_600)?,
            "DelaySeconds" => self.delay_seconds = number(0..=900)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait_seconds = number(0..=20)?,
            "Policy" => {
                if !value.is_empty() {
                    ResourcePolicy::parse(value).map_err(|_| attribute_value(name))?;
                }
                value.clone_into(&mut self.policy);
            }
            "RedrivePolicy" => self.redrive = redrive(value)?,
            "RedriveAllowPolicy" => {
                if !value.is_empty() {
                    check_redrive_allow(value)?;
                }
                value.clone_into(&mut self.redrive_allow_policy);
            }
            "SqsManagedSseEnabled" => {
                self.managed_sse = value.parse().map_err(|_| attribute_value(name))?;
            }
            "KmsMasterKeyId" if value.is_empty() => {}
            "KmsDataKeyReusePeriodSeconds" if value == "300" => {}
            "KmsMasterKeyId" | "KmsDataKeyReusePeriodSeconds" => {
                return Err(AwsError::not_implemented("SQS", &format!("the attribute {name}")));
            }
            "FifoQueue" if value == "false" => return Err(unknown_attribute(name)),
            "FifoQueue"
            | "ContentBasedDeduplication"
            | "DeduplicationScope"
            | "FifoThroughputLimit" => return Err(no_fifo()),
            _ => return Err(unknown_attribute(name)),
        }
        Ok(())
    }

    /// What can be set, as it is shown.
    pub fn show(&self) -> Vec<(&'static str, String)> {
        let mut shown = vec![
            ("VisibilityTimeout", self.visibility_timeout.to_string()),
            ("MaximumMessageSize", self.maximum_message_size.to_string()),
            ("MessageRetentionPeriod", self.retention_seconds.to_string()),
            ("DelaySeconds", self.delay_seconds.to_string()),
            ("ReceiveMessageWaitTimeSeconds", self.wait_seconds.to_string()),
            ("SqsManagedSseEnabled", self.managed_sse.to_string()),
        ];
        if !self.policy.is_empty() {
            shown.push(("Policy", self.policy.clone()));
        }
        if let Some(redrive) = &self.redrive {
            let text = serde_json::json!({
                "deadLetterTargetArn": redrive.target_arn,
                "maxReceiveCount": redrive.max_receive_count,
            });
            shown.push(("RedrivePolicy", text.to_string()));
        }
        if !self.redrive_allow_policy.is_empty() {
            shown.push(("RedriveAllowPolicy", self.redrive_allow_policy.clone()));
        }
        shown
    }

    /// Whether the queue `source_arn` may name this one as its dead-letter queue.
    pub fn allows_redrive_from(&self, source_arn: &str) -> bool {
        let Ok(policy) = serde_json::from_str::<Value>(&self.redrive_allow_policy) else {
            return true;
        };
        match policy["redrivePermission"].as_str() {
            Some("denyAll") => false,
            Some("byQueue") => policy["sourceQueueArns"]
                .as_array()
                .is_some_and(|arns| arns.iter().any(|arn| arn == source_arn)),
            _ => true,
        }
    }
}

/// The refusal of FIFO queues, which the local cloud does not have.
pub fn no_fifo() -> AwsError {
    AwsError::not_implemented("SQS", "FIFO queues")
}

fn redrive(text: &str) -> Result<Option<Redrive>, AwsError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| invalid_value(text, "RedrivePolicy", reason);
    let value: Value = serde_json::from_str(text)
        .map_err(|_| refuse("Redrive policy is not a valid JSON map."))?;
    let Value::Object(members) = value else {
        return Err(refuse("Redrive policy is not a valid JSON map."));
    };
    let target = members.get("deadLetterTargetArn").and_then(Value::as_str).ok_or_else(|| {
        refuse("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
    })?;
    let count = members.get("maxReceiveCount").ok_or_else(|| {
        refuse("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
    })?;
    let count = count.as_u64().or_else(|| count.as_str().and_then(|text| text.parse().ok()));
    let count = count
        .and_then(|count| u32::try_from(count).ok())
        .filter(|count| (1..=1000).contains(count))
        .ok_or_else(|| {
            refuse("Invalid value for maxReceiveCount: must be an integer from 1 to 1000.")
        })?;
    if target.strip_suffix(".fifo").is_some() {
        return Err(no_fifo());
    }
    if name_of_arn(target).is_none() {
        return Err(refuse("Invalid value for deadLetterTargetArn."));
    }
    Ok(Some(Redrive { target_arn: target.to_owned(), max_receive_count: count }))
}

fn check_redrive_allow(text: &str) -> Result<(), AwsError> {
    let fits = serde_json::from_str::<Value>(text).is_ok_and(|policy| {
        match policy["redrivePermission"].as_str() {
            Some("allowAll" | "denyAll") => policy.get("sourceQueueArns").is_none(),
            Some("byQueue") => policy["sourceQueueArns"].as_array().is_some_and(|arns| {
                (1..=10).contains(&arns.len()) && arns.iter().all(Value::is_string)
            }),
            _ => false,
        }
    });
    if fits { Ok(()) } else { Err(attribute_value("RedriveAllowPolicy")) }
}

/// The ARN of a queue of the local cloud.
pub fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}")
}

/// The name of a queue of the local cloud, by its ARN.
pub fn name_of_arn(arn: &str) -> Option<&str> {
    let name = arn.strip_prefix("arn:aws:sqs:")?.strip_prefix(REGION)?.strip_prefix(':')?;
    name.strip_prefix(ACCOUNT_ID)?.strip_prefix(':').filter(|name| check_name(name).is_ok())
}

/// The name of a queue, by its URL: whatever host it names, the path says it all.
pub fn name_of_url(url: &str) -> Option<&str> {
    let (before, name) = url.rsplit_once('/')?;
    let account = before.rsplit_once('/').map_or(before, |(_, account)| account);
    (account == ACCOUNT_ID && !name.is_empty()).then_some(name)
}

/// Checks the name of a queue.
pub fn check_name(name: &str) -> Result<(), AwsError> {
    if name.strip_suffix(".fifo").is_some() {
        return Err(no_fifo());
    }
    let fits = (1..=80).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits {
        return Ok(());
    }
    Err(invalid(
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    ))
}
