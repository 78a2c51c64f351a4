//! The cache of a stage: switched on and off, resized, flushed; and how a stage is shown with it.
//!
//! On AWS a cache takes about four minutes to be created or deleted; here it takes a second, so
//! that a client sees the states it has to wait for.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::ids;
use super::super::model::{CacheTransition, Stage};
use super::super::reply::{Outcome, Reply, bad_request, no_stage};
use super::super::state::Apis;
use super::Call;
use crate::error::AwsError;

/// How long a transition takes, in seconds.
const TAKES: i64 = 1;

/// The size that a cache has unless another is asked for, in gigabytes.
const USUAL_SIZE: &str = "0.5";

/// `FlushStageCache`.
pub(super) async fn flush(apis: &Apis, call: &Call<'_>, api: &str, name: &str) -> Outcome {
    if call.verb() != "DELETE" {
        return Err(call.absent());
    }
    apis.change(api, no_stage(), |api| {
        let stage = Arc::make_mut(api.stages.get_mut(name).ok_or_else(no_stage)?);
        if !stage.cache_cluster_enabled {
            return Err(bad_request(format!("Cache cluster is not enabled for stage {name}")));
        }
        empty(stage, "FLUSH_IN_PROGRESS", call.now)?;
        Ok(Reply::empty(202))
    })
    .await
}

/// Switches the cache on (with this size) or off. A cache that changes its size is made anew.
pub(super) fn set(
    stage: &mut Stage,
    enabled: bool,
    size: Option<String>,
    now: i64,
) -> Result<(), AwsError> {
    let was_enabled = std::mem::replace(&mut stage.cache_cluster_enabled, enabled);
    let status = if enabled { "AVAILABLE" } else { "NOT_AVAILABLE" };
    status.clone_into(&mut stage.cache_cluster_status);
    let resized = size.is_some() && size != stage.cache_cluster_size;
    if size.is_some() {
        stage.cache_cluster_size = size;
    } else if enabled && stage.cache_cluster_size.is_none() {
        stage.cache_cluster_size = Some(USUAL_SIZE.to_owned());
    }
    match (was_enabled, enabled) {
        (false, true) => empty(stage, "CREATE_IN_PROGRESS", now),
        (true, true) if resized => empty(stage, "CREATE_IN_PROGRESS", now),
        (true, false) => empty(stage, "DELETE_IN_PROGRESS", now),
        _ => Ok(()),
    }
}

/// Forgets what is cached.
fn empty(stage: &mut Stage, status: &str, now: i64) -> Result<(), AwsError> {
    let mut id = [0_u8; 8];
    ids::fill(&mut id)?;
    stage.cache_id = u64::from_le_bytes(id);
    stage.cache_transition =
        Some(CacheTransition { status: status.to_owned(), until: now.saturating_add(TAKES) });
    Ok(())
}

/// The stage as it is answered; `now` in seconds since the epoch.
pub(super) fn view(stage: &Stage, now: i64) -> Value {
    let mut shown = json!(stage);
    if let Some(members) = shown.as_object_mut() {
        members.shift_remove("cacheId");
        members.shift_remove("cacheTransition");
    }
    if let Some(transition) = stage.cache_transition.as_ref().filter(|one| now < one.until) {
        shown["cacheClusterStatus"] = json!(transition.status);
    }
    shown
}
