//! What mends an error answer, done by one key: the diagnosis says what, and it goes the way that the
//! same change goes on its own screen, with its preview and its questions.

use labdeck_ops::gateway::usage::Left;
use labdeck_ops::gateway::{plan, stage};
use labdeck_ops::request::explain::Fix;
use labdeck_telemetry::Filter;

use super::{chaos, danger, gateway, requests, work};
use crate::action::{Action, Screen};
use crate::gateway::Change;
use crate::message::{Effect, JobKind, ReleaseOperation};
use crate::state::State;
use crate::state::note::Tone;
use crate::state::sendable::Item;

/// Mends the answer of what is selected.
pub fn run(state: &mut State) -> Vec<Effect> {
    if !work::ready(state) {
        return Vec::new();
    }
    let name = state.item().map(Item::label);
    let answer = name.and_then(|name| state.requests.answers.get(&name));
    let fix = answer.and_then(|answer| answer.diagnosis.as_ref()).and_then(|one| one.fix.clone());
    let Some(fix) = fix else {
        let said = "nothing is known that would mend this answer";
        state.notes.say(state.now_ms, Tone::Info, said);
        return Vec::new();
    };
    match fix {
        Fix::Deploy { .. } if danger::may_run(state, Action::Deploy) => {
            work::start(state, JobKind::Deploy(state.how()))
        }
        Fix::Deploy { .. } => Vec::new(),
        Fix::Rollback { .. } => work::release(state, ReleaseOperation::Rollback),
        Fix::ChaosOff { name, .. } => chaos::switch(state, name, false),
        Fix::UseKey { request, key, .. } => use_key(state, &request, key),
        Fix::OpenLogs { function, .. } => open_logs(state, function.as_deref()),
        change => {
            // As it is now, not as it was when a screen was last looked at.
            let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
            if !danger::may_run(state, Action::EditGateway) {
                return Vec::new();
            }
            state.gateway.fixing = Some(change);
            if state.gateway.reading {
                return Vec::new();
            }
            state.gateway.reading = true;
            state.gateway.asked_ms.get_or_insert(state.now_ms);
            vec![Effect::ReadGateway(blueprint)]
        }
    }
}

/// The request with a key, sent again.
fn use_key(state: &mut State, request: &str, key: String) -> Vec<Effect> {
    let Some(saved) = state.saved_request().filter(|saved| saved.name == request) else {
        return Vec::new();
    };
    let mut edited = state.requests.current(saved).clone();
    edited.use_key(key);
    state.requests.edits.insert(edited.name.clone(), edited);
    requests::send(state)
}

fn open_logs(state: &mut State, function: Option<&str>) -> Vec<Effect> {
    state.screen = Screen::Logs;
    state.zoomed = false;
    let Some(text) = function.map(|function| format!("function:{function}")) else {
        return Vec::new();
    };
    let Ok(filter) = Filter::parse(&text) else { return Vec::new() };
    let (generation, first, events) = state.logs.set_filter(text, filter.clone());
    if events.is_empty() {
        return Vec::new();
    }
    vec![Effect::Filter { generation, first, events, filter }]
}

/// The gateway was read: goes on with what waited for it.
pub fn go_on(state: &mut State) -> Vec<Effect> {
    let Some(fix) = state.gateway.fixing.take() else { return Vec::new() };
    let said = format!("{} is no longer possible: what it is about is gone", fix.does());
    changed(state, fix).unwrap_or_else(|| {
        state.notes.say(state.now_ms, Tone::Warn, said);
        Vec::new()
    })
}

/// Shows what a fix of the gateway changes; `None` where what it is about is gone.
fn changed(state: &mut State, fix: Fix) -> Option<Vec<Effect>> {
    let blueprint = state.blueprint().cloned()?;
    let read = state.gateway()?;
    let of_stage = |label: &str| read.stages.iter().find(|one| one.label() == label).cloned();
    let of_plan = |name: &str| {
        read.plans.iter().find(|(plan, _)| plan.name == name).map(|(plan, _)| plan.clone())
    };
    let previewed = match fix {
        Fix::Redeploy { stage, .. } => {
            let stage = of_stage(&stage)?;
            return Some(gateway::redeploy_stage(state, &stage));
        }
        Fix::SwitchDeployment { stage, deployment, .. } => {
            let stage = of_stage(&stage)?;
            return Some(gateway::switch_stage(state, &stage, &deployment));
        }
        Fix::EnableKey { key, .. } => {
            let seen = read.keys.iter().find(|known| known.name == key)?.id.clone();
            let change = Change::EnableKey { name: key, seen, on: true };
            return Some(gateway::do_now(
                state,
                change,
                "requests with the key are answered again",
            ));
        }
        Fix::ResetQuota { plan, key, .. } => {
            let change = Change::Left { plan, key, left: Left::Full };
            return Some(gateway::do_now(state, change, "the key has its whole quota again"));
        }
        Fix::BindPlan { plan: name, stage, .. } => {
            let edits = [(format!("stages.{stage}"), "on".to_owned())];
            plan::preview(&blueprint, of_plan(&name)?, &edits)
                .map(|edit| (edit.preview.clone(), Change::Plan(Box::new(edit))))
        }
        Fix::SetPlan { plan: name, settings, .. } => {
            plan::preview(&blueprint, of_plan(&name)?, &settings)
                .map(|edit| (edit.preview.clone(), Change::Plan(Box::new(edit))))
        }
        Fix::SetStage { stage: label, settings, .. } => {
            stage::preview(&blueprint, of_stage(&label)?, &settings)
                .map(|edit| (edit.preview.clone(), Change::Stage(Box::new(edit))))
        }
        // These go their own ways.
        Fix::Deploy { .. }
        | Fix::Rollback { .. }
        | Fix::ChaosOff { .. }
        | Fix::UseKey { .. }
        | Fix::OpenLogs { .. } => return None,
    };
    Some(match previewed {
        Ok((preview, change)) => gateway::show(state, preview, change),
        Err(failure) => {
            state.notes.fail(state.now_ms, &failure);
            Vec::new()
        }
    })
}
