//! Lambda of the local cloud with real processes: control plane, invocations, failures, ends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/function.rs"]
mod function;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use function::{program, zipped};
use http::{HeaderMap, HeaderName, Method};
use http_body_util::BodyExt;
use labdeck_cloud::core::Core;
use labdeck_cloud::iam::Iam;
use labdeck_cloud::lambda::{Invocation, Invoker, Lambda, Outcome};
use labdeck_cloud::logs::Logs;
use labdeck_cloud::store::Store;
use labdeck_cloud::wire::{Answer, ApiRequest, Caller};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::000000000000:role/tester";

/// A cloud of its own in a directory of its own, which goes with it.
struct Cloud {
    dir: PathBuf,
    lambda: Arc<Lambda>,
    iam: Arc<Iam>,
    logs: Arc<Logs>,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    async fn of(answer: Answer) -> Self {
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

fn request(method: Method, path: &str, body: Bytes, headers: &[(&str, &str)]) -> ApiRequest {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    ApiRequest {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers
            .iter()
            .map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap()))
            .collect(),
        body,
        caller: Caller::Operator,
        request_id: uuid::Uuid::new_v4().to_string(),
    }
}

impl Cloud {
    async fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("labdeck-lambda-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&dir).unwrap();
        let cloud = Self::open(dir);
        cloud
            .iam("CreateRole", &[
                ("RoleName", "tester"),
                (
                    "AssumeRolePolicyDocument",
                    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#,
                ),
            ])
            .await;
        cloud.let_role_write("*").await;
        cloud
    }

    fn open(dir: PathBuf) -> Self {
        let store = Store::open(&dir.join("cloud.db")).unwrap();
        let core = Core::new(&dir, store);
        core.endpoint.set("http://127.0.0.1:1".to_owned()).unwrap();
        let iam = Iam::open(Arc::clone(&core)).unwrap();
        let logs = Logs::open(Arc::clone(&core), Arc::clone(&iam)).unwrap();
        let lambda = Lambda::open(core, Arc::clone(&iam), Arc::clone(&logs)).unwrap();
        Self { dir, lambda, iam, logs }
    }

    async fn let_role_write(&self, resource: &str) {
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": resource,
        }]});
        self.iam(
            "PutRolePolicy",
            &[
                ("RoleName", "tester"),
                ("PolicyName", "logs"),
                ("PolicyDocument", &policy.to_string()),
            ],
        )
        .await;
    }

    async fn iam(&self, action: &str, parameters: &[(&str, &str)]) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", "2010-05-08");
        form.extend_pairs(parameters);
        let body = Bytes::from(form.finish());
        let reply = Reply::of(self.iam.call(request(Method::POST, "/", body, &[])).await).await;
        assert_eq!(reply.status, 200, "{action}: {}", String::from_utf8_lossy(&reply.body));
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Reply {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        Reply::of(self.lambda.call(request(method, path, body, &[])).await).await
    }

    async fn functions(&self, method: Method, path: &str, body: Value) -> Reply {
        self.call(method, &format!("/2015-03-31/functions{path}"), body).await
    }

    /// Creates a function with the test program and waits until it is active.
    async fn create(&self, name: &str, more: Value) {
        let mut body = json!({
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": ROLE, "Code": {"ZipFile": zipped("bootstrap", 0o755, program())},
        });
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let reply = self.functions(Method::POST, "", body).await;
        assert_eq!(reply.status, 201, "{}", reply.json());
        assert_eq!(reply.json()["State"], "Pending");
        self.settled(name).await;
    }

    async fn settled(&self, name: &str) -> Value {
        eventually(async || {
            let c = self
                .functions(Method::GET, &format!("/{name}/configuration"), Value::Null)
                .await
                .json();
            (c["State"] == "Active" && c["LastUpdateStatus"] == "Successful").then_some(c)
        })
        .await
    }

    async fn invoke(&self, name: &str, event: Value, headers: &[(&str, &str)]) -> Reply {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let body = Bytes::from(event.to_string());
        Reply::of(self.lambda.call(request(Method::POST, &path, body, headers)).await).await
    }

    /// The messages of a function's log, in order.
    async fn log(&self, name: &str) -> Vec<String> {
        self.logs.flush().await.unwrap();
        let body = json!({ "logGroupName": format!("/aws/lambda/{name}") }).to_string();
        let target = [("x-amz-target", "Logs_20140328.FilterLogEvents")];
        let request = request(Method::POST, "/", Bytes::from(body), &target);
        let reply = Reply::of(self.logs.call(request).await).await.json();
        let events = reply["events"].as_array().cloned().unwrap_or_default();
        events.iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }

    /// The function's log once it has as many REPORT lines.
    async fn log_with_reports(&self, name: &str, reports: usize) -> Vec<String> {
        eventually(async || {
            let log = self.log(name).await;
            let count = log.iter().filter(|line| line.starts_with("REPORT ")).count();
            (count >= reports).then_some(log)
        })
        .await
    }
}

/// Asks again and again until there is an answer; fails after ten seconds.
async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < give_up, "it did not happen within ten seconds");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn alive(pid: u64) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // A zombie that its new parent has not collected yet has ended too.
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| !rest.starts_with(" Z")),
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invocation_reaches_the_process_and_its_log_is_complete() {
    let cloud = Cloud::start().await;
    cloud
        .create("greet", json!({"Environment": {"Variables": {"COLOR": "blue"}}, "Timeout": 5}))
        .await;

    let reply = cloud.invoke("greet", json!({"do": "about"}), &[]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-amz-executed-version"), Some("$LATEST"));
    assert_eq!(reply.header("x-amz-function-error"), None);
    let about = reply.json();
    assert_eq!(about["arn"], "arn:aws:lambda:us-east-1:000000000000:function:greet");
    assert_eq!(about["color"], "blue");
    assert_eq!(about["endpoint"], "http://127.0.0.1:1");
    assert!(about["key"].as_str().unwrap().starts_with("ASIA"));
    assert!(about["trace"].as_str().unwrap().starts_with("Root=1-"));
    let root = about["root"].as_str().unwrap();
    assert!(Path::new(root).join("bootstrap").is_file());
    assert!(cloud.iam.secret_for(about["key"].as_str().unwrap()).is_some());

    let tail = [("x-amz-log-type", "Tail")];
    let reply = cloud.invoke("greet", json!({"do": "print"}), &tail).await;
    let tail = STANDARD.decode(reply.header("x-amz-log-result").unwrap()).unwrap();
    let tail = String::from_utf8(tail).unwrap();
    let again = cloud.invoke("greet", json!({"do": "about"}), &[]).await.json();
    assert_eq!(again["pid"], about["pid"], "the environment is reused");
    assert_eq!(again["served"], 3);

    let log = cloud.log_with_reports("greet", 3).await;
    let kinds: Vec<&str> = log.iter().map(|line| line.split([' ', '\n']).next().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "INIT_START",
            "started",
            "START",
            "END",
            "REPORT",
            "START",
            "one",
            "\u{fffd}\u{fffd}",
            "two",
            "unfinished",
            "END",
            "REPORT",
            "START",
            "END",
            "REPORT",
        ]
    );
    assert!(log[4].contains("\tInit Duration: "), "{}", log[4]);
    assert!(!log[11].contains("Init Duration"), "{}", log[11]);
    assert!(!log[4].contains("Max Memory Used: 0 MB"), "{}", log[4]);
    assert_eq!(tail, log[5..12].concat());

    cloud.lambda.shutdown().await;
    assert!(!alive(about["pid"].as_u64().unwrap()));
    assert!(cloud.iam.secret_for(about["key"].as_str().unwrap()).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_fails_is_answered_as_on_aws_and_the_next_request_works() {
    let cloud = Cloud::start().await;
    cloud.create("f", json!({"Timeout": 1})).await;
    let fail = async |what: &str| {
        let reply = cloud.invoke("f", json!({"do": what}), &[]).await;
        assert_eq!(reply.status, 200, "{what}");
        assert_eq!(reply.header("x-amz-function-error"), Some("Unhandled"), "{what}");
        let id = reply.json()["errorMessage"].as_str().unwrap_or_default().to_owned();
        let works = cloud.invoke("f", json!({"still": "works"}), &[]).await;
        assert_eq!(works.json(), json!({"still": "works"}), "after {what}");
        (reply.json(), id.trim_start_matches("RequestId: ").to_owned())
    };
    let (error, message) = fail("exit").await;
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert!(message.ends_with(" Error: Runtime exited with error: exit status 7"), "{message}");
    let (error, message) = fail("abort").await;
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert!(message.contains("signal: aborted"), "{message}");
    let (error, message) = fail("hang").await;
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    assert!(message.ends_with(" Error: Task timed out after 1.00 seconds"), "{message}");
    let (error, _) = fail("large").await;
    assert_eq!(
        error,
        json!({
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage":
                "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        })
    );
    let (error, _) = fail("fail").await;
    assert_eq!(error, json!({"errorType": "Greeting.Failed", "errorMessage": "no luck"}));

    let log = cloud.log_with_reports("f", 10).await;
    assert!(log.iter().any(|l| l.contains("Task timed out after 1.00 seconds")), "{log:#?}");
    assert!(log.iter().any(|l| l.ends_with("\tStatus: timeout\n")));
    assert!(log.iter().any(|l| l.ends_with("\tStatus: error\tError Type: Runtime.ExitError\n")));

    cloud.create("exits", json!({"Environment": {"Variables": {"ON_START": "exit"}}})).await;
    let error = cloud.invoke("exits", json!({}), &[]).await.json();
    assert!(error["errorMessage"].as_str().unwrap().ends_with("error: exit status 3"), "{error}");
    let log = cloud.log_with_reports("exits", 1).await;
    assert_eq!(log[1], "cannot start\n");
    assert!(log[2].starts_with("INIT_REPORT Init Duration: "), "{log:#?}");

    cloud.create("says", json!({"Environment": {"Variables": {"ON_START": "error"}}})).await;
    let error = cloud.invoke("says", json!({}), &[]).await.json();
    assert_eq!(error, json!({"errorType": "Config.Missing", "errorMessage": "no table"}));

    for (name, zip, message) in [
        (
            "none",
            zipped("other", 0o755, b"x"),
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
        ),
        (
            "mode",
            zipped("bootstrap", 0o644, program()),
            "fork/exec /var/task/bootstrap: permission denied",
        ),
        (
            "text",
            zipped("bootstrap", 0o755, b"no program"),
            "fork/exec /var/task/bootstrap: exec format error",
        ),
    ] {
        cloud.create(name, json!({"Code": {"ZipFile": zip}})).await;
        let error = cloud.invoke(name, json!({}), &[]).await.json();
        assert_eq!(error["errorType"], "Runtime.InvalidEntrypoint", "{name}");
        assert!(error["errorMessage"].as_str().unwrap().ends_with(message), "{name}: {error}");
    }
    cloud.lambda.shutdown().await;
    assert_eq!(cloud.lambda.environments(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environments_scale_out_and_limits_hold() {
    let cloud = Cloud::start().await;
    cloud.create("f", json!({"Timeout": 10})).await;
    let (a, b) = tokio::join!(
        cloud.invoke("f", json!({"do": "sleep", "and": "about"}), &[]),
        cloud.invoke("f", json!({"do": "sleep", "and": "about"}), &[]),
    );
    assert_ne!(a.json()["pid"], b.json()["pid"]);
    assert_eq!(cloud.lambda.environments(), 2);

    // One after the other never needs a third, however quickly they follow.
    for _ in 0..50 {
        cloud.invoke("f", json!({}), &[]).await;
    }
    let sleep = || cloud.invoke("f", json!({"do": "sleep"}), &[]);
    let (a, b) = tokio::join!(sleep(), sleep());
    assert_eq!((a.status, b.status), (200, 200));
    assert_eq!(cloud.lambda.environments(), 2);

    let path = "/2017-10-31/functions/f/concurrency";
    let set = json!({"ReservedConcurrentExecutions": 0});
    assert_eq!(cloud.call(Method::PUT, path, set).await.status, 200);
    let reply = cloud.invoke("f", json!({}), &[]).await;
    assert_eq!(reply.status, 429);
    assert_eq!(reply.header("x-amzn-errortype"), Some("TooManyRequestsException"));
    assert_eq!(reply.json()["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded");
    assert_eq!(cloud.call(Method::DELETE, path, Value::Null).await.status, 204);

    // A caller that goes away does not stop the function; its environment comes back.
    let mut gone = Box::pin(cloud.invoke("f", json!({"do": "sleep"}), &[]));
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut gone).await.is_err());
    drop(gone);
    cloud.log_with_reports("f", 55).await;
    cloud.invoke("f", json!({}), &[]).await;
    assert_eq!(cloud.lambda.environments(), 2);
    cloud.lambda.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_aliases_and_permissions_decide_what_runs() {
    let cloud = Cloud::start().await;
    cloud.create("f", json!({"Environment": {"Variables": {"COLOR": "blue"}}})).await;
    let v1 = cloud.functions(Method::POST, "/f/versions", json!({})).await;
    assert_eq!((v1.status, v1.json()["Version"].as_str()), (201, Some("1")));
    let again = cloud.functions(Method::POST, "/f/versions", json!({})).await;
    assert_eq!(again.json()["RevisionId"], v1.json()["RevisionId"]);

    let change = json!({"Environment": {"Variables": {"COLOR": "green"}}});
    let reply = cloud.functions(Method::PUT, "/f/configuration", change.clone()).await;
    assert_eq!((reply.status, &reply.json()["LastUpdateStatus"]), (200, &json!("InProgress")));
    let busy = cloud.functions(Method::PUT, "/f/configuration", change).await;
    assert_eq!(busy.status, 409);
    let c = cloud.settled("f").await;
    assert_ne!(c["RevisionId"], reply.json()["RevisionId"]);
    assert_eq!(
        cloud.functions(Method::POST, "/f/versions", json!({})).await.json()["Version"],
        "2"
    );

    let live = json!({
        "Name": "live", "FunctionVersion": "1",
        "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}},
    });
    assert_eq!(cloud.functions(Method::POST, "/f/aliases", live).await.status, 201);
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..60 {
        let reply = cloud.invoke("f:live", json!({"do": "about"}), &[]).await;
        let version = reply.header("x-amz-executed-version").unwrap().to_owned();
        let about = reply.json();
        assert_eq!(about["version"], version.as_str());
        assert_eq!(about["color"], if version == "1" { "blue" } else { "green" });
        assert_eq!(about["arn"], "arn:aws:lambda:us-east-1:000000000000:function:f:live");
        *seen.entry(version).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    let used = cloud.functions(Method::DELETE, "/f?Qualifier=2", Value::Null).await;
    assert_eq!(
        used.json()["message"],
        "Unable to delete version because the following aliases reference it: [live]"
    );

    let source = "arn:aws:execute-api:us-east-1:000000000000:a1/dev/GET/greet";
    let invoke = async || -> Result<Outcome, labdeck_cloud::error::AwsError> {
        cloud
            .lambda
            .invoke(Invocation {
                function: "arn:aws:lambda:us-east-1:000000000000:function:f:live".to_owned(),
                qualifier: None,
                payload: Bytes::from_static(b"{\"a\":1}"),
                invoker: Invoker::Service {
                    principal: "apigateway.amazonaws.com",
                    source_arn: source.to_owned(),
                },
                trace_id: None,
                client_context: None,
                log_tail: false,
            })
            .await
    };
    assert_eq!(invoke().await.unwrap_err().status.as_u16(), 403);
    let allow = json!({
        "StatementId": "api", "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:us-east-1:000000000000:a1/*/GET/greet",
    });
    cloud.functions(Method::POST, "/f/policy", allow.clone()).await;
    assert!(invoke().await.is_err(), "a permission on the function is none on its alias");
    let added = cloud.functions(Method::POST, "/f/policy?Qualifier=live", allow).await;
    assert_eq!(added.status, 201);
    assert_eq!(invoke().await.unwrap().payload, "{\"a\":1}");

    let session = Caller::Session { role_arn: ROLE.to_owned(), session_name: "other".to_owned() };
    let mut denied = request(Method::GET, "/2015-03-31/functions/f", Bytes::new(), &[]);
    denied.caller = session;
    let reply = Reply::of(cloud.lambda.call(denied).await).await;
    assert_eq!(reply.status, 403);
    assert!(reply.json()["message"].as_str().unwrap().contains("lambda:GetFunction"));
    cloud.lambda.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_behind_and_nothing_is_lost() {
    let mut cloud = Cloud::start().await;
    cloud.create("f", json!({"Timeout": 5, "Tags": {"app": "t"}})).await;
    let child =
        cloud.invoke("f", json!({"do": "child"}), &[]).await.json()["child"].as_u64().unwrap();
    let pid = cloud.invoke("f", json!({"do": "about"}), &[]).await.json()["pid"].as_u64().unwrap();
    assert!(alive(child) && alive(pid));
    // What $LATEST ran until now ends with an update, together with what it started.
    cloud.functions(Method::PUT, "/f/configuration", json!({"MemorySize": 256})).await;
    eventually(async || (!alive(child) && !alive(pid)).then_some(())).await;

    // The role may not write logs any more: the function runs, and nothing is logged.
    let before = cloud.log("f").await.len();
    cloud.let_role_write("arn:aws:logs:us-east-1:000000000000:log-group:/other:*").await;
    cloud.settled("f").await;
    cloud.invoke("f", json!({"do": "print"}), &[("x-amz-log-type", "Tail")]).await;
    assert_eq!(cloud.log("f").await.len(), before);
    cloud.let_role_write("*").await;

    // An accepted event survives a cloud that does not get to it.
    let set = json!({"ReservedConcurrentExecutions": 1});
    cloud.call(Method::PUT, "/2017-10-31/functions/f/concurrency", set).await;
    let busy = cloud.invoke("f", json!({"do": "hang"}), &[]);
    tokio::join!(busy, async {
        let probe = async || cloud.invoke("f", json!({}), &[]).await.status;
        eventually(async || (probe().await == 429).then_some(())).await;
        let event = [("x-amz-invocation-type", "Event")];
        assert_eq!(cloud.invoke("f", json!({"do": "print"}), &event).await.status, 202);
        cloud.lambda.shutdown().await;
    });
    let dir = std::mem::take(&mut cloud.dir);
    drop(cloud);
    let cloud = Cloud::open(dir);
    let f = cloud.functions(Method::GET, "/f", Value::Null).await.json();
    assert_eq!(f["Tags"], json!({"app": "t"}));
    assert_eq!(f["Configuration"]["MemorySize"], 256);
    let path = "/2017-10-31/functions/f/concurrency";
    assert_eq!(cloud.call(Method::DELETE, path, Value::Null).await.status, 204);
    eventually(async || cloud.log("f").await.iter().any(|l| l == "two\n").then_some(())).await;

    assert_eq!(cloud.functions(Method::DELETE, "/f", Value::Null).await.status, 204);
    assert_eq!(cloud.functions(Method::GET, "/f", Value::Null).await.status, 404);
    eventually(async || (cloud.lambda.environments() == 0).then_some(())).await;
    // What still held the code has ended: with the next deletion it goes.
    cloud.create("g", json!({"Code": {"ZipFile": zipped("bootstrap", 0o755, b"g")}})).await;
    cloud.functions(Method::DELETE, "/g", Value::Null).await;
    let code = cloud.dir.join("code");
    eventually(async || (std::fs::read_dir(&code).unwrap().count() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_output_is_kept_in_order_and_bounded() {
    let cloud = Cloud::start().await;
    cloud.create("f", json!({"Timeout": 60})).await;
    let reply = cloud.invoke("f", json!({"do": "flood"}), &[("x-amz-log-type", "Tail")]).await;
    assert_eq!(reply.header("x-amz-function-error"), None);
    let tail = STANDARD.decode(reply.header("x-amz-log-result").unwrap()).unwrap();
    assert_eq!(tail.len(), 4096);
    assert!(String::from_utf8(tail).unwrap().contains("\nEND RequestId: "));
    cloud.lambda.shutdown().await;
}
