//! Embedded Metric Format: which JSON documents are metrics, and what they measured.
//!
//! Rules: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! A document that breaks one of them has no metrics at all, as in CloudWatch.

use serde_json::{Map, Value};

use crate::clean::clean;
use crate::event::{Emf, EmfMetric};

/// The namespace of labdeck's own handlers, preferred where a document has several.
pub const NAMESPACE: &str = "Labdeck";
/// Metrics in one directive.
const MOST_METRICS: usize = 100;
/// Values of one metric.
const MOST_VALUES: usize = 100;
/// Keys in one dimension set.
const MOST_DIMENSIONS: usize = 30;
/// Characters of a namespace or of a dimension's value.
const LONGEST: usize = 1024;
/// Properties that are kept of a document, and characters of each.
const MOST_PROPERTIES: usize = 32;
const LONGEST_PROPERTY: usize = 256;

const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// What a document measured; `None` when it is no valid EMF.
///
/// Where it has directives for several namespaces, one is taken: labdeck's own, else the first.
pub fn read(document: &Map<String, Value>) -> Option<Emf> {
    let envelope = document.get("_aws")?.as_object()?;
    envelope.get("Timestamp")?.as_i64().filter(|time| *time >= 0)?;
    let directives = envelope.get("CloudWatchMetrics")?.as_array()?;
    let mut chosen: Option<Emf> = None;
    for directive in directives {
        let read = read_directive(document, directive)?;
        match &mut chosen {
            Some(emf) if emf.namespace == read.namespace => merge(emf, read),
            Some(emf) if emf.namespace == NAMESPACE || read.namespace != NAMESPACE => {}
            _ => chosen = Some(read),
        }
    }
    let mut emf = chosen?;
    emf.properties = properties(document, &emf);
    Some(emf)
}

fn read_directive(document: &Map<String, Value>, directive: &Value) -> Option<Emf> {
    let namespace = directive.get("Namespace")?.as_str()?;
    if !(1..=LONGEST).contains(&namespace.chars().count()) {
        return None;
    }
    let mut dimensions: Vec<(String, String)> = Vec::new();
    let sets = directive.get("Dimensions")?.as_array()?;
    if sets.is_empty() {
        return None;
    }
    for set in sets {
        let keys = set.as_array()?;
        if keys.len() > MOST_DIMENSIONS {
            return None;
        }
        for key in keys {
            let key = key.as_str()?;
            let value = document.get(key)?.as_str()?;
            if !(1..=LONGEST).contains(&value.chars().count()) {
                return None;
            }
            let key = clean(key).into_owned();
            if !dimensions.iter().any(|(known, _)| *known == key) {
                dimensions.push((key, clean(value).into_owned()));
            }
        }
    }
    let definitions = directive.get("Metrics")?.as_array()?;
    if definitions.len() > MOST_METRICS {
        return None;
    }
    let metrics = definitions
        .iter()
        .map(|definition| read_metric(document, definition))
        .collect::<Option<Vec<_>>>()?;
    Some(Emf {
        namespace: clean(namespace).into_owned(),
        metrics,
        dimensions,
        properties: Vec::new(),
    })
}

fn read_metric(document: &Map<String, Value>, definition: &Value) -> Option<EmfMetric> {
    let name = definition.get("Name")?.as_str()?;
    let unit = match definition.get("Unit") {
        None => "None",
        Some(unit) => unit.as_str().filter(|unit| UNITS.contains(unit))?,
    };
    if let Some(resolution) = definition.get("StorageResolution") {
        resolution.as_i64().filter(|seconds| [1, 60].contains(seconds))?;
    }
    let values = match document.get(name)? {
        Value::Number(number) => vec![number.as_f64()?],
        Value::Array(numbers) if numbers.len() <= MOST_VALUES => {
            numbers.iter().map(Value::as_f64).collect::<Option<Vec<_>>>()?
        }
        _ => return None,
    };
    Some(EmfMetric { name: clean(name).into_owned(), unit: unit.to_owned(), values })
}

fn merge(into: &mut Emf, more: Emf) {
    for metric in more.metrics {
        if !into.metrics.iter().any(|known| known.name == metric.name) {
            into.metrics.push(metric);
        }
    }
    for (key, value) in more.dimensions {
        if !into.dimensions.iter().any(|(known, _)| *known == key) {
            into.dimensions.push((key, value));
        }
    }
}

/// The root members that are neither metric nor dimension, as far as they are short and simple.
fn properties(document: &Map<String, Value>, emf: &Emf) -> Vec<(String, String)> {
    document
        .iter()
        .filter(|(name, _)| {
            *name != "_aws"
                && !emf.metrics.iter().any(|metric| metric.name == **name)
                && !emf.dimensions.iter().any(|(key, _)| key == *name)
        })
        .filter_map(|(name, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => return None,
            };
            let text: String = text.chars().take(LONGEST_PROPERTY).collect();
            Some((clean(name).into_owned(), clean(&text).into_owned()))
        })
        .take(MOST_PROPERTIES)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "_aws": { "Timestamp": 1_795_168_800_000_i64, "CloudWatchMetrics": [{
                "Namespace": "Labdeck", "Dimensions": [["service"], ["service", "version"]],
                "Metrics": [{ "Name": "Latency", "Unit": "Milliseconds" }, { "Name": "Requests" }] }] },
            "service": "greet", "version": "3", "Latency": [12.5, 14.1], "Requests": 1,
            "requestId": "c0ffee", "status": 200
        })
    }

    fn parse(value: &Value) -> Option<Emf> {
        read(value.as_object().unwrap())
    }

    #[test]
    fn a_document_is_read() {
        let emf = parse(&document()).unwrap();
        assert_eq!(emf.namespace, "Labdeck");
        assert_eq!(emf.metrics[0].values, [12.5, 14.1]);
        assert_eq!(emf.metrics[1].unit, "None");
        assert_eq!(emf.dimensions[1], ("version".to_owned(), "3".to_owned()));
        assert_eq!(emf.properties[1], ("status".to_owned(), "200".to_owned()));
    }

    #[test]
    fn a_broken_rule_leaves_no_metrics() {
        let break_with = |pointer: &str, value: Value| {
            let mut broken = document();
            *broken.pointer_mut(pointer).unwrap() = value;
            parse(&broken)
        };
        let directive = "/_aws/CloudWatchMetrics/0";
        for (pointer, value) in [
            ("/_aws/Timestamp".to_owned(), json!("now")),
            (format!("{directive}/Namespace"), json!("")),
            (format!("{directive}/Dimensions"), json!([])),
            (format!("{directive}/Dimensions"), json!([["gone"]])),
            (format!("{directive}/Dimensions"), json!([vec!["service"; 31]])),
            (format!("{directive}/Metrics/0/Unit"), json!("Parsecs")),
            (format!("{directive}/Metrics/0/StorageResolution"), json!(5)),
            (format!("{directive}/Metrics/0"), json!({ "Name": "Gone" })),
            ("/Latency".to_owned(), json!("fast")),
            ("/Latency".to_owned(), json!(vec![1; 101])),
            ("/service".to_owned(), json!(7)),
        ] {
            let pointer = pointer.as_str();
            if pointer.ends_with("StorageResolution") {
                let mut broken = document();
                broken["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["StorageResolution"] = value;
                assert!(parse(&broken).is_none());
            } else {
                assert!(break_with(pointer, value).is_none(), "{pointer}");
            }
        }
    }

    #[test]
    fn our_own_namespace_wins_and_its_directives_are_merged() {
        let mut several = document();
        let ours = several["_aws"]["CloudWatchMetrics"][0].clone();
        let other =
            json!({ "Namespace": "Other", "Dimensions": [[]], "Metrics": [{ "Name": "X" }] });
        let more =
            json!({ "Namespace": "Labdeck", "Dimensions": [[]], "Metrics": [{ "Name": "X" }] });
        several["X"] = json!(1);
        several["_aws"]["CloudWatchMetrics"] = json!([other, ours, more]);
        let emf = parse(&several).unwrap();
        assert_eq!(emf.namespace, "Labdeck");
        assert_eq!(emf.metrics.len(), 3);
    }
}
