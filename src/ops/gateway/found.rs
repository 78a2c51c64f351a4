//! Finding what is meant: an API's id, a stage by `API/STAGE` or by its name alone, a plan, a key.

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::{RestApi, UsagePlan};
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;

use super::rules;
use crate::engine::Engine;
use crate::{live, whose};

/// A stage by the names that people know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// API's name.
    pub api: String,
    /// API's id.
    pub api_id: String,
    /// Stage's name.
    pub stage: String,
}

impl Place {
    /// `API/STAGE`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.api, self.stage)
    }
}

/// The stage that `name` means: `API/STAGE`, or the stage alone where the lab has one API.
///
/// # Errors
/// Invalid when the lab has no such API or stage, or several APIs and none is named.
pub fn split_stage(blueprint: &Blueprint, name: &str) -> Result<(String, String)> {
    let what = format!("looking for stage {name} of lab {}", blueprint.name);
    let apis: Vec<&str> = blueprint.apis.iter().map(|api| api.name.as_str()).collect();
    let bad = |why: String| Failure::new(FailureKind::Invalid, &what, why);
    let (api, stage) = match (name.rsplit_once('/'), apis.as_slice()) {
        (Some((api, stage)), known) => {
            if !known.contains(&api) {
                let near = rules::meant(api, known.iter().copied());
                let why = format!("the lab has no API {api:?}, only {}{near}", known.join(", "));
                return Err(bad(why));
            }
            (api, stage)
        }
        (None, []) => return Err(bad("the lab has no API".to_owned())),
        (None, [only]) => (*only, name),
        (None, several) => {
            let all: Vec<String> = several.iter().map(|api| format!("{api}/{name}")).collect();
            return Err(bad(format!("the lab has {} APIs", several.len()))
                .next(format!("name one of them: {}", all.join(", "))));
        }
    };
    if !blueprint.stages.iter().any(|known| known.name == stage) {
        let known: Vec<&str> = blueprint.stages.iter().map(|known| known.name.as_str()).collect();
        let near = rules::meant(stage, known.iter().copied());
        let why = format!("the lab has no stage {stage:?}, only {}{near}", known.join(", "));
        return Err(bad(why));
    }
    Ok((api.to_owned(), stage.to_owned()))
}

/// The same, live.
///
/// # Errors
/// Invalid as [`split_stage`]; `NotFound` when the API is not deployed.
pub(super) async fn stage(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<Place> {
    let (api, stage) = split_stage(blueprint, name)?;
    let apis = live::rest_apis(&engine.target).await?;
    let found = own_api(&apis, &api, blueprint)?;
    Ok(Place { api_id: found.id().unwrap_or_default().to_owned(), api, stage })
}

/// The lab's own API of this name.
///
/// # Errors
/// `NotFound` when it is not deployed.
pub(super) fn own_api<'a>(
    apis: &'a [RestApi],
    name: &str,
    blueprint: &Blueprint,
) -> Result<&'a RestApi> {
    whose::api(apis, name, blueprint).ok_or_else(|| {
        let why = format!("API {name} is not deployed");
        Failure::new(FailureKind::NotFound, format!("looking for API {name}"), why)
            .next(whose::when_missing(blueprint))
    })
}

/// Names of the lab's own APIs by id.
pub(super) fn api_names(apis: &[RestApi], blueprint: &Blueprint) -> BTreeMap<String, String> {
    let own = blueprint.apis.iter().filter_map(|api| {
        let found = whose::api(apis, &api.name, blueprint)?;
        Some((found.id()?.to_owned(), api.name.clone()))
    });
    own.collect()
}

/// The lab's own usage plan of this name.
///
/// # Errors
/// `NotFound`, with those that there are.
pub(super) async fn plan(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<UsagePlan> {
    let all = live::usage_plans(&engine.target).await?;
    let own = || all.iter().filter(|plan| whose::plan(plan, blueprint));
    if let Some(found) = own().find(|plan| plan.name() == Some(name)) {
        return Ok(found.clone());
    }
    let known: Vec<&str> = own().filter_map(UsagePlan::name).collect();
    let what = format!("looking for usage plan {name}");
    let foreign = all.iter().any(|plan| plan.name() == Some(name));
    let why = match known.as_slice() {
        _ if foreign => whose::why_foreign(blueprint, "a usage plan"),
        [] => format!("lab {} has no usage plan that is live", blueprint.name),
        known => format!(
            "lab {} has {}{}",
            blueprint.name,
            known.join(", "),
            rules::meant(name, known.iter().copied())
        ),
    };
    Err(Failure::new(FailureKind::NotFound, what, why).next(whose::when_missing(blueprint)))
}
