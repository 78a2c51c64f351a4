//! What other services use of SQS.

use std::time::Duration;

use super::answers::{system_attributes, write_handle};
use super::error::no_queue;
use super::message::{
    Attributes, check_attributes, check_body, md5_of_attributes, md5_of_body, size,
};
use super::messages::{HandleInput, NewMessage};
use super::{Sqs, name_of_arn};
use crate::error::AwsError;
use crate::iam::Requester;

/// What others need to know of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFacts {
    /// Seconds that a received message stays hidden.
    pub visibility_timeout: u32,
}

/// Which messages another service wants.
#[derive(Debug, Clone, Copy)]
pub struct ReceiveRequest<'a> {
    /// ARN of the queue.
    pub queue_arn: &'a str,
    /// At most this many.
    pub most: usize,
    /// How long to wait for the first.
    pub wait: Duration,
}

/// A message that another service received.
#[derive(Debug, Clone)]
pub struct Received {
    /// `MessageId`.
    pub id: String,
    /// What deletes it, or hides it for another time.
    pub receipt_handle: String,
    /// Its text.
    pub body: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// What SQS tells of it.
    pub system: Vec<(&'static str, String)>,
    /// Digest of the text.
    pub md5_of_body: String,
    /// Digest of the attributes, where it has any.
    pub md5_of_attributes: Option<String>,
}

impl Sqs {
    /// What is to be known of a queue, when it is there.
    pub fn facts(&self, queue_arn: &str) -> Option<QueueFacts> {
        let queues = self.queues();
        let queue = queues.get(name_of_arn(queue_arn)?)?;
        Some(QueueFacts { visibility_timeout: queue.document.settings.visibility_timeout })
    }

    /// Whether somebody may do `action` (such as `SendMessage`) on a queue.
    pub fn allows(
        &self,
        requester: Requester<'_>,
        action: &str,
        queue_arn: &str,
    ) -> Result<(), AwsError> {
        self.authorize(requester, action, name_of_arn(queue_arn).ok_or_else(no_queue)?)
    }

    /// Sends a message for somebody who must be allowed to; answers its id. It is durable then.
    pub async fn send(
        &self,
        requester: Requester<'_>,
        queue_arn: &str,
        body: String,
        attributes: Attributes,
    ) -> Result<String, AwsError> {
        let name = name_of_arn(queue_arn).ok_or_else(no_queue)?;
        self.authorize(requester, "SendMessage", name)?;
        check_body(&body)?;
        check_attributes(&attributes)?;
        let limit = {
            let queues = self.queues();
            let queue = queues.get(name).ok_or_else(no_queue)?;
            queue.document.settings.maximum_message_size as usize
        };
        if size(&body, &attributes) > limit {
            return Err(super::error::invalid(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {limit} \
                 bytes."
            )));
        }
        let message = NewMessage { body, attributes, delay_seconds: None, trace_header: None };
        let kept = self.keep(name, requester, vec![message]).await?;
        kept.first().map(|message| message.id.clone()).ok_or_else(no_queue)
    }

    /// Receives messages for somebody who must be allowed to; none when none came in time.
    pub async fn receive(
        &self,
        requester: Requester<'_>,
        request: ReceiveRequest<'_>,
    ) -> Result<Vec<Received>, AwsError> {
        let name = name_of_arn(request.queue_arn).ok_or_else(no_queue)?;
        self.authorize(requester, "ReceiveMessage", name)?;
        let received = self.take(name, request.most, request.wait, None).await?;
        Ok(received
            .iter()
            .map(|kept| Received {
                id: kept.message.id.clone(),
                receipt_handle: write_handle(name, kept),
                body: kept.message.body.clone(),
                attributes: kept.message.attributes.clone(),
                system: system_attributes(kept),
                md5_of_body: md5_of_body(&kept.message.body),
                md5_of_attributes: md5_of_attributes(&kept.message.attributes),
            })
            .collect())
    }

    /// Deletes received messages for somebody who must be allowed to.
    pub async fn delete(
        &self,
        requester: Requester<'_>,
        queue_arn: &str,
        handles: &[String],
    ) -> Result<(), AwsError> {
        let name = name_of_arn(queue_arn).ok_or_else(no_queue)?;
        self.authorize(requester, "DeleteMessage", name)?;
        self.remove(name, handles).await.map(drop)
    }

    /// Hides a received message for another time, in seconds. The service's own doing: nobody is
    /// asked.
    pub async fn release(
        &self,
        queue_arn: &str,
        handle: &str,
        seconds: u32,
    ) -> Result<(), AwsError> {
        let name = name_of_arn(queue_arn).ok_or_else(no_queue)?;
        let input = HandleInput {
            receipt_handle: Some(handle.to_owned()),
            visibility_timeout: Some(seconds.into()),
            ..HandleInput::default()
        };
        self.hide(name, &input).await
    }
}
