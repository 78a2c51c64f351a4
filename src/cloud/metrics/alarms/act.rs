//! What an alarm does when its state changes.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::super::Metrics;
use super::super::error::store_failed;
use super::super::statistic::Statistic;
use super::history::HistoryItem;
use super::model::{Alarm, Missing};
use super::put::stamp;
use crate::core::{ACCOUNT_ID, REGION};

/// The region's name in notifications.
const REGION_NAME: &str = "US East (N. Virginia)";

/// What an alarm tells of a change of its state.
#[derive(Debug, Clone)]
pub struct Notification {
    /// ARN of the action: an SNS topic, a function.
    pub action: String,
    /// Subject of a message.
    pub subject: String,
    /// The message to a topic, as JSON.
    pub message: String,
    /// The event of a function, as JSON.
    pub event: Value,
    /// The alarm.
    pub alarm_arn: String,
}

/// Executes actions: services that come after this one in their order.
pub trait AlarmActions: Send + Sync {
    /// Executes one action, or says why it could not be.
    fn execute(&self, notification: Notification) -> BoxFuture<'_, Result<(), String>>;
}

impl Metrics {
    /// Lets alarms act through `actions` from now on. Only the first call counts.
    pub fn act_through(&self, actions: impl AlarmActions + 'static) {
        let _ = self.actions.set(Box::new(actions));
    }

    /// Executes the actions of an alarm's new state and notes what became of them.
    pub(super) async fn act(&self, before: &Alarm, after: &Alarm) {
        if !after.actions_enabled {
            return;
        }
        let mut items = Vec::new();
        for action in after.actions(after.state) {
            let result = match self.actions.get() {
                Some(actions) => actions.execute(notification(before, after, action)).await,
                None => Err("The local cloud does not have the service of this action.".to_owned()),
            };
            if let Err(error) = &result {
                tracing::warn!(alarm = after.name, action, error, "an action was not executed");
            }
            items.push(HistoryItem::acted(after, action, &result, self.core.now_millis()));
        }
        if items.is_empty() {
            return;
        }
        let noted =
            self.with_db(move |db| db.add_history(&items).map_err(|e| store_failed(&e))).await;
        if let Err(error) = noted {
            tracing::error!(%error, "the actions of an alarm could not be noted");
        }
    }
}

fn notification(before: &Alarm, after: &Alarm, action: &str) -> Notification {
    Notification {
        action: action.to_owned(),
        subject: format!("{}: \"{}\" in {REGION_NAME}", after.state.name(), after.name),
        message: message(before, after).to_string(),
        event: event(before, after),
        alarm_arn: after.arn.clone(),
    }
}

/// The message to a topic, as recorded from the service.
fn message(before: &Alarm, after: &Alarm) -> Value {
    let dimensions: Vec<Value> = after
        .dimensions
        .iter()
        .map(|(name, value)| json!({ "value": value, "name": name }))
        .collect();
    let mut trigger = json!({
        "MetricName": after.metric_name,
        "Namespace": after.namespace,
        "Unit": after.unit,
        "Dimensions": dimensions,
        "Period": after.period,
        "EvaluationPeriods": after.evaluation_periods,
        "ComparisonOperator": after.comparison.name(),
        "Threshold": after.threshold,
        "TreatMissingData": after.missing.map_or("", Missing::name),
        "EvaluateLowSampleCountPercentile": after.low_samples.as_deref().unwrap_or(""),
    });
    let statistic = match Statistic::plain(&after.stat) {
        Some(Statistic::SampleCount) => Some("SAMPLE_COUNT".to_owned()),
        Some(_) => Some(after.stat.to_uppercase()),
        None => None,
    };
    if let Some(statistic) = statistic {
        trigger["StatisticType"] = "Statistic".into();
        trigger["Statistic"] = statistic.into();
    } else {
        trigger["StatisticType"] = "ExtendedStatistic".into();
        trigger["ExtendedStatistic"] = after.stat.as_str().into();
    }
    if let Some(needed) = after.datapoints_to_alarm {
        trigger["DatapointsToAlarm"] = needed.into();
    }
    json!({
        "AlarmName": after.name,
        "AlarmDescription": after.description,
        "AWSAccountId": ACCOUNT_ID,
        "AlarmConfigurationUpdatedTimestamp": stamp(after.configured_ms),
        "NewStateValue": after.state.name(),
        "NewStateReason": after.reason,
        "StateChangeTime": stamp(after.transitioned_ms),
        "Region": REGION_NAME,
        "AlarmArn": after.arn,
        "OldStateValue": before.state.name(),
        "OKActions": after.ok_actions,
        "AlarmActions": after.alarm_actions,
        "InsufficientDataActions": after.insufficient_data_actions,
        "Trigger": trigger,
    })
}

/// The event of a function, as recorded from the service.
fn event(before: &Alarm, after: &Alarm) -> Value {
    let state = |alarm: &Alarm| {
        let mut state = json!({
            "value": alarm.state.name(),
            "reason": alarm.reason,
            "timestamp": stamp(alarm.updated_ms),
        });
        if let Some(data) = &alarm.reason_data {
            state["reasonData"] = data.as_str().into();
        }
        state
    };
    let dimensions: serde_json::Map<String, Value> = after
        .dimensions
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    json!({
        "source": "aws.cloudwatch",
        "alarmArn": after.arn,
        "accountId": ACCOUNT_ID,
        "time": stamp(after.transitioned_ms),
        "region": REGION,
        "alarmData": {
            "alarmName": after.name,
            "state": state(after),
            "previousState": state(before),
            "configuration": {
                "description": after.description,
                "metrics": [{
                    "id": uuid::Uuid::new_v4().to_string(),
                    "metricStat": {
                        "metric": {
                            "namespace": after.namespace,
                            "name": after.metric_name,
                            "dimensions": dimensions,
                        },
                        "period": after.period,
                        "stat": after.stat,
                    },
                    "returnData": true,
                }],
            },
        },
    })
}
