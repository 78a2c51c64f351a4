//! Topics: making, finding, changing and removing them; their tags.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use serde_json::json;

use super::error::{invalid, no_topic};
use super::model::{Topic, check_name, topic_arn, topic_of_arn};
use super::{SUBSCRIPTIONS, Sns, TOPICS, entries, entry, page};
use crate::core::ACCOUNT_ID;
use crate::error::AwsError;
use crate::iam::{Requester, ResourcePolicy};
use crate::protocol::{Form, Xml};
use crate::store::Change;
use crate::wire::Caller;

/// The most topics. AWS allows more.
const LIMIT: usize = 10_000;
/// The most tags of a topic.
const TAGS: usize = 50;

impl Sns {
    pub(super) async fn create_topic(&self, form: &Form, caller: &Caller) -> Result<Xml, AwsError> {
        let name = form.required("Name")?;
        check_name(name)?;
        self.authorize(Requester::Caller(caller), "CreateTopic", None, &topic_arn(name))?;
        let mut topic = Topic {
            name: name.to_owned(),
            display_name: String::new(),
            policy: None,
            tags: tags(form)?,
            removed_subscriptions: 0,
        };
        let given = entries(form, "Attributes");
        for (attribute, value) in &given {
            set(&mut topic, attribute, value)?;
        }
        let _writing = self.writing.lock().await;
        if let Some(existing) = self.find_topic(name) {
            let mut asked = Topic::clone(&existing);
            for (attribute, value) in &given {
                set(&mut asked, attribute, value)?;
            }
            if asked != *existing {
                return Err(invalid(
                    "Attributes Reason: Topic already exists with different attributes",
                ));
            }
            if !topic.tags.is_empty() && topic.tags != existing.tags {
                return Err(invalid("Tags Reason: Topic already exists with different tags"));
            }
        } else {
            if self.topics.read().unwrap_or_else(PoisonError::into_inner).len() >= LIMIT {
                return Err(AwsError::new(
                    403,
                    "TopicLimitExceeded",
                    format!("The local cloud keeps at most {LIMIT} topics."),
                ));
            }
            self.write_topic(topic).await?;
        }
        let mut xml = Xml::default();
        xml.text("TopicArn", &topic_arn(name));
        Ok(xml)
    }

    /// Makes a topic durable, then visible.
    async fn write_topic(&self, topic: Topic) -> Result<(), AwsError> {
        self.core.store.commit(vec![Change::put(TOPICS, &topic.name, &topic)?]).await?;
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.insert(topic.name.clone(), Arc::new(topic));
        Ok(())
    }

    /// Changes a topic that the caller may change.
    async fn change_topic(
        &self,
        arn: &str,
        caller: &Caller,
        action: &str,
        change: impl FnOnce(&mut Topic) -> Result<(), AwsError>,
    ) -> Result<(), AwsError> {
        let _writing = self.writing.lock().await;
        let mut topic = Topic::clone(&*self.topic(arn)?);
        self.authorize_topic(caller, action, &topic)?;
        change(&mut topic)?;
        self.write_topic(topic).await
    }

    /// A topic that is not there is no error, as on AWS.
    pub(super) async fn delete_topic(&self, form: &Form, caller: &Caller) -> Result<Xml, AwsError> {
        let arn = form.required("TopicArn")?;
        let name = topic_of_arn(arn)?;
        let _writing = self.writing.lock().await;
        let topic = self.find_topic(name);
        self.authorize(Requester::Caller(caller), "DeleteTopic", topic.as_deref(), arn)?;
        let subscriptions = self.subscriptions_of(Some(name));
        let mut changes = vec![Change::delete(TOPICS, name)];
        changes.extend(subscriptions.iter().map(|s| Change::delete(SUBSCRIPTIONS, &s.id)));
        self.core.store.commit(changes).await?;
        self.topics.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        let mut all = self.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
        for subscription in subscriptions {
            all.remove(&subscription.id);
        }
        Ok(Xml::default())
    }

    pub(super) fn list_topics(&self, form: &Form, caller: &Caller) -> Result<Xml, AwsError> {
        self.authorize(Requester::Caller(caller), "ListTopics", None, "*")?;
        let names: Vec<(String, String)> = {
            let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
            topics.keys().map(|name| (name.clone(), topic_arn(name))).collect()
        };
        let (arns, next) = page(names, form);
        let mut xml = Xml::default();
        xml.element("Topics", |xml| {
            for arn in arns {
                xml.element("member", |xml| {
                    xml.text("TopicArn", &arn);
                });
            }
        })
        .optional("NextToken", next.as_deref());
        Ok(xml)
    }

    pub(super) fn get_topic_attributes(
        &self,
        form: &Form,
        caller: &Caller,
    ) -> Result<Xml, AwsError> {
        let topic = self.topic(form.required("TopicArn")?)?;
        self.authorize_topic(caller, "GetTopicAttributes", &topic)?;
        let subscriptions = self.subscriptions_of(Some(&topic.name));
        let pending = subscriptions.iter().filter(|s| s.token.is_some()).count();
        let confirmed = subscriptions.len() - pending;
        let mut xml = Xml::default();
        xml.element("Attributes", |xml| {
            entry(xml, "TopicArn", &topic.arn());
            entry(xml, "Owner", ACCOUNT_ID);
            entry(xml, "Policy", &topic.policy());
            entry(xml, "DisplayName", &topic.display_name);
            entry(xml, "SubscriptionsPending", &pending.to_string());
            entry(xml, "SubscriptionsConfirmed", &confirmed.to_string());
            entry(xml, "SubscriptionsDeleted", &topic.removed_subscriptions.to_string());
            entry(xml, "EffectiveDeliveryPolicy", &effective_delivery_policy());
        });
        Ok(xml)
    }

    pub(super) async fn set_topic_attributes(
        &self,
        form: &Form,
        caller: &Caller,
    ) -> Result<Xml, AwsError> {
        let arn = form.required("TopicArn")?;
        let name = form.required("AttributeName")?;
        let value = form.get("AttributeValue").unwrap_or("");
        self.change_topic(arn, caller, "SetTopicAttributes", |topic| set(topic, name, value))
            .await?;
        Ok(Xml::default())
    }

    pub(super) async fn tag_topic(&self, form: &Form, caller: &Caller) -> Result<Xml, AwsError> {
        let new = tags(form)?;
        let arn = resource(form)?;
        self.change_topic(arn, caller, "TagResource", |topic| {
            topic.tags.extend(new);
            if topic.tags.len() > TAGS {
                return Err(AwsError::new(
                    400,
                    "TagLimitExceeded",
                    "Could not complete request: tag quota of per resource exceeded",
                ));
            }
            Ok(())
        })
        .await?;
        Ok(Xml::default())
    }

    pub(super) async fn untag_topic(&self, form: &Form, caller: &Caller) -> Result<Xml, AwsError> {
        let keys = form.members("TagKeys");
        let arn = resource(form)?;
        self.change_topic(arn, caller, "UntagResource", |topic| {
            topic.tags.retain(|key, _| !keys.contains(&key.as_str()));
            Ok(())
        })
        .await?;
        Ok(Xml::default())
    }

    pub(super) fn list_tags(&self, form: &Form, caller: &Caller) -> Result<Xml, AwsError> {
        let topic = self.topic(resource(form)?)?;
        self.authorize_topic(caller, "ListTagsForResource", &topic)?;
        let mut xml = Xml::default();
        xml.element("Tags", |xml| {
            for (key, value) in &topic.tags {
                xml.element("member", |xml| {
                    xml.text("Key", key).text("Value", value);
                });
            }
        });
        Ok(xml)
    }

    /// Counts a removed subscription of a topic. The caller holds `writing`.
    pub(super) async fn count_removed(&self, name: &str) -> Result<(), AwsError> {
        let Some(topic) = self.find_topic(name) else { return Ok(()) };
        let mut topic = Topic::clone(&topic);
        topic.removed_subscriptions += 1;
        self.write_topic(topic).await
    }
}

fn resource(form: &Form) -> Result<&str, AwsError> {
    let arn = form.required("ResourceArn")?;
    match topic_of_arn(arn) {
        Ok(_) => Ok(arn),
        Err(_) => Err(AwsError::new(404, "ResourceNotFound", no_topic().message)),
    }
}

fn tags(form: &Form) -> Result<BTreeMap<String, String>, AwsError> {
    let tags: BTreeMap<String, String> =
        form.pairs("Tags").into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let fits = |(key, value): (&String, &String)| {
        (1..=128).contains(&key.chars().count())
            && value.chars().count() <= 256
            && !key.to_ascii_lowercase().starts_with("aws:")
    };
    if tags.len() > TAGS || !tags.iter().all(fits) {
        return Err(invalid("Tags"));
    }
    Ok(tags)
}

fn set(topic: &mut Topic, name: &str, value: &str) -> Result<(), AwsError> {
    match name {
        "DisplayName" => {
            if value.chars().count() > 100 || value.contains(char::is_control) {
                return Err(invalid("DisplayName"));
            }
            value.clone_into(&mut topic.display_name);
        }
        "Policy" if value.is_empty() => topic.policy = None,
        "Policy" => {
            ResourcePolicy::parse(value)
                .map_err(|error| invalid(&format!("Policy Error: {}", error.message)))?;
            topic.policy = Some(value.to_owned());
        }
        "FifoTopic" if value == "false" => {}
        "KmsMasterKeyId" | "DeliveryPolicy" | "TracingConfig" | "SignatureVersion"
            if value.is_empty() => {}
        "FifoTopic" | "ContentBasedDeduplication" | "FifoThroughputScope" | "ArchivePolicy" => {
            return Err(AwsError::not_implemented("SNS", "FIFO topics"));
        }
        "KmsMasterKeyId"
        | "DeliveryPolicy"
        | "TracingConfig"
        | "SignatureVersion"
        | "DataProtectionPolicy" => {
            return Err(AwsError::not_implemented("SNS", &format!("the topic attribute {name}")));
        }
        name if name.ends_with("FeedbackRoleArn") || name.ends_with("FeedbackSampleRate") => {
            return Err(AwsError::not_implemented("SNS", &format!("the topic attribute {name}")));
        }
        _ => return Err(invalid("AttributeName")),
    }
    Ok(())
}

/// How messages to HTTP endpoints are tried again: AWS's default.
fn effective_delivery_policy() -> String {
    json!({"http": {
        "defaultHealthyRetryPolicy": {
            "minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3, "numMaxDelayRetries": 0,
            "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear",
        },
        "disableSubscriptionOverrides": false,
        "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
    }})
    .to_string()
}
