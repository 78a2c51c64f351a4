//! Conditions that send a request or an event.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream;
use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedRequest;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::Finding;
use crate::engine::Engine;
use crate::request::exchange::Exchange;
use crate::{invoke, request};

/// Most requests of one check that are on their way at once.
const MOST_AT_ONCE: usize = 256;

/// What an answer must be.
pub(super) struct Expected<'c> {
    pub(super) status: u16,
    pub(super) json: &'c BTreeMap<String, Value>,
    /// Names in small letters.
    pub(super) headers: &'c BTreeMap<String, String>,
}

/// How many different values are asked for.
pub(super) struct Distinct<'c> {
    pub(super) count: u32,
    pub(super) path: &'c str,
    pub(super) at_least: u32,
}

fn find<'b>(blueprint: &'b Blueprint, name: &str) -> Result<&'b SavedRequest, Finding> {
    let found = blueprint.requests.iter().find(|request| request.name == name);
    found.ok_or_else(|| Finding::new(false, format!("the lab has no request {name}")))
}

pub(super) async fn answers(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    stage: &str,
    expected: &Expected<'_>,
) -> Result<Finding> {
    let saved = match find(blueprint, name) {
        Ok(saved) => saved,
        Err(finding) => return Ok(finding),
    };
    let outgoing = request::prepare(engine, blueprint, saved, stage, &BTreeMap::new()).await?;
    let exchange = request::send(engine, outgoing).await?;
    Ok(judged(&exchange, expected))
}

/// Whether an answer is what the check says.
pub(super) fn judged(exchange: &Exchange, expected: &Expected<'_>) -> Finding {
    let status = expected.status;
    if exchange.status != status {
        let explained = exchange.explanation.as_deref().unwrap_or_default();
        let reason = format!("it answered {} instead of {status}. {explained}", exchange.status);
        return Finding::new(false, reason.trim_end());
    }
    for (name, wanted) in expected.headers {
        let found = exchange.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match found {
            Some((_, value)) if value == wanted => {}
            Some((_, value)) => {
                return Finding::new(
                    false,
                    format!("header {name} is {value} instead of {wanted}"),
                );
            }
            None => return Finding::new(false, format!("its answer has no header {name}")),
        }
    }
    let millis = exchange.timings.total_ms;
    if expected.json.is_empty() {
        return Finding::new(true, format!("it answered {status} in {millis:.1} ms"));
    }
    let Ok(body) = serde_json::from_str::<Value>(&exchange.body) else {
        return Finding::new(false, format!("it answered {status}, but its body is not JSON"));
    };
    match differing(&body, expected.json) {
        Some(why) => Finding::new(false, why),
        None => Finding::new(
            true,
            format!("it answered {status} with what is expected in {millis:.1} ms"),
        ),
    }
}

/// How a JSON value differs from what is expected by path; `None` when it does not.
pub(super) fn differing(body: &Value, json: &BTreeMap<String, Value>) -> Option<String> {
    for (path, wanted) in json {
        let found = match JsonPath::parse(path) {
            Ok(path) => path.query(body).all(),
            Err(error) => return Some(format!("the path {path} is not valid: {error}")),
        };
        match found.as_slice() {
            [found] if same(found, wanted) => {}
            [] => return Some(format!("its body has no {path}, {wanted} is expected")),
            [found, ..] => return Some(format!("{path} is {found} instead of {wanted}")),
        }
    }
    None
}

/// Numbers are compared by value: 1 and 1.0 are the same.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= f64::EPSILON * wanted.abs(),
        _ => found == wanted,
    }
}

/// Whether many requests at once are answered with enough different values.
pub(super) async fn distinct(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    stage: &str,
    wanted: &Distinct<'_>,
) -> Result<Finding> {
    let saved = match find(blueprint, name) {
        Ok(saved) => saved,
        Err(finding) => return Ok(finding),
    };
    let path = match JsonPath::parse(wanted.path) {
        Ok(path) => path,
        Err(error) => {
            let why = format!("the path {} is not valid: {error}", wanted.path);
            return Ok(Finding::new(false, why));
        }
    };
    let outgoing = request::prepare(engine, blueprint, saved, stage, &BTreeMap::new()).await?;
    let sent: Vec<_> = (0..wanted.count).map(|_| request::send(engine, outgoing.clone())).collect();
    let answers: Vec<Result<Exchange>> =
        stream::iter(sent).buffer_unordered(MOST_AT_ONCE).collect().await;
    let (mut values, mut without) = (BTreeSet::new(), 0);
    for answer in answers {
        let body = serde_json::from_str::<Value>(&answer?.body).ok();
        let value = body.as_ref().and_then(|body| path.query(body).all().first().copied());
        match value {
            Some(value) => {
                values.insert(request::text_of(value));
            }
            None => without += 1,
        }
    }
    let mut reason =
        format!("{} requests at once had {} different {}", wanted.count, values.len(), wanted.path);
    if without > 0 {
        reason = format!("{reason}; {without} answers have none");
    }
    let holds = values.len() >= wanted.at_least as usize;
    if !holds {
        reason = format!("{reason}; at least {} are expected", wanted.at_least);
    }
    Ok(Finding::new(holds, reason))
}

/// Whether a function answers a saved event as said, or fails as said.
pub(super) async fn event(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    error: Option<&str>,
    json: &BTreeMap<String, Value>,
) -> Result<Finding> {
    let event = invoke::find(blueprint, name)?;
    let answer = invoke::invoke(engine, blueprint, event, None).await?;
    let failed = answer.function_error.is_some();
    let message = answer.error_message().unwrap_or_else(|| answer.payload.clone());
    Ok(match error {
        Some(wanted) if failed && message == wanted => {
            Finding::new(true, format!("it failed with {message}"))
        }
        Some(wanted) if failed => {
            Finding::new(false, format!("it failed with {message} instead of {wanted}"))
        }
        Some(wanted) => Finding::new(false, format!("it did not fail; {wanted} is expected")),
        None if failed => Finding::new(false, format!("it failed: {message}")),
        None => match answer.json().map(|body| differing(&body, json)) {
            Some(None) => Finding::new(true, format!("it answered in {:.1} ms", answer.millis)),
            Some(Some(why)) => Finding::new(false, why),
            None if json.is_empty() => Finding::new(true, "it answered"),
            None => Finding::new(false, "its answer is not JSON"),
        },
    })
}
