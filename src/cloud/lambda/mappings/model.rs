//! What is stored of an event source mapping, and how it is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::core::{ACCOUNT_ID, REGION};
use crate::event_pattern::Pattern;
use crate::lambda::names::qualified_arn;

/// An event source mapping: one document of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// Its id.
    pub uuid: String,
    /// The function's name.
    pub function: String,
    /// A version or an alias.
    pub qualifier: Option<String>,
    /// ARN of the queue or stream.
    pub source_arn: String,
    /// Whether it is to work.
    pub enabled: bool,
    /// What it is on the way from, when a change has not taken effect yet.
    pub pending: Option<Pending>,
    /// The most records of a batch.
    pub batch_size: u32,
    /// Seconds to wait for a batch to fill.
    pub window_seconds: u32,
    /// Whether the function's answers name the records that failed (`ReportBatchItemFailures`).
    pub reports_failures: bool,
    /// Patterns of records that the function gets; all where there is none.
    pub filters: Vec<String>,
    /// `ScalingConfig.MaximumConcurrency`, of queues.
    pub maximum_concurrency: Option<u32>,
    /// What only streams have.
    pub stream: Option<StreamSettings>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// When it was changed, in milliseconds since the epoch.
    pub modified_ms: i64,
}

/// What only the mapping of a stream has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSettings {
    /// `TRIM_HORIZON` or `LATEST`.
    pub starting_position: String,
    /// Whether a batch that failed is tried again in halves.
    pub bisect: bool,
    /// How often a batch is tried again; none for until it is too old.
    pub retries: Option<u32>,
    /// Seconds after which a record is not tried any more; none for as long as it is there.
    pub longest_age_seconds: Option<u32>,
    /// How many batches of different keys are worked on at once: 1–10.
    pub parallelization: u32,
    /// ARN of what is told of records that were given up.
    pub on_failure: Option<String>,
}

/// A change that has not taken effect yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pending {
    /// It is new.
    Creating,
    /// It was off.
    Enabling,
    /// It was on.
    Disabling,
    /// Something else changed.
    Updating,
    /// It is about to be gone.
    Deleting,
}

impl Mapping {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(&self.uuid)
    }

    /// The patterns, ready for use. They were checked when they were sent.
    pub fn patterns(&self) -> Vec<Pattern> {
        self.filters.iter().filter_map(|text| Pattern::parse(text).ok()).collect()
    }

    /// `State`.
    pub fn state(&self) -> &'static str {
        match self.pending {
            Some(Pending::Creating) => "Creating",
            Some(Pending::Enabling) => "Enabling",
            Some(Pending::Disabling) => "Disabling",
            Some(Pending::Updating) => "Updating",
            Some(Pending::Deleting) => "Deleting",
            None if self.enabled => "Enabled",
            None => "Disabled",
        }
    }

    /// An `EventSourceMappingConfiguration`; `last_result` is how the last batch went.
    pub fn show(&self, last_result: Option<&str>) -> Value {
        let mut out = Map::new();
        let mut put = |member: &str, value: Value| {
            out.insert(member.to_owned(), value);
        };
        put("UUID", self.uuid.as_str().into());
        put("BatchSize", self.batch_size.into());
        put("MaximumBatchingWindowInSeconds", self.window_seconds.into());
        put("EventSourceArn", self.source_arn.as_str().into());
        put("EventSourceMappingArn", self.arn().into());
        put("FunctionArn", qualified_arn(&self.function, self.qualifier.as_deref()).into());
        put("LastModified", (self.modified_ms as f64 / 1000.0).into());
        put("State", self.state().into());
        let reason = if self.stream.is_some() { "User action" } else { "USER_INITIATED" };
        put("StateTransitionReason", reason.into());
        let types: &[&str] = if self.reports_failures { &["ReportBatchItemFailures"] } else { &[] };
        put("FunctionResponseTypes", json!(types));
        if !self.filters.is_empty() {
            let filters: Vec<Value> =
                self.filters.iter().map(|pattern| json!({ "Pattern": pattern })).collect();
            put("FilterCriteria", json!({ "Filters": filters }));
        }
        if let Some(most) = self.maximum_concurrency {
            put("ScalingConfig", json!({ "MaximumConcurrency": most }));
        }
        if let Some(stream) = &self.stream {
            let or_forever = |number: Option<u32>| number.map_or(json!(-1), Value::from);
            put("StartingPosition", stream.starting_position.as_str().into());
            put("ParallelizationFactor", stream.parallelization.into());
            put("BisectBatchOnFunctionError", stream.bisect.into());
            put("MaximumRetryAttempts", or_forever(stream.retries));
            put("MaximumRecordAgeInSeconds", or_forever(stream.longest_age_seconds));
            put("TumblingWindowInSeconds", 0.into());
            let failure = match &stream.on_failure {
                Some(arn) => json!({ "Destination": arn }),
                None => json!({}),
            };
            put("DestinationConfig", json!({ "OnFailure": failure }));
            put("LastProcessingResult", last_result.unwrap_or("No records processed").into());
        }
        Value::Object(out)
    }
}

/// The ARN of a mapping.
pub fn arn(uuid: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:event-source-mapping:{uuid}")
}
