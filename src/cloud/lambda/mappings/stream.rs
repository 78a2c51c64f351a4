//! Table streams as event sources: records in order, a failing batch holds up those behind it.
//!
//! Source: Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB". AWS looks four times a
//! second; here a write to the table wakes the reader, so that an idle one costs nothing.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::AwsError;
use crate::lambda::destinations::{role_caller, timestamp};
use crate::lambda::errors::invalid_parameter;
use crate::lambda::invoke::{Baggage, Invoker};
use crate::lambda::model::Configuration;
use crate::lambda::names::{FunctionName, qualified_arn};
use crate::lambda::{Lambda, Outcome};
use crate::sqs::Attributes;
use crate::wire::Caller;

use super::Work;
use super::model::{Mapping, StreamSettings};
use super::partial::{Report, read};
use super::queue::backoff;
use super::stream_batch::{Next, Piece, Rules};

/// The most records of one read.
const READ_LIMIT: usize = 1000;
/// The most bytes of records in one batch.
const BATCH_BYTES: usize = 6_000_000;
/// How long a stream keeps its records, in seconds.
const RETENTION_SECONDS: u32 = 86_400;
/// How long an idle reader sleeps at most; only for safety.
const NAP: Duration = Duration::from_mins(5);
/// The pause after a failure, and after it failed again.
const FAILED: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// What AWS needs of a role to read a stream.
const ACTIONS: [&str; 3] = ["GetRecords", "GetShardIterator", "DescribeStream"];

impl Lambda {
    /// Whether the stream is there and the function's role may read it.
    pub(super) async fn check_stream(
        &self,
        mapping: &Mapping,
        c: &Configuration,
    ) -> Result<(), AwsError> {
        let caller = role_caller(&c.role, &mapping.function);
        if self.authorize_stream(&caller, &mapping.source_arn).is_err() {
            return Err(invalid_parameter(format!(
                "Cannot access stream {}. Please ensure the role can perform the GetRecords, \
                 GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM.",
                mapping.source_arn
            )));
        }
        self.shard(&mapping.source_arn).await.map(drop)
    }

    fn authorize_stream(&self, caller: &Caller, stream_arn: &str) -> Result<(), AwsError> {
        let streams = stream_arn.rsplit_once('/').map_or("*".to_owned(), |(s, _)| format!("{s}/*"));
        let needed = ACTIONS
            .iter()
            .map(|action| (*action, stream_arn))
            .chain([("ListStreams", streams.as_str())]);
        for (action, resource) in needed {
            let action = format!("dynamodb:{action}");
            let allowed = self.iam.authorize(caller, &action, resource);
            // A policy names one stream, all of the table, or everything.
            let allowed = allowed.or_else(|denial| {
                if action == "dynamodb:ListStreams" {
                    return self
                        .iam
                        .authorize(caller, &action, stream_arn)
                        .or_else(|_| self.iam.authorize(caller, &action, "*"));
                }
                Err(denial)
            });
            allowed.map_err(|denial| denial.into_error(403))?;
        }
        Ok(())
    }

    /// The shard of a stream that is there. The local cloud's streams have one.
    async fn shard(&self, stream_arn: &str) -> Result<String, AwsError> {
        let not_found = || invalid_parameter(format!("Stream not found: {stream_arn}"));
        let dynamodb = &self.neighbours()?.dynamodb;
        let request = json!({ "StreamArn": stream_arn });
        let stream = dynamodb.perform("DescribeStream", &request).await.map_err(|_| not_found())?;
        let stream = &stream["StreamDescription"];
        if stream_arn.rsplit('/').next() != stream["StreamLabel"].as_str() {
            return Err(not_found());
        }
        stream["Shards"][0]["ShardId"].as_str().map(str::to_owned).ok_or_else(not_found)
    }

    /// Where a new mapping begins to read.
    pub(super) async fn first_position(&self, mapping: &Mapping) -> Result<String, AwsError> {
        let position = mapping.stream.as_ref().map_or("LATEST", |s| s.starting_position.as_str());
        self.position(&mapping.source_arn, position, None).await
    }

    async fn position(
        &self,
        stream_arn: &str,
        kind: &str,
        sequence: Option<&str>,
    ) -> Result<String, AwsError> {
        let mut request = json!({
            "StreamArn": stream_arn,
            "ShardId": self.shard(stream_arn).await?,
            "ShardIteratorType": kind,
        });
        if let Some(sequence) = sequence {
            request["SequenceNumber"] = sequence.into();
        }
        let answer = self.neighbours()?.dynamodb.perform("GetShardIterator", &request).await?;
        match answer["ShardIterator"].as_str() {
            Some(iterator) => Ok(iterator.to_owned()),
            None => Err(AwsError::internal("the stream gives no iterator")),
        }
    }
}

/// What one look at the stream came to.
enum Step {
    /// There was work, and it is done.
    Worked,
    /// There is nothing to do.
    Nothing,
    /// There is too little for a batch; not to be waited for longer.
    Filling(Instant),
}

impl Work {
    /// Reads the stream until the mapping changes or the cloud stops.
    pub(super) async fn read_stream(self) {
        let Some(settings) = self.mapping.stream.clone() else { return };
        let Ok(neighbours) = self.lambda.neighbours() else { return };
        let table = self.mapping.source_arn.split('/').nth(1).unwrap_or("");
        let written = neighbours.dynamodb.watch(table);
        let mut first_seen = None;
        let mut refused = 0;
        loop {
            // It counts from here: no write is missed.
            let change = written.notified();
            tokio::pin!(change);
            change.as_mut().enable();
            let until = match self.step(&settings, &mut first_seen).await {
                Ok(Step::Worked) => {
                    (refused, first_seen) = (0, None);
                    if self.stop.is_cancelled() {
                        return;
                    }
                    continue;
                }
                Ok(Step::Nothing) => Instant::now() + NAP,
                Ok(Step::Filling(until)) => until,
                Err(error) => {
                    if refused == 0 {
                        let stream = &self.mapping.source_arn;
                        tracing::warn!(stream, %error, "a function's stream can't be read");
                    }
                    refused += 1;
                    Instant::now() + backoff(FAILED, refused)
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = change => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Reads what is there and works it off.
    async fn step(
        &self,
        settings: &StreamSettings,
        first_seen: &mut Option<Instant>,
    ) -> Result<Step, AwsError> {
        self.lambda.authorize_stream(&self.caller()?, &self.mapping.source_arn)?;
        let uuid = &self.mapping.uuid;
        let position = match self.lambda.mappings.checkpoint(uuid) {
            Some(position) => position,
            None => self.lambda.first_position(&self.mapping).await?,
        };
        let lanes = settings.parallelization.max(1) as usize;
        let batch_size = self.mapping.batch_size as usize;
        let (records, next) = self.read(position, batch_size * lanes).await?;
        if records.is_empty() {
            return Ok(Step::Nothing);
        }
        let window = Duration::from_secs(self.mapping.window_seconds.into());
        let full_at = *first_seen.get_or_insert_with(Instant::now) + window;
        if records.len() < batch_size && Instant::now() < full_at {
            return Ok(Step::Filling(full_at));
        }
        let by_lane = divide(records, lanes);
        let work = by_lane.into_iter().map(|records| self.lane(settings, records, lanes == 1));
        if join_all(work).await.into_iter().all(|done| done) {
            self.lambda.mappings.set_checkpoint(uuid, &next).await?;
        }
        Ok(Step::Worked)
    }

    /// Records from a position on, and the position behind them.
    async fn read(
        &self,
        mut position: String,
        most: usize,
    ) -> Result<(Vec<Value>, String), AwsError> {
        let dynamodb = &self.lambda.neighbours()?.dynamodb;
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < most && bytes < BATCH_BYTES {
            let limit = (most - records.len()).min(READ_LIMIT);
            let request = json!({ "ShardIterator": position, "Limit": limit });
            let mut answer = dynamodb.perform("GetRecords", &request).await?;
            let page = match answer["Records"].take() {
                Value::Array(page) => page,
                _ => Vec::new(),
            };
            if let Some(next) = answer["NextShardIterator"].as_str() {
                next.clone_into(&mut position);
            }
            let last_page = page.len() < limit;
            for mut record in page {
                bytes += record["dynamodb"]["SizeBytes"].as_u64().unwrap_or(0) as usize;
                record["eventSourceARN"] = self.mapping.source_arn.as_str().into();
                records.push(record);
            }
            if last_page {
                break;
            }
        }
        Ok((records, position))
    }

    /// Works off records in order, batch by batch. False when the work was stopped before its end.
    async fn lane(&self, settings: &StreamSettings, records: Vec<Value>, alone: bool) -> bool {
        let patterns = self.mapping.patterns();
        let wanted: Vec<Value> = records
            .into_iter()
            .filter(|record| patterns.is_empty() || patterns.iter().any(|p| p.matches(record)))
            .collect();
        for batch in wanted.chunks(self.mapping.batch_size.max(1) as usize) {
            if !self.batch(settings, batch, alone).await {
                return false;
            }
        }
        true
    }

    async fn batch(&self, settings: &StreamSettings, records: &[Value], alone: bool) -> bool {
        let rules = Rules { bisect: settings.bisect, retries: settings.retries };
        let mut stack = vec![Piece::whole(records.len())];
        let mut pauses = 0;
        while let Some(piece) = stack.pop() {
            let Some(piece) = self.without_old(settings, records, piece).await else { continue };
            if self.stop.is_cancelled() {
                return false;
            }
            let slice = &records[piece.from..piece.to];
            let event = Bytes::from(json!({ "Records": slice }).to_string());
            let result = self.invoke(event).await;
            let first_failed = match &result {
                Ok(outcome) => self.first_failed(outcome, slice).map(|first| piece.from + first),
                Err(_) => Some(piece.from),
            };
            let Some(first_failed) = first_failed else {
                pauses = 0;
                self.lambda.mappings.note_result(&self.mapping.uuid, "OK");
                self.done_until(records, &stack, piece.to, alone).await;
                continue;
            };
            if self.stop.is_cancelled() {
                // It may have failed because everything ends: it is tried again.
                return false;
            }
            self.lambda.mappings.note_result(&self.mapping.uuid, "PROBLEM: Function call failed");
            let next = match &result {
                Ok(_) => piece.after_failure(Some(first_failed), rules),
                // Not handed over: only age ends that.
                Err(error) => {
                    let function = &self.mapping.function;
                    tracing::info!(function, %error, "a batch could not be handed over yet");
                    Next::Again(piece)
                }
            };
            match next {
                Next::Split(pieces) => stack.extend(pieces.into_iter().rev()),
                Next::GiveUp(piece) => {
                    let condition = "RetryAttemptsExhausted";
                    self.give_up(
                        settings,
                        &records[piece.from..piece.to],
                        condition,
                        &result,
                        piece,
                    )
                    .await;
                    self.done_until(records, &stack, piece.to, alone).await;
                }
                Next::Again(piece) => {
                    stack.push(piece);
                    let pause = backoff(FAILED, pauses);
                    pauses += 1;
                    tokio::select! {
                        () = self.stop.cancelled() => return false,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
        true
    }

    /// The first record that the function failed with.
    fn first_failed(&self, outcome: &Outcome, records: &[Value]) -> Option<usize> {
        if outcome.function_error.is_some() {
            return Some(0);
        }
        if !self.mapping.reports_failures {
            return None;
        }
        let ids: Vec<&str> = records.iter().map(sequence).collect();
        match read(&outcome.payload, &ids) {
            Report::AllDone => None,
            Report::Unreadable => Some(0),
            Report::Failed(failed) => ids.iter().position(|id| failed.contains(*id)),
        }
    }

    /// Gives up the records at the beginning of a piece that are too old; the rest is to be tried.
    async fn without_old(
        &self,
        settings: &StreamSettings,
        records: &[Value],
        piece: Piece,
    ) -> Option<Piece> {
        let longest = settings.longest_age_seconds.unwrap_or(RETENTION_SECONDS);
        let now = self.lambda.core.now_millis() as f64 / 1000.0;
        let too_old =
            |record: &&Value| now - created(record) > f64::from(longest.min(RETENTION_SECONDS));
        let slice = &records[piece.from..piece.to];
        let old = slice.iter().take_while(too_old).count();
        if old == 0 {
            return Some(piece);
        }
        let given_up = Piece { to: piece.from + old, ..piece };
        let error = Err(AwsError::new(500, "RecordAgeExceeded", ""));
        self.give_up(settings, &slice[..old], "RecordAgeExceeded", &error, given_up).await;
        (old < slice.len()).then_some(Piece { from: piece.from + old, ..piece })
    }

    /// Keeps how far a batch is done, when nothing of it is left before `to`.
    async fn done_until(&self, records: &[Value], left: &[Piece], to: usize, alone: bool) {
        if !alone || left.is_empty() || left.iter().any(|piece| piece.from < to) {
            return;
        }
        let last = sequence(&records[to - 1]);
        let arn = &self.mapping.source_arn;
        let kept = async {
            let position = self.lambda.position(arn, "AFTER_SEQUENCE_NUMBER", Some(last)).await?;
            Ok::<_, AwsError>(
                self.lambda.mappings.set_checkpoint(&self.mapping.uuid, &position).await?,
            )
        };
        if let Err(error) = kept.await {
            tracing::warn!(stream = arn, %error, "how far a batch is done could not be kept");
        }
    }

    /// Tells the mapping's destination which records were given up.
    async fn give_up(
        &self,
        settings: &StreamSettings,
        records: &[Value],
        condition: &str,
        result: &Result<Outcome, AwsError>,
        piece: Piece,
    ) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let Mapping { function, qualifier, source_arn, .. } = self.mapping.as_ref();
        tracing::warn!(function, condition, records = records.len(), "records were given up");
        let Some(target) = &settings.on_failure else { return };
        let arrival = |record: &Value| {
            let text = timestamp((created(record) * 1000.0) as i64);
            text.split('.').next().map(|seconds| format!("{seconds}Z"))
        };
        let mut document = json!({
            "requestContext": {
                "requestId": result.as_ref().map_or_else(
                    |_| uuid::Uuid::new_v4().to_string(),
                    |outcome| outcome.request_id.clone(),
                ),
                "functionArn": qualified_arn(function, qualifier.as_deref()),
                "condition": condition,
                "approximateInvokeCount": piece.invocations,
            },
        });
        if let Ok(outcome) = result {
            document["responseContext"] = json!({
                "statusCode": 200,
                "executedVersion": outcome.executed_version,
                "functionError": outcome.function_error,
            });
        }
        document["version"] = "1.0".into();
        document["timestamp"] = timestamp(self.lambda.core.now_millis()).into();
        document["DDBStreamBatchInfo"] = json!({
            "shardId": self.lambda.shard(source_arn).await.unwrap_or_default(),
            "startSequenceNumber": sequence(first),
            "endSequenceNumber": sequence(last),
            "approximateArrivalOfFirstRecord": arrival(first),
            "approximateArrivalOfLastRecord": arrival(last),
            "batchSize": records.len(),
            "streamArn": source_arn,
        });
        let sent = async {
            let caller = self.caller()?;
            self.lambda.send_to(target, &caller, document.to_string(), Attributes::new()).await
        };
        if let Err(error) = sent.await {
            tracing::warn!(function, target, %error, "records were given up and nobody was told");
        }
    }

    /// Invokes the function and waits for its answer.
    pub(super) async fn invoke(&self, event: Bytes) -> Result<Outcome, AwsError> {
        let name = FunctionName {
            name: self.mapping.function.clone(),
            qualifier: self.mapping.qualifier.clone(),
        };
        // Lambda invokes for itself; that the mapping may was decided when it was made.
        let admitted = self.lambda.admit(name, &Invoker::Caller(Caller::Cloud))?;
        let id = uuid::Uuid::new_v4().to_string();
        self.lambda.run(admitted, event, id, Baggage::default(), false).await
    }
}

/// Records by lane: those of one key stay in order in one lane.
fn divide(records: Vec<Value>, lanes: usize) -> Vec<Vec<Value>> {
    if lanes == 1 {
        return vec![records];
    }
    let mut by_lane: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for record in records {
        let mut keys: Vec<(&String, String)> = record["dynamodb"]["Keys"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name, value.to_string()))
            .collect();
        keys.sort();
        let mut hasher = DefaultHasher::new();
        keys.hash(&mut hasher);
        by_lane.entry(hasher.finish() % lanes as u64).or_default().push(record);
    }
    by_lane.into_values().collect()
}

fn sequence(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or("")
}

/// Seconds since the epoch.
fn created(record: &Value) -> f64 {
    record["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap_or(0.0)
}
