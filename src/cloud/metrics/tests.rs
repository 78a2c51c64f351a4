//! Tests of what clients can't reach: old data, and documents of every kind.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use super::db::Db;
use super::distribution::Distribution;
use super::emf::count_series;
use super::model::{MetricKey, Slot};
use super::own::Batch;
use super::series::{Range, points};

const NOW: i64 = 1_700_000_000;

fn count(document: &str) -> usize {
    count_series(document.as_bytes(), NOW)
}

fn document(directive: &str, members: &str) -> String {
    format!(
        r#"{{"_aws":{{"Timestamp":{NOW}000,"CloudWatchMetrics":[{directive}]}},"S":"s","L":1,{members}"x":0}}"#
    )
}

#[test]
fn documents_that_break_the_specification_give_no_metric() {
    let good = r#"{"Namespace":"N","Dimensions":[["S"]],"Metrics":[{"Name":"L"}]}"#;
    assert_eq!(count(&document(good, "")), 1);
    let sets =
        r#"{"Namespace":"N","Dimensions":[["S"],[]],"Metrics":[{"Name":"L","Unit":"Count"}]}"#;
    assert_eq!(count(&document(sets, "")), 2);
    let lambda = format!("2023-11-14T22:13:20.000Z\tr-1\tINFO\t{}\n", document(good, ""));
    assert_eq!(count(&lambda), 1);
    for wrong in [
        r#"{"Dimensions":[["S"]],"Metrics":[{"Name":"L"}]}"#,
        r#"{"Namespace":"","Dimensions":[["S"]],"Metrics":[{"Name":"L"}]}"#,
        r#"{"Namespace":"N","Metrics":[{"Name":"L"}]}"#,
        r#"{"Namespace":"N","Dimensions":[],"Metrics":[{"Name":"L"}]}"#,
        r#"{"Namespace":"N","Dimensions":[["T"]],"Metrics":[{"Name":"L"}]}"#,
        r#"{"Namespace":"N","Dimensions":[["L"]],"Metrics":[{"Name":"L"}]}"#,
        r#"{"Namespace":"N","Dimensions":[["S"]],"Metrics":[{"Name":"S"}]}"#,
        r#"{"Namespace":"N","Dimensions":[["S"]],"Metrics":[{"Name":"missing"}]}"#,
        r#"{"Namespace":"N","Dimensions":[["S"]],"Metrics":[{}]}"#,
    ] {
        assert_eq!(count(&document(wrong, "")), 0, "{wrong}");
    }
    let long = format!("\"A\":[{}],", vec!["1"; 101].join(","));
    let array = r#"{"Namespace":"N","Dimensions":[["S"]],"Metrics":[{"Name":"A"}]}"#;
    assert_eq!(count(&document(array, &long)), 0);
    assert_eq!(count(&document(array, r#""A":[1,"2"],"#)), 0);
    assert_eq!(count(&document(array, r#""A":[1,2],"#)), 1);
    let old = document(good, "").replace(&NOW.to_string(), &(NOW - 15 * 86_400).to_string());
    assert_eq!(count(&old), 0);
    assert_eq!(count(&format!("before {}", document(good, ""))), 0);
}

#[test]
fn no_document_does_harm() {
    let good = r#"{"Namespace":"N","Dimensions":[["S"]],"Metrics":[{"Name":"L"}]}"#;
    let whole = document(good, "").into_bytes();
    for end in 0..whole.len() {
        count_series(&whole[..end], NOW);
        let mut changed = whole.clone();
        changed[end] ^= 0x55;
        count_series(&changed, NOW);
        changed[end] = 0xff;
        count_series(&changed, i64::MIN);
    }
    let deep = format!("{}\"CloudWatchMetrics\"{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(count(&deep), 0);
    for time in ["-1", "9223372036854775807", "-9223372036854775808", "1e300", "1.5", "\"1\""] {
        let odd = document(good, "").replace(&format!("{NOW}000"), time);
        assert_eq!(count_series(odd.as_bytes(), NOW), 0, "{time}");
    }
}

#[test]
fn old_data_is_kept_by_longer_steps() {
    let dir = tempfile::tempdir().unwrap();
    let mut db = Db::open(&dir.path().join("metrics.db")).unwrap();
    let key = MetricKey::new("N", "M", Vec::new());
    let mut put = |age: i64, resolution: i64| {
        let mut batch = Batch::new();
        for step in 0..7200 / resolution {
            let time = (NOW - age).div_euclid(3600) * 3600 + step * resolution;
            let slot = Slot { key: key.clone(), time, resolution, unit: "None" };
            let mut values = Distribution::default();
            values.add(step as f64, 1.0);
            batch.insert(slot, values);
        }
        db.write(&batch).unwrap();
    };
    let hours = 3600;
    put(3 * hours, 1);
    put(6 * hours, 1);
    put(20 * 86_400, 60);
    put(100 * 86_400, 60);
    put(460 * 86_400, 60);
    // A cloud that was off for long does all of it at once.
    for _ in 0..2 {
        db.trim(1 << 30, NOW).unwrap();
    }
    let read_of = |db: &Db, age: i64, period: i64, percentiles: bool| {
        let start = (NOW - age).div_euclid(3600) * 3600;
        let range = Range { start, end: start + 7200, period };
        let points = points(db, &key, None, &range, percentiles).unwrap();
        points.get("None").cloned().unwrap_or_default()
    };
    let read = |age: i64, period: i64, percentiles: bool| read_of(&db, age, period, percentiles);
    assert!(read(3 * hours, 1, false).len() > 3600, "the newest stay by the second");
    assert_eq!(read(6 * hours, 1, false).len(), 120, "by the minute after 3 hours");
    let minute = read(6 * hours, 60, true);
    let first = minute.values().next().unwrap();
    assert_eq!((first.count, first.sum, first.max), (60.0, 1770.0, 59.0));
    let median = first.percentile(50.0).unwrap();
    assert!((median - 29.0).abs() < 1.5, "{median}");
    assert_eq!(read(20 * 86_400, 60, false).len(), 0, "by 5 minutes after 15 days");
    assert_eq!(read(20 * 86_400, 300, false).len(), 24);
    assert_eq!(read(100 * 86_400, 300, false).len(), 0, "by the hour after 63 days");
    assert_eq!(read(100 * 86_400, 3600, false).len(), 2);
    assert_eq!(read(460 * 86_400, 3600, false).len(), 0, "nothing after 455 days");
    let total: f64 = read(100 * 86_400, 3600, false).values().map(|v| v.count).sum();
    assert_eq!(total, 120.0);
    db.trim(0, NOW).unwrap();
    assert!(read_of(&db, 3 * hours, 60, false).is_empty());
}
