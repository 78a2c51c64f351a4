//! What is live of a lab, as the faces show it. Read from the cloud, never from a file.

mod access;
mod events;

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::RestApi;
use aws_sdk_lambda::types::{AliasConfiguration, FunctionConfiguration};
use futures_util::future::{join, try_join, try_join_all};
use labdeck_aws::{Result, Target};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Table;
use serde::Serialize;

pub use access::{Access, KeyStatus, PlanStatus};
pub use events::{
    AlarmStatus, Events, MappingStatus, QueueStatus, SubscriptionStatus, TopicStatus,
};

use crate::chaos;
use crate::deploy::kinds::definition;
use crate::deploy::plan::Endpoint;
use crate::engine::Engine;
use crate::live;
use crate::release::pointer::{Pointer, Split};
use crate::release::versions::differences;
use crate::release::{LastMove, Scope, annotate, last_move};
use crate::{variant, whose};

/// A lab and what is deployed of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabStatus {
    /// The lab's name.
    pub lab: String,
    /// Its title.
    pub title: String,
    /// Whether anything of it is live.
    pub deployed: bool,
    /// The variant whose definitions the APIs have; `None` when they have none or several.
    pub variant: Option<String>,
    /// Functions, in the blueprint's order.
    pub functions: Vec<FunctionStatus>,
    /// APIs, in the blueprint's order.
    pub apis: Vec<ApiStatus>,
    /// Tables, in the blueprint's order.
    pub tables: Vec<TableStatus>,
    /// Every endpoint.
    pub endpoints: Vec<Endpoint>,
    /// Chaos switches that are on now.
    pub chaos: Vec<ChaosStatus>,
    /// Queues, topics, event source mappings and alarms.
    pub events: Events,
    /// API keys and usage plans.
    pub access: Access,
    /// The last move of the release, and what it left behind.
    pub last_move: Option<LastMove>,
}

/// A function with its versions and aliases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionStatus {
    /// Name.
    pub name: String,
    /// Whether it exists.
    pub exists: bool,
    /// `Active`, `Pending` …
    pub state: String,
    /// Base64 SHA-256 of `$LATEST`'s zip.
    pub code_sha256: String,
    /// When `$LATEST` was last changed, as AWS writes it.
    pub last_modified: String,
    /// Memory in MB.
    pub memory_mb: i32,
    /// Timeout in seconds.
    pub timeout_s: i32,
    /// Published versions, oldest first.
    pub versions: Vec<VersionStatus>,
    /// Aliases by name.
    pub aliases: Vec<AliasStatus>,
}

impl FunctionStatus {
    /// Its alias of this name.
    pub fn alias(&self, name: &str) -> Option<&AliasStatus> {
        self.aliases.iter().find(|alias| alias.name == name)
    }

    /// Whether it has this published version.
    pub fn has_version(&self, version: &str) -> bool {
        self.versions.iter().any(|known| known.version == version)
    }
}

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionStatus {
    /// Number.
    pub version: String,
    /// Base64 SHA-256 of its zip.
    pub code_sha256: String,
    /// When it was published, as AWS writes it.
    pub published: String,
    /// Description.
    pub description: String,
    /// Size of its zip in bytes.
    pub code_size: i64,
    /// ARN of its role.
    pub role: String,
    /// ARN of its dead-letter queue or topic; empty when it has none.
    pub dead_letter: String,
    /// What it has otherwise than the version before it, in words; empty for the first.
    pub differs: Vec<String>,
}

/// An alias, its split, and where rollback would take it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AliasStatus {
    /// Name.
    pub name: String,
    /// The stable version.
    pub version: String,
    /// The canary and its share (0.0–1.0) where there is a split.
    pub canary: Option<(String, f64)>,
    /// The person's own text of the description.
    pub description: String,
    /// Revision id, for guarded writes.
    pub revision_id: String,
    /// Where `R` would take it; `None` when there is nowhere to go.
    pub rollback: Option<RollbackTarget>,
    /// Whether the last move can be undone.
    pub can_undo: bool,
    /// What the last move left for rollback and undo, where it is still there.
    #[serde(skip)]
    pub pointer: Option<Pointer>,
}

/// Where a rollback would take an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RollbackTarget {
    /// The version that would serve alone.
    pub version: String,
    /// Whether it is a guess, since another tool erased the pointer.
    pub guess: bool,
    /// API deployments to put back, as `(api name, stage, deployment id)`, where the release moved them.
    pub deployments: Vec<(String, String, String)>,
}

/// A REST API with its stages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApiStatus {
    /// Name.
    pub name: String,
    /// Id; empty when it does not exist.
    pub id: String,
    /// Stages.
    pub stages: Vec<StageStatus>,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageStatus {
    /// Name.
    pub name: String,
    /// The deployment it serves.
    pub deployment_id: String,
    /// Its variables.
    pub variables: Vec<(String, String)>,
    /// When it was last changed, in ms since the epoch.
    pub updated_ms: i64,
    /// URL, without a trailing slash.
    pub url: String,
    /// Its cache, where it has one.
    pub cache: Option<CacheStatus>,
    /// Requests per second and at once, where its settings name them.
    pub throttle: Option<(f64, i32)>,
}

/// The cache of a stage. Billed by the hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CacheStatus {
    /// Size in GB, AWS's word.
    pub size_gb: String,
    /// `AVAILABLE`, `CREATE_IN_PROGRESS` …
    pub status: String,
    /// Seconds that an answer is kept.
    pub ttl_s: i32,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    /// Name.
    pub name: String,
    /// `ACTIVE` …; empty when it does not exist.
    pub status: String,
    /// Items, as the service counts them.
    pub items: i64,
}

/// A chaos switch that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChaosStatus {
    /// Name of the switch.
    pub name: String,
    /// When it ends by itself, in ms since the epoch, where it does.
    pub until_ms: Option<i64>,
}

/// Reads what is live of a lab: a few calls, all side by side.
///
/// Only what is the lab's own counts: a function, table or API of the same name without the lab's
/// tag or marker is not shown.
pub async fn read(engine: &Engine, blueprint: &Blueprint) -> Result<LabStatus> {
    let target = &*engine.target;
    let (mut status, events) =
        try_join(read_releases(engine, blueprint), events::read(target, blueprint)).await?;
    status.access = access::read(target, blueprint, &status.apis).await?;
    status.events = events;
    Ok(status)
}

/// Reads what releases need of a lab: functions, APIs, tables and chaos. Queues and the like are not
/// read, so that nothing about them can keep a rollback from being done.
///
/// Only what is the lab's own counts: a function, table or API of the same name without the lab's
/// tag or marker is not shown.
pub async fn read_releases(engine: &Engine, blueprint: &Blueprint) -> Result<LabStatus> {
    let target = &*engine.target;
    let functions =
        try_join_all(blueprint.functions.iter().map(|f| read_function(target, &f.name, blueprint)));
    let tables = try_join_all(blueprint.tables.iter().map(|table| read_table(target, table)));
    let apis = read_apis(target, blueprint);
    let chaos = chaos::status(engine, blueprint);
    let reading = Box::pin(try_join(try_join(functions, tables), try_join(apis, chaos)));
    // Whoever reads may change something next, and the audit says who.
    let (read, ()) = join(reading, target.learn_caller()).await;
    let ((functions, tables), ((apis, variant), chaos)) = read?;
    let status = assembled(target, blueprint, functions, tables, apis, chaos);
    Ok(LabStatus { variant, ..status })
}

/// Reads again what changes in a lab that runs, for a screen that is refreshed all the time: one call
/// after the other, and fewer of them than [`read`].
///
/// Versions are taken from `last` unless an alias names one that is not there; ownership of functions
/// is read, that of APIs is not. Wherever the lab is not as `last` says, everything is read.
pub async fn refresh(
    engine: &Engine,
    blueprint: &Blueprint,
    last: &LabStatus,
) -> Result<LabStatus> {
    match changes(engine, blueprint, last).await? {
        Some(status) => Ok(status),
        None => read(engine, blueprint).await,
    }
}

/// `None` when more must be read.
async fn changes(
    engine: &Engine,
    blueprint: &Blueprint,
    last: &LabStatus,
) -> Result<Option<LabStatus>> {
    let target = &*engine.target;
    let names = |blueprint: &Blueprint| -> Vec<String> {
        let functions = blueprint.functions.iter().map(|f| f.name.clone());
        functions.chain(blueprint.apis.iter().map(|api| api.name.clone())).collect()
    };
    let known = last.functions.iter().map(|f| &f.name).chain(last.apis.iter().map(|a| &a.name));
    if !known.eq(&names(blueprint)) {
        return Ok(None);
    }
    if !last.deployed {
        // The APIs come after the functions.
        let Some(first) = blueprint.functions.first() else { return Ok(None) };
        let found = live::function(target, &first.name).await?;
        return Ok(found.is_none().then(|| last.clone()));
    }
    let mut functions = Vec::new();
    let mut configurations = BTreeMap::new();
    for before in &last.functions {
        let found = own_function(target, &before.name, blueprint).await?;
        let Some((configuration, tags)) = found.filter(|_| before.exists) else { return Ok(None) };
        let aliases = live::aliases(target, &before.name).await?;
        let aliases: Vec<_> = aliases.into_iter().map(|a| alias_status(a, &tags)).collect();
        let known = |version: &str| {
            version == "$LATEST" || before.versions.iter().any(|v| v.version == version)
        };
        let all_known = aliases.iter().all(|alias| {
            known(&alias.version) && alias.canary.as_ref().is_none_or(|(version, _)| known(version))
        });
        if !all_known {
            return Ok(None);
        }
        configurations.insert(before.name.clone(), configuration.clone());
        functions.push(function_status(
            &before.name,
            configuration,
            before.versions.clone(),
            aliases,
        ));
    }
    let mut apis = Vec::new();
    for before in &last.apis {
        let api = read_api(target, &before.name, Some(before.id.clone())).await?;
        if api.stages.is_empty() {
            return Ok(None);
        }
        apis.push(api);
    }
    let mut tables = Vec::new();
    for table in &blueprint.tables {
        tables.push(read_table(target, table).await?);
    }
    let chaos = chaos::status_with(engine, blueprint, &configurations).await?;
    let mut status = assembled(target, blueprint, functions, tables, apis, chaos);
    status.events = events::refresh(target, blueprint, &last.events).await?;
    status.access = last.access.clone();
    status.variant.clone_from(&last.variant);
    Ok(Some(status))
}

fn assembled(
    target: &Target,
    blueprint: &Blueprint,
    functions: Vec<FunctionStatus>,
    tables: Vec<TableStatus>,
    apis: Vec<ApiStatus>,
    chaos: Vec<ChaosStatus>,
) -> LabStatus {
    let deployed = functions.iter().any(|f| f.exists) || apis.iter().any(|a| !a.id.is_empty());
    let endpoints = endpoints(target, blueprint, &apis);
    let mut status = LabStatus {
        lab: blueprint.name.clone(),
        title: blueprint.title.clone(),
        deployed,
        variant: None,
        functions,
        apis,
        tables,
        endpoints,
        chaos,
        events: Events::default(),
        access: Access::default(),
        last_move: None,
    };
    annotate(&mut status);
    status.last_move = Scope::of(blueprint).ok().and_then(|scope| last_move(&status, &scope));
    status
}

/// Configuration and tags of a function of the blueprint; `None` when there is none, or another's.
async fn own_function(
    target: &Target,
    name: &str,
    blueprint: &Blueprint,
) -> Result<Option<(FunctionConfiguration, BTreeMap<String, String>)>> {
    let Some(function) = live::function(target, name).await? else { return Ok(None) };
    let tags = live::function_tags(&function);
    let own = whose::function(&tags, blueprint);
    Ok(function.configuration.filter(|_| own).map(|configuration| (configuration, tags)))
}

async fn read_function(
    target: &Target,
    name: &str,
    blueprint: &Blueprint,
) -> Result<FunctionStatus> {
    let (function, (versions, aliases)) = try_join(
        own_function(target, name, blueprint),
        try_join(live::versions(target, name), live::aliases(target, name)),
    )
    .await?;
    let Some((configuration, tags)) = function else {
        return Ok(FunctionStatus {
            name: name.to_owned(),
            exists: false,
            state: String::new(),
            code_sha256: String::new(),
            last_modified: String::new(),
            memory_mb: 0,
            timeout_s: 0,
            versions: Vec::new(),
            aliases: Vec::new(),
        });
    };
    let mut published: Vec<FunctionConfiguration> = versions
        .into_iter()
        .filter(|v| v.version.as_deref().is_some_and(|version| version != "$LATEST"))
        .collect();
    published.sort_by_key(|v| v.version().and_then(|number| number.parse::<u64>().ok()));
    let mut differs: Vec<Vec<String>> =
        published.windows(2).map(|pair| differences(&pair[0], &pair[1])).collect();
    differs.insert(0, Vec::new());
    let versions = published
        .into_iter()
        .zip(differs)
        .map(|(v, differs)| VersionStatus {
            differs,
            role: v.role.unwrap_or_default(),
            dead_letter: v.dead_letter_config.and_then(|to| to.target_arn).unwrap_or_default(),
            version: v.version.unwrap_or_default(),
            code_sha256: v.code_sha256.unwrap_or_default(),
            published: v.last_modified.unwrap_or_default(),
            description: v.description.unwrap_or_default(),
            code_size: v.code_size,
        })
        .collect();
    let aliases = aliases.into_iter().map(|alias| alias_status(alias, &tags)).collect();
    Ok(function_status(name, configuration, versions, aliases))
}

fn function_status(
    name: &str,
    configuration: FunctionConfiguration,
    versions: Vec<VersionStatus>,
    aliases: Vec<AliasStatus>,
) -> FunctionStatus {
    FunctionStatus {
        name: name.to_owned(),
        exists: true,
        state: configuration.state.map(|state| state.to_string()).unwrap_or_default(),
        code_sha256: configuration.code_sha256.unwrap_or_default(),
        last_modified: configuration.last_modified.unwrap_or_default(),
        memory_mb: configuration.memory_size.unwrap_or_default(),
        timeout_s: configuration.timeout.unwrap_or_default(),
        versions,
        aliases,
    }
}

fn alias_status(alias: AliasConfiguration, tags: &BTreeMap<String, String>) -> AliasStatus {
    let name = alias.name.unwrap_or_default();
    let version = alias.function_version.unwrap_or_default();
    let canary = alias
        .routing_config
        .and_then(|routing| routing.additional_version_weights)
        .and_then(|weights| weights.into_iter().next());
    let split = Split { stable: version.clone(), canary: canary.clone() };
    let (description, pointer) =
        Pointer::read(alias.description.as_deref().unwrap_or_default(), &name, &split, tags);
    AliasStatus {
        name,
        version,
        canary,
        description,
        revision_id: alias.revision_id.unwrap_or_default(),
        rollback: None,
        can_undo: false,
        pointer,
    }
}

async fn read_table(target: &Target, table: &Table) -> Result<TableStatus> {
    let live = live::table(target, &table.name).await?;
    Ok(TableStatus {
        name: table.name.clone(),
        status: live
            .as_ref()
            .and_then(|live| live.table_status.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        items: live.and_then(|live| live.item_count).unwrap_or_default(),
    })
}

/// The APIs of a lab, and the variant that they are in.
async fn read_apis(
    target: &Target,
    blueprint: &Blueprint,
) -> Result<(Vec<ApiStatus>, Option<String>)> {
    let live = live::rest_apis(target).await?;
    let ids = blueprint.apis.iter().map(|api| {
        let own = whose::api(&live, &api.name, blueprint);
        (api.name.as_str(), own.and_then(|api| api.id.clone()))
    });
    let apis = try_join_all(ids.map(|(name, id)| read_api(target, name, id))).await?;
    Ok((apis, variant::live_in(&live, blueprint)))
}

async fn read_api(target: &Target, name: &str, id: Option<String>) -> Result<ApiStatus> {
    let Some(id) = id else {
        return Ok(ApiStatus { name: name.to_owned(), id: String::new(), stages: Vec::new() });
    };
    let stages = live::stages(target, &id).await?;
    let stages = stages
        .into_iter()
        .map(|stage| {
            let settings = stage.method_settings().and_then(|all| all.get("*/*"));
            let throttle =
                settings.map(|all| (all.throttling_rate_limit(), all.throttling_burst_limit()));
            let cache = stage.cache_cluster_enabled().then(|| CacheStatus {
                size_gb: stage
                    .cache_cluster_size()
                    .map(|s| s.as_str().to_owned())
                    .unwrap_or_default(),
                status: stage
                    .cache_cluster_status()
                    .map(|s| s.as_str().to_owned())
                    .unwrap_or_default(),
                ttl_s: settings
                    .map_or(0, aws_sdk_apigateway::types::MethodSetting::cache_ttl_in_seconds),
            });
            let name = stage.stage_name.unwrap_or_default();
            let variables: BTreeMap<_, _> =
                stage.variables.unwrap_or_default().into_iter().collect();
            StageStatus {
                url: target.stage_url(&id, &name),
                cache,
                throttle,
                name,
                deployment_id: stage.deployment_id.unwrap_or_default(),
                variables: variables.into_iter().collect(),
                updated_ms: stage
                    .last_updated_date
                    .and_then(|at| at.to_millis().ok())
                    .unwrap_or_default(),
            }
        })
        .collect();
    Ok(ApiStatus { name: name.to_owned(), id, stages })
}

/// The lab's own API of this name: the oldest, should a lost answer have made two.
pub(crate) fn own_api<'a>(apis: &'a [RestApi], name: &str, lab: &str) -> Option<&'a RestApi> {
    apis.iter()
        .filter(|api| api.name() == Some(name) && definition::is_own(api, lab))
        .min_by(|a, b| (created(a), a.id()).cmp(&(created(b), b.id())))
}

fn created(api: &RestApi) -> i64 {
    api.created_date().map_or(i64::MAX, aws_sdk_apigateway::primitives::DateTime::secs)
}

/// The URL of every stage that exists, in the blueprint's order.
fn endpoints(target: &Target, blueprint: &Blueprint, apis: &[ApiStatus]) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for api in apis.iter().filter(|api| !api.id.is_empty()) {
        for stage in &blueprint.stages {
            if api.stages.iter().any(|live| live.name == stage.name) {
                endpoints.push(Endpoint {
                    api: api.name.clone(),
                    stage: stage.name.clone(),
                    url: target.stage_url(&api.id, &stage.name),
                });
            }
        }
    }
    endpoints
}
