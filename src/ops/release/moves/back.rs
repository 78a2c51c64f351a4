//! Taking a release back, and the rest of a rollback that was cut short.

use labdeck_aws::{Failure, FailureKind, Result};

use super::rest::{newest, rest};
use super::{
    Moves, Scope, Stamp, aliases, change, moves, placed_before, refused_all, stage_moves, stay,
};
use crate::release::annotate::{Back, ways_back};
use crate::release::pointer::{Placed, Pointer, Split};
use crate::status::LabStatus;

/// Takes the alias back: a split to its stable version, otherwise the newest release to the one
/// before it.
pub fn rollback(status: &LabStatus, scope: &Scope, stamp: &Stamp) -> Result<Moves> {
    let what = format!("rolling {} of lab {} back", scope.alias, status.lab);
    let live = aliases(status, scope, &what)?;
    // One that was cut short is gone on with, with its time: undo takes all of it.
    let left = rest(status, scope, &stamp.by)?;
    if let Some(rest) = left.filter(|one| one.operation == "rollback" && !one.changes.is_empty()) {
        return Ok(rest);
    }
    // Of what is attached, functions without the alias are not among those that are live.
    let ways: Vec<Back> = (status.functions.iter().zip(ways_back(&status.functions, &scope.alias)))
        .filter(|(function, _)| live.iter().any(|(known, _)| known.name == function.name))
        .map(|(_, way)| way)
        .collect();
    let wanted: Vec<Placed> = live
        .iter()
        .zip(&ways)
        .filter(|(_, way)| **way == Back::Known)
        .filter_map(|((_, alias), _)| alias.trusted()?.history.first())
        .flat_map(|earlier| earlier.deployments.clone())
        .collect();
    let stages = stage_moves(status, scope, wanted);
    let mut changes = Vec::new();
    let mut stays = Vec::new();
    for ((function, alias), way) in live.iter().zip(ways) {
        let known = alias.trusted().map(|p| p.history.clone()).unwrap_or_default();
        let (version, history, note) = match way {
            Back::Stays(reason) => {
                stays.push(stay(function, alias, reason));
                continue;
            }
            Back::Stable => (alias.version.clone(), known, None),
            Back::Known => {
                let Some((head, tail)) = known.split_first() else { continue };
                (head.version.clone(), tail.to_vec(), None)
            }
            Back::Guess(version) => {
                let note = format!(
                    "a guess: another tool moved or described this alias, and v{version} is the \
                     newest older version"
                );
                (version, Vec::new(), Some(note))
            }
        };
        let before = placed_before(&stages, &function.name);
        let to = Split::alone(version);
        changes.push(change("rollback", function, alias, to, history, before, note, stamp));
    }
    if changes.is_empty() {
        return Err(refused_all(what, &stays));
    }
    Ok(moves(status, "rollback".to_owned(), changes, stays, stages))
}

/// When the release was made that the rollback `last` took back; `None` when it ended a split, which takes
/// no release back.
pub(super) fn taken_back(last: &Pointer) -> Option<u64> {
    let head = last.was_history.first().filter(|_| last.was.canary.is_none());
    head.map(|earlier| earlier.replaced_ms)
}

/// What is left of a rollback that was the last move and was cut short: functions that it did not reach,
/// stages that still have the deployment of before.
///
/// `None` when the last move was something else, or a split is there: then [`rollback`] is what is wanted.
///
/// # Errors
/// Refused when nothing is left of it.
pub fn rest_of_rollback(status: &LabStatus, scope: &Scope, by: &str) -> Result<Option<Moves>> {
    let what = format!("rolling {} of lab {} back", scope.alias, status.lab);
    let live = aliases(status, scope, &what)?;
    let Some(last) = newest(&live).filter(|last| last.operation == "rollback") else {
        return Ok(None);
    };
    if let Some(rest) = rest(status, scope, by)? {
        return Ok(Some(rest));
    }
    if live.iter().any(|(_, alias)| alias.canary.is_some()) {
        return Ok(None);
    }
    let why = format!(
        "the last move was a rollback already, from {} to {}, and nothing has moved since",
        last.was, last.now
    );
    Err(Failure::new(FailureKind::Refused, what, why).next(format!(
        "to go back to the release before that as well: labdeck rollback {} --further",
        status.lab
    )))
}
