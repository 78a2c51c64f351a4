//! Functions that subscribe to an SNS topic.

use std::future::Future;

use lambda_http::lambda_runtime::{self, LambdaEvent, service_fn};
use serde_json::Value;

use crate::Error;
use crate::call::{Call, Service};
use crate::event::{Failure, noted};
use crate::invocation::Invocations;

/// A message of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMessage {
    /// The topic's id of the message; the same when it is delivered again.
    pub id: String,
    /// The subject, where the publisher gave one.
    pub subject: Option<String>,
    /// The text.
    pub text: String,
}

/// Serves a topic's messages until Lambda ends the execution environment. Each invocation writes one EMF
/// document. A failure fails the invocation: Lambda tries it again, then gives it to the dead-letter
/// queue or the destination for failures.
///
/// Errors: the Runtime API is not there or breaks off.
pub async fn run_topic<H, F>(service: Service, handler: H) -> Result<(), Error>
where
    H: Fn(TopicMessage, Call) -> F,
    F: Future<Output = Result<(), Failure>> + Send,
{
    let invocations = Invocations::from_env(service)?;
    let (invocations, handler) = (&invocations, &handler);
    let handle = |event: LambdaEvent<Value>| async move {
        let invocation = invocations.begin(&event.context);
        let call = invocation.call.clone();
        call.property("route", "topic");
        let answer = Box::pin(messages(&event.payload, handler, &call)).await;
        invocation.end(noted(&answer, &call));
        answer
    };
    lambda_runtime::run(service_fn(handle)).await
}

/// Handles the messages of an event. SNS sends one at a time; the list is read as one all the same.
///
/// Errors: the event holds no messages, or one failed.
pub async fn messages<H, F>(event: &Value, handler: &H, call: &Call) -> Result<Value, Failure>
where
    H: Fn(TopicMessage, Call) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let read = |record: &Value| {
        let sns = &record["Sns"];
        Some(TopicMessage {
            id: sns["MessageId"].as_str()?.to_owned(),
            subject: sns["Subject"].as_str().map(str::to_owned),
            text: sns["Message"].as_str()?.to_owned(),
        })
    };
    let records = event["Records"].as_array();
    let Some(messages) = records
        .map(|records| records.iter().map(read).collect::<Option<Vec<_>>>())
        .and_then(|messages| messages.filter(|messages| !messages.is_empty()))
    else {
        return Err(Failure::new("InvalidEvent", "The event holds no messages of a topic", 400));
    };
    for message in messages {
        call.property("messageId", message.id.as_str());
        handler(message, call.clone()).await?;
    }
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn messages_are_read_and_failures_fail() {
        let handler = |message: TopicMessage, _: Call| async move {
            if message.text == "bad" { Err(Failure::internal()) } else { Ok(()) }
        };
        let call = Call::new(Service { name: "greeter", counters: &[] }, "1", "r-1");
        let event = |text: &str| {
            json!({ "Records": [{ "EventSource": "aws:sns",
                "Sns": { "MessageId": "m", "Subject": null, "Message": text } }] })
        };
        assert_eq!(messages(&event("good"), &handler, &call).await, Ok(Value::Null));
        let failed = messages(&event("bad"), &handler, &call).await;
        assert_eq!(failed, Err(Failure::internal()));
        for event in [json!({}), json!({ "Records": [] }), json!({ "Records": [{}] }), json!(7)] {
            let failed = messages(&event, &handler, &call).await.map_err(|one| one.status());
            assert_eq!(failed, Err(400));
        }
    }
}
