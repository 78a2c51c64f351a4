//! Topics through their API: subscriptions, fan-out, filters, permissions, restarts.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{Functions, Sns};
use crate::core::Core;
use crate::error::AwsError;
use crate::iam::{Iam, Requester};
use crate::sqs::{Attributes, ReceiveRequest, Sqs, queue_arn};
use crate::store::Store;
use crate::wire::{ApiRequest, Caller};

const NEWS: &str = "arn:aws:sns:us-east-1:000000000000:news";

/// No function lets anybody in.
#[derive(Debug)]
struct NoFunctions;

impl Functions for NoFunctions {
    fn accept(&self, _: String, _: String, _: String) -> BoxFuture<'_, Result<(), AwsError>> {
        Box::pin(async { Err(AwsError::new(403, "AccessDeniedException", "nobody")) })
    }
}

struct Topics {
    dir: tempfile::TempDir,
    functions: Arc<NoFunctions>,
    sqs: Arc<Sqs>,
    sns: Arc<Sns>,
}

impl Topics {
    async fn new() -> Self {
        let topics = Self::on(tempfile::tempdir().unwrap());
        let created = topics.call(&[("Action", "CreateTopic"), ("Name", "news")]).await;
        assert!(created.contains(&format!("<TopicArn>{NEWS}</TopicArn>")), "{created}");
        topics
    }

    fn on(dir: tempfile::TempDir) -> Self {
        let core = Core::new(dir.path(), Store::open(&dir.path().join("cloud.db")).unwrap());
        core.endpoint.set("http://127.0.0.1:1".to_owned()).unwrap();
        let iam = Iam::open(Arc::clone(&core)).unwrap();
        let sqs = Sqs::open(Arc::clone(&core), Arc::clone(&iam)).unwrap();
        let sns = Sns::open(core, iam, Arc::clone(&sqs)).unwrap();
        let functions = Arc::new(NoFunctions);
        let weak = Arc::downgrade(&functions);
        sns.connect(weak);
        Self { dir, functions, sqs, sns }
    }

    fn restarted(self) -> Self {
        let Self { dir, sns, .. } = self;
        sns.stop();
        drop(sns);
        Self::on(dir)
    }

    async fn raw(&self, caller: &Caller, parameters: &[(&str, &str)]) -> (u16, String) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Version", "2010-03-31").extend_pairs(parameters);
        let request = ApiRequest {
            method: Method::POST,
            path: "/".to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::from(form.finish()),
            caller: caller.clone(),
            request_id: "test".to_owned(),
        };
        let answer = self.sns.call(request).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn call(&self, parameters: &[(&str, &str)]) -> String {
        let (status, answer) = self.raw(&Caller::Operator, parameters).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn refused(&self, parameters: &[(&str, &str)]) -> String {
        let (status, answer) = self.raw(&Caller::Operator, parameters).await;
        assert!(status >= 400, "{answer}");
        answer
    }

    /// A queue that lets the topic in, subscribed with these attributes.
    async fn subscribed_queue(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": queue_arn(name), "Condition": {"ArnLike": {"aws:SourceArn": NEWS}}}]});
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", "AmazonSQS.CreateQueue".parse().unwrap());
        let body = json!({"QueueName": name, "Attributes": {"Policy": policy.to_string()}});
        let request = ApiRequest {
            method: Method::POST,
            path: "/".to_owned(),
            query: String::new(),
            headers,
            body: Bytes::from(body.to_string()),
            caller: Caller::Operator,
            request_id: "test".to_owned(),
        };
        assert_eq!(self.sqs.call(request).await.status(), 200);
        self.subscribe("sqs", &queue_arn(name), attributes).await
    }

    async fn subscribe(&self, protocol: &str, to: &str, attributes: &[(&str, &str)]) -> String {
        let keys: Vec<(String, String)> = attributes
            .iter()
            .enumerate()
            .flat_map(|(index, (key, value))| {
                let entry = format!("Attributes.entry.{}", index + 1);
                [
                    (format!("{entry}.key"), (*key).to_owned()),
                    (format!("{entry}.value"), (*value).to_owned()),
                ]
            })
            .collect();
        let mut form = vec![
            ("Action", "Subscribe"),
            ("TopicArn", NEWS),
            ("Protocol", protocol),
            ("Endpoint", to),
            ("ReturnSubscriptionArn", "true"),
        ];
        form.extend(keys.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        text(&self.call(&form).await, "SubscriptionArn")
    }

    async fn publish(&self, message: &str, more: &[(&str, &str)]) -> String {
        let mut form = vec![("Action", "Publish"), ("TopicArn", NEWS), ("Message", message)];
        form.extend(more);
        text(&self.call(&form).await, "MessageId")
    }

    /// The next message of a queue, received and deleted.
    async fn next(&self, queue: &str, wait: u64) -> Option<(String, Attributes)> {
        let arn = queue_arn(queue);
        let request = ReceiveRequest { queue_arn: &arn, most: 1, wait: Duration::from_secs(wait) };
        let operator = Requester::Caller(&Caller::Operator);
        let message = self.sqs.receive(operator, request).await.unwrap().pop()?;
        self.sqs.delete(operator, &arn, &[message.receipt_handle]).await.unwrap();
        Some((message.body, message.attributes))
    }
}

/// The text of the first element of a name.
fn text(xml: &str, name: &str) -> String {
    let after = xml.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
    after.split('<').next().unwrap_or("").replace("&amp;", "&")
}

#[tokio::test]
async fn a_message_goes_to_every_queue_whose_filter_lets_it_through() {
    let topics = Topics::new().await;
    topics.subscribed_queue("plain", &[]).await;
    topics.subscribed_queue("raw", &[("RawMessageDelivery", "true")]).await;
    let policy = r#"{"kind":["cat",{"prefix":"do"}],"price":[{"numeric":[">",5]}]}"#;
    let filtered = topics.subscribed_queue("filtered", &[("FilterPolicy", policy)]).await;
    let attributes = |kind: &'static str, price: &'static str| {
        [
            ("MessageAttributes.entry.1.Name", "kind"),
            ("MessageAttributes.entry.1.Value.DataType", "String"),
            ("MessageAttributes.entry.1.Value.StringValue", kind),
            ("MessageAttributes.entry.2.Name", "price"),
            ("MessageAttributes.entry.2.Value.DataType", "Number"),
            ("MessageAttributes.entry.2.Value.StringValue", price),
        ]
    };
    let mut first = attributes("bird", "9").to_vec();
    first.push(("Subject", "Hi"));
    let id = topics.publish("one", &first).await;
    let (envelope, _) = topics.next("plain", 10).await.unwrap();
    let envelope: Value = serde_json::from_str(&envelope).unwrap();
    assert_eq!(envelope["Type"], "Notification");
    assert_eq!(envelope["MessageId"], id);
    assert_eq!((&envelope["Message"], &envelope["Subject"]), (&json!("one"), &json!("Hi")));
    assert_eq!(envelope["MessageAttributes"]["kind"], json!({"Type": "String", "Value": "bird"}));
    let (body, attributes_got) = topics.next("raw", 10).await.unwrap();
    assert_eq!(body, "one");
    assert_eq!(attributes_got["kind"].string_value.as_deref(), Some("bird"));

    topics.publish("two", &attributes("dog", "5")).await;
    topics.publish("three", &attributes("dog", "5.5")).await;
    let (got, _) = topics.next("filtered", 10).await.unwrap();
    assert!(got.contains(r#""Message":"three""#), "{got}");

    let shown = topics
        .call(&[("Action", "GetSubscriptionAttributes"), ("SubscriptionArn", &filtered)])
        .await;
    assert!(shown.contains("<key>FilterPolicyScope</key><value>MessageAttributes</value>"));
    topics.call(&[("Action", "Unsubscribe"), ("SubscriptionArn", &filtered)]).await;
    let listed = topics.call(&[("Action", "ListSubscriptionsByTopic"), ("TopicArn", NEWS)]).await;
    assert_eq!(listed.matches("<member>").count(), 2);
}

#[tokio::test]
async fn a_queue_that_does_not_let_the_topic_in_gets_nothing_and_the_dead_letters_do() {
    let topics = Topics::new().await;
    topics.subscribed_queue("dead", &[]).await;
    let dead = json!({"deadLetterTargetArn": queue_arn("dead")}).to_string();
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    topics.subscribe("lambda", function, &[("RedrivePolicy", &dead)]).await;
    topics.publish("lost", &[]).await;
    for _ in 0..2 {
        assert!(topics.next("dead", 10).await.unwrap().0.contains("lost"));
    }
    drop(Arc::clone(&topics.functions));
}

#[tokio::test]
async fn mail_waits_for_its_confirmation_in_the_outbox() {
    let topics = Topics::new().await;
    let arn = topics.subscribe("email", "ada@example.com", &[]).await;
    topics.publish("too early", &[]).await;
    let outbox = topics.dir.path().join("outbox.jsonl");
    let lines = async |count: usize| {
        let give_up = Instant::now() + Duration::from_secs(10);
        loop {
            let text = std::fs::read_to_string(&outbox).unwrap_or_default();
            if text.lines().count() >= count {
                return text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
            }
            assert!(Instant::now() < give_up, "no mail came");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let mails: Vec<Value> = lines(1).await;
    assert_eq!(mails[0]["to"], "ada@example.com");
    let url = mails[0]["confirm_url"].as_str().unwrap();
    let token = url.split("Token=").nth(1).unwrap();
    let listed = topics.call(&[("Action", "ListSubscriptions")]).await;
    assert!(listed.contains("<SubscriptionArn>PendingConfirmation</SubscriptionArn>"));
    let confirm = |token| [("Action", "ConfirmSubscription"), ("TopicArn", NEWS), ("Token", token)];
    assert!(topics.refused(&confirm("guess")).await.contains("Invalid parameter: Token"));
    let topics = topics.restarted();
    assert_eq!(text(&topics.call(&confirm(token)).await, "SubscriptionArn"), arn);
    topics.publish("on time", &[("Subject", "News")]).await;
    let mails: Vec<Value> = lines(2).await;
    assert_eq!((mails.len(), &mails[1]["subject"]), (2, &json!("News")));
    assert!(mails[1]["text"].as_str().unwrap().starts_with("on time\n"));
}

#[tokio::test]
async fn refusals_have_the_names_of_aws() {
    let topics = Topics::new().await;
    let other = "arn:aws:sns:us-east-1:000000000000:other";
    let missing = [("Action", "Publish"), ("TopicArn", other), ("Message", "x")];
    let answer = topics.refused(&missing).await;
    assert_eq!(
        (text(&answer, "Code"), text(&answer, "Message")),
        ("NotFound".to_owned(), "Topic does not exist".to_owned())
    );
    let empty = [("Action", "Publish"), ("TopicArn", NEWS), ("Message", "")];
    assert!(topics.refused(&empty).await.contains("Invalid parameter: Empty message"));
    let elsewhere = [
        ("Action", "Subscribe"),
        ("TopicArn", NEWS),
        ("Protocol", "http"),
        ("Endpoint", "http://example.com/"),
    ];
    assert!(topics.refused(&elsewhere).await.contains("only to this machine"));
    let sms =
        [("Action", "Subscribe"), ("TopicArn", NEWS), ("Protocol", "sms"), ("Endpoint", "+1")];
    assert!(topics.refused(&sms).await.contains("NotImplemented"));
    let role = Caller::Session {
        role_arn: "arn:aws:iam::000000000000:role/f".to_owned(),
        session_name: "f".to_owned(),
    };
    let publish = [("Action", "Publish"), ("TopicArn", NEWS), ("Message", "x")];
    let (status, answer) = topics.raw(&role, &publish).await;
    assert_eq!((status, text(&answer, "Code")), (403, "AuthorizationError".to_owned()));
    assert!(answer.contains("no identity-based policy allows the SNS:Publish action"), "{answer}");
    // A service of the same account may, by the policy that every topic begins with.
    let alarm = Requester::Service {
        principal: "cloudwatch.amazonaws.com",
        source_arn: "arn:aws:cloudwatch:us-east-1:000000000000:alarm:high",
    };
    assert!(topics.sns.allows_publish(alarm, NEWS).is_ok());
    topics.call(&[("Action", "DeleteTopic"), ("TopicArn", NEWS)]).await;
    topics.call(&[("Action", "DeleteTopic"), ("TopicArn", NEWS)]).await;
    assert!(topics.refused(&publish).await.contains("NotFound"));
}
