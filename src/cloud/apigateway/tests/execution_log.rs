//! What a stage's execution log says of requests, in the words of real logs.

use serde_json::json;

use super::limits::Keyed;
use super::{Bench, Read};

/// A deployed API whose stage logs everything and their data.
async fn logged(plan: serde_json::Value) -> (Bench, Keyed) {
    let bench = Bench::new();
    let keyed = Keyed::new(&bench, plan).await;
    bench.role("gateway-logs", "apigateway.amazonaws.com").await;
    let arn = "arn:aws:iam::000000000000:role/gateway-logs";
    let role = json!([{ "op": "replace", "path": "/cloudwatchRoleArn", "value": arn }]);
    assert_eq!(bench.patch("/account", role).await.status, 200);
    let verbose = json!([
        { "op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO" },
        { "op": "replace", "path": "/*/*/logging/dataTrace", "value": "true" },
    ]);
    let stage = format!("/restapis/{}/stages/dev", keyed.api);
    assert_eq!(bench.patch(&stage, verbose).await.status, 200);
    (bench, keyed)
}

/// The lines of the last request without the group and the request's id.
fn said(bench: &Bench, answer: &Read) -> Vec<String> {
    let id = answer.header("x-amzn-requestid").unwrap();
    let before = format!("({id}) ");
    let lines = std::mem::take(&mut *bench.functions.lines.lock().unwrap());
    let text = |line: String| line.split_once(&before).unwrap().1.replace(id, "ID");
    lines.into_iter().map(text).collect()
}

#[tokio::test]
async fn a_request_with_a_key_is_told_from_its_arrival_to_the_invocation() {
    let (bench, keyed) = logged(json!({})).await;
    let answer = keyed.get(&bench, "/dev/a?q=1").await;
    assert_eq!(answer.status, 200);
    let lines = said(&bench, &answer);
    let shown = &keyed.value[keyed.value.len() - 6..];
    let masked = format!("{}{shown}", "*".repeat(keyed.value.len() - 6));
    let stage = format!("{}/dev", keyed.api);
    let extended = answer.header("x-amz-apigw-id").unwrap();
    let begins = [
        format!("Extended Request Id: {extended}"),
        format!("Verifying Usage Plan for request: ID. API Key: {masked} API Stage: {stage}"),
        format!("Usage Plan check succeeded for API Key {masked} and API Stage {stage}"),
        "Starting execution for request: ID".to_owned(),
        "HTTP Method: GET, Resource Path: /a".to_owned(),
        format!("API Key: {masked}"),
        format!("API Key ID: {}", keyed.key),
        "Method request path: {}".to_owned(),
        "Method request query string: {q=1}".to_owned(),
        format!("Method request headers: {{x-api-key={masked}}}"),
    ];
    assert_eq!(lines[..begins.len()], begins);
    let ends = [
        "Successfully completed execution",
        "Method completed with status: 200",
        "AWS Integration Endpoint RequestId : the-invocation",
    ];
    assert_eq!(lines[lines.len() - 3..], ends);
    let mut without_bodies = lines.iter().filter(|line| !line.contains(" body "));
    assert!(without_bodies.all(|line| !line.contains(&keyed.value)), "{lines:?}");
}

#[tokio::test]
async fn a_request_that_is_not_let_in_is_not_executed() {
    let (bench, keyed) =
        logged(json!({ "throttle": { "rateLimit": 0.001, "burstLimit": 1 } })).await;
    let stage = format!("{}/dev", keyed.api);
    let answer = bench.request(&keyed.api, "GET", "/dev/a", &[], "").await;
    assert_eq!(answer.status, 403);
    let refused = said(&bench, &answer);
    assert_eq!(
        refused[1],
        format!("Verifying Usage Plan for request: ID. API Key:  API Stage: {stage}")
    );
    let why = format!(
        "API Key  not authorized because method 'GET /a' requires API Key and API Key is not \
         associated with a Usage Plan for API Stage {stage}: "
    );
    assert!(refused[2].starts_with(&why), "{refused:?}");
    assert_eq!(refused[3..], ["Method completed with status: 403"]);
    // A limit of the stage for the method, in the words of a real log.
    let limits = json!([
        { "op": "replace", "path": "/~1open/GET/throttling/rateLimit", "value": "0.001" },
        { "op": "replace", "path": "/~1open/GET/throttling/burstLimit", "value": "1" },
        { "op": "replace", "path": "/~1open/GET/logging/loglevel", "value": "INFO" },
    ]);
    let target = format!("/restapis/{}/stages/dev", keyed.api);
    assert_eq!(bench.patch(&target, limits).await.status, 200);
    assert_eq!(bench.get(&keyed.api, "/dev/open").await.status, 200);
    bench.functions.lines.lock().unwrap().clear();
    let answer = bench.get(&keyed.api, "/dev/open").await;
    assert_eq!(answer.status, 429);
    let throttled = said(&bench, &answer);
    let before =
        format!("Key throttle limit exceeded for RestApi {}, Stage dev, Resource ", keyed.api);
    assert!(throttled[2].starts_with(&before), "{throttled:?}");
    assert!(throttled[2].ends_with(", HttpMethod GET. Limit: 0.00 Burst: 1"), "{throttled:?}");
    assert_eq!(throttled[3..], ["Method completed with status: 429"]);
}

#[tokio::test]
async fn a_function_that_fails_is_told_with_its_words_and_the_invocation() {
    let (bench, keyed) = logged(json!({})).await;
    let failed = (r#"{"errorMessage":"no such table"}"#.to_owned(), true);
    *bench.functions.answer.lock().unwrap() = Some(Ok(failed));
    let answer = keyed.get(&bench, "/dev/a").await;
    assert_eq!(answer.status, 502);
    let lines = said(&bench, &answer);
    let ends = [
        "Lambda execution failed with status 200 due to customer function error: no such table. \
         Lambda request id: the-invocation",
        "Method completed with status: 502",
        "AWS Integration Endpoint RequestId : the-invocation",
    ];
    assert_eq!(lines[lines.len() - 3..], ends);
}

#[tokio::test]
async fn a_long_line_is_cut_and_says_so() {
    let (bench, keyed) = logged(json!({})).await;
    let body = "é".repeat(2_000);
    let sent = [("x-api-key", keyed.value.as_str()), ("authorization", "Bearer of-a-secret")];
    let answer = bench.request(&keyed.api, "GET", "/dev/a", &sent, &body).await;
    let lines = said(&bench, &answer);
    let begins = "Method request body before transformations: ";
    let line = lines.iter().find(|line| line.starts_with(begins)).unwrap();
    let text = line.strip_suffix(" [TRUNCATED]").unwrap();
    assert!((1023..=1024).contains(&text.len()), "{}", text.len());
    let headers = lines.iter().find(|line| line.starts_with("Method request headers: ")).unwrap();
    assert!(headers.contains("Authorization=************secret"), "{headers}");
}
