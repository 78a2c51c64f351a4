//! A request to a stage, and what the gateway knows about it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::super::ids;
use super::super::plans::model::ApiKey;
use super::notes::Notes;
use crate::error::AwsError;

/// A request to an API, as the listener received it.
#[derive(Debug)]
pub struct ExecuteRequest {
    /// Id of the API.
    pub api_id: String,
    /// HTTP method.
    pub method: Method,
    /// Path with the stage, such as `/dev/pets/7`; still percent-encoded, without the query.
    pub path: String,
    /// Query string without `?`; empty when there is none.
    pub query: String,
    /// Headers as sent.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Address of the client.
    pub source_ip: IpAddr,
    /// The `Host` header: name and port.
    pub host: String,
}

/// Values by name, each name with all its values in order.
pub(super) type Multi<'a> = BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>;

/// One request on its way through the gateway.
pub(super) struct Context<'a> {
    pub request: &'a ExecuteRequest,
    pub request_id: String,
    pub extended_request_id: String,
    /// The tracing header's value: the client's own, or a new one.
    pub trace_id: String,
    /// Milliseconds since the epoch.
    pub now: i64,
    /// The stage's name as the path says it.
    pub stage: &'a str,
    /// The path below the stage, decoded.
    pub path: String,
    pub query: Multi<'a>,
    /// The API key that let the request in, where its method demands one.
    pub api_key: Option<Arc<ApiKey>>,
    /// What is learnt on the way.
    pub notes: Notes,
    /// Whether this is a test of the method, not a request to a stage.
    pub test: bool,
    /// Whether the stage's canary serves it.
    pub canary: bool,
}

impl<'a> Context<'a> {
    /// Takes a request apart.
    pub fn new(request: &'a ExecuteRequest, now: i64) -> Result<Self, AwsError> {
        let mut random = [0_u8; 23];
        ids::fill(&mut random)?;
        let (trace, extended) = random.split_at(12);
        let (stage, below) = split_stage(&request.path);
        Ok(Self {
            request,
            request_id: crate::core::unique_id().to_string(),
            extended_request_id: base64(extended),
            trace_id: trace_id(request, now, trace),
            now,
            stage,
            path: format!("/{}", decode(below)),
            query: query(&request.query),
            api_key: None,
            notes: Notes::default(),
            test: false,
            canary: false,
        })
    }

    /// The path below the stage as it was sent, without its leading slash.
    pub fn encoded_path(&self) -> &'a str {
        split_stage(&self.request.path).1
    }

    /// The last value of a header, where it is text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.request.headers.get_all(name).iter().next_back().and_then(|value| value.to_str().ok())
    }

    /// The last value of a query parameter.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.get(name).and_then(|values| values.last()).map(Cow::as_ref)
    }
}

/// `dev` and `pets/7` of `/dev/pets/7`.
fn split_stage(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or((path, ""))
}

/// Percent-decodes one part of a path.
pub(super) fn decode(part: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn query(query: &str) -> Multi<'_> {
    let mut values = Multi::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        values.entry(name).or_default().push(value);
    }
    values
}

/// The client's tracing header where it has a root, otherwise a new root as X-Ray writes it.
fn trace_id(request: &ExecuteRequest, now: i64, random: &[u8]) -> String {
    let sent = request.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
    match sent {
        Some(sent) if sent.contains("Root=") && sent.len() <= 500 => sent.to_owned(),
        _ => format!("Root=1-{:08x}-{}", now / 1000, hex::encode(random)),
    }
}
