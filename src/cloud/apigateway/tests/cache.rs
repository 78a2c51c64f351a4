//! The cache of a stage.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, Read, document, operation};

/// `/items/{id}` with and without its path parameter in the cache key, and one with a query.
fn items() -> Value {
    let with_key = |parameter: &str| {
        let mut get = operation("f");
        get["x-amazon-apigateway-integration"]["cacheKeyParameters"] = json!([parameter]);
        get
    };
    document(json!({
        "/items/{id}": { "get": with_key("method.request.path.id") },
        "/blind/{id}": { "get": operation("f"), "post": operation("f") },
        "/search": { "get": with_key("method.request.querystring.q") },
        "/who": { "get": with_key("method.request.header.X-User") },
    }))
}

fn replace(path: &str, value: &str) -> Value {
    json!({ "op": "replace", "path": path, "value": value })
}

struct Cached {
    bench: Bench,
    api: String,
}

impl Cached {
    /// A stage whose cache is ready.
    async fn new(settings: &[(&str, &str)]) -> Self {
        let bench = Bench::new();
        let api = bench.serve(&items(), json!({})).await;
        let cached = Self { bench, api };
        let mut operations =
            vec![replace("/cacheClusterEnabled", "true"), replace("/*/*/caching/enabled", "true")];
        operations.extend(settings.iter().map(|(path, value)| replace(path, value)));
        let answer = cached.bench.patch(&cached.stage(), json!(operations)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["cacheClusterStatus"], "CREATE_IN_PROGRESS");
        cached.becomes("AVAILABLE").await;
        cached
    }

    fn stage(&self) -> String {
        format!("/restapis/{}/stages/dev", self.api)
    }

    async fn status(&self) -> Value {
        let stage = self.bench.call("GET", &self.stage(), Value::Null).await;
        stage.json()["cacheClusterStatus"].clone()
    }

    async fn becomes(&self, status: &str) {
        for _ in 0..1000 {
            if self.status().await == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the cache is {} and not {status}", self.status().await);
    }

    /// The functions answer this from now on.
    fn says(&self, body: &str) {
        self.bench
            .answers(json!({ "statusCode": 200, "headers": { "x-from": "f" }, "body": body }));
    }

    async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Read {
        self.bench.request(&self.api, "GET", target, headers, "").await
    }

    async fn text(&self, target: &str) -> String {
        self.get(target, &[]).await.text
    }

    fn calls(&self) -> usize {
        self.bench.functions.calls.lock().unwrap().len()
    }
}

#[tokio::test]
async fn only_listed_parameters_tell_answers_apart() {
    let cached = Cached::new(&[]).await;
    cached.says("first");
    assert_eq!(cached.text("/dev/items/1").await, "first");
    assert_eq!(cached.text("/dev/blind/1").await, "first");
    assert_eq!(cached.text("/dev/search?q=a&x=1").await, "first");
    assert_eq!(cached.get("/dev/who", &[("x-user", "ann")]).await.text, "first");
    cached.says("second");
    // The same item from the cache, another one from the function.
    assert_eq!(cached.text("/dev/items/1?q=9").await, "first");
    assert_eq!(cached.text("/dev/items/2").await, "second");
    // Without the parameter in the key one answer serves every id.
    assert_eq!(cached.text("/dev/blind/2").await, "first");
    assert_eq!(cached.text("/dev/search?x=2&q=a").await, "first");
    assert_eq!(cached.text("/dev/search?q=b").await, "second");
    assert_eq!(cached.text("/dev/search").await, "second");
    assert_eq!(cached.get("/dev/who", &[("x-user", "ann")]).await.text, "first");
    assert_eq!(cached.get("/dev/who", &[("x-user", "bob")]).await.text, "second");
    assert_eq!(cached.calls(), 8);
    let hit = cached.get("/dev/items/1", &[]).await;
    assert_eq!((hit.status, hit.header("x-from")), (200, Some("f")));
    assert_eq!(hit.header("content-type"), Some("application/json"));
    assert!(hit.header("x-amzn-requestid").is_some());
    // Other stages know nothing of it.
    let deployments = format!("/restapis/{}/deployments", cached.api);
    cached.bench.call("POST", &deployments, json!({ "stageName": "prod" })).await;
    assert_eq!(cached.text("/prod/items/1").await, "second");
}

#[tokio::test]
async fn only_get_is_cached_unless_a_method_has_its_own_setting() {
    let cached = Cached::new(&[]).await;
    let post =
        async || cached.bench.request(&cached.api, "POST", "/dev/blind/1", &[], "{}").await.text;
    cached.says("first");
    assert_eq!(post().await, "first");
    cached.says("second");
    assert_eq!(post().await, "second");
    let own = json!([replace("/~1blind~1{id}/POST/caching/enabled", "true")]);
    assert_eq!(cached.bench.patch(&cached.stage(), own).await.status, 200);
    assert_eq!(post().await, "second");
    cached.says("third");
    assert_eq!(post().await, "second");
    // The cached answer of one method is not that of another.
    assert_eq!(cached.text("/dev/blind/1").await, "third");
    let off = json!([replace("/~1blind~1{id}/POST/caching/enabled", "false")]);
    cached.bench.patch(&cached.stage(), off).await;
    assert_eq!(post().await, "third");
}

#[tokio::test]
async fn answers_live_as_long_as_the_setting_says() {
    let cached = Cached::new(&[("/*/*/caching/ttlInSeconds", "1")]).await;
    cached.says("first");
    assert_eq!(cached.text("/dev/items/1").await, "first");
    cached.says("second");
    let mut answers = Vec::new();
    for _ in 0..1000 {
        answers.push(cached.text("/dev/items/1").await);
        if answers.last().unwrap() == "second" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((answers[0].as_str(), answers.last().unwrap().as_str()), ("first", "second"));
    let zero = json!([replace("/*/*/caching/ttlInSeconds", "0")]);
    cached.bench.patch(&cached.stage(), zero).await;
    cached.says("third");
    assert_eq!(cached.text("/dev/items/1").await, "third");
}

#[tokio::test]
async fn answers_of_any_status_up_to_a_megabyte_are_cached() {
    let cached = Cached::new(&[]).await;
    cached.bench.answers(json!({ "statusCode": 404, "body": "none" }));
    assert_eq!(cached.get("/dev/items/1", &[]).await.status, 404);
    cached.says(&"x".repeat(1_048_577));
    cached.text("/dev/items/2").await;
    cached.says(&"x".repeat(1_048_576));
    cached.text("/dev/items/3").await;
    cached.bench.answers(json!({ "wrong": 1 }));
    assert_eq!(cached.get("/dev/items/4", &[]).await.status, 502);
    cached.says("now");
    assert_eq!(cached.get("/dev/items/1", &[]).await.status, 404);
    assert_eq!(cached.text("/dev/items/2").await, "now");
    assert_eq!(cached.text("/dev/items/3").await.len(), 1_048_576);
    // The gateway's own failures are not cached.
    assert_eq!(cached.text("/dev/items/4").await, "now");
}

const NOW: (&str, &str) = ("cache-control", "no-cache, max-age=0");

#[tokio::test]
async fn a_client_invalidates_an_entry_where_nobody_must_be_authorized() {
    let open = ("/*/*/caching/requireAuthorizationForCacheControl", "false");
    let cached = Cached::new(&[open]).await;
    cached.says("first");
    cached.text("/dev/items/1").await;
    cached.text("/dev/items/2").await;
    cached.says("second");
    let other = [("cache-control", "no-cache"), ("pragma", "no-cache")];
    assert_eq!(cached.get("/dev/items/1", &other).await.text, "first");
    assert_eq!(cached.get("/dev/items/1", &[NOW]).await.text, "second");
    cached.says("third");
    // The entry was replaced, and only that one.
    assert_eq!(cached.text("/dev/items/1").await, "second");
    assert_eq!(cached.text("/dev/items/2").await, "first");
}

#[tokio::test]
async fn a_client_that_may_not_invalidate_is_treated_as_the_setting_says() {
    let strategy = "/*/*/caching/unauthorizedCacheControlHeaderStrategy";
    let cached = Cached::new(&[]).await;
    cached.says("first");
    cached.text("/dev/items/1").await;
    cached.says("second");
    let warned = cached.get("/dev/items/1", &[NOW]).await;
    assert_eq!((warned.status, warned.text.as_str()), (200, "first"));
    assert!(warned.header("warning").unwrap().starts_with("199 "));
    assert!(cached.get("/dev/items/1", &[]).await.header("warning").is_none());
    let set = json!([replace(strategy, "SUCCEED_WITHOUT_RESPONSE_HEADER")]);
    cached.bench.patch(&cached.stage(), set).await;
    let silent = cached.get("/dev/items/1", &[NOW]).await;
    assert_eq!((silent.text.as_str(), silent.header("warning")), ("first", None));
    let set = json!([replace(strategy, "FAIL_WITH_403")]);
    cached.bench.patch(&cached.stage(), set).await;
    let refused = cached.get("/dev/items/1", &[NOW]).await;
    let (status, code, message) = refused.error();
    assert_eq!((status, code.as_str()), (403, "AccessDeniedException"));
    assert!(message.contains("execute-api:InvalidateCache"), "{message}");
    assert_eq!(cached.calls(), 1);
    // Methods without caching have nothing to invalidate.
    let off = json!([replace("/*/*/caching/enabled", "false")]);
    cached.bench.patch(&cached.stage(), off).await;
    assert_eq!(cached.get("/dev/items/1", &[NOW]).await.text, "second");
}

#[tokio::test]
async fn a_cache_is_flushed_resized_and_switched_off() {
    let cached = Cached::new(&[]).await;
    let flush = async || {
        let path = format!("{}/cache/data", cached.stage());
        cached.bench.call("DELETE", &path, Value::Null).await
    };
    cached.says("first");
    cached.text("/dev/items/1").await;
    cached.says("second");
    assert_eq!(cached.text("/dev/items/1").await, "first");
    assert_eq!(flush().await.status, 202);
    assert_eq!(cached.text("/dev/items/1").await, "second");
    cached.becomes("AVAILABLE").await;
    cached.says("third");
    assert_eq!(cached.text("/dev/items/1").await, "second");
    // A setting of something else leaves the cache as it is.
    let other = json!([replace("/description", "d"), replace("/cacheClusterSize", "0.5")]);
    let stage = cached.bench.patch(&cached.stage(), other).await.json();
    assert_eq!(stage["cacheClusterStatus"], "AVAILABLE");
    assert!(stage.get("cacheId").is_none() && stage.get("cacheTransition").is_none());
    assert_eq!(cached.text("/dev/items/1").await, "second");
    let resize = json!([replace("/cacheClusterSize", "1.6")]);
    let stage = cached.bench.patch(&cached.stage(), resize).await.json();
    assert_eq!(stage["cacheClusterStatus"], "CREATE_IN_PROGRESS");
    assert_eq!(cached.text("/dev/items/1").await, "third");
    cached.becomes("AVAILABLE").await;
    cached.text("/dev/items/1").await;
    let off = json!([replace("/cacheClusterEnabled", "false")]);
    let stage = cached.bench.patch(&cached.stage(), off).await.json();
    assert_eq!(stage["cacheClusterStatus"], "DELETE_IN_PROGRESS");
    cached.says("fourth");
    assert_eq!(cached.text("/dev/items/1").await, "fourth");
    cached.becomes("NOT_AVAILABLE").await;
    assert_eq!(flush().await.status, 400);
}

#[tokio::test]
async fn a_stage_of_the_same_name_begins_with_an_empty_cache() {
    let cached = Cached::new(&[]).await;
    cached.says("first");
    cached.text("/dev/items/1").await;
    cached.says("second");
    cached.bench.call("DELETE", &cached.stage(), Value::Null).await;
    let new = json!({ "stageName": "dev", "cacheClusterEnabled": true, "cacheClusterSize": "0.5" });
    cached.bench.call("POST", &format!("/restapis/{}/deployments", cached.api), new).await;
    let on = json!([replace("/*/*/caching/enabled", "true")]);
    cached.bench.patch(&cached.stage(), on).await;
    cached.becomes("AVAILABLE").await;
    assert_eq!(cached.text("/dev/items/1").await, "second");
}

#[tokio::test]
async fn a_canary_has_a_cache_of_its_own_unless_it_uses_the_stages() {
    let cached = Cached::new(&[]).await;
    cached.says("stable");
    cached.text("/dev/items/1").await;
    let deploy = async |shared: bool| {
        let canary = json!({ "percentTraffic": 100.0, "useStageCache": shared });
        let new = json!({ "stageName": "dev", "canarySettings": canary });
        let path = format!("/restapis/{}/deployments", cached.api);
        assert_eq!(cached.bench.call("POST", &path, new).await.status, 201);
    };
    deploy(false).await;
    cached.says("canary");
    assert_eq!(cached.text("/dev/items/1").await, "canary");
    cached.says("later");
    assert_eq!(cached.text("/dev/items/1").await, "canary");
    deploy(true).await;
    assert_eq!(cached.text("/dev/items/1").await, "stable");
}

#[tokio::test]
async fn what_the_integration_is_given_can_be_part_of_the_key() {
    let bench = Bench::new();
    let mut get = operation("f");
    get["x-amazon-apigateway-integration"]["requestParameters"] = json!({
        "integration.request.header.agent": "context.identity.userAgent",
        "integration.request.querystring.who": "method.request.header.x-who",
    });
    get["x-amazon-apigateway-integration"]["cacheKeyParameters"] =
        json!(["integration.request.header.agent", "integration.request.querystring.who"]);
    get["parameters"] = json!([{ "name": "x-who", "in": "header" }]);
    let mut post = operation("f");
    post["x-amazon-apigateway-integration"]["requestParameters"] =
        json!({ "integration.request.header.id": "method.request.body.id" });
    post["x-amazon-apigateway-integration"]["cacheKeyParameters"] =
        json!(["integration.request.header.id"]);
    let paths = json!({ "/a": { "get": get, "post": post } });
    let api = bench.serve(&document(paths), json!({})).await;
    let cached = Cached { bench, api };
    let on = json!([
        replace("/cacheClusterEnabled", "true"),
        replace("/*/*/caching/enabled", "true"),
        replace("/~1a/POST/caching/enabled", "true"),
    ]);
    assert_eq!(cached.bench.patch(&cached.stage(), on).await.status, 200);
    cached.becomes("AVAILABLE").await;
    let ann = [("user-agent", "curl"), ("x-who", "ann")];
    let bob = [("user-agent", "curl"), ("x-who", "bob")];
    let other = [("user-agent", "wget"), ("x-who", "ann")];
    for (headers, answer) in [(ann, "1"), (bob, "2"), (other, "3")] {
        cached.says(answer);
        assert_eq!(cached.get("/dev/a", &headers).await.text, answer);
    }
    for (headers, answer) in [(ann, "1"), (bob, "2"), (other, "3")] {
        assert_eq!(cached.get("/dev/a", &headers).await.text, answer);
    }
    let post = async |body: &str| {
        cached.bench.request(&cached.api, "POST", "/dev/a", &[], body).await.text
    };
    cached.says("first");
    assert_eq!(post(r#"{"id":1,"more":1}"#).await, "first");
    cached.says("second");
    assert_eq!(post(r#"{"id":1,"more":2}"#).await, "first");
    assert_eq!(post(r#"{"id":2}"#).await, "second");
}

#[tokio::test]
async fn checks_come_before_the_cache() {
    let bench = Bench::new();
    let limits = json!({ "quota": { "limit": 2, "offset": 0, "period": "DAY" } });
    let keyed = super::limits::Keyed::new(&bench, limits).await;
    let stage = format!("/restapis/{}/stages/dev", keyed.api);
    let on =
        json!([replace("/cacheClusterEnabled", "true"), replace("/*/*/caching/enabled", "true")]);
    bench.patch(&stage, on).await;
    let cached = Cached { bench, api: keyed.api.clone() };
    cached.becomes("AVAILABLE").await;
    let bench = &cached.bench;
    assert_eq!(keyed.get(bench, "/dev/a").await.status, 200);
    assert_eq!(bench.get(&keyed.api, "/dev/a").await.status, 403);
    assert_eq!(keyed.get(bench, "/dev/a").await.status, 200);
    assert_eq!(cached.calls(), 1);
    assert_eq!(keyed.get(bench, "/dev/a").await.status, 429);
}
