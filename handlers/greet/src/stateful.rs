//! A greeting that counts: who is greeted, and how often they have been here.

use handler_common::aws::AwsFailure;
use handler_common::http::StatusCode;
use handler_common::{Call, Level, Reply, Request, Service};
use serde_json::json;

use crate::visits::Visits;

/// Counts requests without a usable user id.
const MISSING_USER_ID: &str = "MissingUserId";
/// Counts requests whose visit could not be stored.
const STORAGE_ERRORS: &str = "StorageErrors";

/// What this function calls itself, and what it counts.
pub const SERVICE: Service =
    Service { name: "greet-stateful", counters: &[MISSING_USER_ID, STORAGE_ERRORS] };

/// The header that says who is greeted.
pub const USER_HEADER: &str = "x-user-id";
/// Longest user id, in characters.
pub const MOST_USER_CHARACTERS: usize = 128;

/// Greets the user that the header names, and counts the visit.
///
/// 200 with the greeting; 400 when the header is missing, empty, too long, repeated or not text; 503
/// when the visit could not be stored.
pub async fn greet(word: &str, visits: &Visits, request: &Request, call: &Call) -> Reply {
    let user = match user_id(request) {
        Ok(user) => user,
        Err(message) => {
            call.count(MISSING_USER_ID);
            return Reply::message(StatusCode::BAD_REQUEST, &message);
        }
    };
    call.property("userId", user.as_str());
    match visits.count(&user).await {
        Ok(count) => {
            call.property("visits", count);
            welcome(word, &user, count, call)
        }
        Err(error) => unavailable(&error, visits.table(), call),
    }
}

/// The user id of a request, or what is wrong with it.
fn user_id(request: &Request) -> Result<String, String> {
    let mut values = request.headers().get_all(USER_HEADER).iter();
    let value = values
        .next()
        .ok_or_else(|| format!("The header {USER_HEADER} is missing: it says who is greeted."))?;
    if values.next().is_some() {
        return Err(format!("The header {USER_HEADER} is given more than once."));
    }
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| format!("The header {USER_HEADER} is not UTF-8 text."))?;
    let user = text.trim();
    if user.is_empty() {
        return Err(format!("The header {USER_HEADER} is empty: it says who is greeted."));
    }
    if user.chars().count() > MOST_USER_CHARACTERS {
        return Err(format!(
            "The header {USER_HEADER} is longer than {MOST_USER_CHARACTERS} characters."
        ));
    }
    Ok(user.to_owned())
}

fn welcome(word: &str, user: &str, count: u64, call: &Call) -> Reply {
    let returning = count > 1;
    let greeting = if returning {
        format!("{word} again, {user}! This is visit number {count}.")
    } else {
        format!("{word}, {user}! This is your first visit.")
    };
    Reply::json(
        StatusCode::OK,
        json!({
            "greeting": greeting,
            "user": user,
            "count": count,
            "returning": returning,
            "version": call.version(),
        }),
    )
}

/// The caller learns that it may pass; the log learns what it was.
fn unavailable(error: &AwsFailure, table: &str, call: &Call) -> Reply {
    call.count(STORAGE_ERRORS);
    let [code, message] = error.fields();
    let fields = [code, message, ("table", table.into())];
    call.log(Level::Error, "the visit could not be stored", &fields);
    Reply::retry_later("Visits can't be counted at the moment. Please try again later.")
}

#[cfg(test)]
#[path = "stateful_tests.rs"]
mod tests;
