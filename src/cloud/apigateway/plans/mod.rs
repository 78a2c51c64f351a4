//! API keys and usage plans: in memory for requests, in the store for the next start.
//!
//! Requests find a key by its value and its plans by its id, so that their cost does not grow with
//! the number of keys, plans or stages.

mod desk;
pub(super) mod model;
pub(super) mod registry;
pub(super) mod usage;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use self::desk::{Desk, USAGE};
use self::model::{Account, StoredKey, StoredPlan};
use self::registry::{Edit, Member, Registry, part};
use self::usage::Usage;
use super::data::throttle::{Bucket, Limit};
use crate::store::{Change, Store, StoreError};

const KEYS: &str = "apigateway.apikeys";
const PLANS: &str = "apigateway.usageplans";
const MEMBERS: &str = "apigateway.usageplankeys";
const ACCOUNT: &str = "apigateway.account";

/// Requests per second that the gateway takes in all.
pub(super) const ACCOUNT_RATE: f64 = 10_000.0;
/// Requests at once that the gateway takes in all.
pub(super) const ACCOUNT_BURST: i32 = 5000;

/// API keys that an account can have (quota of API Gateway).
pub(super) const MOST_KEYS: usize = 10_000;
/// Usage plans that an account can have (quota of API Gateway).
pub(super) const MOST_PLANS: usize = 300;
/// Usage plans that a key can be in (quota of API Gateway).
pub(super) const MOST_PLANS_OF_KEY: usize = 10;

/// Keys and plans, with the limit of the gateway as a whole.
#[derive(Debug)]
pub(super) struct Plans {
    registry: RwLock<Registry>,
    desk: Arc<Desk>,
    account: Bucket,
}

impl Plans {
    /// Reads what the store has.
    pub fn open(store: &Store) -> Result<Self, StoreError> {
        let mut registry = Registry::default();
        for (_, stored) in store.load::<StoredKey>(KEYS)? {
            registry.put_key(stored.key, stored.order);
        }
        for (_, stored) in store.load::<StoredPlan>(PLANS)? {
            registry.put_plan(stored.plan, stored.order);
        }
        let mut usage: HashMap<String, Usage> = store.load::<Usage>(USAGE)?.into_iter().collect();
        for (document, order) in store.load::<u64>(MEMBERS)? {
            if let Some((plan, key)) = document.split_once('/') {
                let usage = usage.remove(&document).unwrap_or_default();
                registry.join(plan, key, order, usage);
            }
        }
        // A request that was on its way when its key left may have been counted afterwards.
        let orphans: Vec<Change> =
            usage.into_keys().map(|document| Change::delete(USAGE, document)).collect();
        if !orphans.is_empty() {
            store.commit_blocking(&orphans)?;
        }
        if let Some((_, account)) = store.load::<Account>(ACCOUNT)?.pop() {
            registry.account = account;
        }
        Ok(Self {
            registry: RwLock::new(registry),
            desk: Desk::new(store.clone()),
            account: Bucket::default(),
        })
    }

    /// The registry, to be read. The guard must not be kept while waiting.
    pub fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a token of the gateway as a whole.
    pub fn account_admits(&self, now: Instant) -> bool {
        Limit::new(ACCOUNT_RATE, f64::from(ACCOUNT_BURST))
            .is_none_or(|limit| self.account.admits(limit, now))
    }

    /// Has a member's usage written soon.
    pub fn note(&self, member: &Arc<Member>) {
        self.desk.note(member);
    }

    /// Writes the usage that was counted until now.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.desk.flush().await
    }

    /// What must be written for `edits`.
    pub fn changes(&self, edits: &[Edit]) -> Result<Vec<Change>, StoreError> {
        let registry = self.read();
        let mut next = registry.order();
        let mut created = || {
            next += 1;
            next - 1
        };
        let mut changes = Vec::new();
        for edit in edits {
            match edit {
                Edit::PutKey(key) => {
                    let order = registry.key_order(&key.id).unwrap_or_else(&mut created);
                    let stored = StoredKey { order, key: key.clone() };
                    changes.push(Change::put(KEYS, &key.id, &stored)?);
                }
                Edit::DeleteKey(id) => {
                    changes.push(Change::delete(KEYS, id));
                    for plan in registry.plans_of_key(id) {
                        leave(plan, id, &mut changes);
                    }
                }
                Edit::PutPlan(plan) => {
                    let order = registry.plan_order(&plan.id).unwrap_or_else(&mut created);
                    let stored = StoredPlan { order, plan: plan.clone() };
                    changes.push(Change::put(PLANS, &plan.id, &stored)?);
                }
                Edit::DeletePlan(id) => {
                    changes.push(Change::delete(PLANS, id));
                    for key in registry.key_ids(id) {
                        leave(id, &key, &mut changes);
                    }
                }
                Edit::Join { plan, key } => {
                    // Usage that was counted under an earlier membership must not come back.
                    changes.push(Change::delete(USAGE, part(plan, key)));
                    changes.push(Change::put(MEMBERS, part(plan, key), &created())?);
                }
                Edit::Leave { plan, key } => leave(plan, key, &mut changes),
                Edit::PutAccount(account) => {
                    changes.push(Change::put(ACCOUNT, ACCOUNT, account)?);
                }
            }
        }
        Ok(changes)
    }

    /// Applies edits whose changes are written.
    pub fn apply(&self, edits: Vec<Edit>) {
        let mut registry = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        for edit in edits {
            let order = registry.order();
            match edit {
                Edit::PutKey(key) => registry.put_key(key, order),
                Edit::DeleteKey(id) => registry.delete_key(&id),
                Edit::PutPlan(plan) => registry.put_plan(plan, order),
                Edit::DeletePlan(id) => registry.delete_plan(&id),
                Edit::Join { plan, key } => registry.join(&plan, &key, order, Usage::default()),
                Edit::Leave { plan, key } => registry.leave(&plan, &key),
                Edit::PutAccount(account) => registry.account = account,
            }
        }
    }
}

fn leave(plan: &str, key: &str, changes: &mut Vec<Change>) {
    changes.push(Change::delete(MEMBERS, part(plan, key)));
    changes.push(Change::delete(USAGE, part(plan, key)));
}
