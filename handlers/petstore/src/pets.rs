//! The function `pets`: stores, reads and lists pets, and tells the topic of new ones.

use handler_common::aws::AwsFailure;
use handler_common::http::{HeaderName, Method, StatusCode};
use handler_common::{Call, Level, Page, Reply, Request, Service};
use serde_json::json;

use crate::pet::Pet;
pub use crate::store::Pets;
use crate::topic::Topic;

/// Counts requests that could not be understood.
pub(crate) const BAD_REQUESTS: &str = "BadRequests";
/// Counts requests that the table failed.
pub(crate) const STORAGE_ERRORS: &str = "StorageErrors";
/// Counts messages that the topic took.
pub(crate) const PUBLISHED: &str = "Published";
/// Counts messages that it did not take.
pub(crate) const PUBLISH_ERRORS: &str = "PublishErrors";

/// What this function calls itself, and what it counts.
pub const SERVICE: Service =
    Service { name: "pets", counters: &[BAD_REQUESTS, STORAGE_ERRORS, PUBLISHED, PUBLISH_ERRORS] };

/// With the value `skip` a create does not tell the topic: the drill that shows what hears of a write
/// nobody told of.
pub const PUBLISH_HEADER: HeaderName = HeaderName::from_static("x-publish");
/// Longest id that is looked for, in characters.
const MOST_ID_CHARACTERS: usize = 64;

/// Stores a pet (`POST`), reads one, or lists a page of them (`GET`).
///
/// 201 or 200; 400 for what is no pet or no page; 404; 503 when the table fails. A topic that can't be
/// told is logged and counted and changes nothing about the answer: the pet is stored.
pub async fn answer(pets: &Pets, topic: &Topic, request: &Request, call: &Call) -> Reply {
    let reply = match (request.method(), request.path_parameter("petId")) {
        (&Method::POST, None) => create(pets, topic, request, call).await,
        (&Method::GET, Some(id)) => read(pets, id, call).await,
        (&Method::GET, None) => list(pets, request, call).await,
        _ => Reply::message(
            StatusCode::METHOD_NOT_ALLOWED,
            "Use POST /pets, GET /pets or GET /pets/{petId}.",
        ),
    };
    reply.for_any_origin()
}

async fn create(pets: &Pets, topic: &Topic, request: &Request, call: &Call) -> Reply {
    let body = match request.json() {
        Ok(body) => body,
        Err(problem) => {
            call.count(BAD_REQUESTS);
            return problem.reply();
        }
    };
    let pet = match Pet::read(uuid::Uuid::new_v4().to_string(), &body) {
        Ok(pet) => pet,
        Err(message) => {
            call.count(BAD_REQUESTS);
            return Reply::message(StatusCode::BAD_REQUEST, message);
        }
    };
    call.property("petId", pet.id.as_str());
    call.property("petType", pet.kind.as_str());
    if let Err(failure) = pets.put(&pet).await {
        return unavailable(&failure, call);
    }
    let skip = request.headers().get(PUBLISH_HEADER).is_some_and(|value| value == "skip");
    if skip {
        call.log(Level::Warn, "the topic is not told: the request asked for that", &[]);
    } else {
        tell(topic, &pet, call).await;
    }
    let message = format!("Your pet {} has been adopted.", pet.kind);
    Reply::json(StatusCode::CREATED, json!({ "pet": pet.json(), "message": message }))
}

/// Tells the topic. The pet is stored already: refusing the request now would make the caller store it
/// a second time.
async fn tell(topic: &Topic, pet: &Pet, call: &Call) {
    match topic.publish(pet).await {
        Ok(id) => {
            call.count(PUBLISHED);
            call.property("messageId", id);
        }
        Err(failure) => {
            call.count(PUBLISH_ERRORS);
            call.log(Level::Error, "the pet is stored, the topic was not told", &failure.fields());
        }
    }
}

async fn read(pets: &Pets, id: &str, call: &Call) -> Reply {
    let not_found = || Reply::message(StatusCode::NOT_FOUND, "There is no pet with this id.");
    if id.is_empty() || id.chars().count() > MOST_ID_CHARACTERS {
        return not_found();
    }
    call.property("petId", id);
    match pets.get(id).await {
        Ok(Some(pet)) => Reply::json(StatusCode::OK, pet),
        Ok(None) => not_found(),
        Err(failure) => unavailable(&failure, call),
    }
}

async fn list(pets: &Pets, request: &Request, call: &Call) -> Reply {
    let page = match Page::of(request) {
        Ok(page) => page,
        Err(message) => {
            call.count(BAD_REQUESTS);
            return Reply::message(StatusCode::BAD_REQUEST, message);
        }
    };
    match pets.list(&page).await {
        Ok((pets, next)) => {
            call.property("pets", pets.len());
            let next = next.as_deref().map(Page::token);
            Reply::json(StatusCode::OK, json!({ "pets": pets, "next": next }))
        }
        Err(failure) => unavailable(&failure, call),
    }
}

/// The caller learns that it may pass; the log learns what it was.
fn unavailable(failure: &AwsFailure, call: &Call) -> Reply {
    call.count(STORAGE_ERRORS);
    call.log(Level::Error, "the table could not be used", &failure.fields());
    Reply::retry_later("Pets can't be stored or read at the moment. Please try again later.")
}
