//! `Publish` and `PublishBatch`: who gets a message.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Sns;
use super::error::invalid;
use super::model::{Subscription, Topic};
use super::queue::Content;
use crate::error::AwsError;
use crate::event_pattern::Pattern;
use crate::iam::Requester;
use crate::protocol::{Form, Xml};
use crate::sqs::{Attribute, Attributes};
use crate::wire::Caller;

/// The most bytes of a message with its attributes.
const MESSAGE_LIMIT: usize = 262_144;
/// The longest subject, in characters.
const SUBJECT_LIMIT: usize = 100;
/// The most attributes that are read.
const ATTRIBUTES: usize = 100;
/// The most entries of a batch.
const ENTRIES: usize = 10;

/// A message for the subscribers of a topic.
#[derive(Debug, Clone, Default)]
pub struct Publication {
    /// ARN of the topic.
    pub topic_arn: String,
    /// Its text; with `per_protocol` a JSON object with a text for each protocol.
    pub message: String,
    /// Its subject, of e-mail.
    pub subject: Option<String>,
    /// Its attributes.
    pub attributes: Attributes,
    /// `MessageStructure` is `json`.
    pub per_protocol: bool,
}

impl Sns {
    /// Publishes for somebody who must be allowed to; answers the message's id. It is durable
    /// then, and on its way.
    ///
    /// Errors are AWS's: `NotFound` (404) without such a topic, `AuthorizationError` (403),
    /// `InvalidParameter` (400).
    pub async fn publish(
        &self,
        requester: Requester<'_>,
        publication: Publication,
    ) -> Result<String, AwsError> {
        let topic = self.topic(&publication.topic_arn)?;
        self.authorize(requester, "Publish", Some(&topic), &publication.topic_arn)?;
        self.accept(&topic, publication).await
    }

    async fn accept(&self, topic: &Topic, publication: Publication) -> Result<String, AwsError> {
        let texts = check(&publication)?;
        let message_id = uuid::Uuid::new_v4().to_string();
        let now = self.core.now_millis();
        let deliveries = self
            .subscriptions_of(Some(&topic.name))
            .into_iter()
            .filter(|s| s.token.is_none() && lets_through(s, &publication))
            .map(|subscription| {
                let message = texts.for_protocol(&subscription.protocol, &publication.message);
                let content = Content {
                    message_id: message_id.clone(),
                    topic_arn: topic.arn(),
                    sent_ms: now,
                    confirmation: false,
                    subject: publication.subject.clone(),
                    message,
                    attributes: publication.attributes.clone(),
                };
                (subscription.id.clone(), content)
            })
            .collect();
        self.enqueue(deliveries).await?;
        Ok(message_id)
    }

    pub(super) async fn publish_one(&self, form: &Form, caller: &Caller) -> Result<Xml, AwsError> {
        if form.get("PhoneNumber").is_some() {
            return Err(AwsError::not_implemented("SNS", "text messages to phones"));
        }
        let arn = form.get("TopicArn").or_else(|| form.get("TargetArn"));
        let arn = arn.ok_or_else(|| {
            invalid("TopicArn or TargetArn Reason: no value for required parameter")
        })?;
        let publication = read(form, "", arn)?;
        let id = self.publish(Requester::Caller(caller), publication).await?;
        let mut xml = Xml::default();
        xml.text("MessageId", &id);
        Ok(xml)
    }

    pub(super) async fn publish_batch(
        &self,
        form: &Form,
        caller: &Caller,
    ) -> Result<Xml, AwsError> {
        let arn = form.required("TopicArn")?;
        let topic = self.topic(arn)?;
        self.authorize_topic(caller, "Publish", &topic)?;
        let prefix = |index: usize| format!("PublishBatchRequestEntries.member.{index}.");
        let ids: Vec<&str> = (1..)
            .map_while(|index| form.get(&format!("{}Id", prefix(index))))
            .take(ENTRIES + 1)
            .collect();
        let refuse = |code: &str, message: &str| AwsError::new(400, code, message);
        if ids.is_empty() {
            return Err(refuse(
                "EmptyBatchRequest",
                "The batch request doesn't contain any entries.",
            ));
        }
        if ids.len() > ENTRIES {
            return Err(refuse(
                "TooManyEntriesInBatchRequest",
                "The batch request contains more entries than permissible.",
            ));
        }
        if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
            return Err(refuse(
                "BatchEntryIdsNotDistinct",
                "Two or more batch entries in the request have the same Id.",
            ));
        }
        let mut results = Vec::new();
        for (index, id) in ids.into_iter().enumerate() {
            let published = match read(form, &prefix(index + 1), arn) {
                Ok(publication) => self.accept(&topic, publication).await,
                Err(error) => Err(error),
            };
            results.push((id, published));
        }
        let mut xml = Xml::default();
        xml.element("Successful", |xml| {
            for (id, published) in &results {
                if let Ok(message_id) = published {
                    xml.element("member", |xml| {
                        xml.text("Id", id).text("MessageId", message_id);
                    });
                }
            }
        })
        .element("Failed", |xml| {
            for (id, published) in &results {
                if let Err(error) = published {
                    xml.element("member", |xml| {
                        xml.text("Id", id)
                            .text("Code", &error.code)
                            .text("Message", &error.message)
                            .text("SenderFault", &error.status.is_client_error().to_string());
                    });
                }
            }
        });
        Ok(xml)
    }
}

/// The texts of a message by protocol, where it has any.
struct Texts(Map<String, Value>);

impl Texts {
    fn for_protocol(&self, protocol: &str, message: &str) -> String {
        let text = self.0.get(protocol).and_then(Value::as_str);
        let text = text.or_else(|| self.0.get("default").and_then(Value::as_str));
        text.unwrap_or(message).to_owned()
    }
}

fn read(form: &Form, prefix: &str, topic_arn: &str) -> Result<Publication, AwsError> {
    let get = |name: &str| form.get(&format!("{prefix}{name}"));
    if get("MessageGroupId").is_some() || get("MessageDeduplicationId").is_some() {
        return Err(invalid(
            "MessageGroupId Reason: The request includes MessageGroupId parameter that is not \
             valid for this topic type",
        ));
    }
    let per_protocol = match get("MessageStructure") {
        None => false,
        Some("json") => true,
        Some(_) => return Err(invalid("MessageStructure")),
    };
    let mut attributes = Attributes::new();
    for index in 1..=ATTRIBUTES {
        let entry = format!("{prefix}MessageAttributes.entry.{index}.");
        let Some(name) = form.get(&format!("{entry}Name")) else { break };
        let value = |what: &str| form.get(&format!("{entry}Value.{what}")).map(str::to_owned);
        let attribute = Attribute {
            data_type: value("DataType").unwrap_or_default(),
            string_value: value("StringValue"),
            binary_value: value("BinaryValue"),
        };
        attributes.insert(name.to_owned(), attribute);
    }
    Ok(Publication {
        topic_arn: topic_arn.to_owned(),
        message: get("Message").unwrap_or("").to_owned(),
        subject: get("Subject").map(str::to_owned),
        attributes,
        per_protocol,
    })
}

fn check(publication: &Publication) -> Result<Texts, AwsError> {
    let Publication { message, subject, attributes, per_protocol, .. } = publication;
    if message.is_empty() {
        return Err(invalid("Empty message"));
    }
    let mut size = message.len();
    for (name, attribute) in attributes {
        let kind = attribute.data_type.split('.').next().unwrap_or("");
        let value = match kind {
            "String" | "Number" => attribute.string_value.as_deref(),
            "Binary" => attribute.binary_value.as_deref(),
            _ => None,
        };
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Err(AwsError::new(
                400,
                "ParameterValueInvalid",
                format!(
                    "The message attribute '{name}' must contain non-empty message attribute \
                     value for message attribute type '{}'.",
                    attribute.data_type
                ),
            ));
        };
        size += name.len() + attribute.data_type.len() + value.len();
    }
    if size > MESSAGE_LIMIT {
        return Err(invalid("Message too long"));
    }
    if let Some(subject) = subject {
        let fits = (1..=SUBJECT_LIMIT).contains(&subject.chars().count())
            && !subject.contains(char::is_control)
            && !subject.starts_with(char::is_whitespace);
        if !fits {
            return Err(invalid("Subject"));
        }
    }
    if !per_protocol {
        return Ok(Texts(Map::new()));
    }
    match serde_json::from_str(message) {
        Ok(Value::Object(texts)) if texts.get("default").is_some_and(Value::is_string) => {
            Ok(Texts(texts))
        }
        Ok(Value::Object(_)) => {
            Err(invalid("Message Structure - No default entry in JSON message body"))
        }
        _ => Err(invalid("Message Structure - JSON message body failed to parse")),
    }
}

/// Whether the filter of a subscription lets a message through.
fn lets_through(subscription: &Subscription, publication: &Publication) -> bool {
    let Some(policy) = &subscription.filter_policy else { return true };
    // It was checked when it was set.
    let Ok(pattern) = Pattern::parse(policy) else { return false };
    if subscription.filter_body {
        let body = serde_json::from_str::<Value>(&publication.message);
        return body.is_ok_and(|body| body.is_object() && pattern.matches(&body));
    }
    let values: Map<String, Value> = publication
        .attributes
        .iter()
        .filter_map(|(name, attribute)| {
            let text = attribute.string_value.as_deref()?;
            let value = match attribute.data_type.as_str() {
                "String.Array" => serde_json::from_str(text).ok()?,
                kind if kind.starts_with("Number") => serde_json::from_str(text).ok()?,
                _ => Value::from(text),
            };
            Some((name.clone(), value))
        })
        .collect();
    pattern.matches(&Value::Object(values))
}
