//! Checks: the lab's lessons as conditions on live state.

mod live;
mod logs;
mod requests;
mod status;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Check, Condition, Expect, ExpectedStatus};
use serde::Serialize;

use crate::engine::Engine;
use crate::status::LabStatus;
use crate::{deploy, variant};

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// The check's name.
    pub name: String,
    /// What is true when it holds.
    pub title: String,
    /// Whether it holds.
    pub holds: bool,
    /// Why not, or what was seen.
    pub reason: String,
}

/// What was found: whether the condition holds, and what was seen.
struct Finding {
    holds: bool,
    reason: String,
}

impl Finding {
    fn new(holds: bool, reason: impl Into<String>) -> Self {
        Self { holds, reason: reason.into() }
    }
}

/// Evaluates every check of the lab, in the blueprint's order.
///
/// Checks of requests send them. A check that can't be evaluated does not hold, and says why.
///
/// # Errors
/// When live state can't be read at all.
pub async fn run(engine: &Engine, blueprint: &Blueprint) -> Result<Vec<CheckResult>> {
    refuse_attached(blueprint)?;
    let blueprint = &variant::choose(engine, blueprint, None).await?;
    let live = crate::status::read(engine, blueprint).await?;
    let mut results = Vec::with_capacity(blueprint.checks.len());
    for check in &blueprint.checks {
        results.push(evaluate(engine, blueprint, &live, check).await);
    }
    Ok(results)
}

/// Evaluates one check.
///
/// # Errors
/// `NotFound` when the lab has no such check; otherwise as [`run`].
pub async fn run_one(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<CheckResult> {
    refuse_attached(blueprint)?;
    let Some(check) = blueprint.checks.iter().find(|check| check.name == name) else {
        let known: Vec<&str> = blueprint.checks.iter().map(|check| check.name.as_str()).collect();
        let why = format!("lab {} has {}", blueprint.name, known.join(", "));
        return Err(Failure::new(FailureKind::NotFound, format!("checking {name}"), why));
    };
    let blueprint = &variant::choose(engine, blueprint, None).await?;
    let live = crate::status::read(engine, blueprint).await?;
    Ok(evaluate(engine, blueprint, &live, check).await)
}

/// What is attached has no checks.
fn refuse_attached(blueprint: &Blueprint) -> Result<()> {
    crate::whose::refuse_attached(blueprint, &format!("checking {}", blueprint.name))
}

async fn evaluate(
    engine: &Engine,
    blueprint: &Blueprint,
    live: &LabStatus,
    check: &Check,
) -> CheckResult {
    let finding = match &check.condition {
        Condition::Absent => absent(engine, blueprint).await,
        Condition::Request { request, stage, status, json, headers } => {
            let expected = Expect {
                status: Some(ExpectedStatus::Code(*status)),
                headers: headers.clone(),
                json: json.clone(),
                within_ms: None,
            };
            requests::answers(engine, blueprint, request, stage, &expected).await
        }
        Condition::Distinct { request, stage, count, path, at_least } => {
            let wanted = requests::Distinct { count: *count, path, at_least: *at_least };
            requests::distinct(engine, blueprint, request, stage, &wanted).await
        }
        Condition::Event { event, error, json } => {
            requests::event(engine, blueprint, event, error.as_deref(), json).await
        }
        Condition::Metric { function, metric, at_least, minutes } => {
            logs::measured(engine, function, metric, *at_least, *minutes).await
        }
        Condition::Log { function, pattern, minutes } => {
            logs::matched(engine, function, pattern, *minutes).await
        }
        Condition::Variant { variant } => live::variant(engine, blueprint, variant).await,
        Condition::StageStale { api, stage } => {
            live::stage_stale(engine, blueprint, api, stage).await
        }
        Condition::PlanBound { plan } => live::plan_bound(engine, blueprint, plan).await,
        Condition::Item { table, key, json } => {
            live::item(engine, blueprint, table, key, json).await
        }
        Condition::QueueDepth { queue, at_least } => {
            live::queue_depth(engine, queue, Some(*at_least)).await
        }
        Condition::QueueEmpty { queue } => live::queue_depth(engine, queue, None).await,
        Condition::MappingEnabled { mapping } => {
            live::mapping_enabled(engine, blueprint, mapping).await
        }
        Condition::AlarmState { alarm, state } => live::alarm_state(engine, alarm, state).await,
        Condition::Deployed => Ok(status::deployed(blueprint, live)),
        Condition::FunctionMissing { .. }
        | Condition::AliasPublished { .. }
        | Condition::AliasBehind { .. }
        | Condition::AliasSplit { .. }
        | Condition::AliasRolledBack { .. }
        | Condition::ChaosOn { .. }
        | Condition::ChaosOff => Ok(status::of_status(&check.condition, live)),
    };
    let finding = finding.unwrap_or_else(|failure| Finding::new(false, failure.to_string()));
    CheckResult {
        name: check.name.clone(),
        title: check.title.clone(),
        holds: finding.holds,
        reason: finding.reason,
    }
}

/// Whether a destroy would find nothing to remove.
async fn absent(engine: &Engine, blueprint: &Blueprint) -> Result<Finding> {
    let plan = deploy::plan_destroy(engine, blueprint).await?;
    if plan.is_empty() {
        return Ok(Finding::new(true, "nothing is left"));
    }
    let left: Vec<String> =
        plan.steps.iter().map(|step| format!("{} {}", step.resource, step.name)).collect();
    Ok(Finding::new(false, format!("left: {}", left.join(", "))))
}

#[cfg(test)]
mod tests;
