//! `GET /todos/{id}` and `GET /todos`.

use handler_common::http::StatusCode;
use handler_common::{Call, Page, Reply, Request, Service};
use serde_json::json;

use crate::store::Todos;
use crate::{BAD_REQUESTS, STORAGE_ERRORS, bad_request, finished, id_of, not_found, unavailable};

/// What this function calls itself, and what it counts.
pub const SERVICE: Service =
    Service { name: "get-todo", counters: &[BAD_REQUESTS, STORAGE_ERRORS] };

/// Reads one todo, or a page of them: 20, or as many as `limit` says, and a token `next` where there may
/// be more.
///
/// 200; 404 for a todo that is not there; 400 for a page that can't be; 503 when the table fails.
pub async fn answer(todos: &Todos, request: &Request, call: &Call) -> Reply {
    let reply = if request.path_parameter("id").is_some() {
        one(todos, request, call).await
    } else {
        list(todos, request, call).await
    };
    finished(reply, call)
}

async fn one(todos: &Todos, request: &Request, call: &Call) -> Reply {
    let Some(id) = id_of(request, call) else { return not_found() };
    match todos.get(id).await {
        Ok(Some(todo)) => Reply::json(StatusCode::OK, todo),
        Ok(None) => not_found(),
        Err(failure) => unavailable(&failure, call),
    }
}

async fn list(todos: &Todos, request: &Request, call: &Call) -> Reply {
    let page = match Page::of(request) {
        Ok(page) => page,
        Err(message) => return bad_request(message, call),
    };
    match todos.list(&page).await {
        Ok((todos, next)) => {
            call.property("todos", todos.len());
            let next = next.as_deref().map(Page::token);
            Reply::json(StatusCode::OK, json!({ "todos": todos, "next": next }))
        }
        Err(failure) => unavailable(&failure, call),
    }
}
