//! `GetMetricData`.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::Metrics;
use super::db::Db;
use super::error::{invalid_token, missing, store_failed, validation};
use super::input::{Flag, Int, Time};
use super::label::{self, Facts};
use super::model::{Dimension, MetricKey, dimensions, metric_name, namespace, unit_parameter};
use super::series::{self, Range};
use super::statistic::Statistic;
use super::wire::{self, Out};
use crate::core::ACCOUNT_ID;
use crate::error::AwsError;

/// Queries in one call.
const MOST_QUERIES: usize = 500;
/// Data points in one answer.
const MOST_POINTS: i64 = 100_800;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetMetricData {
    metric_data_queries: Option<Vec<MetricDataQuery>>,
    start_time: Option<Time>,
    end_time: Option<Time>,
    next_token: Option<String>,
    scan_by: Option<String>,
    max_datapoints: Option<Int>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDataQuery {
    id: Option<String>,
    metric_stat: Option<MetricStat>,
    expression: Option<String>,
    label: Option<String>,
    return_data: Option<Flag>,
    period: Option<Int>,
    account_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat {
    metric: Option<Metric>,
    period: Option<Int>,
    stat: Option<String>,
    unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
// The names are AWS's.
#[allow(clippy::struct_field_names)]
struct Metric {
    namespace: Option<String>,
    metric_name: Option<String>,
    dimensions: Option<Vec<Dimension>>,
}

/// A query that was checked.
struct Query {
    id: String,
    key: MetricKey,
    statistic: Statistic,
    stat: String,
    period: i64,
    unit: Option<&'static str>,
    label: Option<String>,
    returned: bool,
}

/// Statistics by the begin of their period, oldest first.
type Values = Vec<(i64, f64)>;

/// Where the next page begins: a query, and how many of its points were sent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Position {
    query: usize,
    point: usize,
}

struct Plan {
    queries: Vec<Query>,
    labels: Vec<String>,
    start: f64,
    end: i64,
    now: i64,
    ascending: bool,
    most: usize,
    from: Position,
    /// Of the request, so that a token fits no other one.
    fingerprint: u32,
}

impl Metrics {
    pub(super) async fn get_metric_data(&self, input: Value) -> Result<Out, AwsError> {
        let plan = plan(input, self.now())?;
        self.with_db(move |db| plan.answer(db)).await
    }
}

fn plan(input: Value, now: i64) -> Result<Plan, AwsError> {
    let fingerprint = fingerprint(&input);
    let request: GetMetricData = wire::parameters(input)?;
    let sent = request.metric_data_queries.unwrap_or_default();
    if sent.is_empty() {
        return Err(missing("MetricDataQueries"));
    }
    if sent.len() > MOST_QUERIES {
        return Err(validation(format!(
            "The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}."
        )));
    }
    let Time(start) = request.start_time.ok_or_else(|| missing("StartTime"))?;
    let Time(end) = request.end_time.ok_or_else(|| missing("EndTime"))?;
    if start >= end {
        return Err(validation("The parameter StartTime must be less than the parameter EndTime."));
    }
    let ascending = match request.scan_by.as_deref() {
        None | Some("TimestampDescending") => false,
        Some("TimestampAscending") => true,
        Some(other) => {
            return Err(validation(format!(
                "1 validation error detected: Value '{other}' at 'scanBy' failed to satisfy \
                 constraint: Member must satisfy enum value set: [TimestampDescending, \
                 TimestampAscending]"
            )));
        }
    };
    let most = request.max_datapoints.map_or(MOST_POINTS, |Int(most)| most);
    if !(1..=MOST_POINTS).contains(&most) {
        return Err(validation(format!(
            "The parameter MaxDatapoints must be between 1 and {MOST_POINTS}."
        )));
    }
    let mut ids = HashSet::new();
    let mut queries = Vec::with_capacity(sent.len());
    for (index, query) in sent.into_iter().enumerate() {
        let query = query.check(&format!("MetricDataQueries.member.{}", index + 1))?;
        if !ids.insert(query.id.clone()) {
            return Err(validation(
                "The values for parameter id in MetricDataQueries are not unique.",
            ));
        }
        queries.push(query);
    }
    if queries.iter().all(|query| !query.returned) {
        return Err(validation(
            "At least one of the parameters MetricDataQueries must return data.",
        ));
    }
    let from = match request.next_token {
        None => Position { query: 0, point: 0 },
        Some(token) => Position::read(&token, fingerprint).ok_or_else(invalid_token)?,
    };
    let labels = default_labels(&queries);
    let end = end.ceil() as i64;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Ok(Plan { queries, labels, start, end, now, ascending, most, from, fingerprint })
}

impl MetricDataQuery {
    fn check(self, at: &str) -> Result<Query, AwsError> {
        let id = self.id.ok_or_else(|| missing(&format!("{at}.Id")))?;
        let mut bytes = id.bytes();
        let is_id = id.len() <= 255
            && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_id {
            return Err(validation(format!(
                "The value {id} for parameter {at}.Id is not matching the expected pattern \
                 ^[a-z][a-zA-Z0-9_]*$."
            )));
        }
        let exclusive = |a: &str, b: &str| {
            validation(format!(
                "The parameters {at}.{a} and {at}.{b} are mutually exclusive and you have \
                 specified both."
            ))
        };
        let stat = match (self.expression, self.metric_stat) {
            (Some(_), Some(_)) => return Err(exclusive("Expression", "MetricStat")),
            (Some(_), None) => {
                return Err(AwsError::not_implemented(
                    "CloudWatch",
                    "GetMetricData with an Expression (metric math and Metrics Insights)",
                ));
            }
            (None, None) => {
                return Err(validation(
                    "Each MetricDataQuery must specify Expression or MetricStat.",
                ));
            }
            (None, Some(stat)) => stat,
        };
        if self.period.is_some() {
            return Err(exclusive("Period", "MetricStat"));
        }
        if self.account_id.is_some_and(|id| id != ACCOUNT_ID) {
            return Err(validation(format!(
                "The parameter {at}.AccountId names an account that is not linked to this one."
            )));
        }
        let at = format!("{at}.MetricStat");
        let metric = stat.metric.ok_or_else(|| missing(&format!("{at}.Metric")))?;
        let namespace = namespace(metric.namespace.as_deref())?.to_owned();
        let name = metric_name(metric.metric_name.as_deref(), &format!("{at}.Metric.MetricName"))?;
        let dimensions = dimensions(metric.dimensions, &format!("{at}.Metric.Dimensions"))?;
        let Int(period) = stat.period.ok_or_else(|| missing(&format!("{at}.Period")))?;
        if !series::is_period(period) {
            return Err(validation(format!(
                "The parameter {at}.Period must be a value in the set [1, 5, 10, 20, 30] or a \
                 multiple of 60."
            )));
        }
        let text = stat.stat.ok_or_else(|| missing(&format!("{at}.Stat")))?;
        let statistic = Statistic::any(&text)?.ok_or_else(|| {
            validation(format!("The value {text} for parameter {at}.Stat is not supported."))
        })?;
        let unit = match stat.unit {
            Some(unit) => Some(unit_parameter(&unit, &format!("{at}.Unit"))?),
            None => None,
        };
        Ok(Query {
            id,
            key: MetricKey::new(namespace, name, dimensions),
            statistic,
            stat: text,
            period,
            unit,
            label: self.label,
            returned: self.return_data.is_none_or(|Flag(returned)| returned),
        })
    }
}

impl Plan {
    fn answer(&self, db: &Db) -> Result<Out, AwsError> {
        let mut left = self.most;
        let mut results = Vec::new();
        let mut next = None;
        for (index, query) in self.queries.iter().enumerate().skip(self.from.query) {
            if !query.returned {
                continue;
            }
            if left == 0 {
                next = Some(Position { query: index, point: 0 });
                break;
            }
            let range = Range {
                start: series::round_start(self.start, query.period, self.now),
                end: self.end,
                period: query.period,
            };
            let (points, units) = query.points(db, &range)?;
            let facts = Facts {
                key: &query.key,
                stat: &query.stat,
                period: query.period,
                default: self.labels.get(index).map_or("", String::as_str),
            };
            let label = match &query.label {
                Some(label) => label::fill(label, &facts, &points),
                None => facts.default.to_owned(),
            };
            let skipped = if index == self.from.query { self.from.point } else { 0 };
            let total = points.len();
            let sent: Vec<(i64, f64)> = if self.ascending {
                points.into_iter().skip(skipped).take(left).collect()
            } else {
                points.into_iter().rev().skip(skipped).take(left).collect()
            };
            left -= sent.len();
            let done = skipped + sent.len();
            let complete = done >= total;
            results.push(result(query, label, &sent, complete, &units));
            if !complete {
                next = Some(Position { query: index, point: done });
                break;
            }
        }
        let mut members =
            vec![("MetricDataResults", Out::List(results)), ("Messages", Out::List(Vec::new()))];
        if let Some(next) = next {
            members.push(("NextToken", Out::text(next.token(self.fingerprint))));
        }
        Ok(Out::Map(members))
    }
}

impl Query {
    /// Its data points by time, and the units that the metric has: with several, the first of
    /// them by name is the one that counts.
    fn points(&self, db: &Db, range: &Range) -> Result<(Values, Vec<&'static str>), AwsError> {
        let sketches = self.statistic.needs_sketch();
        let units = series::points(db, &self.key, self.unit, range, sketches)
            .map_err(|e| store_failed(&e))?;
        let names = units.keys().copied().collect();
        let points = units.into_values().next().unwrap_or_default();
        let values = points
            .into_iter()
            .filter_map(|(time, values)| Some((time, self.statistic.of(&values)?)))
            .collect();
        Ok((values, names))
    }
}

fn result(
    query: &Query,
    label: String,
    points: &[(i64, f64)],
    complete: bool,
    units: &[&str],
) -> Out {
    let mut members = vec![
        ("Id", Out::text(&query.id)),
        ("Label", Out::Text(label)),
        ("Timestamps", points.iter().map(|(time, _)| Out::Time(*time as f64)).collect()),
        ("Values", points.iter().map(|(_, value)| Out::Number(*value)).collect()),
        ("StatusCode", Out::text(if complete { "Complete" } else { "PartialData" })),
    ];
    if units.len() > 1 {
        let text = format!("Multiple units returned: '[{}]'", units.join(", "));
        let message =
            Out::Map(vec![("Code", Out::text("MultipleUnits")), ("Value", Out::Text(text))]);
        members.push(("Messages", Out::List(vec![message])));
    }
    Out::Map(members)
}

/// The labels of queries without one: the metric's name, and where they differ the statistic and
/// the period, as recorded answers have it.
fn default_labels(queries: &[Query]) -> Vec<String> {
    let first = queries.first();
    let stats = queries.iter().any(|query| first.is_some_and(|first| first.stat != query.stat));
    let periods =
        queries.iter().any(|query| first.is_some_and(|first| first.period != query.period));
    queries
        .iter()
        .map(|query| {
            let mut label = query.key.name.clone();
            if stats {
                label = format!("{label} {}", query.stat);
            }
            if periods {
                label = format!("{label} {}", query.period);
            }
            label
        })
        .collect()
}

/// A checksum of what a token belongs to.
fn fingerprint(input: &Value) -> u32 {
    let asked = ["MetricDataQueries", "StartTime", "EndTime", "ScanBy"].map(|name| &input[name]);
    crc32fast::hash(serde_json::to_string(&asked).unwrap_or_default().as_bytes())
}

impl Position {
    fn token(self, fingerprint: u32) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}/{}/{fingerprint}", self.query, self.point))
    }

    fn read(token: &str, fingerprint: u32) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let mut parts = text.split('/');
        let query = parts.next()?.parse().ok()?;
        let point = parts.next()?.parse().ok()?;
        let same = parts.next()?.parse() == Ok(fingerprint);
        (same && parts.next().is_none()).then_some(Self { query, point })
    }
}
