//! Lab 3: a greeting that shows what a proxy integration hands to a function.

use handler_common::http::StatusCode;
use handler_common::{Call, Reply, Request, Service};
use serde_json::{Value, json};

/// Counts requests that could not be understood.
const BAD_REQUESTS: &str = "BadRequests";

/// What this function calls itself, and what it counts.
pub const SERVICE: Service = Service { name: "hello", counters: &[BAD_REQUESTS] };

/// What the greeter is called in the query, in the headers and in the body.
pub const GREETER: &str = "greeter";
/// Who is greeted when nobody says.
const NOBODY: &str = "World";
/// Longest name, in characters.
pub const MOST_NAME_CHARACTERS: usize = 256;

/// Greets whom the query, else a header, else the JSON body names, else the world. A parameter or a
/// header with several values greets them all.
///
/// 200 with the greeting; 400 for a body that is no JSON object (it is only looked at when neither query
/// nor header name anybody), for a name in it that is no text, and for a name that is too long.
pub fn greet(request: &Request, call: &Call) -> Reply {
    match name(request, call) {
        Ok(name) => Reply::json(StatusCode::OK, json!({ "message": format!("Hello, {name}!") })),
        Err((status, message)) => {
            call.count(BAD_REQUESTS);
            Reply::message(status, message)
        }
    }
}

/// What a caller is told whose request can't be understood.
type Refused = (StatusCode, &'static str);

fn refused(message: &'static str) -> Refused {
    (StatusCode::BAD_REQUEST, message)
}

/// The name, or what is wrong.
fn name(request: &Request, call: &Call) -> Result<String, Refused> {
    let query = request.query(GREETER);
    let mut headers = Vec::new();
    for value in request.headers().get_all(GREETER) {
        let text = std::str::from_utf8(value.as_bytes());
        headers.push(text.map_err(|_| refused("The header greeter is not UTF-8 text."))?);
    }
    let (source, name) = if let Some(name) = joined(&query) {
        ("query", name)
    } else if let Some(name) = joined(&headers) {
        ("header", name)
    } else if let Some(name) = in_body(request)? {
        call.property("encoding", if request.is_base64() { "base64" } else { "text" });
        ("body", name)
    } else {
        ("none", NOBODY.to_owned())
    };
    call.property("source", source);
    if name.chars().count() > MOST_NAME_CHARACTERS {
        return Err(refused("The name is longer than 256 characters."));
    }
    Ok(name)
}

/// The values as one name; `None` when none says anything.
fn joined(values: &[&str]) -> Option<String> {
    let said: Vec<&str> =
        values.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect();
    (!said.is_empty()).then(|| said.join(" and "))
}

/// The name that the body holds.
fn in_body(request: &Request) -> Result<Option<String>, Refused> {
    if !request.has_body() {
        return Ok(None);
    }
    let body = request.json().map_err(|problem| (problem.status(), problem.message()))?;
    let Value::Object(members) = body else {
        return Err(refused("The body is not a JSON object."));
    };
    match members.get(GREETER) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(joined(&[name])),
        Some(_) => Err(refused("The member greeter of the body is not text.")),
    }
}

#[cfg(test)]
mod tests {
    use handler_common::http::{HeaderName, HeaderValue, Method};

    use super::*;

    fn request() -> Request {
        Request::new(Method::POST, "/helloworld")
    }

    fn with_header(request: Request, value: &'static [u8]) -> Request {
        let value = HeaderValue::from_bytes(value).unwrap_or(HeaderValue::from_static("?"));
        request.with_header(HeaderName::from_static(GREETER), value)
    }

    fn answer(request: &Request) -> (u16, String) {
        let call = Call::new(SERVICE, "1", "r-1");
        let reply = greet(request, &call);
        assert_eq!(call.counted(BAD_REQUESTS), u64::from(reply.status() != 200));
        assert_eq!(reply.headers()["content-type"], "application/json");
        let message = reply.body()["message"].as_str().unwrap_or_default().to_owned();
        (reply.status().as_u16(), message)
    }

    #[test]
    fn the_query_comes_before_the_header_and_the_header_before_the_body() {
        let body = r#"{"greeter":"Body"}"#;
        let header = || with_header(request().with_body(body), b"Header");
        let cases = vec![
            (header().with_query(GREETER, &["Query"]), "Query"),
            (header(), "Header"),
            (header().with_query(GREETER, &["", " "]), "Header"),
            (request().with_body(body), "Body"),
            (with_header(request().with_body(body), b" "), "Body"),
            (request().with_body("eyJncmVldGVyIjoiQm9keSJ9").in_base64(), "Body"),
            (request(), "World"),
            (request().with_body(" "), "World"),
            (request().with_body("{}"), "World"),
            (request().with_body(r#"{"greeter":""}"#), "World"),
            (request().with_body(r#"{"greeter":null}"#), "World"),
            (request().with_query(GREETER, &["Ada", " ", "Grace"]), "Ada and Grace"),
            (with_header(with_header(request(), b"Ada"), b"Grace"), "Ada and Grace"),
            (with_header(request(), "Zoë".as_bytes()), "Zoë"),
        ];
        for (request, name) in cases {
            assert_eq!(answer(&request), (200, format!("Hello, {name}!")));
        }
    }

    #[test]
    fn what_can_not_be_understood_gets_400() {
        let long = "n".repeat(MOST_NAME_CHARACTERS + 1);
        for request in [
            request().with_body("{\"greeter\":"),
            request().with_body("greeter=Ada"),
            request().with_body("\"Ada\""),
            request().with_body("[]"),
            request().with_body(r#"{"greeter":7}"#),
            request().with_body("%%%").in_base64(),
            with_header(request(), b"\xff\xfe"),
            request().with_query(GREETER, &[&long]),
        ] {
            let (status, message) = answer(&request);
            assert_eq!(status, 400);
            assert!(!message.is_empty());
        }
    }
}
