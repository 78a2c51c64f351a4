//! How answers and errors are written in the protocols of the AWS services.

mod query;
mod rpc;
mod xml;

pub use query::{Form, query_answer};
pub use rpc::CBOR;
pub use xml::Xml;

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::AwsError;
use crate::wire::{Answer, full};

/// The header that carries the request id of every answer.
pub const REQUEST_ID: &str = "x-amzn-requestid";
/// The header that carries the error code of a restJson1 service.
pub const ERROR_TYPE: &str = "x-amzn-errortype";

/// The dialects in which the services of the local cloud write their errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// restJson1 as Lambda writes it: `{"Type":"User","message":…}`.
    Lambda,
    /// restJson1 as API Gateway writes it: `{"message":…}`.
    ApiGateway,
    /// awsJson1.0 as `DynamoDB` writes it: `__type` with its namespace.
    DynamoDb,
    /// awsJson1.1 as CloudWatch Logs writes it: `__type` alone.
    Logs,
    /// awsJson1.0 as SQS writes it: with the code of the older query protocol in a header.
    Sqs,
    /// awsQuery: XML.
    Query,
    /// awsJson1.0 of a service that spoke awsQuery before: `x-amzn-query-error` has its old code.
    Json10,
    /// Smithy RPC v2 CBOR, as `CloudWatch` speaks it with newer SDKs.
    Cbor,
}

impl Protocol {
    /// Writes `error` as a service of this protocol does, with the request id in its header.
    pub fn error(self, error: &AwsError, request_id: &str) -> Answer {
        let mut answer = match self {
            Self::Lambda => rest_json_error(error, Some(fault(error.status))),
            Self::ApiGateway => rest_json_error(error, None),
            Self::DynamoDb => aws_json_error(
                error,
                "application/x-amz-json-1.0",
                // AWS's front end, not the service, answers for bad signatures and unknown shapes.
                if is_front_end_code(&error.code) {
                    "com.amazon.coral.service#"
                } else {
                    "com.amazonaws.dynamodb.v20120810#"
                },
            ),
            Self::Logs => aws_json_error(error, "application/x-amz-json-1.1", ""),
            Self::Sqs => sqs_error(error),
            Self::Query => query::query_error(error, fault_query(error.status), request_id),
            Self::Json10 => rpc::json_error(error),
            Self::Cbor => rpc::cbor_error(error),
        };
        set_request_id(&mut answer, request_id);
        answer
    }
}

fn is_front_end_code(code: &str) -> bool {
    matches!(
        code,
        "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignatureException"
            | "ExpiredTokenException"
            | "AccessDeniedException"
            | "SerializationException"
            | "UnknownOperationException"
            | "ValidationException"
    )
}

fn fault(status: StatusCode) -> &'static str {
    if status.is_server_error() { "Service" } else { "User" }
}

fn fault_query(status: StatusCode) -> &'static str {
    if status.is_server_error() { "Receiver" } else { "Sender" }
}

fn rest_json_error(error: &AwsError, fault: Option<&str>) -> Answer {
    let mut body = Map::new();
    if let Some(fault) = fault {
        body.insert("Type".to_owned(), fault.into());
    }
    // Where AWS says nothing, it writes null.
    let message = Some(error.message.as_str()).filter(|message| !message.is_empty());
    body.insert("message".to_owned(), message.into());
    body.extend(error.members.iter().map(|(name, value)| (name.clone(), value.clone())));
    let mut answer = json_answer(error.status.as_u16(), &Value::Object(body));
    set_header(&mut answer, ERROR_TYPE, &error.code);
    answer
}

fn aws_json_error(error: &AwsError, content_type: &'static str, namespace: &str) -> Answer {
    let mut body = Map::new();
    body.insert("__type".to_owned(), format!("{namespace}{}", error.code).into());
    body.insert("message".to_owned(), error.message.as_str().into());
    body.extend(error.members.iter().map(|(name, value)| (name.clone(), value.clone())));
    typed_json(error.status.as_u16(), content_type, &Value::Object(body))
}

fn sqs_error(error: &AwsError) -> Answer {
    let is_generic = is_front_end_code(&error.code)
        || matches!(
            error.code.as_str(),
            "InvalidParameterValueException" | "MissingRequiredParameterException"
        );
    let namespace = if is_generic { "com.amazon.coral.service#" } else { "com.amazonaws.sqs#" };
    let mut answer = aws_json_error(error, "application/x-amz-json-1.0", namespace);
    let code = crate::sqs::query_code(&error.code);
    let fault = fault_query(error.status);
    set_header(&mut answer, "x-amzn-query-error", &format!("{code};{fault}"));
    answer
}

/// A JSON answer (`application/json`).
pub fn json_answer(status: u16, value: &impl Serialize) -> Answer {
    typed_json(status, "application/json", value)
}

/// A JSON answer of an awsJson1.1 service.
pub fn aws_json_1_1(value: &impl Serialize) -> Answer {
    typed_json(200, "application/x-amz-json-1.1", value)
}

/// A JSON answer with its own content type.
pub fn typed_json(status: u16, content_type: &'static str, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(bytes) => bytes_answer(status, content_type, bytes),
        Err(error) => bytes_answer(
            500,
            "application/json",
            Value::from(format!("the answer could not be written: {error}")).to_string(),
        ),
    }
}

/// An answer of the given bytes.
pub fn bytes_answer(
    status: u16,
    content_type: &'static str,
    bytes: impl Into<bytes::Bytes>,
) -> Answer {
    let mut answer = Response::new(full(bytes));
    *answer.status_mut() = status_code(status);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// An answer without a body.
pub fn empty(status: u16) -> Answer {
    let mut answer = Response::new(full(bytes::Bytes::new()));
    *answer.status_mut() = status_code(status);
    answer
}

/// A plain text answer of the listener itself.
pub fn text_answer(status: u16, text: impl Into<String>) -> Answer {
    bytes_answer(status, "text/plain; charset=utf-8", text.into())
}

/// Sets a header where the value can be one; a value with control characters is left out.
pub fn set_header(answer: &mut Answer, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Sets the request id unless the service already did.
pub fn set_request_id(answer: &mut Answer, request_id: &str) {
    if !answer.headers().contains_key(REQUEST_ID) {
        set_header(answer, REQUEST_ID, request_id);
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http_body_util::BodyExt;

    use super::*;

    fn body(answer: Answer) -> String {
        let collected = futures_util::future::FutureExt::now_or_never(answer.into_body().collect());
        String::from_utf8(collected.unwrap().unwrap().to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn each_protocol_writes_its_own_error() {
        let error = AwsError::new(404, "ResourceNotFoundException", "Function not found");
        let answer = Protocol::Lambda.error(&error, "r-1");
        assert_eq!(answer.headers()[ERROR_TYPE], "ResourceNotFoundException");
        assert_eq!(answer.headers()[REQUEST_ID], "r-1");
        assert_eq!(body(answer), r#"{"Type":"User","message":"Function not found"}"#);
        assert_eq!(
            body(Protocol::ApiGateway.error(&error, "r")),
            r#"{"message":"Function not found"}"#
        );
        assert_eq!(
            body(Protocol::DynamoDb.error(&error, "r")),
            concat!(
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","#,
                r#""message":"Function not found"}"#
            )
        );
        let escaped = AwsError::new(400, "ValidationError", "a <b> & \"c\"");
        assert_eq!(
            body(Protocol::Query.error(&escaped, "r-2")),
            "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>\
             <Message>a &lt;b&gt; &amp; &quot;c&quot;</Message></Error>\
             <RequestId>r-2</RequestId></ErrorResponse>"
        );
    }
}
