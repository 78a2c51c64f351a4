//! What is done with a lab: saved requests and events, chaos, checks, steps.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

/// A request a person can send with one key.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct SavedRequest {
    /// Name, unique in the lab.
    pub name: String,
    /// What it shows, one line.
    pub description: String,
    /// Name of an [`Api`](super::Api).
    pub api: String,
    /// HTTP method.
    pub method: String,
    /// Path below the stage, starting with `/`; `{{name}}` stands for a variable.
    pub path: String,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// Query parameters.
    pub query: BTreeMap<String, String>,
    /// Body.
    pub body: Option<String>,
    /// Default values of the variables used.
    pub variables: BTreeMap<String, String>,
    /// Name of a [`Key`](super::Key) whose value goes along as `x-api-key`.
    pub key: Option<String>,
    /// Names of requests that are sent before, whose captures fill this one's variables.
    pub before: Vec<String>,
    /// Values taken from the answer: variable and JSON path (`$.pet.id`).
    pub capture: BTreeMap<String, String>,
    /// What its answer must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// Whether it is a person's own instead of the lab's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
}

impl SavedRequest {
    /// Sends the key of this name along, and no value that was typed into a header instead.
    pub fn use_key(&mut self, key: String) {
        self.headers.retain(|name, _| !name.eq_ignore_ascii_case("x-api-key"));
        self.key = Some(key);
    }
}

/// What the answer to a saved request must be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Expect {
    /// Its status, or class of statuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ExpectedStatus>,
    /// Its headers: names in small letters, and values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Its values by JSON path (`$.count`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, Value>,
    /// The longest that it may take, in ms, connecting included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_ms: Option<u32>,
}

/// A status that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ExpectedStatus {
    /// This one, 100–599.
    Code(u16),
    /// Every one that begins with this digit, 1–5.
    #[serde(serialize_with = "as_class")]
    Class(u16),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn as_class<S: serde::Serializer>(class: &u16, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&ExpectedStatus::Class(*class))
}

impl ExpectedStatus {
    /// Whether `status` is what is expected.
    pub fn holds(self, status: u16) -> bool {
        match self {
            Self::Code(code) => status == code,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl fmt::Display for ExpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

impl FromStr for ExpectedStatus {
    type Err = String;

    /// `404`, or a class such as `2xx`.
    fn from_str(text: &str) -> Result<Self, String> {
        let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
        let found = match class {
            Some(class) => {
                class.parse().ok().filter(|class| (1..=5).contains(class)).map(Self::Class)
            }
            None => text.parse().ok().filter(|code| (100..=599).contains(code)).map(Self::Code),
        };
        found.ok_or_else(|| "expected a status from 100 to 599, or a class such as 2xx".to_owned())
    }
}

/// An event with which a function is invoked directly.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct SavedEvent {
    /// Name, unique in the lab.
    pub name: String,
    /// What it shows, one line.
    pub description: String,
    /// Name of a function.
    pub function: String,
    /// The event.
    pub payload: Value,
}

/// A real failure that can be switched on and off.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chaos {
    /// Name, unique in the lab.
    pub name: String,
    /// One line.
    pub description: String,
    /// What it does.
    pub kind: ChaosKind,
}

/// The kinds of chaos.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ChaosKind {
    /// An inline deny on the role for every action on the table, which ends by itself.
    DenyTable {
        /// Role name.
        role: String,
        /// Table name.
        table: String,
        /// How long it lasts at most, in minutes.
        minutes: u32,
    },
    /// The function's variable names a table that does not exist; `$LATEST` only.
    MissingTable {
        /// Function name.
        function: String,
        /// Environment variable that holds the table's name.
        variable: String,
    },
    /// A variable of the function has this value instead of the lab's; `$LATEST` only.
    Variable {
        /// Function name.
        function: String,
        /// Environment variable.
        variable: String,
        /// Its value while the switch is on.
        value: String,
    },
    /// A method's path parameter or query parameter is no cache key any more on one stage: its
    /// definition is changed and the stage deployed.
    DropCacheKey {
        /// API name.
        api: String,
        /// Path with `{parameters}`.
        path: String,
        /// Method.
        method: String,
        /// Parameter such as `method.request.path.ID`.
        parameter: String,
        /// Stage name.
        stage: String,
    },
    /// Every call on the table takes longer; local target only.
    SlowTable {
        /// Table name.
        table: String,
        /// Added delay in milliseconds.
        delay_ms: u64,
    },
}

/// A lesson as a yes/no condition on live state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Name, unique in the lab.
    pub name: String,
    /// What is true when it holds.
    pub title: String,
    /// The condition.
    pub condition: Condition,
}

/// The conditions a check can state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Condition {
    /// Every resource of the blueprint exists as described.
    Deployed,
    /// Nothing of the lab is left.
    Absent,
    /// The alias of this function points to a numbered version.
    AliasPublished {
        /// Function name.
        function: String,
        /// Alias name.
        alias: String,
    },
    /// A published version of this function is newer than the one its alias points to (the stable
    /// one of a split).
    AliasBehind {
        /// Function name.
        function: String,
        /// Alias name.
        alias: String,
    },
    /// The alias of this function splits its traffic over two versions.
    AliasSplit {
        /// Function name.
        function: String,
        /// Alias name.
        alias: String,
    },
    /// The alias of this function serves one version alone, older than the newest published one,
    /// and the alias's own note says that a rollback brought it there.
    AliasRolledBack {
        /// Function name.
        function: String,
        /// Alias name.
        alias: String,
    },
    /// A saved request, sent to a stage, answers as said.
    Request {
        /// Name of a saved request.
        request: String,
        /// Stage name.
        stage: String,
        /// Expected status.
        status: u16,
        /// Expected values by JSON path (`$.count`), where given.
        json: BTreeMap<String, Value>,
        /// Expected headers of the answer, where given: names in small letters, and values.
        headers: BTreeMap<String, String>,
    },
    /// A saved request, sent some times at once, is answered with at least so many different values.
    Distinct {
        /// Name of a saved request.
        request: String,
        /// Stage name.
        stage: String,
        /// How often it is sent, 2–1000.
        count: u32,
        /// JSON path of the value (`$.environment`).
        path: String,
        /// Fewest different values.
        at_least: u32,
    },
    /// A saved event, with which the function is invoked (`$LATEST`), is answered as said.
    Event {
        /// Name of a saved event.
        event: String,
        /// Text of `errorMessage`, when the function is to fail.
        error: Option<String>,
        /// Expected values by JSON path, where given.
        json: BTreeMap<String, Value>,
    },
    /// The lab is deployed in this variant: every API has its definition.
    Variant {
        /// Name of a variant.
        variant: String,
    },
    /// A stage serves an older definition than the API has now.
    StageStale {
        /// API name.
        api: String,
        /// Stage name.
        stage: String,
    },
    /// A function does not exist.
    FunctionMissing {
        /// Function name.
        function: String,
    },
    /// A usage plan is bound to every stage that the blueprint says, and has every key.
    PlanBound {
        /// Name of a plan of any variant.
        plan: String,
    },
    /// An item of a table is as said.
    Item {
        /// Table name.
        table: String,
        /// Its key: attributes and texts or numbers.
        key: BTreeMap<String, Value>,
        /// Expected values by JSON path of the item as plain JSON.
        json: BTreeMap<String, Value>,
    },
    /// A queue holds at least so many messages.
    QueueDepth {
        /// Queue name.
        queue: String,
        /// Fewest messages.
        at_least: u32,
    },
    /// A queue holds no message.
    QueueEmpty {
        /// Queue name.
        queue: String,
    },
    /// An event source mapping is enabled.
    MappingEnabled {
        /// Mapping name.
        mapping: String,
    },
    /// A log event of the function matches CloudWatch's filter pattern.
    Log {
        /// Function name.
        function: String,
        /// Filter pattern.
        pattern: String,
        /// How far back to look, in minutes.
        minutes: u32,
    },
    /// An alarm is in this state.
    AlarmState {
        /// Alarm name.
        alarm: String,
        /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
        state: String,
    },
    /// The function's metric was at least this high within the last minutes.
    Metric {
        /// Function name.
        function: String,
        /// Metric name, such as `StorageErrors`.
        metric: String,
        /// Smallest sum that counts.
        at_least: f64,
        /// How far back to look, in minutes.
        minutes: u32,
    },
    /// A chaos switch is on.
    ChaosOn {
        /// Name of the switch.
        chaos: String,
    },
    /// No chaos switch of the lab is on.
    ChaosOff,
}

/// One step of the lab's course.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabStep {
    /// Name, unique in the lab.
    pub name: String,
    /// Title.
    pub title: String,
    /// Two to six sentences.
    pub lesson: String,
    /// What running the step does.
    pub action: StepAction,
    /// Name of the check that proves it.
    pub check: String,
    /// A request that is sent before and after the action, so that its effect is seen.
    pub shows: Option<Shown>,
}

/// A request that shows what a step changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Shown {
    /// Name of a saved request.
    pub request: String,
    /// Stage name.
    pub stage: String,
}

/// What a step does on request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StepAction {
    /// Deploy the lab.
    Deploy {
        /// The variant; `None` the one that is live, else the last.
        variant: Option<String>,
    },
    /// Give the APIs the definitions of a variant without deploying them to any stage.
    Define {
        /// Name of a variant.
        variant: String,
    },
    /// Try a saved request with the gateway's own method test, which shows its execution log.
    TestMethod {
        /// Saved request.
        request: String,
        /// Stage whose variables are used.
        stage: String,
    },
    /// Invoke a function with a saved event some times.
    Event {
        /// Saved event.
        event: String,
        /// How often, 1–1000.
        count: u32,
    },
    /// Delete a function, as somebody might by mistake.
    DeleteFunction {
        /// Function name.
        function: String,
    },
    /// Throw away what the caches of a stage hold.
    FlushCache {
        /// Stage name.
        stage: String,
    },
    /// Send the messages of a dead-letter queue back for another try.
    Redrive {
        /// Queue name.
        queue: String,
    },
    /// Send a saved request some times.
    Request {
        /// Saved request.
        request: String,
        /// Stage.
        stage: String,
        /// How often, 1–10000.
        count: u32,
        /// How many at once, 1–256.
        concurrency: u32,
    },
    /// Send the same traffic through several saved requests and show them side by side.
    Compare {
        /// Saved requests.
        requests: Vec<String>,
        /// Stage.
        stage: String,
        /// How often each.
        count: u32,
        /// How many at once.
        concurrency: u32,
    },
    /// Publish a version of every function.
    Publish,
    /// Shift this percentage of `prod` to the newest version.
    Shift {
        /// 0–100.
        percent: u8,
    },
    /// Give all of `prod` to the canary.
    Promote,
    /// Take `prod` back.
    Rollback,
    /// Undo the last move.
    Undo,
    /// Switch chaos on or off.
    Chaos {
        /// Name of the switch.
        name: String,
        /// On or off.
        on: bool,
    },
    /// Tear the lab down.
    Destroy,
}
