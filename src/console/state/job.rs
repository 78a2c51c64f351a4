//! The running job, and what the last one of each kind came to.

use labdeck_aws::Failure;
use labdeck_ops::checks::CheckResult;
use labdeck_ops::deploy::plan::{Plan, Summary};
use labdeck_ops::progress::{BurstProgress, Progress};

use crate::message::{How, JobKind};

/// How a step of the plan stands.
#[derive(Debug, Clone, PartialEq)]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Begun at this time, in ms since the epoch.
    Running(i64),
    /// Begun, and held up by this.
    Held {
        /// When it began, in ms since the epoch.
        since_ms: i64,
        /// By what.
        reason: String,
        /// Until when at most, in ms since the epoch, where that is known.
        until_ms: Option<i64>,
    },
    /// Done in so many seconds.
    Done(f64),
    /// Failed.
    Failed(Failure),
}

/// What a job has told so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// The phase it is in.
    pub phase: String,
    /// Crates compiled, of how many, and the latest.
    pub building: Option<(usize, usize, String)>,
    /// Seconds the build took and crates it compiled, once it ended.
    pub built: Option<(f64, usize)>,
    /// The plan, once it is known.
    pub plan: Option<Plan>,
    /// Its steps.
    pub steps: Vec<StepState>,
    /// How far a burst is.
    pub burst: Option<Box<BurstProgress>>,
}

impl Course {
    /// Takes in what the job tells.
    pub fn take(&mut self, event: Progress, now_ms: i64) {
        match event {
            Progress::Building { done, total, unit } => self.building = Some((done, total, unit)),
            Progress::Built { seconds, compiled } => {
                self.building = None;
                self.built = Some((seconds, compiled));
            }
            Progress::Phase { name } => self.phase = name,
            Progress::Planned { plan } => {
                self.steps = vec![StepState::Waiting; plan.steps.len()];
                self.plan = Some(plan);
            }
            Progress::StepStarted { index } => self.set(index, StepState::Running(now_ms)),
            Progress::StepWaiting { index, reason, seconds } => {
                let since_ms = match self.steps.get(index) {
                    Some(StepState::Running(since) | StepState::Held { since_ms: since, .. }) => {
                        *since
                    }
                    _ => now_ms,
                };
                let until_ms = seconds.map(|seconds| now_ms + (seconds * 1000.0) as i64);
                self.set(index, StepState::Held { since_ms, reason, until_ms });
            }
            Progress::StepDone { index, seconds, failure } => {
                self.set(index, failure.map_or(StepState::Done(seconds), StepState::Failed));
            }
            Progress::Burst(burst) => self.burst = Some(burst),
        }
    }

    fn set(&mut self, index: usize, state: StepState) {
        if let Some(step) = self.steps.get_mut(index) {
            *step = state;
        }
    }

    /// Steps that ended well, of how many.
    pub fn done(&self) -> (usize, usize) {
        let done = self.steps.iter().filter(|step| matches!(step, StepState::Done(_))).count();
        (done, self.steps.len())
    }
}

/// One lab of a job on every lab.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The lab.
    pub lab: String,
    /// What the job told of it so far.
    pub course: Course,
    /// What it came to, once the job ended.
    pub result: Option<Result<Summary, Failure>>,
}

/// The running job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// The lab, or words for all.
    pub lab: String,
    /// What it does.
    pub kind: JobKind,
    /// When it began, in ms since the epoch.
    pub started_ms: i64,
    /// What it told so far of its one lab.
    pub course: Course,
    /// The labs of a job on every lab.
    pub parts: Vec<Part>,
    /// Whether it was asked to stop.
    pub cancelling: bool,
}

impl Job {
    /// Takes in what it tells of one of its labs.
    pub fn take(&mut self, part: usize, event: Progress, now_ms: i64) {
        let course = match self.parts.get_mut(part) {
            Some(part) => &mut part.course,
            None => &mut self.course,
        };
        course.take(event, now_ms);
    }

    /// Steps that ended well, of how many, of all its labs.
    pub fn done(&self) -> (usize, usize) {
        let courses = self.parts.iter().map(|part| &part.course).chain([&self.course]);
        courses.map(Course::done).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    }

    /// Crates compiled, of how many, and the latest, while it builds.
    pub fn building(&self) -> Option<&(usize, usize, String)> {
        let mut courses = self.parts.iter().map(|part| &part.course).chain([&self.course]);
        courses.find_map(|course| course.building.as_ref())
    }
}

/// What the deploy screen shows of the last job.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// A plan that was only looked at.
    Planned {
        /// The plan.
        plan: Plan,
        /// What was chosen for it.
        how: How,
    },
    /// A deploy or destroy, with its course.
    Applied {
        /// Whether it was a destroy.
        destroyed: bool,
        /// What it did.
        summary: Summary,
        /// Its course.
        course: Box<Course>,
    },
    /// A deploy or destroy of every lab.
    All {
        /// Whether it was a destroy.
        destroyed: bool,
        /// The labs, with what each came to.
        parts: Vec<Part>,
    },
    /// A step of the course.
    Stepped {
        /// The step's title.
        title: String,
        /// What it did.
        did: Vec<String>,
        /// Its check.
        check: CheckResult,
    },
    /// It failed.
    Failed {
        /// What was tried.
        name: &'static str,
        /// Why it failed.
        failure: Failure,
        /// Its course.
        course: Box<Course>,
    },
}
