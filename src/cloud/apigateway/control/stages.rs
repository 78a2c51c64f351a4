//! Stages: named deployments with variables and settings.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::model::{Api, CanarySettings, Stage, Texts};
use super::super::patch::{self, Op, PatchOperation};
use super::super::reply::{Outcome, Reply, bad_request, conflict, input, no_api, no_stage};
use super::super::state::Apis;
use super::settings;
use super::stage_cache::view;
use super::{Call, stage_cache, tags};
use crate::error::AwsError;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewStage {
    stage_name: String,
    deployment_id: String,
    description: Option<String>,
    cache_cluster_enabled: bool,
    cache_cluster_size: Option<String>,
    variables: Option<Texts>,
    documentation_version: Option<String>,
    canary_settings: Option<NewCanary>,
    tracing_enabled: bool,
    tags: Texts,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewCanary {
    deployment_id: Option<String>,
    percent_traffic: f64,
    stage_variable_overrides: Texts,
    use_stage_cache: bool,
}

/// `GetStages`, `CreateStage`.
pub(super) async fn collection(apis: &Apis, call: &Call<'_>, api: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(|| no_api(api))?;
            let wanted = call.query("deploymentId");
            let shown: Vec<Value> = api
                .stages
                .values()
                .filter(|stage| wanted.as_ref().is_none_or(|id| *id == stage.deployment_id))
                .map(|stage| view(stage, call.now))
                .collect();
            Reply::ok(&json!({ "item": shown }))
        }
        "POST" => {
            let new: NewStage = input(call.body())?;
            apis.change(api, no_api(api), |api| create(api, new, call.now)).await
        }
        _ => Err(call.absent()),
    }
}

/// `GetStage`, `UpdateStage`, `DeleteStage`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, api: &str, name: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(no_stage)?;
            Reply::ok(&view(api.stages.get(name).ok_or_else(no_stage)?, call.now))
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            let may_log = apis.plans().read().account.cloudwatch_role_arn.is_some();
            apis.change(api, no_stage(), |api| update(api, name, &operations, may_log, call.now))
                .await
        }
        "DELETE" => {
            apis.change(api, no_stage(), |api| {
                api.stages.remove(name).ok_or_else(no_stage)?;
                Ok(Reply::empty(202))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

/// Whether a patch makes a stage write logs, for which the account needs a role.
fn turns_logging_on(operation: &PatchOperation) -> bool {
    let path = operation.path.as_str();
    operation.op != Op::Remove
        && (path.starts_with("/accessLogSettings")
            || (path.ends_with("/logging/loglevel") && operation.text() != "OFF"))
}

/// A stage with nothing set.
pub(super) fn new_stage(name: &str, deployment: &str, now: i64) -> Stage {
    Stage {
        stage_name: name.to_owned(),
        deployment_id: deployment.to_owned(),
        description: None,
        created_date: now,
        last_updated_date: now,
        cache_cluster_enabled: false,
        cache_cluster_size: None,
        cache_cluster_status: "NOT_AVAILABLE".to_owned(),
        cache_id: 0,
        cache_transition: None,
        client_certificate_id: None,
        method_settings: std::collections::BTreeMap::new(),
        variables: None,
        documentation_version: None,
        access_log_settings: None,
        canary_settings: None,
        tracing_enabled: false,
        tags: Texts::new(),
    }
}

/// Refuses a stage name that AWS refuses.
pub(super) fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.len() <= 128 && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(bad_request("Stage name only allows a-zA-Z0-9_-"))
    }
}

/// Refuses stage variables that AWS refuses.
pub(super) fn check_variables(variables: &Texts) -> Result<(), AwsError> {
    if variables.len() > 100 {
        return Err(bad_request("A stage can have at most 100 stage variables"));
    }
    variables.iter().try_for_each(|(name, value)| check_variable(name, value))
}

fn check_variable(name: &str, value: &str) -> Result<(), AwsError> {
    let good_name = !name.is_empty()
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c);
    if !good_name {
        return Err(bad_request(format!(
            "Stage variable name {name} is not valid: letters, digits and underscores, at most 64"
        )));
    }
    if value.len() > 512 || !value.chars().all(allowed) {
        return Err(bad_request(format!(
            "Invalid stage variable value: {value}. Please use values with alphanumeric characters \
             and the symbols ' ', -', '.', '_', ':', '/', '?', '&', '=', and ','."
        )));
    }
    Ok(())
}

fn create(api: &mut Api, new: NewStage, now: i64) -> Outcome {
    check_name(&new.stage_name)?;
    if !api.deployments.contains_key(&new.deployment_id) {
        return Err(bad_request("Deployment id does not exist"));
    }
    if api.stages.contains_key(&new.stage_name) {
        return Err(conflict("Stage already exists"));
    }
    if let Some(variables) = &new.variables {
        check_variables(variables)?;
    }
    if let Some(size) = &new.cache_cluster_size {
        settings::check_size(size)?;
    }
    let mut stage = new_stage(&new.stage_name, &new.deployment_id, now);
    stage.description = new.description.filter(|text| !text.is_empty());
    stage.variables = new.variables.filter(|variables| !variables.is_empty());
    stage.documentation_version = new.documentation_version;
    stage.tracing_enabled = new.tracing_enabled;
    stage.tags = tags::checked(new.tags)?;
    if let Some(canary) = new.canary_settings {
        let deployment_id = canary.deployment_id.unwrap_or_default();
        if !api.deployments.contains_key(&deployment_id) {
            return Err(bad_request("Deployment id does not exist"));
        }
        check_variables(&canary.stage_variable_overrides)?;
        stage.canary_settings = Some(CanarySettings {
            deployment_id,
            percent_traffic: settings::checked_percent(canary.percent_traffic)?,
            stage_variable_overrides: canary.stage_variable_overrides,
            use_stage_cache: canary.use_stage_cache,
        });
    }
    if new.cache_cluster_enabled {
        stage_cache::set(&mut stage, true, new.cache_cluster_size, now)?;
    }
    let reply = Reply::created(&view(&stage, now));
    api.stages.insert(new.stage_name, Arc::new(stage));
    reply
}

fn update(
    api: &mut Api,
    name: &str,
    operations: &[PatchOperation],
    may_log: bool,
    now: i64,
) -> Outcome {
    let mut stage = Stage::clone(api.stages.get(name).ok_or_else(no_stage)?);
    for operation in operations {
        apply(api, &mut stage, operation, now)?;
    }
    if !may_log && operations.iter().any(turns_logging_on) {
        return Err(bad_request(
            "CloudWatch Logs role ARN must be set in account settings to enable logging",
        ));
    }
    stage.last_updated_date = now;
    let reply = Reply::ok(&view(&stage, now));
    api.stages.insert(name.to_owned(), Arc::new(stage));
    reply
}

fn apply(
    api: &Api,
    stage: &mut Stage,
    operation: &PatchOperation,
    now: i64,
) -> Result<(), AwsError> {
    let raw: Vec<&str> = operation.path.split('/').skip(1).collect();
    if operation.op == Op::Copy {
        return settings::promote(stage, operation);
    }
    match raw.as_slice() {
        ["deploymentId"] => {
            replaced(operation)?;
            if !api.deployments.contains_key(operation.text()) {
                return Err(bad_request("Deployment id does not exist"));
            }
            operation.text().clone_into(&mut stage.deployment_id);
        }
        ["description"] => {
            stage.description = operation.optional().filter(|text| !text.is_empty());
        }
        ["clientCertificateId"] => {
            return Err(AwsError::not_implemented(
                "API Gateway",
                "UpdateStage with /clientCertificateId",
            ));
        }
        ["tracingEnabled"] => {
            replaced(operation)?;
            stage.tracing_enabled = operation.flag();
        }
        ["cacheClusterEnabled"] => {
            replaced(operation)?;
            stage_cache::set(stage, operation.flag(), None, now)?;
        }
        ["cacheClusterSize"] => {
            replaced(operation)?;
            settings::check_size(operation.text())?;
            let size = Some(operation.text().to_owned());
            stage_cache::set(stage, stage.cache_cluster_enabled, size, now)?;
        }
        ["variables", name] => variable(stage, &patch::unescape(name), operation)?,
        ["accessLogSettings", ..] => settings::access_log(stage, operation)?,
        ["canarySettings", ..] => settings::canary(api, stage, operation)?,
        _ => settings::method(stage, operation)?,
    }
    Ok(())
}

/// Refuses `add` and `remove` where a setting can only be replaced.
fn replaced(operation: &PatchOperation) -> Result<(), AwsError> {
    if operation.op == Op::Replace {
        Ok(())
    } else {
        Err(bad_request(format!(
            "Invalid {} operation with path: {}",
            operation.op.word(),
            operation.path
        )))
    }
}

fn variable(stage: &mut Stage, name: &str, operation: &PatchOperation) -> Result<(), AwsError> {
    let mut variables = stage.variables.take().unwrap_or_default();
    if operation.op != Op::Remove {
        check_variable(name, operation.text())?;
    }
    operation.apply_to(&mut variables, name, operation.text().to_owned())?;
    check_variables(&variables)?;
    stage.variables = Some(variables).filter(|variables| !variables.is_empty());
    Ok(())
}
