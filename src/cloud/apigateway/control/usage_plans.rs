//! Usage plans: create, read, list, delete. `plan_patch` has what `UpdateUsagePlan` takes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::model::Texts;
use super::super::plans::model::{ApiStage, QuotaSettings, ThrottleSettings, UsagePlan};
use super::super::plans::registry::{Edit, Registry, method_name};
use super::super::reply::{
    Outcome, Reply, bad_request, input, invalid_value, limit_exceeded, not_found, page,
};
use super::super::state::Apis;
use super::super::{ids, patch, plans};
use super::plan_keys::check_stage_of_keys;
use super::{Call, plan_patch, tags};
use crate::error::AwsError;

/// Limits of single methods that one stage of a plan can have.
const MOST_METHODS: usize = 1000;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewPlan {
    name: Option<String>,
    description: Option<String>,
    api_stages: Vec<NewStage>,
    throttle: Option<ThrottleSettings>,
    quota: Option<QuotaSettings>,
    tags: Texts,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewStage {
    api_id: String,
    stage: String,
    throttle: BTreeMap<String, ThrottleSettings>,
}

/// 404 for an unknown plan.
pub(super) fn no_plan() -> AwsError {
    not_found("Invalid Usage Plan ID specified")
}

/// `GetUsagePlans`, `CreateUsagePlan`.
pub(super) async fn collection(apis: &Apis, call: &Call<'_>) -> Outcome {
    match call.verb() {
        "GET" => list(apis, call),
        "POST" => {
            let new: NewPlan = input(call.body())?;
            apis.change_plans(|registry| create(apis, registry, new)).await
        }
        _ => Err(call.absent()),
    }
}

/// `GetUsagePlan`, `UpdateUsagePlan`, `DeleteUsagePlan`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, id: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let registry = apis.plans().read();
            Reply::ok(&with_tags(registry.plan(id).ok_or_else(no_plan)?))
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change_plans(|registry| {
                let before = registry.plan(id).ok_or_else(no_plan)?;
                let mut plan = UsagePlan::clone(before);
                for operation in &operations {
                    plan_patch::apply(apis, &mut plan, operation)?;
                }
                check_numbers(&plan)?;
                for stage in &plan.api_stages {
                    let is_new = !before.api_stages.iter().any(|old| same_stage(old, stage));
                    if is_new {
                        check_stage_of_keys(registry, id, stage)?;
                    }
                }
                let reply = Reply::ok(&with_tags(&plan))?;
                Ok((reply, vec![Edit::PutPlan(plan)]))
            })
            .await
        }
        "DELETE" => {
            apis.change_plans(|registry| {
                let plan = registry.plan(id).ok_or_else(no_plan)?;
                if let Some(bound) = plan.api_stages.first() {
                    return Err(bad_request(format!(
                        "Cannot delete Usage Plan {id} because there are API Stages associated \
                         with it, including {}:{}",
                        bound.api_id, bound.stage
                    )));
                }
                Ok((Reply::empty(202), vec![Edit::DeletePlan(id.to_owned())]))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

/// Whether both name the same stage.
pub(super) fn same_stage(a: &ApiStage, b: &ApiStage) -> bool {
    a.api_id == b.api_id && a.stage == b.stage
}

fn list(apis: &Apis, call: &Call<'_>) -> Outcome {
    let key = call.query("keyId");
    let registry = apis.plans().read();
    let of_key = |plan: &UsagePlan| match &key {
        Some(key) => registry.member(&plan.id, key).is_some(),
        None => true,
    };
    let plans = registry.newest_plans().into_iter().filter(|plan| of_key(plan));
    page(plans.map(|plan| json!(plan)).collect(), &call.paging()?)
}

fn create(apis: &Apis, registry: &Registry, new: NewPlan) -> Result<(Reply, Vec<Edit>), AwsError> {
    let name = new.name.ok_or_else(|| {
        invalid_value("null", "createUsagePlanInput.name", "Member must not be null")
    })?;
    if name.is_empty() {
        return Err(bad_request("Usage Plan name cannot be empty"));
    }
    if registry.plan_count() >= plans::MOST_PLANS {
        return Err(limit_exceeded(format!(
            "Maximum number of usage plans exceeded: an account can have {}",
            plans::MOST_PLANS
        )));
    }
    let id = ids::unused(6, |id| registry.plan(id).is_some())?;
    let mut api_stages: Vec<ApiStage> = Vec::new();
    for one in new.api_stages {
        if one.api_id.is_empty() || one.stage.is_empty() {
            // AWS's own text, with its unfilled places (aws/aws-sdk #354).
            return Err(bad_request(
                "Invalid API Stage {api: %s, stage: %s} specified for usageplan %s",
            ));
        }
        check_stage(apis, &one.api_id, &one.stage, &id)?;
        let throttle =
            one.throttle.into_iter().map(|(method, limit)| (method_name(&method), limit)).collect();
        let stage = ApiStage { api_id: one.api_id, stage: one.stage, throttle };
        match api_stages.iter_mut().find(|known| same_stage(known, &stage)) {
            Some(known) => *known = stage,
            None => api_stages.push(stage),
        }
    }
    let plan = UsagePlan {
        id,
        name: Some(name),
        description: new.description.filter(|text| !text.is_empty()),
        api_stages,
        throttle: new.throttle.filter(|throttle| *throttle != ThrottleSettings::default()),
        quota: new.quota,
        product_code: None,
        tags: tags::checked(new.tags)?,
    };
    check_numbers(&plan)?;
    let reply = Reply::created(&plan)?;
    Ok((reply, vec![Edit::PutPlan(plan)]))
}

/// Refuses a stage that is not there.
pub(super) fn check_stage(apis: &Apis, api: &str, stage: &str, plan: &str) -> Result<(), AwsError> {
    if apis.get(api).is_some_and(|api| api.stages.contains_key(stage)) {
        return Ok(());
    }
    Err(not_found(format!(
        "Invalid API Stage {{api: {api}, stage: {stage}}} specified for usageplan {plan}"
    )))
}

/// Refuses limits and quotas that mean nothing. The texts about offsets are those that Terraform's
/// AWS provider gives for the same rules.
pub(super) fn check_numbers(plan: &UsagePlan) -> Result<(), AwsError> {
    let of_methods = plan.api_stages.iter().flat_map(|stage| stage.throttle.values());
    for throttle in plan.throttle.iter().chain(of_methods) {
        if throttle.rate_limit.is_some_and(|rate| !rate.is_finite() || rate < 0.0) {
            return Err(bad_request("Usage Plan rate limit must be a number of at least 0"));
        }
        if throttle.burst_limit.is_some_and(|burst| burst < 0) {
            return Err(bad_request("Usage Plan burst limit must be at least 0"));
        }
    }
    if plan.api_stages.iter().any(|stage| stage.throttle.len() > MOST_METHODS) {
        return Err(bad_request(format!(
            "A stage of a usage plan can have limits for at most {MOST_METHODS} methods"
        )));
    }
    let Some(quota) = &plan.quota else { return Ok(()) };
    if quota.limit < 0 {
        return Err(bad_request("Usage Plan quota limit must be at least 0"));
    }
    match (quota.period.as_str(), quota.offset) {
        ("DAY", 0) | ("WEEK", 0..=6) | ("MONTH", 0..=27) => Ok(()),
        ("DAY", _) => Err(bad_request("Usage Plan quota offset must be zero in the DAY period")),
        ("WEEK", _) => Err(bad_request(
            "Usage Plan quota offset must be between zero and six inclusive in the WEEK period",
        )),
        ("MONTH", _) => Err(bad_request(
            "Usage Plan quota offset must be between zero and 27 inclusive in the MONTH period",
        )),
        ("", _) => Err(bad_request("Usage Plan quota period must be specified")),
        (other, _) => Err(invalid_value(
            &format!("'{other}'"),
            "quota.period",
            "Member must satisfy enum value set: [WEEK, DAY, MONTH]",
        )),
    }
}

/// `GetUsagePlan` and `UpdateUsagePlan` answer tags even where there are none.
fn with_tags(plan: &UsagePlan) -> Value {
    let mut shown = json!(plan);
    shown["tags"] = json!(plan.tags);
    shown
}
