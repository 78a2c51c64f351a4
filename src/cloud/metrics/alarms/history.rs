//! What happened to alarms: changes of their configuration and state, and their actions.

use serde::Deserialize;
use serde_json::json;

use super::super::Metrics;
use super::super::error::{invalid_token, store_failed, validation};
use super::super::input::{Int, Time};
use super::super::wire::Out;
use super::input::{length, one_of, page, token};
use super::model::{Alarm, State};
use super::put::stamp;
use crate::error::AwsError;

const KINDS: [&str; 3] = ["ConfigurationUpdate", "StateUpdate", "Action"];

/// Something that happened to an alarm.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct HistoryItem {
    /// Its order; 0 before it is stored.
    pub seq: i64,
    pub alarm: String,
    /// ms since the epoch.
    pub time: i64,
    /// One of the three kinds.
    pub kind: String,
    pub summary: String,
    /// JSON.
    pub data: String,
}

/// Which items are asked for.
#[derive(Debug, Default)]
pub(in super::super) struct HistoryQuery {
    pub alarm: Option<String>,
    pub kind: Option<String>,
    /// ms since the epoch.
    pub from: i64,
    pub to: i64,
    pub ascending: bool,
    /// Behind this item, in the order asked for.
    pub after: Option<i64>,
    pub most: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct DescribeAlarmHistory {
    alarm_name: Option<String>,
    alarm_types: Option<Vec<String>>,
    history_item_type: Option<String>,
    start_date: Option<Time>,
    end_date: Option<Time>,
    max_records: Option<Int>,
    next_token: Option<String>,
    scan_by: Option<String>,
}

impl HistoryItem {
    fn new(alarm: &Alarm, time: i64, kind: usize, summary: String, data: String) -> Self {
        let kind = KINDS.get(kind).copied().unwrap_or_default().to_owned();
        Self { seq: 0, alarm: alarm.name.clone(), time, kind, summary, data }
    }

    /// An alarm was made or changed.
    pub(super) fn configured(alarm: &Alarm, is_new: bool, now: i64) -> Self {
        let (kind, word, member) = if is_new {
            ("Create", "created", "createdAlarm")
        } else {
            ("Update", "updated", "updatedAlarm")
        };
        let data = json!({ "version": "1.0", "type": kind, member: configuration(alarm) });
        Self::new(alarm, now, 0, format!("Alarm \"{}\" {word}", alarm.name), data.to_string())
    }

    /// An alarm was deleted.
    pub(super) fn deleted(alarm: &Alarm, now: i64) -> Self {
        let data =
            json!({ "version": "1.0", "type": "Delete", "deletedAlarm": configuration(alarm) });
        Self::new(alarm, now, 0, format!("Alarm \"{}\" deleted", alarm.name), data.to_string())
    }

    /// An alarm has another state than `before`.
    pub(super) fn changed(before: &Alarm, after: &Alarm, now: i64) -> Self {
        let summary =
            format!("Alarm updated from {} to {}", before.state.name(), after.state.name());
        let data = json!({
            "version": "1.0", "oldState": state(before), "newState": state(after),
        });
        Self::new(after, now, 1, summary, data.to_string())
    }

    /// An action was executed, or could not be.
    pub(super) fn acted(
        alarm: &Alarm,
        action: &str,
        result: &Result<(), String>,
        now: i64,
    ) -> Self {
        let (summary, outcome) = match result {
            Ok(()) => (format!("Successfully executed action {action}"), "Succeeded"),
            Err(error) => (
                format!("Failed to execute action {action}. Received error: \"{error}\""),
                "Failed",
            ),
        };
        let mut data = json!({
            "actionState": outcome,
            "notificationResource": action,
            "stateUpdateTimestamp": alarm.updated_ms,
        });
        if let Err(error) = result {
            data["error"] = error.as_str().into();
        }
        Self::new(alarm, now, 2, summary, data.to_string())
    }

    fn out(&self) -> Out {
        Out::Map(vec![
            ("AlarmName", Out::text(&self.alarm)),
            ("AlarmType", Out::text("MetricAlarm")),
            ("Timestamp", Out::Time(self.time as f64 / 1000.0)),
            ("HistoryItemType", Out::text(&self.kind)),
            ("HistorySummary", Out::text(&self.summary)),
            ("HistoryData", Out::text(&self.data)),
        ])
    }
}

fn state(alarm: &Alarm) -> serde_json::Value {
    let mut state = json!({
        "stateValue": alarm.state.name(),
        "stateReason": alarm.reason,
    });
    let data = alarm.reason_data.as_deref().and_then(|data| serde_json::from_str(data).ok());
    if let Some(data) = data {
        state["stateReasonData"] = data;
    }
    state
}

fn configuration(alarm: &Alarm) -> serde_json::Value {
    let dimensions: Vec<_> = alarm
        .dimensions
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({
        "alarmName": alarm.name,
        "alarmArn": alarm.arn,
        "alarmDescription": alarm.description,
        "actionsEnabled": alarm.actions_enabled,
        "okActions": alarm.actions(State::Ok),
        "alarmActions": alarm.actions(State::Alarm),
        "insufficientDataActions": alarm.actions(State::InsufficientData),
        "namespace": alarm.namespace,
        "metricName": alarm.metric_name,
        "dimensions": dimensions,
        "statistic": alarm.stat,
        "period": alarm.period,
        "evaluationPeriods": alarm.evaluation_periods,
        "datapointsToAlarm": alarm.datapoints_to_alarm,
        "threshold": alarm.threshold,
        "comparisonOperator": alarm.comparison.name(),
        "alarmConfigurationUpdatedTimestamp": stamp(alarm.configured_ms),
    })
}

impl Metrics {
    pub(in super::super) async fn describe_alarm_history(
        &self,
        request: DescribeAlarmHistory,
    ) -> Result<Out, AwsError> {
        if let Some(name) = &request.alarm_name {
            length(name, "alarmName", 1, 255)?;
        }
        if let Some(kind) = &request.history_item_type {
            one_of(kind, "historyItemType", &KINDS, |kind| kind)?;
        }
        let ascending = match request.scan_by {
            None => false,
            Some(scan) => {
                let known = ["TimestampDescending", "TimestampAscending"];
                one_of(&scan, "scanBy", &known, |scan| scan)? == "TimestampAscending"
            }
        };
        let ms = |Time(seconds): Time| (seconds * 1000.0) as i64;
        let from = request.start_date.map_or(i64::MIN, ms);
        let to = request.end_date.map_or(i64::MAX, ms);
        if from > to {
            return Err(validation(
                "The parameter StartDate must be less than or equal to the parameter EndDate.",
            ));
        }
        let after = match request.next_token {
            None => None,
            Some(sent) => Some(
                token::read(&sent).and_then(|text| text.parse().ok()).ok_or_else(invalid_token)?,
            ),
        };
        let most = page(request.max_records.map(|Int(most)| most))?;
        let types = request.alarm_types.unwrap_or_default();
        if !types.is_empty() && !types.iter().any(|kind| kind == "MetricAlarm") {
            return Ok(Out::Map(vec![("AlarmHistoryItems", Out::List(Vec::new()))]));
        }
        let query = HistoryQuery {
            alarm: request.alarm_name,
            kind: request.history_item_type,
            from,
            to,
            ascending,
            after,
            most: most + 1,
        };
        let mut items =
            self.with_db(move |db| db.history(&query).map_err(|e| store_failed(&e))).await?;
        let more = items.len() > most;
        items.truncate(most);
        let out = items.iter().map(HistoryItem::out).collect();
        let mut members = vec![("AlarmHistoryItems", out)];
        if more && let Some(last) = items.last() {
            members.push(("NextToken", Out::Text(token::write(&last.seq.to_string()))));
        }
        Ok(Out::Map(members))
    }
}
