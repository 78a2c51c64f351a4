//! What identifies a metric, and the rules for its parts.

use std::collections::HashSet;

use serde::Deserialize;

use super::error::{invalid_value, missing};
use super::wire::Out;
use crate::error::AwsError;

/// Dimensions of one metric, at most.
pub(super) const MOST_DIMENSIONS: usize = 30;

/// The units of data points, in the order of the service's model.
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

/// A metric: namespace, name and dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct MetricKey {
    pub namespace: String,
    pub name: String,
    /// Sorted by name; each name once.
    pub dimensions: Vec<(String, String)>,
}

/// Where a data point is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Slot {
    pub key: MetricKey,
    /// Begin of its bucket, in seconds since the epoch.
    pub time: i64,
    /// Seconds of its bucket: 1 or 60.
    pub resolution: i64,
    pub unit: &'static str,
}

/// A dimension as it is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Dimension {
    pub name: Option<String>,
    pub value: Option<String>,
}

impl MetricKey {
    /// A metric with sorted dimensions.
    pub(super) fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        mut dimensions: Vec<(String, String)>,
    ) -> Self {
        dimensions.sort();
        Self { namespace: namespace.into(), name: name.into(), dimensions }
    }

    /// The dimensions as the store keeps them.
    pub(super) fn dimensions_text(&self) -> String {
        serde_json::to_string(&self.dimensions).unwrap_or_default()
    }

    /// The dimensions of an answer.
    pub(super) fn dimensions_out(&self) -> Out {
        let one = |(name, value): &(String, String)| {
            Out::Map(vec![("Name", Out::text(name)), ("Value", Out::text(value))])
        };
        Out::List(self.dimensions.iter().map(one).collect())
    }
}

/// The unit with this name.
pub(super) fn unit(name: &str) -> Option<&'static str> {
    UNITS.into_iter().find(|unit| *unit == name)
}

/// A unit as a parameter.
pub(super) fn unit_parameter(name: &str, parameter: &str) -> Result<&'static str, AwsError> {
    unit(name).ok_or_else(|| {
        invalid_value(format!(
            "The parameter {parameter} must be a value in the set [{}].",
            UNITS.join(", ")
        ))
    })
}

/// Checks a namespace that something is asked of.
pub(super) fn namespace(text: Option<&str>) -> Result<&str, AwsError> {
    let text = text.ok_or_else(|| missing("Namespace"))?;
    bounded(text, "Namespace", 255)?;
    if text.starts_with(':') {
        return Err(invalid_value(
            "The value : for parameter Namespace is invalid: it must not start with a colon.",
        ));
    }
    Ok(text)
}

/// Checks a metric's name.
pub(super) fn metric_name<'a>(text: Option<&'a str>, parameter: &str) -> Result<&'a str, AwsError> {
    let text = text.ok_or_else(|| missing(parameter))?;
    bounded(text, parameter, 255)?;
    Ok(text)
}

/// Checks dimensions and sorts them.
pub(super) fn dimensions(
    sent: Option<Vec<Dimension>>,
    parameter: &str,
) -> Result<Vec<(String, String)>, AwsError> {
    let sent = sent.unwrap_or_default();
    if sent.len() > MOST_DIMENSIONS {
        return Err(invalid_value(format!(
            "The collection {parameter} must not have a size greater than {MOST_DIMENSIONS}."
        )));
    }
    let mut seen = HashSet::new();
    let mut dimensions = Vec::with_capacity(sent.len());
    for (index, dimension) in sent.into_iter().enumerate() {
        let at = |member: &str| format!("{parameter}.member.{}.{member}", index + 1);
        let name = dimension.name.ok_or_else(|| missing(&at("Name")))?;
        let value = dimension.value.ok_or_else(|| missing(&at("Value")))?;
        bounded(&name, &at("Name"), 255)?;
        bounded(&value, &at("Value"), 1024)?;
        if name.starts_with(':') {
            return Err(invalid_value(format!(
                "The parameter {} must not start with a colon.",
                at("Name")
            )));
        }
        if !seen.insert(name.clone()) {
            return Err(invalid_value("No Metric may specify the same dimension twice."));
        }
        dimensions.push((name, value));
    }
    dimensions.sort();
    Ok(dimensions)
}

fn bounded(text: &str, parameter: &str, longest: usize) -> Result<(), AwsError> {
    if text.trim().is_empty() {
        return Err(invalid_value(format!(
            "The parameter {parameter} must be specified and must not be empty."
        )));
    }
    if text.chars().count() > longest {
        return Err(invalid_value(format!(
            "The parameter {parameter} must be shorter than {} characters.",
            longest + 1
        )));
    }
    if !text.is_ascii() || text.contains(|c: char| c.is_ascii_control()) {
        return Err(invalid_value(format!(
            "The parameter {parameter} must contain only printable ASCII characters."
        )));
    }
    Ok(())
}
