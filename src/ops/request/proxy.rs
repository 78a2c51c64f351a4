//! What a Lambda proxy integration makes of a request, and of the function's answer: for sending a
//! request straight to an alias or a version, without the gateway.
//!
//! Source: "Input format" and "Output format of a Lambda function for proxy integration", payload format
//! 1.0, in API Gateway's developer guide. What only the gateway knows is what its own method test
//! writes there (`test-invoke-…`), so that a function can tell.

use std::collections::BTreeMap;

use base64::Engine as _;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::exchange::OutgoingRequest;

/// The method that a request meets.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Met {
    /// Id of the API.
    pub(super) api: String,
    /// Id of the resource.
    pub(super) resource_id: String,
    /// Path of the resource, with `{parameters}`.
    pub(super) resource: String,
    /// Variables of the stage.
    pub(super) variables: BTreeMap<String, String>,
}

/// The event that the gateway would call the function with. `path` is the request's path below the
/// stage, as it is sent.
pub(super) fn event(request: &OutgoingRequest, path: &str, met: &Met, now_ms: i64) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &request.headers {
        headers.entry(name.clone()).or_default().push(value.clone());
    }
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.entry(decoded(name)).or_default().push(decoded(value));
    }
    let path_parameters = path_parameters(&met.resource, path);
    let path = decoded(path);
    let stage = "test-invoke-stage";
    json!({
        "resource": met.resource,
        "path": path,
        "httpMethod": request.method,
        "headers": last(&headers),
        "multiValueHeaders": all(&headers),
        "queryStringParameters": last(&parameters),
        "multiValueQueryStringParameters": all(&parameters),
        "pathParameters": object(&path_parameters),
        "stageVariables": object(&met.variables),
        "requestContext": {
            "apiId": met.api,
            "resourceId": met.resource_id,
            "resourcePath": met.resource,
            "stage": stage,
            "path": met.resource,
            "httpMethod": request.method,
            "protocol": "HTTP/1.1",
            "requestId": "test-invoke-request",
            "requestTimeEpoch": now_ms,
            "identity": {
                "sourceIp": "test-invoke-source-ip",
                "userAgent": concat!("labdeck/", env!("CARGO_PKG_VERSION")),
            },
        },
        "body": request.body,
        "isBase64Encoded": false,
    })
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', "%2B")).decode_utf8_lossy().into_owned()
}

/// The values of a resource's `{parameters}` in a path that fits it.
fn path_parameters(resource: &str, path: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let given: Vec<&str> = path.split('/').collect();
    for (index, part) in resource.split('/').enumerate() {
        let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
            continue;
        };
        let rest = given.get(index..).unwrap_or_default();
        if let Some(name) = name.strip_suffix('+') {
            values.insert(name.to_owned(), decoded(&rest.join("/")));
        } else {
            let value = rest.first().copied().unwrap_or_default();
            values.insert(name.to_owned(), decoded(value));
        }
    }
    values
}

/// An object, or `null` where there is nothing, as AWS writes it.
fn object(values: &BTreeMap<String, String>) -> Value {
    if values.is_empty() { Value::Null } else { json!(values) }
}

fn all(values: &BTreeMap<String, Vec<String>>) -> Value {
    if values.is_empty() { Value::Null } else { json!(values) }
}

fn last(values: &BTreeMap<String, Vec<String>>) -> Value {
    let last = |(name, values): (&String, &Vec<String>)| {
        (name.clone(), values.last().cloned().unwrap_or_default())
    };
    object(&values.iter().map(last).collect())
}

/// A function's answer as the gateway would give it on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Proxied {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Reads a proxy integration's answer; `None` for what the gateway answers 502 to.
pub(super) fn answer(payload: &[u8]) -> Option<Proxied> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    let members = value.as_object()?;
    let status = match members.get("statusCode") {
        None | Some(Value::Null) => 200,
        Some(Value::String(text)) => text.parse().ok()?,
        Some(number) => u16::try_from(number.as_u64()?).ok()?,
    };
    if !(100..600).contains(&status) {
        return None;
    }
    let body = match members.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) if members.get("isBase64Encoded") == Some(&json!(true)) => {
            base64::engine::general_purpose::STANDARD.decode(text).ok()?
        }
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(_) => return None,
    };
    let mut headers = Vec::new();
    let of = |name: &str| members.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let several = of("multiValueHeaders");
    for (name, values) in &several {
        for value in values.as_array()? {
            headers.push((name.to_ascii_lowercase(), text(value)?));
        }
    }
    for (name, value) in of("headers") {
        if !said(&several, &name, &value) {
            headers.push((name.to_ascii_lowercase(), text(&value)?));
        }
    }
    Some(Proxied { status, headers, body })
}

/// Whether a header is among those with several values already.
fn said(several: &Map<String, Value>, name: &str, value: &Value) -> bool {
    several.iter().any(|(known, values)| {
        known.eq_ignore_ascii_case(name)
            && values.as_array().is_some_and(|values| values.contains(value))
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The status that an answer counts as: what the gateway would answer. A function that failed, and what
/// is no answer of a proxy integration where it should be one, is 502.
pub(super) fn status(payload: &[u8], failed: bool, proxied: bool) -> u16 {
    match (failed, proxied) {
        (true, _) => 502,
        (false, false) => 200,
        (false, true) => answer(payload).map_or(502, |answer| answer.status),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_event_is_what_a_proxy_integration_gets() {
        let request = OutgoingRequest {
            method: "POST".into(),
            headers: vec![("x-user".into(), "ada".into()), ("x-user".into(), "bob".into())],
            body: Some("{}".into()),
            ..OutgoingRequest::default()
        };
        let met = Met {
            resource: "/pets/{id}/{rest+}".into(),
            variables: BTreeMap::from([("lambdaAlias".into(), "3".into())]),
            ..Met::default()
        };
        let event = event(&request, "/pets/a%2Fb/c/d?x=1&x=%26&y", &met, 7);
        assert_eq!(event["pathParameters"], json!({"id": "a/b", "rest": "c/d"}));
        assert_eq!(event["headers"], json!({"x-user": "bob"}));
        assert_eq!(event["multiValueHeaders"], json!({"x-user": ["ada", "bob"]}));
        assert_eq!(event["multiValueQueryStringParameters"], json!({"x": ["1", "&"], "y": [""]}));
        assert_eq!(event["stageVariables"], json!({"lambdaAlias": "3"}));
        assert_eq!(event["body"], "{}");
        let none = super::event(&OutgoingRequest::default(), "/", &Met::default(), 7);
        assert_eq!((&none["headers"], &none["pathParameters"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn an_answer_is_read_as_the_gateway_does() {
        let read = |value: Value| answer(value.to_string().as_bytes());
        let full = read(json!({
            "statusCode": 201, "headers": {"A": "1", "B": 2},
            "multiValueHeaders": {"a": ["1", "3"]}, "body": "aGk=", "isBase64Encoded": true,
        }));
        let full = full.unwrap();
        assert_eq!((full.status, full.body.as_slice()), (201, b"hi".as_slice()));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(full.headers, [header("a", "1"), header("a", "3"), header("b", "2")]);
        for bad in [json!([]), json!({"statusCode": "x"}), json!({"body": {}}), json!("text")] {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
        assert_eq!(status(b"{}", true, true), 502);
        assert_eq!(status(b"7", false, true), 502);
        assert_eq!(status(b"7", false, false), 200);
    }
}
