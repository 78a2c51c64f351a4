//! The account's role with which API Gateway writes logs.
//!
//! It belongs to the account and region, not to a lab: where there is one it is used as it is, and a
//! destroy leaves it.

use aws_sdk_apigateway::types::{Op, PatchOperation};
use aws_sdk_iam::types::Tag;
use labdeck_aws::{Failure, FailureKind, Result, Target};
use serde_json::json;

use super::role::{POLICY_NAME, trust};
use super::stage::{logs, wanted_settings};
use crate::deploy::graph::Planner;
use crate::deploy::plan::Verb;
use crate::deploy::run::StepRun;
use crate::deploy::wanted::Wanted;

/// What the plan calls it.
pub const RESOURCE: &str = "account setting";
/// The role that is made where the account has none.
pub const ROLE: &str = "labdeck-apigateway-logs";
/// The tag on that role: it is nobody's lab.
const TAG: &str = "labdeck:shared";

/// What is done to the account's setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountAction {
    /// Make the role and name it to API Gateway.
    SetLogRole,
}

/// What the account is set to, where the lab needs to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveAccount {
    /// ARN of the role with which API Gateway writes logs.
    pub log_role: Option<String>,
}

/// Whether a stage of the lab writes logs.
fn is_needed(wanted: &Wanted) -> bool {
    let apis = wanted.apis.iter();
    apis.flat_map(|api| wanted.stages.iter().map(move |stage| (api, stage)))
        .any(|(api, stage)| logs(&wanted_settings(wanted, &api.name, stage)))
}

/// Reads the setting, where a stage of the lab writes logs.
pub async fn observe(target: &Target, wanted: &Wanted) -> Result<Option<LiveAccount>> {
    if !is_needed(wanted) {
        return Ok(None);
    }
    let answer = target.apigateway().get_account().send().await;
    let what = "reading the account's settings of API Gateway";
    let answer = answer.map_err(|e| Failure::from_sdk(what, &e))?;
    let log_role = answer.cloudwatch_role_arn.filter(|arn| !arn.is_empty());
    Ok(Some(LiveAccount { log_role }))
}

/// Plans the setting.
pub fn plan(planner: &mut Planner<'_>) {
    let missing = planner.live.account.as_ref().is_some_and(|account| account.log_role.is_none());
    if !missing || !is_needed(planner.wanted) {
        return;
    }
    let reason = "API Gateway has no role to write logs with; stages write some";
    let name = "cloudwatchRoleArn";
    let index = planner.step(Verb::Create, RESOURCE, name, reason, &[], AccountAction::SetLogRole);
    planner.warn(
        index,
        format!(
            "role {ROLE} is made and set for every API of this account and region; destroying the \
             lab leaves it"
        ),
    );
}

/// Says that the setting stays.
pub fn plan_destroy(planner: &mut Planner<'_>) {
    let role = planner.live.account.as_ref().and_then(|account| account.log_role.as_deref());
    if role.is_some_and(|arn| arn.ends_with(&format!("/{ROLE}"))) {
        planner.note(format!(
            "the account's setting cloudwatchRoleArn and role {ROLE} stay: other APIs may write \
             logs with them"
        ));
    }
}

impl StepRun {
    pub(crate) async fn on_account(&self, action: &AccountAction) -> Result<()> {
        match action {
            AccountAction::SetLogRole => self.set_log_role().await,
        }
    }

    async fn set_log_role(&self) -> Result<()> {
        let what = format!("creating role {ROLE}");
        let place = &self.context.wanted.place;
        let tag = Tag::builder().key(TAG).value("apigateway-logs").build();
        let tag = tag.map_err(|e| Failure::new(FailureKind::Internal, &what, e.to_string()))?;
        let made = self
            .patiently(|| async {
                self.target()
                    .iam()
                    .create_role()
                    .role_name(ROLE)
                    .assume_role_policy_document(trust("apigateway.amazonaws.com").to_string())
                    .description("API Gateway writes the logs of this account's APIs with it")
                    .tags(tag.clone())
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await;
        match made {
            Ok(_) => {}
            // Made before: by an attempt that was cut off, or by another lab.
            Err(failure) if failure.kind == FailureKind::Conflict => {}
            Err(failure) if failure.kind == FailureKind::Denied => {
                return Err(failure.next(
                    "have an administrator set a CloudWatch role in API Gateway's account settings, \
                     or take log_level and access_log out of lab.toml",
                ));
            }
            Err(failure) => return Err(failure),
        }
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Action": [
                    "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups",
                    "logs:DescribeLogStreams", "logs:PutLogEvents", "logs:GetLogEvents",
                    "logs:FilterLogEvents",
                ],
                "Resource": "*",
            }],
        });
        self.patiently(|| async {
            let call = self.target().iam().put_role_policy().role_name(ROLE);
            let call = call.policy_name(POLICY_NAME).policy_document(policy.to_string());
            let done = call.send().await;
            done.map_err(|e| Failure::from_sdk(format!("giving role {ROLE} its policy"), &e))
        })
        .await?;
        let patch = PatchOperation::builder()
            .op(Op::Replace)
            .path("/cloudwatchRoleArn")
            .value(place.role(ROLE))
            .build();
        self.patiently(|| async {
            self.announce_budget("UpdateAccount");
            let call = self.target().apigateway().update_account();
            let done = call.patch_operations(patch.clone()).send().await;
            done.map_err(|e| Failure::from_sdk("setting the account's role for logs", &e))
        })
        .await
        .map(|_| ())
    }
}
