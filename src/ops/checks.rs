//! Checks: the lab's lessons as conditions on live state.

use std::collections::BTreeMap;
use std::time::Duration;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Check, Condition};
use labdeck_telemetry::{HistoryQuery, LogEvent, LogKind, group_of_function};
use serde::Serialize;
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::deploy;
use crate::engine::Engine;
use crate::history;
use crate::release::pointer::{percent, version_name};
use crate::request;
use crate::request::exchange::Exchange;
use crate::status::{self, AliasStatus, FunctionStatus, LabStatus};

/// Pages of at most a thousand log events that a metric check reads at most.
const MOST_PAGES: usize = 200;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// The check's name.
    pub name: String,
    /// What is true when it holds.
    pub title: String,
    /// Whether it holds.
    pub holds: bool,
    /// Why not, or what was seen.
    pub reason: String,
}

/// What was found: whether the condition holds, and what was seen.
struct Finding {
    holds: bool,
    reason: String,
}

impl Finding {
    fn new(holds: bool, reason: impl Into<String>) -> Self {
        Self { holds, reason: reason.into() }
    }
}

/// Evaluates every check of the lab, in the blueprint's order.
///
/// Checks of requests send them. A check that can't be evaluated does not hold, and says why.
///
/// # Errors
/// When live state can't be read at all.
pub async fn run(engine: &Engine, blueprint: &Blueprint) -> Result<Vec<CheckResult>> {
    let live = status::read(engine, blueprint).await?;
    let mut results = Vec::with_capacity(blueprint.checks.len());
    for check in &blueprint.checks {
        results.push(evaluate(engine, blueprint, &live, check).await);
    }
    Ok(results)
}

/// Evaluates one check.
///
/// # Errors
/// `NotFound` when the lab has no such check; otherwise as [`run`].
pub async fn run_one(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<CheckResult> {
    let Some(check) = blueprint.checks.iter().find(|check| check.name == name) else {
        let known: Vec<&str> = blueprint.checks.iter().map(|check| check.name.as_str()).collect();
        let why = format!("lab {} has {}", blueprint.name, known.join(", "));
        return Err(Failure::new(FailureKind::NotFound, format!("checking {name}"), why));
    };
    let live = status::read(engine, blueprint).await?;
    Ok(evaluate(engine, blueprint, &live, check).await)
}

async fn evaluate(
    engine: &Engine,
    blueprint: &Blueprint,
    live: &LabStatus,
    check: &Check,
) -> CheckResult {
    let finding = match &check.condition {
        Condition::Absent => absent(engine, blueprint).await,
        Condition::Request { request, stage, status, json, .. } => {
            answers(engine, blueprint, request, stage, *status, json).await
        }
        Condition::Metric { function, metric, at_least, minutes } => {
            measured(engine, function, metric, *at_least, *minutes).await
        }
        Condition::Deployed => Ok(deployed(blueprint, live)),
        condition => Ok(of_status(condition, live)),
    };
    let finding = finding.unwrap_or_else(|failure| Finding::new(false, failure.to_string()));
    CheckResult {
        name: check.name.clone(),
        title: check.title.clone(),
        holds: finding.holds,
        reason: finding.reason,
    }
}

/// Conditions that the lab's status alone decides.
fn of_status(condition: &Condition, live: &LabStatus) -> Finding {
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
        // The others need more than the status and are evaluated elsewhere.
        Condition::Deployed
        | Condition::Absent
        | Condition::Request { .. }
        | Condition::Metric { .. }
        | Condition::Distinct { .. }
        | Condition::Event { .. }
        | Condition::Variant { .. }
        | Condition::StageStale { .. }
        | Condition::FunctionMissing { .. }
        | Condition::PlanBound { .. }
        | Condition::Item { .. }
        | Condition::QueueDepth { .. }
        | Condition::QueueEmpty { .. }
        | Condition::MappingEnabled { .. }
        | Condition::Log { .. }
        | Condition::AlarmState { .. } => {
            Finding::new(false, "it needs more than the lab's status")
        }
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
    match found.aliases.iter().find(|known| known.name == alias) {
        Some(known) => judge(found, known),
        None => Finding::new(false, format!("function {function} has no alias {alias}")),
    }
}

fn newest(function: &FunctionStatus) -> Option<u64> {
    function.versions.iter().filter_map(|version| version.version.parse().ok()).max()
}

fn behind(function: &FunctionStatus, alias: &AliasStatus) -> Finding {
    match (alias.version.parse::<u64>().ok(), newest(function)) {
        (Some(serves), Some(newest)) if newest > serves => {
            Finding::new(true, format!("v{newest} is published, it serves v{serves}"))
        }
        _ => Finding::new(false, format!("nothing newer than {} is published", alias.split())),
    }
}

fn rolled_back(function: &FunctionStatus, alias: &AliasStatus) -> Finding {
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
fn deployed(blueprint: &Blueprint, live: &LabStatus) -> Finding {
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

/// Whether a destroy would find nothing to remove.
async fn absent(engine: &Engine, blueprint: &Blueprint) -> Result<Finding> {
    let plan = deploy::plan_destroy(engine, blueprint).await?;
    if plan.is_empty() {
        return Ok(Finding::new(true, "nothing is left"));
    }
    let left: Vec<String> =
        plan.steps.iter().map(|step| format!("{} {}", step.resource, step.name)).collect();
    Ok(Finding::new(false, format!("left: {}", left.join(", "))))
}

async fn answers(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    stage: &str,
    status: u16,
    json: &BTreeMap<String, Value>,
) -> Result<Finding> {
    let Some(saved) = blueprint.requests.iter().find(|request| request.name == name) else {
        return Ok(Finding::new(false, format!("the lab has no request {name}")));
    };
    let outgoing = request::prepare(engine, blueprint, saved, stage, &BTreeMap::new()).await?;
    let exchange = request::send(engine, outgoing).await?;
    Ok(judged(&exchange, status, json))
}

/// Whether an answer is what the check says.
fn judged(exchange: &Exchange, status: u16, json: &BTreeMap<String, Value>) -> Finding {
    if exchange.status != status {
        let explained = exchange.explanation.as_deref().unwrap_or_default();
        let reason = format!("it answered {} instead of {status}. {explained}", exchange.status);
        return Finding::new(false, reason.trim_end());
    }
    let millis = exchange.timings.total_ms;
    if json.is_empty() {
        return Finding::new(true, format!("it answered {status} in {millis:.1} ms"));
    }
    let Ok(body) = serde_json::from_str::<Value>(&exchange.body) else {
        return Finding::new(false, format!("it answered {status}, but its body is not JSON"));
    };
    for (path, wanted) in json {
        let found = match JsonPath::parse(path) {
            Ok(path) => path.query(&body).all(),
            Err(error) => {
                return Finding::new(false, format!("the path {path} is not valid: {error}"));
            }
        };
        match found.as_slice() {
            [found] if same(found, wanted) => {}
            [] => {
                return Finding::new(
                    false,
                    format!("its body has no {path}, {wanted} is expected"),
                );
            }
            [found, ..] => {
                return Finding::new(false, format!("{path} is {found} instead of {wanted}"));
            }
        }
    }
    Finding::new(true, format!("it answered {status} with what is expected in {millis:.1} ms"))
}

/// Numbers are compared by value: 1 and 1.0 are the same.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= f64::EPSILON * wanted.abs(),
        _ => found == wanted,
    }
}

/// Whether the function's metric reached `at_least` within the last minutes, read from its log.
async fn measured(
    engine: &Engine,
    function: &str,
    metric: &str,
    at_least: f64,
    minutes: u32,
) -> Result<Finding> {
    let query = HistoryQuery {
        groups: vec![group_of_function(function)],
        start_ms: history::since_ms(Duration::from_mins(u64::from(minutes))),
        end_ms: None,
        filter_pattern: Some(format!("\"{metric}\"")),
    };
    let mut pages = labdeck_telemetry::history(engine.target.clone(), query);
    let (mut sum, mut read) = (0.0, 0);
    while let Some(events) = pages.next().await? {
        sum += events.iter().map(|event| sum_of(event, metric)).sum::<f64>();
        read += 1;
        if sum >= at_least || read >= MOST_PAGES {
            break;
        }
    }
    let seen = format!("{metric} was {sum} within the last {minutes} min");
    let holds = sum >= at_least;
    let reason = match () {
        () if holds => seen,
        () if read >= MOST_PAGES => format!("{seen}, as far as was read; {at_least} is expected"),
        () => format!("{seen}; {at_least} is expected"),
    };
    Ok(Finding::new(holds, reason))
}

/// What one log event adds to the metric.
fn sum_of(event: &LogEvent, metric: &str) -> f64 {
    let LogKind::Emf(emf) = &event.kind else { return 0.0 };
    let named = emf.metrics.iter().filter(|known| known.name == metric);
    named.flat_map(|known| &known.values).sum()
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
