//! A cloud for tests of functions and their events, spoken to as a client does.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "function.rs"]
mod function;

use std::time::{Duration, Instant};

use labdeck_cloud::lifecycle::Options;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::Cloud;

pub use function::{program, zipped};

pub const ROLE: &str = "arn:aws:iam::000000000000:role/worker";

pub struct Events {
    pub dir: TempDir,
    pub cloud: Cloud,
}

pub fn arn(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:us-east-1:000000000000:{rest}")
}

impl Events {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(set: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Self::options(&dir);
        set(&mut options);
        let cloud = Cloud::start_with(options).await;
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

    pub fn options(dir: &TempDir) -> Options {
        Options {
            any_credentials: true,
            async_retry_delay: Some(Duration::from_millis(20)),
            ..Options::new(dir.path())
        }
    }

    pub async fn restart(self) -> Self {
        let Self { dir, cloud } = self;
        cloud.stop().await;
        let cloud = Cloud::restart_with(Self::options(&dir)).await;
        Self { dir, cloud }
    }

    /// Gives the functions' role these actions on everything, and no others.
    pub async fn allow(&self, actions: &[&str]) {
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

    pub async fn raw(&self, line: &str, headers: &str, body: &str) -> (u16, String) {
        let host = self.cloud.endpoint.trim_start_matches("http://");
        self.cloud.raw(&format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}"), body).await
    }

    pub async fn form(&self, what: &str, parameters: &[(&str, &str)]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(parameters);
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let (status, answer) = self.raw("POST /", kind, &form.finish()).await;
        assert_eq!(status, 200, "{what}: {answer}");
        answer
    }

    pub async fn target(&self, target: &str, body: Value) -> (u16, Value) {
        let header = format!("X-Amz-Target: {target}\r\n");
        let (status, answer) = self.raw("POST /", &header, &body.to_string()).await;
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    pub async fn sns(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let mut form = vec![("Action", action), ("Version", "2010-03-31")];
        form.extend(parameters);
        self.form(action, &form).await
    }

    pub async fn sqs(&self, operation: &str, body: Value) -> Value {
        let (status, answer) = self.target(&format!("AmazonSQS.{operation}"), body).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    pub async fn queue(&self, name: &str, attributes: Value) -> String {
        let body = json!({"QueueName": name, "Attributes": attributes});
        self.sqs("CreateQueue", body).await["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// The next message of a queue; it is deleted.
    pub async fn next(&self, url: &str) -> Value {
        let body = json!({"QueueUrl": url, "WaitTimeSeconds": 20, "MessageAttributeNames": ["All"],
            "AttributeNames": ["All"]});
        let message = self.sqs("ReceiveMessage", body).await["Messages"][0].take();
        assert!(!message.is_null(), "no message came");
        let handle = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
        self.sqs("DeleteMessage", handle).await;
        message
    }

    pub async fn lambda(&self, line: &str, body: Value) -> (u16, Value) {
        let (status, answer) = self.raw(line, "", &body.to_string()).await;
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    pub async fn create(&self, name: &str, more: Value) {
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

    pub async fn invoke(&self, name: &str, kind: &str, event: Value) -> (u16, Value) {
        let line = format!("POST /2015-03-31/functions/{name}/invocations");
        let header = format!("X-Amz-Invocation-Type: {kind}\r\n");
        let (status, answer) = self.raw(&line, &header, &event.to_string()).await;
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    pub async fn map(&self, body: Value) -> String {
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
    pub async fn events_of(&self, name: &str) -> Vec<Value> {
        let body = json!({"logGroupName": format!("/aws/lambda/{name}"), "filterPattern": "EVENT"});
        let (_, answer) = self.target("Logs_20140328.FilterLogEvents", body).await;
        let lines = answer["events"].as_array().cloned().unwrap_or_default();
        lines
            .iter()
            .filter_map(|line| line["message"].as_str()?.strip_prefix("EVENT "))
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect()
    }

    pub async fn eventually<T>(&self, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
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

/// The next request that comes to a listener, as text; it is answered with 200.
pub async fn request(listener: &tokio::net::TcpListener) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let accepted = tokio::time::timeout(Duration::from_secs(20), listener.accept()).await;
    let (mut stream, _) = accepted.expect("no request came").unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            let text = text.into_owned();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            return text;
        }
    }
}
