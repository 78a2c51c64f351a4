//! One invocation: an environment is found or started, gets the event, and is watched until it has
//! answered or its time is up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::error::AwsError;

use super::output::Output;
use super::pool::{Acquired, Lease, Pool, Reservation, Slot};
use super::report::{self, Report, Status};
use super::supervisor::{StartFailure, Started, log_stream, start};
use super::{Completion, Environment, Event, INIT_LIMIT, InitFailure, Spec};

/// When the log of a running invocation is shown although it is not complete.
const SHOW_LOG_AFTER: Duration = Duration::from_millis(20);
/// How often an invocation looks for another environment when one ended under its hands.
const ATTEMPTS: usize = 100;

/// An invocation to be run.
#[derive(Debug)]
pub struct Job<'a> {
    /// The function's name.
    pub function: &'a str,
    /// Its reserved concurrency, where set.
    pub reserved: Option<u32>,
    /// Which environments may serve it.
    pub instance: &'a str,
    /// Its time limit.
    pub timeout: Duration,
    /// The event; its deadline is set when it is handed over.
    pub event: Event,
    /// Whether the log's tail is wanted.
    pub tail: bool,
}

impl Pool {
    /// Runs an invocation to its end. `spec` is asked only when an environment must be started.
    ///
    /// Errors are those of the service: limits, and the local cloud's own failures. A function that
    /// fails is a [`Completion`]. When the caller goes away the function still runs to its end.
    pub async fn run(
        self: &Arc<Self>,
        job: Job<'_>,
        spec: impl Fn() -> Spec,
    ) -> Result<Completion, AwsError> {
        let slot = self.count(job.function, job.reserved)?;
        let mut event = job.event;
        for _ in 0..ATTEMPTS {
            let lease = match self.acquire(job.instance).await? {
                Acquired::Warm(lease) => lease,
                Acquired::Room(reservation) => {
                    let spec = Arc::new(spec());
                    match self.cold_start(reservation, &spec, &event.request_id, job.tail).await? {
                        Ok(lease) => lease,
                        Err(completion) => return Ok(completion),
                    }
                }
            };
            let started = Instant::now();
            let limit = i64::try_from(job.timeout.as_millis()).unwrap_or(i64::MAX);
            event.deadline_ms = self.services().core.now_millis().saturating_add(limit);
            let request_id = event.request_id.clone();
            match lease.environment().dispatch(event, job.tail).await {
                Ok(completed) => {
                    let mut watch = Watch(Some(Running {
                        environment: lease.taken(),
                        request_id,
                        completed,
                        deadline: started + job.timeout,
                        _slot: slot,
                    }));
                    return Ok(watch.completion().await);
                }
                Err(back) => event = back,
            }
        }
        Err(AwsError::new(
            500,
            "ServiceException",
            "Every execution environment ended before it took the event.",
        ))
    }

    /// Starts an environment for an invocation; a start that fails is the invocation's result.
    async fn cold_start(
        self: &Arc<Self>,
        mut reservation: Reservation,
        spec: &Arc<Spec>,
        request_id: &str,
        tail: bool,
    ) -> Result<Result<Lease, Completion>, AwsError> {
        let stream = log_stream(self.services(), spec);
        let mut attempt = Attempt { first: true, request_id, tail, spec, began: Instant::now() };
        loop {
            let limit = if attempt.first { INIT_LIMIT } else { spec.timeout };
            attempt.began = Instant::now();
            let started =
                start(self, reservation.id(), spec, &stream, limit, attempt.first).await?;
            let Started { environment, ready } = match started {
                Ok(started) => started,
                Err(StartFailure { failure, mut output }) => {
                    return Ok(Err(attempt.failed(&mut output, failure).await));
                }
            };
            reservation.used();
            let lease = Lease::new(self, environment);
            let failure = match ready.await {
                Ok(Ok(())) => return Ok(Ok(lease)),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    return Err(AwsError::new(
                        500,
                        "ServiceException",
                        "The execution environment was ended while it started.",
                    ));
                }
            };
            let mut output = lease.environment().output.lock().await;
            if !attempt.first || !matches!(failure, InitFailure::TimedOut) {
                return Ok(Err(attempt.failed(&mut output, failure).await));
            }
            // As on AWS: a start that takes too long is tried once more as part of the invocation,
            // within the function's own time.
            output.platform(report::init_report(attempt.began.elapsed(), Status::TimedOut));
            output.platform(report::start(request_id, &spec.version));
            output.flush().await;
            attempt.first = false;
            reservation = Reservation::again(self, &spec.instance);
        }
    }
}

/// One attempt at a start on behalf of an invocation.
struct Attempt<'a> {
    first: bool,
    request_id: &'a str,
    tail: bool,
    spec: &'a Spec,
    began: Instant,
}

impl Attempt<'_> {
    /// Writes the log of an invocation that came to nothing, and says why.
    async fn failed(&self, output: &mut Output, failure: InitFailure) -> Completion {
        let took = self.began.elapsed();
        let id = self.request_id;
        let (payload, kind) = match &failure {
            InitFailure::Entrypoint(message) => {
                let kind = "Runtime.InvalidEntrypoint".to_owned();
                (report::failure_payload(id, message, &kind), kind)
            }
            InitFailure::Exited(message) => {
                let kind = "Runtime.ExitError".to_owned();
                (report::failure_payload(id, message, &kind), kind)
            }
            InitFailure::Reported(payload) => (payload.clone(), error_type(payload)),
            InitFailure::TimedOut => {
                let message = report::timed_out_message(self.spec.timeout);
                let kind = "Sandbox.Timedout".to_owned();
                (report::failure_payload(id, &message, &kind), kind)
            }
        };
        let status = match &failure {
            InitFailure::TimedOut => Status::TimedOut,
            _ => Status::Failed(&kind),
        };
        output.keep_tail(self.tail);
        if self.first {
            output.platform(report::init_report(took, status));
            output.platform(report::start(id, &self.spec.version));
        }
        match &failure {
            InitFailure::Entrypoint(message) | InitFailure::Exited(message) => {
                output.platform(report::failure(id, message, &kind));
            }
            InitFailure::TimedOut => {
                let now = output.now_millis();
                output.platform(report::timed_out(now, id, self.spec.timeout));
            }
            InitFailure::Reported(_) => {}
        }
        output.platform(report::end(id));
        output.platform(
            Report {
                request_id: id,
                duration: took,
                init: None,
                memory_mb: self.spec.memory_mb,
                used_mb: 0,
                status: Some(status),
            }
            .line(),
        );
        let tail = output.take_tail();
        output.flush().await;
        Completion { payload, failed: true, duration: took, provisioned: false, tail }
    }
}

/// The `errorType` of an error that a runtime reported.
pub(super) fn error_type(payload: &Bytes) -> String {
    serde_json::from_slice::<serde_json::Value>(payload)
        .ok()
        .and_then(|error| error["errorType"].as_str().map(str::to_owned))
        .filter(|kind| kind.len() <= 256 && !kind.contains(char::is_control))
        .unwrap_or_else(|| "Runtime.Unknown".to_owned())
}

/// Waits for an invocation's end; when the caller goes away, somebody else goes on waiting, since a
/// function runs to its end and its time limit holds whether anybody listens or not.
struct Watch(Option<Running>);

struct Running {
    environment: Arc<Environment>,
    request_id: String,
    completed: oneshot::Receiver<Completion>,
    deadline: Instant,
    _slot: Slot,
}

impl Watch {
    async fn completion(&mut self) -> Completion {
        let completion = match &mut self.0 {
            Some(running) => running.wait().await,
            None => lost(""),
        };
        self.0 = None;
        completion
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(mut running) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { running.wait().await });
        }
    }
}

impl Running {
    async fn wait(&mut self) -> Completion {
        let show = self.deadline.min(Instant::now() + SHOW_LOG_AFTER);
        if let Ok(completed) = tokio::time::timeout_at(show.into(), &mut self.completed).await {
            return completed.unwrap_or_else(|_| lost(&self.request_id));
        }
        self.environment.output.lock().await.flush().await;
        if let Ok(completed) =
            tokio::time::timeout_at(self.deadline.into(), &mut self.completed).await
        {
            return completed.unwrap_or_else(|_| lost(&self.request_id));
        }
        match self.environment.time_out(&self.request_id).await {
            Some(completion) => completion,
            // It was answered at the last moment.
            None => (&mut self.completed).await.unwrap_or_else(|_| lost(&self.request_id)),
        }
    }
}

/// The result of an invocation whose environment ended without a word.
fn lost(request_id: &str) -> Completion {
    let message = report::exit_message(None);
    Completion {
        payload: report::failure_payload(request_id, &message, "Runtime.ExitError"),
        failed: true,
        duration: Duration::ZERO,
        provisioned: false,
        tail: None,
    }
}
