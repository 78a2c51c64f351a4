//! Deployments of the lab's APIs: which stage serves which, switching a stage to an earlier one and back,
//! deploying the current definition again, emptying a stage's cache.

use aws_sdk_apigateway::types::{Deployment, RestApi};
use futures_util::future::try_join_all;
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Follows;
use serde::Serialize;

use super::edit::Done;
use super::found::{self, Place, own_api};
use super::patch::Patch;
use super::rules;
use super::stage::{self, StageModel};
use crate::deploy::kinds::drift;
use crate::deploy::patiently;
use crate::deploy::{self, definition, leased};
use crate::engine::Engine;
use crate::{chaos, live, variant, whose};

/// The description of a deployment of a definition that is not as `lab.toml` says.
const BY_HAND: &str = "redeployed with labdeck";

/// Who made a deployment, as far as its description tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A deploy: it holds one definition of `lab.toml`.
    Deploy,
    /// A chaos switch.
    Chaos,
    /// A person, with this tool or another.
    Hand,
}

/// A deployment: a snapshot of an API's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeploymentInfo {
    /// Id.
    pub id: String,
    /// When it was made, in ms since the epoch.
    pub created_ms: i64,
    /// Its description.
    pub description: String,
    /// Who made it.
    pub origin: Origin,
    /// Hash of the definition that it holds, where its description says so.
    pub definition: Option<String>,
    /// Whether that is the definition that the API has now.
    pub current: bool,
    /// Stages that serve it.
    pub stages: Vec<String>,
    /// Stages whose canary serves it.
    pub canaries: Vec<String>,
}

/// The deployments of an API, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiDeployments {
    /// API's name.
    pub api: String,
    /// API's id.
    pub api_id: String,
    /// Its deployments.
    pub deployments: Vec<DeploymentInfo>,
}

/// The deployments of every API of the lab that is deployed.
///
/// # Errors
/// Those of the calls.
pub async fn list(engine: &Engine, blueprint: &Blueprint) -> Result<Vec<ApiDeployments>> {
    let apis = live::rest_apis(&engine.target).await?;
    let own = blueprint.apis.iter().filter_map(|named| {
        Some((named.name.as_str(), whose::api(&apis, &named.name, blueprint)?))
    });
    try_join_all(own.map(|(name, api)| async move {
        let stages = stage::of_api(engine, name, api.id().unwrap_or_default()).await?;
        of_api(engine, (name, api), &stages).await
    }))
    .await
}

/// The deployments of an API, which the blueprint calls `name`, whose stages are known.
pub(super) async fn of_api(
    engine: &Engine,
    (name, api): (&str, &RestApi),
    stages: &[StageModel],
) -> Result<ApiDeployments> {
    let id = api.id().unwrap_or_default();
    let mut all = live::deployments(&engine.target, id).await?;
    all.sort_by_key(|deployment| std::cmp::Reverse(order(deployment)));
    let hash = definition::live_hash(api);
    let deployments = all.iter().map(|one| info(one, hash, stages)).collect();
    Ok(ApiDeployments { api: name.to_owned(), api_id: id.to_owned(), deployments })
}

fn order(deployment: &Deployment) -> (i64, u32, Option<String>) {
    let at = deployment.created_date().map_or((0, 0), |at| (at.secs(), at.subsec_nanos()));
    (at.0, at.1, deployment.id.clone())
}

fn info(deployment: &Deployment, hash: Option<&str>, stages: &[StageModel]) -> DeploymentInfo {
    let id = deployment.id().unwrap_or_default();
    let held = definition::deployment_hash(deployment);
    let description = deployment.description().unwrap_or_default();
    let origin = match held {
        Some(_) => Origin::Deploy,
        None if chaos::made(deployment) => Origin::Chaos,
        None => Origin::Hand,
    };
    let serving = |key: &str| -> Vec<String> {
        let serves = |stage: &&StageModel| stage.settings.get(key).is_some_and(|one| one == id);
        stages.iter().filter(serves).map(|stage| stage.stage.clone()).collect()
    };
    DeploymentInfo {
        id: id.to_owned(),
        created_ms: deployment
            .created_date()
            .and_then(|at| at.to_millis().ok())
            .unwrap_or_default(),
        description: description.to_owned(),
        origin,
        definition: held.map(str::to_owned),
        current: held.is_some() && held == hash,
        stages: serving("deployment"),
        canaries: serving("canary.deployment"),
    }
}

/// What a deploy and a release make of a stage that was moved by hand.
pub(super) fn moved_note(blueprint: &Blueprint, stage: &str) -> String {
    if let Some(note) = whose::hand_edit_note(blueprint) {
        return note;
    }
    let follows = blueprint.stages.iter().find(|known| known.name == stage);
    if follows.is_some_and(|stage| stage.follows == Follows::Release) {
        "a hand edit: deploys leave it, and the next promotion moves the stage to the newest \
         deployment"
            .to_owned()
    } else {
        "a hand edit: the stage follows the newest code, so the plan shows it, and the next deploy \
         moves it back to the definition of lab.toml"
            .to_owned()
    }
}

/// Lets a stage serve another deployment, at once, and empties its cache.
///
/// With `seen` only from that deployment: what the person saw when they chose.
///
/// # Errors
/// `NotFound` when there is no such deployment; Conflict when the stage serves something else than was
/// seen, or somebody changes the lab at this moment.
pub async fn switch(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    deployment: &str,
    seen: Option<&str>,
) -> Result<Done> {
    let place = found::stage(engine, blueprint, name).await?;
    let label = place.label();
    let what = format!("switching stage {label} to deployment {deployment}");
    let work = async {
        let now = stage::read_at(engine, &place).await?;
        serves_still(&what, &now, seen)?;
        let known = live::deployments(&engine.target, &place.api_id).await?;
        if !known.iter().any(|one| one.id() == Some(deployment)) {
            let ids: Vec<&str> = known.iter().filter_map(Deployment::id).collect();
            let near = rules::meant(deployment, ids.iter().copied());
            let why = format!("API {} has no such deployment{near}", place.api);
            return Err(Failure::new(FailureKind::NotFound, &what, why)
                .next(format!("its deployments: {}", ids.join(", "))));
        }
        let from = now.deployment().to_owned();
        if from == deployment {
            return Ok((from, None));
        }
        let patch = Patch::replace("/deploymentId", deployment, Some(&from));
        stage::patch(engine, &place, std::slice::from_ref(&patch)).await?;
        flush_where_cached(engine, &now).await?;
        Ok((from, Some((patch, now.has_cache()))))
    };
    let (from, done) = leased(engine, &whose::lease(blueprint), Box::pin(work)).await?;
    let Some((patch, flushed)) = done else {
        return Ok(Done::new(format!("stage {label} serves deployment {deployment} already")));
    };
    let mut done = Done::new(format!("stage {label}: deployment {from} → {deployment}"));
    done.patches.push(patch);
    Ok(moved(done, blueprint, &place, &from, flushed))
}

fn moved(done: Done, blueprint: &Blueprint, place: &Place, from: &str, flushed: bool) -> Done {
    let back =
        format!("back with: labdeck stages {} {} switch {from}", blueprint.name, place.label());
    let done = done.note(back).note(moved_note(blueprint, &place.stage));
    if flushed {
        done.note("its cache was emptied: it held the other deployment's answers")
    } else {
        done
    }
}

fn serves_still(what: &str, now: &StageModel, seen: Option<&str>) -> Result<()> {
    match seen {
        Some(seen) if seen != now.deployment() => {
            let why = format!(
                "somebody else moved it: it served deployment {seen} when it was read, and serves {} \
                 now; nothing was overwritten",
                now.deployment()
            );
            Err(Failure::new(FailureKind::Conflict, what, why)
                .next("look at the deployments again, and choose"))
        }
        _ => Ok(()),
    }
}

/// Takes a new snapshot of the API's current definition, lets the stage serve it, and empties its cache.
///
/// # Errors
/// `NotFound` when the API or the stage is not deployed; Conflict as [`switch`]; what AWS says where the
/// definition can't be deployed.
pub async fn redeploy(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    seen: Option<&str>,
) -> Result<Done> {
    let place = found::stage(engine, blueprint, name).await?;
    let label = place.label();
    let what = format!("redeploying stage {label}");
    let work = async {
        let now = stage::read_at(engine, &place).await?;
        serves_still(&what, &now, seen)?;
        let description = description(engine, blueprint, &place).await?;
        let id = snapshot(engine, &what, &place, &description).await?;
        let from = now.deployment().to_owned();
        let patch = Patch::replace("/deploymentId", &id, Some(&from));
        stage::patch(engine, &place, std::slice::from_ref(&patch)).await?;
        flush_where_cached(engine, &now).await?;
        Ok((from, patch, id, description, now.has_cache()))
    };
    let (from, patch, id, description, flushed) =
        leased(engine, &whose::lease(blueprint), Box::pin(work)).await?;
    let mut done = Done::new(format!("stage {label}: deployment {from} → {id}, made now"));
    done.patches.push(patch);
    if blueprint.attached.is_some() {
        return Ok(moved(done, blueprint, &place, &from, flushed));
    }
    if description == BY_HAND {
        return Ok(moved(done, blueprint, &place, &from, flushed)
            .note("the API's definition is not as lab.toml says: the plan shows what differs"));
    }
    let back = format!("back with: labdeck stages {} {label} switch {from}", blueprint.name);
    Ok(done.note(back).note("it holds the definition of lab.toml, and deploys leave it"))
}

/// The description of a new deployment: with the definition's mark where the API has exactly that
/// definition, so that deploys know it again.
async fn description(engine: &Engine, blueprint: &Blueprint, place: &Place) -> Result<String> {
    if blueprint.attached.is_some() {
        return Ok(BY_HAND.to_owned());
    }
    let chosen = variant::choose(engine, blueprint, None).await?;
    let wanted = deploy::wanted_of(&engine.target, &chosen).await?;
    let apis = live::rest_apis(&engine.target).await?;
    let api = own_api(&apis, &place.api, blueprint)?;
    let known = wanted.apis.iter().find(|known| known.name == place.api);
    let Some(known) =
        known.filter(|known| definition::live_hash(api) == Some(known.definition.hash.as_str()))
    else {
        return Ok(BY_HAND.to_owned());
    };
    let edited =
        drift::observe_defined(&engine.target, &place.api_id, &known.definition.document).await?;
    Ok(if edited.is_empty() {
        definition::deployment_description(&known.definition.hash)
    } else {
        BY_HAND.to_owned()
    })
}

/// Makes a deployment once: after a lost answer it is looked for before it is tried again.
async fn snapshot(engine: &Engine, what: &str, place: &Place, description: &str) -> Result<String> {
    let ids = || async {
        let all = live::deployments(&engine.target, &place.api_id).await?;
        Ok::<_, Failure>(all.into_iter().filter_map(|one| one.id).collect::<Vec<_>>())
    };
    let before = ids().await?;
    let made = patiently(|| async {
        let call = engine.target.apigateway().create_deployment().rest_api_id(&place.api_id);
        let call = call.description(description).customize().config_override(deploy::once());
        call.send().await.map_err(|error| Failure::from_sdk(what, &error))
    })
    .await;
    let failure = match made {
        Ok(made) => match made.id {
            Some(id) => return Ok(id),
            None => Failure::new(FailureKind::Service, what, "the answer names no id"),
        },
        Err(failure) => failure,
    };
    if !matches!(failure.kind, FailureKind::Network | FailureKind::Service) {
        return Err(failure);
    }
    // The answer was lost, and the lab's lease is held: what is new is ours.
    ids().await?.into_iter().find(|id| !before.contains(id)).ok_or(failure)
}

/// Throws away what the cache of a stage holds.
///
/// # Errors
/// Invalid when the stage has no cache; `NotFound` when it is not deployed; Conflict when somebody
/// changes the lab at this moment.
pub async fn flush(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<Done> {
    let place = found::stage(engine, blueprint, name).await?;
    let what = format!("flushing the cache of stage {}", place.label());
    let work = async {
        let now = stage::read_at(engine, &place).await?;
        if !now.has_cache() {
            return Err(Failure::new(FailureKind::Invalid, &what, "the stage has no cache"));
        }
        flush_cache(engine, &place.api_id, &place.stage, &what).await
    };
    leased(engine, &whose::lease(blueprint), Box::pin(work)).await?;
    Ok(Done::new(format!("stage {}: its cache is empty", place.label()))
        .note("the next request to each method reaches its function"))
}

async fn flush_where_cached(engine: &Engine, stage: &StageModel) -> Result<()> {
    if !stage.has_cache() {
        return Ok(());
    }
    let what = format!("flushing the cache of stage {}", stage.label());
    flush_cache(engine, &stage.api_id, &stage.stage, &what).await
}

/// One call: what the cache of a stage holds is gone.
pub(crate) async fn flush_cache(
    engine: &Engine,
    api_id: &str,
    stage: &str,
    what: &str,
) -> Result<()> {
    let flush = engine.target.apigateway().flush_stage_cache().rest_api_id(api_id);
    let answer = flush.stage_name(stage).send().await;
    answer.map(|_| ()).map_err(|error| Failure::from_sdk(what, &error))
}
