//! Many requests: a fixed number, some at once, measured.
//!
//! One connection per worker, kept open; a worker sends its next request when the last one was
//! answered. Latency is from sending to the end of the answer, without opening the connection.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use labdeck_aws::{Failure, FailureKind, Result};
use sketches_ddsketch::{Config, DDSketch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::exchange::{BurstSummary, OutgoingRequest};
use super::wire::{Link, Prepared, WireError, broken};
use crate::gateway::sent::Counter;
use crate::progress::{Progress, Reporter};

/// Most requests of a burst.
pub const MOST_REQUESTS: u64 = 1_000_000;
/// Most requests at once.
pub const MOST_AT_ONCE: usize = 1_024;
/// How long one answer may take: the gateway itself gives up after 29 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Failures one after the other, over all workers, after which nobody is taken to answer.
const GIVE_UP_AFTER: u64 = 200;
/// Different errors that are kept apart.
const MOST_ERRORS: usize = 20;

/// What the workers share.
struct Shared {
    prepared: Prepared,
    counter: Counter,
    count: u64,
    taken: AtomicU64,
    done: AtomicU64,
    failed_in_a_row: AtomicU64,
    given_up: AtomicBool,
}

/// What one worker measured.
struct Tally {
    answered: u64,
    failed: u64,
    statuses: BTreeMap<u16, u64>,
    errors: HashMap<String, u64>,
    millis: DDSketch,
}

impl Tally {
    fn new() -> Self {
        // Relative error of 1 %, down to a microsecond.
        let millis = DDSketch::new(Config::new(0.01, 2048, 1e-3));
        Self { answered: 0, failed: 0, statuses: BTreeMap::new(), errors: HashMap::new(), millis }
    }

    fn fail(&mut self, error: &WireError) {
        self.failed += 1;
        let text = error.to_string();
        if self.errors.len() < MOST_ERRORS || self.errors.contains_key(&text) {
            *self.errors.entry(text).or_default() += 1;
        } else {
            *self.errors.entry("other errors".to_owned()).or_default() += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        // Both have the same configuration, the only thing that can differ.
        let _ = self.millis.merge(&other.millis);
    }
}

/// Sends `request` `count` times, `concurrency` at once.
pub(super) async fn run(
    name: &str,
    request: &OutgoingRequest,
    count: u64,
    concurrency: usize,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<BurstSummary> {
    let what = format!("sending {name} {count} times, {concurrency} at once");
    let bad = |why: String| Failure::new(FailureKind::Invalid, &what, why);
    if !(1..=MOST_REQUESTS).contains(&count) {
        return Err(bad(format!("a burst has 1 to {MOST_REQUESTS} requests")));
    }
    if !(1..=MOST_AT_ONCE).contains(&concurrency) {
        return Err(bad(format!("1 to {MOST_AT_ONCE} requests can be on their way at once")));
    }
    let shared = Arc::new(Shared {
        prepared: Prepared::new(request)?,
        counter: Counter::of(request),
        count,
        taken: AtomicU64::new(0),
        done: AtomicU64::new(0),
        failed_in_a_row: AtomicU64::new(0),
        given_up: AtomicBool::new(false),
    });
    let since = Instant::now();
    let mut workers = JoinSet::new();
    let workers_wanted = usize::try_from(count).unwrap_or(usize::MAX).min(concurrency);
    for _ in 0..workers_wanted {
        workers.spawn(work(Arc::clone(&shared), cancel.clone()));
    }
    let total = collect(&mut workers, &shared, reporter).await;
    let seconds = since.elapsed().as_secs_f64();
    reporter.report(Progress::Requests { done: shared.done.load(Ordering::Relaxed), total: count });
    let stopped = if cancel.is_cancelled() && total.answered + total.failed < count {
        Some("cancelled".to_owned())
    } else if shared.given_up.load(Ordering::Relaxed) {
        Some(format!("{GIVE_UP_AFTER} requests in a row got no answer"))
    } else {
        None
    };
    Ok(summary(name, request, total, seconds, stopped))
}

/// Waits for the workers and tells progress meanwhile.
async fn collect(workers: &mut JoinSet<Tally>, shared: &Shared, reporter: &Reporter) -> Tally {
    let mut total = Tally::new();
    let mut told = 0;
    let mut clock = tokio::time::interval(TELL_EVERY);
    loop {
        tokio::select! {
            ended = workers.join_next() => match ended {
                Some(Ok(tally)) => total.merge(tally),
                // A worker that panicked is a fault of labdeck; its requests count as failed.
                Some(Err(error)) => total.fail(&WireError::Broken(format!("internal: {error}"))),
                None => return total,
            },
            _ = clock.tick() => {
                let done = shared.done.load(Ordering::Relaxed);
                if done != told {
                    told = done;
                    reporter.report(Progress::Requests { done, total: shared.count });
                }
            }
        }
    }
}

/// One worker: takes a number, sends, reads, measures, until all are taken.
async fn work(shared: Arc<Shared>, cancel: CancellationToken) -> Tally {
    let mut tally = Tally::new();
    let mut link: Option<Link> = None;
    let mut pause = Duration::from_millis(5);
    while shared.taken.fetch_add(1, Ordering::Relaxed) < shared.count {
        let stop = || cancel.is_cancelled() || shared.given_up.load(Ordering::Relaxed);
        if stop() {
            break;
        }
        let attempt = tokio::time::timeout(ANSWER_WITHIN, attempt(&shared.prepared, &mut link));
        let result = tokio::select! {
            result = attempt => result.unwrap_or(Err(WireError::Timeout(ANSWER_WITHIN.as_secs()))),
            () = cancel.cancelled() => break,
        };
        shared.done.fetch_add(1, Ordering::Relaxed);
        match result {
            Ok((status, took)) => {
                tally.answered += 1;
                shared.counter.note(status);
                *tally.statuses.entry(status).or_default() += 1;
                tally.millis.add(took.as_secs_f64() * 1e3);
                shared.failed_in_a_row.store(0, Ordering::Relaxed);
                pause = Duration::from_millis(5);
            }
            Err(error) => {
                link = None;
                tally.fail(&error);
                let failed = shared.failed_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
                if failed >= GIVE_UP_AFTER {
                    shared.given_up.store(true, Ordering::Relaxed);
                }
                // Whoever does not answer is not hammered.
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(200));
            }
        }
    }
    tally
}

/// Sends one request on `link`, opening it when there is none.
async fn attempt(
    prepared: &Prepared,
    link: &mut Option<Link>,
) -> Result<(u16, Duration), WireError> {
    let reusable = match link.as_mut() {
        Some(open) => open.reusable().await,
        None => false,
    };
    if !reusable {
        *link = None;
    }
    let open = match link {
        Some(open) => open,
        None => link.insert(Link::open(prepared).await?),
    };
    let since = Instant::now();
    let response = open.send(prepared.request()).await?;
    let status = response.status().as_u16();
    open.while_driving(drain(response.into_body())).await?;
    Ok((status, since.elapsed()))
}

async fn drain(mut body: Incoming) -> Result<(), WireError> {
    while let Some(frame) = body.frame().await {
        frame.map_err(|error| broken(&error))?;
    }
    Ok(())
}

fn summary(
    name: &str,
    request: &OutgoingRequest,
    total: Tally,
    seconds: f64,
    stopped: Option<String>,
) -> BurstSummary {
    let quantile = |q: f64| total.millis.quantile(q).ok().flatten().unwrap_or_default();
    let mut errors: Vec<(String, u64)> =
        total.errors.iter().map(|(e, n)| (e.clone(), *n)).collect();
    errors.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    BurstSummary {
        request: name.to_owned(),
        url: request.url.clone(),
        answered: total.answered,
        failed: total.failed,
        seconds,
        per_second: if seconds > 0.0 { total.answered as f64 / seconds } else { 0.0 },
        p50_ms: quantile(0.50),
        p90_ms: quantile(0.90),
        p95_ms: quantile(0.95),
        p99_ms: quantile(0.99),
        max_ms: total.millis.max().unwrap_or_default(),
        statuses: total.statuses,
        errors,
        stopped,
    }
}

#[cfg(test)]
#[path = "burst_tests.rs"]
mod tests;
