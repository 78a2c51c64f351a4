//! The stateful greeting against recorded answers of `DynamoDB`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use handler_common::http::{HeaderName, HeaderValue, Method};
use handler_test_support::Recorded;

use super::*;

fn visits(answers: &[(u16, &str)]) -> (Visits, Recorded) {
    let recorded = Recorded::new(answers);
    (Visits::new(&recorded.config(), "visits".to_owned()), recorded)
}

type Header<'a> = (&'a str, &'a [u8]);

fn request(headers: &[Header<'_>]) -> Request {
    headers.iter().fold(Request::new(Method::GET, "/greet"), |request, (name, value)| {
        let name: HeaderName = name.parse().unwrap();
        request.with_header(name, HeaderValue::from_bytes(value).unwrap())
    })
}

fn call() -> Call {
    Call::new(SERVICE, "3", "r-1")
}

#[tokio::test]
async fn the_first_visit_is_new_and_the_next_returns() {
    let (visits, recorded) = visits(&[
        (200, r#"{"Attributes":{"visits":{"N":"1"}}}"#),
        (200, r#"{"Attributes":{"visits":{"N":"2"}}}"#),
    ]);
    let request = request(&[("x-user-id", b" alice ")]);
    let reply = greet("Hello", &visits, &request, &call()).await;
    assert_eq!(reply.status(), 200);
    assert_eq!(
        *reply.body(),
        json!({
            "greeting": "Hello, alice! This is your first visit.",
            "user": "alice",
            "count": 1,
            "returning": false,
            "version": "3",
        })
    );
    let reply = greet("Hello", &visits, &request, &call()).await;
    assert_eq!(reply.body()["returning"], true);
    assert_eq!(reply.body()["greeting"], "Hello again, alice! This is visit number 2.");

    let sent: serde_json::Value = serde_json::from_str(&recorded.requests()[0]).unwrap();
    assert_eq!(sent["TableName"], "visits");
    assert_eq!(sent["Key"], json!({ "user_id": { "S": "alice" } }));
    assert_eq!(sent["UpdateExpression"], "ADD #visits :one");
}

#[tokio::test]
async fn a_request_without_a_usable_user_gets_400_and_is_counted() {
    let long = "u".repeat(MOST_USER_CHARACTERS + 1);
    let cases: [(&[Header<'_>], &str); 6] = [
        (&[], "missing"),
        (&[("x-user-id", b"")], "empty"),
        (&[("x-user-id", b" \t ")], "empty"),
        (&[("x-user-id", long.as_bytes())], "longer than 128"),
        (&[("x-user-id", b"a"), ("x-user-id", b"b")], "more than once"),
        (&[("x-user-id", b"\xff\xfe")], "UTF-8"),
    ];
    for (headers, said) in cases {
        let (visits, recorded) = visits(&[]);
        let call = call();
        let reply = greet("Hello", &visits, &request(headers), &call).await;
        assert_eq!(reply.status(), 400, "{said}");
        let message = reply.body()["message"].as_str().unwrap();
        assert!(message.contains(said), "{message}");
        assert_eq!(call.counted(MISSING_USER_ID), 1);
        assert_eq!(recorded.requests().len(), 0);
    }
}

#[tokio::test]
async fn the_longest_user_counts_characters_not_bytes() {
    let (visits, _) = visits(&[(200, r#"{"Attributes":{"visits":{"N":"1"}}}"#)]);
    let user = "ü".repeat(MOST_USER_CHARACTERS);
    let request = request(&[("x-user-id", user.as_bytes())]);
    let reply = greet("Hello", &visits, &request, &call()).await;
    assert_eq!(reply.status(), 200);
}

#[tokio::test]
async fn a_denied_table_is_a_503_that_tells_the_caller_nothing() {
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User: arn:aws:sts::111122223333:assumed-role/greet is not authorized to perform: dynamodb:UpdateItem"}"#;
    let (visits, recorded) = visits(&[(400, denied)]);
    let call = call();
    let request = request(&[("x-user-id", b"alice")]);
    let reply = greet("Hello", &visits, &request, &call).await;
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.headers()["retry-after"], "5");
    let body = reply.body().to_string();
    for secret in ["arn", "dynamodb", "table", "AccessDenied"] {
        assert!(!body.contains(secret), "{body}");
    }
    assert_eq!(call.counted(STORAGE_ERRORS), 1);
    assert_eq!(recorded.requests().len(), 1, "it is not tried again");

    let error = visits_error(denied).await;
    assert_eq!(error.code, "AccessDeniedException");
    assert!(error.message.contains("not authorized"));
}

async fn visits_error(body: &str) -> AwsFailure {
    let (visits, _) = visits(&[(400, body)]);
    visits.count("alice").await.unwrap_err()
}

#[tokio::test]
async fn only_a_throttled_call_is_tried_again() {
    let throttled = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}"#;
    let (visits_, recorded) =
        visits(&[(400, throttled), (200, r#"{"Attributes":{"visits":{"N":"4"}}}"#)]);
    assert_eq!(visits_.count("alice").await, Ok(4));
    assert_eq!(recorded.requests().len(), 2);

    // A server error may have counted the visit already.
    let failed =
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"oops"}"#;
    let (visits_, recorded) = visits(&[(500, failed), (500, failed)]);
    let error = visits_.count("alice").await.unwrap_err();
    assert_eq!(error.code, "InternalServerError");
    assert_eq!(recorded.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_without_a_count_is_an_error() {
    for body in [
        "{}",
        r#"{"Attributes":{"visits":{"S":"many"}}}"#,
        r#"{"Attributes":{"visits":{"N":"1.5"}}}"#,
    ] {
        let (visits, _) = visits(&[(200, body)]);
        let error = visits.count("alice").await.unwrap_err();
        assert_eq!(error.code, "UnexpectedAnswer", "{body}");
    }
}
