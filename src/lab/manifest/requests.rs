//! Saved requests: those of `lab.toml`, and a person's own in a file of the same form.

use std::collections::BTreeMap;

use super::plain;
use crate::blueprint::{Expect, ExpectedStatus, SavedRequest};
use crate::links::Kind;
use crate::names;
use crate::rules::METHODS;
use crate::section::{Section, Shape, Text};

/// HTTP methods a saved request can have.
pub(super) fn methods() -> [(&'static str, &'static str); METHODS.len()] {
    METHODS.map(|method| (method, method))
}

/// Most bytes of a saved request's body: what API Gateway takes.
const MOST_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Longest time that an answer can be expected to take: no answer is waited for longer.
const MOST_WITHIN_MS: i64 = 60_000;

/// A request as it stands in the file, for what can be judged only when all are read.
struct Written<'c, 'a, 'i> {
    request: SavedRequest,
    section: Section<'c, 'a, 'i>,
    /// The texts that may use variables.
    texts: Vec<Text>,
}

/// Whose requests are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Whose<'b> {
    /// The lab's.
    Lab,
    /// A person's own, beside those of the lab.
    Own(&'b [SavedRequest]),
}

pub(crate) fn requests(section: &Section<'_, '_, '_>, whose: Whose<'_>) -> Vec<SavedRequest> {
    let written: Vec<Written<'_, '_, '_>> = section
        .named("requests", names::WORD)
        .into_iter()
        .map(|(name, section)| request(name, section, whose))
        .collect();
    let others = match whose {
        Whose::Lab => &[],
        Whose::Own(others) => others,
    };
    let all = others.iter().chain(written.iter().map(|written| &written.request));
    let by_name: BTreeMap<&str, &SavedRequest> =
        all.map(|request| (request.name.as_str(), request)).collect();
    for written in &written {
        if others.iter().any(|other| other.name == written.request.name) {
            let message = format!("the lab has a request `{}` already", written.request.name);
            written.section.context.problem(written.section.at, message, |problem| {
                problem.expected("a name of its own");
            });
        }
        check_order(written, &by_name);
        check_variables(written, &by_name, whose);
    }
    written.into_iter().map(|written| written.request).collect()
}

fn request<'c, 'a, 'i>(
    name: String,
    section: Section<'c, 'a, 'i>,
    whose: Whose<'_>,
) -> Written<'c, 'a, 'i> {
    let context = section.context;
    let description = match whose {
        Whose::Lab => section.text("description", "what the request shows, in one line").value,
        Whose::Own(_) => section.optional_text("description").unwrap_or_default().value,
    };
    let api = section.link("api", Kind::Api);
    let method = section.choice("method", &methods()).unwrap_or_default().to_owned();
    let path = section.ruled("path", names::PATH);
    let headers = section.text_map("headers", Some(names::HEADER));
    for value in headers.values() {
        context.check(names::HEADER_VALUE, &value.value, value.at);
    }
    let query = section.text_map("query", None);
    let body = section.optional_text("body");
    if let Some(body) = body.as_ref().filter(|body| body.value.len() > MOST_BODY_BYTES) {
        let message = format!("`body` in {} is too large", section.called);
        context.problem(body.at, message, |problem| {
            problem.expected("at most 10 MB, as API Gateway takes");
        });
    }
    let variables = section.text_map("variables", Some(names::WORD));
    let key = section.optional_link("key", Kind::Key);
    let before = section.optional_links("before", &Kind::Request);
    let capture = section.text_map("capture", Some(names::WORD));
    for path in capture.values() {
        section.check_path(&path.value, path.at);
    }
    let expect = expect(&section);
    section.finish();
    let used = std::iter::once(&path).chain(headers.values()).chain(query.values()).chain(&body);
    let texts = used.cloned().collect();
    let request = SavedRequest {
        name,
        description,
        api,
        method,
        path: path.value,
        headers: plain(headers),
        query: plain(query),
        body: body.map(|body| body.value),
        variables: plain(variables),
        key,
        before,
        capture: plain(capture),
        expect,
        own: whose != Whose::Lab,
    };
    Written { request, section, texts }
}

/// What the answer must be; without a word it says nothing, which nobody means.
fn expect(section: &Section<'_, '_, '_>) -> Option<Expect> {
    let inner = section.section("expect")?;
    let headers = inner.text_map("headers", Some(names::HEADER));
    let within = inner.optional_number("within_ms", &(1..=MOST_WITHIN_MS), "milliseconds");
    let expect = Expect {
        status: status(&inner),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.value))
            .collect(),
        json: inner.json_map("json"),
        within_ms: within.and_then(|within| u32::try_from(within).ok()),
    };
    inner.finish();
    if expect == Expect::default() && !inner.context.damaged() {
        let message = format!("{} expects nothing", inner.called);
        inner.context.problem(inner.at, message, |problem| {
            problem.expected("`status`, `headers`, `json` or `within_ms`");
        });
    }
    Some(expect)
}

fn status(section: &Section<'_, '_, '_>) -> Option<ExpectedStatus> {
    let value = section.get("status", false, Shape::Any)?;
    let text = match (value.get_ref().as_str(), value.get_ref().as_integer()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(number)) => number.as_str().to_owned(),
        (None, None) => {
            section.wrong_type("status", value, "a status, or a class such as `\"2xx\"`");
            return None;
        }
    };
    match text.parse() {
        Ok(status) => Some(status),
        Err(why) => {
            let message = format!("`{}` is no status", text.escape_debug());
            section.context.problem(value.span().start, message, |problem| {
                problem.expected(why.trim_start_matches("expected "));
            });
            None
        }
    }
}

/// No request may have to be sent before itself.
fn check_order(written: &Written<'_, '_, '_>, by_name: &BTreeMap<&str, &SavedRequest>) {
    let own = written.request.name.as_str();
    let before = all_before(&written.request, by_name);
    if before.contains(&own) {
        let message = format!("request `{own}` comes `before` itself");
        let context = written.section.context;
        context.problem(written.section.at_of("before"), message, |problem| {
            let way: Vec<&str> = before.iter().copied().filter(|name| *name != own).collect();
            problem.expected(if way.is_empty() {
                "other requests in `before`".to_owned()
            } else {
                format!("an order without a circle; this one leads over {}", way.join(", "))
            });
        });
    }
}

/// The names of all requests that are sent before one, each once.
fn all_before<'r>(
    request: &'r SavedRequest,
    by_name: &BTreeMap<&str, &'r SavedRequest>,
) -> Vec<&'r str> {
    let mut found: Vec<&str> = Vec::new();
    let mut waiting: Vec<&str> = request.before.iter().map(String::as_str).collect();
    while let Some(name) = waiting.pop() {
        if !found.contains(&name) {
            found.push(name);
            let earlier = by_name.get(name).map(|request| request.before.as_slice());
            waiting.extend(earlier.unwrap_or_default().iter().map(String::as_str));
        }
    }
    found
}

/// Every `{{name}}` of a lab's request needs a default value, or a request before that captures it; one
/// of a person's own may be asked for. `{{pet.id}}` is taken from the last answer of the request `pet`.
fn check_variables(
    written: &Written<'_, '_, '_>,
    by_name: &BTreeMap<&str, &SavedRequest>,
    whose: Whose<'_>,
) {
    let (request, section) = (&written.request, &written.section);
    let captured = all_before(request, by_name)
        .into_iter()
        .filter_map(|name| by_name.get(name))
        .flat_map(|request| request.capture.keys());
    let known: Vec<&str> = request.variables.keys().chain(captured).map(String::as_str).collect();
    for text in &written.texts {
        for rest in text.value.split("{{").skip(1) {
            let Some((name, _)) = rest.split_once("}}") else {
                section.context.problem(text.at, "a `{{` has no closing `}}`", |_| ());
                break;
            };
            let name = name.trim();
            // Where lines can't be read, the default may stand in one of them.
            if known.contains(&name) || section.context.damaged() {
                continue;
            }
            if let Some((of, rest)) = name.split_once('.') {
                section.context.link(Kind::Request, of, text.at);
                section.check_path(&format!("$.{rest}"), text.at);
                continue;
            }
            if whose != Whose::Lab && (names::WORD.keeps)(name) {
                continue;
            }
            let message = format!("variable `{}` has no default value", name.escape_debug());
            section.context.problem(text.at, message, |problem| {
                problem
                    .expected(format!(
                        "`{name} = \"…\"` in `variables` of {}, or a request in its `before` that \
                         captures it",
                        section.called
                    ))
                    .nearest(name, known.iter().copied());
            });
        }
    }
}
