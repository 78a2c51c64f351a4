//! Taking a release back, and the rest of a rollback that was cut short.

use labdeck_aws::{Failure, FailureKind, Result};

use super::{
    Moves, Scope, Stamp, aliases, change, moves, placed_before, refused_all, stage_moves, stay,
};
use crate::release::annotate::{Back, ways_back};
use crate::release::pointer::{Earlier, Placed, Pointer, Split};
use crate::status::LabStatus;

/// Takes the alias back: a split to its stable version, otherwise the newest release to the one
/// before it.
pub fn rollback(status: &LabStatus, scope: &Scope, stamp: &Stamp) -> Result<Moves> {
    let what = format!("rolling {} of lab {} back", scope.alias, status.lab);
    let live = aliases(status, scope, &what)?;
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

/// What is left of a rollback that was the last move and was cut short: functions of the release that
/// it took back which did not move, stages that still have its deployment.
///
/// `None` when the last move was something else, or ended a split that is still there: then
/// [`rollback`] is what is wanted.
///
/// # Errors
/// Refused when nothing is left of it.
pub fn rest_of_rollback(status: &LabStatus, scope: &Scope, by: &str) -> Result<Option<Moves>> {
    let what = format!("rolling {} of lab {} back", scope.alias, status.lab);
    let live = aliases(status, scope, &what)?;
    let pointers = || live.iter().filter_map(|(_, alias)| alias.trusted());
    let newest = |pointer: &&Pointer| (pointer.at_ms, !pointer.was.same(&pointer.now));
    let Some(last) = pointers().max_by_key(newest) else { return Ok(None) };
    if last.operation != "rollback" || live.iter().any(|(_, alias)| alias.canary.is_some()) {
        return Ok(None);
    }
    let replaced = |history: &[Earlier]| history.first().map(|earlier| earlier.replaced_ms);
    // A split that was ended took no release back.
    let release = if last.was.canary.is_none() { replaced(&last.was_history) } else { None };
    let of_it = |history: &[Earlier]| release.is_some() && replaced(history) == release;
    let gone_back = pointers().filter(|p| p.operation == "rollback" && of_it(&p.was_history));
    let placed = gone_back.filter_map(|p| p.was_history.first());
    let left = pointers().filter(|p| of_it(&p.history)).filter_map(|p| p.history.first());
    let wanted = placed.chain(left).flat_map(|earlier| earlier.deployments.clone()).collect();
    let stages = stage_moves(status, scope, wanted);
    // One operation has one time, however many runs it took: undo takes all of it.
    let stamp = Stamp { at_ms: last.at_ms, by: by.to_owned() };
    let mut changes = Vec::new();
    let mut stays = Vec::new();
    for (function, alias) in &live {
        let history = alias.trusted().map(|p| p.history.clone()).unwrap_or_default();
        match history.split_first() {
            Some((head, tail)) if of_it(&history) => {
                let before = placed_before(&stages, &function.name);
                let to = Split::alone(&head.version);
                let note = Some("the rest of a rollback that was cut short".to_owned());
                changes.push(change(
                    "rollback",
                    function,
                    alias,
                    to,
                    tail.to_vec(),
                    before,
                    note,
                    &stamp,
                ));
            }
            _ => stays.push(stay(function, alias, "it was not moved again".to_owned())),
        }
    }
    if changes.is_empty() && stages.is_empty() {
        let why = format!(
            "the last move was a rollback already, from {} to {}, and nothing has moved since",
            last.was, last.now
        );
        return Err(Failure::new(FailureKind::Refused, what, why).next(format!(
            "to go back to the release before that as well: labdeck rollback {} --further",
            status.lab
        )));
    }
    Ok(Some(moves(status, "rollback".to_owned(), changes, stays, stages)))
}
