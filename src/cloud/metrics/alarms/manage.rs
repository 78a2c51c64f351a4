//! `DeleteAlarms`, `SetAlarmState`, `EnableAlarmActions` and `DisableAlarmActions`.

use serde::Deserialize;

use super::super::Metrics;
use super::super::error::{no_alarm, store_failed};
use super::super::wire::Out;
use super::describe::state;
use super::history::HistoryItem;
use super::input::{arn, constraint, length, names, required};
use super::model::Alarm;
use crate::error::AwsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct AlarmNames {
    pub alarm_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct SetAlarmState {
    alarm_name: Option<String>,
    state_value: Option<String>,
    state_reason: Option<String>,
    state_reason_data: Option<String>,
}

impl AlarmNames {
    /// The alarms, for the question whether the caller may.
    pub(in super::super) fn arns(&self) -> Vec<String> {
        self.alarm_names.iter().flatten().take(100).map(|name| arn(name)).collect()
    }
}

impl SetAlarmState {
    /// The alarm, for the question whether the caller may.
    pub(in super::super) fn arn(&self) -> String {
        arn(self.alarm_name.as_deref().unwrap_or(""))
    }
}

impl Metrics {
    /// All of them, or on a name that is none, nothing [API reference].
    pub(in super::super) async fn delete_alarms(
        &self,
        request: AlarmNames,
    ) -> Result<Out, AwsError> {
        let names = names(Some(required(request.alarm_names, "alarmNames")?))?;
        let now = self.core.now_millis();
        self.with_db(move |db| {
            if let Some(unknown) = names.iter().find(|name| !db.alarms().contains_key(*name)) {
                return Err(no_alarm(format!("Unknown alarm: {unknown}")));
            }
            let items: Vec<HistoryItem> = names
                .iter()
                .filter_map(|name| db.alarms().get(name))
                .map(|alarm| HistoryItem::deleted(alarm, now))
                .collect();
            db.delete_alarms(&names, &items).map_err(|e| store_failed(&e))
        })
        .await?;
        Ok(Out::Map(Vec::new()))
    }

    /// Sets the state until the next evaluation, with its actions.
    pub(in super::super) async fn set_alarm_state(
        &self,
        request: SetAlarmState,
    ) -> Result<Out, AwsError> {
        let name = required(request.alarm_name, "alarmName")?;
        length(&name, "alarmName", 1, 255)?;
        let state = state(&required(request.state_value, "stateValue")?)?;
        let reason = required(request.state_reason, "stateReason")?;
        length(&reason, "stateReason", 0, 1023)?;
        let data = request.state_reason_data;
        length(data.as_deref().unwrap_or(""), "stateReasonData", 0, 4000)?;
        let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        if data.as_deref().is_some_and(|data| !data.is_empty() && !is_json(data)) {
            return Err(AwsError::new(400, "InvalidFormat", "StateReasonData is not valid JSON."));
        }
        let now = self.core.now_millis();
        let (before, after) = self
            .with_db(move |db| {
                let before = db.alarms().get(&name).ok_or_else(|| no_alarm(""))?.clone();
                let mut after = Alarm { reason, reason_data: data, ..before.clone() };
                after.updated_ms = now;
                let mut items = Vec::new();
                if after.state != state {
                    after.state = state;
                    after.transitioned_ms = now;
                    items.push(HistoryItem::changed(&before, &after, now));
                }
                db.put_alarm(after.clone(), &items).map_err(|e| store_failed(&e))?;
                Ok((before, after))
            })
            .await?;
        if before.state != after.state {
            self.act(&before, &after).await;
        }
        Ok(Out::Map(Vec::new()))
    }

    /// Switches actions on or off; names that are none are passed over.
    pub(in super::super) async fn switch_actions(
        &self,
        request: AlarmNames,
        on: bool,
    ) -> Result<Out, AwsError> {
        let names = names(Some(required(request.alarm_names, "alarmNames")?))?;
        if names.is_empty() {
            let rule = "Member must have length greater than or equal to 1";
            return Err(constraint("[]", "alarmNames", rule));
        }
        let now = self.core.now_millis();
        self.with_db(move |db| {
            for name in names {
                let Some(alarm) = db.alarms().get(&name) else { continue };
                if alarm.actions_enabled == on {
                    continue;
                }
                let mut alarm = alarm.clone();
                alarm.actions_enabled = on;
                alarm.configured_ms = now;
                let item = HistoryItem::configured(&alarm, false, now);
                db.put_alarm(alarm, &[item]).map_err(|e| store_failed(&e))?;
            }
            Ok(())
        })
        .await?;
        Ok(Out::Map(Vec::new()))
    }
}
