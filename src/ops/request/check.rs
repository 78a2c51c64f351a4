//! What is wrong with a request that somebody typed, before any call.

use std::collections::BTreeMap;

use labdeck_lab::blueprint::SavedRequest;
use labdeck_lab::rules;
use serde::Serialize;
use serde_json::Value;

use super::prepare;
use super::wire::OWN_HEADERS;

/// Most bytes of a body: what API Gateway takes.
const MOST_BODY_BYTES: usize = 10 * 1024 * 1024;

/// One thing that is wrong, and the field that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where.
    pub field: Field,
    /// What is wrong, or what was expected.
    pub why: String,
}

/// A field of a saved request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Its name.
    Name,
    /// Its API.
    Api,
    /// The HTTP method.
    Method,
    /// The path.
    Path,
    /// The header of this name.
    Header(String),
    /// The query parameter of this name.
    Query(String),
    /// The body.
    Body,
    /// The variable of this name.
    Variable(String),
    /// The capture of this name.
    Capture(String),
    /// What is expected at this JSON path, or of this header.
    Expect(String),
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name => f.write_str("name"),
            Self::Api => f.write_str("API"),
            Self::Method => f.write_str("method"),
            Self::Path => f.write_str("path"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Query(name) => write!(f, "query {name}"),
            Self::Body => f.write_str("body"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Capture(name) => write!(f, "capture {name}"),
            Self::Expect(what) => write!(f, "expect {what}"),
        }
    }
}

/// Everything that is wrong with `saved` in itself, in the order of its fields. Whether the lab has its
/// API, its key and the requests that it names is not judged here.
///
/// A body must be JSON where its Content-Type says so, with its variables filled by their defaults; one
/// without a default stands for any JSON value.
pub fn problems(saved: &SavedRequest) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut check = |field: Field, result: Result<(), String>| {
        found.extend(result.err().map(|why| Problem { field, why }));
    };
    check(Field::Name, rules::name(&saved.name));
    let api = if saved.api.is_empty() { Err("an API is needed".to_owned()) } else { Ok(()) };
    check(Field::Api, api);
    check(Field::Method, method(&saved.method));
    check(Field::Path, path(&saved.path));
    for (name, value) in &saved.headers {
        check(Field::Header(name.clone()), header(name, value));
    }
    for (name, value) in &saved.query {
        let empty = if name.is_empty() { Err("it has no name".to_owned()) } else { Ok(()) };
        let both = empty.and_then(|()| holes(name)).and_then(|()| holes(value));
        check(Field::Query(name.clone()), both);
    }
    check(Field::Body, body(saved));
    for name in saved.variables.keys() {
        check(Field::Variable(name.clone()), rules::name(name));
    }
    for (name, path) in &saved.capture {
        let both = rules::name(name).and_then(|()| rules::json_path(path));
        check(Field::Capture(name.clone()), both);
    }
    if let Some(expect) = &saved.expect {
        for name in expect.headers.keys() {
            check(Field::Expect(name.clone()), rules::header_name(name));
        }
        for path in expect.json.keys() {
            check(Field::Expect(path.clone()), rules::json_path(path));
        }
    }
    found
}

fn method(text: &str) -> Result<(), String> {
    if rules::METHODS.contains(&text) {
        return Ok(());
    }
    Err(format!("expected one of {}", rules::METHODS.join(", ")))
}

fn path(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        return Err("a path begins with /".to_owned());
    }
    rules::path(text)?;
    holes(text)
}

fn header(name: &str, value: &str) -> Result<(), String> {
    rules::header_name(name)?;
    if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err("the connection itself sets it".to_owned());
    }
    rules::header_value(value)?;
    holes(value)
}

fn body(saved: &SavedRequest) -> Result<(), String> {
    let Some(text) = &saved.body else { return Ok(()) };
    if text.len() > MOST_BODY_BYTES {
        return Err("expected at most 10 MB, as API Gateway takes".to_owned());
    }
    holes(text)?;
    let declared = saved.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let Some((_, declared)) = declared.filter(|(_, value)| is_json(value)) else { return Ok(()) };
    let filled = filled(text, &saved.variables);
    match serde_json::from_str::<Value>(&filled) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("Content-Type is {declared}, but it is not JSON: {error}")),
    }
}

/// Whether a Content-Type means JSON: `application/json`, or what ends in `+json` (RFC 6839).
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

/// Every `{{` is closed, and names a variable or a value of an earlier answer.
fn holes(text: &str) -> Result<(), String> {
    for rest in text.split("{{").skip(1) {
        let Some((name, _)) = rest.split_once("}}") else {
            return Err("a {{ has no closing }}".to_owned());
        };
        match name.trim().split_once('.') {
            None => rules::name(name.trim()).map_err(|why| format!("{{{{{name}}}}}: {why}"))?,
            Some((of, rest)) => {
                rules::name(of).map_err(|why| format!("{{{{{name}}}}}: {why}"))?;
                rules::json_path(&format!("$.{rest}"))
                    .map_err(|why| format!("{{{{{name}}}}}: {why}"))?;
            }
        }
    }
    Ok(())
}

/// The text with its variables filled; `0`, which is JSON inside of quotes and outside, for those that
/// have no value.
fn filled(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut copied = 0;
    for (start, end, name) in prepare::holes(text) {
        filled.push_str(&text[copied..start]);
        filled.push_str(variables.get(name).map_or("0", String::as_str));
        copied = end;
    }
    filled + &text[copied..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> SavedRequest {
        SavedRequest {
            name: "adopt".into(),
            api: "petstore".into(),
            method: "POST".into(),
            path: "/pets/{{pet.id}}".into(),
            headers: BTreeMap::from([("Content-Type".into(), "application/json".into())]),
            body: Some(r#"{"type": "{{type}}", "price": {{price}}}"#.into()),
            variables: BTreeMap::from([("price".into(), "2.5".into())]),
            ..SavedRequest::default()
        }
    }

    #[test]
    fn a_good_request_has_none() {
        assert_eq!(problems(&saved()), []);
    }

    #[test]
    fn each_problem_is_at_its_field() {
        let mut request = saved();
        request.name = "1st".into();
        request.api = String::new();
        request.method = "FETCH".into();
        request.path = "pets".into();
        request.headers.insert("Content-Length".into(), "5".into());
        request.headers.insert("bad name".into(), "5".into());
        request.headers.insert("x-a".into(), "a\nb".into());
        request.query.insert("q".into(), "{{open".into());
        request.variables.insert("price".into(), "cheap".into());
        request.capture.insert("id".into(), "id".into());
        let fields: Vec<String> =
            problems(&request).iter().map(|problem| problem.field.to_string()).collect();
        let expected = [
            "name",
            "API",
            "method",
            "path",
            "header Content-Length",
            "header bad name",
            "header x-a",
            "query q",
            "body",
            "capture id",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_body_is_json_only_where_that_is_declared() {
        let mut request = saved();
        request.body = Some("{\"type\": ".into());
        assert!(problems(&request)[0].why.contains("it is not JSON"));
        request.headers.insert("Content-Type".into(), "text/plain".into());
        assert_eq!(problems(&request), []);
        request.headers.insert("Content-Type".into(), "application/problem+json; a=b".into());
        assert_eq!(problems(&request)[0].field, Field::Body);
        request.path = "/pets?x=1".into();
        assert_eq!(problems(&request)[0].field, Field::Path);
        request.path = "/pets/{{no such name}}".into();
        assert_eq!(problems(&request)[0].field, Field::Path);
    }
}
