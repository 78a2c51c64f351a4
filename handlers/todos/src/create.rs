//! `POST /todos`: a create that can be repeated.

use handler_common::http::{HeaderName, HeaderValue, StatusCode};
use handler_common::{Call, Reply, Request, Service};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fields::{self, Status};
use crate::store::{Created, NewTodo, Todos};
use crate::{BAD_REQUESTS, STORAGE_ERRORS, bad_request, finished, unavailable};

/// Counts creates that had been done before.
const REPLAYS: &str = "Replays";
/// Counts creates that contradict one before.
const CONFLICTS: &str = "Conflicts";

/// What this function calls itself, and what it counts.
pub const SERVICE: Service =
    Service { name: "create-todo", counters: &[BAD_REQUESTS, REPLAYS, CONFLICTS, STORAGE_ERRORS] };

/// The header by which a client says that two requests are one.
pub const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that the answer is that of a request before.
pub const REPLAYED_HEADER: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key, in characters.
const MOST_KEY_CHARACTERS: usize = 255;

/// Creates a todo.
///
/// 201 with its id; the same again when the request is repeated with its `Idempotency-Key` or with the id
/// that the client chose; 409 when key or id were used with another body; 400 for what is no todo; 503
/// when the table fails.
pub async fn answer(todos: &Todos, request: &Request, call: &Call) -> Reply {
    finished(create(todos, request, call).await, call)
}

async fn create(todos: &Todos, request: &Request, call: &Call) -> Reply {
    let body = match request.json() {
        Ok(body) => body,
        Err(problem) => {
            call.count(BAD_REQUESTS);
            return problem.reply();
        }
    };
    let (key, todo) = match key(request).and_then(|key| Ok((key, todo(&body)?))) {
        Ok(read) => read,
        Err(message) => return bad_request(message, call),
    };
    call.property("todoId", todo.id.as_str());
    match todos.create(&todo, key.as_deref()).await {
        Ok(Created::New) => created(&todo.id),
        Ok(Created::Before { id }) => {
            call.count(REPLAYS);
            call.property("todoId", id.as_str());
            created(&id).header(REPLAYED_HEADER, HeaderValue::from_static("true"))
        }
        Ok(Created::Conflict) => {
            call.count(CONFLICTS);
            let message = "This Idempotency-Key or id was used for another todo.";
            Reply::message(StatusCode::CONFLICT, message)
        }
        Err(failure) => unavailable(&failure, call),
    }
}

fn created(id: &str) -> Reply {
    Reply::json(StatusCode::CREATED, json!({ "message": "Todo created", "todoId": id }))
}

/// The request's key, shortened to what the table keeps of it.
fn key(request: &Request) -> Result<Option<String>, &'static str> {
    let wrong =
        "The header Idempotency-Key must be given once, with 1 to 255 printable characters.";
    let mut values = request.headers().get_all(KEY_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| wrong)?.trim();
    let fits = (1..=MOST_KEY_CHARACTERS).contains(&text.len());
    if values.next().is_some() || !fits {
        return Err(wrong);
    }
    Ok(Some(hex::encode(Sha256::digest(text))))
}

/// The todo that a body describes.
fn todo(body: &Value) -> Result<NewTodo, &'static str> {
    let members = fields::members(body)?;
    let id = fields::id(members)?;
    let task = fields::task(members)?.ok_or("The member task is missing.")?;
    let status = fields::status(members)?.unwrap_or(Status::Pending);
    // What the client means, however it is written: two bodies are the same when this is.
    let meaning = json!([id, task, status.as_str()]).to_string();
    Ok(NewTodo {
        id: id.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned),
        task: task.to_owned(),
        status,
        fingerprint: hex::encode(Sha256::digest(meaning)),
    })
}
