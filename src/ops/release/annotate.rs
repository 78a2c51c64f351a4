//! Where rollback and undo would take each alias, as the faces show it.

use crate::status::{AliasStatus, ApiStatus, FunctionStatus, LabStatus, RollbackTarget};

use super::pointer::{Pointer, Split};

impl AliasStatus {
    /// What it serves now.
    pub fn split(&self) -> Split {
        Split { stable: self.version.clone(), canary: self.canary.clone() }
    }

    /// The pointer, when it still describes the alias: nobody else moved it since.
    pub fn trusted(&self) -> Option<&Pointer> {
        self.pointer.as_ref().filter(|pointer| pointer.now.same(&self.split()))
    }
}

/// Where a rollback takes one function of a lab.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Back {
    /// The canary is taken away.
    Stable,
    /// To the place that the pointer names; the release that replaced it moved this function.
    Known,
    /// To the newest older published version: the pointer is missing or stale.
    Guess(String),
    /// It stays, and why.
    Stays(String),
}

/// Where a rollback of `alias` takes each function, in the order of `functions`.
///
/// The functions of a lab go back together: when one has a split, only splits end; otherwise the
/// newest release is taken back, and functions that it did not move stay.
pub(super) fn ways_back(functions: &[FunctionStatus], alias: &str) -> Vec<Back> {
    let aliases: Vec<Option<&AliasStatus>> =
        functions.iter().map(|function| function.alias(alias)).collect();
    let split = aliases.iter().flatten().any(|alias| alias.canary.is_some());
    let newest = aliases
        .iter()
        .flatten()
        .filter_map(|alias| alias.trusted()?.history.first())
        .map(|earlier| earlier.replaced_ms)
        .max();
    functions
        .iter()
        .zip(&aliases)
        .map(|(function, alias)| match alias {
            None => Back::Stays("it has no such alias".to_owned()),
            Some(alias) if alias.canary.is_some() => Back::Stable,
            Some(_) if split => Back::Stays("it has no canary".to_owned()),
            Some(alias) => way_back(function, alias, newest),
        })
        .collect()
}

fn way_back(function: &FunctionStatus, alias: &AliasStatus, newest: Option<u64>) -> Back {
    let Some(pointer) = alias.trusted() else { return guess(function, alias) };
    match pointer.history.first() {
        None => Back::Stays(format!("nothing is known before v{}", alias.version)),
        Some(earlier) if Some(earlier.replaced_ms) != newest => {
            Back::Stays("the newest release did not move it".to_owned())
        }
        Some(earlier) if function.has_version(&earlier.version) => Back::Known,
        Some(_) => guess(function, alias),
    }
}

/// The newest published version older than what the alias serves.
fn guess(function: &FunctionStatus, alias: &AliasStatus) -> Back {
    let number = |version: &str| version.parse::<u64>().ok();
    let Some(current) = number(&alias.version) else {
        return Back::Stays(format!("it follows {}, not a version", alias.version));
    };
    function
        .versions
        .iter()
        .filter_map(|version| number(&version.version))
        .filter(|version| *version < current)
        .max()
        .map_or_else(
            || Back::Stays(format!("no version older than v{current} is published")),
            |version| Back::Guess(version.to_string()),
        )
}

/// Fills `rollback` and `can_undo` of every alias from the pointers that were read.
pub fn annotate(status: &mut LabStatus) {
    let mut names: Vec<String> =
        status.functions.iter().flat_map(|f| &f.aliases).map(|alias| alias.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let ways = ways_back(&status.functions, &name);
        let newest_move = newest_move(&status.functions, &name);
        for (function, way) in status.functions.iter_mut().zip(ways) {
            let undo = undoable(function, &name, newest_move);
            for alias in function.aliases.iter_mut().filter(|alias| alias.name == name) {
                alias.rollback = target(alias, &way, &status.apis);
                alias.can_undo = undo;
            }
        }
    }
}

/// When the newest move of `alias` was, over all functions.
pub(super) fn newest_move(functions: &[FunctionStatus], alias: &str) -> Option<u64> {
    functions
        .iter()
        .flat_map(|function| &function.aliases)
        .filter(|status| status.name == alias)
        .filter_map(|status| status.trusted().map(|pointer| pointer.at_ms))
        .max()
}

/// Whether the newest move of `alias` moved this function and can be taken back.
pub(super) fn undoable(function: &FunctionStatus, alias: &str, newest: Option<u64>) -> bool {
    let Some(alias) = function.alias(alias) else { return false };
    alias.trusted().is_some_and(|pointer| {
        Some(pointer.at_ms) == newest
            && pointer.was.versions().all(|version| function.has_version(version))
    })
}

fn target(alias: &AliasStatus, way: &Back, apis: &[ApiStatus]) -> Option<RollbackTarget> {
    match way {
        Back::Stays(_) => None,
        Back::Stable => Some(RollbackTarget {
            version: alias.version.clone(),
            guess: false,
            deployments: Vec::new(),
        }),
        Back::Guess(version) => {
            Some(RollbackTarget { version: version.clone(), guess: true, deployments: Vec::new() })
        }
        Back::Known => {
            let earlier = alias.trusted()?.history.first()?;
            let deployments = earlier
                .deployments
                .iter()
                .map(|placed| {
                    let name = api_name(apis, &placed.api_id);
                    (name.to_owned(), placed.stage.clone(), placed.deployment_id.clone())
                })
                .collect();
            Some(RollbackTarget { version: earlier.version.clone(), guess: false, deployments })
        }
    }
}

/// The API's name, or its id when it is not the lab's any more.
pub(super) fn api_name<'a>(apis: &'a [ApiStatus], id: &'a str) -> &'a str {
    apis.iter().find(|api| api.id == id).map_or(id, |api| api.name.as_str())
}
