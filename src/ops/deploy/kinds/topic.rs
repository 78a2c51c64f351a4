//! Standard topics.

use labdeck_aws::{Failure, Result, Target};
use serde::{Deserialize, Serialize};

use super::subscription;
use crate::deploy::graph::Planner;
use crate::deploy::observe::Owner;
use crate::deploy::plan::Verb;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Settings, Spec};
use crate::deploy::wanted::{Place, Wanted};
use crate::live::{LAB_TAG, existing};

/// What the plan calls it.
pub const RESOURCE: &str = "topic";

/// What a topic is set to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TopicSettings {
    /// What e-mails call it.
    pub display_name: String,
}

impl Settings for TopicSettings {}

/// A topic that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedTopic {
    /// Name.
    pub name: String,
    /// Settings.
    pub spec: Spec<TopicSettings>,
}

/// A topic that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveTopic {
    /// Whose it is, and its settings.
    pub found: Found<TopicSettings>,
    /// Its subscriptions, whoever made them.
    pub subscriptions: Vec<subscription::LiveSubscription>,
    /// What its tags remember of labdeck's subscriptions, by their names in the blueprint.
    pub remembered: std::collections::BTreeMap<String, subscription::Remembered>,
}

/// What is done to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicAction {
    /// Make it.
    Create(String),
    /// Change its settings.
    Update(String),
    /// Remove it with its subscriptions.
    Delete(String),
}

/// The topics of a blueprint.
pub fn wanted(resolver: &Resolver<'_>) -> Vec<WantedTopic> {
    let topics = resolver.blueprint.topics.iter();
    topics
        .map(|topic| WantedTopic {
            name: topic.name.clone(),
            spec: Spec::new(TopicSettings { display_name: topic.display_name.clone() }),
        })
        .collect()
}

/// Reads a topic with its subscriptions.
pub async fn observe(
    target: &Target,
    place: &Place,
    name: &str,
    lab: &str,
) -> Result<Option<(String, LiveTopic)>> {
    let arn = place.topic(name);
    let what = format!("reading topic {name}");
    let attributes = target.sns().get_topic_attributes().topic_arn(&arn).send();
    let tags = target.sns().list_tags_for_resource().resource_arn(&arn).send();
    let (attributes, tags, subscriptions) =
        tokio::join!(attributes, tags, subscription::observe(target, &arn));
    let attributes = existing(attributes.map_err(|e| Failure::from_sdk(&what, &e)))?;
    let Some(attributes) = attributes else { return Ok(None) };
    let tags = existing(tags.map_err(|e| Failure::from_sdk(&what, &e)))?;
    let tags = tags.and_then(|answer| answer.tags).unwrap_or_default();
    let attributes = attributes.attributes.unwrap_or_default();
    let settings =
        TopicSettings { display_name: attributes.get("DisplayName").cloned().unwrap_or_default() };
    let tag =
        |key: &str| tags.iter().find(|tag| tag.key() == key).map(|tag| tag.value().to_owned());
    let live = LiveTopic {
        found: Found::new(lab, settings, tag),
        subscriptions: subscriptions?,
        remembered: tags
            .iter()
            .filter_map(|tag| {
                let name = tag.key().strip_prefix(subscription::TAG)?;
                Some((name.to_owned(), subscription::Remembered::parse(tag.value())))
            })
            .collect(),
    };
    Ok(Some((name.to_owned(), live)))
}

/// Plans the topics.
pub fn plan(planner: &mut Planner<'_>) {
    for topic in &planner.wanted.topics {
        let name = &topic.name;
        match planner.live.topics.get(name) {
            None => {
                planner.create(RESOURCE, name, &[], TopicAction::Create(name.clone()));
            }
            Some(live) => {
                let both = (&topic.spec, &live.found);
                planner.update(RESOURCE, name, both, &[], TopicAction::Update(name.clone()));
            }
        }
    }
}

/// Plans to remove the topics that the blueprint names no more.
pub fn plan_removed(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.topics {
        let named = planner.wanted.topics.iter().any(|one| one.name == *name);
        if live.found.owner == Owner::Lab && !named {
            planner.removed(RESOURCE, name, after, TopicAction::Delete(name.clone()));
        }
    }
}

/// Plans to remove the topics.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.topics {
        if live.found.owner == Owner::Lab {
            let action = TopicAction::Delete(name.clone());
            planner.step(Verb::Delete, RESOURCE, name, "with its subscriptions", after, action);
        }
    }
}

impl Wanted {
    fn topic(&self, name: &str) -> Result<&WantedTopic> {
        self.topics.iter().find(|topic| topic.name == name).ok_or_else(|| missing(RESOURCE, name))
    }
}

impl StepRun {
    pub(crate) async fn on_topic(&self, action: &TopicAction) -> Result<()> {
        match action {
            TopicAction::Create(name) => self.create_topic(name).await,
            TopicAction::Update(name) => self.update_topic(name).await,
            TopicAction::Delete(name) => self.delete_topic(name).await,
        }
    }

    /// Making a topic again with the same attributes and tags answers the one that is there.
    async fn create_topic(&self, name: &str) -> Result<()> {
        let topic = self.context.wanted.topic(name)?;
        let mut tags = vec![
            subscription::tag(LAB_TAG, &self.context.wanted.lab)?,
            subscription::tag(APPLIED_TAG, &topic.spec.record.text())?,
        ];
        tags.extend(subscription::tags_of_new(&self.context.wanted, name)?);
        let display_name = &topic.spec.settings.display_name;
        self.patiently(|| async {
            let mut call = self.target().sns().create_topic().name(name);
            if !display_name.is_empty() {
                call = call.attributes("DisplayName", display_name);
            }
            let done = call.set_tags(Some(tags.clone())).send().await;
            done.map_err(|e| Failure::from_sdk(format!("creating topic {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn update_topic(&self, name: &str) -> Result<()> {
        let topic = self.context.wanted.topic(name)?;
        let arn = self.context.wanted.place.topic(name);
        self.patiently(|| async {
            let call = self.target().sns().set_topic_attributes().topic_arn(&arn);
            let call = call.attribute_name("DisplayName");
            let done = call.attribute_value(&topic.spec.settings.display_name).send().await;
            done.map_err(|e| Failure::from_sdk(format!("changing topic {name}"), &e))
        })
        .await?;
        self.tag_topic(name, APPLIED_TAG, &topic.spec.record.text()).await
    }

    pub(super) async fn tag_topic(&self, name: &str, key: &str, value: &str) -> Result<()> {
        let arn = self.context.wanted.place.topic(name);
        let tag = subscription::tag(key, value)?;
        self.patiently(|| async {
            let call = self.target().sns().tag_resource().resource_arn(&arn);
            let done = call.tags(tag.clone()).send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging topic {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn delete_topic(&self, name: &str) -> Result<()> {
        let arn = self.context.wanted.place.topic(name);
        self.patiently(|| async {
            let done = self.target().sns().delete_topic().topic_arn(&arn).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting topic {name}"), &e)))
        })
        .await
        .map(|_| ())
    }
}
