//! The log lines of a request.

use std::time::Duration;

use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use labdeck_ops::Engine;
use labdeck_ops::request::exchange::Exchange;
use labdeck_ops::request::trace::{self, Link, Trace};
use serde::Serialize;

use crate::commands::logs::{Line, line};
use crate::context::Context;

/// How long the lines are waited for.
const WITHIN: Duration = Duration::from_secs(10);

/// What is printed of it as JSON.
#[derive(Serialize)]
pub(super) struct Found<'t> {
    gateway_request_id: Option<&'t str>,
    lambda_request_id: Option<&'t str>,
    trace_id: Option<&'t str>,
    how: Link,
    guess: bool,
    complete: bool,
    gateway: Vec<Line<'t>>,
    lines: Vec<Line<'t>>,
}

impl<'t> From<&'t Trace> for Found<'t> {
    fn from(trace: &'t Trace) -> Self {
        Self {
            gateway_request_id: trace.gateway_request_id.as_deref(),
            lambda_request_id: trace.lambda_request_id.as_deref(),
            trace_id: trace.trace_id.as_deref(),
            how: trace.how,
            guess: trace.how.is_guess(),
            complete: trace.complete,
            gateway: trace.gateway.iter().map(Line::from).collect(),
            lines: trace.lines.iter().map(Line::from).collect(),
        }
    }
}

/// Waits for the lines of a request.
pub(super) async fn wait(
    context: &Context<'_>,
    engine: &Engine,
    blueprint: &Blueprint,
    exchange: &Exchange,
) -> Result<Trace> {
    trace::wait_for(engine, blueprint, exchange, WITHIN, &context.cancel).await
}

/// The lines as text.
pub(super) fn told(trace: &Trace) -> Vec<String> {
    let ids = [("gateway", &trace.gateway_request_id), ("Lambda", &trace.lambda_request_id)];
    let ids: Vec<String> = ids
        .iter()
        .filter_map(|(of, id)| id.as_ref().map(|id| format!("{of} request id {id}")))
        .collect();
    let mut text = vec![String::new(), format!("log: {}", trace.how.says())];
    if !ids.is_empty() {
        text.push(format!("     {}", ids.join(", ")));
    }
    let all = || trace.gateway.iter().chain(&trace.lines);
    let width = all().map(|event| event.function.chars().count()).max().unwrap_or_default();
    text.extend(all().map(|event| line(event, width)));
    if !trace.complete && trace.how != Link::Gateway {
        text.push("not all of it was there yet".to_owned());
    }
    text
}
