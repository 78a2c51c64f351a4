//! Queues, topics, subscriptions, event source mappings and alarms.

use std::collections::BTreeMap;

use serde::Serialize;

/// Something of the lab that events are sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// Name of a [`Queue`].
    Queue(String),
    /// Name of a [`Topic`].
    Topic(String),
    /// Name of a function; its released alias where the lab has one.
    Function(String),
}

/// A standard queue.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Queue {
    /// Name (at most 80 characters).
    pub name: String,
    /// How long a received message stays hidden, in seconds, 0–43200.
    pub visibility_timeout_s: i32,
    /// How long messages are kept, in seconds, 60–1209600.
    pub retention_s: i32,
    /// Name of the queue for messages that were received too often, and how often that is (1–1000).
    pub dead_letter: Option<(String, i32)>,
}

/// A standard topic.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Topic {
    /// Name (at most 256 characters).
    pub name: String,
    /// What e-mails call it.
    pub display_name: String,
}

/// A subscription of a topic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subscription {
    /// Name in the blueprint.
    pub name: String,
    /// Name of a [`Topic`].
    pub topic: String,
    /// Who is told.
    pub endpoint: Endpoint,
    /// Whether the message is delivered as it was published, without SNS's envelope (queues and
    /// webhooks).
    pub raw: bool,
    /// Message attributes that a message must have to be delivered, by SNS's filter policy.
    pub filter: Option<serde_json::Value>,
}

/// Who a topic tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "protocol", rename_all = "kebab-case")]
pub enum Endpoint {
    /// A queue of the lab, which gets the policy for it.
    Queue {
        /// Name of a [`Queue`].
        queue: String,
    },
    /// A function of the lab, by its released alias where the lab has one; it gets the permission.
    Function {
        /// Name of a function.
        function: String,
    },
    /// A URL (`http` or `https`), which must confirm.
    Webhook {
        /// A URL, or `${parameter.NAME}`; left out when the parameter has no value.
        url: String,
    },
    /// An e-mail address, whose owner must confirm.
    Email {
        /// An address, or `${parameter.NAME}`; left out when the parameter has no value.
        address: String,
    },
}

/// An event source mapping: a stream or a queue calls a function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mapping {
    /// Name in the blueprint.
    pub name: String,
    /// Name of a function; its released alias where the lab has one.
    pub function: String,
    /// Where the events come from.
    pub source: Source,
    /// Most records of one invocation, 1–10000.
    pub batch_size: i32,
    /// How long a batch may be gathered, in seconds, 0–300.
    pub window_s: i32,
    /// Whether the function answers which records failed (`ReportBatchItemFailures`).
    pub partial: bool,
}

/// The source of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A queue.
    Queue {
        /// Name of a [`Queue`].
        queue: String,
        /// Most batches at once, 2–1000.
        most_at_once: Option<i32>,
    },
    /// The stream of a table.
    Stream {
        /// Name of a table that has a stream.
        table: String,
        /// Where a new mapping begins: with the oldest record that is still there, else with the next.
        from_oldest: bool,
        /// Tries after the first, 0–10000; `None` tries until the records expire.
        retries: Option<i32>,
        /// How old a record may get, in seconds, 60–604800; `None` as long as the stream keeps it.
        max_age_s: Option<i32>,
        /// Whether a failed batch is halved.
        bisect: bool,
        /// Batches of one shard at once, 1–10.
        parallel: i32,
        /// Where batches that failed for good are told.
        on_failure: Option<Destination>,
    },
}

/// A CloudWatch alarm on one metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alarm {
    /// Name (at most 255 characters).
    pub name: String,
    /// One line.
    pub description: String,
    /// Namespace, such as `AWS/Lambda`.
    pub namespace: String,
    /// Metric name.
    pub metric: String,
    /// Dimensions; values may hold references.
    pub dimensions: BTreeMap<String, String>,
    /// `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p99`.
    pub statistic: String,
    /// Length of a period in seconds: 10, 20, 30, or a multiple of 60.
    pub period_s: i32,
    /// Periods that are looked at, and how many of them must breach.
    pub periods: (i32, i32),
    /// Threshold.
    pub threshold: f64,
    /// AWS's word: `GreaterThanThreshold` …
    pub comparison: String,
    /// AWS's word for what missing data means: `missing`, `notBreaching`, `breaching` or `ignore`.
    pub missing: String,
    /// Names of topics that are told when it goes off and when it is over.
    pub topics: Vec<String>,
}
