//! Deploy and destroy: build, pack, observe, plan, apply.

mod action;
mod apply;
mod build;
mod cargo;
pub mod definition;
mod lease;
mod login;
pub mod observe;
mod pack;
pub mod plan;
pub mod planner;
mod steps;
mod steps_api;
mod steps_lambda;
mod steps_storage;
mod toolchain;
pub mod wanted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use labdeck_aws::{Failure, FailureKind, Result, Target, counted};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Architecture;
use tokio_util::sync::CancellationToken;

pub use action::Action;
pub use toolchain::HOW_TO_CROSS;

use crate::engine::Engine;
use crate::live::existing;
use crate::progress::{Progress, Reporter};
use lease::Lease;
use observe::{Live, Owner, observe};
use pack::Code;
use plan::{Endpoint, Left, Plan, Summary};
use steps::Context;
use toolchain::Tool;
use wanted::{CodeId, Place, Wanted};

/// What a deploy would do. Builds first: whether code changed is part of it. Changes nothing.
pub async fn plan(
    engine: &Engine,
    blueprint: &Blueprint,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<Plan> {
    let built = build_and_pack(engine, blueprint, reporter, &cancel).await?;
    let wanted = wanted(engine, blueprint, &built.code).await?;
    let live = cancellable(&cancel, STOPPED, read_live(engine, &wanted, reporter)).await?;
    planner::plan_deploy(&wanted, &live)
}

/// Builds, plans and applies. Running it again after it was stopped or failed does the rest.
pub async fn deploy(
    engine: &Engine,
    blueprint: &Blueprint,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<Summary> {
    let begun = Instant::now();
    let work = async {
        refuse_read_only(engine, &format!("deploying {}", blueprint.name))?;
        let built = build_and_pack(engine, blueprint, reporter, &cancel).await?;
        let wanted = wanted(engine, blueprint, &built.code).await?;
        let lease = Lease::take(&engine.target, &wanted.place, &wanted.lab).await?;
        let result = apply_deploy(engine, wanted, built.code, reporter, &cancel).await;
        lease.release().await;
        result.map(|(changed, endpoints)| (changed, endpoints, built.seconds))
    };
    let (result, calls) = counted(work).await;
    let (changed, endpoints, build_seconds) = result?;
    Ok(Summary {
        lab: blueprint.name.clone(),
        changed,
        calls,
        seconds: begun.elapsed().as_secs_f64(),
        build_seconds,
        endpoints,
        left: Vec::new(),
    })
}

async fn apply_deploy(
    engine: &Engine,
    wanted: Wanted,
    code: BTreeMap<String, Code>,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<(usize, Vec<Endpoint>)> {
    let live = cancellable(cancel, STOPPED, read_live(engine, &wanted, reporter)).await?;
    let plan = planner::plan_deploy(&wanted, &live)?;
    reporter.report(Progress::Planned { plan: plan.clone() });
    let context = Arc::new(Context::new(Arc::clone(&engine.target), wanted, code, &live));
    let changed = apply::apply(&plan, &context, reporter, cancel).await?;
    let mut endpoints = Vec::new();
    for api in &context.wanted.apis {
        let id = context.api_id(&api.name)?;
        endpoints.extend(context.wanted.stages.iter().map(|stage| Endpoint {
            api: api.name.clone(),
            stage: stage.name.clone(),
            url: engine.target.stage_url(&id, &stage.name),
        }));
    }
    Ok((changed, endpoints))
}

/// What a destroy would do. Changes nothing.
pub async fn plan_destroy(engine: &Engine, blueprint: &Blueprint) -> Result<Plan> {
    let wanted = wanted(engine, blueprint, &BTreeMap::new()).await?;
    let live = observe(&engine.target, &wanted).await?;
    Ok(planner::plan_destroy(&wanted, &live))
}

/// Removes everything of the lab's own, and lists what is left.
pub async fn destroy(
    engine: &Engine,
    blueprint: &Blueprint,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<Summary> {
    let begun = Instant::now();
    let work = async {
        refuse_read_only(engine, &format!("destroying {}", blueprint.name))?;
        let wanted = wanted(engine, blueprint, &BTreeMap::new()).await?;
        let lease = Lease::take(&engine.target, &wanted.place, &wanted.lab).await?;
        let result = apply_destroy(engine, wanted, reporter, &cancel).await;
        lease.release().await;
        result
    };
    let (result, calls) = counted(work).await;
    let (changed, left) = result?;
    Ok(Summary {
        lab: blueprint.name.clone(),
        changed,
        calls,
        seconds: begun.elapsed().as_secs_f64(),
        build_seconds: 0.0,
        endpoints: Vec::new(),
        left,
    })
}

async fn apply_destroy(
    engine: &Engine,
    wanted: Wanted,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<(usize, Vec<Left>)> {
    let live = cancellable(cancel, STOPPED, read_live(engine, &wanted, reporter)).await?;
    let plan = planner::plan_destroy(&wanted, &live);
    reporter.report(Progress::Planned { plan: plan.clone() });
    let context =
        Arc::new(Context::new(Arc::clone(&engine.target), wanted, BTreeMap::new(), &live));
    let changed = apply::apply(&plan, &context, reporter, cancel).await?;
    reporter.report(Progress::Phase { name: "looking for what is left".to_owned() });
    let live = observe(&engine.target, &context.wanted).await?;
    Ok((changed, left(&live)))
}

/// Everything in `live`: what is the lab's own should be gone, what is foreign was left alone.
fn left(live: &Live) -> Vec<Left> {
    let mut all = Vec::new();
    let mut add = |resource: &str, name: &str, owner: Owner| {
        let reason = match owner {
            Owner::Lab => "it carries the lab's tag and is still there",
            Owner::Foreign => "it has the name but not the lab's tag: it was left alone",
        };
        all.push(Left {
            resource: resource.to_owned(),
            name: name.to_owned(),
            reason: reason.to_owned(),
        });
    };
    live.apis.keys().for_each(|name| add("API", name, Owner::Lab));
    live.other_apis.iter().for_each(|(_, name)| add("API", name, Owner::Lab));
    live.foreign_apis.iter().for_each(|name| add("API", name, Owner::Foreign));
    live.functions.iter().for_each(|(name, f)| add("function", name, f.owner));
    live.log_groups.iter().for_each(|(name, g)| add("log group", name, g.owner));
    live.tables.iter().for_each(|(name, t)| add("table", name, t.owner));
    live.roles.iter().for_each(|(name, r)| add("role", name, r.owner));
    all
}

fn refuse_read_only(engine: &Engine, what: &str) -> Result<()> {
    if engine.target.read_only() {
        return Err(Failure::new(FailureKind::Refused, what, "the target is read-only")
            .next("run it without --read-only"));
    }
    Ok(())
}

async fn read_live(engine: &Engine, wanted: &Wanted, reporter: &Reporter) -> Result<Live> {
    reporter.report(Progress::Phase { name: "reading live state".to_owned() });
    observe(&engine.target, wanted).await
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

struct Built {
    code: BTreeMap<String, Code>,
    seconds: f64,
}

async fn build_and_pack(
    engine: &Engine,
    blueprint: &Blueprint,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<Built> {
    let for_aws = !engine.target.is_local();
    reporter.report(Progress::Phase { name: "building".to_owned() });
    let build = build::build(blueprint, !for_aws, reporter, cancel).await?;
    reporter.report(Progress::Phase { name: "packing".to_owned() });
    let cache = build.target_directory.join("labdeck").join(build::profile(!for_aws));
    let mut packing = tokio::task::JoinSet::new();
    for (function, program) in build.programs {
        let wanted = blueprint.functions.iter().find(|f| f.name == function);
        let architecture = wanted.map_or_else(Architecture::default, |f| f.architecture);
        let cache = if for_aws { cache.join(architecture.as_str()) } else { cache.clone() };
        packing.spawn_blocking(move || {
            let code = pack::pack(&program, &cache, for_aws)?;
            if for_aws && code.architecture != architecture.as_str() {
                let why = format!(
                    "{} is a program for {}, and lab.toml says {}",
                    program.display(),
                    code.architecture,
                    architecture.as_str()
                );
                return Err(Failure::new(FailureKind::Build, format!("packing {function}"), why)
                    .next("take `build.target` out of cargo's configuration, or change `architecture`"));
            }
            Ok((function, code))
        });
    }
    let mut code = BTreeMap::new();
    while let Some(packed) = packing.join_next().await {
        let (function, packed) = packed.map_err(|e| {
            Failure::new(FailureKind::Internal, "packing the handlers", e.to_string())
        })??;
        code.insert(function, packed);
    }
    Ok(Built { code, seconds: build.seconds })
}

async fn wanted(
    engine: &Engine,
    blueprint: &Blueprint,
    code: &BTreeMap<String, Code>,
) -> Result<Wanted> {
    let target = &engine.target;
    let place = place(target).await?;
    let role = match target.role() {
        Some(role) => Some(given_role(target, &place, role).await?),
        None => None,
    };
    let ids = code
        .iter()
        .map(|(name, code)| {
            let id = CodeId { sha256: code.sha256.clone(), architecture: code.architecture };
            (name.clone(), id)
        })
        .collect();
    Wanted::new(blueprint, place, role.as_deref(), &ids)
}

/// Where the target is.
pub async fn place(target: &Target) -> Result<Place> {
    let account = target.account().await?.to_owned();
    let partition = target.caller_arn().await?.split(':').nth(1).unwrap_or("aws").to_owned();
    Ok(Place { partition, region: target.region().to_owned(), account })
}

/// The ARN of the role that was given by name or ARN. That it exists is checked where that is allowed.
async fn given_role(target: &Target, place: &Place, role: &str) -> Result<String> {
    if role.starts_with("arn:") {
        return Ok(role.to_owned());
    }
    let answer = target.iam().get_role().role_name(role).send().await;
    let what = format!("looking for the role {role}");
    match existing(answer.map_err(|e| Failure::from_sdk(&what, &e))) {
        Ok(Some(answer)) => Ok(answer.role.map_or_else(|| place.role(role), |role| role.arn)),
        Ok(None) => Err(Failure::new(FailureKind::NotFound, what, "there is no such role")
            .next("give the name or ARN of a role that Lambda may assume")),
        // Learner accounts may not read roles, and may pass theirs all the same.
        Err(failure) if failure.kind == FailureKind::Denied => Ok(place.role(role)),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faces spawn this work on a runtime with several threads.
    #[test]
    fn the_work_can_move_between_threads() {
        fn moves<T: Send>(_: impl FnOnce(&'static Engine, &'static Blueprint) -> T) {}
        let reporter: &'static Reporter = Box::leak(Box::new(Reporter::silent()));
        moves(|engine, blueprint| plan(engine, blueprint, reporter, CancellationToken::new()));
        moves(|engine, blueprint| deploy(engine, blueprint, reporter, CancellationToken::new()));
        moves(|engine, blueprint| destroy(engine, blueprint, reporter, CancellationToken::new()));
        moves(plan_destroy);
        moves(crate::status::read);
    }
}
