//! Chaos: switched on and off, for how long, and ended when its time is over.

use std::time::Duration;

use labdeck_aws::Failure;
use labdeck_ops::chaos::{self as switches, Ended};

use super::work::{lab_name, ready};
use super::{danger, data};
use crate::action::Act;
use crate::message::Effect;
use crate::state::State;
use crate::state::note::Tone;
use crate::state::popup::{Intent, Popup};

/// The times that the keys choose from, in minutes.
const CHOICES: [u64; 7] = [1, 5, 10, 15, 30, 60, 240];

/// How long the switch at `index` of the list would stay on.
pub fn lasts(state: &State, index: usize) -> Duration {
    let switch = state.blueprint().and_then(|blueprint| blueprint.chaos.get(index));
    let of_lab = switch.map_or(switches::LASTS, switches::lasts);
    state.chaos_lasts.unwrap_or(of_lab)
}

/// Lets what is switched on next stay on longer, or shorter.
pub fn choose_time(state: &mut State, longer: bool) {
    let Some(Popup::Chaos { selected }) = state.popups.last() else { return };
    let now = lasts(state, *selected);
    let choices = CHOICES.map(|minutes| Duration::from_secs(minutes * 60));
    let next = if longer {
        choices.into_iter().find(|choice| *choice > now)
    } else {
        choices.into_iter().rev().find(|choice| *choice < now)
    };
    state.chaos_lasts = Some(next.unwrap_or(now));
}

/// Moves a chaos switch, after what its danger wants.
pub fn switch(state: &mut State, name: String, on: bool) -> Vec<Effect> {
    let danger = if on { Act::ChaosOn } else { Act::ChaosOff }.danger();
    if !ready(state) || !danger::allowed(state, "chaos", danger) {
        return Vec::new();
    }
    let question = format!("Switch {name} on for {}", lab_name(state));
    let more = vec!["It is a real failure and reaches prod where its kind does.".to_owned()];
    danger::guarded(state, danger, &question, more, Intent::Chaos { name, on })
}

/// Moves a chaos switch without asking.
pub fn switch_now(state: &mut State, name: String, on: bool) -> Vec<Effect> {
    if state.switching.contains(&name) {
        let said = format!("{name} is just being switched; try again in a moment");
        state.notes.say(state.now_ms, Tone::Warn, said);
        return Vec::new();
    }
    let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
    state.switching.push(name.clone());
    vec![Effect::Chaos { blueprint, name, on, lasts: state.chaos_lasts.filter(|_| on) }]
}

/// Switches everything off that is on.
pub fn end_all(state: &mut State) -> Vec<Effect> {
    let on: Vec<String> = state
        .status()
        .map(|status| status.chaos.iter().map(|chaos| chaos.name.clone()).collect())
        .unwrap_or_default();
    if on.is_empty() {
        state.notes.say(state.now_ms, Tone::Info, "no chaos is on");
        return Vec::new();
    }
    on.into_iter().flat_map(|name| switch(state, name, false)).collect()
}

/// Ends whatever of any lab should have ended, as far as the screen knows of it.
pub fn end_overdue(state: &mut State) -> Vec<Effect> {
    if state.target().is_none() || danger::read_only(state) {
        return Vec::new();
    }
    let now = state.now_ms;
    let overdue = |name: &String| {
        let status = state.statuses.get(name).map(|fetched| &fetched.status);
        status.is_some_and(|status| status.chaos.iter().any(|one| one.is_overdue(now)))
    };
    let labs: Vec<_> = state
        .labs
        .iter()
        .filter(|lab| overdue(&lab.name) && !state.ending.contains(&lab.name))
        .filter_map(|lab| lab.blueprint.as_ref().ok().cloned())
        .collect();
    state.ending.extend(labs.iter().map(|lab| lab.name.clone()));
    labs.into_iter().map(Effect::EndOverdue).collect()
}

/// What became of chaos whose time was over.
pub fn ended(state: &mut State, lab: &str, result: Result<Vec<Ended>, Failure>) -> Vec<Effect> {
    state.ending.remove(lab);
    let now = state.now_ms;
    match result {
        Ok(ended) => {
            for one in ended {
                let until = crate::text::date(one.until_ms);
                let said = format!("{} of {lab} was to end at {until}", one.name);
                match one.failure {
                    None => state.notes.say(now, Tone::Good, format!("{said}: it is off now")),
                    Some(failure) => state.notes.fail(now, &failure),
                }
            }
        }
        Err(failure) => state.notes.fail(now, &failure),
    }
    state.reading.remove(lab);
    let blueprint = state.labs.iter().find(|known| known.name == lab);
    match blueprint.and_then(|known| known.blueprint.as_ref().ok()).cloned() {
        Some(blueprint) => data::read(state, blueprint),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use labdeck_ops::status::ChaosStatus;

    use super::super::tests::{keys, state};
    use super::super::{Message, message};
    use super::*;

    #[test]
    fn how_long_is_chosen_in_the_list_and_goes_with_the_switch() {
        let mut state = state();
        keys(&mut state, "x++-");
        assert_eq!(lasts(&state, 0), Duration::from_mins(30));
        let effects = keys(&mut state, "⏎");
        let Effect::Chaos { on: true, lasts: Some(lasts), .. } = &effects[0] else {
            panic!("{effects:?}")
        };
        assert_eq!(*lasts, Duration::from_mins(30));
        for _ in 0..20 {
            keys(&mut state, "x-␛");
        }
        assert_eq!(super::lasts(&state, 0), Duration::from_mins(1));
    }

    #[test]
    fn what_is_overdue_is_ended_once_and_never_in_read_only_mode() {
        let mut state = state();
        let now = state.now_ms;
        let fetched = state.statuses.get_mut("shop").unwrap();
        let chaos = |until| ChaosStatus { name: "deny-table".to_owned(), until_ms: Some(until) };
        Arc::make_mut(&mut fetched.status).chaos.push(chaos(now + 1));
        let ends = |effects: &[Effect]| {
            effects.iter().filter(|one| matches!(one, Effect::EndOverdue(_))).count()
        };
        assert_eq!(ends(&message(&mut state, Message::Tick)), 0);
        state.now_ms += 1;
        assert_eq!(ends(&message(&mut state, Message::Tick)), 1);
        assert_eq!(ends(&message(&mut state, Message::Tick)), 0, "it is on its way");
        let done = Ended { name: "deny-table".to_owned(), until_ms: now + 1, failure: None };
        let lab = "shop".to_owned();
        let effects = message(&mut state, Message::OverdueEnded { lab, result: Ok(vec![done]) });
        assert!(matches!(&effects[..], [Effect::ReadStatus { .. }]));
        assert!(state.notes.current().unwrap().text.contains("was to end at"));
        keys(&mut state, "O");
        assert_eq!(ends(&message(&mut state, Message::Tick)), 0);
    }
}
