//! The data plane: a request to a stage, from its route to its answer.

mod access;
pub(super) mod backend;
mod cache;
mod check;
mod event;
mod execute;
mod failure;
mod lambda;
pub(super) mod live;
mod log;
mod mapping;
mod notes;
mod proxy;
mod request;
mod schema;
mod substitute;
pub(super) mod throttle;
mod transform;
mod tree;
pub(super) mod trial;
mod variables;

pub(super) use execute::execute;
pub use request::ExecuteRequest;

#[cfg(test)]
pub(super) use event::request_time as event_time;
