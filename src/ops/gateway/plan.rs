//! A usage plan: read, edited as a preview of patch operations, applied where nobody else changed it.

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::{PatchOperation, UsagePlan};
use labdeck_aws::{Failure, FailureKind, Result, changing};
use labdeck_lab::Blueprint;
use serde::Serialize;

use super::edit::{Done, Preview, Settings, drift_note, toml_value, unchanged};
use super::found::{self, api_names};
use super::patch::{Patch, Verb, escaped, told};
use super::plan_key::{MethodLimit, PlanKey, STAGES, check_offset};
use super::{rules, stage};
use crate::deploy::leased;
use crate::deploy::patiently;
use crate::engine::Engine;
use crate::{live, whose};

/// A usage plan as it was read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanModel {
    /// Name.
    pub name: String,
    /// Id.
    pub id: String,
    /// Its settings by name; what is not set is not there.
    pub settings: Settings,
    /// Ids of the lab's APIs by name: what its patches name them by.
    #[serde(skip)]
    pub api_ids: BTreeMap<String, String>,
}

impl PlanModel {
    /// `usage plan NAME`.
    pub fn subject(&self) -> String {
        format!("usage plan {}", self.name)
    }

    /// The stages that it is bound to, as `API/STAGE`.
    pub fn stages(&self) -> Vec<&str> {
        let bound = self.settings.iter().filter(|(_, on)| *on == "true");
        bound.filter_map(|(key, _)| key.strip_prefix(STAGES)).collect()
    }

    pub(super) fn of(plan: &UsagePlan, names: &BTreeMap<String, String>) -> Self {
        let mut all = Settings::new();
        let mut put = |key: PlanKey, value: String| {
            all.insert(key.to_string(), value);
        };
        if let Some(text) = plan.description().filter(|text| !text.is_empty()) {
            put(PlanKey::Description, text.to_owned());
        }
        if let Some(quota) = plan.quota() {
            put(PlanKey::QuotaLimit, quota.limit().to_string());
            let period = quota.period().map(|period| period.as_str().to_owned());
            put(PlanKey::QuotaPeriod, period.unwrap_or_default());
            put(PlanKey::QuotaOffset, quota.offset().to_string());
        }
        if let Some(limit) = plan.throttle() {
            put(PlanKey::Rate, format!("{}", limit.rate_limit()));
            put(PlanKey::Burst, limit.burst_limit().to_string());
        }
        for bound in plan.api_stages() {
            let id = bound.api_id().unwrap_or_default();
            let api = names.get(id).map_or(id, String::as_str);
            let label = format!("{api}/{}", bound.stage().unwrap_or_default());
            put(PlanKey::Stage(label.clone()), "true".to_owned());
            for (method, limit) in bound.throttle().into_iter().flatten() {
                let of = |which| PlanKey::Method {
                    stage: Some(label.clone()),
                    method: method.clone(),
                    limit: which,
                };
                put(of(MethodLimit::Rate), format!("{}", limit.rate_limit()));
                put(of(MethodLimit::Burst), limit.burst_limit().to_string());
            }
        }
        Self {
            name: plan.name().unwrap_or_default().to_owned(),
            id: plan.id().unwrap_or_default().to_owned(),
            settings: all,
            api_ids: names.iter().map(|(id, name)| (name.clone(), id.clone())).collect(),
        }
    }

    /// `API_ID:STAGE` of an `API/STAGE`; what has no name stands with its id.
    fn bound_id(&self, label: &str) -> String {
        let (api, stage) = label.rsplit_once('/').unwrap_or((label, ""));
        let id = self.api_ids.get(api).map_or(api, String::as_str);
        format!("{id}:{stage}")
    }
}

/// The lab's own usage plans, by name.
///
/// # Errors
/// Those of the calls.
pub async fn list(engine: &Engine, blueprint: &Blueprint) -> Result<Vec<PlanModel>> {
    let (apis, plans) =
        tokio::try_join!(live::rest_apis(&engine.target), live::usage_plans(&engine.target))?;
    let names = api_names(&apis, blueprint);
    let own = plans.iter().filter(|plan| whose::plan(plan, blueprint));
    let mut own: Vec<PlanModel> = own.map(|plan| PlanModel::of(plan, &names)).collect();
    own.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(own)
}

/// Reads a usage plan of the lab's own.
///
/// # Errors
/// `NotFound`, with those that there are.
pub async fn read(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<PlanModel> {
    let (apis, plan) =
        tokio::try_join!(live::rest_apis(&engine.target), found::plan(engine, blueprint, name))?;
    Ok(PlanModel::of(&plan, &api_names(&apis, blueprint)))
}

/// Checks `KEY=VALUE` as it is typed: the key, and the value as AWS takes it.
///
/// # Errors
/// AWS's rule, or the nearest right key.
pub fn check(key: &str, value: &str) -> Result<(String, String), String> {
    let key = PlanKey::parse(key)?;
    let value = key.check(value).map_err(|why| format!("{key}: {why}"))?;
    Ok((key.to_string(), value))
}

/// What a setting takes, in a few words; empty for a name that is none.
pub fn takes(key: &str) -> &'static str {
    PlanKey::parse(key).map_or("", |key| key.takes())
}

/// An edit of a usage plan that is ready to be applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanEdit {
    /// The plan as it was read.
    pub before: PlanModel,
    /// Its settings as they will be.
    pub after: Settings,
    /// What is shown.
    #[serde(flatten)]
    pub preview: Preview,
}

/// What `edits` would do to a plan as it was read. Calls nothing.
///
/// # Errors
/// Invalid when a key or value is not what AWS takes, or names what the lab does not have.
pub fn preview(
    blueprint: &Blueprint,
    before: PlanModel,
    edits: &[(String, String)],
) -> Result<PlanEdit> {
    let subject = before.subject();
    let bad = |why: String| Failure::new(FailureKind::Invalid, format!("editing {subject}"), why);
    let mut after = before.settings.clone();
    for (key, value) in edits {
        let key = PlanKey::parse(key).map_err(&bad)?;
        let value = key.check(value).map_err(|why| bad(format!("{key}: {why}")))?;
        set(blueprint, &mut after, &key, &value).map_err(&bad)?;
    }
    complete(&mut after).map_err(&bad)?;
    let patches = patches(&before, &after);
    let warnings = warnings(&before.settings, &after);
    Ok(PlanEdit { preview: Preview { subject, patches, warnings }, before, after })
}

fn set(
    blueprint: &Blueprint,
    after: &mut Settings,
    key: &PlanKey,
    value: &str,
) -> Result<(), String> {
    match key {
        PlanKey::Quota => after.retain(|name, _| !name.starts_with("quota.")),
        PlanKey::Throttle => after.retain(|name, _| !name.starts_with("throttle.")),
        PlanKey::Description if value.is_empty() => {
            after.remove("description");
        }
        PlanKey::Stage(label) => {
            let bound = after.contains_key(&key.to_string());
            if value == "true" {
                if !bound {
                    found::split_stage(blueprint, label).map_err(|failure| failure.why)?;
                }
                after.insert(key.to_string(), value.to_owned());
            } else if bound {
                after.remove(&key.to_string());
                let own = format!("{label}:");
                after.retain(|name, _| !name.starts_with(&own));
            } else {
                return Err(format!("the plan is not bound to {label}"));
            }
        }
        PlanKey::Method { stage, method, limit } => {
            for label in stages_with(blueprint, after, stage.as_deref(), method)? {
                let of = |limit| {
                    let (stage, method) = (Some(label.clone()), method.clone());
                    PlanKey::Method { stage, method, limit }.to_string()
                };
                if *limit == MethodLimit::None {
                    after.remove(&of(MethodLimit::Rate));
                    after.remove(&of(MethodLimit::Burst));
                } else {
                    after.insert(of(*limit), value.to_owned());
                }
            }
        }
        _ => {
            after.insert(key.to_string(), value.to_owned());
        }
    }
    Ok(())
}

/// The bound stages that a limit of a method is for.
fn stages_with(
    blueprint: &Blueprint,
    settings: &Settings,
    stage: Option<&str>,
    method: &str,
) -> Result<Vec<String>, String> {
    let bound: Vec<&str> = settings.keys().filter_map(|key| key.strip_prefix(STAGES)).collect();
    let has = |label: &str| {
        let api = label.rsplit_once('/').map_or(label, |(api, _)| api);
        let own = format!("{label}:{method}:");
        let known = stage::methods(blueprint, api);
        let any = method.rsplit_once('/').map(|(path, _)| format!("{path}/ANY"));
        known.contains(method)
            || any.is_some_and(|any| known.contains(&any))
            || settings.keys().any(|key| key.starts_with(&own))
    };
    if let Some(stage) = stage {
        if !bound.contains(&stage) {
            let near = rules::meant(stage, bound.iter().copied());
            return Err(format!(
                "the plan is not bound to {stage:?}, only to {}{near}",
                bound.join(", ")
            ));
        }
        if has(stage) {
            return Ok(vec![stage.to_owned()]);
        }
    }
    let with: Vec<String> = match stage {
        Some(_) => Vec::new(),
        None => bound.iter().filter(|label| has(label)).map(|label| (*label).to_owned()).collect(),
    };
    if !with.is_empty() {
        return Ok(with);
    }
    let apis = bound.iter().map(|label| label.rsplit_once('/').map_or(*label, |(api, _)| api));
    let known: Vec<String> = apis.flat_map(|api| stage::methods(blueprint, api)).collect();
    let near = rules::meant(method, known.iter().map(String::as_str));
    Err(format!("no stage of the plan has the method {method}{near}"))
}

/// What belongs together is there together.
fn complete(after: &mut Settings) -> Result<(), String> {
    if after.contains_key("quota.limit") {
        after.entry("quota.period".to_owned()).or_insert_with(|| "DAY".to_owned());
        after.entry("quota.offset".to_owned()).or_insert_with(|| "0".to_owned());
        check_offset(&after["quota.period"], &after["quota.offset"])?;
    } else if after.keys().any(|key| key.starts_with("quota.")) {
        return Err("a quota needs quota.limit".to_owned());
    }
    let half: Vec<String> = after
        .keys()
        .filter_map(|key| {
            let (other, word) = match key.strip_suffix("throttle.rate") {
                Some(start) => (format!("{start}throttle.burst"), "burst"),
                None => (format!("{}throttle.rate", key.strip_suffix("throttle.burst")?), "rate"),
            };
            (!after.contains_key(&other)).then(|| format!("{other} (a limit has rate and {word})"))
        })
        .collect();
    match half.first() {
        Some(missing) => Err(format!("give {missing}, too")),
        None => Ok(()),
    }
}

/// The operations between two states, all for one call: AWS takes one in 20 seconds.
fn patches(model: &PlanModel, after: &Settings) -> Vec<Patch> {
    let before = &model.settings;
    let mut all = Vec::new();
    let changed = |key: &str| before.get(key) != after.get(key);
    let replaced = |key: &str, path: &str| {
        let new = after.get(key).map_or("", String::as_str);
        Patch::replace(path, new, before.get(key).map(String::as_str))
    };
    if changed("description") {
        all.push(replaced("description", "/description"));
    }
    for (group, members) in [
        ("quota", &[("limit", "limit"), ("period", "period"), ("offset", "offset")][..]),
        ("throttle", &[("rate", "rateLimit"), ("burst", "burstLimit")][..]),
    ] {
        let key = |member: &str| format!("{group}.{member}");
        let first = key(members[0].0);
        if before.contains_key(&first) && !after.contains_key(&first) {
            let old: Vec<&str> =
                members.iter().filter_map(|(m, _)| Some(before.get(&key(m))?.as_str())).collect();
            all.push(Patch::remove(format!("/{group}"), Some(&old.join(" "))));
            continue;
        }
        let changes = members.iter().filter(|(member, _)| changed(&key(member)));
        all.extend(changes.map(|(m, name)| replaced(&key(m), &format!("/{group}/{name}"))));
    }
    let gone: Vec<&String> =
        before.keys().filter(|key| key.starts_with(STAGES) && !after.contains_key(*key)).collect();
    for key in &gone {
        let label = &key[STAGES.len()..];
        all.push(Patch::member(Verb::Remove, "/apiStages", model.bound_id(label)));
    }
    let new = after.keys().filter(|key| key.starts_with(STAGES) && !before.contains_key(*key));
    for key in new {
        let label = &key[STAGES.len()..];
        all.push(Patch::member(Verb::Add, "/apiStages", model.bound_id(label)));
    }
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys.into_iter().filter(|key| changed(key)) {
        let Ok(PlanKey::Method { stage: Some(label), method, limit }) = PlanKey::parse(key) else {
            continue;
        };
        if gone.iter().any(|known| known[STAGES.len()..] == label) {
            continue;
        }
        let (path, verb) = method.rsplit_once('/').unwrap_or((&method, ""));
        let path = if path.is_empty() { "/" } else { path };
        let base =
            format!("/apiStages/{}/throttle/{}/{verb}", model.bound_id(&label), escaped(path));
        match (after.contains_key(key), limit) {
            (true, MethodLimit::Rate) => all.push(replaced(key, &format!("{base}/rateLimit"))),
            (true, _) => all.push(replaced(key, &format!("{base}/burstLimit"))),
            (false, MethodLimit::Rate) => {
                all.push(Patch::remove(base, before.get(key).map(String::as_str)));
            }
            (false, _) => {}
        }
    }
    all
}

fn warnings(before: &Settings, after: &Settings) -> Vec<String> {
    let mut all = Vec::new();
    for (key, value) in after {
        if before.get(key) != Some(value) && key.ends_with("throttle.rate") && value == "0" {
            all.push(format!("{key} of 0 refuses every request with 429"));
        }
    }
    let number = |settings: &Settings| settings.get("quota.limit")?.parse::<i64>().ok();
    if let (Some(old), Some(new)) = (number(before), number(after))
        && new < old
    {
        all.push("a key that has used more than the new quota is refused at once".to_owned());
    }
    let stages = |settings: &Settings| settings.keys().any(|key| key.starts_with(STAGES));
    if stages(before) && !stages(after) {
        all.push("a plan without stages opens nothing: its keys get 403".to_owned());
    }
    all
}

/// Applies an edit, unless somebody else changed the plan since it was read.
///
/// # Errors
/// Conflict when somebody did, with both sides, or changes the lab at this moment.
pub async fn apply(engine: &Engine, blueprint: &Blueprint, edit: &PlanEdit) -> Result<Done> {
    let subject = &edit.preview.subject;
    if edit.preview.patches.is_empty() {
        return Ok(Done::new(format!("{subject}: nothing to change")));
    }
    let before = &edit.before;
    let operations: Vec<PatchOperation> =
        edit.preview.patches.iter().map(Patch::operation).collect();
    let work = async {
        let now = read(engine, blueprint, &before.name).await?;
        if now.id != before.id {
            let why = "somebody else removed it and made another of its name; nothing was changed";
            return Err(Failure::new(FailureKind::Conflict, format!("editing {subject}"), why));
        }
        unchanged(subject, &before.settings, &now.settings, &edit.after)?;
        patiently(|| async {
            let call = engine.target.apigateway().update_usage_plan().usage_plan_id(&before.id);
            let (from, to) = told(&edit.preview.patches);
            let call = call.set_patch_operations(Some(operations.clone()));
            let done = changing(from, to, call.send()).await;
            done.map(|_| ())
                .map_err(|error| Failure::from_sdk(format!("changing {subject}"), &error))
        })
        .await
    };
    leased(engine, &whose::lease(blueprint), Box::pin(work)).await?;
    let count = edit.preview.patches.len();
    let said = match count {
        1 => format!("{subject}: 1 setting changed"),
        _ => format!("{subject}: {count} settings changed"),
    };
    let mut done = Done::new(said);
    done.patches.clone_from(&edit.preview.patches);
    done.notes.extend(note(blueprint, edit));
    Ok(done)
}

/// What the next deploy makes of the edit.
fn note(blueprint: &Blueprint, edit: &PlanEdit) -> Option<String> {
    if blueprint.attached.is_some() {
        return whose::hand_edit_note(blueprint);
    }
    let (before, after) = (&edit.before.settings, &edit.after);
    let mut kept: Vec<(String, String)> = Vec::new();
    let mut put = |key: String, value: String| {
        if !kept.iter().any(|(known, _)| *known == key) {
            kept.push((key, value));
        }
    };
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys.into_iter().filter(|key| before.get(*key) != after.get(*key)) {
        let value =
            after.get(key).map_or_else(|| "(taken out)".to_owned(), |value| toml_value(value));
        match PlanKey::parse(key) {
            Ok(PlanKey::Stage(_)) => {
                let stages = |settings: &Settings| -> Vec<String> {
                    let bound = settings.keys().filter_map(|key| key.strip_prefix(STAGES));
                    let mut names: Vec<String> = bound
                        .filter_map(|label| Some(format!("{:?}", label.rsplit_once('/')?.1)))
                        .collect();
                    names.sort_unstable();
                    names.dedup();
                    names
                };
                put("stages".to_owned(), format!("[{}]", stages(after).join(", ")));
            }
            Ok(PlanKey::Method { method, limit, .. }) => {
                let member = if limit == MethodLimit::Burst { "burst" } else { "rate" };
                put(format!("methods.{method:?}.{member}"), value);
            }
            _ => put(key.clone(), value),
        }
    }
    let known = blueprint.plans_of_all_variants().any(|plan| plan.name == edit.before.name);
    known.then(|| drift_note(&format!("plans.{}", edit.before.name), &kept)).flatten()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
