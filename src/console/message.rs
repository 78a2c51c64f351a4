//! What tasks tell the state, and what the state asks of tasks.

use std::sync::Arc;
use std::time::Duration;

use labdeck_aws::Failure;
use labdeck_lab::Blueprint;
use labdeck_ops::audit::Found;
use labdeck_ops::canary::{CanaryView, Command, Start};
use labdeck_ops::chaos::Ended;
use labdeck_ops::checks::CheckResult;
use labdeck_ops::danger::{self, Act, Danger, Wanted};
use labdeck_ops::deploy::plan::{Plan, Summary};
use labdeck_ops::progress::Progress;
use labdeck_ops::release::history::Happening;
use labdeck_ops::release::outcome::ReleaseOutcome;
use labdeck_ops::release::versions::Pruned;
use labdeck_ops::request::compare::Contender;
use labdeck_ops::request::destination::{Destination, Sent};
use labdeck_ops::request::exchange::{BurstSummary, Exchange, KeyValue};
use labdeck_ops::request::{Load, Row};
use labdeck_ops::status::{ChaosStatus, LabStatus};
use labdeck_telemetry::{Filter, LogEvent};

use crate::state::logs::TailHealth;

/// What the header shows of a connected target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetInfo {
    /// `local`, the profile, or the URL.
    pub name: String,
    /// Region.
    pub region: String,
    /// Account id, once it is known.
    pub account: Option<String>,
    /// The existing execution role in use.
    pub role: Option<String>,
    /// Whether changes are refused.
    pub read_only: bool,
    /// Whether it is the local cloud.
    pub local: bool,
}

/// How a lab is deployed: what the person chose for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct How {
    /// The variant; without one that which is live, else the lab's last.
    pub variant: Option<String>,
    /// Keep what somebody else changed since the last deploy, instead of correcting it.
    pub keep_drift: bool,
}

/// Asked by a job before it carries out a plan that has warnings.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its number, for the answer.
    pub number: u64,
    /// The plan.
    pub plan: Plan,
}

impl Question {
    /// What must be typed, where a yes is not enough: the lab's name, for a plan that loses data.
    pub fn typed(&self) -> Option<&str> {
        // The same wherever it is deployed.
        let wanted = danger::of_plan(&self.plan).wants(true);
        (wanted == Wanted::Typed).then_some(&*self.plan.lab)
    }
}

/// A lab's name with its blueprint, or with what is wrong with its files.
pub type NamedLab = (String, Result<Arc<Blueprint>, Failure>);

/// Something that happened outside the state.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a message is moved twice and never kept")]
pub enum Message {
    /// The five-second beat: refresh what is shown.
    Tick,
    /// The beat while a job runs: its clock moves.
    Beat,
    /// The target is connected.
    Connected(TargetInfo),
    /// The target's account is known.
    Account(String),
    /// Connecting failed.
    ConnectFailed(Failure),
    /// The local cloud ended; it is being started again.
    Lost(String),
    /// What the local cloud had to change at its start: a damaged file moved aside, another port.
    Notice(String),
    /// The labs of the folder.
    Labs(Result<Vec<NamedLab>, Failure>),
    /// Live state of a lab.
    Status {
        /// The lab.
        lab: String,
        /// The reading that asked for it; an older one is out of date.
        reading: u64,
        /// What was read.
        result: Result<LabStatus, Failure>,
    },
    /// A job tells what it does.
    Progress {
        /// The job.
        id: u64,
        /// What happened, in order, each with the index of the lab that it is about.
        events: Vec<(usize, Progress)>,
    },
    /// A job asks whether its plan is to be carried out.
    Asked(Question),
    /// A job ended.
    Finished {
        /// The job.
        id: u64,
        /// How.
        outcome: Result<JobOutcome, Failure>,
    },
    /// A release operation ended.
    Released {
        /// The operation.
        operation: ReleaseOperation,
        /// What it did.
        result: Result<ReleaseOutcome, Failure>,
    },
    /// What the guarded canary does.
    Canary(Box<CanaryView>),
    /// The guarded canary is over, or could not begin.
    CanaryEnded {
        /// The lab.
        lab: String,
        /// How.
        result: Result<Box<CanaryView>, Failure>,
    },
    /// The release history of the lab.
    History(Result<Vec<Happening>, Failure>),
    /// Old versions were deleted.
    Pruned(Result<Pruned, Failure>),
    /// A chaos switch was moved.
    ChaosSet {
        /// The switch.
        name: String,
        /// Where it was moved to.
        on: bool,
        /// What it is now.
        result: Result<ChaosStatus, Failure>,
    },
    /// Chaos of a lab whose time was over.
    OverdueEnded {
        /// The lab.
        lab: String,
        /// What became of each switch.
        result: Result<Vec<Ended>, Failure>,
    },
    /// A request was answered.
    Answered {
        /// The saved request's name.
        name: String,
        /// The exchange.
        result: Result<Exchange, Failure>,
    },
    /// The audit was read.
    Audit(Result<Found, Failure>),
    /// Something of what is attached.
    Attach(crate::attach::Told),
    /// Something of the gateway.
    Gateway(crate::gateway::Told),
    /// Something of the requests screen.
    Asks(crate::asks::Told),
    /// New log events, in the order they arrived.
    Events(Vec<LogEvent>),
    /// How the tail is.
    Tail(TailHealth),
    /// A filter has been through the events that were there when it began.
    Filtered {
        /// Which filter.
        generation: u64,
        /// Indexes of the events that match, rising.
        matches: Vec<u64>,
    },
}

/// A release operation.
#[derive(Debug, Clone, PartialEq)]
pub enum ReleaseOperation {
    /// Publish a version of every function.
    Publish {
        /// Its description.
        description: Option<String>,
    },
    /// Give the newest version this share, in per cent.
    Shift(f64),
    /// Give all to the canary.
    Promote,
    /// Bring what the last move did not reach after it.
    Complete,
    /// Take `prod` back.
    Rollback,
    /// Take the last move back.
    Undo,
}

impl ReleaseOperation {
    /// How much it can hurt.
    pub fn danger(&self) -> Danger {
        match self {
            Self::Publish { .. } => Act::Publish,
            Self::Rollback => Act::Rollback,
            Self::Undo => Act::Undo,
            Self::Shift(_) => Act::Shift,
            Self::Promote => Act::Promote,
            Self::Complete => Act::Complete,
        }
        .danger()
    }

    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Self::Publish { .. } => "publish".to_owned(),
            Self::Shift(percent) => format!("shift to {percent}%"),
            Self::Promote => "promote".to_owned(),
            Self::Complete => "complete".to_owned(),
            Self::Rollback => "rollback".to_owned(),
            Self::Undo => "undo".to_owned(),
        }
    }
}

/// Long work, one at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum JobKind {
    /// What a deploy would do.
    Plan(How),
    /// Build, plan, apply.
    Deploy(How),
    /// Tear down.
    Destroy,
    /// Build, plan and apply every lab, side by side.
    DeployAll,
    /// Tear every lab down, side by side.
    DestroyAll,
    /// Evaluate the checks.
    Checks,
    /// Do a step of the course.
    Step {
        /// Its index in the blueprint.
        index: usize,
    },
    /// One request or event many times.
    Burst {
        /// The request, as edited, or the event.
        what: Box<Sent>,
        /// Where to.
        to: Destination,
        /// How often, how fast.
        load: Load,
    },
    /// Every request of the lab, one after the other.
    SendAll {
        /// To this stage.
        stage: String,
    },
    /// The same traffic to several.
    Compare {
        /// What is compared.
        contenders: Vec<Contender>,
        /// How often each, how fast.
        load: Load,
    },
}

impl JobKind {
    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plan(_) => "plan",
            Self::Deploy(_) | Self::DeployAll => "deploy",
            Self::Destroy | Self::DestroyAll => "destroy",
            Self::Checks => "checks",
            Self::Step { .. } => "step",
            Self::SendAll { .. } => "requests",
            Self::Burst { .. } => "burst",
            Self::Compare { .. } => "compare",
        }
    }

    /// Whether it sends requests, as they are on the screen, and belongs to the requests screen.
    pub fn sends(&self) -> bool {
        matches!(self, Self::SendAll { .. } | Self::Burst { .. } | Self::Compare { .. })
    }

    /// Whether stopping it half-way leaves something half done.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Self::Deploy(_)
                | Self::Destroy
                | Self::DeployAll
                | Self::DestroyAll
                | Self::Step { .. }
        )
    }

    /// Whether it is about every lab.
    pub fn all(&self) -> bool {
        matches!(self, Self::DeployAll | Self::DestroyAll)
    }

    /// How it deploys, where that was chosen.
    pub fn how(&self) -> Option<&How> {
        match self {
            Self::Plan(how) | Self::Deploy(how) => Some(how),
            _ => None,
        }
    }
}

/// What a job came to.
#[derive(Debug, Clone, PartialEq)]
pub enum JobOutcome {
    /// A plan.
    Plan(Plan),
    /// A deploy or destroy.
    Applied(Summary),
    /// A deploy or destroy of every lab, in their order.
    All(Vec<Result<Summary, Failure>>),
    /// The checks.
    Checks(Vec<CheckResult>),
    /// A step with its check.
    Step {
        /// What it did, in lines.
        did: Vec<String>,
        /// The bursts it measured.
        bursts: Vec<BurstSummary>,
        /// Whether it is done.
        check: CheckResult,
    },
    /// Every request that was sent.
    Sent(Vec<Row>),
    /// A burst, or several side by side.
    Bursts(Vec<BurstSummary>),
}

/// What the state asks for.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Leave.
    Quit,
    /// Give the terminal back until the shell continues the program.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Let the person's own editor change this text.
    EditOutside(String),
    /// Put text on the clipboard (OSC 52).
    Copy(String),
    /// Connect to the target, anew where it was connected.
    Connect,
    /// Ask whose account the target is.
    LearnAccount,
    /// Read the labs folder.
    LoadLabs,
    /// Something of what is attached.
    Attach(crate::attach::Work),
    /// Read the live state of a lab.
    ReadStatus {
        /// The lab.
        blueprint: Arc<Blueprint>,
        /// Number of this reading.
        reading: u64,
        /// What was read last, where it is enough to read what changes.
        last: Option<Arc<LabStatus>>,
    },
    /// Tail the functions of a lab instead of what was tailed.
    Follow(Arc<Blueprint>),
    /// Start a job.
    Start {
        /// Its number.
        id: u64,
        /// The lab.
        blueprint: Arc<Blueprint>,
        /// What.
        kind: JobKind,
    },
    /// Start a job on every lab.
    StartAll {
        /// Its number.
        id: u64,
        /// The labs, each with how it is deployed.
        labs: Vec<(Arc<Blueprint>, How)>,
        /// What.
        kind: JobKind,
    },
    /// Answer what a job asked.
    Answer {
        /// Number of the question.
        question: u64,
        /// Whether to go on.
        yes: bool,
    },
    /// Stop the running job at its next safe point.
    Cancel,
    /// Waits no longer for what is on its way beside the job.
    StopWaiting,
    /// Move a release; rollback and undo act on the live state that is shown.
    Release(Arc<Blueprint>, Option<Arc<LabStatus>>, ReleaseOperation),
    /// Read the release history.
    ReadHistory(Arc<Blueprint>),
    /// Delete the versions that nothing points to.
    Prune(Arc<Blueprint>),
    /// Guard a canary.
    Guard(Arc<Blueprint>, Start),
    /// Tell the guarded canary something.
    Tell(Command),
    /// Move a chaos switch.
    Chaos {
        /// The lab.
        blueprint: Arc<Blueprint>,
        /// The switch.
        name: String,
        /// On or off.
        on: bool,
        /// How long it stays on, where that was chosen.
        lasts: Option<Duration>,
    },
    /// End the chaos of a lab whose time is over.
    EndOverdue(Arc<Blueprint>),
    /// Send a request or an event.
    Send {
        /// The lab.
        blueprint: Arc<Blueprint>,
        /// The request, as edited, or the event.
        what: Box<Sent>,
        /// Where to.
        to: Destination,
    },
    /// Something that the requests screen asks.
    Asks(Arc<Blueprint>, Box<crate::asks::Ask>),
    /// From now on the target is read-only.
    EnterReadOnly,
    /// Read the audit.
    ReadAudit,
    /// Read everything of a lab's gateway.
    ReadGateway(Arc<Blueprint>),
    /// Change something of the gateway.
    ChangeGateway(Arc<Blueprint>, Box<crate::gateway::Change>),
    /// Compare a deployment with the current definition.
    Compare {
        /// The lab.
        blueprint: Arc<Blueprint>,
        /// The stage, `API/STAGE`.
        stage: String,
        /// Another deployment than the one that it serves.
        deployment: Option<String>,
    },
    /// Look the value of a key up, to show or to copy it.
    LookUpKey {
        /// The lab.
        blueprint: Arc<Blueprint>,
        /// The key.
        name: String,
        /// Whether it goes to the clipboard.
        copied: bool,
    },
    /// Put the value of a key on the clipboard.
    CopySecret(KeyValue),
    /// Look through the events there are.
    Filter {
        /// Which filter.
        generation: u64,
        /// Index of the first event.
        first: u64,
        /// The events.
        events: Vec<Arc<LogEvent>>,
        /// The filter.
        filter: Filter,
    },
}
