//! Usage plans: the stages they are bound to, their limits, their keys.

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::{
    ApiStage, Op, PatchOperation, QuotaPeriodType, QuotaSettings, ThrottleSettings, UsagePlan,
};
use futures_util::future::try_join_all;
use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::blueprint::UsagePlan as Plan;
use serde::{Deserialize, Serialize};

use super::api::{self, METHODS, once};
use super::{key, stage};
use crate::deploy::graph::Planner;
use crate::deploy::plan::Verb;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Settings, Shown, Spec, changes};
use crate::deploy::wanted::Wanted;
use crate::live::{self, LAB_TAG, existing};

/// What the plan calls it.
pub const RESOURCE: &str = "usage plan";
/// What the plan calls a key of one.
pub const MEMBER: &str = "usage plan key";

/// Requests per second and at once of a method, by `/path/METHOD`.
pub type MethodLimits = BTreeMap<String, (f64, i32)>;

/// What a usage plan is set to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UsagePlanSettings {
    /// One line.
    pub description: String,
    /// Requests per time.
    pub quota: Option<i32>,
    /// `DAY`, `WEEK` or `MONTH`.
    pub quota_period: Option<String>,
    /// Requests taken off the first period.
    pub quota_offset: Option<i32>,
    /// Requests per second.
    pub rate: Option<f64>,
    /// Requests at once.
    pub burst: Option<i32>,
    /// The stages it is bound to, as `API/STAGE`, with the limits of single methods.
    pub stages: BTreeMap<String, MethodLimits>,
}

impl Settings for UsagePlanSettings {
    fn shown(field: &str) -> Shown {
        match field {
            "description" => Shown::Hidden,
            "stages" => Shown::Names,
            _ => Shown::Value(""),
        }
    }
}

/// A usage plan that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedPlan {
    /// Name.
    pub name: String,
    /// Names of its keys.
    pub keys: Vec<String>,
    /// Settings.
    pub spec: Spec<UsagePlanSettings>,
}

/// A usage plan of the lab's own that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LivePlan {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// The stages it is bound to, as AWS writes them: `API_ID:STAGE`.
    pub bound: Vec<String>,
    /// Ids of its keys.
    pub keys: Vec<String>,
    /// Its settings.
    pub found: Found<UsagePlanSettings>,
}

/// What is done to a usage plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsagePlanAction {
    /// Make it, bound to its stages.
    Create(String),
    /// Change its settings.
    Update(String),
    /// Give it a key.
    AddKey {
        /// Plan.
        plan: String,
        /// Key's name.
        key: String,
    },
    /// Take a key from it.
    RemoveKey {
        /// Plan's id.
        plan_id: String,
        /// Key's id.
        key_id: String,
    },
    /// Unbind it from its stages, by id.
    Unbind(String),
    /// Remove it, by id.
    Delete(String),
}

/// The usage plans of a blueprint.
pub fn wanted(resolver: &Resolver<'_>) -> Vec<WantedPlan> {
    resolver.blueprint.plans.iter().map(|plan| wanted_plan(resolver, plan)).collect()
}

fn wanted_plan(resolver: &Resolver<'_>, plan: &Plan) -> WantedPlan {
    let mut stages = BTreeMap::new();
    for api in &plan.apis {
        let document = resolver.blueprint.apis.iter().find(|known| known.name == *api);
        let has = |place: &str| {
            let Some((path, method)) = place.rsplit_once('/') else { return false };
            let item = document.and_then(|api| api.document["paths"].get(path));
            METHODS.iter().any(|verb| {
                let same = verb.eq_ignore_ascii_case(method) || verb.starts_with("x-");
                same && item.is_some_and(|item| item.get(verb).is_some())
            })
        };
        for stage in &plan.stages {
            let methods: MethodLimits = plan
                .methods
                .iter()
                .filter(|(place, _)| has(place))
                .map(|(place, limit)| (place.clone(), (limit.rate, limit.burst)))
                .collect();
            stages.insert(stage::label(api, stage), methods);
        }
    }
    let settings = UsagePlanSettings {
        description: plan.description.clone(),
        quota: plan.quota.map(|quota| quota.limit),
        quota_period: plan.quota.map(|quota| quota.period.as_str().to_owned()),
        quota_offset: plan.quota.map(|quota| quota.offset),
        rate: plan.throttle.map(|throttle| throttle.rate),
        burst: plan.throttle.map(|throttle| throttle.burst),
        stages,
    };
    WantedPlan { name: plan.name.clone(), keys: plan.keys.clone(), spec: Spec::new(settings) }
}

/// The lab's own usage plans as they are listed; the names of stages are filled in by [`named`].
pub async fn observe(target: &Target, lab: &str) -> Result<Vec<LivePlan>> {
    let all = live::usage_plans(target).await?;
    let own = all.into_iter().filter(|plan| {
        plan.tags().and_then(|tags| tags.get(LAB_TAG)).is_some_and(|owner| owner == lab)
    });
    let mut plans =
        try_join_all(own.map(|plan| async { live_plan(target, plan, lab).await })).await?;
    plans.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(plans)
}

async fn live_plan(target: &Target, plan: UsagePlan, lab: &str) -> Result<LivePlan> {
    let id = plan.id().unwrap_or_default().to_owned();
    let keys = live::usage_plan_keys(target, &id).await?;
    let (quota, throttle) = (plan.quota(), plan.throttle());
    let limits = |stage: &ApiStage| -> MethodLimits {
        let all = stage.throttle().into_iter().flatten();
        all.map(|(place, limit)| (place.clone(), (limit.rate_limit(), limit.burst_limit())))
            .collect()
    };
    let bound = |stage: &ApiStage| {
        format!("{}:{}", stage.api_id().unwrap_or_default(), stage.stage().unwrap_or_default())
    };
    let settings = UsagePlanSettings {
        description: plan.description().unwrap_or_default().to_owned(),
        quota: quota.map(QuotaSettings::limit),
        quota_period: quota.and_then(|quota| Some(quota.period()?.as_str().to_owned())),
        quota_offset: quota.map(QuotaSettings::offset),
        rate: throttle.map(ThrottleSettings::rate_limit),
        burst: throttle.map(ThrottleSettings::burst_limit),
        stages: plan.api_stages().iter().map(|stage| (bound(stage), limits(stage))).collect(),
    };
    let tags = plan.tags().cloned().unwrap_or_default();
    Ok(LivePlan {
        id,
        name: plan.name().unwrap_or_default().to_owned(),
        bound: plan.api_stages().iter().map(bound).collect(),
        keys: keys.into_iter().filter_map(|key| key.id).collect(),
        found: Found::new(lab, settings, |name| tags.get(name).cloned()),
    })
}

/// Writes the names of APIs in place of the ids that `names` knows.
pub fn named(plan: &mut LivePlan, names: &BTreeMap<String, String>) {
    let stages = std::mem::take(&mut plan.found.settings.stages);
    plan.found.settings.stages = stages
        .into_iter()
        .map(|(bound, limits)| {
            let name = bound
                .split_once(':')
                .and_then(|(id, stage)| Some(stage::label(names.get(id)?, stage)));
            (name.unwrap_or(bound), limits)
        })
        .collect();
}

/// Plans the usage plans and their keys.
pub fn plan(planner: &mut Planner<'_>) {
    for wanted in &planner.wanted.plans {
        let name = &wanted.name;
        let mut after = Vec::new();
        for bound in wanted.spec.settings.stages.keys() {
            after.extend(planner.of(stage::RESOURCE, bound));
            let api = bound.rsplit_once('/').map_or("", |(api, _)| api);
            after.extend(planner.of(api::RESOURCE, api));
        }
        let live = planner.live.plans.iter().find(|live| live.name == *name);
        match live {
            None => {
                planner.create(RESOURCE, name, &after, UsagePlanAction::Create(name.clone()));
            }
            Some(live) => {
                let action = UsagePlanAction::Update(name.clone());
                planner.update(RESOURCE, name, (&wanted.spec, &live.found), &after, action);
            }
        }
        plan_keys(planner, wanted, live);
    }
    plan_obsolete(planner);
}

fn plan_keys(planner: &mut Planner<'_>, wanted: &WantedPlan, live: Option<&LivePlan>) {
    let name = &wanted.name;
    for key in &wanted.keys {
        let known = planner.live.keys.iter().find(|live| live.name == *key);
        if let (Some(known), Some(live)) = (known, live)
            && live.keys.contains(&known.id)
        {
            continue;
        }
        let mut after = planner.of(RESOURCE, name);
        after.extend(planner.of(key::RESOURCE, key));
        let action = UsagePlanAction::AddKey { plan: name.clone(), key: key.clone() };
        planner.create(MEMBER, format!("{name}/{key}"), &after, action);
    }
    let Some(live) = live else { return };
    for key in &planner.live.keys {
        // A key of somebody else's was put there by hand, and is left.
        let left = key.kept.is_some() || wanted.keys.contains(&key.name);
        if left || !live.keys.contains(&key.id) {
            continue;
        }
        let action =
            UsagePlanAction::RemoveKey { plan_id: live.id.clone(), key_id: key.id.clone() };
        let label = format!("{name}/{}", key.name);
        planner.step(Verb::Delete, MEMBER, label, "not in lab.toml any more", &[], action);
    }
}

fn plan_obsolete(planner: &mut Planner<'_>) {
    for (index, live) in planner.live.plans.iter().enumerate() {
        let wanted = planner.wanted.plans.iter().any(|plan| plan.name == live.name);
        let double = planner.live.plans[..index].iter().any(|other| other.name == live.name);
        if wanted && !double {
            continue;
        }
        let reason = match &planner.wanted.variant {
            _ if double => "a double of the lab's own plan".to_owned(),
            Some(variant) => format!("not in variant {variant}"),
            None => "not in lab.toml any more".to_owned(),
        };
        unbind_and_delete(planner, live, &reason);
    }
}

/// A plan that is bound to stages can't be deleted.
fn unbind_and_delete(planner: &mut Planner<'_>, live: &LivePlan, reason: &str) -> usize {
    let mut after = Vec::new();
    if !live.bound.is_empty() {
        let label = format!("{} (stages)", live.name);
        let action = UsagePlanAction::Unbind(live.id.clone());
        after.push(planner.step(Verb::Update, RESOURCE, label, "bound to stages", &[], action));
    }
    let action = UsagePlanAction::Delete(live.id.clone());
    planner.step(Verb::Delete, RESOURCE, &live.name, reason, &after, action)
}

/// Plans to remove the usage plans: the first of all, since they are bound to stages and hold keys.
pub fn plan_destroy(planner: &mut Planner<'_>) -> Vec<usize> {
    let plans = planner.live.plans.iter();
    plans.map(|live| unbind_and_delete(planner, live, "the lab is destroyed")).collect()
}

impl Wanted {
    fn plan(&self, name: &str) -> Result<&WantedPlan> {
        self.plans.iter().find(|plan| plan.name == name).ok_or_else(|| missing(RESOURCE, name))
    }
}

fn operation(op: Op, path: impl Into<String>, value: Option<String>) -> PatchOperation {
    PatchOperation::builder().op(op).path(path).set_value(value).build()
}

/// A path of AWS's patches: its slashes stand as `~1`.
fn escaped(path: &str) -> String {
    path.replace('~', "~0").replace('/', "~1")
}

/// The patches that bring a plan from `before` to `after`; `id_of` gives `API_ID:STAGE` of an
/// `API/STAGE`. All go in one call: AWS takes one in 20 seconds.
fn patches(
    before: &UsagePlanSettings,
    after: &UsagePlanSettings,
    id_of: impl Fn(&str) -> Result<String>,
) -> Result<Vec<PatchOperation>> {
    let mut all = Vec::new();
    let replace = |path: &str, value: String| operation(Op::Replace, path, Some(value));
    if before.description != after.description {
        all.push(replace("/description", after.description.clone()));
    }
    match (before.quota, after.quota) {
        (Some(_), None) => all.push(operation(Op::Remove, "/quota", None)),
        (_, Some(limit)) => {
            let quota = |s: &UsagePlanSettings| (s.quota, s.quota_period.clone(), s.quota_offset);
            if quota(before) != quota(after) {
                all.push(replace("/quota/limit", limit.to_string()));
                all.push(replace("/quota/period", after.quota_period.clone().unwrap_or_default()));
                let offset = after.quota_offset.unwrap_or_default();
                all.push(replace("/quota/offset", offset.to_string()));
            }
        }
        (None, None) => {}
    }
    match ((before.rate, before.burst), (after.rate, after.burst)) {
        (old, new) if old == new => {}
        (_, (Some(rate), burst)) => {
            all.push(replace("/throttle/rateLimit", rate.to_string()));
            all.push(replace("/throttle/burstLimit", burst.unwrap_or_default().to_string()));
        }
        (_, (None, _)) => all.push(operation(Op::Remove, "/throttle", None)),
    }
    for stage in before.stages.keys().filter(|stage| !after.stages.contains_key(*stage)) {
        all.push(operation(Op::Remove, "/apiStages", Some(id_of(stage)?)));
    }
    let none = MethodLimits::new();
    for (stage, limits) in &after.stages {
        let id = id_of(stage)?;
        let old = before.stages.get(stage);
        if old.is_none() {
            all.push(operation(Op::Add, "/apiStages", Some(id.clone())));
        }
        let old = old.unwrap_or(&none);
        let base = |place: &str| {
            let (path, method) = place.rsplit_once('/').unwrap_or((place, ""));
            format!("/apiStages/{id}/throttle/{}/{method}", escaped(path))
        };
        for place in old.keys().filter(|place| !limits.contains_key(*place)) {
            all.push(operation(Op::Remove, base(place), None));
        }
        for (place, (rate, burst)) in limits {
            if old.get(place) != Some(&(*rate, *burst)) {
                all.push(replace(&format!("{}/rateLimit", base(place)), rate.to_string()));
                all.push(replace(&format!("{}/burstLimit", base(place)), burst.to_string()));
            }
        }
    }
    Ok(all)
}

impl StepRun {
    pub(crate) async fn on_usage_plan(&self, action: &UsagePlanAction) -> Result<()> {
        match action {
            UsagePlanAction::Create(name) => self.create_plan(name).await,
            UsagePlanAction::Update(name) => self.update_plan(name).await,
            UsagePlanAction::AddKey { plan, key } => self.add_plan_key(plan, key).await,
            UsagePlanAction::RemoveKey { plan_id, key_id } => {
                self.remove_plan_key(plan_id, key_id).await
            }
            UsagePlanAction::Unbind(id) => self.unbind_plan(id).await,
            UsagePlanAction::Delete(id) => self.delete_plan(id).await,
        }
    }

    /// `API_ID:STAGE` of an `API/STAGE`; what has no name stands with its id already.
    fn bound_id(&self, label: &str) -> Result<String> {
        match label.rsplit_once('/') {
            Some((api, stage)) => Ok(format!("{}:{stage}", self.context.id(api::RESOURCE, api)?)),
            None => Ok(label.to_owned()),
        }
    }

    /// A plan's name is not unique: a lost one is found again by its tag, which comes with it.
    async fn create_plan(&self, name: &str) -> Result<()> {
        let what = format!("creating usage plan {name}");
        let wanted = &self.context.wanted;
        let plan = wanted.plan(name)?;
        let settings = &plan.spec.settings;
        let mut stages = Vec::new();
        for (label, limits) in &settings.stages {
            let bound = self.bound_id(label)?;
            let (id, stage) = bound.split_once(':').unwrap_or((&bound, ""));
            let mut stage = ApiStage::builder().api_id(id).stage(stage);
            for (place, (rate, burst)) in limits {
                let limit = ThrottleSettings::builder().rate_limit(*rate).burst_limit(*burst);
                stage = stage.throttle(place, limit.build());
            }
            stages.push(stage.build());
        }
        let quota = settings.quota.map(|limit| {
            QuotaSettings::builder()
                .limit(limit)
                .offset(settings.quota_offset.unwrap_or_default())
                .set_period(settings.quota_period.as_deref().map(QuotaPeriodType::from))
                .build()
        });
        let throttle = settings.rate.map(|rate| {
            let burst = settings.burst.unwrap_or_default();
            ThrottleSettings::builder().rate_limit(rate).burst_limit(burst).build()
        });
        let made = || async {
            let own = observe(self.target(), &wanted.lab).await?;
            Ok(own.into_iter().find(|plan| plan.name == name).map(|plan| plan.id))
        };
        let id = self
            .create_once(&what, made, || async {
                let call = self
                    .target()
                    .apigateway()
                    .create_usage_plan()
                    .name(name)
                    .description(&settings.description)
                    .set_api_stages(Some(stages.clone()))
                    .set_quota(quota.clone())
                    .set_throttle(throttle.clone())
                    .tags(LAB_TAG, &wanted.lab)
                    .tags(APPLIED_TAG, plan.spec.record.text());
                let made = call.customize().config_override(once()).send().await;
                made.map(|made| made.id).map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await?;
        self.context.set_id(RESOURCE, name, id);
        Ok(())
    }

    async fn update_plan(&self, name: &str) -> Result<()> {
        let plan = self.context.wanted.plan(name)?;
        let live = self.context.live.plans.iter().find(|live| live.name == name);
        let live = live.ok_or_else(|| missing(RESOURCE, name))?;
        if !changes(&plan.spec, &live.found).is_empty() {
            let (before, after) = (&live.found.settings, &plan.spec.settings);
            let all = patches(before, after, |label| self.bound_id(label))?;
            self.patch_plan(&live.id, name, all).await?;
        }
        let path = format!("/usageplans/{}", live.id);
        self.tag_gateway(&path, APPLIED_TAG, &plan.spec.record.text()).await
    }

    async fn patch_plan(&self, id: &str, name: &str, all: Vec<PatchOperation>) -> Result<()> {
        self.patiently(|| async {
            self.announce_budget("UpdateUsagePlan");
            let call = self.target().apigateway().update_usage_plan().usage_plan_id(id);
            let done = call.set_patch_operations(Some(all.clone())).send().await;
            done.map_err(|e| Failure::from_sdk(format!("changing usage plan {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn add_plan_key(&self, plan: &str, key: &str) -> Result<()> {
        let (plan_id, key_id) =
            (self.context.id(RESOURCE, plan)?, self.context.id(key::RESOURCE, key)?);
        let made = self
            .patiently(|| async {
                self.target()
                    .apigateway()
                    .create_usage_plan_key()
                    .usage_plan_id(&plan_id)
                    .key_id(&key_id)
                    .key_type("API_KEY")
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(format!("giving plan {plan} key {key}"), &e))
            })
            .await;
        match made {
            Ok(_) => Ok(()),
            // Given by the attempt before, whose answer was lost.
            Err(failure) if failure.kind == FailureKind::Conflict => {
                let all = live::usage_plan_keys(self.target(), &plan_id).await?;
                let has = all.iter().any(|known| known.id() == Some(&key_id));
                if has { Ok(()) } else { Err(failure) }
            }
            Err(failure) => Err(failure),
        }
    }

    async fn remove_plan_key(&self, plan_id: &str, key_id: &str) -> Result<()> {
        self.patiently(|| async {
            let call = self.target().apigateway().delete_usage_plan_key();
            let done = call.usage_plan_id(plan_id).key_id(key_id).send().await;
            existing(done.map_err(|e| Failure::from_sdk("taking a key from a usage plan", &e)))
        })
        .await
        .map(|_| ())
    }

    async fn unbind_plan(&self, id: &str) -> Result<()> {
        let live = self.context.live.plans.iter().find(|live| live.id == id);
        let live = live.ok_or_else(|| missing(RESOURCE, id))?;
        let bound = live.bound.iter();
        let all = bound.map(|stage| operation(Op::Remove, "/apiStages", Some(stage.clone())));
        let done = self.patch_plan(id, &live.name, all.collect()).await;
        match done {
            // Unbound by the attempt before, whose answer was lost, or gone.
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn delete_plan(&self, id: &str) -> Result<()> {
        self.patiently(|| async {
            let done =
                self.target().apigateway().delete_usage_plan().usage_plan_id(id).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting usage plan {id}"), &e)))
        })
        .await
        .map(|_| ())
    }
}
