//! `DescribeAlarms` and `DescribeAlarmsForMetric`.

use serde::Deserialize;

use super::super::Metrics;
use super::super::error::{invalid_combination, invalid_token};
use super::super::input::Int;
use super::super::model::{Dimension, MetricKey, dimensions, metric_name, namespace};
use super::super::wire::Out;
use super::input::{constraint, length, names, page, token};
use super::model::{Alarm, State};
use crate::error::AwsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct DescribeAlarms {
    alarm_names: Option<Vec<String>>,
    alarm_name_prefix: Option<String>,
    alarm_types: Option<Vec<String>>,
    children_of_alarm_name: Option<String>,
    parents_of_alarm_name: Option<String>,
    state_value: Option<String>,
    action_prefix: Option<String>,
    max_records: Option<Int>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct DescribeAlarmsForMetric {
    metric_name: Option<String>,
    namespace: Option<String>,
    statistic: Option<String>,
    extended_statistic: Option<String>,
    dimensions: Option<Vec<Dimension>>,
    period: Option<Int>,
    unit: Option<String>,
}

/// A state as a parameter.
pub(super) fn state(text: &str) -> Result<State, AwsError> {
    State::of(text).ok_or_else(|| {
        let rule = "Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]";
        constraint(text, "stateValue", rule)
    })
}

impl Metrics {
    pub(in super::super) async fn describe_alarms(
        &self,
        request: DescribeAlarms,
    ) -> Result<Out, AwsError> {
        let asked = names(request.alarm_names)?;
        let prefix = request.alarm_name_prefix;
        if let Some(prefix) = &prefix {
            length(prefix, "alarmNamePrefix", 1, 255)?;
        }
        if prefix.is_some() && !asked.is_empty() {
            return Err(invalid_combination(
                "The parameters AlarmNames and AlarmNamePrefix are mutually exclusive and you \
                 have specified both.",
            ));
        }
        if request.children_of_alarm_name.is_some() || request.parents_of_alarm_name.is_some() {
            let what = "DescribeAlarms with relations of composite alarms";
            return Err(AwsError::not_implemented("CloudWatch", what));
        }
        let wanted = request.state_value.as_deref().map(state).transpose()?;
        let actions = request.action_prefix;
        let most = page(request.max_records.map(|Int(most)| most))?;
        let after = match request.next_token {
            None => None,
            Some(sent) => Some(token::read(&sent).ok_or_else(invalid_token)?),
        };
        let types = request.alarm_types.unwrap_or_default();
        let none = !types.is_empty() && !types.iter().any(|kind| kind == "MetricAlarm");
        let mut found: Vec<(String, Out)> = self
            .with_db(move |db| {
                let matches = |alarm: &&Alarm| {
                    let of_state = |state| alarm.actions(state).iter();
                    let mut every = [State::Ok, State::Alarm, State::InsufficientData]
                        .into_iter()
                        .flat_map(of_state);
                    !none
                        && (asked.is_empty() || asked.contains(&alarm.name))
                        && prefix.as_ref().is_none_or(|prefix| alarm.name.starts_with(prefix))
                        && wanted.is_none_or(|state| alarm.state == state)
                        && actions.as_ref().is_none_or(|p| every.any(|a| a.starts_with(p)))
                        && after.as_ref().is_none_or(|after| alarm.name > *after)
                };
                let found = db.alarms().values().filter(matches).take(most + 1);
                Ok(found.map(|alarm| (alarm.name.clone(), alarm.out())).collect())
            })
            .await?;
        let more = found.len() > most;
        found.truncate(most);
        let last = found.last().map(|(name, _)| token::write(name));
        let mut members = vec![
            ("CompositeAlarms", Out::List(Vec::new())),
            ("MetricAlarms", found.into_iter().map(|(_, out)| out).collect()),
        ];
        if more {
            members.extend(last.map(|token| ("NextToken", Out::Text(token))));
        }
        Ok(Out::Map(members))
    }

    pub(in super::super) async fn describe_alarms_for_metric(
        &self,
        request: DescribeAlarmsForMetric,
    ) -> Result<Out, AwsError> {
        let namespace = namespace(request.namespace.as_deref())?.to_owned();
        let name = metric_name(request.metric_name.as_deref(), "MetricName")?.to_owned();
        let key = MetricKey::new(namespace, name, dimensions(request.dimensions, "Dimensions")?);
        let stat = request.statistic.or(request.extended_statistic);
        let found = self
            .with_db(move |db| {
                let matches = |alarm: &&Alarm| {
                    alarm.watches(&key)
                        && stat.as_ref().is_none_or(|stat| alarm.stat == *stat)
                        && request.period.is_none_or(|Int(period)| alarm.period == period)
                        && request.unit.as_ref().is_none_or(|u| alarm.unit.as_ref() == Some(u))
                };
                Ok(db.alarms().values().filter(matches).map(Alarm::out).collect())
            })
            .await?;
        Ok(Out::Map(vec![("MetricAlarms", found)]))
    }
}
