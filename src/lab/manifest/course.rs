//! Saved requests, saved events and chaos switches of `lab.toml`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{plain, unsigned};
use crate::blueprint::{Chaos, ChaosKind, SavedEvent, SavedRequest};
use crate::links::Kind;
use crate::names;
use crate::section::{Need, Section, Text};

/// HTTP methods a saved request can have.
const METHODS: &[(&str, &str)] = &[
    ("GET", "GET"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("DELETE", "DELETE"),
    ("HEAD", "HEAD"),
    ("OPTIONS", "OPTIONS"),
];
/// Most bytes of a saved request's body: what API Gateway takes.
const MOST_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Most bytes of a saved event: what Lambda takes in a synchronous invocation.
const MOST_EVENT_BYTES: usize = 6 * 1024 * 1024;
/// Longest delay of `slow-table`: beyond it a function has long timed out.
const MOST_DELAY_MS: i64 = 60_000;
/// Longest `deny-table`: one working day.
const MOST_DENY_MINUTES: i64 = 480;

/// A request as it stands in the file, for what can be judged only when all are read.
struct Written<'c, 'a, 'i> {
    request: SavedRequest,
    section: Section<'c, 'a, 'i>,
    /// The texts that may use variables.
    texts: Vec<Text>,
}

pub(super) fn requests(section: &Section<'_, '_, '_>) -> Vec<SavedRequest> {
    let written: Vec<Written<'_, '_, '_>> = section
        .named("requests", names::WORD)
        .into_iter()
        .map(|(name, section)| request(name, section))
        .collect();
    let by_name: BTreeMap<&str, &SavedRequest> =
        written.iter().map(|written| (written.request.name.as_str(), &written.request)).collect();
    for written in &written {
        check_order(written, &by_name);
        check_variables(written, &by_name);
    }
    written.into_iter().map(|written| written.request).collect()
}

fn request<'c, 'a, 'i>(name: String, section: Section<'c, 'a, 'i>) -> Written<'c, 'a, 'i> {
    let context = section.context;
    let description = section.text("description", "what the request shows, in one line").value;
    let api = section.link("api", Kind::Api);
    let method = section.choice("method", METHODS).unwrap_or_default().to_owned();
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
    };
    Written { request, section, texts }
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

/// Every `{{name}}` needs a default value, or a request before that captures it.
fn check_variables(written: &Written<'_, '_, '_>, by_name: &BTreeMap<&str, &SavedRequest>) {
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

pub(super) fn events(section: &Section<'_, '_, '_>) -> Vec<SavedEvent> {
    let read = |(name, section): (String, Section<'_, '_, '_>)| {
        let description = section.text("description", "what the event shows, in one line").value;
        let function = section.link("function", Kind::Function);
        let payload = section.json("payload", true);
        if let Some((_, at)) =
            payload.as_ref().filter(|(value, _)| value.to_string().len() > MOST_EVENT_BYTES)
        {
            let message = format!("`payload` in {} is too large", section.called);
            section.context.problem(*at, message, |problem| {
                problem.expected("at most 6 MB, as Lambda takes");
            });
        }
        section.finish();
        let payload = payload.map_or(Value::Null, |(value, _)| value);
        SavedEvent { name, description, function, payload }
    };
    section.named("events", names::WORD).into_iter().map(read).collect()
}

pub(super) fn chaos(section: &Section<'_, '_, '_>) -> Vec<Chaos> {
    section
        .named("chaos", names::WORD)
        .into_iter()
        .filter_map(|(name, section)| {
            Some(Chaos {
                name,
                description: section.text("description", "what it does, in one line").value,
                kind: chaos_kind(&section)?,
            })
        })
        .collect()
}

/// An unknown kind has been reported by `choice`; its other keys can't be judged.
fn chaos_kind(section: &Section<'_, '_, '_>) -> Option<ChaosKind> {
    let kinds = ["deny-table", "missing-table", "variable", "drop-cache-key", "slow-table"];
    let kind = match section.choice("kind", &kinds.map(|kind| (kind, kind)))? {
        "deny-table" => ChaosKind::DenyTable {
            role: section.link("role", Kind::Role),
            table: section.link("table", Kind::Table),
            minutes: unsigned(section.number("minutes", &(1..=MOST_DENY_MINUTES), "minutes", 15)),
        },
        "missing-table" => {
            let function = section.link("function", Kind::Function);
            let variable = section.link("variable", Kind::VariableOf(function.clone()));
            ChaosKind::MissingTable { function, variable }
        }
        "variable" => {
            let function = section.link("function", Kind::Function);
            let variable = section.link("variable", Kind::VariableOf(function.clone()));
            let value = section.text("value", "its value while the switch is on");
            if value.value.contains("${") {
                let message = format!("`value` in {} holds a reference", section.called);
                section.context.problem(value.at, message, |problem| {
                    problem.expected("text without `${`");
                });
            }
            ChaosKind::Variable { function, variable, value: value.value }
        }
        "drop-cache-key" => drop_cache_key(section),
        _ => ChaosKind::SlowTable {
            table: section.link("table", Kind::Table),
            delay_ms: u64::from(unsigned(section.required_number(
                "delay_ms",
                &(1..=MOST_DELAY_MS),
                "milliseconds",
            ))),
        },
    };
    section.finish();
    Some(kind)
}

fn drop_cache_key(section: &Section<'_, '_, '_>) -> ChaosKind {
    let api = section.link("api", Kind::Api);
    let path = section.text("path", "a path of the API, with parameters as `{name}`").value;
    let method = section.choice("method", METHODS).unwrap_or_default().to_owned();
    let parameter = section.text("parameter", "a cache key such as `method.request.path.ID`");
    let stage = section.link("stage", Kind::Stage);
    if [&api, &path, &method, &parameter.value].iter().all(|text| !text.is_empty()) {
        let need = Need::CacheKey {
            api: api.clone(),
            path: path.clone(),
            method: method.clone(),
            parameter: parameter.value.clone(),
        };
        section.context.need(need, parameter.at);
    }
    ChaosKind::DropCacheKey { api, path, method, parameter: parameter.value, stage }
}
