//! `GetMetricStatistics`.

use serde::Deserialize;

use super::Metrics;
use super::error::{invalid_combination, invalid_value, missing, store_failed};
use super::input::{Int, Time};
use super::model::{Dimension, MetricKey, dimensions, metric_name, namespace, unit_parameter};
use super::series::{self, Range};
use super::statistic::{PLAIN, Statistic};
use super::wire::Out;
use crate::error::AwsError;

/// Data points of one answer.
const MOST_POINTS: i64 = 1440;
/// Percentiles of one call.
const MOST_EXTENDED: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetMetricStatistics {
    namespace: Option<String>,
    metric_name: Option<String>,
    dimensions: Option<Vec<Dimension>>,
    start_time: Option<Time>,
    end_time: Option<Time>,
    period: Option<Int>,
    statistics: Option<Vec<String>>,
    extended_statistics: Option<Vec<String>>,
    unit: Option<String>,
}

impl Metrics {
    pub(super) async fn get_metric_statistics(
        &self,
        request: GetMetricStatistics,
    ) -> Result<Out, AwsError> {
        let namespace = namespace(request.namespace.as_deref())?.to_owned();
        let name = metric_name(request.metric_name.as_deref(), "MetricName")?.to_owned();
        let dimensions = dimensions(request.dimensions, "Dimensions")?;
        let Time(start) = request.start_time.ok_or_else(|| missing("StartTime"))?;
        let Time(end) = request.end_time.ok_or_else(|| missing("EndTime"))?;
        let Int(period) = request.period.ok_or_else(|| missing("Period"))?;
        if !series::is_period(period) {
            return Err(invalid_value(
                "The parameter Period must be a value in the set [1, 5, 10, 20, 30] or a multiple \
                 of 60.",
            ));
        }
        if start.floor() >= end.floor() {
            return Err(invalid_value(
                "The parameter StartTime must be less than the parameter EndTime.",
            ));
        }
        let range = Range {
            start: series::round_start(start, period, self.now()),
            end: end.ceil() as i64,
            period,
        };
        let asked = (range.end - range.start) / period;
        if asked > MOST_POINTS {
            return Err(invalid_combination(format!(
                "You have requested up to {} datapoints, which exceeds the limit of {}. You may \
                 reduce the datapoints requested by increasing Period, or decreasing the time \
                 range.",
                grouped(asked),
                grouped(MOST_POINTS)
            )));
        }
        let (plain, extended) = statistics(
            &request.statistics.unwrap_or_default(),
            request.extended_statistics.unwrap_or_default(),
        )?;
        let unit = match &request.unit {
            Some(unit) => Some(unit_parameter(unit, "Unit")?),
            None => None,
        };
        let label = name.clone();
        let key = MetricKey::new(namespace, name, dimensions);
        let sketches = !extended.is_empty();
        let units = self
            .with_db(move |db| {
                series::points(db, &key, unit, &range, sketches).map_err(|e| store_failed(&e))
            })
            .await?;
        let mut datapoints = Vec::new();
        for (unit, points) in &units {
            for (time, values) in points {
                let mut members =
                    vec![("Timestamp", Out::Time(*time as f64)), ("Unit", Out::text(*unit))];
                for (name, statistic) in &plain {
                    members.extend(statistic.of(values).map(|value| (*name, Out::Number(value))));
                }
                let extended: Vec<(String, Out)> = extended
                    .iter()
                    .filter_map(|(name, statistic)| {
                        Some((name.clone(), Out::Number(statistic.of(values)?)))
                    })
                    .collect();
                if !extended.is_empty() {
                    members.push(("ExtendedStatistics", Out::Names(extended)));
                }
                // Where no statistic could be told there is no data point.
                if members.len() > 2 {
                    datapoints.push(Out::Map(members));
                }
            }
        }
        Ok(Out::Map(vec![("Label", Out::Text(label)), ("Datapoints", Out::List(datapoints))]))
    }
}

type Plain = Vec<(&'static str, Statistic)>;
type Extended = Vec<(String, Statistic)>;

fn statistics(plain: &[String], extended: Vec<String>) -> Result<(Plain, Extended), AwsError> {
    if plain.is_empty() && extended.is_empty() {
        return Err(AwsError::new(
            400,
            "InvalidParameterCombination",
            "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
        ));
    }
    if !plain.is_empty() && !extended.is_empty() {
        return Err(invalid_combination(
            "The parameters Statistics and ExtendedStatistics are mutually exclusive and you have \
             specified both.",
        ));
    }
    if plain.len() > PLAIN.len() || extended.len() > MOST_EXTENDED {
        return Err(invalid_value(format!(
            "The collection Statistics must not have a size greater than {}, ExtendedStatistics \
             than {MOST_EXTENDED}.",
            PLAIN.len()
        )));
    }
    let mut found = Plain::new();
    for (index, name) in plain.iter().enumerate() {
        let known = PLAIN.iter().find(|known| *known == name);
        match known.and_then(|known| Some((*known, Statistic::plain(known)?))) {
            Some(statistic) if !found.contains(&statistic) => found.push(statistic),
            Some(_) => {}
            None => {
                return Err(invalid_value(format!(
                    "The parameter Statistics.member.{} must be a value in the set [Average, Sum, \
                     SampleCount, Maximum, Minimum].",
                    index + 1
                )));
            }
        }
    }
    let mut others = Extended::new();
    for name in extended {
        let statistic = Statistic::any(&name)?.filter(|found| found.needs_sketch());
        let statistic = statistic.ok_or_else(|| {
            invalid_value(format!(
                "The value {name} for parameter ExtendedStatistics is not supported."
            ))
        })?;
        if !others.iter().any(|(known, _)| *known == name) {
            others.push((name, statistic));
        }
    }
    Ok((found, others))
}

/// A number with commas between its thousands.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
