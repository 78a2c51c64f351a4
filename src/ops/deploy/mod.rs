//! Deploy and destroy: build, pack, observe, plan, apply.

mod action;
mod all;
mod apply;
mod build;
mod built;
mod cargo;
mod graph;
mod inventory;
pub mod kinds;
mod lease;
mod leftover;
mod login;
mod look;
pub mod observe;
mod options;
mod pack;
pub mod plan;
pub mod planner;
mod race;
pub mod resolve;
mod run;
pub mod settings;
mod toolchain;
pub mod wanted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use labdeck_aws::{Failure, FailureKind, Result, counted, for_lab};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Architecture;
use tokio_util::sync::CancellationToken;

pub use action::Action;
pub use all::{One, deploy_all, destroy_all};
pub(crate) use kinds::api::once;
pub use kinds::definition;
pub(crate) use lease::leased;
pub use look::place;
pub(crate) use look::wanted_of;
pub use options::{Confirm, Options};
pub(crate) use run::patiently;
pub use toolchain::HOW_TO_CROSS;

use crate::engine::Engine;
use crate::progress::{Progress, Reporter};
use crate::whose;
use built::Built;
use kinds::log_group;
use lease::Lease;
use login::logged_in;
use look::Look;
use observe::{Live, Owner};
use plan::{Endpoint, Left, Plan, Step, Summary, Verb};
use run::Context;
use settings::Found;
use toolchain::Tool;
use wanted::Wanted;

/// How old what was read while the handlers were built may be, to be taken for what is live.
const FRESH: Duration = Duration::from_secs(3);

/// What a deploy would do. Builds first: whether code changed is part of it. Changes nothing.
pub async fn plan(
    engine: &Engine,
    blueprint: &Blueprint,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<Plan> {
    plan_with(engine, blueprint, &Options::default(), reporter, cancel).await
}

/// What a deploy with these options would do.
pub async fn plan_with(
    engine: &Engine,
    blueprint: &Blueprint,
    options: &Options,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<Plan> {
    whose::refuse_attached(blueprint, &format!("planning {}", blueprint.name))?;
    let looking = build_and_look(engine, blueprint, options, None, reporter, &cancel);
    let (built, look) = Box::pin(looking).await?;
    planned(&look, &built, options).map(|(plan, _)| plan)
}

/// Builds, plans and applies. Running it again after it was stopped or failed does the rest.
pub async fn deploy(
    engine: &Engine,
    blueprint: &Blueprint,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<Summary> {
    deploy_with(engine, blueprint, &Options::default(), reporter, cancel).await
}

/// Builds, plans and applies with these options.
///
/// # Errors
/// `Refused` when the person does not confirm a plan that has warnings, and in read-only mode;
/// `Conflict` when somebody else changes the lab at this moment, or did since it was read; `Cancelled`;
/// what AWS answers.
pub async fn deploy_with(
    engine: &Engine,
    blueprint: &Blueprint,
    options: &Options,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<Summary> {
    deploy_built(engine, blueprint, options, None, reporter, &cancel).await
}

/// [`deploy_with`] with handlers that are built already.
async fn deploy_built(
    engine: &Engine,
    blueprint: &Blueprint,
    options: &Options,
    built: Option<Built>,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<Summary> {
    whose::refuse_attached(blueprint, &format!("deploying {}", blueprint.name))?;
    let begun = Instant::now();
    let work = Box::pin(deploying(engine, blueprint, options, built, reporter, cancel));
    let (result, calls) = for_lab(&blueprint.name, counted(work)).await;
    let done = result?;
    Ok(Summary {
        lab: blueprint.name.clone(),
        changed: done.changed,
        calls,
        seconds: begun.elapsed().as_secs_f64(),
        build_seconds: done.build_seconds,
        endpoints: done.endpoints,
        left: Vec::new(),
        notes: done.notes,
    })
}

struct Done {
    changed: usize,
    build_seconds: f64,
    endpoints: Vec<Endpoint>,
    notes: Vec<String>,
}

async fn deploying(
    engine: &Engine,
    blueprint: &Blueprint,
    options: &Options,
    built: Option<Built>,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<Done> {
    engine.target.may_change(format!("deploying {}", blueprint.name), None)?;
    let place = place(&engine.target).await?;
    let looking = build_and_look(engine, blueprint, options, built, reporter, cancel);
    // Where nothing is to do, no lease is taken, and one that a killed run left would stay.
    let sweeping = Lease::sweep(&engine.target, &place, &blueprint.name);
    let (looked, swept) = tokio::join!(looking, sweeping);
    let (mut built, mut look) = looked?;
    if let Err(failure) = swept {
        tracing::warn!(%failure, "a lease that is over could not be removed");
    }
    let (plan, wanted) = planned(&look, &built, options)?;
    if plan.is_empty() {
        reporter.report(Progress::Planned { plan: plan.clone() });
        let context = Context::new(Arc::clone(&engine.target), wanted, BTreeMap::new(), look.live);
        return done(engine, &context, &plan, 0, built.seconds);
    }
    let lease = Lease::take(&engine.target, &wanted.place, &wanted.lab, cancel).await?;
    let cancel = &lease.stop();
    let work = async {
        // Somebody else may have changed it until the lease was held.
        look.live = seen(engine, &look, reporter, cancel).await?;
        let before = plan;
        let (plan, wanted) = planned(&look, &built, options)?;
        race::agreed(&before, &plan)?;
        reporter.report(Progress::Planned { plan: plan.clone() });
        confirmed(&plan, options).await?;
        let code = std::mem::take(&mut built.code);
        let context = Arc::new(Context::new(Arc::clone(&engine.target), wanted, code, look.live));
        let changed = apply::apply(&plan, &context, reporter, cancel).await?;
        done(engine, &context, &plan, changed, built.seconds)
    };
    let result = work.await;
    lease.end(result).await
}

fn planned(look: &Look, built: &Built, options: &Options) -> Result<(Plan, Wanted)> {
    let mut wanted = look.wanted(&built.ids())?;
    if options.keep_drift {
        planner::keep_drift(&mut wanted, &look.live);
    }
    Ok((planner::plan_deploy(&wanted, &look.live)?, wanted))
}

async fn confirmed(plan: &Plan, options: &Options) -> Result<()> {
    let Some(confirm) = &options.confirm else { return Ok(()) };
    if plan.warnings().next().is_none() || confirm(plan.clone()).await {
        return Ok(());
    }
    let what = format!("deploying {}", plan.lab);
    let why = "it was not confirmed; nothing was changed";
    Err(Failure::new(FailureKind::Refused, what, why).next(format!(
        "look at what is lost with labdeck plan {0}, and confirm it with labdeck deploy {0} --yes",
        plan.lab
    )))
}

fn done(
    engine: &Engine,
    context: &Context,
    plan: &Plan,
    changed: usize,
    build_seconds: f64,
) -> Result<Done> {
    let mut endpoints = Vec::new();
    for api in &context.wanted.apis {
        let id = context.id(kinds::api::RESOURCE, &api.name)?;
        endpoints.extend(context.wanted.stages.iter().map(|stage| Endpoint {
            api: api.name.clone(),
            stage: stage.name.clone(),
            url: engine.target.stage_url(&id, &stage.name),
        }));
    }
    let mut notes = plan.notes.clone();
    notes.extend(kinds::subscription::to_be_confirmed(plan, &context.wanted));
    Ok(Done { changed, build_seconds, endpoints, notes })
}

/// What a destroy would do. Changes nothing.
pub async fn plan_destroy(engine: &Engine, blueprint: &Blueprint) -> Result<Plan> {
    whose::refuse_attached(blueprint, &format!("destroying {}", blueprint.name))?;
    let look = Box::pin(Look::new(&engine.target, blueprint, &Options::default())).await?;
    Ok(planner::plan_destroy(&look.wanted(&BTreeMap::new())?, &look.live))
}

/// Removes everything of the lab's own, and lists what is left.
pub async fn destroy(
    engine: &Engine,
    blueprint: &Blueprint,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<Summary> {
    whose::refuse_attached(blueprint, &format!("destroying {}", blueprint.name))?;
    let begun = Instant::now();
    let work = Box::pin(destroying(engine, blueprint, reporter, &cancel));
    let (result, calls) = for_lab(&blueprint.name, counted(work)).await;
    let (changed, left, notes) = result?;
    Ok(Summary {
        lab: blueprint.name.clone(),
        changed,
        calls,
        seconds: begun.elapsed().as_secs_f64(),
        build_seconds: 0.0,
        endpoints: Vec::new(),
        left,
        notes,
    })
}

async fn destroying(
    engine: &Engine,
    blueprint: &Blueprint,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<(usize, Vec<Left>, Vec<String>)> {
    engine.target.may_change(format!("destroying {}", blueprint.name), None)?;
    let target = &engine.target;
    let place = place(target).await?;
    let lease = Lease::take(target, &place, &blueprint.name, cancel).await?;
    let cancel = &lease.stop();
    let work = async {
        reporter.report(Progress::Phase { name: "reading live state".to_owned() });
        let options = Options::default();
        let looking =
            logged_in(target, reporter, cancel, || Look::new(target, blueprint, &options));
        let mut look = cancellable(cancel, STOPPED, looking).await?;
        let wanted = look.wanted(&BTreeMap::new())?;
        let orphans = leftover::orphaned_log_groups(target, &wanted);
        leftover::add(&mut look.live, orphans.await?);
        let plan = planner::plan_destroy(&wanted, &look.live);
        reporter.report(Progress::Planned { plan: plan.clone() });
        let live = std::mem::take(&mut look.live);
        let context = Arc::new(Context::new(Arc::clone(target), wanted, BTreeMap::new(), live));
        let changed = apply::apply(&plan, &context, reporter, cancel).await?;
        reporter.report(Progress::Phase { name: "looking for what is left".to_owned() });
        let mut live = seen(engine, &look, reporter, cancel).await?;
        if let Some(again) = came_back(&plan, &live) {
            let plan = planner::plan_destroy(&context.wanted, &again);
            apply::apply(&plan, &context, reporter, cancel).await?;
            live = seen(engine, &look, reporter, cancel).await?;
        }
        let orphans = leftover::orphaned_log_groups(target, &context.wanted);
        leftover::add(&mut live, orphans.await?);
        let mut notes = plan.notes;
        notes.extend(
            live.unseen.iter().filter(|note| !notes.contains(note)).cloned().collect::<Vec<_>>(),
        );
        Ok((changed, inventory::left(&live), notes))
    };
    let result = work.await;
    lease.end(result).await
}

/// The log groups that this plan deleted and that are there again, if any: the last lines of a function
/// that was at work as it was deleted make its group anew, without the lab's tag.
fn came_back(plan: &Plan, live: &Live) -> Option<Live> {
    let mut again = Live::default();
    for (name, group) in &live.log_groups {
        let deleted = |step: &Step| {
            step.verb == Verb::Delete && step.resource == log_group::RESOURCE && step.name == *name
        };
        if plan.steps.iter().any(deleted) {
            again.log_groups.insert(name.clone(), Found { owner: Owner::Lab, ..group.clone() });
        }
    }
    (!again.log_groups.is_empty()).then_some(again)
}

/// What is live now of a lab that was looked at before.
async fn seen(
    engine: &Engine,
    look: &Look,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<Live> {
    let target = &engine.target;
    let reading = logged_in(target, reporter, cancel, || look.now(target));
    cancellable(cancel, STOPPED, reading).await
}

/// What is said of reading live state that was stopped.
const STOPPED: (&str, &str) = ("reading live state", "stopped on request; nothing was changed");

/// The result of `work`, or `Cancelled` with what was being done and what became of it.
async fn cancellable<T>(
    cancel: &CancellationToken,
    (what, why): (&str, &str),
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        done = work => done,
        () = cancel.cancelled() => Err(Failure::new(FailureKind::Cancelled, what, why)),
    }
}

/// What handlers for Lambda can be built for here: this machine's processor with cargo alone, where
/// Lambda has it, and the tool for everything else, where one is installed.
pub fn builds() -> (Option<&'static str>, Option<&'static str>) {
    (toolchain::host().map(Architecture::as_str), toolchain::cross().map(Tool::name))
}

/// Builds, unless that is done, and reads meanwhile what is live; reads it again when that has become
/// old.
async fn build_and_look(
    engine: &Engine,
    blueprint: &Blueprint,
    options: &Options,
    built: Option<Built>,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<(Built, Look)> {
    let looking = async {
        let target = &engine.target;
        let looking = logged_in(target, reporter, cancel, || Look::new(target, blueprint, options));
        let look = cancellable(cancel, STOPPED, looking).await;
        (look, Instant::now())
    };
    let building = async {
        match built {
            Some(built) => Ok(built),
            None => built::build_and_pack(engine, blueprint, reporter, cancel).await,
        }
    };
    let (built, (look, at)) = tokio::join!(building, looking);
    let (built, mut look) = (built?, look?);
    if at.elapsed() > FRESH {
        reporter.report(Progress::Phase { name: "reading live state".to_owned() });
        look.live = seen(engine, &look, reporter, cancel).await?;
    }
    Ok((built, look))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faces spawn this work on a runtime with several threads.
    #[test]
    fn the_work_can_move_between_threads() {
        fn moves<T: Send>(_: impl FnOnce(&'static Engine, &'static Blueprint) -> T) {}
        let reporter: &'static Reporter = Box::leak(Box::new(Reporter::silent()));
        let options: &'static Options = Box::leak(Box::default());
        let cancel = CancellationToken::new;
        moves(|engine, blueprint| plan_with(engine, blueprint, options, reporter, cancel()));
        moves(|engine, blueprint| deploy_with(engine, blueprint, options, reporter, cancel()));
        moves(|engine, blueprint| destroy(engine, blueprint, reporter, cancel()));
        moves(plan_destroy);
        moves(crate::status::read);
    }
}
