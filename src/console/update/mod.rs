//! `(state, message) -> effects`: the only code that changes the state.

mod act;
mod asks;
mod attach;
mod audit;
mod canary;
pub(crate) mod chaos;
mod choose;
mod cut;
mod danger;
mod data;
mod done;
mod fix;
mod gateway;
mod keys;
mod popups;
mod requests;
mod scroll;
mod versions;
mod work;

pub use canary::{how as how_canary_ended, left as left_canary};
pub use popups::edited_outside;
pub use scroll::position_limit;

use crossterm::event::Event;

use crate::message::{Effect, Message};
use crate::state::State;

/// Takes in a terminal event.
pub fn input(state: &mut State, event: &Event) -> Vec<Effect> {
    let effects = keys::input(state, event);
    choose::next(state);
    effects
}

/// Takes in a message.
pub fn message(state: &mut State, message: Message) -> Vec<Effect> {
    data::message(state, message)
}

/// Milliseconds between two beats of a running job's clock, and between two recounts of the meter.
pub const BEAT_MS: i64 = 250;

/// When the state next wants a [`crate::message::Message::Beat`], in ms since the epoch; `None`
/// while nothing on the screen moves by itself.
pub fn wake_at(state: &State) -> Option<i64> {
    let job = state.job.is_some().then_some(state.now_ms + BEAT_MS);
    let shown = state.gateway.shown.as_ref().map(|shown| shown.until_ms);
    let counted = [state.meter.due_ms(), state.canary.due_ms()];
    counted.into_iter().chain([job, shown]).flatten().min()
}

#[cfg(test)]
mod cut_tests;
#[cfg(test)]
mod danger_tests;
#[cfg(test)]
mod deploy_tests;
#[cfg(test)]
mod tests;
