//! The arithmetic of a usage plan's edits.
#![allow(clippy::unwrap_used)]

use labdeck_lab::blueprint::{Api, Stage as WantedStage};
use serde_json::json;

use super::*;

fn blueprint() -> Blueprint {
    let document = json!({ "paths": { "/items": { "get": {} } } });
    let stage = |name: &str| WantedStage { name: name.into(), ..WantedStage::default() };
    Blueprint {
        name: "shop".into(),
        apis: vec![Api { name: "Shop".into(), document, ..Api::default() }],
        stages: vec![stage("dev"), stage("prod")],
        ..Blueprint::default()
    }
}

fn model(settings: &[(&str, &str)]) -> PlanModel {
    PlanModel {
        name: "P".into(),
        id: "p1".into(),
        settings: settings.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        api_ids: BTreeMap::from([("Shop".to_owned(), "a1".to_owned())]),
    }
}

fn edit(before: &[(&str, &str)], pairs: &[(&str, &str)]) -> Result<PlanEdit> {
    let edits: Vec<_> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    preview(&blueprint(), model(before), &edits)
}

fn lines(before: &[(&str, &str)], pairs: &[(&str, &str)]) -> Vec<String> {
    let change = |patch: &Patch| format!("{} {} {}", patch.op.word(), patch.path, patch.change());
    edit(before, pairs).unwrap().preview.patches.iter().map(change).collect()
}

const QUOTA: [(&str, &str); 3] =
    [("quota.limit", "10"), ("quota.period", "DAY"), ("quota.offset", "0")];

#[test]
fn only_what_changes_is_patched() {
    assert_eq!(lines(&QUOTA, &[("quota.limit", "20")]), ["replace /quota/limit 10 → 20"]);
    assert_eq!(
        lines(&[], &[("quota.limit", "20")]),
        [
            "replace /quota/limit nothing → 20",
            "replace /quota/period nothing → DAY",
            "replace /quota/offset nothing → 0"
        ]
    );
    assert_eq!(lines(&QUOTA, &[("quota", "none")]), ["remove /quota 10 DAY 0 → nothing"]);
}

#[test]
fn a_methods_limit_is_set_on_every_stage_that_has_it() {
    let bound = [("stages.Shop/dev", "true"), ("stages.Shop/prod", "true")];
    let set = [("/items/GET:throttle.rate", "2"), ("/items/GET:throttle.burst", "4")];
    assert_eq!(
        lines(&bound, &set),
        [
            "replace /apiStages/a1:dev/throttle/~1items/GET/burstLimit nothing → 4",
            "replace /apiStages/a1:dev/throttle/~1items/GET/rateLimit nothing → 2",
            "replace /apiStages/a1:prod/throttle/~1items/GET/burstLimit nothing → 4",
            "replace /apiStages/a1:prod/throttle/~1items/GET/rateLimit nothing → 2",
        ]
    );
    let limited = [
        ("stages.Shop/dev", "true"),
        ("Shop/dev:/items/GET:throttle.rate", "2"),
        ("Shop/dev:/items/GET:throttle.burst", "4"),
    ];
    assert_eq!(
        lines(&limited, &[("/items/GET:throttle", "none")]),
        ["remove /apiStages/a1:dev/throttle/~1items/GET 2 → nothing"]
    );
    assert_eq!(lines(&limited, &[("stages.Shop/dev", "off")]), ["remove /apiStages a1:dev"]);
    assert_eq!(lines(&limited, &[("stages.Shop/prod", "on")]), ["add /apiStages a1:prod"]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let why =
        |before: &[(&str, &str)], pairs: &[(&str, &str)]| edit(before, pairs).unwrap_err().why;
    assert!(why(&QUOTA, &[("quota.offset", "3")]).contains("does not go with DAY"));
    assert!(why(&[], &[("quota.period", "DAY")]).contains("quota.limit"));
    assert!(why(&[], &[("throttle.rate", "1")]).contains("throttle.burst"));
    assert!(why(&[], &[("stages.Shop/test", "on")]).contains("no stage \"test\""));
    let bound = [("stages.Shop/dev", "true")];
    let typo = why(&bound, &[("/itmes/GET:throttle.rate", "1")]);
    assert!(typo.contains("did you mean \"/items/GET\"?"), "{typo}");
}
