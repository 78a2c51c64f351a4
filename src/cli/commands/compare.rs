//! `compare`: the same traffic to several requests, stages, versions or URLs.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_ops::invoke;
use labdeck_ops::request::compare::{self, Contender};
use labdeck_ops::request::destination::{Destination, Sent};

use super::{request, show};
use crate::args::CompareArgs;
use crate::context::Context;
use crate::output::exit;
use crate::progress::Display;

/// Compares. Exit status 1 when a request got no answer or an end came early; an answer with an error
/// status is an answer.
pub async fn run(context: &Context<'_>, args: &CompareArgs) -> Result<u8> {
    let blueprint = context.described(&args.lab).await?;
    let contenders = contenders(&blueprint, args)?;
    let engine = context.engine().await?;
    let display = Display::new(context.output);
    let (reporter, cancel) = (display.reporter(), context.cancel.clone());
    let load = args.load();
    let compared =
        compare::compare(&engine, &blueprint, &contenders, &load, &reporter, cancel).await;
    drop(display);
    let bursts = compared?;
    let json = serde_json::json!({ "load": load, "compared": bursts });
    context.output.result(&json, || show::bursts(&bursts));
    let complete = bursts.iter().all(|burst| burst.failed == 0 && burst.stopped.is_none());
    Ok(if complete { exit::DONE } else { exit::FAILED })
}

fn contenders(blueprint: &Blueprint, args: &CompareArgs) -> Result<Vec<Contender>> {
    let what = || format!("comparing in lab {}", blueprint.name);
    let what_is_sent = match &args.event {
        Some(event) => vec![Sent::Event(invoke::find(blueprint, event)?.clone())],
        None => args
            .requests
            .iter()
            .map(|name| {
                let saved = request::find(blueprint, name)?;
                Ok(Sent::Request(Box::new(saved.clone())))
            })
            .collect::<Result<_>>()?,
    };
    let places = if args.at.is_empty() {
        match args.event {
            Some(_) => vec![Destination::Function("$LATEST".to_owned())],
            None => vec![Destination::Stage(request::default_stage(blueprint)?)],
        }
    } else {
        let read = |text: &String| {
            Destination::read(text, blueprint)
                .map_err(|why| Failure::new(FailureKind::Invalid, what(), why))
        };
        args.at.iter().map(read).collect::<Result<_>>()?
    };
    let all: Vec<Contender> = places
        .iter()
        .flat_map(|to| {
            what_is_sent.iter().map(|what| Contender { what: what.clone(), to: to.clone() })
        })
        .collect();
    if all.len() < 2 {
        let why = "there is one to compare with nothing";
        return Err(Failure::new(FailureKind::Invalid, what(), why)
            .next("name several requests, or several places: --at dev --at prod"));
    }
    Ok(all)
}
