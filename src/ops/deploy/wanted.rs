//! What a lab wants on a target: its blueprint with every reference resolved, and its built code.

use std::collections::BTreeMap;

use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Follows, Stage};

use super::kinds::alarm::WantedAlarm;
use super::kinds::api::WantedApi;
use super::kinds::function::WantedFunction;
use super::kinds::key::WantedKey;
use super::kinds::log_group::WantedLogGroup;
use super::kinds::mapping::WantedMapping;
use super::kinds::queue::WantedQueue;
use super::kinds::role::WantedRole;
use super::kinds::stage::StageSettings;
use super::kinds::subscription::WantedSubscription;
use super::kinds::table::WantedTable;
use super::kinds::topic::WantedTopic;
use super::kinds::usage_plan::WantedPlan;
use super::kinds::{
    alarm, api, function, key, log_group, mapping, queue, role, subscription, table, topic,
    usage_plan,
};
use super::resolve::Resolver;
use super::settings::Spec;

/// Where a lab is deployed: what ARNs are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// Region.
    pub region: String,
    /// Account id.
    pub account: String,
}

impl Place {
    pub(super) fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{rest}", self.partition, self.region, self.account)
    }

    /// ARN of a function, without a qualifier.
    pub fn function(&self, name: &str) -> String {
        self.arn("lambda", &format!("function:{name}"))
    }

    /// ARN of a table.
    pub fn table(&self, name: &str) -> String {
        self.arn("dynamodb", &format!("table/{name}"))
    }

    /// ARN of a queue.
    pub fn queue(&self, name: &str) -> String {
        self.arn("sqs", name)
    }

    /// ARN of a topic.
    pub fn topic(&self, name: &str) -> String {
        self.arn("sns", name)
    }

    /// ARN of an alarm.
    pub fn alarm(&self, name: &str) -> String {
        self.arn("cloudwatch", &format!("alarm:{name}"))
    }

    /// ARN of an event source mapping.
    pub fn mapping(&self, uuid: &str) -> String {
        self.arn("lambda", &format!("event-source-mapping:{uuid}"))
    }

    /// ARN of a log group, without `:*`.
    pub fn log_group(&self, name: &str) -> String {
        self.arn("logs", &format!("log-group:{name}"))
    }

    /// ARN of a role.
    pub fn role(&self, name: &str) -> String {
        format!("arn:{}:iam::{}:role/{name}", self.partition, self.account)
    }

    /// ARN of something of API Gateway as its tags know it: `/restapis/ID`, `/apikeys/ID` …
    pub fn gateway(&self, path: &str) -> String {
        format!("arn:{}:apigateway:{}::{path}", self.partition, self.region)
    }

    /// ARN of a method as permissions name it; parameters of the path stand as `*`.
    pub fn method(&self, api_id: &str, stage: &str, method: &str, path: &str) -> String {
        let path: Vec<&str> =
            path.split('/').map(|part| if part.contains('{') { "*" } else { part }).collect();
        self.arn("execute-api", &format!("{api_id}/{stage}/{method}{}", path.join("/")))
    }
}

/// A code's hash and processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeId {
    /// Base64 SHA-256 of the zip.
    pub sha256: String,
    /// `x86_64` or `arm64`.
    pub architecture: &'static str,
}

/// What a lab wants to exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The lab.
    pub lab: String,
    /// Where.
    pub place: Place,
    /// The variant, where the lab has several.
    pub variant: Option<String>,
    /// Roles of the lab's own; none when an existing role was given.
    pub roles: Vec<WantedRole>,
    /// Tables.
    pub tables: Vec<WantedTable>,
    /// Queues, those that others name as their dead-letter queues first.
    pub queues: Vec<WantedQueue>,
    /// Topics.
    pub topics: Vec<WantedTopic>,
    /// Subscriptions of the topics.
    pub subscriptions: Vec<WantedSubscription>,
    /// Subscriptions that are left out since a parameter has no value, as `(topic, name)`.
    pub left_out: Vec<(String, String)>,
    /// Log groups.
    pub log_groups: Vec<WantedLogGroup>,
    /// How long log groups keep, in days.
    pub log_retention_days: i32,
    /// Functions.
    pub functions: Vec<WantedFunction>,
    /// Event source mappings.
    pub mappings: Vec<WantedMapping>,
    /// APIs.
    pub apis: Vec<WantedApi>,
    /// Stages of every API.
    pub stages: Vec<Stage>,
    /// Settings of stages, by API and stage, in which somebody else's changes are kept.
    pub kept_stages: BTreeMap<(String, String), Spec<StageSettings>>,
    /// API keys.
    pub keys: Vec<WantedKey>,
    /// Usage plans.
    pub plans: Vec<WantedPlan>,
    /// Alarms.
    pub alarms: Vec<WantedAlarm>,
    /// Whether what somebody else changed is kept.
    pub keeps_drift: bool,
}

impl Wanted {
    /// Resolves a blueprint. `code` is the built code by function name (empty when nothing is to be
    /// built, for destroying).
    pub fn new(resolver: &Resolver<'_>, code: &BTreeMap<String, CodeId>) -> Result<Self> {
        let blueprint: &Blueprint = resolver.blueprint;
        let (subscriptions, left_out) = subscription::wanted(resolver)?;
        Ok(Self {
            lab: blueprint.name.clone(),
            place: resolver.place.clone(),
            variant: blueprint.variant.clone(),
            roles: role::wanted(resolver)?,
            tables: table::wanted(resolver),
            queues: queue::wanted(resolver),
            topics: topic::wanted(resolver),
            subscriptions,
            left_out,
            log_groups: log_group::wanted(resolver),
            log_retention_days: blueprint.log_retention_days,
            functions: function::wanted(resolver, code)?,
            mappings: mapping::wanted(resolver),
            apis: api::wanted(resolver)?,
            stages: blueprint.stages.clone(),
            kept_stages: BTreeMap::new(),
            keys: key::wanted(resolver),
            plans: usage_plan::wanted(resolver),
            alarms: alarm::wanted(resolver)?,
            keeps_drift: false,
        })
    }

    /// The aliases that the stages name, each once, with the first stage that names it.
    pub fn aliases(&self) -> Vec<&Stage> {
        let mut distinct: Vec<&Stage> = Vec::new();
        for stage in &self.stages {
            if !distinct.iter().any(|known| known.alias == stage.alias) {
                distinct.push(stage);
            }
        }
        distinct
    }

    /// The alias that releases move, where there is one.
    pub fn released(&self) -> Option<&str> {
        let mut released = self.stages.iter().filter(|stage| stage.follows == Follows::Release);
        released.next().map(|stage| stage.alias.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_aws_own() {
        let place = Place {
            partition: "aws".into(),
            region: "eu-west-1".into(),
            account: "111122223333".into(),
        };
        assert_eq!(
            place.method("a1", "prod", "GET", "/pets/{id}/toys"),
            "arn:aws:execute-api:eu-west-1:111122223333:a1/prod/GET/pets/*/toys"
        );
        assert_eq!(
            place.method("a1", "dev", "*", "/"),
            "arn:aws:execute-api:eu-west-1:111122223333:a1/dev/*/"
        );
        assert_eq!(place.role("r"), "arn:aws:iam::111122223333:role/r");
        assert_eq!(place.gateway("/restapis/x"), "arn:aws:apigateway:eu-west-1::/restapis/x");
    }
}
