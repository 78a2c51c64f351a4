//! Dynamic labels: `${MAX}`, `${PROP('Dim.FunctionName')}` and the like.
//!
//! Source: "Use dynamic labels" of the `CloudWatch` user guide. What is not known stays as it is.

use super::model::MetricKey;
use crate::core::{ACCOUNT_ID, REGION};

/// A label is cut after this many bytes.
const LONGEST: usize = 4096;

/// What a label can tell about its query.
pub(super) struct Facts<'a> {
    pub key: &'a MetricKey,
    pub stat: &'a str,
    pub period: i64,
    /// The label that it would have by itself.
    pub default: &'a str,
}

/// Fills in a label; `points` are in the order of time.
pub(super) fn fill(label: &str, facts: &Facts<'_>, points: &[(i64, f64)]) -> String {
    let mut out = String::with_capacity(label.len());
    let mut rest = label;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = from.find('}') else {
            rest = from;
            break;
        };
        let (variable, after) = from.split_at(end + 1);
        match value(variable[2..end].trim(), facts, points) {
            Some(value) => out.push_str(&value),
            None => out.push_str(variable),
        }
        rest = after;
        if out.len() > LONGEST {
            break;
        }
    }
    out.push_str(rest);
    if out.len() > LONGEST {
        out.truncate(out.floor_char_boundary(LONGEST));
    }
    out
}

fn value(name: &str, facts: &Facts<'_>, points: &[(i64, f64)]) -> Option<String> {
    let values = || points.iter().map(|(_, value)| *value);
    let number = |number: Option<f64>| Some(number.map_or_else(|| "--".to_owned(), shown));
    match name {
        "LABEL" => return Some(facts.default.to_owned()),
        "DATAPOINT_COUNT" => return Some(points.len().to_string()),
        "SUM" => return number(values().reduce(|a, b| a + b)),
        "AVG" => return number(values().reduce(|a, b| a + b).map(|sum| sum / points.len() as f64)),
        "MIN" => return number(values().reduce(f64::min)),
        "MAX" => return number(values().reduce(f64::max)),
        "FIRST" => return number(values().next()),
        "LAST" => return number(values().next_back()),
        _ => {}
    }
    let property = name.strip_prefix("PROP('")?.strip_suffix("')")?;
    Some(match property {
        "AccountId" => ACCOUNT_ID.to_owned(),
        "MetricName" => facts.key.name.clone(),
        "Namespace" => facts.key.namespace.clone(),
        "Period" => facts.period.to_string(),
        "Region" => REGION.to_owned(),
        "Stat" => facts.stat.to_owned(),
        other => {
            let dimension = other.strip_prefix("Dim.")?;
            let found = facts.key.dimensions.iter().find(|(name, _)| name == dimension);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        }
    })
}

/// A number with at most four decimals.
fn shown(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_of_values_and_properties() {
        let key = MetricKey::new("N", "M", vec![("F".to_owned(), "orders".to_owned())]);
        let facts = Facts { key: &key, stat: "Sum", period: 60, default: "M" };
        let points = [(0, 1.0), (60, 2.5)];
        let filled = |label: &str| fill(label, &facts, &points);
        assert_eq!(filled("max ${MAX} of ${PROP('Dim.F')}"), "max 2.5 of orders");
        assert_eq!(filled("${ AVG } ${LABEL} ${DATAPOINT_COUNT}"), "1.75 M 2");
        assert_eq!(filled("${X} ${PROP('Y')} ${"), "${X} ${PROP('Y')} ${");
        assert_eq!(fill("${LAST}", &facts, &[]), "--");
    }
}
