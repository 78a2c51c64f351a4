//! A log event as the panes and stores know it: cleaned, classified, with its function's version.

use std::sync::Arc;

/// One log event. `text` was cleaned on entry and is safe to print.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEvent {
    /// When it happened, in ms since the epoch.
    pub timestamp_ms: i64,
    /// When the service took it in, in ms since the epoch.
    pub ingestion_ms: i64,
    /// Log group, such as `/aws/lambda/greet-stateless`.
    pub group: Arc<str>,
    /// Log stream, such as `2026/11/20/[3]53c5…`.
    pub stream: Arc<str>,
    /// Function name, from the group; the group's name where it is no function's.
    pub function: Arc<str>,
    /// Function version, from the stream's name; empty where it has none.
    pub version: Arc<str>,
    /// The cleaned text, without its trailing newline.
    pub text: Arc<str>,
    /// What it is.
    pub kind: LogKind,
}

/// A line of the tail itself, as of `timestamp_ms`.
pub fn notice(timestamp_ms: i64, text: &str) -> LogEvent {
    let empty: Arc<str> = "".into();
    LogEvent {
        timestamp_ms,
        ingestion_ms: timestamp_ms,
        group: Arc::clone(&empty),
        stream: Arc::clone(&empty),
        function: Arc::clone(&empty),
        version: empty,
        text: crate::clean::clean(text).into(),
        kind: LogKind::Notice,
    }
}

/// What a log event is.
#[derive(Debug, Clone, PartialEq)]
pub enum LogKind {
    /// Any other line.
    Plain,
    /// One JSON object; its level where it has one (`ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`).
    Json {
        /// Upper-cased level.
        level: Option<Arc<str>>,
        /// The event's message member, where it has one.
        message: Option<Arc<str>>,
        /// The Lambda request id, where it has one.
        request_id: Option<Arc<str>>,
    },
    /// An Embedded Metric Format document.
    Emf(Arc<Emf>),
    /// `INIT_START …`.
    InitStart,
    /// `START RequestId: …`.
    Start {
        /// Lambda request id.
        request_id: Arc<str>,
    },
    /// `END RequestId: …`.
    End {
        /// Lambda request id.
        request_id: Arc<str>,
    },
    /// `REPORT RequestId: …`.
    Report(Arc<Report>),
    /// A line of the tail itself: a gap, sampling, a drop, a reconnect.
    Notice,
}

/// What an EMF document measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Emf {
    /// Namespace.
    pub namespace: String,
    /// Metrics with their values and units.
    pub metrics: Vec<EmfMetric>,
    /// Dimension values by key, as far as they are named in a dimension set.
    pub dimensions: Vec<(String, String)>,
    /// The other root members that are strings or numbers (`requestId`, `status`, `route` …).
    pub properties: Vec<(String, String)>,
}

/// One metric of an EMF document.
#[derive(Debug, Clone, PartialEq)]
pub struct EmfMetric {
    /// Name.
    pub name: String,
    /// Unit, `None` when not given.
    pub unit: String,
    /// One value, or up to 100.
    pub values: Vec<f64>,
}

/// A REPORT line, parsed by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Lambda request id.
    pub request_id: String,
    /// Duration in ms.
    pub duration_ms: f64,
    /// Billed duration in ms.
    pub billed_ms: f64,
    /// Memory size in MB.
    pub memory_mb: u32,
    /// Highest memory used in MB.
    pub max_memory_mb: u32,
    /// Init duration in ms: a cold start.
    pub init_ms: Option<f64>,
    /// `timeout`, `error` …, where the line says so.
    pub status: Option<String>,
}
