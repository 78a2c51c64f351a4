//! The handler on a table in memory.
#![allow(clippy::unwrap_used)]

use handler_common::http::HeaderValue;
use handler_test_support::{Recorded, Tables};

use super::*;

fn items(drills: Drills) -> (Items, Tables) {
    let tables = Tables::new(&[("items-db", "id")]);
    (Items::new(&tables.config(), "items-db".to_owned(), drills), tables)
}

fn call() -> Call {
    Call::new(SERVICE, "3", "r-1").in_environment("53c5")
}

fn post(body: &str) -> Request {
    Request::new(Method::POST, "/items").with_body(body)
}

fn get(id: &str) -> Request {
    Request::new(Method::GET, "/items/{id}").with_path_parameter("id", id)
}

#[tokio::test]
async fn an_item_is_saved_and_read() {
    let (items, _) = items(Drills::default());
    for data in [json!("text"), json!({ "a": [1, null] }), json!(null), json!("{not json")] {
        let body = json!({ "id": "a/ü", "data": data }).to_string();
        let reply = answer(&items, &post(&body), &call()).await;
        assert_eq!(reply.status(), 200);
        assert_eq!(*reply.body(), json!({ "message": "Item saved" }));
        assert_eq!(reply.headers()[ENVIRONMENT_HEADER], HeaderValue::from_static("53c5"));
        let reply = answer(&items, &get("a/ü"), &call()).await;
        assert_eq!(reply.status(), 200);
        assert_eq!(*reply.body(), json!({ "id": "a/ü", "data": data, "environment": "53c5" }));
    }
    for id in ["b", "", " ", &"i".repeat(MOST_ID_CHARACTERS + 1)] {
        let reply = answer(&items, &get(id), &call()).await;
        assert_eq!(reply.status(), 404);
        assert_eq!(*reply.body(), json!({ "message": "Item not found" }));
    }
    let put = Request::new(Method::PUT, "/items");
    assert_eq!(answer(&items, &put, &call()).await.status(), 405);
}

#[tokio::test]
async fn what_is_no_item_gets_400_and_is_not_stored() {
    let (items, tables) = items(Drills::default());
    let long = json!({ "id": "i".repeat(MOST_ID_CHARACTERS + 1), "data": 1 }).to_string();
    for body in [
        "",
        "{\"id\":",
        "[]",
        "{}",
        r#"{"id":1,"data":1}"#,
        r#"{"id":" ","data":1}"#,
        r#"{"id":"a"}"#,
        &long,
    ] {
        let call = call();
        let reply = answer(&items, &post(body), &call).await;
        assert_eq!(reply.status(), 400, "{body}");
        assert!(reply.body()["message"].is_string());
        assert_eq!(call.counted(BAD_REQUESTS), 1);
    }
    assert!(tables.items("items-db").is_empty());
}

#[tokio::test]
async fn a_failing_table_is_a_503_that_tells_the_caller_nothing() {
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User: arn:aws:sts::111122223333:assumed-role/items is not authorized to perform: dynamodb:PutItem"}"#;
    for request in [post(r#"{"id":"a","data":1}"#), get("a")] {
        let recorded = Recorded::new(&[(400, denied)]);
        let items = Items::new(&recorded.config(), "items-db".to_owned(), Drills::default());
        let call = call();
        let reply = answer(&items, &request, &call).await;
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.headers()["retry-after"], "5");
        for secret in ["arn", "dynamodb", "AccessDenied"] {
            assert!(!reply.body().to_string().contains(secret));
        }
        assert_eq!(call.counted(STORAGE_ERRORS), 1);
    }
}

#[tokio::test]
async fn a_bare_response_is_the_item_itself() {
    let (items, tables) = items(Drills { bare_response: true, ..Drills::default() });
    let reply = answer(&items, &post(r#"{"id":"a","data":1}"#), &call()).await;
    assert_eq!(reply, Reply::bare(json!({ "message": "Item saved" })));
    // The lesson: the work was done all the same.
    assert_eq!(tables.items("items-db").len(), 1);
    // What the caller did wrong is still said properly.
    assert_eq!(answer(&items, &post("{"), &call()).await.status(), 400);
}

#[tokio::test]
async fn an_unchecked_body_fails_the_invocation() {
    let (items, _) = items(Drills { unchecked_body: true, ..Drills::default() });
    let call = call();
    assert_eq!(answer(&items, &post("{\"id\":"), &call).await.status(), 502);
    assert_eq!(call.counted(BAD_REQUESTS), 0);
    assert_eq!(answer(&items, &post(r#"{"id":"a","data":1}"#), &call).await.status(), 200);
}

#[tokio::test]
async fn what_is_kept_in_memory_is_unknown_to_others() {
    let drills = Drills { in_memory: true, ..Drills::default() };
    let (one, tables) = items(drills);
    let other = Items::new(&tables.config(), "items-db".to_owned(), drills);
    let saved = answer(&one, &post(r#"{"id":"a","data":1}"#), &call()).await;
    assert_eq!(saved.status(), 200);
    assert_eq!(answer(&one, &get("a"), &call()).await.status(), 200);
    assert_eq!(answer(&other, &get("a"), &call()).await.status(), 404);
    assert!(tables.items("items-db").is_empty());
    for n in 0..MOST_ID_CHARACTERS {
        let body = json!({ "id": format!("b{n}"), "data": 1 }).to_string();
        answer(&one, &post(&body), &call()).await;
    }
    // It is bounded: the memory of a function is not without end.
    assert_eq!(answer(&one, &get("a"), &call()).await.status(), 404);
}
