//! Delivering: each subscriber by its own way, again when it fails.
//!
//! Source of the retry policies: SNS Developer Guide, "Amazon SNS message delivery retries".

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::model::Subscription;
use super::queue::{Content, Delivery, Next};
use super::{Sns, envelope, outbox, webhook};
use crate::error::AwsError;
use crate::iam::Requester;
use crate::sqs::Attributes;

/// The name by which resource policies let SNS in.
const PRINCIPAL: &str = "sns.amazonaws.com";
/// How many deliveries are worked on at once.
const AT_ONCE: usize = 16;
/// How often a delivery to an HTTP endpoint is tried again, and after how long.
const HTTP_RETRIES: (u32, Duration) = (3, Duration::from_secs(20));
/// How long a delivery to AWS's own services is tried, in milliseconds: 23 days.
const LONGEST_AGE_MS: i64 = 23 * 24 * 3600 * 1000;

/// Why a delivery failed.
#[derive(Debug)]
pub enum Failure {
    /// Trying again does not help: the endpoint is gone, or lets nobody in.
    Final(String),
    /// It may pass.
    Passing(String),
}

impl Failure {
    fn of(error: &AwsError) -> Self {
        let text = error.to_string();
        if error.status.is_server_error() || error.status.as_u16() == 429 {
            Self::Passing(text)
        } else {
            Self::Final(text)
        }
    }
}

impl Sns {
    /// Starts to deliver.
    pub(super) fn start_deliveries(self: &Arc<Self>) {
        let sns = Arc::downgrade(self);
        let stopped = self.deliveries.stopped.clone();
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        tokio::spawn(async move {
            let work = async {
                loop {
                    let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
                    let Some(sns) = sns.upgrade() else { return };
                    let now = sns.core.now_millis();
                    match sns.deliveries.next(now) {
                        Next::Delivery(delivery) => {
                            tokio::spawn(async move {
                                sns.attempt(*delivery).await;
                                drop(permit);
                            });
                        }
                        Next::Nothing => sns.deliveries.changed.notified().await,
                        Next::At(due) => {
                            let pause = Duration::from_millis((due - now).max(0).unsigned_abs());
                            let changed = sns.deliveries.changed.notified();
                            let _ = tokio::time::timeout(pause, changed).await;
                        }
                    }
                }
            };
            stopped.run_until_cancelled(work).await;
        });
    }

    /// Tries a delivery once, and notes what becomes of it.
    async fn attempt(self: Arc<Self>, mut delivery: Delivery) {
        let subscription = self.find_subscription(&delivery.subscription);
        // Who has unsubscribed gets nothing more.
        let result = match &subscription {
            None => Ok(()),
            Some(subscription) => self.deliver(subscription, &delivery.content).await,
        };
        if self.deliveries.stopped.is_cancelled() && result.is_err() {
            return;
        }
        let failed = match result {
            Ok(()) => None,
            Err(Failure::Final(reason)) => Some((None, reason)),
            Err(Failure::Passing(reason)) => {
                delivery.tries += 1;
                let age = self.core.now_millis() - delivery.content.sent_ms;
                let protocol = subscription.as_ref().map_or("", |s| s.protocol.as_str());
                Some((pause(protocol, delivery.tries, age), reason))
            }
        };
        let noted = match failed {
            None => self.deliveries.done(&delivery.id).await,
            Some((Some(pause), reason)) => {
                let topic = &delivery.content.topic_arn;
                tracing::info!(topic, reason, "a message is delivered later");
                let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
                delivery.due_ms = self.core.now_millis() + pause;
                self.deliveries.again(delivery).await
            }
            Some((None, reason)) => {
                if let Some(subscription) = &subscription {
                    self.give_up(subscription, &delivery.content, &reason).await;
                }
                self.deliveries.done(&delivery.id).await
            }
        };
        if let Err(error) = noted {
            tracing::error!(%error, "the state of a delivery could not be kept");
        }
    }

    async fn deliver(&self, subscription: &Subscription, content: &Content) -> Result<(), Failure> {
        let unsubscribe = self.unsubscribe_url(subscription);
        let confirm_url = self.confirm_url(subscription);
        let confirm = match (&subscription.token, content.confirmation) {
            (Some(token), true) => Some((token.as_str(), confirm_url.as_str())),
            // Confirmed meanwhile: there is nothing to ask any more.
            (None, true) => return Ok(()),
            _ => None,
        };
        let enveloped = || envelope::json(content, &unsubscribe, confirm).to_string();
        match subscription.protocol.as_str() {
            "sqs" => {
                let (body, attributes) = if subscription.raw {
                    (content.message.clone(), content.attributes.clone())
                } else {
                    (enveloped(), Attributes::new())
                };
                let requester =
                    Requester::Service { principal: PRINCIPAL, source_arn: &content.topic_arn };
                let sent = self.sqs.send(requester, &subscription.endpoint, body, attributes).await;
                sent.map(drop).map_err(|error| Failure::of(&error))
            }
            "lambda" => {
                let functions = self.functions.get().and_then(std::sync::Weak::upgrade);
                let Some(functions) = functions else {
                    return Err(Failure::Passing("functions are not there yet".to_owned()));
                };
                let event = envelope::lambda_event(content, subscription, &unsubscribe).to_string();
                let (endpoint, topic) = (subscription.endpoint.clone(), content.topic_arn.clone());
                let accepted = functions.accept(endpoint, topic, event).await;
                accepted.map_err(|error| Failure::of(&error))
            }
            "http" => {
                let raw = subscription.raw && !content.confirmation;
                let body = if raw { content.message.clone() } else { enveloped() };
                webhook::post(subscription, content, body, raw).await
            }
            _ => {
                let json = (subscription.protocol == "email-json").then(enveloped);
                let mail = outbox::Mail {
                    subscription,
                    content,
                    confirm_url: confirm.map(|(_, url)| url),
                    unsubscribe_url: &unsubscribe,
                    json,
                };
                outbox::write(&self.core.state_dir, mail)
                    .await
                    .map_err(|error| Failure::Passing(error.to_string()))
            }
        }
    }

    /// A message can't be delivered: to the subscription's dead-letter queue with it, if it has
    /// one. Source: SNS Developer Guide, "Amazon SNS dead-letter queues".
    async fn give_up(&self, subscription: &Subscription, content: &Content, reason: &str) {
        let endpoint = &subscription.endpoint;
        let topic = &content.topic_arn;
        tracing::warn!(topic, endpoint, reason, "a message could not be delivered");
        let Some(target) = &subscription.dead_letter else { return };
        let unsubscribe = self.unsubscribe_url(subscription);
        let (body, attributes) = if subscription.raw {
            (content.message.clone(), content.attributes.clone())
        } else {
            (envelope::json(content, &unsubscribe, None).to_string(), Attributes::new())
        };
        let requester = Requester::Service { principal: PRINCIPAL, source_arn: topic };
        if let Err(error) = self.sqs.send(requester, target, body, attributes).await {
            tracing::warn!(topic, target, %error, "nor could its dead-letter queue have it");
        }
    }
}

/// When a delivery that failed for the `tries`th time is tried again; none when it is not.
fn pause(protocol: &str, tries: u32, age_ms: i64) -> Option<Duration> {
    if protocol == "http" {
        let (most, pause) = HTTP_RETRIES;
        return (tries <= most).then_some(pause);
    }
    if age_ms > LONGEST_AGE_MS {
        return None;
    }
    // Three times at once, twice after a second, ten times with growing pauses, then every 20 s.
    Some(match tries {
        0..=3 => Duration::ZERO,
        4 | 5 => Duration::from_secs(1),
        6..=15 => Duration::from_secs((1 << (tries - 5).min(5)).min(20)),
        _ => Duration::from_secs(20),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_spaced_as_on_aws() {
        let seconds = |protocol, tries| pause(protocol, tries, 0).map(|pause| pause.as_secs());
        assert_eq!(seconds("http", 3), Some(20));
        assert_eq!(seconds("http", 4), None);
        assert_eq!(
            [1, 3, 4, 5, 6, 8, 15, 100].map(|tries| seconds("sqs", tries)),
            [0, 0, 1, 1, 2, 8, 20, 20].map(Some)
        );
        assert_eq!(pause("lambda", 20, LONGEST_AGE_MS + 1), None);
    }
}
