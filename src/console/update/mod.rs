//! `(state, message) -> effects`: the only code that changes the state.

mod act;
mod data;
mod keys;
mod popups;
mod scroll;
mod work;

pub use data::message;
pub use keys::input;
pub use scroll::position_limit;

use crate::state::State;

/// Milliseconds between two beats of a running job's clock, and between two recounts of the meter.
pub const BEAT_MS: i64 = 250;

/// When the state next wants a [`crate::message::Message::Beat`], in ms since the epoch; `None`
/// while nothing on the screen moves by itself.
pub fn wake_at(state: &State) -> Option<i64> {
    let job = state.job.is_some().then_some(state.now_ms + BEAT_MS);
    let meter = state.meter.due_ms();
    match (job, meter) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests;
