//! Environments that are kept ready for the released alias of a function. Billed by the hour.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_lambda::types::ProvisionedConcurrencyStatusEnum as Status;
use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::blueprint::Architecture;

use super::alias;
use super::function::WantedFunction;
use crate::deploy::graph::Planner;
use crate::deploy::plan::{Change, Verb};
use crate::deploy::run::StepRun;
use crate::live::existing;
use crate::prices;

/// What the plan calls it.
pub const RESOURCE: &str = "provisioned concurrency";
/// The function's tag that says that its alias may have some.
pub const TAG: &str = "labdeck:provisioned";
/// Its value.
pub const MARK: &str = "yes";

/// What is done to the provisioned concurrency of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvisionedAction {
    /// Keep so many environments ready, and wait until they are.
    Put {
        /// Function.
        function: String,
        /// Alias.
        alias: String,
        /// Environments.
        count: i32,
    },
    /// Keep none.
    Delete {
        /// Function.
        function: String,
        /// Alias.
        alias: String,
    },
}

/// Reads what a function's released alias keeps ready; asks only where there may be some.
pub async fn observe(
    target: &Target,
    wanted: &WantedFunction,
    tags: &BTreeMap<String, String>,
    released: Option<&str>,
) -> Result<BTreeMap<String, i32>> {
    let Some(alias) = released else { return Ok(BTreeMap::new()) };
    if wanted.provisioned.is_none() && !tags.contains_key(TAG) {
        return Ok(BTreeMap::new());
    }
    let call = target.lambda().get_provisioned_concurrency_config().function_name(&wanted.name);
    let answer = call.qualifier(alias).send().await;
    let what = format!("reading the provisioned concurrency of {}:{alias}", wanted.name);
    let found = existing(answer.map_err(|e| Failure::from_sdk(what, &e)))?;
    let count = found.and_then(|found| found.requested_provisioned_concurrent_executions);
    Ok(count.map(|count| (alias.to_owned(), count)).into_iter().collect())
}

/// Plans what the released alias of a function keeps ready.
pub fn plan(planner: &mut Planner<'_>, function: &WantedFunction) {
    let Some(alias) = planner.wanted.released().map(str::to_owned) else { return };
    let live = planner.live.functions.get(&function.name);
    let present = live.and_then(|live| live.provisioned.get(&alias)).copied();
    let label = alias::label(&function.name, &alias);
    let split = live
        .and_then(|live| live.aliases.get(&alias))
        .is_some_and(|alias| !alias.weights.is_empty());
    if split && function.provisioned != present {
        planner.note(format!(
            "{label} keeps the environments that it has ready: Lambda changes them only while an alias \
             points to one version. Promote the release or roll it back, then deploy again"
        ));
        return;
    }
    let after = alias::ready(planner, &function.name, &alias);
    let name = function.name.clone();
    match (function.provisioned, present) {
        (Some(count), present) if present != Some(count) => {
            let action = ProvisionedAction::Put { function: name, alias, count };
            let index = match present {
                None => planner.create(RESOURCE, label.clone(), &after, action),
                Some(before) => {
                    let change = Change {
                        field: "environments".to_owned(),
                        old: Some(before.to_string()),
                        new: Some(count.to_string()),
                        text: format!("environments {before} → {count}"),
                        drift: false,
                        overwrites: before.to_string(),
                    };
                    planner.change(RESOURCE, label.clone(), vec![change], &after, action)
                }
            };
            let settings = &function.spec.settings;
            let processor = match settings.processor.as_str() {
                "arm64" => Architecture::Arm64,
                _ => Architecture::X86_64,
            };
            planner.warn(
                index,
                format!(
                    "{count} environments of {label} are billed by the hour for as long as they are \
                     kept, about {:.3} USD in us-east-1",
                    prices::provisioned_hour(processor, settings.memory, count)
                ),
            );
        }
        (Some(_), _) | (None, None) => {}
        (None, Some(_)) => {
            let action = ProvisionedAction::Delete { function: name, alias };
            let reason = "not in lab.toml any more";
            planner.step(Verb::Delete, RESOURCE, label, reason, &after, action);
        }
    }
}

impl StepRun {
    pub(crate) async fn on_provisioned(&self, action: &ProvisionedAction) -> Result<()> {
        let lambda = self.target().lambda();
        match action {
            ProvisionedAction::Put { function, alias, count } => {
                let live = self.context.live.functions.get(function);
                if live.is_some_and(|live| live.provisioned.is_empty()) {
                    self.tag_function(function, TAG, MARK).await?;
                }
                let what = format!("keeping environments of {function}:{alias} ready");
                self.patiently(|| async {
                    lambda
                        .put_provisioned_concurrency_config()
                        .function_name(function)
                        .qualifier(alias)
                        .provisioned_concurrent_executions(*count)
                        .send()
                        .await
                        .map_err(|e| Failure::from_sdk(&what, &e))
                })
                .await?;
                let waits_for = format!("{count} environments of {function}:{alias}");
                self.until(&waits_for, Duration::from_mins(10), || async {
                    let call = lambda.get_provisioned_concurrency_config().function_name(function);
                    let found = call.qualifier(alias).send().await;
                    let found = found.map_err(|e| Failure::from_sdk(&what, &e))?;
                    match found.status() {
                        Some(Status::Ready) => Ok(Some(())),
                        Some(Status::Failed) => {
                            let why = found.status_reason().unwrap_or("Lambda gives no reason");
                            Err(Failure::new(FailureKind::Service, &what, why))
                        }
                        _ => Ok(None),
                    }
                })
                .await
            }
            ProvisionedAction::Delete { function, alias } => {
                let what = format!("giving up environments of {function}:{alias}");
                self.patiently(|| async {
                    let done = lambda
                        .delete_provisioned_concurrency_config()
                        .function_name(function)
                        .qualifier(alias)
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
