//! Provisioned concurrency through the cloud's port, with real processes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "support/events.rs"]
mod harness;
mod support;

use harness::{Events, arn};
use serde_json::{Value, json};

const PATH: &str = "/2019-09-30/functions/f/provisioned-concurrency";
const F: &str = "/2015-03-31/functions/f";

async fn put(events: &Events, qualifier: &str, count: i64) -> (u16, Value) {
    let body = json!({ "ProvisionedConcurrentExecutions": count });
    events.lambda(&format!("PUT {PATH}?Qualifier={qualifier}"), body).await
}

async fn get(events: &Events, qualifier: &str) -> (u16, Value) {
    events.lambda(&format!("GET {PATH}?Qualifier={qualifier}"), Value::Null).await
}

/// Waits until what was asked for is there.
async fn ready(events: &Events, qualifier: &str) -> Value {
    events
        .eventually(async || {
            let (status, config) = get(events, qualifier).await;
            assert_eq!(status, 200, "{config}");
            (config["Status"] == "READY").then_some(config)
        })
        .await
}

async fn publish(events: &Events, color: &str) -> String {
    let body = json!({ "Environment": { "Variables": { "COLOR": color } } });
    assert_eq!(events.lambda(&format!("PUT {F}/configuration"), body).await.0, 200);
    let publish = format!("POST {F}/versions");
    let published = events
        .eventually(async || {
            let (status, published) = events.lambda(&publish, json!({})).await;
            (status == 201).then_some(published)
        })
        .await;
    published["Version"].as_str().unwrap().to_owned()
}

/// What an invocation tells of the environment that it ran in.
async fn about(events: &Events, qualifier: &str) -> Value {
    let name = format!("f:{qualifier}");
    let (status, told) = events.invoke(&name, "RequestResponse", json!({"do": "about"})).await;
    assert_eq!(status, 200, "{told}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environments_are_started_ahead_and_kept() {
    let events = Events::start().await;
    events.allow(&["logs:*"]).await;
    events.create("f", json!({})).await;
    let one = publish(&events, "blue").await;
    let alias = json!({"Name": "live", "FunctionVersion": one});
    assert_eq!(events.lambda(&format!("POST {F}/aliases"), alias).await.0, 201);

    let (status, none) = get(&events, "live").await;
    assert_eq!(
        (status, none["message"].as_str()),
        (404, Some("No Provisioned Concurrency Config found for this function"))
    );
    let (status, config) = put(&events, "live", 2).await;
    assert_eq!(status, 202, "{config}");
    assert_eq!(config["Status"], "IN_PROGRESS");
    assert_eq!(config["RequestedProvisionedConcurrentExecutions"], 2);
    let config = ready(&events, "live").await;
    assert_eq!(config["AllocatedProvisionedConcurrentExecutions"], 2);
    assert_eq!(config["AvailableProvisionedConcurrentExecutions"], 2);

    // Both started before the first invocation, which finds them; a third at once starts its own.
    let slow =
        || events.invoke("f:live", "RequestResponse", json!({"do": "about", "and": "sleep"}));
    let (a, b, c) = tokio::join!(slow(), slow(), slow());
    let mut kinds: Vec<&str> =
        [&a, &b, &c].map(|(_, told)| told["init"].as_str().unwrap()).to_vec();
    kinds.sort_unstable();
    assert_eq!(kinds, ["on-demand", "provisioned-concurrency", "provisioned-concurrency"]);
    // A version that an alias keeps ready is ready by its number as well; the newest code is not.
    assert_eq!(about(&events, &one).await["init"], "provisioned-concurrency");
    assert_eq!(about(&events, "$LATEST").await["init"], "on-demand");

    // What ends is replaced.
    let (_, ended) = events.invoke("f:live", "RequestResponse", json!({"do": "exit"})).await;
    assert_eq!(ended["errorType"], "Runtime.ExitError");
    ready(&events, "live").await;

    // A moved alias takes its environments along; a split one has them by its weights.
    let two = publish(&events, "green").await;
    let to = json!({ "FunctionVersion": two });
    assert_eq!(events.lambda(&format!("PUT {F}/aliases/live"), to).await.0, 200);
    ready(&events, "live").await;
    let told = about(&events, "live").await;
    assert_eq!(
        (told["init"].as_str(), told["color"].as_str()),
        (Some("provisioned-concurrency"), Some("green"))
    );
    let weights = json!({"RoutingConfig": {"AdditionalVersionWeights": {one.as_str(): 0.5}}});
    assert_eq!(events.lambda(&format!("PUT {F}/aliases/live"), weights).await.0, 200);
    ready(&events, "live").await;
    for version in [&one, &two] {
        assert_eq!(about(&events, version).await["init"], "provisioned-concurrency");
    }
    let (status, refusal) = put(&events, "live", 3).await;
    assert_eq!(status, 400, "{refusal}");
    let weights = json!({"RoutingConfig": {"AdditionalVersionWeights": {}}});
    assert_eq!(events.lambda(&format!("PUT {F}/aliases/live"), weights).await.0, 200);

    // It outlives a restart of the cloud.
    let events = events.restart().await;
    ready(&events, "live").await;
    assert_eq!(about(&events, "live").await["init"], "provisioned-concurrency");

    let list = format!("GET {PATH}?List=ALL");
    let (_, listed) = events.lambda(&list, Value::Null).await;
    let configs = listed["ProvisionedConcurrencyConfigs"].as_array().unwrap();
    assert_eq!(configs.len(), 1);
    assert_eq!(configs[0]["FunctionArn"], arn("lambda", "function:f:live"));
    let delete = format!("DELETE {PATH}?Qualifier=live");
    assert_eq!(events.lambda(&delete, Value::Null).await.0, 204);
    assert_eq!(events.lambda(&delete, Value::Null).await.0, 204);
    events
        .eventually(async || (about(&events, "live").await["init"] == "on-demand").then_some(()))
        .await;

    // An alias that goes takes its own along.
    assert_eq!(put(&events, "live", 1).await.0, 202);
    assert_eq!(events.lambda(&format!("DELETE {F}/aliases/live"), Value::Null).await.0, 204);
    let (_, listed) = events.lambda(&list, Value::Null).await;
    assert_eq!(listed["ProvisionedConcurrencyConfigs"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_ready_is_refused() {
    let events = Events::start().await;
    events.allow(&["logs:*"]).await;
    events.create("f", json!({})).await;
    let one = publish(&events, "blue").await;
    let alias = json!({"Name": "live", "FunctionVersion": one});
    assert_eq!(events.lambda(&format!("POST {F}/aliases"), alias).await.0, 201);
    let message = |(status, answer): (u16, Value)| {
        (status, answer["message"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |status: u16, text: &str| (status, text.to_owned());

    assert_eq!(
        message(put(&events, "$LATEST", 1).await),
        refused(
            400,
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        )
    );
    assert_eq!(
        message(get(&events, "$LATEST").await),
        refused(400, "The function resource provided must be an alias or a published version.")
    );
    assert_eq!(
        message(put(&events, "7", 1).await),
        refused(404, &format!("Function not found: {}", arn("lambda", "function:f:7")))
    );
    assert_eq!(put(&events, "nobody", 1).await.0, 404);
    assert_eq!(
        message(put(&events, "live", 0).await),
        refused(
            400,
            "1 validation error detected: Value '0' at 'provisionedConcurrentExecutions' failed to \
             satisfy constraint: Member must have value greater than or equal to 1"
        )
    );

    // Within the reserve, and what is kept ready holds the reserve up.
    let concurrency = "PUT /2017-10-31/functions/f/concurrency";
    let reserve = |count: i64| json!({ "ReservedConcurrentExecutions": count });
    assert_eq!(events.lambda(concurrency, reserve(2)).await.0, 200);
    assert_eq!(
        message(put(&events, "live", 3).await),
        refused(
            400,
            "Requested Provisioned Concurrency should not be greater than the \
             reservedConcurrentExecution for function"
        )
    );
    assert_eq!(put(&events, "live", 2).await.0, 202);
    let (status, text) = message(events.lambda(concurrency, reserve(1)).await);
    assert_eq!(status, 400);
    assert!(text.contains("should not be lower than function's total provisioned"), "{text}");
    let delete = "DELETE /2017-10-31/functions/f/concurrency";
    assert_eq!(events.lambda(delete, Value::Null).await.0, 204);
    let (_, settings) = events.lambda("GET /2016-08-19/account-settings", Value::Null).await;
    assert_eq!(settings["AccountLimit"]["UnreservedConcurrentExecutions"], 998);
    assert_eq!(
        message(put(&events, "live", 950).await),
        refused(
            400,
            "Specified ConcurrentExecutions for function decreases account's \
             UnreservedConcurrentExecution below its minimum value of [100]."
        )
    );
    let (status, text) = message(put(&events, "live", 49).await);
    assert!(status == 400 && text.contains("keeps at most 48"), "{text}");

    // Not both a version and an alias of it, and never the newest code.
    assert_eq!(
        message(put(&events, &one, 1).await),
        refused(409, "Version is pointed by a Provisioned Concurrency alias")
    );
    let two = publish(&events, "green").await;
    assert_eq!(put(&events, &two, 1).await.0, 202);
    for version in [two.as_str(), "$LATEST"] {
        let to = json!({ "FunctionVersion": version });
        let (status, refusal) = events.lambda(&format!("PUT {F}/aliases/live"), to).await;
        assert!(status == 409 || version == "$LATEST" && status == 400, "{refusal}");
    }
    // A version that goes takes its own along.
    assert_eq!(events.lambda(&format!("DELETE {F}?Qualifier={two}"), Value::Null).await.0, 204);
    assert_eq!(get(&events, &two).await.0, 404);

    // A function that does not start is told as failed, and its log says why.
    let body = json!({ "Environment": { "Variables": { "ON_START": "error" } } });
    assert_eq!(events.lambda(&format!("PUT {F}/configuration"), body).await.0, 200);
    let three = events
        .eventually(async || {
            let (status, published) = events.lambda(&format!("POST {F}/versions"), json!({})).await;
            (status == 201).then(|| published["Version"].as_str().unwrap().to_owned())
        })
        .await;
    assert_eq!(put(&events, &three, 1).await.0, 202);
    let failed = events
        .eventually(async || {
            let (_, config) = get(&events, &three).await;
            (config["Status"] != "IN_PROGRESS").then_some(config)
        })
        .await;
    assert_eq!(failed["Status"], "FAILED");
    assert_eq!(failed["StatusReason"], "FUNCTION_ERROR_INIT_FAILURE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_account_can_reserve_nothing() {
    let events = Events::start_with(|options| options.concurrent_executions = Some(10)).await;
    events.allow(&["logs:*"]).await;
    events.create("f", json!({})).await;
    let (_, settings) = events.lambda("GET /2016-08-19/account-settings", Value::Null).await;
    assert_eq!(settings["AccountLimit"]["ConcurrentExecutions"], 10);
    assert_eq!(settings["AccountUsage"]["FunctionCount"], 1);
    let reserve = json!({ "ReservedConcurrentExecutions": 1 });
    let (status, refusal) = events.lambda("PUT /2017-10-31/functions/f/concurrency", reserve).await;
    assert_eq!(status, 400);
    assert_eq!(
        refusal["message"],
        "Specified ReservedConcurrentExecutions for function decreases account's \
         UnreservedConcurrentExecution below its minimum value of [10]."
    );
    // And it runs ten at once, no more.
    let all: Vec<u16> =
        futures_util::future::join_all((0..14).map(|_| async {
            events.invoke("f", "RequestResponse", json!({"do": "sleep"})).await.0
        }))
        .await;
    assert_eq!(all.iter().filter(|status| **status == 200).count(), 10, "{all:?}");
    assert_eq!(all.iter().filter(|status| **status == 429).count(), 4, "{all:?}");
}
