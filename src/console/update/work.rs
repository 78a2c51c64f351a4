//! Work that is started: jobs, releases, chaos, requests; and when it is refused.

use std::sync::Arc;

use labdeck_lab::Blueprint;
use labdeck_ops::canary::Command;

use super::danger;
use crate::action::Screen;
use crate::message::{Effect, How, JobKind, ReleaseOperation};
use crate::state::job::{Course, Job, Part};
use crate::state::note::Tone;
use crate::state::popup::Intent;
use crate::state::{Connection, Lab, Panel, State};

/// Whether there is a target and a lab to work on; says so where there is not.
pub fn ready(state: &mut State) -> bool {
    let said = match &state.connection {
        Connection::Connecting => "still connecting; try again in a moment".to_owned(),
        Connection::Lost(_) => "the cloud is being started again; try again in a moment".to_owned(),
        Connection::Failed(failure) => {
            let failure = failure.clone();
            state.notes.fail(state.now_ms, &failure);
            return false;
        }
        Connection::Connected(_) => match state.current_lab() {
            None if state.labs_read => {
                format!("there are no labs in {}", state.labs_dir.display())
            }
            None => "the labs are still being read".to_owned(),
            Some(lab) => match &lab.blueprint {
                Ok(_) => return true,
                Err(failure) => {
                    let failure = failure.clone();
                    state.notes.fail(state.now_ms, &failure);
                    return false;
                }
            },
        },
    };
    state.notes.say(state.now_ms, Tone::Warn, said);
    false
}

/// Whether no job is running; says so where one is.
pub fn free(state: &mut State) -> bool {
    if let Some(job) = &state.job {
        let said = format!("{} of {} is running; esc stops it", job.kind.name(), job.lab);
        state.notes.say(state.now_ms, Tone::Warn, said);
        return false;
    }
    true
}

/// Starts a job, and goes where its progress is shown.
pub fn start(state: &mut State, kind: JobKind) -> Vec<Effect> {
    if !ready(state) || !free(state) {
        return Vec::new();
    }
    if !danger::may_start(state, &kind) {
        return Vec::new();
    }
    let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
    let blueprint = match kind {
        JobKind::SendAll { .. } => super::requests::edited(state, &blueprint),
        _ => blueprint,
    };
    if let JobKind::Step { index } = kind
        && index >= blueprint.steps.len()
    {
        state.notes.say(state.now_ms, Tone::Info, "this lab has no steps");
        return Vec::new();
    }
    match kind {
        JobKind::Checks => super::act::show(state, Screen::Deploy, Panel::Checks),
        JobKind::SendAll { .. } | JobKind::Burst { .. } | JobKind::Compare { .. } => {
            if !matches!(kind, JobKind::SendAll { .. }) {
                state.requests.shown = crate::state::requests::Shown::Bursts;
            }
            // The focus stays in the list where it was: `enter` goes on sending.
            if state.screen != Screen::Requests {
                super::act::show(state, Screen::Requests, Panel::RequestList);
            }
        }
        JobKind::Step { .. } => super::act::show(state, Screen::Deploy, Panel::Steps),
        JobKind::Plan(_)
        | JobKind::Deploy(_)
        | JobKind::Destroy
        | JobKind::DeployAll
        | JobKind::DestroyAll => {
            super::act::show(state, Screen::Deploy, Panel::Plan);
        }
    }
    let id = begun(state, blueprint.name.clone(), kind.clone(), Vec::new());
    vec![Effect::Start { id, blueprint, kind }]
}

/// Notes that a job runs now; gives its number.
fn begun(state: &mut State, lab: String, kind: JobKind, parts: Vec<Part>) -> u64 {
    state.positions.set(Panel::Plan, 0);
    let id = state.next_job;
    state.next_job += 1;
    state.job = Some(Job {
        id,
        lab,
        kind,
        started_ms: state.now_ms,
        course: Course::default(),
        parts,
        cancelling: false,
    });
    id
}

/// Starts a job on every lab. To deploy, the files of all must be right; what is torn down is what can
/// be read.
pub fn start_all(state: &mut State, kind: JobKind) -> Vec<Effect> {
    if !ready(state) || !free(state) || !danger::may_start(state, &kind) {
        return Vec::new();
    }
    // What is attached is nobody's to deploy or to destroy here.
    let own = |lab: &&Lab| !lab.attached;
    if kind == JobKind::DeployAll
        && let Some(failure) =
            state.labs.iter().filter(own).find_map(|lab| lab.blueprint.as_ref().err())
    {
        let failure = failure.clone();
        state.notes.fail(state.now_ms, &failure);
        return Vec::new();
    }
    let how = |lab: &Lab| state.how.get(&lab.name).cloned().unwrap_or_default();
    let labs: Vec<_> = state
        .labs
        .iter()
        .filter(own)
        .filter_map(|lab| Some((Arc::clone(lab.blueprint.as_ref().ok()?), how(lab))))
        .collect();
    let part = |(lab, _): &(Arc<Blueprint>, How)| Part {
        lab: lab.name.clone(),
        course: Course::default(),
        result: None,
    };
    let parts = labs.iter().map(part).collect();
    super::act::show(state, Screen::Deploy, Panel::Plan);
    let id = begun(state, "all labs".to_owned(), kind.clone(), parts);
    vec![Effect::StartAll { id, labs, kind }]
}

/// Asks the running job to stop; whether there was one that was not asked yet.
pub fn cancel(state: &mut State) -> bool {
    match &mut state.job {
        Some(job) if !job.cancelling => {
            job.cancelling = true;
            let said = format!("{} stops at its next safe point", job.kind.name());
            state.notes.say(state.now_ms, Tone::Info, said);
            true
        }
        _ => false,
    }
}

/// Moves a release. Rollback and undo act at once; the others ask first on a target that is not local.
pub fn release(state: &mut State, operation: ReleaseOperation) -> Vec<Effect> {
    let danger = operation.danger();
    if !ready(state) || !danger::allowed(state, &operation.name(), danger) {
        return Vec::new();
    }
    let question = format!("{} the release of {}", operation.name(), lab_name(state));
    let more = vec![moves(state)];
    danger::guarded(state, danger, &question, more, Intent::Release(operation))
}

pub(super) fn lab_name(state: &State) -> String {
    state.current_lab().map_or_else(String::new, |lab| lab.name.clone())
}

/// What the release alias points to now, in one line.
fn moves(state: &State) -> String {
    let alias = state.release_alias().to_owned();
    let parts: Vec<String> = state
        .release_aliases()
        .map(|(function, alias)| match &alias.canary {
            None => format!("{} v{}", function.name, alias.version),
            Some((canary, share)) => format!(
                "{} v{} + v{canary} {}",
                function.name,
                alias.version,
                crate::text::percent(*share)
            ),
        })
        .collect();
    format!("{alias} now: {}", parts.join(", "))
}

/// Moves a release without asking.
pub fn release_now(state: &mut State, operation: ReleaseOperation) -> Vec<Effect> {
    if let Some(running) = &state.releasing {
        let said = format!("{} is on its way", running.name());
        state.notes.say(state.now_ms, Tone::Warn, said);
        return Vec::new();
    }
    let known = state.status().is_some_and(|status| status.deployed);
    let aliases: Vec<_> = state.release_aliases().map(|(_, alias)| alias).collect();
    let nothing = match operation {
        _ if !known => None,
        ReleaseOperation::Rollback if aliases.iter().all(|alias| alias.rollback.is_none()) => {
            Some("there is no earlier version to roll back to")
        }
        ReleaseOperation::Complete if state.apart().is_none() => {
            Some("the last move left nothing behind")
        }
        ReleaseOperation::Undo if aliases.iter().all(|alias| !alias.can_undo) => {
            Some("there is no move to undo")
        }
        _ => None,
    };
    if let Some(nothing) = nothing {
        state.notes.say(state.now_ms, Tone::Info, nothing);
        return Vec::new();
    }
    // Whoever guards a canary here promotes it: it would take the move for somebody else's.
    if operation == ReleaseOperation::Promote && state.guarded().is_some() {
        return vec![Effect::Tell(Command::Promote)];
    }
    let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
    state.releasing = Some(operation.clone());
    let shown = state.fetched().map(|fetched| Arc::clone(&fetched.status));
    vec![Effect::Release(blueprint, shown, operation)]
}

/// Gives the canary so many per cent more, or less.
pub fn nudge(state: &mut State, by: f64) -> Vec<Effect> {
    let share =
        state.release_aliases().find_map(|(_, alias)| alias.canary.as_ref().map(|(_, s)| *s));
    // In hundredths of a per cent, which is as fine as Lambda's weights are asked for here.
    let percent = ((share.unwrap_or(0.0) * 100.0 + by) * 100.0).round() / 100.0;
    if percent >= 100.0 {
        let said =
            format!("at 100% it is a promotion: {}", state.keys(crate::action::Action::Promote));
        state.notes.say(state.now_ms, Tone::Info, said);
        return Vec::new();
    }
    release(state, ReleaseOperation::Shift(percent.max(0.0)))
}
