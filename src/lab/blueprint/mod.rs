//! The validated blueprint of a lab: what a lab wants to exist, as plain data.
//!
//! A value of these types has been checked: names are AWS's own rules, every reference resolves,
//! numbers are in range. `read` makes them from a lab's files; one of attached resources is made from
//! what is live.

mod attached;
mod canary;
mod course;
mod events;
mod gateway;
mod resources;

use std::path::PathBuf;

use serde::Serialize;

pub use attached::*;
pub use canary::*;
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
    /// How a canary is guarded.
    pub canary: Canary,
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
    /// Set where it is of resources that somebody else deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached: Option<Attached>,
}

/// One of several forms that a lab can be deployed in. Variants differ in the documents of their APIs
/// and in their usage plans; everything else of a lab is in all of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Variant {
    /// Name.
    pub name: String,
    /// One line.
    pub description: String,
    /// The APIs in this variant.
    #[serde(skip)]
    pub apis: Vec<Api>,
    /// The usage plans in this variant.
    #[serde(skip)]
    pub plans: Vec<UsagePlan>,
}

impl Blueprint {
    /// The blueprint in one of its variants; `None` when the lab has none of this name.
    pub fn variant_of(&self, name: &str) -> Option<Self> {
        let variant = self.variants.iter().find(|variant| variant.name == name)?;
        Some(Self {
            apis: variant.apis.clone(),
            plans: variant.plans.clone(),
            variant: Some(variant.name.clone()),
            ..self.clone()
        })
    }

    /// The alias that releases move, where there is one.
    pub fn released_alias(&self) -> Option<&str> {
        match &self.attached {
            // Functions alone may be attached: there is no stage then.
            Some(attached) => attached.alias.as_deref(),
            None => self.released_stage().map(|stage| stage.alias.as_str()),
        }
    }

    /// The first stage that follows a release: its alias is what releases move.
    pub fn released_stage(&self) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.follows == Follows::Release)
    }

    /// The usage plans of every variant. A plan that is in several comes several times.
    pub fn plans_of_all_variants(&self) -> impl Iterator<Item = &UsagePlan> {
        let others = self
            .variants
            .iter()
            .filter(|variant| self.variant.as_ref().is_none_or(|current| *current != variant.name));
        self.plans.iter().chain(others.flat_map(|variant| &variant.plans))
    }

    /// The forms of an API in every variant: the variant's name, where the lab has variants, and the
    /// API.
    pub fn api_in_all_variants<'b>(
        &'b self,
        name: &'b str,
    ) -> impl Iterator<Item = (Option<&'b str>, &'b Api)> {
        let own: &[Api] = if self.variants.is_empty() { &self.apis } else { &[] };
        let others = self
            .variants
            .iter()
            .flat_map(|variant| variant.apis.iter().map(|api| (Some(variant.name.as_str()), api)));
        own.iter().map(|api| (None, api)).chain(others).filter(move |(_, api)| api.name == name)
    }
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
