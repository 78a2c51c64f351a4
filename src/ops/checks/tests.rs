//! Conditions on live state that was made up here.
#![allow(clippy::unwrap_used)]

use labdeck_telemetry::{Classifier, RawEvent};
use serde_json::json;

use std::collections::BTreeMap;

use serde_json::Value;

use super::logs::sum_of;
use super::status::of_status;
use super::*;
use crate::release::pointer::{Pointer, Split};
use crate::request::exchange::Exchange;
use crate::status::{AliasStatus, ChaosStatus, FunctionStatus, VersionStatus};

fn judged(exchange: &Exchange, status: u16, json: &BTreeMap<String, Value>) -> Finding {
    let status = Some(ExpectedStatus::Code(status));
    requests::judged(exchange, &Expect { status, json: json.clone(), ..Expect::default() })
}

fn live(versions: u32, serves: Split, last: Option<&str>) -> LabStatus {
    let version = |number: u32| VersionStatus {
        role: String::new(),
        dead_letter: String::new(),
        differs: Vec::new(),
        version: number.to_string(),
        code_sha256: String::new(),
        published: String::new(),
        description: String::new(),
        code_size: 0,
    };
    let pointer = last.map(|operation| Pointer {
        operation: operation.into(),
        now: serves.clone(),
        history: vec![],
        was: Split::alone("2"),
        was_history: vec![],
        was_deployments: vec![],
        mark: None,
        undoes: None,
        at_ms: 1,
        by: String::new(),
    });
    let alias = AliasStatus {
        name: "prod".into(),
        version: serves.stable,
        canary: serves.canary,
        description: String::new(),
        revision_id: String::new(),
        rollback: None,
        can_undo: false,
        pointer,
    };
    LabStatus {
        last_move: None,
        events: crate::status::Events::default(),
        access: crate::status::Access::default(),
        lab: "shop".into(),
        title: String::new(),
        deployed: true,
        variant: None,
        functions: vec![FunctionStatus {
            name: "a".into(),
            exists: true,
            state: "Active".into(),
            code_sha256: String::new(),
            last_modified: String::new(),
            memory_mb: 128,
            timeout_s: 5,
            versions: (1..=versions).map(version).collect(),
            aliases: vec![alias],
        }],
        apis: vec![],
        tables: vec![],
        endpoints: vec![],
        chaos: vec![],
    }
}

fn on_prod(make: impl Fn(String, String) -> Condition) -> Condition {
    make("a".into(), "prod".into())
}

#[test]
fn alias_conditions_read_the_status() {
    let published = on_prod(|function, alias| Condition::AliasPublished { function, alias });
    let split = on_prod(|function, alias| Condition::AliasSplit { function, alias });
    let behind = on_prod(|function, alias| Condition::AliasBehind { function, alias });
    let rolled = on_prod(|function, alias| Condition::AliasRolledBack { function, alias });
    let holds = |condition: &Condition, live: &LabStatus| of_status(condition, live).holds;

    let fresh = live(1, Split::alone("1"), None);
    assert!(holds(&published, &fresh) && !holds(&behind, &fresh) && !holds(&split, &fresh));
    let canary = Split { stable: "1".into(), canary: Some(("2".into(), 0.2)) };
    let canary = live(2, canary, Some("shift"));
    assert!(holds(&split, &canary) && holds(&behind, &canary) && !holds(&rolled, &canary));
    assert_eq!(of_status(&split, &canary).reason, "v2 has 20%");
    assert!(holds(&rolled, &live(2, Split::alone("1"), Some("rollback"))));
    let promoted = live(2, Split::alone("1"), Some("undo"));
    assert_eq!(of_status(&rolled, &promoted).reason, "its last move: undo");
    let latest = live(1, Split::alone("$LATEST"), None);
    assert!(!holds(&published, &latest));
}

#[test]
fn chaos_conditions_name_the_switches() {
    let mut lab = live(1, Split::alone("1"), None);
    assert!(of_status(&Condition::ChaosOff, &lab).holds);
    lab.chaos.push(ChaosStatus { name: "deny-table".into(), until_ms: None });
    assert_eq!(of_status(&Condition::ChaosOff, &lab).reason, "on: deny-table");
    assert!(of_status(&Condition::ChaosOn { chaos: "deny-table".into() }, &lab).holds);
    assert!(!of_status(&Condition::ChaosOn { chaos: "slow-table".into() }, &lab).holds);
}

fn exchange(status: u16, body: &str) -> Exchange {
    Exchange { status, body: body.into(), body_bytes: body.len(), ..Exchange::default() }
}

#[test]
fn answers_are_compared_by_status_and_path() {
    let wanted =
        BTreeMap::from([("$.count".to_owned(), json!(3)), ("$.user".to_owned(), json!("a"))]);
    assert!(judged(&exchange(200, r#"{"count": 3.0, "user": "a"}"#), 200, &wanted).holds);
    let reason = |body: &str| judged(&exchange(200, body), 200, &wanted).reason;
    assert_eq!(reason(r#"{"count": 4, "user": "a"}"#), "$.count is 4 instead of 3.");
    assert_eq!(reason(r#"{"user": "a"}"#), "$.count is nothing instead of 3.");
    assert_eq!(reason("<html>"), "$.count is a body that is not JSON instead of 3.");
    let reason = judged(&exchange(503, "{}"), 200, &BTreeMap::new()).reason;
    assert_eq!(reason, "status is 503 instead of 200.");
}

#[test]
fn a_metric_is_summed_from_documents_alone() {
    let document = json!({
        "_aws": { "Timestamp": 1, "CloudWatchMetrics": [{
            "Namespace": "Labdeck", "Dimensions": [["service"]],
            "Metrics": [{ "Name": "Requests", "Unit": "Count" }, { "Name": "Latency" }],
        }]},
        "service": "a", "Requests": [1, 2], "Latency": 9,
    });
    let sum = |message: String| {
        let raw = RawEvent {
            timestamp_ms: 0,
            ingestion_ms: 0,
            group: "/aws/lambda/a".into(),
            stream: String::new(),
            message,
        };
        sum_of(&Classifier::default().classify(&raw), "Requests")
    };
    assert!((sum(document.to_string()) - 3.0).abs() < f64::EPSILON);
    assert!(sum("Requests were 7".to_owned()).abs() < f64::EPSILON);
}
