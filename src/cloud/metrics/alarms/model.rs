//! An alarm as it is kept and as it is answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::model::MetricKey;
use super::super::statistic::Statistic;
use super::super::wire::Out;

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum State {
    Ok,
    Alarm,
    InsufficientData,
}

/// How a statistic is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Comparison {
    #[serde(rename = "GreaterThanOrEqualToThreshold")]
    GreaterOrEqual,
    #[serde(rename = "GreaterThanThreshold")]
    Greater,
    #[serde(rename = "LessThanThreshold")]
    Less,
    #[serde(rename = "LessThanOrEqualToThreshold")]
    LessOrEqual,
}

/// What becomes of periods without data.
// The names are AWS's.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Missing {
    #[default]
    Missing,
    Ignore,
    Breaching,
    NotBreaching,
}

/// A metric alarm. Times are ms since the epoch.
// The names are AWS's.
#[allow(clippy::struct_field_names)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Alarm {
    pub name: String,
    pub arn: String,
    #[serde(default)]
    pub(super) description: Option<String>,
    pub(super) actions_enabled: bool,
    pub(super) ok_actions: Vec<String>,
    pub(super) alarm_actions: Vec<String>,
    pub(super) insufficient_data_actions: Vec<String>,
    pub(super) namespace: String,
    pub(super) metric_name: String,
    pub(super) dimensions: Vec<(String, String)>,
    /// A plain statistic or a percentile, by its name.
    pub(super) stat: String,
    pub(super) period: i64,
    #[serde(default)]
    pub(super) unit: Option<String>,
    pub(super) evaluation_periods: i64,
    #[serde(default)]
    pub(super) datapoints_to_alarm: Option<i64>,
    pub(super) threshold: f64,
    pub(super) comparison: Comparison,
    /// As it was given.
    #[serde(default)]
    pub(super) missing: Option<Missing>,
    /// `evaluate` or `ignore`, as it was given.
    #[serde(default)]
    pub(super) low_samples: Option<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    pub(super) configured_ms: i64,
    pub(super) state: State,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) reason_data: Option<String>,
    pub(super) updated_ms: i64,
    pub(super) transitioned_ms: i64,
}

impl State {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// The state with this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Ok, Self::Alarm, Self::InsufficientData].into_iter().find(|s| s.name() == name)
    }
}

impl Comparison {
    /// All of them.
    pub(super) const ALL: [Self; 4] =
        [Self::GreaterOrEqual, Self::Greater, Self::Less, Self::LessOrEqual];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GreaterOrEqual => "GreaterThanOrEqualToThreshold",
            Self::Greater => "GreaterThanThreshold",
            Self::Less => "LessThanThreshold",
            Self::LessOrEqual => "LessThanOrEqualToThreshold",
        }
    }

    /// As reasons say it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::GreaterOrEqual => "greater than or equal to",
            Self::Greater => "greater than",
            Self::Less => "less than",
            Self::LessOrEqual => "less than or equal to",
        }
    }

    /// Whether a value breaches the threshold.
    pub(super) fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterOrEqual => value >= threshold,
            Self::Greater => value > threshold,
            Self::Less => value < threshold,
            Self::LessOrEqual => value <= threshold,
        }
    }
}

impl Missing {
    /// All of them.
    pub(super) const ALL: [Self; 4] =
        [Self::Breaching, Self::NotBreaching, Self::Ignore, Self::Missing];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ignore => "ignore",
            Self::Breaching => "breaching",
            Self::NotBreaching => "notBreaching",
        }
    }
}

impl Alarm {
    /// The metric that it watches.
    pub(in super::super) fn key(&self) -> MetricKey {
        MetricKey {
            namespace: self.namespace.clone(),
            name: self.metric_name.clone(),
            dimensions: self.dimensions.clone(),
        }
    }

    /// Whether it watches this metric.
    pub(in super::super) fn watches(&self, key: &MetricKey) -> bool {
        self.metric_name == key.name
            && self.namespace == key.namespace
            && self.dimensions == key.dimensions
    }

    /// Its statistic; the name was checked when it was made.
    pub(super) fn statistic(&self) -> Statistic {
        Statistic::plain(&self.stat)
            .or_else(|| Statistic::percentile(&self.stat))
            .unwrap_or(Statistic::Average)
    }

    /// Breaching data points that it takes to get into alarm.
    pub(super) fn needed(&self) -> i64 {
        self.datapoints_to_alarm.unwrap_or(self.evaluation_periods)
    }

    /// The actions of a state.
    pub(super) fn actions(&self, state: State) -> &[String] {
        match state {
            State::Ok => &self.ok_actions,
            State::Alarm => &self.alarm_actions,
            State::InsufficientData => &self.insufficient_data_actions,
        }
    }

    /// As the operations answer it; what was not given is left out.
    pub(super) fn out(&self) -> Out {
        let list = |items: &[String]| items.iter().map(Out::text).collect();
        let time = |ms: i64| Out::Time(ms as f64 / 1000.0);
        let is_plain = Statistic::plain(&self.stat).is_some();
        let mut members = vec![
            ("AlarmName", Out::text(&self.name)),
            ("AlarmArn", Out::text(&self.arn)),
            ("AlarmConfigurationUpdatedTimestamp", time(self.configured_ms)),
            ("ActionsEnabled", Out::Flag(self.actions_enabled)),
            ("OKActions", list(&self.ok_actions)),
            ("AlarmActions", list(&self.alarm_actions)),
            ("InsufficientDataActions", list(&self.insufficient_data_actions)),
            ("StateValue", Out::text(self.state.name())),
            ("StateReason", Out::text(&self.reason)),
            ("StateUpdatedTimestamp", time(self.updated_ms)),
            ("MetricName", Out::text(&self.metric_name)),
            ("Namespace", Out::text(&self.namespace)),
            (if is_plain { "Statistic" } else { "ExtendedStatistic" }, Out::text(&self.stat)),
            ("Dimensions", self.key().dimensions_out()),
            ("Period", Out::Integer(self.period)),
            ("EvaluationPeriods", Out::Integer(self.evaluation_periods)),
            ("Threshold", Out::Number(self.threshold)),
            ("ComparisonOperator", Out::text(self.comparison.name())),
            ("StateTransitionedTimestamp", time(self.transitioned_ms)),
        ];
        let texts = [
            ("AlarmDescription", self.description.as_deref()),
            ("StateReasonData", self.reason_data.as_deref()),
            ("Unit", self.unit.as_deref()),
            ("TreatMissingData", self.missing.map(Missing::name)),
            ("EvaluateLowSampleCountPercentile", self.low_samples.as_deref()),
        ];
        members.extend(texts.into_iter().filter_map(|(name, text)| Some((name, Out::text(text?)))));
        members.extend(self.datapoints_to_alarm.map(|n| ("DatapointsToAlarm", Out::Integer(n))));
        Out::Map(members)
    }
}
