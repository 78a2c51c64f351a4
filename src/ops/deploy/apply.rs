//! Applying a plan: steps that do not depend on each other run side by side.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use labdeck_aws::{Failure, FailureKind, Result, changing, same_count};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use super::run::{Context, StepRun};
use crate::progress::{Progress, Reporter};

/// Steps that run at once at most.
const SIDE_BY_SIDE: usize = 16;
/// Names of steps that a failure lists.
const NAMED: usize = 6;

/// Applies every step; answers how many changed something.
///
/// After a failure or a cancellation no step is started any more; those that run are waited for, so
/// that what the failure says of the steps is true.
pub(super) async fn apply(
    plan: &Plan,
    context: &Arc<Context>,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<usize> {
    let mut waiting: BTreeSet<usize> = (0..plan.steps.len()).collect();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let mut running: JoinSet<(usize, Result<()>)> = JoinSet::new();
    let mut failed: Option<(usize, Failure)> = None;
    loop {
        if failed.is_none() && !cancel.is_cancelled() {
            start_ready(plan, context, reporter, cancel, &mut waiting, &done, &mut running);
        }
        let Some(ended) = running.join_next().await else { break };
        match ended {
            Ok((index, Ok(()))) => {
                done.insert(index);
            }
            Ok((index, Err(failure))) => {
                failed.get_or_insert((index, failure));
            }
            Err(error) => {
                let failure =
                    Failure::new(FailureKind::Internal, "applying the plan", error.to_string());
                failed.get_or_insert((usize::MAX, failure));
            }
        }
    }
    match failed {
        None if done.len() == plan.steps.len() => Ok(done.len()),
        None => Err(cancelled(plan, &done)),
        Some((_, failure)) if failure.kind == FailureKind::Cancelled => Err(cancelled(plan, &done)),
        Some((_, failure)) => Err(with_what_is_done(failure, plan, &done)),
    }
}

fn start_ready(
    plan: &Plan,
    context: &Arc<Context>,
    reporter: &Reporter,
    cancel: &CancellationToken,
    waiting: &mut BTreeSet<usize>,
    done: &BTreeSet<usize>,
    running: &mut JoinSet<(usize, Result<()>)>,
) {
    let ready: Vec<usize> = waiting
        .iter()
        .copied()
        .filter(|index| plan.steps[*index].after.iter().all(|before| done.contains(before)))
        .take(SIDE_BY_SIDE.saturating_sub(running.len()))
        .collect();
    for index in ready {
        waiting.remove(&index);
        let run = StepRun {
            context: Arc::clone(context),
            index,
            reporter: reporter.clone(),
            cancel: cancel.clone(),
        };
        let action = plan.steps[index].action.clone();
        let (from, to) = plan.steps[index].noted();
        reporter.report(Progress::StepStarted { index });
        running.spawn(same_count(async move {
            let begun = Instant::now();
            let result = changing(from, to, run.perform_logged_in(&action)).await;
            run.reporter.report(Progress::StepDone {
                index,
                seconds: begun.elapsed().as_secs_f64(),
                failure: result.as_ref().err().cloned(),
            });
            (index, result)
        }));
    }
}

fn cancelled(plan: &Plan, done: &BTreeSet<usize>) -> Failure {
    let (is_done, is_not): (Vec<_>, Vec<_>) =
        (0..plan.steps.len()).partition(|index| done.contains(index));
    Failure::new(
        FailureKind::Cancelled,
        format!("changing {}", plan.lab),
        format!(
            "stopped on request: done {} · not done {}",
            named(plan, &is_done),
            named(plan, &is_not)
        ),
    )
    .next("what is done stays; run it again to do the rest")
}

fn with_what_is_done(failure: Failure, plan: &Plan, done: &BTreeSet<usize>) -> Failure {
    let state = format!(
        "{} of {} steps are done and stay; run it again to do the rest",
        done.len(),
        plan.steps.len()
    );
    let next = match &failure.next {
        Some(next) => format!("{next}; {state}"),
        None => state,
    };
    failure.next(next)
}

fn named(plan: &Plan, indices: &[usize]) -> String {
    if indices.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<String> = indices
        .iter()
        .take(NAMED)
        .map(|index| format!("{} {}", plan.steps[*index].resource, plan.steps[*index].name))
        .collect();
    let more = indices.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names.join(", "))
}
