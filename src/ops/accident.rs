//! What somebody might do by mistake or by need, as steps of a course: deleting a function, emptying a
//! cache.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;

use crate::deploy::leased;
use crate::engine::Engine;
use crate::live::{self, LAB_TAG, existing};
use crate::{gateway, status, whose};

/// Deletes a function of the lab's own, with its versions and aliases. It may be gone already.
///
/// # Errors
/// Refused when the function is not the lab's; Conflict when somebody else changes the lab.
pub async fn delete_function(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<()> {
    whose::refuse_attached(blueprint, &format!("deleting function {name}"))?;
    leased(engine, &blueprint.name, Box::pin(delete(engine, blueprint, name))).await
}

async fn delete(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<()> {
    let what = format!("deleting function {name}");
    let Some(found) = live::function(&engine.target, name).await? else { return Ok(()) };
    if live::function_tags(&found).get(LAB_TAG) != Some(&blueprint.name) {
        let why = format!("function {name} does not carry the tag {LAB_TAG}={}", blueprint.name);
        return Err(Failure::new(FailureKind::Refused, what, why)
            .next("only a function of the lab's own is deleted"));
    }
    let answer = engine.target.lambda().delete_function().function_name(name).send().await;
    existing(answer.map_err(|error| Failure::from_sdk(&what, &error))).map(|_| ())
}

/// Throws away what the cache of a stage holds, on every API of the lab. Hands back the APIs.
///
/// # Errors
/// Invalid when the stage has no cache; `NotFound` when nothing is deployed; Conflict when somebody else
/// changes the lab.
pub async fn flush_cache(
    engine: &Engine,
    blueprint: &Blueprint,
    stage: &str,
) -> Result<Vec<String>> {
    let what = format!("flushing the cache of stage {stage}");
    whose::refuse_attached(blueprint, &what)?;
    let declared = blueprint.stages.iter().find(|known| known.name == stage);
    if declared.is_none_or(|stage| stage.cache.is_none()) {
        let with: Vec<&str> = blueprint
            .stages
            .iter()
            .filter(|stage| stage.cache.is_some())
            .map(|stage| stage.name.as_str())
            .collect();
        let why = match with.as_slice() {
            [] => "no stage of the lab has a cache".to_owned(),
            with => format!("it has none; these have one: {}", with.join(", ")),
        };
        return Err(Failure::new(FailureKind::Invalid, what, why));
    }
    leased(engine, &blueprint.name, Box::pin(flush(engine, blueprint, stage, what))).await
}

async fn flush(
    engine: &Engine,
    blueprint: &Blueprint,
    stage: &str,
    what: String,
) -> Result<Vec<String>> {
    let apis = live::rest_apis(&engine.target).await?;
    let mut flushed = Vec::new();
    for api in &blueprint.apis {
        let found = status::own_api(&apis, &api.name, &blueprint.name).and_then(|api| api.id());
        let Some(id) = found else { continue };
        gateway::flush_cache(engine, id, stage, &what).await?;
        flushed.push(api.name.clone());
    }
    if flushed.is_empty() {
        return Err(Failure::new(FailureKind::NotFound, what, "no API of the lab is deployed")
            .next(format!("deploy it first: labdeck deploy {}", blueprint.name)));
    }
    Ok(flushed)
}
