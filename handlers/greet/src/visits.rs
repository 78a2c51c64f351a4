//! The table `visits`: one item per user, counted up inside the table.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Config, Region, SharedHttpClient};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{RetryClassifierPriority, RetryReason};
use aws_smithy_types::retry::ErrorKind;
use handler_common::Error;

/// Attribute that holds the user id: the table's key.
const USER_ID: &str = "user_id";
/// Attribute that holds the count.
const VISITS: &str = "visits";
/// One attempt may take this long.
const ATTEMPT: Duration = Duration::from_millis(1500);
/// All attempts together may take this long: well below the function's timeout, so that the caller
/// gets an answer and not a broken connection.
const ALTOGETHER: Duration = Duration::from_secs(3);
/// Longest error message that is logged, in characters.
const MOST_MESSAGE_CHARACTERS: usize = 1000;

/// The table of visits.
#[derive(Debug, Clone)]
pub struct Visits {
    client: Client,
    table: String,
}

/// Why a visit could not be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageError {
    /// AWS's error code, or the SDK's name for what went wrong before there was one.
    pub code: String,
    /// What was said about it. For the log, not for the caller.
    pub message: String,
    /// The table.
    pub table: String,
}

impl Visits {
    /// The table that `TABLE` names, reached as the environment says: `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and `AWS_ENDPOINT_URL_DYNAMODB` or
    /// `AWS_ENDPOINT_URL` where the endpoint is not AWS's own.
    ///
    /// The variables are read here rather than by `aws-config`'s loader, which also looks for profiles,
    /// metadata services and sign-ons: nothing of that exists in a function, and each costs cold start.
    ///
    /// Errors: `TABLE` is not set.
    pub fn from_env() -> Result<Self, Error> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let table = variable("TABLE").ok_or("the environment variable TABLE is not set")?;
        let endpoint =
            variable("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| variable("AWS_ENDPOINT_URL"));
        let http_client = http_client(endpoint.as_deref());
        let mut config = Config::builder()
            .http_client(http_client)
            .credentials_provider(EnvironmentVariableCredentialsProvider::new());
        config.set_region(variable("AWS_REGION").map(Region::new));
        config.set_endpoint_url(endpoint);
        Ok(Self::new(config, table))
    }

    /// The table reached as a configuration says; timeouts and retries are set here.
    pub(crate) fn new(config: Builder, table: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(ALTOGETHER)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(2)
            .with_initial_backoff(Duration::from_millis(100));
        let config = config
            .behavior_version(BehaviorVersion::latest())
            .timeout_config(timeouts)
            .retry_config(retries)
            .retry_classifier(OnlyThrottles)
            .build();
        Self { client: Client::from_conf(config), table }
    }

    /// Counts a visit and hands back the user's count with it.
    ///
    /// The table adds one itself, in one step: visits at the same time are all counted.
    pub async fn count(&self, user: &str) -> Result<u64, StorageError> {
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
            .map_err(|error| self.storage_error(&error))?;
        let count = answer
            .attributes()
            .and_then(|attributes| attributes.get(VISITS))
            .and_then(|value| value.as_n().ok())
            .and_then(|number| number.parse().ok());
        count.ok_or_else(|| StorageError {
            code: "UnexpectedAnswer".to_owned(),
            message: format!("the answer has no count in `{VISITS}`"),
            table: self.table.clone(),
        })
    }

    fn storage_error(&self, error: &SdkError<UpdateItemError>) -> StorageError {
        let without_code = match error {
            SdkError::ConstructionFailure(_) => "ConstructionFailure",
            SdkError::TimeoutError(_) => "TimeoutError",
            SdkError::DispatchFailure(_) => "DispatchFailure",
            SdkError::ResponseError(_) => "ResponseError",
            _ => "UnknownError",
        };
        let service = error.as_service_error();
        let message = service
            .and_then(|error| error.message().map(str::to_owned))
            .unwrap_or_else(|| causes(error));
        StorageError {
            code: service.and_then(ProvideErrorMetadata::code).unwrap_or(without_code).to_owned(),
            message: message.chars().take(MOST_MESSAGE_CHARACTERS).collect(),
            table: self.table.clone(),
        }
    }
}

/// An error with everything that led to it.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// TLS costs time to set up, so it is left out where the endpoint does not use it.
fn http_client(endpoint: Option<&str>) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder.build_http()
    } else {
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        builder.tls_provider(ring).build_https()
    }
}

/// Tries again only what `DynamoDB` says it did not do: a throttled call.
///
/// After a timeout or a broken connection nobody knows whether the visit was counted, and adding one
/// is not something that may happen twice. The caller is told to come back instead.
#[derive(Debug)]
struct OnlyThrottles;

impl ClassifyRetry for OnlyThrottles {
    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::RetryForbidden
    }

    fn classify_retry_v2(&self, _: &InterceptorContext, previous: &RetryAction) -> RetryAction {
        match previous {
            RetryAction::RetryIndicated(RetryReason::RetryableError {
                kind: ErrorKind::ThrottlingError,
                ..
            }) => RetryAction::NoActionIndicated,
            _ => RetryAction::RetryForbidden,
        }
    }

    fn name(&self) -> &'static str {
        "only throttled calls"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
