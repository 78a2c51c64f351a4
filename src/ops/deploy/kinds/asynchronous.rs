//! How asynchronous invocations of a function are tried, for the function itself and each alias.

use std::collections::BTreeMap;

use aws_sdk_lambda::types::{DestinationConfig, OnFailure, OnSuccess};
use labdeck_aws::{Failure, Result, Target};
use labdeck_lab::blueprint::{Asynchronous, Destination};
use serde::{Deserialize, Serialize};

use super::function::WantedFunction;
use super::{alias, function, queue, topic};
use crate::deploy::graph::Planner;
use crate::deploy::plan::Verb;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{Found, Record, Settings, Shown};
use crate::live::existing;

/// What the plan calls it.
pub const RESOURCE: &str = "asynchronous configuration";
/// The function's tag that remembers what it was given.
pub const TAG: &str = "labdeck:asynchronous";

/// How asynchronous invocations are tried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AsynchronousSettings {
    /// Tries after the first.
    pub retries: Option<i32>,
    /// Seconds.
    pub max_age: Option<i32>,
    /// ARN of who is told what succeeded.
    pub on_success: Option<String>,
    /// ARN of who is told what failed.
    pub on_failure: Option<String>,
}

impl AsynchronousSettings {
    pub(super) fn new(resolver: &Resolver<'_>, config: &Asynchronous) -> Self {
        Self {
            retries: Some(config.retries),
            max_age: Some(config.max_age_s),
            on_success: config.on_success.as_ref().map(|to| resolver.destination(to)),
            on_failure: config.on_failure.as_ref().map(|to| resolver.destination(to)),
        }
    }
}

impl Settings for AsynchronousSettings {
    fn shown(field: &str) -> Shown {
        Shown::Value(if field == "max_age" { "s" } else { "" })
    }
}

/// What is done to the configuration of a function (alias empty) or an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsynchronousAction {
    /// Set it.
    Put {
        /// Function.
        function: String,
        /// Alias; empty for the function itself.
        alias: String,
    },
    /// Take it away.
    Delete {
        /// Function.
        function: String,
        /// Alias; empty for the function itself.
        alias: String,
    },
}

/// What a destination needs to exist: kind and name.
pub fn needs(destination: &Destination) -> (&'static str, String) {
    match destination {
        Destination::Queue(name) => (queue::RESOURCE, name.clone()),
        Destination::Topic(name) => (topic::RESOURCE, name.clone()),
        Destination::Function(name) => (function::RESOURCE, name.clone()),
    }
}

/// Reads the configurations of a function; asks only where there may be one.
pub async fn observe(
    target: &Target,
    wanted: &WantedFunction,
    tags: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Found<AsynchronousSettings>>> {
    if wanted.asynchronous.is_none() && !tags.contains_key(TAG) {
        return Ok(BTreeMap::new());
    }
    let list = target.lambda().list_function_event_invoke_configs().function_name(&wanted.name);
    let mut pages = list.into_paginator().send();
    let mut all = BTreeMap::new();
    let record = Record::parse(tags.get(TAG).map_or("", String::as_str));
    while let Some(page) = pages.next().await {
        let what = format!("reading the asynchronous configurations of {}", wanted.name);
        let Some(page) = existing(page.map_err(|e| Failure::from_sdk(what, &e)))? else { break };
        for config in page.function_event_invoke_configs() {
            let arn = config.function_arn().unwrap_or_default();
            // arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]
            let qualifier = arn.split(':').nth(7).filter(|q| *q != "$LATEST").unwrap_or_default();
            let destinations = config.destination_config();
            let settings = AsynchronousSettings {
                retries: config.maximum_retry_attempts(),
                max_age: config.maximum_event_age_in_seconds(),
                on_success: destinations
                    .and_then(|to| to.on_success()?.destination())
                    .map(str::to_owned),
                on_failure: destinations
                    .and_then(|to| to.on_failure()?.destination())
                    .map(str::to_owned),
            };
            let found = Found { settings, record: record.clone(), ..Found::default() };
            all.insert(qualifier.to_owned(), found);
        }
    }
    Ok(all)
}

/// Plans the configurations of a function and its aliases.
pub fn plan(planner: &mut Planner<'_>, function: &WantedFunction) {
    let name = &function.name;
    let mut qualifiers: Vec<&str> = vec![""];
    qualifiers.extend(planner.wanted.aliases().iter().map(|stage| stage.alias.as_str()));
    let live = planner.live.functions.get(name);
    for alias in qualifiers {
        let present = live.and_then(|live| live.asynchronous.get(alias));
        let label = alias::label(name, alias);
        let after = needed(planner, function, alias);
        let (owner, alias) = (name.clone(), alias.to_owned());
        match (&function.asynchronous, present) {
            (None, None) => {}
            (Some(_), None) => {
                let action = AsynchronousAction::Put { function: owner, alias };
                planner.create(RESOURCE, label, &after, action);
            }
            (Some(spec), Some(live)) => {
                let action = AsynchronousAction::Put { function: owner, alias };
                planner.update(RESOURCE, label, (spec, live), &after, action);
            }
            (None, Some(_)) => {
                let action = AsynchronousAction::Delete { function: owner, alias };
                let reason = "not in lab.toml any more";
                planner.step(Verb::Delete, RESOURCE, label, reason, &after, action);
            }
        }
    }
}

fn needed(planner: &Planner<'_>, function: &WantedFunction, alias: &str) -> Vec<usize> {
    let mut after = alias::ready(planner, &function.name, alias);
    for (kind, name) in &function.needs {
        after.extend(planner.of(kind, name));
    }
    after
}

impl StepRun {
    pub(crate) async fn on_asynchronous(&self, action: &AsynchronousAction) -> Result<()> {
        let lambda = self.target().lambda();
        match action {
            AsynchronousAction::Put { function, alias } => {
                let wanted = self.context.wanted.function(function)?;
                let spec =
                    wanted.asynchronous.as_ref().ok_or_else(|| missing(RESOURCE, function))?;
                let to = &spec.settings;
                let destinations = DestinationConfig::builder()
                    .on_success(OnSuccess::builder().set_destination(to.on_success.clone()).build())
                    .on_failure(OnFailure::builder().set_destination(to.on_failure.clone()).build())
                    .build();
                let what = format!("setting how events of {function} are tried");
                self.patiently(|| async {
                    lambda
                        .put_function_event_invoke_config()
                        .function_name(function)
                        .set_qualifier((!alias.is_empty()).then(|| alias.clone()))
                        .set_maximum_retry_attempts(to.retries)
                        .set_maximum_event_age_in_seconds(to.max_age)
                        .destination_config(destinations.clone())
                        .send()
                        .await
                        .map_err(|e| Failure::from_sdk(&what, &e))
                })
                .await?;
                let record = spec.record.text();
                let live = self.context.live.functions.get(function);
                let known = live
                    .and_then(|live| live.asynchronous.values().next())
                    .is_some_and(|found| found.record == spec.record);
                // A new function was made with this tag.
                if live.is_none() || known {
                    return Ok(());
                }
                self.tag_function(function, TAG, &record).await
            }
            AsynchronousAction::Delete { function, alias } => {
                let what = format!("taking away how events of {function} are tried");
                self.patiently(|| async {
                    let done = lambda
                        .delete_function_event_invoke_config()
                        .function_name(function)
                        .set_qualifier((!alias.is_empty()).then(|| alias.clone()))
                        .send()
                        .await;
                    existing(done.map_err(|e| Failure::from_sdk(&what, &e)))
                })
                .await
                .map(|_| ())
            }
        }
    }
}
