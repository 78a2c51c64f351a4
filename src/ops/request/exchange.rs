//! A request with its response, and what a burst of them measured.

use std::collections::BTreeMap;
use std::fmt;

use labdeck_lab::blueprint::Expect;
use labdeck_telemetry::clean;
use serde::{Deserialize, Serialize, Serializer};

use super::burst::Bucket;

/// A request as it is sent: everything resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingRequest {
    /// HTTP method.
    pub method: String,
    /// Full URL with query.
    pub url: String,
    /// Headers in order; secrets among them are masked when they are written out.
    #[serde(serialize_with = "masked_headers")]
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<String>,
    /// The value that goes along as `x-api-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyValue>,
    /// Where it came from, which lets an error answer be explained in the lab's own words.
    #[serde(skip)]
    pub origin: Option<Origin>,
    /// The saved request's name; empty where there is none.
    #[serde(skip)]
    pub name: String,
    /// What its answer must be.
    #[serde(skip)]
    pub expect: Option<Expect>,
}

/// The value of an API key. Whatever shows it masks it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyValue {
    value: String,
    id: Option<String>,
    name: Option<String>,
}

impl KeyValue {
    /// Keeps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), id: None, name: None }
    }

    /// The same, with the id of the key that it is the value of.
    #[must_use]
    pub fn of(mut self, id: &str) -> Self {
        self.id = (!id.is_empty()).then(|| id.to_owned());
        self
    }

    /// The same, with the name of the key that it is the value of.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = (!name.is_empty()).then(|| name.to_owned());
        self
    }

    /// The key's name, where it is known.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The key's id, where it is known.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The value itself, for sending it, and for showing or copying it when a person asks for that.
    pub fn reveal(&self) -> &str {
        &self.value
    }
}

/// What stands for the hidden part of a value.
pub(super) const MASK: &str = "••••";

/// The value with all but its last two characters hidden; a short one is hidden whole.
pub fn masked(value: &str) -> String {
    // What was masked is not masked again.
    if value.starts_with(MASK) {
        return value.to_owned();
    }
    let count = value.chars().count();
    let tail: String =
        if count < 8 { String::new() } else { value.chars().skip(count - 2).collect() };
    format!("{MASK}{tail}")
}

impl fmt::Display for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.value))
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyValue({self})")
    }
}

impl Serialize for KeyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyValue {
    /// What was written: the value's mask, which can't be sent.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Headers that hold keys and credentials.
const SECRET_HEADERS: [&str; 6] = [
    "x-api-key",
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-amz-security-token",
];

/// Whether a header holds a key or credentials.
pub fn is_secret_header(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A header's value as it is shown: keys and credentials are masked.
pub fn shown_header<'v>(name: &str, value: &'v str) -> std::borrow::Cow<'v, str> {
    if is_secret_header(name) { masked(value).into() } else { value.into() }
}

fn masked_headers<S: Serializer>(
    headers: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(headers.iter().map(|(name, value)| (name, shown_header(name, value))))
}

/// The lab, API and stage that a request was prepared for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// Lab name.
    pub lab: String,
    /// API name.
    pub api: String,
    /// API id.
    pub api_id: String,
    /// Stage name.
    pub stage: String,
    /// The alias that the stage's `lambdaAlias` names.
    pub alias: String,
    /// URL of the stage, without a trailing slash.
    pub base_url: String,
    /// The API's routes, such as `GET /greet`.
    #[serde(skip)]
    pub routes: Vec<String>,
    /// Functions behind the API.
    pub functions: Vec<String>,
    /// Whether it is attached: no deploy of it repairs anything.
    pub attached: bool,
}

/// A request with its response.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exchange {
    /// What was sent.
    pub request: OutgoingRequest,
    /// When it was sent, in ms since the epoch.
    pub sent_ms: i64,
    /// HTTP status.
    pub status: u16,
    /// Response headers in order.
    pub headers: Vec<(String, String)>,
    /// Response body: text, cleaned of control characters except newline and tab.
    pub body: String,
    /// Body size in bytes as received.
    pub body_bytes: usize,
    /// Timings.
    pub timings: Timings,
    /// The gateway's request id (`x-amzn-RequestId`), where there is one.
    pub request_id: Option<String>,
    /// What an error answer of the gateway means, and what to do, where it is one.
    pub explanation: Option<String>,
    /// Where it was sent, as [`Destination`](super::destination::Destination) writes it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// Lambda's request id, where the function was invoked directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda_request_id: Option<String>,
    /// The version of the function that answered, where it was invoked directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The log that came with the answer: a method test's execution log, or the last 4 KB of what the
    /// function logged when it was invoked directly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Whether the answer is what the saved request expects, point by point.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
}

impl Exchange {
    /// Whether everything that was expected of the answer holds; also where nothing was.
    pub fn holds(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.holds)
    }
}

/// Whether an answer keeps one thing that was expected of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What of the answer: `status`, `header NAME`, a JSON path, or `time`.
    pub what: String,
    /// What was expected.
    pub wanted: String,
    /// What it is.
    pub got: String,
    /// Whether that is what was expected.
    pub holds: bool,
}

impl fmt::Display for Verdict {
    /// `✓ status 200`, or `✗ status is 500, expected 200`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, wanted, got, holds } = self;
        let (wanted, got) = (clean(wanted), clean(got));
        match (holds, what.as_str()) {
            (true, "time") => write!(f, "✓ {what} {got} ({wanted})"),
            (true, _) if wanted == got => write!(f, "✓ {what} {got}"),
            (true, _) => write!(f, "✓ {what} {got} ({wanted})"),
            (false, _) => write!(f, "✗ {what} is {got}, expected {wanted}"),
        }
    }
}

/// How long the parts of an exchange took, in ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Connecting; 0 on a connection that was open already.
    pub connect_ms: f64,
    /// From sending to the first byte of the answer, connecting included.
    pub first_byte_ms: f64,
    /// From sending to the end of the answer.
    pub total_ms: f64,
}

/// What a burst measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BurstSummary {
    /// The saved request's name, or what tells it from others that it is compared with.
    pub request: String,
    /// URL, or function and qualifier.
    pub url: String,
    /// Requests answered.
    pub answered: u64,
    /// Requests that got no answer.
    pub failed: u64,
    /// Seconds.
    pub seconds: f64,
    /// Answers per second.
    pub per_second: f64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Latency quantiles in ms.
    pub p50_ms: f64,
    /// 90th percentile in ms.
    pub p90_ms: f64,
    /// 95th percentile in ms.
    pub p95_ms: f64,
    /// 99th percentile in ms.
    pub p99_ms: f64,
    /// Slowest in ms.
    pub max_ms: f64,
    /// Answers by latency, in buckets that grow by a third each.
    pub histogram: Vec<Bucket>,
    /// Why requests failed, the most frequent first.
    pub errors: Vec<(String, u64)>,
    /// Why it ended before all were sent: `cancelled`, or that nobody answers.
    pub stopped: Option<String>,
}
