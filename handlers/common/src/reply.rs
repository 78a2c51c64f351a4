//! Answers in the form that API Gateway's proxy integration takes.

use lambda_http::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER,
};
use lambda_http::http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::event::Failure;

/// Seconds after which a caller may try again when a service that the function needs did not answer.
const RETRY_AFTER_SECONDS: u16 = 5;

/// An answer: a status, headers and a JSON body.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
    form: Form,
}

/// What the function hands to Lambda.
#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// A proxy response.
    Proxy,
    /// The body alone.
    Bare,
    /// The word that it failed.
    Failed(Failure),
}

impl Reply {
    /// An answer with a JSON body and its `Content-Type`.
    pub fn json(status: StatusCode, body: Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { status, headers, body, form: Form::Proxy }
    }

    /// An answer whose body says one thing: `{"message": "…"}`.
    pub fn message(status: StatusCode, message: &str) -> Self {
        Self::json(status, json!({ "message": message }))
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Value::Null, form: Form::Proxy }
    }

    /// A 503 with `Retry-After`: it is our trouble, it may pass.
    pub fn retry_later(message: &str) -> Self {
        Self::message(StatusCode::SERVICE_UNAVAILABLE, message)
            .header(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))
    }

    /// A value handed to the gateway as it is, which no proxy integration takes: to show what becomes
    /// of it. The function itself believes that all is well, hence status 200.
    pub fn bare(value: Value) -> Self {
        Self { form: Form::Bare, ..Self::json(StatusCode::OK, value) }
    }

    /// No answer: the invocation fails, as it does when nobody caught an error. The gateway makes a 502
    /// of it.
    pub fn failed(failure: Failure) -> Self {
        let form = Form::Failed(failure);
        Self { form, ..Self::empty(StatusCode::BAD_GATEWAY) }
    }

    /// Lets pages of any origin read the answer: what a proxy integration must say itself, for the
    /// gateway adds no headers to its answers.
    #[must_use]
    pub fn for_any_origin(self) -> Self {
        self.header(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))
    }

    /// Adds a header, in place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds a header whose value is only known when it runs; what can't be one is left out.
    #[must_use]
    pub fn text_header(self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.header(name, value),
            Err(_) => self,
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body; null when there is none.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// What the function hands to Lambda.
    pub(crate) fn into_event(self) -> Result<Value, Failure> {
        match self.form {
            Form::Proxy => {}
            Form::Bare => return Ok(self.body),
            Form::Failed(failure) => return Err(failure),
        }
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into())
            })
            .collect();
        let body = if self.body.is_null() { String::new() } else { self.body.to_string() };
        Ok(json!({
            "statusCode": self.status.as_u16(),
            "headers": headers,
            "body": body,
            "isBase64Encoded": false,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_json_with_its_type() {
        let event = Reply::message(StatusCode::BAD_REQUEST, "say \"who\"").into_event();
        assert_eq!(
            event,
            Ok(json!({
                "statusCode": 400,
                "headers": { "content-type": "application/json" },
                "body": r#"{"message":"say \"who\""}"#,
                "isBase64Encoded": false,
            }))
        );
    }

    #[test]
    fn not_every_answer_is_a_proxy_response() {
        assert_eq!(Reply::bare(json!({ "id": 1 })).into_event(), Ok(json!({ "id": 1 })));
        let failed = Reply::failed(Failure::internal());
        assert_eq!(
            (failed.status().as_u16(), failed.into_event()),
            (502, Err(Failure::internal()))
        );
        let empty = Reply::empty(StatusCode::NO_CONTENT).into_event();
        assert_eq!(empty.map(|event| event["body"].clone()), Ok("".into()));
    }

    #[test]
    fn a_header_that_can_not_be_one_is_left_out() {
        let reply = Reply::retry_later("later").text_header(CONTENT_TYPE, "a\nb");
        assert_eq!(reply.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(reply.headers()[RETRY_AFTER], "5");
    }
}
