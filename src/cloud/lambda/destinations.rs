//! Where events go that are done with: destinations and dead-letter queues.
//!
//! Formats follow the Lambda Developer Guide, "Capturing records of Lambda asynchronous
//! invocations" and "Adding a dead-letter queue".

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::core::{ACCOUNT_ID, REGION};
use crate::error::AwsError;
use crate::iam::Requester;
use crate::sns::{Functions, Publication};
use crate::sqs::{Attribute, Attributes};
use crate::wire::Caller;

use super::Lambda;
use super::errors::{constraint, invalid_parameter};
use super::events::{Condition, QueuedEvent};
use super::invoke::{Baggage, Invoker, Outcome};
use super::names::{FunctionName, LATEST, Wording, qualified_arn};

/// The longest `ErrorMessage` of a dead letter, in bytes.
const ERROR_MESSAGE_LIMIT: usize = 1024;

/// What kind of thing sends to a destination: they may name different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// An asynchronous invocation.
    Asynchronous,
    /// A batch of an event source mapping: queues and topics only.
    Mapping,
}

/// Why a destination is not taken.
#[derive(Debug)]
pub enum Refusal {
    /// It is not one that there can be.
    Invalid,
    /// For another reason, already worded.
    Worded(AwsError),
}

impl Refusal {
    /// The error, which names both destinations as AWS does.
    pub fn into_error(self, success: Option<&str>, failure: Option<&str>) -> AwsError {
        match self {
            Self::Worded(error) => error,
            Self::Invalid => {
                let side = |name: &str, arn: Option<&str>| match arn {
                    Some(arn) => format!("{name}(destination={arn})"),
                    None => "null".to_owned(),
                };
                invalid_parameter(format!(
                    "The provided destination config DestinationConfig(onSuccess={}, \
                     onFailure={}) is invalid.",
                    side("OnSuccess", success),
                    side("OnFailure", failure)
                ))
            }
        }
    }
}

/// Checks the shape of a destination's ARN.
pub fn check_arn(arn: &str, member: &str) -> Result<(), AwsError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let fits = matches!(parts.as_slice(), ["arn", partition, service, _, _, _]
        if partition.starts_with("aws") && !service.is_empty());
    if fits {
        return Ok(());
    }
    Err(constraint(
        arn,
        member,
        "Member must satisfy regular expression pattern: \
         $|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:\
         ((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)",
    ))
}

fn service_of(arn: &str) -> &str {
    arn.split(':').nth(2).unwrap_or("")
}

fn is_ours(arn: &str) -> bool {
    let mut parts = arn.split(':').skip(3);
    parts.next() == Some(REGION) && parts.next() == Some(ACCOUNT_ID)
}

/// The credentials that a function's execution role gives.
pub fn role_caller(role: &str, function: &str) -> Caller {
    Caller::Session { role_arn: role.to_owned(), session_name: function.to_owned() }
}

impl Lambda {
    /// Whether a function with this role may have the dead-letter target.
    pub(super) fn check_dead_letter(
        &self,
        target: Option<&str>,
        role: &str,
        function: &str,
    ) -> Result<(), AwsError> {
        let Some(target) = target.filter(|target| !target.is_empty()) else { return Ok(()) };
        check_arn(target, "deadLetterConfig.targetArn")?;
        if !matches!(service_of(target), "sqs" | "sns") {
            return Err(invalid_parameter(format!(
                "The dead letter target {target} is neither an SQS queue nor an SNS topic."
            )));
        }
        self.check_destination(target, role, function, Moment::Mapping).map_err(|refusal| {
            match refusal {
                Refusal::Worded(error) => error,
                Refusal::Invalid => {
                    invalid_parameter(format!("The dead letter target {target} is invalid."))
                }
            }
        })
    }

    /// Whether a function with this role may send to a destination that is there.
    pub(super) fn check_destination(
        &self,
        target: &str,
        role: &str,
        function: &str,
        moment: Moment,
    ) -> Result<(), Refusal> {
        let caller = role_caller(role, function);
        let requester = Requester::Caller(&caller);
        let neighbours = self.neighbours().map_err(Refusal::Worded)?;
        let not_permitted = |call: &str, service: &str| {
            Refusal::Worded(invalid_parameter(format!(
                "The provided execution role does not have permissions to call {call} on {service}"
            )))
        };
        if !is_ours(target) {
            return Err(Refusal::Invalid);
        }
        match (service_of(target), moment) {
            ("sqs", _) => {
                neighbours.sqs.facts(target).ok_or(Refusal::Invalid)?;
                neighbours
                    .sqs
                    .allows(requester, "SendMessage", target)
                    .map_err(|_| not_permitted("SendMessage", "SQS"))
            }
            ("sns", _) => neighbours.sns.allows_publish(requester, target).map_err(|error| {
                match error.status.as_u16() {
                    403 => not_permitted("Publish", "SNS"),
                    _ => Refusal::Invalid,
                }
            }),
            ("lambda", Moment::Asynchronous) => {
                let name =
                    FunctionName::parse(target, None, Wording::Control).map_err(Refusal::Worded)?;
                if name.name == function {
                    return Err(Refusal::Worded(invalid_parameter(
                        "You can't specify the function as a destination for itself.",
                    )));
                }
                self.iam
                    .authorize(&caller, "lambda:InvokeFunction", target)
                    .map_err(|_| not_permitted("InvokeFunction", "Lambda"))
            }
            ("events", _) => {
                Err(Refusal::Worded(AwsError::not_implemented("EventBridge", "PutEvents")))
            }
            _ => Err(Refusal::Invalid),
        }
    }

    /// Sends a document to a destination with the rights of the function's role.
    pub(super) async fn send_to(
        self: &Arc<Self>,
        target: &str,
        caller: &Caller,
        body: String,
        attributes: Attributes,
    ) -> Result<(), AwsError> {
        let requester = Requester::Caller(caller);
        let neighbours = self.neighbours()?;
        match service_of(target) {
            "sqs" => neighbours.sqs.send(requester, target, body, attributes).await.map(drop),
            "sns" => {
                let publication = Publication {
                    topic_arn: target.to_owned(),
                    message: body,
                    attributes,
                    ..Publication::default()
                };
                neighbours.sns.publish(requester, publication).await.map(drop)
            }
            "lambda" => {
                let invoker = Invoker::Caller(caller.clone());
                self.invoke_later(target, &invoker, Bytes::from(body)).await
            }
            other => Err(AwsError::not_implemented(other, "as a destination")),
        }
    }

    /// Accepts an event for a function: it is durable when this returns.
    pub(crate) async fn invoke_later(
        &self,
        function_arn: &str,
        invoker: &Invoker,
        event: Bytes,
    ) -> Result<(), AwsError> {
        let name = FunctionName::parse(function_arn, None, Wording::Invoke)?;
        self.admit(name.clone(), invoker)?;
        let id = uuid::Uuid::new_v4().to_string();
        let now = self.core.now_millis();
        self.accept_event(QueuedEvent::new(id, name, event, Baggage::default(), now)).await
    }

    /// Tells destination and dead-letter queue what became of an event. As on AWS, what can't be
    /// delivered is dropped; the log says so.
    pub(super) async fn conclude(
        self: &Arc<Self>,
        event: &QueuedEvent,
        condition: Condition,
        result: &Result<Outcome, AwsError>,
    ) {
        let Some(function) = self.registry.find(&event.function) else { return };
        let qualifier = event.qualifier.as_deref();
        let Some(configuration) = function.resolve(qualifier) else { return };
        let config = function.event_invoke.get(qualifier.unwrap_or(LATEST));
        let caller = role_caller(&configuration.role, &function.name);
        let destination = config.and_then(|config| match condition {
            Condition::Success => config.on_success.as_deref(),
            _ => config.on_failure.as_deref(),
        });
        let mut sends: Vec<(&str, String, Attributes)> = Vec::new();
        if let Some(target) = destination {
            let document = self.record(event, condition, result);
            sends.push((target, document.to_string(), Attributes::new()));
        }
        if condition != Condition::Success
            && let Some(target) = configuration.dead_letter.as_deref()
        {
            let payload = STANDARD.decode(&event.payload).unwrap_or_default();
            let payload = String::from_utf8_lossy(&payload).into_owned();
            sends.push((target, payload, dead_letter_attributes(event, result)));
        }
        for (target, body, attributes) in sends {
            if let Err(error) = self.send_to(target, &caller, body, attributes).await {
                tracing::warn!(
                    function = event.function,
                    target,
                    %error,
                    "what became of an event could not be delivered"
                );
            }
        }
    }

    /// The document that a destination gets.
    fn record(
        &self,
        event: &QueuedEvent,
        condition: Condition,
        result: &Result<Outcome, AwsError>,
    ) -> Value {
        let qualifier = event.qualifier.as_deref().unwrap_or(LATEST);
        let mut out = Map::new();
        out.insert("version".to_owned(), "1.0".into());
        out.insert("timestamp".to_owned(), timestamp(self.core.now_millis()).into());
        out.insert(
            "requestContext".to_owned(),
            json!({
                "requestId": event.request_id,
                "functionArn": qualified_arn(&event.function, Some(qualifier)),
                "condition": condition.name(),
                "approximateInvokeCount": event.invocations,
            }),
        );
        let payload = STANDARD.decode(&event.payload).unwrap_or_default();
        out.insert("requestPayload".to_owned(), json_or_text(&payload));
        if let Ok(outcome) = result {
            let mut context = json!({
                "statusCode": 200,
                "executedVersion": outcome.executed_version,
            });
            if let Some(error) = &outcome.function_error {
                context["functionError"] = error.as_str().into();
            }
            out.insert("responseContext".to_owned(), context);
            out.insert("responsePayload".to_owned(), json_or_text(&outcome.payload));
        }
        Value::Object(out)
    }
}

impl Functions for Lambda {
    fn accept(
        &self,
        function_arn: String,
        topic_arn: String,
        event: String,
    ) -> BoxFuture<'_, Result<(), AwsError>> {
        Box::pin(async move {
            let invoker =
                Invoker::Service { principal: "sns.amazonaws.com", source_arn: topic_arn };
            self.invoke_later(&function_arn, &invoker, Bytes::from(event)).await
        })
    }
}

/// `RequestID`, `ErrorCode` and `ErrorMessage` of a dead letter.
fn dead_letter_attributes(event: &QueuedEvent, result: &Result<Outcome, AwsError>) -> Attributes {
    let (code, message) = match result {
        Ok(outcome) => {
            let payload: Value = serde_json::from_slice(&outcome.payload).unwrap_or(Value::Null);
            (200, payload["errorMessage"].as_str().unwrap_or_default().to_owned())
        }
        Err(error) => (error.status.as_u16(), error.message.clone()),
    };
    let mut attributes = BTreeMap::from([
        ("RequestID".to_owned(), Attribute::string(&event.request_id)),
        ("ErrorCode".to_owned(), Attribute::number(code)),
    ]);
    let message = shortened(&message, ERROR_MESSAGE_LIMIT);
    if !message.is_empty() {
        attributes.insert("ErrorMessage".to_owned(), Attribute::string(message));
    }
    attributes
}

fn shortened(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn json_or_text(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes).into_owned()))
}

/// `2019-11-14T18:16:05.568Z`.
pub fn timestamp(millis: i64) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&format).ok())
        .unwrap_or_default()
}
