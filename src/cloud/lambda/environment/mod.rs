//! Execution environments: one process of a function's `bootstrap`, its Runtime API and its log.

mod ahead;
mod output;
mod parent_death;
mod pool;
mod process;
mod report;
mod run;
mod runtime_api;
mod supervisor;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use ahead::Ahead;
pub use pool::{PROVISIONED_LIMIT, Pool, Services};
pub use process::{Spawner, end_left_behind};
pub use run::Job;

use output::Output;
use report::{Report, Status};

use super::code::CodeHold;

/// How long a start may take before it is tried once more within the invocation's own time.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// What an execution environment runs: one version of a function as it was configured.
#[derive(Debug)]
pub struct Spec {
    /// Environments are shared by invocations of the same instance only.
    pub instance: String,
    /// The function's name.
    pub function: String,
    /// `$LATEST` or the version's number.
    pub version: String,
    /// ARN of the execution role.
    pub role: String,
    /// Name of the handler.
    pub handler: String,
    /// Name of the runtime.
    pub runtime: String,
    /// Memory in MB: shown to the function and in reports.
    pub memory_mb: u32,
    /// Time limit of an invocation.
    pub timeout: Duration,
    /// Log group.
    pub log_group: String,
    /// The configuration's environment variables.
    pub variables: BTreeMap<String, String>,
    /// Its code, which stays on disk as long.
    pub code: Arc<CodeHold>,
    /// Why it is started.
    pub initialization: Initialization,
}

/// Why an environment is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initialization {
    /// An invocation needs it.
    OnDemand,
    /// It is kept ready: provisioned concurrency.
    Provisioned,
}

/// An event on its way to the runtime.
#[derive(Debug)]
pub struct Event {
    /// The invocation.
    pub request_id: String,
    /// Its payload.
    pub payload: Bytes,
    /// When its time is up, in milliseconds since the epoch.
    pub deadline_ms: i64,
    /// The ARN as it was invoked, with its qualifier.
    pub arn: String,
    /// Trace header.
    pub trace_id: String,
    /// Client context of mobile clients.
    pub client_context: Option<String>,
}

/// How an invocation ended.
#[derive(Debug)]
pub struct Completion {
    /// The answer, or the description of the failure.
    pub payload: Bytes,
    /// Whether the function failed.
    pub failed: bool,
    /// How long the function ran, as its report says.
    pub duration: Duration,
    /// Whether it ran where it was kept ready.
    pub provisioned: bool,
    /// The last lines of its log in base64, where asked for.
    pub tail: Option<String>,
}

/// Why an environment didn't come up.
#[derive(Debug)]
pub enum InitFailure {
    /// There is no `bootstrap` that could be run.
    Entrypoint(String),
    /// The process ended.
    Exited(String),
    /// The runtime said what went wrong.
    Reported(Bytes),
    /// It never asked for its first event.
    TimedOut,
}

/// What the runtime answered to an event.
#[derive(Debug)]
pub enum Answer {
    /// The function's result.
    Response(Bytes),
    /// The function's error.
    Error(Bytes),
    /// A result larger than Lambda passes on.
    TooLarge,
}

/// One process and everything that belongs to it.
#[derive(Debug)]
pub struct Environment {
    /// Distinguishes environments in the pool.
    id: u64,
    spec: Arc<Spec>,
    pool: Weak<Pool>,
    phase: Mutex<Phase>,
    output: tokio::sync::Mutex<Output>,
    started: Instant,
    init: Mutex<Init>,
    memory: Mutex<Memory>,
    /// Ends the process and everything around it.
    end: CancellationToken,
}

/// What is known of the start.
#[derive(Debug, Default)]
struct Init {
    /// How long it took, until it was reported.
    unreported: Option<Duration>,
    /// The runtime's own words about a failure.
    error: Option<Bytes>,
}

/// Where an environment is in its life.
#[derive(Debug)]
enum Phase {
    /// Not yet asked for its first event. Nobody may be waiting any more.
    Starting(Option<oneshot::Sender<Result<(), InitFailure>>>),
    /// Waits for an event.
    Idle(oneshot::Sender<Event>),
    /// Works on an invocation.
    Busy(Busy),
    /// Has answered and not yet asked for the next event.
    Finishing,
    /// Ends, or has ended.
    Dead,
}

/// The invocation that an environment works on.
#[derive(Debug)]
struct Busy {
    request_id: String,
    started: Instant,
    /// The log's tail is part of the completion.
    tail: bool,
    completion: oneshot::Sender<Completion>,
}

impl Environment {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn init(&self) -> MutexGuard<'_, Init> {
        self.init.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the process; its supervisor does the rest.
    fn kill(&self) {
        self.end.cancel();
    }

    /// The runtime asks for an event: true when it will get one through `deliver`.
    fn arrive(self: &Arc<Self>, deliver: oneshot::Sender<Event>) -> bool {
        let release = {
            let mut phase = self.phase();
            match std::mem::replace(&mut *phase, Phase::Dead) {
                Phase::Starting(ready) => {
                    self.init().unreported = Some(self.started.elapsed());
                    *phase = Phase::Idle(deliver);
                    // Whoever started it may have gone: then it is free for others.
                    ready.is_none_or(|ready| ready.send(Ok(())).is_err())
                }
                Phase::Finishing => {
                    *phase = Phase::Idle(deliver);
                    true
                }
                Phase::Idle(_) => {
                    // The runtime asks again; where it is kept, in the pool or by an invoker, it
                    // stays.
                    *phase = Phase::Idle(deliver);
                    false
                }
                other @ (Phase::Busy(_) | Phase::Dead) => {
                    *phase = other;
                    return false;
                }
            }
        };
        if release {
            match self.pool.upgrade() {
                Some(pool) => pool.release(self),
                None => self.kill(),
            }
        }
        true
    }

    /// Hands an event to the waiting runtime. Gives the event back when it no longer waits.
    async fn dispatch(
        self: &Arc<Self>,
        event: Event,
        tail: bool,
    ) -> Result<oneshot::Receiver<Completion>, Event> {
        let mut output = self.output.lock().await;
        // What was written between two invocations comes before the START line.
        output.drain();
        let (completion, completed) = oneshot::channel();
        let deliver = {
            let mut phase = self.phase();
            if !matches!(*phase, Phase::Idle(_)) {
                return Err(event);
            }
            let busy = Phase::Busy(Busy {
                request_id: event.request_id.clone(),
                started: Instant::now(),
                tail,
                completion,
            });
            match std::mem::replace(&mut *phase, busy) {
                Phase::Idle(deliver) => deliver,
                other => {
                    *phase = other;
                    return Err(event);
                }
            }
        };
        output.keep_tail(tail);
        let line = report::start(&event.request_id, &self.spec.version);
        match deliver.send(event) {
            Ok(()) => {
                output.platform(line);
                Ok(completed)
            }
            Err(event) => {
                *self.phase() = Phase::Dead;
                self.kill();
                Err(event)
            }
        }
    }

    /// Takes the invocation that is being worked on, if it is this one.
    fn take_busy(&self, request_id: &str, next: Phase) -> Option<Busy> {
        let mut phase = self.phase();
        match &*phase {
            Phase::Busy(busy) if busy.request_id == request_id => {}
            _ => return None,
        }
        match std::mem::replace(&mut *phase, next) {
            Phase::Busy(busy) => Some(busy),
            _ => None,
        }
    }

    /// The runtime answers: the invoker gets it at once, and the log is completed. False when no
    /// such invocation is being worked on.
    async fn answer(self: &Arc<Self>, request_id: &str, answer: Answer) -> bool {
        let Some(busy) = self.take_busy(request_id, Phase::Finishing) else { return false };
        let duration = busy.started.elapsed();
        if let Some(pool) = self.pool.upgrade() {
            pool.finishing(self);
        }
        let (payload, failed) = match answer {
            Answer::Response(payload) => (payload, false),
            Answer::Error(payload) => (payload, true),
            Answer::TooLarge => (
                Bytes::from(
                    serde_json::json!({
                        "errorType": "Function.ResponseSizeTooLarge",
                        "errorMessage": format!(
                            "Response payload size exceeded maximum allowed payload size ({} \
                             bytes).",
                            runtime_api::RESPONSE_LIMIT
                        ),
                    })
                    .to_string(),
                ),
                true,
            ),
        };
        let provisioned = self.spec.initialization.is_ahead();
        let mut completion = Completion { payload, failed, duration, provisioned, tail: None };
        if busy.tail {
            let mut output = self.output.lock().await;
            self.close_log(&mut output, request_id, duration, None);
            completion.tail = output.take_tail();
            output.flush().await;
            drop(output);
            let _ = busy.completion.send(completion);
        } else {
            // Nobody needs the log to get the answer. An invoker that has gone needs neither.
            let _ = busy.completion.send(completion);
            let mut output = self.output.lock().await;
            self.close_log(&mut output, request_id, duration, None);
            output.flush().await;
        }
        true
    }

    /// The invocation's time is up: the process is killed. None when it was answered meanwhile.
    async fn time_out(&self, request_id: &str) -> Option<Completion> {
        let busy = self.take_busy(request_id, Phase::Dead)?;
        let duration = busy.started.elapsed();
        self.kill();
        let limit = self.spec.timeout;
        let mut output = self.output.lock().await;
        output.drain_all();
        let now = output.now_millis();
        output.platform(report::timed_out(now, request_id, limit));
        self.close_log(&mut output, request_id, duration, Some(Status::TimedOut));
        let tail = output.take_tail();
        output.flush().await;
        let message = report::timed_out_message(limit);
        Some(Completion {
            payload: report::failure_payload(request_id, &message, "Sandbox.Timedout"),
            failed: true,
            duration,
            provisioned: self.spec.initialization.is_ahead(),
            tail,
        })
    }

    /// The process has ended: whatever waits for it is told.
    async fn exited(&self, status: Option<ExitStatus>) {
        let phase = std::mem::replace(&mut *self.phase(), Phase::Dead);
        let mut output = self.output.lock().await;
        output.drain_all();
        output.finish_line();
        match phase {
            Phase::Busy(busy) => {
                let message = report::exit_message(status);
                let kind = "Runtime.ExitError";
                output.platform(report::failure(&busy.request_id, &message, kind));
                let duration = busy.started.elapsed();
                self.close_log(&mut output, &busy.request_id, duration, Some(Status::Failed(kind)));
                let completion = Completion {
                    payload: report::failure_payload(&busy.request_id, &message, kind),
                    failed: true,
                    duration,
                    provisioned: self.spec.initialization.is_ahead(),
                    tail: output.take_tail(),
                };
                output.flush().await;
                let _ = busy.completion.send(completion);
            }
            Phase::Starting(Some(ready)) => {
                let failure = match self.init().error.take() {
                    Some(payload) => InitFailure::Reported(payload),
                    None => InitFailure::Exited(report::exit_message(status)),
                };
                // The invoker goes on with the log where this leaves it.
                drop(output);
                let _ = ready.send(Err(failure));
            }
            _ => output.flush().await,
        }
    }

    /// Writes the lines that end an invocation, behind everything the process wrote before.
    fn close_log(
        &self,
        output: &mut Output,
        request_id: &str,
        duration: Duration,
        status: Option<Status<'_>>,
    ) {
        output.drain_all();
        output.finish_line();
        output.platform(report::end(request_id));
        let init = self.init().unreported.take();
        output.platform(
            Report {
                request_id,
                duration,
                init,
                memory_mb: self.spec.memory_mb,
                used_mb: self.used_mb(duration),
                status,
            }
            .line(),
        );
    }

    /// The most memory that the process ever used, in MB, after an invocation that took `duration`;
    /// 0 when it was never told.
    fn used_mb(&self, duration: Duration) -> u64 {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).used_mb(duration)
    }
}

/// The most memory that a process has used, as its kernel tells. To ask costs more than a short
/// invocation can use up, so it is not asked after each of many.
#[derive(Debug)]
struct Memory {
    status: Option<File>,
    used_mb: u64,
    read: Option<Instant>,
}

impl Memory {
    /// An invocation that took longer is asked after in any case.
    const SHORT: Duration = Duration::from_millis(5);
    /// How old a figure may be.
    const FRESH: Duration = Duration::from_millis(50);

    fn used_mb(&mut self, duration: Duration) -> u64 {
        let fresh = self.read.is_some_and(|read| read.elapsed() < Self::FRESH);
        if !fresh || duration > Self::SHORT {
            self.used_mb = self.peak_mb().unwrap_or(self.used_mb);
            self.read = Some(Instant::now());
        }
        self.used_mb
    }

    fn peak_mb(&self) -> Option<u64> {
        let mut buffer = [0; 4096];
        let length = self.status.as_ref()?.read_at(&mut buffer, 0).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes.div_ceil(1024))
    }
}
