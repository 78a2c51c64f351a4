//! Functions that an event source mapping feeds with the records of a table's stream.

use std::future::Future;

use lambda_http::lambda_runtime::{self, LambdaEvent, service_fn};
use serde_json::{Value, json};

use crate::Error;
use crate::call::{Call, Level, Service};
use crate::event::{Failure, noted};
use crate::invocation::Invocations;

/// Counts the records that were done. Every service that [`run_stream`] serves has it.
pub const RECORDS: &str = "Records";
/// Counts the records that were not.
pub const FAILED_RECORDS: &str = "FailedRecords";

/// What happened to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Insert,
    /// It is another.
    Modify,
    /// It is gone.
    Remove,
}

/// One record of a table's stream. Items are maps of attributes as `DynamoDB` writes them:
/// `{"type": {"S": "dog"}}`.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRecord {
    /// What happened.
    pub change: Change,
    /// Where in the stream it stands. Of one item the records come in order, and later ones have
    /// greater numbers.
    pub sequence_number: String,
    /// The item's key.
    pub keys: Value,
    /// The item before the change; null for a new one, and where the stream does not hold it.
    pub old: Value,
    /// The item after the change; null for one that is gone, and where the stream does not hold it.
    pub new: Value,
}

impl StreamRecord {
    /// Reads a record of an event; `None` when it is none of a `DynamoDB` stream.
    pub fn read(record: &Value) -> Option<Self> {
        let change = match record["eventName"].as_str()? {
            "INSERT" => Change::Insert,
            "MODIFY" => Change::Modify,
            "REMOVE" => Change::Remove,
            _ => return None,
        };
        let data = &record["dynamodb"];
        let sequence_number = data["SequenceNumber"].as_str()?;
        let valid = !sequence_number.is_empty()
            && sequence_number.len() <= 40
            && sequence_number.bytes().all(|byte| byte.is_ascii_digit());
        (valid && data["Keys"].is_object()).then(|| Self {
            change,
            sequence_number: sequence_number.to_owned(),
            keys: data["Keys"].clone(),
            old: data["OldImage"].clone(),
            new: data["NewImage"].clone(),
        })
    }
}

/// Serves batches of a stream's records until Lambda ends the execution environment. Each batch writes
/// one EMF document.
///
/// The records of a batch are handled in order, up to the first that fails: it and those behind it are
/// reported as not done (a partial batch response), so that Lambda tries again from there. The mapping
/// must have the response type `ReportBatchItemFailures`, or a partial answer counts as all done.
///
/// Errors: the Runtime API is not there or breaks off.
pub async fn run_stream<H, F>(service: Service, handler: H) -> Result<(), Error>
where
    H: Fn(StreamRecord, Call) -> F,
    F: Future<Output = Result<(), Failure>> + Send,
{
    let invocations = Invocations::from_env(service)?;
    let (invocations, handler) = (&invocations, &handler);
    let handle = |event: LambdaEvent<Value>| async move {
        let invocation = invocations.begin(&event.context);
        let call = invocation.call.clone();
        call.property("route", "stream");
        let answer = Box::pin(batch(&event.payload, handler, &call)).await;
        let failed = call.counted(FAILED_RECORDS) > 0;
        let status = noted(&answer, &call);
        invocation.end(if failed { 500 } else { status });
        answer
    };
    lambda_runtime::run(service_fn(handle)).await
}

/// Handles a batch: the answer says from which record on it was not done.
///
/// Errors: the event holds no list of records.
pub async fn batch<H, F>(event: &Value, handler: &H, call: &Call) -> Result<Value, Failure>
where
    H: Fn(StreamRecord, Call) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let Some(records) = event["Records"].as_array() else {
        let message = "The event holds no records of a stream";
        return Err(Failure::new("InvalidEvent", message, 400));
    };
    call.property("batch", records.len());
    for record in records {
        let Some(read) = StreamRecord::read(record) else {
            // Trying it again can't help, and holding the stream up for it helps nobody.
            call.count(FAILED_RECORDS);
            let fields = [("eventId", record["eventID"].clone())];
            call.log(Level::Error, "skipped what is no record of a DynamoDB stream", &fields);
            continue;
        };
        let sequence_number = read.sequence_number.clone();
        if let Err(failure) = handler(read, call.clone()).await {
            call.count(FAILED_RECORDS);
            let fields = [
                ("sequenceNumber", sequence_number.as_str().into()),
                ("errorMessage", failure.message().into()),
            ];
            call.log(Level::Error, "a record failed; it is tried again from here", &fields);
            return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": sequence_number }] }));
        }
        call.count(RECORDS);
    }
    Ok(json!({ "batchItemFailures": [] }))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const SERVICE: Service = Service { name: "pet-stats", counters: &[RECORDS, FAILED_RECORDS] };

    fn record(sequence_number: &str) -> Value {
        json!({ "eventID": "e", "eventName": "INSERT", "dynamodb": {
            "Keys": { "petId": { "S": "p" } }, "SequenceNumber": sequence_number,
            "NewImage": { "petId": { "S": "p" } } } })
    }

    #[tokio::test]
    async fn a_batch_is_done_up_to_the_first_record_that_fails() {
        let seen = Mutex::new(Vec::new());
        let seen = &seen;
        let handler = |record: StreamRecord, _: Call| async move {
            seen.lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push(record.sequence_number.clone());
            if record.sequence_number == "2" { Err(Failure::internal()) } else { Ok(()) }
        };
        let call = Call::new(SERVICE, "1", "r-1");
        let event = json!({ "Records": [record("1"), record("2"), record("3")] });
        let answer = batch(&event, &handler, &call).await;
        assert_eq!(answer, Ok(json!({ "batchItemFailures": [{ "itemIdentifier": "2" }] })));
        let seen = seen.lock().map(|seen| seen.clone()).unwrap_or_default();
        assert_eq!(seen, ["1", "2"]);
        assert_eq!((call.counted(RECORDS), call.counted(FAILED_RECORDS)), (1, 1));
        let again = json!({ "Records": [record("3")] });
        let answer = batch(&again, &handler, &call).await;
        assert_eq!(answer, Ok(json!({ "batchItemFailures": [] })));
    }

    #[tokio::test]
    async fn what_is_no_record_never_holds_the_stream_up() {
        let handler = |_: StreamRecord, _: Call| async { Ok(()) };
        let call = Call::new(SERVICE, "1", "r-1");
        let event = json!({ "Records": [7, { "eventName": "INSERT" }, record(""), record("x"),
            record("5")] });
        let answer = batch(&event, &handler, &call).await;
        assert_eq!(answer, Ok(json!({ "batchItemFailures": [] })));
        assert_eq!((call.counted(RECORDS), call.counted(FAILED_RECORDS)), (1, 4));
        for event in [json!({}), json!(7), json!({ "Records": {} })] {
            assert!(batch(&event, &handler, &call).await.is_err());
        }
    }
}
