//! The switch `drop-cache-key`: one stage serves a deployment in which a parameter is no cache key.
//!
//! A deployment is a snapshot of an API's definition. On: the parameter is taken off the method, the stage
//! gets a deployment of that, and the parameter is put back, so that the definition is what it was. Off:
//! the stage gets the deployment back that it served, which the description of the other one names. A switch that was killed in between has left
//! the parameter off: switching it off puts that right as well.

use aws_sdk_apigateway::types::{Deployment, Op, PatchOperation, RestApi};
use labdeck_aws::{Failure, FailureKind, Result, Target};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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

/// Until when (ms since the epoch) the stage is to serve the deployment of this switch, where it says so;
/// `None` when it does not serve it.
pub(super) async fn dropped(
    target: &Target,
    lab: &str,
    switch: &str,
    api: &str,
    stage: &str,
) -> Result<Option<Option<i64>>> {
    let apis = live::rest_apis(target).await?;
    let Some(id) = status::own_api(&apis, api, lab).and_then(RestApi::id) else {
        return Ok(None);
    };
    let stages = live::stages(target, id).await?;
    let Some(served) = stages.iter().find(|known| known.stage_name() == Some(stage)) else {
        return Ok(None);
    };
    let deployments = live::deployments(target, id).await?;
    let deployment = deployments.iter().find(|known| known.id() == served.deployment_id());
    Ok(deployment.and_then(|found| marked(found, switch)).map(|mark| mark.until_ms))
}

/// The description of the deployment without the cache key: the switch, the deployment that the stage
/// served before, and until when.
fn mark(switch: &str, before: &str, until: OffsetDateTime) -> String {
    let until = until.format(&Rfc3339).unwrap_or_default();
    format!("{MARK}{switch} before={before} until={until}")
}

/// Whether a deployment was made by a switch.
pub(crate) fn made(deployment: &Deployment) -> bool {
    deployment.description().is_some_and(|text| text.starts_with(MARK))
}

/// What a deployment of the switch says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Marked<'d> {
    /// What the stage served before.
    before: &'d str,
    /// Until when it is to serve this one, in ms since the epoch.
    until_ms: Option<i64>,
}

/// What a deployment of this switch says; `None` for any other deployment.
fn marked<'d>(deployment: &'d Deployment, switch: &str) -> Option<Marked<'d>> {
    let rest = deployment.description()?.strip_prefix(MARK)?.strip_prefix(switch)?;
    let mut words = rest.strip_prefix(" before=")?.split(' ');
    let before = words.next()?;
    let until = words.find_map(|word| word.strip_prefix("until="));
    let until = until.and_then(|until| OffsetDateTime::parse(until, &Rfc3339).ok());
    Some(Marked { before, until_ms: until.map(|until| until.unix_timestamp() * 1000) })
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
    until: Option<OffsetDateTime>,
) -> Result<()> {
    let on = until.is_some();
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
    if let Some(until) = until {
        if let Some(deployment) = work.dropped(switch).await? {
            return work.last_until(switch, &deployment, until).await;
        }
        let before = work.served().await?;
        work.parameter(Op::Remove).await?;
        let deployed = work.deploy(&mark(switch, &before, until)).await;
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

    /// The deployment of the switch, where the stage serves it.
    async fn dropped(&self, switch: &str) -> Result<Option<Deployment>> {
        let target = &self.engine.target;
        let stages = live::stages(target, self.id).await?;
        let stage = stages.iter().find(|known| known.stage_name() == Some(self.key.stage));
        let Some(served) = stage.and_then(|stage| stage.deployment_id()) else { return Ok(None) };
        let deployments = live::deployments(target, self.id).await?;
        let served = deployments.into_iter().find(|known| known.id() == Some(served));
        Ok(served.filter(|found| marked(found, switch).is_some()))
    }

    /// Gives a deployment of the switch another end.
    async fn last_until(
        &self,
        switch: &str,
        deployment: &Deployment,
        until: OffsetDateTime,
    ) -> Result<()> {
        let before = marked(deployment, switch).map_or("", |mark| mark.before);
        let patch = PatchOperation::builder().op(Op::Replace).path("/description");
        let patch = patch.value(mark(switch, before, until)).build();
        let update = self.engine.target.apigateway().update_deployment().rest_api_id(self.id);
        let update = update.deployment_id(deployment.id().unwrap_or_default());
        let answer = update.patch_operations(patch).send().await;
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
            .filter_map(|known| Some((known.id()?, marked(known, switch)?.before)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_says_whose_it_is_what_was_before_and_until_when() {
        let of = |text: &str| Deployment::builder().description(text).build();
        let until = OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_secs(90);
        let deployment = of(&mark("drop", "abc123", until));
        let all = Marked { before: "abc123", until_ms: Some(90_000) };
        assert_eq!(marked(&deployment, "drop"), Some(all));
        assert_eq!(marked(&deployment, "dro"), None);
        let endless = of("labdeck:chaos=drop before=abc123");
        assert_eq!(marked(&endless, "drop"), Some(Marked { before: "abc123", until_ms: None }));
        assert_eq!(marked(&of("somebody's own"), "drop"), None);
    }
}
