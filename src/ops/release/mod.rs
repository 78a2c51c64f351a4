//! Releases: publish, shift, promote, rollback, undo, and the rest of what was cut short.
//!
//! All functions of a lab move together, side by side, with one guarded `UpdateAlias` each. The
//! functions whose names end in `_from` take what was read already and make no call before it; the
//! others read live state first.

mod annotate;
mod apply;
pub mod history;
pub mod mark;
mod moves;
pub mod outcome;
pub mod pointer;
mod publish;
pub mod versions;

use std::time::Instant;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;

pub use annotate::annotate;
pub(crate) use apply::split_of;
use mark::Mark;
use moves::Stamp;
pub use moves::{Begun, LastMove, Left, LeftStage, Scope};
pub(crate) use moves::{last_move, weight_of};
use outcome::ReleaseOutcome;
pub(crate) use publish::wait_until_ready;

use crate::engine::Engine;
use crate::status::{self, LabStatus};

/// Publishes a version of every function whose code or configuration changed since its last one.
///
/// # Errors
/// Refused while chaos has changed a function; Conflict when somebody changes it meanwhile.
pub async fn publish(
    engine: &Engine,
    blueprint: &Blueprint,
    description: Option<&str>,
) -> Result<ReleaseOutcome> {
    let since = Instant::now();
    let status = status::read_releases(engine, blueprint).await?;
    publish::publish(&engine.target, blueprint, &status, description, since).await
}

/// Reads a share of the traffic in per cent, `20`, `12.5%`: what [`shift`] takes.
///
/// # Errors
/// The rule.
pub fn share(text: &str) -> std::result::Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end().parse::<f64>().ok();
    number.filter(|percent| moves::weight_of(*percent).is_some()).ok_or_else(|| {
        format!("a share is a number from 0 to 100, in steps of 0.01, and {text:?} is none")
    })
}

/// Sends `percent` (0–100, steps of 0.01) of the release's traffic to the newest published version.
///
/// 0 ends a split, 100 promotes.
///
/// # Errors
/// Invalid for other percentages; Refused when nothing newer is published; Conflict when somebody
/// else moved an alias meanwhile.
pub async fn shift(engine: &Engine, blueprint: &Blueprint, percent: f64) -> Result<ReleaseOutcome> {
    let since = Instant::now();
    let status = status::read_releases(engine, blueprint).await?;
    let moves = moves::shift(&status, &Scope::of(blueprint)?, percent, &Stamp::now())?;
    apply::apply(&engine.target, moves, since).await
}

/// A step of a guarded canary, from what `status` shows: the share that `mark` names, with the mark in
/// the same `UpdateAlias`.
///
/// # Errors
/// As [`shift`].
pub(crate) async fn guarded_from(
    engine: &Engine,
    blueprint: &Blueprint,
    status: &LabStatus,
    mark: &Mark,
) -> Result<ReleaseOutcome> {
    let since = Instant::now();
    let moves = moves::guarded(status, &Scope::of(blueprint)?, mark, &Stamp::now())?;
    apply::apply(&engine.target, moves, since).await
}

/// [`promote`] from what `status` shows.
///
/// # Errors
/// As [`promote`]; a `status` that is out of date ends as a Conflict.
pub(crate) async fn promote_from(
    engine: &Engine,
    blueprint: &Blueprint,
    status: &LabStatus,
) -> Result<ReleaseOutcome> {
    let since = Instant::now();
    let moves = moves::promote(status, &Scope::of(blueprint)?, &Stamp::now())?;
    apply::apply(&engine.target, moves, since).await
}

/// The guarded canary that runs, or that was left to itself; `None` where the release has none.
pub fn begun_canary(blueprint: &Blueprint, status: &LabStatus) -> Option<Begun> {
    moves::begun(&status.functions, blueprint.released_alias()?)
}

/// Refuses a second canary beside one that runs.
pub(crate) fn refuse_second_canary(blueprint: &Blueprint, status: &LabStatus) -> Result<()> {
    moves::refuse_second(status, &Scope::of(blueprint)?)
}

/// Gives all of the release's traffic to the canary, or to the newest published version where no
/// canary runs, and moves its stages to the newest API deployment.
///
/// # Errors
/// Refused when there is nothing to promote; Conflict when somebody else moved an alias meanwhile.
pub async fn promote(engine: &Engine, blueprint: &Blueprint) -> Result<ReleaseOutcome> {
    let since = Instant::now();
    let status = status::read_releases(engine, blueprint).await?;
    let moves = moves::promote(&status, &Scope::of(blueprint)?, &Stamp::now())?;
    apply::apply(&engine.target, moves, since).await
}

/// Takes the release back: a split to its stable version alone, otherwise the newest release to
/// the one before it. One that was begun and cut short is ended.
///
/// When the last move was a whole rollback, only `further` goes to the release before that: whoever
/// runs a command again because its answer was lost must not go back twice.
///
/// # Errors
/// Refused when there is nowhere to go, or it is done already; Conflict when somebody else moved an
/// alias meanwhile.
pub async fn rollback(
    engine: &Engine,
    blueprint: &Blueprint,
    further: bool,
) -> Result<ReleaseOutcome> {
    let since = Instant::now();
    let status = status::read_releases(engine, blueprint).await?;
    let (scope, now) = (Scope::of(blueprint)?, Stamp::now());
    let rest = if further { None } else { moves::rest_of_rollback(&status, &scope, &now.by)? };
    let moves = match rest {
        Some(rest) => rest,
        None => moves::rollback(&status, &scope, &now)?,
    };
    apply::apply(&engine.target, moves, since).await
}

/// [`rollback`] from what `status` shows: one `UpdateAlias` per function and nothing before it.
///
/// # Errors
/// As [`rollback`]; a `status` that is out of date ends as a Conflict.
pub async fn rollback_from(
    engine: &Engine,
    blueprint: &Blueprint,
    status: &LabStatus,
) -> Result<ReleaseOutcome> {
    let since = Instant::now();
    let moves = moves::rollback(status, &Scope::of(blueprint)?, &Stamp::now())?;
    apply::apply(&engine.target, moves, since).await
}

/// Brings what the last move left behind after it: functions whose call failed, stages that wait for
/// them. They get the time of the move, so that rollback and undo take all of it.
///
/// # Errors
/// Refused when nothing was left behind; Conflict when somebody else moved an alias meanwhile.
pub async fn complete(engine: &Engine, blueprint: &Blueprint) -> Result<ReleaseOutcome> {
    let since = Instant::now();
    let status = status::read_releases(engine, blueprint).await?;
    let rest = moves::rest(&status, &Scope::of(blueprint)?, &Stamp::now().by)?;
    let Some(rest) = rest else {
        let what = format!("bringing the release of lab {} together", blueprint.name);
        let why = "the last move left nothing behind";
        return Err(Failure::new(FailureKind::Refused, what, why)
            .next(format!("see what is there: labdeck release {} status", blueprint.name)));
    };
    apply::apply(&engine.target, rest, since).await
}

/// Puts the release back to exactly what it was before the last move, weights included. Undoing an
/// undo does the move again.
///
/// # Errors
/// Refused when the last move isn't on record, was somebody else's, or named a version that is
/// gone; Conflict when somebody else moved an alias meanwhile.
pub async fn undo(engine: &Engine, blueprint: &Blueprint) -> Result<ReleaseOutcome> {
    let since = Instant::now();
    let status = status::read_releases(engine, blueprint).await?;
    let moves = moves::undo(&status, &Scope::of(blueprint)?, &Stamp::now())?;
    apply::apply(&engine.target, moves, since).await
}

/// [`undo`] from what `status` shows: one `UpdateAlias` per function and nothing before it.
///
/// # Errors
/// As [`undo`]; a `status` that is out of date ends as a Conflict.
pub async fn undo_from(
    engine: &Engine,
    blueprint: &Blueprint,
    status: &LabStatus,
) -> Result<ReleaseOutcome> {
    let since = Instant::now();
    let moves = moves::undo(status, &Scope::of(blueprint)?, &Stamp::now())?;
    apply::apply(&engine.target, moves, since).await
}
