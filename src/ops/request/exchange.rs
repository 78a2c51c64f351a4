//! A request with its response, and what a burst of them measured.

use std::collections::BTreeMap;

use serde::Serialize;

/// A request as it is sent: everything resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutgoingRequest {
    /// HTTP method.
    pub method: String,
    /// Full URL with query.
    pub url: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<String>,
    /// Where it came from, which lets an error answer be explained in the lab's own words.
    #[serde(skip)]
    pub origin: Option<Origin>,
}

/// The lab, API and stage that a request was prepared for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Lab name.
    pub lab: String,
    /// API name.
    pub api: String,
    /// Stage name.
    pub stage: String,
    /// The alias that the stage's `lambdaAlias` names.
    pub alias: String,
    /// URL of the stage, without a trailing slash.
    pub base_url: String,
    /// The API's routes, such as `GET /greet`.
    pub routes: Vec<String>,
    /// Functions behind the API.
    pub functions: Vec<String>,
}

/// A request with its response.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
}

/// How long the parts of an exchange took, in ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
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
    /// Saved request's name.
    pub request: String,
    /// URL.
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
    /// Why requests failed, the most frequent first.
    pub errors: Vec<(String, u64)>,
    /// Why it ended before all were sent: `cancelled`, or that nobody answers.
    pub stopped: Option<String>,
}
