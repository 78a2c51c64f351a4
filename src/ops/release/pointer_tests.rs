//! What must hold for every pointer and every person's text.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

fn version() -> impl Strategy<Value = String> {
    (1_u32..100_000).prop_map(|number| number.to_string())
}

fn split() -> impl Strategy<Value = Split> {
    (version(), proptest::option::of((version(), 0_u32..=10_000))).prop_map(|(stable, canary)| {
        Split {
            stable,
            canary: canary.map(|(version, weight)| (version, f64::from(weight) / 10_000.0)),
        }
    })
}

fn placed() -> impl Strategy<Value = Placed> {
    ("[a-z0-9]{10}", "[A-Za-z0-9_-]{1,16}", "[a-z0-9]{6}")
        .prop_map(|(api_id, stage, deployment_id)| Placed { api_id, stage, deployment_id })
}

fn history() -> impl Strategy<Value = Vec<Earlier>> {
    let earlier = (version(), any::<u32>(), proptest::collection::vec(placed(), 0..3)).prop_map(
        |(version, time, deployments)| Earlier {
            version,
            replaced_ms: u64::from(time) + 1_790_000_000_000,
            deployments,
        },
    );
    proptest::collection::vec(earlier, 0..=HISTORY_LIMIT)
}

fn pointer() -> impl Strategy<Value = Pointer> {
    let head = ("[a-z]{4,8}", split(), history(), split());
    let tail = (history(), proptest::collection::vec(placed(), 0..4), any::<u64>(), "[a-z]{0,24}");
    (head, tail).prop_map(|((operation, now, history, was), (was_history, placed, at_ms, by))| {
        let undoes = (operation.len() == 4).then_some(at_ms / 2);
        Pointer {
            operation,
            now,
            history,
            was,
            was_history,
            was_deployments: placed,
            mark: None,
            undoes,
            at_ms,
            by,
        }
    })
}

/// What a person may have written: any text that fits and isn't a pointer itself.
fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("\\PC{0,256}")
        .unwrap()
        .prop_filter("fits, and is no pointer", |text| {
            length(text) <= DESCRIPTION_LIMIT && !text.contains(OPEN)
        })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(pointer in pointer(), text in text()) {
        let rendered = pointer.render("prod", &text);
        prop_assert!(length(&rendered.description) <= DESCRIPTION_LIMIT);
        prop_assert!(rendered.tags.len() <= TAG_PARTS);
        for value in rendered.tags.values() {
            prop_assert!(value.len() <= TAG_LIMIT);
            prop_assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || " +-=._:/@".contains(c)));
        }
        let live = pointer.now.clone();
        let (kept, found) = Pointer::read(&rendered.description, "prod", &live, &rendered.tags);
        prop_assert_eq!(kept, text);
        prop_assert_eq!(found, Some(pointer));
    }

    #[test]
    fn any_description_parses_without_losing_text(description in "\\PC{0,300}") {
        let (text, pointer) = Pointer::parse(&description);
        prop_assert!(description.starts_with(&text));
        prop_assert!(pointer.is_none());
    }

    #[test]
    fn a_cut_pointer_is_never_misread(pointer in pointer(), keep in 0_usize..200) {
        let rendered = pointer.render("prod", "");
        let cut: String = rendered.description.chars().take(keep).collect();
        if let (_, Some(found)) = Pointer::parse(&cut) {
            prop_assert_eq!(found, pointer);
        }
    }
}

fn sample() -> Pointer {
    Pointer {
        operation: "promote".into(),
        now: Split::alone("4"),
        history: vec![Earlier { version: "3".into(), replaced_ms: 1000, deployments: vec![] }],
        was: Split { stable: "3".into(), canary: Some(("4".into(), 0.2)) },
        was_history: vec![],
        was_deployments: vec![],
        mark: None,
        undoes: None,
        at_ms: 1000,
        by: "ada".into(),
    }
}

#[test]
fn the_text_stands_before_the_pointer_and_reads_well() {
    let rendered = sample().render("prod", "checkout");
    assert_eq!(
        rendered.description,
        "checkout [labdeck:1 o=promote n=4 p=3:rs w=3@4:0.2 q=- t=rs u=ada]"
    );
    assert!(rendered.tags.is_empty());
}

#[test]
fn a_full_description_moves_the_pointer_to_tags_and_a_stale_tag_is_not_believed() {
    let text = "x".repeat(256);
    let pointer = sample();
    let rendered = pointer.render("prod", &text);
    assert_eq!(rendered.description, text);
    assert_eq!(rendered.tags.keys().collect::<Vec<_>>(), ["labdeck:undo-prod"]);
    let moved = Split::alone("7");
    let (_, found) = Pointer::read(&text, "prod", &moved, &rendered.tags);
    assert_eq!(found, None, "the alias shows another split than the pointer left");
    let (_, found) = Pointer::read("short", "prod", &pointer.now, &rendered.tags);
    assert_eq!(found, None, "a short text without a mark means that the pointer was erased");
}

#[test]
fn a_newer_format_is_not_guessed_at() {
    assert_eq!(Pointer::parse("mine [labdeck:2 x=1]"), ("mine".to_owned(), None));
}

#[test]
fn splits_read_as_people_say_them() {
    let split = Split { stable: "3".into(), canary: Some(("4".into(), 0.2)) };
    assert_eq!(split.to_string(), "v3 80% · v4 20%");
    assert_eq!(Split::alone("$LATEST").to_string(), "$LATEST");
    assert_eq!(percent(0.005), "0.5");
}
