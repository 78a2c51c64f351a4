//! The metric store fed with events as the classifier makes them.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use super::*;
use crate::event::{EmfMetric, notice};

fn event(time_ms: i64, version: &str, kind: LogKind) -> LogEvent {
    LogEvent { function: "greet".into(), version: version.into(), kind, ..notice(time_ms, "") }
}

fn emf(time_ms: i64, version: &str, namespace: &str, metrics: &[(&str, f64)]) -> LogEvent {
    let metrics = metrics
        .iter()
        .map(|(name, value)| EmfMetric {
            name: (*name).to_owned(),
            unit: "None".to_owned(),
            values: vec![*value],
        })
        .collect();
    let emf = Emf {
        namespace: namespace.to_owned(),
        metrics,
        dimensions: Vec::new(),
        properties: Vec::new(),
    };
    event(time_ms, version, LogKind::Emf(Arc::new(emf)))
}

fn report(time_ms: i64, version: &str, duration_ms: f64, status: Option<&str>) -> LogEvent {
    let report = Report {
        request_id: "r".to_owned(),
        duration_ms,
        memory_mb: 128,
        max_memory_mb: 20,
        init_ms: (duration_ms > 50.0).then_some(9.0),
        status: status.map(str::to_owned),
        ..Report::default()
    };
    event(time_ms, version, LogKind::Report(Arc::new(report)))
}

#[test]
fn emf_and_reports_of_the_same_requests_are_counted_once() {
    let mut store = MetricStore::default();
    for n in 0..10 {
        let time = 1_000_000 + n * 100;
        let error = if n == 0 { 1.0 } else { 0.0 };
        let metrics = [("Requests", 1.0), ("Errors", error), ("Latency", 5.0)];
        assert!(store.ingest(&emf(time, "3", "Labdeck", &metrics)));
        // The report falls into the next second.
        store.ingest(&report(time + 950, "3", 7.0, None));
    }
    // A time-out: no EMF.
    store.ingest(&report(1_002_000, "3", 3000.0, Some("timeout")));
    let summary = store.summary("greet", Some("3"), 1_000_000, 1_009_999);
    assert_eq!((summary.requests, summary.errors, summary.cold_starts), (11, 2, 1));
    assert_eq!((summary.samples, summary.p50_ms), (10, Some(5.0)));
    assert_eq!((summary.rate, summary.memory_mb), (1.1, 128));
    let chart = store.series("greet", None, What::Requests, 4, 1_002_500);
    assert_eq!(chart.iter().sum::<f64>(), 11.0);
    assert_eq!(chart.len(), 4);
    assert!(!store.ingest(&event(1_000_000, "3", LogKind::Plain)));
}

#[test]
fn without_emf_reports_tell_everything() {
    let mut store = MetricStore::default();
    for n in 0..100 {
        store.ingest(&report(1_000_000 + n, "$LATEST", f64::from(n as i32) / 10.0, None));
    }
    let summary = store.summary("greet", None, 0, 1_000_500);
    assert_eq!((summary.requests, summary.samples), (100, 100));
    assert!((summary.p95_ms.unwrap() - 9.4).abs() < 0.2);
    assert_eq!(store.series("greet", None, What::P95, 2, 1_000_500)[0], 0.0);
}

#[test]
fn versions_are_kept_apart_and_sorted() {
    let mut store = MetricStore::default();
    for version in ["$LATEST", "10", "9"] {
        store.ingest(&report(1_000_000, version, 1.0, None));
    }
    let versions = store.versions("greet");
    assert_eq!(versions.iter().map(|v| &**v).collect::<Vec<_>>(), ["9", "10", "$LATEST"]);
    assert_eq!(store.summary("greet", Some("9"), 0, 1_000_000).requests, 1);
    assert_eq!(store.summary("greet", None, 0, 1_000_000).requests, 3);
    assert_eq!(store.summary("other", None, 0, 1_000_000), Summary::default());
}

#[test]
fn other_metrics_are_kept_by_name_within_bounds() {
    let mut store = MetricStore::default();
    store.ingest(&emf(1_000_000, "3", "Labdeck", &[("StorageErrors", 2.0)]));
    store.ingest(&emf(1_001_000, "3", "Labdeck", &[("StorageErrors", 3.0)]));
    let others = store.others(0);
    assert_eq!((others[0].count, others[0].sum, others[0].max), (2, 5.0, 3.0));
    for n in 0..200 {
        store.ingest(&emf(1_001_000, "3", "Other", &[(&format!("m{n}"), 1.0)]));
    }
    assert_eq!(store.others(0).len(), MOST_NAMES);
    assert_eq!(store.unnamed(), 200 - (MOST_NAMES as u64 - 1));
}

#[test]
fn time_and_memory_are_bounded() {
    let mut store = MetricStore::new(10);
    store.ingest(&report(1_000_000, "1", 1.0, None));
    store.ingest(&report(1_011_000, "2", 1.0, None));
    assert!(store.versions("greet").iter().all(|version| &**version == "2"));
    // Out of the window, and from another century.
    assert!(!store.ingest(&report(1_000_000, "1", 1.0, None)));
    assert!(!store.ingest(&report(i64::MAX, "1", 1.0, None)));
    for version in 0..200 {
        store.ingest(&report(1_011_000, &version.to_string(), 1.0, None));
    }
    assert!(store.series_keys().count() <= MOST_SERIES);
    let mut store = MetricStore::default();
    for second in 0..900 {
        for n in 0..400 {
            let time = 1_000_000 + second * 1000;
            store.ingest(&report(time, &(n % 8).to_string(), 0.001 * f64::from(n).exp2(), None));
        }
    }
    assert!(store.bytes <= MOST_BYTES, "{}", store.bytes);
    assert!(store.summary("greet", None, 0, 2_000_000).requests > 0);
    let counted: usize = store.series.values().flat_map(|s| &s.buckets).map(Bucket::bytes).sum();
    assert_eq!(store.bytes, counted);
}
