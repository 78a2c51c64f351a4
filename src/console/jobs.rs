//! Jobs: the long work of the rooms below, with its questions on the way to the person.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_ops::deploy::plan::Plan;
use labdeck_ops::deploy::{Confirm, One, Options};
use labdeck_ops::progress::{Progress, Reporter};
use labdeck_ops::request::{Given, Outcome, Row, compare, destination, history, own};
use labdeck_ops::walk::{BeforeAfter, StepOutcome, StepReport};
use labdeck_ops::{Engine, checks, deploy, request, variant, walk};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::asks::Told;
use crate::backend::interrupted;
use crate::forward::Forward;
use crate::message::{How, JobKind, JobOutcome, Message, NamedLab, Question};

/// Questions that wait for an answer, by number.
pub type Questions = Arc<Mutex<HashMap<u64, oneshot::Sender<bool>>>>;

/// Answers a question; one that was answered or is over is left alone.
pub fn answer(questions: &Questions, number: u64, yes: bool) {
    let waiting = questions.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    if let Some(waiting) = waiting {
        let _ = waiting.send(yes);
    }
}

/// The way of a job's questions to the person.
#[derive(Clone)]
pub struct Asking {
    questions: Questions,
    sender: mpsc::Sender<Message>,
    cancel: CancellationToken,
}

impl Asking {
    /// Asks through `sender`; a job that is cancelled is answered with no.
    pub fn new(
        questions: Questions,
        sender: mpsc::Sender<Message>,
        cancel: CancellationToken,
    ) -> Self {
        Self { questions, sender, cancel }
    }

    /// What asks before a plan with warnings is carried out.
    pub fn confirm(&self) -> Confirm {
        let asking = self.clone();
        Arc::new(move |plan: Plan| {
            let asking = asking.clone();
            Box::pin(async move { asking.ask(plan).await })
        })
    }

    async fn ask(&self, plan: Plan) -> bool {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (sender, answered) = oneshot::channel();
        self.questions.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        if self.sender.send(Message::Asked(Question { number, plan })).await.is_err() {
            return false;
        }
        let yes = tokio::select! {
            yes = answered => yes.unwrap_or(false),
            () = self.cancel.cancelled() => false,
        };
        self.questions.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        yes
    }
}

fn options(how: &How, asking: &Asking) -> Options {
    Options { keep_drift: how.keep_drift, confirm: Some(asking.confirm()), ..Options::default() }
}

/// The lab as its files say now: a person edits them beside the console, and what is deployed, planned
/// or checked is what was saved. What is shown follows. A lab whose files are broken meanwhile can
/// still be destroyed as it was read before.
pub async fn as_on_disk(
    engine: &Engine,
    shown: Arc<Blueprint>,
    kind: &JobKind,
    sender: &mpsc::Sender<Message>,
) -> Result<Arc<Blueprint>> {
    // What is attached has no files.
    if shown.attached.is_some() || kind.sends() {
        return Ok(shown);
    }
    let labs = read_labs(engine.clone(), sender).await;
    let found = match &labs {
        Ok(labs) => labs.iter().find(|(name, _)| *name == shown.name).map(|(_, lab)| lab.clone()),
        Err(failure) => Some(Err(failure.clone())),
    };
    let _ = sender.send(Message::Labs(labs)).await;
    match found {
        Some(Ok(blueprint)) => Ok(blueprint),
        _ if *kind == JobKind::Destroy => Ok(shown),
        Some(Err(failure)) => Err(failure),
        None => Err(gone(engine, &shown.name)),
    }
}

fn gone(engine: &Engine, lab: &str) -> Failure {
    let why = format!("its folder below {} is gone", engine.labs_dir().display());
    Failure::new(FailureKind::NotFound, format!("reading the lab {lab}"), why)
}

/// Reads the files of the labs with the person's own requests, off the threads that wait for the network.
/// Where the file of those is broken, that is said and it goes on without them.
pub async fn read_labs(engine: Engine, sender: &mpsc::Sender<Message>) -> Result<Vec<NamedLab>> {
    let prefix = engine.target.prefix().map(str::to_owned);
    let read = tokio::task::spawn_blocking(move || {
        let mut broken = Vec::new();
        let labs = engine.labs()?.into_iter().map(|(name, blueprint)| {
            let with_own = blueprint.map(|blueprint| {
                let both = own::with_own(&blueprint, prefix.as_deref());
                Arc::new(both.unwrap_or_else(|failure| {
                    broken.push(failure);
                    blueprint
                }))
            });
            (name, with_own)
        });
        let labs: Vec<NamedLab> = labs.collect();
        Ok((labs, broken))
    })
    .await;
    let (labs, broken) = read.unwrap_or_else(|_| Err(interrupted("reading the labs")))?;
    for failure in broken {
        let _ = sender.send(Message::Asks(Told::Broken(failure))).await;
    }
    Ok(labs)
}

/// The same for every lab. Nothing is begun where the files of one that is to be deployed are broken.
pub async fn all_as_on_disk(
    engine: &Engine,
    shown: Vec<(Arc<Blueprint>, How)>,
    kind: &JobKind,
    sender: &mpsc::Sender<Message>,
) -> Result<Vec<(Arc<Blueprint>, How)>> {
    let labs = read_labs(engine.clone(), sender).await;
    let _ = sender.send(Message::Labs(labs.clone())).await;
    let labs = labs?;
    let now = |(lab, how): (Arc<Blueprint>, How)| match labs
        .iter()
        .find(|(name, _)| *name == lab.name)
        .map(|(_, lab)| lab.clone())
    {
        Some(Ok(now)) => Ok((now, how)),
        _ if *kind == JobKind::DestroyAll => Ok((lab, how)),
        Some(Err(failure)) => Err(failure),
        None => Err(gone(engine, &lab.name)),
    };
    shown.into_iter().map(now).collect()
}

/// Runs a job on every lab: each comes to its own end.
pub async fn run_all(
    engine: &Engine,
    labs: Vec<(Arc<Blueprint>, How)>,
    kind: &JobKind,
    asking: &Asking,
    forward: &Forward,
    cancel: &CancellationToken,
) -> Result<JobOutcome> {
    let destroys = *kind == JobKind::DestroyAll;
    let one = |(part, (lab, how)): (usize, (Arc<Blueprint>, How))| async move {
        // What is torn down is the same in every variant.
        let blueprint = if destroys {
            (*lab).clone()
        } else {
            variant::choose(engine, &lab, how.variant.as_deref()).await?
        };
        let (options, reporter) = (options(&how, asking), forward.reporter(part));
        Ok::<_, Failure>(One { blueprint, options, reporter })
    };
    let labs = try_join_all(labs.into_iter().enumerate().map(one)).await?;
    Ok(JobOutcome::All(if destroys {
        deploy::destroy_all(engine, &labs, cancel).await
    } else {
        deploy::deploy_all(engine, &labs, cancel).await
    }))
}

/// Runs a job on one lab.
pub async fn run(
    engine: &Engine,
    blueprint: &Blueprint,
    kind: JobKind,
    asking: &Asking,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<JobOutcome> {
    match kind {
        JobKind::Plan(how) => {
            let chosen = variant::choose(engine, blueprint, how.variant.as_deref()).await?;
            let options = options(&how, asking);
            let plan = deploy::plan_with(engine, &chosen, &options, reporter, cancel).await?;
            Ok(JobOutcome::Plan(plan))
        }
        JobKind::Deploy(how) => {
            let chosen = variant::choose(engine, blueprint, how.variant.as_deref()).await?;
            let options = options(&how, asking);
            let summary = deploy::deploy_with(engine, &chosen, &options, reporter, cancel).await?;
            Ok(JobOutcome::Applied(summary))
        }
        JobKind::Destroy => {
            deploy::destroy(engine, blueprint, reporter, cancel).await.map(JobOutcome::Applied)
        }
        JobKind::Checks => checks::run(engine, blueprint).await.map(JobOutcome::Checks),
        JobKind::Step { index } => {
            let Some(step) = blueprint.steps.get(index) else {
                let why = format!("the lab has {} steps", blueprint.steps.len());
                return Err(Failure::new(FailureKind::NotFound, "running the step", why));
            };
            let confirm = Some(asking.confirm());
            walk::run_step(engine, blueprint, step, confirm, reporter, cancel).await.map(stepped)
        }
        JobKind::Burst { what, to, load } => {
            let none = Given::default();
            let sent = destination::burst_to(
                engine, blueprint, &what, &to, &none, &load, reporter, cancel,
            );
            sent.await.map(|burst| JobOutcome::Bursts(vec![burst]))
        }
        JobKind::SendAll { stage } => {
            let needed = blueprint.requests.iter().flat_map(request::answers_of).collect();
            let answers = history::last_answers(engine, &blueprint.name, &stage, &needed)?;
            let given = Given { answers, ..Given::default() };
            let each = |row: &Row| {
                reporter.report(Progress::Phase { name: format!("{} was sent", row.name) });
                if let Outcome::Exchange(exchange) = &row.outcome {
                    // What can't be kept was sent all the same.
                    let _ = history::append(engine, &blueprint.name, exchange);
                }
            };
            let rows = request::all(engine, blueprint, &stage, &given, &cancel, each).await;
            Ok(JobOutcome::Sent(rows))
        }
        // These are on every lab.
        JobKind::DeployAll | JobKind::DestroyAll => {
            Err(Failure::new(FailureKind::Internal, "running a job on one lab", "it is on all"))
        }
        JobKind::Compare { contenders, load } => {
            compare::compare(engine, blueprint, &contenders, &load, reporter, cancel)
                .await
                .map(JobOutcome::Bursts)
        }
    }
}

/// What a step did, in lines.
fn stepped(report: StepReport) -> JobOutcome {
    let mut bursts = Vec::new();
    let did = match report.outcome {
        StepOutcome::Deployed(summary) => {
            vec![format!("deployed: {} changed in {:.1} s", summary.changed, summary.seconds)]
        }
        StepOutcome::Destroyed(summary) => {
            let mut did = vec![format!("destroyed: {} removed", summary.changed)];
            did.extend(
                summary
                    .left
                    .iter()
                    .map(|left| format!("left: {} {}: {}", left.resource, left.name, left.reason)),
            );
            did
        }
        StepOutcome::Sent(exchange) => {
            let mut did = vec![format!(
                "{} {}: {} in {:.1} ms",
                exchange.request.method,
                exchange.request.url,
                exchange.status,
                exchange.timings.total_ms
            )];
            did.push(exchange.body);
            did.extend(exchange.explanation);
            did
        }
        StepOutcome::Burst(burst) => {
            bursts.push(burst);
            Vec::new()
        }
        StepOutcome::Compared(all) => {
            bursts = all;
            Vec::new()
        }
        StepOutcome::Released(outcome) => outcome
            .moves
            .iter()
            .map(|one| format!("{}: {} → {}", one.function, one.from, one.to))
            .collect(),
        StepOutcome::Chaos { on, switch } => {
            vec![format!("{} is {}", switch.name, if on { "on" } else { "off" })]
        }
        outcome => outcome.lines(),
    };
    let effect = report.effect.iter().flat_map(BeforeAfter::lines);
    let measured = bursts.iter().map(|burst| {
        let statuses: Vec<String> =
            burst.statuses.iter().map(|(status, count)| format!("{count}x {status}")).collect();
        format!(
            "{}: {} · p50 {:.1} ms · p95 {:.1} ms · p99 {:.1} ms",
            burst.request,
            statuses.join(", "),
            burst.p50_ms,
            burst.p95_ms,
            burst.p99_ms
        )
    });
    let did = did.into_iter().chain(measured).chain(effect).collect();
    JobOutcome::Step { did, bursts, check: report.check }
}
