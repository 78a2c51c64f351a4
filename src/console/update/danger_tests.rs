//! Whatever a key may do: what read-only mode lets through, and what is asked before it is done.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use labdeck_ops::canary::{CanaryView, Command, Phase};
use labdeck_ops::danger::{Act, Danger};
use labdeck_ops::request::destination;
use labdeck_telemetry::compare::Verdict;

use super::act;
use super::tests::{keys, remote, state};
use crate::action::{Action, Entry, REGISTRY, Screen};
use crate::message::{Effect, JobKind};
use crate::state::State;
use crate::state::popup::Popup;

/// Whether an effect changes something.
fn changes(effect: &Effect) -> bool {
    match effect {
        Effect::Release(..)
        | Effect::Chaos { .. }
        | Effect::StartAll { .. }
        | Effect::ChangeGateway(..) => true,
        Effect::Start { kind, .. } => match kind {
            // The requests of this lab only read.
            JobKind::Plan(_) | JobKind::Checks | JobKind::SendAll { .. } => false,
            JobKind::Burst { what, to, .. } => destination::may_change(what, to),
            JobKind::Compare { contenders, .. } => {
                contenders.iter().any(|one| destination::may_change(&one.what, &one.to))
            }
            _ => true,
        },
        Effect::Send { what, to, .. } => destination::may_change(what, to),
        _ => false,
    }
}

/// A canary that is guarded.
fn guarded() -> CanaryView {
    CanaryView {
        lab: "shop".to_owned(),
        phase: Phase::Holding,
        step: 0,
        steps: vec![5.0, 50.0],
        held_s: 1.0,
        hold_s: 30,
        verdict: Verdict::TooLittleData,
        functions: Vec::new(),
        confidence: 95.0,
        sent: (0, 0),
    }
}

#[test]
fn a_guarded_canary_skips_at_once_where_it_is_local_and_after_a_yes_elsewhere() {
    let told = |effects: &[Effect]| matches!(effects, [Effect::Tell(Command::Skip)]);
    let mut state = state();
    state.canary.guarded = Some(guarded());
    assert!(told(&act::run(&mut state, Action::CanarySkip)));
    remote(&mut state);
    assert!(act::run(&mut state, Action::CanarySkip).is_empty());
    assert!(told(&keys(&mut state, "y")));
}

#[test]
fn what_forgets_is_asked_also_locally_and_also_in_read_only_mode() {
    for entry in REGISTRY.iter().filter(|entry| entry.danger == Danger::Forgets) {
        let mut state = state();
        read_only(&mut state);
        let lab = state.lab.unwrap();
        match entry.action {
            Action::Detach => state.labs[lab].attached = true,
            Action::ForgetRequest => {
                let blueprint = state.labs[lab].blueprint.as_mut().unwrap();
                for request in &mut Arc::make_mut(blueprint).requests {
                    request.own = true;
                }
            }
            other => panic!("what {other:?} forgets must be there"),
        }
        assert!(act::run(&mut state, entry.action).is_empty(), "{}", entry.id);
        assert!(matches!(state.popups.last(), Some(Popup::Confirm { .. })), "{}", entry.id);
        assert_eq!(keys(&mut state, "y").len(), 1, "{}", entry.id);
    }
}

fn read_only(state: &mut State) {
    assert!(matches!(&keys(state, "O")[..], [Effect::EnterReadOnly]));
    assert!(state.target().unwrap().read_only);
}

#[test]
fn no_action_changes_anything_in_read_only_mode() {
    for entry in REGISTRY {
        let mut state = state();
        read_only(&mut state);
        let mut effects = act::run(&mut state, entry.action);
        // Whatever it opened is accepted as it is.
        effects.extend(act::run(&mut state, Action::Accept));
        effects.extend(act::run(&mut state, Action::Yes));
        assert!(!effects.iter().any(changes), "{}: {effects:?}", entry.id);
        if entry.danger.changes() {
            assert!(effects.is_empty(), "{}: {effects:?}", entry.id);
            assert!(state.popups.is_empty(), "{}", entry.id);
            assert!(state.notes.current().unwrap().text.contains("read-only"), "{}", entry.id);
        }
    }
}

#[test]
fn read_only_mode_has_no_way_back_and_asks_while_a_job_runs() {
    let mut state = state();
    read_only(&mut state);
    assert!(keys(&mut state, "O").is_empty());
    assert!(state.notes.current().unwrap().text.contains("takes a restart"));
    assert!(state.target().unwrap().read_only);

    let mut state = self::state();
    keys(&mut state, "d");
    assert!(keys(&mut state, "O").is_empty());
    assert!(matches!(state.popups.last(), Some(Popup::Confirm { .. })));
    assert!(matches!(&keys(&mut state, "y")[..], [Effect::EnterReadOnly]));
}

#[test]
fn a_request_that_only_reads_is_sent_in_read_only_mode() {
    let mut state = state();
    read_only(&mut state);
    assert!(matches!(&keys(&mut state, "s")[..], [Effect::Send { .. }]));
}

#[test]
fn what_changes_prod_elsewhere_is_asked_with_account_region_and_alias() {
    // What the gateway screen alone has needs the gateway read: `view/gateway_tests.rs`.
    let of_gateway =
        |entry: &&Entry| entry.applies.on(Screen::Gateway) && !entry.applies.on(Screen::Overview);
    let dangerous = REGISTRY.iter().filter(|entry| entry.danger == Danger::Prod);
    let dangerous = dangerous.filter(|entry| !of_gateway(entry));
    let mut seen = 0;
    for entry in dangerous {
        let mut state = state();
        remote(&mut state);
        if entry.act == Act::SkipStep {
            state.canary.guarded = Some(guarded());
        }
        let mut effects = act::run(&mut state, entry.action);
        // A share must be typed, a switch chosen.
        if let Some(Popup::Prompt(prompt)) = state.popups.last() {
            // A plan stands there already.
            let typed = if prompt.input.value().is_empty() { "20⏎" } else { "⏎" };
            effects.extend(keys(&mut state, typed));
        } else if matches!(state.popups.last(), Some(Popup::Chaos { .. })) {
            effects.extend(keys(&mut state, "⏎"));
        }
        assert!(effects.is_empty(), "{}: {effects:?}", entry.id);
        let Some(Popup::Confirm { lines, .. }) = state.popups.last() else {
            panic!("{} does not ask: {:?}", entry.id, state.notes.current());
        };
        let target = state.target().unwrap();
        let words = [target.account.as_deref().unwrap(), &target.region, "alias prod"];
        assert!(words.iter().all(|word| lines[1].contains(word)), "{}: {lines:?}", entry.id);
        seen += 1;
    }
    assert!(seen >= 5);
}

#[test]
fn what_deletes_wants_a_name_typed_also_locally() {
    for entry in REGISTRY.iter().filter(|entry| entry.danger == Danger::Deletes) {
        let mut state = state();
        assert!(act::run(&mut state, entry.action).is_empty(), "{}", entry.id);
        assert!(matches!(state.popups.last(), Some(Popup::Prompt(_))), "{}", entry.id);
        assert!(keys(&mut state, "wrong⏎").is_empty(), "{}", entry.id);
    }
}

#[test]
fn the_documentation_names_every_action_that_does_more_than_look() {
    let page = include_str!("../../../docs/read-only.md");
    for act in Act::ALL.iter().filter(|act| **act != Act::Look) {
        let all = REGISTRY.iter().filter(|entry| entry.act == *act);
        let all: Vec<String> = all.map(|entry| format!("`{}`", entry.id)).collect();
        let actions = if all.is_empty() { "–".to_owned() } else { all.join(" ") };
        let row = page.lines().find(|line| line.starts_with(&format!("| {} |", act.words())));
        let cells: Vec<&str> = row.unwrap_or_default().split('|').map(str::trim).collect();
        assert_eq!(cells.get(3), Some(&&*actions), "{act:?}: {row:?}");
    }
}
