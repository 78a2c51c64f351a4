//! API keys and usage plans, as the faces show them. Values of keys are not read here.

use futures_util::future::try_join_all;
use labdeck_aws::{Result, Target};
use labdeck_lab::Blueprint;
use serde::Serialize;

use super::ApiStatus;
use crate::{live, whose};

/// The lab's own API keys and usage plans.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Access {
    /// Keys, by name.
    pub keys: Vec<KeyStatus>,
    /// Usage plans, by name.
    pub plans: Vec<PlanStatus>,
}

/// An API key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeyStatus {
    /// Name.
    pub name: String,
    /// Id.
    pub id: String,
    /// Whether it is accepted.
    pub enabled: bool,
}

/// A usage plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PlanStatus {
    /// Name.
    pub name: String,
    /// Id.
    pub id: String,
    /// The stages that it is bound to, as `API/STAGE`; of an API that is not the lab's, with its id.
    pub stages: Vec<String>,
    /// Names of its keys; of one that is not the lab's, its id.
    pub keys: Vec<String>,
    /// Requests of each key, and per which time: `DAY`, `WEEK` or `MONTH`.
    pub quota: Option<(i32, String)>,
    /// Requests of each key per second, and at once.
    pub throttle: Option<(f64, i32)>,
}

/// Reads the keys and plans of a blueprint; calls nothing for a lab that names none.
pub(super) async fn read(
    target: &Target,
    blueprint: &Blueprint,
    apis: &[ApiStatus],
) -> Result<Access> {
    let names_none =
        blueprint.keys.is_empty() && blueprint.plans_of_all_variants().next().is_none();
    if names_none && blueprint.attached.is_none() {
        return Ok(Access::default());
    }
    let (keys, plans) = tokio::try_join!(live::api_keys(target), live::usage_plans(target))?;
    let mut keys: Vec<KeyStatus> = keys
        .into_iter()
        .filter(|key| whose::key(key.id(), key.tags(), blueprint))
        .map(|key| KeyStatus {
            name: key.name.unwrap_or_default(),
            id: key.id.unwrap_or_default(),
            enabled: key.enabled,
        })
        .collect();
    keys.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    let own = plans.into_iter().filter(|plan| whose::plan(plan, blueprint));
    let members = |id: String| async move { live::usage_plan_keys(target, &id).await };
    let own: Vec<_> = own.collect();
    let ids = own.iter().map(|plan| plan.id().unwrap_or_default().to_owned());
    let members = try_join_all(ids.map(members)).await?;
    let mut plans: Vec<PlanStatus> = own
        .into_iter()
        .zip(members)
        .map(|(plan, members)| PlanStatus {
            stages: plan
                .api_stages()
                .iter()
                .map(|bound| {
                    let id = bound.api_id().unwrap_or_default();
                    let api = apis.iter().find(|api| api.id == id);
                    let api = api.map_or(id, |api| api.name.as_str());
                    format!("{api}/{}", bound.stage().unwrap_or_default())
                })
                .collect(),
            keys: members
                .into_iter()
                .filter_map(|member| {
                    let id = member.id?;
                    let key = keys.iter().find(|key| key.id == id);
                    Some(key.map_or(id, |key| key.name.clone()))
                })
                .collect(),
            quota: plan.quota().map(|quota| {
                let period = quota.period().map(|period| period.as_str().to_owned());
                (quota.limit(), period.unwrap_or_default())
            }),
            throttle: plan.throttle().map(|limit| (limit.rate_limit(), limit.burst_limit())),
            name: plan.name.unwrap_or_default(),
            id: plan.id.unwrap_or_default(),
        })
        .collect();
    plans.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(Access { keys, plans })
}
