//! A lab that holds everything that one can hold, and what is said when a part of it is wrong.

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::blueprint::{
    Billing, ChaosKind, Condition, Destination, Endpoint, LogLevel, Source, StepAction, StreamView,
};
use crate::{Blueprint, Problem, read};

/// The folder of the lab.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("unit_tests/full")
}

/// Its `lab.toml`.
pub(super) fn text() -> String {
    std::fs::read_to_string(folder().join("lab.toml")).unwrap()
}

/// The lab with one text of one of its files replaced by another.
fn changed(file: &str, from: &str, to: &str) -> (TempDir, Result<Blueprint, Vec<Problem>>) {
    let dir = tempfile::tempdir().unwrap();
    let lab = dir.path().join("full");
    std::fs::create_dir(&lab).unwrap();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let entry = entry.unwrap();
        let mut text = std::fs::read_to_string(entry.path()).unwrap();
        if entry.file_name() == file {
            assert!(text.contains(from), "{from} is not in {file}");
            text = text.replacen(from, to, 1);
        }
        std::fs::write(lab.join(entry.file_name()), text).unwrap();
    }
    let result = read(&lab).map_err(|problems| problems.0);
    (dir, result)
}

/// Asserts that the changed lab has exactly one problem, in the line that holds `at`, and what is said.
#[track_caller]
fn assert_problem(from: &str, to: &str, at: &str, said: &[&str]) {
    let (dir, result) = changed("lab.toml", from, to);
    let text = std::fs::read_to_string(dir.path().join("full/lab.toml")).unwrap();
    // From the change on, or else anywhere.
    let original = self::text();
    let from_line = original[..original.find(from).unwrap()].matches('\n').count();
    let lines: Vec<&str> = text.lines().collect();
    let behind = lines[from_line..].iter().position(|line| line.contains(at));
    let line = behind.map_or_else(
        || 1 + lines.iter().position(|line| line.contains(at)).unwrap(),
        |line| from_line + line + 1,
    );
    let shown: Vec<String> = result.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 1, "{shown:#?}");
    let place = format!("full/lab.toml:{line}:");
    assert!(shown[0].contains(&place), "{place}: {shown:#?}");
    for part in said {
        assert!(shown[0].contains(part), "{part}: {shown:#?}");
    }
}

fn named<'a, T>(items: &'a [T], name: &str, of: fn(&T) -> &str) -> &'a T {
    items.iter().find(|item| of(item) == name).unwrap()
}

#[test]
fn everything_is_read() {
    let lab = read(&folder()).unwrap_or_else(|problems| panic!("{problems}"));
    let events = named(&lab.tables, "happenings", |table| &table.name);
    assert_eq!(events.range_key, Some(("at".into(), "N".into())));
    assert_eq!(events.billing, Billing::Provisioned { read: 5, write: 2 });
    assert_eq!(events.stream, Some(StreamView::NewAndOldImages));
    assert_eq!(events.ttl_attribute.as_deref(), Some("expires"));
    assert_eq!(named(&lab.tables, "plain", |table| &table.name).billing, Billing::OnDemand);

    let failed = named(&lab.queues, "failed", |queue| &queue.name);
    assert_eq!((failed.visibility_timeout_s, failed.retention_s), (30, 1_209_600));
    let work = named(&lab.queues, "work", |queue| &queue.name);
    assert_eq!(work.dead_letter, Some(("failed".into(), 3)));
    assert_eq!(work.retention_s, 345_600);

    let worker = named(&lab.functions, "worker", |function| &function.name);
    assert_eq!(worker.architecture.as_str(), "arm64");
    assert_eq!(worker.dead_letter, Some(Destination::Queue("failed".into())));
    let asynchronous = worker.asynchronous.as_ref().unwrap();
    assert_eq!((asynchronous.retries, asynchronous.max_age_s), (1, 300));
    assert_eq!(asynchronous.on_success, Some(Destination::Topic("news".into())));
    assert_eq!(asynchronous.on_failure, Some(Destination::Function("reader".into())));
    let reader = named(&lab.functions, "reader", |function| &function.name);
    assert_eq!(reader.asynchronous.as_ref().unwrap().max_age_s, 21_600);

    let told = named(&lab.subscriptions, "to-queue", |subscription| &subscription.name);
    assert_eq!(told.filter, Some(json!({ "kind": ["pet", { "prefix": "a" }] })));
    assert!(told.raw);
    let mail = named(&lab.subscriptions, "to-mail", |subscription| &subscription.name);
    assert_eq!(mail.endpoint, Endpoint::Email { address: "${parameter.mail}".into() });

    let queue = named(&lab.mappings, "queue", |mapping| &mapping.name);
    assert_eq!(queue.batch_size, 10);
    assert_eq!(queue.source, Source::Queue { queue: "work".into(), most_at_once: Some(4) });
    let stream = named(&lab.mappings, "stream", |mapping| &mapping.name);
    let Source::Stream { from_oldest: true, retries: Some(2), parallel: 2, .. } = stream.source
    else {
        panic!("{stream:?}");
    };

    let alarm = &lab.alarms[0];
    assert_eq!((alarm.periods, alarm.missing.as_str()), ((5, 3), "notBreaching"));

    let prod = named(&lab.stages, "prod", |stage| &stage.name);
    let cache = prod.cache.as_ref().unwrap();
    assert_eq!((cache.size_gb.as_str(), cache.ttl_s, cache.guarded), ("0.5", 3600, true));
    assert_eq!(prod.log_level, LogLevel::Info);
    assert!(named(&lab.stages, "dev", |stage| &stage.name).cache.is_none());
    assert!(lab.keys[0].enabled && !lab.keys[1].enabled);

    let nested = named(&lab.events, "nested", |event| &event.name);
    assert_eq!(nested.payload, json!({ "ids": [1, 2.5], "inner": { "flag": true, "text": "t" } }));
    assert_eq!(named(&lab.events, "text", |event| &event.name).payload, json!({ "ID": 1 }));
    let dropped = &named(&lab.chaos, "drop", |chaos| &chaos.name).kind;
    assert!(matches!(dropped, ChaosKind::DropCacheKey { stage, .. } if stage == "prod"));
    let request = &named(&lab.checks, "request", |check| &check.name).condition;
    let Condition::Request { headers, .. } = request else { panic!("{request:?}") };
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert_eq!(lab.steps[1].action, StepAction::Deploy { variant: Some("mock".into()) });
    assert_eq!(lab.steps.last().unwrap().shows.as_ref().unwrap().request, "get");
}

#[test]
fn every_kind_is_in_the_lab() {
    let lab = read(&folder()).unwrap();
    let kinds = |value: serde_json::Value| value["kind"].as_str().unwrap().to_owned();
    let mut conditions: Vec<_> = lab
        .checks
        .iter()
        .map(|check| kinds(serde_json::to_value(&check.condition).unwrap()))
        .collect();
    conditions.sort();
    conditions.dedup();
    assert_eq!(conditions.len(), 22, "{conditions:?}");
    let mut actions: Vec<_> =
        lab.steps.iter().map(|step| kinds(serde_json::to_value(&step.action).unwrap())).collect();
    actions.sort();
    actions.dedup();
    assert_eq!(actions.len(), 16, "{actions:?}");
}

#[test]
fn the_last_variant_is_read_and_the_others_are_at_hand() {
    let lab = read(&folder()).unwrap();
    assert_eq!(lab.variant.as_deref(), Some("lambda"));
    let names = |lab: &Blueprint| -> Vec<String> {
        lab.apis
            .iter()
            .map(|api| api.file.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&lab), ["lambda.yaml", "other.yaml"]);
    assert_eq!(lab.plans.len(), 1);
    assert_eq!(lab.apis[0].functions, ["worker", "reader"]);

    let mock = lab.variant_of("mock").unwrap();
    assert_eq!(mock.variant.as_deref(), Some("mock"));
    assert_eq!(names(&mock), ["mock.yaml", "other.yaml"]);
    assert!(mock.apis[0].functions.is_empty());
    assert_eq!(mock.plans.len(), 2);
    assert_eq!(mock.variant_of("lambda").unwrap(), lab);
    assert!(lab.variant_of("other").is_none());
    let plans: Vec<&str> = lab.plans_of_all_variants().map(|plan| plan.name.as_str()).collect();
    assert!(plans.contains(&"MockPlan"), "{plans:?}");
}

#[test]
fn documents_of_every_variant_are_checked() {
    let (_dir, result) = changed("mock.yaml", "type: mock", "type: mok");
    let problems = result.unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].file.ends_with("full/mock.yaml"));
    assert_problem("mock = \"mock.yaml\", ", "", "document", &["has no file for variant `mock`"]);
    assert_problem(
        "{ mock = \"mock.yaml\",",
        "{ mock = \"mock.yaml\", moc = \"mock.yaml\",",
        "document",
        &["`moc` is not a variant of this lab", "did you mean `mock`?"],
    );
    assert_problem(
        "variants = [\"mock\"]",
        "variants = [\"mok\"]",
        "variants",
        &["`mok` is not a variant of this lab", "did you mean `mock`?"],
    );
}

#[test]
fn names_that_must_exist() {
    for (from, to, said) in [
        ("queue = \"failed\", max", "queue = \"faild\", max", &["not a queue", "`failed`?"][..]),
        ("on_success = { topic = \"news\" }", "on_success = { topic = \"new\" }", &["not a topic"]),
        (
            "on_failure = { function = \"reader\" }",
            "on_failure = { function = \"readr\" }",
            &["not a function", "`reader`?"],
        ),
        ("topics = [\"news\"]", "topics = [\"old\"]", &["not a topic"]),
        (
            "source = { stream = \"happenings\" }",
            "source = { stream = \"plain\" }",
            &["`plain` is not a table of this lab that has a `stream`", "expected `happenings`"],
        ),
        ("${table.happenings.streams}", "${table.plain.streams}", &["has a `stream`"]),
        ("${queue.work.url}", "${queue.wrk.url}", &["not a queue", "`work`?"]),
        ("${parameter.note}", "${parameter.noet}", &["not a parameter", "`note`?"]),
        ("${topic.news.arn}", "${topics.news.arn}", &["unknown reference", "`topic`?"]),
        ("${queue.work.url}", "${target.inbox}", &["`${target.inbox}` cannot stand here"]),
        (
            "default = \"${target.inbox}\"",
            "default = \"${target.inbx}\"",
            &["unknown reference", "`target.inbox`?"],
        ),
        ("default = \"${target.mailbox}\"", "default = \"${parameter.note}\"", &["cannot stand"]),
        ("keys = [\"LabKey\", \"Spare\"]", "keys = [\"labKey\"]", &["not an API key", "`LabKey`?"]),
        ("stages = [\"dev\", \"prod\"]", "stages = [\"dev\", \"pord\"]", &["not a stage"]),
        ("apis = [\"things\", \"other\"]", "apis = [\"things\", \"others\"]", &["not an API"]),
        ("key = \"LabKey\"\ncapture", "key = \"Labkey\"\ncapture", &["not an API key"]),
        ("before = [\"create\"]", "before = [\"crate\"]", &["not a saved request"]),
        ("event = \"text\", error", "event = \"txt\", error", &["not a saved event", "`text`?"]),
        ("plan = \"MockPlan\"", "plan = \"MokPlan\"", &["not a usage plan", "`MockPlan`?"]),
        ("mapping = \"stream\"", "mapping = \"streams\"", &["not a mapping"]),
        ("alarm = \"worker-errors\"", "alarm = \"errors\"", &["not an alarm"]),
        (
            "kind = \"define\", variant = \"lambda\"",
            "kind = \"define\", variant = \"lamda\"",
            &["not a variant", "`lambda`?"],
        ),
    ] {
        // A request whose captures are gone lacks its variables too.
        if from.starts_with("before") {
            let (_dir, result) = changed("lab.toml", from, to);
            let shown = format!("{:?}", result.unwrap_err());
            assert!(said.iter().all(|part| shown.contains(part)), "{shown}");
            continue;
        }
        let at = to.lines().next().unwrap();
        assert_problem(from, to, at, said);
    }
}

#[test]
fn what_must_hold_between_keys() {
    for (from, to, at, said) in [
        ("range_key_type = \"N\"\n", "", "range_key =", &["without `range_key_type`"][..]),
        ("range_key = \"at\"\n", "", "range_key_type", &["without `range_key`"]),
        ("range_key = \"at\"", "range_key = \"id\"", "range_key =", &["is the `hash_key`"]),
        ("read = 5, write = 2", "read = 5", "billing", &["has no `write`", "capacity units"]),
        ("\"on-demand\"", "\"on demand\"", "billing", &["did you mean `on-demand`?"]),
        (
            "{ queue = \"failed\", max",
            "{ queue = \"work\", max",
            "dead_letter",
            &["is the queue itself"],
        ),
        (
            "endpoint = { queue = \"work\" }",
            "endpoint = { queue = \"work\", email = \"a@b\" }",
            "endpoint",
            &["more than one of its keys"],
        ),
        (
            "endpoint = { function = \"reader\" }",
            "endpoint = { function = \"reader\" }\nraw = true",
            "raw",
            &["is for queues and webhooks"],
        ),
        (
            "endpoint = { webhook = \"${parameter.webhook}\" }",
            "endpoint = { webhook = \"example.com\" }",
            "endpoint",
            &["`example.com` is not a URL"],
        ),
        ("'{\"kind\": [\"pet\"]}'", "'{\"kind\": [\"pet\"}'", "filter", &["is not JSON"]),
        ("'{\"kind\": [\"pet\"]}'", "'[1]'", "filter", &["is [1]", "message attributes"]),
        (
            "most_at_once = 4",
            "most_at_once = 4\nbatch_size = 11",
            "batch_size",
            &["`window_s` of at least 1"],
        ),
        (
            "visibility_timeout_s = 90",
            "visibility_timeout_s = 14",
            "source = { queue",
            &["come back after 14 seconds while `worker` may take 15"],
        ),
        (
            "starting_position = \"TRIM_HORIZON\"\n",
            "",
            "[mappings.stream]",
            &["has no `starting_position`", "`TRIM_HORIZON` or `LATEST`"],
        ),
        ("most_at_once = 4", "bisect = true", "bisect", &["unknown key `bisect`"]),
        ("statistic = \"Sum\"", "statistic = \"p101\"", "statistic", &["statistic `p101`"]),
        ("period_s = 60", "period_s = 61", "period_s", &["a multiple of 60"]),
        ("periods = 5", "periods = 1441", "periods", &["at most 86400 seconds in all"]),
        ("breaching = 3", "breaching = 6", "breaching", &["at most `periods`"]),
        ("threshold = 0.5", "threshold = \"0.5\"", "threshold", &["expected a number"]),
        ("size_gb = 0.5", "size_gb = 0.6", "size_gb", &["no cache of 0.6 GB", "0.5, 1.6"]),
        ("rate = 5.5", "rate = 0", "throttle", &["greater than 0"]),
        ("offset = 2", "offset = 7", "quota", &["at most 6 with this period"]),
        (
            "\"/things/{id}/GET\" =",
            "\"/things/{id}/PUT\" =",
            "methods",
            &["`PUT /things/{id}` is no method of the API", "did you mean `GET /things/{id}`?"],
        ),
        (
            "\"/things/{id}/GET\" =",
            "\"things/GET\" =",
            "methods",
            &["method of a plan `things/GET`"],
        ),
        (
            "keys = [\"LabKey\", \"Spare\"]",
            "keys = [\"LabKey\", \"LabKey\"]",
            "keys",
            &["named twice"],
        ),
        (
            "before = [\"create\"]",
            "before = [\"create\", \"get\"]",
            "before",
            &["comes `before` itself"],
        ),
        ("id = \"$.thing.id\"", "id = \"$.thing[\"", "capture", &["is not a JSON path"]),
        (
            "id = \"$.thing.id\"",
            "idd = \"$.thing.id\"",
            "path = \"/things/{{id}}\"",
            &["variable `id` has no default value", "did you mean `idd`?"],
        ),
        ("payload = '{\"ID\": 1}'", "payload = '{ID: 1}'", "payload", &["is not JSON"]),
        ("payload = {}", "payload = { at = 2026-01-01 }", "payload", &["JSON has no dates"]),
        ("value = \"off\"", "value = \"${region}\"", "value", &["holds a reference"]),
        (
            "parameter = \"method.request.path.id\"",
            "parameter = \"method.request.path.ID\"",
            "parameter",
            &["is no cache key of `GET /things/{id}`", "did you mean `method.request.path.id`?"],
        ),
        (
            "path = \"/things/{id}\"\nmethod = \"GET\"",
            "path = \"/things/{ID}\"\nmethod = \"GET\"",
            "parameter =",
            &["`GET /things/{ID}` is no method of the API"],
        ),
        (
            "key = { id = \"a\", at = 1 }",
            "key = { id = \"a\" }",
            "item =",
            &["expected `at` and `id`"],
        ),
        ("path = \"$.environment\"", "path = \"environment\"", "path =", &["is not a JSON path"]),
        ("count = 20", "count = 2", "at_least", &["cannot have 3 different answers"]),
        (
            "reserved_concurrency = 10",
            "reserved_concurrency = \"${parameter.nobody}\"",
            "reserved_concurrency",
            &["parameter", "nobody"],
        ),
        (
            "reserved_concurrency = 10",
            "reserved_concurrency = \"ten\"",
            "reserved_concurrency",
            &["is `ten`", "or `${parameter.NAME}`"],
        ),
        (
            "provisioned_concurrency = 2",
            "provisioned_concurrency = 20",
            "provisioned",
            &["provisions 20 and reserves 10"],
        ),
        (
            "[roles.worker-role]",
            "[roles.Worker-role]\n[roles.worker-role]",
            "[roles.worker-role]",
            &["the same as `Worker-role` for IAM"],
        ),
        ("state = \"ALARM\"", "state = \"ALRM\"", "state", &["did you mean `ALARM`?"]),
        (
            "dead_letter = { topic = \"bare\" }",
            "dead_letter = { function = \"worker\" }",
            "dead_letter",
            &["unknown key `function`"],
        ),
    ] {
        // What the change takes away can be two problems: these are asked for the one that matters.
        let (_dir, result) = changed("lab.toml", from, to);
        let Err(problems) = result else { panic!("nothing wrong with {to}") };
        if problems.len() > 1 {
            let shown = format!("{problems:#?}");
            assert!(problems.len() == 2, "{shown}");
            assert!(
                problems.iter().any(|problem| {
                    let text = problem.to_string();
                    said.iter().all(|part| text.contains(part))
                }),
                "{said:?}: {shown}"
            );
            continue;
        }
        assert_problem(from, to, at, said);
    }
}

#[test]
fn provisioned_concurrency_needs_a_version() {
    let (_dir, result) = changed("lab.toml", "follows = \"release\"", "follows = \"latest\"");
    let problems = result.unwrap_err();
    assert!(problems.iter().any(|problem| problem.to_string().contains("follows `release`")));
}
