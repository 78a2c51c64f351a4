//! Why an alarm has its state, in the words of the service.
//!
//! Wordings and the layout of the data are those of recorded answers: the short form where
//! `DatapointsToAlarm` was not given, the long one where it was.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::evaluate::Verdict;
use super::model::{Alarm, Missing, State};

/// A data point that was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// Begin of its period, in seconds since the epoch.
    pub time: i64,
    /// How many values it has, and its statistic; nothing where there is no data.
    pub data: Option<(f64, f64)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    version: &'static str,
    query_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    statistic: &'a str,
    period: i64,
    recent_datapoints: Vec<f64>,
    threshold: f64,
    evaluated_datapoints: Vec<Evaluated>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evaluated {
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_count: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
}

/// The reason for `state`. `range` is what was evaluated, oldest first.
pub(super) fn text(alarm: &Alarm, state: State, range: &[Point], verdict: &Verdict) -> String {
    let filled = verdict.filled;
    let plural =
        |count: usize| if count == 1 { ("datapoint", "was") } else { ("datapoints", "were") };
    if state == State::InsufficientData {
        let (word, was) = plural(filled);
        return format!("Insufficient Data: {filled} {word} {was} unknown.");
    }
    let breaches = |value: f64| alarm.comparison.breaches(value, alarm.threshold);
    let used: Vec<(i64, f64)> = verdict
        .used
        .iter()
        .filter_map(|place| range.get(*place))
        .filter_map(|point| Some((point.time, point.data?.1)))
        .collect();
    let telling: Vec<String> = used
        .iter()
        .filter(|(_, value)| breaches(*value) == (state == State::Alarm))
        .map(|(time, value)| format!("{value:?} ({})", short(*time)))
        .collect();
    let not = if state == State::Alarm { "" } else { "not " };
    let listed = telling.join(", ");
    let crossed = |(word, was): (&str, &str), count: &str| {
        format!(
            "Threshold Crossed: {count} {word} [{listed}] {was} {not}{} the threshold ({:?})",
            alarm.comparison.words(),
            alarm.threshold
        )
    };
    let treated = || {
        let (word, was) = plural(filled);
        let how = match alarm.missing.unwrap_or_default() {
            Missing::Breaching => "Breaching",
            Missing::NotBreaching => "NonBreaching",
            Missing::Ignore => "Ignored",
            Missing::Missing => "Missing",
        };
        format!("{filled} missing {word} {was} treated as [{how}].")
    };
    if used.is_empty() {
        let periods = if filled == 1 { "period" } else { "periods" };
        return format!(
            "Threshold Crossed: no datapoints were received for {filled} {periods} and {}",
            treated()
        );
    }
    if telling.is_empty() {
        // What was filled in decided alone.
        return format!("Threshold Crossed: {}", treated());
    }
    let count = telling.len();
    let (word, was) = plural(count);
    if filled > 0 {
        return format!("{} and {}", crossed((word, was), &count.to_string()), treated());
    }
    match alarm.datapoints_to_alarm {
        None => format!("{}.", crossed((word, was), &count.to_string())),
        Some(needed) => {
            let (least, change) = if state == State::Alarm {
                (needed, "OK -> ALARM")
            } else {
                (alarm.evaluation_periods - needed + 1, "ALARM -> OK")
            };
            let of = format!("{count} out of the last {}", alarm.evaluation_periods);
            let (least_word, _) = plural(usize::try_from(least).unwrap_or(0));
            format!(
                "{} (minimum {least} {least_word} for {change} transition).",
                crossed(("datapoints", was), &of)
            )
        }
    }
}

/// The data behind a reason, as JSON. `now` in ms since the epoch.
pub(super) fn data(alarm: &Alarm, range: &[Point], verdict: &Verdict, now: i64) -> String {
    let mut places = verdict.used.clone();
    // Beside the points with data the newest ones without, as many as were filled in.
    let empty = (0..range.len()).rev().filter(|place| range[*place].data.is_none());
    places.extend(empty.take(verdict.filled));
    places.sort_unstable_by(|a, b| b.cmp(a));
    let evaluated: Vec<Point> = places.iter().filter_map(|i| range.get(*i).copied()).collect();
    let mut recent: Vec<f64> =
        evaluated.iter().filter_map(|point| point.data).map(|(_, value)| value).collect();
    recent.reverse();
    let first = evaluated.iter().filter(|point| point.data.is_some()).map(|point| point.time).min();
    let data = Data {
        version: "1.0",
        query_date: long(now),
        start_date: first.map(|time| long(time * 1000)),
        unit: alarm.unit.as_deref(),
        statistic: &alarm.stat,
        period: alarm.period,
        recent_datapoints: recent,
        threshold: alarm.threshold,
        evaluated_datapoints: evaluated
            .iter()
            .map(|point| Evaluated {
                timestamp: long(point.time * 1000),
                sample_count: point.data.map(|(count, _)| count),
                value: point.data.map(|(_, value)| value),
            })
            .collect(),
    };
    serde_json::to_string(&data).unwrap_or_default()
}

/// `21/11/26 16:15:00`.
fn short(seconds: i64) -> String {
    let format = format_description!("[day]/[month]/[year repr:last_two] [hour]:[minute]:[second]");
    written(i128::from(seconds) * 1000, format)
}

/// `2026-11-21T16:15:00.000+0000`; from ms since the epoch.
pub(super) fn long(ms: i64) -> String {
    let format = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]+0000"
    );
    written(i128::from(ms), format)
}

fn written(ms: i128, format: &[BorrowedFormatItem<'_>]) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(ms * 1_000_000)
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::super::evaluate::evaluate;
    use super::super::model::Comparison;
    use super::*;

    fn alarm(periods: i64, needed: Option<i64>, missing: Missing) -> Alarm {
        Alarm {
            name: "a".to_owned(),
            arn: String::new(),
            description: None,
            actions_enabled: true,
            ok_actions: Vec::new(),
            alarm_actions: Vec::new(),
            insufficient_data_actions: Vec::new(),
            namespace: "N".to_owned(),
            metric_name: "M".to_owned(),
            dimensions: Vec::new(),
            stat: "Average".to_owned(),
            period: 60,
            unit: None,
            evaluation_periods: periods,
            datapoints_to_alarm: needed,
            threshold: 2.0,
            comparison: Comparison::Greater,
            missing: Some(missing),
            low_samples: None,
            tags: BTreeMap::new(),
            configured_ms: 0,
            state: State::InsufficientData,
            reason: String::new(),
            reason_data: None,
            updated_ms: 0,
            transitioned_ms: 0,
        }
    }

    fn told(alarm: &Alarm, values: &[Option<f64>]) -> (String, String) {
        let start = 1_698_338_520 - 60 * (values.len() as i64 - 1);
        let range: Vec<Point> = values
            .iter()
            .enumerate()
            .map(|(i, value)| Point {
                time: start + 60 * i as i64,
                data: value.map(|value| (2.0, value)),
            })
            .collect();
        let breaching: Vec<Option<bool>> = values
            .iter()
            .map(|value| value.map(|v| alarm.comparison.breaches(v, alarm.threshold)))
            .collect();
        let periods = usize::try_from(alarm.evaluation_periods).unwrap();
        let needed = usize::try_from(alarm.needed()).unwrap();
        let verdict = evaluate(&breaching, periods, needed, alarm.missing.unwrap());
        let state = verdict.state.unwrap();
        (text(alarm, state, &range, &verdict), data(alarm, &range, &verdict, 1_698_338_600_123))
    }

    #[test]
    fn reasons_are_worded_as_the_service_words_them() {
        let one = alarm(1, None, Missing::NotBreaching);
        let (text, data) = told(&one, &[None, None, Some(21.5)]);
        assert_eq!(
            text,
            "Threshold Crossed: 1 datapoint [21.5 (26/10/23 16:42:00)] was greater than the \
             threshold (2.0)."
        );
        assert_eq!(
            data,
            r#"{"version":"1.0","queryDate":"2023-10-26T16:43:20.123+0000","startDate":"2023-10-26T16:42:00.000+0000","statistic":"Average","period":60,"recentDatapoints":[21.5],"threshold":2.0,"evaluatedDatapoints":[{"timestamp":"2023-10-26T16:42:00.000+0000","sampleCount":2.0,"value":21.5}]}"#
        );
        assert_eq!(
            told(&one, &[None, None, None]).0,
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint \
             was treated as [NonBreaching]."
        );
        let two = alarm(2, None, Missing::Breaching);
        assert_eq!(
            told(&two, &[None; 4]).0,
            "Threshold Crossed: no datapoints were received for 2 periods and 2 missing \
             datapoints were treated as [Breaching]."
        );
        assert_eq!(
            told(&two, &[None, None, None, Some(1.0)]).0,
            "Threshold Crossed: 1 datapoint [1.0 (26/10/23 16:42:00)] was not greater than the \
             threshold (2.0) and 1 missing datapoint was treated as [Breaching]."
        );
        let unknown = alarm(2, None, Missing::Missing);
        assert_eq!(told(&unknown, &[None; 4]).0, "Insufficient Data: 2 datapoints were unknown.");
    }

    #[test]
    fn the_long_form_says_how_many_of_how_many() {
        let long = alarm(3, Some(2), Missing::Missing);
        assert_eq!(
            told(&long, &[Some(1.0), Some(5.0), Some(0.0), Some(9.0)]).0,
            "Threshold Crossed: 2 out of the last 3 datapoints [9.0 (26/10/23 16:42:00), 5.0 \
             (26/10/23 16:40:00)] were greater than the threshold (2.0) (minimum 2 datapoints for \
             OK -> ALARM transition)."
        );
        let one = alarm(1, Some(1), Missing::Missing);
        assert_eq!(
            told(&one, &[Some(1.0)]).0,
            "Threshold Crossed: 1 out of the last 1 datapoints [1.0 (26/10/23 16:42:00)] was not \
             greater than the threshold (2.0) (minimum 1 datapoint for ALARM -> OK transition)."
        );
    }
}
