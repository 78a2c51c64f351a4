//! What a usage plan does to requests: keys, throttles, quotas.

use serde_json::{Value, json};

use super::{Bench, Read, document, operation};

/// A deployed API whose methods demand keys, a plan for its stage, and a key in it.
pub(super) struct Keyed {
    pub api: String,
    pub plan: String,
    pub key: String,
    pub value: String,
}

/// An operation that demands a key.
pub(super) fn keyed(function: &str) -> Value {
    let mut operation = operation(function);
    operation["security"] = json!([{ "k": [] }]);
    operation
}

impl Keyed {
    pub async fn new(bench: &Bench, plan: Value) -> Self {
        let mut spec = document(json!({
            "/": { "get": keyed("f") }, "/a": { "get": keyed("f") }, "/b": { "get": keyed("f") },
            "/open": { "get": operation("f") },
        }));
        spec["components"] = json!({ "securitySchemes": {
            "k": { "type": "apiKey", "name": "x-api-key", "in": "header" } } });
        let api = bench.serve(&spec, json!({})).await;
        let mut plan = plan;
        plan["name"] = json!("p");
        let stage = plan["stage"].take();
        let mut bound = json!({ "apiId": api, "stage": "dev" });
        if stage.is_object() {
            bound["throttle"] = stage;
        }
        plan["apiStages"] = json!([bound]);
        let made = bench.call("POST", "/usageplans", plan).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let plan = made.json()["id"].as_str().unwrap().to_owned();
        let (key, value) = Self::add_key(bench, &plan).await;
        Self { api, plan, key, value }
    }

    /// A new key of a plan, with its value.
    pub async fn add_key(bench: &Bench, plan: &str) -> (String, String) {
        let made = bench.call("POST", "/apikeys", json!({ "enabled": true })).await.json();
        let join = json!({ "keyId": made["id"], "keyType": "API_KEY" });
        bench.call("POST", &format!("/usageplans/{plan}/keys"), join).await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("value"))
    }

    pub async fn get(&self, bench: &Bench, path: &str) -> Read {
        bench.request(&self.api, "GET", path, &[("x-api-key", &self.value)], "").await
    }

    async fn usage(&self, bench: &Bench) -> Value {
        let (today, _) = bench_day();
        let path = format!("/usageplans/{}/usage?startDate={today}&endDate={today}", self.plan);
        let answer = bench.call("GET", &path, Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["values"][&self.key][0].clone()
    }
}

/// Today and the day before.
fn bench_day() -> (String, String) {
    let today = time::OffsetDateTime::now_utc().date();
    (today.to_string(), today.previous_day().unwrap().to_string())
}

fn forbidden(answer: &Read) {
    assert_eq!((answer.status, answer.text.as_str()), (403, r#"{"message":"Forbidden"}"#));
    assert_eq!(answer.header("x-amzn-errortype"), Some("ForbiddenException"));
}

fn too_many(answer: &Read) {
    assert_eq!((answer.status, answer.text.as_str()), (429, r#"{"message":"Too Many Requests"}"#));
    assert_eq!(answer.header("x-amzn-errortype"), Some("TooManyRequestsException"));
}

fn used_up(answer: &Read) {
    assert_eq!((answer.status, answer.text.as_str()), (429, r#"{"message":"Limit Exceeded"}"#));
    assert_eq!(answer.header("x-amzn-errortype"), Some("LimitExceededException"));
}

#[tokio::test]
async fn only_an_enabled_key_of_a_plan_of_the_stage_opens_a_method() {
    let bench = Bench::new();
    let keyed = Keyed::new(&bench, json!({})).await;
    assert_eq!(keyed.get(&bench, "/dev/a").await.status, 200);
    let identity = bench.event()["requestContext"]["identity"].clone();
    assert_eq!(
        (&identity["apiKey"], &identity["apiKeyId"]),
        (&json!(keyed.value), &json!(keyed.key))
    );
    assert_eq!(bench.get(&keyed.api, "/dev/open").await.status, 200);
    assert!(bench.event()["requestContext"]["identity"].get("apiKey").is_none());
    forbidden(&bench.get(&keyed.api, "/dev/a").await);
    for wrong in ["", "nope", &keyed.value.to_lowercase()] {
        forbidden(&bench.request(&keyed.api, "GET", "/dev/a", &[("x-api-key", wrong)], "").await);
    }
    // Another stage of the same API is not in the plan.
    let deployment = json!({ "stageName": "prod" });
    bench.call("POST", &format!("/restapis/{}/deployments", keyed.api), deployment).await;
    forbidden(&keyed.get(&bench, "/prod/a").await);
    // A key outside every plan, and one whose plan has other stages.
    let loose = bench.call("POST", "/apikeys", json!({ "enabled": true })).await.json();
    let loose = loose["value"].as_str().unwrap();
    forbidden(&bench.request(&keyed.api, "GET", "/dev/a", &[("x-api-key", loose)], "").await);
    let key = format!("/apikeys/{}", keyed.key);
    let enabled = |value| json!([{ "op": "replace", "path": "/enabled", "value": value }]);
    bench.patch(&key, enabled("false")).await;
    forbidden(&keyed.get(&bench, "/dev/a").await);
    bench.patch(&key, enabled("true")).await;
    let bench = bench.reopen();
    assert_eq!(keyed.get(&bench, "/dev/a").await.status, 200);
    let member = format!("/usageplans/{}/keys/{}", keyed.plan, keyed.key);
    bench.call("DELETE", &member, Value::Null).await;
    forbidden(&keyed.get(&bench, "/dev/a").await);
    let called = bench.functions.calls.lock().unwrap().len();
    assert_eq!(called, 3);
}

#[tokio::test]
async fn keys_of_an_authorizer_are_not_looked_for_in_headers() {
    let bench = Bench::new();
    let keyed = Keyed::new(&bench, json!({})).await;
    let source = json!([{ "op": "replace", "path": "/apiKeySource", "value": "AUTHORIZER" }]);
    let api = format!("/restapis/{}", keyed.api);
    assert_eq!(bench.patch(&api, source).await.status, 200);
    assert_eq!(keyed.get(&bench, "/dev/a").await.status, 200);
    bench.call("POST", &format!("{api}/deployments"), json!({ "stageName": "dev" })).await;
    forbidden(&keyed.get(&bench, "/dev/a").await);
}

#[tokio::test]
async fn a_used_up_quota_is_a_429_until_it_is_extended() {
    let bench = Bench::new();
    let quota = json!({ "quota": { "limit": 2, "offset": 0, "period": "DAY" } });
    let keyed = Keyed::new(&bench, quota).await;
    assert_eq!(keyed.usage(&bench).await, json!([0, 2]));
    for _ in 0..2 {
        assert_eq!(keyed.get(&bench, "/dev/a").await.status, 200);
    }
    used_up(&keyed.get(&bench, "/dev/a").await);
    used_up(&keyed.get(&bench, "/dev/b").await);
    assert_eq!(bench.get(&keyed.api, "/dev/open").await.status, 200);
    // Another key has a quota of its own.
    let (_, other) = Keyed::add_key(&bench, &keyed.plan).await;
    let answer = bench.request(&keyed.api, "GET", "/dev/a", &[("x-api-key", &other)], "").await;
    assert_eq!(answer.status, 200);
    // What was counted survives the end of the cloud.
    bench.gateway.flush().await.unwrap();
    let bench = bench.reopen();
    used_up(&keyed.get(&bench, "/dev/a").await);
    assert_eq!(keyed.usage(&bench).await, json!([2, 0]));
    let usage = format!("/usageplans/{}/keys/{}/usage", keyed.plan, keyed.key);
    let extend = json!([{ "op": "replace", "path": "/remaining", "value": "1" }]);
    let extended = bench.patch(&usage, extend).await;
    assert_eq!(extended.status, 200, "{}", extended.text);
    assert_eq!(extended.json()["values"][&keyed.key], json!([[2, 1]]));
    // An extension is kept at once.
    let bench = bench.reopen();
    assert_eq!(keyed.get(&bench, "/dev/a").await.status, 200);
    used_up(&keyed.get(&bench, "/dev/a").await);
    assert_eq!(keyed.usage(&bench).await, json!([3, 0]));
    // A larger quota holds at once.
    let more = json!([{ "op": "replace", "path": "/quota/limit", "value": "3" }]);
    bench.patch(&format!("/usageplans/{}", keyed.plan), more).await;
    assert_eq!(keyed.get(&bench, "/dev/a").await.status, 200);
    used_up(&keyed.get(&bench, "/dev/a").await);
    // A key that left and joined again begins anew.
    let keys = format!("/usageplans/{}/keys", keyed.plan);
    bench.call("DELETE", &format!("{keys}/{}", keyed.key), Value::Null).await;
    let join = json!({ "keyId": keyed.key, "keyType": "API_KEY" });
    bench.call("POST", &keys, join).await;
    assert_eq!(keyed.get(&bench, "/dev/a").await.status, 200);
}

#[tokio::test]
async fn counts_are_written_without_anybody_asking() {
    let bench = Bench::new();
    let quota = json!({ "quota": { "limit": 100, "offset": 0, "period": "WEEK" } });
    let keyed = Keyed::new(&bench, quota).await;
    keyed.get(&bench, "/dev/a").await;
    let written = |bench: &Bench| {
        let usage: Vec<(String, Value)> = bench.store().load("apigateway.usage").unwrap();
        usage.len()
    };
    for _ in 0..500 {
        if written(&bench) == 1 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the count was not written");
}

#[tokio::test]
async fn counts_without_a_key_do_not_pile_up() {
    let bench = Bench::new();
    let keyed = Keyed::new(&bench, json!({})).await;
    keyed.get(&bench, "/dev/a").await;
    bench.gateway.flush().await.unwrap();
    let usage =
        |bench: &Bench| -> Vec<(String, Value)> { bench.store().load("apigateway.usage").unwrap() };
    let (document, counted) = usage(&bench).pop().unwrap();
    let lost = document.replace(&keyed.key, "gone");
    let change = crate::store::Change::put("apigateway.usage", lost, &counted).unwrap();
    bench.store().commit_blocking(&[change]).unwrap();
    assert_eq!(usage(&bench).len(), 2);
    let bench = bench.reopen();
    assert_eq!(usage(&bench), [(document, counted)]);
    // Nor do those of a key that is deleted.
    bench.call("DELETE", &format!("/apikeys/{}", keyed.key), Value::Null).await;
    assert!(usage(&bench).is_empty());
}

#[tokio::test]
async fn requests_for_usage_are_checked() {
    let bench = Bench::new();
    let keyed = Keyed::new(&bench, json!({})).await;
    let (today, yesterday) = bench_day();
    let get = async |query: &str| {
        let path = format!("/usageplans/{}/usage?{query}", keyed.plan);
        bench.call("GET", &path, Value::Null).await
    };
    let both = get(&format!("startDate={yesterday}&endDate={today}&keyId={}", keyed.key)).await;
    assert_eq!(
        both.json(),
        json!({ "usagePlanId": keyed.plan, "startDate": yesterday, "endDate": today,
            "values": { &keyed.key: [[0, -1], [0, -1]] } })
    );
    for wrong in [
        format!("startDate={today}&endDate={yesterday}"),
        format!("startDate={today}"),
        "startDate=today&endDate=today".to_owned(),
        format!("startDate=1970-01-01&endDate={today}"),
    ] {
        assert_eq!(get(&wrong).await.status, 400, "{wrong}");
    }
    let nobody = get(&format!("startDate={today}&endDate={today}&keyId=nope")).await;
    assert_eq!(nobody.status, 404);
    let usage = format!("/usageplans/{}/keys/{}/usage", keyed.plan, keyed.key);
    let add = json!([{ "op": "add", "path": "/extension", "value": "1" }]);
    assert_eq!(
        bench.patch(&usage, add).await.error().2,
        "Invalid patch path  '/extension' specified for op 'add'. Must be one of: []"
    );
    let without_quota = json!([{ "op": "replace", "path": "/remaining", "value": "1" }]);
    assert_eq!(bench.patch(&usage, without_quota).await.status, 400);
}

#[tokio::test]
async fn a_plan_throttles_each_key_and_single_methods() {
    let bench = Bench::new();
    let limits = json!({
        "throttle": { "rateLimit": 0.0001, "burstLimit": 3 },
        "quota": { "limit": 100, "offset": 0, "period": "DAY" },
        "stage": {
            "/b/GET": { "rateLimit": 0.0001, "burstLimit": 1 },
            "//GET": { "rateLimit": 0.0001, "burstLimit": 1 },
        },
    });
    let keyed = Keyed::new(&bench, limits).await;
    for limited in ["/dev/b", "/dev/"] {
        assert_eq!(keyed.get(&bench, limited).await.status, 200);
        too_many(&keyed.get(&bench, limited).await);
    }
    for _ in 0..3 {
        assert_eq!(keyed.get(&bench, "/dev/a").await.status, 200);
    }
    too_many(&keyed.get(&bench, "/dev/a").await);
    // What is throttled does not use up the quota.
    assert_eq!(keyed.usage(&bench).await, json!([5, 95]));
    let (_, other) = Keyed::add_key(&bench, &keyed.plan).await;
    let answer = bench.request(&keyed.api, "GET", "/dev/b", &[("x-api-key", &other)], "").await;
    assert_eq!(answer.status, 200);
    let none = json!([
        { "op": "remove", "path": "/throttle" },
        { "op": "remove", "path": format!("/apiStages/{}:dev/throttle", keyed.api) },
    ]);
    bench.patch(&format!("/usageplans/{}", keyed.plan), none).await;
    assert_eq!(keyed.get(&bench, "/dev/a").await.status, 200);
    assert_eq!(keyed.get(&bench, "/dev/b").await.status, 200);
}

#[tokio::test]
async fn the_gateway_as_a_whole_has_a_limit() {
    let bench = Bench::new();
    let keyed = Keyed::new(&bench, json!({})).await;
    bench.drain_account();
    too_many(&bench.get(&keyed.api, "/dev/open").await);
}

#[tokio::test]
async fn an_api_dresses_what_its_plans_refuse() {
    let bench = Bench::new();
    let keyed = Keyed::new(&bench, json!({ "quota": { "limit": 0, "period": "DAY" } })).await;
    let dress = |status: &str| {
        json!({ "statusCode": status, "responseTemplates": {
        "application/json": "{\"why\":\"$context.error.responseType\",\"key\":\"$context.identity.apiKeyId\"}" } })
    };
    for (kind, status) in [("INVALID_API_KEY", "401"), ("QUOTA_EXCEEDED", "420")] {
        let path = format!("/restapis/{}/gatewayresponses/{kind}", keyed.api);
        assert_eq!(bench.call("PUT", &path, dress(status)).await.status, 201);
    }
    let deployments = format!("/restapis/{}/deployments", keyed.api);
    bench.call("POST", &deployments, json!({ "stageName": "dev" })).await;
    let answer = bench.get(&keyed.api, "/dev/a").await;
    assert_eq!((answer.status, &answer.json()["why"]), (401, &json!("INVALID_API_KEY")));
    let answer = keyed.get(&bench, "/dev/a").await;
    assert_eq!((answer.status, &answer.json()["why"]), (420, &json!("QUOTA_EXCEEDED")));
    assert_eq!(answer.json()["key"], json!(keyed.key));
}
