//! Amazon SNS: standard topics (awsQuery, API version 2010-03-31).
//!
//! A message that was accepted is in the store until each subscriber has it or its tries are used
//! up. Messages are not signed: the local cloud has no key of AWS, so `Signature` and
//! `SigningCertURL` are there and empty. Subscriptions to `http` URLs must be on this machine;
//! e-mail goes to `outbox.jsonl` in the state directory.

mod delivery;
mod envelope;
mod error;
mod model;
mod outbox;
mod publish;
mod queue;
mod subscriptions;
#[cfg(test)]
mod tests;
mod topics;
mod webhook;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use futures_util::future::BoxFuture;

pub use publish::Publication;

use crate::core::Core;
use crate::error::AwsError;
use crate::iam::{Iam, Requester, ResourcePolicy};
use crate::protocol::{Form, Protocol, Xml, query_answer};
use crate::sqs::Sqs;
use crate::store::StoreError;
use crate::wire::{Answer, ApiRequest, Caller};
use model::{Subscription, Topic, topic_arn};
use queue::Deliveries;

/// Documents of topics, by name.
const TOPICS: &str = "sns.topics";
/// Documents of subscriptions, by id.
const SUBSCRIPTIONS: &str = "sns.subscriptions";
const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";
/// The most pairs of a map that are read.
const ENTRIES: usize = 100;
/// Items of one page of a list.
const PAGE: usize = 100;

/// Who runs functions: Lambda, which comes after SNS in the order of services.
pub trait Functions: Send + Sync + std::fmt::Debug {
    /// Accepts an event for a function on behalf of a topic, whom the function's resource policy
    /// must let in. The event is durable when this returns.
    fn accept(
        &self,
        function_arn: String,
        topic_arn: String,
        event: String,
    ) -> BoxFuture<'_, Result<(), AwsError>>;
}

/// The SNS service of the local cloud.
#[derive(Debug)]
pub struct Sns {
    core: Arc<Core>,
    iam: Arc<Iam>,
    sqs: Arc<Sqs>,
    functions: OnceLock<Weak<dyn Functions>>,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
    subscriptions: RwLock<BTreeMap<String, Arc<Subscription>>>,
    deliveries: Deliveries,
    /// Held across a change of a topic or a subscription.
    writing: tokio::sync::Mutex<()>,
}

impl Sns {
    /// Reads topics, subscriptions and what is still to be delivered. Must be called from within
    /// the async runtime.
    pub fn open(core: Arc<Core>, iam: Arc<Iam>, sqs: Arc<Sqs>) -> Result<Arc<Self>, StoreError> {
        let topics = core.store.load::<Topic>(TOPICS)?;
        let subscriptions = core.store.load::<Subscription>(SUBSCRIPTIONS)?;
        let deliveries = Deliveries::open(&core)?;
        Ok(Arc::new(Self {
            core,
            iam,
            sqs,
            functions: OnceLock::new(),
            topics: RwLock::new(topics.into_iter().map(|(k, v)| (k, Arc::new(v))).collect()),
            subscriptions: RwLock::new(
                subscriptions.into_iter().map(|(k, v)| (k, Arc::new(v))).collect(),
            ),
            deliveries,
            writing: tokio::sync::Mutex::default(),
        }))
    }

    /// Tells the service who runs functions, and starts to deliver; once, right after it was
    /// opened.
    pub fn connect(self: &Arc<Self>, functions: Weak<dyn Functions>) {
        if self.functions.set(functions).is_err() {
            tracing::error!("SNS was connected twice");
            return;
        }
        self.start_deliveries();
    }

    /// Delivers no more. What waits is in the store.
    pub fn stop(&self) {
        self.deliveries.stop();
    }

    /// Whether a request needs no signature: its token or the ARN that only subscribers know is
    /// what counts, as on AWS. These are the links in messages to subscribers.
    pub fn is_public(request: &ApiRequest) -> bool {
        request.method == http::Method::GET
            && request.path == "/"
            && matches!(
                Form::read(request).get("Action"),
                Some("ConfirmSubscription" | "Unsubscribe")
            )
    }

    /// Answers a request of SNS's API.
    pub async fn call(self: &Arc<Self>, request: ApiRequest) -> Answer {
        let form = Form::read(&request);
        let Some(action) = form.get("Action") else {
            let error = AwsError::new(
                400,
                "MissingAction",
                "The request must contain the parameter Action.",
            );
            return Protocol::Query.error(&error, &request.request_id);
        };
        match self.answer(action, &form, &request.caller).await {
            Ok(result) => {
                query_answer(action, NAMESPACE, &request.request_id, |xml| xml.append(&result))
            }
            Err(error) => Protocol::Query.error(&error, &request.request_id),
        }
    }

    async fn answer(
        self: &Arc<Self>,
        action: &str,
        form: &Form,
        caller: &Caller,
    ) -> Result<Xml, AwsError> {
        match action {
            "CreateTopic" => self.create_topic(form, caller).await,
            "DeleteTopic" => self.delete_topic(form, caller).await,
            "ListTopics" => self.list_topics(form, caller),
            "GetTopicAttributes" => self.get_topic_attributes(form, caller),
            "SetTopicAttributes" => self.set_topic_attributes(form, caller).await,
            "TagResource" => self.tag_topic(form, caller).await,
            "UntagResource" => self.untag_topic(form, caller).await,
            "ListTagsForResource" => self.list_tags(form, caller),
            "Subscribe" => self.subscribe(form, caller).await,
            "ConfirmSubscription" => self.confirm(form).await,
            "Unsubscribe" => self.unsubscribe(form, caller).await,
            "ListSubscriptions" => self.list_subscriptions(form, caller, None),
            "ListSubscriptionsByTopic" => {
                let topic = self.topic(form.required("TopicArn")?)?;
                self.list_subscriptions(form, caller, Some(&topic))
            }
            "GetSubscriptionAttributes" => self.get_subscription_attributes(form, caller),
            "SetSubscriptionAttributes" => self.set_subscription_attributes(form, caller).await,
            "Publish" => self.publish_one(form, caller).await,
            "PublishBatch" => self.publish_batch(form, caller).await,
            other => Err(AwsError::not_implemented("SNS", other)),
        }
    }

    /// Whether somebody may do `action` (such as `Publish`) on a topic.
    fn authorize(
        &self,
        requester: Requester<'_>,
        action: &str,
        topic: Option<&Topic>,
        resource: &str,
    ) -> Result<(), AwsError> {
        let policy = topic.and_then(|topic| ResourcePolicy::parse(&topic.policy()).ok());
        self.iam
            .authorize_on(requester, &format!("SNS:{action}"), resource, policy.as_ref())
            .map_err(|denial| AwsError::new(403, "AuthorizationError", denial.message))
    }

    fn authorize_topic(
        &self,
        caller: &Caller,
        action: &str,
        topic: &Topic,
    ) -> Result<(), AwsError> {
        self.authorize(Requester::Caller(caller), action, Some(topic), &topic.arn())
    }

    fn find_topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The topic that an ARN names.
    fn topic(&self, arn: &str) -> Result<Arc<Topic>, AwsError> {
        self.find_topic(model::topic_of_arn(arn)?).ok_or_else(error::no_topic)
    }

    fn find_subscription(&self, id: &str) -> Option<Arc<Subscription>> {
        self.subscriptions.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The subscriptions of a topic, or all.
    fn subscriptions_of(&self, topic: Option<&str>) -> Vec<Arc<Subscription>> {
        let all = self.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
        all.values().filter(|s| topic.is_none_or(|topic| s.topic == topic)).cloned().collect()
    }

    /// Whether there is a topic of this ARN that somebody may publish to.
    pub fn allows_publish(
        &self,
        requester: Requester<'_>,
        topic_arn: &str,
    ) -> Result<(), AwsError> {
        let topic = self.topic(topic_arn)?;
        self.authorize(requester, "Publish", Some(&topic), topic_arn)
    }

    /// The URL that confirms or ends a subscription.
    fn link(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("Action", action).extend_pairs(parameters);
        format!("{}/?{}", self.core.endpoint(), query.finish())
    }

    /// What tells a subscriber how to unsubscribe.
    fn unsubscribe_url(&self, subscription: &Subscription) -> String {
        self.link("Unsubscribe", &[("SubscriptionArn", &subscription.arn())])
    }

    /// What confirms a pending subscription.
    fn confirm_url(&self, subscription: &Subscription) -> String {
        let arn = topic_arn(&subscription.topic);
        let token = subscription.token.as_deref().unwrap_or("");
        self.link("ConfirmSubscription", &[("TopicArn", &arn), ("Token", token)])
    }
}

/// One page of a list behind `NextToken`, which is the key of the last item shown.
fn page<T>(items: Vec<(String, T)>, form: &Form) -> (Vec<T>, Option<String>) {
    let after = form.get("NextToken").unwrap_or("").to_owned();
    let mut rest = items.into_iter().filter(|(key, _)| *key > after);
    let mut last = None;
    let mut shown = Vec::new();
    for (key, item) in rest.by_ref().take(PAGE) {
        last = Some(key);
        shown.push(item);
    }
    let more = rest.next().is_some();
    (shown, last.filter(|_| more))
}

/// An attribute in a list of attributes.
fn entry(xml: &mut Xml, name: &str, value: &str) {
    xml.element("entry", |xml| {
        xml.text("key", name).text("value", value);
    });
}

/// The pairs of `{name}.entry.N.key` and `.value`.
fn entries<'a>(form: &'a Form, name: &str) -> Vec<(&'a str, &'a str)> {
    (1..=ENTRIES)
        .map_while(|index| {
            let key = form.get(&format!("{name}.entry.{index}.key"))?;
            Some((key, form.get(&format!("{name}.entry.{index}.value")).unwrap_or("")))
        })
        .collect()
}
