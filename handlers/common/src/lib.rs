//! What the lab handlers share: EMF metrics, structured logs, answers, ways to other services, and the
//! loops around a handler.
//!
//! | loop | the handler gets | and answers with |
//! | --- | --- | --- |
//! | [`run`] | a [`Request`] of a proxy integration | a [`Reply`] |
//! | [`run_events`] | an event as it is | a value, or a [`Failure`] |
//! | [`run_stream`] | the [`StreamRecord`]s of a table's stream | nothing, or a [`Failure`] |
//! | [`run_topic`] | a [`TopicMessage`] | nothing, or a [`Failure`] |
//!
//! Each also gets the [`Call`] that it notes properties, counts and log lines in.

pub mod aws;
mod batch;
mod call;
mod emf;
mod event;
mod invocation;
mod output;
mod page;
mod reply;
mod request;
mod serve;
mod topic;

pub use batch::{Change, FAILED_RECORDS, RECORDS, StreamRecord, batch, run_stream};
pub use call::{Call, Level, Service};
pub use event::{Failure, run_events};
pub use lambda_http::{Error, http};
pub use page::Page;
pub use reply::Reply;
pub use request::{BodyProblem, MOST_BODY_BYTES, Request};
pub use serve::run;
pub use topic::{TopicMessage, messages, run_topic};
