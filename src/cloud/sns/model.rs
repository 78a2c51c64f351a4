//! What is stored of topics and subscriptions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::invalid;
use crate::core::{ACCOUNT_ID, REGION};
use crate::error::AwsError;
use crate::event_pattern::Pattern;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// `DisplayName`.
    #[serde(default)]
    pub display_name: String,
    /// Its policy, where one was set.
    #[serde(default)]
    pub policy: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// How many of its subscriptions were removed.
    #[serde(default)]
    pub removed_subscriptions: u64,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The last part of its ARN.
    pub id: String,
    /// The topic's name.
    pub topic: String,
    /// `sqs`, `lambda`, `http`, `email` or `email-json`.
    pub protocol: String,
    /// ARN, URL or address.
    pub endpoint: String,
    /// What confirms it, as long as it is pending.
    #[serde(default)]
    pub token: Option<String>,
    /// Whether messages go out without an envelope.
    #[serde(default)]
    pub raw: bool,
    /// Which messages it gets.
    #[serde(default)]
    pub filter_policy: Option<String>,
    /// Whether the filter looks into the message instead of its attributes.
    #[serde(default)]
    pub filter_body: bool,
    /// ARN of the queue for what can't be delivered.
    #[serde(default)]
    pub dead_letter: Option<String>,
}

impl Topic {
    /// Its ARN.
    pub fn arn(&self) -> String {
        topic_arn(&self.name)
    }

    /// The policy that counts: the one that was set, or AWS's first one.
    pub fn policy(&self) -> String {
        self.policy.clone().unwrap_or_else(|| default_policy(&self.arn()))
    }
}

impl Subscription {
    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("{}:{}", topic_arn(&self.topic), self.id)
    }

    /// Its ARN as lists show it: that of a pending one is not told.
    pub fn listed_arn(&self) -> String {
        if self.token.is_some() { "PendingConfirmation".to_owned() } else { self.arn() }
    }

    /// Writes an attribute, checked.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), AwsError> {
        match name {
            "RawMessageDelivery" => {
                let raw = value.to_ascii_lowercase().parse().map_err(|_| {
                    invalid(&format!(
                        "RawMessageDelivery: Reason: Invalid value [{value}]. Must be true or \
                         false."
                    ))
                })?;
                if raw && !matches!(self.protocol.as_str(), "sqs" | "http") {
                    return Err(invalid(&format!(
                        "RawMessageDelivery: Delivery protocol [{}] does not support raw message \
                         delivery.",
                        self.protocol
                    )));
                }
                self.raw = raw;
            }
            "FilterPolicy" => {
                let policy =
                    Some(value.to_owned()).filter(|text| !matches!(text.trim(), "" | "{}"));
                if let Some(text) = &policy {
                    Pattern::parse(text)
                        .map_err(|reason| invalid(&format!("FilterPolicy: {reason}")))?;
                }
                self.filter_policy = policy;
            }
            "FilterPolicyScope" => {
                self.filter_body = match value {
                    "MessageAttributes" => false,
                    "MessageBody" => true,
                    other => {
                        return Err(invalid(&format!(
                            "FilterPolicyScope: Invalid value [{other}]. Please use either \
                             MessageBody or MessageAttributes"
                        )));
                    }
                };
            }
            "RedrivePolicy" => {
                self.dead_letter = if value.is_empty() { None } else { Some(redrive(value)?) };
            }
            "DeliveryPolicy" | "SubscriptionRoleArn" | "ReplayPolicy" if value.is_empty() => {}
            "DeliveryPolicy" | "SubscriptionRoleArn" | "ReplayPolicy" => {
                let what = format!("the subscription attribute {name}");
                return Err(AwsError::not_implemented("SNS", &what));
            }
            _ => return Err(invalid("AttributeName")),
        }
        Ok(())
    }
}

fn redrive(text: &str) -> Result<String, AwsError> {
    let wrong = || invalid("RedrivePolicy: failed to deserialize JSON or no deadLetterTargetArn");
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| wrong())?;
    let target = value["deadLetterTargetArn"].as_str().ok_or_else(wrong)?;
    if crate::sqs::name_of_arn(target).is_none() {
        return Err(invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn"));
    }
    Ok(target.to_owned())
}

/// The ARN of a topic.
pub fn topic_arn(name: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT_ID}:{name}")
}

/// The name of a topic, by its ARN.
pub fn topic_of_arn(arn: &str) -> Result<&str, AwsError> {
    let name = arn
        .strip_prefix("arn:aws:sns:")
        .and_then(|rest| rest.strip_prefix(REGION)?.strip_prefix(':'))
        .and_then(|rest| rest.strip_prefix(ACCOUNT_ID)?.strip_prefix(':'));
    name.filter(|name| check_name(name).is_ok()).ok_or_else(|| {
        if arn.starts_with("arn:aws:sns:") && arn.split(':').count() == 6 {
            // Of another region or account.
            super::error::no_topic()
        } else {
            invalid("TopicArn")
        }
    })
}

/// Topic and id of a subscription, by its ARN.
pub fn subscription_of_arn(arn: &str) -> Result<(&str, &str), AwsError> {
    let (topic, id) = arn.rsplit_once(':').ok_or_else(|| {
        invalid("SubscriptionArn Reason: Wrong number of slashes in relative portion of the ARN.")
    })?;
    topic_of_arn(topic).map(|topic| (topic, id)).map_err(|_| {
        invalid(&format!(
            "SubscriptionArn Reason: An ARN must have at least 6 elements, not {}",
            arn.split(':').count()
        ))
    })
}

/// Checks the name of a topic.
pub fn check_name(name: &str) -> Result<(), AwsError> {
    if name.strip_suffix(".fifo").is_some() {
        return Err(AwsError::not_implemented("SNS", "FIFO topics"));
    }
    let fits = (1..=256).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits { Ok(()) } else { Err(invalid("Topic Name")) }
}

/// The policy that AWS gives a new topic: its account may do everything with it.
fn default_policy(arn: &str) -> String {
    let actions: Vec<String> = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ]
    .iter()
    .map(|action| format!("SNS:{action}"))
    .collect();
    serde_json::json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": actions,
            "Resource": arn,
            "Condition": { "StringEquals": { "AWS:SourceOwner": ACCOUNT_ID } },
        }],
    })
    .to_string()
}
