//! `StartMessageMoveTask`, `ListMessageMoveTasks`, `CancelMessageMoveTask`: dead letters go back for
//! another try.
//!
//! Source: SQS API Reference. What is told of tasks is in memory and ends with the cloud, as it ends
//! on AWS after a while.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{invalid, invalid_value, missing};
use super::message::{Message, Receives};
use super::{MESSAGES, RECEIVES, Sqs, body, key, name_of_arn, queue_arn};
use crate::error::AwsError;
use crate::iam::Requester;
use crate::store::{Change, StoreError};
use crate::wire::ApiRequest;

/// Messages that move at once.
const AT_ONCE: usize = 100;
/// Tasks that are remembered.
const REMEMBERED: usize = 100;

/// A task that moves messages.
#[derive(Debug, Clone)]
pub(super) struct MoveTask {
    handle: String,
    source: String,
    destination: Option<String>,
    per_second: Option<u32>,
    status: &'static str,
    reason: Option<String>,
    moved: usize,
    to_move: usize,
    started_ms: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TaskInput {
    source_arn: Option<String>,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
    task_handle: Option<String>,
    max_results: Option<i64>,
}

impl Sqs {
    fn tasks(&self) -> MutexGuard<'_, VecDeque<MoveTask>> {
        self.move_tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn start_move_task(
        self: &Arc<Self>,
        request: &ApiRequest,
    ) -> Result<Value, AwsError> {
        let input: TaskInput = body(request)?;
        let source = self.source(input.source_arn.as_deref())?;
        let requester = Requester::Caller(&request.caller);
        self.authorize(requester, "StartMessageMoveTask", &source)?;
        self.authorize(requester, "ReceiveMessage", &source)?;
        self.authorize(requester, "DeleteMessage", &source)?;
        let destination = match &input.destination_arn {
            None => None,
            Some(arn) => {
                let name = name_of_arn(arn).filter(|name| self.queues().contains_key(*name));
                let name = name.ok_or_else(no_resource)?;
                self.authorize(requester, "SendMessage", name)?;
                Some(name.to_owned())
            }
        };
        let per_second = match input.max_number_of_messages_per_second {
            None => None,
            Some(rate @ 1..=500) => Some(rate as u32),
            Some(rate) => {
                return Err(invalid_value(
                    &rate.to_string(),
                    "MaxNumberOfMessagesPerSecond",
                    "Must be between 1 and 500.",
                ));
            }
        };
        let arn = queue_arn(&source);
        let (is_dead_letter_queue, to_move) = {
            let mut queues = self.queues();
            let named = queues.values().any(|queue| {
                queue.document.settings.redrive.as_ref().is_some_and(|r| r.target_arn == arn)
            });
            let now = self.core.now_millis();
            let queue = queues.get_mut(&source).ok_or_else(no_resource)?;
            queue.show_ready(now);
            (named, queue.counts().visible)
        };
        if !is_dead_letter_queue {
            return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
        }
        let handle = format!("{}:{}", uuid::Uuid::new_v4(), source);
        {
            let mut tasks = self.tasks();
            if tasks.iter().any(|task| task.source == source && task.status == "RUNNING") {
                return Err(AwsError::new(
                    400,
                    "UnsupportedOperation",
                    "There is already a task running. Only one active task is allowed for a \
                     source queue arn at a given time.",
                ));
            }
            tasks.push_front(MoveTask {
                handle: handle.clone(),
                source,
                destination,
                per_second,
                status: "RUNNING",
                reason: None,
                moved: 0,
                to_move,
                started_ms: self.core.now_millis(),
            });
            tasks.truncate(REMEMBERED);
        }
        let sqs = Arc::clone(self);
        let id = handle.clone();
        tokio::spawn(async move { sqs.run_move_task(&id).await });
        Ok(json!({ "TaskHandle": handle }))
    }

    pub(super) fn list_move_tasks(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: TaskInput = body(request)?;
        let source = self.source(input.source_arn.as_deref())?;
        self.authorize(Requester::Caller(&request.caller), "ListMessageMoveTasks", &source)?;
        let most = match input.max_results {
            None => 1,
            Some(most @ 1..=10) => most as usize,
            Some(most) => {
                let reason = "Must be between 1 and 10, if provided.";
                return Err(invalid_value(&most.to_string(), "MaxResults", reason));
            }
        };
        let shown: Vec<Value> =
            self.tasks().iter().filter(|task| task.source == source).take(most).map(show).collect();
        Ok(json!({ "Results": shown }))
    }

    pub(super) fn cancel_move_task(&self, request: &ApiRequest) -> Result<Value, AwsError> {
        let input: TaskInput = body(request)?;
        let handle = input.task_handle.ok_or_else(|| missing("TaskHandle"))?;
        let source = handle.split_once(':').map_or("", |(_, source)| source).to_owned();
        self.authorize(Requester::Caller(&request.caller), "CancelMessageMoveTask", &source)?;
        let mut tasks = self.tasks();
        let task = tasks.iter_mut().find(|task| task.handle == handle && task.status == "RUNNING");
        let task = task.ok_or_else(|| {
            AwsError::new(404, "ResourceNotFoundException", "Task does not exist.")
        })?;
        task.status = "CANCELLED";
        Ok(json!({ "ApproximateNumberOfMessagesMoved": task.moved }))
    }

    fn source(&self, arn: Option<&str>) -> Result<String, AwsError> {
        let name = name_of_arn(arn.ok_or_else(|| missing("SourceArn"))?);
        let name = name.filter(|name| self.queues().contains_key(*name));
        name.map(str::to_owned).ok_or_else(no_resource)
    }

    async fn run_move_task(&self, handle: &str) {
        loop {
            let task = self.tasks().iter().find(|task| task.handle == handle).cloned();
            let Some(task) = task.filter(|task| task.status == "RUNNING") else { return };
            let most = task.per_second.map_or(AT_ONCE, |rate| rate as usize);
            let result = self.move_some(&task, most).await;
            self.note_moved(handle, result);
            if task.per_second.is_some() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    fn note_moved(&self, handle: &str, result: Result<usize, StoreError>) {
        let mut tasks = self.tasks();
        let Some(task) = tasks.iter_mut().find(|task| task.handle == handle) else { return };
        match result {
            Ok(moved) => {
                task.moved += moved;
                if moved == 0 && task.status == "RUNNING" {
                    task.status = "COMPLETED";
                }
            }
            Err(error) => {
                task.status = "FAILED";
                task.reason = Some(error.to_string());
            }
        }
    }

    /// Moves up to `most` messages that nobody is working on; answers how many.
    async fn move_some(&self, task: &MoveTask, most: usize) -> Result<usize, StoreError> {
        let now = self.core.now_millis();
        let mut changes = Vec::new();
        let mut moves: Vec<(u64, String, Arc<Message>)> = Vec::new();
        {
            let mut queues = self.queues();
            let Some(queue) = queues.get_mut(&task.source) else { return Ok(0) };
            queue.show_ready(now);
            let ready: Vec<_> =
                queue.ready().take(most).filter_map(|s| queue.get(s).cloned()).collect();
            for kept in ready {
                let origin = kept.message.moved_from.as_deref().and_then(name_of_arn);
                let Some(target) = task.destination.as_deref().or(origin) else { continue };
                if !queues.contains_key(target) || target == task.source {
                    continue;
                }
                let message = Arc::new(Message {
                    sequence: self.sequence(),
                    moved_from: None,
                    due_ms: 0,
                    ..Message::clone(&kept.message)
                });
                let old = key(&task.source, kept.message.sequence);
                changes.push(Change::delete(MESSAGES, old.clone()));
                changes.push(Change::delete(RECEIVES, old));
                let new = key(target, message.sequence);
                changes.push(Change::put(MESSAGES, new, message.as_ref())?);
                moves.push((kept.message.sequence, target.to_owned(), message));
            }
        }
        self.core.store.commit(changes).await?;
        let moved = moves.len();
        let mut queues = self.queues();
        for (sequence, target, message) in moves {
            if let Some(queue) = queues.get_mut(&task.source) {
                queue.remove(sequence);
            }
            if let Some(queue) = queues.get_mut(&target) {
                queue.add(message, Receives::default(), now);
            }
        }
        Ok(moved)
    }
}

fn show(task: &MoveTask) -> Value {
    let mut out = Map::new();
    if task.status == "RUNNING" {
        out.insert("TaskHandle".to_owned(), task.handle.as_str().into());
    }
    out.insert("Status".to_owned(), task.status.into());
    out.insert("SourceArn".to_owned(), queue_arn(&task.source).into());
    if let Some(destination) = &task.destination {
        out.insert("DestinationArn".to_owned(), queue_arn(destination).into());
    }
    if let Some(rate) = task.per_second {
        out.insert("MaxNumberOfMessagesPerSecond".to_owned(), rate.into());
    }
    out.insert("ApproximateNumberOfMessagesMoved".to_owned(), task.moved.into());
    out.insert("ApproximateNumberOfMessagesToMove".to_owned(), task.to_move.into());
    if let Some(reason) = &task.reason {
        out.insert("FailureReason".to_owned(), reason.as_str().into());
    }
    out.insert("StartedTimestamp".to_owned(), task.started_ms.into());
    Value::Object(out)
}

fn no_resource() -> AwsError {
    AwsError::new(
        404,
        "ResourceNotFoundException",
        "The resource that you specified for the SourceArn parameter doesn't exist.",
    )
}
