//! Feeds the guard and carries its decisions out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Canary, Traffic};
use labdeck_telemetry::{Tail, TailMessage, TailState};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::guard::{Decision, Guard, Telemetry};
use super::standing::{self, Found, Standing};
use super::traffic::Steady;
use super::{CanaryView, Command, End, Phase, alarms};
use crate::engine::Engine;
use crate::history::{self, now_ms};
use crate::release::mark::Mark;
use crate::release::outcome::ReleaseOutcome;
use crate::release::pointer::Split;
use crate::release::{self, Begun, Scope};
use crate::status::{self, LabStatus};

/// How often it is looked whether the step is over.
const TICK: Duration = Duration::from_millis(200);
/// How often a view is told that differs by its clock alone.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often the aliases are read, and the alarms.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Tries of a move before the canary waits for a person; a rollback is tried on and on.
const TRIES: u32 = 4;
/// How far back a resumed canary reads what was logged, in ms.
const LOOK_BACK_MS: i64 = 15 * 60 * 1000;

/// How a canary begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// With this plan.
    New(Canary),
    /// As its alias says, where one was left to itself, with traffic of its own where it is given:
    /// the alias does not keep that.
    Resume(Option<Traffic>),
}

/// Guards a canary from its begin, or from where it was left, until it is over.
///
/// `tell` is called with every change, and once a second while a step holds. When `cancel` is
/// cancelled, or a person says [`Command::Leave`], the split stays as it is and can be resumed.
///
/// # Errors
/// Refused when nothing newer is published, another canary runs, there is none to resume, or an alarm is
/// on; what the first move ends with. Later failures are part of the view.
pub async fn run(
    engine: &Engine,
    blueprint: &Blueprint,
    start: Start,
    mut commands: mpsc::Receiver<Command>,
    tell: &(dyn Fn(&CanaryView) + Send + Sync),
    cancel: CancellationToken,
) -> Result<CanaryView> {
    let mut course = Course::begin(engine, blueprint, start).await?;
    let mut told = Told { tell, last: None };
    let first = course.guard.phase().1;
    if let Err(failure) = course.give_step(first, course.watched_since_ms).await {
        if course.left.iter().all(|left| left.split.canary.is_none()) {
            return Err(failure);
        }
        // It has reached some of the functions: the others are tried again, or it is taken back.
        course.guard.moving(format!("to {}% ({failure})", course.guard.view().percent()));
        told.tell(&course.guard);
        course.carry_out(Decision::Step(first), &cancel, &mut told).await;
    }
    let groups = history::groups(blueprint);
    let (_tail, mut tail) =
        Tail::start(Arc::clone(&engine.target), groups, course.watched_since_ms);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Reading aliases and alarms takes as long as it takes; log lines are judged meanwhile.
    let mut look: Option<BoxFuture<'_, Seen>> = None;
    loop {
        told.tell(&course.guard);
        tokio::select! {
            biased;
            command = commands.recv(), if !commands.is_closed() => {
                if let Some(command) = command {
                    course.guard.command(command);
                }
            }
            () = cancel.cancelled() => course.guard.command(Command::Leave),
            message = tail.recv() => course.hear(message),
            Some(seen) = async { Some(look.as_mut()?.await) }, if look.is_some() => {
                look = None;
                course.seen(seen);
            }
            _ = ticks.tick() => {
                course.count();
                if look.is_none() && course.looked.elapsed() >= LOOK_EVERY {
                    look = Some(course.look().boxed());
                }
            }
        }
        let now = now_ms();
        if let Some(decision) = course.guard.decide(now) {
            if decision != Decision::Leave {
                course.guard.moving(course.guard.words(&decision));
                told.tell(&course.guard);
            }
            // What is being read is from before the move.
            look = None;
            course.carry_out(decision, &cancel, &mut told).await;
        }
        if matches!(course.guard.phase().0, Phase::Ended(_)) {
            let view = course.guard.view();
            (told.tell)(&view);
            return Ok(view);
        }
    }
}

/// Tells a view when something but its clock changed, else once a second.
struct Told<'a> {
    tell: &'a (dyn Fn(&CanaryView) + Send + Sync),
    last: Option<(Instant, CanaryView)>,
}

impl Told<'_> {
    fn tell(&mut self, guard: &Guard) {
        if let Some((at, last)) = &self.last
            && guard.phase() == (&last.phase, last.step)
            && at.elapsed() < TELL_EVERY
        {
            return;
        }
        let view = guard.view();
        (self.tell)(&view);
        self.last = Some((Instant::now(), view));
    }
}

/// What was read beside the log lines.
struct Seen {
    aliases: Result<Found>,
    alarms: Result<BTreeMap<String, String>>,
}

/// A canary on its way.
struct Course<'a> {
    engine: &'a Engine,
    blueprint: &'a Blueprint,
    plan: Canary,
    scope: Scope,
    guard: Guard,
    /// The release as it was read after the last move.
    status: LabStatus,
    /// What the last move of this canary left.
    left: Vec<Standing>,
    begun_ms: u64,
    watched_since_ms: i64,
    traffic: Option<Steady>,
    looked: Instant,
}

impl<'a> Course<'a> {
    async fn begin(engine: &'a Engine, blueprint: &'a Blueprint, start: Start) -> Result<Self> {
        let scope = Scope::of(blueprint)?;
        let status = status::read_releases(engine, blueprint).await?;
        let now = now_ms();
        let (plan, step, begun) = match start {
            Start::New(plan) => {
                release::refuse_second_canary(blueprint, &status)?;
                let states = alarms::states(&engine.target, &plan.alarms).await?;
                alarms::refuse_unfit(&blueprint.name, &plan.alarms, &states)?;
                let step = first_step(&plan, &status, &scope);
                (plan, step, None)
            }
            Start::Resume(traffic) => {
                let Some(begun) = release::begun_canary(blueprint, &status) else {
                    let what = format!("resuming the canary of lab {}", blueprint.name);
                    let why = "none of it is under way";
                    return Err(Failure::new(FailureKind::Refused, what, why)
                        .next(format!("begin one: labdeck release {} canary", blueprint.name)));
                };
                let mut plan = begun.mark.plan_of(&blueprint.canary);
                plan.traffic = traffic.or(plan.traffic);
                (plan, begun.mark.step, Some(begun))
            }
        };
        let stage = scope.stages.first().cloned().unwrap_or_default();
        let traffic = match &plan.traffic {
            Some(traffic) => Some(Steady::start(engine, blueprint, &stage, traffic).await?),
            None => None,
        };
        let since = begun.as_ref().map_or(now, |Begun { mark, .. }| {
            i64::try_from(mark.step_ms).unwrap_or(now).clamp(now - LOOK_BACK_MS, now)
        });
        let begun_ms = begun.as_ref().map_or(now as u64, |begun| begun.mark.begun_ms);
        let guard = Guard::new(&blueprint.name, plan.clone(), step, now);
        let left = standing::of(&status, &scope.alias);
        Ok(Self {
            engine,
            blueprint,
            plan,
            scope,
            guard,
            status,
            left,
            begun_ms,
            watched_since_ms: since,
            traffic,
            looked: Instant::now(),
        })
    }

    /// Gives the canary the share of a step. Where it has it already, the mark is written: whoever
    /// guards it elsewhere sees that somebody else does now.
    async fn give_step(&mut self, step: usize, since_ms: i64) -> Result<()> {
        let step_ms = u64::try_from(since_ms).unwrap_or_default();
        let mark = Mark::new(&self.plan, step, self.begun_ms, step_ms);
        let outcome =
            release::guarded_from(self.engine, self.blueprint, &self.status, &mark).await?;
        let failed = whole(&outcome);
        let failed_at = |name: &str| {
            let part = outcome.moves.iter().find(|one| one.function == name);
            part.is_some_and(|one| one.failure.is_some())
        };
        self.status = status::read_releases(self.engine, self.blueprint).await?;
        // Of a function that was not reached, what was left there before still counts.
        for now in standing::of(&self.status, &self.scope.alias) {
            match self.left.iter_mut().find(|left| left.function == now.function) {
                Some(left) if !failed_at(&now.function) => *left = now,
                _ => {}
            }
        }
        failed?;
        self.watch(since_ms);
        self.guard.arrived(step, now_ms());
        Ok(())
    }

    fn watch(&mut self, since_ms: i64) {
        let live = standing::of(&self.status, &self.scope.alias);
        let watched = live.iter().filter_map(|Standing { function, split, .. }| {
            let (canary, share) = split.canary.as_ref()?;
            Some((function.as_str(), split.stable.as_str(), canary.as_str(), *share))
        });
        self.guard.watch(watched, since_ms);
    }

    fn hear(&mut self, message: Option<TailMessage>) {
        match message {
            Some(TailMessage::Events(events)) => self.guard.events(&events),
            Some(TailMessage::Status(status)) => self.guard.telemetry(match status.state {
                TailState::Live | TailState::Polling => Telemetry::Flows,
                TailState::Connecting => Telemetry::Connecting(now_ms()),
                TailState::Disconnected { reason } => Telemetry::Lost(reason),
            }),
            None => self.guard.telemetry(Telemetry::Lost("the tail has ended".to_owned())),
        }
    }

    /// Tells the guard what was sent.
    fn count(&mut self) {
        if let Some(traffic) = &self.traffic {
            self.guard.sent(traffic.counts());
        }
    }

    /// Reads the aliases and the alarms.
    fn look(&mut self) -> impl Future<Output = Seen> + Send + 'static {
        self.looked = Instant::now();
        let (target, alias) = (Arc::clone(&self.engine.target), self.scope.alias.clone());
        let (left, names) = (self.left.clone(), self.plan.alarms.clone());
        async move {
            let aliases = standing::compare(&target, &alias, &left, Split::clone).await;
            let alarms = alarms::states(&target, &names).await;
            Seen { aliases, alarms }
        }
    }

    /// What can't be read now is read the next time; decisions are guarded by revision ids.
    fn seen(&mut self, seen: Seen) {
        if let Ok(Found::Moved(reason)) = seen.aliases {
            self.guard.ended(End::TakenOver { reason });
            return;
        }
        // Unknown until they can be read again.
        self.guard.alarms(seen.alarms.unwrap_or_default());
    }

    /// After a move that failed: what somebody else did with the aliases, if anything. What the move did
    /// reach is its own.
    async fn taken_over(&mut self, decision: &Decision) -> Result<Option<String>> {
        let meant = |from: &Split| standing::meant(&self.guard, decision, from);
        let (target, alias) = (&self.engine.target, &self.scope.alias);
        match standing::compare(target, alias, &self.left, meant).await? {
            Found::Moved(reason) => Ok(Some(reason)),
            Found::Own(own) => {
                self.left = own;
                Ok(None)
            }
        }
    }

    /// Carries a decision out, however often it has to be tried.
    async fn carry_out(
        &mut self,
        decision: Decision,
        cancel: &CancellationToken,
        told: &mut Told<'_>,
    ) {
        let back = matches!(decision, Decision::RollBack(_) | Decision::Abort);
        let mut tries = 0;
        loop {
            let failure = match self.attempt(&decision).await {
                Ok(()) => return,
                Err(failure) => failure,
            };
            tries += 1;
            // Revision ids may change without a move: then what was read is read again below.
            if let Ok(Some(reason)) = self.taken_over(&decision).await {
                return self.guard.ended(End::TakenOver { reason });
            }
            if !back && tries >= TRIES {
                let words = self.guard.words(&decision);
                let reason = format!("moving traffic {words} failed: {failure}");
                return self.guard.paused(reason);
            }
            let words = self.guard.words(&decision);
            let times = if tries == 1 { "once".to_owned() } else { format!("{tries} times") };
            self.guard.moving(format!("{words} (tried {times}: {failure})"));
            told.tell(&self.guard);
            let pause = Duration::from_millis(250 << tries.min(4));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // The split stays; whoever resumes finds the same evidence.
                () = cancel.cancelled(), if !back || tries >= TRIES => {
                    return self.guard.ended(End::Left);
                }
            }
            if let Ok(status) = status::read_releases(self.engine, self.blueprint).await {
                self.status = status;
            }
        }
    }

    async fn attempt(&mut self, decision: &Decision) -> Result<()> {
        let (engine, blueprint) = (self.engine, self.blueprint);
        let end = match decision {
            Decision::Step(step) => return self.give_step(*step, now_ms()).await,
            Decision::Promote => {
                whole(&release::promote_from(engine, blueprint, &self.status).await?)?;
                End::Promoted
            }
            Decision::RollBack(reason) => {
                self.back().await?;
                End::RolledBack { reason: reason.clone() }
            }
            Decision::Abort => {
                self.back().await?;
                End::Aborted
            }
            Decision::Leave => End::Left,
        };
        self.guard.ended(end);
        Ok(())
    }

    async fn back(&self) -> Result<()> {
        // An attempt whose answer was lost may have taken it back already.
        let live = standing::of(&self.status, &self.scope.alias);
        if live.iter().all(|one| one.split.canary.is_none()) {
            return Ok(());
        }
        whole(&release::rollback_from(self.engine, self.blueprint, &self.status).await?)
    }
}

/// The first step that does not take traffic from a split that is there.
fn first_step(plan: &Canary, status: &LabStatus, scope: &Scope) -> usize {
    let shares = status.functions.iter().filter_map(|function| {
        let alias = function.alias(&scope.alias)?;
        alias.canary.as_ref().map(|(_, share)| share * 100.0)
    });
    let share = shares.fold(0.0, f64::max);
    let fits = |step: &f64| *step >= share - 1e-6;
    plan.steps.iter().position(fits).unwrap_or(plan.steps.len().saturating_sub(1))
}

/// A move counts when all of it was done.
fn whole(outcome: &ReleaseOutcome) -> Result<()> {
    let failed = outcome.moves.iter().filter_map(|one| one.failure.as_ref());
    match failed.chain(&outcome.problems).next() {
        Some(failure) => Err(failure.clone()),
        None => Ok(()),
    }
}
