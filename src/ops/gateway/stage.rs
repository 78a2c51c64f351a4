//! A stage: read, edited as a preview of patch operations, applied where nobody else changed it.

use std::collections::BTreeSet;

use aws_sdk_apigateway::types::{MethodSetting, Stage};
use labdeck_aws::{Failure, FailureKind, Result, changing};
use labdeck_lab::Blueprint;
use serde::Serialize;

use super::edit::{Done, Preview, Settings, drift_note, toml_value, unchanged};
use super::found::{self, Place};
use super::patch::{Patch, told, unescaped};
use super::rules;
use super::stage_key::{MethodKey, StageKey};
use crate::deploy::leased;
use crate::deploy::patiently;
use crate::engine::Engine;
use crate::{live, prices, whose};

/// A stage as it was read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageModel {
    /// API's name.
    pub api: String,
    /// API's id.
    pub api_id: String,
    /// Stage's name.
    pub stage: String,
    /// Its settings by name; what is not set is not there.
    pub settings: Settings,
    /// What the cache is doing, where there is one: `AVAILABLE`, `CREATE_IN_PROGRESS` …
    pub cache_status: Option<String>,
    /// When it was last changed, in ms since the epoch.
    pub updated_ms: i64,
}

impl StageModel {
    /// `API/STAGE`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.api, self.stage)
    }

    /// `stage API/STAGE`.
    pub fn subject(&self) -> String {
        format!("stage {}", self.label())
    }

    /// The deployment that it serves.
    pub fn deployment(&self) -> &str {
        self.settings.get("deployment").map_or("", String::as_str)
    }

    /// Whether it has a cache.
    pub fn has_cache(&self) -> bool {
        self.settings.get("cache.cluster").is_some_and(|on| on == "true")
    }

    pub(super) fn of(place: &Place, stage: &Stage) -> Self {
        let status = stage.cache_cluster_status().map(|status| status.as_str().to_owned());
        Self {
            api: place.api.clone(),
            api_id: place.api_id.clone(),
            stage: place.stage.clone(),
            settings: settings(stage),
            cache_status: status.filter(|_| stage.cache_cluster_enabled()),
            updated_ms: stage
                .last_updated_date()
                .and_then(|at| at.to_millis().ok())
                .unwrap_or_default(),
        }
    }
}

/// A stage's settings by name.
fn settings(stage: &Stage) -> Settings {
    let mut all = Settings::new();
    let mut put = |key: StageKey, value: String| {
        all.insert(key.to_string(), value);
    };
    put(StageKey::Deployment, stage.deployment_id().unwrap_or_default().to_owned());
    if let Some(text) = stage.description().filter(|text| !text.is_empty()) {
        put(StageKey::Description, text.to_owned());
    }
    put(StageKey::Tracing, stage.tracing_enabled().to_string());
    for (name, value) in stage.variables().into_iter().flatten() {
        put(StageKey::Variable(name.clone()), value.clone());
    }
    put(StageKey::CacheCluster, stage.cache_cluster_enabled().to_string());
    if let Some(size) = stage.cache_cluster_size() {
        put(StageKey::CacheSize, size.as_str().to_owned());
    }
    if let Some(log) = stage.access_log_settings() {
        if let Some(arn) = log.destination_arn() {
            put(StageKey::AccessLog, arn.to_owned());
        }
        if let Some(format) = log.format() {
            put(StageKey::AccessFormat, format.to_owned());
        }
    }
    if let Some(canary) = stage.canary_settings() {
        put(StageKey::CanaryPercent, format!("{}", canary.percent_traffic()));
        put(StageKey::CanaryDeployment, canary.deployment_id().unwrap_or_default().to_owned());
        put(StageKey::CanaryCache, canary.use_stage_cache().to_string());
        for (name, value) in canary.stage_variable_overrides().into_iter().flatten() {
            put(StageKey::CanaryVariable(name.clone()), value.clone());
        }
    }
    for (place, setting) in stage.method_settings().into_iter().flatten() {
        let place = match place.rsplit_once('/') {
            Some(("*", "*")) => None,
            Some((path, verb)) => {
                let path = unescaped(path);
                let path = if path.is_empty() { "/".to_owned() } else { path };
                Some((path, verb.to_owned()))
            }
            None => continue,
        };
        for (key, value) in method_settings(setting) {
            put(StageKey::Method(place.clone(), key), value);
        }
    }
    all
}

fn method_settings(setting: &MethodSetting) -> Vec<(MethodKey, String)> {
    let level = setting.logging_level().filter(|level| !level.is_empty()).unwrap_or("OFF");
    let answer = setting.unauthorized_cache_control_header_strategy();
    let mut all = vec![
        (MethodKey::Rate, format!("{}", setting.throttling_rate_limit())),
        (MethodKey::Burst, setting.throttling_burst_limit().to_string()),
        (MethodKey::CacheEnabled, setting.caching_enabled().to_string()),
        (MethodKey::CacheTtl, setting.cache_ttl_in_seconds().to_string()),
        (MethodKey::CacheEncrypted, setting.cache_data_encrypted().to_string()),
        (MethodKey::CacheGuarded, setting.require_authorization_for_cache_control().to_string()),
        (MethodKey::LogLevel, level.to_owned()),
        (MethodKey::DataTrace, setting.data_trace_enabled().to_string()),
        (MethodKey::Metrics, setting.metrics_enabled().to_string()),
    ];
    all.extend(answer.map(|answer| (MethodKey::CacheAnswer, answer.as_str().to_owned())));
    all
}

/// Reads the stage that `name` means: `API/STAGE`, or the stage alone where the lab has one API.
///
/// # Errors
/// Invalid when the lab has no such stage; `NotFound` when it is not deployed.
pub async fn read(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<StageModel> {
    let place = found::stage(engine, blueprint, name).await?;
    read_at(engine, &place).await
}

pub(super) async fn read_at(engine: &Engine, place: &Place) -> Result<StageModel> {
    let call = engine.target.apigateway().get_stage().rest_api_id(&place.api_id);
    let answer = call.stage_name(&place.stage).send().await;
    let what = format!("reading stage {}", place.label());
    let found = answer.map_err(|error| Failure::from_sdk(what, &error))?;
    let stage = Stage::builder()
        .set_deployment_id(found.deployment_id)
        .set_description(found.description)
        .tracing_enabled(found.tracing_enabled)
        .set_variables(found.variables)
        .cache_cluster_enabled(found.cache_cluster_enabled)
        .set_cache_cluster_size(found.cache_cluster_size)
        .set_cache_cluster_status(found.cache_cluster_status)
        .set_access_log_settings(found.access_log_settings)
        .set_canary_settings(found.canary_settings)
        .set_method_settings(found.method_settings)
        .set_last_updated_date(found.last_updated_date)
        .build();
    Ok(StageModel::of(place, &stage))
}

/// Checks `KEY=VALUE` as it is typed: the key, and the value as AWS takes it.
///
/// # Errors
/// AWS's rule, or the nearest right key.
pub fn check(key: &str, value: &str) -> Result<(String, String), String> {
    let key = StageKey::parse(key)?;
    let value = key.check(value).map_err(|why| format!("{key}: {why}"))?;
    Ok((key.to_string(), value))
}

/// What a setting takes, in a few words; empty for a name that is none.
pub fn takes(key: &str) -> &'static str {
    StageKey::parse(key).map_or("", |key| key.takes())
}

/// An edit of a stage that is ready to be applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageEdit {
    /// The stage as it was read.
    pub before: StageModel,
    /// Its settings as they will be.
    pub after: Settings,
    /// What is shown.
    #[serde(flatten)]
    pub preview: Preview,
}

/// What `edits` would do to a stage as it was read. Calls nothing.
///
/// # Errors
/// Invalid when a key or value is not what AWS takes, or a method is none of the API's.
pub fn preview(
    blueprint: &Blueprint,
    before: StageModel,
    edits: &[(String, String)],
) -> Result<StageEdit> {
    let subject = before.subject();
    let bad = |why: String| Failure::new(FailureKind::Invalid, format!("editing {subject}"), why);
    let mut after = before.settings.clone();
    let mut wanted: Vec<(StageKey, String)> = Vec::new();
    for (key, value) in edits {
        let parsed = StageKey::parse(key).map_err(&bad)?;
        let value = parsed.check(value).map_err(|why| bad(format!("{parsed}: {why}")))?;
        if let StageKey::Method(Some(place), _) = &parsed {
            check_method(blueprint, &before, place).map_err(&bad)?;
        }
        if wanted.iter().any(|(known, _)| *known == parsed) {
            return Err(bad(format!("{parsed} is set twice")));
        }
        wanted.push((parsed, value));
    }
    let mut patches = Vec::new();
    for (key, value) in &wanted {
        patches.extend(patch_of(&before.settings, key, value).map_err(&bad)?);
        apply_to(&mut after, key, value);
    }
    let variables = after.keys().filter(|key| key.starts_with("variables.")).count();
    if variables > rules::MOST_VARIABLES {
        let why = format!("a stage has at most {} variables", rules::MOST_VARIABLES);
        return Err(bad(format!("{why}, and it would have {variables}")));
    }
    if after.contains_key("access_log.destination") != after.contains_key("access_log.format") {
        return Err(bad("an access log needs access_log.destination and access_log.format".into()));
    }
    let warnings = warnings(blueprint, &before.settings, &after);
    Ok(StageEdit { preview: Preview { subject, patches, warnings }, before, after })
}

/// The operation that gives `key` a value; none where it has it.
fn patch_of(before: &Settings, key: &StageKey, value: &str) -> Result<Option<Patch>, String> {
    let old = before.get(&key.to_string()).map(String::as_str);
    if !value.is_empty() {
        let same = old == Some(value);
        return Ok((!same).then(|| Patch::replace(key.path(), value, old)));
    }
    Ok(match key {
        StageKey::Description => old.map(|old| Patch::replace(key.path(), "", Some(old))),
        // The log goes with its format.
        StageKey::AccessLog => old.map(|old| Patch::remove("/accessLogSettings", Some(old))),
        StageKey::Canary => {
            let percent = before.get("canary.percent");
            percent.map(|percent| Patch::remove(key.path(), Some(&format!("{percent}%"))))
        }
        StageKey::Method(Some((path, verb)), MethodKey::All) => {
            let own = format!("{path}/{verb}:");
            let has = before.keys().any(|known| known.starts_with(&own));
            has.then(|| Patch::remove(key.path(), Some("its own settings")))
        }
        _ => match old {
            Some(old) => Some(Patch::remove(key.path(), Some(old))),
            None => return Err(format!("there is no {key} to take away")),
        },
    })
}

fn apply_to(after: &mut Settings, key: &StageKey, value: &str) {
    if !value.is_empty() {
        after.insert(key.to_string(), value.to_owned());
        return;
    }
    match key {
        StageKey::AccessLog => after.retain(|name, _| !name.starts_with("access_log.")),
        StageKey::Canary => after.retain(|name, _| !name.starts_with("canary.")),
        StageKey::Method(Some((path, verb)), MethodKey::All) => {
            let own = format!("{path}/{verb}:");
            after.retain(|name, _| !name.starts_with(&own));
        }
        _ => {
            after.remove(&key.to_string());
        }
    }
}

/// A method must be one of the API's in some variant, or have settings already.
fn check_method(
    blueprint: &Blueprint,
    stage: &StageModel,
    (path, verb): &(String, String),
) -> Result<(), String> {
    let name = format!("{path}/{verb}");
    let own = format!("{name}:");
    if stage.settings.keys().any(|known| known.starts_with(&own)) {
        return Ok(());
    }
    let known = methods(blueprint, &stage.api);
    if known.contains(&name) || known.contains(&format!("{path}/ANY")) {
        return Ok(());
    }
    let all: Vec<&str> = known.iter().map(String::as_str).collect();
    let near = rules::meant(&name, all.iter().copied());
    Err(format!("API {} has no method {name}; it has {}{near}", stage.api, all.join(", ")))
}

/// Methods of an API in any of the lab's variants, as `/path/METHOD`.
pub(super) fn methods(blueprint: &Blueprint, api: &str) -> BTreeSet<String> {
    let variants =
        blueprint.variants.iter().filter_map(|variant| blueprint.variant_of(&variant.name));
    let mut all = BTreeSet::new();
    for lab in variants.chain([blueprint.clone()]) {
        let Some(found) = lab.apis.iter().find(|known| known.name == api) else { continue };
        let Some(paths) = found.document["paths"].as_object() else { continue };
        for (path, item) in paths {
            for verb in item.as_object().into_iter().flat_map(|item| item.keys()) {
                let upper = verb.to_ascii_uppercase();
                if verb == "x-amazon-apigateway-any-method" {
                    all.insert(format!("{path}/ANY"));
                } else if super::stage_key::VERBS.contains(&upper.as_str()) {
                    all.insert(format!("{path}/{upper}"));
                }
            }
        }
    }
    all
}

fn warnings(blueprint: &Blueprint, before: &Settings, after: &Settings) -> Vec<String> {
    let mut all = Vec::new();
    let is = |settings: &Settings, key: &str, value: &str| {
        settings.get(key).is_some_and(|known| known == value)
    };
    let changed = |key: &str| before.get(key) != after.get(key);
    let cached = is(after, "cache.cluster", "true");
    if cached && (changed("cache.cluster") || changed("cache.size_gb")) {
        let size = after.get("cache.size_gb").map_or("0.5", String::as_str);
        let price = prices::cache_hour(size).map_or_else(|| "?".to_owned(), |p| format!("{p:.2}"));
        all.push(format!(
            "a cache of {size} GB is billed by the hour, used or not: about {price} USD in \
             us-east-1, without a free tier"
        ));
        if !is(after, "cache.enabled", "true") {
            all.push("nothing is kept in it until cache.enabled is on as well".to_owned());
        }
    }
    if !cached && changed("cache.cluster") {
        all.push("what the cache holds is lost".to_owned());
    }
    for (key, value) in after {
        if changed(key) && key.ends_with("throttle.rate") && value == "0" {
            all.push(format!("{key} of 0 refuses every request with 429"));
        }
    }
    if changed("variables.lambdaAlias")
        && let Some(alias) = after.get("variables.lambdaAlias")
        && !blueprint.stages.iter().any(|stage| stage.alias == *alias)
    {
        all.push(format!(
            "no other stage uses the alias {alias}: without the alias and a permission on it the API \
             answers 500"
        ));
    }
    if changed("deployment") {
        all.push("what the stage answers changes at once".to_owned());
    }
    all
}

/// Applies an edit, unless somebody else changed the stage since it was read.
///
/// # Errors
/// Conflict when somebody did, with both sides, or changes the lab at this moment.
pub async fn apply(engine: &Engine, blueprint: &Blueprint, edit: &StageEdit) -> Result<Done> {
    let subject = &edit.preview.subject;
    if edit.preview.patches.is_empty() {
        return Ok(Done::new(format!("{subject}: nothing to change")));
    }
    let before = &edit.before;
    let place = Place {
        api: before.api.clone(),
        api_id: before.api_id.clone(),
        stage: before.stage.clone(),
    };
    let work = async {
        let now = read_at(engine, &place).await?;
        unchanged(subject, &before.settings, &now.settings, &edit.after)?;
        patch(engine, &place, &edit.preview.patches).await
    };
    leased(engine, &whose::lease(blueprint), Box::pin(work)).await?;
    let count = edit.preview.patches.len();
    let settings = if count == 1 { "1 setting" } else { "settings" };
    let many = if count == 1 { settings.to_owned() } else { format!("{count} {settings}") };
    let mut done = Done::new(format!("{subject}: {many} changed"));
    done.patches.clone_from(&edit.preview.patches);
    done.notes.extend(notes(blueprint, edit));
    Ok(done)
}

/// All operations in one call.
pub(super) async fn patch(engine: &Engine, place: &Place, patches: &[Patch]) -> Result<()> {
    let operations: Vec<_> = patches.iter().map(Patch::operation).collect();
    patiently(|| async {
        let call = engine.target.apigateway().update_stage().rest_api_id(&place.api_id);
        let call = call.stage_name(&place.stage).set_patch_operations(Some(operations.clone()));
        let what = format!("changing stage {}", place.label());
        let (from, to) = told(patches);
        changing(from, to, call.send()).await.map(|_| ()).map_err(|error| {
            let failure = Failure::from_sdk(what, &error);
            if failure.why.contains("CloudWatch Logs role ARN") {
                return failure.next(
                    "API Gateway writes no logs before the account names a role: deploying a lab whose \
                     lab.toml declares a log (access_log or log_level) sets it, and so does: aws \
                     apigateway update-account --patch-operations \
                     op=replace,path=/cloudwatchRoleArn,value=ARN",
                );
            }
            failure
        })
    })
    .await
}

/// What the next deploy makes of the edit.
fn notes(blueprint: &Blueprint, edit: &StageEdit) -> Vec<String> {
    if let Some(note) = whose::hand_edit_note(blueprint) {
        return vec![note];
    }
    let mut kept: Vec<(String, String)> = Vec::new();
    let mut keys: Vec<&String> = edit.before.settings.keys().chain(edit.after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys.iter().filter(|key| edit.before.settings.get(**key) != edit.after.get(**key)) {
        let name = StageKey::parse(key).ok().and_then(|key| key.in_lab_toml());
        let Some(name) = name else { continue };
        let value = match (name.as_str(), edit.after.get(*key)) {
            ("cache", Some(on)) if on == "true" => {
                let size = edit.after.get("cache.size_gb").map_or("0.5", String::as_str);
                format!("{{ size_gb = {size} }}")
            }
            ("cache", _) => "(taken out)".to_owned(),
            ("access_log", Some(_)) => "true".to_owned(),
            ("access_log", None) => "false".to_owned(),
            (_, Some(value)) => toml_value(value),
            (_, None) => "(taken out)".to_owned(),
        };
        if !kept.iter().any(|(known, _)| *known == name) {
            kept.push((name, value));
        }
    }
    let mut notes: Vec<String> =
        drift_note(&format!("stages.{}", edit.before.stage), &kept).into_iter().collect();
    if edit.before.settings.get("deployment") != edit.after.get("deployment") {
        notes.push(super::deployments::moved_note(blueprint, &edit.before.stage));
    }
    notes
}

/// The stages of an API as they were listed.
pub(super) async fn of_api(engine: &Engine, api: &str, api_id: &str) -> Result<Vec<StageModel>> {
    let mut stages: Vec<StageModel> = live::stages(&engine.target, api_id)
        .await?
        .iter()
        .map(|stage| {
            let name = stage.stage_name().unwrap_or_default().to_owned();
            let place = Place { api: api.to_owned(), api_id: api_id.to_owned(), stage: name };
            StageModel::of(&place, stage)
        })
        .collect();
    stages.sort_by(|a, b| a.stage.cmp(&b.stage));
    Ok(stages)
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
