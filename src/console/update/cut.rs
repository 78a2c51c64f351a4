//! The network gone: told once and not with every reading that fails, the last known state stays with its
//! age, and what is read again by itself says when the connection is back.

use labdeck_aws::{Failure, FailureKind};

use crate::message::Effect;
use crate::state::note::Tone;
use crate::state::{Connection, State};
use crate::text;

/// Readings go on by themselves while nobody answers.
const AGAIN: &str = "what is shown is what was known last, its age stands above; it is read again every few \
                     seconds, and nothing needs to be done here once the network is back";
/// An action is not repeated: its answer alone may have been lost.
const NOT_AGAIN: &str = "it is not tried again by itself; an answer alone may have been lost: look at what is \
                         there once the connection is back, then do what is missing";

/// A reading of what is shown failed.
pub fn failed(state: &mut State, failure: &Failure) {
    match failure.kind {
        FailureKind::Cancelled => {}
        FailureKind::Network if is_connected(state) => {
            if state.cut_ms.is_none() {
                state.cut_ms = Some(state.now_ms);
                let what = format!("no connection to {}", state.target_label());
                let told = Failure::new(FailureKind::Network, what, &failure.why).next(AGAIN);
                state.notes.fail(state.now_ms, &told);
            }
        }
        _ => state.notes.fail(state.now_ms, failure),
    }
}

/// A reading of what is shown was answered: who calls is asked again, where nobody could tell before.
pub fn reached(state: &mut State) -> Vec<Effect> {
    let Some(since_ms) = state.cut_ms.take() else { return Vec::new() };
    let gone = text::span(state.now_ms - since_ms);
    let said = format!("connected again: nobody answered for {gone}");
    state.notes.say(state.now_ms, Tone::Good, said);
    let unknown = state.target().is_some_and(|target| target.account.is_none());
    if unknown { vec![Effect::LearnAccount] } else { Vec::new() }
}

/// Something that a person asked for failed: says which it was where the network is to blame.
pub fn cannot(state: &mut State, action: &str, failure: &Failure) {
    if failure.kind != FailureKind::Network {
        state.notes.fail(state.now_ms, failure);
        return;
    }
    let what = format!("{action}: no connection");
    let told = Failure::new(FailureKind::Network, what, failure.to_string()).next(NOT_AGAIN);
    state.notes.fail(state.now_ms, &told);
}

fn is_connected(state: &State) -> bool {
    matches!(state.connection, Connection::Connected(_))
}
