//! Conditions that send a request or an event.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream;
use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Expect, SavedRequest};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::Finding;
use crate::engine::Engine;
use crate::request::exchange::Exchange;
use crate::request::expect;
use crate::{invoke, request};

/// Most requests of one check that are on their way at once.
const MOST_AT_ONCE: usize = 256;

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
    expected: &Expect,
) -> Result<Finding> {
    let saved = match find(blueprint, name) {
        Ok(saved) => saved,
        Err(finding) => return Ok(finding),
    };
    let outgoing =
        request::prepare(engine, blueprint, saved, stage, &request::Given::default()).await?;
    let exchange = request::send(engine, outgoing).await?;
    Ok(judged(&exchange, expected))
}

/// Whether an answer is what the check says.
pub(super) fn judged(exchange: &Exchange, expected: &Expect) -> Finding {
    let verdicts = expect::judge(expected, exchange);
    if let Some(broken) = expect::broken(&verdicts) {
        let explained = exchange.explanation.as_deref().unwrap_or_default();
        return Finding::new(false, format!("{broken}. {explained}").trim_end());
    }
    let (status, millis) = (exchange.status, exchange.timings.total_ms);
    let more = if verdicts.len() > 1 { " with what is expected" } else { "" };
    Finding::new(true, format!("it answered {status}{more} in {millis:.1} ms"))
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
    let outgoing =
        request::prepare(engine, blueprint, saved, stage, &request::Given::default()).await?;
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
        None => match expect::broken(&expect::values(answer.json().as_ref(), json)) {
            None => Finding::new(true, format!("it answered in {:.1} ms", answer.millis)),
            Some(broken) => Finding::new(false, broken),
        },
    })
}
