//! The one writer of the log store: a thread that commits whatever has queued up in one go.
//!
//! What only has to get in (`append`) lingers for a few milliseconds, so that a burst costs few
//! commits; whoever waits for an answer is served at once. The queue is bounded by bytes: who
//! wants to put more in waits for space, which is the backpressure that reaches a function's
//! output. Between batches the thread does chores in small steps (retention, deleted groups), so
//! that no chore holds up a write for long.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::desk::Desk;
use super::error::LogsError;
use super::sessions::Sessions;
use crate::core::Core;
use crate::error::AwsError;

/// Bytes that may wait in the queue.
const QUEUE_BYTES: usize = 4 << 20;
/// Bytes after which a batch is committed though more waits.
const BATCH_BYTES: usize = 1 << 20;
/// What a queued line costs beside its text.
const LINE_COST: usize = 64;
/// How long lines wait for company.
const LINGER: Duration = Duration::from_millis(4);
/// How often expired events are removed while some group has a retention.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// What answers a change once it is known whether its batch was committed.
type Finish = Box<dyn FnOnce(Result<(), &str>) + Send>;

/// Lines for one stream, made with its group where they are missing.
pub struct Append {
    /// The log group's name.
    pub group: Arc<str>,
    /// The log stream's name.
    pub stream: Arc<str>,
    /// Time in ms since the epoch, and text.
    pub lines: Vec<(i64, String)>,
}

enum Work {
    Append(Append),
    Change(Box<dyn FnOnce(&mut Desk) -> Finish + Send>),
}

struct Job {
    work: Work,
    /// Bytes it stands for; gives the space back when it is dropped, after the commit.
    cost: usize,
    space: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    pushed: u64,
    done: u64,
    /// Somebody waits for an answer.
    urgent: bool,
    /// The thread is asleep until a job comes, and has to be woken.
    asleep: bool,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's end that everybody holds. Dropping it writes what is queued and ends the thread.
pub struct Writer {
    shared: Arc<Shared>,
    space: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the writer's thread on `connection`, whose file is at `path`.
    pub fn start(
        core: Arc<Core>,
        path: &Path,
        connection: Connection,
        sessions: Arc<Sessions>,
    ) -> Result<Self, LogsError> {
        let wrap = |source| LogsError::Sqlite { path: path.to_owned(), source };
        let desk = Desk::new(core, connection, sessions).map_err(wrap)?;
        let shared = Arc::new(Shared { queue: Mutex::new(Queue::default()), wake: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("labdeck-logs".to_owned())
            .spawn(move || {
                let _closer = Closer(Arc::clone(&theirs));
                run(&theirs, desk);
            })
            .map_err(LogsError::Thread)?;
        Ok(Self { shared, space: Arc::new(Semaphore::new(QUEUE_BYTES)), thread: Some(thread) })
    }

    /// Queues lines; waits only for space in the queue.
    pub async fn append(&self, append: Append) {
        let cost = append.lines.iter().map(|(_, text)| text.len() + LINE_COST).sum();
        self.push(Work::Append(append), cost, false).await;
    }

    /// Runs `work` in the next transaction and answers after its commit. An error undoes what
    /// `work` did. `bytes` is how much memory it holds while it waits.
    pub async fn change<T, F>(&self, bytes: usize, work: F) -> Result<T, AwsError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk) -> Result<T, AwsError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work = move |desk: &mut Desk| -> Finish {
            let result = desk.attempt(work);
            Box::new(move |committed| {
                let result = match (result, committed) {
                    (Ok(_), Err(why)) => Err(AwsError::internal(why)),
                    (result, _) => result,
                };
                // Whoever asked may have gone away; the change stands all the same.
                let _ = answer.send(result);
            })
        };
        self.push(Work::Change(Box::new(work)), bytes, true).await;
        answered.await.unwrap_or_else(|_| Err(AwsError::internal("the log writer has ended")))
    }

    /// Returns once everything queued before this call is committed.
    pub async fn flush(&self) -> Result<(), AwsError> {
        {
            let queue = self.shared.lock();
            if queue.pushed == queue.done {
                return Ok(());
            }
        }
        self.change(0, |_| Ok(())).await
    }

    async fn push(&self, work: Work, bytes: usize, urgent: bool) {
        let cost = (bytes + 256).min(QUEUE_BYTES);
        let permits = u32::try_from(cost).unwrap_or(u32::MAX);
        let Ok(space) = Arc::clone(&self.space).acquire_many_owned(permits).await else {
            return;
        };
        let mut queue = self.shared.lock();
        if queue.closed {
            return;
        }
        queue.jobs.push_back(Job { work, cost, space });
        queue.pushed += 1;
        queue.urgent |= urgent;
        if queue.asleep || urgent {
            queue.asleep = false;
            self.shared.wake.notify_one();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Closes the queue however the thread ends, so that nobody waits for it in vain.
struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        queue.jobs.clear();
    }
}

fn run(shared: &Shared, mut desk: Desk) {
    let mut next_sweep = Instant::now();
    let mut failing = false;
    loop {
        let sweeping = desk.has_retention();
        let due = sweeping && Instant::now() >= next_sweep;
        if due || desk.has_chores() {
            if due {
                desk.start_sweep();
                next_sweep = Instant::now() + SWEEP_EVERY;
            }
            if let Err(error) = desk.chore() {
                tracing::error!(%error, "clearing out expired or deleted logs failed; tried again with the next sweep");
            }
        }
        let wait = if desk.has_chores() {
            Some(Duration::ZERO)
        } else {
            desk.has_retention().then(|| next_sweep.saturating_duration_since(Instant::now()))
        };
        let Some(batch) = next_batch(shared, wait) else { return };
        if batch.is_empty() {
            continue;
        }
        let jobs = batch.len() as u64;
        match write(&mut desk, batch) {
            Ok(()) => failing = false,
            Err(error) => {
                if !failing {
                    tracing::error!(%error, "log lines could not be stored");
                }
                failing = true;
            }
        }
        shared.lock().done += jobs;
    }
}

/// The jobs of the next transaction; none when `wait` is over; `None` when all is written and
/// the queue is closed.
fn next_batch(shared: &Shared, wait: Option<Duration>) -> Option<Vec<Job>> {
    let mut queue = shared.lock();
    while queue.jobs.is_empty() {
        if queue.closed {
            return None;
        }
        queue.asleep = true;
        queue = match wait {
            None => shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            Some(wait) => {
                let (mut queue, waited) =
                    shared.wake.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner);
                if waited.timed_out() && queue.jobs.is_empty() {
                    queue.asleep = false;
                    return Some(Vec::new());
                }
                queue
            }
        };
    }
    queue.asleep = false;
    if !queue.urgent && !queue.closed {
        let until = Instant::now() + LINGER;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || queue.urgent || queue.closed {
                break;
            }
            queue = shared.wake.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
    let mut batch = Vec::new();
    let mut bytes = 0;
    while bytes < BATCH_BYTES {
        let Some(job) = queue.jobs.pop_front() else { break };
        bytes += job.cost;
        batch.push(job);
    }
    if queue.jobs.is_empty() {
        queue.urgent = false;
    }
    Some(batch)
}

/// Does the jobs of one transaction in their order, commits, and answers who waits.
fn write(desk: &mut Desk, batch: Vec<Job>) -> rusqlite::Result<()> {
    let mut finishes = Vec::new();
    let mut failed = None;
    // Held until the commit, so that the queue's bound counts what is being written too.
    let mut spaces = Vec::with_capacity(batch.len());
    let begun = desk.begin();
    for Job { work, space, .. } in batch {
        spaces.push(space);
        match work {
            Work::Append(append) => {
                if begun.is_ok()
                    && let Err(error) = desk.append(append)
                {
                    failed = Some(error);
                }
            }
            Work::Change(work) => finishes.push(work(desk)),
        }
    }
    let committed = begun.and_then(|()| desk.commit());
    drop(spaces);
    let told = committed.as_ref().copied().map_err(ToString::to_string);
    for finish in finishes {
        finish(told.as_ref().copied().map_err(String::as_str));
    }
    match failed {
        Some(error) => committed.and(Err(error)),
        None => committed,
    }
}
