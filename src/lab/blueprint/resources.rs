//! Roles, tables and functions.

use std::collections::BTreeMap;

use serde::Serialize;

use super::events::Destination;

/// An execution role with one inline policy.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Role {
    /// Name in the blueprint and in IAM (at most 64 characters).
    pub name: String,
    /// Statements beside those that every role gets for what its functions are set up with: writing
    /// their own log groups, reading the sources of their mappings, sending to their destinations and
    /// dead-letter queues, writing traces where tracing is on.
    pub statements: Vec<Statement>,
}

/// An Allow statement.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Statement {
    /// Actions such as `dynamodb:UpdateItem`.
    pub actions: Vec<String>,
    /// Resources: ARNs, or references such as `${table.visits}`.
    pub resources: Vec<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Table {
    /// Name.
    pub name: String,
    /// Partition key's attribute name.
    pub hash_key: String,
    /// Partition key's type: `S`, `N` or `B`.
    pub hash_key_type: String,
    /// Sort key's attribute name and type, where there is one.
    pub range_key: Option<(String, String)>,
    /// How its use is paid for.
    pub billing: Billing,
    /// What its stream holds, where it has one.
    pub stream: Option<StreamView>,
    /// The attribute whose time (seconds since the epoch) expires an item, where there is one.
    pub ttl_attribute: Option<String>,
}

/// How the use of a table is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Billing {
    /// Per request.
    #[default]
    OnDemand,
    /// By capacity that is there all the time.
    Provisioned {
        /// Read capacity units, 1–40000.
        read: i64,
        /// Write capacity units, 1–40000.
        write: i64,
    },
}

/// What the records of a table's stream hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamView {
    /// The keys alone.
    KeysOnly,
    /// The item after the change.
    NewImage,
    /// The item before the change.
    OldImage,
    /// Both.
    NewAndOldImages,
}

impl StreamView {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }
}

/// A function built from a handler crate.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Function {
    /// Name in Lambda (at most 64 characters).
    pub name: String,
    /// Cargo package that holds the binary.
    pub package: String,
    /// Cargo binary that becomes `bootstrap`.
    pub bin: String,
    /// Name of a [`Role`] of the blueprint.
    pub role: String,
    /// The processor that it runs on; the machine's own on the local cloud.
    pub architecture: Architecture,
    /// Memory in MB, 128–10240.
    pub memory_mb: i32,
    /// Timeout in seconds, 1–900.
    pub timeout_s: i32,
    /// One line.
    pub description: String,
    /// Environment variables; values may hold references. One whose parameter has no value is left out.
    pub environment: BTreeMap<String, String>,
    /// Whether its requests are traced (`Active`).
    pub tracing: bool,
    /// Executions that are kept for it and that it may not exceed; 0 stops it.
    pub reserved_concurrency: Option<Count>,
    /// Environments that are kept ready for the version that its released alias points to. Billed by
    /// the hour.
    pub provisioned_concurrency: Option<Count>,
    /// Where events go that an asynchronous invocation could not deliver.
    pub dead_letter: Option<Destination>,
    /// How asynchronous invocations are tried.
    pub asynchronous: Option<Asynchronous>,
}

/// A number that stands in the blueprint, or that a person sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Count {
    /// This one.
    Number(i32),
    /// The value of the parameter of this name; one without a value leaves out what it is for.
    Parameter(String),
}

impl Count {
    /// The number, where the blueprint itself gives it.
    pub fn number(&self) -> Option<i32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Parameter(_) => None,
        }
    }

    /// The parameter that gives it.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::Number(_) => None,
            Self::Parameter(name) => Some(name),
        }
    }
}

/// Processors that Lambda has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Architecture {
    /// `x86_64`.
    #[default]
    #[serde(rename = "x86_64")]
    X86_64,
    /// `arm64`.
    #[serde(rename = "arm64")]
    Arm64,
}

impl Architecture {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// How asynchronous invocations of a function are tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asynchronous {
    /// Tries after the first, 0–2.
    pub retries: i32,
    /// How old an event may get, in seconds, 60–21600.
    pub max_age_s: i32,
    /// Where what succeeded is told.
    pub on_success: Option<Destination>,
    /// Where what failed is told.
    pub on_failure: Option<Destination>,
}
