//! Functions and their events through the cloud's port, with real processes: asynchronous
//! invocations and what becomes of them, queues and table streams as event sources, concurrency.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "support/function.rs"]
mod function;
mod support;

use std::time::{Duration, Instant};

use function::{program, zipped};
use labdeck_cloud::lifecycle::Options;
use serde_json::{Value, json};
use support::Cloud;
use tempfile::TempDir;

const ROLE: &str = "arn:aws:iam::000000000000:role/worker";

struct Events {
    dir: TempDir,
    cloud: Cloud,
}

fn arn(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:us-east-1:000000000000:{rest}")
}

impl Events {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::start_with(Self::options(&dir)).await;
        let events = Self { dir, cloud };
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        events
            .form(
                "iam",
                &[
                    ("Action", "CreateRole"),
                    ("Version", "2010-05-08"),
                    ("RoleName", "worker"),
                    ("AssumeRolePolicyDocument", trust),
                ],
            )
            .await;
        events.allow(&["logs:*"]).await;
        events
    }

    fn options(dir: &TempDir) -> Options {
        Options {
            any_credentials: true,
            async_retry_delay: Some(Duration::from_millis(20)),
            ..Options::new(dir.path())
        }
    }

    async fn restart(self) -> Self {
        let Self { dir, cloud } = self;
        cloud.stop().await;
        let cloud = Cloud::restart_with(Self::options(&dir)).await;
        Self { dir, cloud }
    }

    /// Gives the functions' role these actions on everything, and no others.
    async fn allow(&self, actions: &[&str]) {
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": actions, "Resource": "*"}]});
        self.form(
            "iam",
            &[
                ("Action", "PutRolePolicy"),
                ("Version", "2010-05-08"),
                ("RoleName", "worker"),
                ("PolicyName", "all"),
                ("PolicyDocument", &policy.to_string()),
            ],
        )
        .await;
    }

    async fn raw(&self, line: &str, headers: &str, body: &str) -> (u16, String) {
        let host = self.cloud.endpoint.trim_start_matches("http://");
        self.cloud.raw(&format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}"), body).await
    }

    async fn form(&self, what: &str, parameters: &[(&str, &str)]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(parameters);
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let (status, answer) = self.raw("POST /", kind, &form.finish()).await;
        assert_eq!(status, 200, "{what}: {answer}");
        answer
    }

    async fn target(&self, target: &str, body: Value) -> (u16, Value) {
        let header = format!("X-Amz-Target: {target}\r\n");
        let (status, answer) = self.raw("POST /", &header, &body.to_string()).await;
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    async fn sqs(&self, operation: &str, body: Value) -> Value {
        let (status, answer) = self.target(&format!("AmazonSQS.{operation}"), body).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    async fn queue(&self, name: &str, attributes: Value) -> String {
        let body = json!({"QueueName": name, "Attributes": attributes});
        self.sqs("CreateQueue", body).await["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// The next message of a queue; it is deleted.
    async fn next(&self, url: &str) -> Value {
        let body = json!({"QueueUrl": url, "WaitTimeSeconds": 20, "MessageAttributeNames": ["All"],
            "AttributeNames": ["All"]});
        let message = self.sqs("ReceiveMessage", body).await["Messages"][0].take();
        assert!(!message.is_null(), "no message came");
        let handle = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
        self.sqs("DeleteMessage", handle).await;
        message
    }

    async fn lambda(&self, line: &str, body: Value) -> (u16, Value) {
        let (status, answer) = self.raw(line, "", &body.to_string()).await;
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    async fn create(&self, name: &str, more: Value) {
        let mut body = json!({
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": ROLE, "Code": {"ZipFile": zipped("bootstrap", 0o755, program())},
        });
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let (status, answer) = self.lambda("POST /2015-03-31/functions", body).await;
        assert_eq!(status, 201, "{answer}");
        self.eventually(async || {
            let line = format!("GET /2015-03-31/functions/{name}/configuration");
            let (_, c) = self.lambda(&line, Value::Null).await;
            (c["State"] == "Active").then_some(())
        })
        .await;
    }

    async fn invoke(&self, name: &str, kind: &str, event: Value) -> (u16, Value) {
        let line = format!("POST /2015-03-31/functions/{name}/invocations");
        let header = format!("X-Amz-Invocation-Type: {kind}\r\n");
        let (status, answer) = self.raw(&line, &header, &event.to_string()).await;
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    async fn map(&self, body: Value) -> String {
        let (status, answer) = self.lambda("POST /2015-03-31/event-source-mappings", body).await;
        assert_eq!((status, answer["State"].as_str()), (202, Some("Creating")), "{answer}");
        let uuid = answer["UUID"].as_str().unwrap().to_owned();
        self.eventually(async || {
            let line = format!("GET /2015-03-31/event-source-mappings/{uuid}");
            let (_, mapping) = self.lambda(&line, Value::Null).await;
            (mapping["State"] == "Enabled").then_some(())
        })
        .await;
        uuid
    }

    /// The events that a function wrote to its log.
    async fn events_of(&self, name: &str) -> Vec<Value> {
        let body = json!({"logGroupName": format!("/aws/lambda/{name}"), "filterPattern": "EVENT"});
        let (_, answer) = self.target("Logs_20140328.FilterLogEvents", body).await;
        let lines = answer["events"].as_array().cloned().unwrap_or_default();
        lines
            .iter()
            .filter_map(|line| line["message"].as_str()?.strip_prefix("EVENT "))
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect()
    }

    async fn eventually<T>(&self, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let give_up = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            assert!(Instant::now() < give_up, "it did not happen within twenty seconds");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The bodies or sizes of the batches of some events.
fn sizes(events: &[Value]) -> Vec<usize> {
    events.iter().map(|event| event["Records"].as_array().unwrap().len()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_event_is_tried_twice_more_and_told_to_queue_and_destination() {
    let events = Events::start().await;
    let dead = events.queue("dead", json!({})).await;
    let failed = events.queue("failed", json!({})).await;
    let done = events.queue("done", json!({})).await;
    let dead_letter = json!({"DeadLetterConfig": {"TargetArn": arn("sqs", "dead")}});
    let mut create = json!({
        "FunctionName": "f", "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": ROLE,
        "Code": {"ZipFile": zipped("bootstrap", 0o755, program())},
    });
    create.as_object_mut().unwrap().extend(dead_letter.as_object().unwrap().clone());
    let (status, refusal) = events.lambda("POST /2015-03-31/functions", create).await;
    assert_eq!(status, 400);
    assert_eq!(
        refusal["message"],
        "The provided execution role does not have permissions to call SendMessage on SQS"
    );
    events.allow(&["logs:*", "sqs:SendMessage"]).await;
    events.create("f", dead_letter).await;
    let line = "PUT /2019-09-25/functions/f/event-invoke-config";
    let (status, config) = events
        .lambda(
            line,
            json!({"DestinationConfig": {
            "OnSuccess": {"Destination": arn("sqs", "done")},
            "OnFailure": {"Destination": arn("sqs", "failed")}}}),
        )
        .await;
    assert_eq!(status, 200, "{config}");
    assert_eq!(config["FunctionArn"], arn("lambda", "function:f:$LATEST"));

    assert_eq!(events.invoke("f", "Event", json!({"do": "fail"})).await, (202, Value::Null));
    let letter = events.next(&dead).await;
    assert_eq!(letter["Body"], r#"{"do":"fail"}"#);
    assert_eq!(letter["MessageAttributes"]["ErrorCode"]["StringValue"], "200");
    assert_eq!(letter["MessageAttributes"]["ErrorMessage"]["StringValue"], "no luck");
    let record = events.next(&failed).await;
    let record: Value = serde_json::from_str(record["Body"].as_str().unwrap()).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(record["requestPayload"], json!({"do": "fail"}));
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorMessage"], "no luck");
    assert_eq!(
        record["requestContext"]["requestId"],
        letter["MessageAttributes"]["RequestID"]["StringValue"]
    );

    assert_eq!(events.invoke("f", "Event", json!({"fine": 1})).await.0, 202);
    let record = events.next(&done).await;
    let record: Value = serde_json::from_str(record["Body"].as_str().unwrap()).unwrap();
    assert_eq!(record["requestContext"]["condition"], "Success");
    assert_eq!(record["responsePayload"], json!({"fine": 1}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reserved_concurrency_throttles_and_zero_lets_nothing_run() {
    let events = Events::start().await;
    let dead = events.queue("dead", json!({})).await;
    events.allow(&["logs:*", "sqs:SendMessage"]).await;
    events.create("f", json!({"DeadLetterConfig": {"TargetArn": arn("sqs", "dead")}})).await;
    let line = "PUT /2017-10-31/functions/f/concurrency";
    let (status, refusal) = events.lambda(line, json!({"ReservedConcurrentExecutions": 901})).await;
    assert_eq!(status, 400);
    assert!(refusal["message"].as_str().unwrap().ends_with("below its minimum value of [100]."));
    let (status, _) = events.lambda(line, json!({"ReservedConcurrentExecutions": 1})).await;
    assert_eq!(status, 200);
    let slow = || events.invoke("f", "RequestResponse", json!({"do": "sleep"}));
    let (one, other) = tokio::join!(slow(), slow());
    let (refused, served) = if one.0 == 429 { (one, other) } else { (other, one) };
    assert_eq!((refused.0, served.0), (429, 200));
    assert_eq!(refused.1["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded");

    events.lambda(line, json!({"ReservedConcurrentExecutions": 0})).await;
    assert_eq!(events.invoke("f", "Event", json!({"n": 1})).await.0, 202);
    let letter = events.next(&dead).await;
    assert_eq!(letter["Body"], r#"{"n":1}"#);
    assert_eq!(letter["MessageAttributes"]["ErrorCode"]["StringValue"], "429");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_feeds_a_function_and_what_it_fails_with_goes_to_the_dead_letters() {
    let events = Events::start().await;
    let dead = events.queue("dead", json!({})).await;
    let redrive = json!({"deadLetterTargetArn": arn("sqs", "dead"), "maxReceiveCount": 2});
    let attributes = json!({"RedrivePolicy": redrive.to_string(), "VisibilityTimeout": "1"});
    let jobs = events.queue("jobs", attributes).await;
    events
        .create("f", json!({"Timeout": 1, "Environment": {"Variables": {"BATCH": "report"}}}))
        .await;
    let mapping = json!({"FunctionName": "f", "EventSourceArn": arn("sqs", "jobs"),
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "FilterCriteria": {"Filters": [{"Pattern": r#"{"body":{"kind":["job"]}}"#}]}});
    let line = "POST /2015-03-31/event-source-mappings";
    let (status, refusal) = events.lambda(line, mapping.clone()).await;
    assert_eq!(status, 400);
    assert_eq!(
        refusal["message"],
        "The function execution role does not have permissions to call ReceiveMessage on SQS"
    );
    events.allow(&["logs:*", "sqs:*"]).await;
    let entries: Vec<Value> = ["good", "poison", "other"]
        .iter()
        .map(|name| {
            let kind = if *name == "other" { "note" } else { "job" };
            json!({"Id": name, "MessageBody": json!({"kind": kind, "name": name}).to_string()})
        })
        .collect();
    events.sqs("SendMessageBatch", json!({"QueueUrl": jobs, "Entries": entries})).await;
    let uuid = events.map(mapping.clone()).await;
    let (status, refusal) = events.lambda(line, mapping).await;
    assert_eq!((status, refusal["message"].as_str().unwrap().contains(&uuid)), (409, true));

    // The good one is gone at once; the other is tried again, and then it is a dead letter.
    let letter = events.next(&dead).await;
    assert!(letter["Body"].as_str().unwrap().contains("poison"));
    let seen = events.events_of("f").await;
    assert_eq!(sizes(&seen), [2, 1]);
    let record = &seen[0]["Records"][0];
    assert_eq!(record["eventSourceARN"], arn("sqs", "jobs"));
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(seen[1]["Records"][0]["attributes"]["ApproximateReceiveCount"], "2");
    let counts = json!({"QueueUrl": jobs, "AttributeNames": ["All"]});
    let counts = events.sqs("GetQueueAttributes", counts).await;
    assert_eq!(counts["Attributes"]["ApproximateNumberOfMessages"], "0");
    assert_eq!(counts["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "0");

    // It goes on after a restart, and ends when it is switched off.
    let events = events.restart().await;
    let job = |name: &str| json!({"kind": "job", "name": name}).to_string();
    events.sqs("SendMessage", json!({"QueueUrl": jobs, "MessageBody": job("late")})).await;
    events.eventually(async || (events.events_of("f").await.len() == 3).then_some(())).await;
    let line = format!("PUT /2015-03-31/event-source-mappings/{uuid}");
    let (status, answer) = events.lambda(&line, json!({"Enabled": false})).await;
    assert_eq!((status, answer["State"].as_str()), (202, Some("Disabling")));
    let line = format!("GET /2015-03-31/event-source-mappings/{uuid}");
    events
        .eventually(async || {
            (events.lambda(&line, Value::Null).await.1["State"] == "Disabled").then_some(())
        })
        .await;
    events.sqs("SendMessage", json!({"QueueUrl": jobs, "MessageBody": job("unread")})).await;
    let message = events.next(&jobs).await;
    assert!(message["Body"].as_str().unwrap().contains("unread"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_feeds_a_function_in_order_and_halves_find_the_bad_record() {
    let events = Events::start().await;
    let failed = events.queue("failed", json!({})).await;
    let (status, table) = events
        .target(
            "DynamoDB_20120810.CreateTable",
            json!({
            "TableName": "pets", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}}),
        )
        .await;
    assert_eq!(status, 200, "{table}");
    let stream = table["TableDescription"]["LatestStreamArn"].as_str().unwrap().to_owned();
    let put = async |events: &Events, id: &str| {
        let body = json!({"TableName": "pets", "Item": {"id": {"S": id}}});
        assert_eq!(events.target("DynamoDB_20120810.PutItem", body).await.0, 200);
    };
    for id in ["a", "b", "poison", "d"] {
        put(&events, id).await;
    }
    events.create("f", json!({"Environment": {"Variables": {"BATCH": "fail"}}})).await;
    let mapping = json!({"FunctionName": "f", "EventSourceArn": stream,
        "StartingPosition": "TRIM_HORIZON", "BisectBatchOnFunctionError": true,
        "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnFailure": {"Destination": arn("sqs", "failed")}}});
    let line = "POST /2015-03-31/event-source-mappings";
    let (status, refusal) = events.lambda(line, mapping.clone()).await;
    assert_eq!(status, 400);
    assert!(refusal["message"].as_str().unwrap().starts_with("Cannot access stream arn:aws:"));
    events.allow(&["logs:*", "sqs:SendMessage", "dynamodb:*"]).await;
    let uuid = events.map(mapping).await;

    let told = events.next(&failed).await;
    let told: Value = serde_json::from_str(told["Body"].as_str().unwrap()).unwrap();
    assert_eq!(told["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(told["DDBStreamBatchInfo"]["batchSize"], 1);
    assert_eq!(told["DDBStreamBatchInfo"]["streamArn"], stream);
    let seen = events
        .eventually(async || {
            let seen = events.events_of("f").await;
            (seen.len() == 6).then_some(seen)
        })
        .await;
    assert_eq!(sizes(&seen), [4, 2, 2, 1, 1, 1]);
    let bad = &seen[3]["Records"][0];
    assert_eq!(bad["dynamodb"]["NewImage"]["id"]["S"], "poison");
    assert_eq!(bad["eventSourceARN"], stream);
    let number = &told["DDBStreamBatchInfo"]["startSequenceNumber"];
    assert_eq!(&bad["dynamodb"]["SequenceNumber"], number);

    // What is done is not done again after a restart; what comes later is.
    let events = events.restart().await;
    put(&events, "late").await;
    let seen = events
        .eventually(async || {
            let seen = events.events_of("f").await;
            (seen.len() > 6).then_some(seen)
        })
        .await;
    assert_eq!(sizes(&seen)[6..], [1]);
    assert_eq!(seen[6]["Records"][0]["dynamodb"]["NewImage"]["id"]["S"], "late");
    let line = format!("DELETE /2015-03-31/event-source-mappings/{uuid}");
    let (status, answer) = events.lambda(&line, Value::Null).await;
    assert_eq!((status, answer["State"].as_str()), (202, Some("Deleting")));
    let line = format!("GET /2015-03-31/event-source-mappings/{uuid}");
    events
        .eventually(async || (events.lambda(&line, Value::Null).await.0 == 404).then_some(()))
        .await;
}
