//! The fields of a todo, as requests give them.

use serde_json::{Map, Value};

/// Longest task, in characters.
pub(crate) const MOST_TASK_CHARACTERS: usize = 1000;
/// Longest id that a client may choose, in characters.
const MOST_ID_CHARACTERS: usize = 64;

/// How far a todo is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    Done,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
        }
    }
}

/// Whether a todo can have this id. What is kept beside the todos in the table has other ids.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=MOST_ID_CHARACTERS).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The members of a body.
pub(crate) fn members(body: &Value) -> Result<&Map<String, Value>, &'static str> {
    body.as_object().ok_or("The body is not a JSON object.")
}

pub(crate) fn id(members: &Map<String, Value>) -> Result<Option<&str>, &'static str> {
    match members.get("id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if is_id(id) => Ok(Some(id)),
        Some(_) => Err("The member id must be 1 to 64 letters, digits, - and _."),
    }
}

pub(crate) fn task(members: &Map<String, Value>) -> Result<Option<&str>, &'static str> {
    match members.get("task") {
        None => Ok(None),
        Some(Value::String(task)) if task.trim().is_empty() => Err("The member task is empty."),
        Some(Value::String(task)) if task.chars().count() > MOST_TASK_CHARACTERS => {
            Err("The member task is longer than 1000 characters.")
        }
        Some(Value::String(task)) => Ok(Some(task)),
        Some(_) => Err("The member task is not text."),
    }
}

pub(crate) fn status(members: &Map<String, Value>) -> Result<Option<Status>, &'static str> {
    match members.get("status").map(Value::as_str) {
        None => Ok(None),
        Some(Some("pending")) => Ok(Some(Status::Pending)),
        Some(Some("done")) => Ok(Some(Status::Done)),
        Some(_) => Err("The member status must be pending or done."),
    }
}
