//! What was sent before: listed, and two answers compared.

use std::time::Duration;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_ops::Engine;
use labdeck_ops::request::diff::{AnswerDiff, diff};
use labdeck_ops::request::exchange::Exchange;
use labdeck_ops::request::history::{self, Past};
use labdeck_ops::request::trace;
use serde_json::json;
use time::OffsetDateTime;

use crate::context::Context;
use crate::output::{columns, exit};

/// Keeps an exchange; answers its number. That it can't be kept is said and stops nothing.
pub(super) fn keep(
    context: &Context<'_>,
    engine: &Engine,
    lab: &str,
    exchange: &Exchange,
) -> Option<u64> {
    match history::append(engine, lab, exchange) {
        Ok(id) => Some(id),
        Err(failure) => {
            context.output.remark(format!("note: {}: {}", failure.what, failure.why));
            None
        }
    }
}

/// How far back the log is searched for an invocation.
const LOOK_BACK: Duration = Duration::from_hours(24);

/// Lists the history, the newest first; or only what led to an invocation.
pub(super) async fn list(
    context: &Context<'_>,
    engine: &Engine,
    blueprint: &Blueprint,
    name: Option<&str>,
    invocation: Option<&str>,
) -> Result<u8> {
    let lab = &blueprint.name;
    let mut past = history::read(engine, lab)?;
    past.retain(|past| name.is_none_or(|name| past.name == name));
    if let Some(id) = invocation {
        let back = labdeck_ops::history::since_ms(LOOK_BACK);
        let window = (back, labdeck_ops::history::now_ms());
        let found = trace::exchange_of(engine, blueprint, &past, id, window).await?.cloned();
        let Some(found) = found else {
            let what = format!("looking for what led to invocation {id}");
            let why = "no log of the last day joins it with a request of the history";
            return Err(Failure::new(FailureKind::NotFound, what, why));
        };
        past = vec![found];
    }
    context.output.result(&json!({ "lab": lab, "history": past }), || {
        if past.is_empty() {
            return vec!["nothing was sent yet".to_owned()];
        }
        columns(&past.iter().map(row).collect::<Vec<_>>())
    });
    Ok(exit::DONE)
}

fn row(past: &Past) -> Vec<String> {
    let at = OffsetDateTime::from_unix_timestamp(past.at_ms / 1000).ok();
    let at = at.map(|at| {
        let (date, hour, minute, second) = (at.date(), at.hour(), at.minute(), at.second());
        format!("{date} {hour:02}:{minute:02}:{second:02}")
    });
    let base = past.exchange.request.origin.as_ref().map(|origin| origin.base_url.as_str());
    let path = base.and_then(|base| past.url.strip_prefix(base)).unwrap_or(&past.url);
    vec![
        past.id.to_string(),
        at.unwrap_or_default(),
        past.name.clone(),
        past.to.clone(),
        past.status.to_string(),
        format!("{:.1} ms", past.ms),
        format!("{} {path}", past.method),
    ]
}

/// Shows what differs between two answers.
pub(super) fn compare(
    context: &Context<'_>,
    engine: &Engine,
    lab: &str,
    ids: &[u64],
) -> Result<u8> {
    let past = history::read(engine, lab)?;
    let [first, second] = ids else { return Ok(exit::USAGE) };
    let (first, second) = (history::find(&past, *first)?, history::find(&past, *second)?);
    let found = diff(&first.exchange, &second.exchange);
    let value = json!({ "before": first.id, "after": second.id, "diff": found });
    context.output.result(&value, || told(first, second, &found));
    Ok(exit::DONE)
}

fn told(first: &Past, second: &Past, found: &AnswerDiff) -> Vec<String> {
    let head = |past: &Past| format!("{} {} {} {}", past.id, past.name, past.to, past.status);
    let mut text = vec![format!("- {}", head(first)), format!("+ {}", head(second))];
    if found.same {
        text.push("the answers are the same, but for dates and request ids".to_owned());
        return text;
    }
    if let Some((before, after)) = found.status {
        text.push(format!("status {before} → {after}"));
    }
    for header in &found.headers {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let (before, after) = (value(&header.before), value(&header.after));
        text.push(format!("{}: {before} → {after}", header.name));
    }
    text.push(String::new());
    text.extend(found.body.iter().map(|line| format!("{} {}", line.side.mark(), line.text)));
    text
}
