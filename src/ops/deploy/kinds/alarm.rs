//! Alarms on single metrics.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, Statistic, Tag};
use futures_util::future::try_join_all;
use labdeck_aws::{Failure, Result, Target};
use labdeck_lab::blueprint::Alarm;
use serde::{Deserialize, Serialize};

use super::topic;
use crate::deploy::graph::Planner;
use crate::deploy::observe::Owner;
use crate::deploy::plan::Verb;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Settings, Shown, Spec};
use crate::deploy::wanted::{Place, Wanted};
use crate::live::{self, LAB_TAG, existing};

/// What the plan calls it.
pub const RESOURCE: &str = "alarm";

/// What an alarm is set to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlarmSettings {
    /// One line.
    pub description: String,
    /// Namespace and name of the metric.
    pub metric: String,
    /// Dimensions.
    pub dimensions: BTreeMap<String, String>,
    /// `Sum` … or a percentile.
    pub statistic: String,
    /// Seconds.
    pub period: Option<i32>,
    /// Periods that are looked at.
    pub periods: Option<i32>,
    /// How many of them must breach.
    pub breaches: Option<i32>,
    /// Threshold.
    pub threshold: Option<f64>,
    /// `GreaterThanThreshold` …
    pub comparison: String,
    /// What missing data means.
    pub missing: String,
    /// ARNs of the topics that are told, in order.
    pub topics: Vec<String>,
}

impl Settings for AlarmSettings {
    fn shown(field: &str) -> Shown {
        match field {
            "description" => Shown::Hidden,
            "dimensions" => Shown::Names,
            "period" => Shown::Value("s"),
            _ => Shown::Value(""),
        }
    }
}

/// An alarm that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedAlarm {
    /// Name.
    pub name: String,
    /// Names of its topics, which must exist before.
    pub topics: Vec<String>,
    /// Settings.
    pub spec: Spec<AlarmSettings>,
}

/// An alarm that is live.
pub type LiveAlarm = Found<AlarmSettings>;

/// What is done to an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmAction {
    /// Make it, or bring it to its settings: `PutMetricAlarm` does both.
    Put(String),
    /// Remove it.
    Delete(String),
}

/// The alarms of a blueprint.
pub fn wanted(resolver: &Resolver<'_>) -> Result<Vec<WantedAlarm>> {
    resolver.blueprint.alarms.iter().map(|alarm| wanted_alarm(resolver, alarm)).collect()
}

fn wanted_alarm(resolver: &Resolver<'_>, alarm: &Alarm) -> Result<WantedAlarm> {
    let mut dimensions = BTreeMap::new();
    for (name, text) in &alarm.dimensions {
        dimensions.insert(name.clone(), resolver.text(&alarm.name, text)?);
    }
    let mut topics: Vec<String> =
        alarm.topics.iter().map(|name| resolver.place.topic(name)).collect();
    topics.sort_unstable();
    let (periods, breaches) = alarm.periods;
    let settings = AlarmSettings {
        description: alarm.description.clone(),
        metric: metric(&alarm.namespace, &alarm.metric),
        dimensions,
        statistic: alarm.statistic.clone(),
        period: Some(alarm.period_s),
        periods: Some(periods),
        breaches: Some(breaches),
        threshold: Some(alarm.threshold),
        comparison: alarm.comparison.clone(),
        missing: alarm.missing.clone(),
        topics,
    };
    Ok(WantedAlarm {
        name: alarm.name.clone(),
        topics: alarm.topics.clone(),
        spec: Spec::new(settings),
    })
}

/// Namespaces hold no spaces.
fn metric(namespace: &str, name: &str) -> String {
    format!("{namespace} {name}")
}

/// Reads the alarms that the lab names.
pub async fn observe(
    target: &Target,
    place: &Place,
    names: Vec<String>,
    lab: &str,
) -> Result<BTreeMap<String, LiveAlarm>> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let tags = try_join_all(names.iter().map(|name| tags(target, place.alarm(name))));
    let (alarms, tags) = tokio::join!(live::alarms(target, &names), tags);
    let tags: BTreeMap<&String, Vec<Tag>> = names.iter().zip(tags?).collect();
    let found = alarms?.into_iter().map(|alarm| {
        let name = alarm.alarm_name().unwrap_or_default().to_owned();
        let found = Found::new(lab, live_settings(&alarm), |key| {
            let tags = tags.get(&name)?;
            tags.iter().find(|tag| tag.key() == Some(key))?.value().map(str::to_owned)
        });
        (name, found)
    });
    Ok(found.collect())
}

async fn tags(target: &Target, arn: String) -> Result<Vec<Tag>> {
    let answer = target.cloudwatch().list_tags_for_resource().resource_arn(&arn).send().await;
    let found = existing(answer.map_err(|e| Failure::from_sdk(format!("reading {arn}"), &e)))?;
    Ok(found.and_then(|answer| answer.tags).unwrap_or_default())
}

fn live_settings(alarm: &MetricAlarm) -> AlarmSettings {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let mut topics = alarm.alarm_actions().to_vec();
    topics.sort_unstable();
    let mut over = alarm.ok_actions().to_vec();
    over.sort_unstable();
    if over != topics {
        // Told differently of the beginning and the end: as nobody's blueprint says.
        topics.extend(over);
        topics.push("…".to_owned());
    }
    AlarmSettings {
        description: text(alarm.alarm_description()),
        metric: metric(
            alarm.namespace().unwrap_or_default(),
            alarm.metric_name().unwrap_or_default(),
        ),
        dimensions: alarm.dimensions().iter().map(|d| (text(d.name()), text(d.value()))).collect(),
        statistic: alarm
            .statistic()
            .map(|s| s.as_str().to_owned())
            .or_else(|| alarm.extended_statistic().map(str::to_owned))
            .unwrap_or_default(),
        period: alarm.period(),
        periods: alarm.evaluation_periods(),
        breaches: alarm.datapoints_to_alarm().or(alarm.evaluation_periods()),
        threshold: alarm.threshold(),
        comparison: alarm.comparison_operator().map(|c| c.as_str().to_owned()).unwrap_or_default(),
        missing: alarm.treat_missing_data().unwrap_or("missing").to_owned(),
        topics,
    }
}

/// Plans the alarms.
pub fn plan(planner: &mut Planner<'_>) {
    for alarm in &planner.wanted.alarms {
        let name = &alarm.name;
        let topics = alarm.topics.iter();
        let after: Vec<usize> = topics.flat_map(|name| planner.of(topic::RESOURCE, name)).collect();
        let action = AlarmAction::Put(name.clone());
        match planner.live.alarms.get(name) {
            None => {
                planner.create(RESOURCE, name, &after, action);
            }
            Some(live) => {
                planner.update(RESOURCE, name, (&alarm.spec, live), &after, action);
            }
        }
    }
}

/// Plans to remove the alarms that the blueprint names no more.
pub fn plan_removed(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.alarms {
        let named = planner.wanted.alarms.iter().any(|one| one.name == *name);
        if live.owner == Owner::Lab && !named {
            planner.removed(RESOURCE, name, after, AlarmAction::Delete(name.clone()));
        }
    }
}

/// Plans to remove the alarms.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.alarms {
        if live.owner == Owner::Lab {
            let action = AlarmAction::Delete(name.clone());
            planner.step(Verb::Delete, RESOURCE, name, "the lab is destroyed", after, action);
        }
    }
}

impl Wanted {
    fn alarm(&self, name: &str) -> Result<&WantedAlarm> {
        self.alarms.iter().find(|alarm| alarm.name == name).ok_or_else(|| missing(RESOURCE, name))
    }
}

fn tag(key: &str, value: impl Into<String>) -> Tag {
    Tag::builder().key(key).value(value).build()
}

impl StepRun {
    pub(crate) async fn on_alarm(&self, action: &AlarmAction) -> Result<()> {
        match action {
            AlarmAction::Put(name) => self.put_alarm(name).await,
            AlarmAction::Delete(name) => self.delete_alarm(name).await,
        }
    }

    async fn put_alarm(&self, name: &str) -> Result<()> {
        let alarm = self.context.wanted.alarm(name)?;
        let settings = &alarm.spec.settings;
        let (namespace, metric) = settings.metric.split_once(' ').unwrap_or_default();
        let dimensions: Vec<Dimension> = settings
            .dimensions
            .iter()
            .map(|(name, value)| Dimension::builder().name(name).value(value).build())
            .collect();
        let plain = ["Sum", "Average", "Minimum", "Maximum", "SampleCount"];
        let is_plain = plain.contains(&settings.statistic.as_str());
        let live = self.context.live.alarms.get(name);
        if live.is_none_or(|live| live.settings != *settings) {
            let tags = [
                tag(LAB_TAG, &self.context.wanted.lab),
                tag(APPLIED_TAG, alarm.spec.record.text()),
            ];
            self.patiently(|| async {
                self.target()
                    .cloudwatch()
                    .put_metric_alarm()
                    .alarm_name(name)
                    .alarm_description(&settings.description)
                    .namespace(namespace)
                    .metric_name(metric)
                    .set_dimensions(Some(dimensions.clone()))
                    .set_statistic(is_plain.then(|| Statistic::from(settings.statistic.as_str())))
                    .set_extended_statistic((!is_plain).then(|| settings.statistic.clone()))
                    .set_period(settings.period)
                    .set_evaluation_periods(settings.periods)
                    .set_datapoints_to_alarm(settings.breaches)
                    .set_threshold(settings.threshold)
                    .comparison_operator(ComparisonOperator::from(settings.comparison.as_str()))
                    .treat_missing_data(&settings.missing)
                    .set_alarm_actions(Some(settings.topics.clone()))
                    .set_ok_actions(Some(settings.topics.clone()))
                    // Of an alarm that is there already they are not changed.
                    .set_tags(live.is_none().then(|| tags.to_vec()))
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(format!("setting alarm {name}"), &e))
            })
            .await?;
        }
        if live.is_none() {
            return Ok(());
        }
        let arn = self.context.wanted.place.alarm(name);
        self.patiently(|| async {
            let call = self.target().cloudwatch().tag_resource().resource_arn(&arn);
            let done = call.tags(tag(APPLIED_TAG, alarm.spec.record.text())).send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging alarm {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn delete_alarm(&self, name: &str) -> Result<()> {
        self.patiently(|| async {
            let done = self.target().cloudwatch().delete_alarms().alarm_names(name).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting alarm {name}"), &e)))
        })
        .await
        .map(|_| ())
    }
}
