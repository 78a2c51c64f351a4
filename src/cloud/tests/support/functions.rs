//! Functions and APIs in a cloud that takes any credentials.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::function::{program, zipped};
use crate::support::Cloud;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// The functions and APIs of a cloud.
pub struct Functions<'a>(pub &'a Cloud);

impl Functions<'_> {
    pub async fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let host = self.0.endpoint.trim_start_matches("http://");
        let (status, body) =
            self.0.raw(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n"), body).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// A function of the test program, with a role that may do everything.
    pub async fn create(&self, name: &str, variables: &Value) {
        let client = aws_sdk_iam::Client::new(&self.0.config());
        let role = client.create_role().role_name(name).assume_role_policy_document(TRUST);
        let role = role.send().await.unwrap();
        let policy = client.put_role_policy().role_name(name).policy_name("all");
        policy.policy_document(ALL).send().await.unwrap();
        let body = json!({
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": role.role().unwrap().arn(), "Code": {"ZipFile": zipped("bootstrap", 0o755, program())},
            "Environment": {"Variables": variables},
        });
        let (status, answer) = self.send("POST", "/2015-03-31/functions", &body.to_string()).await;
        assert_eq!(status, 201, "{answer}");
        let path = format!("/2015-03-31/functions/{name}/configuration");
        while self.send("GET", &path, "").await.1["State"] != "Active" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Gives the function's role one permission instead of all.
    pub async fn allow_only(&self, name: &str, action: &str) {
        let client = aws_sdk_iam::Client::new(&self.0.config());
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": "*"}]});
        let policy = client.put_role_policy().role_name(name).policy_name("all");
        policy.policy_document(document.to_string()).send().await.unwrap();
    }

    /// The credentials of an execution environment of the function.
    pub async fn credentials(&self, name: &str) -> (String, String, String) {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let (status, answer) = self.send("POST", &path, r#""credentials""#).await;
        assert_eq!(status, 200, "{answer}");
        let text = |member: &str| answer[member].as_str().unwrap().to_owned();
        (text("key"), text("secret"), text("token"))
    }

    pub async fn invoke(&self, name: &str, event: &str) -> u16 {
        self.send("POST", &format!("/2015-03-31/functions/{name}/invocations"), event).await.0
    }

    /// An API with `GET /greet` in front of a function, deployed as `dev`; its id.
    pub async fn api(&self, name: &str, function: &str) -> String {
        let uri = format!(
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
             arn:aws:lambda:us-east-1:000000000000:function:{function}/invocations"
        );
        let document = json!({
            "openapi": "3.0.1", "info": {"title": name, "version": "1"},
            "paths": {"/greet": {"get": {"responses": {}, "x-amazon-apigateway-integration":
                {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}}}},
        });
        let (status, api) = self.send("POST", "/restapis?mode=import", &document.to_string()).await;
        assert_eq!(status, 201, "{api}");
        let id = api["id"].as_str().unwrap().to_owned();
        let deployment = json!({"stageName": "dev"}).to_string();
        let deployed = self.send("POST", &format!("/restapis/{id}/deployments"), &deployment).await;
        assert_eq!(deployed.0, 201, "{}", deployed.1);
        self.let_in(function, "apigateway.amazonaws.com").await;
        id
    }

    /// Lets a service invoke a function.
    pub async fn let_in(&self, function: &str, principal: &str) {
        let permission = json!({
            "StatementId": "service", "Action": "lambda:InvokeFunction", "Principal": principal,
        });
        let path = format!("/2015-03-31/functions/{function}/policy");
        let allowed = self.send("POST", &path, &permission.to_string()).await;
        assert_eq!(allowed.0, 201, "{}", allowed.1);
    }

    async fn form(&self, body: &str) -> String {
        let host = self.0.endpoint.trim_start_matches("http://");
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: \
             application/x-www-form-urlencoded\r\n"
        );
        let (status, answer) = self.0.raw(&head, body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn sqs(&self, operation: &str, body: &Value) -> Value {
        let host = self.0.endpoint.trim_start_matches("http://");
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nx-amz-target: AmazonSQS.{operation}\r\n\
             Content-Type: application/x-amz-json-1.0\r\n"
        );
        let (status, answer) = self.0.raw(&head, &body.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// A topic and a queue of the same name that gets its messages; the topic's ARN.
    pub async fn topic_with_queue(&self, name: &str) -> String {
        let topic = format!("arn:aws:sns:us-east-1:000000000000:{name}");
        let queue = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        self.form(&format!("Action=CreateTopic&Version=2010-03-31&Name={name}")).await;
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": queue}]});
        let attributes = json!({"Policy": policy.to_string()});
        self.sqs("CreateQueue", &json!({"QueueName": name, "Attributes": attributes})).await;
        self.form(&format!(
            "Action=Subscribe&Version=2010-03-31&TopicArn={topic}&Protocol=sqs&Endpoint={queue}"
        ))
        .await;
        topic
    }

    /// The next message that a queue got from a topic.
    pub async fn next_message(&self, queue: &str) -> Value {
        let found = self.sqs("GetQueueUrl", &json!({"QueueName": queue})).await;
        for _ in 0..10 {
            let asked = json!({"QueueUrl": found["QueueUrl"], "WaitTimeSeconds": 5});
            let answer = self.sqs("ReceiveMessage", &asked).await;
            if let Some(body) = answer["Messages"][0]["Body"].as_str() {
                return serde_json::from_str(body).unwrap();
            }
        }
        panic!("no message came to {queue}");
    }

    /// The status of `GET` of a path with its stage.
    pub async fn get(&self, api: &str, path: &str) -> u16 {
        let (stage, below) = path.trim_start_matches('/').split_once('/').unwrap();
        let path = format!("/restapis/{api}/{stage}/_user_request_/{below}");
        self.send("GET", &path, "").await.0
    }

    /// Changes the stage `dev`.
    pub async fn patch(&self, api: &str, operations: Value) {
        let body = json!({ "patchOperations": operations }).to_string();
        let patched = self.send("PATCH", &format!("/restapis/{api}/stages/dev"), &body).await;
        assert_eq!(patched.0, 200, "{}", patched.1);
    }

    /// The lines of a log group, once there are so many.
    pub async fn lines(&self, group: &str, least: usize) -> Vec<String> {
        let host = self.0.endpoint.trim_start_matches("http://");
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\n\
             x-amz-target: Logs_20140328.FilterLogEvents\r\n"
        );
        let body = json!({ "logGroupName": group }).to_string();
        for _ in 0..1000 {
            let (_, answer) = self.0.raw(&head, &body).await;
            let answer: Value = serde_json::from_str(&answer).unwrap_or(Value::Null);
            let events = answer["events"].as_array().cloned().unwrap_or_default();
            if events.len() >= least {
                let text = |event: &Value| event["message"].as_str().unwrap().to_owned();
                return events.iter().map(text).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{group} has fewer than {least} lines");
    }

    /// Gives the account the role with which API Gateway writes logs.
    pub async fn let_the_gateway_log(&self) {
        let trust = TRUST.replace("lambda.amazonaws.com", "apigateway.amazonaws.com");
        let client = aws_sdk_iam::Client::new(&self.0.config());
        let role =
            client.create_role().role_name("gateway-logs").assume_role_policy_document(trust);
        let arn = role.send().await.unwrap().role().unwrap().arn().to_owned();
        let patch = json!([{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}]);
        let body = json!({ "patchOperations": patch }).to_string();
        let (status, answer) = self.send("PATCH", "/account", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Switches on metrics by method.
    pub async fn detail(&self, api: &str) {
        let on = json!([{"op": "replace", "path": "/*/*/metrics/enabled", "value": "true"}]);
        self.patch(api, on).await;
    }
}
