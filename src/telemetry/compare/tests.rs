//! What the judge says of log lines.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::emf::NAMESPACE;
use crate::event::{Emf, EmfMetric, LogEvent, LogKind, Report};

const BEGUN: i64 = 1_800_000_000_000;

fn event(version: &str, at_ms: i64, kind: LogKind) -> LogEvent {
    LogEvent {
        timestamp_ms: at_ms,
        ingestion_ms: at_ms,
        group: "/aws/lambda/shop".into(),
        stream: format!("2027/01/15/[{version}]0").into(),
        function: "shop".into(),
        version: version.into(),
        text: "".into(),
        kind,
    }
}

fn report(id: u64, duration_ms: f64, failed: bool) -> LogKind {
    LogKind::Report(Arc::new(Report {
        request_id: id.to_string(),
        duration_ms,
        max_memory_mb: 40,
        status: failed.then(|| "error".to_owned()),
        ..Report::default()
    }))
}

fn error_document(id: u64) -> LogKind {
    let metric = EmfMetric { name: "Errors".into(), unit: "Count".into(), values: vec![1.0] };
    LogKind::Emf(Arc::new(Emf {
        namespace: NAMESPACE.into(),
        metrics: vec![metric],
        dimensions: Vec::new(),
        properties: vec![("requestId".into(), id.to_string())],
    }))
}

/// A judge that watches v3 with v4 beside it at a fifth, and the number of the next request.
struct Course {
    judge: Judge,
    next: u64,
}

impl Course {
    fn new() -> Self {
        let mut judge = Judge::new(Terms::default());
        judge.watch("shop", "3", "4", 0.2, BEGUN);
        Self { judge, next: 0 }
    }

    /// A fifth of `count` requests goes to the canary; each side fails one in so many (0: none).
    fn traffic(&mut self, count: u64, stable_fails: u64, canary_fails: u64, ms: [f64; 2]) {
        for _ in 0..count {
            let at = self.next;
            self.next += 1;
            let canary = at % 5 == 4;
            let (every, turn) = if canary { (canary_fails, at / 5) } else { (stable_fails, at) };
            let fails = every > 0 && turn % every == 0;
            let version = if canary { "4" } else { "3" };
            let at_ms = BEGUN + 100 * i64::try_from(at).unwrap();
            if fails {
                self.judge.ingest(&event(version, at_ms, error_document(at)));
            }
            let took = ms[usize::from(canary)] * (1.0 + (at % 7) as f64 / 10.0);
            self.judge.ingest(&event(version, at_ms, report(at, took, false)));
        }
    }

    fn one(&self) -> Assessment {
        self.judge.assess().remove(0)
    }
}

#[test]
fn too_few_say_nothing_and_many_alike_are_the_same() {
    let mut course = Course::new();
    assert_eq!(overall(&course.judge.assess()), Verdict::TooLittleData);
    course.traffic(60, 0, 0, [20.0, 20.0]);
    let one = course.one();
    assert_eq!(
        (one.verdict, one.canary.requests, one.stable.requests),
        (Verdict::TooLittleData, 12, 48)
    );
    assert!(one.reason.contains("more are needed"), "{}", one.reason);
    course.traffic(2000, 0, 0, [20.0, 20.0]);
    assert_eq!(course.one().verdict, Verdict::Same, "{}", course.one().reason);
}

#[test]
fn a_canary_that_fails_more_is_worse_and_the_numbers_say_so() {
    let mut course = Course::new();
    course.traffic(500, 50, 3, [20.0, 20.0]);
    let one = course.one();
    assert_eq!(one.verdict, Verdict::Worse);
    assert_eq!((one.canary.errors, one.canary.requests), (34, 100));
    assert!(one.reason.starts_with("34 of 100 failed"), "{}", one.reason);
}

#[test]
fn failures_of_both_are_not_held_against_the_canary_but_the_limit_is() {
    let mut course = Course::new();
    course.traffic(3000, 3, 3, [20.0, 20.0]);
    let one = course.one();
    assert_eq!(one.verdict, Verdict::Worse);
    assert!(one.reason.ends_with("the limit is 5%"), "{}", one.reason);
    let mut judge = Judge::new(Terms { error_limit: None, ..Terms::default() });
    judge.watch("shop", "3", "4", 0.2, BEGUN);
    let mut course = Course { judge, next: 0 };
    course.traffic(30_000, 3, 3, [20.0, 20.0]);
    assert_eq!(course.one().verdict, Verdict::Same, "{}", course.one().reason);
}

#[test]
fn a_slower_canary_is_worse_and_a_quicker_one_better() {
    let mut course = Course::new();
    course.traffic(1000, 0, 0, [50.0, 120.0]);
    let one = course.one();
    assert_eq!(one.verdict, Verdict::Worse, "{}", one.reason);
    assert!(one.reason.contains("took over"), "{}", one.reason);
    let mut course = Course::new();
    course.traffic(1500, 10, 0, [50.0, 50.0]);
    // The weights count as settled after a minute.
    course.traffic(6000, 4, 0, [50.0, 50.0]);
    assert_eq!(course.one().verdict, Verdict::Better, "{}", course.one().reason);
}

#[test]
fn a_canary_that_is_called_past_its_alias_is_not_taken_for_worse() {
    let mut judge = Judge::new(Terms { error_limit: None, ..Terms::default() });
    judge.watch("shop", "3", "4", 0.05, BEGUN);
    // Both fail one in ten, and the canary has a fifth of the requests instead of a twentieth.
    let mut course = Course { judge, next: 0 };
    course.traffic(100, 0, 0, [20.0, 20.0]);
    course.traffic(4000, 10, 10, [20.0, 20.0]);
    assert_ne!(course.one().verdict, Verdict::Worse, "{}", course.one().reason);
}

#[test]
fn what_came_before_and_other_versions_are_left_out() {
    let mut course = Course::new();
    assert!(!course.judge.ingest(&event("4", BEGUN - 60_000, report(1, 1.0, true))));
    assert!(!course.judge.ingest(&event("$LATEST", BEGUN + 1, report(2, 1.0, true))));
    course.traffic(50, 0, 0, [20.0, 20.0]);
    course.judge.watch("shop", "3", "4", 0.5, BEGUN + 9_000);
    assert_eq!(course.one().stable.requests, 40, "another weight keeps what is known");
    course.judge.watch("shop", "3", "5", 0.5, BEGUN + 9_000);
    assert_eq!(course.one().stable.requests, 0, "another version begins anew");
}
