//! APIs, resources, methods, models: recorded answers and errors of AWS.

use serde_json::{Value, json};

use super::{Bench, document, operation};

async fn new_api(bench: &Bench) -> (String, String) {
    let api = bench.call("POST", "/restapis", json!({ "name": "shop" })).await.json();
    (api["id"].as_str().unwrap().to_owned(), api["rootResourceId"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_api_is_made_patched_and_removed_as_on_aws() {
    let bench = Bench::new();
    let made = bench
        .call("POST", "/restapis", json!({ "name": "shop", "tags": { "labdeck:lab": "greet" } }))
        .await;
    assert_eq!(made.status, 201);
    let api = made.json();
    assert_eq!(api["endpointConfiguration"], json!({ "ipAddressType": "ipv4", "types": ["EDGE"] }));
    assert_eq!(api["apiKeySource"], "HEADER");
    assert_eq!(api["tags"], json!({ "labdeck:lab": "greet" }));
    assert!(api["createdDate"].is_i64());
    assert!(api.get("description").is_none());
    let path = format!("/restapis/{}", api["id"].as_str().unwrap());
    let patched = bench
        .patch(
            &path,
            json!([
                { "op": "replace", "path": "/description", "value": "new" },
                { "op": "add", "path": "/binaryMediaTypes/image~1png" },
                { "op": "add", "path": "/binaryMediaTypes/image~1jpeg" },
                { "op": "replace", "path": "/binaryMediaTypes/image~1png", "value": "image/gif" },
            ]),
        )
        .await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    assert_eq!(patched.json()["binaryMediaTypes"], json!(["image/jpeg", "image/gif"]));
    assert_eq!(patched.json()["description"], "new");
    let refused = bench
        .patch(&path, json!([{ "op": "add", "path": "/binaryMediaTypes", "value": "a/b" }]))
        .await;
    assert_eq!(
        refused.error(),
        (400, "BadRequestException".to_owned(), "Invalid patch path /binaryMediaTypes".to_owned())
    );
    assert_eq!(bench.call("DELETE", &path, Value::Null).await.status, 202);
    let (status, code, message) = bench.call("GET", &path, Value::Null).await.error();
    assert_eq!((status, code.as_str()), (404, "NotFoundException"));
    assert!(message.starts_with("Invalid API identifier specified 000000000000:"));
}

#[tokio::test]
async fn an_unknown_endpoint_type_and_an_empty_description_are_refused() {
    let bench = Bench::new();
    let wrong = json!({ "name": "a", "endpointConfiguration": { "types": ["wrong"] } });
    assert_eq!(
        bench.call("POST", "/restapis", wrong).await.error(),
        (
            400,
            "ValidationException".to_owned(),
            "1 validation error detected: Value '[wrong]' at \
             'createRestApiInput.endpointConfiguration.types' failed to satisfy constraint: Member \
             must satisfy constraint: [Member must satisfy enum value set: [PRIVATE, EDGE, \
             REGIONAL]]"
                .to_owned()
        )
    );
    let empty = bench.call("POST", "/restapis", json!({ "name": "a", "description": "" })).await;
    assert_eq!(empty.error().2, "Description cannot be an empty string");
}

#[tokio::test]
async fn resources_keep_the_rules_of_path_variables() {
    let bench = Bench::new();
    let (api, root) = new_api(&bench).await;
    let resources = format!("/restapis/{api}/resources");
    let add = async |parent: &str, part: &str| {
        bench.call("POST", &format!("{resources}/{parent}"), json!({ "pathPart": part })).await
    };
    let greedy = add(&root, "{proxy+}").await.json();
    assert_eq!(greedy["path"], "/{proxy+}");
    assert_eq!(
        add(&root, "{id}").await.error().2,
        "A sibling ({proxy+}) of this resource already has a variable path part -- only one is \
         allowed"
    );
    assert_eq!(
        add(greedy["id"].as_str().unwrap(), "child").await.error().2,
        "Cannot create a child of a resource with a greedy path variable: {proxy+}"
    );
    let pets = add(&root, "pets").await.json();
    let pets = pets["id"].as_str().unwrap();
    let twice = add(&root, "pets").await.error();
    assert_eq!(twice.0, 409);
    assert_eq!(twice.2, "Another resource with the same parent already has this name: pets");
    let below = add(pets, "subpets").await.json();
    let renamed = bench
        .patch(
            &format!("{resources}/{pets}"),
            json!([{ "op": "replace", "path": "/pathPart", "value": "dogs" }]),
        )
        .await;
    assert_eq!(renamed.json()["path"], "/dogs");
    let cyclic = bench
        .patch(
            &format!("{resources}/{pets}"),
            json!([{ "op": "replace", "path": "/parentId", "value": below["id"] }]),
        )
        .await;
    assert_eq!(cyclic.error().2, "Resources cannot be cyclical.");
    let listed = bench.call("GET", &resources, Value::Null).await.json();
    let paths: Vec<_> = listed["item"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    assert_eq!(paths, ["/", "/dogs", "/dogs/subpets", "/{proxy+}"]);
    let page = bench.call("GET", &format!("{resources}?limit=3"), Value::Null).await.json();
    let position = page["position"].as_str().unwrap();
    let rest =
        bench.call("GET", &format!("{resources}?limit=3&position={position}"), Value::Null).await;
    assert_eq!(rest.json()["item"].as_array().unwrap().len(), 1);
    assert!(rest.json().get("position").is_none());
    assert_eq!(bench.call("DELETE", &format!("{resources}/{pets}"), json!(null)).await.status, 202);
    let below = format!("{resources}/{}", below["id"].as_str().unwrap());
    let gone = bench.call("GET", &below, Value::Null).await;
    assert_eq!(gone.error().2, "Invalid Resource identifier specified");
}

#[tokio::test]
async fn methods_and_integrations_are_put_patched_and_refused_as_on_aws() {
    let bench = Bench::new();
    let (api, root) = new_api(&bench).await;
    let method = format!("/restapis/{api}/resources/{root}/methods/GET");
    let made = bench.call("PUT", &method, json!({ "authorizationType": "NONE" })).await;
    assert_eq!(made.status, 201);
    assert_eq!(
        made.json(),
        json!({ "apiKeyRequired": false, "authorizationType": "NONE", "httpMethod": "GET" })
    );
    let again = bench.call("PUT", &method, json!({ "authorizationType": "NONE" })).await.error();
    assert_eq!((again.0, again.2.as_str()), (409, "Method already exists for this resource"));
    let patch = async |op: &str, path: &str, value: &str| {
        bench.patch(&method, json!([{ "op": op, "path": path, "value": value }])).await
    };
    assert_eq!(patch("replace", "/apiKeyRequired", "true").await.json()["apiKeyRequired"], true);
    assert_eq!(patch("replace", "/apiKeyRequired", "x").await.json()["apiKeyRequired"], false);
    assert_eq!(
        patch("add", "/operationName", "x").await.error().2,
        "Invalid patch operation specified. Must be one of: [replace]"
    );
    assert_eq!(
        patch("replace", "/httpMethod", "x").await.error().2,
        "Invalid patch path /httpMethod"
    );
    assert_eq!(
        patch("replace", "/authorizationType", "CUSTOM").await.error().2,
        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or \
         COGNITO_USER_POOLS requires a valid authorizer."
    );
    let parameters = json!({
        "authorizationType": "NONE",
        "requestParameters": { "method.request.path.a": true, "method.request.header.a": true },
    });
    let other = format!("/restapis/{api}/resources/{root}/methods/POST");
    assert_eq!(
        bench.call("PUT", &other, parameters).await.error().2,
        "Parameter names must be unique across querystring, header and path"
    );
    let integration = format!("{method}/integration");
    let put = async |body: Value| bench.call("PUT", &integration, body).await;
    let proxy = |uri: &str| json!({ "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri });
    assert_eq!(
        put(json!({ "type": "AWS_PROXY", "uri": "x" })).await.error().2,
        "Enumeration value for HttpMethod must be non-empty"
    );
    assert_eq!(put(proxy("lambda")).await.error().2, "Invalid ARN specified in the request");
    assert_eq!(
        put(proxy("arn:aws:apigateway:us-east-1:lambda:test")).await.error().2,
        "AWS ARN for integration must contain path or action"
    );
    assert_eq!(
        put(proxy("arn:aws:apigateway:us-east-1:dynamodb:action/PutItem")).await.error().2,
        "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose \
         stream invocations."
    );
    let good = put(super::lambda("f")
        .as_object()
        .map(|map| {
            let mut map = map.clone();
            map.insert("type".to_owned(), json!("AWS_PROXY"));
            Value::Object(map)
        })
        .unwrap())
    .await;
    assert_eq!(good.status, 201, "{}", good.text);
    assert_eq!(good.json()["timeoutInMillis"], 29000);
    assert_eq!(good.json()["cacheNamespace"], json!(root));
    assert_eq!(good.json()["cacheKeyParameters"], json!([]));
    let patched = bench
        .patch(
            &integration,
            json!([{ "op": "replace", "path": "/timeoutInMillis", "value": "50" }]),
        )
        .await;
    assert_eq!(patched.json()["timeoutInMillis"], 50);
    let response = format!("{method}/responses/200");
    assert_eq!(bench.call("PUT", &response, json!({})).await.status, 201);
    assert_eq!(bench.call("DELETE", &response, json!(null)).await.status, 204);
    assert_eq!(
        bench.call("GET", &response, json!(null)).await.error().2,
        "Invalid Response status code specified"
    );
}

#[tokio::test]
async fn models_in_use_stay() {
    let bench = Bench::new();
    let (api, root) = new_api(&bench).await;
    let models = format!("/restapis/{api}/models");
    let model = json!({ "name": "Pet", "contentType": "application/json", "schema": "{\"type\":\"object\"}" });
    assert_eq!(bench.call("POST", &models, model.clone()).await.status, 201);
    let again = bench.call("POST", &models, model).await.error();
    assert_eq!(again.2, "Model name already exists for this REST API");
    // A limit below one is none.
    let all = format!("{models}?limit=-1");
    let names: Vec<Value> = bench.call("GET", &all, json!(null)).await.json()["item"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["Empty", "Error", "Pet"]);
    let method = json!({
        "authorizationType": "NONE",
        "requestModels": { "application/json": "Pet" },
    });
    let path = format!("/restapis/{api}/resources/{root}/methods/ANY");
    assert_eq!(bench.call("PUT", &path, method).await.status, 201);
    let used = bench.call("DELETE", &format!("{models}/Pet"), json!(null)).await.error();
    assert_eq!(
        used,
        (
            409,
            "ConflictException".to_owned(),
            "Cannot delete model 'Pet', is referenced in method request: //ANY".to_owned()
        )
    );
    let patch = json!([{ "op": "replace", "path": "/description", "value": "" }]);
    let patched = bench.patch(&format!("{models}/Pet"), patch).await.json();
    assert!(patched.get("description").is_none(), "{patched}");
}

#[tokio::test]
async fn gateway_responses_show_defaults_own_and_inherited_ones() {
    let bench = Bench::new();
    let (api, _) = new_api(&bench).await;
    let base = format!("/restapis/{api}/gatewayresponses");
    let default = bench.call("GET", &format!("{base}/INVALID_API_KEY"), json!(null)).await.json();
    assert_eq!(
        default,
        json!({
            "defaultResponse": true,
            "responseParameters": {},
            "responseTemplates": {
                "application/json": "{\"message\":$context.error.messageString}"
            },
            "responseType": "INVALID_API_KEY",
            "statusCode": "403",
        })
    );
    let put = json!({ "statusCode": "599" });
    assert_eq!(bench.call("PUT", &format!("{base}/DEFAULT_5XX"), put).await.status, 201);
    let inherited =
        bench.call("GET", &format!("{base}/INTEGRATION_FAILURE"), json!(null)).await.json();
    assert_eq!(inherited["statusCode"], "599");
    assert_eq!(inherited["defaultResponse"], true);
    let all = bench.call("GET", &base, json!(null)).await.json();
    assert_eq!(all["item"].as_array().unwrap().len(), 21);
    assert_eq!(bench.call("DELETE", &format!("{base}/DEFAULT_5XX"), json!(null)).await.status, 202);
}

#[tokio::test]
async fn what_is_not_there_says_so_by_name() {
    let bench = Bench::new();
    for (method, path, name) in [
        ("POST", "/restapis/a/authorizers", "CreateAuthorizer"),
        ("GET", "/domainnames/x", "GetDomainName"),
        ("DELETE", "/restapis/a/stages/b/cache/authorizers", "FlushStageAuthorizersCache"),
    ] {
        let answer = bench.call(method, path, json!({})).await;
        assert_eq!(answer.status, 501, "{path}");
        assert!(answer.error().2.contains(&format!("API Gateway {name}.")), "{}", answer.text);
    }
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_restart() {
    let bench = Bench::new();
    let api = bench
        .serve(
            &document(json!({ "/hello": { "get": operation("f:${stageVariables.alias}") } })),
            json!({ "alias": "live" }),
        )
        .await;
    let before = bench.call("GET", &format!("/restapis/{api}/stages/dev"), json!(null)).await.text;
    let bench = bench.reopen();
    let after = bench.call("GET", &format!("/restapis/{api}/stages/dev"), json!(null)).await.text;
    assert_eq!(before, after);
    assert_eq!(bench.get(&api, "/dev/hello").await.status, 200);
    let calls = bench.functions.calls.lock().unwrap();
    assert!(calls[0].function.ends_with(":function:f:live"));
}

#[tokio::test]
async fn tags_of_apis_and_stages() {
    let bench = Bench::new();
    let api = bench.serve(&document(json!({ "/a": { "get": operation("f") } })), json!({})).await;
    for target in [format!("/restapis/{api}"), format!("/restapis/{api}/stages/dev")] {
        let arn =
            format!("/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A{}", target.replace('/', "%2F"));
        let tags = json!({ "tags": { "a": "1", "b": "2" } });
        assert_eq!(bench.call("PUT", &arn, tags).await.status, 204);
        let gone = bench.call("DELETE", &format!("{arn}?tagKeys=a"), json!(null)).await;
        assert_eq!(gone.status, 204);
        let left = bench.call("GET", &arn, json!(null)).await.json();
        assert_eq!(left, json!({ "tags": { "b": "2" } }));
        assert_eq!(bench.call("GET", &target, json!(null)).await.json()["tags"], left["tags"]);
    }
}
