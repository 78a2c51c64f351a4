//! The validated blueprint of a lab: what a lab wants to exist, as plain data.
//!
//! A value of these types has been checked: names are AWS's own rules, every reference resolves,
//! numbers are in range. Only `read` makes them.

mod course;
mod events;
mod gateway;
mod resources;

use std::path::PathBuf;

use serde::Serialize;

pub use course::*;
pub use events::*;
pub use gateway::*;
pub use resources::*;

/// What a lab folder wants, in one of its variants.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Blueprint {
    /// The lab's name: its folder's, behind the target's prefix where there is one. Also the value of
    /// the tag `labdeck:lab`.
    pub name: String,
    /// One line for lists.
    pub title: String,
    /// A paragraph.
    pub description: String,
    /// The folder it was read from (absolute).
    pub dir: PathBuf,
    /// Every variant of the lab, in the order of the file; empty when there is just one.
    pub variants: Vec<Variant>,
    /// The variant that this blueprint is.
    pub variant: Option<String>,
    /// What a person may set for a deploy.
    pub parameters: Vec<Parameter>,
    /// Execution roles.
    pub roles: Vec<Role>,
    /// `DynamoDB` tables.
    pub tables: Vec<Table>,
    /// SQS queues.
    pub queues: Vec<Queue>,
    /// SNS topics.
    pub topics: Vec<Topic>,
    /// Subscriptions of the topics.
    pub subscriptions: Vec<Subscription>,
    /// Lambda functions.
    pub functions: Vec<Function>,
    /// Event source mappings.
    pub mappings: Vec<Mapping>,
    /// REST APIs.
    pub apis: Vec<Api>,
    /// Stages, the same on every API of the lab.
    pub stages: Vec<Stage>,
    /// API keys.
    pub keys: Vec<Key>,
    /// Usage plans of this variant.
    pub plans: Vec<UsagePlan>,
    /// CloudWatch alarms.
    pub alarms: Vec<Alarm>,
    /// Saved requests.
    pub requests: Vec<SavedRequest>,
    /// Saved events, with which a function is invoked directly.
    pub events: Vec<SavedEvent>,
    /// Chaos switches.
    pub chaos: Vec<Chaos>,
    /// Checks.
    pub checks: Vec<Check>,
    /// Steps of the course.
    pub steps: Vec<LabStep>,
    /// Retention of the lab's log groups in days (a value `PutRetentionPolicy` accepts).
    pub log_retention_days: i32,
}

/// One of several forms that a lab can be deployed in. Variants differ in the documents of their APIs
/// and in their usage plans; everything else of a lab is in all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Variant {
    /// Name.
    pub name: String,
    /// One line.
    pub description: String,
}

/// A value that a person may set for a deploy (`--set NAME=VALUE`). A deploy without it keeps what
/// is live.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// What it is, in one line.
    pub description: String,
    /// Its value when none was set; may be `${target.inbox}` or `${target.mailbox}`, which only the
    /// local cloud has. Without a value, what names the parameter is left out.
    pub default: Option<String>,
}
