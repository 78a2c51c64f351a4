//! Switches whose time is over, and which the cloud could not end by itself: whoever comes next ends them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use labdeck_aws::{Failure, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Chaos, ChaosKind};

use super::{To, read, set};
use crate::engine::Engine;
use crate::history::now_ms;
use crate::live;
use crate::status::ChaosStatus;

/// A switch whose time was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The switch.
    pub name: String,
    /// When it was to end, in ms since the epoch.
    pub until_ms: i64,
    /// Why it is still on, where it could not be switched off.
    pub failure: Option<Failure>,
}

/// The function that a switch changes which the cloud can't end by itself.
fn function(switch: &Chaos) -> Option<&str> {
    match &switch.kind {
        ChaosKind::MissingTable { function, .. } | ChaosKind::Variable { function, .. } => {
            Some(function)
        }
        _ => None,
    }
}

/// Whether the cloud ends the switch by itself, whoever is gone.
fn ends_by_itself(switch: &Chaos) -> bool {
    matches!(switch.kind, ChaosKind::DenyTable { .. } | ChaosKind::SlowTable { .. })
}

impl ChaosStatus {
    /// Whether it should have ended at `now_ms`.
    pub fn is_overdue(&self, now_ms: i64) -> bool {
        self.until_ms.is_some_and(|until| until <= now_ms)
    }
}

/// Switches off whatever of the lab should have ended, one after the other; answers what that was.
/// Without switches that the cloud can't end by itself no call is made.
///
/// # Errors
/// When it can't be read what is on. What can't be switched off, as in read-only mode, is told for each.
pub async fn end_overdue(engine: &Engine, blueprint: &Blueprint) -> Result<Vec<Ended>> {
    let target = &*engine.target;
    let switches: Vec<&Chaos> =
        blueprint.chaos.iter().filter(|switch| !ends_by_itself(switch)).collect();
    let functions: BTreeSet<&str> = switches.iter().filter_map(|switch| function(switch)).collect();
    let known = try_join_all(functions.into_iter().map(async |name| {
        let found = live::function(target, name).await?;
        let configuration = found
            .and_then(|found| found.configuration)
            .unwrap_or_else(|| aws_sdk_lambda::types::FunctionConfiguration::builder().build());
        Ok::<_, Failure>((name.to_owned(), configuration))
    }));
    let known: BTreeMap<_, _> = known.await?.into_iter().collect();
    let read = switches.iter().map(|switch| read(target, &blueprint.name, switch, &known));
    let on: Vec<ChaosStatus> = try_join_all(read).await?.into_iter().flatten().collect();
    let mut ended = Vec::new();
    for status in on.into_iter().filter(|status| status.is_overdue(now_ms())) {
        let done = Box::pin(set(engine, blueprint, &status.name, To::Off)).await;
        ended.push(Ended {
            name: status.name,
            until_ms: status.until_ms.unwrap_or_default(),
            failure: done.err(),
        });
    }
    Ok(ended)
}
