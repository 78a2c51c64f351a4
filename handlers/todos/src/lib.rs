//! Lab 5: todos that are created once however often the request arrives, changed and deleted only where
//! they are there, and listed in pages. One crate, four functions.

pub mod create;
pub mod delete;
mod fields;
pub mod get;
mod store;
pub mod update;

use handler_common::aws::AwsFailure;
use handler_common::http::header::ACCESS_CONTROL_EXPOSE_HEADERS;
use handler_common::http::{HeaderName, HeaderValue, StatusCode};
use handler_common::{Call, Level, Reply, Request};

pub use store::Todos;

/// Counts requests that could not be understood.
const BAD_REQUESTS: &str = "BadRequests";
/// Counts requests that the table failed.
const STORAGE_ERRORS: &str = "StorageErrors";

/// The trace of the request, for whoever asks about it later. (`X-Amzn-Trace-Id` is the gateway's own.)
pub const TRACE_HEADER: HeaderName = HeaderName::from_static("x-trace-id");

/// What every answer has: pages of any origin may read it, and it names its trace.
fn finished(reply: Reply, call: &Call) -> Reply {
    let reply = reply.for_any_origin();
    if call.trace_id().is_empty() {
        return reply;
    }
    reply
        .text_header(TRACE_HEADER, call.trace_id())
        .header(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-trace-id"))
}

fn bad_request(message: &str, call: &Call) -> Reply {
    call.count(BAD_REQUESTS);
    Reply::message(StatusCode::BAD_REQUEST, message)
}

fn not_found() -> Reply {
    Reply::message(StatusCode::NOT_FOUND, "Todo not found")
}

/// The caller learns that it may pass; the log learns what it was.
fn unavailable(failure: &AwsFailure, call: &Call) -> Reply {
    call.count(STORAGE_ERRORS);
    call.log(Level::Error, "the table could not be used", &failure.fields());
    Reply::retry_later("Todos can't be stored or read at the moment. Please try again later.")
}

/// The id in the path; `None` when no todo can have it.
fn id_of<'r>(request: &'r Request, call: &Call) -> Option<&'r str> {
    let id = request.path_parameter("id").filter(|id| fields::is_id(id))?;
    call.property("todoId", id);
    Some(id)
}

#[cfg(test)]
mod tests;
