//! Walking a lab: runs what a step stands for, then the check that proves it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Condition, LabStep, SavedRequest, Shown, StepAction};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::accident;
use crate::checks::{self, CheckResult};
use crate::deploy::plan::Summary;
use crate::deploy::{Confirm, Options};
use crate::engine::Engine;
use crate::invoke::{self, Invocation};
use crate::progress::{Progress, Reporter};
use crate::redrive::{self, Redrive};
use crate::release::outcome::ReleaseOutcome;
use crate::request::Load;
use crate::request::compare::{self, Contender};
use crate::request::destination::{Destination, Sent};
use crate::request::exchange::{BurstSummary, Exchange};
use crate::status::ChaosStatus;
use crate::trial::{self, MethodTest};
use crate::{chaos, deploy, release, request, variant, whose};

/// How long a check may take to see what a step did: log lines and policies need a moment.
const SEEN_WITHIN_LOCAL: Duration = Duration::from_secs(5);
/// The same on AWS, where logs take seconds and policies up to a minute.
const SEEN_WITHIN_AWS: Duration = Duration::from_mins(1);
/// How long an alarm may take to change its state: a period of a minute, and what comes before it.
const ALARMED_WITHIN: Duration = Duration::from_mins(3);
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
    /// The request that shows its effect, where the step has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<BeforeAfter>,
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
    /// Gave the APIs the definitions of a variant.
    Defined {
        /// The variant.
        variant: String,
        /// The APIs.
        apis: Vec<String>,
    },
    /// Tried a method with the gateway's own test.
    Tested(MethodTest),
    /// Invoked a function, once or many times.
    Invoked(Vec<Invocation>),
    /// Deleted a function.
    FunctionDeleted {
        /// The function.
        function: String,
    },
    /// Threw away what the caches of a stage held.
    CacheFlushed {
        /// The stage.
        stage: String,
        /// The APIs.
        apis: Vec<String>,
    },
    /// Sent dead letters back.
    Redriven(Redrive),
}

impl StepOutcome {
    /// What the action did, in lines for a person, for the outcomes that need no layout of a face's own.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Defined { variant, apis } => vec![format!(
                "{}: defined as {variant}; the stages serve what they served",
                apis.join(", ")
            )],
            Self::Tested(test) => test.lines(),
            Self::Invoked(all) => invoked(all),
            Self::FunctionDeleted { function } => vec![format!("function {function} is deleted")],
            Self::CacheFlushed { stage, apis } => {
                vec![format!("the cache of {stage} is empty: {}", apis.join(", "))]
            }
            Self::Redriven(redrive) => redrive.lines(),
            Self::Deployed(_)
            | Self::Sent(_)
            | Self::Burst(_)
            | Self::Compared(_)
            | Self::Released(_)
            | Self::Chaos { .. }
            | Self::Destroyed(_) => Vec::new(),
        }
    }
}

/// One invocation in full, several as what they have in common and the last one.
fn invoked(all: &[Invocation]) -> Vec<String> {
    let Some(last) = all.last() else { return Vec::new() };
    let mut lines = Vec::new();
    if all.len() > 1 {
        let failed = all.iter().filter(|one| one.function_error.is_some()).count();
        lines.push(format!("{} invocations, {failed} failed; the last one:", all.len()));
    }
    lines.extend(last.lines());
    lines
}

/// A request before and after a step's action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BeforeAfter {
    /// The saved request.
    pub request: String,
    /// The stage.
    pub stage: String,
    /// How it was answered before.
    pub before: Seen,
    /// How it was answered after.
    pub after: Seen,
}

/// How a request was answered, or why it was not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// The exchange.
    Answered(Box<Exchange>),
    /// Why it could not be sent: before a first deploy there is nobody to ask.
    Nothing(Failure),
}

impl BeforeAfter {
    /// Both answers as lines, one below the other.
    pub fn lines(&self) -> Vec<String> {
        vec![
            format!("{} on {}", self.request, self.stage),
            format!("  before: {}", self.before.line()),
            format!("  after:  {}", self.after.line()),
        ]
    }
}

impl Seen {
    /// Status and body in one line.
    fn line(&self) -> String {
        match self {
            Self::Answered(exchange) => {
                let body: Vec<&str> = exchange.body.split_whitespace().collect();
                format!("{} {}", exchange.status, body.join(" ")).trim_end().to_owned()
            }
            Self::Nothing(failure) => failure.why.clone(),
        }
    }
}

/// Runs the action of `step`, then its check.
///
/// A check that does not hold is no failure: the report says so. Checks that depend on logs or on
/// policies are looked at again for some seconds. `confirm` is asked before a deploy whose plan has
/// warnings is carried out; without it such a plan is carried out unless it loses data.
///
/// # Errors
/// Those of the action.
pub async fn run_step(
    engine: &Engine,
    blueprint: &Blueprint,
    step: &LabStep,
    confirm: Option<Confirm>,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<StepReport> {
    whose::refuse_attached(blueprint, &format!("doing a step of {}", blueprint.name))?;
    let since = Instant::now();
    let before = match &step.shows {
        Some(shown) => Some(seen(engine, blueprint, shown).await),
        None => None,
    };
    let outcome = act(engine, blueprint, &step.action, confirm, reporter, cancel.clone()).await?;
    let effect = match (&step.shows, before) {
        (Some(shown), Some(before)) => Some(BeforeAfter {
            request: shown.request.clone(),
            stage: shown.stage.clone(),
            before,
            after: seen(engine, blueprint, shown).await,
        }),
        _ => None,
    };
    reporter.report(Progress::Phase { name: format!("checking {}", step.check) });
    let check = proven(engine, blueprint, &step.check, &cancel).await?;
    Ok(StepReport {
        step: step.name.clone(),
        title: step.title.clone(),
        outcome,
        effect,
        check,
        seconds: since.elapsed().as_secs_f64(),
    })
}

async fn act(
    engine: &Engine,
    blueprint: &Blueprint,
    action: &StepAction,
    confirm: Option<Confirm>,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<StepOutcome> {
    Ok(match action {
        StepAction::Deploy { variant } => {
            let chosen = variant::choose(engine, blueprint, variant.as_deref()).await?;
            // Where nobody can be asked, nothing is lost.
            let keeps = |plan: deploy::plan::Plan| async move { !plan.loses_data() };
            let confirm = confirm
                .unwrap_or_else(|| -> Confirm { Arc::new(move |plan| Box::pin(keeps(plan))) });
            let options = Options { confirm: Some(confirm), ..Options::default() };
            let deploying = deploy::deploy_with(engine, &chosen, &options, reporter, cancel);
            StepOutcome::Deployed(Box::pin(deploying).await?)
        }
        StepAction::Define { variant } => {
            let apis = variant::define(engine, blueprint, variant).await?;
            StepOutcome::Defined { variant: variant.clone(), apis }
        }
        StepAction::TestMethod { request, stage } => {
            let saved = find(blueprint, request)?;
            StepOutcome::Tested(trial::test(engine, blueprint, saved, stage).await?)
        }
        StepAction::Event { event, count } => {
            let event = invoke::find(blueprint, event)?;
            let mut all = Vec::new();
            for _ in 0..*count {
                if cancel.is_cancelled() {
                    break;
                }
                all.push(invoke::invoke(engine, blueprint, event, None).await?);
            }
            StepOutcome::Invoked(all)
        }
        StepAction::DeleteFunction { function } => {
            accident::delete_function(engine, blueprint, function).await?;
            StepOutcome::FunctionDeleted { function: function.clone() }
        }
        StepAction::FlushCache { stage } => {
            let apis = accident::flush_cache(engine, blueprint, stage).await?;
            StepOutcome::CacheFlushed { stage: stage.clone(), apis }
        }
        StepAction::Redrive { queue } => {
            StepOutcome::Redriven(redrive::redrive(engine, blueprint, queue, &cancel).await?)
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
            let load = Load::times(u64::from(*count), *concurrency as usize);
            let to = Destination::Stage(stage.clone());
            let contender = |what: SavedRequest| Contender {
                what: Sent::Request(Box::new(what)),
                to: to.clone(),
            };
            let contenders: Vec<Contender> = saved.into_iter().map(contender).collect();
            StepOutcome::Compared(
                compare::compare(engine, blueprint, &contenders, &load, reporter, cancel).await?,
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
            let to = if *on { chaos::To::On(None) } else { chaos::To::Off };
            let switch = chaos::set(engine, blueprint, name, to).await?;
            StepOutcome::Chaos { on: *on, switch }
        }
    })
}

/// How a request is answered now.
async fn seen(engine: &Engine, blueprint: &Blueprint, shown: &Shown) -> Seen {
    let answer = async {
        let saved = find(blueprint, &shown.request)?;
        let stage = &shown.stage;
        let outgoing =
            request::prepare(engine, blueprint, saved, stage, &request::Given::default()).await?;
        request::send(engine, outgoing).await
    };
    match answer.await {
        Ok(exchange) => Seen::Answered(Box::new(exchange)),
        Err(failure) => Seen::Nothing(failure),
    }
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
    let outgoing =
        request::prepare(engine, blueprint, saved, stage, &request::Given::default()).await?;
    if traffic.count <= 1 {
        return Ok(StepOutcome::Sent(Box::new(request::send(engine, outgoing).await?)));
    }
    let load = Load::times(u64::from(traffic.count), traffic.concurrency as usize);
    let summary = request::burst(engine, name, outgoing, &load, reporter, cancel).await?;
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
    let condition = blueprint.checks.iter().find(|check| check.name == name);
    let within = seen_within(condition.map(|check| &check.condition), engine.target.is_local());
    let until = Instant::now() + within;
    loop {
        let result = checks::run_one(engine, blueprint, name).await?;
        if result.holds || cancel.is_cancelled() || Instant::now() >= until {
            return Ok(result);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How long it is worth to look again.
fn seen_within(condition: Option<&Condition>, local: bool) -> Duration {
    match condition {
        // What is delivered and logged takes a moment.
        Some(
            Condition::Metric { .. }
            | Condition::Log { .. }
            | Condition::Absent
            | Condition::Item { .. }
            | Condition::QueueDepth { .. }
            | Condition::QueueEmpty { .. }
            | Condition::MappingEnabled { .. },
        ) => {
            if local {
                SEEN_WITHIN_LOCAL
            } else {
                SEEN_WITHIN_AWS
            }
        }
        // An alarm looks once per period.
        Some(Condition::AlarmState { .. }) => ALARMED_WITHIN,
        _ => Duration::ZERO,
    }
}
