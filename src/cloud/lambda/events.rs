//! Asynchronous invocations: a durable queue, and AWS's rules for trying again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::error::AwsError;
use crate::store::{Change, Store, StoreError};
use crate::wire::Caller;

use super::Lambda;
use super::errors::throttled;
use super::invoke::{Baggage, Invoker, Outcome};
use super::names::{FunctionName, LATEST};

/// Documents of queued events, by invocation id.
const EVENTS: &str = "lambda.events";
/// The most events that wait.
const COUNT_LIMIT: usize = 10_000;
/// The most bytes of payload that wait.
const BYTES_LIMIT: usize = 64 << 20;
/// How many events are worked on at once.
const AT_ONCE: usize = 16;
/// How often an event whose function failed is tried again, unless the function says otherwise.
const RETRIES: u32 = 2;
/// How long an event is kept, in seconds, unless the function says otherwise.
const LONGEST_AGE_SECONDS: u32 = 6 * 3600;
/// The longest pause between two attempts to hand it over.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// An event that was accepted and waits for its function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueuedEvent {
    /// The invocation's id.
    pub request_id: String,
    /// The function's name.
    pub function: String,
    /// A version or an alias.
    pub qualifier: Option<String>,
    /// The event in base64.
    pub payload: String,
    /// How often the function ran with it.
    #[serde(default)]
    pub invocations: u32,
    trace_id: Option<String>,
    client_context: Option<String>,
    received_ms: i64,
    /// Not to be tried before.
    due_ms: i64,
    /// How often the function failed.
    failures: u32,
    /// How often it could not be handed over.
    refusals: u32,
}

impl QueuedEvent {
    /// An event that has just come in.
    pub fn new(
        request_id: String,
        name: FunctionName,
        payload: Bytes,
        baggage: Baggage,
        now_ms: i64,
    ) -> Self {
        Self {
            request_id,
            function: name.name,
            qualifier: name.qualifier,
            payload: STANDARD.encode(payload),
            invocations: 0,
            trace_id: baggage.trace_id,
            client_context: baggage.client_context,
            received_ms: now_ms,
            due_ms: now_ms,
            failures: 0,
            refusals: 0,
        }
    }

    /// What becomes of the event after an attempt.
    fn after(&mut self, result: &Result<Outcome, AwsError>, now_ms: i64, rules: &Rules) -> Fate {
        let pause = match result {
            Ok(outcome) => {
                self.invocations += 1;
                if outcome.function_error.is_none() {
                    return Fate::Done(Condition::Success);
                }
                self.failures += 1;
                if self.failures > rules.retries {
                    return Fate::Done(Condition::RetriesExhausted);
                }
                rules.first_pause * (1 << (self.failures - 1).min(1))
            }
            Err(_) if rules.blocked => return Fate::Done(Condition::ZeroReservedConcurrency),
            // Throttled, not ready, or the local cloud's own trouble: it will pass.
            Err(error)
                if error.status.is_server_error() || matches!(error.status.as_u16(), 409 | 429) =>
            {
                let pause = Duration::from_secs(1 << self.refusals.min(16)).min(LONGEST_PAUSE);
                self.refusals += 1;
                pause
            }
            // The function is gone, and with it what should be told.
            Err(error) if error.status.as_u16() == 404 => return Fate::Dropped,
            // Waiting does not help.
            Err(_) => return Fate::Done(Condition::RetriesExhausted),
        };
        let due_ms = now_ms + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        if due_ms - self.received_ms > rules.longest_age_ms {
            return Fate::Done(Condition::EventAgeExceeded);
        }
        self.due_ms = due_ms;
        Fate::Again(due_ms)
    }
}

/// How often and how long an event is tried.
#[derive(Debug, Clone, Copy)]
struct Rules {
    retries: u32,
    longest_age_ms: i64,
    first_pause: Duration,
    /// The function may not run at all: its reserved concurrency is zero.
    blocked: bool,
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is tried again at a time.
    Again(i64),
    /// It is done with, and destinations are told.
    Done(Condition),
    /// There is no function that it could be told of.
    Dropped,
}

/// Why an event is done with, by AWS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The function did well.
    Success,
    /// It failed, and failed when tried again.
    RetriesExhausted,
    /// The event became too old to be tried again.
    EventAgeExceeded,
    /// The function may not run.
    ZeroReservedConcurrency,
}

impl Condition {
    /// The name in the document that a destination gets.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
        }
    }
}

/// The events that wait.
#[derive(Debug)]
pub struct EventQueue {
    store: Store,
    waiting: Arc<Mutex<Waiting>>,
    changed: Arc<Notify>,
    stopped: CancellationToken,
}

#[derive(Debug, Default)]
struct Waiting {
    /// When which event is due.
    due: BinaryHeap<Reverse<(i64, String)>>,
    /// Events by id, those being worked on included: until they are done they take space.
    events: HashMap<String, QueuedEvent>,
    bytes: usize,
}

impl EventQueue {
    /// Reads what was accepted before and not done.
    pub fn open(core: &Core) -> Result<Self, StoreError> {
        let mut waiting = Waiting::default();
        for (_, event) in core.store.load::<QueuedEvent>(EVENTS)? {
            waiting.add(event);
        }
        Ok(Self {
            store: core.store.clone(),
            waiting: Arc::new(Mutex::new(waiting)),
            changed: Arc::new(Notify::new()),
            stopped: CancellationToken::new(),
        })
    }

    /// Hands out no more events. What waits is in the store.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next event if it is due, or when it will be.
    fn next(&self, now_ms: i64) -> Next {
        let mut waiting = self.waiting();
        match waiting.due.peek() {
            None => Next::Nothing,
            Some(Reverse((due, _))) if *due > now_ms => Next::At(*due),
            Some(_) => {
                let id = waiting.due.pop().map(|Reverse((_, id))| id);
                match id.and_then(|id| waiting.events.get(&id).cloned()) {
                    Some(event) => Next::Event(Box::new(event)),
                    None => Next::At(now_ms),
                }
            }
        }
    }
}

enum Next {
    Nothing,
    At(i64),
    Event(Box<QueuedEvent>),
}

impl Waiting {
    fn add(&mut self, event: QueuedEvent) {
        self.due.push(Reverse((event.due_ms, event.request_id.clone())));
        self.bytes += event.payload.len();
        self.events.insert(event.request_id.clone(), event);
    }

    fn remove(&mut self, id: &str) {
        if let Some(event) = self.events.remove(id) {
            self.bytes -= event.payload.len();
        }
    }
}

impl Lambda {
    /// Accepts an event: it is durable when this returns.
    pub(super) async fn accept_event(&self, event: QueuedEvent) -> Result<(), AwsError> {
        {
            let waiting = self.events.waiting();
            let full = waiting.events.len() >= COUNT_LIMIT
                || waiting.bytes + event.payload.len() > BYTES_LIMIT;
            if full {
                return Err(throttled("ConcurrentInvocationLimitExceeded"));
            }
        }
        let store = self.events.store.clone();
        let waiting = Arc::clone(&self.events.waiting);
        let changed = Arc::clone(&self.events.changed);
        // In a task of its own: what became durable is also worked on, even if the client goes.
        let accepted = tokio::spawn(async move {
            store.commit(vec![Change::put(EVENTS, &event.request_id, &event)?]).await?;
            waiting.lock().unwrap_or_else(PoisonError::into_inner).add(event);
            changed.notify_one();
            Ok::<_, StoreError>(())
        });
        match accepted.await {
            Ok(result) => Ok(result?),
            Err(failed) => Err(AwsError::internal(format!("the event was not kept: {failed}"))),
        }
    }

    /// Starts to work on events.
    pub(super) fn start_events(self: &Arc<Self>) {
        let lambda = Arc::downgrade(self);
        let changed = Arc::clone(&self.events.changed);
        let stopped = self.events.stopped.clone();
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        tokio::spawn(async move {
            let work = async {
                loop {
                    let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
                    let Some(lambda) = lambda.upgrade() else { return };
                    let now = lambda.core.now_millis();
                    match lambda.events.next(now) {
                        Next::Event(event) => {
                            tokio::spawn(async move {
                                lambda.attempt(*event).await;
                                drop(permit);
                            });
                        }
                        Next::Nothing => {
                            drop(lambda);
                            changed.notified().await;
                        }
                        Next::At(due) => {
                            drop(lambda);
                            let pause = Duration::from_millis((due - now).max(0) as u64);
                            let _ = tokio::time::timeout(pause, changed.notified()).await;
                        }
                    }
                }
            };
            stopped.run_until_cancelled(work).await;
        });
    }

    /// Hands an event to its function once, and notes what becomes of it.
    async fn attempt(self: Arc<Self>, mut event: QueuedEvent) {
        let result = self.deliver(&event).await;
        let failed = !result.as_ref().is_ok_and(|outcome| outcome.function_error.is_none());
        if self.events.stopped.is_cancelled() && failed {
            // The cloud is stopping: the event stays as it is in the store.
            return;
        }
        let id = event.request_id.clone();
        let fate = event.after(&result, self.core.now_millis(), &self.rules(&event));
        // Told first, forgotten then: what the end of the process interrupts is told again.
        if let Fate::Done(condition) = fate {
            self.conclude(&event, condition, &result).await;
        }
        report(&event, fate, &result);
        let again = matches!(fate, Fate::Again(_));
        let change =
            if again { Change::put(EVENTS, &id, &event) } else { Ok(Change::delete(EVENTS, &id)) };
        let noted = match change {
            Ok(change) => self.events.store.commit(vec![change]).await,
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::error!(%error, id, "the state of an event could not be kept");
        }
        let mut waiting = self.events.waiting();
        waiting.remove(&id);
        if again {
            waiting.add(event);
            self.events.changed.notify_one();
        }
    }

    /// How often and how long an event is tried.
    fn rules(&self, event: &QueuedEvent) -> Rules {
        let function = self.registry.find(&event.function);
        let qualifier = event.qualifier.as_deref().unwrap_or(LATEST);
        let config = function.as_ref().and_then(|f| f.event_invoke.get(qualifier));
        let age = config.and_then(|c| c.maximum_event_age_seconds).unwrap_or(LONGEST_AGE_SECONDS);
        Rules {
            retries: config.and_then(|c| c.maximum_retry_attempts).unwrap_or(RETRIES),
            longest_age_ms: i64::from(age) * 1000,
            first_pause: self.core.async_retry_delay(),
            blocked: function.as_ref().is_some_and(|f| f.reserved_concurrency == Some(0)),
        }
    }

    async fn deliver(self: &Arc<Self>, event: &QueuedEvent) -> Result<Outcome, AwsError> {
        let name =
            FunctionName { name: event.function.clone(), qualifier: event.qualifier.clone() };
        // Whether the invoker may was decided when the event was accepted.
        let admitted = self.admit(name, &Invoker::Caller(Caller::Cloud))?;
        let payload = STANDARD
            .decode(&event.payload)
            .map_err(|_| AwsError::new(400, "InvalidRequestContentException", "no base64"))?;
        let baggage = Baggage {
            trace_id: event.trace_id.clone(),
            client_context: event.client_context.clone(),
        };
        self.run(admitted, Bytes::from(payload), event.request_id.clone(), baggage, false).await
    }
}

fn report(event: &QueuedEvent, fate: Fate, result: &Result<Outcome, AwsError>) {
    let (function, id) = (&event.function, &event.request_id);
    match (fate, result) {
        (Fate::Again(_) | Fate::Done(Condition::Success), _) => {}
        (Fate::Done(condition), Ok(_)) => {
            tracing::warn!(function, id, condition = condition.name(), "an event was given up");
        }
        (_, result) => {
            let error = result.as_ref().err().map(ToString::to_string);
            tracing::warn!(function, id, error, "an event was given up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> QueuedEvent {
        let name = FunctionName { name: "f".to_owned(), qualifier: None };
        QueuedEvent::new("r".to_owned(), name, Bytes::new(), Baggage::default(), 0)
    }

    #[allow(clippy::unnecessary_wraps)]
    fn outcome(failed: bool) -> Result<Outcome, AwsError> {
        Ok(Outcome {
            payload: Bytes::new(),
            function_error: failed.then(|| "Unhandled".to_owned()),
            executed_version: "1".to_owned(),
            request_id: "r".to_owned(),
            log_result: None,
        })
    }

    const RULES: Rules = Rules {
        retries: 2,
        longest_age_ms: 21_600_000,
        first_pause: Duration::from_mins(1),
        blocked: false,
    };

    #[test]
    fn a_failed_function_is_tried_twice_more() {
        let mut event = event();
        let success = Fate::Done(Condition::Success);
        assert_eq!(event.clone().after(&outcome(false), 0, &RULES), success);
        assert_eq!(event.after(&outcome(true), 1_000, &RULES), Fate::Again(61_000));
        assert_eq!(event.after(&outcome(true), 61_000, &RULES), Fate::Again(181_000));
        let exhausted = Fate::Done(Condition::RetriesExhausted);
        assert_eq!(event.after(&outcome(true), 181_000, &RULES), exhausted);
        assert_eq!(event.invocations, 3);
    }

    #[test]
    fn the_function_says_how_often_and_how_long() {
        let never = Rules { retries: 0, ..RULES };
        let exhausted = Fate::Done(Condition::RetriesExhausted);
        assert_eq!(event().after(&outcome(true), 0, &never), exhausted);
        let young = Rules { longest_age_ms: 60_000, ..RULES };
        let too_old = Fate::Done(Condition::EventAgeExceeded);
        assert_eq!(event().after(&outcome(true), 1, &young), too_old);
        let blocked = Rules { blocked: true, ..RULES };
        let throttled = Err(throttled("ReservedFunctionConcurrentInvocationLimitExceeded"));
        let zero = Fate::Done(Condition::ZeroReservedConcurrency);
        assert_eq!(event().after(&throttled, 0, &blocked), zero);
    }

    #[test]
    fn a_throttled_event_waits_longer_each_time_and_not_forever() {
        let mut event = event();
        let throttled = Err(throttled("ReservedFunctionConcurrentInvocationLimitExceeded"));
        assert_eq!(event.after(&throttled, 0, &RULES), Fate::Again(1_000));
        assert_eq!(event.after(&throttled, 1_000, &RULES), Fate::Again(3_000));
        for _ in 0..20 {
            event.after(&throttled, 3_000, &RULES);
        }
        assert_eq!(event.after(&throttled, 3_000, &RULES), Fate::Again(303_000));
        let too_old = Fate::Done(Condition::EventAgeExceeded);
        assert_eq!(event.after(&throttled, 21_600_000, &RULES), too_old);
        let gone = Err(AwsError::new(404, "ResourceNotFoundException", "gone"));
        assert_eq!(event.after(&gone, 3_000, &RULES), Fate::Dropped);
    }
}
