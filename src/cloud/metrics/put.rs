//! `PutMetricData`: its rules, and the write.
//!
//! Rules are those of the API reference; messages were seen in recorded answers of the service
//! where they are public.

use serde::Deserialize;
use serde_json::Value;

use super::Metrics;
use super::distribution::{Distribution, LARGEST};
use super::error::{invalid_combination, invalid_value, missing};
use super::input::{Int, Num, Time};
use super::model::{
    Dimension, MetricKey, Slot, dimensions, metric_name, namespace, unit_parameter,
};
use super::own::Batch;
use super::wire::Out;
use crate::error::AwsError;

/// Metrics in one call.
const MOST_DATA: usize = 1000;
/// Values in one metric.
const MOST_VALUES: usize = 150;
/// How old a data point may be, in seconds.
const TOO_OLD: i64 = 14 * 86_400;
/// How far ahead it may be, in seconds.
const TOO_NEW: i64 = 2 * 3600;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutMetricData {
    namespace: Option<String>,
    metric_data: Option<Vec<Datum>>,
    entity_metric_data: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Datum {
    metric_name: Option<String>,
    dimensions: Option<Vec<Dimension>>,
    timestamp: Option<Time>,
    value: Option<Num>,
    statistic_values: Option<StatisticSet>,
    values: Option<Vec<Num>>,
    counts: Option<Vec<Num>>,
    unit: Option<String>,
    storage_resolution: Option<Int>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatisticSet {
    sample_count: Option<Num>,
    sum: Option<Num>,
    minimum: Option<Num>,
    maximum: Option<Num>,
}

impl Metrics {
    pub(super) async fn put_metric_data(&self, request: PutMetricData) -> Result<Out, AwsError> {
        let batch = batch(request, self.now())?;
        self.write(batch).await?;
        Ok(Out::Map(Vec::new()))
    }
}

/// Checks a request and adds its values up by bucket; `now` in seconds since the epoch.
fn batch(request: PutMetricData, now: i64) -> Result<Batch, AwsError> {
    let namespace = namespace(request.namespace.as_deref())?;
    if namespace.starts_with("AWS/") {
        return Err(invalid_value("The value AWS/ for parameter Namespace is invalid."));
    }
    if request.entity_metric_data.is_some_and(|data| !data.is_empty()) {
        return Err(AwsError::not_implemented("CloudWatch", "PutMetricData with EntityMetricData"));
    }
    let data = request.metric_data.unwrap_or_default();
    if data.is_empty() {
        return Err(missing("MetricData"));
    }
    if data.len() > MOST_DATA {
        return Err(invalid_value(format!(
            "The collection MetricData must not have a size greater than {MOST_DATA}."
        )));
    }
    let mut batch = Batch::new();
    for (index, datum) in data.into_iter().enumerate() {
        let at = format!("MetricData.member.{}", index + 1);
        let (slot, values) = datum.check(namespace, &at, now)?;
        batch.entry(slot).or_default().merge(&values);
    }
    Ok(batch)
}

impl Datum {
    fn check(self, namespace: &str, at: &str, now: i64) -> Result<(Slot, Distribution), AwsError> {
        let name =
            metric_name(self.metric_name.as_deref(), &format!("{at}.MetricName"))?.to_owned();
        let values = self.values(at)?;
        let dimensions = dimensions(self.dimensions, &format!("{at}.Dimensions"))?;
        let unit = match &self.unit {
            Some(unit) => unit_parameter(unit, &format!("{at}.Unit"))?,
            None => "None",
        };
        let resolution = match self.storage_resolution {
            None | Some(Int(60)) => 60,
            Some(Int(1)) => 1,
            Some(_) => {
                return Err(invalid_value(format!(
                    "The parameter {at}.StorageResolution must be a value in the set [1, 60]."
                )));
            }
        };
        let seconds = self.timestamp.map_or(now, |Time(seconds)| seconds.floor() as i64);
        if seconds < now - TOO_OLD {
            return Err(invalid_value(format!(
                "The parameter {at}.Timestamp must specify a time within the past two weeks."
            )));
        }
        if seconds > now + TOO_NEW {
            return Err(invalid_value(format!(
                "The parameter {at}.Timestamp must specify a time no more than two hours in the \
                 future."
            )));
        }
        let time = seconds.div_euclid(resolution) * resolution;
        let key = MetricKey::new(namespace, name, dimensions);
        Ok((Slot { key, time, resolution, unit }, values))
    }

    fn values(&self, at: &str) -> Result<Distribution, AwsError> {
        let both = |a: &str, b: &str| {
            invalid_combination(format!(
                "The parameters {at}.{a} and {at}.{b} are mutually exclusive and you have \
                 specified both."
            ))
        };
        let mut distribution = Distribution::default();
        let listed = self.values.as_deref().filter(|values| !values.is_empty());
        match (self.value, listed, &self.statistic_values) {
            (Some(_), Some(_), _) => return Err(both("Value", "Values")),
            (Some(_), None, Some(_)) => return Err(both("Value", "StatisticValues")),
            (Some(value), None, None) => {
                distribution.add(number(value, &format!("{at}.Value"))?, 1.0);
            }
            // The service takes a statistic set beside a list, of which it counts the list.
            (None, Some(values), _) => {
                add_list(&mut distribution, values, self.counts.as_deref(), at)?;
            }
            (None, None, Some(set)) => set.add_to(&mut distribution, at)?,
            (None, None, None) => {
                return Err(AwsError::new(
                    400,
                    "MissingParameter",
                    format!(
                        "At least one of the parameters {at}.Value, {at}.Values or \
                         {at}.StatisticValues must be specified."
                    ),
                ));
            }
        }
        Ok(distribution)
    }
}

fn add_list(
    distribution: &mut Distribution,
    values: &[Num],
    counts: Option<&[Num]>,
    at: &str,
) -> Result<(), AwsError> {
    if values.len() > MOST_VALUES {
        return Err(invalid_value(format!(
            "The collection {at}.Values must not have a size greater than {MOST_VALUES}."
        )));
    }
    let counts = counts.filter(|counts| !counts.is_empty());
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        return Err(invalid_value(format!(
            "The parameters {at}.Values and {at}.Counts must be of the same size."
        )));
    }
    for (index, value) in values.iter().enumerate() {
        let value = number(*value, &format!("{at}.Values.member.{}", index + 1))?;
        let count = match counts.and_then(|counts| counts.get(index)) {
            None => 1.0,
            Some(count) => {
                let parameter = format!("{at}.Counts.member.{}", index + 1);
                let count = number(*count, &parameter)?;
                if count <= 0.0 {
                    return Err(invalid_value(format!(
                        "The parameter {parameter} must be greater than 0."
                    )));
                }
                count
            }
        };
        distribution.add(value, count);
    }
    Ok(())
}

impl StatisticSet {
    fn add_to(&self, distribution: &mut Distribution, at: &str) -> Result<(), AwsError> {
        let at = format!("{at}.StatisticValues");
        let absent: Vec<String> = [
            ("Maximum", self.maximum),
            ("Minimum", self.minimum),
            ("SampleCount", self.sample_count),
            ("Sum", self.sum),
        ]
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| format!("The parameter {at}.{name} is required."))
        .collect();
        let (Some(count), Some(sum), Some(min), Some(max)) =
            (self.sample_count, self.sum, self.minimum, self.maximum)
        else {
            return Err(AwsError::new(400, "MissingParameter", absent.join("\n")));
        };
        let count = number(count, &format!("{at}.SampleCount"))?;
        let sum = number(sum, &format!("{at}.Sum"))?;
        let min = number(min, &format!("{at}.Minimum"))?;
        let max = number(max, &format!("{at}.Maximum"))?;
        if max < min {
            return Err(invalid_value(format!(
                "The parameter {at}.Maximum must be greater than {at}.Minimum."
            )));
        }
        if count == 0.0 {
            return Err(invalid_value(format!("The parameter {at}.SampleCount must not equal 0.")));
        }
        if count < 0.0 {
            return Err(invalid_value(format!(
                "The parameter {at}.SampleCount must be greater than 0."
            )));
        }
        distribution.add_set(count, sum, min, max);
        Ok(())
    }
}

/// A number within what the service stores: no NaN, no infinity, at most 2^360 either way.
fn number(number: Num, parameter: &str) -> Result<f64, AwsError> {
    let Num(number) = number;
    if number.is_finite() && number.abs() <= LARGEST {
        Ok(number)
    } else {
        Err(invalid_value(format!("The value {number} for parameter {parameter} is invalid.")))
    }
}
