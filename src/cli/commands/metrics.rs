//! `metrics`: requests, errors and latency of every function, by version, from its log.

use labdeck_aws::Result;
use labdeck_ops::history;
use labdeck_telemetry::{MetricStore, Other, Summary};
use serde::Serialize;

use crate::args::MetricsArgs;
use crate::context::Context;
use crate::output::{columns, exit};

#[derive(Serialize)]
struct Row {
    function: String,
    version: String,
    requests: u64,
    errors: u64,
    error_rate: f64,
    cold_starts: u64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_memory_mb: u32,
    memory_mb: u32,
}

#[derive(Serialize)]
struct OtherRow {
    function: String,
    version: String,
    namespace: String,
    metric: String,
    unit: String,
    count: u64,
    sum: f64,
    max: f64,
    p50: f64,
    p95: f64,
}

/// Shows what the functions measured within the last `since`.
pub async fn run(context: &Context<'_>, args: &MetricsArgs) -> Result<u8> {
    let (engine, blueprint) = context.lab(&args.lab).await?;
    let since = history::since_ms(args.since);
    // A second of its own on both sides: seconds are whole.
    let window = i64::try_from(args.since.as_secs()).unwrap_or(i64::MAX - 2) + 2;
    let mut store = MetricStore::new(window);
    let mut pages = history::of_lab(&engine, &blueprint, since);
    while let Some(events) = pages.next().await? {
        for event in &events {
            store.ingest(event);
        }
    }
    let now = history::since_ms(std::time::Duration::ZERO);
    let mut rows = Vec::new();
    for function in &blueprint.functions {
        for version in store.versions(&function.name) {
            let summary = store.summary(&function.name, Some(&version), since, now);
            rows.push(row(&function.name, &version, &summary));
        }
    }
    let others: Vec<OtherRow> = store.others(since).iter().map(other).collect();
    let value = serde_json::json!({
        "lab": args.lab,
        "since_ms": since,
        "functions": rows,
        "metrics": others,
    });
    context.output.result(&value, || text(&args.lab, &rows, &others));
    Ok(exit::DONE)
}

fn row(function: &str, version: &str, summary: &Summary) -> Row {
    Row {
        function: function.to_owned(),
        version: version.to_owned(),
        requests: summary.requests,
        errors: summary.errors,
        error_rate: summary.error_rate,
        cold_starts: summary.cold_starts,
        p50_ms: summary.p50_ms,
        p95_ms: summary.p95_ms,
        p99_ms: summary.p99_ms,
        max_memory_mb: summary.max_memory_mb,
        memory_mb: summary.memory_mb,
    }
}

fn other(other: &Other) -> OtherRow {
    OtherRow {
        function: other.function.to_string(),
        version: other.version.to_string(),
        namespace: other.namespace.to_string(),
        metric: other.name.to_string(),
        unit: other.unit.to_string(),
        count: other.count,
        sum: other.sum,
        max: other.max,
        p50: other.p50,
        p95: other.p95,
    }
}

fn text(lab: &str, rows: &[Row], others: &[OtherRow]) -> Vec<String> {
    if rows.is_empty() {
        return vec![format!("no function of {lab} has logged anything in that time")];
    }
    let head =
        ["function", "version", "requests", "errors", "cold", "p50", "p95", "p99 ms", "memory MB"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    let millis = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2}"));
    for row in rows {
        table.push(vec![
            row.function.clone(),
            row.version.clone(),
            row.requests.to_string(),
            format!("{} ({:.1}%)", row.errors, row.error_rate * 100.0),
            row.cold_starts.to_string(),
            millis(row.p50_ms),
            millis(row.p95_ms),
            millis(row.p99_ms),
            format!("{} of {}", row.max_memory_mb, row.memory_mb),
        ]);
    }
    let mut text = columns(&table);
    if !others.is_empty() {
        text.push(String::new());
        let head = ["function", "version", "metric", "values", "sum", "p50", "p95", "max", "unit"];
        let mut table = vec![head.map(str::to_owned).to_vec()];
        for row in others {
            table.push(vec![
                row.function.clone(),
                row.version.clone(),
                row.metric.clone(),
                row.count.to_string(),
                format!("{:.1}", row.sum),
                format!("{:.1}", row.p50),
                format!("{:.1}", row.p95),
                format!("{:.1}", row.max),
                row.unit.clone(),
            ]);
        }
        text.extend(columns(&table));
    }
    text
}
