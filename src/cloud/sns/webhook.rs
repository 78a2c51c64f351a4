//! Messages to HTTP endpoints on this machine.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::delivery::Failure;
use super::model::Subscription;
use super::queue::Content;

/// How long an endpoint may take, as on AWS.
const PATIENCE: Duration = Duration::from_secs(15);
/// How much of an answer is read, in bytes; nobody looks at it.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Posts a message. A status of 200 to 499, except 429, ends it: 4xx are the endpoint's last word.
pub async fn post(
    subscription: &Subscription,
    content: &Content,
    body: String,
    raw: bool,
) -> Result<(), Failure> {
    let kind = if content.confirmation { "SubscriptionConfirmation" } else { "Notification" };
    let mut request = http::Request::post(&subscription.endpoint)
        .header("content-type", "text/plain; charset=UTF-8")
        .header("user-agent", "Amazon Simple Notification Service Agent")
        .header("x-amz-sns-message-type", kind)
        .header("x-amz-sns-message-id", &content.message_id)
        .header("x-amz-sns-topic-arn", &content.topic_arn);
    if !content.confirmation {
        request = request.header("x-amz-sns-subscription-arn", subscription.arn());
    }
    if raw {
        request = request.header("x-amz-sns-rawdelivery", "true");
    }
    let request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| Failure::Final(error.to_string()))?;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answered = async {
        let answer = client.request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let _ = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await;
        Ok::<_, String>(status)
    };
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok(status)) if status.is_success() => Ok(()),
        Ok(Ok(status)) if status.is_client_error() && status.as_u16() != 429 => {
            Err(Failure::Final(format!("the endpoint answered {status}")))
        }
        Ok(Ok(status)) => Err(Failure::Passing(format!("the endpoint answered {status}"))),
        Ok(Err(reason)) => Err(Failure::Passing(reason)),
        Err(_) => Err(Failure::Passing("the endpoint took too long".to_owned())),
    }
}
