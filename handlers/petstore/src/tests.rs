//! The function `pets` on a table in memory and a topic whose answers are recorded.
#![allow(clippy::unwrap_used)]

use handler_common::http::{HeaderValue, Method};
use handler_common::{Call, Reply, Request, TopicMessage};
use handler_test_support::{Recorded, Tables};
use serde_json::{Value, json};

use crate::greeter;
use crate::pets::{
    BAD_REQUESTS, PUBLISH_ERRORS, PUBLISH_HEADER, PUBLISHED, Pets, SERVICE, STORAGE_ERRORS, answer,
};
use crate::topic::Topic;

const TAKEN: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>m-1</MessageId></PublishResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>";
const REFUSED: &str = "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>User: arn:aws:sts::111122223333:assumed-role/pets is not authorized to perform: SNS:Publish</Message></Error><RequestId>r</RequestId></ErrorResponse>";

fn pets() -> (Pets, Tables) {
    let tables = Tables::new(&[("pets", "petId")]);
    (Pets::new(&tables.config(), "pets".to_owned()), tables)
}

fn topic(answers: &[(u16, &str)]) -> (Topic, Recorded) {
    let recorded = Recorded::new(answers);
    let arn = "arn:aws:sns:us-east-1:111122223333:pet-added".to_owned();
    (Topic::new(&recorded.config(), arn), recorded)
}

fn call() -> Call {
    Call::new(SERVICE, "3", "r-1")
}

fn post(body: &str) -> Request {
    Request::new(Method::POST, "/pets").with_body(body)
}

fn get(id: &str) -> Request {
    Request::new(Method::GET, "/pets/{petId}").with_path_parameter("petId", id)
}

async fn asked(pets: &Pets, request: &Request) -> Reply {
    answer(pets, &topic(&[(200, TAKEN)]).0, request, &call()).await
}

#[tokio::test]
async fn a_pet_is_stored_told_of_and_read() {
    let (pets, _) = pets();
    let (topic, told) = topic(&[(200, TAKEN)]);
    let call = call();
    let reply = answer(&pets, &topic, &post(r#"{"type":"dog","price":249.99}"#), &call).await;
    assert_eq!(reply.status(), 201);
    assert_eq!(reply.headers()["access-control-allow-origin"], "*");
    let pet = &reply.body()["pet"];
    let id = pet["id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(*pet, json!({ "id": id, "type": "dog", "price": 249.99 }));
    assert_eq!(reply.body()["message"], "Your pet dog has been adopted.");
    assert_eq!(call.counted(PUBLISHED), 1);
    let told = told.requests().remove(0);
    assert!(told.contains("Action=Publish") && told.contains("pet-added"), "{told}");
    assert!(told.contains(id) && told.contains("MessageAttributes"), "{told}");

    let read = asked(&pets, &get(id)).await;
    assert_eq!((read.status().as_u16(), read.body()), (200, pet));
    for id in ["nobody", "", &"p".repeat(65)] {
        let missing = asked(&pets, &get(id)).await;
        assert_eq!(missing.status(), 404);
        assert_eq!(missing.body()["message"], "There is no pet with this id.");
    }
    assert_eq!(asked(&pets, &Request::new(Method::DELETE, "/pets")).await.status(), 405);
}

#[tokio::test]
async fn what_is_no_pet_gets_400_and_is_neither_stored_nor_told() {
    let (pets, tables) = pets();
    let (topic, told) = topic(&[]);
    let long = json!({ "type": "t".repeat(65), "price": 1 }).to_string();
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"type":"","price":1}"#,
        r#"{"type":7,"price":1}"#,
        r#"{"type":"dog"}"#,
        r#"{"type":"dog","price":"1"}"#,
        r#"{"type":"dog","price":-1}"#,
        r#"{"type":"dog","price":1e12}"#,
        &long,
    ] {
        let call = call();
        let reply = answer(&pets, &topic, &post(body), &call).await;
        assert_eq!(reply.status(), 400, "{body}");
        assert!(reply.body()["message"].is_string());
        assert_eq!(call.counted(BAD_REQUESTS), 1);
    }
    assert!(tables.items("pets").is_empty() && told.requests().is_empty());
    for (body, price) in [
        (r#"{"type":"dog","price":0}"#, json!(0)),
        (r#"{"type":"dog","price":0.1}"#, json!(0.1)),
        (r#"{"type":"dog","price":1e-9}"#, json!(1e-9)),
    ] {
        let reply = asked(&pets, &post(body)).await;
        assert_eq!((reply.status().as_u16(), &reply.body()["pet"]["price"]), (201, &price));
        let id = reply.body()["pet"]["id"].as_str().unwrap();
        assert_eq!(asked(&pets, &get(id)).await.body()["price"].as_f64(), price.as_f64());
    }
}

#[tokio::test]
async fn a_topic_that_is_not_told_changes_nothing_for_the_caller() {
    let (pets, tables) = pets();
    let (refusing, told) = topic(&[(403, REFUSED)]);
    let request = post(r#"{"type":"dog","price":1}"#);
    let counts = call();
    let reply = answer(&pets, &refusing, &request, &counts).await;
    assert_eq!(reply.status(), 201);
    assert_eq!((counts.counted(PUBLISHED), counts.counted(PUBLISH_ERRORS)), (0, 1));
    assert_eq!(told.requests().len(), 1);
    assert!(!reply.body().to_string().contains("arn"));

    let (silent, told) = topic(&[]);
    let skipping = request.with_header(PUBLISH_HEADER, HeaderValue::from_static("skip"));
    assert_eq!(answer(&pets, &silent, &skipping, &call()).await.status(), 201);
    assert!(told.requests().is_empty());
    assert_eq!(tables.items("pets").len(), 2);
}

#[tokio::test]
async fn pets_are_listed_in_pages() {
    let (pets, _) = pets();
    let mut made = Vec::new();
    for n in 0..5 {
        let body = json!({ "type": "dog", "price": n }).to_string();
        made.push(asked(&pets, &post(&body)).await.body()["pet"].clone());
    }
    let mut listed: Vec<Value> = Vec::new();
    let mut request = Request::new(Method::GET, "/pets").with_query("limit", &["2"]);
    loop {
        let reply = asked(&pets, &request).await;
        assert_eq!(reply.status(), 200);
        listed.extend(reply.body()["pets"].as_array().unwrap().iter().cloned());
        let Some(next) = reply.body()["next"].as_str() else { break };
        request = Request::new(Method::GET, "/pets").with_query("next", &[next]);
    }
    for pets in [&mut made, &mut listed] {
        pets.sort_by_key(|pet| pet["id"].to_string());
    }
    assert_eq!(made, listed);
    let wrong = Request::new(Method::GET, "/pets").with_query("next", &["%"]);
    assert_eq!(asked(&pets, &wrong).await.status(), 400);
}

#[tokio::test]
async fn a_failing_table_is_a_503_that_tells_nobody() {
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"arn:aws:sts: not authorized to perform: dynamodb:PutItem"}"#;
    for request in
        [post(r#"{"type":"dog","price":1}"#), get("a"), Request::new(Method::GET, "/pets")]
    {
        let recorded = Recorded::new(&[(400, denied)]);
        let pets = Pets::new(&recorded.config(), "pets".to_owned());
        let (topic, told) = topic(&[]);
        let call = call();
        let reply = answer(&pets, &topic, &request, &call).await;
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.headers()["retry-after"], "5");
        assert!(!reply.body().to_string().contains("dynamodb"));
        assert_eq!(call.counted(STORAGE_ERRORS), 1);
        assert!(told.requests().is_empty());
    }
}

#[test]
fn the_greeter_greets_pets_and_nothing_else() {
    let greet = |text: &str| {
        let call = Call::new(greeter::SERVICE, "1", "r-1");
        let message = TopicMessage { id: "m".to_owned(), subject: None, text: text.to_owned() };
        let greeted = greeter::greet(&message, &call);
        assert_eq!(call.counted(greeter::GREETED), u64::from(greeted.is_ok()));
        greeted.is_ok()
    };
    assert!(greet(r#"{"id":"p","type":"dog","price":1}"#));
    for text in ["", "{", "{}", "7", r#"{"id":"p"}"#] {
        assert!(!greet(text), "{text}");
    }
}
