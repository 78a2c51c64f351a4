//! `DELETE /todos/{id}`.

use handler_common::http::StatusCode;
use handler_common::{Call, Reply, Request, Service};

use crate::store::Todos;
use crate::{STORAGE_ERRORS, finished, id_of, not_found, unavailable};

/// What this function calls itself, and what it counts.
pub const SERVICE: Service = Service { name: "delete-todo", counters: &[STORAGE_ERRORS] };

/// Deletes a todo.
///
/// 200; 404 for one that is not there; 503 when the table fails.
pub async fn answer(todos: &Todos, request: &Request, call: &Call) -> Reply {
    let reply = match id_of(request, call) {
        None => not_found(),
        Some(id) => match todos.delete(id).await {
            Ok(true) => Reply::message(StatusCode::OK, "Todo deleted"),
            Ok(false) => not_found(),
            Err(failure) => unavailable(&failure, call),
        },
    };
    finished(reply, call)
}
