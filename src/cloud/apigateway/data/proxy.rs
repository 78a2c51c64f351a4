//! The answer of a function behind a proxy integration, turned into HTTP.
//!
//! What counts as an answer follows "Output format of a Lambda function for proxy integration" in
//! the developer guide and recorded behaviour: a member that is not one of the five makes the whole
//! answer malformed.

use std::borrow::Cow;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::check::LARGEST_BODY;
use super::event::media_matches;
use super::failure::Failure;
use crate::wire::{Answer, full};

/// Headers of the connection alone, which no back end can set.
const DROPPED: [&str; 9] = [
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that reach the client as `x-amzn-Remapped-…`, since the gateway has its own.
const REMAPPED: [&str; 11] = [
    "authorization",
    "connection",
    "content-md5",
    "date",
    "host",
    "max-forwards",
    "server",
    "www-authenticate",
    "x-amz-apigw-id",
    "x-amzn-requestid",
    "x-amzn-trace-id",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProxyAnswer<'a> {
    #[serde(default)]
    status_code: Option<Value>,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    multi_value_headers: Option<Map<String, Value>>,
    #[serde(default, borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// The HTTP answer, or why there is none. `accept` is the client's `Accept` header.
pub(super) fn answer(
    payload: &Bytes,
    accept: Option<&str>,
    binary_media_types: &[String],
) -> Result<Answer, Failure> {
    let read: ProxyAnswer<'_> = serde_json::from_slice(payload).map_err(|_| malformed())?;
    let nothing = read.status_code.is_none()
        && read.headers.is_none()
        && read.multi_value_headers.is_none()
        && read.body.is_none()
        && read.is_base64_encoded.is_none();
    if nothing {
        return Err(malformed());
    }
    let status = status(read.status_code.as_ref())?;
    let mut headers = HeaderMap::new();
    multi_value_headers(&mut headers, read.multi_value_headers.as_ref())?;
    single_headers(&mut headers, read.headers.as_ref())?;
    headers.entry(CONTENT_TYPE).or_insert_with(|| HeaderValue::from_static("application/json"));
    let wants_binary = accepts_binary(accept, binary_media_types);
    let body = match read.body {
        None => Bytes::new(),
        Some(body) if read.is_base64_encoded == Some(true) && wants_binary => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(body.as_bytes());
            Bytes::from(decoded.map_err(|_| {
                Failure::internal(
                    "Execution failed due to configuration error: Unable to base64 \
                                   decode the body.",
                )
            })?)
        }
        Some(Cow::Borrowed(body)) => payload.slice_ref(body.as_bytes()),
        Some(Cow::Owned(body)) => Bytes::from(body),
    };
    if body.len() > LARGEST_BODY {
        return Err(Failure::bad_gateway(format!(
            "Execution failed: the response body has {} bytes, at most {LARGEST_BODY} are allowed",
            body.len()
        )));
    }
    let mut answer = Response::new(full(body));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

fn malformed() -> Failure {
    Failure::bad_gateway(
        "Execution failed due to configuration error: Malformed Lambda proxy response",
    )
}

/// The status as a number or a text of digits; 200 when it is not said.
fn status(said: Option<&Value>) -> Result<StatusCode, Failure> {
    let code = match said {
        None | Some(Value::Null) => Some(200),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    code.and_then(|code| u16::try_from(code).ok())
        .filter(|code| (100..=599).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        // Informational answers cannot end an exchange.
        .filter(|code| !code.is_informational())
        .ok_or_else(malformed)
}

fn multi_value_headers(
    headers: &mut HeaderMap,
    said: Option<&Map<String, Value>>,
) -> Result<(), Failure> {
    for (name, values) in said.into_iter().flatten() {
        for value in values.as_array().ok_or_else(malformed)? {
            add(headers, name, value)?;
        }
    }
    Ok(())
}

/// Single values come after those of the same name in `multiValueHeaders`.
fn single_headers(
    headers: &mut HeaderMap,
    said: Option<&Map<String, Value>>,
) -> Result<(), Failure> {
    for (name, value) in said.into_iter().flatten() {
        add(headers, name, value)?;
    }
    Ok(())
}

fn add(headers: &mut HeaderMap, name: &str, value: &Value) -> Result<(), Failure> {
    let value = match value {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Bool(_) | Value::Number(_) => Cow::Owned(value.to_string()),
        Value::Null => return Ok(()),
        Value::Array(_) | Value::Object(_) => return Err(malformed()),
    };
    let name = HeaderName::try_from(name).map_err(|_| malformed())?;
    let value = HeaderValue::from_str(&value).map_err(|_| malformed())?;
    if DROPPED.contains(&name.as_str()) {
        return Ok(());
    }
    let name = if REMAPPED.contains(&name.as_str()) {
        HeaderName::try_from(format!("x-amzn-remapped-{name}")).map_err(|_| malformed())?
    } else {
        name
    };
    headers.try_append(name, value).map_err(|_| malformed())?;
    Ok(())
}

/// Whether the first media type that the client accepts is one of the API's binary ones.
fn accepts_binary(accept: Option<&str>, binary_media_types: &[String]) -> bool {
    if binary_media_types.is_empty() {
        return false;
    }
    let first = accept.and_then(|accept| accept.split(',').next()).unwrap_or("application/json");
    media_matches(binary_media_types, first)
}
