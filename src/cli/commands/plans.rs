//! `plans`: usage plans, their settings, what their keys have used.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_ops::Engine;
use labdeck_ops::gateway::plan::{self, PlanModel};
use labdeck_ops::gateway::usage::{self, KeyUsage, Left, PlanUsage};
use labdeck_telemetry::clean;
use serde_json::json;

use super::stages::{dry, moment, told, warn};
use crate::args::{PlansArgs, PlansCommand};
use crate::confirm::About;
use crate::context::Context;
use crate::output::{columns, exit};

/// Lists the plans, or does something with one.
pub async fn run(context: &Context<'_>, args: &PlansArgs) -> Result<u8> {
    let (engine, blueprint) = context.lab(&args.lab).await?;
    let Some(command) = &args.command else {
        let all = match &args.plan {
            Some(name) => vec![plan::read(&engine, &blueprint, name).await?],
            None => plan::list(&engine, &blueprint).await?,
        };
        let value = json!({ "lab": blueprint.name, "plans": all });
        context.output.result(&value, || settings(&blueprint, &all));
        return Ok(exit::DONE);
    };
    if matches!(command, PlansCommand::Usage) && args.plan.is_none() {
        return all_usage(context, &engine, &blueprint).await;
    }
    let name = match &args.plan {
        Some(name) => name.clone(),
        None => only(&engine, &blueprint).await?,
    };
    let about = About {
        what: format!("changing usage plan {name} of {}", blueprint.name),
        danger: command.act().danger(),
        alias: blueprint.released_alias(),
        name: "",
    };
    context.confirmed(&engine, &about).await?;
    match command {
        PlansCommand::Set { settings, dry_run } => {
            let before = plan::read(&engine, &blueprint, &name).await?;
            let edit = plan::preview(&blueprint, before, settings)?;
            if *dry_run {
                return Ok(dry(context, &edit.preview));
            }
            warn(context, &edit.preview);
            let wait = engine.target.budget_wait("API Gateway", "UpdateUsagePlan");
            if !wait.is_zero() {
                let seconds = wait.as_secs().max(1);
                context.output.remark(format!("waiting {seconds} s: AWS takes one edit in 20 s"));
            }
            told(context, &plan::apply(&engine, &blueprint, &edit).await?);
        }
        PlansCommand::Usage => {
            let found = usage::of_plan(&engine, &blueprint, &name).await?;
            context.output.result(&json!({ "lab": blueprint.name, "plans": [found] }), || {
                used(std::slice::from_ref(&found))
            });
        }
        PlansCommand::Reset { key } => {
            let done = usage::set_left(&engine, &blueprint, &name, key, Left::Full).await?;
            told(context, &done);
        }
        PlansCommand::Extend { key, requests } => {
            let left = Left::More(*requests);
            told(context, &usage::set_left(&engine, &blueprint, &name, key, left).await?);
        }
    }
    Ok(exit::DONE)
}

async fn all_usage(context: &Context<'_>, engine: &Engine, blueprint: &Blueprint) -> Result<u8> {
    let mut all = Vec::new();
    for plan in plan::list(engine, blueprint).await? {
        all.push(usage::of_plan(engine, blueprint, &plan.name).await?);
    }
    context.output.result(&json!({ "lab": blueprint.name, "plans": all }), || used(&all));
    Ok(exit::DONE)
}

/// The one plan of the lab.
async fn only(engine: &Engine, blueprint: &Blueprint) -> Result<String> {
    let all = plan::list(engine, blueprint).await?;
    let what = format!("choosing a usage plan of lab {}", blueprint.name);
    match all.as_slice() {
        [one] => Ok(one.name.clone()),
        [] => Err(Failure::new(FailureKind::NotFound, what, "none of its plans is live")
            .next(format!("deploy it first: labdeck deploy {}", blueprint.name))),
        several => {
            let names: Vec<&str> = several.iter().map(|plan| plan.name.as_str()).collect();
            let why = format!("the lab has {}", names.join(", "));
            Err(Failure::new(FailureKind::Invalid, what, why)
                .next("name one of them before what is to be done"))
        }
    }
}

fn settings(blueprint: &Blueprint, all: &[PlanModel]) -> Vec<String> {
    if all.is_empty() {
        return vec![format!("{} has no usage plan that is live", blueprint.name)];
    }
    let mut text = Vec::new();
    for plan in all {
        text.push(format!("{} ({})", plan.subject(), plan.id));
        let rows: Vec<Vec<String>> = plan
            .settings
            .iter()
            .map(|(key, value)| vec![format!("  {key}"), clean(value).into_owned()])
            .collect();
        text.extend(columns(&rows));
    }
    text
}

fn used(all: &[PlanUsage]) -> Vec<String> {
    let mut text = Vec::new();
    for plan in all {
        let quota = match (plan.quota, &plan.period) {
            (Some(quota), Some(period)) => {
                format!("{quota} per {}, anew at {}", period.to_lowercase(), moment(plan.resets_ms))
            }
            _ => "no quota".to_owned(),
        };
        text.push(format!("usage plan {}: {quota}", plan.plan));
        let rows: Vec<Vec<String>> = plan.keys.iter().map(row).collect();
        if rows.is_empty() {
            text.push("  it has no keys".to_owned());
        }
        text.extend(columns(&rows));
    }
    if text.is_empty() {
        text.push("none of the lab's plans is live".to_owned());
    }
    text
}

fn row(key: &KeyUsage) -> Vec<String> {
    let (used, left) = key.best();
    let estimate = if key.estimated_used.is_some() { " (estimated)" } else { "" };
    let left = left.map_or_else(|| "no quota".to_owned(), |left| format!("{left} left"));
    let forecast = key.forecast.as_ref().map_or_else(String::new, |forecast| {
        let rate = format!("{:.0}/h", forecast.per_hour);
        match forecast.empty_ms {
            Some(at) => format!("{rate}, used up at about {}", moment(at)),
            None => format!("{rate}, lasts"),
        }
    });
    vec![format!("  {}", key.key), format!("{used} used{estimate}"), left, forecast]
}
