//! Steps of `lab.toml`.

use crate::blueprint::{LabStep, Shown, StepAction};
use crate::links::Kind;
use crate::names;
use crate::section::Section;

use super::{unsigned, unwrapped};

pub(super) fn steps(section: &Section<'_, '_, '_>) -> Vec<LabStep> {
    section
        .named("steps", names::WORD)
        .into_iter()
        .filter_map(|(name, section)| {
            let title = section.text("title", "the step's title").value;
            let lesson = section.text("lesson", "two to six sentences").value;
            let check = section.link("check", Kind::Check);
            let action = section
                .required_section("action", "a table such as `{ kind = \"deploy\" }`")
                .and_then(|action| step_action(&action));
            let shows = shown(&section);
            section.finish();
            Some(LabStep { name, title, lesson: unwrapped(&lesson), action: action?, check, shows })
        })
        .collect()
}

fn shown(section: &Section<'_, '_, '_>) -> Option<Shown> {
    let inner = section.section("shows")?;
    let shown = Shown {
        request: inner.link("request", Kind::Request),
        stage: inner.link("stage", Kind::Stage),
    };
    inner.finish();
    Some(shown)
}

fn step_action(section: &Section<'_, '_, '_>) -> Option<StepAction> {
    let kinds = [
        "deploy",
        "define",
        "request",
        "compare",
        "test-method",
        "event",
        "publish",
        "shift",
        "promote",
        "rollback",
        "undo",
        "chaos",
        "flush-cache",
        "redrive",
        "delete-function",
        "destroy",
    ];
    let kind = section.choice("kind", &kinds.map(|kind| (kind, kind)))?;
    let count = |most: i64| unsigned(section.number("count", &(1..=most), "times", 1));
    let concurrency = || unsigned(section.number("concurrency", &(1..=256), "requests", 1));
    let action = match kind {
        "deploy" => StepAction::Deploy { variant: section.optional_link("variant", Kind::Variant) },
        "define" => StepAction::Define { variant: section.link("variant", Kind::Variant) },
        "request" => StepAction::Request {
            request: section.link("request", Kind::Request),
            stage: section.link("stage", Kind::Stage),
            count: count(10_000),
            concurrency: concurrency(),
        },
        "compare" => StepAction::Compare {
            requests: section.links("requests", &Kind::Request),
            stage: section.link("stage", Kind::Stage),
            count: count(10_000),
            concurrency: concurrency(),
        },
        "test-method" => StepAction::TestMethod {
            request: section.link("request", Kind::Request),
            stage: section.link("stage", Kind::Stage),
        },
        "event" => {
            StepAction::Event { event: section.link("event", Kind::Event), count: count(1000) }
        }
        "publish" => StepAction::Publish,
        "shift" => StepAction::Shift {
            percent: u8::try_from(section.required_number("percent", &(0..=100), "percent"))
                .unwrap_or_default(),
        },
        "promote" => StepAction::Promote,
        "rollback" => StepAction::Rollback,
        "undo" => StepAction::Undo,
        "chaos" => {
            StepAction::Chaos { name: section.link("name", Kind::Chaos), on: section.flag("on") }
        }
        "flush-cache" => StepAction::FlushCache { stage: section.link("stage", Kind::Stage) },
        "redrive" => StepAction::Redrive { queue: section.link("queue", Kind::Queue) },
        "delete-function" => {
            StepAction::DeleteFunction { function: section.link("function", Kind::Function) }
        }
        _ => StepAction::Destroy,
    };
    section.finish();
    Some(action)
}
