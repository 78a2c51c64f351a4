//! Variants: which one is live, and giving APIs the definitions of one without deploying them.

use aws_sdk_apigateway::primitives::Blob;
use aws_sdk_apigateway::types::{PutMode, RestApi};
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;

use crate::deploy::definition;
use crate::engine::Engine;
use crate::{deploy, live, status, whose};

/// The blueprint in the variant that was asked for; without one in the variant that is live, else in
/// its last. Nothing is called for a lab without variants.
///
/// # Errors
/// `NotFound` when the lab has no such variant; otherwise those of reading the APIs.
pub async fn choose(
    engine: &Engine,
    blueprint: &Blueprint,
    asked: Option<&str>,
) -> Result<Blueprint> {
    if let Some(name) = asked {
        return of(blueprint, name);
    }
    if blueprint.variants.is_empty() {
        return Ok(blueprint.clone());
    }
    let apis = live::rest_apis(&engine.target).await?;
    let known = live_in(&apis, blueprint);
    Ok(known.and_then(|name| blueprint.variant_of(&name)).unwrap_or_else(|| blueprint.clone()))
}

/// The blueprint in the variant of this name.
///
/// # Errors
/// `NotFound`, with those that there are.
pub fn of(blueprint: &Blueprint, name: &str) -> Result<Blueprint> {
    blueprint.variant_of(name).ok_or_else(|| {
        let known: Vec<&str> = blueprint.variants.iter().map(|v| v.name.as_str()).collect();
        let why = match known.as_slice() {
            [] => format!("lab {} has no variants", blueprint.name),
            known => format!("lab {} has {}", blueprint.name, known.join(", ")),
        };
        Failure::new(FailureKind::NotFound, format!("choosing the variant {name}"), why)
    })
}

/// The variant whose definitions the lab's APIs have, by their marks; `None` when they have none or
/// several.
pub(crate) fn live_in(apis: &[RestApi], blueprint: &Blueprint) -> Option<String> {
    let own: Vec<Option<&str>> = blueprint
        .apis
        .iter()
        .filter_map(|api| whose::api(apis, &api.name, blueprint))
        .map(definition::live_variant)
        .collect();
    let (first, others) = own.split_first()?;
    let same = others.iter().all(|other| other == first);
    first.filter(|_| same).map(str::to_owned)
}

/// Gives every API of the lab the definition of a variant. No stage changes: each goes on serving the
/// deployment that it has. Hands back the names of the APIs.
///
/// # Errors
/// `NotFound` when there is no such variant or an API is not deployed; Conflict when somebody else
/// changes the lab.
pub async fn define(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<Vec<String>> {
    whose::refuse_attached(blueprint, &format!("defining the APIs of {}", blueprint.name))?;
    let blueprint = of(blueprint, name)?;
    deploy::leased(engine, &blueprint.name, Box::pin(put(engine, &blueprint, name))).await
}

async fn put(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<Vec<String>> {
    let what = format!("defining the APIs of {} as {name}", blueprint.name);
    let wanted = deploy::wanted_of(&engine.target, blueprint).await?;
    let apis = live::rest_apis(&engine.target).await?;
    let mut defined = Vec::new();
    for api in &wanted.apis {
        let found = status::own_api(&apis, &api.name, &blueprint.name).and_then(RestApi::id);
        let Some(id) = found else {
            let why = format!("API {} is not deployed", api.name);
            return Err(Failure::new(FailureKind::NotFound, what, why)
                .next(format!("deploy it first: labdeck deploy {}", blueprint.name)));
        };
        engine
            .target
            .apigateway()
            .put_rest_api()
            .rest_api_id(id)
            .mode(PutMode::Overwrite)
            .fail_on_warnings(true)
            .body(Blob::new(api.definition.document.to_string()))
            .send()
            .await
            .map_err(|error| Failure::from_sdk(&what, &error))?;
        defined.push(api.name.clone());
    }
    Ok(defined)
}
