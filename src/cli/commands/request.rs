//! `request`: sends a saved request, once or many times; without a name lists them.

mod logs;
mod own;
mod past;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedRequest;
use labdeck_ops::Engine;
use labdeck_ops::request::curl::{curl, quoted};
use labdeck_ops::request::destination::{self, Destination, Sent};
use labdeck_ops::request::exchange::Exchange;
use labdeck_ops::request::explain::live::{self, Diagnosis};
use labdeck_ops::request::trace::Trace;
use labdeck_ops::request::{self, Given, Outcome, history};
use labdeck_telemetry::clean;

use super::show;
use crate::args::RequestArgs;
use crate::context::Context;
use crate::output::{columns, exit};
use crate::progress::Display;

/// Sends. An answer with an error status is an answer: the exit status is 1 only when requests got
/// no answer, or one that is not what its request expects.
pub async fn run(context: &Context<'_>, args: &RequestArgs) -> Result<u8> {
    let blueprint = context.described(&args.lab).await?;
    let name = args.name.as_deref();
    if args.history || !args.diff.is_empty() {
        let engine = context.engine().await?;
        let lab = &blueprint.name;
        return if args.history {
            past::list(context, &engine, &blueprint, name, args.invocation.as_deref()).await
        } else {
            past::compare(context, &engine, lab, &args.diff)
        };
    }
    if let Some(name) = name {
        if !args.own.save.is_empty() {
            return own::save(context, &blueprint, args, name);
        }
        if args.own.forget {
            return own::forget(context, &blueprint, name);
        }
    }
    let blueprint = own::with_own(context, blueprint, name)?;
    if args.all {
        return all(context, args, &blueprint).await;
    }
    let Some(name) = name else { return Ok(list(context, &blueprint)) };
    let mut saved = find(&blueprint, name)?.clone();
    if let Some(key) = &args.key {
        saved.use_key(context.full_name(key));
        // It is expected of the request as it was saved.
        saved.expect = None;
    }
    let saved = &saved;
    let to = match (&args.to, &args.stage) {
        (Some(to), _) => Destination::read(to, &blueprint).map_err(|why| {
            Failure::new(FailureKind::Invalid, format!("sending request {name} to {to}"), why)
        })?,
        (None, Some(stage)) => Destination::Stage(stage.clone()),
        (None, None) => Destination::Stage(default_stage(&blueprint)?),
    };
    let engine = context.engine().await?;
    let needed = request::answers_needed(&blueprint, saved);
    let stage = to.stage(&blueprint);
    let given = Given {
        variables: args.variables.iter().cloned().collect(),
        answers: history::last_answers(&engine, &blueprint.name, stage, &needed)?,
    };
    if args.curl {
        let outgoing = request::prepare_unsent(&engine, &blueprint, saved, stage, &given).await?;
        let line = curl(&outgoing, &args.lab, &flags(context, &engine));
        let value = serde_json::json!({ "curl": line });
        context.output.result(&value, || vec![line.clone()]);
        return Ok(exit::DONE);
    }
    let what = Sent::Request(Box::new(saved.clone()));
    let Some(load) = args.load.load() else {
        let exchange = destination::send_to(&engine, &blueprint, &what, &to, &given).await?;
        let id = past::keep(context, &engine, &blueprint.name, &exchange);
        let trace = if args.logs {
            Some(logs::wait(context, &engine, &blueprint, &exchange).await?)
        } else {
            None
        };
        let diagnosis = diagnosed(context, &engine, &blueprint, &exchange).await;
        show_one(context, &engine, &exchange, id, trace.as_ref(), diagnosis.as_ref());
        return Ok(if exchange.holds() { exit::DONE } else { exit::FAILED });
    };
    let display = Display::new(context.output);
    let (reporter, cancel) = (display.reporter(), context.cancel.clone());
    let sent =
        destination::burst_to(&engine, &blueprint, &what, &to, &given, &load, &reporter, cancel)
            .await;
    drop(display);
    let summary = sent?;
    context.output.result(&summary, || {
        let mut text = show::bursts(std::slice::from_ref(&summary));
        text.push(String::new());
        text.extend(show::histogram(&summary.histogram));
        text
    });
    let complete = summary.failed == 0 && summary.stopped.is_none();
    Ok(if complete { exit::DONE } else { exit::FAILED })
}

/// The cause of an error answer. That it can't be looked for is said, and stops nothing.
async fn diagnosed(
    context: &Context<'_>,
    engine: &Engine,
    blueprint: &Blueprint,
    exchange: &Exchange,
) -> Option<Diagnosis> {
    match live::diagnose(engine, blueprint, exchange).await {
        Ok(found) => found,
        Err(failure) => {
            let said = format!("the cause can't be looked for: {}: {}", failure.what, failure.why);
            context.output.remark(said);
            None
        }
    }
}

/// Shows an answer; as JSON with its number in the history.
fn show_one(
    context: &Context<'_>,
    engine: &Engine,
    exchange: &Exchange,
    id: Option<u64>,
    trace: Option<&Trace>,
    diagnosis: Option<&Diagnosis>,
) {
    #[derive(serde::Serialize)]
    struct Answered<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        #[serde(flatten)]
        exchange: &'a Exchange,
        #[serde(skip_serializing_if = "Option::is_none")]
        diagnosis: Option<&'a Diagnosis>,
        #[serde(skip_serializing_if = "Option::is_none")]
        logs: Option<logs::Found<'a>>,
    }
    let answered = Answered { id, exchange, diagnosis, logs: trace.map(logs::Found::from) };
    context.output.result(&answered, || {
        let mut text = show::exchange(exchange);
        if let Some(diagnosis) = diagnosis {
            text.push(String::new());
            text.extend(diagnosis_lines(diagnosis, &flags(context, engine)));
        }
        text.extend(trace.map(logs::told).unwrap_or_default());
        text
    });
}

fn diagnosis_lines(diagnosis: &Diagnosis, flags: &[String]) -> Vec<String> {
    let mut text = vec![format!("cause: {}", clean(&diagnosis.explanation))];
    for finding in &diagnosis.checked {
        let mark = if finding.holds { "✓" } else { "✗" };
        text.push(format!("  {mark} {}: {}", clean(&finding.what), clean(&finding.detail)));
    }
    if let Some(fix) = &diagnosis.fix {
        let words = std::iter::once(fix.command()).chain(flags.iter().map(|flag| quoted(flag)));
        text.push(format!("fix: {}", fix.does()));
        text.push(format!("     {}", words.collect::<Vec<_>>().join(" ")));
    }
    text
}

/// The flags with which a command reaches the same target and labs.
fn flags(context: &Context<'_>, engine: &Engine) -> Vec<String> {
    let mut flags = engine.target.flags();
    let labs = &context.global.labs;
    if labs.as_os_str() != "handlers" {
        let labs = std::path::absolute(labs).unwrap_or_else(|_| labs.clone());
        flags.extend(["--labs".to_owned(), labs.display().to_string()]);
    }
    flags
}

/// Sends all of them; with text each is told as it ends.
async fn all(context: &Context<'_>, args: &RequestArgs, blueprint: &Blueprint) -> Result<u8> {
    let stage = args.stage.clone().map_or_else(|| default_stage(blueprint), Ok)?;
    let engine = context.engine().await?;
    let needed = blueprint.requests.iter().flat_map(request::answers_of).collect();
    let given = Given {
        variables: args.variables.iter().cloned().collect(),
        answers: history::last_answers(&engine, &blueprint.name, &stage, &needed)?,
    };
    let width = |text: fn(&SavedRequest) -> usize| {
        blueprint.requests.iter().map(text).max().unwrap_or_default()
    };
    let names = width(|saved| saved.name.chars().count());
    let calls = width(|saved| saved.method.len() + 1 + saved.path.chars().count());
    let rows = request::all(&engine, blueprint, &stage, &given, &context.cancel, |row| {
        if let Outcome::Exchange(exchange) = &row.outcome {
            past::keep(context, &engine, &blueprint.name, exchange);
        }
        if !context.output.json {
            for line in show::row(row, names, calls) {
                context.output.line(line);
            }
        }
    })
    .await;
    let complete = rows.len() == blueprint.requests.len();
    let holds = complete && rows.iter().all(|row| row.holds);
    if context.output.json {
        let result = serde_json::json!({ "stage": stage, "requests": rows, "holds": holds });
        context.output.value(&result);
    } else if !complete {
        context.output.remark(format!("stopped after {} requests", rows.len()));
    }
    Ok(if holds { exit::DONE } else { exit::FAILED })
}

/// The saved request of this name.
///
/// # Errors
/// `NotFound`, with those that there are.
pub fn find<'b>(blueprint: &'b Blueprint, name: &str) -> Result<&'b SavedRequest> {
    blueprint.requests.iter().find(|request| request.name == name).ok_or_else(|| {
        let known: Vec<&str> = blueprint.requests.iter().map(|r| r.name.as_str()).collect();
        let what = format!("sending request {name}");
        let why = format!("lab {} has no such request", blueprint.name);
        Failure::new(FailureKind::NotFound, what, why)
            .next(format!("its requests: {}", known.join(", ")))
    })
}

/// The last stage that the lab declares: after `dev` comes `prod`.
pub fn default_stage(blueprint: &Blueprint) -> Result<String> {
    blueprint.stages.last().map(|stage| stage.name.clone()).ok_or_else(|| {
        let what = format!("choosing a stage of lab {}", blueprint.name);
        Failure::new(FailureKind::Invalid, what, "the lab has no stages")
    })
}

fn list(context: &Context<'_>, blueprint: &Blueprint) -> u8 {
    context.output.result(&serde_json::json!({ "requests": blueprint.requests }), || {
        let row = |saved: &SavedRequest| {
            let variables: Vec<&str> = request::variables_of(saved).into_iter().collect();
            let uses = if variables.is_empty() {
                String::new()
            } else {
                format!(" (--var {}=…)", variables.join("=… --var "))
            };
            let own = if saved.own { " (your own)" } else { "" };
            vec![
                saved.name.clone(),
                saved.api.clone(),
                format!("{} {}", saved.method, saved.path),
                format!("{}{uses}{own}", saved.description).trim_start().to_owned(),
            ]
        };
        columns(&blueprint.requests.iter().map(row).collect::<Vec<_>>())
    });
    exit::DONE
}
