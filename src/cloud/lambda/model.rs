//! What is stored of a function: its configurations, aliases, policies and tags.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::names::LATEST;

/// A function with everything that belongs to it: one document of the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Function {
    /// The function's plain name.
    pub name: String,
    /// `$LATEST`.
    pub latest: Configuration,
    /// What `$LATEST` still runs while an update is in progress.
    pub serving: Option<Configuration>,
    /// Published versions by number.
    pub versions: BTreeMap<u64, Configuration>,
    /// The number of the version published last; numbers are never used twice.
    pub last_version: u64,
    /// What `$LATEST` held when that version was published.
    pub last_published: Option<String>,
    /// Aliases by name.
    pub aliases: BTreeMap<String, Alias>,
    /// Resource policies by qualifier; the unqualified function's is under the empty name.
    pub policies: BTreeMap<String, Policy>,
    /// Tags of the function.
    pub tags: BTreeMap<String, String>,
    /// Reserved concurrency, where set.
    pub reserved_concurrency: Option<u32>,
    /// What becomes of asynchronous invocations, by qualifier; the unqualified function's is under
    /// `$LATEST`.
    #[serde(default)]
    pub event_invoke: BTreeMap<String, EventInvokeConfig>,
    /// Environments that are kept ready, by version or alias.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provisioned: BTreeMap<String, Provisioned>,
}

/// The environments that are kept ready for a version or alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioned {
    /// How many; at least one.
    pub count: u32,
    /// When it was changed, in milliseconds since the epoch.
    pub modified_ms: i64,
}

/// What becomes of asynchronous invocations of a function, version or alias.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInvokeConfig {
    /// 0–2; AWS's two where not set.
    pub maximum_retry_attempts: Option<u32>,
    /// 60–21600; AWS's six hours where not set.
    pub maximum_event_age_seconds: Option<u32>,
    /// ARN of what is told of a success.
    pub on_success: Option<String>,
    /// ARN of what is told of a failure.
    pub on_failure: Option<String>,
    /// When it was changed, in milliseconds since the epoch.
    pub modified_ms: i64,
}

/// Code and configuration of `$LATEST` or of a published version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// `$LATEST` or the version's number.
    pub version: String,
    /// Free text.
    pub description: String,
    /// ARN of the execution role.
    pub role: String,
    /// Name of the handler; custom runtimes only pass it on.
    pub handler: String,
    /// `provided.al2023` or `provided.al2`.
    pub runtime: String,
    /// Memory in MB.
    pub memory_size: u32,
    /// Time limit of an invocation in seconds.
    pub timeout: u32,
    /// Size of `/tmp` in MB; shown, not enforced.
    pub ephemeral_storage: u32,
    /// Environment variables, where any were ever set.
    pub environment: Option<BTreeMap<String, String>>,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// `PassThrough` or `Active`.
    pub tracing: String,
    /// Log group that its lines go to.
    pub log_group: String,
    /// ARN of the queue or topic that gets events that failed. Left out where there is none, so
    /// that [`Configuration::contents`] stays what it was before there could be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
    /// SHA-256 of the zip in hexadecimal: the name of the code on disk.
    pub code_hash: String,
    /// SHA-256 of the zip in base64, as AWS shows it.
    pub code_sha256: String,
    /// Size of the zip in bytes.
    pub code_size: u64,
    /// When code or configuration changed, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// Changes with every change; guards writes.
    pub revision_id: String,
    /// Where it is in its life.
    pub state: State,
    /// How the last update went, once there is one.
    pub update: Option<UpdateStatus>,
    /// Execution environments are shared by invocations of the same instance only: a new one with
    /// every change of code or configuration.
    pub instance: String,
}

/// The life of a configuration, as far as the local cloud has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Just created; not to be invoked yet.
    Pending,
    /// Ready.
    Active,
}

/// How the last update went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStatus {
    /// Not in effect yet.
    InProgress,
    /// In effect.
    Successful,
}

/// An alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// The alias's name.
    pub name: String,
    /// The version it names: a number or `$LATEST`.
    pub version: String,
    /// The share of invocations that goes to another version instead.
    pub extra: Option<Extra>,
    /// Free text.
    pub description: String,
    /// Changes with every change; guards writes.
    pub revision_id: String,
}

/// The second version of a weighted alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extra {
    /// The version's number.
    pub version: String,
    /// Its share, 0.0–1.0.
    pub weight: f64,
}

/// A resource policy.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Its statements, as written in JSON.
    pub statements: Vec<Value>,
    /// The revision id that `GetPolicy` shows.
    pub revision_id: String,
}

/// A new revision id.
pub fn new_revision() -> String {
    Uuid::new_v4().to_string()
}

impl Function {
    /// The configuration of a version: `$LATEST` or a number.
    pub fn configuration(&self, version: &str) -> Option<&Configuration> {
        if version == LATEST {
            return Some(&self.latest);
        }
        self.versions.get(&version.parse().ok()?)
    }

    /// The configuration that an invocation of a version runs: during an update of `$LATEST` the
    /// one before it.
    pub fn serving(&self, version: &str) -> Option<&Configuration> {
        match &self.serving {
            Some(serving) if version == LATEST => Some(serving),
            _ => self.configuration(version),
        }
    }

    /// Every configuration that is there, `$LATEST` first.
    pub fn configurations(&self) -> impl Iterator<Item = &Configuration> {
        std::iter::once(&self.latest).chain(self.versions.values()).chain(self.serving.iter())
    }

    /// The configuration that a qualifier names: a version, or the version of an alias.
    pub fn resolve(&self, qualifier: Option<&str>) -> Option<&Configuration> {
        match qualifier {
            None | Some(LATEST) => Some(&self.latest),
            Some(qualifier) => match self.aliases.get(qualifier) {
                Some(alias) => self.configuration(&alias.version),
                None => self.configuration(qualifier),
            },
        }
    }

    /// The aliases that send invocations to a version.
    pub fn aliases_of<'a>(&'a self, version: &'a str) -> impl Iterator<Item = &'a Alias> {
        self.aliases.values().filter(move |alias| {
            alias.version == version || alias.extra.as_ref().is_some_and(|e| e.version == version)
        })
    }

    /// Brings pending states to their end, with new revision ids. True when anything changed.
    pub fn settle(&mut self) -> bool {
        let mut changed = false;
        for configuration in std::iter::once(&mut self.latest).chain(self.versions.values_mut()) {
            if configuration.settled() {
                continue;
            }
            configuration.state = State::Active;
            configuration.update = Some(UpdateStatus::Successful);
            configuration.revision_id = new_revision();
            changed = true;
        }
        self.serving = None;
        changed
    }
}

impl Configuration {
    /// Whether neither its creation nor an update is in progress.
    pub fn settled(&self) -> bool {
        self.state == State::Active && self.update != Some(UpdateStatus::InProgress)
    }

    /// What makes two versions different, as text: everything but ids, states and times.
    pub fn contents(&self) -> String {
        let same = Self {
            version: String::new(),
            modified_ms: 0,
            revision_id: String::new(),
            state: State::Active,
            update: None,
            instance: String::new(),
            ..self.clone()
        };
        // A struct of plain fields is always JSON.
        serde_json::to_string(&same).unwrap_or_default()
    }

    /// Marks a change of code or configuration that is about to take effect.
    pub fn begin_update(&mut self, now_ms: i64) {
        self.update = Some(UpdateStatus::InProgress);
        self.modified_ms = now_ms;
        self.revision_id = new_revision();
        self.instance = new_revision();
    }
}

#[cfg(test)]
pub mod tests {
    //! A function for tests, and the tests of its life.
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;

    pub fn function(name: &str) -> Function {
        Function {
            name: name.to_owned(),
            latest: Configuration {
                version: LATEST.to_owned(),
                description: String::new(),
                role: "arn:aws:iam::000000000000:role/r".to_owned(),
                handler: "bootstrap".to_owned(),
                runtime: "provided.al2023".to_owned(),
                memory_size: 128,
                timeout: 3,
                ephemeral_storage: 512,
                environment: None,
                architecture: "x86_64".to_owned(),
                tracing: "PassThrough".to_owned(),
                log_group: format!("/aws/lambda/{name}"),
                dead_letter: None,
                code_hash: "hash".to_owned(),
                code_sha256: "sha".to_owned(),
                code_size: 1,
                modified_ms: 0,
                revision_id: new_revision(),
                state: State::Active,
                update: Some(UpdateStatus::Successful),
                instance: new_revision(),
            },
            serving: None,
            versions: BTreeMap::new(),
            last_version: 0,
            last_published: None,
            aliases: BTreeMap::new(),
            policies: BTreeMap::new(),
            tags: BTreeMap::new(),
            reserved_concurrency: None,
            event_invoke: BTreeMap::new(),
            provisioned: BTreeMap::new(),
        }
    }

    #[test]
    fn settling_gives_a_new_revision_id_and_ends_the_old_code() {
        let mut function = function("f");
        assert!(!function.settle(), "nothing was pending");
        let before = function.latest.clone();
        function.serving = Some(before.clone());
        function.latest.memory_size = 256;
        function.latest.begin_update(7);
        assert_ne!(function.latest.revision_id, before.revision_id);
        assert_ne!(function.latest.instance, before.instance);
        assert_eq!(function.serving(LATEST).unwrap().memory_size, 128);
        let in_progress = function.latest.revision_id.clone();
        assert!(function.settle());
        assert_ne!(function.latest.revision_id, in_progress);
        assert_eq!(function.serving(LATEST).unwrap().memory_size, 256);
        assert!(function.latest.settled());
    }

    #[test]
    fn documents_survive_the_store() {
        let function = function("f");
        let text = serde_json::to_string(&function).unwrap();
        let back: Function = serde_json::from_str(&text).unwrap();
        assert_eq!(back.latest, function.latest);
    }
}
