//! How fast the local cloud is, beside `cargo lambda watch` invoking the same handler in the same
//! run, and whether it stays so with many APIs, stages, keys and log events.
//!
//! `cargo bench --bench cloud` (add `-- gateway scale logs cold` to run only the parts named so).
//! cargo-lambda is taken from the path in `CARGO_LAMBDA`, else from `PATH`
//! (`pip install cargo-lambda`); without it the comparison is left out, and said so.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod measure;
#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use measure::{Connection, millis, quantile, rate, row, rss_mb};
use serde_json::{Value, json};
use support::{OpenCloud, Sandbox, UNSIGNED_DATE, http, unsigned};

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let on = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    println!("{:<60} {:>12} {:>12}", "what", "measured", "asked for");
    let sandbox = Sandbox::new();
    let cloud = Cloud(OpenCloud::start(&sandbox, &[]));
    row("idle RSS of the cloud, nothing in it", format!("{:.1} MB", cloud.rss()), "40 MB");
    let summary = sandbox.json(&["deploy", "greet"]);
    let url = format!("{}/greet", stateless_prod(&summary));
    if on("gateway") {
        gateway(&url);
        row("RSS of the cloud after that", format!("{:.1} MB", cloud.rss()), "-");
    }
    if on("cold") {
        cold(&cloud, &url);
    }
    if on("scale") {
        scale(&cloud, &url);
    }
    if on("logs") {
        logs(&cloud);
    }
}

/// An open cloud, asked in plain HTTP.
struct Cloud(OpenCloud);

impl Cloud {
    fn rss(&self) -> f64 {
        rss_mb(self.0.pid())
    }

    fn call(&self, service: &str, method: &str, path: &str, target: &str, body: &Value) -> Value {
        let authorization = unsigned(service);
        let mut headers = vec![
            ("authorization", authorization.as_str()),
            ("x-amz-date", UNSIGNED_DATE),
            ("content-type", "application/x-amz-json-1.1"),
        ];
        if !target.is_empty() {
            headers.push(("x-amz-target", target));
        }
        let url = format!("{}{path}", self.0.endpoint);
        let answer = http::send(method, &url, &headers, body.to_string().as_bytes()).unwrap();
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }

    fn gateway(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call("apigateway", method, path, "", body)
    }
}

fn stateless_prod(summary: &Value) -> String {
    let endpoints = summary["endpoints"].as_array().unwrap();
    let wanted = |e: &&Value| e["api"] == "greet-stateless" && e["stage"] == "prod";
    endpoints.iter().find(wanted).unwrap()["url"].as_str().unwrap().to_owned()
}

/// The whole gateway path against cargo-lambda's direct invoke of the same program.
fn gateway(url: &str) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_rate, mut their_rate) = (0.0_f64, 0.0_f64);
    let other = CargoLambda::start(8);
    // Turn by turn, so that both see the same machine.
    for round in 0..3 {
        let mut connection = Connection::open("GET", url, "", "");
        connection.sample(300);
        ours.extend(connection.sample(2000));
        let connections = (0..8).map(|_| Connection::open("GET", url, "", "")).collect();
        our_rate = our_rate.max(rate(connections, 1500));
        let Some(other) = &other else { continue };
        let mut connection = other.connection();
        connection.sample(if round == 0 { 300 } else { 50 });
        theirs.extend(connection.sample(2000));
        let connections = (0..8).map(|_| other.connection()).collect();
        their_rate = their_rate.max(rate(connections, 1500));
    }
    ours.sort();
    row("GET through the gateway, p50, 1 connection", millis(quantile(&ours, 0.5)), "-");
    row("GET through the gateway, p99, 1 connection", millis(quantile(&ours, 0.99)), "-");
    row("GET through the gateway, 8 connections", format!("{our_rate:.0}/s"), "-");
    if other.is_none() {
        println!("cargo-lambda was not found: nothing to compare with");
        return;
    }
    theirs.sort();
    row("cargo lambda watch, direct invoke, p50", millis(quantile(&theirs, 0.5)), "-");
    row("cargo lambda watch, direct invoke, p99", millis(quantile(&theirs, 0.99)), "-");
    row("cargo lambda watch, direct invoke, 8 connections", format!("{their_rate:.0}/s"), "-");
    let p50 = quantile(&ours, 0.5).as_secs_f64() / quantile(&theirs, 0.5).as_secs_f64();
    row("p50 over cargo-lambda's", format!("{p50:.2}"), "<= 1.5");
    row("rate over cargo-lambda's", format!("{:.2}", our_rate / their_rate), ">= 1.3");
}

/// `cargo lambda watch` with execution environments of the same program.
struct CargoLambda {
    server: Child,
    environments: Vec<Child>,
    port: u16,
}

impl CargoLambda {
    fn start(environments: usize) -> Option<Self> {
        let program = std::env::var("CARGO_LAMBDA").unwrap_or_else(|_| "cargo-lambda".to_owned());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let quiet = || (Stdio::null(), Stdio::null());
        let (out, err) = quiet();
        let server = Command::new(program)
            .args(["lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P"])
            .arg(port.to_string())
            .current_dir(support::repository().join("handlers/greet"))
            .stdout(out)
            .stderr(err)
            .spawn()
            .ok()?;
        support::eventually("cargo lambda watch listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let handler = support::target_directory().join("release/greet-stateless");
        let environments = (0..environments)
            .map(|_| {
                let (out, err) = quiet();
                Command::new(&handler)
                    .env(
                        "AWS_LAMBDA_RUNTIME_API",
                        format!("http://127.0.0.1:{port}/.rt/greet-stateless"),
                    )
                    .env("AWS_LAMBDA_FUNCTION_NAME", "greet-stateless")
                    .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
                    .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
                    .stdout(out)
                    .stderr(err)
                    .spawn()
                    .unwrap()
            })
            .collect();
        Some(Self { server, environments, port })
    }

    fn connection(&self) -> Connection {
        let event = json!({
            "resource": "/greet", "path": "/greet", "httpMethod": "GET",
            "headers": {"Host": "127.0.0.1"}, "multiValueHeaders": {"Host": ["127.0.0.1"]},
            "queryStringParameters": null, "multiValueQueryStringParameters": null,
            "pathParameters": null, "stageVariables": {"lambdaAlias": "prod"},
            "requestContext": {
                "accountId": "000000000000", "apiId": "abcdefghij", "resourceId": "abcdef",
                "resourcePath": "/greet", "stage": "prod", "path": "/prod/greet",
                "httpMethod": "GET", "protocol": "HTTP/1.1", "requestId": "r",
                "requestTimeEpoch": 1, "identity": {"sourceIp": "127.0.0.1"},
            },
            "body": null, "isBase64Encoded": false,
        });
        let url = format!(
            "http://127.0.0.1:{}/2015-03-31/functions/greet-stateless/invocations",
            self.port
        );
        Connection::open("POST", &url, "", &event.to_string())
    }
}

impl Drop for CargoLambda {
    fn drop(&mut self) {
        for child in self.environments.iter_mut().chain([&mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A configuration change ends the warm environments: the next request starts a process.
fn cold(cloud: &Cloud, url: &str) {
    let size = std::fs::metadata(support::target_directory().join("release/greet-stateless"));
    let size = size.map_or(0.0, |file| file.len() as f64 / 1e6);
    let mut times = Vec::new();
    let dev = url.replace("/prod/", "/dev/");
    for round in 0..20 {
        let path = "/2015-03-31/functions/greet-stateless/configuration";
        let body = json!({ "Description": format!("round {round}") });
        cloud.call("lambda", "PUT", path, "", &body);
        support::eventually("the update is over", || {
            let function = cloud.call("lambda", "GET", path, "", &Value::Null);
            (function["LastUpdateStatus"] == "Successful").then_some(())
        });
        let mut connection = Connection::open("GET", &dev, "", "");
        let (status, time, _) = connection.send();
        assert_eq!(status, 200);
        times.push(time);
    }
    times.sort();
    let what = format!("request with a cold start, {size:.1} MB program, p50 of 20");
    row(&what, millis(quantile(&times, 0.5)), "30 ms");
    row("request with a cold start, slowest of 20", millis(times[19]), "-");
}

/// One API with a key among few and among 500 others of each kind.
fn scale(cloud: &Cloud, url: &str) {
    const PLANS: usize = 250;
    let document = json!({
        "openapi": "3.0.1", "info": { "title": "mock", "version": "1" },
        "paths": { "/a": { "get": {
            "security": [{ "api_key": [] }],
            "responses": { "200": { "description": "ok" } },
            "x-amazon-apigateway-integration": {
                "type": "mock", "requestTemplates": { "application/json": "{\"statusCode\": 200}" },
                "responses": { "default": { "statusCode": "200" } },
            },
        } } },
        "components": { "securitySchemes": {
            "api_key": { "type": "apiKey", "name": "x-api-key", "in": "header" },
        } },
    });
    let plans = std::cell::RefCell::new(Vec::new());
    let add = |number: usize| -> (String, String) {
        let api = cloud.gateway("POST", "/restapis?mode=import", &document);
        let api = api["id"].as_str().unwrap().to_owned();
        let stage = json!({ "stageName": "s" });
        cloud.gateway("POST", &format!("/restapis/{api}/deployments"), &stage);
        let key = json!({ "name": format!("key-{number}"), "enabled": true });
        let key = cloud.gateway("POST", "/apikeys", &key);
        // An account has 300 plans at most.
        let plan = if let Some(plan) = plans.borrow().get(number.wrapping_sub(PLANS)) {
            let stage = json!({ "op": "add", "path": "/apiStages", "value": format!("{api}:s") });
            let path = format!("/usageplans/{plan}");
            cloud.gateway("PATCH", &path, &json!({ "patchOperations": [stage] }))
        } else {
            let plan = json!({
                "name": format!("plan-{number}"), "apiStages": [{ "apiId": api, "stage": "s" }],
                "quota": { "limit": 100_000_000, "period": "MONTH", "offset": 0 },
            });
            cloud.gateway("POST", "/usageplans", &plan)
        };
        if number < PLANS {
            plans.borrow_mut().push(plan["id"].as_str().unwrap().to_owned());
        }
        let keys = format!("/usageplans/{}/keys", plan["id"].as_str().unwrap());
        cloud.gateway("POST", &keys, &json!({ "keyId": key["id"], "keyType": "API_KEY" }));
        (api, key["value"].as_str().unwrap().to_owned())
    };
    let (api, key) = add(0);
    let mock = format!("{}/restapis/{api}/s/_user_request_/a", cloud.0.endpoint);
    let header = format!("x-api-key: {key}\r\n");
    let ask = |what: &str| {
        let mut with_key = Connection::open("GET", &mock, &header, "");
        with_key.sample(500);
        let keyed = with_key.sample(4000);
        let mut proxied = Connection::open("GET", url, "", "");
        proxied.sample(300);
        let proxied = proxied.sample(3000);
        let name = format!("mock with key and quota, p50, {what}");
        row(&name, millis(quantile(&keyed, 0.5)), "-");
        row(&format!("proxy, p50, {what}"), millis(quantile(&proxied, 0.5)), "-");
        (quantile(&keyed, 0.5), quantile(&proxied, 0.5))
    };
    let few = ask("1 API, stage, key and plan");
    let start = Instant::now();
    for number in 1..=499 {
        add(number);
    }
    row("499 more APIs, stages, keys and plans made in", measure::seconds(start.elapsed()), "-");
    let many = ask("500 of each");
    for (what, few, many) in [("mock with key", few.0, many.0), ("proxy", few.1, many.1)] {
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        row(&format!("{what}: 500 over 1"), format!("{ratio:.2}"), "1");
    }
    row("RSS of the cloud with 500 of each", format!("{:.1} MB", cloud.rss()), "-");
}

/// Queries over the newest minutes, before and after a million older events.
fn logs(cloud: &Cloud) {
    let call = |operation: &str, body: &Value| {
        cloud.call("logs", "POST", "/", &format!("Logs_20140328.{operation}"), body)
    };
    let group = json!({ "logGroupName": "many" });
    call("CreateLogGroup", &group);
    call("CreateLogStream", &json!({ "logGroupName": "many", "logStreamName": "s" }));
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        since.as_millis() as i64
    };
    let put = |count: usize, at: i64, word: &str| {
        let events: Vec<Value> = (0..count)
            .map(|number| {
                let mut message = String::new();
                let _ = write!(message, "{{\"level\":\"INFO\",\"message\":\"{word} {number}\"}}");
                json!({ "timestamp": at + number as i64 / 10, "message": message })
            })
            .collect();
        let body = json!({ "logGroupName": "many", "logStreamName": "s", "logEvents": events });
        call("PutLogEvents", &body);
    };
    let query = |what: &str| {
        let mut times = Vec::new();
        for _ in 0..50 {
            let body = json!({
                "logGroupName": "many", "startTime": now() - 120_000,
                "filterPattern": "{ $.level = \"INFO\" }", "limit": 1000,
            });
            let start = Instant::now();
            let found = call("FilterLogEvents", &body);
            times.push(start.elapsed());
            assert_eq!(found["events"].as_array().unwrap().len(), 1000);
        }
        times.sort();
        row(
            &format!("newest 2 minutes by pattern, p50, {what}"),
            millis(quantile(&times, 0.5)),
            "-",
        );
        quantile(&times, 0.5)
    };
    put(1000, now() - 2000, "new");
    let before = query("1,000 events");
    let start = Instant::now();
    for batch in 0..100_i64 {
        // An hour to half a day old.
        put(10_000, now() - 3_600_000 - batch * 400_000, "old");
    }
    row("a million events written in", measure::seconds(start.elapsed()), "-");
    put(1000, now() - 2000, "new");
    let body = json!({ "logGroupName": "many" });
    call("DescribeLogStreams", &body);
    std::thread::sleep(Duration::from_secs(1));
    let after = query("1,001,000 events");
    row(
        "a million older events: time over time",
        format!("{:.2}", after.as_secs_f64() / before.as_secs_f64()),
        "1",
    );
    row("RSS of the cloud with a million events", format!("{:.1} MB", cloud.rss()), "-");
}
