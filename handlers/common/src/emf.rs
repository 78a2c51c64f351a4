//! Metrics as `CloudWatch` takes them from logs: the Embedded Metric Format.
//!
//! One document per request holds its metrics and its properties. Each metric appears under the
//! dimension sets `[service]` and `[service, version]`.

use serde_json::{Map, Value, json};

/// Namespace of every metric.
const NAMESPACE: &str = "Labdeck";

/// A metric's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A number of things.
    Count,
    /// A time.
    Milliseconds,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// A metric with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
}

/// Makes the document. A property never replaces a dimension or a metric of the same name.
pub(crate) fn document(
    timestamp_ms: u64,
    service: &str,
    version: &str,
    metrics: &[Metric],
    properties: &Map<String, Value>,
) -> Value {
    let declared: Vec<Value> = metrics
        .iter()
        .map(|metric| json!({ "Name": metric.name, "Unit": metric.unit.name() }))
        .collect();
    let mut document = Map::new();
    document.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": timestamp_ms,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["service"], ["service", "version"]],
                "Metrics": declared,
            }],
        }),
    );
    document.insert("service".to_owned(), service.into());
    document.insert("version".to_owned(), version.into());
    for metric in metrics {
        document.insert(metric.name.to_owned(), number(metric.value));
    }
    for (name, value) in properties {
        if !document.contains_key(name) {
            document.insert(name.clone(), value.clone());
        }
    }
    Value::Object(document)
}

/// Whole numbers are written without a fraction; what JSON has no number for is 0.
fn number(value: f64) -> Value {
    // Exactly the whole numbers that a double holds without loss.
    const MOST: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && (0.0..MOST).contains(&value) {
        return Value::from(value as u64);
    }
    serde_json::Number::from_f64(value).map_or_else(|| Value::from(0), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(name: &'static str, value: f64) -> Metric {
        Metric { name, unit: Unit::Count, value }
    }

    #[test]
    fn declares_every_metric_and_holds_its_value() {
        let metrics = [
            counted("Requests", 1.0),
            Metric { name: "Latency", unit: Unit::Milliseconds, value: 3.25 },
        ];
        let mut properties = Map::new();
        properties.insert("requestId".to_owned(), "r-1".into());
        let document = document(1_795_168_800_000, "greet", "3", &metrics, &properties);
        assert_eq!(
            document,
            json!({
                "_aws": {
                    "Timestamp": 1_795_168_800_000_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Labdeck",
                        "Dimensions": [["service"], ["service", "version"]],
                        "Metrics": [
                            { "Name": "Requests", "Unit": "Count" },
                            { "Name": "Latency", "Unit": "Milliseconds" },
                        ],
                    }],
                },
                "service": "greet",
                "version": "3",
                "Requests": 1,
                "Latency": 3.25,
                "requestId": "r-1",
            })
        );
    }

    #[test]
    fn properties_never_replace_metrics_or_dimensions() {
        let mut properties = Map::new();
        for name in ["_aws", "service", "Errors"] {
            properties.insert(name.to_owned(), "mine".into());
        }
        let document = document(0, "greet", "1", &[counted("Errors", 0.0)], &properties);
        assert_eq!(document["service"], "greet");
        assert_eq!(document["Errors"], 0);
        assert!(document["_aws"].is_object());
    }

    #[test]
    fn is_one_line_whatever_the_properties_hold() {
        let mut properties = Map::new();
        properties.insert("userId".to_owned(), "a\nb\u{1b}[31m\u{0}".into());
        let text = document(0, "greet", "1", &[], &properties).to_string();
        assert!(!text.contains(|c: char| c.is_control()));
    }

    #[test]
    fn values_without_a_json_number_become_zero() {
        assert_eq!(number(f64::NAN), json!(0));
        assert_eq!(number(f64::INFINITY), json!(0));
        assert_eq!(number(2.0).to_string(), "2");
        assert_eq!(number(-1.5).to_string(), "-1.5");
    }
}
