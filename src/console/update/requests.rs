//! The requests screen: what is sent, where to, how often.

use std::fmt::Write as _;
use std::sync::Arc;

use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::StepAction;
use labdeck_ops::request::compare::Contender;
use labdeck_ops::request::destination::{Destination, Sent};
use labdeck_ops::request::{Load, Outcome, Row, qualifier};

use super::{act, danger, work};
use crate::action::Action;
use crate::message::{Effect, JobKind};
use crate::state::State;
use crate::state::note::Tone;
use crate::state::popup::{Asked, Popup};

/// What the person types first for a burst.
const BURST: &str = "200x8";

/// Runs an action of the requests screen.
pub fn run(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Send => send(state),
        Action::SendAll => {
            let Some(stage) = state.stage().map(str::to_owned) else {
                selected(state);
                return Vec::new();
            };
            work::start(state, JobKind::SendAll { stage })
        }
        Action::NextStage => next(state),
        Action::SendTo => choose(state),
        Action::Reset => reset(state),
        Action::Burst => act::ask(state, Asked::Burst, BURST.to_owned()),
        Action::Compare => {
            let stages = state.blueprint().map_or(0, |blueprint| blueprint.stages.len());
            let places: Vec<String> = if compared(state).is_some() || stages < 2 {
                Vec::new()
            } else {
                state.destinations().iter().take(2).map(ToString::to_string).collect()
            };
            let text = places.into_iter().chain([BURST.to_owned()]).collect::<Vec<_>>().join(" ");
            act::ask(state, Asked::Compare, text)
        }
        _ => Vec::new(),
    }
}

/// What is selected and where it goes; says so where there is nothing.
fn selected(state: &mut State) -> Option<(Sent, Destination)> {
    let found = state.sent().zip(state.destination());
    if found.is_none() {
        state.notes.say(state.now_ms, Tone::Info, "this lab has no saved requests");
    }
    found
}

/// Sends what is selected.
pub fn send(state: &mut State) -> Vec<Effect> {
    if !work::ready(state) {
        return Vec::new();
    }
    let Some((what, to)) = selected(state) else { return Vec::new() };
    if let Some(name) = &state.requests.in_flight {
        let said = format!("{name} still waits for its answer");
        state.notes.say(state.now_ms, Tone::Warn, said);
        return Vec::new();
    }
    if !danger::may_send(state, &what, &to) {
        return Vec::new();
    }
    let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
    state.requests.in_flight = Some(what.label());
    vec![Effect::Send { blueprint, what: Box::new(what), to }]
}

/// The lab with its requests as they are edited.
pub fn edited(state: &State, blueprint: &Arc<Blueprint>) -> Arc<Blueprint> {
    if state.requests.edits.is_empty() {
        return Arc::clone(blueprint);
    }
    let mut edited = (**blueprint).clone();
    for request in &mut edited.requests {
        *request = state.requests.current(request).clone();
    }
    Arc::new(edited)
}

/// Every request was sent: their answers are shown with the others.
pub fn all_sent(state: &mut State, here: bool, rows: Vec<Row>) {
    let sent = rows.iter().filter(|row| !matches!(row.outcome, Outcome::LeftOut(_))).count();
    let bad: Vec<String> =
        rows.iter().filter(|row| !row.holds).map(|row| row.name.clone()).collect();
    let left_out = rows.len() - sent;
    let mut said = format!("{sent} sent");
    if left_out > 0 {
        let _ = write!(said, ", {left_out} left out, which need a value");
    }
    let tone = if bad.is_empty() { Tone::Good } else { Tone::Warn };
    if !bad.is_empty() {
        let _ = write!(said, "; not as expected: {}", bad.join(", "));
    }
    state.notes.say(state.now_ms, tone, said);
    if !here {
        return;
    }
    for row in rows {
        match row.outcome {
            Outcome::Exchange(exchange) => state.requests.answered(&row.name, Some(*exchange)),
            Outcome::Failure(failure) => {
                state.notes.fail(state.now_ms, &failure);
                state.requests.answered(&row.name, None);
            }
            Outcome::LeftOut(_) => {}
        }
    }
}

/// To the next stage; for an event to the next alias.
fn next(state: &mut State) -> Vec<Effect> {
    let all: Vec<Destination> = match state.sent() {
        Some(Sent::Event(_)) => state.destinations(),
        _ => state
            .destinations()
            .into_iter()
            .filter(|to| matches!(to, Destination::Stage(_)))
            .collect(),
    };
    let now = state.destination();
    let at = all.iter().position(|to| Some(to) == now.as_ref());
    let next = all.get(at.map_or(0, |at| (at + 1) % all.len().max(1))).cloned();
    if let Some(next) = next {
        state.requests.go_to(next);
    }
    Vec::new()
}

/// Opens the choice of where to send.
fn choose(state: &mut State) -> Vec<Effect> {
    let all = state.destinations();
    if all.is_empty() {
        selected(state);
        return Vec::new();
    }
    let now = state.destination();
    let selected = all.iter().position(|to| Some(to) == now.as_ref()).unwrap_or(0);
    state.popups.push(Popup::Destinations { all, selected });
    Vec::new()
}

/// One of the choices was taken: the one behind the last asks for another.
pub fn chosen(state: &mut State, all: &[Destination], selected: usize) -> Vec<Effect> {
    match all.get(selected) {
        Some(to) => {
            state.requests.go_to(to.clone());
            Vec::new()
        }
        None => act::ask(state, Asked::Destination, String::new()),
    }
}

/// Where to send was typed.
///
/// # Errors
/// What is not understood.
pub fn typed(state: &mut State, text: &str) -> Result<Vec<Effect>, String> {
    let Some(blueprint) = state.blueprint() else { return Ok(Vec::new()) };
    let to = Destination::read(text, blueprint)?;
    known(state, &to)?;
    state.requests.go_to(to);
    Ok(Vec::new())
}

/// Refuses a version or an alias that there is not, by what is shown.
fn known(state: &State, to: &Destination) -> Result<(), String> {
    match (state.sent(), state.blueprint(), state.status()) {
        (Some(what), Some(blueprint), Some(live)) => qualifier::known(to, &what, blueprint, live),
        _ => Ok(()),
    }
}

fn reset(state: &mut State) -> Vec<Effect> {
    if let Some(name) = state.saved_request().map(|request| request.name.clone())
        && state.requests.edits.remove(&name).is_some()
    {
        state.notes.say(state.now_ms, Tone::Info, format!("{name} is as it was saved again"));
    }
    Vec::new()
}

/// A burst was asked for.
///
/// # Errors
/// What is not understood, or the bound that is not kept.
pub fn burst(state: &mut State, text: &str) -> Result<Vec<Effect>, String> {
    let load = Load::read(text)?;
    let Some((what, to)) = selected(state) else { return Ok(Vec::new()) };
    if matches!(to, Destination::MethodTest(_)) {
        return Err("a method test is for one request; send the burst elsewhere".to_owned());
    }
    Ok(work::start(state, JobKind::Burst { what: Box::new(what), to, load }))
}

/// A comparison was asked for: destinations and a load, `dev prod 200x8`. Without destinations the
/// requests that the lab's course compares; without such a step, the first request of every API.
///
/// # Errors
/// The word that is neither, or that there are not two to compare.
pub fn compare(state: &mut State, text: &str) -> Result<Vec<Effect>, String> {
    let Some(blueprint) = state.blueprint().cloned() else { return Ok(Vec::new()) };
    let (mut places, mut loads) = (Vec::new(), Vec::new());
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        match Destination::read(word, &blueprint) {
            Ok(to) => {
                known(state, &to)?;
                places.push(to);
            }
            Err(_) if Load::reads(word) => loads.push(word),
            Err(why) => return Err(why),
        }
    }
    let load = Load::read(&loads.join(" "))?;
    if places.iter().any(|to| matches!(to, Destination::MethodTest(_))) {
        return Err("a method test is for one request; compare stages, versions or URLs".to_owned());
    }
    let contenders: Vec<Contender> = if places.is_empty() {
        let Some(to) = state.stage().map(|stage| Destination::Stage(stage.to_owned())) else {
            return Ok(Vec::new());
        };
        let named = compared(state);
        let mut seen = std::collections::BTreeSet::new();
        let wanted = blueprint.requests.iter().filter(|request| match &named {
            Some(names) => names.contains(&request.name),
            None => seen.insert(request.api.clone()),
        });
        wanted
            .map(|request| state.requests.current(request).clone())
            .map(|request| Contender { what: Sent::Request(Box::new(request)), to: to.clone() })
            .collect()
    } else {
        let Some((what, _)) = selected(state) else { return Ok(Vec::new()) };
        places.into_iter().map(|to| Contender { what: what.clone(), to }).collect()
    };
    if contenders.len() < 2 {
        return Err("name two to compare: stages, :VERSION, :ALIAS or https://…".to_owned());
    }
    Ok(work::start(state, JobKind::Compare { contenders, load }))
}

/// The requests that the lab's course compares.
fn compared(state: &State) -> Option<Vec<String>> {
    state.blueprint()?.steps.iter().find_map(|step| match &step.action {
        StepAction::Compare { requests, .. } => Some(requests.clone()),
        _ => None,
    })
}
