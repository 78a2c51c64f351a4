//! The arithmetic of a stage's edits.
#![allow(clippy::unwrap_used)]

use labdeck_lab::blueprint::{Api, Stage as WantedStage};
use serde_json::json;

use super::*;

fn blueprint() -> Blueprint {
    let document = json!({ "paths": { "/items": { "get": {}, "parameters": [] } } });
    Blueprint {
        name: "shop".into(),
        apis: vec![Api { name: "Shop".into(), document, ..Api::default() }],
        stages: vec![WantedStage {
            name: "prod".into(),
            alias: "prod".into(),
            ..WantedStage::default()
        }],
        ..Blueprint::default()
    }
}

fn model(settings: &[(&str, &str)]) -> StageModel {
    StageModel {
        api: "Shop".into(),
        api_id: "a1".into(),
        stage: "prod".into(),
        settings: settings.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        cache_status: None,
        updated_ms: 0,
    }
}

fn edits(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn lines(before: &[(&str, &str)], pairs: &[(&str, &str)]) -> Vec<String> {
    let edit = preview(&blueprint(), model(before), &edits(pairs)).unwrap();
    let change = |patch: &Patch| format!("{} {} {}", patch.op.word(), patch.path, patch.change());
    edit.preview.patches.iter().map(change).collect()
}

#[test]
fn a_preview_has_the_old_and_the_new_value_and_leaves_out_what_stays() {
    let before = [("throttle.rate", "5"), ("variables.a", "x"), ("tracing", "false")];
    assert_eq!(
        lines(&before, &[("throttle.rate", "7"), ("variables.a", ""), ("tracing", "off")]),
        ["replace /*/*/throttling/rateLimit 5 → 7", "remove /variables/a x → nothing"]
    );
    assert_eq!(
        lines(&before, &[("/items/GET:cache.ttl_s", "60")]),
        ["replace /~1items/GET/caching/ttlInSeconds nothing → 60"]
    );
}

#[test]
fn a_canary_goes_as_a_whole() {
    let before = [("canary.percent", "10"), ("canary.deployment", "d1")];
    assert_eq!(lines(&before, &[("canary", "none")]), ["remove /canarySettings 10% → nothing"]);
    let edit = preview(&blueprint(), model(&before), &edits(&[("canary", "none")])).unwrap();
    assert!(edit.after.is_empty());
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let why =
        |pairs: &[(&str, &str)]| preview(&blueprint(), model(&[]), &edits(pairs)).unwrap_err().why;
    assert!(why(&[("/itmes/GET:throttle.rate", "1")]).contains("did you mean \"/items/GET\"?"));
    assert!(why(&[("variables.a", "")]).contains("no variables.a to take away"));
    assert!(why(&[("tracing", "on"), ("tracing", "off")]).contains("twice"));
    let arn = "arn:aws:logs:us-east-1:1:log-group:g";
    assert!(why(&[("access_log.destination", arn)]).contains("access_log.format"));
}

#[test]
fn what_costs_or_blocks_is_said_before() {
    let warned = |pairs: &[(&str, &str)]| {
        preview(&blueprint(), model(&[]), &edits(pairs)).unwrap().preview.warnings.join("\n")
    };
    let cache = warned(&[("cache.cluster", "on"), ("cache.size_gb", "1.6")]);
    assert!(cache.contains("1.6 GB is billed by the hour") && cache.contains("0.04"), "{cache}");
    assert!(warned(&[("throttle.rate", "0")]).contains("429"));
    assert!(warned(&[("variables.lambdaAlias", "nope")]).contains("alias nope"));
    assert_eq!(warned(&[("variables.lambdaAlias", "prod")]), "");
}

#[test]
fn hand_edits_say_which_line_of_lab_toml_keeps_them() {
    let edit =
        preview(&blueprint(), model(&[]), &edits(&[("throttle.rate", "7"), ("data_trace", "on")]));
    let notes = notes(&blueprint(), &edit.unwrap());
    assert_eq!(notes.len(), 1);
    assert!(notes[0].ends_with("[stages.prod] throttle.rate = 7"), "{notes:?}");
}
