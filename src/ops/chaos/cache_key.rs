//! The switch `drop-cache-key`: one stage serves a deployment in which a parameter is no cache key.
//!
//! A deployment is a snapshot of an API's definition. On: the parameter is taken off the method, the stage
//! gets a deployment of that, and the parameter is put back, so that the definition is what it was. Off:
//! the stage gets the deployment back that it served, which the description of the other one names. A switch that was killed in between has left
//! the parameter off: switching it off puts that right as well.

use aws_sdk_apigateway::types::{Deployment, Op, PatchOperation, RestApi};
use labdeck_aws::{Failure, FailureKind, Result, Target};

use crate::deploy::definition;
use crate::engine::Engine;
use crate::{gateway, live, status, trial};

/// Begins the description of a deployment without a cache key; the switch's name follows.
const MARK: &str = "labdeck:chaos=";

/// What is dropped.
pub(super) struct CacheKey<'c> {
    pub(super) api: &'c str,
    pub(super) path: &'c str,
    pub(super) method: &'c str,
    pub(super) parameter: &'c str,
    pub(super) stage: &'c str,
}

/// Whether the stage serves the deployment of this switch.
pub(super) async fn is_dropped(
    target: &Target,
    lab: &str,
    switch: &str,
    api: &str,
    stage: &str,
) -> Result<bool> {
    let apis = live::rest_apis(target).await?;
    let Some(id) = status::own_api(&apis, api, lab).and_then(RestApi::id) else {
        return Ok(false);
    };
    let stages = live::stages(target, id).await?;
    let Some(served) = stages.iter().find(|known| known.stage_name() == Some(stage)) else {
        return Ok(false);
    };
    let deployments = live::deployments(target, id).await?;
    let deployment = deployments.iter().find(|known| known.id() == served.deployment_id());
    Ok(deployment.is_some_and(|found| served_before(found, switch).is_some()))
}

/// The description of the deployment without the cache key: the switch, and the deployment that the
/// stage served before.
fn mark(switch: &str, before: &str) -> String {
    format!("{MARK}{switch} before={before}")
}

/// Whether a deployment was made by a switch.
pub(crate) fn made(deployment: &Deployment) -> bool {
    deployment.description().is_some_and(|text| text.starts_with(MARK))
}

/// What the stage served before a deployment of this switch; `None` for any other deployment.
fn served_before<'d>(deployment: &'d Deployment, switch: &str) -> Option<&'d str> {
    let rest = deployment.description()?.strip_prefix(MARK)?.strip_prefix(switch)?;
    rest.strip_prefix(" before=")
}

/// Switches it on or off.
///
/// # Errors
/// `NotFound` when the API, the stage or the method is not deployed.
pub(super) async fn set(
    engine: &Engine,
    lab: &str,
    switch: &str,
    key: &CacheKey<'_>,
    on: bool,
) -> Result<()> {
    let what = format!("switching chaos {switch} {}", if on { "on" } else { "off" });
    let missing = |why: String| {
        Failure::new(FailureKind::NotFound, &what, why)
            .next(format!("deploy it first: labdeck deploy {lab}"))
    };
    let apis = live::rest_apis(&engine.target).await?;
    let found = status::own_api(&apis, key.api, lab);
    let Some((api, id)) = found.and_then(|api| Some((api, api.id()?))) else {
        return if on { Err(missing(format!("API {} is not deployed", key.api))) } else { Ok(()) };
    };
    let resources = trial::resources(engine, id).await?;
    let resource = resources.iter().find(|resource| {
        resource.path() == Some(key.path)
            && resource.resource_methods().is_some_and(|methods| methods.contains_key(key.method))
    });
    let Some(resource) = resource.and_then(|resource| resource.id()) else {
        let why = format!("{} has no method {} {}", key.api, key.method, key.path);
        return if on { Err(missing(why)) } else { Ok(()) };
    };
    let work = Work { engine, what: &what, api, id, resource, key };
    if on {
        if is_dropped(&engine.target, lab, switch, key.api, key.stage).await? {
            return Ok(());
        }
        let before = work.served().await?;
        work.parameter(Op::Remove).await?;
        let deployed = work.deploy(&mark(switch, &before)).await;
        // Whatever became of the deployment, the definition is put back.
        work.parameter(Op::Add).await?;
        deployed?;
    } else {
        work.parameter(Op::Add).await?;
        work.restore(switch).await?;
    }
    work.flush().await
}

struct Work<'w> {
    engine: &'w Engine,
    what: &'w str,
    api: &'w RestApi,
    id: &'w str,
    resource: &'w str,
    key: &'w CacheKey<'w>,
}

impl Work<'_> {
    /// Takes the parameter off the method's cache keys, or puts it back where it is missing.
    async fn parameter(&self, op: Op) -> Result<()> {
        let gateway = self.engine.target.apigateway();
        let integration = gateway
            .get_integration()
            .rest_api_id(self.id)
            .resource_id(self.resource)
            .http_method(self.key.method)
            .send()
            .await
            .map_err(|error| Failure::from_sdk(self.what, &error))?;
        let keys = integration.cache_key_parameters();
        let there = keys.iter().any(|known| known == self.key.parameter);
        if there == (op == Op::Add) {
            return Ok(());
        }
        // JSON Patch writes `/` as `~1`; parameters hold none, but headers may hold `~`.
        let name = self.key.parameter.replace('~', "~0").replace('/', "~1");
        let patch =
            PatchOperation::builder().op(op).path(format!("/cacheKeyParameters/{name}")).build();
        gateway
            .update_integration()
            .rest_api_id(self.id)
            .resource_id(self.resource)
            .http_method(self.key.method)
            .patch_operations(patch)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| Failure::from_sdk(self.what, &error))
    }

    /// Deploys the definition as it is now to the stage.
    async fn deploy(&self, description: &str) -> Result<()> {
        let create = self.engine.target.apigateway().create_deployment().rest_api_id(self.id);
        let answer = create.stage_name(self.key.stage).description(description).send().await;
        answer.map(|_| ()).map_err(|error| Failure::from_sdk(self.what, &error))
    }

    /// The deployment that the stage serves, which must be of the definition that the API has now: with
    /// another one, more would change than the cache key.
    async fn served(&self) -> Result<String> {
        let target = &self.engine.target;
        let stages = live::stages(target, self.id).await?;
        let stage = stages.iter().find(|known| known.stage_name() == Some(self.key.stage));
        let Some(served) = stage.and_then(|stage| stage.deployment_id()) else {
            let why = format!("{} has no stage {}", self.key.api, self.key.stage);
            return Err(Failure::new(FailureKind::NotFound, self.what, why));
        };
        let deployments = live::deployments(target, self.id).await?;
        let deployment = deployments.iter().find(|known| known.id() == Some(served));
        if deployment.and_then(definition::deployment_hash) != definition::live_hash(self.api) {
            let why = format!(
                "stage {} serves another definition than {} has now",
                self.key.stage, self.key.api
            );
            return Err(Failure::new(FailureKind::Refused, self.what, why)
                .next("deploy or promote first, so that the stage serves what the API has"));
        }
        Ok(served.to_owned())
    }

    async fn serve(&self, deployment: &str) -> Result<()> {
        let patch = PatchOperation::builder().op(Op::Replace).path("/deploymentId");
        let update = self.engine.target.apigateway().update_stage().rest_api_id(self.id);
        let update = update.stage_name(self.key.stage);
        let answer = update.patch_operations(patch.value(deployment).build()).send().await;
        answer.map(|_| ()).map_err(|error| Failure::from_sdk(self.what, &error))
    }

    /// Gives the stage back the deployment that it served, and removes those of the switch.
    async fn restore(&self, switch: &str) -> Result<()> {
        let target = &self.engine.target;
        let deployments = live::deployments(target, self.id).await?;
        let stages = live::stages(target, self.id).await?;
        let Some(stage) = stages.iter().find(|known| known.stage_name() == Some(self.key.stage))
        else {
            return Ok(());
        };
        let dropped: Vec<(&str, &str)> = deployments
            .iter()
            .filter_map(|known| Some((known.id()?, served_before(known, switch)?)))
            .collect();
        let serves = stage.deployment_id();
        if let Some((_, before)) = dropped.iter().find(|(id, _)| Some(*id) == serves) {
            let hash = definition::live_hash(self.api).unwrap_or_default();
            let there = deployments.iter().any(|known| known.id() == Some(*before));
            let known = definition::deployment_of(&deployments, hash).and_then(|known| known.id());
            match if there { Some(*before) } else { known } {
                Some(known) => self.serve(known).await?,
                None => self.deploy(&definition::deployment_description(hash)).await?,
            }
        }
        for (id, _) in dropped {
            let delete = target.apigateway().delete_deployment().rest_api_id(self.id);
            let answer = delete.deployment_id(id).send().await;
            live::existing(answer.map_err(|error| Failure::from_sdk(self.what, &error)))?;
        }
        Ok(())
    }

    /// Answers that are kept from before would hide what changed.
    async fn flush(&self) -> Result<()> {
        let stages = live::stages(&self.engine.target, self.id).await?;
        let cached = stages.iter().any(|stage| {
            stage.stage_name() == Some(self.key.stage) && stage.cache_cluster_enabled()
        });
        if !cached {
            return Ok(());
        }
        gateway::flush_cache(self.engine, self.id, self.key.stage, self.what).await
    }
}
