//! The local cloud under pressure, over HTTP: AWS's rates, distance, faults, a restricted operator,
//! states of other versions, and requests that nobody should send.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod client;
mod malformed;
mod obstacles;
mod operator;
mod states;
