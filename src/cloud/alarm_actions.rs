//! What alarms set off: topics and functions, which come after `metrics` in the order of services.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::iam::Requester;
use crate::lambda::{Invoker, Lambda};
use crate::metrics::{AlarmActions, Notification};
use crate::sns::{Publication, Sns};

/// The name by which policies of topics let alarms in.
const OF_TOPICS: &str = "cloudwatch.amazonaws.com";
/// The name by which policies of functions do.
const OF_FUNCTIONS: &str = "lambda.alarms.cloudwatch.amazonaws.com";

/// The services that execute actions.
#[derive(Debug)]
pub struct Actions {
    /// Topics.
    pub sns: Arc<Sns>,
    /// Functions.
    pub lambda: Arc<Lambda>,
}

impl AlarmActions for Actions {
    fn execute(&self, notification: Notification) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let Notification { action, subject, message, event, alarm_arn } = notification;
            let done = match action.split(':').nth(2) {
                Some("sns") => {
                    let requester =
                        Requester::Service { principal: OF_TOPICS, source_arn: &alarm_arn };
                    let publication = Publication {
                        topic_arn: action.clone(),
                        message,
                        // A subject has at most 100 characters.
                        subject: Some(subject.chars().take(100).collect()),
                        ..Publication::default()
                    };
                    self.sns.publish(requester, publication).await.map(drop)
                }
                Some("lambda") => {
                    let invoker =
                        Invoker::Service { principal: OF_FUNCTIONS, source_arn: alarm_arn };
                    let event = Bytes::from(event.to_string());
                    self.lambda.invoke_later(&action, &invoker, event).await
                }
                _ => {
                    return Err(
                        "The local cloud does not have the service of this action.".to_owned()
                    );
                }
            };
            done.map_err(|error| error.message)
        })
    }
}
