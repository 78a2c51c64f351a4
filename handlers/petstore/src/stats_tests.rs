//! The counting on tables in memory: whatever order records come in, and however often.
#![allow(clippy::unwrap_used)]

use handler_common::{Call, Change, StreamRecord, batch};
use handler_test_support::{Recorded, Tables};
use serde_json::{Value, json};

use crate::stats::{SEEN_BEFORE, SERVICE, STORAGE_ERRORS, Stats, count};

fn stats() -> (Stats, Tables) {
    let tables = Tables::new(&[("pet-stats", "type"), ("pet-stats-seen", "petId")]);
    let stats = Stats::new(&tables.config(), "pet-stats".to_owned(), "pet-stats-seen".to_owned());
    (stats, tables)
}

fn record(change: Change, sequence: u32, pet: &str, now: Option<(&str, &str)>) -> StreamRecord {
    let new = now.map_or(Value::Null, |(kind, price)| {
        json!({ "petId": { "S": pet }, "type": { "S": kind }, "price": { "N": price } })
    });
    StreamRecord {
        change,
        // As on AWS, not all of one length.
        sequence_number: format!("{sequence}00000000000000000000"),
        keys: json!({ "petId": { "S": pet } }),
        old: Value::Null,
        new,
    }
}

fn call() -> Call {
    Call::new(SERVICE, "3", "r-1")
}

/// Type, count and total, for types that have ever been counted.
fn totals(tables: &Tables) -> Vec<(String, String, String)> {
    let text = |item: &Value, name: &str, kind: &str| item[name][kind].as_str().unwrap().to_owned();
    let mut totals: Vec<_> = tables
        .items("pet-stats")
        .iter()
        .map(|item| (text(item, "type", "S"), text(item, "count", "N"), text(item, "total", "N")))
        .collect();
    totals.sort();
    totals
}

fn expected(rows: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let row = |row: &(&str, &str, &str)| (row.0.to_owned(), row.1.to_owned(), row.2.to_owned());
    rows.iter().map(row).collect()
}

/// The life of two pets.
fn history() -> Vec<StreamRecord> {
    vec![
        record(Change::Insert, 1, "a", Some(("dog", "10.1"))),
        record(Change::Insert, 2, "b", Some(("dog", "0.2"))),
        record(Change::Modify, 9, "a", Some(("dog", "10.4"))),
        record(Change::Modify, 10, "b", Some(("cat", "7"))),
        record(Change::Remove, 11, "a", None),
    ]
}

#[tokio::test]
async fn pets_are_counted_as_they_come_change_and_go() {
    let (stats, tables) = stats();
    let steps = [
        expected(&[("dog", "1", "10.1")]),
        expected(&[("dog", "2", "10.3")]),
        expected(&[("dog", "2", "10.6")]),
        expected(&[("cat", "1", "7"), ("dog", "1", "10.4")]),
        expected(&[("cat", "1", "7"), ("dog", "0", "0")]),
    ];
    for (record, expected) in history().iter().zip(steps) {
        count(&stats, record, &call()).await.unwrap();
        assert_eq!(totals(&tables), expected, "after {}", record.sequence_number);
    }
}

#[tokio::test]
async fn a_record_that_is_seen_again_changes_nothing() {
    let (stats, tables) = stats();
    let history = history();
    // Each record twice, and the whole of it again from every place.
    for start in 0..history.len() {
        for record in &history[start..] {
            for _ in 0..2 {
                count(&stats, record, &call()).await.unwrap();
            }
        }
        assert_eq!(totals(&tables), expected(&[("cat", "1", "7"), ("dog", "0", "0")]));
    }
    let call = call();
    count(&stats, &history[0], &call).await.unwrap();
    assert_eq!(call.counted(SEEN_BEFORE), 1);
}

#[tokio::test]
async fn a_record_that_comes_late_or_never_is_made_up_for() {
    let (stats, tables) = stats();
    let history = history();
    // The second pet's first record failed for good, and is sent again after its second.
    for at in [0, 2, 3, 1, 4] {
        count(&stats, &history[at], &call()).await.unwrap();
    }
    let all = expected(&[("cat", "1", "7"), ("dog", "0", "0")]);
    assert_eq!(totals(&tables), all);
    count(&stats, &record(Change::Remove, 12, "never-seen", None), &call()).await.unwrap();
    assert_eq!(totals(&tables), all);
}

#[tokio::test]
async fn a_lost_answer_counts_once() {
    let (stats, tables) = stats();
    tables.lose_answer("TransactWriteItems");
    count(&stats, &history()[0], &call()).await.unwrap();
    assert_eq!(totals(&tables), expected(&[("dog", "1", "10.1")]));
}

#[tokio::test]
async fn what_can_not_be_counted_holds_the_batch_up() {
    let (stats, tables) = stats();
    let stats = &stats;
    let event = |pet: &str, sequence: &str, new: Value| {
        json!({ "eventName": "INSERT", "dynamodb": { "Keys": { "petId": { "S": pet } },
            "SequenceNumber": sequence, "NewImage": new } })
    };
    let good = json!({ "type": { "S": "dog" }, "price": { "N": "1" } });
    for bad in [
        json!({ "type": { "S": "" }, "price": { "N": "1" } }),
        json!({ "type": { "S": "dog" }, "price": { "S": "1" } }),
        json!({ "type": { "S": "dog" } }),
        json!(null),
    ] {
        let batch_event = json!({ "Records": [event("a", "1", good.clone()), event("b", "2", bad),
            event("c", "3", good.clone())] });
        let handler =
            |record: StreamRecord, call: Call| async move { count(stats, &record, &call).await };
        let answer = batch(&batch_event, &handler, &call()).await;
        assert_eq!(answer, Ok(json!({ "batchItemFailures": [{ "itemIdentifier": "2" }] })));
    }
    assert_eq!(totals(&tables), expected(&[("dog", "1", "1")]));
}

#[tokio::test]
async fn tables_that_fail_fail_the_record() {
    let denied =
        r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"arn: no"}"#;
    let recorded = Recorded::new(&[(400, denied)]);
    let stats = Stats::new(&recorded.config(), "s".to_owned(), "t".to_owned());
    let call = call();
    let failure = count(&stats, &history()[0], &call).await.unwrap_err();
    assert_eq!(failure.message(), "InternalError");
    assert_eq!(call.counted(STORAGE_ERRORS), 1);
}
