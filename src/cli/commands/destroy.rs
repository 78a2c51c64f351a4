//! `destroy`: tears labs down after asking, then says what is left.

use std::io::{self, Write};

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_ops::deploy::plan::Summary;
use labdeck_ops::{Engine, deploy};

use crate::args::LabsArg;
use crate::commands::plan;
use crate::confirm::can_ask;
use crate::context::Context;
use crate::output::exit;
use crate::progress::Display;

/// Destroys the labs. Exit status 1 when something of one is left.
pub async fn run(context: &Context<'_>, args: &LabsArg) -> Result<u8> {
    let labs = super::deploy::labs(context, args)?;
    let read = |lab: &String| context.own_blueprint(lab, "destroying");
    let blueprints = labs.iter().map(read).collect::<Result<Vec<_>>>()?;
    // Refused before anything is started or asked.
    if !context.global.yes && !can_ask() {
        let what = format!("destroying {}", labs.join(", "));
        let why = "it is not confirmed, and there is no terminal to ask on";
        return Err(Failure::new(FailureKind::Refused, what, why).next("confirm it with --yes"));
    }
    let engine = context.engine().await?;
    for blueprint in blueprints.iter().filter(|_| !context.global.yes) {
        confirm(&engine, blueprint, context).await?;
    }
    let display = Display::new(context.output);
    let labs = super::deploy::ones(blueprints, &deploy::Options::default(), &display);
    let summaries = deploy::destroy_all(&engine, &labs, &context.cancel).await;
    drop(display);
    let summaries = super::deploy::told(context, summaries, text)?;
    let left = summaries.iter().any(|summary| !summary.left.is_empty());
    Ok(if left { exit::FAILED } else { exit::DONE })
}

/// Shows what will be removed and wants the lab's name typed.
async fn confirm(engine: &Engine, blueprint: &Blueprint, context: &Context<'_>) -> Result<()> {
    let lab = &blueprint.name;
    let plan = deploy::plan_destroy(engine, blueprint).await?;
    if plan.is_empty() {
        return Ok(());
    }
    let mut stderr = io::stderr();
    for line in plan::text(&plan) {
        let _ = writeln!(stderr, "{line}");
    }
    let question = format!(
        "on {} ({}). Type the lab's name to destroy it: ",
        engine.target.name(),
        engine.target.region()
    );
    let typed = context.answer(question).await;
    if typed == *lab {
        return Ok(());
    }
    let what = format!("destroying {lab}");
    Err(Failure::new(FailureKind::Refused, what, "it was not confirmed")
        .next("type the lab's name, or give --yes"))
}

fn text(summary: &Summary) -> Vec<String> {
    let mut text = vec![format!(
        "{}: {} removed, {} calls, {:.1} s",
        summary.lab, summary.changed, summary.calls, summary.seconds
    )];
    if summary.left.is_empty() {
        text.push("nothing is left".to_owned());
    }
    text.extend(summary.notes.iter().map(|note| format!("  {note}")));
    for left in &summary.left {
        text.push(format!("  left: {} {}: {}", left.resource, left.name, left.reason));
    }
    text
}
