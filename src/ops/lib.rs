//! What a person does: every function here is used by the console and by the headless commands.
//!
//! No screen, no terminal, no argument parsing. Long work reports through [`progress::Reporter`] and
//! stops at its next safe point when its `CancellationToken` is cancelled.

pub mod accident;
pub mod attach;
pub mod audit;
pub mod canary;
pub mod chaos;
pub mod checks;
pub mod cost;
pub mod danger;
pub mod deploy;
pub mod engine;
pub mod gateway;
pub mod history;
pub mod invoke;
pub mod live;
pub mod prices;
mod private;
pub mod probe;
pub mod progress;
pub mod redrive;
pub mod release;
pub mod request;
pub mod right_size;
pub mod status;
pub mod trial;
pub mod variant;
pub mod walk;
pub mod whose;

pub use engine::Engine;
