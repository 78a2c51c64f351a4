//! Functions: code, configuration, reserved concurrency.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Architecture, Concurrency, DeadLetterConfig, Environment, FunctionCode, FunctionConfiguration,
    LastUpdateStatus, Runtime, State, TracingConfig, TracingMode,
};
use futures_util::future::{try_join, try_join_all};
use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Count, Function};
use serde::{Deserialize, Serialize};

use super::alias::LiveAlias;
use super::asynchronous::{self, AsynchronousSettings};
use super::log_group::function_log_group;
use super::{alias, log_group, permission, provisioned, role};
use crate::deploy::graph::Planner;
use crate::deploy::observe::{Live, Owner};
use crate::deploy::pack::Code;
use crate::deploy::plan::{Change, Verb};
use crate::deploy::race::overtaken;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Settings, Shown, Spec, changes};
use crate::deploy::wanted::{CodeId, Wanted};
use crate::live::{self, LAB_TAG, existing};
use crate::right_size;

/// What the plan calls it.
pub const RESOURCE: &str = "function";
/// The slowest line that an upload is tried over, in KiB a second.
const SLOWEST_UPLOAD: u64 = 128;
/// How long a function may take to become active or updated (the SDKs' waiters: 300 times 1 s).
const SETTLE: Duration = Duration::from_mins(5);

/// What a function is set to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionSettings {
    /// Base64 SHA-256 of the zip of `$LATEST`.
    pub code: String,
    /// `x86_64` or `arm64`.
    pub processor: String,
    /// MB.
    pub memory: i32,
    /// Seconds.
    pub timeout: i32,
    /// ARN of the execution role.
    pub role: String,
    /// One line.
    pub description: String,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Whether requests are traced.
    pub tracing: bool,
    /// ARN of where undelivered events go.
    pub dead_letter: Option<String>,
    /// Executions that are kept for it.
    pub reserved: Option<i32>,
}

/// What the plan calls the copy of a function that is measured.
pub const COPY: &str = "function copy";
/// Fields that an upload of code sets.
const OF_CODE: [&str; 2] = ["code", "processor"];
/// The field that calls of its own set.
const RESERVED: &str = "reserved";

impl Settings for FunctionSettings {
    const LATE: &'static [&'static str] = &[RESERVED];

    fn shown(field: &str) -> Shown {
        match field {
            "code" => Shown::Digest,
            "memory" => Shown::Value("MB"),
            "timeout" => Shown::Value("s"),
            "description" => Shown::Hidden,
            "environment" => Shown::Names,
            _ => Shown::Value(""),
        }
    }
}

/// A function that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedFunction {
    /// Name.
    pub name: String,
    /// Its log group.
    pub log_group: String,
    /// Name of the role of the lab's own that it needs, if any.
    pub own_role: Option<String>,
    /// Settings.
    pub spec: Spec<FunctionSettings>,
    /// How asynchronous invocations are tried.
    pub asynchronous: Option<Spec<AsynchronousSettings>>,
    /// Environments that are kept ready for its released alias.
    pub provisioned: Option<i32>,
    /// Parameters that give its reserved and provisioned concurrency.
    pub counts: Vec<String>,
    /// Names of queues and topics that must exist before it: dead letters and destinations.
    pub needs: Vec<(&'static str, String)>,
}

/// A function that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveFunction {
    /// Whose it is, and its settings.
    pub found: Found<FunctionSettings>,
    /// Whether its creation or last update failed.
    pub failed: bool,
    /// Newest published version; read when an alias needs it.
    pub newest_version: Option<String>,
    /// Aliases by name.
    pub aliases: BTreeMap<String, LiveAlias>,
    /// Labdeck's permissions by alias (empty: the function itself) and statement id: what each allows
    /// to be the source.
    pub permissions: BTreeMap<String, BTreeMap<String, String>>,
    /// How asynchronous invocations are tried, by alias (empty: the function itself).
    pub asynchronous: BTreeMap<String, Found<AsynchronousSettings>>,
    /// Environments that are kept ready, by alias.
    pub provisioned: BTreeMap<String, i32>,
    /// A copy that was measured in its place, by a run that was cut off.
    pub copy: Option<String>,
}

/// What is done to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionAction {
    /// Make it and wait until it can be used.
    Create(String),
    /// Give it new code. With `last`, write down what it was given.
    Code {
        /// Name.
        name: String,
        /// Whether no other step on the function follows.
        last: bool,
    },
    /// Give it new settings and write down what it was given.
    Configure {
        /// Name.
        name: String,
        /// Whether its configuration changes.
        configuration: bool,
        /// Whether its reserved concurrency changes.
        reserved: bool,
    },
    /// Remove it with its versions and aliases.
    Delete(String),
    /// Remove the copy of it that was measured.
    EndCopy {
        /// Name.
        name: String,
        /// Name of the copy.
        copy: String,
    },
}

/// The functions of a blueprint.
pub fn wanted(
    resolver: &Resolver<'_>,
    code: &BTreeMap<String, CodeId>,
) -> Result<Vec<WantedFunction>> {
    let functions = resolver.blueprint.functions.iter();
    functions
        .map(|function| wanted_function(resolver, function, code.get(&function.name)))
        .collect()
}

fn wanted_function(
    resolver: &Resolver<'_>,
    function: &Function,
    code: Option<&CodeId>,
) -> Result<WantedFunction> {
    let mut environment = BTreeMap::new();
    for (name, text) in &function.environment {
        if let Some(value) = resolver.text_if_set(&function.name, text)? {
            environment.insert(name.clone(), value);
        }
    }
    let role = resolver.role.clone();
    let settings = FunctionSettings {
        code: code.map(|code| code.sha256.clone()).unwrap_or_default(),
        processor: code.map_or(function.architecture.as_str(), |code| code.architecture).to_owned(),
        memory: function.memory_mb,
        timeout: function.timeout_s,
        role: role.unwrap_or_else(|| resolver.place.role(&function.role)),
        description: function.description.clone(),
        environment,
        tracing: function.tracing,
        dead_letter: function.dead_letter.as_ref().map(|to| resolver.destination(to)),
        reserved: resolver.count(&function.name, function.reserved_concurrency.as_ref())?,
    };
    let provisioned = resolver
        .count(&function.name, function.provisioned_concurrency.as_ref())?
        .filter(|count| *count > 0);
    if let (Some(ready), Some(most)) = (provisioned, settings.reserved)
        && ready > most
    {
        let why =
            format!("{ready} environments can't be ready where {most} executions are reserved");
        let what = format!("settling the concurrency of {}", function.name);
        return Err(Failure::new(FailureKind::Invalid, what, why)
            .next("set fewer environments, or reserve more executions"));
    }
    let counts = [&function.reserved_concurrency, &function.provisioned_concurrency];
    let counts = counts.into_iter().flatten().filter_map(Count::parameter).map(str::to_owned);
    let mut needs: Vec<_> = function.dead_letter.iter().map(asynchronous::needs).collect();
    if let Some(config) = &function.asynchronous {
        needs.extend(config.on_success.iter().chain(&config.on_failure).map(asynchronous::needs));
    }
    Ok(WantedFunction {
        name: function.name.clone(),
        log_group: function_log_group(&function.name),
        own_role: resolver.role.is_none().then(|| function.role.clone()),
        spec: Spec::new(settings),
        asynchronous: function
            .asynchronous
            .as_ref()
            .map(|config| Spec::new(AsynchronousSettings::new(resolver, config))),
        provisioned,
        counts: counts.collect(),
        needs,
    })
}

/// Values of parameters that are the whole of a live environment variable, or a live number of
/// executions, `None` where a person took the value away: a deploy keeps them.
pub fn live_parameters(blueprint: &Blueprint, live: &Live) -> BTreeMap<String, Option<String>> {
    let mut values = BTreeMap::new();
    for function in &blueprint.functions {
        let Some(live) = live.functions.get(&function.name) else { continue };
        for (variable, text) in &function.environment {
            let name = text.strip_prefix("${parameter.").and_then(|rest| rest.strip_suffix('}'));
            let value = live.found.settings.environment.get(variable);
            if let (Some(name), Some(value)) = (name.filter(|n| !n.contains('}')), value) {
                values.insert(name.to_owned(), Some(value.clone()));
            }
        }
        let settings = &live.found.settings;
        if let Some(name) = function.reserved_concurrency.as_ref().and_then(Count::parameter) {
            // One that was to be set, and is not there, was not set yet.
            if settings.reserved.is_some() || live.found.was_given(RESERVED, &settings.reserved) {
                values.insert(name.to_owned(), settings.reserved.map(|count| count.to_string()));
            }
        }
        let ready = live.provisioned.values().next();
        let parameter = function.provisioned_concurrency.as_ref().and_then(Count::parameter);
        if let (Some(name), Some(count)) = (parameter, ready) {
            values.insert(name.to_owned(), Some(count.to_string()));
        }
    }
    values
}

/// Reads a function with its aliases, permissions and what goes with them.
pub async fn observe(
    target: &Target,
    wanted: &Wanted,
    function: &WantedFunction,
) -> Result<Option<(String, LiveFunction)>> {
    let name = &function.name;
    let mut qualifiers: Vec<&str> = wanted.aliases().iter().map(|s| s.alias.as_str()).collect();
    if wanted.released().is_none() && permission::of_events(wanted, name).next().is_some() {
        qualifiers.push("");
    }
    let permissions =
        try_join_all(qualifiers.iter().map(|alias| permission::observe(target, name, alias)));
    let (live, (live_aliases, permissions)) =
        try_join(live::function(target, name), try_join(live::aliases(target, name), permissions))
            .await?;
    let Some(live) = live else { return Ok(None) };
    let tags = live::function_tags(&live);
    let reserved = live.concurrency().and_then(Concurrency::reserved_concurrent_executions);
    let configuration = live.configuration.unwrap_or_else(none);
    let aliases: BTreeMap<String, LiveAlias> =
        live_aliases.into_iter().map(alias::live_alias).collect();
    let needs_versions = wanted.released().is_some_and(|released| !aliases.contains_key(released));
    let versions =
        async { if needs_versions { live::versions(target, name).await } else { Ok(Vec::new()) } };
    let (versions, (asynchronous, provisioned)) = try_join(
        versions,
        try_join(
            asynchronous::observe(target, function, &tags),
            provisioned::observe(target, function, &tags, wanted.released()),
        ),
    )
    .await?;
    let number = |v: &FunctionConfiguration| v.version().and_then(|v| v.parse::<u64>().ok());
    let failed = configuration.state() == Some(&State::Failed)
        || configuration.last_update_status() == Some(&LastUpdateStatus::Failed);
    let settings = settings_of(configuration, reserved);
    let live = LiveFunction {
        found: Found::new(&wanted.lab, settings, |key| tags.get(key).cloned()),
        failed,
        newest_version: versions.iter().filter_map(number).max().map(|v| v.to_string()),
        aliases,
        permissions: qualifiers
            .iter()
            .map(|alias| (*alias).to_owned())
            .zip(permissions)
            .filter(|(_, statements)| !statements.is_empty())
            .collect(),
        asynchronous,
        provisioned,
        copy: tags.get(right_size::COPY_TAG).cloned(),
    };
    Ok(Some((name.clone(), live)))
}

fn settings_of(configuration: FunctionConfiguration, reserved: Option<i32>) -> FunctionSettings {
    let tracing = configuration.tracing_config().and_then(|tracing| tracing.mode());
    let processor = configuration.architectures().first();
    FunctionSettings {
        tracing: tracing == Some(&TracingMode::Active),
        processor: processor.map_or_else(|| "x86_64".to_owned(), ToString::to_string),
        environment: configuration
            .environment()
            .and_then(|environment| environment.variables())
            .map(|all| all.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
            .unwrap_or_default(),
        dead_letter: configuration
            .dead_letter_config()
            .and_then(|dead| dead.target_arn())
            .filter(|arn| !arn.is_empty())
            .map(str::to_owned),
        code: configuration.code_sha256.unwrap_or_default(),
        memory: configuration.memory_size.unwrap_or_default(),
        timeout: configuration.timeout.unwrap_or_default(),
        role: configuration.role.unwrap_or_default(),
        description: configuration.description.unwrap_or_default(),
        reserved,
    }
}

/// The settings that one update of the configuration sets.
fn configured(settings: &FunctionSettings) -> FunctionSettings {
    let (code, processor) = (String::new(), String::new());
    FunctionSettings { code, processor, reserved: None, ..settings.clone() }
}

/// The settings that an upload of code sets and a change by somebody else is told by.
fn of_code(settings: &FunctionSettings) -> FunctionSettings {
    FunctionSettings { code: settings.code.clone(), ..FunctionSettings::default() }
}

/// The same in the type in which functions are listed.
fn configuration_of(read: GetFunctionConfigurationOutput) -> FunctionConfiguration {
    FunctionConfiguration::builder()
        .set_tracing_config(read.tracing_config)
        .set_architectures(read.architectures)
        .set_environment(read.environment)
        .set_dead_letter_config(read.dead_letter_config)
        .set_code_sha256(read.code_sha256)
        .set_memory_size(read.memory_size)
        .set_timeout(read.timeout)
        .set_role(read.role)
        .set_description(read.description)
        .build()
}

fn none() -> FunctionConfiguration {
    FunctionConfiguration::builder().build()
}

/// Plans the functions with their aliases and what goes with these.
pub fn plan(planner: &mut Planner<'_>) {
    for function in &planner.wanted.functions {
        let mut after = planner.of(log_group::RESOURCE, &function.log_group);
        if let Some(role) = &function.own_role {
            after.extend(planner.of(role::RESOURCE, role));
        }
        for (kind, name) in &function.needs {
            after.extend(planner.of(kind, name));
        }
        plan_function(planner, function, &after);
        alias::plan(planner, function);
        plan_copy(planner, &function.name, &[]);
    }
}

/// Plans to remove what a measurement left that was cut off; answers the step.
fn plan_copy(planner: &mut Planner<'_>, name: &str, after: &[usize]) -> Option<usize> {
    let copy = planner.live.functions.get(name).and_then(|live| live.copy.clone())?;
    let action = FunctionAction::EndCopy { name: name.to_owned(), copy: copy.clone() };
    let reason = "left by a measurement that was cut off";
    Some(planner.step(Verb::Delete, COPY, &copy, reason, after, action))
}

fn plan_function(planner: &mut Planner<'_>, function: &WantedFunction, after: &[usize]) {
    let name = &function.name;
    let Some(live) = planner.live.functions.get(name) else {
        planner.create(RESOURCE, name, after, FunctionAction::Create(name.clone()));
        return;
    };
    let all = changes(&function.spec, &live.found);
    let (code, others): (Vec<Change>, Vec<Change>) =
        all.into_iter().partition(|change| OF_CODE.contains(&change.field.as_str()));
    let mut after = after.to_vec();
    let last = others.is_empty();
    let action = FunctionAction::Code { name: name.clone(), last };
    let behind = function.spec.record != live.found.record;
    if live.failed && code.is_empty() {
        let reason = "its last update failed";
        after = vec![planner.step(Verb::Update, RESOURCE, name, reason, &after, action)];
    } else if !code.is_empty() {
        after = vec![planner.change(RESOURCE, name, code, &after, action)];
    } else if last && behind {
        let action =
            FunctionAction::Configure { name: name.clone(), configuration: false, reserved: false };
        planner.remember(RESOURCE, name, &after, action);
    }
    if !last {
        let reserved = others.iter().any(|change| change.field == RESERVED);
        let configuration = others.iter().any(|change| change.field != RESERVED);
        let action = FunctionAction::Configure { name: name.clone(), configuration, reserved };
        let apart = others.iter().any(|c| c.field == "role" || c.field == "dead_letter");
        // Lambda takes one update of a function at a time: the settings follow the code.
        planner.change(RESOURCE, name, others, &after, action);
        if apart && planner.wanted.released().is_some() {
            planner.note(format!(
                "the next version of {name} has another role or dead-letter queue than the released \
                 one: Lambda does not split traffic between the two, promote it at once"
            ));
        }
    }
}

/// Plans to remove the functions that the blueprint names no more.
pub fn plan_removed(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.functions {
        let named = planner.wanted.functions.iter().any(|one| one.name == *name);
        if live.found.owner == Owner::Lab && !named {
            planner.removed(RESOURCE, name, after, FunctionAction::Delete(name.clone()));
        }
    }
}

/// Plans to remove the functions; answers the steps.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.functions {
        if live.found.owner == Owner::Lab {
            let reason = "with its versions, aliases and permissions";
            let mut after = after.to_vec();
            after.extend(plan_copy(planner, name, &after));
            let action = FunctionAction::Delete(name.clone());
            planner.step(Verb::Delete, RESOURCE, name, reason, &after, action);
        }
    }
}

/// An upload has time to travel before its answer is due.
fn patient_upload(target: &Target, zip: &[u8]) -> aws_sdk_lambda::config::Builder {
    let kilobytes = u64::try_from(zip.len() / 1024).unwrap_or(u64::MAX);
    let travels = Duration::from_secs(kilobytes / SLOWEST_UPLOAD);
    aws_sdk_lambda::config::Builder::new().timeout_config(
        TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .read_timeout(target.answer_timeout() + travels)
            .build(),
    )
}

impl Wanted {
    pub(super) fn function(&self, name: &str) -> Result<&WantedFunction> {
        let function = self.functions.iter().find(|function| function.name == name);
        function.ok_or_else(|| missing(RESOURCE, name))
    }
}

fn environment(settings: &FunctionSettings) -> Environment {
    let variables: HashMap<String, String> =
        settings.environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Environment::builder().set_variables(Some(variables)).build()
}

fn tracing(settings: &FunctionSettings) -> TracingConfig {
    let mode = if settings.tracing { TracingMode::Active } else { TracingMode::PassThrough };
    TracingConfig::builder().mode(mode).build()
}

impl StepRun {
    pub(crate) async fn on_function(&self, action: &FunctionAction) -> Result<()> {
        match action {
            FunctionAction::Create(name) => self.create_function(name).await,
            FunctionAction::Code { name, last } => self.update_code(name, *last).await,
            FunctionAction::Configure { name, configuration, reserved } => {
                if *configuration {
                    self.update_configuration(name).await?;
                }
                if *reserved {
                    self.set_reserved(name).await?;
                }
                self.remember_function(name).await
            }
            FunctionAction::Delete(name) => self.delete_function(name).await,
            FunctionAction::EndCopy { name, copy } => {
                let arn = self.context.wanted.place.function(name);
                self.patiently(|| right_size::end_copy(self.target(), &arn, copy)).await
            }
        }
    }

    fn code(&self, name: &str) -> Result<&Code> {
        self.context.code.get(name).ok_or_else(|| missing("code of function", name))
    }

    async fn create_function(&self, name: &str) -> Result<()> {
        let function = self.context.wanted.function(name)?;
        let settings = &function.spec.settings;
        let code = self.code(name)?;
        let dead_letter = settings.dead_letter.as_ref();
        let dead_letter =
            dead_letter.map(|arn| DeadLetterConfig::builder().target_arn(arn).build());
        let mut call = self
            .target()
            .lambda()
            .create_function()
            .function_name(name)
            .runtime(Runtime::from("provided.al2023"))
            .handler("bootstrap")
            .role(&settings.role)
            .code(FunctionCode::builder().zip_file(Blob::new(&*code.zip)).build())
            .architectures(Architecture::from(code.architecture))
            .memory_size(settings.memory)
            .timeout(settings.timeout)
            .description(&settings.description)
            .environment(environment(settings))
            .set_dead_letter_config(dead_letter)
            .tags(LAB_TAG, &self.context.wanted.lab)
            .tags(APPLIED_TAG, function.spec.record.text());
        if settings.tracing {
            call = call.tracing_config(tracing(settings));
        }
        if let Some(config) = &function.asynchronous {
            call = call.tags(asynchronous::TAG, config.record.text());
        }
        if function.provisioned.is_some() {
            call = call.tags(provisioned::TAG, provisioned::MARK);
        }
        let made = self
            .patiently(|| async {
                call.clone()
                    .customize()
                    .config_override(patient_upload(self.target(), &code.zip))
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(format!("creating function {name}"), &e))
            })
            .await;
        match made {
            Ok(_) => {}
            // Made by the attempt before, whose answer was lost.
            Err(failure) if failure.kind == FailureKind::Conflict => {}
            Err(failure) => return Err(failure),
        }
        self.settled(name).await?;
        if settings.reserved.is_some() { self.set_reserved(name).await } else { Ok(()) }
    }

    async fn update_code(&self, name: &str, last: bool) -> Result<()> {
        let code = self.code(name)?;
        let done = self
            .patiently(|| async {
                let what = format!("updating the code of {name}");
                let revision = self.unchanged(name, what, of_code).await?;
                self.target()
                    .lambda()
                    .update_function_code()
                    .function_name(name)
                    .zip_file(Blob::new(&*code.zip))
                    .architectures(Architecture::from(code.architecture))
                    .set_revision_id(revision)
                    .customize()
                    .config_override(patient_upload(self.target(), &code.zip))
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(|e| Failure::from_sdk(format!("updating the code of {name}"), &e))
            })
            .await;
        let wanted = &self.context.wanted.function(name)?.spec.settings;
        self.unless_made(name, done, |live| live.code == wanted.code).await?;
        let remembered = async { if last { self.remember_function(name).await } else { Ok(()) } };
        try_join(self.settled(name), remembered).await.map(|_| ())
    }

    async fn update_configuration(&self, name: &str) -> Result<()> {
        let settings = &self.context.wanted.function(name)?.spec.settings;
        let live = self.context.live.functions.get(name).map(|live| &live.found.settings);
        let traced = live.is_some_and(|live| live.tracing) || settings.tracing;
        let dead = live.is_some_and(|live| live.dead_letter.is_some());
        // An empty ARN takes a dead-letter queue away.
        let dead_letter = (dead || settings.dead_letter.is_some()).then(|| {
            let arn = settings.dead_letter.as_deref().unwrap_or_default();
            DeadLetterConfig::builder().target_arn(arn).build()
        });
        let done = self
            .patiently(|| async {
                let what = format!("updating the settings of {name}");
                let revision = self.unchanged(name, what, configured).await?;
                self.target()
                    .lambda()
                    .update_function_configuration()
                    .function_name(name)
                    .role(&settings.role)
                    .memory_size(settings.memory)
                    .timeout(settings.timeout)
                    .description(&settings.description)
                    .environment(environment(settings))
                    .set_tracing_config(traced.then(|| tracing(settings)))
                    .set_dead_letter_config(dead_letter.clone())
                    .set_revision_id(revision)
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(|e| Failure::from_sdk(format!("updating the settings of {name}"), &e))
            })
            .await;
        let as_wanted = |live: &FunctionSettings| configured(live) == configured(settings);
        self.unless_made(name, done, as_wanted).await?;
        self.settled(name).await.map(|_| ())
    }

    /// The revision of a function that is, in the part that `part` picks, still what was planned with, or
    /// is what is wanted already.
    async fn unchanged(
        &self,
        name: &str,
        what: String,
        part: impl Fn(&FunctionSettings) -> FunctionSettings,
    ) -> Result<Option<String>> {
        let now = self.settled_or_failed(name).await?;
        let revision = now.revision_id.clone();
        let Some(planned) = self.context.live.functions.get(name) else { return Ok(revision) };
        let planned = part(&planned.found.settings);
        let now = part(&settings_of(configuration_of(now), None));
        if now == planned || now == part(&self.context.wanted.function(name)?.spec.settings) {
            return Ok(revision);
        }
        // As changes from what was planned with to what is there now.
        let planned = Found { settings: planned, ..Found::default() };
        let theirs = changes(&Spec::new(now), &planned).into_iter().map(|change| change.text);
        Err(overtaken(what, &theirs.collect::<Vec<_>>().join(", ")))
    }

    /// A guarded update that is refused since the function changed in between may have been refused
    /// its own repetition, when the first answer was lost: what is live says it.
    async fn unless_made(
        &self,
        name: &str,
        done: Result<()>,
        made: impl Fn(&FunctionSettings) -> bool,
    ) -> Result<()> {
        match done {
            Err(failure) if failure.has_code(&["PreconditionFailedException"]) => {
                let live = live::function(self.target(), name).await?;
                let configuration = live.and_then(|live| live.configuration);
                match configuration.map(|live| settings_of(live, None)) {
                    Some(live) if made(&live) => Ok(()),
                    _ => Err(failure),
                }
            }
            other => other,
        }
    }

    async fn set_reserved(&self, name: &str) -> Result<()> {
        let reserved = self.context.wanted.function(name)?.spec.settings.reserved;
        let what = format!("setting the reserved concurrency of {name}");
        self.patiently(|| async {
            let lambda = self.target().lambda();
            if let Some(count) = reserved {
                let call = lambda.put_function_concurrency().function_name(name);
                let done = call.reserved_concurrent_executions(count).send().await;
                return done.map(|_| ()).map_err(|e| Failure::from_sdk(&what, &e));
            }
            let done = lambda.delete_function_concurrency().function_name(name).send().await;
            existing(done.map_err(|e| Failure::from_sdk(&what, &e))).map(|_| ())
        })
        .await
    }

    /// Writes down what a function was given.
    async fn remember_function(&self, name: &str) -> Result<()> {
        let record = self.context.wanted.function(name)?.spec.record.text();
        self.tag_function(name, APPLIED_TAG, &record).await
    }

    pub(super) async fn tag_function(&self, name: &str, key: &str, value: &str) -> Result<()> {
        let arn = self.context.wanted.place.function(name);
        self.patiently(|| async {
            let call = self.target().lambda().tag_resource().resource(&arn).tags(key, value);
            let done = call.send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging function {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    /// Waits until the function can be used and no update of it runs.
    pub(super) async fn settled(&self, name: &str) -> Result<GetFunctionConfigurationOutput> {
        let function = self.settled_or_failed(name).await?;
        let what = || format!("waiting for function {name}");
        if function.state == Some(State::Failed) {
            let why = function.state_reason.unwrap_or_else(|| "its creation failed".to_owned());
            return Err(Failure::new(FailureKind::Service, what(), why));
        }
        if function.last_update_status == Some(LastUpdateStatus::Failed) {
            let why = function
                .last_update_status_reason
                .unwrap_or_else(|| "its update failed".to_owned());
            return Err(Failure::new(FailureKind::Service, what(), why));
        }
        Ok(function)
    }

    async fn settled_or_failed(&self, name: &str) -> Result<GetFunctionConfigurationOutput> {
        let waits_for = format!("function {name} to become active");
        self.until(&waits_for, SETTLE, || async {
            let call = self.target().lambda().get_function_configuration().function_name(name);
            let what = format!("reading function {name}");
            let function = call.send().await.map_err(|e| Failure::from_sdk(what, &e))?;
            let usable = matches!(
                function.state,
                None | Some(State::Active | State::Inactive | State::Failed)
            );
            let updating = function.last_update_status == Some(LastUpdateStatus::InProgress);
            Ok((usable && !updating).then_some(function))
        })
        .await
    }

    async fn delete_function(&self, name: &str) -> Result<()> {
        self.patiently(|| async {
            let done = self.target().lambda().delete_function().function_name(name).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting function {name}"), &e)))
        })
        .await
        .map(|_| ())
    }
}
