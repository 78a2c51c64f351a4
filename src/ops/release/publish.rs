//! Publishing: freezes `$LATEST` of every function as its next version.

use std::time::{Duration, Instant};

use aws_sdk_lambda::types::{LastUpdateStatus, State};
use futures_util::future::join_all;
use labdeck_aws::{Failure, FailureKind, Result, Target, changing};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::ChaosKind;

use super::outcome::{Move, ReleaseOutcome};
use super::pointer::version_name;
use crate::status::{FunctionStatus, LabStatus};
use crate::whose;

/// How long a function may take to become ready. The waiters of AWS's own tools give up after five
/// minutes; a function of this size is ready within seconds.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// Publishes a version of every function whose code or configuration changed.
pub(super) async fn publish(
    target: &Target,
    blueprint: &Blueprint,
    status: &LabStatus,
    description: Option<&str>,
    since: Instant,
) -> Result<ReleaseOutcome> {
    refuse_under_chaos(blueprint, status)?;
    let functions = published_of(blueprint, status);
    if let Some(missing) = functions.iter().find(|function| !function.exists) {
        let what = format!("publishing lab {}", status.lab);
        let why = format!("function {} does not exist", missing.name);
        return Err(
            Failure::new(FailureKind::NotFound, what, why).next(whose::when_missing(blueprint))
        );
    }
    let description = description.unwrap_or_default();
    let functions = functions.into_iter();
    let moves =
        join_all(functions.map(|function| publish_one(target, function, description))).await;
    super::apply::settled(ReleaseOutcome {
        lab: status.lab.clone(),
        operation: "publish".to_owned(),
        moves,
        deployments: Vec::new(),
        problems: Vec::new(),
        millis: since.elapsed().as_secs_f64() * 1e3,
    })
}

/// The functions that a version is published of: of what is attached, those that a release moves.
fn published_of<'s>(blueprint: &Blueprint, status: &'s LabStatus) -> Vec<&'s FunctionStatus> {
    let alias = blueprint.attached.as_ref().and_then(|attached| attached.alias.as_deref());
    let moves =
        |function: &&FunctionStatus| alias.is_none_or(|name| function.alias(name).is_some());
    let moving: Vec<_> = status.functions.iter().filter(moves).collect();
    if moving.is_empty() { status.functions.iter().collect() } else { moving }
}

/// A version would keep the failure for ever: no publishing while chaos changed a function.
fn refuse_under_chaos(blueprint: &Blueprint, status: &LabStatus) -> Result<()> {
    let changed = blueprint.chaos.iter().find_map(|chaos| match &chaos.kind {
        ChaosKind::MissingTable { function, .. } | ChaosKind::Variable { function, .. }
            if status.chaos.iter().any(|on| on.name == chaos.name) =>
        {
            Some((&chaos.name, function))
        }
        _ => None,
    });
    let Some((switch, function)) = changed else { return Ok(()) };
    let why = format!("chaos {switch} is on and has changed {function}; a version would keep it");
    Err(Failure::new(FailureKind::Refused, format!("publishing lab {}", status.lab), why)
        .next(format!("switch it off: labdeck chaos {} off {switch}", status.lab)))
}

async fn publish_one(target: &Target, function: &FunctionStatus, description: &str) -> Move {
    let newest = newest(function);
    let from = newest.map_or_else(|| "none".to_owned(), |version| format!("v{version}"));
    let outcome = |to: String, changed, note, failure| Move {
        function: function.name.clone(),
        from: from.clone(),
        to,
        changed,
        note,
        failure,
    };
    match published(target, function, newest, description).await {
        Err(failure) => outcome(from.clone(), false, None, Some(failure)),
        Ok(version) if function.versions.iter().any(|known| known.version == version) => {
            let note = format!("nothing changed since {} was published", version_name(&version));
            outcome(version_name(&version), false, Some(note), None)
        }
        Ok(version) => outcome(version_name(&version), true, None, None),
    }
}

fn newest(function: &FunctionStatus) -> Option<u64> {
    function.versions.iter().filter_map(|version| version.version.parse().ok()).max()
}

/// The version that holds what `$LATEST` holds now, guarded by hash and revision id.
async fn published(
    target: &Target,
    function: &FunctionStatus,
    newest: Option<u64>,
    description: &str,
) -> Result<String> {
    let what = format!("publishing {}", function.name);
    // Revision ids change when a function becomes ready: wait first, then use what is read.
    let ready = wait_until_ready(target, &function.name, &what).await?;
    let publish = target
        .lambda()
        .publish_version()
        .function_name(&function.name)
        .code_sha256(&ready.code_sha256)
        .revision_id(&ready.revision_id)
        .description(description);
    let before = newest.map_or_else(|| "no version".to_owned(), |newest| format!("v{newest}"));
    let answer = changing(before, "the next version", publish.send()).await;
    let failure = match answer {
        Ok(answer) => {
            let no_version =
                || Failure::new(FailureKind::Service, &what, "the answer has no version");
            return answer.version.ok_or_else(no_version);
        }
        Err(error) => Failure::from_sdk(&what, &error),
    };
    if !failure.has_code(&["PreconditionFailedException"]) {
        return Err(failure);
    }
    // An attempt whose answer was lost has published it, and that changes the revision id.
    match newest_with(target, &function.name, &ready.code_sha256).await {
        Some(version) if version.parse().ok() > newest => Ok(version),
        _ => Err(Failure::new(
            FailureKind::Conflict,
            what,
            "somebody else changed the function meanwhile; nothing was published",
        )
        .code("PreconditionFailedException")
        .next("look at what changed, then publish again")),
    }
}

/// A function that is ready for the next change.
pub(crate) struct Ready {
    /// Base64 SHA-256 of its zip.
    pub(crate) code_sha256: String,
    /// Its revision id now.
    pub(crate) revision_id: String,
}

/// Waits until the last change of a function took effect; `what` says for what.
pub(crate) async fn wait_until_ready(target: &Target, function: &str, what: &str) -> Result<Ready> {
    let until = Instant::now() + READY_WITHIN;
    let mut pause = Duration::from_millis(50);
    loop {
        let answer =
            target.lambda().get_function_configuration().function_name(function).send().await;
        let live = answer.map_err(|error| Failure::from_sdk(what, &error))?;
        let state = live.state().cloned().unwrap_or(State::Active);
        let update = live.last_update_status().cloned().unwrap_or(LastUpdateStatus::Successful);
        if state == State::Failed || update == LastUpdateStatus::Failed {
            let reason = live.last_update_status_reason().or_else(|| live.state_reason());
            let why = reason.unwrap_or("AWS says that its last update failed");
            return Err(Failure::new(FailureKind::Service, what, why)
                .next("deploy it again, and look at its role and configuration"));
        }
        // An idle function is Inactive until its next invocation and can be published.
        let usable = matches!(state, State::Active | State::Inactive);
        if usable && update == LastUpdateStatus::Successful {
            return Ok(Ready {
                code_sha256: live.code_sha256.unwrap_or_default(),
                revision_id: live.revision_id.unwrap_or_default(),
            });
        }
        if Instant::now() >= until {
            let why = format!("it is still {state:?} with update {update:?} after two minutes");
            return Err(Failure::new(FailureKind::Service, what, why).next("try again later"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// The newest version when it holds this code.
async fn newest_with(target: &Target, function: &str, code_sha256: &str) -> Option<String> {
    let mut pages = target
        .lambda()
        .list_versions_by_function()
        .function_name(function)
        .into_paginator()
        .items()
        .send();
    let mut newest: Option<(u64, bool)> = None;
    while let Some(Ok(version)) = pages.next().await {
        let Some(number) = version.version().and_then(|number| number.parse().ok()) else {
            continue;
        };
        if newest.is_none_or(|(known, _)| number > known) {
            newest = Some((number, version.code_sha256() == Some(code_sha256)));
        }
    }
    newest.filter(|(_, same)| *same).map(|(number, _)| number.to_string())
}
