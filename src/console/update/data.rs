//! What tasks tell: connections, live state, progress, answers, log events.

use std::sync::Arc;

use labdeck_aws::Failure;
use labdeck_lab::Blueprint;
use labdeck_ops::release::outcome::ReleaseOutcome;
use labdeck_ops::request::exchange::Exchange;
use labdeck_ops::status::{ChaosStatus, LabStatus};

use super::{asks, attach, audit, canary, chaos, choose, cut, done, gateway, versions};
use crate::attach::Work;
use crate::message::{Effect, Message, NamedLab, ReleaseOperation};
use crate::state::note::Tone;
use crate::state::{Connection, Fetched, Lab, Panel, State};
use crate::text::harmless;

/// How long a note that is no failure is shown, in ms.
const NOTE_MS: i64 = 6_000;

/// Of the readings of a screen that is left alone, every so many is a whole one: every half minute.
const WHOLE_EVERY: u64 = 6;

/// Takes in a message.
pub fn message(state: &mut State, message: Message) -> Vec<Effect> {
    state.still = false;
    match message {
        Message::Tick => tick(state),
        Message::Beat => {
            state.meter.recount(state.now_ms);
            gateway::hide(state);
            state.canary.assess_if_due(state.now_ms);
            Vec::new()
        }
        Message::Connected(mut info) => {
            info.read_only |= state.read_only;
            if let Connection::Lost(_) = state.connection {
                state.notes.say(state.now_ms, Tone::Good, "the cloud runs again");
            }
            state.connection = Connection::Connected(info);
            vec![Effect::LoadLabs, Effect::Attach(Work::Load)]
        }
        Message::Account(account) => {
            if let Connection::Connected(info) = &mut state.connection {
                info.account = Some(account);
            }
            Vec::new()
        }
        Message::ConnectFailed(failure) => {
            state.notes.fail(state.now_ms, &failure);
            state.connection = Connection::Failed(failure);
            Vec::new()
        }
        Message::Lost(why) => {
            let said = format!("the cloud ended ({why}); starting it again");
            state.notes.say(state.now_ms, Tone::Warn, said);
            state.connection = Connection::Lost(why);
            state.reading.clear();
            vec![Effect::Connect]
        }
        Message::Notice(text) => {
            state.notes.say(state.now_ms, Tone::Warn, harmless(&text));
            Vec::new()
        }
        Message::Labs(result) => labs(state, result),
        Message::Status { lab, reading, result } => {
            // A reading from before a move would show what was there before it.
            let mut effects = Vec::new();
            if state.reading.get(&lab) == Some(&reading) {
                effects.extend(status(state, lab, result));
            }
            effects.extend(chaos::end_overdue(state));
            if state.gateway().is_none() {
                effects.extend(gateway::refresh(state));
            }
            effects
        }
        Message::Progress { id, events } => {
            let now = state.now_ms;
            if let Some(job) = state.job.as_mut().filter(|job| job.id == id) {
                for (part, event) in events {
                    job.take(part, event, now);
                }
            }
            Vec::new()
        }
        Message::Asked(question) => {
            choose::asked(state, question);
            Vec::new()
        }
        Message::Finished { id, outcome } => done::finished(state, id, outcome),
        Message::Released { operation, result } => released(state, &operation, result),
        Message::Canary(view) => {
            state.canary.guarded = Some(*view);
            Vec::new()
        }
        Message::History(result) => versions::told(state, result),
        Message::Pruned(result) => versions::pruned(state, result),
        Message::CanaryEnded { lab, result } => canary::ended(state, &lab, result),
        Message::ChaosSet { name, on, result } => chaos_set(state, &name, on, result),
        Message::OverdueEnded { lab, result } => chaos::ended(state, &lab, result),
        Message::Answered { name, result } => {
            answered(state, &name, result);
            asks::diagnose(state, &name)
        }
        Message::Gateway(told) => gateway::told(state, told),
        Message::Attach(told) => attach::told(state, told),
        Message::Asks(told) => asks::told(state, told),
        Message::Audit(result) => {
            audit::read(state, result);
            Vec::new()
        }
        Message::Events(events) => {
            for event in &events {
                state.meter.ingest(event);
                state.canary.ingest(event);
            }
            state.canary.assess_if_due(state.now_ms);
            state.logs.extend(events);
            state.meter.recount_if_due(state.now_ms);
            Vec::new()
        }
        Message::Tail(health) => {
            state.still = state.logs.tail == health;
            state.logs.tail = health;
            Vec::new()
        }
        Message::Filtered { generation, matches } => {
            state.logs.filtered(generation, matches);
            Vec::new()
        }
    }
}

fn tick(state: &mut State) -> Vec<Effect> {
    state.meter.recount(state.now_ms);
    let old = state
        .notes
        .current()
        .is_some_and(|note| note.tone != Tone::Bad && state.now_ms - note.at_ms > NOTE_MS);
    if old {
        state.notes.shown = false;
    }
    let attached = attach::again(state);
    let Some(blueprint) = state.blueprint().cloned() else { return attached };
    let last = state.fetched().map(|fetched| Arc::clone(&fetched.status));
    let last = last.filter(|_| !state.next_reading.is_multiple_of(WHOLE_EVERY));
    let mut effects = read_since(state, blueprint, last);
    effects.extend(attached);
    effects.extend(chaos::end_overdue(state));
    effects.extend(gateway::refresh(state));
    // What time has changed is drawn with what the reading finds.
    state.still = !old && (!effects.is_empty() || !moves(state));
    effects
}

/// Whether time alone changes what the screen shows.
fn moves(state: &State) -> bool {
    state.time_shows() || !state.meter.traffic().rows.is_empty()
}

/// Reads the live state of the current lab, unless it is being read already.
pub fn read_current(state: &mut State) -> Vec<Effect> {
    let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
    read(state, blueprint)
}

/// Reads everything of a lab, unless it is being read already.
pub fn read(state: &mut State, blueprint: Arc<Blueprint>) -> Vec<Effect> {
    read_since(state, blueprint, None)
}

/// Reads what changed since `last`, or everything where there is none.
fn read_since(
    state: &mut State,
    blueprint: Arc<Blueprint>,
    last: Option<Arc<LabStatus>>,
) -> Vec<Effect> {
    if state.target().is_none() || state.reading.contains_key(&blueprint.name) {
        return Vec::new();
    }
    let reading = state.next_reading;
    state.next_reading += 1;
    state.reading.insert(blueprint.name.clone(), reading);
    vec![Effect::ReadStatus { blueprint, reading, last }]
}

fn labs(state: &mut State, result: Result<Vec<NamedLab>, Failure>) -> Vec<Effect> {
    let labs = match result {
        Ok(labs) => labs,
        Err(failure) => {
            state.notes.fail(state.now_ms, &failure);
            state.labs_read = true;
            attach::nowhere(state);
            // Without a folder of labs there may still be what is attached.
            return if state.lab.is_none() { select_lab(state, 0) } else { Vec::new() };
        }
    };
    let before = state.current_lab().map(|lab| lab.name.clone());
    // What is attached is read apart, and has no name that a lab has.
    let attached: Vec<Lab> = std::mem::take(&mut state.labs)
        .into_iter()
        .filter(|one| one.attached && !labs.iter().any(|(name, _)| *name == one.name))
        .collect();
    let lab = |(name, blueprint)| Lab { name, blueprint, attached: false };
    state.labs = labs.into_iter().map(lab).chain(attached).collect();
    state.labs_read = true;
    let wanted = before.or_else(|| state.wanted_lab.clone());
    let index = wanted.and_then(|name| state.labs.iter().position(|lab| lab.name == name));
    // One that is not in the folder may be attached.
    if index.is_some() {
        state.wanted_lab = None;
    }
    attach::nowhere(state);
    if let Some(failure) = state.labs.iter().find_map(|lab| lab.blueprint.as_ref().err()).cloned() {
        state.notes.fail(state.now_ms, &failure);
    }
    state.lab = index.or_else(|| (!state.labs.is_empty()).then_some(0));
    state.positions.set(Panel::Labs, state.lab.unwrap_or(0));
    asks::select(state);
    let mut effects = follow(state);
    let all: Vec<Arc<Blueprint>> =
        state.labs.iter().filter_map(|lab| lab.blueprint.as_ref().ok()).cloned().collect();
    for blueprint in all {
        effects.extend(read(state, blueprint));
    }
    effects
}

/// Tails the functions of the current lab.
pub fn follow(state: &State) -> Vec<Effect> {
    state.blueprint().cloned().map(Effect::Follow).into_iter().collect()
}

/// Works on another lab.
pub fn select_lab(state: &mut State, index: usize) -> Vec<Effect> {
    if index >= state.labs.len() {
        return Vec::new();
    }
    if state.lab == Some(index) {
        return read_current(state);
    }
    state.lab = Some(index);
    state.positions = crate::state::Positions::default();
    state.positions.set(Panel::Labs, index);
    state.logs.clear();
    state.meter.clear();
    state.canary.forget();
    state.requests = crate::state::requests::RequestsPane::default();
    state.gateway.read = None;
    state.gateway.reading = false;
    state.gateway.shown = None;
    state.checks = None;
    state.outcome = None;
    if state.job.is_none() {
        state.report = None;
    }
    if let Some(Err(failure)) = state.labs.get(index).map(|lab| &lab.blueprint) {
        let failure = failure.clone();
        state.notes.fail(state.now_ms, &failure);
    }
    let mut effects = follow(state);
    effects.extend(read_current(state));
    effects
}

fn status(state: &mut State, lab: String, result: Result<LabStatus, Failure>) -> Vec<Effect> {
    state.reading.remove(&lab);
    match result {
        Ok(status) => {
            let back = state.cut_ms.is_some();
            let effects = cut::reached(state);
            let same = state.statuses.get(&lab).is_some_and(|before| *before.status == status);
            state.still = same && !back && !moves(state);
            let fetched = Fetched { status: Arc::new(status), at_ms: state.now_ms };
            state.statuses.insert(lab, fetched);
            canary::compared(state);
            effects
        }
        Err(failure) => {
            cut::failed(state, &failure);
            Vec::new()
        }
    }
}

fn released(
    state: &mut State,
    operation: &ReleaseOperation,
    result: Result<ReleaseOutcome, Failure>,
) -> Vec<Effect> {
    state.releasing = None;
    let now = state.now_ms;
    match result {
        Ok(outcome) => {
            let failed = outcome
                .moves
                .iter()
                .find_map(|one| one.failure.clone())
                .or_else(|| outcome.problems.first().cloned());
            let changed = outcome.moves.iter().filter(|one| one.changed).count();
            match failed {
                Some(failure) => cut::cannot(state, &operation.name(), &failure),
                None if changed == 0 && outcome.deployments.is_empty() => {
                    let why = outcome.moves.iter().find_map(|one| one.note.clone());
                    let why = why.unwrap_or_else(|| "nothing to change".to_owned());
                    state.notes.say(now, Tone::Info, format!("{}: {why}", outcome.operation));
                }
                None => {
                    let moves: Vec<String> = outcome
                        .moves
                        .iter()
                        .filter(|one| one.changed)
                        .map(|one| format!("{} {} → {}", one.function, one.from, one.to))
                        .collect();
                    let said = format!(
                        "{}: {} ({} ms)",
                        outcome.operation,
                        moves.join(", "),
                        crate::text::millis(outcome.millis)
                    );
                    state.notes.say(now, Tone::Good, said);
                }
            }
            state.outcome = Some((outcome, now));
        }
        Err(failure) => {
            tracing::warn!(operation = operation.name(), %failure, "release operation failed");
            cut::cannot(state, &operation.name(), &failure);
        }
    }
    // What was being read may be from before the move.
    reread(state)
}

pub(super) fn reread(state: &mut State) -> Vec<Effect> {
    if let Some(name) = state.current_lab().map(|lab| lab.name.clone()) {
        state.reading.remove(&name);
    }
    read_current(state)
}

fn chaos_set(
    state: &mut State,
    name: &str,
    on: bool,
    result: Result<ChaosStatus, Failure>,
) -> Vec<Effect> {
    state.switching.retain(|other| other != name);
    match result {
        Ok(status) => {
            let said = match status.until_ms.filter(|_| on) {
                Some(until) => format!("{name} is on until {}", crate::text::date(until)),
                None => format!("{name} is {}", if on { "on" } else { "off" }),
            };
            state.notes.say(state.now_ms, if on { Tone::Warn } else { Tone::Good }, said);
        }
        Err(failure) => {
            let to = if on { "on" } else { "off" };
            cut::cannot(state, &format!("switch {name} {to}"), &failure);
        }
    }
    reread(state)
}

fn answered(state: &mut State, name: &str, result: Result<Exchange, Failure>) {
    match result {
        Ok(exchange) => {
            let tone = match exchange.status {
                200..=399 => Tone::Good,
                400..=499 => Tone::Warn,
                _ => Tone::Bad,
            };
            let said = format!(
                "{name}: {} in {} ms",
                exchange.status,
                crate::text::millis(exchange.timings.total_ms)
            );
            state.notes.say(state.now_ms, tone, said);
            state.requests.answered(name, Some(exchange));
        }
        Err(failure) => {
            cut::cannot(state, &format!("send {name}"), &failure);
            state.requests.answered(name, None);
        }
    }
}
