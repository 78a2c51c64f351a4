//! The table `visits`: one item per user, counted up inside the table.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use handler_common::Error;
use handler_common::aws::{self, AwsFailure, OnlyThrottles, SdkConfig};

/// Attribute that holds the user id: the table's key.
const USER_ID: &str = "user_id";
/// Attribute that holds the count.
const VISITS: &str = "visits";

/// The table of visits.
#[derive(Debug, Clone)]
pub struct Visits {
    client: Client,
    table: String,
}

impl Visits {
    /// The table that `TABLE` names.
    ///
    /// Errors: `TABLE` is not set.
    pub fn from_env() -> Result<Self, Error> {
        let table = aws::needed_variable("TABLE")?;
        Ok(Self::new(&aws::config("AWS_ENDPOINT_URL_DYNAMODB"), table))
    }

    /// A table reached as a configuration says.
    ///
    /// Only throttled calls are tried again: adding one is not something that may happen twice.
    pub fn new(config: &SdkConfig, table: String) -> Self {
        let config = Builder::from(config).retry_classifier(OnlyThrottles).build();
        Self { client: Client::from_conf(config), table }
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Counts a visit and hands back the user's count with it.
    ///
    /// The table adds one itself, in one step: visits at the same time are all counted.
    pub async fn count(&self, user: &str) -> Result<u64, AwsFailure> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(USER_ID, AttributeValue::S(user.to_owned()))
            // A number that is not there yet counts as 0.
            .update_expression("ADD #visits :one")
            .expression_attribute_names("#visits", VISITS)
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(|error| AwsFailure::of(&error))?;
        let count = answer
            .attributes()
            .and_then(|attributes| attributes.get(VISITS))
            .and_then(|value| value.as_n().ok())
            .and_then(|number| number.parse().ok());
        count
            .ok_or_else(|| AwsFailure::unexpected(format!("the answer has no count in `{VISITS}`")))
    }
}
