//! Which alias goes where: the arithmetic of shift, promote, rollback and undo, without any call.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Follows;

use super::annotate::{api_name, newest_move, undoable};
use super::pointer::{Earlier, Placed, Pointer, Split};
use crate::status::{AliasStatus, ApiStatus, FunctionStatus, LabStatus};

mod back;
mod canary;
mod forward;
mod rest;

pub use back::{rest_of_rollback, rollback};
pub use canary::{Begun, begun, guarded, refuse_second};
pub use forward::{promote, shift, weight_of};
pub use rest::{LastMove, Left, LeftStage, last_move, rest};

/// What a release of a lab is about: the alias that moves, and the stages behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    /// The alias that releases move.
    pub alias: String,
    /// The stages that serve it.
    pub stages: Vec<String>,
    /// The stage that has the newest API deployment.
    pub newest: Option<String>,
    /// Functions behind each API, by API name.
    pub functions_of: Vec<(String, Vec<String>)>,
    /// Whether functions without the alias are left alone: of what is attached, not all need have it.
    pub partial: bool,
}

impl Scope {
    /// The scope of `blueprint`: the alias of its first stage that follows a release.
    pub fn of(blueprint: &Blueprint) -> Result<Self> {
        let attached = blueprint.attached.is_some();
        let Some(alias) = blueprint.released_alias() else {
            let what = format!("releasing lab {}", blueprint.name);
            let (why, next) = if attached {
                let why = "no alias is known that releases move";
                (why, format!("choose it: labdeck attach {} --alias NAME", blueprint.name))
            } else {
                let next = "give a stage of lab.toml follows = \"release\"".to_owned();
                ("it has no stage that follows a release", next)
            };
            return Err(Failure::new(FailureKind::Refused, what, why).next(next));
        };
        let stages = blueprint.stages.iter().filter(|stage| stage.alias == alias);
        // Which stage of somebody else's API has what is to be released, nobody can tell: a release of
        // what is attached moves aliases alone.
        let newest = blueprint.stages.iter().find(|stage| stage.follows == Follows::Latest);
        let newest = newest.filter(|_| !attached);
        Ok(Self {
            alias: alias.to_owned(),
            partial: attached,
            stages: stages.map(|stage| stage.name.clone()).collect(),
            newest: newest.map(|stage| stage.name.clone()),
            functions_of: blueprint
                .apis
                .iter()
                .map(|api| (api.name.clone(), api.functions.clone()))
                .collect(),
        })
    }

    /// The functions whose pointer keeps the deployments of this API.
    fn keepers(&self, api: &str, functions: &[FunctionStatus]) -> Vec<String> {
        let named = self.functions_of.iter().find(|(name, _)| name == api);
        let mut keepers: Vec<String> = named
            .map(|(_, names)| names.clone())
            .unwrap_or_default()
            .into_iter()
            .filter(|name| functions.iter().any(|function| &function.name == name))
            .collect();
        if keepers.is_empty() {
            // An API without functions, such as one of mocks: somebody has to keep it.
            keepers.extend(functions.first().map(|function| function.name.clone()));
        }
        keepers
    }
}

/// When a move happens and who does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Ms since the epoch.
    pub at_ms: u64,
    /// Who.
    pub by: String,
}

impl Stamp {
    /// Now, by the person who is logged in.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            at_ms: since.map_or(0, |since| since.as_millis() as u64),
            by: super::pointer::operator(),
        }
    }
}

/// One alias to move, with everything that its one `UpdateAlias` needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Function name.
    pub function: String,
    /// Alias name.
    pub alias: String,
    /// What it was seen to serve.
    pub from: Split,
    /// The revision id that was seen.
    pub revision_id: String,
    /// What it will serve.
    pub to: Split,
    /// The person's own text.
    pub text: String,
    /// What is kept for the next rollback and undo.
    pub pointer: Pointer,
    /// A word on why it goes there or stays.
    pub note: Option<String>,
}

/// A function that is not touched.
#[derive(Debug, Clone, PartialEq)]
pub struct Stay {
    /// Function name.
    pub function: String,
    /// What it serves.
    pub serves: String,
    /// Why it stays.
    pub reason: String,
}

/// A stage to give another deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageMove {
    /// API id.
    pub api_id: String,
    /// API name, or its id when it is not the lab's any more.
    pub api: String,
    /// Stage name.
    pub stage: String,
    /// The deployment it was seen to serve; empty when that is not known.
    pub from: String,
    /// The deployment it will serve.
    pub to: String,
    /// Only when the aliases of all of these moved.
    pub functions: Vec<String>,
}

/// Everything that one operation on a release does.
#[derive(Debug, Clone, PartialEq)]
pub struct Moves {
    /// The lab.
    pub lab: String,
    /// `shift 20%`, `promote` …
    pub operation: String,
    /// Aliases to move.
    pub changes: Vec<Change>,
    /// Functions that stay untouched.
    pub stays: Vec<Stay>,
    /// Stages to move after them.
    pub stages: Vec<StageMove>,
}

/// Puts the alias back to exactly what it was before the last move, weights included.
pub fn undo(status: &LabStatus, scope: &Scope, stamp: &Stamp) -> Result<Moves> {
    let what = format!("undoing the last move of {} of lab {}", scope.alias, status.lab);
    let live = aliases(status, scope, &what)?;
    let newest = newest_move(&status.functions, &scope.alias);
    let undone = |function: &FunctionStatus| undoable(function, &scope.alias, newest);
    let wanted: Vec<Placed> = live
        .iter()
        .filter(|(function, _)| undone(function))
        .filter_map(|(_, alias)| alias.trusted())
        .flat_map(|pointer| pointer.was_deployments.clone())
        .collect();
    let stages = stage_moves(status, scope, wanted);
    let mut changes = Vec::new();
    let mut stays = Vec::new();
    for (function, alias) in &live {
        let Some(pointer) = alias.trusted().filter(|_| undone(function)) else {
            stays.push(stay(function, alias, why_not_undone(alias)));
            continue;
        };
        let before = placed_before(&stages, &function.name);
        let to = pointer.was.clone();
        let history = pointer.was_history.clone();
        let mut back = change("undo", function, alias, to, history, before, None, stamp);
        back.pointer.undoes = Some(pointer.at_ms);
        changes.push(back);
    }
    if changes.is_empty() {
        return Err(refused_all(what, &stays));
    }
    Ok(moves(status, "undo".to_owned(), changes, stays, stages))
}

fn why_not_undone(alias: &AliasStatus) -> String {
    match (&alias.pointer, alias.trusted()) {
        (None, _) => "no move of it is on record".to_owned(),
        (Some(pointer), None) => format!(
            "somebody else moved it since: labdeck left {}, it serves {}",
            pointer.now,
            alias.split()
        ),
        (Some(_), Some(pointer)) if pointer.was.canary.is_some() => {
            "the last move did not touch it, or a version it had is deleted".to_owned()
        }
        _ => "the last move did not touch it, or the version it had is deleted".to_owned(),
    }
}

/// Every function with its alias; a lab without them can't be released.
fn aliases<'a>(
    status: &'a LabStatus,
    scope: &Scope,
    what: &str,
) -> Result<Vec<(&'a FunctionStatus, &'a AliasStatus)>> {
    let missing = |name: &str, thing: &str| {
        let failure = Failure::new(FailureKind::NotFound, what, format!("{name} {thing}"));
        if scope.partial {
            return failure
                .next("make the alias first, or choose another with labdeck attach --alias");
        }
        failure.next(format!("deploy it first: labdeck deploy {}", status.lab))
    };
    if status.functions.is_empty() {
        return Err(Failure::new(FailureKind::Refused, what, "the lab has no functions"));
    }
    let has = |function: &&FunctionStatus| function.alias(&scope.alias).is_some();
    let leave = scope.partial && status.functions.iter().any(|function| has(&function));
    status
        .functions
        .iter()
        .filter(|function| !leave || has(function))
        .map(|function| {
            if !function.exists {
                return Err(missing(&format!("function {}", function.name), "does not exist"));
            }
            let alias = function.alias(&scope.alias);
            alias.map(|alias| (function, alias)).ok_or_else(|| {
                missing(
                    &format!("function {}", function.name),
                    &format!("has no alias {}", scope.alias),
                )
            })
        })
        .collect()
}

fn deployment<'a>(api: &'a ApiStatus, stage: &str) -> Option<&'a str> {
    let found = api.stages.iter().find(|live| live.name == stage)?;
    Some(found.deployment_id.as_str()).filter(|id| !id.is_empty())
}

/// The moves that bring stages to `wanted`, without those that are there already.
fn stage_moves(status: &LabStatus, scope: &Scope, wanted: Vec<Placed>) -> Vec<StageMove> {
    let mut moves: Vec<StageMove> = Vec::new();
    for placed in wanted {
        let api = status.apis.iter().find(|api| api.id == placed.api_id);
        let from = api.and_then(|api| deployment(api, &placed.stage)).unwrap_or_default();
        let planned =
            |known: &StageMove| known.api_id == placed.api_id && known.stage == placed.stage;
        if from == placed.deployment_id || moves.iter().any(planned) {
            continue;
        }
        let name = api_name(&status.apis, &placed.api_id).to_owned();
        moves.push(StageMove {
            functions: scope.keepers(&name, &status.functions),
            api: name,
            from: from.to_owned(),
            to: placed.deployment_id,
            api_id: placed.api_id,
            stage: placed.stage,
        });
    }
    moves
}

/// What the function's pointer keeps of the stages that move.
fn placed_before(stages: &[StageMove], function: &str) -> Vec<Placed> {
    stages
        .iter()
        .filter(|stage| {
            !stage.from.is_empty() && stage.functions.iter().any(|name| name == function)
        })
        .map(|stage| Placed {
            api_id: stage.api_id.clone(),
            stage: stage.stage.clone(),
            deployment_id: stage.from.clone(),
        })
        .collect()
}

#[expect(clippy::too_many_arguments, reason = "private; the parts of one move, once")]
fn change(
    operation: &str,
    function: &FunctionStatus,
    alias: &AliasStatus,
    to: Split,
    history: Vec<Earlier>,
    was_deployments: Vec<Placed>,
    note: Option<String>,
    stamp: &Stamp,
) -> Change {
    let was_history = alias.trusted().map(|pointer| pointer.history.clone()).unwrap_or_default();
    Change {
        function: function.name.clone(),
        alias: alias.name.clone(),
        from: alias.split(),
        revision_id: alias.revision_id.clone(),
        text: alias.description.clone(),
        pointer: Pointer {
            operation: operation.to_owned(),
            now: to.clone(),
            history,
            was: alias.split(),
            was_history,
            was_deployments,
            mark: None,
            undoes: None,
            at_ms: stamp.at_ms,
            by: stamp.by.clone(),
        },
        to,
        note,
    }
}

fn moves(
    status: &LabStatus,
    operation: String,
    changes: Vec<Change>,
    stays: Vec<Stay>,
    stages: Vec<StageMove>,
) -> Moves {
    Moves { lab: status.lab.clone(), operation, changes, stays, stages }
}

fn stay(function: &FunctionStatus, alias: &AliasStatus, reason: String) -> Stay {
    Stay { function: function.name.clone(), serves: alias.split().to_string(), reason }
}

fn refused_all(what: String, stays: &[Stay]) -> Failure {
    let why: Vec<String> =
        stays.iter().map(|stay| format!("{}: {}", stay.function, stay.reason)).collect();
    Failure::new(FailureKind::Refused, what, why.join("; "))
}

#[cfg(test)]
#[path = "moves_tests.rs"]
mod tests;
