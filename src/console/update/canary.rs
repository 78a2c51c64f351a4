//! Guarded canaries: begun, told, ended; and the comparison of a split.

use labdeck_aws::Failure;
use labdeck_ops::canary::{self, CanaryView, Command, End, Phase, Start, words};
use labdeck_ops::release::{self, Begun};

use super::{act, cut, danger, data, work};
use crate::action::{Act, Action};
use crate::message::Effect;
use crate::state::State;
use crate::state::canary::Compared;
use crate::state::note::Tone;
use crate::state::popup::{Asked, Intent};

/// The canary of the current lab that was begun and is not guarded here.
pub fn left(state: &State) -> Option<Begun> {
    if state.guarded().is_some() || state.canary.beginning {
        return None;
    }
    release::begun_canary(state.blueprint()?, state.status()?)
}

/// Begins a canary, or goes on with one that was left.
pub fn begin(state: &mut State) -> Vec<Effect> {
    if !work::ready(state) {
        return Vec::new();
    }
    if let Some(view) = &state.canary.guarded {
        let said = format!("a canary of {} is guarded already", view.lab);
        state.notes.say(state.now_ms, Tone::Warn, said);
        return Vec::new();
    }
    if left(state).is_some() {
        return ask_or_guard(state, Start::Resume(None));
    }
    let Some(plan) = state.blueprint().map(|lab| lab.canary.clone()) else { return Vec::new() };
    act::ask(state, Asked::Canary, words::line(&plan))
}

/// The plan that was typed.
pub fn typed(state: &mut State, text: &str) -> Result<Vec<Effect>, String> {
    let Some(lab) = state.blueprint().cloned() else { return Ok(Vec::new()) };
    let plan = words::of_line(text, &lab.canary)?;
    if let Some(traffic) = &plan.traffic
        && !lab.requests.iter().any(|saved| saved.name == traffic.request)
    {
        let known: Vec<&str> = lab.requests.iter().map(|saved| saved.name.as_str()).collect();
        return Err(format!("no request {}; there are {}", traffic.request, known.join(", ")));
    }
    Ok(ask_or_guard(state, Start::New(plan)))
}

/// Asks first on a target that is not local.
fn ask_or_guard(state: &mut State, start: Start) -> Vec<Effect> {
    let lab = state.current_lab().map_or("", |lab| lab.name.as_str());
    let question = format!("Guard a canary of {lab}");
    let more =
        vec!["Traffic moves by itself, and back at once when the canary is worse.".to_owned()];
    danger::guarded(state, Act::Canary.danger(), &question, more, Intent::Guard(start))
}

/// Lets it go to its next step, after what that wants.
pub fn skip(state: &mut State) -> Vec<Effect> {
    let Some(view) = state.guarded() else { return tell(state, Command::Skip) };
    let question = format!("Go on with the canary of {} though it is not known enough", view.lab);
    let more = vec![format!("It has {}% now.", view.percent())];
    danger::guarded(state, Act::SkipStep.danger(), &question, more, Intent::SkipStep)
}

/// Guards it.
pub fn guard(state: &mut State, start: Start) -> Vec<Effect> {
    if state.canary.beginning || state.canary.guarded.is_some() {
        return Vec::new();
    }
    let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
    state.canary.beginning = true;
    vec![Effect::Guard(blueprint, start)]
}

/// Lets it wait, or go on.
pub fn pause(state: &mut State) -> Vec<Effect> {
    let waits = |view: &CanaryView| matches!(view.phase, Phase::Paused { by_person: true, .. });
    let command = match state.guarded() {
        Some(view) if waits(view) => Command::Resume,
        _ => Command::Pause,
    };
    tell(state, command)
}

/// Tells it something.
pub fn tell(state: &mut State, command: Command) -> Vec<Effect> {
    if state.guarded().is_some() {
        return vec![Effect::Tell(command)];
    }
    let said = match left(state) {
        Some(_) => format!("nobody guards it here; {} goes on with it", state.keys(Action::Canary)),
        None => format!("no canary is guarded here; {} begins one", state.keys(Action::Canary)),
    };
    state.notes.say(state.now_ms, Tone::Info, said);
    Vec::new()
}

/// How it ended, in words.
pub fn how(phase: &Phase) -> String {
    match phase {
        Phase::Ended(End::Promoted) => "promoted".to_owned(),
        Phase::Ended(End::RolledBack { reason }) => format!("rolled back: {reason}"),
        Phase::Ended(End::Aborted) => "taken back".to_owned(),
        Phase::Ended(End::TakenOver { reason }) => format!("guarded no longer: {reason}"),
        _ => "guarded no longer; the split stays".to_owned(),
    }
}

/// It is over, or could not begin.
pub fn ended(
    state: &mut State,
    lab: &str,
    result: Result<Box<CanaryView>, Failure>,
) -> Vec<Effect> {
    state.canary.guarded = None;
    state.canary.beginning = false;
    let now = state.now_ms;
    match result {
        Ok(view) => {
            let tone = match view.phase {
                Phase::Ended(End::Promoted) => Tone::Good,
                Phase::Ended(End::RolledBack { .. }) => Tone::Bad,
                Phase::Ended(End::Aborted | End::TakenOver { .. }) => Tone::Warn,
                _ => Tone::Info,
            };
            state.notes.say(now, tone, format!("canary of {lab}: {}", how(&view.phase)));
            state.canary.last = Some(*view);
        }
        Err(failure) => cut::cannot(state, &format!("canary of {lab}"), &failure),
    }
    data::reread(state)
}

/// Compares what the release alias is split into now; tells of a canary that was left.
pub fn compared(state: &mut State) {
    let Some(blueprint) = state.blueprint() else { return };
    let terms = canary::terms(&blueprint.canary);
    let now_ms = state.now_ms;
    let splits = state.release_aliases().filter_map(|(function, alias)| {
        let (canary, share) = alias.canary.as_ref()?;
        let since = alias.trusted().and_then(|pointer| i64::try_from(pointer.at_ms).ok());
        Some(Compared {
            function: function.name.clone(),
            stable: alias.version.clone(),
            canary: canary.clone(),
            share: *share,
            since_ms: since.unwrap_or(now_ms),
        })
    });
    let splits: Vec<Compared> = splits.collect();
    let State { canary, logs, .. } = state;
    canary.compare(terms, splits, logs.events(), now_ms);
    let Some(begun) = left(state) else { return };
    let lab = state.current_lab().map(|lab| lab.name.clone()).unwrap_or_default();
    if !state.canary.news(&lab, begun.mark.begun_ms) {
        return;
    }
    let percent = begun.mark.percent();
    let by = if begun.by.is_empty() { String::new() } else { format!(" by {}", begun.by) };
    let said = format!(
        "a canary was begun{by} and stands at {percent}%: {} goes on with it, {} promotes, {} takes \
         it back",
        state.keys(Action::Canary),
        state.keys(Action::Promote),
        state.keys(Action::Rollback)
    );
    state.notes.say(now_ms, Tone::Warn, said);
}
