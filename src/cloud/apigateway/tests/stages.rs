//! Deployments and stages: snapshots, variables, method settings, canaries.

use serde_json::{Value, json};

use super::{Bench, document, operation};

fn greet() -> Value {
    document(json!({ "/greet": { "get": operation("greet:${stageVariables.lambdaAlias}") } }))
}

async fn stage(bench: &Bench, api: &str) -> Value {
    bench.call("GET", &format!("/restapis/{api}/stages/dev"), Value::Null).await.json()
}

#[tokio::test]
async fn a_deployment_is_a_snapshot_and_protected_while_in_use() {
    let bench = Bench::new();
    let api = bench.serve(&greet(), json!({ "lambdaAlias": "dev" })).await;
    let first = stage(&bench, &api).await["deploymentId"].as_str().unwrap().to_owned();
    let put = document(json!({ "/other": { "get": operation("f") } }));
    let answer = bench.call("PUT", &format!("/restapis/{api}?mode=overwrite"), put).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(bench.get(&api, "/dev/greet").await.status, 200);
    assert_eq!(bench.get(&api, "/dev/other").await.status, 403);
    let deployments = format!("/restapis/{api}/deployments");
    let second = bench.call("POST", &deployments, json!({ "description": "v2" })).await.json();
    let second = second["id"].as_str().unwrap();
    assert_eq!(bench.get(&api, "/dev/other").await.status, 403);
    let refused = bench.call("DELETE", &format!("{deployments}/{first}"), Value::Null).await;
    assert_eq!(
        refused.error(),
        (
            400,
            "BadRequestException".to_owned(),
            "Active stages pointing to this deployment must be moved or deleted".to_owned()
        )
    );
    let moved = bench
        .patch(
            &format!("/restapis/{api}/stages/dev"),
            json!([{ "op": "replace", "path": "/deploymentId", "value": second }]),
        )
        .await;
    assert_eq!(moved.json()["deploymentId"], second);
    assert_eq!(bench.get(&api, "/dev/greet").await.status, 403);
    assert_eq!(bench.get(&api, "/dev/other").await.status, 200);
    let gone = bench.call("DELETE", &format!("{deployments}/{first}"), Value::Null).await;
    assert_eq!(gone.status, 202);
    let summary =
        bench.call("GET", &format!("{deployments}/{second}?embed=apisummary"), Value::Null).await;
    assert_eq!(
        summary.json()["apiSummary"],
        json!({ "/other": { "GET": { "authorizationType": "NONE", "apiKeyRequired": false } } })
    );
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused() {
    let bench = Bench::new();
    let api = bench.import(&document(json!({}))).await;
    let path = format!("/restapis/{api}/deployments");
    let empty = bench.call("POST", &path, json!({ "stageName": "dev" })).await;
    assert_eq!(empty.error().2, "The REST API doesn't contain any methods");
    let api = bench.import(&document(json!({ "/a": { "get": { "responses": {} } } }))).await;
    let path = format!("/restapis/{api}/deployments");
    let bare = bench.call("POST", &path, json!({ "stageName": "dev" })).await;
    assert_eq!(bare.error().2, "No integration defined for method");
}

#[tokio::test]
async fn a_stage_is_patched_as_on_aws() {
    let bench = Bench::new();
    let api = bench.serve(&greet(), json!({ "lambdaAlias": "dev" })).await;
    let path = format!("/restapis/{api}/stages/dev");
    let fresh = stage(&bench, &api).await;
    assert_eq!(fresh["methodSettings"], json!({}));
    assert_eq!(fresh["cacheClusterStatus"], "NOT_AVAILABLE");
    let none = bench.patch(&path, json!([{ "op": "remove", "path": "/*/*" }])).await;
    assert_eq!(
        none.error().2,
        "Cannot remove method setting */* because there is no method setting for this method "
    );
    let wrong = bench
        .patch(&path, json!([{ "op": "replace", "path": "/documentation_version", "value": "1" }]))
        .await;
    let message = wrong.error().2;
    assert!(message.starts_with(
        "Invalid method setting path: /documentation_version. Must be one of: [/deploymentId, \
         /description, /cacheClusterEnabled,"
    ));
    assert!(message.contains(
        "/{resourcePath}/{httpMethod}/throttling/burstLimit\
         /{resourcePath}/{httpMethod}/throttling/rateLimit/{resourcePath}/{httpMethod}/caching/ttlInSeconds, "
    ));
    assert!(message.ends_with("/variables/{variable_name}, /tracingEnabled]"));
    let patched = bench
        .patch(
            &path,
            json!([
                { "op": "replace", "path": "/*/*/throttling/burstLimit", "value": "123" },
                { "op": "replace", "path": "/*/*/caching/enabled", "value": "true" },
                { "op": "replace", "path": "/~1greet/GET/throttling/burstLimit", "value": "124" },
                { "op": "replace", "path": "/tracingEnabled", "value": "true" },
                { "op": "replace", "path": "/variables/lambdaAlias", "value": "live" },
                { "op": "add", "path": "/variables/other", "value": "x" },
            ]),
        )
        .await
        .json();
    assert_eq!(
        patched["methodSettings"]["*/*"],
        json!({
            "cacheDataEncrypted": false,
            "cacheTtlInSeconds": 300,
            "cachingEnabled": true,
            "dataTraceEnabled": false,
            "metricsEnabled": false,
            "requireAuthorizationForCacheControl": true,
            "throttlingBurstLimit": 123,
            "throttlingRateLimit": 10000.0,
            "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
        })
    );
    assert_eq!(patched["methodSettings"]["~1greet/GET"]["throttlingBurstLimit"], 124);
    assert_eq!(patched["methodSettings"]["~1greet/GET"]["cachingEnabled"], true);
    assert_eq!(patched["variables"], json!({ "lambdaAlias": "live", "other": "x" }));
    let removed = bench
        .patch(
            &path,
            json!([
                { "op": "remove", "path": "/*/*" },
                { "op": "remove", "path": "/variables/other" },
            ]),
        )
        .await
        .json();
    assert!(removed["methodSettings"].get("*/*").is_none());
    assert_eq!(removed["variables"], json!({ "lambdaAlias": "live" }));
    let bad = bench
        .patch(&path, json!([{ "op": "replace", "path": "/variables/x", "value": "a b;c" }]))
        .await;
    assert_eq!(bad.status, 400);
    let access = bench
        .patch(&path, json!([{ "op": "add", "path": "/accessLogSettings/x", "value": "1" }]))
        .await;
    assert_eq!(
        access.error().2,
        "Invalid accessLogSettings path. Must be one of : [/accessLogSettings/destinationArn, \
         /accessLogSettings/format]"
    );
}

#[tokio::test]
async fn a_failed_patch_changes_nothing() {
    let bench = Bench::new();
    let api = bench.serve(&greet(), json!({ "lambdaAlias": "dev" })).await;
    let before = stage(&bench, &api).await;
    let answer = bench
        .patch(
            &format!("/restapis/{api}/stages/dev"),
            json!([
                { "op": "replace", "path": "/description", "value": "half" },
                { "op": "replace", "path": "/deploymentId", "value": "nothere" },
            ]),
        )
        .await;
    assert_eq!(answer.error().2, "Deployment id does not exist");
    assert_eq!(stage(&bench, &api).await, before);
}

#[tokio::test]
async fn a_canary_takes_its_share_and_is_promoted() {
    let bench = Bench::new();
    let api = bench.serve(&greet(), json!({ "lambdaAlias": "stable" })).await;
    let early = json!({ "canarySettings": { "percentTraffic": 50.0 }, "stageName": "nothere" });
    assert_eq!(
        bench.call("POST", &format!("/restapis/{api}/deployments"), early).await.error().2,
        "Invalid deployment content specified.Stage nothere must already be created before making \
         a canary release deployment"
    );
    let canary = json!({
        "stageName": "dev",
        "canarySettings": {
            "percentTraffic": 100.0,
            "stageVariableOverrides": { "lambdaAlias": "next" },
        },
    });
    let made = bench.call("POST", &format!("/restapis/{api}/deployments"), canary).await;
    assert_eq!(made.status, 201, "{}", made.text);
    bench.get(&api, "/dev/greet").await;
    assert_eq!(bench.event()["stageVariables"]["lambdaAlias"], "next");
    let path = format!("/restapis/{api}/stages/dev");
    let promoted = bench
        .patch(
            &path,
            json!([
                { "op": "replace", "path": "/canarySettings/percentTraffic", "value": "0.0" },
                {
                    "op": "copy",
                    "from": "/canarySettings/stageVariableOverrides",
                    "path": "/variables",
                },
                { "op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId" },
            ]),
        )
        .await
        .json();
    assert_eq!(promoted["deploymentId"], made.json()["id"]);
    assert_eq!(promoted["variables"]["lambdaAlias"], "next");
    assert_eq!(promoted["canarySettings"]["percentTraffic"], 0.0);
    let gone = bench.patch(&path, json!([{ "op": "remove", "path": "/canarySettings" }])).await;
    assert!(gone.json().get("canarySettings").is_none());
    let nothing = bench
        .patch(
            &path,
            json!([{ "op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId" }]),
        )
        .await;
    assert_eq!(nothing.error().2, "Promotion not available. Canary does not exist.");
}
