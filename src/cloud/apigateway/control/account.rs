//! `GetAccount`, `UpdateAccount`: what belongs to the gateway as a whole.

use serde_json::{Value, json};

use super::super::patch::{self, Op, PatchOperation};
use super::super::plans::model::Account;
use super::super::plans::registry::Edit;
use super::super::plans::{ACCOUNT_BURST, ACCOUNT_RATE};
use super::super::reply::{Outcome, Reply, bad_request};
use super::super::state::Apis;
use super::Call;
use crate::error::AwsError;
use crate::iam::Iam;

/// The name by which a role's trust policy lets API Gateway in.
const PRINCIPAL: &str = "apigateway.amazonaws.com";

/// Answers a call on the account.
pub(super) async fn one(apis: &Apis, iam: &Iam, call: &Call<'_>) -> Outcome {
    match call.verb() {
        "GET" => Reply::ok(&view(&apis.plans().read().account)),
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change_plans(|registry| {
                let mut account = registry.account.clone();
                for operation in &operations {
                    update(&mut account, iam, operation)?;
                }
                let reply = Reply::ok(&view(&account))?;
                Ok((reply, vec![Edit::PutAccount(account)]))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

fn update(account: &mut Account, iam: &Iam, operation: &PatchOperation) -> Result<(), AwsError> {
    match (operation.op, operation.path.as_str()) {
        (Op::Replace, "/cloudwatchRoleArn") => {
            let role = operation.value.clone().filter(|arn| !arn.is_empty());
            if role.as_ref().is_some_and(|arn| !iam.assumable_by(arn, PRINCIPAL)) {
                return Err(bad_request(
                    "The role ARN does not have required permissions configured. Please grant \
                     trust permission for API Gateway and add the required role policy.",
                ));
            }
            account.cloudwatch_role_arn = role;
            Ok(())
        }
        // Usage plans are on for every account since 2016, and cannot be switched off.
        (Op::Add, "/features") if operation.text() == "UsagePlans" => Ok(()),
        _ => Err(operation.unsupported("/cloudwatchRoleArn")),
    }
}

fn view(account: &Account) -> Value {
    let mut shown = json!({
        "throttleSettings": { "burstLimit": ACCOUNT_BURST, "rateLimit": ACCOUNT_RATE },
        "features": ["UsagePlans"],
        "apiKeyVersion": "4",
    });
    if let Some(role) = &account.cloudwatch_role_arn {
        shown["cloudwatchRoleArn"] = json!(role);
    }
    shown
}
