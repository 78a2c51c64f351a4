//! What the screen shows: plain data, changed only by `update`.

pub mod answers;
pub mod attach;
pub mod audit;
pub mod canary;
pub mod form;
pub mod gateway;
pub mod job;
pub mod logs;
pub mod note;
pub mod popup;
pub mod requests;
pub mod sendable;
pub mod traffic;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use labdeck_aws::Failure;
use labdeck_lab::Blueprint;
use labdeck_ops::canary::CanaryView;
use labdeck_ops::checks::CheckResult;
use labdeck_ops::release::LastMove;
use labdeck_ops::release::outcome::ReleaseOutcome;
use labdeck_ops::status::{AliasStatus, FunctionStatus, LabStatus};

use crate::action::{Action, Screen};
use crate::keymap::{Facts, Key, Keymap, Mode};
use crate::message::{How, Question, ReleaseOperation, TargetInfo};
use crate::meter::Meter;
use crate::theme::Theme;

/// What is shown is called old from this age on, in ms: the refresh is late.
pub const OLD_MS: i64 = 8_000;
/// Ages below this are shown in seconds.
const YOUNG_MS: i64 = 120_000;

/// How the way to the target is.
#[derive(Debug, Clone, PartialEq)]
pub enum Connection {
    /// Being made.
    Connecting,
    /// There.
    Connected(TargetInfo),
    /// The cloud ended; it is being started again.
    Lost(String),
    /// Could not be made.
    Failed(Failure),
}

/// A panel of a screen: what the focus and the zoom are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Panel {
    Aliases,
    Stages,
    Traffic,
    Logs,
    Labs,
    Plan,
    Steps,
    Checks,
    Versions,
    Comparison,
    Outcome,
    Apis,
    Api,
    Deployments,
    Plans,
    Keys,
    RequestList,
    Request,
    Response,
    Functions,
    Charts,
    Others,
}

impl Screen {
    /// Its panels in the order of the focus.
    pub fn panels(self) -> &'static [Panel] {
        match self {
            Self::Overview => &[Panel::Logs, Panel::Aliases, Panel::Stages, Panel::Traffic],
            Self::Deploy => &[Panel::Labs, Panel::Plan, Panel::Steps, Panel::Checks],
            Self::Release => &[Panel::Aliases, Panel::Versions, Panel::Comparison, Panel::Outcome],
            Self::Gateway => {
                &[Panel::Apis, Panel::Plans, Panel::Keys, Panel::Api, Panel::Deployments]
            }
            Self::Requests => &[Panel::RequestList, Panel::Request, Panel::Response],
            Self::Logs => &[Panel::Logs],
            Self::Metrics => &[Panel::Functions, Panel::Charts, Panel::Others],
        }
    }
}

/// A lab of the folder, or what is attached by a name.
#[derive(Debug, Clone)]
pub struct Lab {
    /// Its name.
    pub name: String,
    /// Its blueprint, or what is wrong with its files.
    pub blueprint: Result<Arc<Blueprint>, Failure>,
    /// Whether it is attached.
    pub attached: bool,
}

/// Live state with the moment it was read.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The state.
    pub status: Arc<LabStatus>,
    /// When, in ms since the epoch.
    pub at_ms: i64,
}

/// Selections and scroll positions by panel.
#[derive(Debug, Default)]
pub struct Positions(HashMap<Panel, usize>);

impl Positions {
    /// The position in `panel`.
    pub fn get(&self, panel: Panel) -> usize {
        self.0.get(&panel).copied().unwrap_or(0)
    }

    /// Sets the position in `panel`.
    pub fn set(&mut self, panel: Panel, position: usize) {
        self.0.insert(panel, position);
    }
}

/// Everything the screen shows.
#[derive(Debug)]
pub struct State {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The moment, in ms since the epoch; set before every update.
    pub now_ms: i64,
    /// The keys in force.
    pub keymap: Arc<Keymap>,
    /// The colours in force.
    pub theme: Theme,
    /// Folder of the labs.
    pub labs_dir: PathBuf,
    /// Name of the target before it is connected.
    pub target_name: String,
    /// How the way to the target is.
    pub connection: Connection,
    /// Since when readings find nobody at the target, in ms since the epoch; `None` while they do.
    pub cut_ms: Option<i64>,
    /// Whether read-only mode was entered by the key.
    pub read_only: bool,
    /// The labs, once they were read.
    pub labs: Vec<Lab>,
    /// Whether the labs were read.
    pub labs_read: bool,
    /// Index of the lab that is worked on.
    pub lab: Option<usize>,
    /// The lab to begin with.
    pub wanted_lab: Option<String>,
    /// Live state by lab.
    pub statuses: HashMap<String, Fetched>,
    /// Labs whose live state is being read, by the number of the latest reading.
    pub reading: HashMap<String, u64>,
    /// Number of the next reading.
    pub next_reading: u64,
    /// The screen.
    pub screen: Screen,
    /// The panel with the focus, by screen.
    pub focus: HashMap<Screen, Panel>,
    /// Whether the focused panel has the whole screen.
    pub zoomed: bool,
    /// Selections and scroll positions.
    pub positions: Positions,
    /// Keys typed of a sequence that is not finished.
    pub pending: Vec<Key>,
    /// What lies over the screen, the topmost last.
    pub popups: Vec<Popup>,
    /// What happened.
    pub notes: note::Notes,
    /// The running job.
    pub job: Option<job::Job>,
    /// Number of the next job.
    pub next_job: u64,
    /// What the last job came to.
    pub report: Option<job::Report>,
    /// What was chosen for the next deploy, by lab.
    pub how: HashMap<String, How>,
    /// What the running job asked and nobody answered yet.
    pub questions: VecDeque<Question>,
    /// The lab's checks as last evaluated, and when.
    pub checks: Option<(Vec<CheckResult>, i64)>,
    /// The release operation that is on its way.
    pub releasing: Option<ReleaseOperation>,
    /// What the last release operation did, and when.
    pub outcome: Option<(ReleaseOutcome, i64)>,
    /// Stable and canary side by side, and the canary that is guarded.
    pub canary: canary::CanaryPane,
    /// Chaos switches that are being moved.
    pub switching: Vec<String>,
    /// Whether old versions are being deleted.
    pub pruning: bool,
    /// How long the next switch stays on, where that was chosen.
    pub chaos_lasts: Option<Duration>,
    /// Labs whose overdue chaos is being ended.
    pub ending: HashSet<String>,
    /// What is being attached.
    pub attach: attach::AttachPane,
    /// The gateway screen.
    pub gateway: gateway::GatewayPane,
    /// The requests screen.
    pub requests: requests::RequestsPane,
    /// The log pane.
    pub logs: logs::LogPane,
    /// The numbers from the log stream.
    pub meter: Meter,
    /// Whether the console is leaving.
    pub quitting: bool,
    /// When the screen was last drawn, in ms since the epoch.
    pub drawn_ms: i64,
    /// Whether the last message changed nothing that the screen shows.
    pub still: bool,
}

use popup::Popup;

impl State {
    /// The state before anything happened.
    pub fn new(
        keymap: Arc<Keymap>,
        theme: Theme,
        labs_dir: PathBuf,
        target_name: String,
        wanted_lab: Option<String>,
    ) -> Self {
        Self {
            size: (80, 24),
            now_ms: 0,
            keymap,
            theme,
            labs_dir,
            target_name,
            connection: Connection::Connecting,
            cut_ms: None,
            read_only: false,
            labs: Vec::new(),
            labs_read: false,
            lab: None,
            wanted_lab,
            statuses: HashMap::new(),
            reading: HashMap::new(),
            next_reading: 1,
            screen: Screen::Overview,
            focus: HashMap::new(),
            zoomed: false,
            positions: Positions::default(),
            pending: Vec::new(),
            popups: Vec::new(),
            notes: note::Notes::default(),
            job: None,
            next_job: 1,
            report: None,
            how: HashMap::new(),
            questions: VecDeque::new(),
            checks: None,
            releasing: None,
            outcome: None,
            canary: canary::CanaryPane::default(),
            switching: Vec::new(),
            pruning: false,
            chaos_lasts: None,
            ending: HashSet::new(),
            attach: attach::AttachPane::default(),
            gateway: gateway::GatewayPane::default(),
            requests: requests::RequestsPane::default(),
            logs: logs::LogPane::default(),
            meter: Meter::default(),
            quitting: false,
            drawn_ms: 0,
            still: false,
        }
    }

    /// The target, once it is connected.
    pub fn target(&self) -> Option<&TargetInfo> {
        match &self.connection {
            Connection::Connected(info) => Some(info),
            _ => None,
        }
    }

    /// What the target is called, connected or not.
    pub fn target_label(&self) -> &str {
        self.target().map_or(self.target_name.as_str(), |target| &target.name)
    }

    /// The lab that is worked on.
    pub fn current_lab(&self) -> Option<&Lab> {
        self.labs.get(self.lab?)
    }

    /// Its blueprint, where its files are right.
    pub fn blueprint(&self) -> Option<&Arc<Blueprint>> {
        self.current_lab()?.blueprint.as_ref().ok()
    }

    /// Its live state, where it was read.
    pub fn fetched(&self) -> Option<&Fetched> {
        self.statuses.get(&self.current_lab()?.name)
    }

    /// Its live state without the moment.
    pub fn status(&self) -> Option<&LabStatus> {
        self.fetched().map(|fetched| &*fetched.status)
    }

    /// How the current lab is deployed next.
    pub fn how(&self) -> How {
        self.current_lab().and_then(|lab| self.how.get(&lab.name)).cloned().unwrap_or_default()
    }

    /// Age of the live state in ms, where it is older than it should be.
    pub fn stale_ms(&self) -> Option<i64> {
        let mut at_ms = self.fetched()?.at_ms;
        // What the gateway screen shows is read apart, and while that screen is shown alone.
        if let Some(gateway_ms) = self.gateway_late().filter(|_| self.screen == Screen::Gateway) {
            at_ms = at_ms.min(gateway_ms);
        }
        let age = self.now_ms - at_ms;
        (age >= OLD_MS || self.cut_ms.is_some()).then_some(age)
    }

    /// When the gateway was last read, where a newer reading is overdue.
    fn gateway_late(&self) -> Option<i64> {
        self.gateway()?;
        let asked_ms = self.gateway.asked_ms?;
        (self.now_ms - asked_ms >= OLD_MS).then_some(self.gateway.read_ms)
    }

    /// Whether something on the screen shows how long ago it was, in seconds, or another minute of
    /// the clock has come since it was drawn.
    pub fn time_shows(&self) -> bool {
        let young = |at_ms: i64| self.now_ms - at_ms < YOUNG_MS;
        let stages = self.status().into_iter().flat_map(|s| &s.apis).flat_map(|api| &api.stages);
        self.now_ms / 60_000 != self.drawn_ms / 60_000
            || self.stale_ms().is_some()
            || self.status().is_some_and(|s| s.chaos.iter().any(|one| one.until_ms.is_some()))
            || stages.into_iter().any(|stage| young(stage.updated_ms))
            || self.checks.as_ref().is_some_and(|(_, at_ms)| young(*at_ms))
            || self.outcome.as_ref().is_some_and(|(_, at_ms)| young(*at_ms))
    }

    /// Name of the alias that releases move (`prod`), from the blueprint.
    pub fn release_alias(&self) -> &str {
        self.blueprint().and_then(|blueprint| blueprint.released_alias()).unwrap_or("prod")
    }

    /// What is on its way beside the job, and can be waited for no longer.
    pub fn awaits(&self) -> Option<String> {
        let sends = self.requests.in_flight.as_ref().map(|name| format!("sending {name}"));
        let releases = || self.releasing.as_ref().map(ReleaseOperation::name);
        let switches = || self.switching.first().map(|name| format!("switching {name}"));
        let prunes = || self.pruning.then(|| "deleting old versions".to_owned());
        let seeks = || self.requests.seeks.map(str::to_owned);
        let moves = self.gateway.busy.clone().or_else(releases).or_else(switches).or_else(prunes);
        moves.or(sends).or_else(seeks)
    }

    /// The last move of the release, where it did not reach all that it was to reach.
    pub fn apart(&self) -> Option<&LastMove> {
        self.status()?.last_move.as_ref().filter(|last| !last.is_whole())
    }

    /// The release alias of every function that has one.
    pub fn release_aliases(&self) -> impl Iterator<Item = (&FunctionStatus, &AliasStatus)> {
        let name = self.release_alias().to_owned();
        self.status().into_iter().flat_map(|status| &status.functions).filter_map(move |function| {
            let alias = function.alias(&name)?;
            Some((function, alias))
        })
    }

    /// Which side of the split `version` of `function` is: stable, canary, or neither.
    pub fn side(&self, function: &str, version: &str) -> Side {
        self.release_aliases().find(|(status, _)| status.name == function).map_or(
            Side::Other,
            |(_, alias)| {
                if alias.version == version {
                    Side::Stable
                } else if alias.canary.as_ref().is_some_and(|(canary, _)| canary == version) {
                    Side::Canary
                } else {
                    Side::Other
                }
            },
        )
    }

    /// The canary of the current lab that this console guards.
    pub fn guarded(&self) -> Option<&CanaryView> {
        let lab = self.current_lab()?;
        self.canary.guarded.as_ref().filter(|view| view.lab == lab.name)
    }

    /// The panel with the focus.
    pub fn panel(&self) -> Panel {
        self.focus.get(&self.screen).copied().unwrap_or(self.screen.panels()[0])
    }

    /// Where keys go.
    pub fn mode(&self) -> Mode {
        match self.popups.last() {
            Some(popup) if popup.types() => Mode::Input,
            Some(_) => Mode::Popup,
            None => Mode::Screen(self.screen),
        }
    }

    /// What conditions of the keymap can ask.
    pub fn facts(&self) -> Facts {
        let chaos = self.status().is_some_and(|status| !status.chaos.is_empty());
        let aliases = || self.release_aliases().map(|(_, alias)| alias);
        Facts::default()
            .with(Facts::DEPLOYED, self.status().is_some_and(|status| status.deployed))
            .with(Facts::CHAOS, chaos)
            .with(Facts::JOB, self.job.is_some())
            .with(Facts::CANARY, aliases().any(|alias| alias.canary.is_some()))
            .with(Facts::ROLLBACK, aliases().any(|alias| alias.rollback.is_some()))
            .with(Facts::UNDO, aliases().any(|alias| alias.can_undo))
            .with(Facts::READ_ONLY, self.target().is_some_and(|target| target.read_only))
            .with(Facts::LOCAL, self.target().is_some_and(|target| target.local))
            .with(Facts::ZOOMED, self.zoomed)
            .with(Facts::PAUSED, !self.logs.follows())
            .with(Facts::FILTERED, self.logs.filter.is_some())
            .with(Facts::CONNECTED, self.target().is_some())
            .with(Facts::LOGS_FOCUS, self.panel() == Panel::Logs)
            .with(Facts::GUARDED, self.guarded().is_some())
            .with(Facts::PICKING, matches!(self.popups.last(), Some(Popup::Attach(_))))
    }

    /// The keys that run `action` on this screen, for labels in panels.
    pub fn keys(&self, action: Action) -> String {
        self.keymap
            .keys_for(Mode::Screen(self.screen), self.facts(), action)
            .unwrap_or_else(|| format!(":{}", action.id()))
    }
}

/// A side of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The version that serves.
    Stable,
    /// The version that is tried.
    Canary,
    /// Neither.
    Other,
}
