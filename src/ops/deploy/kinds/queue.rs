//! Standard queues with their dead-letter queues, and the policy that lets topics send to them.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use labdeck_aws::{Failure, Result, Target};
use labdeck_lab::blueprint::{Endpoint, Queue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::deploy::graph::Planner;
use crate::deploy::observe::Owner;
use crate::deploy::plan::Verb;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Settings, Shown, Spec};
use crate::deploy::wanted::Wanted;
use crate::live::{LAB_TAG, existing};

/// What the plan calls it.
pub const RESOURCE: &str = "queue";

/// What a queue is set to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// Seconds.
    pub visibility_timeout: Option<i32>,
    /// Seconds.
    pub retention: Option<i32>,
    /// ARN of the queue for messages that were received too often.
    pub dead_letter: Option<String>,
    /// How often that is.
    pub receives: Option<i32>,
    /// Who may send to it.
    pub policy: Value,
}

impl Settings for QueueSettings {
    fn shown(field: &str) -> Shown {
        match field {
            "policy" => Shown::Hidden,
            "visibility_timeout" | "retention" => Shown::Value("s"),
            _ => Shown::Value(""),
        }
    }
}

/// A queue that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedQueue {
    /// Name.
    pub name: String,
    /// Name of its dead-letter queue, which must exist before.
    pub dead_letter: Option<String>,
    /// Settings.
    pub spec: Spec<QueueSettings>,
}

/// A queue that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveQueue {
    /// URL.
    pub url: String,
    /// Whose it is, and its settings.
    pub found: Found<QueueSettings>,
    /// Messages, as the service counts them.
    pub messages: i64,
}

/// What is done to a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueAction {
    /// Make it.
    Create(String),
    /// Change its settings.
    Update(String),
    /// Remove it with its messages.
    Delete(String),
}

/// The queues of a blueprint, dead-letter queues before those that use them.
pub fn wanted(resolver: &Resolver<'_>) -> Vec<WantedQueue> {
    let queues = &resolver.blueprint.queues;
    let is_target = |name: &str| {
        queues.iter().any(|queue| queue.dead_letter.as_ref().is_some_and(|(to, _)| to == name))
    };
    let (first, second): (Vec<&Queue>, Vec<&Queue>) =
        queues.iter().partition(|queue| is_target(&queue.name) && queue.dead_letter.is_none());
    let (middle, last): (Vec<&Queue>, Vec<&Queue>) =
        second.into_iter().partition(|queue| is_target(&queue.name));
    let ordered = first.into_iter().chain(middle).chain(last);
    ordered.map(|queue| wanted_queue(resolver, queue)).collect()
}

fn wanted_queue(resolver: &Resolver<'_>, queue: &Queue) -> WantedQueue {
    let settings = QueueSettings {
        visibility_timeout: Some(queue.visibility_timeout_s),
        retention: Some(queue.retention_s),
        dead_letter: queue.dead_letter.as_ref().map(|(to, _)| resolver.place.queue(to)),
        receives: queue.dead_letter.as_ref().map(|(_, receives)| *receives),
        policy: policy(resolver, &queue.name),
    };
    WantedQueue {
        name: queue.name.clone(),
        dead_letter: queue.dead_letter.as_ref().map(|(to, _)| to.clone()),
        spec: Spec::new(settings),
    }
}

/// The policy that lets the topics send that the queue subscribes to; null where it subscribes to
/// none.
fn policy(resolver: &Resolver<'_>, queue: &str) -> Value {
    let mut topics: Vec<String> = resolver
        .blueprint
        .subscriptions
        .iter()
        .filter(|s| matches!(&s.endpoint, Endpoint::Queue { queue: to } if to == queue))
        .map(|subscription| resolver.place.topic(&subscription.topic))
        .collect();
    topics.sort_unstable();
    topics.dedup();
    if topics.is_empty() {
        return Value::Null;
    }
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "labdeck",
            "Effect": "Allow",
            "Principal": { "Service": "sns.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": resolver.place.queue(queue),
            "Condition": { "ArnEquals": { "aws:SourceArn": topics } },
        }],
    })
}

/// Reads a queue.
pub async fn observe(
    target: &Target,
    name: &str,
    lab: &str,
) -> Result<Option<(String, LiveQueue)>> {
    let what = format!("reading queue {name}");
    let sqs = target.sqs();
    let url = sqs.get_queue_url().queue_name(name).send().await;
    let url = existing(url.map_err(|e| Failure::from_sdk(&what, &e)))?;
    let Some(url) = url.and_then(|answer| answer.queue_url) else { return Ok(None) };
    let attributes = sqs.get_queue_attributes().queue_url(&url).attribute_names(Attribute::All);
    let tags = sqs.list_queue_tags().queue_url(&url);
    let (attributes, tags) = tokio::join!(attributes.send(), tags.send());
    let attributes = existing(attributes.map_err(|e| Failure::from_sdk(&what, &e)))?;
    let Some(attributes) = attributes else { return Ok(None) };
    let tags = existing(tags.map_err(|e| Failure::from_sdk(&what, &e)))?;
    let tags = tags.and_then(|answer| answer.tags).unwrap_or_default();
    let attributes = attributes.attributes.unwrap_or_default();
    let settings = live_settings(&attributes);
    let messages =
        attributes.get(&Attribute::ApproximateNumberOfMessages).and_then(|text| text.parse().ok());
    let found = Found::new(lab, settings, |key| tags.get(key).cloned());
    let live = LiveQueue { url, found, messages: messages.unwrap_or_default() };
    Ok(Some((name.to_owned(), live)))
}

fn live_settings(attributes: &HashMap<Attribute, String>) -> QueueSettings {
    let text = |name: Attribute| attributes.get(&name).filter(|text| !text.is_empty());
    let number = |name: Attribute| text(name).and_then(|text| text.parse().ok());
    let json = |name: Attribute| -> Value {
        text(name).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    let redrive = json(Attribute::RedrivePolicy);
    // Some clients write the number as a text, and SQS keeps it so.
    let receives = &redrive["maxReceiveCount"];
    let receives = receives.as_i64().or_else(|| receives.as_str()?.parse().ok());
    QueueSettings {
        visibility_timeout: number(Attribute::VisibilityTimeout),
        retention: number(Attribute::MessageRetentionPeriod),
        dead_letter: redrive["deadLetterTargetArn"].as_str().map(str::to_owned),
        receives: receives.and_then(|count| i32::try_from(count).ok()),
        policy: one_or_many(json(Attribute::Policy)),
    }
}

/// A policy of AWS may hold one value where a list was written: lists of sources come back as lists.
fn one_or_many(mut policy: Value) -> Value {
    let statements = policy.get_mut("Statement").and_then(Value::as_array_mut);
    for statement in statements.into_iter().flatten() {
        let source = statement.pointer_mut("/Condition/ArnEquals/aws:SourceArn");
        if let Some(source) = source.filter(|source| source.is_string()) {
            *source = json!([source.clone()]);
        }
    }
    policy
}

/// The attributes that bring a queue to its settings; an empty text takes one away.
fn attributes(settings: &QueueSettings, emptied: bool) -> HashMap<Attribute, String> {
    let mut all = HashMap::new();
    let mut set = |name: Attribute, value: Option<String>| match value {
        Some(value) => drop(all.insert(name, value)),
        None if emptied => drop(all.insert(name, String::new())),
        None => {}
    };
    let redrive = settings.dead_letter.as_ref().map(|arn| {
        json!({ "deadLetterTargetArn": arn, "maxReceiveCount": settings.receives }).to_string()
    });
    set(Attribute::RedrivePolicy, redrive);
    set(Attribute::Policy, (!settings.policy.is_null()).then(|| settings.policy.to_string()));
    for (name, number) in [
        (Attribute::VisibilityTimeout, settings.visibility_timeout),
        (Attribute::MessageRetentionPeriod, settings.retention),
    ] {
        if let Some(number) = number {
            all.insert(name, number.to_string());
        }
    }
    all
}

/// Plans the queues.
pub fn plan(planner: &mut Planner<'_>) {
    for queue in &planner.wanted.queues {
        let name = &queue.name;
        let dead_letter = queue.dead_letter.iter();
        let after: Vec<usize> = dead_letter.flat_map(|to| planner.of(RESOURCE, to)).collect();
        match planner.live.queues.get(name) {
            None => {
                planner.create(RESOURCE, name, &after, QueueAction::Create(name.clone()));
            }
            Some(live) => {
                let both = (&queue.spec, &live.found);
                planner.update(RESOURCE, name, both, &after, QueueAction::Update(name.clone()));
            }
        }
    }
}

/// Plans to remove the queues that the blueprint names no more.
pub fn plan_removed(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.queues {
        let named = planner.wanted.queues.iter().any(|one| one.name == *name);
        if live.found.owner == Owner::Lab && !named {
            let index = planner.removed(RESOURCE, name, after, QueueAction::Delete(name.clone()));
            let count = live.messages;
            if count > 0 {
                planner
                    .warn(index, format!("queue {name} is deleted: its {count} messages are lost"));
            }
        }
    }
}

/// Plans to remove the queues.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.queues {
        if live.found.owner == Owner::Lab {
            let action = QueueAction::Delete(name.clone());
            planner.step(Verb::Delete, RESOURCE, name, "with its messages", after, action);
        }
    }
}

impl Wanted {
    fn queue(&self, name: &str) -> Result<&WantedQueue> {
        self.queues.iter().find(|queue| queue.name == name).ok_or_else(|| missing(RESOURCE, name))
    }
}

impl StepRun {
    pub(crate) async fn on_queue(&self, action: &QueueAction) -> Result<()> {
        match action {
            QueueAction::Create(name) => self.create_queue(name).await,
            QueueAction::Update(name) => self.update_queue(name).await,
            QueueAction::Delete(name) => self.delete_queue(name).await,
        }
    }

    /// Making a queue again with the same attributes answers the one that is there.
    async fn create_queue(&self, name: &str) -> Result<()> {
        let queue = self.context.wanted.queue(name)?;
        let attributes = attributes(&queue.spec.settings, false);
        self.patiently(|| async {
            self.target()
                .sqs()
                .create_queue()
                .queue_name(name)
                .set_attributes(Some(attributes.clone()))
                .tags(LAB_TAG, &self.context.wanted.lab)
                .tags(APPLIED_TAG, queue.spec.record.text())
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("creating queue {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn update_queue(&self, name: &str) -> Result<()> {
        let queue = self.context.wanted.queue(name)?;
        let live = self.context.live.queues.get(name).ok_or_else(|| missing(RESOURCE, name))?;
        if live.found.settings != queue.spec.settings {
            let attributes = attributes(&queue.spec.settings, true);
            self.patiently(|| async {
                let call = self.target().sqs().set_queue_attributes().queue_url(&live.url);
                let done = call.set_attributes(Some(attributes.clone())).send().await;
                done.map_err(|e| Failure::from_sdk(format!("changing queue {name}"), &e))
            })
            .await?;
        }
        self.patiently(|| async {
            let call = self.target().sqs().tag_queue().queue_url(&live.url);
            let done = call.tags(APPLIED_TAG, queue.spec.record.text()).send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging queue {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn delete_queue(&self, name: &str) -> Result<()> {
        let live = self.context.live.queues.get(name).ok_or_else(|| missing(RESOURCE, name))?;
        self.patiently(|| async {
            let done = self.target().sqs().delete_queue().queue_url(&live.url).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting queue {name}"), &e)))
        })
        .await
        .map(|_| ())
    }
}
