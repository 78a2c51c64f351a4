//! Functions: code, configuration, reserved concurrency.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{
    Concurrency, FunctionConfiguration, LastUpdateStatus, State, TracingMode,
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
use crate::deploy::plan::{Change, Verb};
use crate::deploy::resolve::Resolver;
use crate::deploy::run::missing;
use crate::deploy::settings::{Found, Settings, Shown, Spec, changes};
use crate::deploy::wanted::{CodeId, Wanted};
use crate::live;
use crate::right_size;

mod steps;

/// What the plan calls it.
pub const RESOURCE: &str = "function";
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
/// Most bytes of a function's environment, measured as the JSON of its variables (Lambda quotas: 4 KB).
const MOST_ENVIRONMENT_BYTES: usize = 4096;
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
    check_environment(&function.name, &environment)?;
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

/// Lambda measures the environment with everything written out: prefixed names, ARNs, URLs.
fn check_environment(function: &str, environment: &BTreeMap<String, String>) -> Result<()> {
    let bytes = serde_json::to_string(environment).unwrap_or_default().len();
    if bytes <= MOST_ENVIRONMENT_BYTES {
        return Ok(());
    }
    let why = format!(
        "with names, ARNs and URLs written out it has {bytes} bytes, and Lambda takes at most \
         {MOST_ENVIRONMENT_BYTES}"
    );
    Err(Failure::new(FailureKind::Invalid, format!("settling the environment of {function}"), why)
        .next("shorten its values, or the prefix in front of the names"))
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

impl Wanted {
    pub(super) fn function(&self, name: &str) -> Result<&WantedFunction> {
        let function = self.functions.iter().find(|function| function.name == name);
        function.ok_or_else(|| missing(RESOURCE, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_measured_as_it_will_be() {
        let of = |bytes: usize| BTreeMap::from([("NAME".to_owned(), "x".repeat(bytes))]);
        // {"NAME":"…"}
        assert!(check_environment("f", &of(4085)).is_ok());
        let failure = check_environment("f", &of(4086)).map_err(|failure| failure.to_string());
        assert!(failure.is_err_and(|text| text.contains("4097 bytes")));
    }
}
