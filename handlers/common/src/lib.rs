//! What the lab handlers share: EMF metrics, structured logs, proxy responses, and the loop around them.
//!
//! A handler is an async function from a request and a [`Call`] to a [`Reply`]; [`run`] serves it.

mod call;
mod emf;
mod output;
mod reply;
mod serve;

pub use call::{Call, Level, Service};
pub use lambda_http::{Error, Request, RequestExt};
pub use reply::Reply;
pub use serve::run;
