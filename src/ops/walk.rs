//! Walking a lab: runs what a step stands for, then the check that proves it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Condition, LabStep, SavedRequest, StepAction};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::checks::{self, CheckResult};
use crate::deploy::plan::Summary;
use crate::engine::Engine;
use crate::progress::{Progress, Reporter};
use crate::release::outcome::ReleaseOutcome;
use crate::request::exchange::{BurstSummary, Exchange};
use crate::status::ChaosStatus;
use crate::{chaos, deploy, release, request};

/// How long a check may take to see what a step did: log lines and policies need a moment.
const SEEN_WITHIN_LOCAL: Duration = Duration::from_secs(5);
/// The same on AWS, where logs take seconds and policies up to a minute.
const SEEN_WITHIN_AWS: Duration = Duration::from_mins(1);
/// Pause between two looks, within the 5 `FilterLogEvents` calls per second of an account.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a step did and whether its check holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepReport {
    /// The step's name.
    pub step: String,
    /// Its title.
    pub title: String,
    /// What its action did.
    pub outcome: StepOutcome,
    /// The check that proves it.
    pub check: CheckResult,
    /// Seconds, the check included.
    pub seconds: f64,
}

/// What the action of a step did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "did", content = "result", rename_all = "snake_case")]
pub enum StepOutcome {
    /// Deployed the lab.
    Deployed(Summary),
    /// Sent one request.
    Sent(Box<Exchange>),
    /// Sent many requests.
    Burst(BurstSummary),
    /// Sent the same traffic to several.
    Compared(Vec<BurstSummary>),
    /// Published or moved the release.
    Released(ReleaseOutcome),
    /// Switched chaos.
    Chaos {
        /// Whether it is on now.
        on: bool,
        /// The switch.
        switch: ChaosStatus,
    },
    /// Tore the lab down.
    Destroyed(Summary),
}

/// Runs the action of `step`, then its check.
///
/// A check that does not hold is no failure: the report says so. Checks that depend on logs or on
/// policies are looked at again for some seconds.
///
/// # Errors
/// Those of the action.
pub async fn run_step(
    engine: &Engine,
    blueprint: &Blueprint,
    step: &LabStep,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<StepReport> {
    let since = Instant::now();
    let outcome = act(engine, blueprint, &step.action, reporter, cancel.clone()).await?;
    reporter.report(Progress::Phase { name: format!("checking {}", step.check) });
    let check = proven(engine, blueprint, &step.check, &cancel).await?;
    Ok(StepReport {
        step: step.name.clone(),
        title: step.title.clone(),
        outcome,
        check,
        seconds: since.elapsed().as_secs_f64(),
    })
}

async fn act(
    engine: &Engine,
    blueprint: &Blueprint,
    action: &StepAction,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<StepOutcome> {
    Ok(match action {
        StepAction::Deploy { variant: None } => {
            StepOutcome::Deployed(deploy::deploy(engine, blueprint, reporter, cancel).await?)
        }
        StepAction::Destroy => {
            StepOutcome::Destroyed(deploy::destroy(engine, blueprint, reporter, cancel).await?)
        }
        StepAction::Request { request, stage, count, concurrency } => {
            let traffic = Traffic { count: *count, concurrency: *concurrency };
            sent(engine, blueprint, request, stage, traffic, reporter, cancel).await?
        }
        StepAction::Compare { requests, stage, count, concurrency } => {
            let saved: Vec<SavedRequest> = requests
                .iter()
                .map(|name| find(blueprint, name).cloned())
                .collect::<Result<_>>()?;
            let (count, at_once) = (u64::from(*count), *concurrency as usize);
            StepOutcome::Compared(
                request::compare(
                    engine, blueprint, &saved, stage, count, at_once, reporter, cancel,
                )
                .await?,
            )
        }
        StepAction::Publish => {
            StepOutcome::Released(release::publish(engine, blueprint, None).await?)
        }
        StepAction::Shift { percent } => {
            StepOutcome::Released(release::shift(engine, blueprint, f64::from(*percent)).await?)
        }
        StepAction::Promote => StepOutcome::Released(release::promote(engine, blueprint).await?),
        StepAction::Rollback => {
            StepOutcome::Released(release::rollback(engine, blueprint, false).await?)
        }
        StepAction::Undo => StepOutcome::Released(release::undo(engine, blueprint).await?),
        StepAction::Chaos { name, on } => {
            let switch = chaos::set(engine, blueprint, name, *on).await?;
            StepOutcome::Chaos { on: *on, switch }
        }
        StepAction::Deploy { variant: Some(_) }
        | StepAction::Define { .. }
        | StepAction::TestMethod { .. }
        | StepAction::Event { .. }
        | StepAction::DeleteFunction { .. }
        | StepAction::FlushCache { .. }
        | StepAction::Redrive { .. } => return Err(not_there(blueprint, &format!("{action:?}"))),
    })
}

/// `lab.toml` can't name these yet.
fn not_there(blueprint: &Blueprint, action: &str) -> Failure {
    let what = format!("running a step of {}", blueprint.name);
    Failure::new(FailureKind::Invalid, what, format!("labdeck can't do this: {action}"))
}

#[derive(Clone, Copy)]
struct Traffic {
    count: u32,
    concurrency: u32,
}

async fn sent(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    stage: &str,
    traffic: Traffic,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<StepOutcome> {
    let saved = find(blueprint, name)?;
    let outgoing = request::prepare(engine, blueprint, saved, stage, &BTreeMap::new()).await?;
    if traffic.count <= 1 {
        return Ok(StepOutcome::Sent(Box::new(request::send(engine, outgoing).await?)));
    }
    let (count, at_once) = (u64::from(traffic.count), traffic.concurrency as usize);
    let summary = request::burst(engine, name, outgoing, count, at_once, reporter, cancel).await?;
    Ok(StepOutcome::Burst(summary))
}

fn find<'a>(blueprint: &'a Blueprint, name: &str) -> Result<&'a SavedRequest> {
    blueprint.requests.iter().find(|request| request.name == name).ok_or_else(|| {
        let what = format!("sending request {name}");
        Failure::new(
            FailureKind::NotFound,
            what,
            format!("lab {} has no such request", blueprint.name),
        )
    })
}

/// The check, looked at until it holds, as long as waiting can help.
async fn proven(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    cancel: &CancellationToken,
) -> Result<CheckResult> {
    let late = blueprint.checks.iter().any(|check| {
        check.name == name
            && matches!(check.condition, Condition::Metric { .. } | Condition::Absent)
    });
    let within = match (late, engine.target.is_local()) {
        (false, _) => Duration::ZERO,
        (true, true) => SEEN_WITHIN_LOCAL,
        (true, false) => SEEN_WITHIN_AWS,
    };
    let until = Instant::now() + within;
    loop {
        let result = checks::run_one(engine, blueprint, name).await?;
        if result.holds || cancel.is_cancelled() || Instant::now() >= until {
            return Ok(result);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
