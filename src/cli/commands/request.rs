//! `request`: sends a saved request, once or many times; without a name lists them.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedRequest;
use labdeck_ops::request::destination::{self, Destination, Sent};
use labdeck_ops::request::{self, Given};

use super::show;
use crate::args::RequestArgs;
use crate::context::Context;
use crate::output::{columns, exit};
use crate::progress::Display;

/// Sends. An answer with an error status is an answer: the exit status is 1 only when requests got
/// no answer, or one that is not what its request expects.
pub async fn run(context: &Context<'_>, args: &RequestArgs) -> Result<u8> {
    if args.all {
        return all(context, args).await;
    }
    let Some(name) = &args.name else { return list(context, &args.lab) };
    let blueprint = context.blueprint(&args.lab)?;
    let saved = find(&blueprint, name)?;
    let to = match (&args.to, &args.stage) {
        (Some(to), _) => Destination::read(to, &blueprint).map_err(|why| {
            Failure::new(FailureKind::Invalid, format!("sending request {name} to {to}"), why)
        })?,
        (None, Some(stage)) => Destination::Stage(stage.clone()),
        (None, None) => Destination::Stage(default_stage(&blueprint)?),
    };
    let given = Given { variables: args.variables.iter().cloned().collect(), ..Given::default() };
    let engine = context.engine().await?;
    let what = Sent::Request(Box::new(saved.clone()));
    let Some(load) = args.load.load() else {
        let exchange = destination::send_to(&engine, &blueprint, &what, &to, &given).await?;
        context.output.result(&exchange, || show::exchange(&exchange));
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

/// Sends all of them; with text each is told as it ends.
async fn all(context: &Context<'_>, args: &RequestArgs) -> Result<u8> {
    let blueprint = context.blueprint(&args.lab)?;
    let stage = args.stage.clone().map_or_else(|| default_stage(&blueprint), Ok)?;
    let given = Given { variables: args.variables.iter().cloned().collect(), ..Given::default() };
    let engine = context.engine().await?;
    let width = |text: fn(&SavedRequest) -> usize| {
        blueprint.requests.iter().map(text).max().unwrap_or_default()
    };
    let names = width(|saved| saved.name.chars().count());
    let calls = width(|saved| saved.method.len() + 1 + saved.path.chars().count());
    let rows = request::all(&engine, &blueprint, &stage, &given, &context.cancel, |row| {
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

fn list(context: &Context<'_>, lab: &str) -> Result<u8> {
    let blueprint = context.blueprint(lab)?;
    context.output.result(&serde_json::json!({ "requests": blueprint.requests }), || {
        let row = |saved: &SavedRequest| {
            let variables: Vec<&str> = request::variables_of(saved).into_iter().collect();
            let uses = if variables.is_empty() {
                String::new()
            } else {
                format!(" (--var {}=…)", variables.join("=… --var "))
            };
            vec![
                saved.name.clone(),
                saved.api.clone(),
                format!("{} {}", saved.method, saved.path),
                format!("{}{uses}", saved.description),
            ]
        };
        columns(&blueprint.requests.iter().map(row).collect::<Vec<_>>())
    });
    Ok(exit::DONE)
}
