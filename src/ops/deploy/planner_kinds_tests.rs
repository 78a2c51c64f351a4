//! Queues, topics, mappings, keys, usage plans and alarms: what their plans say of each field, of what is
//! missing, of what somebody else changed and of what is taken out of the blueprint.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{
    Alarm, Key, Mapping, Period, Queue, Quota, Source, Throttle, Topic, UsagePlan,
};

use super::super::kinds::function::LiveFunction;
use super::super::kinds::key::LiveKey;
use super::super::kinds::mapping::{LiveMapping, WantedSource};
use super::super::kinds::queue::LiveQueue;
use super::super::kinds::topic::LiveTopic;
use super::super::kinds::usage_plan::LivePlan;
use super::super::plan::{Step, Verb};
use super::tests::{blueprint, complete, found, lines, resolved};
use super::*;

/// A change, and what the plan says of it.
type Case<T> = (fn(&mut T), &'static str);

/// The greeting lab with one of each kind of resource that events, clients and watchers need.
fn eventful() -> Blueprint {
    let mut lab = blueprint();
    lab.queues = ["failed", "orders"]
        .map(|name| Queue {
            name: name.into(),
            visibility_timeout_s: 30,
            retention_s: 3600,
            dead_letter: (name == "orders").then(|| ("failed".into(), 3)),
        })
        .into();
    lab.topics = vec![Topic { name: "news".into(), display_name: "News".into() }];
    lab.mappings = vec![Mapping {
        name: "orders".into(),
        function: "a".into(),
        source: Source::Queue { queue: "orders".into(), most_at_once: None },
        batch_size: 10,
        window_s: 0,
        partial: true,
    }];
    lab.keys = vec![Key { name: "client".into(), description: "d".into(), enabled: true }];
    lab.plans = vec![UsagePlan {
        name: "basic".into(),
        apis: vec!["a".into()],
        stages: vec!["prod".into()],
        keys: vec!["client".into()],
        quota: Some(Quota { limit: 1000, offset: 0, period: Period::Day }),
        throttle: Some(Throttle { rate: 5.0, burst: 10 }),
        ..UsagePlan::default()
    }];
    lab.alarms = vec![Alarm {
        name: "errors".into(),
        description: "d".into(),
        namespace: "AWS/Lambda".into(),
        metric: "Errors".into(),
        dimensions: BTreeMap::from([("FunctionName".into(), "a".into())]),
        statistic: "Sum".into(),
        period_s: 60,
        periods: (1, 1),
        threshold: 1.0,
        comparison: "GreaterThanThreshold".into(),
        missing: "notBreaching".into(),
        topics: vec!["news".into()],
    }];
    lab
}

/// What is live when all of it is done.
fn all_live(wanted: &Wanted) -> Live {
    let mut live = complete(wanted);
    for queue in &wanted.queues {
        let present = LiveQueue { found: found(&queue.spec), ..LiveQueue::default() };
        live.queues.insert(queue.name.clone(), present);
    }
    for topic in &wanted.topics {
        let present = LiveTopic { found: found(&topic.spec), ..LiveTopic::default() };
        live.topics.insert(topic.name.clone(), present);
    }
    for mapping in &wanted.mappings {
        let WantedSource::Queue(queue) = &mapping.source else { continue };
        live.mappings.push(LiveMapping {
            uuid: "u1".into(),
            function: mapping.function.clone(),
            source: wanted.place.queue(queue),
            state: "Enabled".into(),
            found: found(&mapping.spec),
            ..LiveMapping::default()
        });
    }
    for key in &wanted.keys {
        let (name, found) = (key.name.clone(), found(&key.spec));
        live.keys.push(LiveKey { id: "k1".into(), name, found, ..LiveKey::default() });
    }
    for plan in &wanted.plans {
        live.plans.push(LivePlan {
            id: "p1".into(),
            name: plan.name.clone(),
            keys: vec!["k1".into()],
            found: found(&plan.spec),
            ..LivePlan::default()
        });
    }
    live.alarms.extend(wanted.alarms.iter().map(|alarm| (alarm.name.clone(), found(&alarm.spec))));
    live
}

/// The plan when the blueprint is changed after all was deployed.
fn after_change(change: impl FnOnce(&mut Blueprint)) -> Plan {
    let live = all_live(&resolved(&eventful()));
    let mut lab = eventful();
    change(&mut lab);
    plan_deploy(&resolved(&lab), &live).unwrap()
}

/// The plan when what is live is changed after all was deployed.
fn after_edit(edit: impl FnOnce(&mut Live)) -> Plan {
    let wanted = resolved(&eventful());
    let mut live = all_live(&wanted);
    edit(&mut live);
    plan_deploy(&wanted, &live).unwrap()
}

#[test]
fn nothing_is_done_when_all_is_live() {
    assert_eq!(lines(&after_change(|_| {})), Vec::<String>::new());
}

#[test]
fn what_is_missing_is_made_after_what_it_needs() {
    let plan = plan_deploy(&resolved(&eventful()), &Live::default()).unwrap();
    let at = |resource: &str, name: &str| {
        plan.steps.iter().position(|s| s.resource == resource && s.name == name).unwrap()
    };
    let needs = |step: usize, other: usize| assert!(plan.steps[step].after.contains(&other));
    needs(at("queue", "orders"), at("queue", "failed"));
    needs(at("event source mapping", "orders"), at("queue", "orders"));
    needs(at("event source mapping", "orders"), at("alias", "a:prod"));
    needs(at("usage plan", "basic"), at("stage", "a/prod"));
    needs(at("usage plan key", "basic/client"), at("API key", "client"));
    needs(at("usage plan key", "basic/client"), at("usage plan", "basic"));
    needs(at("alarm", "errors"), at("topic", "news"));
}

#[test]
fn each_changed_field_is_told_with_what_it_was() {
    let cases: [Case<Blueprint>; 11] = [
        (
            |lab| lab.queues[1].visibility_timeout_s = 60,
            "Update queue orders: visibility timeout 30 → 60 s",
        ),
        (|lab| lab.queues[0].retention_s = 60, "Update queue failed: retention 3600 → 60 s"),
        (
            |lab| lab.queues[1].dead_letter = Some(("failed".into(), 5)),
            "Update queue orders: receives 3 → 5",
        ),
        (
            |lab| lab.topics[0].display_name = "Olds".into(),
            "Update topic news: display name News → Olds",
        ),
        (|lab| lab.mappings[0].batch_size = 5, "Update event source mapping orders: batch 10 → 5"),
        (|lab| lab.mappings[0].window_s = 2, "Update event source mapping orders: window 0 → 2 s"),
        (
            |lab| {
                lab.mappings[0].source =
                    Source::Queue { queue: "orders".into(), most_at_once: Some(4) };
            },
            "Update event source mapping orders: concurrency nothing → 4",
        ),
        (|lab| lab.keys[0].enabled = false, "Update API key client: enabled on → off"),
        (
            |lab| lab.plans[0].quota = Some(Quota { limit: 9, offset: 0, period: Period::Week }),
            "Update usage plan basic: quota 1000 → 9, quota period DAY → WEEK",
        ),
        (
            |lab| lab.plans[0].throttle = None,
            "Update usage plan basic: rate 5 → nothing, burst 10 → nothing",
        ),
        (|lab| lab.alarms[0].threshold = 2.5, "Update alarm errors: threshold 1 → 2.5"),
    ];
    for (change, told) in cases {
        let plan = after_change(change);
        assert_eq!(lines(&plan), [told]);
        assert!(!plan.steps[0].drift, "{told}");
    }
}

#[test]
fn a_mapping_of_another_source_is_another_mapping() {
    let plan = after_change(|lab| {
        lab.mappings[0].source = Source::Queue { queue: "failed".into(), most_at_once: None };
    });
    let said = lines(&plan);
    let about = |verb: Verb| {
        plan.steps.iter().any(|step| step.resource == "event source mapping" && step.verb == verb)
    };
    assert!(about(Verb::Replace) || (about(Verb::Create) && about(Verb::Delete)), "{said:?}");
}

#[test]
fn what_somebody_else_changed_is_drift_and_kept_on_request() {
    let cases: [Case<Live>; 6] = [
        (
            |live| {
                let queue = live.queues.get_mut("orders").unwrap();
                queue.found.settings.visibility_timeout = Some(5);
            },
            "Update queue orders: drift: visibility timeout 5 → 30 s",
        ),
        (
            |live| live.topics.get_mut("news").unwrap().found.settings.display_name.clear(),
            "Update topic news: drift: display name nothing → News",
        ),
        (
            |live| live.mappings[0].found.settings.enabled = false,
            "Update event source mapping orders: drift: enabled off → on",
        ),
        (
            |live| live.keys[0].found.settings.enabled = false,
            "Update API key client: drift: enabled off → on",
        ),
        (
            |live| live.plans[0].found.settings.rate = Some(50.0),
            "Update usage plan basic: drift: rate 50 → 5",
        ),
        (
            |live| live.alarms.get_mut("errors").unwrap().settings.threshold = Some(9.0),
            "Update alarm errors: drift: threshold 9 → 1",
        ),
    ];
    for (edit, told) in cases {
        let plan = after_edit(edit);
        assert_eq!(lines(&plan), [told]);
        assert!(plan.steps[0].drift, "{told}");
        let mut kept = resolved(&eventful());
        let mut live = all_live(&kept);
        edit(&mut live);
        keep_drift(&mut kept, &live);
        assert_eq!(lines(&plan_deploy(&kept, &live).unwrap()), Vec::<String>::new(), "{told}");
    }
}

#[test]
fn what_is_taken_out_goes_last_and_what_holds_data_is_said() {
    let live = || {
        let mut live = all_live(&resolved(&eventful()));
        live.queues.get_mut("orders").unwrap().messages = 7;
        live
    };
    let mut lab = eventful();
    lab.queues.clear();
    lab.topics.clear();
    lab.mappings.clear();
    lab.keys.clear();
    lab.plans.clear();
    lab.alarms.clear();
    lab.tables.clear();
    lab.functions.retain(|function| function.name != "b");
    lab.roles.retain(|role| role.name != "b-role");
    lab.apis.retain(|api| api.name != "b");
    let mut left = live();
    let gone = left.apis.remove("b").unwrap();
    left.other_apis.push((gone.id, "b".into()));
    left.functions.insert("theirs".into(), LiveFunction::default());
    left.functions.get_mut("theirs").unwrap().found.owner = Owner::Foreign;
    let plan = plan_deploy(&resolved(&lab), &left).unwrap();
    let said = lines(&plan);
    for told in [
        "Delete event source mapping",
        "Delete API key client",
        "Delete usage plan basic",
        "Delete alarm errors",
        "Delete topic news",
        "Delete function b",
        "Delete queue orders",
        "Delete queue failed",
        "Delete table visits",
        "Delete role b-role",
        "Delete log group /aws/lambda/b",
    ] {
        let found = said.iter().any(|line| line.starts_with(told) && line.ends_with("any more"));
        assert!(found, "{told}: {said:?}");
    }
    assert!(!said.iter().any(|line| line.contains("theirs")), "{said:?}");
    let deletes = |step: &Step| step.verb == Verb::Delete;
    let at = |resource: &str| {
        plan.steps.iter().position(|step| deletes(step) && step.resource == resource).unwrap()
    };
    for later in ["queue", "table", "role", "log group"] {
        assert!(plan.steps[at(later)].after.contains(&at("function")), "{later}");
    }
    let warnings: Vec<&str> = plan.warnings().collect();
    assert!(warnings.contains(&"table visits is deleted: its data is lost (0 items)"));
    assert!(warnings.contains(&"queue orders is deleted: its 7 messages are lost"));
    assert!(warnings.contains(&"log group /aws/lambda/b is deleted with its events"));
    assert!(!warnings.iter().any(|text| text.contains("queue failed")), "it is empty");
    assert!(plan.loses_data());
    // A destroy removes the same, and leaves what is not the lab's own.
    let destroy = lines(&plan_destroy(&resolved(&lab), &left));
    for told in
        ["Delete table visits", "Delete queue orders", "Delete function b", "Delete role b-role"]
    {
        assert!(destroy.iter().any(|line| line.starts_with(told)), "{told}: {destroy:?}");
    }
    assert!(!destroy.iter().any(|line| line.contains("theirs")), "{destroy:?}");
}

#[test]
fn doubles_of_keys_and_plans_are_removed() {
    let plan = after_edit(|live| {
        let mut key = live.keys[0].clone();
        key.id = "k2".into();
        live.keys.push(key);
        let mut double = live.plans[0].clone();
        double.id = "p2".into();
        live.plans.push(double);
    });
    let said = lines(&plan);
    assert!(said.contains(&"Delete API key client: a double of the lab's own key".to_owned()));
    assert!(said.iter().any(|line| line.contains("a double of the lab's own plan")), "{said:?}");
}

#[test]
fn an_api_that_was_edited_and_not_deployed_is_put_right_without_a_deployment() {
    let edit = |live: &mut Live| {
        live.apis.get_mut("a").unwrap().edited = vec!["GET /greet/{id}: API key changed".into()];
    };
    let plan = after_edit(edit);
    assert_eq!(
        lines(&plan),
        ["Update API a: drift: GET /greet/{id}: API key changed, not deployed"]
    );
    let mut kept = resolved(&eventful());
    let mut live = all_live(&kept);
    edit(&mut live);
    keep_drift(&mut kept, &live);
    assert_eq!(lines(&plan_deploy(&kept, &live).unwrap()), Vec::<String>::new());
}
