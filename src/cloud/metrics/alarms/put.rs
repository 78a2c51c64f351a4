//! `PutMetricAlarm`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::Metrics;
use super::super::error::{invalid_combination, invalid_value, missing, store_failed, validation};
use super::super::input::{Flag, Int, Num};
use super::super::model::{Dimension, dimensions, metric_name, namespace, unit_parameter};
use super::super::statistic::{PLAIN, Statistic};
use super::super::wire::Out;
use super::history::HistoryItem;
use super::input::{arn, constraint, length, one_of, required};
use super::model::{Alarm, Comparison, Missing, State};
use super::tags::{Tag, checked};
use super::{MOST_ALARMS, reason};
use crate::error::AwsError;

/// Actions of one state.
const MOST_ACTIONS: usize = 5;
/// Seconds that the periods of an evaluation may span: a day, and a week with periods of an hour
/// and longer.
const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct PutMetricAlarm {
    alarm_name: Option<String>,
    alarm_description: Option<String>,
    actions_enabled: Option<Flag>,
    #[serde(rename = "OKActions")]
    ok_actions: Option<Vec<String>>,
    alarm_actions: Option<Vec<String>>,
    insufficient_data_actions: Option<Vec<String>>,
    metric_name: Option<String>,
    namespace: Option<String>,
    statistic: Option<String>,
    extended_statistic: Option<String>,
    dimensions: Option<Vec<Dimension>>,
    period: Option<Int>,
    unit: Option<String>,
    evaluation_periods: Option<Int>,
    datapoints_to_alarm: Option<Int>,
    threshold: Option<Num>,
    comparison_operator: Option<String>,
    treat_missing_data: Option<String>,
    evaluate_low_sample_count_percentile: Option<String>,
    metrics: Option<Vec<Value>>,
    threshold_metric_id: Option<String>,
    evaluation_criteria: Option<Value>,
    tags: Option<Vec<Tag>>,
}

impl PutMetricAlarm {
    /// The name, for the question whether the caller may.
    pub(in super::super) fn arn(&self) -> String {
        arn(self.alarm_name.as_deref().unwrap_or(""))
    }

    fn alarm(self, now: i64) -> Result<Alarm, AwsError> {
        let name = required(self.alarm_name, "alarmName")?;
        length(&name, "alarmName", 1, 255)?;
        let description = self.alarm_description;
        length(description.as_deref().unwrap_or(""), "alarmDescription", 0, 1024)?;
        let operator = required(self.comparison_operator, "comparisonOperator")?;
        if operator.contains("Upper") || operator.contains("Lower") {
            return Err(absent("with a comparison to an anomaly detection band"));
        }
        let comparison =
            one_of(&operator, "comparisonOperator", &Comparison::ALL, Comparison::name)?;
        let Int(evaluation_periods) = required(self.evaluation_periods, "evaluationPeriods")?;
        if evaluation_periods < 1 {
            let rule = "Member must have value greater than or equal to 1";
            return Err(constraint(&evaluation_periods.to_string(), "evaluationPeriods", rule));
        }
        if self.metrics.is_some_and(|metrics| !metrics.is_empty()) {
            return Err(absent("with Metrics (metric math)"));
        }
        if self.threshold_metric_id.is_some() {
            return Err(absent("with ThresholdMetricId (anomaly detection)"));
        }
        if self.evaluation_criteria.is_some() {
            return Err(absent("with EvaluationCriteria"));
        }
        let namespace = namespace(self.namespace.as_deref())?.to_owned();
        let metric_name = metric_name(self.metric_name.as_deref(), "MetricName")?.to_owned();
        let dimensions = dimensions(self.dimensions, "Dimensions")?;
        let stat = statistic(self.statistic, self.extended_statistic)?;
        let Int(period) = self.period.ok_or_else(|| missing("Period"))?;
        check_period(period, evaluation_periods)?;
        let Num(threshold) = self.threshold.ok_or_else(|| missing("Threshold"))?;
        if !threshold.is_finite() {
            return Err(invalid_value(format!(
                "The value {threshold} for parameter Threshold is invalid."
            )));
        }
        let unit = match self.unit {
            Some(unit) => Some(unit_parameter(&unit, "Unit")?.to_owned()),
            None => None,
        };
        let datapoints_to_alarm = self.datapoints_to_alarm.map(|Int(count)| count);
        if datapoints_to_alarm.is_some_and(|count| count < 1) {
            let rule = "Member must have value greater than or equal to 1";
            return Err(constraint("0", "datapointsToAlarm", rule));
        }
        if datapoints_to_alarm.is_some_and(|count| count > evaluation_periods) {
            return Err(validation(
                "The parameter DatapointsToAlarm must be less than or equal to EvaluationPeriods.",
            ));
        }
        let treated = match self.treat_missing_data {
            Some(text) => Some(one_of(&text, "treatMissingData", &Missing::ALL, Missing::name)?),
            None => None,
        };
        let low_samples = self.evaluate_low_sample_count_percentile;
        if let Some(text) = &low_samples {
            let known = ["evaluate", "ignore"];
            one_of(text, "evaluateLowSampleCountPercentile", &known, |name| name)?;
        }
        Ok(Alarm {
            arn: arn(&name),
            name,
            description,
            actions_enabled: self.actions_enabled.is_none_or(|Flag(on)| on),
            ok_actions: actions(self.ok_actions, "OKActions")?,
            alarm_actions: actions(self.alarm_actions, "AlarmActions")?,
            insufficient_data_actions: actions(
                self.insufficient_data_actions,
                "InsufficientDataActions",
            )?,
            namespace,
            metric_name,
            dimensions,
            stat,
            period,
            unit,
            evaluation_periods,
            datapoints_to_alarm,
            threshold,
            comparison,
            missing: treated,
            low_samples,
            tags: checked(self.tags.unwrap_or_default(), BTreeMap::new())?,
            configured_ms: now,
            state: State::InsufficientData,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: None,
            updated_ms: now,
            transitioned_ms: now,
        })
    }
}

impl Metrics {
    pub(in super::super) async fn put_metric_alarm(
        &self,
        request: PutMetricAlarm,
    ) -> Result<Out, AwsError> {
        let now = self.core.now_millis();
        let mut alarm = request.alarm(now)?;
        self.with_db(move |db| {
            let known = db.alarms().get(&alarm.name);
            if known.is_none() && db.alarms().len() >= MOST_ALARMS {
                return Err(AwsError::new(
                    400,
                    "LimitExceeded",
                    format!("The maximum limit of {MOST_ALARMS} alarms would be exceeded."),
                ));
            }
            let item = HistoryItem::configured(&alarm, known.is_none(), now);
            if let Some(known) = known {
                // A change leaves the state as it is, and the tags, which have operations of
                // their own.
                alarm.tags.clone_from(&known.tags);
                alarm.state = known.state;
                alarm.reason.clone_from(&known.reason);
                alarm.reason_data.clone_from(&known.reason_data);
                alarm.updated_ms = known.updated_ms;
                alarm.transitioned_ms = known.transitioned_ms;
            }
            db.put_alarm(alarm, &[item]).map_err(|e| store_failed(&e))
        })
        .await?;
        self.wake.scheduled();
        Ok(Out::Map(Vec::new()))
    }
}

fn absent(what: &str) -> AwsError {
    AwsError::not_implemented("CloudWatch", &format!("PutMetricAlarm {what}"))
}

fn statistic(plain: Option<String>, extended: Option<String>) -> Result<String, AwsError> {
    match (plain, extended) {
        (Some(_), Some(_)) => Err(invalid_combination(
            "The parameters Statistic and ExtendedStatistic are mutually exclusive and you have \
             specified both.",
        )),
        (Some(plain), None) => {
            let known = one_of(&plain, "statistic", &PLAIN, |name| name)?;
            Ok(known.to_owned())
        }
        (None, Some(extended)) => match Statistic::any(&extended)? {
            Some(Statistic::Percentile(_)) => Ok(extended),
            _ => Err(invalid_value(format!(
                "The value {extended} for parameter ExtendedStatistic is not supported."
            ))),
        },
        (None, None) => Err(AwsError::new(
            400,
            "MissingParameter",
            "At least one of the parameters Statistic, ExtendedStatistic or Metrics must be \
             specified.",
        )),
    }
}

fn check_period(period: i64, evaluation_periods: i64) -> Result<(), AwsError> {
    if !matches!(period, 10 | 20 | 30) && (period < 60 || period % 60 != 0) {
        return Err(validation("Period must be 10, 20, 30 or a multiple of 60"));
    }
    let (longest, words) = if period < 3600 { (DAY, "a day") } else { (WEEK, "7 days") };
    if period.saturating_mul(evaluation_periods) > longest {
        return Err(invalid_combination(format!(
            "Metrics cannot be checked across more than {words} (EvaluationPeriods * Period must \
             be <= {longest})."
        )));
    }
    Ok(())
}

fn actions(sent: Option<Vec<String>>, parameter: &str) -> Result<Vec<String>, AwsError> {
    let sent = sent.unwrap_or_default();
    if sent.len() > MOST_ACTIONS {
        return Err(invalid_value(format!(
            "The collection {parameter} must not have a size greater than {MOST_ACTIONS}."
        )));
    }
    for action in &sent {
        let parts = action.splitn(6, ':').count();
        if !action.starts_with("arn:") || parts < 6 || action.len() > 1024 {
            return Err(validation(format!("Invalid arn syntax: {action}")));
        }
    }
    Ok(sent)
}

/// The time of a state in history and notifications.
pub(super) fn stamp(ms: i64) -> String {
    reason::long(ms)
}
