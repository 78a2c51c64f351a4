//! DynamoDB: the tables of the state directory's `dynamodb.db`, kept by dynoxide.

mod arns;
mod described;
mod engine;
mod permissions;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::Notify;

use crate::core::Core;
use crate::error::AwsError;
use crate::iam::Iam;
use crate::layout;
use crate::protocol::{Protocol, bytes_answer, set_header};
use crate::wire::{Answer, ApiRequest};
use engine::{Engine, Reply};
use targets::Targets;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// Operations that run at once; dynoxide itself serialises what touches the file.
const RUNNING: usize = 4;

/// The tables could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the tables in {path} could not be opened: {reason}")]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What dynoxide said.
    pub reason: String,
}

/// The DynamoDB service of the local cloud.
#[derive(Debug)]
pub struct DynamoDb {
    iam: Arc<Iam>,
    engine: Arc<Engine>,
    running: Arc<tokio::sync::Semaphore>,
    /// Delays asked for, by table name.
    latencies: RwLock<HashMap<String, Latency>>,
    /// Told of writes, by table: of those tables only that somebody watches.
    watched: RwLock<HashMap<String, Arc<Notify>>>,
}

/// How slow a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// How much longer every call takes.
    pub delay: Duration,
    /// When it ends by itself, in ms since the epoch, where it does.
    pub until_ms: Option<i64>,
}

impl Latency {
    fn holds(self, now_ms: i64) -> bool {
        self.until_ms.is_none_or(|until| until > now_ms)
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl DynamoDb {
    /// Opens or creates the tables of `core`'s state directory.
    pub fn open(core: &Arc<Core>, iam: Arc<Iam>) -> Result<Arc<Self>, OpenError> {
        let path = core.state_dir.join("dynamodb.db");
        let engine = Arc::new(Engine::open(path.clone())?);
        layout::mark(&path, layout::DYNAMODB)
            .map_err(|error| OpenError { path, reason: error.to_string() })?;
        Ok(Arc::new(Self {
            iam,
            engine,
            running: Arc::new(tokio::sync::Semaphore::new(RUNNING)),
            latencies: RwLock::default(),
            watched: RwLock::default(),
        }))
    }

    /// Makes every call on `table` take longer, until its end; `None` ends it. Kept in memory only.
    pub fn set_latency(&self, table: &str, latency: Option<Latency>) {
        let mut latencies = self.latencies.write().unwrap_or_else(PoisonError::into_inner);
        match latency {
            Some(latency) => latencies.insert(table.to_owned(), latency),
            None => latencies.remove(table),
        };
    }

    /// Told whenever something was written to `table`: maybe not a change, never too late.
    pub fn watch(&self, table: &str) -> Arc<Notify> {
        let mut watched = self.watched.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(watched.entry(table.to_owned()).or_default())
    }

    /// Does an operation for the cloud itself; whoever asks has made sure that it is allowed.
    pub async fn perform(&self, operation: &str, request: &Value) -> Result<Value, AwsError> {
        let reply = self.run(operation.to_owned(), request.to_string().into()).await?;
        let mut body: Value = serde_json::from_slice(&reply.body)
            .map_err(|error| AwsError::internal(error.to_string()))?;
        if reply.status < 400 {
            return Ok(body);
        }
        let kind = body["__type"].as_str().and_then(|kind| kind.rsplit('#').next());
        let kind = kind.unwrap_or("InternalServerError").to_owned();
        let message = [body["message"].take(), body["Message"].take()];
        let message = message.iter().find_map(Value::as_str).unwrap_or("");
        Err(AwsError::new(reply.status, kind, message))
    }

    /// Tells those who watch the tables that a call may have written to.
    fn tell_written(&self, operation: &str, targets: &Targets) {
        let reads = ["Get", "Query", "Scan", "BatchGet", "Describe", "List", "TransactGet"];
        if reads.iter().any(|read| operation.starts_with(read)) {
            return;
        }
        let watched = self.watched.read().unwrap_or_else(PoisonError::into_inner);
        if watched.is_empty() {
            return;
        }
        for table in targets.tables() {
            if let Some(watcher) = watched.get(targets::table_name(&table)) {
                watcher.notify_waiters();
            }
        }
    }

    /// The delay that calls on `table` have now.
    pub fn latency(&self, table: &str) -> Option<Latency> {
        let latencies = self.latencies.read().unwrap_or_else(PoisonError::into_inner);
        latencies.get(table).copied().filter(|latency| latency.holds(now_ms()))
    }

    /// Answers a request of DynamoDB's or DynamoDB Streams' API.
    pub async fn call(self: &Arc<Self>, request: ApiRequest) -> Answer {
        match self.answer(&request).await {
            Ok(reply) => {
                let checksum = crc32fast::hash(&reply.body).to_string();
                let mut answer = bytes_answer(reply.status, CONTENT_TYPE, reply.body);
                set_header(&mut answer, "x-amz-crc32", &checksum);
                answer
            }
            Err(error) => Protocol::DynamoDb.error(&error, &request.request_id),
        }
    }

    async fn answer(&self, request: &ApiRequest) -> Result<Reply, AwsError> {
        let operation = operation(request)?;
        let targets = Targets::read(&request.body)?;
        permissions::check(&self.iam, &request.caller, &operation, &targets)?;
        if let Some(delay) = self.delay(&targets) {
            tokio::time::sleep(delay).await;
        }
        let reply = self.run(operation.clone(), request.body.clone()).await;
        self.tell_written(&operation, &targets);
        reply
    }

    /// The longest delay of the tables that a call touches.
    fn delay(&self, targets: &Targets) -> Option<Duration> {
        let latencies = self.latencies.read().unwrap_or_else(PoisonError::into_inner);
        if latencies.is_empty() {
            return None;
        }
        let now_ms = now_ms();
        let slow =
            targets.tables().into_iter().filter_map(|table| latencies.get(table.as_str()).copied());
        slow.filter(|latency| latency.holds(now_ms)).map(|latency| latency.delay).max()
    }

    async fn run(&self, operation: String, body: bytes::Bytes) -> Result<Reply, AwsError> {
        let permit = Arc::clone(&self.running).acquire_owned().await;
        let engine = Arc::clone(&self.engine);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            engine.run(&operation, &body)
        });
        match task.await {
            Ok(result) => result,
            Err(stopped) => {
                tracing::error!("an operation on the tables ended early: {stopped}");
                // A panic under dynoxide's lock would make every later call fail.
                let engine = Arc::clone(&self.engine);
                let reopened = tokio::task::spawn_blocking(move || engine.reopen()).await;
                if !matches!(reopened, Ok(Ok(()))) {
                    tracing::error!("the tables could not be opened again: {reopened:?}");
                }
                Err(AwsError::new(500, "InternalServerError", "The request could not be processed"))
            }
        }
    }

    /// Removes the items whose time to live is over. Waits for the file: call it rarely.
    pub async fn remove_expired(&self) {
        let engine = Arc::clone(&self.engine);
        match tokio::task::spawn_blocking(move || engine.remove_expired()).await {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => {
                tracing::debug!(count, "removed expired items");
                let watched = self.watched.read().unwrap_or_else(PoisonError::into_inner);
                watched.values().for_each(|watcher| watcher.notify_waiters());
            }
            Ok(Err(reason)) => tracing::warn!("expired items could not be removed: {reason}"),
            Err(stopped) => tracing::error!("removing expired items ended early: {stopped}"),
        }
    }
}

/// The operation that `x-amz-target` names.
fn operation(request: &ApiRequest) -> Result<String, AwsError> {
    let target = request.header("x-amz-target").unwrap_or("");
    let operation = target
        .strip_prefix("DynamoDB_20120810.")
        .or_else(|| target.strip_prefix("DynamoDBStreams_20120810."));
    match operation {
        Some(name) if engine::OPERATIONS.contains(&name) => Ok(name.to_owned()),
        Some(name) if !name.is_empty() => Err(AwsError::not_implemented("DynamoDB", name)),
        _ => Err(AwsError::new(400, "UnknownOperationException", "")),
    }
}
