//! `OpenAPI` documents: what of them becomes an API, and what is refused.

use serde_json::{Value, json};

use super::{Bench, document, operation};

async fn resources(bench: &Bench, api: &str) -> Value {
    let path = format!("/restapis/{api}/resources?embed=methods");
    bench.call("GET", &path, Value::Null).await.json()["item"].clone()
}

#[tokio::test]
async fn a_yaml_document_with_two_paths_and_a_stage_variable_becomes_an_api() {
    let yaml = r#"
openapi: 3.0.1
info: { title: pets, description: "lab greet", version: "2.1" }
x-amazon-apigateway-request-validators:
  params: { validateRequestParameters: true, validateRequestBody: false }
x-amazon-apigateway-gateway-responses:
  DEFAULT_4XX:
    statusCode: 418
    responseParameters: { gatewayresponse.header.X: "'y'" }
x-amazon-apigateway-binary-media-types: [ "image/png" ]
paths:
  /pets:
    get:
      operationId: listPets
      parameters:
        - { name: page, in: query, required: true, schema: { type: string } }
        - $ref: '#/components/parameters/Trace'
      x-amazon-apigateway-request-validator: params
      security: [ { api_key: [] } ]
      responses:
        200:
          description: ok
          headers: { X-A: { schema: { type: string } } }
          content: { application/json: { schema: { $ref: '#/components/schemas/Pets' } } }
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        passthroughBehavior: when_no_match
        uri: arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:pets:${stageVariables.lambdaAlias}/invocations
  /pets/{id}:
    parameters: [ { name: id, in: path, required: true, schema: { type: string } } ]
    x-amazon-apigateway-any-method:
      responses: {}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: { application/json: '{"statusCode": 200}' }
        responses: { default: { statusCode: 200 }, "4\\d\\d": { statusCode: "404" } }
components:
  parameters:
    Trace: { name: x-trace, in: header, schema: { type: string } }
  schemas:
    Pet: { type: object }
    Pets: { type: array, items: { $ref: '#/components/schemas/Pet' } }
  securitySchemes:
    api_key: { type: apiKey, name: x-api-key, in: header }
"#;
    let bench = Bench::new();
    let target = "/restapis?mode=import&endpointConfigurationTypes=REGIONAL";
    let made = bench.send("POST", target, yaml).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let api = made.json();
    assert_eq!(api["name"], "pets");
    assert_eq!(api["description"], "lab greet");
    assert_eq!(api["version"], "2.1");
    assert_eq!(api["endpointConfiguration"]["types"], json!(["REGIONAL"]));
    assert_eq!(api["binaryMediaTypes"], json!(["image/png"]));
    let id = api["id"].as_str().unwrap();
    let resources = resources(&bench, id).await;
    let get = &resources[1]["resourceMethods"]["GET"];
    assert_eq!(get["operationName"], "listPets");
    assert_eq!(get["apiKeyRequired"], true);
    assert_eq!(
        get["requestParameters"],
        json!({ "method.request.header.x-trace": false, "method.request.querystring.page": true })
    );
    assert_eq!(
        get["methodResponses"],
        json!({ "200": {
            "statusCode": "200",
            "responseParameters": { "method.response.header.X-A": false },
            "responseModels": { "application/json": "Pets" },
        } })
    );
    assert_eq!(get["methodIntegration"]["type"], "AWS_PROXY");
    assert_eq!(get["methodIntegration"]["passthroughBehavior"], "WHEN_NO_MATCH");
    let any = &resources[2]["resourceMethods"]["ANY"];
    assert_eq!(any["requestParameters"], json!({ "method.request.path.id": true }));
    let responses = &any["methodIntegration"]["integrationResponses"];
    assert_eq!(responses["200"], json!({ "statusCode": "200" }));
    assert_eq!(responses["404"]["selectionPattern"], "4\\d\\d");
    let model = bench.call("GET", &format!("/restapis/{id}/models/Pets"), Value::Null).await;
    let schema: Value = serde_json::from_str(model.json()["schema"].as_str().unwrap()).unwrap();
    assert_eq!(
        schema["items"]["$ref"],
        format!("https://apigateway.amazonaws.com/restapis/{id}/models/Pet")
    );
    let custom = format!("/restapis/{id}/gatewayresponses/DEFAULT_4XX");
    assert_eq!(bench.call("GET", &custom, Value::Null).await.json()["statusCode"], "418");
}

#[tokio::test]
async fn overwrite_forgets_and_merge_keeps() {
    let bench = Bench::new();
    let mut first = document(json!({
        "/a": { "get": operation("f"), "post": operation("f") },
        "/b": { "get": operation("f") },
    }));
    first["x-amazon-apigateway-binary-media-types"] = json!(["image/heif"]);
    let api = bench.import(&first).await;
    let before = resources(&bench, &api).await;
    let mut second = document(json!({ "/a": { "get": operation("g") } }));
    second["info"] = json!({ "title": "renamed", "version": "2" });
    second["x-amazon-apigateway-binary-media-types"] = json!(["image/png"]);
    let merged =
        bench.call("PUT", &format!("/restapis/{api}?mode=merge"), second.clone()).await.json();
    assert_eq!(merged["binaryMediaTypes"], json!(["image/heif", "image/png"]));
    assert_eq!(merged["description"], "a shop");
    assert_eq!(merged["name"], "renamed");
    assert_eq!(merged["tags"], json!({}));
    let after = resources(&bench, &api).await;
    assert_eq!(after.as_array().unwrap().len(), 3);
    assert!(after[1]["resourceMethods"]["POST"].is_object());
    let overwritten =
        bench.call("PUT", &format!("/restapis/{api}?mode=overwrite"), second).await.json();
    assert_eq!(overwritten["binaryMediaTypes"], json!(["image/png"]));
    assert!(overwritten.get("description").is_none());
    let after = resources(&bench, &api).await;
    assert_eq!(after.as_array().unwrap().len(), 2);
    assert_eq!(after[0]["id"], before[0]["id"]);
    assert_eq!(after[1]["id"], before[1]["id"]);
    assert!(after[1]["resourceMethods"].get("POST").is_none());
}

#[tokio::test]
async fn a_bad_document_is_refused_with_what_and_where() {
    let bench = Bench::new();
    let import = async |text: String| bench.send("POST", "/restapis?mode=import", text).await;
    for text in ["{\"openapi\": ", "a: [1, 2"] {
        let (status, _, message) = import(text.to_owned()).await.error();
        assert_eq!((status, message.as_str()), (400, "Invalid OpenAPI input."), "{text}");
    }
    for text in ["- 1", "openapi: 3.0.1\ninfo: {}", "openapi: 2.5"] {
        let (status, code, message) = import(text.to_owned()).await.error();
        assert_eq!((status, code.as_str()), (400, "BadRequestException"), "{text}");
        assert!(message.starts_with("Invalid OpenAPI input."), "{message}");
        assert!(message.len() > "Invalid OpenAPI input. ".len(), "{message}");
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(import(format!("openapi: {deep}")).await.status, 400);
    assert_eq!(import(format!("{{\"openapi\": {deep}}}")).await.status, 400);
    let bomb = (1..40).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)
    });
    assert_eq!(import(bomb).await.status, 400);
    assert_eq!(import(" ".repeat(7 * 1024 * 1024)).await.status, 400);
    let listed = bench.call("GET", "/restapis", Value::Null).await.json();
    assert_eq!(listed, json!({ "item": [] }));
}

#[tokio::test]
async fn every_problem_of_a_document_is_listed_and_nothing_is_kept() {
    let bench = Bench::new();
    let bad = document(json!({
        "/a/{x}": { "get": operation("f") },
        "/a/{y}": { "get": operation("f") },
        "/b": { "get": { "x-amazon-apigateway-integration": { "type": "aws_proxy", "uri": "x" } } },
        "/c": { "post": { "requestBody": { "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Missing" }
        } } } } },
    }));
    let answer = bench.call("POST", "/restapis?mode=import", bad.clone()).await;
    assert_eq!(
        answer.error().2,
        "Errors found during import:\
         \n\tUnable to create resource at path '/a/{y}': A sibling ({x}) of this resource already \
         has a variable path part -- only one is allowed\
         \n\tUnable to put integration on 'GET' for resource at path '/b': Enumeration value for \
         HttpMethod must be non-empty\
         \n\tUnable to put method 'POST' on resource at path '/c': Invalid model identifier \
         specified: #/components/schemas/Missing"
    );
    let api = bench.import(&document(json!({ "/ok": { "get": operation("f") } }))).await;
    let before = resources(&bench, &api).await;
    let put = bench.call("PUT", &format!("/restapis/{api}?mode=overwrite"), bad).await;
    assert_eq!(put.status, 400);
    assert_eq!(resources(&bench, &api).await, before);
}

#[tokio::test]
async fn warnings_are_answered_or_refused() {
    let bench = Bench::new();
    let mut odd = document(json!({ "/a": { "get": operation("f") } }));
    odd["paths"]["/a"]["get"]["parameters"] = json!([{ "name": "c", "in": "cookie" }]);
    let answer = bench.call("POST", "/restapis?mode=import", odd.clone()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json()["warnings"].as_array().unwrap().len(), 1);
    let strict = bench.call("POST", "/restapis?mode=import&failonwarnings=true", odd).await;
    assert_eq!(strict.status, 400);
    assert!(strict.error().2.starts_with("Warnings found during import:"));
}

#[tokio::test]
async fn an_export_can_be_imported_again() {
    let bench = Bench::new();
    let original = document(json!({ "/a/{id}": { "get": operation("f:${stageVariables.v}") } }));
    let api = bench.serve(&original, json!({ "v": "1" })).await;
    let path = format!("/restapis/{api}/stages/dev/exports/oas30?extensions=apigateway");
    let exported = bench.call("GET", &path, Value::Null).await;
    assert_eq!(exported.status, 200);
    assert_eq!(exported.header("content-type"), Some("application/octet-stream"));
    assert_eq!(
        exported.header("content-disposition"),
        Some("attachment; filename=\"oas30_1.0.json\"")
    );
    let again = bench.import(&exported.json()).await;
    let (one, two) = (resources(&bench, &api).await, resources(&bench, &again).await);
    let uri = |list: &Value| {
        list[2]["resourceMethods"]["GET"]["methodIntegration"]["uri"].as_str().unwrap().to_owned()
    };
    assert_eq!(uri(&one), uri(&two));
}

#[tokio::test]
async fn path_variables_are_required_and_a_declared_authorizer_guards() {
    let bench = Bench::new();
    let mock = json!({ "type": "mock" });
    let get = json!({ "responses": {}, "x-amazon-apigateway-integration": mock });
    let document = json!({
        "swagger": "2.0",
        "info": { "title": "pets" },
        "paths": { "/pets/{pet}": { "get": get }, "/{rest+}": { "get": get } },
        "securityDefinitions": {
            "guard": {
                "type": "apiKey",
                "in": "header",
                "name": "X-Token",
                "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": { "type": "token" },
            },
        },
    });
    let api = bench.import(&document).await;
    let found = resources(&bench, &api).await;
    for (path, parameter) in
        [("/pets/{pet}", "method.request.path.pet"), ("/{rest+}", "method.request.path.rest")]
    {
        let all = found.as_array().unwrap();
        let resource = all.iter().find(|resource| resource["path"] == path).unwrap();
        let parameters = &resource["resourceMethods"]["GET"]["requestParameters"];
        assert_eq!(*parameters, json!({ parameter: true }), "{path}");
    }
    let target = format!("/restapis/{api}/authorizers");
    let guards = bench.call("GET", &target, Value::Null).await.json();
    assert_eq!(guards["item"][0]["identitySource"], "method.request.header.X-Token");
    // A method takes the authorizer before or after its type, and only with one.
    let guard = guards["item"][0]["id"].clone();
    let id = found.as_array().unwrap().iter().find(|one| one["path"] == "/pets/{pet}").unwrap();
    let method = format!("/restapis/{api}/resources/{}/methods/GET", id["id"].as_str().unwrap());
    let replace =
        |path: &str, value: &str| json!({ "op": "replace", "path": path, "value": value });
    let authorizer = replace("/authorizerId", guard.as_str().unwrap());
    let ignored = bench.patch(&method, json!([authorizer])).await.json();
    assert!(ignored.get("authorizerId").is_none(), "{ignored}");
    let custom = replace("/authorizationType", "CUSTOM");
    let guarded = bench.patch(&method, json!([authorizer, custom])).await.json();
    assert_eq!(
        (&guarded["authorizerId"], &guarded["authorizationType"]),
        (&guard, &json!("CUSTOM"))
    );
    let open = replace("/authorizationType", "NONE");
    assert!(bench.patch(&method, json!([open])).await.json().get("authorizerId").is_none());
    let shown = bench.call("GET", &format!("/restapis/{api}"), Value::Null).await.json();
    assert_eq!(shown["tags"], json!({}));
}
