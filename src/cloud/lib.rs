//! The embedded local cloud: answers as AWS does, on loopback, from one state directory.
//!
//! A program of its own in the same binary (`labdeck cloud`): it imports no other room and no
//! other room imports it. Rooms here: `server` (listener, router, signatures), one module per
//! service, one store. A service may call the services before it in this order, never those after:
//! `iam` → `metrics` → `logs` → `sqs` → `sns` → `dynamodb` → `lambda` → `apigateway`.

pub mod admin;
mod alarm_actions;
pub mod apigateway;
pub mod core;
pub mod dynamodb;
pub mod error;
pub mod event_pattern;
#[doc(hidden)]
pub mod fuzzing;
pub mod iam;
mod inbox;
pub mod lambda;
pub mod layout;
pub mod lifecycle;
pub mod logs;
pub mod metrics;
pub mod obstacles;
pub mod protocol;
pub mod server;
pub mod services;
pub mod sns;
pub mod sqs;
pub mod store;
pub mod sts;
pub mod vtl;
pub mod wire;
