//! `release` and `rollback`: versions, and which of them `prod` serves.

use labdeck_aws::{FailureKind, Result};
use labdeck_ops::danger::Danger;
use labdeck_ops::release::outcome::ReleaseOutcome;
use labdeck_ops::release::pointer::version_name;
use labdeck_ops::release::{self, Begun};
use labdeck_ops::status::{self, FunctionStatus, LabStatus};
use labdeck_telemetry::clean;

use super::{canary, release_history, show};
use crate::args::ReleaseCommand;
use crate::confirm::About;
use crate::context::Context;
use crate::output::{exit, status_of};

/// Does it. When only a part succeeded, the outcome says which, and the exit status is not 0.
pub async fn run(context: &Context<'_>, lab: &str, command: ReleaseCommand) -> Result<u8> {
    let danger = command.act().danger();
    let at_once = danger == Danger::TakesBack;
    let (engine, blueprint) =
        if at_once { context.lab_at_once(lab).await? } else { context.lab(lab).await? };
    let about = About {
        what: format!("{} of {}", told_as(&command), blueprint.name),
        danger,
        alias: blueprint.released_alias(),
        name: &blueprint.name,
    };
    context.confirmed(&engine, &about).await?;
    let outcome = match command {
        ReleaseCommand::Publish { description } => {
            release::publish(&engine, &blueprint, description.as_deref()).await?
        }
        ReleaseCommand::Shift { percent } => release::shift(&engine, &blueprint, percent).await?,
        ReleaseCommand::Promote => release::promote(&engine, &blueprint).await?,
        ReleaseCommand::Complete => release::complete(&engine, &blueprint).await?,
        ReleaseCommand::Rollback { further } => {
            release::rollback(&engine, &blueprint, further).await?
        }
        ReleaseCommand::Undo => release::undo(&engine, &blueprint).await?,
        ReleaseCommand::Canary(args) => {
            return Box::pin(canary::run(context, &engine, &blueprint, args)).await;
        }
        ReleaseCommand::History => return release_history::run(context, &engine, &blueprint).await,
        ReleaseCommand::Prune { keep, dry_run } => {
            return release_history::prune(context, &engine, &blueprint, keep, dry_run).await;
        }
        ReleaseCommand::Status => {
            let live = status::read(&engine, &blueprint).await?;
            context.output.result(&live, || {
                let mut lines = text(&live);
                lines.extend(
                    release::begun_canary(&blueprint, &live).map(|b| under_way(&live.lab, &b)),
                );
                lines
            });
            return Ok(exit::DONE);
        }
    };
    context.output.result(&outcome, || show::release(&outcome));
    Ok(status_of_outcome(&outcome))
}

/// What is about to be done, for whoever is asked.
fn told_as(command: &ReleaseCommand) -> String {
    match command {
        ReleaseCommand::Publish { .. } => "publishing versions".to_owned(),
        ReleaseCommand::Shift { percent } => format!("shifting {percent}% of the traffic"),
        ReleaseCommand::Promote => "promoting the release".to_owned(),
        ReleaseCommand::Complete => "bringing the release together".to_owned(),
        ReleaseCommand::Rollback { .. } => "taking back the release".to_owned(),
        ReleaseCommand::Undo => "undoing the last move".to_owned(),
        ReleaseCommand::Canary(_) => "running a guarded canary".to_owned(),
        ReleaseCommand::Prune { .. } => "deleting old versions".to_owned(),
        ReleaseCommand::Status | ReleaseCommand::History => "looking at the release".to_owned(),
    }
}

/// 0 when all was done, 3 when a part met somebody else's change, 1 when a part failed otherwise.
fn status_of_outcome(outcome: &ReleaseOutcome) -> u8 {
    let failures = outcome.moves.iter().filter_map(|part| part.failure.as_ref());
    let all: Vec<_> = failures.chain(&outcome.problems).collect();
    match all.iter().find(|failure| failure.kind == FailureKind::Conflict).or(all.first()) {
        Some(failure) => status_of(failure),
        None => exit::DONE,
    }
}

/// A canary that runs, or that was left.
fn under_way(lab: &str, begun: &Begun) -> String {
    let by = if begun.by.is_empty() { String::new() } else { format!(" by {}", begun.by) };
    format!(
        "canary: step {} of {}, {}%, moved last{by}; where nobody guards it: \
         labdeck release {lab} canary --resume",
        begun.mark.step + 1,
        begun.mark.plan.steps.len(),
        begun.mark.percent()
    )
}

fn text(live: &LabStatus) -> Vec<String> {
    let mut text = Vec::new();
    for function in &live.functions {
        text.extend(function_text(function));
    }
    if let Some(last) = &live.last_move {
        text.extend(show::last_move(&live.lab, last));
    }
    for api in &live.apis {
        for stage in &api.stages {
            text.push(format!("{} {}: deployment {}", api.name, stage.name, stage.deployment_id));
        }
    }
    for switch in &live.chaos {
        text.push(format!("chaos {}: {}", switch.name, show::until(switch)));
    }
    if text.is_empty() {
        text.push(format!("{} is not deployed", live.lab));
    }
    text
}

fn function_text(function: &FunctionStatus) -> Vec<String> {
    if !function.exists {
        return vec![format!("{} does not exist", function.name)];
    }
    let versions: Vec<String> =
        function.versions.iter().map(|version| version_name(&version.version)).collect();
    let versions = if versions.is_empty() { "none".to_owned() } else { versions.join(" ") };
    let mut text = vec![format!("{}  {}, published: {versions}", function.name, function.state)];
    for alias in &function.aliases {
        let mut parts = vec![format!("    {}  {}", alias.name, alias.split())];
        if let Some(target) = &alias.rollback {
            let guess = if target.guess { " (a guess)" } else { "" };
            parts.push(format!("rollback → {}{guess}", version_name(&target.version)));
        }
        if alias.can_undo
            && let Some(pointer) = &alias.pointer
        {
            parts.push(format!("undo {} → {}", pointer.operation, pointer.was));
        }
        if !alias.description.is_empty() {
            parts.push(format!("“{}”", clean(&alias.description)));
        }
        text.push(parts.join("  "));
    }
    text
}
