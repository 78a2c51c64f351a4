//! How a message looks to a subscriber.
//!
//! Source: SNS Developer Guide, "Parsing message formats", and Lambda Developer Guide, "Invoking
//! Lambda functions with Amazon SNS notifications".

use serde_json::{Map, Value, json};

use super::model::Subscription;
use super::queue::Content;
use crate::sqs::Attributes;

/// The JSON that queues, HTTP endpoints and `email-json` get.
pub fn json(content: &Content, unsubscribe_url: &str, confirm: Option<(&str, &str)>) -> Value {
    let mut out = Map::new();
    let kind = if content.confirmation { "SubscriptionConfirmation" } else { "Notification" };
    out.insert("Type".to_owned(), kind.into());
    out.insert("MessageId".to_owned(), content.message_id.as_str().into());
    if let Some((token, _)) = confirm {
        out.insert("Token".to_owned(), token.into());
    }
    out.insert("TopicArn".to_owned(), content.topic_arn.as_str().into());
    if let Some(subject) = &content.subject {
        out.insert("Subject".to_owned(), subject.as_str().into());
    }
    out.insert("Message".to_owned(), content.message.as_str().into());
    if let Some((_, url)) = confirm {
        out.insert("SubscribeURL".to_owned(), url.into());
    }
    out.insert("Timestamp".to_owned(), content.timestamp().into());
    out.insert("SignatureVersion".to_owned(), "1".into());
    out.insert("Signature".to_owned(), "".into());
    out.insert("SigningCertURL".to_owned(), "".into());
    if !content.confirmation {
        out.insert("UnsubscribeURL".to_owned(), unsubscribe_url.into());
    }
    if !content.attributes.is_empty() {
        out.insert("MessageAttributes".to_owned(), attributes(&content.attributes));
    }
    Value::Object(out)
}

/// The event that a function gets.
pub fn lambda_event(
    content: &Content,
    subscription: &Subscription,
    unsubscribe_url: &str,
) -> Value {
    json!({ "Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn(),
        "Sns": {
            "Type": "Notification",
            "MessageId": content.message_id,
            "TopicArn": content.topic_arn,
            "Subject": content.subject,
            "Message": content.message,
            "Timestamp": content.timestamp(),
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertUrl": "",
            "UnsubscribeUrl": unsubscribe_url,
            "MessageAttributes": attributes(&content.attributes),
        },
    }] })
}

fn attributes(attributes: &Attributes) -> Value {
    let shown: Map<String, Value> = attributes
        .iter()
        .map(|(name, attribute)| {
            let value = attribute.string_value.as_ref().or(attribute.binary_value.as_ref());
            (name.clone(), json!({ "Type": attribute.data_type, "Value": value }))
        })
        .collect();
    Value::Object(shown)
}
