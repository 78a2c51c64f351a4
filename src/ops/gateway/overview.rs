//! Everything of a lab's gateway at once, for a screen that is refreshed.

use futures_util::future::{try_join, try_join_all};
use labdeck_aws::{Failure, Result};
use labdeck_lab::Blueprint;
use serde::Serialize;

use super::deployments::{self, ApiDeployments};
use super::found::api_names;
use super::keys::{self, KeyInfo};
use super::plan::PlanModel;
use super::stage::{self, StageModel};
use super::usage::{self, PlanUsage};
use crate::engine::Engine;
use crate::history::now_ms;
use crate::{live, whose};

/// What is live of a lab's gateway.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gateway {
    /// Stages of every API, in the blueprint's order of APIs.
    pub stages: Vec<StageModel>,
    /// Deployments by API.
    pub deployments: Vec<ApiDeployments>,
    /// Usage plans with what their keys have used.
    pub plans: Vec<(PlanModel, PlanUsage)>,
    /// Keys.
    pub keys: Vec<KeyInfo>,
    /// When it was read, in ms since the epoch.
    pub read_ms: i64,
}

/// Reads everything.
///
/// # Errors
/// Those of the calls.
pub async fn read(engine: &Engine, blueprint: &Blueprint) -> Result<Gateway> {
    let target = &engine.target;
    let apis = live::rest_apis(target).await?;
    let own = blueprint.apis.iter().filter_map(|named| {
        Some((named.name.as_str(), whose::api(&apis, &named.name, blueprint)?))
    });
    let of_apis = try_join_all(own.map(|(name, api)| async move {
        let stages = stage::of_api(engine, name, api.id().unwrap_or_default()).await?;
        let deployments = deployments::of_api(engine, (name, api), &stages).await?;
        Ok::<_, Failure>((stages, deployments))
    }));
    // A lab without keys and plans may have got some by hand.
    let access = try_join(live::api_keys(target), live::usage_plans(target));
    let (of_apis, (all_keys, plans)) = try_join(of_apis, access).await?;
    let names = api_names(&apis, blueprint);
    let own = plans.iter().filter(|plan| whose::plan(plan, blueprint));
    let mut plans = try_join_all(own.map(|plan| async {
        let model = PlanModel::of(plan, &names);
        let usage = usage::of_model(engine, &model).await?;
        Ok::<_, Failure>((model, usage))
    }))
    .await?;
    plans.sort_by(|a, b| (&a.0.name, &a.0.id).cmp(&(&b.0.name, &b.0.id)));
    let members: Vec<(String, Vec<String>)> = plans
        .iter()
        .map(|(plan, usage)| {
            (plan.name.clone(), usage.keys.iter().map(|key| key.key_id.clone()).collect())
        })
        .collect();
    let keys = keys::assembled(all_keys, blueprint, &members);
    let (stages, deployments): (Vec<_>, Vec<_>) = of_apis.into_iter().unzip();
    Ok(Gateway {
        stages: stages.into_iter().flatten().collect(),
        deployments,
        plans,
        keys,
        read_ms: now_ms(),
    })
}
