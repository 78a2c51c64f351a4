//! Lab 6: a fixed list behind a non-proxy integration.
//!
//! The event is what the API's mapping template makes of the request: `{}` for the list, `{"ID": n}` for
//! one item. The answer is a plain value; what goes wrong is said by `errorMessage`, which the
//! integration's responses are chosen by.

use handler_common::{Call, Failure, Service};
use serde_json::{Value, json};

/// Counts events that ask for an item that is not there.
const NOT_FOUND: &str = "NotFound";
/// Counts events that are neither of the two.
const BAD_REQUESTS: &str = "BadRequests";

/// What this function calls itself, and what it counts.
pub const SERVICE: Service =
    Service { name: "items-function", counters: &[NOT_FOUND, BAD_REQUESTS] };

/// The items: id, name, price.
const ITEMS: [(u32, &str, f64); 4] =
    [(1, "Pen", 2.5), (2, "Pencil", 1.5), (3, "Highlighter", 3.0), (4, "Ruler", 5.0)];

/// Something that is broken on purpose, to see what the API makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing is.
    #[default]
    None,
    /// Every event fails with an error that the API has no message for.
    Error,
}

impl Fault {
    /// The fault that the environment variable `FAULT` names: `error`; anything else is none.
    pub fn from_env() -> Self {
        match std::env::var("FAULT").as_deref() {
            Ok("error") => Self::Error,
            _ => Self::None,
        }
    }
}

/// Answers an event: the list for `{}`, an item for `{"ID": n}`.
///
/// Errors: `NotFoundError` for an item that is not there, `BadRequestError` for an event that is
/// neither, `InternalError` where a fault is on.
pub fn answer(fault: Fault, event: &Value, call: &Call) -> Result<Value, Failure> {
    if fault == Fault::Error {
        return Err(Failure::internal());
    }
    let members = match event {
        Value::Null => None,
        Value::Object(members) => members.get("ID"),
        _ => return Err(bad_request(call)),
    };
    let Some(id) = members else {
        return Ok(ITEMS.iter().map(|item| described(*item)).collect());
    };
    let Value::Number(id) = id else { return Err(bad_request(call)) };
    call.property("itemId", id.clone());
    // 1 and 1.0 are the same number.
    let found = id
        .as_f64()
        .and_then(|id| ITEMS.iter().find(|item| f64::from(item.0).total_cmp(&id).is_eq()));
    found.map(|item| described(*item)).ok_or_else(|| {
        call.count(NOT_FOUND);
        Failure::new("NotFoundError", "NotFoundError", 404)
    })
}

fn bad_request(call: &Call) -> Failure {
    call.count(BAD_REQUESTS);
    Failure::new("BadRequestError", "BadRequestError", 400)
}

fn described((id, name, price): (u32, &str, f64)) -> Value {
    json!({ "ID": id, "name": name, "price": price })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(event: &str) -> (Result<Value, Failure>, Call) {
        let call = Call::new(SERVICE, "3", "r-1");
        let event = serde_json::from_str(event).unwrap_or_default();
        (answer(Fault::None, &event, &call), call)
    }

    #[test]
    fn the_list_and_each_item() {
        let list = json!([
            { "ID": 1, "name": "Pen", "price": 2.5 },
            { "ID": 2, "name": "Pencil", "price": 1.5 },
            { "ID": 3, "name": "Highlighter", "price": 3.0 },
            { "ID": 4, "name": "Ruler", "price": 5.0 },
        ]);
        for event in ["{}", "null", r#"{"other":1}"#] {
            assert_eq!(asked(event).0, Ok(list.clone()), "{event}");
        }
        for (event, name) in
            [(r#"{"ID":1}"#, "Pen"), (r#"{"ID":4}"#, "Ruler"), (r#"{"ID":1.0}"#, "Pen")]
        {
            assert_eq!(asked(event).0.map(|item| item["name"].clone()), Ok(name.into()), "{event}");
        }
    }

    #[test]
    fn an_item_that_is_not_there_is_not_found() {
        for id in ["0", "5", "-1", "1.5", "1e300", "18446744073709551615"] {
            let (answer, call) = asked(&format!(r#"{{"ID":{id}}}"#));
            let failure = answer.map_err(|failure| failure.message().to_owned());
            assert_eq!(failure, Err("NotFoundError".to_owned()), "{id}");
            assert_eq!(call.counted(NOT_FOUND), 1);
        }
    }

    #[test]
    fn what_is_no_number_is_a_bad_request() {
        for event in [r#"{"ID":"1"}"#, r#"{"ID":null}"#, r#"{"ID":[1]}"#, "[]", "7", "\"x\""] {
            let (answer, call) = asked(event);
            let failure =
                answer.map_err(|failure| (failure.message().to_owned(), failure.status()));
            assert_eq!(failure, Err(("BadRequestError".to_owned(), 400)), "{event}");
            assert_eq!(call.counted(BAD_REQUESTS), 1);
        }
    }

    #[test]
    fn a_fault_fails_as_the_functions_own() {
        let call = Call::new(SERVICE, "3", "r-1");
        let failed = answer(Fault::Error, &json!({}), &call);
        assert_eq!(failed.map_err(|failure| failure.status()), Err(500));
    }
}
