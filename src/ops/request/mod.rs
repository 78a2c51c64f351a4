//! Requests: one, or many.

mod burst;
pub mod exchange;
mod explain;
mod prepare;
mod send;
mod wire;

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedRequest;
use tokio_util::sync::CancellationToken;

pub use burst::{MOST_AT_ONCE, MOST_REQUESTS};
pub use prepare::used as variables_of;

use exchange::{BurstSummary, Exchange, Origin, OutgoingRequest};

use crate::engine::Engine;
use crate::live;
use crate::progress::{Progress, Reporter};
use crate::status;

/// Resolves `saved` for a stage: its URL, its variables, its encoding.
///
/// # Errors
/// Invalid when a variable has no value or is not used, or when a part can't be sent; `NotFound` when
/// the API or the stage is not deployed.
pub async fn prepare(
    engine: &Engine,
    blueprint: &Blueprint,
    saved: &SavedRequest,
    stage: &str,
    variables: &BTreeMap<String, String>,
) -> Result<OutgoingRequest> {
    let what = format!("preparing request {} for stage {stage}", saved.name);
    let Some(declared) = blueprint.stages.iter().find(|known| known.name == stage) else {
        let known: Vec<&str> = blueprint.stages.iter().map(|stage| stage.name.as_str()).collect();
        let why = format!("the lab has no such stage; it has {}", known.join(", "));
        return Err(Failure::new(FailureKind::NotFound, what, why));
    };
    let apis = live::rest_apis(&engine.target).await?;
    let Some(id) = status::own_api(&apis, &saved.api, &blueprint.name).and_then(|api| api.id())
    else {
        let why = format!("API {} is not deployed", saved.api);
        return Err(Failure::new(FailureKind::NotFound, what, why)
            .next(format!("deploy it first: labdeck deploy {}", blueprint.name)));
    };
    let api = blueprint.apis.iter().find(|api| api.name == saved.api);
    let origin = Origin {
        lab: blueprint.name.clone(),
        api: saved.api.clone(),
        stage: stage.to_owned(),
        alias: declared.alias.clone(),
        base_url: engine.target.stage_url(id, stage),
        routes: api.map(prepare::routes).unwrap_or_default(),
        functions: api.map(|api| api.functions.clone()).unwrap_or_default(),
    };
    prepare::outgoing(saved, origin, variables)
}

/// Sends `request` once, on a connection of its own.
///
/// Connecting is measured apart: name lookup, TCP and TLS. The first byte counts as received when the
/// head of the answer is complete. A local cloud that has ended meanwhile is started again.
///
/// # Errors
/// Network when there is no answer; an answer with an error status is no failure.
pub async fn send(engine: &Engine, request: OutgoingRequest) -> Result<Exchange> {
    match send::send_once(request.clone()).await {
        Ok(exchange) => Ok(exchange),
        Err(error) if error.refused && engine.target.is_local() => {
            engine.target.reconnect().await?;
            send::send_once(request).await.map_err(|error| error.failure)
        }
        Err(error) => Err(error.failure),
    }
}

/// Sends `request` `count` times (1 to [`MOST_REQUESTS`]), `concurrency` (1 to [`MOST_AT_ONCE`]) at
/// once, and measures.
///
/// A cancelled burst, and one that nobody answers, ends early with what it has; `stopped` says why.
///
/// # Errors
/// Invalid when a bound is not kept or the request can't be sent.
pub async fn burst(
    engine: &Engine,
    name: &str,
    request: OutgoingRequest,
    count: u64,
    concurrency: usize,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<BurstSummary> {
    if engine.target.is_local() {
        engine.target.reconnect().await?;
    }
    burst::run(name, &request, count, concurrency, reporter, &cancel).await
}

/// Sends the same number of each of `requests` to `stage`, one after the other, for comparison.
///
/// # Errors
/// As [`prepare`] and [`burst`]; Cancelled when it was cancelled before the last one was complete.
#[expect(clippy::too_many_arguments, reason = "a burst, and the lab it is for")]
pub async fn compare(
    engine: &Engine,
    blueprint: &Blueprint,
    requests: &[SavedRequest],
    stage: &str,
    count: u64,
    concurrency: usize,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<Vec<BurstSummary>> {
    let mut prepared = Vec::with_capacity(requests.len());
    for saved in requests {
        let request = prepare(engine, blueprint, saved, stage, &BTreeMap::new()).await?;
        prepared.push((saved.name.clone(), request));
    }
    let mut summaries = Vec::with_capacity(prepared.len());
    for (name, request) in prepared {
        reporter.report(Progress::Phase { name: format!("sending {name}") });
        let cancel = cancel.clone();
        let summary = burst(engine, &name, request, count, concurrency, reporter, cancel).await?;
        if summary.stopped.as_deref() == Some("cancelled") {
            let what = "comparing requests";
            return Err(Failure::new(FailureKind::Cancelled, what, "stopped on request"));
        }
        summaries.push(summary);
    }
    Ok(summaries)
}

/// The `Date` that the server of `url` answers with, whatever else it says: for comparing clocks.
pub async fn date_of(url: &str) -> Option<String> {
    let request = OutgoingRequest {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        origin: None,
    };
    let exchange = send::send_once(request).await.ok()?;
    exchange.headers.into_iter().find(|(name, _)| name == "date").map(|(_, value)| value)
}
