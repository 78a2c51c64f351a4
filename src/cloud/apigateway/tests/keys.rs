//! API keys: what they are made of, what is refused, lists, imports.

use serde_json::{Value, json};

use super::Bench;

async fn create(bench: &Bench, key: Value) -> Value {
    let answer = bench.call("POST", "/apikeys", key).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn names(list: &Value) -> Vec<&str> {
    list["item"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_key_is_created_read_patched_and_deleted() {
    let bench = Bench::new();
    let made = create(&bench, json!({ "name": "ann" })).await;
    assert_eq!(made["enabled"], false);
    assert_eq!(made["stageKeys"], json!([]));
    assert!(made.get("tags").is_none());
    let value = made["value"].as_str().unwrap();
    assert!(value.len() >= 20 && value.chars().all(|c| c.is_ascii_alphanumeric()), "{value}");
    let path = format!("/apikeys/{}", made["id"].as_str().unwrap());
    let plain = bench.call("GET", &path, Value::Null).await.json();
    assert!(plain.get("value").is_none());
    let bench = bench.reopen();
    let full = bench.call("GET", &format!("{path}?includeValue=true"), Value::Null).await.json();
    assert_eq!(full["value"], value);
    let patched = bench
        .patch(
            &path,
            json!([
                { "op": "replace", "path": "/enabled", "value": "true" },
                { "op": "replace", "path": "/name", "value": "bob" },
                { "op": "replace", "path": "/customerId", "value": "c1" },
            ]),
        )
        .await
        .json();
    assert_eq!((&patched["enabled"], &patched["name"]), (&json!(true), &json!("bob")));
    assert_eq!(patched["tags"], json!({}));
    assert!(patched.get("value").is_none());
    let odd =
        bench.patch(&path, json!([{ "op": "replace", "path": "/enabled", "value": "fast" }])).await;
    assert_eq!(odd.json()["enabled"], false);
    let fixed = bench.patch(&path, json!([{ "op": "replace", "path": "/id", "value": "x" }])).await;
    assert_eq!(
        fixed.error(),
        (
            400,
            "BadRequestException".to_owned(),
            "Invalid patch path  '/id' specified for op 'replace'. Must be one of: [/description, \
             /enabled, /name, /customerId]"
                .to_owned()
        )
    );
    assert_eq!(bench.call("DELETE", &path, Value::Null).await.status, 202);
    let gone = bench.call("GET", &path, Value::Null).await;
    assert_eq!(
        (gone.status, gone.error().2.as_str()),
        (404, "Invalid API Key identifier specified")
    );
}

#[tokio::test]
async fn what_a_key_cannot_be() {
    let bench = Bench::new();
    let long = "k".repeat(129);
    for (key, status, message) in [
        (json!({ "value": "short" }), 400, "API Key value should be at least 20 characters"),
        (json!({ "value": long }), 400, "API Key value exceeds maximum size of 128 characters"),
        (
            json!({ "name": "n".repeat(1025) }),
            400,
            "Invalid API Key name, can be at most 1024 characters.",
        ),
        (
            json!({ "description": "d".repeat(125_001) }),
            400,
            "Invalid API Key description specified.",
        ),
        (
            json!({ "stageKeys": [{ "restApiId": "nope", "stageName": "dev" }] }),
            404,
            "Invalid stage identifier specified",
        ),
    ] {
        let answer = bench.call("POST", "/apikeys", key).await;
        assert_eq!((answer.status, answer.error().2.as_str()), (status, message));
    }
    let empty = create(&bench, json!({ "name": "", "value": "" })).await;
    assert!(empty.get("name").is_none());
    let value = "a-value-of-twenty-ch";
    create(&bench, json!({ "name": "one", "value": value })).await;
    let twin = bench.call("POST", "/apikeys", json!({ "name": "two", "value": value })).await;
    assert_eq!(
        twin.error(),
        (409, "ConflictException".to_owned(), "API Key already exists".to_owned())
    );
}

#[tokio::test]
async fn keys_are_listed_newest_first_by_prefix_and_in_pages() {
    let bench = Bench::new();
    for name in ["team-a", "team-b", "other"] {
        create(&bench, json!({ "name": name })).await;
    }
    let list = async |query: &str| {
        bench.call("GET", &format!("/apikeys{query}"), Value::Null).await.json()
    };
    let all = list("").await;
    assert_eq!(names(&all), ["other", "team-b", "team-a"]);
    assert!(all["item"][0].get("value").is_none());
    assert_eq!(names(&list("?name=team").await), ["team-b", "team-a"]);
    assert!(names(&list("?name=TEAM").await).is_empty());
    assert!(names(&list("?name=eam-a").await).is_empty());
    assert!(list("?includeValues=true").await["item"][0]["value"].is_string());
    let first = list("?limit=2").await;
    assert_eq!(names(&first), ["other", "team-b"]);
    let rest = list(&format!("?limit=2&position={}", first["position"].as_str().unwrap())).await;
    assert_eq!(names(&rest), ["team-a"]);
    assert!(rest.get("position").is_none());
}

#[tokio::test]
async fn keys_are_imported_from_a_file() {
    let bench = Bench::new();
    let plan = |name: &str| json!({ "name": name });
    let one = bench.call("POST", "/usageplans", plan("one")).await.json();
    let two = bench.call("POST", "/usageplans", plan("two")).await.json();
    let (one, two) = (one["id"].as_str().unwrap(), two["id"].as_str().unwrap());
    let file = format!(
        "Enabled,Name,key,Colour,UsageplanIds\n\
         true,First,apikey1234abcdefghij0123456789,red,\"{one},{two}\"\n\
         false,Second,apikey9876abcdefghij0123456789,blue,'{one}'\n\
         true,Third,short,,\n\
         ,Renamed,apikey9876abcdefghij0123456789,,{one}\n"
    );
    let strict =
        bench.send("POST", "/apikeys?mode=import&format=csv&failonwarnings=true", file.clone());
    assert_eq!(strict.await.status, 400);
    assert!(names(&bench.call("GET", "/apikeys", Value::Null).await.json()).is_empty());
    let answer = bench.send("POST", "/apikeys?mode=import&format=csv", file).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.json()["ids"].as_array().unwrap().len(), 2);
    assert_eq!(
        answer.json()["warnings"],
        json!(["Line 4: API Key value should be at least 20 characters"])
    );
    let bench = bench.reopen();
    let list = bench.call("GET", "/apikeys", Value::Null).await.json();
    assert_eq!(names(&list), ["Renamed", "First"]);
    assert_eq!(list["item"][0]["enabled"], true);
    let of = async |plan: &str| {
        bench.call("GET", &format!("/usageplans/{plan}/keys"), Value::Null).await.json()
    };
    assert_eq!(names(&of(one).await), ["Renamed", "First"]);
    assert_eq!(names(&of(two).await), ["First"]);
    let other = bench.send("POST", "/apikeys?mode=import&format=xml", "x").await;
    assert_eq!(other.status, 400);
}
