//! Conditions that the lab's status decides.

use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Condition;

use super::Finding;
use crate::release::pointer::{percent, version_name};
use crate::status::{AliasStatus, FunctionStatus, LabStatus};

/// Conditions that the lab's status alone decides.
pub(super) fn of_status(condition: &Condition, live: &LabStatus) -> Finding {
    match condition {
        Condition::AliasPublished { function, alias } => {
            with_alias(live, function, alias, |_, a| {
                let published = a.version.parse::<u64>().is_ok();
                Finding::new(published, format!("it serves {}", a.split()))
            })
        }
        Condition::AliasBehind { function, alias } => with_alias(live, function, alias, behind),
        Condition::AliasSplit { function, alias } => with_alias(live, function, alias, |_, a| {
            let reason = match &a.canary {
                Some((version, share)) => {
                    format!("{} has {}%", version_name(version), percent(*share))
                }
                None => format!("{} serves alone", version_name(&a.version)),
            };
            Finding::new(a.canary.is_some(), reason)
        }),
        Condition::AliasRolledBack { function, alias } => {
            with_alias(live, function, alias, rolled_back)
        }
        Condition::ChaosOn { chaos } => {
            let on = live.chaos.iter().any(|switch| &switch.name == chaos);
            Finding::new(on, format!("{chaos} is {}", if on { "on" } else { "off" }))
        }
        Condition::ChaosOff => {
            let on: Vec<&str> = live.chaos.iter().map(|switch| switch.name.as_str()).collect();
            match on.as_slice() {
                [] => Finding::new(true, "every switch is off"),
                on => Finding::new(false, format!("on: {}", on.join(", "))),
            }
        }
        Condition::FunctionMissing { function } => {
            let exists = live.functions.iter().any(|f| &f.name == function && f.exists);
            let reason = if exists { "it is there" } else { "it does not exist" };
            Finding::new(!exists, format!("function {function}: {reason}"))
        }
        _ => Finding::new(false, "it needs more than the lab's status"),
    }
}

fn with_alias(
    live: &LabStatus,
    function: &str,
    alias: &str,
    judge: impl Fn(&FunctionStatus, &AliasStatus) -> Finding,
) -> Finding {
    let Some(found) = live.functions.iter().find(|f| f.name == function && f.exists) else {
        return Finding::new(false, format!("function {function} does not exist"));
    };
    match found.alias(alias) {
        Some(known) => judge(found, known),
        None => Finding::new(false, format!("function {function} has no alias {alias}")),
    }
}

fn newest(function: &FunctionStatus) -> Option<u64> {
    function.versions.iter().filter_map(|version| version.version.parse().ok()).max()
}

pub(super) fn behind(function: &FunctionStatus, alias: &AliasStatus) -> Finding {
    match (alias.version.parse::<u64>().ok(), newest(function)) {
        (Some(serves), Some(newest)) if newest > serves => {
            Finding::new(true, format!("v{newest} is published, it serves v{serves}"))
        }
        _ => Finding::new(false, format!("nothing newer than {} is published", alias.split())),
    }
}

pub(super) fn rolled_back(function: &FunctionStatus, alias: &AliasStatus) -> Finding {
    if alias.canary.is_some() {
        return Finding::new(false, format!("it is split: {}", alias.split()));
    }
    match (alias.version.parse::<u64>().ok(), newest(function)) {
        (Some(serves), Some(newest)) if newest > serves => {}
        _ => {
            return Finding::new(false, format!("it serves the newest version, {}", alias.split()));
        }
    }
    match alias.trusted() {
        Some(pointer) if pointer.operation == "rollback" => {
            Finding::new(true, format!("rolled back from {} to {}", pointer.was, alias.split()))
        }
        Some(pointer) => Finding::new(false, format!("its last move: {}", pointer.operation)),
        None => Finding::new(false, "no rollback is on its record"),
    }
}

/// Whether everything that the blueprint describes is there.
pub(super) fn deployed(blueprint: &Blueprint, live: &LabStatus) -> Finding {
    let mut missing = Vec::new();
    for table in &live.tables {
        if table.status != "ACTIVE" {
            let status = if table.status.is_empty() { "missing" } else { &table.status };
            missing.push(format!("table {} is {status}", table.name));
        }
    }
    for (wanted, function) in blueprint.functions.iter().zip(&live.functions) {
        missing.extend(function_faults(blueprint, wanted, function));
    }
    for api in &live.apis {
        if api.id.is_empty() {
            missing.push(format!("API {} is missing", api.name));
            continue;
        }
        for stage in &blueprint.stages {
            let found = api.stages.iter().find(|known| known.name == stage.name);
            let alias =
                |(name, value): &(String, String)| name == "lambdaAlias" && value == &stage.alias;
            match found {
                None => missing.push(format!("stage {} of {} is missing", stage.name, api.name)),
                Some(found) if !found.variables.iter().any(alias) => missing.push(format!(
                    "stage {} of {} does not name alias {}",
                    stage.name, api.name, stage.alias
                )),
                Some(_) => {}
            }
        }
    }
    if missing.is_empty() {
        let (functions, apis) = (live.functions.len(), live.apis.len());
        let tables = live.tables.len();
        let all = format!("{functions} functions, {apis} APIs, {tables} tables");
        Finding::new(true, all)
    } else {
        Finding::new(false, missing.join("; "))
    }
}

fn function_faults(
    blueprint: &Blueprint,
    wanted: &labdeck_lab::blueprint::Function,
    live: &FunctionStatus,
) -> Vec<String> {
    let name = &wanted.name;
    if !live.exists {
        return vec![format!("function {name} is missing")];
    }
    let mut faults = Vec::new();
    if !matches!(live.state.as_str(), "Active" | "Inactive" | "") {
        faults.push(format!("function {name} is {}", live.state));
    }
    if live.memory_mb != wanted.memory_mb || live.timeout_s != wanted.timeout_s {
        faults.push(format!(
            "function {name} has {} MB and {} s instead of {} MB and {} s",
            live.memory_mb, live.timeout_s, wanted.memory_mb, wanted.timeout_s
        ));
    }
    let mut aliases: Vec<&str> =
        blueprint.stages.iter().map(|stage| stage.alias.as_str()).collect();
    aliases.dedup();
    for alias in aliases {
        if !live.aliases.iter().any(|known| known.name == alias) {
            faults.push(format!("function {name} has no alias {alias}"));
        }
    }
    faults
}
