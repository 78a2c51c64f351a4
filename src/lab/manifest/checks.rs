//! Checks of `lab.toml`.

use crate::blueprint::{Check, Condition};
use crate::links::Kind;
use crate::names;
use crate::section::{Need, Section};

use super::unsigned;

/// Longest time that a check looks back: a day.
const MOST_MINUTES: i64 = 1440;

pub(super) fn checks(section: &Section<'_, '_, '_>) -> Vec<Check> {
    section
        .named("checks", names::WORD)
        .into_iter()
        .filter_map(|(name, section)| {
            Some(Check {
                name,
                title: section.text("title", "what is true when it holds").value,
                condition: condition(&section)?,
            })
        })
        .collect()
}

fn condition(section: &Section<'_, '_, '_>) -> Option<Condition> {
    let kinds = [
        "deployed",
        "absent",
        "variant",
        "alias-published",
        "alias-behind",
        "alias-split",
        "alias-rolled-back",
        "request",
        "distinct",
        "event",
        "stage-stale",
        "function-missing",
        "plan-bound",
        "item",
        "queue-depth",
        "queue-empty",
        "mapping-enabled",
        "log",
        "metric",
        "alarm-state",
        "chaos-on",
        "chaos-off",
    ];
    let kind = section.choice("kind", &kinds.map(|kind| (kind, kind)))?;
    let alias = || (section.link("function", Kind::Function), section.link("alias", Kind::Alias));
    let minutes = || unsigned(section.number("minutes", &(1..=MOST_MINUTES), "minutes", 15));
    let condition = match kind {
        "deployed" => Condition::Deployed,
        "absent" => Condition::Absent,
        "variant" => Condition::Variant { variant: section.link("variant", Kind::Variant) },
        "alias-published" => {
            let (function, alias) = alias();
            Condition::AliasPublished { function, alias }
        }
        "alias-behind" => {
            let (function, alias) = alias();
            Condition::AliasBehind { function, alias }
        }
        "alias-split" => {
            let (function, alias) = alias();
            Condition::AliasSplit { function, alias }
        }
        "alias-rolled-back" => {
            let (function, alias) = alias();
            Condition::AliasRolledBack { function, alias }
        }
        "request" => request(section),
        "distinct" => distinct(section),
        "event" => Condition::Event {
            event: section.link("event", Kind::Event),
            error: section.optional_text("error").map(|text| text.value),
            json: section.json_map("json"),
        },
        "stage-stale" => Condition::StageStale {
            api: section.link("api", Kind::Api),
            stage: section.link("stage", Kind::Stage),
        },
        "function-missing" => {
            Condition::FunctionMissing { function: section.link("function", Kind::Function) }
        }
        "plan-bound" => Condition::PlanBound { plan: section.link("plan", Kind::Plan) },
        "item" => item(section),
        "queue-depth" => Condition::QueueDepth {
            queue: section.link("queue", Kind::Queue),
            at_least: unsigned(section.number("at_least", &(1..=1_000_000), "messages", 1)),
        },
        "queue-empty" => Condition::QueueEmpty { queue: section.link("queue", Kind::Queue) },
        "mapping-enabled" => {
            Condition::MappingEnabled { mapping: section.link("mapping", Kind::Mapping) }
        }
        "log" => Condition::Log {
            function: section.link("function", Kind::Function),
            pattern: section.ruled("pattern", names::PATTERN).value,
            minutes: minutes(),
        },
        "metric" => Condition::Metric {
            function: section.link("function", Kind::Function),
            metric: section.ruled("metric", names::METRIC).value,
            at_least: section.positive("at_least", 1.0),
            minutes: minutes(),
        },
        "alarm-state" => {
            let states = ["OK", "ALARM", "INSUFFICIENT_DATA"].map(|state| (state, state));
            Condition::AlarmState {
                alarm: section.link("alarm", Kind::Alarm),
                state: section.choice("state", &states).unwrap_or_default().to_owned(),
            }
        }
        "chaos-on" => Condition::ChaosOn { chaos: section.link("chaos", Kind::Chaos) },
        _ => Condition::ChaosOff,
    };
    section.finish();
    Some(condition)
}

fn request(section: &Section<'_, '_, '_>) -> Condition {
    let request = section.link("request", Kind::Request);
    let stage = section.link("stage", Kind::Stage);
    let status = section.required_number("status", &(100..=599), "(an HTTP status)");
    let json = section.json_map("json");
    let headers = section.text_map("headers", Some(names::HEADER));
    Condition::Request {
        request,
        stage,
        status: u16::try_from(status).unwrap_or_default(),
        json,
        headers: headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.value))
            .collect(),
    }
}

fn distinct(section: &Section<'_, '_, '_>) -> Condition {
    let request = section.link("request", Kind::Request);
    let stage = section.link("stage", Kind::Stage);
    let count = section.number("count", &(2..=1000), "requests", 10);
    let path = section.text("path", "a JSON path such as `$.environment`");
    if !path.value.is_empty() {
        section.check_path(&path.value, path.at);
    }
    let at_least = section.number("at_least", &(2..=1000), "values", 2);
    if at_least > count {
        let message = format!("{count} requests cannot have {at_least} different answers");
        section.context.problem(section.at_of("at_least"), message, |problem| {
            problem.expected("an `at_least` of at most `count`");
        });
    }
    Condition::Distinct {
        request,
        stage,
        count: unsigned(count),
        path: path.value,
        at_least: unsigned(at_least),
    }
}

fn item(section: &Section<'_, '_, '_>) -> Condition {
    let table = section.link("table", Kind::Table);
    let expected = "the item's key: attributes and their values";
    let at = section.required_section("key", expected).map_or(section.at, |inner| inner.at);
    let key = section.value_map("key");
    if !table.is_empty() && section.has("key") {
        let attributes = key.keys().cloned().collect();
        section.context.need(Need::KeyOf { table: table.clone(), attributes }, at);
    }
    Condition::Item {
        table,
        key: key.into_iter().map(|(name, (value, _))| (name, value)).collect(),
        json: section.json_map("json"),
    }
}
