//! The network gone: what is told, what waits, what is asked again.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use labdeck_aws::{Failure, FailureKind};
use labdeck_ops::request::explain::Fix;

use super::message;
use super::tests::{keys, remote, state};
use crate::attach::{Told as Attached, Work};
use crate::bench_support::status;
use crate::gateway::Told;
use crate::message::{Effect, Message, ReleaseOperation};
use crate::state::note::Tone;
use crate::state::{Connection, Lab, State};

fn gone() -> Failure {
    Failure::new(FailureKind::Network, "reading function shop", "Connection refused")
}

/// One reading of live state that came to `result`.
fn read(state: &mut State, well: bool) -> Vec<Effect> {
    let effects = message(state, Message::Tick);
    let Some(Effect::ReadStatus { reading, .. }) = effects.first() else { panic!("{effects:?}") };
    let (lab, result) = ("shop".to_owned(), if well { Ok(status()) } else { Err(gone()) });
    message(state, Message::Status { lab, reading: *reading, result })
}

#[test]
fn it_is_told_once_and_its_end_too() {
    let mut state = state();
    remote(&mut state);
    read(&mut state, true);
    let before = state.notes.all.len();
    for _ in 0..3 {
        state.now_ms += 5_000;
        read(&mut state, false);
    }
    assert_eq!(state.notes.all.len(), before + 1);
    let told = state.notes.current().unwrap();
    assert_eq!((told.tone, told.text.as_str()), (Tone::Bad, "no connection to work"));
    // What is known last stays, with its age.
    assert!(state.status().is_some_and(|status| status.deployed));
    assert_eq!(state.stale_ms(), Some(15_000));
    read(&mut state, true);
    assert_eq!(state.stale_ms(), None);
    let told = state.notes.current().unwrap();
    assert_eq!(told.tone, Tone::Good);
    assert!(told.text.starts_with("connected again: nobody answered for 10 s"), "{}", told.text);
}

#[test]
fn an_action_that_fails_is_named_and_not_drowned() {
    let mut state = state();
    read(&mut state, false);
    let operation = ReleaseOperation::Rollback;
    message(&mut state, Message::Released { operation, result: Err(gone()) });
    state.reading.clear();
    read(&mut state, false);
    let told = state.notes.current().unwrap();
    assert_eq!(told.text, "rollback: no connection");
    assert!(told.full().contains("not tried again by itself"), "{}", told.full());
}

#[test]
fn a_fix_that_waits_for_a_reading_is_given_up_with_it() {
    let mut state = state();
    state.gateway.reading = true;
    let (lab, key) = ("shop".to_owned(), "LabKey".to_owned());
    state.gateway.fixing = Some(Fix::EnableKey { lab: lab.clone(), key });
    message(&mut state, Message::Gateway(Told::Read { lab, result: Err(gone()) }));
    assert!(state.gateway.fixing.is_none(), "it would be done much later, and by itself");
    assert_eq!(state.notes.current().unwrap().text, "accept key LabKey again: no connection");
}

#[test]
fn who_calls_and_what_is_attached_are_asked_again() {
    let mut state = state();
    if let Connection::Connected(info) = &mut state.connection {
        info.account = None;
    }
    read(&mut state, false);
    assert!(matches!(&read(&mut state, true)[..], [Effect::LearnAccount]));
    let lab = Lab { name: "team".to_owned(), blueprint: Err(gone()), attached: true };
    let whole = state.blueprint().cloned().unwrap();
    state.labs.push(lab);
    let again = |effects: &[Effect]| {
        effects.iter().filter(|e| matches!(e, Effect::Attach(Work::Load))).count()
    };
    assert_eq!(again(&message(&mut state, Message::Tick)), 1);
    assert_eq!(again(&message(&mut state, Message::Tick)), 0, "it is being read");
    let labs = vec![("team".to_owned(), Ok(Arc::clone(&whole)))];
    message(&mut state, Message::Attach(Attached::All(Ok(labs))));
    assert_eq!(again(&message(&mut state, Message::Tick)), 0);
    assert!(keys(&mut state, "j").is_empty());
}
