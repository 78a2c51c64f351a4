//! `PUT /todos/{id}`.

use handler_common::http::StatusCode;
use handler_common::{Call, Reply, Request, Service};
use serde_json::json;

use crate::store::Todos;
use crate::{
    BAD_REQUESTS, STORAGE_ERRORS, bad_request, fields, finished, id_of, not_found, unavailable,
};

/// What this function calls itself, and what it counts.
pub const SERVICE: Service =
    Service { name: "update-todo", counters: &[BAD_REQUESTS, STORAGE_ERRORS] };

/// Changes the task, the status or both.
///
/// 200 with the todo as it is now; 404 for one that is not there; 400 for a body that changes nothing or
/// is wrong; 503 when the table fails.
pub async fn answer(todos: &Todos, request: &Request, call: &Call) -> Reply {
    finished(update(todos, request, call).await, call)
}

async fn update(todos: &Todos, request: &Request, call: &Call) -> Reply {
    let body = match request.json() {
        Ok(body) => body,
        Err(problem) => {
            call.count(BAD_REQUESTS);
            return problem.reply();
        }
    };
    let read = fields::members(&body)
        .and_then(|members| Ok((fields::task(members)?, fields::status(members)?)));
    let (task, status) = match read {
        Ok((None, None)) => return bad_request("The body has neither task nor status.", call),
        Ok(changes) => changes,
        Err(message) => return bad_request(message, call),
    };
    let Some(id) = id_of(request, call) else { return not_found() };
    match todos.update(id, task, status).await {
        Ok(Some(todo)) => {
            Reply::json(StatusCode::OK, json!({ "message": "Todo updated", "todo": todo }))
        }
        Ok(None) => not_found(),
        Err(failure) => unavailable(&failure, call),
    }
}
