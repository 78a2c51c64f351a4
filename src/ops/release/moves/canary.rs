//! A step of a guarded canary: a shift that leaves the canary's plan in the alias.

use labdeck_aws::{Failure, FailureKind, Result};

use super::forward::shift_as;
use super::{Moves, Scope, Stamp, aliases, change};
use crate::release::mark::Mark;
use crate::status::{FunctionStatus, LabStatus};

/// Gives the newest version `mark`'s share of the traffic, and writes the mark with it.
///
/// Where the share is the same already, the mark alone is written.
pub fn guarded(status: &LabStatus, scope: &Scope, mark: &Mark, stamp: &Stamp) -> Result<Moves> {
    let mut moves = shift_as(status, scope, mark.percent(), stamp, true)?;
    if moves.changes.is_empty() {
        let what = format!("guarding the canary of lab {}", status.lab);
        let live = aliases(status, scope, &what)?;
        moves.stays.clear();
        moves.changes = live
            .into_iter()
            .map(|(function, alias)| {
                let history = alias.trusted().map(|p| p.history.clone()).unwrap_or_default();
                change("shift", function, alias, alias.split(), history, Vec::new(), None, stamp)
            })
            .collect();
    }
    for change in &mut moves.changes {
        if change.to.canary.is_some() {
            change.pointer.mark = Some(mark.clone());
        }
    }
    // A function that has no canary is left alone.
    moves.changes.retain(|change| change.to.canary.is_some() || !change.to.same(&change.from));
    moves.operation = format!("canary {}", moves.operation);
    Ok(moves)
}

/// A canary whose plan an alias keeps, and whose split is live.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    /// Its plan.
    pub mark: Mark,
    /// Who moved it last.
    pub by: String,
    /// When, in ms since the epoch.
    pub at_ms: u64,
    /// The functions whose alias keeps it.
    pub functions: Vec<String>,
}

/// The canary that runs, or that was left to itself: the newest mark of a live split.
pub fn begun(functions: &[FunctionStatus], alias: &str) -> Option<Begun> {
    let marked = || {
        functions.iter().filter_map(|function| {
            let alias = function.alias(alias)?;
            alias.canary.as_ref()?;
            let pointer = alias.trusted()?;
            Some((function, pointer, pointer.mark.as_ref()?))
        })
    };
    let (_, newest, mark) = marked().max_by_key(|(_, pointer, _)| pointer.at_ms)?;
    Some(Begun {
        mark: mark.clone(),
        by: newest.by.clone(),
        at_ms: newest.at_ms,
        functions: marked()
            .filter(|(_, _, other)| other.begun_ms == mark.begun_ms)
            .map(|(function, _, _)| function.name.clone())
            .collect(),
    })
}

/// Refuses where another canary runs already.
pub fn refuse_second(status: &LabStatus, scope: &Scope) -> Result<()> {
    let Some(begun) = begun(&status.functions, &scope.alias) else { return Ok(()) };
    let what = format!("beginning a canary of lab {}", status.lab);
    let who = if begun.by.is_empty() { "somebody".to_owned() } else { begun.by };
    let why = format!(
        "{who} began one already; it is at step {} of {}",
        begun.mark.step + 1,
        begun.mark.plan.steps.len()
    );
    Err(Failure::new(FailureKind::Refused, what, why).next(format!(
        "go on with it (labdeck release {0} canary --resume), give it everything \
         (labdeck release {0} promote) or take it back (labdeck rollback {0})",
        status.lab
    )))
}
