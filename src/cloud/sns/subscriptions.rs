//! Subscriptions: making, confirming, finding, changing and ending them.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use super::error::{invalid, no_subscription};
use super::model::{Subscription, Topic, subscription_of_arn, topic_arn};
use super::queue::Content;
use super::{SUBSCRIPTIONS, Sns, entries, entry, page};
use crate::core::ACCOUNT_ID;
use crate::error::AwsError;
use crate::iam::Requester;
use crate::protocol::{Form, Xml};
use crate::store::Change;
use crate::wire::Caller;

/// The most subscriptions of all topics together. AWS allows more.
const LIMIT: usize = 10_000;

impl Sns {
    pub(super) async fn subscribe(&self, form: &Form, caller: &Caller) -> Result<Xml, AwsError> {
        let topic = self.topic(form.required("TopicArn")?)?;
        self.authorize_topic(caller, "Subscribe", &topic)?;
        let protocol = form.required("Protocol")?;
        let endpoint = form.get("Endpoint").unwrap_or("");
        let needs_confirmation = check_endpoint(protocol, endpoint)?;
        let mut subscription = Subscription {
            id: uuid::Uuid::new_v4().to_string(),
            topic: topic.name.clone(),
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
            token: needs_confirmation.then(token),
            raw: false,
            filter_policy: None,
            filter_body: false,
            dead_letter: None,
        };
        let given = entries(form, "Attributes");
        for (name, value) in &given {
            subscription.set(name, value)?;
        }
        let tell_arn = form.get("ReturnSubscriptionArn") == Some("true");
        let _writing = self.writing.lock().await;
        let same = |s: &Arc<Subscription>| s.protocol == protocol && s.endpoint == endpoint;
        let of_topic = self.subscriptions_of(Some(&topic.name));
        let subscription = if let Some(existing) = of_topic.iter().find(|s| same(s)) {
            let mut asked = Subscription::clone(existing);
            for (name, value) in &given {
                asked.set(name, value)?;
            }
            if asked != **existing {
                return Err(invalid(
                    "Attributes Reason: Subscription already exists with different attributes",
                ));
            }
            Arc::clone(existing)
        } else {
            if self.subscriptions_of(None).len() >= LIMIT {
                return Err(AwsError::new(
                    403,
                    "SubscriptionLimitExceeded",
                    format!("The local cloud keeps at most {LIMIT} subscriptions."),
                ));
            }
            self.write_subscription(subscription).await?
        };
        // A pending one is asked again.
        if subscription.token.is_some() {
            self.ask_for_confirmation(&topic, &subscription).await?;
        }
        let shown = if subscription.token.is_some() && !tell_arn {
            "pending confirmation".to_owned()
        } else {
            subscription.arn()
        };
        let mut xml = Xml::default();
        xml.text("SubscriptionArn", &shown);
        Ok(xml)
    }

    /// Makes a subscription durable, then visible.
    async fn write_subscription(
        &self,
        subscription: Subscription,
    ) -> Result<Arc<Subscription>, AwsError> {
        let id = subscription.id.clone();
        self.core.store.commit(vec![Change::put(SUBSCRIPTIONS, &id, &subscription)?]).await?;
        let subscription = Arc::new(subscription);
        let mut all = self.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(id, Arc::clone(&subscription));
        Ok(subscription)
    }

    async fn ask_for_confirmation(
        &self,
        topic: &Topic,
        subscription: &Subscription,
    ) -> Result<(), AwsError> {
        let content = Content {
            message_id: uuid::Uuid::new_v4().to_string(),
            topic_arn: topic.arn(),
            sent_ms: self.core.now_millis(),
            confirmation: true,
            subject: None,
            message: format!(
                "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit \
                 the SubscribeURL included in this message.",
                topic.arn()
            ),
            attributes: crate::sqs::Attributes::new(),
        };
        self.enqueue(vec![(subscription.id.clone(), content)]).await
    }

    pub(super) async fn confirm(&self, form: &Form) -> Result<Xml, AwsError> {
        let arn = self.confirm_token(form.required("TopicArn")?, form.required("Token")?).await?;
        let mut xml = Xml::default();
        xml.text("SubscriptionArn", &arn);
        Ok(xml)
    }

    /// Confirms the subscription of a topic that waits with this token; answers its ARN.
    pub async fn confirm_token(&self, topic: &str, token: &str) -> Result<String, AwsError> {
        let topic = self.topic(topic)?;
        let _writing = self.writing.lock().await;
        let pending = self
            .subscriptions_of(Some(&topic.name))
            .into_iter()
            .find(|s| s.token.as_deref().is_some_and(|t| crate::server::same(t, token)));
        let pending = pending.ok_or_else(|| invalid("Token"))?;
        let confirmed = Subscription { token: None, ..Subscription::clone(&pending) };
        Ok(self.write_subscription(confirmed).await?.arn())
    }

    /// One that is not there is no error, as on AWS.
    pub(super) async fn unsubscribe(&self, form: &Form, caller: &Caller) -> Result<Xml, AwsError> {
        let arn = form.required("SubscriptionArn")?;
        if arn == "PendingConfirmation" || arn == "pending confirmation" {
            return Err(invalid("SubscriptionArn Reason: The subscription is not confirmed"));
        }
        let (topic, id) = subscription_of_arn(arn)?;
        self.authorize(Requester::Caller(caller), "Unsubscribe", None, &topic_arn(topic))?;
        let _writing = self.writing.lock().await;
        let Some(subscription) = self.find_subscription(id).filter(|s| s.topic == topic) else {
            return Ok(Xml::default());
        };
        self.core.store.commit(vec![Change::delete(SUBSCRIPTIONS, id)]).await?;
        self.subscriptions.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.count_removed(&subscription.topic).await?;
        Ok(Xml::default())
    }

    pub(super) fn list_subscriptions(
        &self,
        form: &Form,
        caller: &Caller,
        topic: Option<&Topic>,
    ) -> Result<Xml, AwsError> {
        match topic {
            Some(topic) => self.authorize_topic(caller, "ListSubscriptionsByTopic", topic)?,
            None => self.authorize(Requester::Caller(caller), "ListSubscriptions", None, "*")?,
        }
        let items = self
            .subscriptions_of(topic.map(|topic| topic.name.as_str()))
            .into_iter()
            .map(|subscription| (subscription.id.clone(), subscription))
            .collect();
        let (shown, next) = page(items, form);
        let mut xml = Xml::default();
        xml.element("Subscriptions", |xml| {
            for subscription in shown {
                xml.element("member", |xml| {
                    xml.text("TopicArn", &topic_arn(&subscription.topic))
                        .text("Protocol", &subscription.protocol)
                        .text("SubscriptionArn", &subscription.listed_arn())
                        .text("Owner", ACCOUNT_ID)
                        .text("Endpoint", &subscription.endpoint);
                });
            }
        })
        .optional("NextToken", next.as_deref());
        Ok(xml)
    }

    fn subscription(&self, arn: &str) -> Result<Arc<Subscription>, AwsError> {
        let (topic, id) = subscription_of_arn(arn)?;
        self.find_subscription(id).filter(|s| s.topic == topic).ok_or_else(no_subscription)
    }

    pub(super) fn get_subscription_attributes(
        &self,
        form: &Form,
        caller: &Caller,
    ) -> Result<Xml, AwsError> {
        let arn = form.required("SubscriptionArn")?;
        let s = self.subscription(arn)?;
        let topic = topic_arn(&s.topic);
        self.authorize(Requester::Caller(caller), "GetSubscriptionAttributes", None, &topic)?;
        let mut xml = Xml::default();
        xml.element("Attributes", |xml| {
            entry(xml, "SubscriptionArn", &s.arn());
            entry(xml, "TopicArn", &topic);
            entry(xml, "Protocol", &s.protocol);
            entry(xml, "Endpoint", &s.endpoint);
            entry(xml, "Owner", ACCOUNT_ID);
            entry(xml, "PendingConfirmation", &s.token.is_some().to_string());
            entry(xml, "ConfirmationWasAuthenticated", &s.token.is_none().to_string());
            entry(xml, "RawMessageDelivery", &s.raw.to_string());
            if let Some(policy) = &s.filter_policy {
                let scope = if s.filter_body { "MessageBody" } else { "MessageAttributes" };
                entry(xml, "FilterPolicy", policy);
                entry(xml, "FilterPolicyScope", scope);
            }
            if let Some(target) = &s.dead_letter {
                let policy = serde_json::json!({ "deadLetterTargetArn": target });
                entry(xml, "RedrivePolicy", &policy.to_string());
            }
        });
        Ok(xml)
    }

    pub(super) async fn set_subscription_attributes(
        &self,
        form: &Form,
        caller: &Caller,
    ) -> Result<Xml, AwsError> {
        let arn = form.required("SubscriptionArn")?;
        let name = form.required("AttributeName")?;
        let value = form.get("AttributeValue").unwrap_or("");
        let _writing = self.writing.lock().await;
        let mut subscription = Subscription::clone(&*self.subscription(arn)?);
        let topic = topic_arn(&subscription.topic);
        self.authorize(Requester::Caller(caller), "SetSubscriptionAttributes", None, &topic)?;
        subscription.set(name, value)?;
        self.write_subscription(subscription).await?;
        Ok(Xml::default())
    }
}

/// Checks where messages are to go; whether somebody there must confirm it first.
fn check_endpoint(protocol: &str, endpoint: &str) -> Result<bool, AwsError> {
    match protocol {
        "sqs" => match crate::sqs::name_of_arn(endpoint) {
            Some(_) => Ok(false),
            None => Err(invalid("SQS endpoint ARN")),
        },
        "lambda" => {
            let is_function = endpoint.starts_with("arn:aws:lambda:")
                && matches!(endpoint.split(':').nth(5), Some("function"))
                && matches!(endpoint.split(':').count(), 7 | 8);
            if is_function { Ok(false) } else { Err(invalid("Lambda endpoint ARN")) }
        }
        "http" => {
            let uri: http::Uri = endpoint.parse().map_err(|_| invalid("Endpoint"))?;
            if uri.scheme_str() != Some("http") {
                return Err(invalid("Endpoint must match the specified protocol"));
            }
            if !uri.host().is_some_and(is_this_machine) {
                return Err(invalid(
                    "Endpoint: the local cloud sends only to this machine (localhost, 127.0.0.1, \
                     [::1])",
                ));
            }
            Ok(true)
        }
        "email" | "email-json" => {
            let fits = endpoint.len() <= 256
                && !endpoint.contains(|c: char| c.is_whitespace() || c.is_control())
                && endpoint.split_once('@').is_some_and(|(name, host)| {
                    !name.is_empty() && !host.is_empty() && !host.contains('@')
                });
            if fits { Ok(true) } else { Err(invalid("Email address")) }
        }
        "https" | "sms" | "application" | "firehose" => {
            Err(AwsError::not_implemented("SNS", &format!("the protocol {protocol}")))
        }
        other => {
            Err(invalid(&format!("Amazon SNS does not support this protocol string: {other}")))
        }
    }
}

/// Whether a host is this machine, whatever a name server says.
fn is_this_machine(host: &str) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || plain.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A token that nobody can guess.
fn token() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}
