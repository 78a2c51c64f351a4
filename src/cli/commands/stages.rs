//! `stages`: the stages of every API of a lab; one of them read and edited.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_ops::Engine;
use labdeck_ops::gateway::deployments::{self, ApiDeployments, Origin};
use labdeck_ops::gateway::difference::{self, Comparison};
use labdeck_ops::gateway::stage::{self, StageModel};
use labdeck_ops::gateway::{Done, Preview, split_stage};
use labdeck_ops::status::{self, LabStatus};
use labdeck_telemetry::clean;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::args::{StagesArgs, StagesCommand};
use crate::confirm::About;
use crate::context::Context;
use crate::output::{columns, exit};

/// Lists the stages, or does something with one.
pub async fn run(context: &Context<'_>, args: &StagesArgs) -> Result<u8> {
    let blueprint = context.described(&args.lab).await?;
    let stage = match &args.stage {
        // A name that is none starts nothing.
        Some(name) => {
            let (api, stage) = split_stage(&blueprint, name)?;
            Some(format!("{api}/{stage}"))
        }
        None => None,
    };
    let Some(command) = &args.command else {
        let engine = context.engine().await?;
        return match stage {
            Some(stage) => show(context, &engine, &blueprint, &stage).await,
            None => list(context, &engine, &blueprint).await,
        };
    };
    let Some(stage) = stage else {
        if matches!(command, StagesCommand::Deployments) {
            let engine = context.engine().await?;
            return list_deployments(context, &engine, &blueprint, None).await;
        }
        let known: Vec<&str> = blueprint.stages.iter().map(|stage| stage.name.as_str()).collect();
        let failure =
            Failure::new(FailureKind::Invalid, "reading the command line", "no stage is named")
                .next(format!("name one before what is to be done: {}", known.join(", ")));
        context.output.failure(&failure);
        return Ok(exit::USAGE);
    };
    let engine = context.engine().await?;
    let about = About {
        what: format!("changing stage {stage} of {}", blueprint.name),
        danger: command.act().on_stage(&blueprint, &stage),
        alias: blueprint.released_alias(),
        name: "",
    };
    context.confirmed(&engine, &about).await?;
    match command {
        StagesCommand::Set { settings, dry_run } => {
            let before = stage::read(&engine, &blueprint, &stage).await?;
            let edit = stage::preview(&blueprint, before, settings)?;
            if *dry_run {
                return Ok(dry(context, &edit.preview));
            }
            warn(context, &edit.preview);
            let done = stage::apply(&engine, &blueprint, &edit).await?;
            told(context, &done);
        }
        StagesCommand::Deployments => {
            return list_deployments(context, &engine, &blueprint, Some(&stage)).await;
        }
        StagesCommand::Switch { deployment } => {
            let done = deployments::switch(&engine, &blueprint, &stage, deployment, None).await?;
            told(context, &done);
        }
        StagesCommand::Redeploy => {
            told(context, &deployments::redeploy(&engine, &blueprint, &stage, None).await?);
        }
        StagesCommand::Flush => {
            told(context, &deployments::flush(&engine, &blueprint, &stage).await?);
        }
        StagesCommand::Diff { deployment } => {
            let found = match deployment {
                Some(id) => {
                    let api = stage.rsplit_once('/').map_or("", |(api, _)| api);
                    difference::of_deployment(&engine, &blueprint, api, id).await?
                }
                None => difference::of_stage(&engine, &blueprint, &stage).await?,
            };
            context.output.result(&found, || differences(&found));
        }
    }
    Ok(exit::DONE)
}

/// Prints what an edit came to.
pub fn told(context: &Context<'_>, done: &Done) {
    context.output.result(done, || {
        let mut text = vec![done.said.clone()];
        let preview =
            Preview { subject: String::new(), patches: done.patches.clone(), warnings: Vec::new() };
        text.extend(preview.lines().into_iter().map(|line| format!("  {}", clean(&line))));
        text.extend(done.notes.iter().map(|note| format!("  {note}")));
        text
    });
}

/// Prints what an edit would do; gives the exit status.
pub fn dry(context: &Context<'_>, preview: &Preview) -> u8 {
    context.output.result(preview, || {
        if preview.patches.is_empty() {
            return vec![format!("{}: nothing to change", preview.subject)];
        }
        let mut text = vec![format!("{} would be changed:", preview.subject)];
        text.extend(preview.lines().into_iter().map(|line| format!("  {}", clean(&line))));
        text.extend(preview.warnings.iter().map(|warning| format!("  ! {warning}")));
        text
    });
    if preview.patches.is_empty() { exit::DONE } else { exit::PENDING }
}

/// Says what one should know before an edit is made.
pub fn warn(context: &Context<'_>, preview: &Preview) {
    for warning in &preview.warnings {
        context.output.remark(format!("! {warning}"));
    }
}

async fn list(context: &Context<'_>, engine: &Engine, blueprint: &Blueprint) -> Result<u8> {
    let live = status::read(engine, blueprint).await?;
    context.output.result(&json!({ "lab": live.lab, "apis": live.apis }), || text(&live));
    Ok(exit::DONE)
}

async fn show(
    context: &Context<'_>,
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
) -> Result<u8> {
    let found = stage::read(engine, blueprint, name).await?;
    context.output.result(&found, || settings(&found));
    Ok(exit::DONE)
}

fn settings(stage: &StageModel) -> Vec<String> {
    let mut text = vec![format!("{}, changed {}", stage.subject(), moment(stage.updated_ms))];
    let rows: Vec<Vec<String>> = stage
        .settings
        .iter()
        .map(|(key, value)| vec![format!("  {key}"), clean(value).into_owned()])
        .collect();
    text.extend(columns(&rows));
    text
}

async fn list_deployments(
    context: &Context<'_>,
    engine: &Engine,
    blueprint: &Blueprint,
    stage: Option<&str>,
) -> Result<u8> {
    let mut all = deployments::list(engine, blueprint).await?;
    if let Some((api, _)) = stage.and_then(|stage| stage.rsplit_once('/')) {
        all.retain(|one| one.api == api);
    }
    let value = json!({ "lab": blueprint.name, "apis": all });
    context.output.result(&value, || deployment_lines(&all));
    Ok(exit::DONE)
}

fn deployment_lines(all: &[ApiDeployments]) -> Vec<String> {
    let mut rows = Vec::new();
    for api in all {
        for one in &api.deployments {
            let canaries = one.canaries.iter().map(|stage| format!("{stage} (canary)"));
            let stages: Vec<String> = one.stages.iter().cloned().chain(canaries).collect();
            let origin = match (one.origin, one.current) {
                (Origin::Deploy, true) => "current definition",
                (Origin::Deploy, false) => "earlier definition",
                (Origin::Chaos, _) => "chaos",
                (Origin::Hand, _) => "by hand",
            };
            let stages = if stages.is_empty() { "—".to_owned() } else { stages.join(", ") };
            rows.push(vec![
                api.api.clone(),
                one.id.clone(),
                moment(one.created_ms),
                stages,
                origin.to_owned(),
                clean(&one.description).into_owned(),
            ]);
        }
    }
    if rows.is_empty() {
        return vec!["there are no deployments".to_owned()];
    }
    columns(&rows)
}

fn differences(found: &Comparison) -> Vec<String> {
    let served = match &found.stage {
        Some(stage) => format!("{} {stage} serves deployment {}", found.api, found.deployment),
        None => format!("deployment {} of {}", found.deployment, found.api),
    };
    let mut text = Vec::new();
    if found.differences.is_empty() {
        text.push(format!("{served}: as the current definition"));
    } else {
        text.push(format!("{served} (-); the current definition differs (+):"));
    }
    for one in &found.differences {
        let side = match (&one.served, &one.current) {
            (Some(_), None) => " (only served)",
            (None, Some(_)) => " (only in the definition)",
            _ => "",
        };
        text.push(format!("{} {}{side}", one.method, one.part).trim_end().to_owned());
        let lines = one.lines();
        text.extend(lines.iter().map(|(mark, line)| format!("  {mark} {}", clean(line))));
    }
    text.extend(found.note.clone());
    text
}

fn text(live: &LabStatus) -> Vec<String> {
    let mut rows = Vec::new();
    for api in &live.apis {
        for stage in &api.stages {
            let variables: Vec<String> =
                stage.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
            rows.push(vec![
                api.name.clone(),
                stage.name.clone(),
                format!("deployment {}", stage.deployment_id),
                moment(stage.updated_ms),
                variables.join(" "),
                stage.url.clone(),
            ]);
        }
    }
    if rows.is_empty() {
        return vec![format!(
            "{} has no stages; deploy it first: labdeck deploy {}",
            live.lab, live.lab
        )];
    }
    columns(&rows)
}

/// A moment as people read it.
pub fn moment(ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(ms / 1000).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}
