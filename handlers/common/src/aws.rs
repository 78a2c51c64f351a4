//! How a function reaches other services, and what it says when one fails.

use std::time::Duration;

pub use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::ErrorKind;
use aws_types::sdk_config::Builder;
use serde_json::Value;

use crate::Error;

/// One attempt may take this long.
const ATTEMPT: Duration = Duration::from_millis(1500);
/// All attempts together may take this long: well below the functions' timeout, so that the caller gets
/// an answer and not a broken connection.
const ALTOGETHER: Duration = Duration::from_secs(3);
/// Longest error message that is logged, in characters.
const MOST_MESSAGE_CHARACTERS: usize = 1000;

/// An environment variable, where it is set to something.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An environment variable that the blueprint sets.
///
/// Errors: it is not set.
pub fn needed_variable(name: &str) -> Result<String, Error> {
    variable(name).ok_or_else(|| format!("the environment variable {name} is not set").into())
}

/// How a service is reached, as the environment says: `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and the service's own endpoint variable (such as
/// `AWS_ENDPOINT_URL_DYNAMODB`) or `AWS_ENDPOINT_URL` where the endpoint is not AWS's own.
///
/// The variables are read here rather than by `aws-config`'s loader, which also looks for profiles,
/// metadata services and sign-ons: nothing of that exists in a function, and each costs cold start.
pub fn config(endpoint_variable: &str) -> SdkConfig {
    let endpoint = variable(endpoint_variable).or_else(|| variable("AWS_ENDPOINT_URL"));
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let http_client = http_client(endpoint.as_deref());
    let mut config = bounded(SdkConfig::builder())
        .http_client(http_client)
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    config.set_region(variable("AWS_REGION").map(Region::new));
    config.set_endpoint_url(endpoint);
    config.build()
}

/// Sets the times and tries that every call of a function has.
pub fn bounded(config: Builder) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(ALTOGETHER)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(2)
        .with_initial_backoff(Duration::from_millis(100));
    config
        .behavior_version(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(retries)
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

/// A call to a service that failed. For the log, not for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsFailure {
    /// AWS's error code, or the SDK's name for what went wrong before there was one.
    pub code: String,
    /// What was said about it.
    pub message: String,
}

impl AwsFailure {
    /// What went wrong with a call.
    pub fn of<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
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
        Self {
            code: service.and_then(ProvideErrorMetadata::code).unwrap_or(without_code).to_owned(),
            message: message.chars().take(MOST_MESSAGE_CHARACTERS).collect(),
        }
    }

    /// A service answered with something that its documentation does not have.
    pub fn unexpected(message: impl Into<String>) -> Self {
        Self { code: "UnexpectedAnswer".to_owned(), message: message.into() }
    }

    /// The failure as fields of a log line.
    pub fn fields(&self) -> [(&'static str, Value); 2] {
        [("code", self.code.as_str().into()), ("error", self.message.as_str().into())]
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

/// Tries again only what a service says it did not do: a throttled call.
///
/// After a timeout or a broken connection nobody knows whether the call was done. Where doing it twice
/// is not the same as doing it once, the caller is told to come back instead.
#[derive(Debug)]
pub struct OnlyThrottles;

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
