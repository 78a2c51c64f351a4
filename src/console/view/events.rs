//! Queues, topics, event source mappings and alarms, as lines of the resources panel.

use labdeck_ops::status::{AlarmStatus, Events, MappingStatus, QueueStatus, TopicStatus};
use ratatui::text::{Line, Span};

use super::paint::Pen;
use super::plan::wrapped;
use crate::text;
use crate::theme::Meaning;

/// Lines of the brief form.
pub fn brief_count(events: &Events) -> usize {
    events.queues.len() + events.topics.len() + events.mappings.len() + events.alarms.len()
}

/// How many of them a person should look at: something is missing, failed, waits for somebody, or an
/// alarm is on.
pub fn troubles(events: &Events) -> usize {
    events.queues.iter().filter(|queue| is_bad(queue_words(queue).1)).count()
        + events.topics.iter().filter(|topic| is_bad(topic_words(topic).1)).count()
        + events.mappings.iter().filter(|mapping| is_bad(mapping_words(mapping).1)).count()
        + events.alarms.iter().filter(|alarm| is_bad(alarm_words(alarm).1)).count()
}

fn is_bad(meaning: Meaning) -> bool {
    matches!(meaning, Meaning::Danger | Meaning::Warn)
}

/// Every one of them, those that need a look apart from those that are well; `detailed` with
/// subscriptions, results and reasons below.
pub fn lines(
    pen: &Pen,
    events: &Events,
    columns: usize,
    detailed: bool,
) -> (Vec<Line<'static>>, Vec<Line<'static>>) {
    let (mut troubled, mut well) = (Vec::new(), Vec::new());
    let mut add = |kind: &str, name: &str, words: (String, Meaning), more: Vec<Line<'static>>| {
        let to = if is_bad(words.1) { &mut troubled } else { &mut well };
        to.push(line(pen, kind, name, words, columns));
        to.extend(more.into_iter().filter(|_| detailed));
    };
    let muted = |words: &str| match words {
        "" => Vec::new(),
        words => below(pen, words, columns, Meaning::Muted),
    };
    for queue in &events.queues {
        add("queue", &queue.name, queue_words(queue), Vec::new());
    }
    for topic in &events.topics {
        let subscribers = topic.subscriptions.iter().flat_map(|one| {
            let pending = if one.confirmed { "" } else { " waits for its owner's confirmation" };
            let words = format!("{} {}{pending}", one.protocol, one.endpoint);
            let meaning = if one.confirmed { Meaning::Muted } else { Meaning::Warn };
            below(pen, &words, columns, meaning)
        });
        add("topic", &topic.name, topic_words(topic), subscribers.collect());
    }
    for mapping in &events.mappings {
        let name = format!("{} ← {}", mapping.function, mapping.source);
        add("event", &name, mapping_words(mapping), muted(&mapping.last_result));
    }
    for alarm in &events.alarms {
        add("alarm", &alarm.name, alarm_words(alarm), muted(&alarm.reason));
    }
    (troubled, well)
}

/// A kind, a name and how it is; the name gives way.
pub fn line(
    pen: &Pen,
    kind: &str,
    name: &str,
    (words, meaning): (String, Meaning),
    columns: usize,
) -> Line<'static> {
    let room = columns.saturating_sub(6 + 1 + text::width(&words)).max(8);
    Line::from(vec![
        pen.span(text::pad(kind, 6), Meaning::Muted),
        pen.span(text::fit(name, room), Meaning::Name),
        Span::raw(" "),
        pen.span(words, meaning),
    ])
}

/// Words below a line.
pub fn below(pen: &Pen, words: &str, columns: usize, meaning: Meaning) -> Vec<Line<'static>> {
    let lines = wrapped(pen, words, columns.saturating_sub(8), meaning);
    let indent = |mut line: Line<'static>| {
        line.spans.insert(0, Span::raw(" ".repeat(8)));
        line
    };
    lines.into_iter().map(indent).collect()
}

fn queue_words(queue: &QueueStatus) -> (String, Meaning) {
    if queue.url.is_empty() {
        return ("missing".to_owned(), Meaning::Danger);
    }
    let flying = if queue.in_flight > 0 {
        format!(" +{} in flight", queue.in_flight)
    } else {
        String::new()
    };
    match (queue.waiting + queue.in_flight, queue.dead_letters) {
        (0, true) => ("no dead letters".to_owned(), Meaning::Muted),
        (0, false) => ("empty".to_owned(), Meaning::Muted),
        (_, true) => (format!("{} dead letters{flying}", queue.waiting), Meaning::Danger),
        (_, false) => (format!("{} waiting{flying}", queue.waiting), Meaning::Text),
    }
}

fn topic_words(topic: &TopicStatus) -> (String, Meaning) {
    if !topic.exists {
        return ("missing".to_owned(), Meaning::Danger);
    }
    let count = topic.subscriptions.len();
    let pending = topic.subscriptions.iter().filter(|one| !one.confirmed).count();
    if pending > 0 {
        return (format!("{pending} of {count} unconfirmed"), Meaning::Warn);
    }
    let words = if count == 1 { "1 subscriber".to_owned() } else { format!("{count} subscribers") };
    (words, Meaning::Muted)
}

fn mapping_words(mapping: &MappingStatus) -> (String, Meaning) {
    // Lambda's words for a batch that went well, for none yet, and for a mapping without any.
    let well = matches!(mapping.last_result.as_str(), "" | "OK" | "No records processed");
    match mapping.state.as_str() {
        "" => ("missing".to_owned(), Meaning::Danger),
        "Enabled" if well => ("enabled".to_owned(), Meaning::Ok),
        "Enabled" => ("last batch failed".to_owned(), Meaning::Danger),
        state => (state.to_lowercase(), Meaning::Warn),
    }
}

fn alarm_words(alarm: &AlarmStatus) -> (String, Meaning) {
    match alarm.state.as_str() {
        "" => ("missing".to_owned(), Meaning::Danger),
        "OK" => ("ok".to_owned(), Meaning::Ok),
        "INSUFFICIENT_DATA" => ("no data yet".to_owned(), Meaning::Muted),
        state => (state.to_owned(), Meaning::Danger),
    }
}
