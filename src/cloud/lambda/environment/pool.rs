//! The execution environments of all functions: reuse, scaling out, limits and ends.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, oneshot};

use crate::core::Core;
use crate::error::AwsError;
use crate::iam::Iam;
use crate::lambda::errors::throttled;
use crate::logs::Logs;

use super::ahead::Keeping;
use super::{Environment, Phase, Spawner};

/// The most environments at once. AWS's limit is 1,000; this is one machine.
const ENVIRONMENT_LIMIT: usize = 64;
/// The most of them that are kept ready: the rest is for those that are not.
pub const PROVISIONED_LIMIT: u32 = 48;
/// How long an invocation waits for one of them when all are busy.
const CAPACITY_PATIENCE: Duration = Duration::from_secs(3);
/// How long an invocation waits for an environment that has just answered, before it starts
/// another one.
const FINISHING_PATIENCE: Duration = Duration::from_millis(20);
/// After this time an environment that has answered is not expected back soon.
const FINISHING_EXPECTED: Duration = Duration::from_millis(100);
/// How long an environment is kept without work.
const IDLE_LIMIT: Duration = Duration::from_mins(5);
/// How long the end of all environments is waited for.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// What environments need of the rest of the cloud.
#[derive(Debug)]
pub struct Services {
    /// Clock, names, endpoint.
    pub core: Arc<Core>,
    /// Sessions of roles.
    pub iam: Arc<Iam>,
    /// Log lines.
    pub logs: Arc<Logs>,
    /// The thread that owns all processes.
    pub spawner: Spawner,
}

/// All execution environments.
#[derive(Debug)]
pub struct Pool {
    services: Arc<Services>,
    state: Mutex<State>,
    /// Told whenever an environment may have become free for others, or has ended.
    capacity: Arc<Notify>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    closed: bool,
    next_id: u64,
    /// Room taken by environments that are about to be started.
    reserved: usize,
    pub(super) all: HashMap<u64, Arc<Environment>>,
    pub(super) groups: HashMap<String, Group>,
    /// What is kept without work, by instance.
    pub(super) kept: HashMap<String, Keeping>,
    /// Invocations being worked on, by function.
    in_flight: HashMap<String, u32>,
    /// A task waits for the oldest idle environment to become too old.
    reaping: bool,
}

/// The environments that can serve the same invocations.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Those that wait for work; the one used last is the last.
    pub(super) idle: Vec<(Arc<Environment>, Instant)>,
    /// Those that have answered and not come back yet.
    finishing: Vec<(u64, Instant)>,
    /// Invocations that wait for the next one to come free.
    waiters: VecDeque<oneshot::Sender<Arc<Environment>>>,
    /// How many there are in all, and how many are about to be.
    alive: usize,
}

/// What an invocation gets when it asks for an environment.
pub enum Acquired {
    /// One that waits for work.
    Warm(Lease),
    /// Room to start one.
    Room(Reservation),
}

enum Next {
    Take(Arc<Environment>),
    Start(u64),
    /// One of the same kind comes back soon.
    Wait(oneshot::Receiver<Arc<Environment>>),
    /// There is no room: wait for one of the same kind or for room.
    Full(oneshot::Receiver<Arc<Environment>>, OwnedNotified),
}

impl Pool {
    /// A pool without environments.
    pub fn new(services: Services) -> Arc<Self> {
        Arc::new(Self {
            services: Arc::new(services),
            state: Mutex::default(),
            capacity: Arc::new(Notify::new()),
        })
    }

    /// What environments need.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// How many environments there are.
    pub fn len(&self) -> usize {
        self.state().all.len()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an invocation of a function, unless its reserved concurrency is used up.
    pub fn count(
        self: &Arc<Self>,
        function: &str,
        reserved: Option<u32>,
    ) -> Result<Slot, AwsError> {
        let mut state = self.state();
        let total: u32 = state.in_flight.values().sum();
        let running = state.in_flight.get_mut(function);
        let now = running.as_ref().map_or(0, |count| **count);
        if reserved.is_some_and(|limit| now >= limit) {
            return Err(throttled("ReservedFunctionConcurrentInvocationLimitExceeded"));
        }
        // Only where it was set: without it there are fewer environments than an account may have.
        if let Some(limit) = self.services.core.concurrent_executions.get()
            && total >= *limit
        {
            return Err(throttled("ConcurrentInvocationLimitExceeded"));
        }
        match running {
            Some(count) => *count += 1,
            None => {
                state.in_flight.insert(function.to_owned(), 1);
            }
        }
        Ok(Slot { pool: Arc::clone(self), function: function.to_owned() })
    }

    /// How many invocations of a function are being worked on.
    pub fn running(&self, function: &str) -> u32 {
        self.state().in_flight.get(function).copied().unwrap_or(0)
    }

    /// An environment of `instance`, or room to start one.
    pub async fn acquire(self: &Arc<Self>, instance: &str) -> Result<Acquired, AwsError> {
        let give_up = Instant::now() + CAPACITY_PATIENCE;
        let mut patient = true;
        loop {
            let next = self.next(instance, patient)?;
            match next {
                Next::Take(environment) => {
                    return Ok(Acquired::Warm(Lease::new(self, environment)));
                }
                Next::Start(id) => {
                    return Ok(Acquired::Room(Reservation {
                        pool: Arc::clone(self),
                        instance: instance.to_owned(),
                        id,
                        used: false,
                    }));
                }
                Next::Wait(receiver) => {
                    let mut waiting = Waiting { pool: self, receiver };
                    let came = tokio::time::timeout(FINISHING_PATIENCE, waiting.receive()).await;
                    if let Ok(Some(environment)) = came {
                        return Ok(Acquired::Warm(Lease::new(self, environment)));
                    }
                    patient = false;
                }
                Next::Full(receiver, room) => {
                    let mut waiting = Waiting { pool: self, receiver };
                    tokio::select! {
                        came = waiting.receive() => if let Some(environment) = came {
                            return Ok(Acquired::Warm(Lease::new(self, environment)));
                        },
                        () = room => {}
                        () = tokio::time::sleep_until(give_up.into()) => {
                            return Err(throttled("ConcurrentInvocationLimitExceeded"));
                        }
                    }
                }
            }
        }
    }

    fn next(&self, instance: &str, patient: bool) -> Result<Next, AwsError> {
        let mut state = self.state();
        if state.closed {
            return Err(AwsError::new(500, "ServiceException", "The local cloud is stopping."));
        }
        if !state.groups.contains_key(instance) {
            state.groups.insert(instance.to_owned(), Group::default());
        }
        let full = state.all.len() + state.reserved >= ENVIRONMENT_LIMIT;
        let any_ahead = !state.kept.is_empty();
        let Some(group) = state.groups.get_mut(instance) else {
            return Err(AwsError::internal("the group of environments is gone"));
        };
        if let Some(environment) = group.take(any_ahead) {
            return Ok(Next::Take(environment));
        }
        if patient && group.expected() > group.waiters.len() {
            return Ok(Next::Wait(group.wait()));
        }
        if !full {
            group.alive += 1;
            state.reserved += 1;
            state.next_id += 1;
            return Ok(Next::Start(state.next_id));
        }
        let receiver = group.wait();
        // The notification counts from here, while nothing can happen: none is missed.
        let room = Arc::clone(&self.capacity).notified_owned();
        state.end_oldest_idle();
        Ok(Next::Full(receiver, room))
    }

    /// Room for an environment that nobody waits for; none when there is none, or everything ends.
    pub(super) fn reserve(self: &Arc<Self>, instance: &str) -> Option<Reservation> {
        let mut state = self.state();
        if state.closed {
            return None;
        }
        if state.all.len() + state.reserved >= ENVIRONMENT_LIMIT {
            state.end_oldest_idle();
            return None;
        }
        state.groups.entry(instance.to_owned()).or_default().alive += 1;
        state.reserved += 1;
        state.next_id += 1;
        let id = state.next_id;
        drop(state);
        Some(Reservation { pool: Arc::clone(self), instance: instance.to_owned(), id, used: false })
    }

    /// Whether everything is ending.
    pub(super) fn closed(&self) -> bool {
        self.state().closed
    }

    /// Counts a started environment as one of the pool.
    pub fn born(&self, environment: &Arc<Environment>) {
        let mut state = self.state();
        state.all.insert(environment.id, Arc::clone(environment));
        if state.closed {
            environment.kill();
        }
    }

    /// An environment has answered and will ask for the next event soon.
    pub fn finishing(&self, environment: &Environment) {
        let mut state = self.state();
        if let Some(group) = state.groups.get_mut(&environment.spec.instance) {
            group.finishing.push((environment.id, Instant::now()));
        }
    }

    /// An environment waits for work: an invocation that waits for it gets it.
    pub fn release(self: &Arc<Self>, environment: &Arc<Environment>) {
        let mut state = self.state();
        let state = &mut *state;
        let instance = environment.spec.instance.as_str();
        let group = match state.groups.get_mut(instance) {
            Some(group) if !state.closed => group,
            // Its code or configuration is out of date.
            _ => return environment.kill(),
        };
        group.finishing.retain(|(id, _)| *id != environment.id);
        let ahead = environment.spec.initialization.is_ahead();
        let kept = state.kept.get(instance).map_or(0, |kept| kept.count);
        if ahead && kept < ahead_of(&state.all, instance) {
            return environment.kill();
        }
        let mut free = Arc::clone(environment);
        while let Some(waiter) = group.waiters.pop_front() {
            match waiter.send(free) {
                Ok(()) => return,
                Err(back) => free = back,
            }
        }
        group.idle.push((free, Instant::now()));
        self.capacity.notify_waiters();
        // Outside the runtime everything is ending anyway.
        if !state.reaping
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            state.reaping = true;
            runtime.spawn(end_old(Arc::downgrade(self)));
        }
    }

    /// An environment has ended.
    pub fn forget(&self, environment: &Environment) {
        let mut state = self.state();
        state.all.remove(&environment.id);
        state.leave(&environment.spec.instance, Some(environment.id));
        if environment.spec.initialization.is_ahead()
            && let Some(kept) = state.kept.get(&environment.spec.instance)
        {
            kept.ended.notify_one();
        }
        self.capacity.notify_waiters();
    }

    /// Ends the environments of an instance: at once those without work, the others when they are
    /// done.
    pub fn retire(&self, instance: &str) {
        let mut state = self.state();
        for (environment, _) in state.groups.remove(instance).into_iter().flat_map(|g| g.idle) {
            environment.kill();
        }
    }

    /// Ends all environments and starts no more.
    pub async fn shutdown(&self) {
        let all_ended = async {
            loop {
                let ended = {
                    let mut state = self.state();
                    state.closed = true;
                    if state.all.is_empty() && state.reserved == 0 {
                        return;
                    }
                    for environment in state.all.values() {
                        environment.kill();
                    }
                    Arc::clone(&self.capacity).notified_owned()
                };
                ended.await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_PATIENCE, all_ended).await.is_err() {
            tracing::warn!("some functions did not end in time; they end with this process");
        }
    }

    /// Takes back an environment that was not used after all.
    fn give_back(self: &Arc<Self>, environment: &Arc<Environment>) {
        {
            let mut phase = environment.phase();
            match &mut *phase {
                Phase::Starting(ready) => {
                    *ready = None;
                    return;
                }
                Phase::Idle(_) => {}
                Phase::Busy(_) | Phase::Finishing | Phase::Dead => return,
            }
        }
        self.release(environment);
    }
}

/// How many environments of an instance were started ahead and have not ended.
fn ahead_of(all: &HashMap<u64, Arc<Environment>>, instance: &str) -> u32 {
    let count = all
        .values()
        .filter(|e| e.spec.initialization.is_ahead() && e.spec.instance == instance)
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl State {
    /// How many environments of an instance were started ahead and have not ended.
    pub(super) fn ahead(&self, instance: &str) -> u32 {
        ahead_of(&self.all, instance)
    }

    fn leave(&mut self, instance: &str, id: Option<u64>) {
        let Some(group) = self.groups.get_mut(instance) else { return };
        group.alive = group.alive.saturating_sub(1);
        if let Some(id) = id {
            group.idle.retain(|(environment, _)| environment.id != id);
            group.finishing.retain(|(finishing, _)| *finishing != id);
        }
        if group.alive == 0 && group.waiters.iter().all(oneshot::Sender::is_closed) {
            self.groups.remove(instance);
        }
    }

    /// Makes room: ends the environment that has been idle longest.
    fn end_oldest_idle(&mut self) {
        let oldest = self
            .groups
            .values_mut()
            .filter_map(|group| {
                let index = group
                    .idle
                    .iter()
                    .position(|(environment, _)| !environment.spec.initialization.is_ahead())?;
                Some((group, index))
            })
            .min_by_key(|(group, index)| group.idle[*index].1);
        if let Some((group, index)) = oldest {
            let (environment, _) = group.idle.remove(index);
            environment.kill();
        }
    }
}

impl Group {
    /// Takes one without work: the one used last, but one that was started ahead before others.
    fn take(&mut self, any_ahead: bool) -> Option<Arc<Environment>> {
        if any_ahead {
            let ahead = self.idle.iter().rposition(|(e, _)| e.spec.initialization.is_ahead());
            if let Some(index) = ahead {
                return Some(self.idle.remove(index).0);
            }
        }
        self.idle.pop().map(|(environment, _)| environment)
    }

    /// How many environments are expected back any moment.
    fn expected(&self) -> usize {
        self.finishing.iter().filter(|(_, since)| since.elapsed() < FINISHING_EXPECTED).count()
    }

    fn wait(&mut self) -> oneshot::Receiver<Arc<Environment>> {
        self.waiters.retain(|waiter| !waiter.is_closed());
        let (waiter, receiver) = oneshot::channel();
        self.waiters.push_back(waiter);
        receiver
    }
}

/// Ends environments that were idle too long; ends itself when none is idle.
async fn end_old(pool: std::sync::Weak<Pool>) {
    loop {
        let next = {
            let Some(pool) = pool.upgrade() else { return };
            let mut state = pool.state();
            let state = &mut *state;
            let now = Instant::now();
            let mut next: Option<Instant> = None;
            for group in state.groups.values_mut() {
                group.idle.retain(|(environment, since)| {
                    if environment.spec.initialization.is_ahead() {
                        return true;
                    }
                    let end = *since + IDLE_LIMIT;
                    if end <= now {
                        environment.kill();
                        return false;
                    }
                    next = Some(next.map_or(end, |next| next.min(end)));
                    true
                });
            }
            let Some(next) = next else {
                state.reaping = false;
                return;
            };
            next
        };
        tokio::time::sleep_until(next.into()).await;
    }
}

/// An invocation that counts against its function's reserved concurrency while this is alive.
#[derive(Debug)]
pub struct Slot {
    pool: Arc<Pool>,
    function: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        if let Some(count) = state.in_flight.get_mut(&self.function) {
            *count -= 1;
            if *count == 0 {
                state.in_flight.remove(&self.function);
            }
        }
    }
}

/// Room for one more environment.
#[derive(Debug)]
pub struct Reservation {
    pool: Arc<Pool>,
    instance: String,
    id: u64,
    used: bool,
}

impl Reservation {
    /// The id of the environment to be.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The environment is there and counts by itself.
    pub fn used(mut self) {
        self.used = true;
        self.pool.state().reserved -= 1;
    }

    /// Room for the second attempt at a start, beside the first that is just ending.
    pub fn again(pool: &Arc<Pool>, instance: &str) -> Self {
        let mut state = pool.state();
        state.reserved += 1;
        state.next_id += 1;
        state.groups.entry(instance.to_owned()).or_default().alive += 1;
        Self {
            pool: Arc::clone(pool),
            instance: instance.to_owned(),
            id: state.next_id,
            used: false,
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.used {
            return;
        }
        let mut state = self.pool.state();
        state.reserved -= 1;
        state.leave(&self.instance, None);
        self.pool.capacity.notify_waiters();
    }
}

/// An environment in the hands of one invocation; it goes back when the invocation leaves it idle.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<Pool>,
    environment: Arc<Environment>,
    armed: bool,
}

impl Lease {
    /// Takes an environment out of the pool's hands.
    pub fn new(pool: &Arc<Pool>, environment: Arc<Environment>) -> Self {
        Self { pool: Arc::clone(pool), environment, armed: true }
    }

    /// The environment.
    pub fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// The environment has taken the invocation: from now on it comes back to the pool by itself,
    /// when its runtime asks for the next event.
    pub fn taken(mut self) -> Arc<Environment> {
        self.armed = false;
        Arc::clone(&self.environment)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.armed {
            self.pool.give_back(&self.environment);
        }
    }
}

/// Waits for an environment; one that comes too late goes back.
struct Waiting<'a> {
    pool: &'a Arc<Pool>,
    receiver: oneshot::Receiver<Arc<Environment>>,
}

impl Waiting<'_> {
    async fn receive(&mut self) -> Option<Arc<Environment>> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(environment) = self.receiver.try_recv() {
            self.pool.release(&environment);
        }
    }
}
