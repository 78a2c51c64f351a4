//! The topic `pet-added`.

use aws_sdk_sns::Client;
use aws_sdk_sns::config::Config;
use aws_sdk_sns::types::MessageAttributeValue;
use handler_common::Error;
use handler_common::aws::{self, AwsFailure, SdkConfig};

use crate::pet::Pet;

/// What e-mails have as their subject.
const SUBJECT: &str = "A pet was added";

/// The topic.
#[derive(Debug, Clone)]
pub struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    /// The topic whose ARN is in `TOPIC`.
    ///
    /// Errors: `TOPIC` is not set.
    pub fn from_env() -> Result<Self, Error> {
        let arn = aws::needed_variable("TOPIC")?;
        Ok(Self::new(&aws::config("AWS_ENDPOINT_URL_SNS"), arn))
    }

    /// A topic reached as a configuration says.
    pub fn new(config: &SdkConfig, arn: String) -> Self {
        Self { client: Client::from_conf(Config::from(config)), arn }
    }

    /// Tells the topic of a pet: its JSON, with its type as an attribute that subscriptions can filter
    /// by. Hands back the message's id. A message whose answer was lost is sent again, so a subscriber
    /// may hear of a pet twice, as topics deliver anyway.
    pub(crate) async fn publish(&self, pet: &Pet) -> Result<String, AwsFailure> {
        let kind = MessageAttributeValue::builder().data_type("String").string_value(&pet.kind);
        let kind = kind.build().map_err(|error| AwsFailure::unexpected(error.to_string()))?;
        let publish = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(SUBJECT)
            .message(pet.json().to_string())
            .message_attributes("type", kind);
        let answer = publish.send().await.map_err(|error| AwsFailure::of(&error))?;
        Ok(answer.message_id().unwrap_or_default().to_owned())
    }
}
