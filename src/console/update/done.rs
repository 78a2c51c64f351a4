//! What the end of a job changes.

use labdeck_aws::Failure;
use labdeck_ops::checks::CheckResult;
use labdeck_ops::deploy::plan::Summary;

use super::{choose, cut, data};
use crate::message::{Effect, JobKind, JobOutcome};
use crate::state::job::{Job, Part, Report};
use crate::state::note::Tone;
use crate::state::{Panel, State};

/// A job ended.
pub fn finished(state: &mut State, id: u64, outcome: Result<JobOutcome, Failure>) -> Vec<Effect> {
    let Some(job) = state.job.take_if(|job| job.id == id) else { return Vec::new() };
    choose::over(state);
    // The person may have gone to another lab meanwhile.
    let here = state.current_lab().is_some_and(|lab| lab.name == job.lab);
    let name = job.kind.name();
    let now = state.now_ms;
    let seconds = (now - job.started_ms) as f64 / 1000.0;
    let shown_on_deploy = !job.kind.sends();
    match outcome {
        Ok(JobOutcome::Plan(plan)) => {
            let count = plan.steps.len();
            let said = match count {
                0 => format!("{}: nothing to do", plan.lab),
                1 => format!("{}: 1 step to do", plan.lab),
                _ => format!("{}: {count} steps to do", plan.lab),
            };
            state.notes.say(now, Tone::Good, said);
            let how = job.kind.how().cloned().unwrap_or_default();
            state.report = Some(Report::Planned { plan, how });
        }
        Ok(JobOutcome::Applied(summary)) => {
            let destroyed = job.kind == JobKind::Destroy;
            let said = format!(
                "{} {}: {} changed, {} calls, {:.1} s",
                summary.lab,
                if destroyed { "destroyed" } else { "deployed" },
                summary.changed,
                summary.calls,
                summary.seconds
            );
            let tone = if summary.left.is_empty() { Tone::Good } else { Tone::Warn };
            state.notes.say(now, tone, said);
            // What was chosen is live now, and is followed.
            if let Some(how) = state.how.get_mut(&summary.lab) {
                how.variant = None;
            }
            state.report =
                Some(Report::Applied { destroyed, summary, course: Box::new(job.course) });
        }
        Ok(JobOutcome::All(results)) => all_finished(state, &job, results, seconds),
        Ok(JobOutcome::Checks(checks)) => {
            let holding = checks.iter().filter(|check| check.holds).count();
            let said = format!("{holding} of {} checks hold", checks.len());
            let tone = if holding == checks.len() { Tone::Good } else { Tone::Info };
            state.notes.say(now, tone, said);
            if here {
                state.checks = Some((checks, now));
            }
        }
        Ok(JobOutcome::Step { did, bursts, check }) => {
            let JobKind::Step { index } = job.kind else { return Vec::new() };
            let title = state
                .labs
                .iter()
                .find(|lab| lab.name == job.lab)
                .and_then(|lab| lab.blueprint.as_ref().ok()?.steps.get(index))
                .map_or_else(String::new, |step| step.title.clone());
            let tone = if check.holds { Tone::Good } else { Tone::Warn };
            let mark = if check.holds { "done" } else { "not done yet" };
            state.notes.say(now, tone, format!("{title}: {mark} ({})", check.reason));
            if here {
                remember_check(state, &check);
                // On to the next one, unless the person is looking at another already.
                let count = state.blueprint().map_or(0, |blueprint| blueprint.steps.len());
                if check.holds && state.positions.get(Panel::Steps) == index && index + 1 < count {
                    state.positions.set(Panel::Steps, index + 1);
                }
                if !bursts.is_empty() {
                    state.requests.bursts = bursts;
                }
            }
            state.report = Some(Report::Stepped { title, did, check });
        }
        Ok(JobOutcome::Sent(rows)) => super::requests::all_sent(state, here, rows),
        Ok(JobOutcome::Bursts(bursts)) => {
            let answered: u64 = bursts.iter().map(|burst| burst.answered).sum();
            let failed: u64 = bursts.iter().map(|burst| burst.failed).sum();
            let tone = if failed == 0 { Tone::Good } else { Tone::Warn };
            let said = format!("{name}: {answered} answered, {failed} failed in {seconds:.1} s");
            state.notes.say(now, tone, said);
            state.requests.bursts = bursts;
        }
        Err(failure) => {
            cut::cannot(state, &format!("{name} {}", job.lab), &failure);
            if shown_on_deploy {
                state.report = Some(Report::Failed { name, failure, course: Box::new(job.course) });
            }
        }
    }
    if !job.kind.changes() {
        return Vec::new();
    }
    // New functions mean new log groups; the aliases may have moved.
    let mut effects = data::follow(state);
    let changed: Vec<_> = state
        .labs
        .iter()
        .filter(|lab| job.kind.all() || lab.name == job.lab)
        .filter_map(|lab| lab.blueprint.as_ref().ok().cloned())
        .collect();
    for blueprint in changed {
        // What is being read may be from before the end.
        state.reading.remove(&blueprint.name);
        effects.extend(data::read(state, blueprint));
    }
    effects
}

fn all_finished(
    state: &mut State,
    job: &Job,
    results: Vec<Result<Summary, Failure>>,
    seconds: f64,
) {
    let destroyed = job.kind == JobKind::DestroyAll;
    let well = results.iter().filter(|result| result.is_ok()).count();
    let left = results.iter().flatten().any(|summary| !summary.left.is_empty());
    let calls: u64 = results.iter().flatten().map(|summary| summary.calls).sum();
    let said = format!(
        "{well} of {} labs {}: {calls} calls, {seconds:.1} s",
        results.len(),
        if destroyed { "destroyed" } else { "deployed" },
    );
    let all_well = well == results.len() && !left;
    state.notes.say(state.now_ms, if all_well { Tone::Good } else { Tone::Warn }, said);
    for result in &results {
        match result {
            Ok(summary) => {
                if let Some(how) = state.how.get_mut(&summary.lab) {
                    how.variant = None;
                }
            }
            Err(failure) => state.notes.fail(state.now_ms, failure),
        }
    }
    let parts = job.parts.iter().cloned().zip(results);
    let parts = parts.map(|(part, result)| Part { result: Some(result), ..part }).collect();
    state.report = Some(Report::All { destroyed, parts });
}

fn remember_check(state: &mut State, check: &CheckResult) {
    let now = state.now_ms;
    let (checks, _) = state.checks.get_or_insert_with(|| (Vec::new(), now));
    match checks.iter_mut().find(|known| known.name == check.name) {
        Some(known) => *known = check.clone(),
        None => checks.push(check.clone()),
    }
}
