//! What the aliases of a canary were left at, and whether somebody else has moved them since.

use futures_util::future::try_join_all;
use labdeck_aws::{Failure, Result, Target};

use super::guard::{Decision, Guard};
use crate::live;
use crate::release::pointer::{Pointer, Split};
use crate::release::{split_of, weight_of};
use crate::status::LabStatus;

/// What one function's alias was left at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Standing {
    /// The function.
    pub function: String,
    /// What it serves.
    pub split: Split,
    /// When it was moved last, in ms since the epoch, where its pointer tells.
    pub at_ms: Option<u64>,
}

/// What was found in place of what was left.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// What was left, or what was about to be done: an answer may have been lost.
    Own(Vec<Standing>),
    /// Somebody else's move, in words.
    Moved(String),
}

/// What every function's `alias` serves in `status`.
pub(super) fn of(status: &LabStatus, alias: &str) -> Vec<Standing> {
    let one = |function: &crate::status::FunctionStatus| {
        let alias = function.alias(alias)?;
        Some(Standing {
            function: function.name.clone(),
            split: alias.split(),
            at_ms: alias.pointer.as_ref().map(|pointer| pointer.at_ms),
        })
    };
    status.functions.iter().filter_map(one).collect()
}

/// What a decision of `guard` makes of a split.
pub(super) fn meant(guard: &Guard, decision: &Decision, from: &Split) -> Split {
    let Some((canary, _)) = &from.canary else { return from.clone() };
    match decision {
        Decision::Step(step) => {
            let weight = weight_of(guard.percent(*step)).unwrap_or_default();
            Split { stable: from.stable.clone(), canary: Some((canary.clone(), weight)) }
        }
        Decision::Promote => Split::alone(canary),
        Decision::RollBack(_) | Decision::Abort => Split::alone(&from.stable),
        Decision::Leave => from.clone(),
    }
}

/// Compares the aliases with what was `left`. A split that is as `meant` is nobody's fault: a move that
/// reached some functions only, or whose answer was lost, did that.
///
/// # Errors
/// What reading the aliases ends with.
pub(super) async fn compare(
    target: &Target,
    alias: &str,
    left: &[Standing],
    meant: impl Fn(&Split) -> Split,
) -> Result<Found> {
    let read = left.iter().map(|standing| async move {
        let aliases = live::aliases(target, &standing.function).await?;
        let found = aliases.into_iter().find(|one| one.name() == Some(alias));
        Ok::<_, Failure>((standing, found))
    });
    let mut own = Vec::new();
    for (left, found) in try_join_all(read).await? {
        let function = &left.function;
        let Some(found) = found else {
            return Ok(Found::Moved(format!("alias {alias} of {function} is gone")));
        };
        let split = split_of(found.function_version(), found.routing_config());
        let pointer = Pointer::parse(found.description().unwrap_or_default()).1;
        let who = || {
            let by = pointer.as_ref().map(|one| one.by.as_str()).filter(|by| !by.is_empty());
            by.unwrap_or("somebody")
        };
        let at_ms = pointer.as_ref().map(|pointer| pointer.at_ms);
        if !split.same(&left.split) {
            if !split.same(&meant(&left.split)) {
                return Ok(Found::Moved(format!(
                    "{} moved {alias} of {function}: the canary left {}, it serves {split}",
                    who(),
                    left.split
                )));
            }
        } else if let (Some(known), Some(there)) = (left.at_ms, at_ms)
            && there > known
        {
            return Ok(Found::Moved(format!("{} guards it now", who())));
        }
        own.push(Standing { function: function.clone(), split, at_ms: at_ms.or(left.at_ms) });
    }
    Ok(Found::Own(own))
}
