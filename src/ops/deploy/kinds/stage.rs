//! Stages of APIs: what they serve, their variables, cache, limits and logs.

use std::collections::BTreeMap;
use std::fmt::Display;

use aws_sdk_apigateway::types::{
    CacheClusterSize, MethodSetting, Op, PatchOperation, Stage as ApiStage,
};
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::blueprint::{Follows, LogLevel, Stage};
use serde::{Deserialize, Serialize};

use super::account;
use super::api::{self, LiveApi, WantedApi};
use super::log_group::{self, access_log_group, execution_log_group};
use crate::deploy::graph::Planner;
use crate::deploy::plan::{Change, Verb};
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Settings, Shown, Spec, changes};
use crate::deploy::wanted::Wanted;
use crate::live::{LAB_TAG, existing};
use crate::prices;

/// What the plan calls it.
pub const RESOURCE: &str = "stage";
/// Requests per second and burst that API Gateway writes into the settings of all methods when one of
/// them is set for the first time ([R] of its recorded answers).
const UNLIMITED: (f64, i32) = (10_000.0, 5_000);
/// A line of the access log: what the console needs to tell a hit of the cache and a slow function.
pub const ACCESS_FORMAT: &str = concat!(
    r#"{"requestId":"$context.requestId","time":"$context.requestTimeEpoch","#,
    r#""method":"$context.httpMethod","resource":"$context.resourcePath","path":"$context.path","#,
    r#""status":"$context.status","latency":"$context.responseLatency","#,
    r#""integrationLatency":"$context.integrationLatency","#,
    r#""integrationRequestId":"$context.integration.requestId","#,
    r#""integrationStatus":"$context.integration.status","bytes":"$context.responseLength","#,
    r#""apiKeyId":"$context.identity.apiKeyId","errorType":"$context.error.responseType"}"#,
);
/// What a stage is set to, beside the deployment that it serves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageSettings {
    /// Variables, `lambdaAlias` among them.
    pub variables: BTreeMap<String, String>,
    /// Size of the cache in GB, where it has one.
    pub cache: Option<String>,
    /// Seconds.
    pub cache_ttl: Option<i32>,
    /// Whether the cache is encrypted.
    pub cache_encrypted: Option<bool>,
    /// Whether a client needs a permission to have an answer made anew.
    pub cache_guarded: Option<bool>,
    /// What a client without it gets.
    pub cache_unguarded: Option<String>,
    /// Requests per second.
    pub rate: Option<f64>,
    /// Requests at once.
    pub burst: Option<i32>,
    /// `ERROR` or `INFO`; `None` logs nothing.
    pub log_level: Option<String>,
    /// ARN of the access log's group.
    pub access_log: Option<String>,
    /// The format of its lines.
    pub access_format: Option<String>,
    /// Whether each method has metrics of its own.
    pub metrics: Option<bool>,
    /// Whether requests are traced.
    pub tracing: bool,
}

impl Settings for StageSettings {
    const LATE: &'static [&'static str] = &[
        "cache_ttl",
        "cache_encrypted",
        "cache_guarded",
        "cache_unguarded",
        "rate",
        "burst",
        "log_level",
        "access_log",
        "access_format",
        "metrics",
    ];

    fn shown(field: &str) -> Shown {
        match field {
            "cache" => Shown::Value("GB"),
            "cache_ttl" => Shown::Value("s"),
            "access_format" => Shown::Hidden,
            _ => Shown::Value(""),
        }
    }
}

/// A stage that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveStage {
    /// The deployment that it serves.
    pub deployment: String,
    /// Its settings.
    pub found: Found<StageSettings>,
}

/// What is done to a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageAction {
    /// Make it.
    Create {
        /// API.
        api: String,
        /// Stage.
        stage: String,
    },
    /// Point it to the deployment of the wanted definition, or change its settings, or both.
    Update {
        /// API.
        api: String,
        /// Stage.
        stage: String,
        /// Whether it moves to the deployment of the wanted definition.
        moves: bool,
    },
    /// Remove it, by its API's id.
    Delete {
        /// API's id.
        api_id: String,
        /// Stage.
        stage: String,
    },
}

/// The name of a stage in a plan.
pub fn label(api: &str, stage: &str) -> String {
    format!("{api}/{stage}")
}

/// The variables of a stage: its own, and the alias that it serves.
pub fn variables(stage: &Stage) -> BTreeMap<String, String> {
    let mut variables = stage.variables.clone();
    variables.insert("lambdaAlias".to_owned(), stage.alias.clone());
    variables
}

/// The settings of a stage of an API.
pub fn wanted_settings(wanted: &Wanted, api: &str, stage: &Stage) -> StageSettings {
    let group = access_log_group(&wanted.lab, api, &stage.name);
    let access = stage.access_log.then(|| wanted.place.log_group(&group));
    let cache = stage.cache.as_ref();
    StageSettings {
        variables: variables(stage),
        cache: cache.map(|cache| cache.size_gb.clone()),
        cache_ttl: cache.map(|cache| cache.ttl_s),
        cache_encrypted: cache.map(|cache| cache.encrypted),
        cache_guarded: cache.map(|cache| cache.guarded),
        cache_unguarded: cache.map(|cache| cache.unguarded_answer.clone()),
        rate: stage.throttle.map(|throttle| throttle.rate),
        burst: stage.throttle.map(|throttle| throttle.burst),
        log_level: (stage.log_level != LogLevel::Off).then(|| stage.log_level.as_str().to_owned()),
        access_format: access.as_ref().map(|_| ACCESS_FORMAT.to_owned()),
        access_log: access,
        metrics: stage.detailed_metrics.then_some(true),
        tracing: stage.tracing,
    }
}

/// A stage as it was read.
pub fn live_stage(stage: ApiStage, wanted: &Wanted) -> (String, LiveStage) {
    let name = stage.stage_name.clone().unwrap_or_default();
    let all = stage.method_settings().and_then(|settings| settings.get("*/*"));
    let mut settings = live_settings(&stage, all);
    // What API Gateway wrote there by itself is no limit that anybody set.
    let blueprint = wanted.stages.iter().find(|wanted| wanted.name == name);
    let unlimited = (settings.rate, settings.burst) == (Some(UNLIMITED.0), Some(UNLIMITED.1));
    if unlimited && blueprint.is_some_and(|stage| stage.throttle.is_none()) {
        (settings.rate, settings.burst) = (None, None);
    }
    let tags = stage.tags.unwrap_or_default();
    let live = LiveStage {
        deployment: stage.deployment_id.unwrap_or_default(),
        found: Found::new(&wanted.lab, settings, |key| tags.get(key).cloned()),
    };
    (name, live)
}

fn live_settings(stage: &ApiStage, all: Option<&MethodSetting>) -> StageSettings {
    let cached = all.filter(|all| stage.cache_cluster_enabled() && all.caching_enabled());
    let access = stage.access_log_settings();
    let strategy = |all: &MethodSetting| {
        all.unauthorized_cache_control_header_strategy().map(|s| s.as_str().to_owned())
    };
    StageSettings {
        variables: stage
            .variables()
            .map(|all| all.clone().into_iter().collect())
            .unwrap_or_default(),
        cache: stage
            .cache_cluster_size()
            .filter(|_| stage.cache_cluster_enabled())
            .map(|size| size.as_str().to_owned()),
        cache_ttl: cached.map(MethodSetting::cache_ttl_in_seconds),
        cache_encrypted: cached.map(MethodSetting::cache_data_encrypted),
        cache_guarded: cached.map(MethodSetting::require_authorization_for_cache_control),
        cache_unguarded: cached.and_then(strategy),
        rate: all.map(MethodSetting::throttling_rate_limit),
        burst: all.map(MethodSetting::throttling_burst_limit),
        log_level: all
            .and_then(|all| all.logging_level())
            .filter(|level| !level.is_empty() && *level != "OFF")
            .map(str::to_owned),
        access_log: access.and_then(|log| log.destination_arn()).map(str::to_owned),
        access_format: access.and_then(|log| log.format()).map(str::to_owned),
        metrics: all.filter(|all| all.metrics_enabled()).map(|_| true),
        tracing: stage.tracing_enabled(),
    }
}

/// What has to be done to a stage.
#[derive(Debug)]
pub struct StageChange {
    stage: Stage,
    create: bool,
    moves: bool,
    changes: Vec<Change>,
    behind: bool,
}

impl StageChange {
    /// Whether it needs the deployment of the wanted definition.
    pub fn needs_deployment(&self) -> bool {
        self.create || self.moves
    }
}

/// What has to be done to the stages of an API, so that they exist, are set as wanted and, when they
/// follow the newest code, serve the wanted definition. A stage that follows releases is moved by
/// releases alone. With `anew` the definition is deployed again though it is served.
pub fn changes_of(planner: &Planner<'_>, api: &WantedApi, anew: bool) -> Vec<StageChange> {
    let live = planner.live.apis.get(&api.name);
    let stages = planner.wanted.stages.iter();
    stages.filter_map(|stage| change_of(planner, api, stage, live, anew)).collect()
}

fn change_of(
    planner: &Planner<'_>,
    api: &WantedApi,
    stage: &Stage,
    live: Option<&LiveApi>,
    anew: bool,
) -> Option<StageChange> {
    let (create, moves) = (false, false);
    let none = StageChange { stage: stage.clone(), create, moves, changes: vec![], behind: false };
    let Some((live, present)) = live.and_then(|live| Some((live, live.stages.get(&stage.name)?)))
    else {
        return Some(StageChange { create: true, ..none });
    };
    let spec = planner.wanted.stage_spec(&api.name, stage);
    let serves = live.serves(&stage.name);
    // A deployment without labdeck's mark was made by somebody else.
    let by_hand = serves.is_none() && !present.deployment.is_empty();
    let keeps = by_hand && planner.wanted.keeps_drift;
    let differs = anew || (serves != Some(&api.definition.hash) && !keeps);
    let moves = stage.follows == Follows::Latest && differs;
    let mut all = Vec::new();
    if moves {
        let what = if by_hand && !live.drift.is_empty() {
            format!("serves another definition ({})", live.drift.join(", "))
        } else {
            "serves another definition".to_owned()
        };
        let (field, drift) = ("deployment".to_owned(), anew || by_hand);
        let overwrites = present.deployment.clone();
        all.push(Change { field, old: None, new: None, text: what, drift, overwrites });
    }
    all.extend(changes(&spec, &present.found));
    let behind = spec.record != present.found.record;
    (behind || !all.is_empty()).then_some(StageChange { moves, changes: all, behind, ..none })
}

/// Plans the stages of an API.
pub fn plan(planner: &mut Planner<'_>, api: &WantedApi, changes: Vec<StageChange>) {
    for change in changes {
        let label = label(&api.name, &change.stage.name);
        let mut after = api::last(planner, &api.name);
        let settings = wanted_settings(planner.wanted, &api.name, &change.stage);
        if logs(&settings) {
            after.extend(planner.of_kind(account::RESOURCE));
            let group = access_log_group(&planner.wanted.lab, &api.name, &change.stage.name);
            after.extend(planner.of(log_group::RESOURCE, &group));
        }
        let (api, stage) = (api.name.clone(), change.stage.name.clone());
        let new_cache = change.create || change.changes.iter().any(|c| c.field == "cache");
        let action =
            StageAction::Update { api: api.clone(), stage: stage.clone(), moves: change.moves };
        let index = if change.create {
            planner.create(RESOURCE, label.clone(), &after, StageAction::Create { api, stage })
        } else if change.changes.is_empty() && change.behind {
            planner.remember(RESOURCE, label.clone(), &after, action)
        } else {
            planner.change(RESOURCE, label.clone(), change.changes, &after, action)
        };
        if let Some(size) = settings.cache.filter(|_| new_cache) {
            let price = prices::cache_hour(&size);
            let price = price.map_or_else(|| "?".to_owned(), |dollars| format!("{dollars:.2}"));
            let warning = format!(
                "the cache of stage {label} ({size} GB) is billed by the hour, used or not: about \
                 {price} USD in us-east-1, without a free tier"
            );
            planner.warn(index, warning);
        }
    }
}

/// Whether these settings write logs, for which the account needs a role.
pub fn logs(settings: &StageSettings) -> bool {
    settings.log_level.is_some() || settings.access_log.is_some()
}

/// Plans to remove the stages whose logs would come again after their group was removed.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, api) in &planner.live.apis {
        for stage in api.stages.keys() {
            let group = execution_log_group(&api.id, stage);
            if planner.live.log_groups.contains_key(&group) {
                let action = StageAction::Delete { api_id: api.id.clone(), stage: stage.clone() };
                let reason = "it ends its execution log";
                let label = label(name, stage);
                planner.step(Verb::Delete, RESOURCE, label, reason, after, action);
            }
        }
    }
}

/// The steps on the stages of an API so far.
pub fn of_api(planner: &Planner<'_>, api: &str) -> Vec<usize> {
    let stages = planner.live.apis.get(api).into_iter().flat_map(|api| api.stages.keys());
    stages.flat_map(|stage| planner.of(RESOURCE, &label(api, stage))).collect()
}

impl Wanted {
    fn stage(&self, name: &str) -> Result<&Stage> {
        let stage = self.stages.iter().find(|stage| stage.name == name);
        stage.ok_or_else(|| missing(RESOURCE, name))
    }

    /// The settings of a stage of an API; where drift is kept, what was kept.
    pub(super) fn stage_spec(&self, api: &str, stage: &Stage) -> Spec<StageSettings> {
        let kept = self.kept_stages.get(&(api.to_owned(), stage.name.clone()));
        kept.cloned().unwrap_or_else(|| Spec::new(wanted_settings(self, api, stage)))
    }

    /// Takes over what somebody else changed on the stages.
    pub fn keep_stages(&mut self, live: &BTreeMap<String, LiveApi>) {
        for (api, stage) in self
            .apis
            .iter()
            .flat_map(|api| self.stages.iter().map(|stage| (api.name.clone(), stage.clone())))
            .collect::<Vec<_>>()
        {
            let mut spec = self.stage_spec(&api, &stage);
            if let Some(present) = live.get(&api).and_then(|api| api.stages.get(&stage.name)) {
                spec.keep_drift(&present.found);
                self.kept_stages.insert((api, stage.name), spec);
            }
        }
    }
}

fn operation(op: Op, path: impl Into<String>, value: Option<String>) -> PatchOperation {
    PatchOperation::builder().op(op).path(path).set_value(value).build()
}

fn replace(path: impl Into<String>, value: impl Display) -> PatchOperation {
    operation(Op::Replace, path, Some(format!("{value}")))
}

/// The patches that bring a stage from `before` to `after`.
fn patches(before: &StageSettings, after: &StageSettings) -> Vec<PatchOperation> {
    let mut all = Vec::new();
    for (name, value) in &after.variables {
        if before.variables.get(name) != Some(value) {
            all.push(replace(format!("/variables/{name}"), value));
        }
    }
    for name in before.variables.keys().filter(|name| !after.variables.contains_key(*name)) {
        all.push(operation(Op::Remove, format!("/variables/{name}"), None));
    }
    if before.tracing != after.tracing {
        all.push(replace("/tracingEnabled", after.tracing));
    }
    cache_patches(before, after, &mut all);
    if (before.rate, before.burst) != (after.rate, after.burst) {
        all.push(replace("/*/*/throttling/rateLimit", after.rate.unwrap_or(UNLIMITED.0)));
        all.push(replace("/*/*/throttling/burstLimit", after.burst.unwrap_or(UNLIMITED.1)));
    }
    if before.log_level != after.log_level {
        all.push(replace("/*/*/logging/loglevel", after.log_level.as_deref().unwrap_or("OFF")));
    }
    if before.metrics != after.metrics {
        all.push(replace("/*/*/metrics/enabled", after.metrics.unwrap_or(false)));
    }
    let log =
        |settings: &StageSettings| (settings.access_log.clone(), settings.access_format.clone());
    match (log(before), log(after)) {
        (old, new) if old == new => {}
        (_, (Some(group), format)) => {
            all.push(replace("/accessLogSettings/destinationArn", group));
            all.push(replace("/accessLogSettings/format", format.unwrap_or_default()));
        }
        (_, (None, _)) => all.push(operation(Op::Remove, "/accessLogSettings", None)),
    }
    all
}

fn cache_patches(before: &StageSettings, after: &StageSettings, all: &mut Vec<PatchOperation>) {
    match &after.cache {
        None if before.cache.is_some() => {
            all.push(replace("/*/*/caching/enabled", false));
            all.push(replace("/cacheClusterEnabled", false));
            return;
        }
        None => return,
        Some(size) if before.cache.as_ref() != Some(size) => {
            all.push(replace("/cacheClusterEnabled", true));
            all.push(replace("/cacheClusterSize", size));
        }
        Some(_) => {}
    }
    // Without these the cache holds nothing yet.
    if before.cache_ttl.is_none() {
        all.push(replace("/*/*/caching/enabled", true));
    }
    if let Some(ttl) = after.cache_ttl.filter(|ttl| before.cache_ttl != Some(*ttl)) {
        all.push(replace("/*/*/caching/ttlInSeconds", ttl));
    }
    if let Some(encrypted) =
        after.cache_encrypted.filter(|_| before.cache_encrypted != after.cache_encrypted)
    {
        all.push(replace("/*/*/caching/dataEncrypted", encrypted));
    }
    if let Some(guarded) =
        after.cache_guarded.filter(|_| before.cache_guarded != after.cache_guarded)
    {
        all.push(replace("/*/*/caching/requireAuthorizationForCacheControl", guarded));
    }
    if let Some(answer) =
        after.cache_unguarded.as_ref().filter(|_| before.cache_unguarded != after.cache_unguarded)
    {
        all.push(replace("/*/*/caching/unauthorizedCacheControlHeaderStrategy", answer));
    }
}

impl StepRun {
    pub(crate) async fn on_stage(&self, action: &StageAction) -> Result<()> {
        match action {
            StageAction::Create { api, stage } => self.create_stage(api, stage).await,
            StageAction::Update { api, stage, moves } => {
                self.update_stage(api, stage, *moves).await
            }
            StageAction::Delete { api_id, stage } => self.delete_stage(api_id, stage).await,
        }
    }

    async fn create_stage(&self, api: &str, stage: &str) -> Result<()> {
        let wanted = &self.context.wanted;
        let id = self.context.id(api::RESOURCE, api)?;
        let deployment = self.context.id(api::DEPLOYMENT, api)?;
        let spec = wanted.stage_spec(api, wanted.stage(stage)?);
        let settings = &spec.settings;
        let size = settings.cache.as_deref().map(CacheClusterSize::from);
        let made = self
            .patiently(|| async {
                self.target()
                    .apigateway()
                    .create_stage()
                    .rest_api_id(&id)
                    .stage_name(stage)
                    .deployment_id(&deployment)
                    .set_variables(Some(settings.variables.clone().into_iter().collect()))
                    .cache_cluster_enabled(settings.cache.is_some())
                    .set_cache_cluster_size(size.clone())
                    .tracing_enabled(settings.tracing)
                    .tags(LAB_TAG, &wanted.lab)
                    .tags(APPLIED_TAG, spec.record.text())
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(format!("creating stage {api}/{stage}"), &e))
            })
            .await;
        match made {
            Ok(_) => {}
            // Made by the attempt before, whose answer was lost.
            Err(failure)
                if failure.kind == FailureKind::Conflict
                    && failure.why.contains("already exists") => {}
            Err(failure) => return Err(failure),
        }
        let before = StageSettings {
            variables: settings.variables.clone(),
            cache: settings.cache.clone(),
            tracing: settings.tracing,
            ..StageSettings::default()
        };
        self.patch_stage((api, stage), &id, settings, patches(&before, settings)).await
    }

    async fn update_stage(&self, api: &str, stage: &str, moves: bool) -> Result<()> {
        let wanted = &self.context.wanted;
        let id = self.context.id(api::RESOURCE, api)?;
        let spec = wanted.stage_spec(api, wanted.stage(stage)?);
        let live = self.context.live.apis.get(api).and_then(|api| api.stages.get(stage));
        let live = live.ok_or_else(|| missing(RESOURCE, stage))?;
        let mut all = patches(&live.found.settings, &spec.settings);
        if moves {
            all.push(replace("/deploymentId", self.context.id(api::DEPLOYMENT, api)?));
        }
        self.patch_stage((api, stage), &id, &spec.settings, all).await?;
        if live.found.record == spec.record {
            return Ok(());
        }
        let path = format!("/restapis/{id}/stages/{stage}");
        self.tag_gateway(&path, LAB_TAG, &wanted.lab).await?;
        self.tag_gateway(&path, APPLIED_TAG, &spec.record.text()).await
    }

    async fn patch_stage(
        &self,
        (api, stage): (&str, &str),
        id: &str,
        settings: &StageSettings,
        operations: Vec<PatchOperation>,
    ) -> Result<()> {
        if operations.is_empty() {
            return Ok(());
        }
        if settings.log_level.is_some() {
            // Made beforehand, the group has the lab's tag and keeps no longer than the others.
            let spec = log_group::spec_of(self.context.wanted.log_retention_days);
            self.create_log_group(&execution_log_group(id, stage), &spec).await?;
        }
        self.patiently(|| async {
            self.target()
                .apigateway()
                .update_stage()
                .rest_api_id(id)
                .stage_name(stage)
                .set_patch_operations(Some(operations.clone()))
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("updating stage {api}/{stage}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn delete_stage(&self, api_id: &str, stage: &str) -> Result<()> {
        self.patiently(|| async {
            let call = self.target().apigateway().delete_stage().rest_api_id(api_id);
            let done = call.stage_name(stage).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting stage {stage}"), &e)))
        })
        .await
        .map(|_| ())
    }
}
