//! Deployments: immutable snapshots of an API.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::ids;
use super::super::model::{Api, CanarySettings, Definition, Deployment, Stage, Texts};
use super::super::patch;
use super::super::reply::{Outcome, Reply, bad_request, input, no_api, no_deployment, page};
use super::super::state::Apis;
use super::Call;
use super::settings::check_size;
use super::stages::{check_name, check_variables, new_stage};
use crate::error::AwsError;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewDeployment {
    stage_name: Option<String>,
    stage_description: Option<String>,
    description: Option<String>,
    cache_cluster_enabled: Option<bool>,
    cache_cluster_size: Option<String>,
    variables: Option<Texts>,
    canary_settings: Option<NewCanary>,
    tracing_enabled: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewCanary {
    percent_traffic: f64,
    stage_variable_overrides: Texts,
    use_stage_cache: bool,
}

/// `GetDeployments`, `CreateDeployment`.
pub(super) async fn collection(apis: &Apis, call: &Call<'_>, api: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(|| no_api(api))?;
            let mut all: Vec<&Arc<Deployment>> = api.deployments.values().collect();
            all.sort_by(|a, b| (b.created_date, &b.id).cmp(&(a.created_date, &a.id)));
            page(all.into_iter().map(|one| view(one, false)).collect(), &call.paging()?)
        }
        "POST" => {
            let new: NewDeployment = input(call.body())?;
            apis.change(api, no_api(api), |api| create(api, &new, call.now)).await
        }
        _ => Err(call.absent()),
    }
}

/// `GetDeployment`, `UpdateDeployment`, `DeleteDeployment`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, api: &str, id: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(|| no_api(api))?;
            let deployment = api.deployments.get(id).ok_or_else(no_deployment)?;
            Reply::ok(&view(deployment, call.query("embed").as_deref() == Some("apisummary")))
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change(api, no_api(api), |api| {
                let deployment = api.deployments.get_mut(id).ok_or_else(no_deployment)?;
                let deployment = Arc::make_mut(deployment);
                for operation in &operations {
                    if operation.path != "/description" {
                        return Err(operation.invalid_path());
                    }
                    operation.must_replace()?;
                    deployment.description.clone_from(&operation.value);
                }
                Reply::ok(&view(deployment, false))
            })
            .await
        }
        "DELETE" => {
            apis.change(api, no_api(api), |api| {
                if !api.deployments.contains_key(id) {
                    return Err(no_deployment());
                }
                if api.stages.values().any(|stage| uses(stage, id)) {
                    return Err(bad_request(
                        "Active stages pointing to this deployment must be moved or deleted",
                    ));
                }
                api.deployments.remove(id);
                Ok(Reply::empty(202))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

fn uses(stage: &Stage, deployment: &str) -> bool {
    stage.deployment_id == deployment
        || stage.canary_settings.as_ref().is_some_and(|canary| canary.deployment_id == deployment)
}

fn view(deployment: &Deployment, with_summary: bool) -> Value {
    let mut shown = json!({ "id": deployment.id, "createdDate": deployment.created_date });
    if let Some(description) = &deployment.description {
        shown["description"] = json!(description);
    }
    if with_summary {
        shown["apiSummary"] = summary(&deployment.snapshot);
    }
    shown
}

/// Paths and verbs with what they ask of a caller.
fn summary(definition: &Definition) -> Value {
    let paths: BTreeMap<&str, Map<String, Value>> = definition
        .resources
        .values()
        .filter(|resource| !resource.methods.is_empty())
        .map(|resource| {
            let methods = resource.methods.iter().map(|(verb, method)| {
                let shown = json!({
                    "authorizationType": method.authorization_type,
                    "apiKeyRequired": method.api_key_required,
                });
                (verb.clone(), shown)
            });
            (resource.path.as_str(), methods.collect())
        })
        .collect();
    json!(paths)
}

/// Refuses what cannot be deployed.
fn check_deployable(definition: &Definition) -> Result<(), AwsError> {
    let mut methods =
        definition.resources.values().flat_map(|resource| resource.methods.values()).peekable();
    if methods.peek().is_none() {
        return Err(bad_request("The REST API doesn't contain any methods"));
    }
    if methods.any(|method| method.method_integration.is_none()) {
        return Err(bad_request("No integration defined for method"));
    }
    Ok(())
}

fn create(api: &mut Api, new: &NewDeployment, now: i64) -> Outcome {
    let stage_name = new.stage_name.as_deref().filter(|name| !name.is_empty());
    if new.canary_settings.is_some() {
        check_canary(api, new.stage_name.as_deref())?;
    }
    check_deployable(&api.definition)?;
    if let Some(name) = stage_name {
        check_name(name)?;
    }
    if let Some(variables) = &new.variables {
        check_variables(variables)?;
    }
    if let Some(size) = &new.cache_cluster_size {
        check_size(size)?;
    }
    let deployment = Deployment {
        id: ids::unused(6, |id| api.deployments.contains_key(id))?,
        description: new.description.clone().filter(|text| !text.is_empty()),
        created_date: now,
        snapshot: Arc::clone(&api.definition),
    };
    if let Some(name) = stage_name {
        point_stage(api, name, &deployment.id, new, now)?;
    }
    let reply = Reply::created(&view(&deployment, false));
    api.deployments.insert(deployment.id.clone(), Arc::new(deployment));
    reply
}

fn check_canary(api: &Api, stage: Option<&str>) -> Result<(), AwsError> {
    match stage {
        None | Some("") => Err(bad_request(format!(
            "Invalid deployment content specified.Non null and non empty stageName must be provided \
             for canary deployment. Provided value is {}",
            stage.unwrap_or("null")
        ))),
        Some(name) if !api.stages.contains_key(name) => Err(bad_request(format!(
            "Invalid deployment content specified.Stage {name} must already be created before \
             making a canary release deployment"
        ))),
        Some(_) => Ok(()),
    }
}

/// Creates the stage, or points the one that is there to the new deployment.
fn point_stage(
    api: &mut Api,
    name: &str,
    deployment: &str,
    new: &NewDeployment,
    now: i64,
) -> Result<(), AwsError> {
    let stage = api
        .stages
        .entry(name.to_owned())
        .or_insert_with(|| Arc::new(new_stage(name, deployment, now)));
    let stage = Arc::make_mut(stage);
    stage.last_updated_date = now;
    if let Some(canary) = &new.canary_settings {
        stage.canary_settings = Some(CanarySettings {
            deployment_id: deployment.to_owned(),
            percent_traffic: canary.percent_traffic,
            stage_variable_overrides: canary.stage_variable_overrides.clone(),
            use_stage_cache: canary.use_stage_cache,
        });
        return Ok(());
    }
    deployment.clone_into(&mut stage.deployment_id);
    if let Some(variables) = &new.variables {
        stage.variables.get_or_insert_default().extend(variables.clone());
    }
    if let Some(description) = &new.stage_description {
        stage.description = Some(description.clone());
    }
    if let Some(tracing) = new.tracing_enabled {
        stage.tracing_enabled = tracing;
    }
    if let Some(enabled) = new.cache_cluster_enabled {
        super::stage_cache::set(stage, enabled, new.cache_cluster_size.clone(), now)?;
    }
    Ok(())
}
