//! Queues through their API: sending, receiving, dead letters, permissions, restarts.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::Sqs;
use crate::core::Core;
use crate::iam::{Iam, Requester};
use crate::store::Store;
use crate::wire::{ApiRequest, Caller};

struct Queues {
    dir: tempfile::TempDir,
    sqs: Arc<Sqs>,
}

impl Queues {
    fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    fn on(dir: tempfile::TempDir) -> Self {
        let core = Core::new(dir.path(), Store::open(&dir.path().join("cloud.db")).unwrap());
        core.endpoint.set("http://127.0.0.1:1".to_owned()).unwrap();
        let iam = Iam::open(Arc::clone(&core)).unwrap();
        Self { dir, sqs: Sqs::open(core, iam).unwrap() }
    }

    /// As after the end of the process: nothing was told that it ends.
    fn restarted(self) -> Self {
        let Self { dir, sqs } = self;
        drop(sqs);
        Self::on(dir)
    }

    async fn call_as(&self, caller: &Caller, operation: &str, body: &Value) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", format!("AmazonSQS.{operation}").parse().unwrap());
        let request = ApiRequest {
            method: Method::POST,
            path: "/".to_owned(),
            query: String::new(),
            headers,
            body: Bytes::from(body.to_string()),
            caller: caller.clone(),
            request_id: "test".to_owned(),
        };
        let answer = self.sqs.call(request).await;
        let status = answer.status().as_u16();
        let code = answer.headers().get("x-amzn-query-error").cloned();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let mut body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if let Some(code) = code {
            body["query"] = code.to_str().unwrap().into();
        }
        (status, body)
    }

    async fn call(&self, operation: &str, body: Value) -> Value {
        let (status, answer) = self.call_as(&Caller::Operator, operation, &body).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    async fn refused(&self, operation: &str, body: Value) -> Value {
        let (status, answer) = self.call_as(&Caller::Operator, operation, &body).await;
        assert!(status >= 400, "{operation}: {answer}");
        answer
    }

    async fn create(&self, name: &str, attributes: Value) -> String {
        let body = json!({"QueueName": name, "Attributes": attributes});
        self.call("CreateQueue", body).await["QueueUrl"].as_str().unwrap().to_owned()
    }

    async fn receive(&self, url: &str, more: Value) -> Vec<Value> {
        let mut body = json!({"QueueUrl": url, "MaxNumberOfMessages": 10,
            "MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.call("ReceiveMessage", body).await;
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    async fn count(&self, url: &str, attribute: &str) -> String {
        let body = json!({"QueueUrl": url, "AttributeNames": [attribute]});
        let answer = self.call("GetQueueAttributes", body).await;
        answer["Attributes"][attribute].as_str().unwrap_or("none").to_owned()
    }
}

fn arn(name: &str) -> String {
    super::queue_arn(name)
}

#[tokio::test]
async fn a_message_is_received_once_hidden_and_deleted() {
    let queues = Queues::new();
    let url = queues.create("jobs", json!({"VisibilityTimeout": "40"})).await;
    assert_eq!(url, "http://127.0.0.1:1/000000000000/jobs");
    let sent = queues
        .call("SendMessage", json!({"QueueUrl": url, "MessageBody": "This is a test message",
            "MessageAttributes": {
                "test_attribute_name_1": {"DataType": "String", "StringValue": "test_attribute_value_1"},
                "bytes": {"DataType": "Binary", "BinaryValue": "AAEC"}}}))
        .await;
    assert_eq!(sent["MD5OfMessageBody"], "fafb00f5732ab283681e124bf8747ed1");
    let got = queues.receive(&url, json!({})).await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0]["Body"], "This is a test message");
    assert_eq!(got[0]["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    assert_eq!(got[0]["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(got[0]["MessageAttributes"]["bytes"]["BinaryValue"], "AAEC");
    assert!(queues.receive(&url, json!({})).await.is_empty(), "it is hidden");
    assert_eq!(queues.count(&url, "ApproximateNumberOfMessagesNotVisible").await, "1");

    // Neither the message nor that it was received is lost with the process.
    let queues = queues.restarted();
    assert!(queues.receive(&url, json!({})).await.is_empty(), "it is still hidden");
    let handle = &got[0]["ReceiptHandle"];
    let show = json!({"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 0});
    queues.call("ChangeMessageVisibility", show).await;
    let again = queues.receive(&url, json!({"WaitTimeSeconds": 5})).await;
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "2");
    queues.call("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": handle})).await;
    assert_eq!(
        queues.count(&url, "ApproximateNumberOfMessagesNotVisible").await,
        "1",
        "an old handle"
    );
    let handle = &again[0]["ReceiptHandle"];
    queues.call("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": handle})).await;
    let queues = queues.restarted();
    assert_eq!(queues.count(&url, "ApproximateNumberOfMessagesNotVisible").await, "0");
    let wrong = json!({"QueueUrl": url, "ReceiptHandle": "x"});
    assert_eq!(
        queues.refused("DeleteMessage", wrong).await["query"],
        "ReceiptHandleIsInvalid;Sender"
    );
}

#[tokio::test]
async fn a_waiting_receive_gets_what_is_sent_meanwhile() {
    let queues = Queues::new();
    let url = queues.create("jobs", json!({})).await;
    let start = Instant::now();
    let (got, _) = tokio::join!(queues.receive(&url, json!({"WaitTimeSeconds": 20})), async {
        queues.call("SendMessage", json!({"QueueUrl": url, "MessageBody": "late"})).await
    });
    assert_eq!(got[0]["Body"], "late");
    assert!(start.elapsed().as_secs() < 10);
    assert!(queues.receive(&url, json!({"WaitTimeSeconds": 1})).await.is_empty());
}

#[tokio::test]
async fn what_fails_too_often_goes_to_the_dead_letter_queue() {
    let queues = Queues::new();
    let policy = json!({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 2}).to_string();
    let body = json!({"QueueName": "jobs", "Attributes": {"RedrivePolicy": policy}});
    let refusal = queues.refused("CreateQueue", body).await;
    assert!(refusal["message"].as_str().unwrap().ends_with("Dead letter target does not exist."));
    let dead = queues.create("dead", json!({})).await;
    let url = queues.create("jobs", json!({"RedrivePolicy": policy})).await;
    queues.call("SendMessage", json!({"QueueUrl": url, "MessageBody": "poison"})).await;
    for _ in 0..2 {
        assert_eq!(
            queues.receive(&url, json!({"VisibilityTimeout": 0, "WaitTimeSeconds": 5})).await.len(),
            1
        );
    }
    assert!(queues.receive(&url, json!({"WaitTimeSeconds": 1})).await.is_empty());
    let queues = queues.restarted();
    let got = queues.receive(&dead, json!({})).await;
    assert_eq!(got[0]["Body"], "poison");
    assert_eq!(got[0]["Attributes"]["DeadLetterQueueSourceArn"], arn("jobs"));
    let start = json!({"SourceArn": arn("dead")});
    // It is being worked on: nothing moves until it is shown again.
    let show = json!({"QueueUrl": dead, "ReceiptHandle": got[0]["ReceiptHandle"],
        "VisibilityTimeout": 0});
    queues.call("ChangeMessageVisibility", show).await;
    let not_dead = queues.refused("StartMessageMoveTask", json!({"SourceArn": arn("jobs")})).await;
    assert!(not_dead["message"].as_str().unwrap().contains("must be configured as a Dead Letter"));
    queues.call("StartMessageMoveTask", start.clone()).await;
    let back = queues.receive(&url, json!({"WaitTimeSeconds": 10})).await;
    assert_eq!(
        (&back[0]["Body"], &back[0]["Attributes"]["ApproximateReceiveCount"]),
        (&json!("poison"), &json!("1"))
    );
    assert!(queues.receive(&dead, json!({})).await.is_empty());
    let tasks = queues.call("ListMessageMoveTasks", start).await;
    assert_eq!(tasks["Results"][0]["ApproximateNumberOfMessagesToMove"], 1);
    let sources = queues.call("ListDeadLetterSourceQueues", json!({"QueueUrl": dead})).await;
    assert_eq!(sources["queueUrls"], json!([url]));
}

#[tokio::test]
async fn batches_answer_for_each_entry() {
    let queues = Queues::new();
    let url = queues.create("jobs", json!({"MaximumMessageSize": "1024"})).await;
    let sent = queues
        .call(
            "SendMessageBatch",
            json!({"QueueUrl": url, "Entries": [
            {"Id": "a", "MessageBody": "one"}, {"Id": "b", "MessageBody": "x".repeat(1025)}]}),
        )
        .await;
    assert_eq!(sent["Successful"][0]["Id"], "a");
    assert_eq!(sent["Failed"][0]["Code"], "InvalidParameterValue");
    let refusal = |entries: Value| json!({"QueueUrl": url, "Entries": entries});
    let entry = |id: &str| json!({"Id": id, "MessageBody": "x"});
    for (entries, code) in [
        (json!([]), "EmptyBatchRequest"),
        (json!([entry("a"), entry("a")]), "BatchEntryIdsNotDistinct"),
        (json!([entry("a b")]), "InvalidBatchEntryId"),
        (Value::from(vec![entry("a"); 11]), "TooManyEntriesInBatchRequest"),
    ] {
        let answer = queues.refused("SendMessageBatch", refusal(entries)).await;
        assert_eq!(answer["__type"], format!("com.amazonaws.sqs#{code}"));
    }
    let got = queues.receive(&url, json!({})).await;
    let deleted = queues
        .call("DeleteMessageBatch", json!({"QueueUrl": url, "Entries": [
            {"Id": "a", "ReceiptHandle": got[0]["ReceiptHandle"]}, {"Id": "b", "ReceiptHandle": "?"}]}))
        .await;
    assert_eq!(deleted["Successful"], json!([{"Id": "a"}]));
    assert_eq!(deleted["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
}

#[tokio::test]
async fn queues_are_made_once_and_refused_by_the_names_of_aws() {
    let queues = Queues::new();
    let url = queues.create("jobs", json!({"DelaySeconds": "5"})).await;
    assert_eq!(queues.create("jobs", json!({"DelaySeconds": "5"})).await, url);
    let other = json!({"QueueName": "jobs", "Attributes": {"DelaySeconds": "6"}});
    let refusal = queues.refused("CreateQueue", other).await;
    assert_eq!(refusal["query"], "QueueAlreadyExists;Sender");
    assert!(refusal["message"].as_str().unwrap().ends_with("attribute DelaySeconds"));
    queues.call("SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).await;
    assert_eq!(queues.count(&url, "ApproximateNumberOfMessagesDelayed").await, "1");
    queues.call("PurgeQueue", json!({"QueueUrl": url})).await;
    assert_eq!(queues.count(&url, "ApproximateNumberOfMessagesDelayed").await, "0");
    let refusal = queues.refused("PurgeQueue", json!({"QueueUrl": url})).await;
    assert_eq!(refusal["__type"], "com.amazonaws.sqs#PurgeQueueInProgress");
    let fifo = queues.refused("CreateQueue", json!({"QueueName": "jobs.fifo"})).await;
    assert!(fifo["message"].as_str().unwrap().contains("FIFO queues"));
    queues.call("DeleteQueue", json!({"QueueUrl": url})).await;
    let gone = queues.refused("GetQueueUrl", json!({"QueueName": "jobs"})).await;
    assert_eq!(gone["query"], "AWS.SimpleQueueService.NonExistentQueue;Sender");
}

#[tokio::test]
async fn a_policy_of_the_queue_lets_services_and_roles_in() {
    let queues = Queues::new();
    let url = queues.create("jobs", json!({})).await;
    let topic = "arn:aws:sns:us-east-1:000000000000:news";
    let sns = |source| Requester::Service { principal: "sns.amazonaws.com", source_arn: source };
    assert!(queues.sqs.allows(sns(topic), "SendMessage", &arn("jobs")).is_err());
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
         "Resource": arn("jobs"), "Condition": {"ArnEquals": {"aws:SourceArn": topic}}},
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:role/worker"},
         "Action": "SQS:ReceiveMessage", "Resource": arn("jobs")}]});
    let set = json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}});
    queues.call("SetQueueAttributes", set).await;
    assert!(queues.sqs.allows(sns(topic), "SendMessage", &arn("jobs")).is_ok());
    assert!(
        queues
            .sqs
            .allows(sns("arn:aws:sns:us-east-1:000000000000:other"), "SendMessage", &arn("jobs"))
            .is_err()
    );
    let worker = Caller::Session {
        role_arn: "arn:aws:iam::000000000000:role/worker".to_owned(),
        session_name: "f".to_owned(),
    };
    let (status, _) = queues.call_as(&worker, "ReceiveMessage", &json!({"QueueUrl": url})).await;
    assert_eq!(status, 200);
    let send = json!({"QueueUrl": url, "MessageBody": "x"});
    let (status, refusal) = queues.call_as(&worker, "SendMessage", &send).await;
    assert_eq!((status, refusal["query"].as_str()), (403, Some("AccessDenied;Sender")));
    assert!(refusal["message"].as_str().unwrap().contains("sqs:sendmessage on resource"));
}
