//! What the last move of a release left behind: functions and stages that it was to reach and did not.
//!
//! A move is one operation with one time, in every function that it reached. A function that it did not
//! reach (its call failed, or somebody else changed it at that moment) still has the time of an earlier
//! move, or none. What is brought after it gets the time of the move: then the next rollback and the next
//! undo take all of it.

use labdeck_aws::Result;
use serde::Serialize;

use super::back::taken_back;
use super::forward::{canary_to, newer_at, newest_deployments, refuse_unlike, with_replaced};
use super::{
    Change, Moves, Scope, StageMove, Stamp, aliases, change, deployment, moves, placed_before,
    stage_moves, stay,
};
use crate::release::pointer::{Earlier, Placed, Pointer, Split, percent};
use crate::status::{AliasStatus, FunctionStatus, LabStatus};

/// The last move of a release, over all functions of the lab.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastMove {
    /// What it was: `shift 20%`, `promote`, `rollback`, `undo`.
    pub operation: String,
    /// When, in ms since the epoch.
    pub at_ms: u64,
    /// Who, as far as it is known.
    pub by: String,
    /// The functions that it reached.
    pub functions: Vec<String>,
    /// The functions that it was to reach and did not.
    pub left: Vec<Left>,
    /// The stages that it was to reach and did not.
    pub stages: Vec<LeftStage>,
}

impl LastMove {
    /// Whether it reached all that it was to reach.
    pub fn is_whole(&self) -> bool {
        self.left.is_empty() && self.stages.is_empty()
    }
}

/// A function that the last move did not reach.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Left {
    /// The function.
    pub function: String,
    /// What it serves: `v3`.
    pub serves: String,
    /// Where the move would have taken it.
    pub goes: String,
}

/// A stage that the last move did not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftStage {
    /// API name.
    pub api: String,
    /// Stage name.
    pub stage: String,
    /// The deployment that it serves.
    pub serves: String,
    /// The deployment that the move would have given it.
    pub goes: String,
}

/// The last move, and what it left behind. `None` where no move is on record, or the lab can't be
/// released.
pub fn last_move(status: &LabStatus, scope: &Scope) -> Option<LastMove> {
    let live = aliases(status, scope, "reading the last move").ok()?;
    let last = newest(&live)?;
    let rest = rest(status, scope, &last.by).ok()?;
    let (changes, stages) = rest.map(|rest| (rest.changes, rest.stages)).unwrap_or_default();
    let left = changes.into_iter().map(|change| Left {
        function: change.function,
        serves: change.from.to_string(),
        goes: change.to.to_string(),
    });
    let stages = stages.into_iter().map(|stage| LeftStage {
        api: stage.api,
        stage: stage.stage,
        serves: stage.from,
        goes: stage.to,
    });
    let reached = live.iter().filter(|(_, alias)| reached(alias, last.at_ms));
    Some(LastMove {
        operation: operation(last),
        at_ms: last.at_ms,
        by: last.by.clone(),
        functions: reached.map(|(function, _)| function.name.clone()).collect(),
        left: left.collect(),
        stages: stages.collect(),
    })
}

/// Everything that brings what the last move left behind after it; `None` when nothing was.
///
/// # Errors
/// As for every move: Refused when the lab has no functions, `NotFound` when one has no alias.
pub fn rest(status: &LabStatus, scope: &Scope, by: &str) -> Result<Option<Moves>> {
    let what = format!("bringing {} of lab {} together", scope.alias, status.lab);
    let live = aliases(status, scope, &what)?;
    let Some(last) = newest(&live) else { return Ok(None) };
    let stamp = Stamp { at_ms: last.at_ms, by: by.to_owned() };
    let goals: Vec<Option<Goal>> = live
        .iter()
        .map(|(function, alias)| {
            let behind = !reached(alias, last.at_ms);
            behind.then(|| goal(last, function, alias)).flatten()
        })
        .collect();
    let named = |(live, goal): (&(&FunctionStatus, _), &Option<Goal>)| {
        goal.as_ref().map(|_| live.0.name.clone())
    };
    let left: Vec<String> = live.iter().zip(&goals).filter_map(named).collect();
    let stages = stages_left(status, scope, &live, last, &left);
    if left.is_empty() && stages.is_empty() {
        return Ok(None);
    }
    let mut changes = Vec::new();
    let mut stays = Vec::new();
    for ((function, alias), goal) in live.iter().zip(goals) {
        let Some(goal) = goal else {
            stays.push(stay(function, alias, "it was not moved again".to_owned()));
            continue;
        };
        refuse_unlike(status, function, &goal.to, &what)?;
        changes.push(behind(last, function, alias, goal, &stages, &stamp));
    }
    Ok(Some(moves(status, operation(last), changes, stays, stages)))
}

/// The move that brings one function after the last one.
fn behind(
    last: &Pointer,
    function: &FunctionStatus,
    alias: &AliasStatus,
    goal: Goal,
    stages: &[StageMove],
    stamp: &Stamp,
) -> Change {
    let before = placed_before(stages, &function.name);
    let history = match last.operation.as_str() {
        "promote" => with_replaced(alias, &before, stamp.at_ms),
        _ => goal.history,
    };
    let note = Some(format!("the rest of a {} that was cut short", last.operation));
    let operation = last.operation.as_str();
    let mut one = change(operation, function, alias, goal.to, history, before, note, stamp);
    one.pointer.mark.clone_from(&last.mark);
    one.pointer.undoes = last.undoes;
    one
}

/// Whether what would be moved now is just what the last move left behind: then it is gone on with.
pub(super) fn continued(
    rest: Option<Moves>,
    operation: &str,
    live: &[(&FunctionStatus, &AliasStatus)],
    targets: &[(Split, Option<String>)],
    stages: &[StageMove],
) -> Option<Moves> {
    let rest = rest.filter(|rest| rest.operation == operation && rest.stages == stages)?;
    let goes = |name: &str| rest.changes.iter().find(|c| c.function == name).map(|c| &c.to);
    let just =
        live.iter().zip(targets).all(|((function, alias), (to, _))| match goes(&function.name) {
            Some(goal) => goal.same(to),
            None => to.same(&alias.split()),
        });
    just.then_some(rest)
}

/// The newest move that is still trusted; where two have its time, the one that changed something.
pub(super) fn newest<'a>(live: &[(&FunctionStatus, &'a AliasStatus)]) -> Option<&'a Pointer> {
    let pointers = live.iter().filter_map(|(_, alias)| alias.trusted());
    pointers.max_by_key(|pointer| (pointer.at_ms, !pointer.was.same(&pointer.now)))
}

fn reached(alias: &AliasStatus, at_ms: u64) -> bool {
    alias.trusted().is_some_and(|pointer| pointer.at_ms == at_ms)
}

/// What it was, as the moves are called.
fn operation(last: &Pointer) -> String {
    let share = last.now.canary.as_ref().map_or(0.0, |(_, share)| *share);
    let step = if last.mark.is_some() { "canary " } else { "" };
    match last.operation.as_str() {
        "shift" => format!("{step}shift {}%", percent(share)),
        other => other.to_owned(),
    }
}

/// Where a function that was left behind goes.
struct Goal {
    to: Split,
    history: Vec<Earlier>,
}

/// Where the last move would have taken a function that it did not reach.
fn goal(last: &Pointer, function: &FunctionStatus, alias: &AliasStatus) -> Option<Goal> {
    let history = alias.trusted().map(|pointer| pointer.history.clone()).unwrap_or_default();
    let newer = || newer_at(function, &alias.version, last.at_ms);
    let (to, history) = match last.operation.as_str() {
        "promote" => match &alias.canary {
            Some((canary, _)) => (Split::alone(canary), history),
            None => (Split::alone(newer()?), history),
        },
        "shift" => match &last.now.canary {
            Some((_, share)) => (canary_to(alias, newer()?, *share), history),
            None => (Split::alone(&alias.version), history),
        },
        "rollback" if last.was.canary.is_some() => (Split::alone(&alias.version), history),
        "rollback" => {
            let (head, tail) = history.split_first()?;
            let same = taken_back(last) == Some(head.replaced_ms);
            (same.then(|| Split::alone(&head.version))?, tail.to_vec())
        }
        "undo" => {
            let pointer = alias.trusted().filter(|one| Some(one.at_ms) == last.undoes)?;
            (pointer.was.clone(), pointer.was_history.clone())
        }
        _ => return None,
    };
    let there = to.versions().all(|version| function.has_version(version));
    (there && !to.same(&alias.split())).then_some(Goal { to, history })
}

/// The stages that the last move was to reach and that serve what they served before it, and those
/// behind functions that it left.
fn stages_left(
    status: &LabStatus,
    scope: &Scope,
    live: &[(&FunctionStatus, &AliasStatus)],
    last: &Pointer,
    left: &[String],
) -> Vec<StageMove> {
    let parts = || {
        let pointers = live.iter().filter_map(|(_, alias)| alias.trusted());
        pointers.filter(|pointer| pointer.at_ms == last.at_ms)
    };
    let as_before = |stage: &StageMove| {
        parts().flat_map(|part| &part.was_deployments).any(|placed| {
            placed.api_id == stage.api_id
                && placed.stage == stage.stage
                && placed.deployment_id == stage.from
        })
    };
    let behind = |stage: &StageMove| stage.functions.iter().any(|name| left.contains(name));
    let wanted = match last.operation.as_str() {
        "promote" => newest_deployments(status, scope),
        "rollback" if last.was.canary.is_some() => Vec::new(),
        "rollback" | "undo" => {
            let heads = parts().filter_map(|part| part.was_history.first());
            let of_left = live
                .iter()
                .filter(|(function, _)| left.contains(&function.name))
                .filter_map(|(_, alias)| alias.trusted()?.history.first());
            let placed: Vec<Placed> =
                heads.chain(of_left).flat_map(|earlier| earlier.deployments.clone()).collect();
            let there = |placed: &Placed| {
                let api = status.apis.iter().find(|api| api.id == placed.api_id);
                api.and_then(|api| deployment(api, &placed.stage)).is_some()
            };
            stage_moves(status, scope, placed.into_iter().filter(there).collect())
        }
        _ => Vec::new(),
    };
    wanted.into_iter().filter(|stage| as_before(stage) || behind(stage)).collect()
}
