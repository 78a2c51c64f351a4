//! The APIs in memory, and how a change of one becomes durable.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::de::DeserializeOwned;

use super::data::live::{Live, LiveApi};
use super::model::{Api, Definition, Deployment, Stage};
use super::plans::Plans;
use super::plans::registry::{Edit, Registry};
use super::reply::{Outcome, Reply};
use crate::error::AwsError;
use crate::store::{Change, Store, StoreError};

const APIS: &str = "apigateway.apis";
const DEPLOYMENTS: &str = "apigateway.deployments";
const STAGES: &str = "apigateway.stages";

/// All APIs, by id, with the keys and plans that open them.
pub(super) struct Apis {
    store: Store,
    /// Held while a change is made and committed, so that changes follow one another.
    turn: tokio::sync::Mutex<()>,
    by_id: RwLock<BTreeMap<String, Arc<Api>>>,
    live: Live,
    plans: Plans,
}

impl Apis {
    /// Reads what the store has.
    pub fn open(store: Store) -> Result<Self, StoreError> {
        let mut by_id = BTreeMap::new();
        for (id, definition) in store.load::<Definition>(APIS)? {
            by_id.insert(
                id,
                Api {
                    definition: Arc::new(definition),
                    deployments: BTreeMap::new(),
                    stages: BTreeMap::new(),
                },
            );
        }
        for (api, name, deployment) in load_parts::<Deployment>(&store, DEPLOYMENTS)? {
            if let Some(api) = by_id.get_mut(&api) {
                api.deployments.insert(name, Arc::new(deployment));
            }
        }
        for (api, name, stage) in load_parts::<Stage>(&store, STAGES)? {
            if let Some(api) = by_id.get_mut(&api) {
                api.stages.insert(name, Arc::new(stage));
            }
        }
        let live = Live::default();
        for api in by_id.values() {
            live.put(LiveApi::compile(api, None));
        }
        let by_id = by_id.into_iter().map(|(id, api)| (id, Arc::new(api))).collect();
        let plans = Plans::open(&store)?;
        let turn = tokio::sync::Mutex::new(());
        Ok(Self { store, turn, by_id: RwLock::new(by_id), live, plans })
    }

    /// What requests are served from.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// API keys and usage plans.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// Changes keys and plans as `edit` says, and answers what it answers.
    pub async fn change_plans(
        &self,
        edit: impl FnOnce(&Registry) -> Result<(Reply, Vec<Edit>), AwsError>,
    ) -> Outcome {
        let _turn = self.turn.lock().await;
        let (reply, edits) = edit(&self.plans.read())?;
        self.store.commit(self.plans.changes(&edits)?).await?;
        self.plans.apply(edits);
        Ok(reply)
    }

    /// The API with this id.
    pub fn get(&self, id: &str) -> Option<Arc<Api>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All APIs.
    pub fn all(&self) -> Vec<Arc<Api>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Stores a new API.
    pub async fn create(&self, api: Api) -> Result<(), AwsError> {
        let _turn = self.turn.lock().await;
        self.store.commit(difference(None, &api)?).await?;
        self.install(api, None);
        Ok(())
    }

    /// Changes the API `id` and answers what `edit` answers; `missing` when there is none. Nothing
    /// changes when `edit` fails.
    pub async fn change(
        &self,
        id: &str,
        missing: AwsError,
        edit: impl FnOnce(&mut Api) -> Outcome,
    ) -> Outcome {
        let _turn = self.turn.lock().await;
        let before = self.get(id).ok_or(missing)?;
        let mut after = Api::clone(&before);
        let reply = edit(&mut after)?;
        let edits = self.unbound(&before, &after);
        let mut changes = difference(Some(&before), &after)?;
        changes.extend(self.plans.changes(&edits)?);
        self.store.commit(changes).await?;
        self.install(after, Some(&before));
        self.plans.apply(edits);
        Ok(reply)
    }

    /// The plans without the stages that are gone. AWS deletes a stage that plans are bound to and
    /// takes it out of them (terraform-provider-aws #14100 tells how plans lose recreated stages).
    fn unbound(&self, before: &Api, after: &Api) -> Vec<Edit> {
        let gone: Vec<&str> = before
            .stages
            .keys()
            .map(String::as_str)
            .filter(|name| !after.stages.contains_key(*name))
            .collect();
        if gone.is_empty() { Vec::new() } else { self.plans.read().without(before.id(), &gone) }
    }

    /// Removes an API with its deployments and stages, which its usage plans lose.
    pub async fn delete(&self, id: &str, missing: AwsError) -> Result<(), AwsError> {
        let _turn = self.turn.lock().await;
        let api = self.get(id).ok_or(missing)?;
        let mut changes = vec![Change::delete(APIS, id)];
        changes
            .extend(api.deployments.keys().map(|key| Change::delete(DEPLOYMENTS, part(id, key))));
        changes.extend(api.stages.keys().map(|key| Change::delete(STAGES, part(id, key))));
        let stages: Vec<&str> = api.stages.keys().map(String::as_str).collect();
        let edits = self.plans.read().without(id, &stages);
        changes.extend(self.plans.changes(&edits)?);
        self.store.commit(changes).await?;
        self.plans.apply(edits);
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.live.remove(id);
        Ok(())
    }

    fn install(&self, api: Api, before: Option<&Api>) {
        let unchanged_serving = before.is_some_and(|before| {
            same(&before.stages, &api.stages)
                && same(&before.deployments, &api.deployments)
                && before.definition.api.name == api.definition.api.name
        });
        if !unchanged_serving {
            let old = self.live.get(api.id());
            self.live.put(LiveApi::compile(&api, old.as_deref()));
        }
        let id = api.id().to_owned();
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(api));
    }
}

/// The key of a deployment or stage within its collection.
fn part(api: &str, name: &str) -> String {
    format!("{api}/{name}")
}

fn load_parts<T: DeserializeOwned>(
    store: &Store,
    collection: &'static str,
) -> Result<Vec<(String, String, T)>, StoreError> {
    let documents = store.load::<T>(collection)?;
    Ok(documents
        .into_iter()
        .filter_map(|(key, document)| {
            let (api, name) = key.split_once('/')?;
            Some((api.to_owned(), name.to_owned(), document))
        })
        .collect())
}

/// The documents that must be written to get from one state of an API to the next. Parts that are
/// shared by both were not touched.
fn difference(before: Option<&Api>, after: &Api) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    if before.is_none_or(|before| !Arc::ptr_eq(&before.definition, &after.definition)) {
        changes.push(Change::put(APIS, after.id(), after.definition.as_ref())?);
    }
    let empty_deployments = BTreeMap::new();
    let empty_stages = BTreeMap::new();
    parts_difference(
        DEPLOYMENTS,
        after.id(),
        before.map_or(&empty_deployments, |before| &before.deployments),
        &after.deployments,
        &mut changes,
    )?;
    parts_difference(
        STAGES,
        after.id(),
        before.map_or(&empty_stages, |before| &before.stages),
        &after.stages,
        &mut changes,
    )?;
    Ok(changes)
}

fn parts_difference<T: serde::Serialize>(
    collection: &'static str,
    api: &str,
    before: &BTreeMap<String, Arc<T>>,
    after: &BTreeMap<String, Arc<T>>,
    changes: &mut Vec<Change>,
) -> Result<(), StoreError> {
    for (name, document) in after {
        if !before.get(name).is_some_and(|old| Arc::ptr_eq(old, document)) {
            changes.push(Change::put(collection, part(api, name), document.as_ref())?);
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.push(Change::delete(collection, part(api, name)));
    }
    Ok(())
}

fn same<T>(left: &BTreeMap<String, Arc<T>>, right: &BTreeMap<String, Arc<T>>) -> bool {
    left.len() == right.len()
        && left.iter().all(|(name, a)| right.get(name).is_some_and(|b| Arc::ptr_eq(a, b)))
}
