//! Subscriptions of topics.
//!
//! A subscription has no tags: its topic's tags remember which ones labdeck made, for whom, and with
//! which settings. One that somebody else made is left alone.

use std::collections::BTreeMap;

use aws_sdk_sns::types::Tag;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::try_join_all;
use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Endpoint, Subscription};
use labdeck_lab::references::parameters_of;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{alias, permission, queue, topic};
use crate::deploy::Action;
use crate::deploy::graph::Planner;
use crate::deploy::observe::Live;
use crate::deploy::plan::{Plan, Verb};
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{Found, Record, Settings, Shown, Spec, changes};
use crate::deploy::wanted::Wanted;
use crate::live::existing;

/// What the plan calls it.
pub const RESOURCE: &str = "subscription";
/// Begins the topic's tags that remember subscriptions.
pub const TAG: &str = "labdeck:subscription:";

/// What a subscription is set to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionSettings {
    /// Whether messages come without SNS's envelope.
    pub raw: bool,
    /// SNS's filter policy; null where there is none.
    pub filter: Value,
}

impl Settings for SubscriptionSettings {
    fn shown(field: &str) -> Shown {
        if field == "filter" { Shown::Hidden } else { Shown::Value("") }
    }
}

/// A subscription that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedSubscription {
    /// Name in the blueprint.
    pub name: String,
    /// Name of the topic.
    pub topic: String,
    /// `sqs`, `lambda`, `http`, `https` or `email`.
    pub protocol: String,
    /// ARN, URL or address.
    pub endpoint: String,
    /// Name of the queue that is told, where one is.
    pub queue: Option<String>,
    /// Name of the function that is told, where one is.
    pub function: Option<String>,
    /// Settings.
    pub spec: Spec<SubscriptionSettings>,
}

/// A subscription that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveSubscription {
    /// ARN; `None` while it was not confirmed.
    pub arn: Option<String>,
    /// Protocol.
    pub protocol: String,
    /// Endpoint.
    pub endpoint: String,
    /// Settings; those of one that was not confirmed can't be read.
    pub settings: Option<SubscriptionSettings>,
}

/// What a topic's tag remembers of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Hash of protocol and endpoint.
    pub endpoint: String,
    /// Of its settings.
    pub record: Record,
}

impl Remembered {
    pub(super) fn of(wanted: &WantedSubscription) -> Self {
        let endpoint = endpoint_hash(&wanted.protocol, &wanted.endpoint);
        Self { endpoint, record: wanted.spec.record.clone() }
    }

    /// Reads a tag.
    pub fn parse(text: &str) -> Self {
        let (endpoint, record) = text.split_once(' ').unwrap_or((text, ""));
        Self { endpoint: endpoint.to_owned(), record: Record::parse(record) }
    }

    pub(super) fn text(&self) -> String {
        format!("{} {}", self.endpoint, self.record.text()).trim_end().to_owned()
    }

    /// Of a subscription that a person wanted left out.
    fn none() -> Self {
        Self { endpoint: "none".to_owned(), record: Record::default() }
    }

    fn is_of(&self, live: &LiveSubscription) -> bool {
        self.endpoint == endpoint_hash(&live.protocol, &live.endpoint)
    }
}

fn endpoint_hash(protocol: &str, endpoint: &str) -> String {
    let hash = Sha256::digest(format!("{protocol} {endpoint}"));
    URL_SAFE_NO_PAD.encode(&hash[..12])
}

/// The tag of a topic that remembers a subscription.
pub(super) fn tag_name(name: &str) -> String {
    format!("{TAG}{name}")
}

pub(super) fn tag(key: &str, value: &str) -> Result<Tag> {
    Tag::builder()
        .key(key)
        .value(value)
        .build()
        .map_err(|e| Failure::new(FailureKind::Internal, "tagging a topic", e.to_string()))
}

/// What a doubtful subscription is called: its topic and who is told.
fn label(topic: &str, name: &str) -> String {
    format!("{topic}/{name}")
}

/// Subscriptions that are left out since a parameter has no value, as `(topic, name)`.
pub type LeftOut = Vec<(String, String)>;

/// The subscriptions of a blueprint, and those that are left out since a parameter has no value, as
/// `(topic, name)`.
pub fn wanted(resolver: &Resolver<'_>) -> Result<(Vec<WantedSubscription>, LeftOut)> {
    let (mut all, mut left_out) = (Vec::new(), Vec::new());
    for subscription in &resolver.blueprint.subscriptions {
        match wanted_subscription(resolver, subscription)? {
            Some(wanted) => all.push(wanted),
            None => left_out.push((subscription.topic.clone(), subscription.name.clone())),
        }
    }
    Ok((all, left_out))
}

fn wanted_subscription(
    resolver: &Resolver<'_>,
    subscription: &Subscription,
) -> Result<Option<WantedSubscription>> {
    let name = &subscription.name;
    let (mut queue, mut function) = (None, None);
    let (protocol, endpoint) = match &subscription.endpoint {
        Endpoint::Queue { queue: to } => {
            queue = Some(to.clone());
            ("sqs".to_owned(), resolver.place.queue(to))
        }
        Endpoint::Function { function: to } => {
            function = Some(to.clone());
            ("lambda".to_owned(), resolver.released_function(to))
        }
        Endpoint::Webhook { url } => match resolver.text_if_set(name, url)? {
            None => return Ok(None),
            Some(url) => {
                let protocol = url.split(':').next().unwrap_or("https").to_ascii_lowercase();
                (protocol, url)
            }
        },
        Endpoint::Email { address } => match resolver.text_if_set(name, address)? {
            None => return Ok(None),
            Some(address) => ("email".to_owned(), address),
        },
    };
    let filter = subscription.filter.clone().unwrap_or_default();
    Ok(Some(WantedSubscription {
        name: name.clone(),
        topic: subscription.topic.clone(),
        protocol,
        endpoint,
        queue,
        function,
        spec: Spec::new(SubscriptionSettings { raw: subscription.raw, filter }),
    }))
}

/// Reads the subscriptions of a topic with their settings.
pub async fn observe(target: &Target, topic_arn: &str) -> Result<Vec<LiveSubscription>> {
    let all = observe_plain(target, topic_arn).await?;
    try_join_all(all.into_iter().map(|subscription| with_settings(target, subscription))).await
}

/// Reads the subscriptions of a topic without their settings.
pub async fn observe_plain(target: &Target, topic_arn: &str) -> Result<Vec<LiveSubscription>> {
    let list = target.sns().list_subscriptions_by_topic().topic_arn(topic_arn);
    let mut pages = list.into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let what = format!("reading the subscriptions of {topic_arn}");
        let Some(page) = existing(page.map_err(|e| Failure::from_sdk(what, &e)))? else { break };
        for found in page.subscriptions() {
            let arn = found.subscription_arn().filter(|arn| arn.starts_with("arn:"));
            all.push(LiveSubscription {
                arn: arn.map(str::to_owned),
                protocol: found.protocol().unwrap_or_default().to_owned(),
                endpoint: found.endpoint().unwrap_or_default().to_owned(),
                settings: None,
            });
        }
    }
    Ok(all)
}

async fn with_settings(target: &Target, mut live: LiveSubscription) -> Result<LiveSubscription> {
    let Some(arn) = &live.arn else { return Ok(live) };
    let answer = target.sns().get_subscription_attributes().subscription_arn(arn).send().await;
    let what = format!("reading subscription {arn}");
    let found = existing(answer.map_err(|e| Failure::from_sdk(what, &e)))?;
    let attributes = found.and_then(|found| found.attributes).unwrap_or_default();
    if attributes.get("PendingConfirmation").is_some_and(|pending| pending == "true") {
        live.arn = None;
        return Ok(live);
    }
    let filter = attributes.get("FilterPolicy").and_then(|text| serde_json::from_str(text).ok());
    live.settings = Some(SubscriptionSettings {
        raw: attributes.get("RawMessageDelivery").is_some_and(|raw| raw == "true"),
        filter: filter
            .filter(|filter: &Value| *filter != serde_json::json!({}))
            .unwrap_or_default(),
    });
    Ok(live)
}

/// The tags of a new topic that remember its subscriptions.
pub(super) fn tags_of_new(wanted: &Wanted, topic: &str) -> Result<Vec<Tag>> {
    let made = wanted.subscriptions.iter().filter(|s| s.topic == topic);
    let left_out = wanted.left_out.iter().filter(|(of, _)| of == topic);
    let made = made.map(|s| tag(&tag_name(&s.name), &Remembered::of(s).text()));
    made.chain(left_out.map(|(_, name)| tag(&tag_name(name), &Remembered::none().text()))).collect()
}

/// Values of parameters that live subscriptions have, `None` where a person took the value away: a
/// deploy keeps them.
pub fn live_parameters(blueprint: &Blueprint, live: &Live) -> BTreeMap<String, Option<String>> {
    let mut values = BTreeMap::new();
    for subscription in &blueprint.subscriptions {
        let text = match &subscription.endpoint {
            Endpoint::Webhook { url: text } | Endpoint::Email { address: text } => text,
            Endpoint::Queue { .. } | Endpoint::Function { .. } => continue,
        };
        let topic = live.topics.get(&subscription.topic);
        let remembered = topic.and_then(|topic| topic.remembered.get(&subscription.name));
        if remembered == Some(&Remembered::none()) {
            values.extend(parameters_of(text).map(|name| (name.to_owned(), None)));
            continue;
        }
        let endpoint = topic.and_then(|topic| {
            let remembered = topic.remembered.get(&subscription.name)?;
            topic.subscriptions.iter().find(|live| remembered.is_of(live))
        });
        let parameters: Vec<&str> = parameters_of(text).collect();
        if let (Some(endpoint), [name]) = (endpoint, parameters.as_slice()) {
            let (before, after) =
                text.split_once(&format!("${{parameter.{name}}}")).unwrap_or_default();
            let value =
                endpoint.endpoint.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            if let Some(value) = value {
                values.insert((*name).to_owned(), Some(value.to_owned()));
            }
        }
    }
    values
}

/// What is done to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionAction {
    /// Subscribe, and remember it.
    Create(String),
    /// Change its settings.
    Update {
        /// Name in the blueprint.
        name: String,
        /// ARN; `None` while it was not confirmed, when only what is remembered changes.
        arn: Option<String>,
    },
    /// End it.
    Delete {
        /// Topic.
        topic: String,
        /// Name in the blueprint.
        name: String,
        /// ARN; `None` where it is gone already, or can't be ended since it was not confirmed.
        arn: Option<String>,
        /// Whether the topic remembers that a person wanted it left out.
        left_out: bool,
    },
}

/// Plans the subscriptions.
pub fn plan(planner: &mut Planner<'_>) {
    for (topic, name) in &planner.wanted.left_out {
        let label = label(topic, name);
        planner.note(format!("subscription {label} is left out: its parameter has no value"));
    }
    for wanted in &planner.wanted.subscriptions {
        plan_one(planner, wanted);
    }
    plan_obsolete(planner);
}

fn plan_one(planner: &mut Planner<'_>, wanted: &WantedSubscription) {
    let name = label(&wanted.topic, &wanted.name);
    let mut after = planner.of(topic::RESOURCE, &wanted.topic);
    if let Some(queue) = &wanted.queue {
        after.extend(planner.of(queue::RESOURCE, queue));
    }
    if let Some(function) = &wanted.function {
        let alias = planner.wanted.released().unwrap_or_default();
        after.extend(alias::ready(planner, function, alias));
        after.extend(planner.of(permission::RESOURCE, &alias::label(function, alias)));
    }
    let topic = planner.live.topics.get(&wanted.topic);
    let present = topic.and_then(|topic| {
        let same =
            |s: &&LiveSubscription| s.protocol == wanted.protocol && s.endpoint == wanted.endpoint;
        topic.subscriptions.iter().find(same)
    });
    let remembered = topic.and_then(|topic| topic.remembered.get(&wanted.name));
    let Some(present) = present else {
        planner.create(RESOURCE, name, &after, SubscriptionAction::Create(wanted.name.clone()));
        return;
    };
    if present.arn.is_none() {
        planner.note(format!("subscription {name} waits for {} to confirm it", wanted.endpoint));
    }
    let record = remembered.map(|r| r.record.clone()).unwrap_or_default();
    let settings = present.settings.clone().unwrap_or_else(|| wanted.spec.settings.clone());
    let found = Found { settings, record, ..Found::default() };
    let all = changes(&wanted.spec, &found);
    let behind = remembered != Some(&Remembered::of(wanted));
    let action = SubscriptionAction::Update { name: wanted.name.clone(), arn: present.arn.clone() };
    if !all.is_empty() {
        planner.change(RESOURCE, name, all, &after, action);
    } else if behind {
        planner.remember(RESOURCE, name, &after, action);
    }
}

/// What labdeck subscribed and nobody wants any more. Whom a subscription told before it tells
/// somebody else is ended with that change.
fn plan_obsolete(planner: &mut Planner<'_>) {
    for (topic, live) in &planner.live.topics {
        for (name, remembered) in &live.remembered {
            let mut wanted = planner.wanted.subscriptions.iter();
            if wanted.any(|s| s.topic == *topic && s.name == *name) {
                continue;
            }
            let left_out =
                planner.wanted.left_out.iter().any(|(of, left)| of == topic && left == name);
            if left_out && *remembered == Remembered::none() {
                continue;
            }
            let present = live.subscriptions.iter().find(|live| remembered.is_of(live));
            let arn = present.and_then(|present| present.arn.clone());
            let label = label(topic, name);
            if present.is_some() && arn.is_none() {
                planner.note(format!(
                    "subscription {label} was not confirmed and can't be ended: SNS forgets it by itself"
                ));
            }
            let action = SubscriptionAction::Delete {
                topic: topic.clone(),
                name: name.clone(),
                arn,
                left_out,
            };
            planner.step(Verb::Delete, RESOURCE, label, "not wanted any more", &[], action);
        }
    }
}

/// What is said of the subscriptions that a plan made and whose owners must confirm them.
pub fn to_be_confirmed(plan: &Plan, wanted: &Wanted) -> Vec<String> {
    let made = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Subscription(SubscriptionAction::Create(name)) => Some(name),
        _ => None,
    });
    made.filter_map(|name| {
        let made = wanted.subscription(name).ok()?;
        let asked = matches!(made.protocol.as_str(), "http" | "https" | "email");
        asked.then(|| {
            let label = label(&made.topic, &made.name);
            format!("subscription {label} waits for {} to confirm it", made.endpoint)
        })
    })
    .collect()
}

impl Wanted {
    fn subscription(&self, name: &str) -> Result<&WantedSubscription> {
        let found = self.subscriptions.iter().find(|subscription| subscription.name == name);
        found.ok_or_else(|| missing(RESOURCE, name))
    }
}

impl StepRun {
    pub(crate) async fn on_subscription(&self, action: &SubscriptionAction) -> Result<()> {
        match action {
            SubscriptionAction::Create(name) => self.subscribe(name).await,
            SubscriptionAction::Update { name, arn } => {
                if let Some(arn) = arn {
                    self.update_subscription(name, arn).await?;
                }
                self.remember_subscription(name).await
            }
            SubscriptionAction::Delete { topic, name, arn, left_out } => {
                if let Some(arn) = arn {
                    self.unsubscribe(arn).await?;
                }
                if *left_out {
                    let none = Remembered::none().text();
                    return self.tag_topic(topic, &tag_name(name), &none).await;
                }
                self.forget_subscription(topic, name).await
            }
        }
    }

    /// Subscribing again with the same attributes answers the subscription that is there.
    async fn subscribe(&self, name: &str) -> Result<()> {
        let wanted = self.context.wanted.subscription(name)?;
        let settings = &wanted.spec.settings;
        let arn = self.context.wanted.place.topic(&wanted.topic);
        let what = format!("subscribing {} to {}", wanted.endpoint, wanted.topic);
        self.patiently(|| async {
            let mut call = self
                .target()
                .sns()
                .subscribe()
                .topic_arn(&arn)
                .protocol(&wanted.protocol)
                .endpoint(&wanted.endpoint)
                .return_subscription_arn(true);
            if settings.raw {
                call = call.attributes("RawMessageDelivery", "true");
            }
            if !settings.filter.is_null() {
                call = call.attributes("FilterPolicy", settings.filter.to_string());
            }
            call.send().await.map_err(|e| Failure::from_sdk(&what, &e))
        })
        .await?;
        self.remember_subscription(name).await
    }

    async fn update_subscription(&self, name: &str, arn: &str) -> Result<()> {
        let wanted = self.context.wanted.subscription(name)?;
        let topic = self.context.live.topics.get(&wanted.topic);
        let live = topic.and_then(|topic| {
            let mut all = topic.subscriptions.iter();
            all.find(|live| live.arn.as_deref() == Some(arn))?.settings.clone()
        });
        let (settings, live) = (&wanted.spec.settings, live.unwrap_or_default());
        let filter =
            if settings.filter.is_null() { "{}".to_owned() } else { settings.filter.to_string() };
        for (attribute, value, changes) in [
            ("RawMessageDelivery", settings.raw.to_string(), live.raw != settings.raw),
            ("FilterPolicy", filter, live.filter != settings.filter),
        ] {
            if !changes {
                continue;
            }
            self.patiently(|| async {
                let call = self.target().sns().set_subscription_attributes();
                let call = call.subscription_arn(arn).attribute_name(attribute);
                let done = call.attribute_value(&value).send().await;
                done.map_err(|e| Failure::from_sdk(format!("changing subscription {name}"), &e))
            })
            .await?;
        }
        Ok(())
    }

    /// Makes the topic's tag say whom the subscription tells. Whom it told before is ended first: the
    /// tag is all that knows of it.
    async fn remember_subscription(&self, name: &str) -> Result<()> {
        let wanted = self.context.wanted.subscription(name)?;
        let now = Remembered::of(wanted);
        // A new topic was made with this tag.
        let Some(topic) = self.context.live.topics.get(&wanted.topic) else { return Ok(()) };
        let before = topic.remembered.get(name);
        if before == Some(&now) {
            return Ok(());
        }
        if let Some(before) = before.filter(|before| before.endpoint != now.endpoint) {
            let old = topic.subscriptions.iter().find(|live| before.is_of(live));
            if let Some(arn) = old.and_then(|old| old.arn.as_ref()) {
                self.unsubscribe(arn).await?;
            }
        }
        self.tag_topic(&wanted.topic, &tag_name(name), &now.text()).await
    }

    async fn unsubscribe(&self, arn: &str) -> Result<()> {
        self.patiently(|| async {
            let done = self.target().sns().unsubscribe().subscription_arn(arn).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("ending subscription {arn}"), &e)))
        })
        .await
        .map(|_| ())
    }

    async fn forget_subscription(&self, topic: &str, name: &str) -> Result<()> {
        let arn = self.context.wanted.place.topic(topic);
        self.patiently(|| async {
            let call = self.target().sns().untag_resource().resource_arn(&arn);
            let done = call.tag_keys(tag_name(name)).send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging topic {topic}"), &e))
        })
        .await
        .map(|_| ())
    }
}
