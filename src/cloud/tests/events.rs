//! Functions and their events through the cloud's port, with real processes: asynchronous
//! invocations and what becomes of them, queues and table streams as event sources, concurrency.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "support/events.rs"]
mod harness;
mod support;

use harness::{Events, ROLE, arn, program, zipped};
use serde_json::{Value, json};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_reaches_queue_function_and_webhook_each_by_its_own_permission() {
    let events = Events::start().await;
    let created = events.sns("CreateTopic", &[("Name", "pet-added")]).await;
    let topic = arn("sns", "pet-added");
    assert!(created.contains(&topic), "{created}");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn("sqs", "pets"), "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]});
    let pets = events.queue("pets", json!({"Policy": policy.to_string()})).await;
    events.create("f", json!({"Environment": {"Variables": {"BATCH": "log"}}})).await;
    let subscribe = async |protocol: &str, endpoint: &str| {
        let to = [("TopicArn", topic.as_str()), ("Protocol", protocol), ("Endpoint", endpoint)];
        events.sns("Subscribe", &to).await
    };
    subscribe("sqs", &arn("sqs", "pets")).await;
    subscribe("lambda", &arn("lambda", "function:f")).await;

    // The webhook gets nothing until it has visited the URL that it was sent.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    assert!(subscribe("http", &url).await.contains("pending confirmation"));
    let request = harness::request(&listener).await;
    assert!(request.contains("x-amz-sns-message-type: SubscriptionConfirmation"), "{request}");
    let body = request.split("\r\n\r\n").nth(1).unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let confirm = body["SubscribeURL"].as_str().unwrap().strip_prefix(&events.cloud.endpoint);
    let (status, answer) = events.raw(&format!("GET {}", confirm.unwrap()), "", "").await;
    assert_eq!(status, 200, "{answer}");

    let publish = [("TopicArn", topic.as_str()), ("Message", "Rex"), ("Subject", "dog")];
    events.sns("Publish", &publish).await;
    let envelope = events.next(&pets).await;
    let envelope: Value = serde_json::from_str(envelope["Body"].as_str().unwrap()).unwrap();
    assert_eq!((&envelope["Message"], &envelope["TopicArn"]), (&json!("Rex"), &json!(topic)));
    let request = harness::request(&listener).await;
    assert!(request.contains("x-amz-sns-message-type: Notification"), "{request}");
    assert!(request.contains(r#""Message":"Rex""#), "{request}");

    // The function does not let the topic in: that message is lost to it, as on AWS.
    let permission = json!({"StatementId": "sns", "Action": "lambda:InvokeFunction",
        "Principal": "sns.amazonaws.com", "SourceArn": topic});
    let (status, _) = events.lambda("POST /2015-03-31/functions/f/policy", permission).await;
    assert_eq!(status, 201);
    let publish = [("TopicArn", topic.as_str()), ("Message", "Tom"), ("Subject", "cat")];
    events.sns("Publish", &publish).await;
    let seen = events
        .eventually(async || {
            let seen = events.events_of("f").await;
            (!seen.is_empty()).then_some(seen)
        })
        .await;
    assert_eq!(seen.len(), 1);
    let record = &seen[0]["Records"][0];
    assert_eq!(record["EventSource"], "aws:sns");
    assert_eq!(
        (&record["Sns"]["Message"], &record["Sns"]["Subject"]),
        (&json!("Tom"), &json!("cat"))
    );
}
