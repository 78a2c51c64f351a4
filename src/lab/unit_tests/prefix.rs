//! A prefix in front of a lab's names.

use std::collections::BTreeSet;

use super::full;
use crate::blueprint::{Condition, Destination, Source};
use crate::references::{Reference, resolve_value};
use crate::{Blueprint, read};

fn lab() -> Blueprint {
    read(&full::folder()).unwrap()
}

#[test]
fn everything_that_is_made_has_the_prefix_and_every_link_still_leads_to_it() {
    let plain = lab();
    let lab = plain.prefixed("ada-").unwrap();
    assert_eq!(lab.name, "ada-full");
    let mut made: BTreeSet<&str> = BTreeSet::new();
    made.extend(lab.functions.iter().map(|function| function.name.as_str()));
    made.extend(lab.roles.iter().map(|role| role.name.as_str()));
    made.extend(lab.tables.iter().map(|table| table.name.as_str()));
    made.extend(lab.queues.iter().map(|queue| queue.name.as_str()));
    made.extend(lab.topics.iter().map(|topic| topic.name.as_str()));
    made.extend(lab.apis.iter().map(|api| api.name.as_str()));
    made.extend(lab.keys.iter().map(|key| key.name.as_str()));
    made.extend(lab.plans_of_all_variants().map(|plan| plan.name.as_str()));
    made.extend(lab.alarms.iter().map(|alarm| alarm.name.as_str()));
    assert!(made.iter().all(|name| name.starts_with("ada-")), "{made:?}");

    // Whatever named something without the prefix now names it with the prefix: taking the prefix
    // away everywhere gives the lab as it was, and nothing else is left to be renamed.
    let text = serde_json::to_string(&lab).unwrap();
    let back = text.replace("ada-", "");
    assert_eq!(back, serde_json::to_string(&plain).unwrap());
    for name in made {
        // A quoted name, or one in a reference, is a link; none may be left without the prefix.
        let bare = name.trim_start_matches("ada-");
        let words = [format!("\"{bare}\""), format!(".{bare}}}"), format!(".{bare}.")];
        for word in words {
            let links = text.matches(&word).count();
            assert_eq!(links, 0, "{word} in {text}");
        }
    }

    assert_eq!(lab.functions[0].dead_letter, Some(Destination::Queue("ada-failed".into())));
    let stream = lab.mappings.iter().find(|mapping| mapping.name == "stream").unwrap();
    assert!(matches!(&stream.source, Source::Stream { table, .. } if table == "ada-happenings"));
    let bound = lab.checks.iter().find(|check| check.name == "bound").unwrap();
    assert_eq!(bound.condition, Condition::PlanBound { plan: "ada-MockPlan".into() });
    assert_eq!(lab.requests[0].key.as_deref(), Some("ada-LabKey"));
    assert_eq!(lab.requests[0].name, "create");
    assert_eq!(lab.stages, plain.stages);
}

#[test]
fn documents_name_what_has_the_prefix() {
    let lab = lab().prefixed("ada-").unwrap();
    for variant in &lab.variants {
        for api in &variant.apis {
            assert_eq!(api.document["info"]["title"], api.name.as_str());
            resolve_value(&api.document, &|reference| {
                if let Reference::Resource { name, .. } = reference {
                    assert!(name.starts_with("ada-"), "{name}");
                }
                Some(String::new())
            })
            .unwrap();
        }
    }
    assert_eq!(lab.variant_of("mock").unwrap().apis[0].name, "ada-things");
    let queue = &lab.functions.iter().find(|function| function.name == "ada-worker").unwrap();
    assert_eq!(queue.environment["QUEUE"], "${queue.ada-work.url}");
    assert_eq!(queue.environment["NOTE"], "${parameter.note}");
    assert_eq!(queue.environment["WHERE"], "${region}/${account}");
}

#[test]
fn lengths_are_those_with_the_prefix() {
    let mut lab = lab();
    lab.functions[0].name = "f".repeat(60);
    assert!(lab.prefixed("ada-").is_ok());
    let error = lab.prefixed("adam-").unwrap_err().to_string();
    assert!(error.contains("function name `adam-fff"), "{error}");
    assert!(error.contains("expected 1 to 64"), "{error}");
    for wrong in ["", "Ada", "1a", "ada_", "a23456789012345678901"] {
        let error = lab.prefixed(wrong).unwrap_err().to_string();
        assert!(error.contains("1 to 20 lower-case letters"), "{error}");
    }
}
