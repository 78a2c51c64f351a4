//! The steady traffic that a canary may send itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Traffic;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::engine::Engine;
use crate::request::{self, exchange::OutgoingRequest};

/// Requests that may be on their way at once; beyond, a turn is left out.
const MOST_ON_THE_WAY: usize = 64;

/// Steady traffic; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Steady {
    counts: Arc<Counts>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
}

impl Steady {
    /// Sends what the plan says to `stage`.
    pub(super) async fn start(
        engine: &Engine,
        blueprint: &Blueprint,
        stage: &str,
        traffic: &Traffic,
    ) -> Result<Self> {
        let saved = blueprint.requests.iter().find(|saved| saved.name == traffic.request);
        let Some(saved) = saved else {
            let known: Vec<&str> = blueprint.requests.iter().map(|one| one.name.as_str()).collect();
            let what = format!("sending request {} for the canary", traffic.request);
            let why = format!("the lab has no such request; it has {}", known.join(", "));
            return Err(Failure::new(FailureKind::NotFound, what, why));
        };
        let none = request::Given::default();
        let outgoing = request::prepare(engine, blueprint, saved, stage, &none).await?;
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        let every = Duration::from_secs(1) / traffic.rate.max(1);
        tasks.spawn(send(engine.clone(), outgoing, every, Arc::clone(&counts)));
        Ok(Self { counts, _tasks: tasks })
    }

    /// Requests that were sent, and how many of them were not answered with 1xx to 4xx.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.counts.sent.load(Ordering::Relaxed), self.counts.failed.load(Ordering::Relaxed))
    }
}

async fn send(engine: Engine, outgoing: OutgoingRequest, every: Duration, counts: Arc<Counts>) {
    let mut turns = tokio::time::interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut on_the_way = JoinSet::new();
    loop {
        turns.tick().await;
        while on_the_way.try_join_next().is_some() {}
        if on_the_way.len() >= MOST_ON_THE_WAY {
            continue;
        }
        let (engine, outgoing, counts) = (engine.clone(), outgoing.clone(), Arc::clone(&counts));
        on_the_way.spawn(async move {
            let answer = request::send(&engine, outgoing).await;
            counts.sent.fetch_add(1, Ordering::Relaxed);
            if answer.is_err() || answer.is_ok_and(|exchange| exchange.status >= 500) {
                counts.failed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}
