//! Requests that nobody should send: each is answered in the service's own form, nothing panics,
//! nothing is written outside the state directory, and the cloud goes on answering.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use serde_json::json;

use crate::client::{
    ROLE, Reply, create_function, create_role, exchange, iam, options, send, target,
};
use crate::support::Cloud;

/// A service with the header that chooses it and what its calls look like.
struct Probe {
    service: &'static str,
    calls: Vec<ProbeCall>,
}

/// Method, path and headers.
type ProbeCall = (&'static str, String, Vec<(&'static str, String)>);

static PANICS: AtomicUsize = AtomicUsize::new(0);
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Counts panics of the cloud's threads; those of the tests' own are failures anyway.
fn watch_panics() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let name = std::thread::current().name().unwrap_or("").to_owned();
            if name.starts_with("tokio") {
                PANICS.fetch_add(1, Ordering::SeqCst);
                TOLD.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
            }
            usual(info);
        }));
    });
}

fn no_panics() {
    let told = TOLD.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "{told:?}");
}

/// A header that names a service to a cloud that takes any signature.
fn scope(service: &str) -> (&'static str, String) {
    let value = format!(
        "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=00"
    );
    ("authorization", value)
}

fn rest(service: &'static str, calls: &[(&'static str, &str)]) -> Probe {
    let calls =
        calls.iter().map(|(method, path)| (*method, (*path).to_owned(), Vec::new())).collect();
    Probe { service, calls }
}

fn json_targets(service: &'static str, prefix: &str, operations: &[&str]) -> Probe {
    let calls = operations
        .iter()
        .map(|name| ("POST", "/".to_owned(), vec![("x-amz-target", format!("{prefix}.{name}"))]))
        .collect();
    Probe { service, calls }
}

fn probes() -> Vec<Probe> {
    vec![
        rest(
            "lambda",
            &[
                ("POST", "/2015-03-31/functions"),
                ("GET", "/2015-03-31/functions?MaxItems=x&Marker=%00"),
                ("PUT", "/2015-03-31/functions/f/code"),
                ("PUT", "/2015-03-31/functions/f/configuration"),
                ("POST", "/2015-03-31/functions/f/versions"),
                ("POST", "/2015-03-31/functions/f/aliases"),
                ("PUT", "/2015-03-31/functions/f/aliases/live"),
                ("POST", "/2015-03-31/functions/f/policy"),
                ("PUT", "/2017-10-31/functions/f/concurrency"),
                ("POST", "/2015-03-31/functions/none/invocations"),
                ("POST", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A0%3Afunction%3Af"),
                ("POST", "/2015-03-31/event-source-mappings"),
                ("PUT", "/2019-09-25/functions/f/event-invoke-config"),
                ("PUT", "/2019-09-30/functions/f/provisioned-concurrency?Qualifier=1"),
                ("BREW", "/2015-03-31/functions"),
                ("GET", "/2015-03-31/nothing/of/it"),
            ],
        ),
        rest(
            "apigateway",
            &[
                ("POST", "/restapis"),
                ("POST", "/restapis?mode=import"),
                ("GET", "/restapis?limit=-1&position=%ff"),
                ("PUT", "/restapis/none?mode=overwrite"),
                ("PATCH", "/restapis/none"),
                ("POST", "/restapis/none/resources/none"),
                ("PUT", "/restapis/none/resources/none/methods/GET"),
                ("PUT", "/restapis/none/resources/none/methods/GET/integration"),
                ("PUT", "/restapis/none/resources/none/methods/GET/responses/200"),
                ("POST", "/restapis/none/models"),
                ("POST", "/restapis/none/deployments"),
                ("POST", "/restapis/none/stages"),
                ("PATCH", "/restapis/none/stages/dev"),
                ("PUT", "/restapis/none/gatewayresponses/DEFAULT_4XX"),
                ("POST", "/apikeys"),
                ("POST", "/usageplans"),
                ("PATCH", "/usageplans/none"),
                ("POST", "/usageplans/none/keys"),
                ("PATCH", "/account"),
                ("PUT", "/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Fnone"),
                ("BREW", "/restapis"),
                ("GET", "/nothing/of/it"),
            ],
        ),
        json_targets(
            "logs",
            "Logs_20140328",
            &[
                "CreateLogGroup",
                "DeleteLogGroup",
                "DescribeLogGroups",
                "CreateLogStream",
                "DescribeLogStreams",
                "PutLogEvents",
                "GetLogEvents",
                "FilterLogEvents",
                "PutRetentionPolicy",
                "TagResource",
                "StartLiveTail",
                "Nonsense",
                "",
            ],
        ),
        json_targets(
            "dynamodb",
            "DynamoDB_20120810",
            &[
                "CreateTable",
                "DescribeTable",
                "PutItem",
                "GetItem",
                "UpdateItem",
                "Query",
                "Scan",
                "BatchWriteItem",
                "TransactWriteItems",
                "ExecuteStatement",
                "TagResource",
                "Nonsense",
                "",
            ],
        ),
        json_targets("dynamodb", "DynamoDBStreams_20120810", &["GetRecords", "DescribeStream"]),
        rest("iam", &[("POST", "/"), ("GET", "/?Action=GetRole&Version=2010-05-08")]),
        rest("sts", &[("POST", "/"), ("GET", "/?Action=AssumeRole&Version=2011-06-15")]),
        // CBOR, and whatever else the cloud may have or not.
        rest(
            "monitoring",
            &[
                ("POST", "/service/GraniteServiceVersion20100801/operation/GetMetricData"),
                ("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData"),
                ("POST", "/service/GraniteServiceVersion20100801/operation/Nonsense"),
                ("POST", "/service/%2e%2e/operation/"),
                ("POST", "/"),
            ],
        ),
        json_targets(
            "monitoring",
            "GraniteServiceVersion20100801",
            &["PutMetricData", "GetMetricData", "PutMetricAlarm", "Nonsense"],
        ),
        json_targets("sqs", "AmazonSQS", &["ReceiveMessage", "SetQueueAttributes"]),
        json_targets("sqs", "AmazonSQS", &["SendMessage", "CreateQueue", "Nonsense"]),
        rest("sns", &[("POST", "/"), ("GET", "/?Action=Publish&Version=2010-03-31")]),
        rest("nothing-of-aws", &[("POST", "/"), ("GET", "/x")]),
    ]
}

/// Bodies that no operation takes.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str, close: &str| {
        [open.repeat(10_000), "1".to_owned(), close.repeat(10_000)].concat().into_bytes()
    };
    let mut cbor_map = vec![0xbf; 10_000];
    cbor_map.extend_from_slice(&[0xff; 16]);
    vec![
        ("nothing", Vec::new()),
        ("half an object", b"{\"a\":".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a text", b"\"x\"".to_vec()),
        ("null", b"null".to_vec()),
        ("a number too large", b"{\"MemorySize\":1e999,\"limit\":1e999}".to_vec()),
        ("not UTF-8", b"{\"name\":\"\xff\xfe\xc0\xae\"}".to_vec()),
        ("zero bytes", vec![0; 64]),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("deep lists", deep("[", "]")),
        ("deep objects", deep("{\"a\":", "}")),
        ("deep YAML", deep("[", "")),
        ("YAML that grows", b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f]\nopenapi: '3.0.1'\ninfo: {title: x}\npaths: {}\n".to_vec()),
        ("broken CBOR", vec![0xbf, 0x61, 0x61, 0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("CBOR of an endless length", vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("deep CBOR", vec![0x81; 10_000]),
        ("deep CBOR maps", cbor_map),
        ("XML", b"<a><b>".to_vec()),
        ("XML that grows", b"<!DOCTYPE a [<!ENTITY b 'cc'>]><a>&b;</a>".to_vec()),
        ("a broken form", b"Action=%zz&Action&=&%00=%ff&Tags.member.1.Key=".to_vec()),
        ("a form without a role", b"Action=GetRole&Version=2010-05-08".to_vec()),
        ("an unknown action", b"Action=Nonsense&Version=2010-05-08".to_vec()),
        ("a wrong number", b"Action=ListRoles&Version=2010-05-08&MaxItems=-1".to_vec()),
        ("a long list", [b"Action=TagRole&RoleName=x".to_vec(), (1..5000).flat_map(|n| format!("&Tags.member.{n}.Key=k{n}&Tags.member.{n}.Value=v").into_bytes()).collect()].concat()),
        (
            "wrong types",
            json!({
                "FunctionName": 7, "Code": [], "Role": {}, "Publish": "yes", "name": ["x"],
                "patchOperations": {"op": 1}, "logGroupName": {}, "logEvents": 3, "limit": "many",
                "TableName": [], "Key": 1, "Item": "x", "QueueUrl": 1, "Message": null,
            })
            .to_string()
            .into_bytes(),
        ),
        (
            "hostile texts",
            json!({
                "FunctionName": "../../etc/passwd", "Name": "a/../../b", "name": "\u{0}\u{202e}",
                "logGroupName": "/../..\u{0}", "logStreamName": "..", "TableName": "../t",
                "StatementId": "\r\nx: y", "pathPart": "../x", "stageName": "..", "QueueName": "..",
            })
            .to_string()
            .into_bytes(),
        ),
    ]
}

/// Whether an error is written as its service writes errors.
fn check(service: &str, what: &str, reply: &Reply) {
    let told = || format!("{service}, {what}: {} {}\n{}", reply.status, reply.head, reply.text());
    assert_ne!(reply.status, 500, "{}", told());
    if reply.status < 400 {
        return;
    }
    assert!(!reply.code().is_empty() || service == "monitoring", "no code: {}", told());
    assert!(reply.header("x-amzn-requestid").is_some(), "no request id: {}", told());
    match service {
        "lambda" => {
            let json = reply.json();
            assert!(json["message"].is_string() && json["Type"].is_string(), "{}", told());
        }
        "apigateway" => assert!(reply.json()["message"].is_string(), "{}", told()),
        "logs" | "dynamodb" => {
            assert!(reply.json()["__type"].is_string(), "{}", told());
        }
        "iam" | "sts" => {
            let text = reply.text();
            assert!(text.starts_with("<ErrorResponse"), "{}", told());
            assert!(text.trim_end().ends_with("</ErrorResponse>"), "{}", told());
        }
        "sns" => assert!(reply.text().starts_with("<ErrorResponse"), "{}", told()),
        "monitoring" if reply.header("smithy-protocol").is_some() => {
            let named = reply.body.windows(6).any(|window| window == b"__type");
            assert!(
                named && reply.header("content-type") == Some("application/cbor"),
                "{}",
                told()
            );
        }
        // Answered in one of the forms above, by what the request looks like.
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_refuses_nonsense_in_its_own_form() {
    watch_panics();
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start_with(options(dir.path())).await;
    assert_eq!(create_role(&cloud).await.status, 200);
    assert_eq!(create_function(&cloud, "f").await.status, 201);
    for probe in probes() {
        for (method, path, headers) in &probe.calls {
            for (what, body) in bodies() {
                let mut all = vec![scope(probe.service)];
                all.extend(headers.iter().cloned());
                if path.starts_with("/service/") {
                    all.push(("smithy-protocol", "rpc-v2-cbor".to_owned()));
                    all.push(("content-type", "application/cbor".to_owned()));
                }
                let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let what = format!("{method} {path} {headers:?} with {what}");
                let reply = send(&cloud, method, path, &all, &body).await;
                let reply = reply.unwrap_or_else(|| panic!("no answer: {what}"));
                check(probe.service, &what, &reply);
            }
        }
    }
    no_panics();
    assert_eq!(cloud.admin("GET", "status", "").await.0, 200);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_leads_outside() {
    watch_panics();
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let cloud = Cloud::start_with(options(&state)).await;
    let tricks = [
        "..",
        "%2e%2e",
        "%2E%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5c..",
        "%00",
        "a%00b",
        "%c0%ae%c0%ae",
        "%ff",
        "%",
        "%zz",
        "%252e%252e",
        ".",
        "//",
        "%2f",
        "~",
        "%e2%80%ae",
        "CON",
        "%0d%0ax:y",
    ];
    let long = "a".repeat(20_000);
    for trick in tricks.iter().copied().chain([long.as_str()]) {
        for (service, path) in [
            ("lambda", format!("/2015-03-31/functions/{trick}")),
            ("lambda", format!("/2015-03-31/functions/{trick}/code")),
            ("lambda", format!("/2015-03-31/functions/f/aliases/{trick}")),
            ("lambda", format!("/2017-03-31/tags/{trick}")),
            ("apigateway", format!("/restapis/{trick}")),
            ("apigateway", format!("/restapis/{trick}/stages/{trick}")),
            ("apigateway", format!("/restapis/../{trick}")),
            ("apigateway", format!("/tags/{trick}")),
            ("iam", format!("/{trick}?Action=GetRole&Version=2010-05-08&RoleName={trick}")),
            ("logs", format!("/{trick}")),
            ("dynamodb", format!("/{trick}")),
        ] {
            let header = scope(service);
            let reply = send(&cloud, "GET", &path, &[(header.0, &header.1)], b"").await;
            let reply = reply.unwrap_or_else(|| panic!("no answer: {path}"));
            check(service, &path, &reply);
        }
        for path in [
            format!("/restapis/{trick}/dev/_user_request_/x"),
            format!("/restapis/a/{trick}/_user_request_/{trick}?a={trick}&{trick}"),
            format!("/_labdeck/{trick}"),
            format!("/_labdeck/tables/{trick}/latency"),
        ] {
            let reply = send(&cloud, "GET", &path, &[], b"").await;
            let reply = reply.unwrap_or_else(|| panic!("no answer: {path}"));
            let refused = (400..500).contains(&reply.status) || reply.status == 501;
            assert!(refused, "{path}: {} {}", reply.head, reply.text());
        }
    }
    no_panics();
    let there: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
    assert_eq!(there.len(), 1, "something was written beside the state: {there:?}");
    cloud.stop().await;
}

/// A zip with one entry of this name and content, and this mode.
fn zip_with(entries: &[(&str, &[u8], u32)]) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content, mode) in entries {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_zip_writes_outside_or_fills_the_disk() {
    watch_panics();
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let cloud = Cloud::start_with(options(&state)).await;
    assert_eq!(create_role(&cloud).await.status, 200);
    let outside = dir.path().join("evil").to_string_lossy().into_owned();
    let link = {
        use std::io::Write as _;
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let plain = zip::write::SimpleFileOptions::default();
        zip.add_symlink("way", dir.path().to_string_lossy(), plain).unwrap();
        zip.start_file("way/evil", plain).unwrap();
        zip.write_all(b"x").unwrap();
        zip.finish().unwrap().into_inner()
    };
    let bomb = vec![0; 300_000_000];
    let good = zip_with(&[("bootstrap", b"#!/bin/sh\n", 0o755)]);
    let truncated = &good[..good.len() - 7];
    let mut bent = good.clone();
    // The local header's offset in the central directory.
    let at = bent.len() - 22 - 4 - "bootstrap".len();
    bent[at] = 0xff;
    let zips: Vec<(&str, Vec<u8>)> = vec![
        ("an absolute path", zip_with(&[(&outside, b"x", 0o644)])),
        ("a path upwards", zip_with(&[("../../../evil", b"x", 0o644)])),
        ("a path down and up", zip_with(&[("a/../../../evil", b"x", 0o644)])),
        ("a Windows path upwards", zip_with(&[("..\\..\\evil", b"x", 0o644)])),
        ("a link", link),
        ("a bomb", zip_with(&[("bootstrap", &bomb, 0o755)])),
        ("no zip", b"PK\x03\x04 and then nothing".to_vec()),
        ("half a zip", truncated.to_vec()),
        ("an entry elsewhere", bent),
        ("an empty file", Vec::new()),
    ];
    drop(bomb);
    for (what, zip) in zips {
        let zip = base64::engine::general_purpose::STANDARD.encode(zip);
        let input = json!({
            "FunctionName": "z", "Role": ROLE, "Runtime": "provided.al2023",
            "Handler": "bootstrap", "Code": { "ZipFile": zip },
        });
        let header = scope("lambda");
        let headers = [(header.0, header.1.as_str())];
        let input = input.to_string();
        let path = "/2015-03-31/functions";
        let reply = send(&cloud, "POST", path, &headers, input.as_bytes()).await;
        let reply = reply.unwrap_or_else(|| panic!("no answer: {what}"));
        check("lambda", what, &reply);
        assert_eq!(reply.code(), "InvalidParameterValueException", "{what}: {}", reply.text());
    }
    no_panics();
    let there: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
    assert_eq!(there.len(), 1, "something was written beside the state: {there:?}");
    let code = std::fs::read_dir(state.join("code")).unwrap().count();
    assert_eq!(code, 0, "something stays of what was refused");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_and_bodies_have_an_end() {
    watch_panics();
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start_with(options(dir.path())).await;
    let address = cloud.endpoint.trim_start_matches("http://").to_owned();
    // Too long for their service, told in its own form.
    let big = vec![b' '; 17 * 1024 * 1024];
    for service in ["logs", "dynamodb", "iam", "apigateway"] {
        let header = scope(service);
        let reply = send(&cloud, "POST", "/", &[(header.0, &header.1)], &big).await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (413, "RequestEntityTooLargeException"));
        if service == "iam" {
            assert!(reply.text().starts_with("<ErrorResponse>"), "{}", reply.text());
        }
    }
    let heads: Vec<Vec<u8>> =
        vec![
        b"NONSENSE\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/1.0\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        format!("GET / HTTP/1.1\r\nHost: {address}\r\nX: {}\r\n\r\n", "x".repeat(1_000_000))
            .into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: {address}\r\n{}\r\n", "A: b\r\n".repeat(5000))
            .into_bytes(),
        format!("GET /{} HTTP/1.1\r\nHost: {address}\r\n\r\n", "x".repeat(500_000)).into_bytes(),
        format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n"
        )
        .into_bytes(),
        format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\n\r\n\
             ffffffffffffffff\r\nx"
        )
        .into_bytes(),
        format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 18446744073709551615\r\n\r\nx"
        )
        .into_bytes(),
        format!("POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: -1\r\n\r\n").into_bytes(),
        format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy"
        )
        .into_bytes(),
        format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes(),
        format!("OPTIONS * HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").into_bytes(),
        format!("GET http://evil.example/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
            .into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: {address}\r\nHost: evil\r\nConnection: close\r\n\r\n")
            .into_bytes(),
    ];
    for head in heads {
        let shown = String::from_utf8_lossy(&head[..head.len().min(80)]).into_owned();
        // A body that never comes is waited for longer than this test has time.
        let limit = Duration::from_millis(1500);
        let reply = tokio::time::timeout(limit, exchange(&address, &head, b"")).await;
        if let Ok(Some(reply)) = reply {
            assert!((400..500).contains(&reply.status), "{shown}: {}", reply.head);
        }
        assert_eq!(cloud.admin("GET", "status", "").await.0, 200, "after {shown}");
    }
    no_panics();
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_signatures_are_refused_in_the_form_of_their_service() {
    watch_panics();
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let long = format!("AWS4-HMAC-SHA256 Credential={}", "x/".repeat(20_000));
    for service in ["lambda", "apigateway", "logs", "dynamodb", "iam", "sts"] {
        let good = scope(service).1;
        let broken = [
            good.clone(),
            good.replace("Signature=00", "Signature=zz"),
            good.replace("Signature=00", ""),
            good.replace("Credential=x", &format!("Credential={}", cloud.access_key_id)),
            good.replace("Credential=x/", "Credential=////"),
            good.replace("SignedHeaders=host", "SignedHeaders=;;host;\u{e9}"),
        ];
        for value in &broken {
            for date in ["20260101T000000Z", "", "\u{e9}", "99999999T999999Z"] {
                let headers = [("authorization", value.as_str()), ("x-amz-date", date)];
                let reply = send(&cloud, "POST", "/", &headers, b"{}").await;
                let reply = reply.unwrap_or_else(|| panic!("no answer: {value}"));
                assert!(matches!(reply.status, 400 | 403), "{value}: {}", reply.text());
                check(service, value, &reply);
            }
        }
    }
    for value in ["", "Basic eDp5", "AWS4-HMAC-SHA256", "Bearer x", long.as_str()] {
        let reply = send(&cloud, "GET", "/restapis", &[("authorization", value)], b"").await;
        let reply = reply.unwrap_or_else(|| panic!("no answer: {value}"));
        check("apigateway", value, &reply);
        assert_eq!(reply.status, 403, "{}", reply.text());
    }
    no_panics();
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_requests_are_answered() {
    watch_panics();
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start_with(options(dir.path())).await;
    let services =
        ["lambda", "apigateway", "logs", "dynamodb", "iam", "sts", "monitoring", "sqs", "sns"];
    // The same at each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let words = [
        "restapis",
        "functions",
        "2015-03-31",
        "stages",
        "%2e%2e",
        "tags",
        "usageplans",
        "keys",
        "aliases",
        "%ff",
        "",
        "policy",
        "resources",
        "methods",
        "GET",
        "{",
        "deployments",
        "a",
    ];
    let values = ["1", "\"x\"", "[", "{", "null", "-1", "1e400", "\"\\ud800\"", "true", "}"];
    for _ in 0..400 {
        let service = services[next(services.len())];
        let mut path = String::new();
        for _ in 0..=next(6) {
            path.push('/');
            path.push_str(words[next(words.len())]);
        }
        let mut body = String::from("{");
        for index in 0..next(5) {
            body.push_str(["\"Name\":", "\"name\":", "\"limit\":", ""][next(4)]);
            body.push_str(values[next(values.len())]);
            body.push_str(if index % 2 == 0 { "," } else { "}" });
        }
        let method = ["GET", "POST", "PUT", "PATCH", "DELETE"][next(5)];
        let header = scope(service);
        let operation = ["Logs_20140328.GetLogEvents", "DynamoDB_20120810.Scan", "\u{e9}", "."];
        let operation = operation[next(operation.len())];
        let mut headers = vec![(header.0, header.1.as_str())];
        if next(2) == 0 {
            headers.push(("x-amz-target", operation));
        }
        let reply = send(&cloud, method, &path, &headers, body.as_bytes()).await;
        let reply = reply.unwrap_or_else(|| panic!("no answer: {method} {path} {body}"));
        check(service, &format!("{method} {path} {headers:?} {body}"), &reply);
    }
    no_panics();
    assert_eq!(iam(&cloud, "ListRoles", &[]).await.status, 200);
    let groups = target(&cloud, "Logs_20140328.DescribeLogGroups", &json!({})).await;
    assert_eq!(groups.status, 200, "{}", groups.text());
    assert_eq!(create_role(&cloud).await.status, 200);
    assert_eq!(create_function(&cloud, "f").await.status, 201);
    cloud.stop().await;
}
