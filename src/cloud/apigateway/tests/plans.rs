//! Usage plans, their stages and keys, tags, and the account.

use serde_json::{Value, json};

use super::{Bench, document, operation};

async fn served(bench: &Bench) -> String {
    bench.serve(&document(json!({ "/a": { "get": operation("f") } })), json!({})).await
}

async fn create(bench: &Bench, plan: Value) -> Value {
    let answer = bench.call("POST", "/usageplans", plan).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn path(plan: &Value) -> String {
    format!("/usageplans/{}", plan["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_plan_is_created_patched_and_deleted_as_on_aws() {
    let bench = Bench::new();
    let api = served(&bench).await;
    let made = create(
        &bench,
        json!({ "name": "basic", "description": "d", "apiStages": [{ "apiId": api, "stage": "dev" }] }),
    )
    .await;
    let path = path(&made);
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        made,
        json!({ "id": id, "name": "basic", "description": "d",
            "apiStages": [{ "apiId": api, "stage": "dev" }] })
    );
    assert_eq!(bench.call("GET", &path, Value::Null).await.json()["tags"], json!({}));
    let stage = format!("{api}:dev");
    let operations = json!([
        { "op": "replace", "path": "/throttle/burstLimit", "value": "100" },
        { "op": "replace", "path": "/throttle/rateLimit", "value": "200" },
        { "op": "replace", "path": "/quota/limit", "value": "5000" },
        { "op": "replace", "path": "/quota/period", "value": "MONTH" },
        { "op": "replace", "path": "/quota/offset", "value": "3" },
        { "op": "replace", "path": "/name", "value": "better" },
        { "op": "replace", "path": "/productCode", "value": "p1" },
        { "op": "replace", "path": format!("/apiStages/{stage}/throttle/~1a/GET/rateLimit"), "value": "2.5" },
        { "op": "replace", "path": format!("/apiStages/{stage}/throttle//a/GET/burstLimit"), "value": "4" },
        { "op": "add", "path": "/apiStages", "value": stage },
    ]);
    let patched = bench.patch(&path, operations).await.json();
    let expected = json!({
        "id": id, "name": "better", "description": "d", "productCode": "p1",
        "throttle": { "burstLimit": 100, "rateLimit": 200.0 },
        "quota": { "limit": 5000, "offset": 3, "period": "MONTH" },
        "apiStages": [{ "apiId": api, "stage": "dev",
            "throttle": { "/a/GET": { "burstLimit": 4, "rateLimit": 2.5 } } }],
        "tags": {},
    });
    assert_eq!(patched, expected);
    let bench = bench.reopen();
    assert_eq!(bench.call("GET", &path, Value::Null).await.json(), expected);
    let refused = bench.call("DELETE", &path, Value::Null).await;
    assert_eq!(
        refused.error(),
        (
            400,
            "BadRequestException".to_owned(),
            format!(
                "Cannot delete Usage Plan {id} because there are API Stages associated with it, \
                 including {stage}"
            )
        )
    );
    let removed = bench
        .patch(
            &path,
            json!([
                { "op": "remove", "path": format!("/apiStages/{stage}/throttle/a/GET") },
                { "op": "remove", "path": "/throttle" },
                { "op": "remove", "path": "/quota" },
                { "op": "remove", "path": "/productCode" },
                { "op": "remove", "path": "/apiStages", "value": stage },
            ]),
        )
        .await
        .json();
    assert_eq!(
        removed,
        json!({ "id": id, "name": "better", "description": "d", "apiStages": [], "tags": {} })
    );
    assert_eq!(bench.call("DELETE", &path, Value::Null).await.status, 202);
    let gone = bench.patch(&path, json!([])).await;
    assert_eq!((gone.status, gone.error().2.as_str()), (404, "Invalid Usage Plan ID specified"));
}

#[tokio::test]
async fn what_a_plan_refuses() {
    let bench = Bench::new();
    let api = served(&bench).await;
    let plan = create(&bench, json!({ "name": "p" })).await;
    let (path, id) = (path(&plan), plan["id"].as_str().unwrap());
    for (value, status, message) in [
        (json!(null), 400, "Invalid API Stage specified".to_owned()),
        (json!(format!("{api}dev")), 400, "Invalid API Stage specified".to_owned()),
        (
            json!(format!("{api}b:dev")),
            404,
            format!("Invalid API Stage {{api: {api}b, stage: dev}} specified for usageplan {id}"),
        ),
        (
            json!(format!("{api}:no")),
            404,
            format!("Invalid API Stage {{api: {api}, stage: no}} specified for usageplan {id}"),
        ),
    ] {
        for op in ["add", "remove"] {
            let operation = json!([{ "op": op, "path": "/apiStages", "value": value }]);
            let answer = bench.patch(&path, operation).await;
            assert_eq!((answer.status, answer.error().2), (status, message.clone()), "{op}");
        }
    }
    let wrong = json!([{ "op": "remove", "path": format!("/apiStages/{api}:dev") }]);
    assert_eq!(
        bench.patch(&path, wrong).await.error().2,
        format!(
            "Invalid patch path  '/apiStages/{api}:dev' specified for op 'remove'. Must be one of: \
             [/apiStages, /quota, /throttle, /productCode, \
             /apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>, \
             /apiStages/<apidId:stageName>/throttle]"
        )
    );
    let blank = json!({ "name": "x", "apiStages": [{ "apiId": "", "stage": "dev" }] });
    assert_eq!(
        bench.call("POST", "/usageplans", blank).await.error().2,
        "Invalid API Stage {api: %s, stage: %s} specified for usageplan %s"
    );
    for (quota, good) in [
        (json!({ "limit": 1, "offset": 0, "period": "DAY" }), true),
        (json!({ "limit": 1, "offset": 1, "period": "DAY" }), false),
        (json!({ "limit": 1, "offset": 6, "period": "WEEK" }), true),
        (json!({ "limit": 1, "offset": 7, "period": "WEEK" }), false),
        (json!({ "limit": 1, "offset": 27, "period": "MONTH" }), true),
        (json!({ "limit": 1, "offset": 28, "period": "MONTH" }), false),
        (json!({ "limit": 1, "offset": 0, "period": "YEAR" }), false),
        (json!({ "limit": -1, "offset": 0, "period": "DAY" }), false),
        (json!({ "limit": 1 }), false),
    ] {
        let new = json!({ "name": "q", "quota": quota });
        let status = bench.call("POST", "/usageplans", new).await.status;
        assert_eq!(status, if good { 201 } else { 400 }, "{quota}");
    }
    assert_eq!(bench.call("POST", "/usageplans", json!({})).await.status, 400);
    let half = json!([{ "op": "replace", "path": "/quota/limit", "value": "5" }]);
    assert_eq!(bench.patch(&path, half).await.status, 400);
    let words = json!([{ "op": "replace", "path": "/throttle/rateLimit", "value": "fast" }]);
    assert_eq!(bench.patch(&path, words).await.status, 400);
}

#[tokio::test]
async fn keys_join_and_leave_plans() {
    let bench = Bench::new();
    let api = served(&bench).await;
    let stages = json!([{ "apiId": api, "stage": "dev" }]);
    let plan = create(&bench, json!({ "name": "p", "apiStages": stages })).await;
    let keys = format!("{}/keys", path(&plan));
    assert_eq!(bench.call("GET", &keys, Value::Null).await.json(), json!({ "item": [] }));
    let unknown = bench.call("GET", "/usageplans/nope/keys", Value::Null).await;
    assert_eq!((unknown.status, unknown.json()), (200, json!({ "item": [] })));
    let mut ids = Vec::new();
    for name in ["ann", "bob"] {
        let key = bench.call("POST", "/apikeys", json!({ "name": name })).await.json();
        let new = json!({ "keyId": key["id"], "keyType": "API_KEY" });
        let joined = bench.call("POST", &keys, new.clone()).await;
        assert_eq!(joined.status, 201);
        assert_eq!(
            joined.json(),
            json!({ "id": key["id"], "type": "API_KEY", "value": key["value"], "name": name })
        );
        assert_eq!(bench.call("POST", &keys, new).await.status, 409);
        ids.push(key["id"].as_str().unwrap().to_owned());
    }
    let bad = json!({ "keyId": ids[0], "keyType": "PASSWORD" });
    assert_eq!(bench.call("POST", &keys, bad).await.status, 400);
    let nobody = json!({ "keyId": "nope", "keyType": "API_KEY" });
    assert_eq!(bench.call("POST", &keys, nobody).await.status, 404);
    // Another plan for the same stage is refused, from either side.
    let twin = create(&bench, json!({ "name": "twin", "apiStages": stages })).await;
    let join = json!({ "keyId": ids[0], "keyType": "API_KEY" });
    let refused = bench.call("POST", &format!("{}/keys", path(&twin)), join.clone()).await;
    assert_eq!(refused.error().1, "ConflictException");
    let other = create(&bench, json!({ "name": "other" })).await;
    let other_keys = format!("{}/keys", path(&other));
    assert_eq!(bench.call("POST", &other_keys, join).await.status, 201);
    let add = json!([{ "op": "add", "path": "/apiStages", "value": format!("{api}:dev") }]);
    assert_eq!(bench.patch(&path(&other), add).await.error().1, "ConflictException");
    let bench = bench.reopen();
    let list = bench.call("GET", &keys, Value::Null).await.json();
    assert_eq!(
        (&list["item"][0]["name"], &list["item"][1]["name"]),
        (&json!("bob"), &json!("ann"))
    );
    let list = bench.call("GET", &format!("{keys}?name=an"), Value::Null).await.json();
    assert_eq!(list["item"].as_array().unwrap().len(), 1);
    let of_key = format!("/usageplans?keyId={}", ids[1]);
    let plans = bench.call("GET", &of_key, Value::Null).await.json();
    assert_eq!(plans["item"].as_array().unwrap().len(), 1);
    assert_eq!(plans["item"][0]["id"], plan["id"]);
    let one = format!("{keys}/{}", ids[1]);
    assert_eq!(bench.call("GET", &one, Value::Null).await.json()["name"], "bob");
    assert_eq!(bench.call("DELETE", &one, Value::Null).await.status, 202);
    assert_eq!(bench.call("GET", &one, Value::Null).await.status, 404);
    assert_eq!(bench.call("DELETE", &one, Value::Null).await.status, 404);
    // A key that is deleted leaves its plans.
    bench.call("DELETE", &format!("/apikeys/{}", ids[0]), Value::Null).await;
    let bench = bench.reopen();
    assert_eq!(bench.call("GET", &keys, Value::Null).await.json(), json!({ "item": [] }));
}

#[tokio::test]
async fn a_stage_that_is_deleted_leaves_its_plans() {
    let bench = Bench::new();
    let (first, second) = (served(&bench).await, served(&bench).await);
    let stages = json!([{ "apiId": first, "stage": "dev" }, { "apiId": second, "stage": "dev" }]);
    let plan = create(&bench, json!({ "name": "p", "apiStages": stages })).await;
    let left = async |bench: &Bench| {
        bench.call("GET", &path(&plan), Value::Null).await.json()["apiStages"].clone()
    };
    let stage = format!("/restapis/{first}/stages/dev");
    assert_eq!(bench.call("DELETE", &stage, Value::Null).await.status, 202);
    assert_eq!(left(&bench).await, json!([{ "apiId": second, "stage": "dev" }]));
    let api = format!("/restapis/{second}");
    assert_eq!(bench.call("DELETE", &api, Value::Null).await.status, 202);
    let bench = bench.reopen();
    assert_eq!(left(&bench).await, json!([]));
}

#[tokio::test]
async fn keys_and_plans_have_tags() {
    let bench = Bench::new();
    let plan = create(&bench, json!({ "name": "p", "tags": { "a": "1" } })).await;
    assert_eq!(plan["tags"], json!({ "a": "1" }));
    let key = bench.call("POST", "/apikeys", json!({ "tags": { "a": "1" } })).await.json();
    for path in [path(&plan), format!("/apikeys/{}", key["id"].as_str().unwrap())] {
        let tags = format!("/tags/arn:aws:apigateway:us-east-1::{path}");
        let put = bench.call("PUT", &tags, json!({ "tags": { "b": "2" } })).await;
        assert_eq!(put.status, 204, "{}", put.text);
        let gone = bench.call("DELETE", &format!("{tags}?tagKeys=a"), Value::Null).await;
        assert_eq!(gone.status, 204);
        let read = bench.call("GET", &tags, Value::Null).await.json();
        assert_eq!(read, json!({ "tags": { "b": "2" } }));
        let shown = bench.call("GET", &path, Value::Null).await.json();
        assert_eq!(shown["tags"], json!({ "b": "2" }));
    }
    let missing = "/tags/arn:aws:apigateway:us-east-1::/apikeys/nope";
    assert_eq!(bench.call("GET", missing, Value::Null).await.status, 404);
}

#[tokio::test]
async fn the_account_has_limits_and_a_role_that_must_trust_the_gateway() {
    let bench = Bench::new();
    let fresh = bench.call("GET", "/account", Value::Null).await.json();
    assert_eq!(
        fresh,
        json!({ "throttleSettings": { "burstLimit": 5000, "rateLimit": 10000.0 },
            "features": ["UsagePlans"], "apiKeyVersion": "4" })
    );
    let role = |arn: &str| json!([{ "op": "replace", "path": "/cloudwatchRoleArn", "value": arn }]);
    let unknown = bench.patch("/account", role("arn:aws:iam::000000000000:role/nope")).await;
    assert_eq!(
        unknown.error().2,
        "The role ARN does not have required permissions configured. Please grant trust permission \
         for API Gateway and add the required role policy."
    );
    bench.role("gateway-logs", "apigateway.amazonaws.com").await;
    let arn = "arn:aws:iam::000000000000:role/gateway-logs";
    assert_eq!(bench.patch("/account", role(arn)).await.json()["cloudwatchRoleArn"], arn);
    let bench = bench.reopen();
    let kept = bench.call("GET", "/account", Value::Null).await.json();
    assert_eq!(kept["cloudwatchRoleArn"], arn);
    let other = json!([{ "op": "replace", "path": "/apiKeyVersion", "value": "1" }]);
    assert_eq!(bench.patch("/account", other).await.status, 400);
}
