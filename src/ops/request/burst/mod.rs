//! Many requests: a number or a time of them, at a rate or as fast as answers come, some at once,
//! measured while they run.
//!
//! One connection per worker, kept open; a worker sends its next request when the last one was answered.
//! Latency is from sending to the end of the answer, without opening the connection. With a rate, every
//! request has a time at which it is due: one that no worker was free for in time counts from then on, so
//! that an API that stalls is seen in the latencies and not only in what was not sent.

mod load;
mod sender;
mod tally;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use labdeck_aws::Result;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use load::{LONGEST, Load, MOST_AT_ONCE, MOST_PER_SECOND, MOST_REQUESTS};
pub(super) use sender::{Direct, Sender};
pub use tally::Bucket;
use tally::Tally;

use super::exchange::BurstSummary;
use super::wire::{Link, WireError};
use crate::gateway::sent::Counter;
use crate::progress::{BurstProgress, Progress, Reporter};

/// How long one answer may take: the gateway itself gives up after 29 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Failures one after the other, over all workers, after which nobody is taken to answer.
const GIVE_UP_AFTER: u64 = 200;
/// Workers share so many tallies: few enough to add up ten times a second, enough that nobody waits.
const TALLIES: usize = 8;

/// What the workers share.
struct Shared {
    name: String,
    sender: Sender,
    counter: Counter,
    load: Load,
    since: Instant,
    taken: AtomicU64,
    failed_in_a_row: AtomicU64,
    given_up: AtomicBool,
    tallies: Vec<Mutex<Tally>>,
}

impl Shared {
    /// When a request is due, by its number; `None` when it is not sent any more.
    fn due(&self, number: u64) -> Option<Instant> {
        if self.load.count.is_some_and(|count| number >= count) {
            return None;
        }
        let now = Instant::now();
        let due = match self.load.rate {
            Some(rate) => self.since + Duration::from_secs_f64(number as f64 / rate),
            None => now,
        };
        let begun_by = self.load.lasts.map(|lasts| self.since + lasts);
        begun_by.is_none_or(|end| due.max(now) < end).then_some(due)
    }

    fn note(&self, worker: usize, note: impl FnOnce(&mut Tally)) {
        let tally = &self.tallies[worker % self.tallies.len()];
        note(&mut tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn so_far(&self) -> Tally {
        let mut total = Tally::new();
        for tally in &self.tallies {
            total.merge(&tally.lock().unwrap_or_else(PoisonError::into_inner));
        }
        total
    }

    fn share(&self, done: u64) -> f64 {
        let sent = self.load.count.map(|count| done as f64 / count as f64);
        let passed =
            self.load.lasts.map(|lasts| self.since.elapsed().as_secs_f64() / lasts.as_secs_f64());
        sent.unwrap_or_default().max(passed.unwrap_or_default()).min(1.0)
    }

    /// Tells how far it is.
    fn tell(&self, reporter: &Reporter, total: Tally) {
        let share = self.share(total.answered + total.failed);
        let seconds = self.since.elapsed().as_secs_f64();
        let so_far = total.summary(&self.name, self.sender.place(), seconds, None);
        reporter.report(Progress::Burst(Box::new(BurstProgress {
            load: self.load,
            share,
            so_far,
        })));
    }
}

/// Sends through `sender` as `load` says. What is answered is noted with `counter`.
pub(super) async fn run(
    name: &str,
    sender: Sender,
    counter: Counter,
    load: &Load,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<BurstSummary> {
    load.checked(name)?;
    let most = load.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let workers_wanted = load.at_once.min(most);
    let shared = Arc::new(Shared {
        name: name.to_owned(),
        sender,
        counter,
        load: *load,
        since: Instant::now(),
        taken: AtomicU64::new(0),
        failed_in_a_row: AtomicU64::new(0),
        given_up: AtomicBool::new(false),
        tallies: (0..workers_wanted.min(TALLIES)).map(|_| Mutex::new(Tally::new())).collect(),
    });
    let mut workers = JoinSet::new();
    for worker in 0..workers_wanted {
        workers.spawn(work(Arc::clone(&shared), worker, cancel.clone()));
    }
    let broken = collect(&mut workers, &shared, reporter).await;
    let mut total = shared.so_far();
    for error in broken {
        total.fail(&error);
    }
    let seconds = shared.since.elapsed().as_secs_f64();
    let done = total.answered + total.failed;
    let stopped = if cancel.is_cancelled() && shared.share(done) < 1.0 {
        Some("cancelled".to_owned())
    } else if shared.given_up.load(Ordering::Relaxed) {
        Some(format!("{GIVE_UP_AFTER} requests in a row got no answer"))
    } else {
        None
    };
    Ok(total.summary(name, shared.sender.place(), seconds, stopped))
}

/// Waits for the workers and tells progress meanwhile. A worker that panicked is a fault of labdeck; it
/// is told among the errors.
async fn collect(workers: &mut JoinSet<()>, shared: &Shared, reporter: &Reporter) -> Vec<String> {
    let mut broken = Vec::new();
    let mut told = 0;
    let mut clock = tokio::time::interval(TELL_EVERY);
    loop {
        tokio::select! {
            ended = workers.join_next() => match ended {
                Some(Ok(())) => {}
                Some(Err(error)) => broken.push(format!("internal: {error}")),
                None => {
                    shared.tell(reporter, shared.so_far());
                    return broken;
                }
            },
            _ = clock.tick() => {
                let total = shared.so_far();
                let done = total.answered + total.failed;
                if done != told {
                    told = done;
                    shared.tell(reporter, total);
                }
            }
        }
    }
}

/// One worker: takes a number, waits until it is due, sends, reads, measures, until all are taken.
async fn work(shared: Arc<Shared>, worker: usize, cancel: CancellationToken) {
    let mut link: Option<Link> = None;
    let mut pause = Duration::from_millis(5);
    while let Some(due) = shared.due(shared.taken.fetch_add(1, Ordering::Relaxed)) {
        if cancel.is_cancelled() || shared.given_up.load(Ordering::Relaxed) {
            break;
        }
        let early = due.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(early) => {}
                () = cancel.cancelled() => break,
            }
        }
        // What was late before it could be sent counts from when it was due.
        let late = if early.is_zero() { due.elapsed() } else { Duration::ZERO };
        let attempt = tokio::time::timeout(ANSWER_WITHIN, shared.sender.attempt(&mut link));
        let result = tokio::select! {
            result = attempt => result.unwrap_or(Err(WireError::Timeout(ANSWER_WITHIN.as_secs()))),
            () = cancel.cancelled() => break,
        };
        match result {
            Ok((status, took)) => {
                shared.counter.note(status);
                shared.note(worker, |tally| tally.answer(status, late + took));
                shared.failed_in_a_row.store(0, Ordering::Relaxed);
                pause = Duration::from_millis(5);
            }
            Err(error) => {
                link = None;
                shared.note(worker, |tally| tally.fail(&error.to_string()));
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
}

#[cfg(test)]
mod tests;
