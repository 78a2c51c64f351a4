//! Carries out moves: one guarded `UpdateAlias` per function, side by side, then the stages.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_apigateway::types::{Op, PatchOperation};
use aws_sdk_lambda::types::AliasRoutingConfiguration;
use futures_util::future::join_all;
use labdeck_aws::{Failure, FailureKind, Result, Target, changing};

use super::moves::{Change, Moves, StageMove};
use super::outcome::{Move, ReleaseOutcome};
use super::pointer::Split;

/// How one function's move ended.
struct Moved {
    failure: Option<Failure>,
    /// The move was done, but what undo needs could not be kept.
    problem: Option<Failure>,
}

/// Carries `moves` out. Nothing that somebody else changed meanwhile is overwritten.
///
/// # Errors
/// When nothing could be moved at all. A part that failed is told in the outcome.
pub(super) async fn apply(target: &Target, moves: Moves, since: Instant) -> Result<ReleaseOutcome> {
    let moved = join_all(moves.changes.iter().map(|change| move_alias(target, change))).await;
    let (ready, held): (Vec<_>, Vec<_>) = moves.stages.iter().partition(|stage| {
        let failed = |(change, moved): (&Change, &Moved)| {
            moved.failure.is_some() && stage.functions.contains(&change.function)
        };
        !moves.changes.iter().zip(&moved).any(failed)
    });
    let placed = join_all(ready.iter().map(|stage| move_stage(target, stage))).await;

    let mut problems: Vec<Failure> =
        moved.iter().filter_map(|moved| moved.problem.clone()).collect();
    problems.extend(held.iter().map(|stage| {
        let what = format!("moving stage {} of API {}", stage.stage, stage.api);
        let why = format!("not tried: {} did not move", stage.functions.join(", "));
        Failure::new(FailureKind::Refused, what, why)
    }));
    let mut deployments = Vec::new();
    for (stage, result) in ready.iter().zip(placed) {
        match result {
            Ok(()) => deployments.push((
                stage.api.clone(),
                stage.stage.clone(),
                stage.from.clone(),
                stage.to.clone(),
            )),
            Err(failure) => problems.push(failure),
        }
    }
    let outcome = ReleaseOutcome {
        lab: moves.lab,
        operation: moves.operation,
        moves: reported(&moves.changes, &moved, moves.stays),
        deployments,
        problems,
        millis: since.elapsed().as_secs_f64() * 1e3,
    };
    settled(outcome)
}

/// The outcome, or its failure when every part failed.
pub(super) fn settled(outcome: ReleaseOutcome) -> Result<ReleaseOutcome> {
    let failures: Vec<&Failure> = outcome.moves.iter().filter_map(|m| m.failure.as_ref()).collect();
    let tried = outcome.moves.iter().filter(|m| m.tried()).count();
    let Some(first) = failures.first().filter(|_| failures.len() == tried) else {
        return Ok(outcome);
    };
    if failures.len() == 1 {
        return Err((*first).clone());
    }
    let mut all = (*first).clone();
    let rest: Vec<String> = failures.iter().skip(1).map(ToString::to_string).collect();
    all.why = format!("{}; {}", all.why, rest.join("; "));
    Err(all)
}

fn reported(changes: &[Change], moved: &[Moved], stays: Vec<super::moves::Stay>) -> Vec<Move> {
    let changed = changes.iter().zip(moved).map(|(change, moved)| Move {
        function: change.function.clone(),
        from: change.from.to_string(),
        to: change.to.to_string(),
        changed: moved.failure.is_none() && !change.from.same(&change.to),
        note: change.note.clone(),
        failure: moved.failure.clone(),
    });
    let stays = stays.into_iter().map(|stay| Move {
        function: stay.function,
        from: stay.serves.clone(),
        to: stay.serves,
        changed: false,
        note: Some(stay.reason),
        failure: None,
    });
    changed.chain(stays).collect()
}

/// Weights as Lambda takes them. A split is only cleared by an empty map that is really sent; an
/// untouched builder sends nothing for it (Lambda API reference, `UpdateAlias`).
fn routing(split: &Split) -> AliasRoutingConfiguration {
    let weights: HashMap<String, f64> = split.canary.iter().cloned().collect();
    AliasRoutingConfiguration::builder().set_additional_version_weights(Some(weights)).build()
}

async fn move_alias(target: &Target, change: &Change) -> Moved {
    let what = format!("moving alias {} of {}", change.alias, change.function);
    let rendered = change.pointer.render(&change.alias, &change.text);
    let update = target
        .lambda()
        .update_alias()
        .function_name(&change.function)
        .name(&change.alias)
        .function_version(&change.to.stable)
        .routing_config(routing(&change.to))
        .description(&rendered.description)
        .revision_id(&change.revision_id);
    let answer = changing(change.from.to_string(), change.to.to_string(), update.send()).await;
    let arn = match answer {
        Ok(alias) => alias.alias_arn,
        Err(error) => {
            let failure = Failure::from_sdk(&what, &error);
            if !failure.has_code(&["PreconditionFailedException"]) {
                return Moved { failure: Some(failure), problem: None };
            }
            match seen_instead(target, change, &rendered.description, failure).await {
                Ok(arn) => arn,
                Err(conflict) => return Moved { failure: Some(conflict), problem: None },
            }
        }
    };
    if rendered.tags.is_empty() {
        return Moved { failure: None, problem: None };
    }
    let problem = keep_in_tags(target, change, arn, rendered.tags.into_iter().collect()).await;
    Moved { failure: None, problem: problem.err() }
}

/// What is there instead of what was seen. Our own earlier attempt, whose answer was lost, is a
/// success; anything else is a conflict with both sides.
async fn seen_instead(
    target: &Target,
    change: &Change,
    description: &str,
    refused: Failure,
) -> Result<Option<String>> {
    let what = format!("moving alias {} of {}", change.alias, change.function);
    let answer = target
        .lambda()
        .get_alias()
        .function_name(&change.function)
        .name(&change.alias)
        .send()
        .await;
    let Ok(alias) = answer else {
        return Err(Failure { kind: FailureKind::Conflict, ..refused });
    };
    let now = split_of(alias.function_version(), alias.routing_config());
    if now.same(&change.to) && alias.description() == Some(description) {
        return Ok(alias.alias_arn);
    }
    let why = format!(
        "somebody else changed it: seen {} (revision {}), now {} (revision {}); nothing was overwritten",
        change.from,
        short(&change.revision_id),
        now,
        short(alias.revision_id().unwrap_or("unknown")),
    );
    Err(Failure::new(FailureKind::Conflict, what, why)
        .code("PreconditionFailedException")
        .next("look at what is there now, then do it again"))
}

/// The split that an alias of the Lambda API describes.
pub(crate) fn split_of(
    version: Option<&str>,
    routing: Option<&AliasRoutingConfiguration>,
) -> Split {
    let weights = routing.and_then(|routing| routing.additional_version_weights());
    let canary = weights.and_then(|weights| weights.iter().next());
    Split {
        stable: version.unwrap_or_default().to_owned(),
        canary: canary.map(|(version, weight)| (version.clone(), *weight)),
    }
}

/// Revision ids are UUIDs; their first part tells two apart.
fn short(revision: &str) -> &str {
    revision.split('-').next().unwrap_or(revision)
}

async fn keep_in_tags(
    target: &Target,
    change: &Change,
    alias_arn: Option<String>,
    tags: HashMap<String, String>,
) -> Result<()> {
    let what = format!(
        "keeping what undo needs in tags of {}, as the description of alias {} is full",
        change.function, change.alias
    );
    let arn =
        alias_arn.as_deref().and_then(|arn| arn.rsplit_once(':')).map(|(function, _)| function);
    let Some(arn) = arn else {
        return Err(Failure::new(FailureKind::Service, what, "the answer names no ARN"));
    };
    let answer = target.lambda().tag_resource().resource(arn).set_tags(Some(tags)).send().await;
    answer.map(|_| ()).map_err(|error| {
        Failure::from_sdk(what, &error)
            .next("the alias did move; shorten its description so that the next move can be kept")
    })
}

async fn move_stage(target: &Target, stage: &StageMove) -> Result<()> {
    let patch =
        PatchOperation::builder().op(Op::Replace).path("/deploymentId").value(&stage.to).build();
    let update = target
        .apigateway()
        .update_stage()
        .rest_api_id(&stage.api_id)
        .stage_name(&stage.stage)
        .patch_operations(patch);
    let deployment = |id: &str| format!("deployment {id}");
    let answer = changing(deployment(&stage.from), deployment(&stage.to), update.send()).await;
    answer.map(|_| ()).map_err(|error| {
        let what =
            format!("moving stage {} of API {} to deployment {}", stage.stage, stage.api, stage.to);
        Failure::from_sdk(what, &error)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_split_is_cleared_by_an_empty_map_that_is_sent() {
        let none = routing(&Split::alone("3"));
        assert_eq!(none.additional_version_weights(), Some(&HashMap::new()));
        let split = Split { stable: "3".into(), canary: Some(("4".into(), 0.2)) };
        assert_eq!(split_of(Some("3"), Some(&routing(&split))), split);
    }

    fn part(function: &str, failure: Option<Failure>) -> Move {
        let changed = failure.is_none();
        let (from, to) = ("v1".to_owned(), "v2".to_owned());
        Move { function: function.into(), from, to, changed, note: None, failure }
    }

    #[test]
    fn a_part_that_failed_is_told_and_all_that_failed_is_a_failure() {
        let conflict = || Some(Failure::new(FailureKind::Conflict, "moving", "changed"));
        let outcome = |moves| ReleaseOutcome {
            lab: "shop".into(),
            operation: "promote".into(),
            moves,
            deployments: vec![],
            problems: vec![],
            millis: 0.0,
        };
        assert!(settled(outcome(vec![part("a", None), part("b", conflict())])).is_ok());
        let all = settled(outcome(vec![part("a", conflict()), part("b", conflict())])).unwrap_err();
        assert_eq!(all.kind, FailureKind::Conflict);
        assert_eq!(all.why, "changed; moving: changed");
    }
}
