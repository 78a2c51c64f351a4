//! Requests to stages: routing, events, answers of functions, mocks, the gateway's own errors.

use serde_json::{Value, json};

use super::{Bench, document, operation};
use crate::error::AwsError;

async fn echo(bench: &Bench) -> String {
    let paths = json!({
        "/": { "get": operation("root") },
        "/pets": { "get": operation("list"), "x-amazon-apigateway-any-method": operation("any") },
        "/pets/{id}": { "get": operation("one") },
        "/pets/mine": { "get": operation("mine") },
        "/files/{proxy+}": { "get": operation("files") },
        "/{proxy+}": { "x-amazon-apigateway-any-method": operation("rest") },
    });
    bench.serve(&document(paths), json!({})).await
}

fn called(bench: &Bench) -> String {
    let calls = bench.functions.calls.lock().unwrap();
    calls.last().unwrap().function.rsplit(':').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_most_specific_route_wins() {
    let bench = Bench::new();
    let api = echo(&bench).await;
    for (method, path, function) in [
        ("GET", "/dev", "root"),
        ("GET", "/dev/", "root"),
        ("GET", "/dev/pets", "list"),
        ("GET", "/dev/pets/", "list"),
        ("POST", "/dev/pets", "any"),
        ("HEAD", "/dev/pets", "any"),
        ("GET", "/dev/pets/mine", "mine"),
        ("GET", "/dev/pets/7", "one"),
        ("GET", "/dev/pets/7/toys", "rest"),
        ("GET", "/dev/files/a/b", "files"),
        ("GET", "/dev/files", "rest"),
        ("DELETE", "/dev/x/y", "rest"),
    ] {
        let answer = bench.request(&api, method, path, &[], "").await;
        assert_eq!(answer.status, 200, "{method} {path}");
        assert_eq!(called(&bench), function, "{method} {path}");
    }
    bench.get(&api, "/dev/files/a%20b/c%2Fd").await;
    assert_eq!(bench.event()["pathParameters"], json!({ "proxy": "a b/c/d" }));
    assert_eq!(bench.event()["resource"], "/files/{proxy+}");
}

#[tokio::test]
async fn unknown_routes_stages_and_apis_answer_as_on_aws() {
    let bench = Bench::new();
    let paths = json!({ "/pets": { "get": operation("f") } });
    let api = bench.serve(&document(paths), json!({})).await;
    for (method, path) in [("GET", "/dev/nope"), ("POST", "/dev/pets")] {
        let answer = bench.request(&api, method, path, &[], "").await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.text, r#"{"message":"Missing Authentication Token"}"#);
        assert_eq!(answer.header("x-amzn-errortype"), Some("MissingAuthenticationTokenException"));
        assert!(answer.header("x-amzn-requestid").is_some());
        assert!(answer.header("x-amz-apigw-id").is_some());
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    for (api, path) in [(api.as_str(), "/prod/pets"), ("nothere", "/dev/pets")] {
        let answer = bench.get(api, path).await;
        assert_eq!((answer.status, answer.text.as_str()), (403, r#"{"message":"Forbidden"}"#));
    }
}

#[tokio::test]
async fn the_event_has_the_members_that_aws_sends() {
    let bench = Bench::new();
    let paths =
        json!({ "/orders/{id}": { "post": operation("orders:${stageVariables.lambdaAlias}") } });
    let api = bench.serve(&document(paths), json!({ "lambdaAlias": "live" })).await;
    let headers = [
        ("host", "127.0.0.1:4500"),
        ("user-agent", "curl/8"),
        ("x-user-id", "ann"),
        ("x-two", "1"),
        ("x-two", "2"),
        ("connection", "keep-alive"),
        ("content-length", "5"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    let answer =
        bench.request(&api, "POST", "/dev/orders/a%20%227?v=1&v=2&w", &headers, "\"q\"\n").await;
    assert_eq!(answer.status, 200);
    let event = bench.event();
    assert_eq!(event["resource"], "/orders/{id}");
    assert_eq!(event["path"], "/orders/a \"7");
    assert_eq!(event["httpMethod"], "POST");
    assert_eq!(event["headers"]["x-user-id"], "ann");
    assert_eq!(event["headers"]["x-two"], "2");
    assert_eq!(event["multiValueHeaders"]["x-two"], json!(["1", "2"]));
    assert_eq!(event["headers"]["Host"], "127.0.0.1:4500");
    assert_eq!(event["headers"]["X-Forwarded-For"], "203.0.113.9, 127.0.0.1");
    assert_eq!(event["headers"]["X-Forwarded-Port"], "4500");
    assert_eq!(event["headers"]["X-Forwarded-Proto"], "http");
    assert!(event["headers"].get("connection").is_none());
    assert!(event["headers"].get("content-length").is_none());
    let trace = event["headers"]["X-Amzn-Trace-Id"].as_str().unwrap();
    assert!(trace.starts_with("Root=1-") && trace.len() == 40, "{trace}");
    assert_eq!(answer.header("x-amzn-trace-id"), Some(trace));
    assert_eq!(event["queryStringParameters"], json!({ "v": "2", "w": "" }));
    assert_eq!(event["multiValueQueryStringParameters"], json!({ "v": ["1", "2"], "w": [""] }));
    assert_eq!(event["pathParameters"], json!({ "id": "a \"7" }));
    assert_eq!(event["stageVariables"], json!({ "lambdaAlias": "live" }));
    assert_eq!(event["body"], "\"q\"\n");
    assert_eq!(event["isBase64Encoded"], false);
    let context = &event["requestContext"];
    assert_eq!(context["accountId"], "000000000000");
    assert_eq!(context["apiId"], json!(api));
    assert_eq!(context["stage"], "dev");
    assert_eq!(context["path"], "/dev/orders/a \"7");
    assert_eq!(context["resourcePath"], "/orders/{id}");
    assert_eq!(context["protocol"], "HTTP/1.1");
    assert_eq!(context["domainPrefix"], json!(api));
    assert_eq!(context["requestId"], answer.header("x-amzn-requestid").unwrap());
    assert_eq!(context["extendedRequestId"], answer.header("x-amz-apigw-id").unwrap());
    assert_eq!(context["identity"]["sourceIp"], "127.0.0.1");
    assert_eq!(context["identity"]["userAgent"], "curl/8");
    assert_eq!(context["identity"]["userArn"], Value::Null);
    assert!(context["requestTimeEpoch"].is_i64());
    let calls = bench.functions.calls.lock().unwrap();
    assert!(calls[0].function.ends_with(":function:orders:live"));
    assert_eq!(
        calls[0].source_arn,
        format!("arn:aws:execute-api:us-east-1:000000000000:{api}/dev/POST/orders/{{id}}")
    );
}

#[tokio::test]
async fn absent_maps_are_null() {
    let bench = Bench::new();
    let api = bench.serve(&document(json!({ "/a": { "get": operation("f") } })), json!({})).await;
    bench.get(&api, "/dev/a").await;
    let event = bench.event();
    for name in [
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    ] {
        assert_eq!(event[name], Value::Null, "{name}");
        assert!(event.get(name).is_some(), "{name}");
    }
}

#[test]
fn times_are_written_as_the_common_log_format_has_them() {
    let written = super::super::data::event_time(1_795_168_800_000);
    assert_eq!(written, "20/Nov/2026:10:00:00 +0000");
}

#[tokio::test]
async fn binary_bodies_travel_as_base64_both_ways() {
    let bench = Bench::new();
    let mut spec = document(json!({ "/a": { "post": operation("f") } }));
    spec["x-amazon-apigateway-binary-media-types"] = json!(["image/*"]);
    let api = bench.serve(&spec, json!({})).await;
    let send = async |kind: &str, accept: &str| {
        let headers = [("content-type", kind), ("accept", accept)];
        bench.request(&api, "POST", "/dev/a", &headers, "abc").await
    };
    bench.answers(json!({ "statusCode": 200, "isBase64Encoded": true, "body": "aGk=" }));
    assert_eq!(send("image/png; q=1", "image/png,*/*").await.text, "hi");
    assert_eq!(bench.event()["body"], "YWJj");
    assert_eq!(bench.event()["isBase64Encoded"], true);
    assert_eq!(send("text/plain", "text/plain").await.text, "aGk=");
    assert_eq!(bench.event()["body"], "abc");
    bench.answers(json!({ "isBase64Encoded": true, "body": "%%%" }));
    assert_eq!(send("text/plain", "image/png").await.status, 500);
}

#[tokio::test]
async fn every_rule_for_a_functions_answer() {
    const MALFORMED: &str = r#"{"message": "Internal server error"}"#;
    let bench = Bench::new();
    let api = bench.serve(&document(json!({ "/a": { "get": operation("f") } })), json!({})).await;
    for (payload, status) in [
        (json!({ "statusCode": 201, "body": "x" }), 201),
        (json!({ "statusCode": "201" }), 201),
        (json!({ "statusCode": "test" }), 502),
        (json!({ "statusCode": 99 }), 502),
        (json!({ "body": "x" }), 200),
        (json!({ "headers": null, "body": "x" }), 200),
        (json!({ "statusCode": 200, "cookies": [] }), 502),
        (json!({}), 502),
        (json!("text"), 502),
        (json!(null), 502),
        (json!([1]), 502),
        (json!({ "statusCode": 200, "body": { "a": 1 } }), 502),
        (json!({ "multiValueHeaders": { "a": "b" } }), 502),
        (json!({ "headers": { "a": { "b": 1 } } }), 502),
        (json!({ "headers": { "a b": "c" } }), 502),
        (json!({ "headers": { "a": "b\r\nc: d" } }), 502),
        (json!({ "isBase64Encoded": true, "body": "aGk=" }), 200),
    ] {
        bench.answers(payload.clone());
        let answer = bench.get(&api, "/dev/a").await;
        assert_eq!(answer.status, status, "{payload}");
        if status == 502 {
            assert_eq!(answer.text, MALFORMED, "{payload}");
            assert_eq!(answer.header("x-amzn-errortype"), Some("InternalServerErrorException"));
        } else {
            assert_eq!(answer.header("content-type"), Some("application/json"), "{payload}");
        }
    }
    bench.answers(json!({
        "headers": { "X-One": true, "x-both": "last", "Content-Type": "text/plain",
            "Server": "mine", "Transfer-Encoding": "chunked" },
        "multiValueHeaders": { "X-Both": ["1", "2"] },
        "body": "escaped \"quotes\"",
    }));
    let answer = bench.get(&api, "/dev/a").await;
    assert_eq!(answer.text, "escaped \"quotes\"");
    assert_eq!(answer.header("x-one"), Some("true"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    let both: Vec<_> = answer.headers.get_all("x-both").iter().collect();
    assert_eq!(both, ["1", "2", "last"]);
    assert_eq!(answer.header("x-amzn-remapped-server"), Some("mine"));
    assert!(answer.header("transfer-encoding").is_none());
    *bench.functions.answer.lock().unwrap() =
        Some(Ok((r#"{"errorMessage":"boom"}"#.to_owned(), true)));
    let failed = bench.get(&api, "/dev/a").await;
    assert_eq!((failed.status, failed.text.as_str()), (502, MALFORMED));
}

#[tokio::test]
async fn calls_that_lambda_refuses() {
    let bench = Bench::new();
    let api = bench.serve(&document(json!({ "/a": { "get": operation("f") } })), json!({})).await;
    for (refused, status, body) in [
        (403, 500, r#"{"message":"Internal server error"}"#),
        (404, 500, r#"{"message":"Internal server error"}"#),
        (429, 502, r#"{"message": "Internal server error"}"#),
        (500, 500, r#"{"message": "Internal server error"}"#),
    ] {
        *bench.functions.answer.lock().unwrap() =
            Some(Err(AwsError::new(refused, "Code", "message")));
        let answer = bench.get(&api, "/dev/a").await;
        assert_eq!((answer.status, answer.text.as_str()), (status, body), "{refused}");
    }
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_a_504() {
    let bench = Bench::new();
    let mut slow = operation("f");
    slow["x-amazon-apigateway-integration"]["timeoutInMillis"] = json!(50);
    let api = bench.serve(&document(json!({ "/a": { "get": slow } })), json!({})).await;
    *bench.functions.hangs.lock().unwrap() = true;
    let answer = bench.get(&api, "/dev/a").await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.text, r#"{"message": "Endpoint request timed out"}"#);
}

#[tokio::test]
async fn required_parameters_are_demanded_by_the_validator() {
    let bench = Bench::new();
    let mut spec = document(json!({ "/a": { "get": operation("f") } }));
    spec["paths"]["/a"]["get"]["parameters"] = json!([
        { "name": "qs1", "in": "query", "required": true },
        { "name": "x-header-param", "in": "header", "required": true },
        { "name": "free", "in": "query" },
    ]);
    spec["x-amazon-apigateway-request-validators"] =
        json!({ "v": { "validateRequestParameters": true, "validateRequestBody": false } });
    let unchecked = bench.serve(&spec, json!({})).await;
    assert_eq!(bench.get(&unchecked, "/dev/a").await.status, 200);
    spec["x-amazon-apigateway-request-validator"] = json!("v");
    let api = bench.serve(&spec, json!({})).await;
    let answer = bench.get(&api, "/dev/a").await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.text,
        r#"{"message": "Missing required request parameters: [x-header-param, qs1]"}"#
    );
    let blank = bench.request(&api, "GET", "/dev/a?qs1=", &[("x-header-param", "1")], "").await;
    assert_eq!(blank.text, r#"{"message": "Missing required request parameters: [qs1]"}"#);
    let good = bench.request(&api, "GET", "/dev/a?qs1=1", &[("x-header-param", "1")], "").await;
    assert_eq!(good.status, 200);
}

#[tokio::test]
async fn keys_authorizers_and_policies_never_let_a_request_through() {
    let bench = Bench::new();
    let mut keyed = document(json!({ "/a": { "get": operation("f") } }));
    keyed["paths"]["/a"]["get"]["security"] = json!([{ "k": [] }]);
    keyed["components"] = json!({ "securitySchemes": {
        "k": { "type": "apiKey", "name": "x-api-key", "in": "header" } } });
    let api = bench.serve(&keyed, json!({})).await;
    let answer = bench.request(&api, "GET", "/dev/a", &[("x-api-key", "k")], "").await;
    assert_eq!((answer.status, answer.text.as_str()), (403, r#"{"message":"Forbidden"}"#));
    let mut iam = keyed.clone();
    iam["components"]["securitySchemes"]["k"]["x-amazon-apigateway-authtype"] = json!("awsSigv4");
    let mut policy = document(json!({ "/a": { "get": operation("f") } }));
    policy["x-amazon-apigateway-policy"] = json!({ "Version": "2012-10-17", "Statement": [] });
    for spec in [iam, policy] {
        let api = bench.serve(&spec, json!({})).await;
        let answer = bench.get(&api, "/dev/a").await;
        assert_eq!(answer.status, 501, "{}", answer.text);
        assert!(answer.text.contains("The local cloud does not implement"));
    }
    assert!(bench.functions.calls.lock().unwrap().is_empty());
}

fn preflight() -> Value {
    json!({
        "responses": { "200": { "description": "ok", "headers": {
            "Access-Control-Allow-Origin": { "schema": { "type": "string" } },
            "Access-Control-Allow-Methods": { "schema": { "type": "string" } },
        } } },
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": { "application/json": "{statusCode: 200}" },
            "responses": { "default": { "statusCode": "200", "responseParameters": {
                "method.response.header.Access-Control-Allow-Origin": "'*'",
                "method.response.header.Access-Control-Allow-Methods": "'GET,POST,OPTIONS'",
            } } },
        },
    })
}

#[tokio::test]
async fn a_mock_answers_a_preflight() {
    let bench = Bench::new();
    let mut templated = preflight();
    templated["x-amazon-apigateway-integration"]["requestTemplates"] =
        json!({ "application/json": "#set($x = 1){\"statusCode\": $x}" });
    let mut broken = preflight();
    broken["x-amazon-apigateway-integration"]["requestTemplates"] =
        json!({ "application/json": "{}" });
    let paths = json!({
        "/a": { "options": preflight() },
        "/vtl": { "options": templated },
        "/broken": { "options": broken },
    });
    let api = bench.serve(&document(paths), json!({})).await;
    let answer = bench.request(&api, "OPTIONS", "/dev/a", &[], "").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET,POST,OPTIONS"));
    assert!(answer.header("x-amzn-trace-id").is_none());
    let verbose = json!([{ "op": "replace", "path": "/*/*/logging/loglevel", "value": "ERROR" }]);
    let stage = format!("/restapis/{api}/stages/dev");
    let refused = bench.patch(&stage, verbose.clone()).await;
    assert_eq!(
        refused.error().2,
        "CloudWatch Logs role ARN must be set in account settings to enable logging"
    );
    bench.role("gateway-logs", "apigateway.amazonaws.com").await;
    let arn = "arn:aws:iam::000000000000:role/gateway-logs";
    let role = json!([{ "op": "replace", "path": "/cloudwatchRoleArn", "value": arn }]);
    assert_eq!(bench.patch("/account", role).await.status, 200);
    assert_eq!(bench.patch(&stage, verbose).await.status, 200);
    assert_eq!(bench.request(&api, "OPTIONS", "/dev/vtl", &[], "").await.status, 200);
    let answer = bench.request(&api, "OPTIONS", "/dev/broken", &[], "").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text, r#"{"message": "Internal server error"}"#);
    let lines = bench.functions.lines.lock().unwrap();
    assert!(lines[0].starts_with(&format!("API-Gateway-Execution-Logs_{api}/dev (")));
    assert!(lines[0].contains("Unable to parse statusCode"), "{}", lines[0]);
}

#[tokio::test]
async fn an_api_dresses_the_gateways_answers() {
    let bench = Bench::new();
    let mut spec = document(json!({ "/a": { "get": operation("f") } }));
    spec["x-amazon-apigateway-gateway-responses"] = json!({
        "DEFAULT_5XX": { "responseParameters": {
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'" } },
        "MISSING_AUTHENTICATION_TOKEN": {
            "statusCode": 404,
            "responseParameters": {
                "gatewayresponse.header.X-Query": "method.request.querystring.q" },
            "responseTemplates": { "application/json":
                "{\"m\": $context.error.messageString, \"t\": \"$context.error.responseType\", \
                 \"s\": \"$context.stage.\", \"v\": \"$stageVariables.a\", \"$\": 1}" },
        },
    });
    let api = bench.serve(&spec, json!({ "a": "b" })).await;
    let answer = bench.get(&api, "/dev/nope?q=z").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json(),
        json!({ "m": "Missing Authentication Token", "t": "MISSING_AUTHENTICATION_TOKEN",
            "s": "dev.", "v": "b", "$": 1 })
    );
    assert_eq!(answer.header("x-query"), Some("z"));
    bench.answers(json!({ "wrong": 1 }));
    let answer = bench.get(&api, "/dev/a").await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn a_missing_stage_variable_is_a_configuration_error() {
    let bench = Bench::new();
    let paths = json!({ "/a": { "get": operation("f:${stageVariables.lambdaAlias}") } });
    let api = bench.serve(&document(paths), json!({})).await;
    assert_eq!(bench.get(&api, "/dev/a").await.status, 500);
    assert!(bench.functions.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_stage_throttles_each_method() {
    let bench = Bench::new();
    let paths = json!({ "/a": { "get": operation("f") }, "/b": { "get": operation("f") } });
    let api = bench.serve(&document(paths), json!({})).await;
    let limits = json!([
        { "op": "replace", "path": "/~1a/GET/throttling/rateLimit", "value": "0" },
        { "op": "replace", "path": "/~1a/GET/throttling/burstLimit", "value": "1" },
    ]);
    let patched = bench.patch(&format!("/restapis/{api}/stages/dev"), limits).await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    assert_eq!(bench.get(&api, "/dev/a").await.status, 200);
    let answer = bench.get(&api, "/dev/a").await;
    assert_eq!((answer.status, answer.text.as_str()), (429, r#"{"message":"Too Many Requests"}"#));
    assert_eq!(answer.header("x-amzn-errortype"), Some("TooManyRequestsException"));
    // A change of something else gives no tokens back.
    let other = json!([{ "op": "replace", "path": "/description", "value": "d" }]);
    bench.patch(&format!("/restapis/{api}/stages/dev"), other).await;
    assert_eq!(bench.get(&api, "/dev/a").await.status, 429);
    for _ in 0..3 {
        assert_eq!(bench.get(&api, "/dev/b").await.status, 200);
    }
}

#[tokio::test]
async fn bodies_that_are_too_long_are_refused() {
    let bench = Bench::new();
    let api = bench.serve(&document(json!({ "/a": { "post": operation("f") } })), json!({})).await;
    for megabytes in [7, 11] {
        let body = "a".repeat(megabytes * 1024 * 1024);
        let answer = bench.request(&api, "POST", "/dev/a", &[], &body).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (413, r#"{"message":"Request Too Long"}"#)
        );
    }
    assert!(bench.functions.calls.lock().unwrap().is_empty());
}
