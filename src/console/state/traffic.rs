//! Rates, errors and latencies by function and version, ready to be drawn.

/// Seconds that the small charts look back.
pub const CHART_SECONDS: usize = 60;

/// What was measured, as of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traffic {
    /// The moment, in ms since the epoch.
    pub at_ms: i64,
    /// How far back the numbers look, in seconds.
    pub window_s: i64,
    /// One row per function and version.
    pub rows: Vec<TrafficRow>,
    /// Further EMF metrics, by function and name.
    pub others: Vec<OtherMetric>,
}

/// One function's version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrafficRow {
    /// Function name.
    pub function: String,
    /// Version: a number or `$LATEST`.
    pub version: String,
    /// Invocations in the window.
    pub requests: u64,
    /// Failed ones in the window.
    pub errors: u64,
    /// Invocations per second over the last seconds in which there were some.
    pub rate: f64,
    /// Latency quantiles in ms over the window.
    pub p50_ms: f64,
    /// 95th percentile in ms.
    pub p95_ms: f64,
    /// 99th percentile in ms.
    pub p99_ms: f64,
    /// Cold starts in the window.
    pub cold_starts: u64,
    /// Most memory used, in MB.
    pub max_memory_mb: u32,
    /// Memory size, in MB.
    pub memory_mb: u32,
    /// Invocations per second of chart, the newest last.
    pub chart: Vec<u64>,
    /// Errors per second of chart, the newest last.
    pub error_chart: Vec<u64>,
    /// 95th percentile per second of chart in ms, the newest last; 0 where nothing was measured.
    pub latency_chart: Vec<f64>,
}

impl TrafficRow {
    /// Errors as a share of the invocations.
    pub fn error_share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.errors as f64 / self.requests as f64 }
    }
}

/// A metric that a function wrote besides the usual ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OtherMetric {
    /// Function name.
    pub function: String,
    /// Version.
    pub version: String,
    /// Metric name.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// Values in the window.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The highest.
    pub max: f64,
}
