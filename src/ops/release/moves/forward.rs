//! Forward: giving the newest version a share, and giving it everything.

use labdeck_aws::{Failure, FailureKind, Result};

use super::rest::{continued, rest};
use super::{
    Moves, Scope, StageMove, Stamp, aliases, change, deployment, moves, placed_before, stage_moves,
    stay,
};
use crate::release::history::milliseconds;
use crate::release::pointer::{Earlier, HISTORY_LIMIT, Placed, Split, percent, version_name};
use crate::status::{AliasStatus, FunctionStatus, LabStatus, VersionStatus};

/// The clocks of an operator and of AWS differ: a version that is this much younger than a move may have
/// been there.
const CLOCKS_MS: u64 = 5_000;

/// The weight (0.0–1.0) of a share in per cent; `None` for what is none, or too little to be one.
pub fn weight_of(share: f64) -> Option<f64> {
    let weight = (share * 100.0).round() / 10_000.0;
    let fits = (0.0..=100.0).contains(&share) && (share == 0.0 || weight > 0.0);
    fits.then_some(weight)
}

/// Shifts `share` percent of the traffic to the newest published version.
pub fn shift(status: &LabStatus, scope: &Scope, share: f64, stamp: &Stamp) -> Result<Moves> {
    shift_as(status, scope, share, stamp, false)
}

/// [`shift`]; `anew` moves every function, also where it is the rest of a shift that was cut short.
pub(super) fn shift_as(
    status: &LabStatus,
    scope: &Scope,
    share: f64,
    stamp: &Stamp,
    anew: bool,
) -> Result<Moves> {
    let operation = format!("shift {}%", percent(share / 100.0));
    let what =
        format!("shifting {}% of {} of lab {}", percent(share / 100.0), scope.alias, status.lab);
    let Some(weight) = weight_of(share) else {
        let why = format!("{share} is not a percentage that an alias can have");
        return Err(Failure::new(FailureKind::Invalid, what, why)
            .next("give a number from 0 to 100; the finest step is 0.01"));
    };
    if (weight - 1.0).abs() < f64::EPSILON {
        return promote(status, scope, stamp);
    }
    let live = aliases(status, scope, &what)?;
    let targets: Vec<(Split, Option<String>)> = live
        .iter()
        .map(|(function, alias)| {
            if weight == 0.0 {
                (Split::alone(&alias.version), None)
            } else {
                canary_of(function, alias, weight)
            }
        })
        .collect();
    if live.iter().zip(&targets).all(|((_, alias), (to, _))| to.same(&alias.split())) {
        if weight == 0.0 || live.iter().any(|(_, alias)| alias.canary.is_some()) {
            return Ok(unchanged(status, operation, &live, "it is that way already"));
        }
        let why = reasons(&live, &targets);
        return Err(Failure::new(FailureKind::Refused, what, why).next(format!(
            "change and deploy the lab, then publish: labdeck release {} publish",
            status.lab
        )));
    }
    for ((function, _), (to, _)) in live.iter().zip(&targets) {
        refuse_unlike(status, function, to, &what)?;
    }
    let left = if anew { None } else { rest(status, scope, &stamp.by)? };
    if let Some(rest) = continued(left, &operation, &live, &targets, &[]) {
        return Ok(rest);
    }
    let changes = live
        .iter()
        .zip(targets)
        .map(|((function, alias), (to, note))| {
            let history = alias.trusted().map(|p| p.history.clone()).unwrap_or_default();
            change("shift", function, alias, to, history, Vec::new(), note, stamp)
        })
        .collect();
    Ok(moves(status, operation, changes, Vec::new(), Vec::new()))
}

/// Lambda splits traffic between versions of the same role and dead-letter queue alone ("Lambda
/// function aliases").
pub(super) fn refuse_unlike(
    status: &LabStatus,
    function: &FunctionStatus,
    to: &Split,
    what: &str,
) -> Result<()> {
    let version = |number: &str| function.versions.iter().find(|v| v.version == number);
    let Some((canary, _)) = &to.canary else { return Ok(()) };
    let (Some(stable), Some(new)) = (version(&to.stable), version(canary)) else { return Ok(()) };
    let unlike = match () {
        () if stable.role != new.role => "execution role",
        () if stable.dead_letter != new.dead_letter => "dead-letter queue",
        () => return Ok(()),
    };
    let why = format!(
        "{} and {} of {} differ in their {unlike}, and Lambda splits no traffic between such versions",
        version_name(&to.stable),
        version_name(canary),
        function.name
    );
    Err(Failure::new(FailureKind::Refused, what, why)
        .next(format!("give it everything at once: labdeck release {} promote", status.lab)))
}

/// The newest published version beside the stable one, or the stable one alone and why.
fn canary_of(
    function: &FunctionStatus,
    alias: &AliasStatus,
    weight: f64,
) -> (Split, Option<String>) {
    match newer(function, &alias.version) {
        Ok(version) => (canary_to(alias, version, weight), None),
        Err(reason) => (alias.split(), Some(reason)),
    }
}

/// `version` beside what `alias` serves.
pub(super) fn canary_to(alias: &AliasStatus, version: String, weight: f64) -> Split {
    Split { stable: alias.version.clone(), canary: Some((version, weight)) }
}

/// The version that was the newest one at `at_ms`, when it is newer than `stable`.
pub(super) fn newer_at(function: &FunctionStatus, stable: &str, at_ms: u64) -> Option<String> {
    let current: u64 = stable.parse().ok()?;
    let there = |version: &&VersionStatus| {
        let published = milliseconds(&version.published).and_then(|at| u64::try_from(at).ok());
        published.is_none_or(|at| at <= at_ms.saturating_add(CLOCKS_MS))
    };
    let numbers = function.versions.iter().filter(there).filter_map(|v| v.version.parse().ok());
    numbers.max().filter(|newest: &u64| *newest > current).map(|newest| newest.to_string())
}

/// The newest published version, when it is newer than `stable`.
fn newer(function: &FunctionStatus, stable: &str) -> Result<String, String> {
    let Ok(current) = stable.parse::<u64>() else {
        return Err(format!("the alias follows {stable}, not a published version"));
    };
    let newest = function.versions.iter().filter_map(|v| v.version.parse::<u64>().ok()).max();
    match newest {
        Some(version) if version > current => Ok(version.to_string()),
        _ => Err(format!("nothing newer than v{current} is published")),
    }
}

/// The way back after a release that replaces what `alias` serves.
pub(super) fn with_replaced(alias: &AliasStatus, before: &[Placed], at_ms: u64) -> Vec<Earlier> {
    let replaced = Earlier {
        version: alias.version.clone(),
        replaced_ms: at_ms,
        deployments: before.to_vec(),
    };
    let mut history = vec![replaced];
    history.extend(alias.trusted().map(|p| p.history.clone()).unwrap_or_default());
    history.truncate(HISTORY_LIMIT);
    history
}

/// Gives all of the alias to the canary, or to the newest version, and the newest API deployment
/// with it.
pub fn promote(status: &LabStatus, scope: &Scope, stamp: &Stamp) -> Result<Moves> {
    let what = format!("promoting {} of lab {}", scope.alias, status.lab);
    let live = aliases(status, scope, &what)?;
    let split = live.iter().any(|(_, alias)| alias.canary.is_some());
    let targets: Vec<(Split, Option<String>)> = live
        .iter()
        .map(|(function, alias)| match &alias.canary {
            Some((canary, _)) => (Split::alone(canary), None),
            None if split => (Split::alone(&alias.version), Some("it has no canary".to_owned())),
            None => match newer(function, &alias.version) {
                Ok(version) => (Split::alone(version), None),
                Err(reason) => (Split::alone(&alias.version), Some(reason)),
            },
        })
        .collect();
    let stages = newest_deployments(status, scope);
    let moved = live.iter().zip(&targets).any(|((_, alias), (to, _))| !to.same(&alias.split()));
    if !moved && stages.is_empty() {
        return Err(Failure::new(FailureKind::Refused, what, reasons(&live, &targets)).next(
            format!(
                "change and deploy the lab, then publish: labdeck release {} publish",
                status.lab
            ),
        ));
    }
    let left = rest(status, scope, &stamp.by)?;
    if let Some(rest) = continued(left, "promote", &live, &targets, &stages) {
        return Ok(rest);
    }
    let changes = live
        .iter()
        .zip(targets)
        .map(|((function, alias), (to, note))| {
            let before = placed_before(&stages, &function.name);
            let history = with_replaced(alias, &before, stamp.at_ms);
            change("promote", function, alias, to, history, before, note, stamp)
        })
        .collect();
    Ok(moves(status, "promote".to_owned(), changes, Vec::new(), stages))
}

/// Stages of the release whose deployment is not the newest stage's.
pub(super) fn newest_deployments(status: &LabStatus, scope: &Scope) -> Vec<StageMove> {
    let Some(newest) = &scope.newest else { return Vec::new() };
    let mut wanted = Vec::new();
    for api in &status.apis {
        let Some(source) = deployment(api, newest) else { continue };
        wanted.extend(scope.stages.iter().map(|stage| Placed {
            api_id: api.id.clone(),
            stage: stage.clone(),
            deployment_id: source.to_owned(),
        }));
    }
    wanted.retain(|placed| {
        status
            .apis
            .iter()
            .any(|api| api.id == placed.api_id && deployment(api, &placed.stage).is_some())
    });
    stage_moves(status, scope, wanted)
}

fn unchanged(
    status: &LabStatus,
    operation: String,
    live: &[(&FunctionStatus, &AliasStatus)],
    reason: &str,
) -> Moves {
    let stays = live.iter().map(|(f, alias)| stay(f, alias, reason.to_owned())).collect();
    moves(status, operation, Vec::new(), stays, Vec::new())
}

fn reasons(
    live: &[(&FunctionStatus, &AliasStatus)],
    targets: &[(Split, Option<String>)],
) -> String {
    let named = live.iter().zip(targets).map(|((function, alias), (_, note))| {
        let served = || format!("it serves {} already", version_name(&alias.version));
        format!("{}: {}", function.name, note.clone().unwrap_or_else(served))
    });
    named.collect::<Vec<_>>().join("; ")
}
