//! Non-proxy integrations through HTTP: mocks and functions behind mapping templates, tests of
//! methods, and which mappings the control plane takes.

use serde_json::{Value, json};

use super::{Bench, document, lambda};
use crate::error::AwsError;

/// Declared responses: each status with these headers.
fn declared(statuses: &[&str], headers: &[&str]) -> Value {
    let headers: Value = headers
        .iter()
        .map(|name| ((*name).to_owned(), json!({ "schema": { "type": "string" } })))
        .collect::<serde_json::Map<_, _>>()
        .into();
    statuses
        .iter()
        .map(|status| ((*status).to_owned(), json!({ "description": "", "headers": headers })))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// An operation whose answers are made by templates alone.
fn mock(request: &str, responses: Value) -> Value {
    json!({
        "responses": declared(&["200", "400", "404"], &["X-Id", "Content-Type"]),
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": { "application/json": request },
            "responses": responses,
        },
    })
}

fn templated(template: &str) -> Value {
    let response = json!({ "statusCode": "200", "responseTemplates": {
        "application/json": template } });
    mock("{\"statusCode\": 200}", json!({ "default": response }))
}

/// The lab's items, behind mocks whose templates make the data.
fn items_mock() -> Value {
    let list = r#"#set($ids = [1, 2, 3])
[
#foreach($ID in $ids)
#set($price = $ID * 1.5)
#set($name = "foo" + $ID)
  {"ID": $ID, "name": "$name", "price": $price}#if($foreach.hasNext),#end

#end
]"#;
    let one = r#"#set($Integer = 0)
#set($ID = $Integer.parseInt($input.params("ID")))
#set($price = $ID * 1.5)
{"ID": $ID, "name": "foo$ID", "price": $price}"#;
    json!({ "/items": { "get": templated(list) }, "/items/{ID}": { "get": templated(one) } })
}

#[tokio::test]
async fn mocks_make_data_from_templates() {
    let bench = Bench::new();
    let api = bench.serve(&document(items_mock()), json!({})).await;
    let answer = bench.get(&api, "/dev/items").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()[1], json!({ "ID": 2, "name": "foo2", "price": 3.0 }));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = bench.get(&api, "/dev/items/4").await;
    assert_eq!(answer.json(), json!({ "ID": 4, "name": "foo4", "price": 6.0 }));
    // What Java's parseInt refuses fails the template, and with it the request.
    let answer = bench.get(&api, "/dev/items/x").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text, r#"{"message": "Internal server error"}"#);
}

#[tokio::test]
async fn a_request_template_chooses_the_mocks_answer() {
    let bench = Bench::new();
    let request = r#"{"statusCode": #if($input.params("id").matches("[0-9]+"))200#{else}400#end}"#;
    let responses = json!({
        "200": { "statusCode": "200",
            "responseParameters": {
                "method.response.header.X-Id": "method.request.path.id" },
            "responseTemplates": { "application/json": "{\"ok\": true}", "text/plain": "ok" } },
        "4\\d{2}": { "statusCode": "400",
            "responseTemplates": { "application/json":
                "#set($context.responseOverride.status = 404)\
                 #set($context.responseOverride.header.X-Id = \"none\"){\"ok\": false}" } },
    });
    let mut spec = document(json!({ "/pets/{id}": { "get": mock(request, responses) } }));
    let parameters = &mut spec["paths"]["/pets/{id}"]["get"]["x-amazon-apigateway-integration"];
    parameters["responses"]["200"]["responseParameters"]["method.response.header.X-Id"] =
        json!("context.httpMethod");
    let api = bench.serve(&spec, json!({})).await;
    let answer = bench.get(&api, "/dev/pets/7").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "{\"ok\": true}"));
    assert_eq!(answer.header("x-id"), Some("GET"));
    let plain = bench.request(&api, "GET", "/dev/pets/7", &[("accept", "text/plain")], "").await;
    assert_eq!((plain.text.as_str(), plain.header("content-type")), ("ok", Some("text/plain")));
    let answer = bench.get(&api, "/dev/pets/x").await;
    assert_eq!((answer.status, answer.text.as_str()), (404, "{\"ok\": false}"));
    assert_eq!(answer.header("x-id"), Some("none"));
    // The way to see a request's body in a mock's answer.
    let request =
        "#set($context.requestOverride.path.body = $input.body)\n{\n  \"statusCode\": 200,\n}";
    let template = "#set($pet = $util.parseJson($context.requestOverride.path.body))\
                    {\"id\": \"$context.requestId\", \"pet\": {\"type\": \"$pet.type\"}, \
                     \"q\": \"$input.params('page')\", \"v\": \"$stageVariables.alias\"}";
    let post = mock(
        request,
        json!({ "default": { "statusCode": "200",
        "responseTemplates": { "application/json": template } } }),
    );
    let spec = document(json!({ "/pets": { "post": post } }));
    let api = bench.serve(&spec, json!({ "alias": "live" })).await;
    let answer = bench.request(&api, "POST", "/dev/pets?page=2", &[], r#"{"type":"cat"}"#).await;
    let body = answer.json();
    assert_eq!(
        (&body["pet"], &body["q"], &body["v"]),
        (&json!({ "type": "cat" }), &json!("2"), &json!("live"))
    );
    assert_eq!(body["id"], answer.header("x-amzn-requestid").unwrap());
}

/// The lab's items behind a function.
fn items_function() -> Value {
    let mut integration = lambda("ItemsFunction:${stageVariables.lambdaAlias}");
    integration["type"] = json!("aws");
    integration["passthroughBehavior"] = json!("when_no_templates");
    integration["requestTemplates"] =
        json!({ "application/json": "{\"ID\": $input.params(\"ID\")}" });
    integration["responses"] = json!({
        "default": { "statusCode": "200",
            "responseParameters": { "method.response.header.Access-Control-Allow-Origin": "'*'" } },
        ".*NotFoundError.*": { "statusCode": "404",
            "responseParameters": {
                "method.response.header.X-Error": "integration.response.body.errorMessage" },
            "responseTemplates": { "application/json":
                "{\"message\": \"Item not found\", \"error\": $input.json('$.errorMessage')}" } },
        "(?!NotFoundError)(\\n|.)+Error(\\n|.)*": { "statusCode": "500",
            "responseTemplates": { "application/json": "{\"message\": \"failed\"}" } },
    });
    json!({ "/items/{ID}": { "get": {
        "responses": declared(&["200", "404", "500"], &["Access-Control-Allow-Origin", "X-Error"]),
        "x-amazon-apigateway-integration": integration,
    } } })
}

fn fails(bench: &Bench, message: &str) {
    let payload = json!({ "errorMessage": message, "errorType": "E" }).to_string();
    *bench.functions.answer.lock().unwrap() = Some(Ok((payload, true)));
}

#[tokio::test]
async fn a_functions_answers_are_selected_and_mapped() {
    let bench = Bench::new();
    let api = bench.serve(&document(items_function()), json!({ "lambdaAlias": "live" })).await;
    bench.answers(json!({ "ID": 1, "name": "Pen" }));
    let answer = bench.get(&api, "/dev/items/1").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"ID":1,"name":"Pen"}"#));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("x-amzn-trace-id").is_some());
    assert_eq!(bench.event(), json!({ "ID": 1 }));
    {
        let calls = bench.functions.calls.lock().unwrap();
        assert!(calls[0].function.ends_with(":function:ItemsFunction:live"));
        assert!(calls[0].source_arn.ends_with("/dev/GET/items/{ID}"));
        assert!(!calls[0].event);
    }
    fails(&bench, "NotFoundError");
    let answer = bench.get(&api, "/dev/items/5").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json(), json!({ "message": "Item not found", "error": "NotFoundError" }));
    assert_eq!(answer.header("x-error"), Some("NotFoundError"));
    fails(&bench, "Some\nError");
    assert_eq!(bench.get(&api, "/dev/items/1").await.status, 500);
    // A failure that matches nothing is the default answer, as on AWS.
    fails(&bench, "Task timed out after 3.00 seconds");
    let answer = bench.get(&api, "/dev/items/1").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("Task timed out"), "{}", answer.text);
    // What the template makes must be JSON for Lambda.
    let answer = bench.get(&api, "/dev/items/abc").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.starts_with(r#"{"message": "Could not parse request body into json"#));
    // Content types without a template are refused where others have one.
    let headers = [("content-type", "text/plain")];
    let answer = bench.request(&api, "GET", "/dev/items/1", &headers, "x").await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (415, r#"{"message":"Unsupported Media Type"}"#)
    );
    let denied = AwsError::new(403, "AccessDeniedException", "no");
    *bench.functions.answer.lock().unwrap() = Some(Err(denied));
    assert_eq!(bench.get(&api, "/dev/items/1").await.status, 500);
}

#[tokio::test]
async fn passing_through_events_and_missing_answers() {
    let bench = Bench::new();
    let operation = |passthrough: &str, templates: Value, responses: Value| {
        let mut integration = lambda("f");
        integration["type"] = json!("aws");
        integration["passthroughBehavior"] = json!(passthrough);
        integration["requestTemplates"] = templates;
        integration["responses"] = responses;
        json!({ "responses": declared(&["200"], &[]),
            "x-amazon-apigateway-integration": integration })
    };
    let default = json!({ "default": { "statusCode": "200" } });
    let xml = json!({ "application/xml": "{}" });
    let mut event = operation("when_no_match", json!({}), default.clone());
    event["x-amazon-apigateway-integration"]["requestParameters"] =
        json!({ "integration.request.header.X-Amz-Invocation-Type": "'Event'" });
    let spec = document(json!({
        "/match": { "post": operation("when_no_match", xml.clone(), default.clone()) },
        "/templates": { "post": operation("when_no_templates", xml, default.clone()) },
        "/none": { "post": operation("when_no_templates", json!({}), default.clone()) },
        "/never": { "post": operation("never", json!({}), default.clone()) },
        "/event": { "post": event },
        "/no-match": { "post": operation("when_no_match", json!({}),
            json!({ "5\\d\\d": { "statusCode": "200" } })) },
        "/undeclared": { "post": operation("when_no_match", json!({}),
            json!({ "default": { "statusCode": "201" } })) },
    }));
    let api = bench.serve(&spec, json!({})).await;
    bench.answers(json!("done"));
    for (path, status) in [
        ("match", 200),
        ("templates", 415),
        ("none", 200),
        ("never", 415),
        ("event", 200),
        ("no-match", 500),
        ("undeclared", 500),
    ] {
        let target = format!("/dev/{path}");
        let answer = bench.request(&api, "POST", &target, &[], r#"{"a":1}"#).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        if status == 200 {
            assert_eq!(bench.event(), json!({ "a": 1 }), "{path}");
        }
    }
    let events: Vec<bool> =
        bench.functions.calls.lock().unwrap().iter().map(|call| call.event).collect();
    assert_eq!(events, [false, false, true, false, false]);
    bench.request(&api, "POST", "/dev/none", &[], "").await;
    assert_eq!(bench.event(), json!({}));
}

#[tokio::test]
async fn binary_answers_are_decoded() {
    let bench = Bench::new();
    let mut integration = lambda("f");
    integration["type"] = json!("aws");
    integration["responses"] =
        json!({ "default": { "statusCode": "200", "contentHandling": "CONVERT_TO_BINARY" } });
    let operation = json!({ "responses": declared(&["200"], &[]),
        "x-amazon-apigateway-integration": integration });
    let mut spec = document(json!({ "/a": { "post": operation } }));
    spec["x-amazon-apigateway-binary-media-types"] = json!(["image/*"]);
    let api = bench.serve(&spec, json!({})).await;
    bench.answers(json!("aGk="));
    assert_eq!(bench.request(&api, "POST", "/dev/a", &[], "{}").await.text, "hi");
    bench.answers(json!("%%%"));
    assert_eq!(bench.request(&api, "POST", "/dev/a", &[], "{}").await.status, 500);
}

/// The id of the resource at a path.
async fn resource(bench: &Bench, api: &str, path: &str) -> String {
    let list = bench.call("GET", &format!("/restapis/{api}/resources"), Value::Null).await.json();
    let found = list["item"].as_array().unwrap().iter().find(|one| one["path"] == path);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_method_is_tested_as_it_is_defined_now() {
    let bench = Bench::new();
    let mut paths = items_mock();
    paths["/pets/{petId}"] = json!({ "get": templated("{\"petId\": \"$input.params('petId')\"}") });
    paths["/lambda"] = json!({ "get": items_function()["/items/{ID}"]["get"] });
    // Never deployed: the definition is what is tested.
    let api = bench.import(&document(paths)).await;
    let pet = resource(&bench, &api, "/pets/{petId}").await;
    let target = format!("/restapis/{api}/resources/{pet}/methods/GET");
    let asked = json!({ "pathWithQueryString": "/pets/123?foo=bar", "body": "{\"foo\": \"bar\"}" });
    let answer = bench.call("POST", &target, asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let result = answer.json();
    assert_eq!(result["status"], 200);
    assert_eq!(result["body"], r#"{"petId": "123"}"#);
    assert_eq!(result["headers"], json!({ "Content-Type": "application/json" }));
    assert_eq!(result["multiValueHeaders"], json!({ "Content-Type": ["application/json"] }));
    assert!(result["latency"].is_u64());
    let log = result["log"].as_str().unwrap();
    let mut lines = log.lines();
    let id = lines.next().unwrap().strip_prefix("Execution log for request ").unwrap();
    let said: Vec<&str> = lines.map(|line| line.split_once(" : ").unwrap().1).collect();
    assert_eq!(
        said,
        [
            &format!("Starting execution for request: {id}"),
            "HTTP Method: GET, Resource Path: /pets/123",
            "Method request path: {petId=123}",
            "Method request query string: {foo=bar}",
            "Method request headers: {}",
            "Method request body before transformations: {\"foo\": \"bar\"}",
            "Method response body after transformations: {\"petId\": \"123\"}",
            "Method response headers: {Content-Type=application/json}",
            "Successfully completed execution",
            "Method completed with status: 200",
        ]
    );
    assert!(log.contains(" UTC 20") && log.ends_with('\n'), "{log}");
    for (asked, body) in [
        (json!({}), r#"{"petId": "{petId}"}"#),
        (json!({ "pathWithQueryString": "/random/test" }), r#"{"petId": ""}"#),
    ] {
        assert_eq!(bench.call("POST", &target, asked).await.json()["body"], body);
    }
    // A function is asked for the test's own stage.
    let function = resource(&bench, &api, "/lambda").await;
    let target = format!("/restapis/{api}/resources/{function}/methods/GET");
    bench.answers(json!({ "ID": 1 }));
    let asked = json!({
        "pathWithQueryString": "/lambda?ID=7",
        "stageVariables": { "lambdaAlias": "live" },
        "headers": { "X-A": "1" },
    });
    let result = bench.call("POST", &target, asked).await.json();
    assert_eq!((&result["status"], &result["body"]), (&json!(200), &json!("{\"ID\":1}")));
    assert!(result["headers"]["X-Amzn-Trace-Id"].as_str().unwrap().starts_with("Root=1-"));
    let log = result["log"].as_str().unwrap();
    for line in [
        "Method request headers: {x-a=1}",
        "Endpoint request body after transformations: {\"ID\": 7}",
        "Sending request to https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/",
        "Received response. Status: 200, Integration latency: ",
        "Endpoint response body before transformations: {\"ID\":1}",
    ] {
        assert!(log.contains(line), "{line} in {log}");
    }
    {
        let calls = bench.functions.calls.lock().unwrap();
        let arn = &calls.last().unwrap().source_arn;
        assert!(arn.ends_with(&format!("{api}/test-invoke-stage/GET/lambda")), "{arn}");
    }
    fails(&bench, "NotFoundError");
    let asked = json!({ "pathWithQueryString": "/lambda?ID=5",
        "stageVariables": { "lambdaAlias": "live" } });
    let result = bench.call("POST", &target, asked).await.json();
    assert_eq!(result["status"], 404);
    let line = "Lambda execution failed with status 200 due to customer function error: NotFound";
    assert!(result["log"].as_str().unwrap().contains(line), "{}", result["log"]);
    let result = bench.call("POST", &target, json!({})).await.json();
    assert_eq!(result["status"], 500);
    assert_eq!(result["body"], r#"{"message": "Internal server error"}"#);
    assert_eq!(result["headers"], json!({ "x-amzn-ErrorType": "InternalServerErrorException" }));
    let log = result["log"].as_str().unwrap();
    assert!(log.contains("Execution failed due to configuration error: "), "{log}");
    let text = "Invalid Resource identifier specified";
    for (target, text) in [
        (
            format!("/restapis/{api}/resources/{pet}/methods/POST"),
            "Invalid Method identifier specified",
        ),
        (format!("/restapis/{api}/resources/nope/methods/GET"), text),
        (format!("/restapis/nope/resources/{pet}/methods/GET"), text),
    ] {
        let answer = bench.call("POST", &target, json!({})).await;
        assert_eq!(answer.error(), (404, "NotFoundException".to_owned(), text.to_owned()));
    }
}

#[tokio::test]
async fn mappings_of_what_is_not_declared_are_refused() {
    const START: &str =
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [";
    let bench = Bench::new();
    let api = bench.import(&document(json!({ "/a": { "get": templated("x") } }))).await;
    let id = resource(&bench, &api, "/a").await;
    let integration = format!("/restapis/{api}/resources/{id}/methods/GET/integration");
    let parameter = |name: &str, value: &str| json!({ "responseParameters": { name: value } });
    for (status, body, errors) in [
        (
            "201",
            parameter("method.response.header.X-Id", "'1'"),
            "No method response exists for method.",
        ),
        (
            "200",
            parameter("method.response.header.X-Nope", "'1'"),
            "Invalid mapping expression parameter specified: method.response.header.X-Nope",
        ),
        (
            "200",
            parameter("method.response.header.X-Id", "\"1\""),
            "Invalid mapping expression specified: \"1\"",
        ),
    ] {
        let target = format!("{integration}/responses/{status}");
        let answer = bench.call("PUT", &target, body).await;
        assert_eq!(
            answer.error(),
            (400, "BadRequestException".to_owned(), format!("{START}{errors}]"))
        );
    }
    let target = format!("{integration}/responses/200");
    for expression in
        ["'x'", "integration.response.header.a", "integration.response.body.a.b", "context.stage"]
    {
        let fine = parameter("method.response.header.X-Id", expression);
        assert_eq!(bench.call("PUT", &target, fine).await.status, 201, "{expression}");
    }
    let name = "/responseParameters/method.response.header.X-Nope";
    let patched =
        bench.patch(&target, json!([{ "op": "add", "path": name, "value": "'1'" }])).await;
    assert_eq!(patched.status, 400);
    // An integration response without parameters may come before its method response.
    let target = format!("{integration}/responses/202");
    assert_eq!(bench.call("PUT", &target, json!({})).await.status, 201);
    let put = |value: &str| json!({ "type": "MOCK", "requestParameters": { "integration.request.header.a": value } });
    let answer = bench.call("PUT", &integration, put("method.request.header.a")).await;
    let text = "Invalid mapping expression parameter specified: method.request.header.a";
    assert_eq!(answer.error().2, format!("{START}{text}]"));
    assert_eq!(bench.call("PUT", &integration, put("'Event'")).await.status, 201);
    let mut broken = document(json!({ "/a": { "get": templated("x") } }));
    broken["paths"]["/a"]["get"]["x-amazon-apigateway-integration"]["responses"]["default"]["responseParameters"] =
        json!({ "method.response.header.X-Nope": "'1'" });
    let answer = bench.call("POST", "/restapis?mode=import&failonwarnings=false", broken).await;
    assert!(answer.text.contains("Unable to put integration response on 'GET'"), "{}", answer.text);
}
