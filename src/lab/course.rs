//! `lab.toml`: what is done with a lab (saved requests, chaos, checks, steps).

use std::collections::BTreeMap;

use crate::blueprint::{Chaos, ChaosKind, Check, Condition, LabStep, SavedRequest, StepAction};
use crate::links::Kind;
use crate::names;
use crate::section::{Section, Text};

/// HTTP methods a saved request can have.
const METHODS: &[(&str, &str)] = &[
    ("GET", "GET"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("DELETE", "DELETE"),
    ("HEAD", "HEAD"),
    ("OPTIONS", "OPTIONS"),
];
/// Most bytes of a saved request's body: what API Gateway takes.
const MOST_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Longest delay of `slow-table`: beyond it a function has long timed out.
const MOST_DELAY_MS: i64 = 60_000;
/// Longest `deny-table`: one working day.
const MOST_DENY_MINUTES: i64 = 480;

pub(crate) fn requests(section: &Section<'_, '_, '_>) -> Vec<SavedRequest> {
    section
        .named("requests", names::WORD)
        .into_iter()
        .map(|(name, section)| request(name, &section))
        .collect()
}

fn request(name: String, section: &Section<'_, '_, '_>) -> SavedRequest {
    let context = section.context;
    let description = section.text("description", "what the request shows, in one line").value;
    let api = section.link("api", Kind::Api);
    let method = section.choice("method", METHODS).unwrap_or_default().to_owned();
    let path = section.ruled("path", names::PATH);
    let headers = section.text_map("headers", Some(names::HEADER));
    for value in headers.values() {
        context.check(names::HEADER_VALUE, &value.value, value.at);
    }
    let query = section.text_map("query", None);
    let body = section.optional_text("body");
    if let Some(body) = body.as_ref().filter(|body| body.value.len() > MOST_BODY_BYTES) {
        let message = format!("`body` in {} is too large", section.called);
        context.problem(body.at, message, |problem| {
            problem.expected("at most 10 MB, as API Gateway takes");
        });
    }
    let variables = section.text_map("variables", Some(names::WORD));
    let used = std::iter::once(&path).chain(headers.values()).chain(query.values()).chain(&body);
    for text in used {
        check_variables(section, text, &variables);
    }
    section.finish();
    SavedRequest {
        name,
        description,
        api,
        method,
        path: path.value,
        headers: plain(headers),
        query: plain(query),
        body: body.map(|body| body.value),
        variables: plain(variables),
        ..SavedRequest::default()
    }
}

fn plain(texts: BTreeMap<String, Text>) -> BTreeMap<String, String> {
    let pairs = texts.into_iter();
    pairs.map(|(name, text)| (name, text.value)).collect()
}

/// Every `{{name}}` needs a default value.
fn check_variables(section: &Section<'_, '_, '_>, text: &Text, variables: &BTreeMap<String, Text>) {
    for rest in text.value.split("{{").skip(1) {
        let Some((name, _)) = rest.split_once("}}") else {
            section.context.problem(text.at, "a `{{` has no closing `}}`", |_| ());
            return;
        };
        let name = name.trim();
        // Where lines can't be read, the default may stand in one of them.
        if !variables.contains_key(name) && !section.context.damaged() {
            let message = format!("variable `{}` has no default value", name.escape_debug());
            section.context.problem(text.at, message, |problem| {
                problem
                    .expected(format!("`{name} = \"…\"` in `variables` of {}", section.called))
                    .nearest(name, variables.keys().map(String::as_str));
            });
        }
    }
}

pub(crate) fn chaos(section: &Section<'_, '_, '_>) -> Vec<Chaos> {
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
    let kinds = [
        ("deny-table", "deny-table"),
        ("missing-table", "missing-table"),
        ("slow-table", "slow-table"),
    ];
    let kind = match section.choice("kind", &kinds)? {
        "deny-table" => ChaosKind::DenyTable {
            role: section.link("role", Kind::Role),
            table: section.link("table", Kind::Table),
            minutes: unsigned(section.number("minutes", &(1..=MOST_DENY_MINUTES), "minutes", 10)),
        },
        "missing-table" => {
            let function = section.link("function", Kind::Function);
            let variable = section.link("variable", Kind::VariableOf(function.clone()));
            ChaosKind::MissingTable { function, variable }
        }
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

/// A number that a range has already bounded.
fn unsigned(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

pub(crate) fn checks(section: &Section<'_, '_, '_>) -> Vec<Check> {
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
        "alias-published",
        "alias-behind",
        "alias-split",
        "alias-rolled-back",
        "request",
        "metric",
        "chaos-on",
        "chaos-off",
    ];
    let kind = section.choice("kind", &kinds.map(|kind| (kind, kind)))?;
    let alias = || (section.link("function", Kind::Function), section.link("alias", Kind::Alias));
    let condition = match kind {
        "deployed" => Condition::Deployed,
        "absent" => Condition::Absent,
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
        "request" => request_condition(section),
        "metric" => Condition::Metric {
            function: section.link("function", Kind::Function),
            metric: section.ruled("metric", names::METRIC).value,
            at_least: section.positive("at_least", 1.0),
            minutes: unsigned(section.number("minutes", &(1..=1440), "minutes", 15)),
        },
        "chaos-on" => Condition::ChaosOn { chaos: section.link("chaos", Kind::Chaos) },
        _ => Condition::ChaosOff,
    };
    section.finish();
    Some(condition)
}

fn request_condition(section: &Section<'_, '_, '_>) -> Condition {
    let request = section.link("request", Kind::Request);
    let stage = section.link("stage", Kind::Stage);
    let status = section.required_number("status", &(100..=599), "(an HTTP status)");
    let json = section.value_map("json");
    for (path, (_, at)) in &json {
        if !path.starts_with('$') {
            let message = format!("`{}` is not a JSON path", path.escape_debug());
            section.context.problem(*at, message, |problem| {
                problem.expected("a path in quotes that begins with `$`, such as `\"$.count\"`");
            });
        }
    }
    Condition::Request {
        request,
        stage,
        status: u16::try_from(status).unwrap_or_default(),
        json: json.into_iter().map(|(path, (value, _))| (path, value)).collect(),
        headers: BTreeMap::new(),
    }
}

pub(crate) fn steps(section: &Section<'_, '_, '_>) -> Vec<LabStep> {
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
            section.finish();
            Some(LabStep {
                name,
                title,
                lesson: unwrapped(&lesson),
                action: action?,
                check,
                shows: None,
            })
        })
        .collect()
}

/// A text's lines joined to paragraphs: the screen breaks lines by its own width.
pub(crate) fn unwrapped(lesson: &str) -> String {
    lesson
        .trim()
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn step_action(section: &Section<'_, '_, '_>) -> Option<StepAction> {
    let kinds = [
        "deploy", "request", "compare", "publish", "shift", "promote", "rollback", "undo", "chaos",
        "destroy",
    ];
    let kind = section.choice("kind", &kinds.map(|kind| (kind, kind)))?;
    let count = || unsigned(section.number("count", &(1..=10_000), "requests", 1));
    let concurrency = || unsigned(section.number("concurrency", &(1..=256), "requests", 1));
    let action = match kind {
        "deploy" => StepAction::Deploy { variant: None },
        "request" => StepAction::Request {
            request: section.link("request", Kind::Request),
            stage: section.link("stage", Kind::Stage),
            count: count(),
            concurrency: concurrency(),
        },
        "compare" => StepAction::Compare {
            requests: compared(section),
            stage: section.link("stage", Kind::Stage),
            count: count(),
            concurrency: concurrency(),
        },
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
        _ => StepAction::Destroy,
    };
    section.finish();
    Some(action)
}

fn compared(section: &Section<'_, '_, '_>) -> Vec<String> {
    let requests = section.texts("requests", "a list of saved requests");
    for request in &requests {
        section.context.link(Kind::Request, &request.value, request.at);
    }
    requests.into_iter().map(|request| request.value).collect()
}
