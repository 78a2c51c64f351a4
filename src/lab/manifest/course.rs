//! Saved events and chaos switches of `lab.toml`.

use serde_json::Value;

use super::requests::methods;
use super::unsigned;
use crate::blueprint::{Chaos, ChaosKind, SavedEvent};
use crate::links::Kind;
use crate::names;
use crate::section::{Need, Section};

/// Most bytes of a saved event: what Lambda takes in a synchronous invocation.
const MOST_EVENT_BYTES: usize = 6 * 1024 * 1024;
/// Longest delay of `slow-table`: beyond it a function has long timed out.
const MOST_DELAY_MS: i64 = 60_000;
/// Longest `deny-table`: one working day.
const MOST_DENY_MINUTES: i64 = 480;

pub(super) fn events(section: &Section<'_, '_, '_>) -> Vec<SavedEvent> {
    let read = |(name, section): (String, Section<'_, '_, '_>)| {
        let description = section.text("description", "what the event shows, in one line").value;
        let function = section.link("function", Kind::Function);
        let payload = section.json("payload", true);
        if let Some((_, at)) =
            payload.as_ref().filter(|(value, _)| value.to_string().len() > MOST_EVENT_BYTES)
        {
            let message = format!("`payload` in {} is too large", section.called);
            section.context.problem(*at, message, |problem| {
                problem.expected("at most 6 MB, as Lambda takes");
            });
        }
        section.finish();
        let payload = payload.map_or(Value::Null, |(value, _)| value);
        SavedEvent { name, description, function, payload }
    };
    section.named("events", names::WORD).into_iter().map(read).collect()
}

pub(super) fn chaos(section: &Section<'_, '_, '_>) -> Vec<Chaos> {
    section
        .named("chaos", names::WORD)
        .into_iter()
        .filter_map(|(name, section)| {
            Some(Chaos {
                name,
                description: section.text("description", "what it does, in one line").value,
                kind: chaos_kind(&section)?,
            })
        })
        .collect()
}

/// An unknown kind has been reported by `choice`; its other keys can't be judged.
fn chaos_kind(section: &Section<'_, '_, '_>) -> Option<ChaosKind> {
    let kinds = ["deny-table", "missing-table", "variable", "drop-cache-key", "slow-table"];
    let kind = match section.choice("kind", &kinds.map(|kind| (kind, kind)))? {
        "deny-table" => ChaosKind::DenyTable {
            role: section.link("role", Kind::Role),
            table: section.link("table", Kind::Table),
            minutes: unsigned(section.number("minutes", &(1..=MOST_DENY_MINUTES), "minutes", 15)),
        },
        "missing-table" => {
            let function = section.link("function", Kind::Function);
            let variable = section.link("variable", Kind::VariableOf(function.clone()));
            ChaosKind::MissingTable { function, variable }
        }
        "variable" => {
            let function = section.link("function", Kind::Function);
            let variable = section.link("variable", Kind::VariableOf(function.clone()));
            let value = section.text("value", "its value while the switch is on");
            if value.value.contains("${") {
                let message = format!("`value` in {} holds a reference", section.called);
                section.context.problem(value.at, message, |problem| {
                    problem.expected("text without `${`");
                });
            }
            ChaosKind::Variable { function, variable, value: value.value }
        }
        "drop-cache-key" => drop_cache_key(section),
        _ => ChaosKind::SlowTable {
            table: section.link("table", Kind::Table),
            delay_ms: u64::from(unsigned(section.required_number(
                "delay_ms",
                &(1..=MOST_DELAY_MS),
                "milliseconds",
            ))),
        },
    };
    section.finish();
    Some(kind)
}

fn drop_cache_key(section: &Section<'_, '_, '_>) -> ChaosKind {
    let api = section.link("api", Kind::Api);
    let path = section.text("path", "a path of the API, with parameters as `{name}`").value;
    let method = section.choice("method", &methods()).unwrap_or_default().to_owned();
    let parameter = section.text("parameter", "a cache key such as `method.request.path.ID`");
    let stage = section.link("stage", Kind::Stage);
    if [&api, &path, &method, &parameter.value].iter().all(|text| !text.is_empty()) {
        let need = Need::CacheKey {
            api: api.clone(),
            path: path.clone(),
            method: method.clone(),
            parameter: parameter.value.clone(),
        };
        section.context.need(need, parameter.at);
    }
    ChaosKind::DropCacheKey { api, path, method, parameter: parameter.value, stage }
}
