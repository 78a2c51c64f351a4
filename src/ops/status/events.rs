//! Queues, topics, event source mappings and alarms, as the faces show them.

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use futures_util::future::{try_join, try_join_all};
use labdeck_aws::{Failure, Result, Target};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Source;
use serde::Serialize;

use crate::deploy::kinds::subscription;
use crate::deploy::place;
use crate::live::{self, existing};

/// What a lab has beside functions and APIs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Events {
    /// Queues, in the blueprint's order.
    pub queues: Vec<QueueStatus>,
    /// Topics, in the blueprint's order.
    pub topics: Vec<TopicStatus>,
    /// Event source mappings, in the blueprint's order.
    pub mappings: Vec<MappingStatus>,
    /// Alarms, in the blueprint's order.
    pub alarms: Vec<AlarmStatus>,
}

/// A queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueStatus {
    /// Name.
    pub name: String,
    /// URL; empty when it does not exist.
    pub url: String,
    /// Messages that wait, about.
    pub waiting: i64,
    /// Messages that were received and not deleted yet, about.
    pub in_flight: i64,
    /// Whether others' failed messages go to it.
    pub dead_letters: bool,
}

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TopicStatus {
    /// Name.
    pub name: String,
    /// Whether it exists.
    pub exists: bool,
    /// Its subscriptions, whoever made them.
    pub subscriptions: Vec<SubscriptionStatus>,
}

/// A subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SubscriptionStatus {
    /// `sqs`, `lambda`, `https`, `email` …
    pub protocol: String,
    /// ARN, URL or address.
    pub endpoint: String,
    /// Whether its owner confirmed it: until then nothing is delivered.
    pub confirmed: bool,
}

/// An event source mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MappingStatus {
    /// Name in the blueprint.
    pub name: String,
    /// Function.
    pub function: String,
    /// Name of the queue, or of the table whose stream it reads.
    pub source: String,
    /// `Enabled`, `Creating` …; empty when it does not exist.
    pub state: String,
    /// What became of the last batch, in Lambda's words.
    pub last_result: String,
}

/// An alarm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AlarmStatus {
    /// Name.
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`; empty when it does not exist.
    pub state: String,
    /// Why, in CloudWatch's words.
    pub reason: String,
}

/// Reads all of it, side by side.
pub(super) async fn read(target: &Target, blueprint: &Blueprint) -> Result<Events> {
    let queues = try_join_all(
        blueprint.queues.iter().map(|queue| read_queue(target, blueprint, &queue.name, None)),
    );
    let topics = try_join_all(blueprint.topics.iter().map(|topic| read_topic(target, &topic.name)));
    let ((queues, topics), (mappings, alarms)) = try_join(
        try_join(queues, topics),
        try_join(read_mappings(target, blueprint), read_alarms(target, blueprint)),
    )
    .await?;
    Ok(Events { queues, topics, mappings, alarms })
}

/// Reads again what changes by itself: depths, states. Subscriptions are taken from `last`.
pub(super) async fn refresh(
    target: &Target,
    blueprint: &Blueprint,
    last: &Events,
) -> Result<Events> {
    let mut queues = Vec::new();
    for queue in &blueprint.queues {
        let before = last.queues.iter().find(|before| before.name == queue.name);
        let url = before.map(|before| before.url.clone()).filter(|url| !url.is_empty());
        queues.push(read_queue(target, blueprint, &queue.name, url).await?);
    }
    let mappings = read_mappings(target, blueprint).await?;
    let alarms = read_alarms(target, blueprint).await?;
    Ok(Events { queues, topics: last.topics.clone(), mappings, alarms })
}

async fn read_queue(
    target: &Target,
    blueprint: &Blueprint,
    name: &str,
    url: Option<String>,
) -> Result<QueueStatus> {
    let what = format!("reading queue {name}");
    let dead_letters = blueprint
        .queues
        .iter()
        .any(|queue| queue.dead_letter.as_ref().is_some_and(|(to, _)| to == name));
    let mut status = QueueStatus { name: name.to_owned(), dead_letters, ..QueueStatus::default() };
    let url = if url.is_some() {
        url
    } else {
        let found = target.sqs().get_queue_url().queue_name(name).send().await;
        let found = existing(found.map_err(|e| Failure::from_sdk(&what, &e)))?;
        found.and_then(|found| found.queue_url)
    };
    let Some(url) = url else { return Ok(status) };
    let found = target
        .sqs()
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(Attribute::ApproximateNumberOfMessages)
        .attribute_names(Attribute::ApproximateNumberOfMessagesNotVisible)
        .send()
        .await;
    let Some(found) = existing(found.map_err(|e| Failure::from_sdk(&what, &e)))? else {
        return Ok(status);
    };
    let number = |name: Attribute| -> i64 {
        let text = found.attributes().and_then(|all| all.get(&name));
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    };
    status.waiting = number(Attribute::ApproximateNumberOfMessages);
    status.in_flight = number(Attribute::ApproximateNumberOfMessagesNotVisible);
    status.url = url;
    Ok(status)
}

async fn read_topic(target: &Target, name: &str) -> Result<TopicStatus> {
    let arn = place(target).await?.topic(name);
    let attributes = target.sns().get_topic_attributes().topic_arn(&arn).send();
    let (found, subscriptions) =
        tokio::join!(attributes, subscription::observe_plain(target, &arn));
    let found =
        existing(found.map_err(|e| Failure::from_sdk(format!("reading topic {name}"), &e)))?;
    let subscriptions = subscriptions?.into_iter().map(|live| SubscriptionStatus {
        confirmed: live.arn.is_some(),
        protocol: live.protocol,
        endpoint: live.endpoint,
    });
    // SNS lists them in an order of its own.
    let mut subscriptions: Vec<_> = subscriptions.collect();
    subscriptions.sort_by(|a, b| (&a.protocol, &a.endpoint).cmp(&(&b.protocol, &b.endpoint)));
    Ok(TopicStatus { name: name.to_owned(), exists: found.is_some(), subscriptions })
}

async fn read_mappings(target: &Target, blueprint: &Blueprint) -> Result<Vec<MappingStatus>> {
    if blueprint.mappings.is_empty() {
        return Ok(Vec::new());
    }
    let place = place(target).await?;
    let live = live::mappings(target).await?;
    let mappings = blueprint.mappings.iter();
    Ok(mappings
        .map(|mapping| {
            let function = place.function(&mapping.function);
            let (source, arn, stream) = match &mapping.source {
                Source::Queue { queue, .. } => (queue, place.queue(queue), false),
                Source::Stream { table, .. } => {
                    (table, format!("{}/stream/", place.table(table)), true)
                }
            };
            let found = live.iter().find(|live| {
                let of = live.function_arn().unwrap_or_default();
                let from = live.event_source_arn().unwrap_or_default();
                let own = of.strip_prefix(&function);
                own.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
                    && if stream { from.starts_with(&arn) } else { from == arn }
            });
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            MappingStatus {
                name: mapping.name.clone(),
                function: mapping.function.clone(),
                source: source.clone(),
                state: text(found.and_then(|found| found.state())),
                last_result: text(found.and_then(|found| found.last_processing_result())),
            }
        })
        .collect())
}

async fn read_alarms(target: &Target, blueprint: &Blueprint) -> Result<Vec<AlarmStatus>> {
    let names: Vec<String> = blueprint.alarms.iter().map(|alarm| alarm.name.clone()).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let live = live::alarms(target, &names).await?;
    let status = |name: String| {
        let found = live.iter().find(|live| live.alarm_name() == Some(&name));
        let state = found.and_then(|found| found.state_value());
        AlarmStatus {
            state: state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            reason: found.and_then(|found| found.state_reason()).unwrap_or_default().to_owned(),
            name,
        }
    };
    Ok(names.into_iter().map(status).collect())
}
