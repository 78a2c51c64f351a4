//! APIs, stages, API keys and usage plans.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

/// A REST API defined by an `OpenAPI` document.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Api {
    /// Name; the document's `info.title`.
    pub name: String,
    /// The document's file (absolute), of the blueprint's variant.
    pub file: PathBuf,
    /// The document with references unresolved: `${function.NAME}` and so on stand as they are.
    pub document: Value,
    /// Functions that its integrations name, in order of appearance.
    pub functions: Vec<String>,
}

/// A stage and the alias its `lambdaAlias` variable names.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Stage {
    /// Stage name.
    pub name: String,
    /// Value of the stage variable `lambdaAlias`: an alias of every function.
    pub alias: String,
    /// What the alias points to when it is made.
    pub follows: Follows,
    /// Further stage variables.
    pub variables: BTreeMap<String, String>,
    /// Its cache. Billed by the hour.
    pub cache: Option<Cache>,
    /// Requests per second of all its methods, where it has a limit of its own.
    pub throttle: Option<Throttle>,
    /// What its execution log holds.
    pub log_level: LogLevel,
    /// Whether every request writes a line to the access log `/labdeck/access/LAB/API/STAGE`.
    pub access_log: bool,
    /// Whether each method has metrics of its own.
    pub detailed_metrics: bool,
    /// Whether its requests are traced.
    pub tracing: bool,
}

/// What a stage's alias points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Follows {
    /// `$LATEST`: always the newest code.
    #[default]
    Latest,
    /// A published version, moved only by a release.
    Release,
}

/// The cache of a stage, for all methods that are a `GET`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cache {
    /// Size in GB, AWS's word: `0.5`, `1.6`, `6.1`, `13.5`, `28.4`, `58.2`, `118` or `237`.
    pub size_gb: String,
    /// How long an answer is kept, in seconds, 0–3600.
    pub ttl_s: i32,
    /// Whether it is kept encrypted.
    pub encrypted: bool,
    /// Whether a client needs a permission to have an answer made anew.
    pub guarded: bool,
    /// What a client without it gets, AWS's word: `FAIL_WITH_403`, `SUCCEED_WITH_RESPONSE_HEADER` or
    /// `SUCCEED_WITHOUT_RESPONSE_HEADER`.
    pub unguarded_answer: String,
}

/// Requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Throttle {
    /// Requests per second in the long run.
    pub rate: f64,
    /// Requests at once.
    pub burst: i32,
}

/// What an execution log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    /// Nothing.
    #[default]
    Off,
    /// Failures.
    Error,
    /// Every request.
    Info,
}

impl LogLevel {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Error => "ERROR",
            Self::Info => "INFO",
        }
    }
}

/// An API key. Its value is made by AWS and never stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Key {
    /// Name.
    pub name: String,
    /// One line.
    pub description: String,
    /// Whether it is accepted.
    pub enabled: bool,
}

/// A usage plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct UsagePlan {
    /// Name.
    pub name: String,
    /// One line.
    pub description: String,
    /// APIs that it is bound to.
    pub apis: Vec<String>,
    /// Stages of these that it is bound to.
    pub stages: Vec<String>,
    /// Names of its keys.
    pub keys: Vec<String>,
    /// Requests of each key per time.
    pub quota: Option<Quota>,
    /// Requests of each key per second.
    pub throttle: Option<Throttle>,
    /// Requests of each key per second on single methods, by `/path/METHOD` as AWS writes it, on every
    /// API and stage of the plan that has the method.
    pub methods: BTreeMap<String, Throttle>,
}

/// Requests per time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// Requests.
    pub limit: i32,
    /// Requests taken off the first period.
    pub offset: i32,
    /// The time.
    pub period: Period,
}

/// The time of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Period {
    /// From midnight UTC.
    Day,
    /// From Sunday midnight UTC.
    Week,
    /// From the first midnight UTC.
    Month,
}

impl Period {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
        }
    }
}
