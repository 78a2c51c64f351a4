//! What a million requests to a lab would cost, from what its functions logged.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Function;
use labdeck_telemetry::LogKind;
use serde::Serialize;

use crate::engine::Engine;
use crate::live::existing;
use crate::{history, prices};

/// What a lab costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cost {
    /// The lab.
    pub lab: String,
    /// Whether the durations are AWS's own: those of the local cloud are this machine's.
    pub representative: bool,
    /// Each function that was invoked.
    pub functions: Vec<FunctionCost>,
    /// What is billed by the hour, used or not, as `(what, dollars)`.
    pub hourly: Vec<(String, f64)>,
}

/// What a million requests to a function cost, in dollars.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FunctionCost {
    /// The function.
    pub function: String,
    /// Invocations that were logged.
    pub invocations: u64,
    /// Memory in MB, of the last of them.
    pub memory_mb: u32,
    /// Billed duration in ms, on average.
    pub billed_ms: f64,
    /// Bytes of log, on average.
    pub log_bytes: f64,
    /// For a million invocations, whatever they take.
    pub invoking: f64,
    /// For their time.
    pub duration: f64,
    /// For their way through API Gateway, where an API of the lab calls the function.
    pub gateway: f64,
    /// For their log.
    pub logging: f64,
}

impl FunctionCost {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.invoking + self.duration + self.gateway + self.logging
    }
}

#[derive(Debug, Default)]
struct Seen {
    invocations: u64,
    memory_mb: u32,
    billed_ms: f64,
    duration: f64,
    bytes: usize,
}

/// Estimates what a lab costs from what its functions have logged since `since_ms` (ms since the epoch),
/// and from what it keeps that is billed by the hour. Tables, queues, topics, traces and data transfer are
/// not in it.
///
/// # Errors
/// Those of reading the logs.
pub async fn estimate(engine: &Engine, blueprint: &Blueprint, since_ms: i64) -> Result<Cost> {
    // What is kept, and billed by the hour, stands in a lab's files.
    crate::whose::refuse_attached(
        blueprint,
        &format!("estimating the cost of {}", blueprint.name),
    )?;
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut pages = history::of_lab(engine, blueprint, since_ms);
    while let Some(events) = pages.next().await? {
        for event in &events {
            let Some(function) = find(blueprint, &event.function) else { continue };
            let seen = seen.entry(function.name.clone()).or_default();
            seen.bytes += event.text.len() + prices::LOG_EVENT_BYTES;
            if let LogKind::Report(report) = &event.kind {
                let gigabytes = f64::from(report.memory_mb) / 1024.0;
                seen.invocations += 1;
                seen.memory_mb = report.memory_mb;
                seen.billed_ms += report.billed_ms;
                seen.duration += gigabytes * report.billed_ms / 1000.0
                    * prices::gigabyte_second(function.architecture);
            }
        }
    }
    let functions = blueprint
        .functions
        .iter()
        .filter_map(|function| {
            let seen = seen.get(&function.name).filter(|seen| seen.invocations > 0)?;
            Some(of_function(blueprint, function, seen))
        })
        .collect();
    Ok(Cost {
        lab: blueprint.name.clone(),
        representative: !engine.target.is_local(),
        functions,
        hourly: hourly(engine, blueprint).await?,
    })
}

fn find<'b>(blueprint: &'b Blueprint, name: &str) -> Option<&'b Function> {
    blueprint.functions.iter().find(|function| function.name == name)
}

fn of_function(blueprint: &Blueprint, function: &Function, seen: &Seen) -> FunctionCost {
    let count = seen.invocations as f64;
    let million = 1e6 / count;
    let called = blueprint.apis.iter().any(|api| api.functions.contains(&function.name));
    FunctionCost {
        function: function.name.clone(),
        invocations: seen.invocations,
        memory_mb: seen.memory_mb,
        billed_ms: seen.billed_ms / count,
        log_bytes: seen.bytes as f64 / count,
        invoking: prices::MILLION_INVOCATIONS,
        duration: seen.duration * million,
        gateway: if called { prices::MILLION_REQUESTS } else { 0.0 },
        logging: seen.bytes as f64 * million / 1e9 * prices::LOG_GIGABYTE,
    }
}

/// What is billed by the hour: caches of the lab's stages, and environments that are kept ready.
async fn hourly(engine: &Engine, blueprint: &Blueprint) -> Result<Vec<(String, f64)>> {
    let mut all = Vec::new();
    for (api, stage) in
        blueprint.apis.iter().flat_map(|api| blueprint.stages.iter().map(move |s| (api, s)))
    {
        if let Some(cache) = &stage.cache
            && let Some(dollars) = prices::cache_hour(&cache.size_gb)
        {
            let what = format!("cache of {}:{} ({} GB)", api.name, stage.name, cache.size_gb);
            all.push((what, dollars));
        }
    }
    let released = blueprint.released_stage();
    let kept = blueprint.functions.iter().filter(|f| f.provisioned_concurrency.is_some());
    for (function, stage) in kept.zip(std::iter::repeat(released)) {
        let Some(stage) = stage else { continue };
        let call = engine.target.lambda().get_provisioned_concurrency_config();
        let answer = call.function_name(&function.name).qualifier(&stage.alias).send().await;
        let what = format!("reading the provisioned concurrency of {}", function.name);
        let found = existing(answer.map_err(|e| Failure::from_sdk(what, &e)))?;
        let count = found.and_then(|found| found.requested_provisioned_concurrent_executions);
        if let Some(count) = count.filter(|count| *count > 0) {
            let what = format!("{count} environments of {}:{}", function.name, stage.alias);
            let hour = prices::provisioned_hour(function.architecture, function.memory_mb, count);
            all.push((what, hour));
        }
    }
    Ok(all)
}
