//! Effects to tasks to messages: the one place where the console calls the rooms below it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use labdeck_aws::{Attachment, Failure, FailureKind, Result, Target, TargetOptions, for_lab};
use labdeck_lab::Blueprint;
use labdeck_ops::audit::{Query, Trail};
use labdeck_ops::canary::{Command, Start};
use labdeck_ops::chaos::To;
use labdeck_ops::release::{history, versions};
use labdeck_ops::status::LabStatus;
use labdeck_ops::{Engine, canary, chaos, release, status};
use labdeck_telemetry::{Tail, TailMessage, TailState, TailStatus};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::asks;
use crate::attach;
use crate::forward::Forward;
use crate::gateway;
use crate::jobs::{self, Asking};
use crate::message::{Effect, JobOutcome, Message, ReleaseOperation, TargetInfo};
use crate::runtime::now_ms;
use crate::state::logs::TailHealth;

/// How long leaving waits for a job to reach its next safe point.
const LAST_WAIT: Duration = Duration::from_secs(3);
/// How long leaving waits for the local cloud to answer.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// How far back the tail of a lab begins.
const LOOK_BACK_MS: i64 = 15 * 60 * 1000;

/// What the tasks share.
#[derive(Debug, Default)]
struct Shared {
    engine: Option<Engine>,
    /// Whether read-only mode was entered, maybe while it was still connecting.
    read_only: bool,
    /// Whether this console started the local cloud.
    started: bool,
    /// The task that keeps the local cloud attached and watches it.
    watch: Option<JoinHandle<()>>,
    /// Ends the running job, and the task it runs in.
    job: Option<(CancellationToken, JoinHandle<()>)>,
    /// Tells the guarded canary something, leaves it, and the task that guards it.
    guard: Option<(mpsc::Sender<Command>, CancellationToken, JoinHandle<()>)>,
    /// What the running job waits to be told, by number.
    questions: jobs::Questions,
}

/// Runs effects as tasks.
pub struct Backend {
    sender: mpsc::Sender<Message>,
    options: TargetOptions,
    labs_dir: PathBuf,
    shared: Arc<Mutex<Shared>>,
    connecting: Option<JoinHandle<()>>,
    /// The lab that is tailed, and the task that does it.
    tail: Option<(Vec<String>, JoinHandle<()>)>,
    /// The lab that is worked on: what is done is written to the audit with its name.
    lab: String,
    /// Ends the wait for what is on its way beside the job.
    awaited: CancellationToken,
}

impl Backend {
    /// A backend that tells `sender` what happens. Nothing is called yet.
    pub fn new(sender: mpsc::Sender<Message>, options: TargetOptions, labs_dir: PathBuf) -> Self {
        let shared = Arc::default();
        let (connecting, tail, lab, awaited) = Default::default();
        Self { sender, options, labs_dir, shared, connecting, tail, lab, awaited }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// Starts what `effect` asks for; never waits.
    pub fn run(&mut self, effect: Effect) {
        match effect {
            Effect::Connect => self.connect(),
            Effect::LearnAccount => {
                let sender = self.sender.clone();
                let Some(engine) = self.shared().engine.clone() else { return };
                tokio::spawn(async move { learn_account(&engine.target, &sender).await });
            }
            Effect::LoadLabs => {
                let sender = self.sender.clone();
                self.spawn(move |engine| async move {
                    Message::Labs(jobs::read_labs(engine, &sender).await)
                });
            }
            Effect::Attach(work) => {
                self.spawn(|engine| async move { attach::carry_out(&engine, work).await });
            }
            Effect::ReadStatus { blueprint, reading, last } => {
                self.spawn(move |engine| async move {
                    let result = match last {
                        Some(last) => status::refresh(&engine, &blueprint, &last).await,
                        None => status::read(&engine, &blueprint).await,
                    };
                    Message::Status { lab: blueprint.name.clone(), reading, result }
                });
            }
            Effect::Follow(blueprint) => self.follow(&blueprint),
            Effect::Start { id, blueprint, kind } => {
                let sender = self.sender.clone();
                self.start(id, |engine, forward, asking, cancel| async move {
                    let reporter = forward.reporter(0);
                    let work = async {
                        let lab = jobs::as_on_disk(&engine, blueprint, &kind, &sender).await?;
                        jobs::run(&engine, &lab, kind, &asking, &reporter, cancel).await
                    };
                    (work.await, forward)
                });
            }
            Effect::StartAll { id, labs, kind } => {
                let sender = self.sender.clone();
                self.start(id, |engine, forward, asking, cancel| async move {
                    let work = async {
                        let labs = jobs::all_as_on_disk(&engine, labs, &kind, &sender).await?;
                        jobs::run_all(&engine, labs, &kind, &asking, &forward, &cancel).await
                    };
                    (work.await, forward)
                });
            }
            Effect::Answer { question, yes } => {
                jobs::answer(&self.shared().questions, question, yes);
            }
            Effect::Cancel => {
                if let Some((cancel, _)) = &self.shared().job {
                    cancel.cancel();
                }
            }
            Effect::StopWaiting => std::mem::take(&mut self.awaited).cancel(),
            Effect::Release(blueprint, shown, operation) => {
                let what = format!("{} of {}", operation.name(), blueprint.name);
                let asked = operation.clone();
                let work = |engine| async move {
                    let result = released(&engine, &blueprint, shown.as_deref(), &operation).await;
                    Message::Released { operation, result }
                };
                let stopped =
                    |failure| Message::Released { operation: asked, result: Err(failure) };
                self.spawn_awaited(what, work, stopped);
            }
            Effect::Guard(blueprint, start) => self.guard(blueprint, start),
            Effect::ReadHistory(blueprint) => self.spawn(move |engine| async move {
                Message::History(history::history(&engine, &blueprint).await)
            }),
            Effect::Prune(blueprint) => {
                let work = |engine| async move {
                    Message::Pruned(versions::prune(&engine, &blueprint, 0, false).await)
                };
                let stopped = |failure| Message::Pruned(Err(failure));
                self.spawn_awaited("deleting old versions".to_owned(), work, stopped);
            }
            Effect::Tell(command) => {
                if let Some((commands, _, _)) = &self.shared().guard {
                    // A handful waits at most; one that finds no room was pressed again and again.
                    let _ = commands.try_send(command);
                }
            }
            Effect::Chaos { blueprint, name, on, lasts } => {
                let (what, switch) = (format!("switching {name}"), name.clone());
                let work = move |engine| async move {
                    let to = if on { To::On(lasts) } else { To::Off };
                    let result = chaos::set(&engine, &blueprint, &name, to).await;
                    Message::ChaosSet { name, on, result }
                };
                let stopped =
                    move |failure| Message::ChaosSet { name: switch, on, result: Err(failure) };
                self.spawn_awaited(what, work, stopped);
            }
            Effect::EndOverdue(blueprint) => self.spawn(move |engine| async move {
                let work = Box::pin(chaos::end_overdue(&engine, &blueprint));
                let result = for_lab(&blueprint.name, work).await;
                Message::OverdueEnded { lab: blueprint.name.clone(), result }
            }),
            Effect::Asks(blueprint, ask) => {
                let (what, lines) = (ask.seeks(), matches!(*ask, asks::Ask::Lines(_)));
                let work = |engine| async move { asks::answer(&engine, &blueprint, *ask).await };
                let Some(what) = what else { return self.spawn(work) };
                let stopped = move |failure| {
                    Message::Asks(if lines {
                        asks::Told::Lines(Err(failure))
                    } else {
                        asks::Told::AnswerOf(Err(failure))
                    })
                };
                self.spawn_awaited(what.to_owned(), work, stopped);
            }
            Effect::Send { blueprint, what, to } => {
                let sender = self.sender.clone();
                let name = what.label();
                let work = |engine: Engine| async move {
                    let (result, kept) = asks::send(&engine, &blueprint, &what, &to).await;
                    if let Some(failure) = kept {
                        let _ = sender.send(Message::Asks(asks::Told::Broken(failure))).await;
                    }
                    Message::Answered { name: what.label(), result }
                };
                let stopped = {
                    let name = name.clone();
                    |failure| Message::Answered { name, result: Err(failure) }
                };
                self.spawn_awaited(format!("sending {name}"), work, stopped);
            }
            Effect::EnterReadOnly => {
                self.options.read_only = true;
                let mut shared = self.shared();
                shared.read_only = true;
                if let Some(engine) = &shared.engine {
                    engine.target.enter_read_only();
                }
            }
            Effect::ReadAudit => {
                let sender = self.sender.clone();
                tokio::task::spawn_blocking(move || {
                    let result = Trail::open(Query::default()).and_then(Trail::all);
                    let _ = sender.blocking_send(Message::Audit(result));
                });
            }
            Effect::Filter { generation, first, events, filter } => {
                let sender = self.sender.clone();
                tokio::task::spawn_blocking(move || {
                    let matches = (first..)
                        .zip(&events)
                        .filter(|(_, event)| filter.matches(event))
                        .map(|(index, _)| index)
                        .collect();
                    let _ = sender.blocking_send(Message::Filtered { generation, matches });
                });
            }
            Effect::ReadGateway(blueprint) => {
                self.spawn(|engine| async move { gateway::read(&engine, &blueprint).await });
            }
            Effect::ChangeGateway(blueprint, change) => {
                let sender = self.sender.clone();
                let (what, asked, cancel) = (change.name(), change.clone(), self.awaited.clone());
                let own_stop = change.stops_itself();
                let work = |engine: Engine| async move {
                    let name = blueprint.name.clone();
                    let work = gateway::carry_out(&engine, &blueprint, *change, &sender, &cancel);
                    labdeck_aws::for_lab(&name, work).await
                };
                if own_stop {
                    self.spawn(work);
                } else {
                    self.spawn_awaited(what, work, |failure| gateway::stopped(asked, failure));
                }
            }
            Effect::Compare { blueprint, stage, deployment } => {
                self.spawn(|engine| async move {
                    gateway::compare(&engine, &blueprint, &stage, deployment.as_deref()).await
                });
            }
            Effect::LookUpKey { blueprint, name, copied } => {
                self.spawn(|engine| async move {
                    gateway::key(&engine, &blueprint, name, copied).await
                });
            }
            // The event loop's own.
            Effect::Quit
            | Effect::Suspend
            | Effect::Redraw
            | Effect::EditOutside(_)
            | Effect::Copy(_)
            | Effect::CopySecret(_) => {}
        }
    }

    /// Runs `work` with the engine and tells what it came to. Without a target the state does not
    /// ask for such work.
    fn spawn<F>(&self, work: impl FnOnce(Engine) -> F)
    where
        F: Future<Output = Message> + Send + 'static,
    {
        let Some(engine) = self.shared().engine.clone() else { return };
        let sender = self.sender.clone();
        let work = for_lab(&self.lab, work(engine));
        tokio::spawn(async move {
            let message = work.await;
            let _ = sender.send(message).await;
        });
    }

    /// [`Backend::spawn`], until it is waited for no longer: then `stopped` says what to tell.
    fn spawn_awaited<F>(
        &self,
        what: String,
        work: impl FnOnce(Engine) -> F,
        stopped: impl FnOnce(Failure) -> Message + Send + 'static,
    ) where
        F: Future<Output = Message> + Send + 'static,
    {
        let cancel = self.awaited.clone();
        self.spawn(|engine| {
            let work = work(engine);
            async move {
                tokio::select! {
                    message = work => message,
                    () = cancel.cancelled() => stopped(waited_no_longer(what)),
                }
            }
        });
    }

    /// Connects, or connects again what was connected.
    fn connect(&mut self) {
        if let Some(running) = self.connecting.take() {
            running.abort();
        }
        let connect = connect(
            self.sender.clone(),
            Arc::clone(&self.shared),
            self.options.clone(),
            self.labs_dir.clone(),
        );
        self.connecting = Some(tokio::spawn(connect));
    }

    /// Tails the functions of a lab, unless it does already.
    fn follow(&mut self, blueprint: &Blueprint) {
        self.lab.clone_from(&blueprint.name);
        let Some(engine) = self.shared().engine.clone() else { return };
        let groups = labdeck_ops::history::groups(blueprint);
        if let Some((tailed, task)) = &self.tail {
            if *tailed == groups && !task.is_finished() {
                return;
            }
            task.abort();
        }
        let task = tokio::spawn(tail(engine.target, groups.clone(), self.sender.clone()));
        self.tail = Some((groups, task));
    }

    /// Runs `work` as the job with this number.
    fn start<F>(&self, id: u64, work: impl FnOnce(Engine, Forward, Asking, CancellationToken) -> F)
    where
        F: Future<Output = (Result<JobOutcome>, Forward)> + Send + 'static,
    {
        let Some(engine) = self.shared().engine.clone() else { return };
        let cancel = CancellationToken::new();
        let forward = Forward::new(id, self.sender.clone());
        let asking =
            Asking::new(self.shared().questions.clone(), self.sender.clone(), cancel.clone());
        let sender = self.sender.clone();
        let work = tokio::spawn(for_lab(&self.lab, work(engine, forward, asking, cancel.clone())));
        let task = tokio::spawn(async move {
            let outcome = match work.await {
                Ok((outcome, forward)) => {
                    // All progress before the end.
                    forward.finish().await;
                    outcome
                }
                Err(_) => Err(interrupted("running the job")),
            };
            let _ = sender.send(Message::Finished { id, outcome }).await;
        });
        self.shared().job = Some((cancel, task));
    }

    /// Guards a canary until it is over.
    fn guard(&mut self, blueprint: Arc<Blueprint>, start: Start) {
        let Some(engine) = self.shared().engine.clone() else { return };
        let (commands, heard) = mpsc::channel(16);
        let cancel = CancellationToken::new();
        let (sender, stop) = (self.sender.clone(), cancel.clone());
        let lab = blueprint.name.clone();
        let work = async move {
            let tell = |view: &canary::CanaryView| {
                // Another one follows within a second.
                let _ = sender.try_send(Message::Canary(Box::new(view.clone())));
            };
            let result = canary::run(&engine, &blueprint, start, heard, &tell, stop).await;
            let (lab, result) = (blueprint.name.clone(), result.map(Box::new));
            let _ = sender.send(Message::CanaryEnded { lab, result }).await;
        };
        let task = tokio::spawn(for_lab(&lab, work));
        self.shared().guard = Some((commands, cancel, task));
    }

    /// Ends what runs: the job at its next safe point, the tail, and the local cloud when this
    /// console started it and nobody else uses it.
    pub async fn shut_down(mut self) {
        if let Some((_, tail)) = self.tail.take() {
            tail.abort();
        }
        // A local cloud that is just being started must be known before it can be stopped.
        if let Some(mut connecting) = self.connecting.take()
            && tokio::time::timeout(LAST_WAIT, &mut connecting).await.is_err()
        {
            connecting.abort();
        }
        let (job, guard, watch, engine, started) = {
            let mut shared = self.shared();
            let (job, guard) = (shared.job.take(), shared.guard.take());
            (job, guard, shared.watch.take(), shared.engine.take(), shared.started)
        };
        // Tasks that wait for room in the channel must not wait for ever.
        drop(self.sender);
        if let Some((cancel, task)) = job {
            cancel.cancel();
            let _ = tokio::time::timeout(LAST_WAIT, task).await;
        }
        if let Some((_, cancel, task)) = guard {
            // The split stays as it is; the next console can go on with it.
            cancel.cancel();
            let _ = tokio::time::timeout(LAST_WAIT, task).await;
        }
        if let Some(watch) = watch {
            // The attachment ends with the task that holds it.
            watch.abort();
            let _ = watch.await;
        }
        if let Some(admin) = engine.as_ref().filter(|_| started).and_then(|e| e.target.admin()) {
            let stopped = tokio::time::timeout(STOP_WAIT, admin.stop(true)).await;
            if let Ok(Err(failure)) = stopped {
                tracing::warn!(%failure, "the local cloud was not stopped");
            }
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A task ended without an answer.
pub fn interrupted(what: &str) -> Failure {
    Failure::new(FailureKind::Internal, what, "the task that did it ended early")
}

/// Connects and tells so; then finds out the account, attaches to the local cloud and watches it.
async fn connect(
    sender: mpsc::Sender<Message>,
    shared: Arc<Mutex<Shared>>,
    options: TargetOptions,
    labs_dir: PathBuf,
) {
    let begun_ms = now_ms();
    let engine = match reach(&shared, options, labs_dir).await {
        Ok(engine) => engine,
        Err(failure) => {
            let _ = sender.send(Message::ConnectFailed(failure)).await;
            return;
        }
    };
    let target = Arc::clone(&engine.target);
    {
        let mut shared = lock(&shared);
        if shared.read_only {
            target.enter_read_only();
        }
        shared.engine = Some(engine);
    }
    let info = TargetInfo {
        name: target.name().to_owned(),
        region: target.region().to_owned(),
        account: None,
        role: target.role().map(str::to_owned),
        read_only: target.read_only(),
        local: target.is_local(),
    };
    let status = match target.admin() {
        Some(admin) => Some(admin.status().await),
        None => None,
    };
    // Noted before anything is told: whoever leaves now must know it to stop the cloud.
    if let Some(Ok(status)) = &status {
        lock(&shared).started |= status.started_ms >= begun_ms;
    }
    if sender.send(Message::Connected(info)).await.is_err() {
        return;
    }
    if let (Some(admin), Some(status)) = (target.admin(), status) {
        match (status, admin.attach().await) {
            (Ok(status), Ok(attachment)) => {
                for notice in status.notices {
                    let _ = sender.send(Message::Notice(notice)).await;
                }
                let mut shared = lock(&shared);
                let watch = tokio::spawn(watch(attachment, sender.clone()));
                if let Some(before) = shared.watch.replace(watch) {
                    before.abort();
                }
            }
            (Err(failure), _) | (_, Err(failure)) => {
                let _ = sender.send(Message::Lost(failure.why)).await;
                return;
            }
        }
    }
    learn_account(&target, &sender).await;
}

/// Tells the target's account.
async fn learn_account(target: &Target, sender: &mpsc::Sender<Message>) {
    match target.account().await {
        Ok(account) => {
            let _ = sender.send(Message::Account(account.to_owned())).await;
        }
        // Whatever is done next says the same; the header goes without the account.
        Err(failure) => tracing::info!(%failure, "the account is not known"),
    }
}

/// The engine: a new one, or the old one on a local cloud that was started again.
async fn reach(
    shared: &Mutex<Shared>,
    options: TargetOptions,
    labs_dir: PathBuf,
) -> Result<Engine> {
    let known = lock(shared).engine.clone();
    if let Some(engine) = known {
        engine.target.reconnect().await?;
        return Ok(engine);
    }
    let target = Target::connect(options).await?;
    Ok(Engine::new(target, labs_dir))
}

/// Says so when the local cloud ends.
async fn watch(attachment: Attachment, sender: mpsc::Sender<Message>) {
    attachment.closed().await;
    let _ = sender.send(Message::Lost("it does not answer any more".to_owned())).await;
}

/// Passes on what the tail finds.
async fn tail(target: Arc<Target>, groups: Vec<String>, sender: mpsc::Sender<Message>) {
    let (_handle, mut messages) = Tail::start(target, groups, now_ms() - LOOK_BACK_MS);
    while let Some(message) = messages.recv().await {
        let message = match message {
            TailMessage::Events(events) => Message::Events(events),
            TailMessage::Status(status) => Message::Tail(health(status)),
        };
        if sender.send(message).await.is_err() {
            return;
        }
    }
}

async fn released(
    engine: &Engine,
    blueprint: &Blueprint,
    shown: Option<&LabStatus>,
    operation: &ReleaseOperation,
) -> Result<labdeck_ops::release::outcome::ReleaseOutcome> {
    match operation {
        ReleaseOperation::Publish { description } => {
            release::publish(engine, blueprint, description.as_deref()).await
        }
        ReleaseOperation::Shift(percent) => release::shift(engine, blueprint, *percent).await,
        ReleaseOperation::Promote => release::promote(engine, blueprint).await,
        ReleaseOperation::Complete => release::complete(engine, blueprint).await,
        // From what the screen shows: one guarded call per function and none before it.
        ReleaseOperation::Rollback => match shown {
            Some(status) => release::rollback_from(engine, blueprint, status).await,
            None => release::rollback(engine, blueprint, false).await,
        },
        ReleaseOperation::Undo => match shown {
            Some(status) => release::undo_from(engine, blueprint, status).await,
            None => release::undo(engine, blueprint).await,
        },
    }
}

/// What somebody stopped waiting for. What was sent is not taken back by that.
fn waited_no_longer(what: String) -> Failure {
    let why = "waited for no longer; what was sent may still be done";
    Failure::new(FailureKind::Cancelled, what, why).next("look at what is there now")
}

/// What the header and the log pane show of the tail.
fn health(status: TailStatus) -> TailHealth {
    let sources = status.groups;
    let (live, word, note) = match status.state {
        TailState::Live => (true, "", None),
        TailState::Connecting => (false, "connecting", None),
        TailState::Polling if status.waiting == status.groups => (false, "waits for logs", None),
        TailState::Polling => (false, "polling", None),
        TailState::Disconnected { reason } => (false, "reconnecting", Some(reason)),
    };
    TailHealth { live, word, note, sources }
}
