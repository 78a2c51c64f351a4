//! Request bodies against models.

use serde_json::{Value, json};

use super::{Bench, Read, document, operation};

const INVALID: &str = r#"{"message": "Invalid request body"}"#;

/// `POST /a` whose validator checks bodies against the schema `Main`.
fn modelled(schemas: Value) -> Value {
    let mut post = operation("f");
    post["requestBody"] = json!({ "content": {
        "application/json": { "schema": { "$ref": "#/components/schemas/Main" } } } });
    let mut spec = document(json!({ "/a": { "post": post } }));
    spec["components"] = json!({ "schemas": schemas });
    spec["x-amazon-apigateway-request-validators"] =
        json!({ "v": { "validateRequestBody": true, "validateRequestParameters": false } });
    spec["x-amazon-apigateway-request-validator"] = json!("v");
    spec
}

fn pet() -> Value {
    json!({
        "type": "object",
        "required": ["type", "price"],
        "properties": {
            "type": { "type": "string", "minLength": 1 },
            "price": { "type": "number", "minimum": 0 },
        },
    })
}

async fn post(bench: &Bench, api: &str, kind: Option<&str>, body: &str) -> Read {
    let headers: Vec<(&str, &str)> = kind.iter().map(|kind| ("content-type", *kind)).collect();
    bench.request(api, "POST", "/dev/a", &headers, body).await
}

fn invalid(answer: &Read) {
    assert_eq!((answer.status, answer.text.as_str()), (400, INVALID));
    assert_eq!(answer.header("x-amzn-errortype"), Some("BadRequestException"));
}

#[tokio::test]
async fn a_body_must_be_what_its_model_says() {
    let bench = Bench::new();
    let api = bench.serve(&modelled(json!({ "Main": pet() })), json!({})).await;
    let json_type = Some("application/json");
    for kind in [None, json_type, Some("Application/JSON; charset=utf-8")] {
        let good = post(&bench, &api, kind, r#"{"type":"cat","price":0.5,"more":1}"#).await;
        assert_eq!(good.status, 200, "{}", good.text);
        for body in
            ["", "{}", "cat", "[]", r#"{"type":"","price":1}"#, r#"{"type":"cat","price":-1}"#]
        {
            invalid(&post(&bench, &api, kind, body).await);
        }
    }
    // Without a model for the content type nothing is checked.
    assert_eq!(post(&bench, &api, Some("text/plain"), "cat").await.status, 200);
    assert_eq!(bench.functions.calls.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn a_model_can_be_for_every_content_type() {
    let bench = Bench::new();
    let mut spec = modelled(json!({ "Main": pet() }));
    let content = &mut spec["paths"]["/a"]["post"]["requestBody"]["content"];
    content["$default"] = content["application/json"].take();
    content.as_object_mut().unwrap().shift_remove("application/json");
    let api = bench.serve(&spec, json!({})).await;
    invalid(&post(&bench, &api, Some("text/plain"), "cat").await);
    let good = post(&bench, &api, Some("text/plain"), r#"{"type":"cat","price":1}"#).await;
    assert_eq!(good.status, 200);
}

#[tokio::test]
async fn models_refer_to_models() {
    let bench = Bench::new();
    // As recorded: a list of another model, and one that is null or another model.
    let spec = modelled(json!({
        "Pet": pet(),
        "Main": { "type": "object", "required": ["status"], "properties": {
            "status": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Pet" }] },
            "list": { "type": "array", "items": { "$ref": "#/components/schemas/Pet" } },
            "inner": { "$ref": "#/components/schemas/Main" },
        } },
    }));
    let api = bench.serve(&spec, json!({})).await;
    let model = bench.call("GET", &format!("/restapis/{api}/models/Main"), Value::Null).await;
    let url = format!("https://apigateway.amazonaws.com/restapis/{api}/models/Pet");
    assert!(model.json()["schema"].as_str().unwrap().contains(&url), "{}", model.text);
    let cat = json!({ "type": "cat", "price": 1 });
    for good in [
        json!({ "status": null }),
        json!({ "status": cat }),
        json!({ "status": null, "list": [cat, cat], "inner": { "status": cat } }),
    ] {
        assert_eq!(post(&bench, &api, None, &good.to_string()).await.status, 200, "{good}");
    }
    for bad in [
        json!({}),
        json!({ "status": { "type": "cat" } }),
        json!({ "status": null, "list": [cat, 1] }),
        json!({ "status": null, "inner": {} }),
    ] {
        invalid(&post(&bench, &api, None, &bad.to_string()).await);
    }
}

#[tokio::test]
async fn a_model_that_cannot_be_used_lets_nothing_through() {
    let bench = Bench::new();
    for schema in [
        json!({ "type": "nonsense" }),
        json!({ "$ref": "https://example.com/schema.json" }),
        json!({ "$ref": "file:///etc/passwd" }),
        json!({ "$ref": "https://apigateway.amazonaws.com/restapis/another/models/Main" }),
        json!({ "$ref": "#/definitions/nowhere" }),
        json!({ "properties": { "a": { "pattern": "(" } } }),
    ] {
        let api = bench.serve(&modelled(json!({ "Main": schema })), json!({})).await;
        let answer = post(&bench, &api, None, r#"{"a":"b"}"#).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (500, r#"{"message": "Internal server error"}"#),
            "{schema}"
        );
    }
    assert!(bench.functions.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn models_that_go_in_circles_end() {
    let bench = Bench::new();
    let there = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    for schemas in [
        json!({ "Main": there("Main") }),
        json!({ "Main": { "allOf": [there("Main")] } }),
        json!({ "Main": { "not": there("Main") } }),
        json!({ "Main": there("Other"), "Other": there("Main") }),
        json!({ "Main": { "anyOf": [there("Other")] }, "Other": { "allOf": [there("Main")] } }),
        json!({ "Main": { "additionalProperties": there("Main") } }),
    ] {
        let api = bench.serve(&modelled(schemas), json!({})).await;
        let deep = format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120));
        for body in ["{}", "{\"a\":1}", &deep, &"[".repeat(100_000)] {
            let answer = post(&bench, &api, None, body).await;
            assert!([200, 400, 500].contains(&answer.status), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn long_bodies_are_checked_too() {
    let bench = Bench::new();
    let list = json!({ "type": "array", "items": pet() });
    let api = bench.serve(&modelled(json!({ "Main": list })), json!({})).await;
    let pets = |last: &str| format!("[{}{last}]", r#"{"type":"cat","price":1},"#.repeat(20_000));
    let good = post(&bench, &api, None, &pets(r#"{"type":"cat","price":1}"#)).await;
    assert_eq!(good.status, 200, "{}", good.text);
    invalid(&post(&bench, &api, None, &pets("1")).await);
}

#[tokio::test]
async fn an_api_can_tell_what_is_wrong_with_a_body() {
    let bench = Bench::new();
    let mut spec = modelled(json!({ "Main": pet() }));
    spec["x-amazon-apigateway-gateway-responses"] = json!({ "BAD_REQUEST_BODY": {
        "statusCode": 422,
        "responseTemplates": { "text/plain": "$context.error.message: $context.error.validationErrorString" },
    } });
    let api = bench.serve(&spec, json!({})).await;
    let answer = post(&bench, &api, None, r#"{"type":"cat"}"#).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.text, r#"Invalid request body: ["price" is a required property]"#);
}
