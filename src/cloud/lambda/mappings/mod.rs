//! Event source mappings: what reads queues and table streams and invokes functions with it.

mod api;
mod input;
mod model;
mod partial;
mod queue;
mod stream;
mod stream_batch;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::Core;
use crate::error::AwsError;
use crate::store::{Change, Store, StoreError};

use super::Lambda;
use model::{Mapping, Pending};

/// Documents of mappings, by id.
const MAPPINGS: &str = "lambda.mappings";
/// Where a mapping of a stream stands, by its id.
const CHECKPOINTS: &str = "lambda.checkpoints";

/// All mappings, and the tasks that work for them.
#[derive(Debug)]
pub struct Mappings {
    store: Store,
    all: RwLock<BTreeMap<String, Arc<Mapping>>>,
    /// Where the mappings of streams stand.
    checkpoints: Mutex<HashMap<String, String>>,
    /// How the last batch of a mapping went.
    results: Mutex<HashMap<String, &'static str>>,
    running: Mutex<HashMap<String, Running>>,
    writing: tokio::sync::Mutex<()>,
    stopped: CancellationToken,
}

/// A task that works for a mapping.
#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    /// Counts what it does: when it is empty, the next task may begin.
    tasks: TaskTracker,
}

impl Mappings {
    /// Reads the mappings. What a stopped cloud left pending takes effect.
    pub fn open(core: &Core) -> Result<Self, StoreError> {
        let mut all = BTreeMap::new();
        let mut changes = Vec::new();
        for (uuid, mut mapping) in core.store.load::<Mapping>(MAPPINGS)? {
            match mapping.pending.take() {
                Some(Pending::Deleting) => {
                    changes.push(Change::delete(MAPPINGS, &uuid));
                    changes.push(Change::delete(CHECKPOINTS, &uuid));
                    continue;
                }
                Some(_) => changes.push(Change::put(MAPPINGS, &uuid, &mapping)?),
                None => {}
            }
            all.insert(uuid, Arc::new(mapping));
        }
        if !changes.is_empty() {
            core.store.commit_blocking(&changes)?;
        }
        let checkpoints = core.store.load::<String>(CHECKPOINTS)?.into_iter().collect();
        Ok(Self {
            store: core.store.clone(),
            all: RwLock::new(all),
            checkpoints: Mutex::new(checkpoints),
            results: Mutex::default(),
            running: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            stopped: CancellationToken::new(),
        })
    }

    /// Ends all work. What was not done is done after the next start.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    fn find(&self, uuid: &str) -> Option<Arc<Mapping>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(uuid).cloned()
    }

    fn all(&self) -> Vec<Arc<Mapping>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How the last batch of a mapping went.
    fn result(&self, uuid: &str) -> Option<&'static str> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).get(uuid).copied()
    }

    fn note_result(&self, uuid: &str, result: &'static str) {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.insert(uuid.to_owned(), result);
    }

    fn checkpoint(&self, uuid: &str) -> Option<String> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).get(uuid).cloned()
    }

    /// Keeps where a mapping stands: durable first.
    async fn set_checkpoint(&self, uuid: &str, position: &str) -> Result<(), StoreError> {
        self.store.commit(vec![Change::put(CHECKPOINTS, uuid, &position)?]).await?;
        let mut checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        checkpoints.insert(uuid.to_owned(), position.to_owned());
        Ok(())
    }

    /// Writes a mapping, or removes it with all that belongs to it.
    async fn write(&self, uuid: &str, mapping: Option<Mapping>) -> Result<(), AwsError> {
        let changes = match &mapping {
            Some(mapping) => vec![Change::put(MAPPINGS, uuid, mapping)?],
            None => vec![Change::delete(MAPPINGS, uuid), Change::delete(CHECKPOINTS, uuid)],
        };
        self.store.commit(changes).await?;
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(mapping) = mapping {
            all.insert(uuid.to_owned(), Arc::new(mapping));
            return Ok(());
        }
        all.remove(uuid);
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).remove(uuid);
        self.results.lock().unwrap_or_else(PoisonError::into_inner).remove(uuid);
        Ok(())
    }
}

impl Lambda {
    /// Starts the work of every mapping that is on.
    pub(super) fn start_mappings(self: &Arc<Self>) {
        for mapping in self.mappings.all() {
            self.restart_mapping(&mapping.uuid);
        }
    }

    /// Ends the work of a mapping, and starts it anew as the mapping is now.
    fn restart_mapping(self: &Arc<Self>, uuid: &str) {
        let mut running = self.mappings.running.lock().unwrap_or_else(PoisonError::into_inner);
        let before = running.remove(uuid);
        if let Some(before) = &before {
            before.stop.cancel();
            before.tasks.close();
        }
        let mapping = self.mappings.find(uuid);
        let Some(mapping) = mapping.filter(|m| m.enabled && m.pending != Some(Pending::Deleting))
        else {
            return;
        };
        let stop = self.mappings.stopped.child_token();
        let tasks = TaskTracker::new();
        let work =
            Work { lambda: Arc::clone(self), mapping, stop: stop.clone(), tasks: tasks.clone() };
        tasks.spawn(async move {
            // Two tasks for one stream would give its records out of order.
            if let Some(before) = before {
                before.tasks.wait().await;
            }
            if work.mapping.stream.is_some() {
                work.read_stream().await;
            } else {
                work.read_queue().await;
            }
        });
        running.insert(uuid.to_owned(), Running { stop, tasks });
    }
}

/// What a task works with.
#[derive(Clone)]
struct Work {
    lambda: Arc<Lambda>,
    mapping: Arc<Mapping>,
    stop: CancellationToken,
    tasks: TaskTracker,
}
