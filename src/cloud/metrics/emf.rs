//! Metrics in log events: documents in the embedded metric format.
//!
//! Source: "Specification: Embedded metric format" of the `CloudWatch` user guide. A document that
//! breaks the specification gives no metric; the log event stays what it is.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::distribution::LARGEST;
use super::model::{MetricKey, Slot, unit};
use super::own::Batch;

/// Keys of one dimension set, metrics of one directive, values of one metric, at most.
const MOST_KEYS: usize = 30;
const MOST_METRICS: usize = 100;
const MOST_VALUES: usize = 100;
/// Directives and dimension sets that are looked at: what the specification leaves open.
const MOST_DIRECTIVES: usize = 100;
const MOST_SETS: usize = 100;
/// Time series that one document may write.
const MOST_SERIES: usize = 5000;
/// How old and how far ahead a document may be, in seconds: as with `PutMetricData`.
const TOO_OLD: i64 = 14 * 86_400;
const TOO_NEW: i64 = 2 * 3600;

/// What every document has in its text, so that most lines are told apart cheaply.
const MARK: &str = "\"CloudWatchMetrics\"";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: String,
    dimensions: Vec<Vec<String>>,
    metrics: Vec<Definition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: String,
    unit: Option<String>,
    storage_resolution: Option<i64>,
}

/// Whether a log event may be a document.
pub(super) fn may_be_document(text: &str) -> bool {
    text.contains(MARK)
}

/// How many time series a log event would write as a document; 0 where it is none or breaks the
/// specification. `now` in seconds since the epoch. Takes any bytes.
pub fn count_series(event: &[u8], now: i64) -> usize {
    let text = String::from_utf8_lossy(event);
    let mut batch = Batch::new();
    if may_be_document(&text) {
        add_document(&text, now, &mut batch);
    }
    batch.len()
}

/// Adds the metrics of a document to `batch`. `now` in seconds since the epoch.
pub(super) fn add_document(text: &str, now: i64, batch: &mut Batch) {
    // serde_json bounds the depth by itself; the length is bounded by that of a log event.
    let Ok(Value::Object(mut root)) = serde_json::from_str(document(text)) else { return };
    let Some(metadata) = root.remove("_aws") else { return };
    let Ok(metadata) = serde_json::from_value::<Metadata>(metadata) else { return };
    let seconds = metadata.timestamp.div_euclid(1000);
    if seconds < now.saturating_sub(TOO_OLD) || seconds > now.saturating_add(TOO_NEW) {
        return;
    }
    let mut series = 0;
    for directive in metadata.cloud_watch_metrics.iter().take(MOST_DIRECTIVES) {
        let Some(sets) = dimension_sets(directive, &root) else { continue };
        let is_valid = (1..=1024).contains(&directive.namespace.chars().count())
            && directive.metrics.len() <= MOST_METRICS;
        if !is_valid {
            continue;
        }
        for definition in &directive.metrics {
            let Some(values) = root.get(&definition.name).and_then(values) else { continue };
            if definition.name.is_empty() || definition.name.chars().count() > 1024 {
                continue;
            }
            let resolution = if definition.storage_resolution == Some(1) { 1 } else { 60 };
            let unit = definition.unit.as_deref().and_then(unit).unwrap_or("None");
            for set in &sets {
                series += 1;
                if series > MOST_SERIES {
                    return;
                }
                let key = MetricKey::new(&directive.namespace, &definition.name, set.clone());
                let time = seconds.div_euclid(resolution) * resolution;
                let distribution = batch.entry(Slot { key, time, resolution, unit }).or_default();
                for value in &values {
                    distribution.add(*value, 1.0);
                }
            }
        }
    }
}

/// The event without what Lambda's runtimes put before a line: time, request id and level, each
/// with a tab behind it.
fn document(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with('{') {
        return text;
    }
    let mut parts = text.splitn(4, '\t');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(time), Some(_), Some(_), Some(document)) if time.ends_with('Z') => document,
        _ => text,
    }
}

/// The dimension sets with their values, one at least; `None` when one of them breaks the rules.
fn dimension_sets(
    directive: &Directive,
    root: &Map<String, Value>,
) -> Option<Vec<Vec<(String, String)>>> {
    if directive.dimensions.is_empty() || directive.dimensions.len() > MOST_SETS {
        return None;
    }
    directive.dimensions.iter().map(|names| one_set(names, root)).collect()
}

fn one_set(names: &[String], root: &Map<String, Value>) -> Option<Vec<(String, String)>> {
    if names.len() > MOST_KEYS {
        return None;
    }
    let mut set: Vec<(String, String)> = Vec::with_capacity(names.len());
    for name in names {
        let value = root.get(name)?.as_str()?;
        let fits = |text: &str, longest| (1..=longest).contains(&text.chars().count());
        if !fits(name, 250) || !fits(value, 1024) {
            return None;
        }
        if !set.iter().any(|(known, _)| known == name) {
            set.push((name.clone(), value.to_owned()));
        }
    }
    set.sort();
    Some(set)
}

fn values(value: &Value) -> Option<Vec<f64>> {
    let number = |value: &Value| {
        value.as_f64().filter(|number| number.is_finite() && number.abs() <= LARGEST)
    };
    match value {
        Value::Array(items) if items.len() <= MOST_VALUES => items.iter().map(number).collect(),
        Value::Number(_) => number(value).map(|number| vec![number]),
        _ => None,
    }
}
