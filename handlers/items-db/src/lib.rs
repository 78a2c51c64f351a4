//! Lab 4: items that are saved and read back, and the common mistakes on the way there.

mod drills;
mod store;

use handler_common::http::{HeaderName, Method, StatusCode};
use handler_common::{BodyProblem, Call, Failure, Level, Reply, Request, Service};
use serde_json::{Value, json};

pub use drills::Drills;
pub use store::Items;

/// Counts requests that could not be understood.
const BAD_REQUESTS: &str = "BadRequests";
/// Counts requests whose item could not be stored or read.
const STORAGE_ERRORS: &str = "StorageErrors";

/// What this function calls itself, and what it counts.
pub const SERVICE: Service =
    Service { name: "items-db", counters: &[BAD_REQUESTS, STORAGE_ERRORS] };

/// Longest id, in characters.
pub const MOST_ID_CHARACTERS: usize = 128;
/// Names the execution environment that answered: how many did is what scaling looks like.
pub const ENVIRONMENT_HEADER: HeaderName = HeaderName::from_static("x-execution-environment");

/// Saves an item (`POST`) or reads one (`GET`).
///
/// 200 with the item or the word that it is saved; 400 for a body that is no item; 404; 503 when the
/// table fails. The mistakes of [`Drills`] change that.
pub async fn answer(items: &Items, request: &Request, call: &Call) -> Reply {
    let reply = match *request.method() {
        Method::POST => save(items, request, call).await,
        Method::GET => read(items, request, call).await,
        _ => Reply::message(StatusCode::METHOD_NOT_ALLOWED, "Use POST /items or GET /items/{id}."),
    };
    if items.drills().bare_response && reply.status() == StatusCode::OK {
        // The mistake: handing out the item itself instead of a status, headers and a body.
        return Reply::bare(reply.body().clone());
    }
    reply.text_header(ENVIRONMENT_HEADER, call.environment())
}

async fn save(items: &Items, request: &Request, call: &Call) -> Reply {
    let body = match request.json() {
        Ok(body) => body,
        Err(BodyProblem::NotJson | BodyProblem::NotBase64) if items.drills().unchecked_body => {
            // The mistake: an error that nobody catches fails the invocation.
            call.log(Level::Error, "the body could not be parsed and nothing catches it", &[]);
            return Reply::failed(Failure::new("SyntaxError", "The body is not valid JSON", 502));
        }
        Err(problem) => {
            call.count(BAD_REQUESTS);
            return problem.reply();
        }
    };
    let (id, data) = match item(&body) {
        Ok(item) => item,
        Err(message) => {
            call.count(BAD_REQUESTS);
            return Reply::message(StatusCode::BAD_REQUEST, message);
        }
    };
    call.property("itemId", id);
    match items.put(id, data).await {
        Ok(()) => Reply::message(StatusCode::OK, "Item saved"),
        Err(failure) => unavailable(&failure, call),
    }
}

/// The id and the data of an item, or what is wrong with it.
fn item(body: &Value) -> Result<(&str, &Value), &'static str> {
    let Value::Object(members) = body else { return Err("The body is not a JSON object.") };
    let id = match members.get("id") {
        Some(Value::String(id)) => id.as_str(),
        Some(_) => return Err("The member id is not text."),
        None => return Err("The member id is missing."),
    };
    if id.trim().is_empty() {
        return Err("The member id is empty.");
    }
    if id.chars().count() > MOST_ID_CHARACTERS {
        return Err("The member id is longer than 128 characters.");
    }
    members.get("data").map(|data| (id, data)).ok_or("The member data is missing.")
}

async fn read(items: &Items, request: &Request, call: &Call) -> Reply {
    let id = request.path_parameter("id").unwrap_or_default();
    let not_found = || Reply::message(StatusCode::NOT_FOUND, "Item not found");
    // No item has such an id.
    if id.trim().is_empty() || id.chars().count() > MOST_ID_CHARACTERS {
        return not_found();
    }
    call.property("itemId", id);
    match items.get(id).await {
        Ok(Some(data)) => Reply::json(
            StatusCode::OK,
            json!({ "id": id, "data": data, "environment": call.environment() }),
        ),
        Ok(None) => not_found(),
        Err(failure) => unavailable(&failure, call),
    }
}

/// The caller learns that it may pass; the log learns what it was.
fn unavailable(failure: &handler_common::aws::AwsFailure, call: &Call) -> Reply {
    call.count(STORAGE_ERRORS);
    call.log(Level::Error, "the table could not be used", &failure.fields());
    Reply::retry_later("Items can't be stored or read at the moment. Please try again later.")
}

#[cfg(test)]
mod tests;
