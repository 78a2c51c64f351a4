//! The validated blueprint of a lab: what a lab wants to exist, as plain data.
//!
//! A value of these types has been checked: names are AWS's own rules, every reference resolves,
//! numbers are in range. Only `read` makes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

/// What a lab folder wants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blueprint {
    /// The lab's name: its folder's. Also the value of the tag `labdeck:lab`.
    pub name: String,
    /// One line for lists.
    pub title: String,
    /// A paragraph.
    pub description: String,
    /// The folder it was read from (absolute).
    pub dir: PathBuf,
    /// Execution roles.
    pub roles: Vec<Role>,
    /// `DynamoDB` tables.
    pub tables: Vec<Table>,
    /// Lambda functions.
    pub functions: Vec<Function>,
    /// REST APIs.
    pub apis: Vec<Api>,
    /// Stages, the same on every API of the lab.
    pub stages: Vec<Stage>,
    /// Saved requests.
    pub requests: Vec<SavedRequest>,
    /// Chaos switches.
    pub chaos: Vec<Chaos>,
    /// Checks.
    pub checks: Vec<Check>,
    /// Steps of the course.
    pub steps: Vec<LabStep>,
    /// Retention of the functions' log groups in days (a value `PutRetentionPolicy` accepts).
    pub log_retention_days: i32,
}

/// An execution role with one inline policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Role {
    /// Name in the blueprint and in IAM (at most 64 characters).
    pub name: String,
    /// Statements beside the log-writing ones, which every role gets for its functions' own groups.
    pub statements: Vec<Statement>,
}

/// An Allow statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    /// Actions such as `dynamodb:UpdateItem`.
    pub actions: Vec<String>,
    /// Resources: ARNs, or references such as `${table.visits}`.
    pub resources: Vec<String>,
}

/// A table with on-demand billing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// Name.
    pub name: String,
    /// Partition key's attribute name.
    pub hash_key: String,
    /// Partition key's type: `S`, `N` or `B`.
    pub hash_key_type: String,
}

/// A function built from a handler crate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Function {
    /// Name in Lambda (at most 64 characters).
    pub name: String,
    /// Cargo package that holds the binary.
    pub package: String,
    /// Cargo binary that becomes `bootstrap`.
    pub bin: String,
    /// Name of a [`Role`] of the blueprint.
    pub role: String,
    /// Memory in MB, 128–10240.
    pub memory_mb: i32,
    /// Timeout in seconds, 1–900.
    pub timeout_s: i32,
    /// One line.
    pub description: String,
    /// Environment variables; values may hold references.
    pub environment: BTreeMap<String, String>,
}

/// A REST API defined by an `OpenAPI` document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Api {
    /// Name; the document's `info.title`.
    pub name: String,
    /// The document's file (absolute).
    pub file: PathBuf,
    /// The document with references unresolved: `${function.NAME}` and so on stand as they are.
    pub document: Value,
    /// Functions that its integrations name, in order of appearance.
    pub functions: Vec<String>,
}

/// A stage and the alias its `lambdaAlias` variable names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Stage name.
    pub name: String,
    /// Value of the stage variable `lambdaAlias`: an alias of every function.
    pub alias: String,
    /// What the alias points to when it is made.
    pub follows: Follows,
    /// Further stage variables.
    pub variables: BTreeMap<String, String>,
}

/// What a stage's alias points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Follows {
    /// `$LATEST`: always the newest code.
    Latest,
    /// A published version, moved only by a release.
    Release,
}

/// A request a person can send with one key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SavedRequest {
    /// Name, unique in the lab.
    pub name: String,
    /// What it shows, one line.
    pub description: String,
    /// Name of an [`Api`].
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
}

/// What a step does on request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StepAction {
    /// Deploy the lab.
    Deploy,
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
