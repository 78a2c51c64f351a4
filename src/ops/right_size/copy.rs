//! The copy of a function that is measured in its place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Architecture, Environment, FunctionCode, InvocationType, LastUpdateStatus, LogType, Runtime,
    State,
};
use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_telemetry::{Report, report_of};
use serde_json::Value;

use super::SETTLE;
use crate::engine::Engine;
use crate::live::{self, LAB_TAG, existing};
use crate::{invoke, request};

/// The function's tag that names its copy while there is one.
pub(crate) const COPY_TAG: &str = "labdeck:right-size";
/// What ends the copy's name.
const ENDS: &str = "-right-size";
/// Most characters of a function's name.
const LONGEST: usize = 64;

/// A copy that can be invoked.
#[derive(Debug)]
pub(super) struct Copy {
    target: Arc<Target>,
    function: String,
    name: String,
    arn: String,
    /// Memory of the function itself, in MB.
    pub memory_mb: i32,
}

/// One invocation.
#[derive(Debug)]
pub(super) struct Run {
    pub report: Report,
    pub failed: bool,
}

/// What a function's copy is called.
pub(crate) fn copy_of(function: &str) -> String {
    let kept: String = function.chars().take(LONGEST - ENDS.len()).collect();
    format!("{kept}{ENDS}")
}

/// Removes a function's copy with its log, and then the mark that there is one. What is not there is no
/// failure.
pub(crate) async fn end(target: &Target, arn: &str, copy: &str) -> Result<()> {
    let what = format!("removing the copy {copy}");
    let gone = target.lambda().delete_function().function_name(copy).send().await;
    existing(gone.map_err(|e| Failure::from_sdk(&what, &e)))?;
    // Only a role that may write to any group made one.
    let group = format!("/aws/lambda/{copy}");
    let gone = target.logs().delete_log_group().log_group_name(&group).send().await;
    existing(gone.map_err(|e| Failure::from_sdk(format!("removing log group {group}"), &e)))?;
    let unmarked = target.lambda().untag_resource().resource(arn).tag_keys(COPY_TAG).send().await;
    existing(unmarked.map_err(|e| Failure::from_sdk("taking the copy's mark away", &e)))?;
    Ok(())
}

impl Copy {
    /// Makes the copy of a function that is deployed, with this much memory.
    pub async fn make(engine: &Engine, lab: &str, function: &str, memory_mb: i32) -> Result<Self> {
        let target = Arc::clone(&engine.target);
        let what = format!("copying {function}");
        let missing = |why: &str| {
            Failure::new(FailureKind::NotFound, &what, why)
                .next(format!("deploy it first: labdeck deploy {lab}"))
        };
        let name = copy_of(function);
        if let Some(found) = live::function(&target, &name).await? {
            if live::function_tags(&found).get(LAB_TAG).map(String::as_str) != Some(lab) {
                let why = format!("function {name} is there, and is not this lab's");
                return Err(Failure::new(FailureKind::Refused, &what, why));
            }
            // Of a run that was killed.
            let gone = target.lambda().delete_function().function_name(&name).send().await;
            existing(gone.map_err(|e| Failure::from_sdk(&what, &e)))?;
        }
        let found = live::function(&target, function).await?;
        let found = found.ok_or_else(|| missing("it is not deployed"))?;
        let place = found.code().and_then(|code| code.location()).unwrap_or_default().to_owned();
        let settings = found.configuration.ok_or_else(|| missing("it has no configuration"))?;
        let arn = settings.function_arn().unwrap_or_default().to_owned();
        let zip = request::download(&place).await?;
        let marked = target.lambda().tag_resource().resource(&arn).tags(COPY_TAG, &name);
        marked.send().await.map_err(|e| Failure::from_sdk(&what, &e))?;
        let variables = settings.environment.as_ref().and_then(|e| e.variables().cloned());
        let environment = Environment::builder().set_variables(variables).build();
        let architectures = settings.architectures().to_vec();
        let made = target
            .lambda()
            .create_function()
            .function_name(&name)
            .description(format!("labdeck measures {function} with it"))
            .runtime(settings.runtime.clone().unwrap_or(Runtime::Providedal2023))
            .handler(settings.handler().unwrap_or("bootstrap"))
            .role(settings.role().unwrap_or_default())
            .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
            .set_architectures(
                Some(architectures).filter(|all: &Vec<Architecture>| !all.is_empty()),
            )
            .memory_size(memory_mb)
            .timeout(settings.timeout().unwrap_or(3))
            .environment(environment)
            .tags(LAB_TAG, lab)
            .send()
            .await
            .map_err(|e| Failure::from_sdk(&what, &e));
        let copy = Self {
            target,
            function: function.to_owned(),
            name,
            arn,
            memory_mb: settings.memory_size().unwrap_or_default(),
        };
        let settled = match made {
            Ok(_) => copy.settled().await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = settled {
            if let Err(left) = copy.end().await {
                tracing::warn!(%left, "a copy could not be removed");
            }
            return Err(failure);
        }
        Ok(copy)
    }

    /// Gives it another memory size, and waits until it has it.
    pub async fn resize(&self, memory_mb: i32) -> Result<()> {
        let call = self.target.lambda().update_function_configuration().function_name(&self.name);
        let done = call.memory_size(memory_mb).send().await;
        let what = format!("giving the copy of {} {memory_mb} MB", self.function);
        done.map_err(|e| Failure::from_sdk(what, &e))?;
        self.settled().await
    }

    async fn settled(&self) -> Result<()> {
        let what = format!("waiting for the copy of {}", self.function);
        let begun = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let call = self.target.lambda().get_function_configuration().function_name(&self.name);
            let found = call.send().await.map_err(|e| Failure::from_sdk(&what, &e))?;
            let failed = found.state() == Some(&State::Failed)
                || found.last_update_status() == Some(&LastUpdateStatus::Failed);
            if failed {
                let why = found.state_reason().or(found.last_update_status_reason());
                let why = why.unwrap_or("Lambda gives no reason").to_owned();
                return Err(Failure::new(FailureKind::Service, what, why));
            }
            let updating = found.last_update_status() == Some(&LastUpdateStatus::InProgress);
            if found.state() != Some(&State::Pending) && !updating {
                return Ok(());
            }
            if begun.elapsed() > SETTLE {
                let why = format!("it was not ready within {} s", SETTLE.as_secs());
                return Err(Failure::new(FailureKind::Service, what, why));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Invokes it once.
    pub async fn run(&self, event: &Value) -> Result<Run> {
        let what = format!("invoking the copy of {}", self.function);
        let answer = self
            .target
            .lambda()
            .invoke()
            .function_name(&self.name)
            .invocation_type(InvocationType::RequestResponse)
            .log_type(LogType::Tail)
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .map_err(|e| Failure::from_sdk(&what, &e))?;
        let log = invoke::tail_as_written(answer.log_result());
        let report = log.lines().rev().find_map(report_of).ok_or_else(|| {
            Failure::new(FailureKind::Service, &what, "its log has no REPORT line")
        })?;
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        // A proxy answers what went wrong with a status.
        let status = serde_json::from_slice::<Value>(payload)
            .ok()
            .and_then(|answer| answer.get("statusCode")?.as_i64());
        let failed = answer.function_error().is_some() || status.is_some_and(|s| s >= 500);
        Ok(Run { report, failed })
    }

    /// Removes it.
    pub async fn end(&self) -> Result<()> {
        end(&self.target, &self.arn, &self.name).await
    }
}
