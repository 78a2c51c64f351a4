//! The log service as a client sees it: operations, paging, retention, live tail, restarts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Logs;
use crate::core::Core;
use crate::iam::Iam;
use crate::store::Store;
use crate::wire::{Answer, ApiRequest, Caller};

const GROUP: &str = "/aws/lambda/greet";
const STREAM: &str = "2026/11/20/[3]0a1b";

fn open(directory: &TempDir) -> Arc<Logs> {
    let store = Store::open(&directory.path().join("cloud.db")).unwrap();
    let core = Core::new(directory.path(), store);
    let iam = Iam::open(Arc::clone(&core)).unwrap();
    Logs::open(core, iam).unwrap()
}

async fn send(logs: &Arc<Logs>, caller: Caller, operation: &str, body: &Value) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", format!("Logs_20140328.{operation}").parse().unwrap());
    logs.call(ApiRequest {
        method: Method::POST,
        path: "/".to_owned(),
        query: String::new(),
        headers,
        body: Bytes::from(body.to_string()),
        caller,
        request_id: "r-1".to_owned(),
    })
    .await
}

async fn call(logs: &Arc<Logs>, operation: &str, body: Value) -> (u16, Value) {
    let answer = send(logs, Caller::Operator, operation, &body).await;
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    let value =
        if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    (status, value)
}

async fn ok(logs: &Arc<Logs>, operation: &str, body: Value) -> Value {
    let (status, value) = call(logs, operation, body).await;
    assert_eq!(status, 200, "{operation}: {value}");
    value
}

fn lines(times: impl IntoIterator<Item = i64>) -> Vec<(i64, String)> {
    times.into_iter().map(|time| (time, format!("line {time}"))).collect()
}

fn messages(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|e| e["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_was_appended_before_a_read_is_read() {
    let directory = TempDir::new().unwrap();
    let logs = open(&directory);
    for round in 0..50 {
        logs.append(GROUP, STREAM, lines([round])).await;
        let answer = ok(&logs, "FilterLogEvents", json!({ "logGroupName": GROUP })).await;
        assert_eq!(messages(&answer).len(), usize::try_from(round).unwrap() + 1);
    }
    let answer = ok(
        &logs,
        "FilterLogEvents",
        json!({ "logGroupName": GROUP, "startTime": 10, "endTime": 12, "filterPattern": "-\"line 11\"" }),
    )
    .await;
    assert_eq!(messages(&answer), ["line 10", "line 12"]);
    assert!(answer.get("nextToken").is_none());
    assert_eq!(answer["events"][0]["logStreamName"], STREAM);
}

#[tokio::test]
async fn pages_lose_and_repeat_nothing_while_events_arrive() {
    let directory = TempDir::new().unwrap();
    let logs = open(&directory);
    // Many events share a time, on two streams.
    for part in 0..10 {
        logs.append(GROUP, STREAM, lines((0..10).map(|n| (part * 10 + n) / 7))).await;
        logs.append(GROUP, "other", lines((0..10).map(|n| (part * 10 + n) / 7))).await;
    }
    let mut ids = BTreeSet::new();
    let mut token = Value::Null;
    let mut pages = 0;
    loop {
        let mut request = json!({ "logGroupName": GROUP, "limit": 7, "endTime": 100 });
        if !token.is_null() {
            request["nextToken"] = token;
        }
        let answer = ok(&logs, "FilterLogEvents", request).await;
        for event in answer["events"].as_array().unwrap() {
            assert!(ids.insert(event["eventId"].as_str().unwrap().to_owned()));
        }
        pages += 1;
        logs.append(GROUP, STREAM, lines([1000 + pages])).await;
        token = answer["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(ids.len(), 200);
    assert_eq!(pages, 29);
}

#[tokio::test]
async fn streams_are_chosen_by_name_or_prefix() {
    let directory = TempDir::new().unwrap();
    let logs = open(&directory);
    for stream in ["a1", "a2", "b1"] {
        logs.append(GROUP, stream, vec![(1, stream.to_owned())]).await;
    }
    let by = |field: &str, value: Value| {
        let mut request = json!({ "logGroupName": GROUP });
        request[field] = value;
        request
    };
    let logs = &logs;
    let found = |request: Value| async move {
        let answer = ok(logs, "FilterLogEvents", request).await;
        messages(&answer).join(" ")
    };
    assert_eq!(found(by("logStreamNamePrefix", json!("a"))).await, "a1 a2");
    assert_eq!(found(by("logStreamNames", json!(["b1"]))).await, "b1");
    assert_eq!(found(by("logStreamNames", json!(["b1", "a2"]))).await, "a2 b1");
    let (status, answer) =
        call(logs, "FilterLogEvents", by("logStreamNames", json!(["none"]))).await;
    assert_eq!((status, &answer["__type"]), (400, &json!("ResourceNotFoundException")));
}

#[tokio::test]
async fn a_stream_is_read_both_ways_until_the_token_stays() {
    let directory = TempDir::new().unwrap();
    let logs = open(&directory);
    logs.append(GROUP, STREAM, lines(0..10)).await;
    let request = |token: Option<&Value>, head: bool| {
        let mut request = json!({ "logGroupName": GROUP, "logStreamName": STREAM, "limit": 4,
            "startFromHead": head });
        if let Some(token) = token {
            request["nextToken"] = token.clone();
        }
        request
    };
    let first = ok(&logs, "GetLogEvents", request(None, false)).await;
    assert_eq!(messages(&first), ["line 6", "line 7", "line 8", "line 9"]);
    let before = ok(&logs, "GetLogEvents", request(Some(&first["nextBackwardToken"]), false)).await;
    assert_eq!(messages(&before), ["line 2", "line 3", "line 4", "line 5"]);
    let end = ok(&logs, "GetLogEvents", request(Some(&first["nextForwardToken"]), true)).await;
    assert!(messages(&end).is_empty());
    assert_eq!(end["nextForwardToken"], first["nextForwardToken"]);
    logs.append(GROUP, STREAM, lines([9, 10])).await;
    let more = ok(&logs, "GetLogEvents", request(Some(&end["nextForwardToken"]), true)).await;
    assert_eq!(messages(&more), ["line 9", "line 10"]);
}

#[tokio::test]
async fn groups_and_streams_have_a_life_and_tags() {
    let directory = TempDir::new().unwrap();
    let logs = open(&directory);
    for n in 0..3 {
        let body = json!({ "logGroupName": format!("g{n}"), "tags": { "labdeck:lab": "greet" } });
        assert_eq!(ok(&logs, "CreateLogGroup", body).await, Value::Null);
    }
    let (status, answer) = call(&logs, "CreateLogGroup", json!({ "logGroupName": "g0" })).await;
    assert_eq!((status, &answer["__type"]), (400, &json!("ResourceAlreadyExistsException")));
    let page = ok(&logs, "DescribeLogGroups", json!({ "limit": 2 })).await;
    assert_eq!(page["logGroups"][1]["logGroupName"], "g1");
    assert_eq!(page["logGroups"][1]["arn"], "arn:aws:logs:us-east-1:000000000000:log-group:g1:*");
    let rest =
        ok(&logs, "DescribeLogGroups", json!({ "limit": 2, "nextToken": page["nextToken"] })).await;
    assert_eq!(rest["logGroups"].as_array().unwrap().len(), 1);
    let arn = rest["logGroups"][0]["logGroupArn"].clone();
    ok(&logs, "TagResource", json!({ "resourceArn": arn, "tags": { "a": "b" } })).await;
    ok(&logs, "UntagResource", json!({ "resourceArn": arn, "tagKeys": ["labdeck:lab"] })).await;
    let tags = ok(&logs, "ListTagsForResource", json!({ "resourceArn": arn })).await;
    assert_eq!(tags, json!({ "tags": { "a": "b" } }));

    for (stream, time) in [("x", 30), ("y", 10), ("z", 20)] {
        logs.append("g0", stream, lines([time])).await;
    }
    let mut order = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut request = json!({ "logGroupName": "g0", "orderBy": "LastEventTime",
            "descending": true, "limit": 2 });
        if !token.is_null() {
            request["nextToken"] = token;
        }
        let page = ok(&logs, "DescribeLogStreams", request).await;
        for stream in page["logStreams"].as_array().unwrap() {
            order.push(stream["logStreamName"].as_str().unwrap().to_owned());
        }
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(order, ["x", "z", "y"]);
    ok(&logs, "DeleteLogStream", json!({ "logGroupName": "g0", "logStreamName": "x" })).await;
    let left = ok(&logs, "FilterLogEvents", json!({ "logGroupName": "g0" })).await;
    assert_eq!(messages(&left), ["line 10", "line 20"]);
    ok(&logs, "DeleteLogGroup", json!({ "logGroupName": "g0" })).await;
    let (status, answer) = call(&logs, "FilterLogEvents", json!({ "logGroupName": "g0" })).await;
    assert_eq!(status, 400);
    assert_eq!(answer["message"], "The specified log group does not exist.");
    // A group made again under the old name is empty.
    ok(&logs, "CreateLogGroup", json!({ "logGroupName": "g0" })).await;
    let left = ok(&logs, "FilterLogEvents", json!({ "logGroupName": "g0" })).await;
    assert!(messages(&left).is_empty());
    until_no_event_is_stored(&logs).await;
}

/// Every write lets the writer do a step of its chores first.
async fn until_no_event_is_stored(logs: &Logs) {
    loop {
        let count: i64 = logs
            .writer
            .change(0, |desk| {
                Ok(desk
                    .connection()
                    .query_row("SELECT COUNT(*) FROM events", [], |r| r.get(0))
                    .unwrap())
            })
            .await
            .unwrap();
        if count == 0 {
            return;
        }
    }
}

#[tokio::test]
async fn put_events_are_durable_and_old_ones_rejected() {
    let directory = TempDir::new().unwrap();
    let now;
    {
        let logs = open(&directory);
        now = logs.core.now_millis();
        let to = json!({ "logGroupName": "g", "logStreamName": "s" });
        let (_, answer) = call(&logs, "PutLogEvents", {
            let mut body = to.clone();
            body["logEvents"] = json!([{ "timestamp": now, "message": "m" }]);
            body
        })
        .await;
        assert_eq!(answer["message"], "The specified log group does not exist.");
        ok(&logs, "CreateLogGroup", json!({ "logGroupName": "g" })).await;
        ok(&logs, "CreateLogStream", to.clone()).await;
        let mut body = to;
        body["logEvents"] = json!([
            { "timestamp": now - 20 * 86_400_000_i64, "message": "old" },
        ]);
        let answer = ok(&logs, "PutLogEvents", body.clone()).await;
        assert_eq!(answer["rejectedLogEventsInfo"], json!({ "tooOldLogEventEndIndex": 1 }));
        body["logEvents"] = json!([{ "timestamp": now, "message": "kept" }]);
        ok(&logs, "PutLogEvents", body).await;
        logs.append("g", "s", vec![(now + 1, "appended".to_owned())]).await;
    }
    let logs = open(&directory);
    let answer = ok(&logs, "FilterLogEvents", json!({ "logGroupName": "g" })).await;
    assert_eq!(messages(&answer), ["kept", "appended"]);
    let groups = ok(&logs, "DescribeLogGroups", json!({})).await;
    assert_eq!(groups["logGroups"][0]["storedBytes"], 4 + 8 + 2 * 26);
}

#[tokio::test]
async fn expired_events_are_out_of_sight_and_go() {
    let directory = TempDir::new().unwrap();
    let logs = open(&directory);
    let now = logs.core.now_millis();
    let old = now - 2 * 86_400_000;
    logs.append("g", "s", lines(old..old + 3000)).await;
    let (status, _) =
        call(&logs, "PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": 2 }))
            .await;
    assert_eq!(status, 400);
    ok(&logs, "PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": 1 })).await;
    let answer = ok(&logs, "FilterLogEvents", json!({ "logGroupName": "g" })).await;
    assert!(messages(&answer).is_empty());
    until_no_event_is_stored(&logs).await;
    let groups = ok(&logs, "DescribeLogGroups", json!({})).await;
    assert_eq!(groups["logGroups"][0]["storedBytes"], 0);
    ok(&logs, "DeleteRetentionPolicy", json!({ "logGroupName": "g" })).await;
}

#[tokio::test]
async fn the_oldest_events_make_room() {
    let directory = TempDir::new().unwrap();
    let logs = open(&directory);
    for part in 0..20 {
        let text = "x".repeat(400);
        let lines = (0..500).map(|n| (part * 500 + n, text.clone())).collect();
        logs.append("g", "s", lines).await;
    }
    logs.flush().await.unwrap();
    let target = 2 << 20;
    assert!(logs.bytes() > target);
    logs.trim_to(target).await.unwrap();
    assert!(logs.bytes() <= target, "{} left", logs.bytes());
    let answer =
        ok(&logs, "FilterLogEvents", json!({ "logGroupName": "g", "startTime": 9900 })).await;
    assert_eq!(messages(&answer).len(), 100);
    let answer = ok(&logs, "FilterLogEvents", json!({ "logGroupName": "g", "endTime": 100 })).await;
    assert!(messages(&answer).is_empty());
}

#[tokio::test]
async fn roles_decide_and_what_is_missing_says_so() {
    let directory = TempDir::new().unwrap();
    let logs = open(&directory);
    logs.append(GROUP, STREAM, lines([1])).await;
    let caller = Caller::Session {
        role_arn: "arn:aws:iam::000000000000:role/none".to_owned(),
        session_name: "greet".to_owned(),
    };
    let answer = send(&logs, caller, "FilterLogEvents", &json!({ "logGroupName": GROUP })).await;
    assert_eq!(answer.status().as_u16(), 400);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("AccessDeniedException"));
    let (status, answer) = call(&logs, "PutMetricFilter", json!({})).await;
    assert_eq!(status, 501);
    assert!(answer["message"].as_str().unwrap().contains("PutMetricFilter"));
    let (status, answer) = call(&logs, "CreateLogGroup", json!({ "logGroupName": 7 })).await;
    assert_eq!((status, &answer["__type"]), (400, &json!("SerializationException")));
}

#[tokio::test]
async fn a_damaged_file_is_moved_aside() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("logs.db"), "no database ".repeat(1000)).unwrap();
    let logs = open(&directory);
    logs.append(GROUP, STREAM, lines([1])).await;
    logs.flush().await.unwrap();
    let aside = std::fs::read_dir(directory.path())
        .unwrap()
        .filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("logs.db.damaged-")
        })
        .count();
    assert_eq!(aside, 1);
}

/// The type and payload of the next frame of a live tail.
async fn next_frame(body: &mut crate::wire::Body) -> Option<(String, Value)> {
    let frame = body.frame().await?.unwrap().into_data().unwrap();
    let headers = u32::from_be_bytes(frame[4..8].try_into().unwrap()) as usize;
    let text = String::from_utf8_lossy(&frame[12..12 + headers]).into_owned();
    let payload = serde_json::from_slice(&frame[12 + headers..frame.len() - 4]).unwrap();
    Some((text, payload))
}

#[tokio::test]
async fn a_live_tail_starts_updates_and_filters() {
    let directory = TempDir::new().unwrap();
    let logs = open(&directory);
    let arn = format!("arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}");
    for (bad, code) in [
        (json!([]), "InvalidParameterException"),
        (json!([GROUP]), "InvalidParameterException"),
        (json!([format!("{arn}:*")]), "InvalidParameterException"),
        (json!([arn]), "ResourceNotFoundException"),
    ] {
        let (status, answer) =
            call(&logs, "StartLiveTail", json!({ "logGroupIdentifiers": bad })).await;
        assert_eq!((status, answer["__type"].as_str()), (400, Some(code)));
    }
    logs.append(GROUP, STREAM, lines([1])).await;
    let request = json!({ "logGroupIdentifiers": [arn], "logEventFilterPattern": "wanted" });
    let answer = send(&logs, Caller::Operator, "StartLiveTail", &request).await;
    assert_eq!(answer.headers()["content-type"], "application/vnd.amazon.eventstream");
    let mut body = answer.into_body();
    let (kind, answer) = next_frame(&mut body).await.unwrap();
    assert!(kind.contains("initial-response"));
    assert_eq!(answer, json!({}));
    let (kind, start) = next_frame(&mut body).await.unwrap();
    assert!(kind.contains("sessionStart"));
    assert_eq!(start["logEventFilterPattern"], "wanted");
    logs.append(GROUP, STREAM, vec![(5, "wanted".to_owned()), (6, "other".to_owned())]).await;
    logs.append("elsewhere", STREAM, vec![(5, "wanted".to_owned())]).await;
    logs.flush().await.unwrap();
    let (kind, update) = next_frame(&mut body).await.unwrap();
    assert!(kind.contains("sessionUpdate"));
    assert_eq!(update["sessionMetadata"]["sampled"], false);
    let results = update["sessionResults"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["logGroupIdentifier"], format!("000000000000:{GROUP}"));
    assert!(logs.sessions.any());
    drop(body);
    assert!(!logs.sessions.any());
}

#[tokio::test]
async fn a_flood_is_sampled_and_a_session_ends_with_its_exception() {
    let directory = TempDir::new().unwrap();
    let logs = open(&directory);
    let wanted = super::sessions::Wanted {
        groups: vec![GROUP.into()],
        streams: Vec::new(),
        prefixes: Vec::new(),
        pattern: super::pattern::Pattern::parse("").unwrap(),
    };
    let subscription = logs.sessions.subscribe(wanted);
    logs.append(GROUP, STREAM, lines(0..6000)).await;
    logs.flush().await.unwrap();
    let (events, sampled) = subscription.take();
    assert_eq!(events.len(), 500);
    assert!(sampled);
    assert_eq!((events[0].timestamp, subscription.take().0.len()), (1000, 0));
    let short = Duration::from_millis(5);
    let mut body = super::live_tail::body(Bytes::new(), subscription, short, Duration::ZERO);
    // The initial response and the start of the session.
    assert!(body.frame().await.is_some());
    assert!(body.frame().await.is_some());
    let (kind, _) = next_frame(&mut body).await.unwrap();
    assert!(kind.contains("SessionTimeoutException"));
    assert!(next_frame(&mut body).await.is_none());
}
