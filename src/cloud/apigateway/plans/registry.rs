//! API keys, usage plans and which key is in which plan: indexed for requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::super::data::throttle::{Bucket, Limit};
use super::model::{Account, ApiKey, ApiStage, ThrottleSettings, UsagePlan};
use super::usage::Usage;

/// A change of the registry.
#[derive(Debug)]
pub(in super::super) enum Edit {
    PutKey(ApiKey),
    DeleteKey(String),
    PutPlan(UsagePlan),
    DeletePlan(String),
    Join { plan: String, key: String },
    Leave { plan: String, key: String },
    PutAccount(Account),
}

/// Keys and plans.
#[derive(Debug, Default)]
pub(in super::super) struct Registry {
    pub account: Account,
    /// By id.
    keys: HashMap<String, KeyEntry>,
    /// Ids by value.
    values: HashMap<String, String>,
    /// By id.
    plans: HashMap<String, PlanEntry>,
    /// The next number in the order of creation.
    next: u64,
}

#[derive(Debug)]
struct KeyEntry {
    order: u64,
    key: Arc<ApiKey>,
    /// Ids of its plans: at most ten, by AWS's quota.
    plans: Vec<String>,
}

#[derive(Debug)]
struct PlanEntry {
    order: u64,
    plan: Arc<UsagePlan>,
    /// By key id.
    members: HashMap<String, Arc<Member>>,
    /// Limits of methods (`/pets/GET`) by API and stage.
    stages: HashMap<String, HashMap<String, HashMap<String, Limit>>>,
}

/// A key in a plan: its buckets and its usage.
#[derive(Debug)]
pub(in super::super) struct Member {
    plan: String,
    key: String,
    order: u64,
    bucket: Bucket,
    /// Buckets of methods that the plan limits, by API, stage and method.
    methods: Mutex<HashMap<String, Arc<Bucket>>>,
    usage: Mutex<Usage>,
    dirty: AtomicBool,
}

/// What lets a request with a key in.
#[derive(Debug)]
pub(in super::super) struct Pass {
    pub key: Arc<ApiKey>,
    pub plan: Arc<UsagePlan>,
    pub member: Arc<Member>,
    /// The plan's limit for the request, and whether it is one for its method alone.
    limit: Option<(Limit, bool)>,
}

impl Pass {
    /// Takes a token of the plan's limit for this key; `method` names API, stage and method.
    pub fn admits(&self, method: impl FnOnce() -> String, now: Instant) -> bool {
        match self.limit {
            None => true,
            Some((limit, false)) => self.member.bucket.admits(limit, now),
            Some((limit, true)) => {
                let mut methods =
                    self.member.methods.lock().unwrap_or_else(PoisonError::into_inner);
                let bucket = Arc::clone(methods.entry(method()).or_default());
                drop(methods);
                bucket.admits(limit, now)
            }
        }
    }
}

impl Member {
    fn new(plan: &str, key: &str, order: u64, usage: Usage) -> Arc<Self> {
        Arc::new(Self {
            plan: plan.to_owned(),
            key: key.to_owned(),
            order,
            bucket: Bucket::default(),
            methods: Mutex::default(),
            usage: Mutex::new(usage),
            dirty: AtomicBool::new(false),
        })
    }

    /// Reads or changes the usage.
    pub fn with_usage<T>(&self, use_it: impl FnOnce(&mut Usage) -> T) -> T {
        use_it(&mut self.usage.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn forget_methods(&self) {
        self.methods.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The key of the usage document.
    pub(super) fn document(&self) -> String {
        part(&self.plan, &self.key)
    }

    /// Marks the usage as changed; true when it was not marked before. Marked members are written
    /// once, however often they count.
    pub(super) fn mark(&self) -> bool {
        !self.dirty.swap(true, Ordering::AcqRel)
    }

    /// The usage to be written, unmarked; nothing when it was not marked.
    pub(super) fn unmark(&self) -> Option<Usage> {
        self.dirty.swap(false, Ordering::AcqRel).then(|| self.with_usage(|usage| usage.clone()))
    }
}

/// `{plan}/{key}`.
pub(super) fn part(plan: &str, key: &str) -> String {
    format!("{plan}/{key}")
}

/// `/pets/GET` however its slashes are written; `//GET` for the root.
pub(in super::super) fn method_name(text: &str) -> String {
    let plain = super::super::patch::unescape(text);
    let parts: Vec<&str> = plain.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [verb] => format!("//{verb}"),
        parts => format!("/{}", parts.join("/")),
    }
}

impl Registry {
    /// What opens `stage` of `api` for the key with this value; `method` (`/pets/GET`) is asked for
    /// where the plan limits single methods.
    pub fn pass(
        &self,
        value: &str,
        api: &str,
        stage: &str,
        method: impl FnOnce() -> String,
    ) -> Option<Pass> {
        let entry = self.keys.get(self.values.get(value)?)?;
        if !entry.key.enabled {
            return None;
        }
        let (plan, limits) = entry.plans.iter().find_map(|id| {
            let plan = self.plans.get(id)?;
            Some((plan, plan.stages.get(api)?.get(stage)?))
        })?;
        let member = plan.members.get(&entry.key.id)?;
        let own = if limits.is_empty() { None } else { limits.get(&method()).copied() };
        let limit = own
            .map(|limit| (limit, true))
            .or_else(|| plan.plan.throttle.and_then(limit_of).map(|limit| (limit, false)));
        Some(Pass {
            key: Arc::clone(&entry.key),
            plan: Arc::clone(&plan.plan),
            member: Arc::clone(member),
            limit,
        })
    }

    /// The key with this id.
    pub fn key(&self, id: &str) -> Option<&Arc<ApiKey>> {
        self.keys.get(id).map(|entry| &entry.key)
    }

    /// The id of the key with this value.
    pub fn key_of_value(&self, value: &str) -> Option<&str> {
        self.values.get(value).map(String::as_str)
    }

    /// How many keys there are.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// All keys, newest first.
    pub fn newest_keys(&self) -> Vec<&Arc<ApiKey>> {
        newest(self.keys.values().map(|entry| (entry.order, &entry.key)))
    }

    /// Ids of the plans that a key is in.
    pub fn plans_of_key(&self, key: &str) -> &[String] {
        self.keys.get(key).map_or(&[], |entry| &entry.plans)
    }

    /// The plan with this id.
    pub fn plan(&self, id: &str) -> Option<&Arc<UsagePlan>> {
        self.plans.get(id).map(|entry| &entry.plan)
    }

    /// How many plans there are.
    pub fn plan_count(&self) -> usize {
        self.plans.len()
    }

    /// All plans, newest first.
    pub fn newest_plans(&self) -> Vec<&Arc<UsagePlan>> {
        newest(self.plans.values().map(|entry| (entry.order, &entry.plan)))
    }

    /// A key's membership in a plan.
    pub fn member(&self, plan: &str, key: &str) -> Option<&Arc<Member>> {
        self.plans.get(plan)?.members.get(key)
    }

    /// Keys of a plan with their memberships, the last one that joined first.
    pub fn members(&self, plan: &str) -> Vec<(&Arc<ApiKey>, &Arc<Member>)> {
        let members = self.plans.get(plan).into_iter().flat_map(|plan| plan.members.values());
        newest(members.filter_map(|member| {
            let key = &self.keys.get(&member.key)?.key;
            Some((member.order, (key, member)))
        }))
    }

    /// The plans that have one of these stages of an API, without them.
    pub fn without(&self, api: &str, stages: &[&str]) -> Vec<Edit> {
        let gone = |one: &ApiStage| one.api_id == api && stages.contains(&one.stage.as_str());
        self.plans
            .values()
            .filter(|entry| entry.plan.api_stages.iter().any(gone))
            .map(|entry| {
                let mut plan = UsagePlan::clone(&entry.plan);
                plan.api_stages.retain(|one| !gone(one));
                Edit::PutPlan(plan)
            })
            .collect()
    }

    /// A number for what is created now.
    pub(super) fn order(&self) -> u64 {
        self.next
    }

    /// The place of a key in the order of creation.
    pub(super) fn key_order(&self, id: &str) -> Option<u64> {
        self.keys.get(id).map(|entry| entry.order)
    }

    /// The place of a plan in the order of creation.
    pub(super) fn plan_order(&self, id: &str) -> Option<u64> {
        self.plans.get(id).map(|entry| entry.order)
    }

    /// Puts a key in the place of the one with its id.
    pub(super) fn put_key(&mut self, key: ApiKey, order: u64) {
        self.next = self.next.max(order + 1);
        self.values.insert(key.value.clone(), key.id.clone());
        let key = Arc::new(key);
        match self.keys.get_mut(&key.id) {
            Some(entry) => {
                if entry.key.value != key.value {
                    self.values.remove(&entry.key.value);
                }
                entry.key = key;
            }
            None => {
                self.keys.insert(key.id.clone(), KeyEntry { order, key, plans: Vec::new() });
            }
        }
    }

    /// Puts a plan in the place of the one with its id.
    pub(super) fn put_plan(&mut self, plan: UsagePlan, order: u64) {
        self.next = self.next.max(order + 1);
        let mut stages: HashMap<String, HashMap<String, HashMap<String, Limit>>> = HashMap::new();
        for stage in &plan.api_stages {
            let limits = stage
                .throttle
                .iter()
                .filter_map(|(method, throttle)| Some((method_name(method), limit_of(*throttle)?)));
            let of_api = stages.entry(stage.api_id.clone()).or_default();
            of_api.insert(stage.stage.clone(), limits.collect());
        }
        let plan = Arc::new(plan);
        if let Some(entry) = self.plans.get_mut(&plan.id) {
            if entry.plan.api_stages != plan.api_stages {
                // Methods that are limited no longer must not keep their buckets.
                for member in entry.members.values() {
                    member.forget_methods();
                }
            }
            (entry.plan, entry.stages) = (plan, stages);
        } else {
            let id = plan.id.clone();
            self.plans.insert(id, PlanEntry { order, plan, members: HashMap::new(), stages });
        }
    }

    /// Puts a key into a plan.
    pub(super) fn join(&mut self, plan: &str, key: &str, order: u64, usage: Usage) {
        self.next = self.next.max(order + 1);
        if let (Some(entry), Some(of_key)) = (self.plans.get_mut(plan), self.keys.get_mut(key)) {
            entry.members.insert(key.to_owned(), Member::new(plan, key, order, usage));
            of_key.plans.push(plan.to_owned());
        }
    }

    /// Takes a key out of a plan.
    pub(super) fn leave(&mut self, plan: &str, key: &str) {
        if let Some(member) = self.plans.get_mut(plan).and_then(|entry| entry.members.remove(key)) {
            member.unmark();
        }
        if let Some(entry) = self.keys.get_mut(key) {
            entry.plans.retain(|known| known != plan);
        }
    }

    /// Forgets a key.
    pub(super) fn delete_key(&mut self, id: &str) {
        for plan in self.plans_of_key(id).to_vec() {
            self.leave(&plan, id);
        }
        if let Some(entry) = self.keys.remove(id) {
            self.values.remove(&entry.key.value);
        }
    }

    /// Forgets a plan.
    pub(super) fn delete_plan(&mut self, id: &str) {
        for key in self.key_ids(id) {
            self.leave(id, &key);
        }
        self.plans.remove(id);
    }

    /// Ids of a plan's keys.
    pub(super) fn key_ids(&self, plan: &str) -> Vec<String> {
        self.plans.get(plan).map_or_else(Vec::new, |plan| plan.members.keys().cloned().collect())
    }
}

fn newest<T>(all: impl Iterator<Item = (u64, T)>) -> Vec<T> {
    let sorted: BTreeMap<u64, T> = all.collect();
    sorted.into_values().rev().collect()
}

/// A plan's limit. Where only the rate is set, as many requests as it allows in a second may come
/// at once; where only the burst is set, the bucket fills as fast.
fn limit_of(throttle: ThrottleSettings) -> Option<Limit> {
    let burst = throttle.burst_limit.map(f64::from);
    let rate = throttle.rate_limit.or(burst)?;
    Limit::new(rate, burst.unwrap_or_else(|| rate.ceil().max(1.0)))
}
