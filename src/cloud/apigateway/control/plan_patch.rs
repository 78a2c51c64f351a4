//! `UpdateUsagePlan`: what each path of a patch changes.

use super::super::patch::{Op, PatchOperation};
use super::super::plans::model::{ApiStage, QuotaSettings, ThrottleSettings, UsagePlan};
use super::super::plans::registry::method_name;
use super::super::reply::{bad_request, not_found};
use super::super::state::Apis;
use super::usage_plans::{check_stage, same_stage};
use crate::error::AwsError;

/// What can be replaced.
const REPLACEABLE: &str = "/name, /description, /productCode, /quota/limit, /quota/offset, \
    /quota/period, /throttle/rateLimit, /throttle/burstLimit, \
    /apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>/rateLimit, \
    /apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>/burstLimit";

/// What can be removed: AWS's own list with its spelling (boto3 #2629).
const REMOVABLE: &str = "/apiStages, /quota, /throttle, /productCode, \
    /apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>, \
    /apiStages/<apidId:stageName>/throttle";

/// Applies one operation.
pub(super) fn apply(
    apis: &Apis,
    plan: &mut UsagePlan,
    operation: &PatchOperation,
) -> Result<(), AwsError> {
    let known = match operation.op {
        Op::Add if operation.path == "/apiStages" => {
            let stage = named_stage(apis, plan, operation)?;
            if !plan.api_stages.iter().any(|one| same_stage(one, &stage)) {
                plan.api_stages.push(stage);
            }
            true
        }
        Op::Replace => replace(plan, operation)?,
        Op::Remove => remove(apis, plan, operation)?,
        Op::Add | Op::Move | Op::Copy | Op::Test => false,
    };
    if known { Ok(()) } else { Err(invalid(operation)) }
}

fn invalid(operation: &PatchOperation) -> AwsError {
    let paths = match operation.op {
        Op::Add => "/apiStages",
        Op::Remove => REMOVABLE,
        Op::Replace => REPLACEABLE,
        Op::Move | Op::Copy | Op::Test => "",
    };
    bad_request(format!(
        "Invalid patch path  '{}' specified for op '{}'. Must be one of: [{paths}]",
        operation.path,
        operation.op.word()
    ))
}

/// The stage that the value `{api}:{stage}` names.
fn named_stage(
    apis: &Apis,
    plan: &UsagePlan,
    operation: &PatchOperation,
) -> Result<ApiStage, AwsError> {
    let (api, stage) =
        parts(operation.text()).ok_or_else(|| bad_request("Invalid API Stage specified"))?;
    check_stage(apis, api, stage, &plan.id)?;
    Ok(ApiStage { api_id: api.to_owned(), stage: stage.to_owned(), ..ApiStage::default() })
}

fn parts(text: &str) -> Option<(&str, &str)> {
    let (api, stage) = text.split_once(':')?;
    (!api.is_empty() && !stage.is_empty() && !stage.contains(':')).then_some((api, stage))
}

fn replace(plan: &mut UsagePlan, operation: &PatchOperation) -> Result<bool, AwsError> {
    match operation.path.as_str() {
        "/name" => {
            if operation.text().is_empty() {
                return Err(bad_request("Usage Plan name cannot be empty"));
            }
            plan.name.clone_from(&operation.value);
        }
        "/description" => {
            plan.description = operation.value.clone().filter(|text| !text.is_empty());
        }
        "/productCode" => {
            plan.product_code = operation.value.clone().filter(|text| !text.is_empty());
        }
        "/throttle/rateLimit" => {
            plan.throttle.get_or_insert_default().rate_limit = Some(number(operation)?);
        }
        "/throttle/burstLimit" => {
            plan.throttle.get_or_insert_default().burst_limit = Some(number(operation)?);
        }
        "/quota/limit" => quota(plan).limit = number(operation)?,
        "/quota/offset" => quota(plan).offset = number(operation)?,
        "/quota/period" => operation.text().clone_into(&mut quota(plan).period),
        _ => return of_method(plan, operation),
    }
    Ok(true)
}

fn quota(plan: &mut UsagePlan) -> &mut QuotaSettings {
    plan.quota.get_or_insert_default()
}

fn number<T: std::str::FromStr>(operation: &PatchOperation) -> Result<T, AwsError> {
    operation.text().trim().parse().map_err(|_| {
        bad_request(format!(
            "Invalid value '{}' specified for patch path '{}': it must be a number",
            operation.text(),
            operation.path
        ))
    })
}

/// `/apiStages/{api:stage}/throttle/{path}/{VERB}/rateLimit` and `…/burstLimit`.
fn of_method(plan: &mut UsagePlan, operation: &PatchOperation) -> Result<bool, AwsError> {
    let Some((stage, rest)) = below_stage(&operation.path) else { return Ok(false) };
    let Some((method, member)) = rest.rsplit_once('/') else { return Ok(false) };
    let burst = match member {
        "rateLimit" => false,
        "burstLimit" => true,
        _ => return Ok(false),
    };
    let method = method_name(method);
    if method.len() < 2 {
        return Ok(false);
    }
    let limit: &mut ThrottleSettings = bound(plan, stage)?.throttle.entry(method).or_default();
    if burst {
        limit.burst_limit = Some(number(operation)?);
    } else {
        limit.rate_limit = Some(number(operation)?);
    }
    Ok(true)
}

/// `{api}:{stage}` and what follows `throttle`.
fn below_stage(path: &str) -> Option<(&str, &str)> {
    let (stage, rest) = path.strip_prefix("/apiStages/")?.split_once('/')?;
    let rest = rest.strip_prefix("throttle")?;
    (rest.is_empty() || rest.starts_with('/')).then_some((stage, rest))
}

/// A stage that the plan has.
fn bound<'a>(plan: &'a mut UsagePlan, name: &str) -> Result<&'a mut ApiStage, AwsError> {
    let (api, stage) = parts(name).ok_or_else(|| bad_request("Invalid API Stage specified"))?;
    let id = plan.id.clone();
    plan.api_stages
        .iter_mut()
        .find(|one| one.api_id == api && one.stage == stage)
        .ok_or_else(|| not_bound(api, stage, &id))
}

fn not_bound(api: &str, stage: &str, plan: &str) -> AwsError {
    not_found(format!(
        "Invalid API Stage {{api: {api}, stage: {stage}}} specified for usageplan {plan}"
    ))
}

fn remove(apis: &Apis, plan: &mut UsagePlan, operation: &PatchOperation) -> Result<bool, AwsError> {
    match operation.path.as_str() {
        "/apiStages" => {
            let stage = named_stage(apis, plan, operation)?;
            let before = plan.api_stages.len();
            plan.api_stages.retain(|one| !same_stage(one, &stage));
            if plan.api_stages.len() == before {
                return Err(not_bound(&stage.api_id, &stage.stage, &plan.id));
            }
        }
        "/quota" => plan.quota = None,
        "/throttle" => plan.throttle = None,
        "/productCode" => plan.product_code = None,
        path => {
            let Some((stage, rest)) = below_stage(path) else { return Ok(false) };
            let method = method_name(rest);
            let limits = &mut bound(plan, stage)?.throttle;
            if method == "/" {
                limits.clear();
            } else {
                limits.remove(&method);
            }
        }
    }
    Ok(true)
}
