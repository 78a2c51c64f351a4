//! Queues, topics, subscriptions, event source mappings and alarms of `lab.toml`.

use std::collections::BTreeMap;

use super::{plain, small};
use crate::blueprint::{Alarm, Destination, Endpoint, Mapping, Queue, Source, Subscription, Topic};
use crate::links::{self, Allowed, Kind};
use crate::names;
use crate::problem::one_of;
use crate::section::{Need, Section, Text};

/// Most dimensions of a metric: `PutMetricAlarm`, `Dimensions`.
const MOST_DIMENSIONS: usize = 30;
/// Most records of a batch that needs no time to gather: `CreateEventSourceMapping`, `BatchSize`.
const MOST_UNGATHERED: i64 = 10;

/// One of the lab's own that events are sent to: `{ queue = "NAME" }`.
pub(super) fn destination(
    section: &Section<'_, '_, '_>,
    key: &'static str,
    kinds: &[(&'static str, Kind)],
) -> Option<Destination> {
    let inner = section.section(key)?;
    let (word, text) = one_key(&inner, &kinds.iter().map(|(word, _)| *word).collect::<Vec<_>>())?;
    let (_, kind) = kinds.iter().find(|(known, _)| *known == word)?;
    inner.context.link(kind.clone(), &text.value, text.at);
    Some(match kind {
        Kind::Queue => Destination::Queue(text.value),
        Kind::Topic => Destination::Topic(text.value),
        _ => Destination::Function(text.value),
    })
}

/// The only key of a table, of those that it can have; anything else is reported.
fn one_key(section: &Section<'_, '_, '_>, words: &[&'static str]) -> Option<(&'static str, Text)> {
    let mut found: Vec<(&'static str, Text)> = Vec::new();
    let mut present = 0;
    for word in words {
        present += usize::from(section.has(word));
        found.extend(section.optional_text(word).map(|text| (*word, text)));
    }
    section.finish();
    if present != 1 && !section.context.damaged() {
        let count = if present == 0 { "none" } else { "more than one" };
        let message = format!("{} has {count} of its keys", section.called);
        section.context.problem(section.at, message, |problem| {
            problem.expected(format!("one of {}", one_of(words.iter().copied())));
        });
    }
    if found.len() == 1 { found.pop() } else { None }
}

/// SQS: `SetQueueAttributes`. Defaults are AWS's own.
pub(super) fn queues(section: &Section<'_, '_, '_>) -> Vec<Queue> {
    let read = |(name, section): (String, Section<'_, '_, '_>)| {
        let queue = Queue {
            visibility_timeout_s: small(section.number(
                "visibility_timeout_s",
                &(0..=43_200),
                "seconds",
                30,
            )),
            retention_s: small(section.number(
                "retention_s",
                &(60..=1_209_600),
                "seconds",
                345_600,
            )),
            dead_letter: queue_dead_letter(&section, &name),
            name,
        };
        section.finish();
        queue
    };
    section.named("queues", names::QUEUE).into_iter().map(read).collect()
}

/// SQS: `RedrivePolicy`; `maxReceiveCount` is 1 to 1000.
fn queue_dead_letter(section: &Section<'_, '_, '_>, name: &str) -> Option<(String, i32)> {
    let inner = section.section("dead_letter")?;
    let queue = inner.link("queue", Kind::Queue);
    let receives = inner.required_number("max_receives", &(1..=1000), "times");
    inner.finish();
    if queue == name {
        let message = format!("{} is the queue itself", inner.called);
        inner.context.problem(inner.at, message, |problem| {
            problem.expected("another queue of this lab");
        });
    }
    Some((queue, small(receives)))
}

pub(super) fn topics(section: &Section<'_, '_, '_>) -> Vec<Topic> {
    let read = |(name, section): (String, Section<'_, '_, '_>)| {
        let display_name = section.optional_ruled("display_name", names::DISPLAY_NAME);
        section.finish();
        Topic { name, display_name: display_name.unwrap_or_default().value }
    };
    section.named("topics", names::TOPIC).into_iter().map(read).collect()
}

pub(super) fn subscriptions(section: &Section<'_, '_, '_>) -> Vec<Subscription> {
    section
        .named("subscriptions", names::WORD)
        .into_iter()
        .filter_map(|(name, section)| subscription(name, &section))
        .collect()
}

fn subscription(name: String, section: &Section<'_, '_, '_>) -> Option<Subscription> {
    let topic = section.link("topic", Kind::Topic);
    let endpoint = section
        .required_section(
            "endpoint",
            "`{ queue = \"NAME\" }`, `{ function = \"NAME\" }`, `{ webhook = \"URL\" }` or \
             `{ email = \"ADDRESS\" }`",
        )
        .and_then(|inner| endpoint(&inner));
    let raw = section.optional_flag("raw", false);
    let told = matches!(endpoint, Some(Endpoint::Function { .. } | Endpoint::Email { .. }));
    if raw && told {
        let message = format!("`raw` in {} is for queues and webhooks", section.called);
        section.context.problem(section.at_of("raw"), message, |problem| {
            problem.expected("no `raw`: SNS sends its envelope to functions and e-mail addresses");
        });
    }
    let filter = section.json("filter", false);
    if let Some((value, at)) = filter.as_ref().filter(|(value, _)| !value.is_object()) {
        let message = format!("`filter` in {} is {value}", section.called);
        section.context.problem(*at, message, |problem| {
            problem.expected("a table of message attributes and what they may be");
        });
    }
    section.finish();
    Some(Subscription {
        name,
        topic,
        endpoint: endpoint?,
        raw,
        filter: filter.map(|(value, _)| value),
    })
}

fn endpoint(section: &Section<'_, '_, '_>) -> Option<Endpoint> {
    let context = section.context;
    let (word, text) = one_key(section, &["queue", "function", "webhook", "email"])?;
    let refers = text.value.contains("${");
    if matches!(word, "webhook" | "email") {
        links::check_text(context, &text, Allowed::Parameters);
    }
    Some(match word {
        "queue" => {
            context.link(Kind::Queue, &text.value, text.at);
            Endpoint::Queue { queue: text.value }
        }
        "function" => {
            context.link(Kind::Function, &text.value, text.at);
            Endpoint::Function { function: text.value }
        }
        "webhook" => {
            let url = ["http://", "https://"].iter().any(|start| text.value.starts_with(start));
            if !refers && !url {
                let message = format!("`{}` is not a URL", text.value.escape_debug());
                context.problem(text.at, message, |problem| {
                    problem
                        .expected("a URL that begins with `https://` or `http://`, or a parameter");
                });
            }
            Endpoint::Webhook { url: text.value }
        }
        _ => {
            if !refers && !text.value.contains('@') {
                let message = format!("`{}` is not an e-mail address", text.value.escape_debug());
                context.problem(text.at, message, |problem| {
                    problem.expected("an address with `@`, or a parameter");
                });
            }
            Endpoint::Email { address: text.value }
        }
    })
}

pub(super) fn mappings(section: &Section<'_, '_, '_>) -> Vec<Mapping> {
    section
        .named("mappings", names::WORD)
        .into_iter()
        .filter_map(|(name, section)| mapping(name, &section))
        .collect()
}

/// Lambda: `CreateEventSourceMapping`. Defaults are AWS's own.
fn mapping(name: String, section: &Section<'_, '_, '_>) -> Option<Mapping> {
    let function = section.link("function", Kind::Function);
    let expected = "`{ stream = \"TABLE\" }` or `{ queue = \"NAME\" }`";
    let source = section
        .required_section("source", expected)
        .and_then(|inner| one_key(&inner, &["stream", "queue"]).map(|found| (inner.at, found)));
    let Some((at, (word, text))) = source else {
        // What else it can hold depends on the source.
        return None;
    };
    let (batch_size, source) = if word == "queue" {
        section.context.link(Kind::Queue, &text.value, text.at);
        let need = Need::Visibility { queue: text.value.clone(), function: function.clone() };
        section.context.need(need, at);
        let most_at_once = section.optional_number("most_at_once", &(2..=1000), "batches");
        (10, Source::Queue { queue: text.value, most_at_once: most_at_once.map(small) })
    } else {
        section.context.link(Kind::StreamTable, &text.value, text.at);
        (100, stream(section, text.value))
    };
    let from_queue = matches!(source, Source::Queue { .. });
    let batch_size = section.number("batch_size", &(1..=10_000), "records", batch_size);
    let window_s = section.number("window_s", &(0..=300), "seconds", 0);
    if from_queue && batch_size > MOST_UNGATHERED && window_s == 0 {
        let message = format!("{} gathers {batch_size} messages in no time", section.called);
        section.context.problem(section.at_of("batch_size"), message, |problem| {
            problem.expected(format!(
                "a `window_s` of at least 1, or a `batch_size` of at most {MOST_UNGATHERED}"
            ));
        });
    }
    let partial = section.optional_flag("partial", false);
    section.finish();
    Some(Mapping {
        name,
        function,
        source,
        batch_size: small(batch_size),
        window_s: small(window_s),
        partial,
    })
}

fn stream(section: &Section<'_, '_, '_>, table: String) -> Source {
    let positions = [("TRIM_HORIZON", true), ("LATEST", false)];
    Source::Stream {
        table,
        from_oldest: section.choice("starting_position", &positions).unwrap_or_default(),
        retries: section.optional_number("retries", &(0..=10_000), "tries").map(small),
        max_age_s: section.optional_number("max_age_s", &(60..=604_800), "seconds").map(small),
        bisect: section.optional_flag("bisect", false),
        parallel: small(section.number("parallel", &(1..=10), "batches", 1)),
        on_failure: destination(
            section,
            "on_failure",
            &[("queue", Kind::Queue), ("topic", Kind::Topic)],
        ),
    }
}

pub(super) fn alarms(section: &Section<'_, '_, '_>) -> Vec<Alarm> {
    section
        .named("alarms", names::ALARM)
        .into_iter()
        .map(|(name, section)| alarm(name, &section))
        .collect()
}

/// `CloudWatch`: `PutMetricAlarm`.
fn alarm(name: String, section: &Section<'_, '_, '_>) -> Alarm {
    let comparisons = [
        "GreaterThanThreshold",
        "GreaterThanOrEqualToThreshold",
        "LessThanThreshold",
        "LessThanOrEqualToThreshold",
    ];
    let missing = ["missing", "notBreaching", "breaching", "ignore"];
    let description = section.text("description", "one line").value;
    let namespace = section.ruled("namespace", names::NAMESPACE).value;
    let metric = section.ruled("metric", names::METRIC).value;
    let dimensions = dimensions(section);
    let statistic = section.ruled("statistic", names::STATISTIC).value;
    let period_s = section.required_number("period_s", &(10..=604_800), "seconds");
    let periods = section.number("periods", &(1..=8640), "periods", 1);
    let breaching = section.number("breaching", &(1..=8640), "periods", periods);
    check_times(section, period_s, periods, breaching);
    let threshold = section.required_real("threshold", None);
    let comparison = section.choice("comparison", &comparisons.map(|word| (word, word)));
    let missing = section.optional_choice("missing", &missing.map(|word| (word, word)));
    let topics = section.optional_links("topics", &Kind::Topic);
    section.finish();
    Alarm {
        name,
        description,
        namespace,
        metric,
        dimensions,
        statistic,
        period_s: small(period_s),
        periods: (small(periods), small(breaching)),
        threshold,
        comparison: comparison.unwrap_or_default().to_owned(),
        missing: missing.unwrap_or("missing").to_owned(),
        topics,
    }
}

fn dimensions(section: &Section<'_, '_, '_>) -> BTreeMap<String, String> {
    let dimensions = section.text_map("dimensions", Some(names::DIMENSION));
    for value in dimensions.values() {
        links::check_text(section.context, value, Allowed::Resources);
    }
    if dimensions.len() > MOST_DIMENSIONS {
        let message = format!("{} has {} dimensions", section.called, dimensions.len());
        section.context.problem(section.at_of("dimensions"), message, |problem| {
            problem.expected(format!("at most {MOST_DIMENSIONS}"));
        });
    }
    plain(dimensions)
}

/// What AWS says of the periods: 10, 20, 30 or whole minutes; all of them together at most a day, or a
/// week where one is an hour or more.
fn check_times(section: &Section<'_, '_, '_>, period_s: i64, periods: i64, breaching: i64) {
    let context = section.context;
    if period_s > 0 && ![10, 20, 30].contains(&period_s) && period_s % 60 != 0 {
        let message = format!("`period_s` in {} is {period_s}", section.called);
        context.problem(section.at_of("period_s"), message, |problem| {
            problem.expected("10, 20, 30 or a multiple of 60 seconds");
        });
    }
    let most = if period_s >= 3600 { 604_800 } else { 86_400 };
    if period_s * periods > most {
        let message =
            format!("{} looks at {periods} periods of {period_s} seconds", section.called);
        context.problem(section.at_of("periods"), message, |problem| {
            problem.expected(format!("at most {most} seconds in all"));
        });
    }
    if breaching > periods {
        let message = format!("`breaching` in {} is {breaching}", section.called);
        context.problem(section.at_of("breaching"), message, |problem| {
            problem.expected(format!("at most `periods`, which is {periods}"));
        });
    }
}
