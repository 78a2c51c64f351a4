//! The keys of usage plans.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::plans::MOST_PLANS_OF_KEY;
use super::super::plans::model::{ApiKey, ApiStage};
use super::super::plans::registry::{Edit, Registry};
use super::super::reply::{Outcome, Reply, bad_request, conflict, input, limit_exceeded, page};
use super::super::state::Apis;
use super::Call;
use super::keys::no_key;
use super::usage_plans::{no_plan, same_stage};
use crate::error::AwsError;

/// The one type of key there is.
const KEY_TYPE: &str = "API_KEY";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewPlanKey {
    key_id: String,
    key_type: String,
}

/// `GetUsagePlanKeys`, `CreateUsagePlanKey`.
pub(super) async fn collection(apis: &Apis, call: &Call<'_>, plan: &str) -> Outcome {
    match call.verb() {
        // An unknown plan has no keys, and is no error (recorded).
        "GET" => {
            let prefix = call.query("name").unwrap_or_default();
            let registry = apis.plans().read();
            let named = |key: &ApiKey| key.name.as_deref().unwrap_or_default().starts_with(&prefix);
            let members = registry.members(plan).into_iter().map(|(key, _)| key);
            page(members.filter(|key| named(key)).map(|key| view(key)).collect(), &call.paging()?)
        }
        "POST" => {
            let new: NewPlanKey = input(call.body())?;
            apis.change_plans(|registry| create(registry, plan, &new)).await
        }
        _ => Err(call.absent()),
    }
}

/// `GetUsagePlanKey`, `DeleteUsagePlanKey`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, plan: &str, key: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let registry = apis.plans().read();
            registry.plan(plan).ok_or_else(no_plan)?;
            registry.member(plan, key).ok_or_else(no_key)?;
            Reply::ok(&view(registry.key(key).ok_or_else(no_key)?))
        }
        "DELETE" => {
            apis.change_plans(|registry| {
                registry.plan(plan).ok_or_else(no_plan)?;
                registry.member(plan, key).ok_or_else(no_key)?;
                let leave = Edit::Leave { plan: plan.to_owned(), key: key.to_owned() };
                Ok((Reply::empty(202), vec![leave]))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

fn create(
    registry: &Registry,
    plan: &str,
    new: &NewPlanKey,
) -> Result<(Reply, Vec<Edit>), AwsError> {
    registry.plan(plan).ok_or_else(no_plan)?;
    if new.key_type != KEY_TYPE {
        return Err(bad_request(format!(
            "Invalid key type specified: '{}'. Must be {KEY_TYPE}",
            new.key_type
        )));
    }
    let key = registry.key(&new.key_id).ok_or_else(no_key)?;
    if registry.member(plan, &key.id).is_some() {
        return Err(conflict(format!("API Key {} is already in usage plan {plan}", key.id)));
    }
    check_join(registry, plan, registry.plans_of_key(&key.id))?;
    let join = Edit::Join { plan: plan.to_owned(), key: key.id.clone() };
    Ok((Reply::created(&view(key))?, vec![join]))
}

/// Refuses a plan that a key which is in `others` cannot join: for one stage a key can have only
/// one plan (developer guide, "Usage plans and API keys for REST APIs").
pub(super) fn check_join(
    registry: &Registry,
    plan: &str,
    others: &[String],
) -> Result<(), AwsError> {
    let joined = registry.plan(plan).ok_or_else(no_plan)?;
    if others.len() >= MOST_PLANS_OF_KEY {
        return Err(limit_exceeded(format!(
            "Maximum number of usage plans per API key exceeded: {MOST_PLANS_OF_KEY}"
        )));
    }
    for other in others.iter().filter_map(|other| registry.plan(other)) {
        let both =
            |stage: &&ApiStage| other.api_stages.iter().any(|known| same_stage(known, stage));
        if let Some(stage) = joined.api_stages.iter().find(both) {
            return Err(twice(stage, &other.id));
        }
    }
    Ok(())
}

/// Refuses a new stage of a plan that one of its keys reaches through another plan.
pub(super) fn check_stage_of_keys(
    registry: &Registry,
    plan: &str,
    stage: &ApiStage,
) -> Result<(), AwsError> {
    let holders: Vec<&str> = registry
        .newest_plans()
        .into_iter()
        .filter(|other| other.id != plan)
        .filter(|other| other.api_stages.iter().any(|known| same_stage(known, stage)))
        .map(|other| other.id.as_str())
        .collect();
    let members = registry.members(plan);
    let taken = holders
        .into_iter()
        .find(|holder| members.iter().any(|(key, _)| registry.member(holder, &key.id).is_some()));
    taken.map_or(Ok(()), |holder| Err(twice(stage, holder)))
}

fn twice(stage: &ApiStage, plan: &str) -> AwsError {
    conflict(format!(
        "An API key can have only one usage plan per API stage: {}:{} is in usage plan {plan} \
         already",
        stage.api_id, stage.stage
    ))
}

fn view(key: &ApiKey) -> Value {
    let mut shown = json!({ "id": key.id, "type": KEY_TYPE, "value": key.value });
    if let Some(name) = &key.name {
        shown["name"] = json!(name);
    }
    shown
}
