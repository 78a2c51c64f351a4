//! Reading and checking what is asked of an event source mapping.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::AwsError;
use crate::event_pattern::Pattern;
use crate::lambda::destinations::check_arn;
use crate::lambda::errors::{constraint, invalid_parameter, unsupported};
use crate::lambda::event_config::{DestinationInput, DestinationsInput};
use crate::lambda::input::within;

use super::model::{Mapping, StreamSettings};

/// The most filters of a mapping.
const FILTERS: usize = 5;
/// The longest pattern of a filter, in bytes.
const PATTERN_LIMIT: usize = 4096;

/// The bodies of `CreateEventSourceMapping` and `UpdateEventSourceMapping`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MappingInput {
    /// Queue or stream; only when it is made.
    pub event_source_arn: Option<String>,
    /// Function, maybe with a version or an alias.
    pub function_name: Option<String>,
    /// On or off.
    pub enabled: Option<bool>,
    batch_size: Option<i64>,
    maximum_batching_window_in_seconds: Option<i64>,
    filter_criteria: Option<FilterCriteria>,
    scaling_config: Option<ScalingConfig>,
    function_response_types: Option<Vec<String>>,
    starting_position: Option<String>,
    bisect_batch_on_function_error: Option<bool>,
    maximum_retry_attempts: Option<i64>,
    maximum_record_age_in_seconds: Option<i64>,
    parallelization_factor: Option<i64>,
    tumbling_window_in_seconds: Option<i64>,
    destination_config: Option<DestinationsInput>,
    /// Tags; only when it is made.
    pub tags: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterCriteria {
    filters: Option<Vec<Filter>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    pattern: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScalingConfig {
    maximum_concurrency: Option<i64>,
}

/// What a mapping reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A queue.
    Sqs,
    /// A table's stream.
    DynamoDb,
}

impl Source {
    /// The source that an ARN names.
    pub fn of_arn(arn: &str) -> Result<Self, AwsError> {
        check_arn(arn, "eventSourceArn")?;
        match arn.split(':').nth(2).unwrap_or("") {
            "sqs" => Ok(Self::Sqs),
            "dynamodb" if arn.contains("/stream/") => Ok(Self::DynamoDb),
            "kinesis" | "kafka" | "mq" | "rds" => {
                Err(unsupported("event sources other than queues and table streams"))
            }
            _ => Err(invalid_parameter("Unrecognized event source.")),
        }
    }

    /// The name of its service in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqs => "SQS",
            Self::DynamoDb => "DynamoDB",
        }
    }
}

impl MappingInput {
    /// Checks the shapes of everything that was sent.
    pub fn check(&self) -> Result<(), AwsError> {
        for name in ["Topics", "Queues", "SelfManagedEventSource", "SourceAccessConfigurations"] {
            if self.rest.get(name).is_some_and(|value| !is_empty(value)) {
                return Err(unsupported("event sources other than queues and table streams"));
            }
        }
        for name in [
            "AmazonManagedKafkaEventSourceConfig",
            "SelfManagedKafkaEventSourceConfig",
            "DocumentDBEventSourceConfig",
            "KMSKeyArn",
            "MetricsConfig",
            "LoggingConfig",
            "ProvisionedPollerConfig",
            "StartingPositionTimestamp",
        ] {
            if self.rest.get(name).is_some_and(|value| !is_empty(value)) {
                return Err(unsupported(name));
            }
        }
        within(self.batch_size, "batchSize", 1, 10_000)?;
        within(self.maximum_batching_window_in_seconds, "maximumBatchingWindowInSeconds", 0, 300)?;
        within(self.parallelization_factor, "parallelizationFactor", 1, 10)?;
        within(self.maximum_retry_attempts, "maximumRetryAttempts", -1, 10_000)?;
        within(self.maximum_record_age_in_seconds, "maximumRecordAgeInSeconds", -1, 604_800)?;
        within(self.tumbling_window_in_seconds, "tumblingWindowInSeconds", 0, 900)?;
        if self.tumbling_window_in_seconds.is_some_and(|seconds| seconds > 0) {
            return Err(unsupported("TumblingWindowInSeconds"));
        }
        if self.maximum_record_age_in_seconds.is_some_and(|age| (0..60).contains(&age)) {
            return Err(invalid_parameter(
                "MaximumRecordAgeInSeconds must be -1 or between 60 and 604800.",
            ));
        }
        let most = self.scaling_config.as_ref().and_then(|config| config.maximum_concurrency);
        within(most, "scalingConfig.maximumConcurrency", 2, 1000)?;
        if let Some(types) = &self.function_response_types {
            let wrong = types.iter().find(|kind| *kind != "ReportBatchItemFailures");
            if wrong.is_some() || types.len() > 1 {
                return Err(constraint(
                    &format!("[{}]", types.join(", ")),
                    "functionResponseTypes",
                    "Member must satisfy constraint: [Member must satisfy enum value set: \
                     [ReportBatchItemFailures]]",
                ));
            }
        }
        let success = self.destination_config.as_ref().and_then(|c| c.on_success.as_ref());
        if success.is_some() {
            return Err(unsupported_destination());
        }
        if let Some(arn) = self.on_failure().filter(|arn| !arn.is_empty()) {
            check_arn(&arn, "destinationConfig.onFailure.destination")?;
        }
        self.filters().map(drop)
    }

    /// The position to start from, of a stream.
    pub fn starting_position(&self, source_arn: &str) -> Result<String, AwsError> {
        match self.starting_position.as_deref() {
            Some(position @ ("TRIM_HORIZON" | "LATEST")) => Ok(position.to_owned()),
            Some("AT_TIMESTAMP") => Err(invalid_parameter(format!(
                "Unsupported starting position for arn type: {source_arn}"
            ))),
            Some(other) => Err(constraint(
                other,
                "startingPosition",
                "Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]",
            )),
            None => Err(invalid_parameter(
                "1 validation error detected: Value null at 'startingPosition' failed to satisfy \
                 constraint: Member must not be null.",
            )),
        }
    }

    /// The destination that was sent: empty when it is to be none.
    fn on_failure(&self) -> Option<String> {
        let config = self.destination_config.as_ref()?;
        Some(config.on_failure.as_ref().and_then(DestinationInput::arn).unwrap_or_default())
    }

    fn filters(&self) -> Result<Option<Vec<String>>, AwsError> {
        let Some(criteria) = &self.filter_criteria else { return Ok(None) };
        let wrong = || invalid_parameter("Invalid filter pattern definition.");
        let mut patterns = Vec::new();
        for filter in criteria.filters.iter().flatten() {
            let pattern = filter.pattern.clone().ok_or_else(wrong)?;
            if pattern.len() > PATTERN_LIMIT || Pattern::parse(&pattern).is_err() {
                return Err(wrong());
            }
            patterns.push(pattern);
        }
        if patterns.len() > FILTERS {
            return Err(invalid_parameter(format!(
                "The number of filters exceeds the limit of {FILTERS}."
            )));
        }
        Ok(Some(patterns))
    }

    /// Writes what was sent into a mapping, and checks what it then is.
    pub fn apply(&self, mapping: &mut Mapping) -> Result<(), AwsError> {
        let number = |value: i64| u32::try_from(value).unwrap_or(0);
        if let Some(enabled) = self.enabled {
            mapping.enabled = enabled;
        }
        if let Some(size) = self.batch_size {
            mapping.batch_size = number(size);
        }
        if let Some(window) = self.maximum_batching_window_in_seconds {
            mapping.window_seconds = number(window);
        }
        if let Some(types) = &self.function_response_types {
            mapping.reports_failures = !types.is_empty();
        }
        if let Some(filters) = self.filters()? {
            mapping.filters = filters;
        }
        if let Some(stream) = &mut mapping.stream {
            return self.apply_stream(stream);
        }
        if self.destination_config.is_some() {
            return Err(unsupported_destination());
        }
        let stream_only = [
            ("BisectBatchOnFunctionError", self.bisect_batch_on_function_error.is_some()),
            ("MaximumRetryAttempts", self.maximum_retry_attempts.is_some()),
            ("MaximumRecordAgeInSeconds", self.maximum_record_age_in_seconds.is_some()),
            ("ParallelizationFactor", self.parallelization_factor.is_some()),
            ("StartingPosition", self.starting_position.is_some()),
        ];
        if let Some((name, _)) = stream_only.iter().find(|(_, sent)| *sent) {
            return Err(unsupported_parameter(name));
        }
        if let Some(config) = &self.scaling_config {
            mapping.maximum_concurrency = config.maximum_concurrency.map(number);
        }
        if mapping.batch_size > 10 && mapping.window_seconds == 0 {
            return Err(invalid_parameter(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is \
                 greater than 10",
            ));
        }
        Ok(())
    }

    fn apply_stream(&self, stream: &mut StreamSettings) -> Result<(), AwsError> {
        if self.scaling_config.as_ref().is_some_and(|c| c.maximum_concurrency.is_some()) {
            return Err(unsupported_parameter("ScalingConfig"));
        }
        if let Some(bisect) = self.bisect_batch_on_function_error {
            stream.bisect = bisect;
        }
        if let Some(retries) = self.maximum_retry_attempts {
            stream.retries = u32::try_from(retries).ok();
        }
        if let Some(age) = self.maximum_record_age_in_seconds {
            stream.longest_age_seconds = u32::try_from(age).ok();
        }
        if let Some(factor) = self.parallelization_factor {
            stream.parallelization = u32::try_from(factor).unwrap_or(1);
        }
        if let Some(target) = self.on_failure() {
            stream.on_failure = Some(target).filter(|arn| !arn.is_empty());
        }
        Ok(())
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn unsupported_destination() -> AwsError {
    unsupported_parameter("DestinationConfig")
}

fn unsupported_parameter(name: &str) -> AwsError {
    invalid_parameter(format!("Unsupported {name} parameter for given event source mapping type."))
}
