//! One log event as one line: time, version, function, and what matters of its kind.

use labdeck_telemetry::{LogEvent, LogKind};
use ratatui::text::{Line, Span};

use super::paint::{Pen, version};
use crate::text;
use crate::theme::Meaning;

/// Columns of the version.
const VERSION: usize = 7;

/// The event in `columns`.
pub fn line(pen: &Pen, event: &LogEvent, columns: usize) -> Line<'static> {
    let mut spans = prefix(pen, event, columns);
    let used: usize = spans.iter().map(Span::width).sum();
    let (tag, meaning, words) = summary(event);
    let room = columns.saturating_sub(used);
    if !tag.is_empty() {
        spans.push(pen.span(text::fit(&format!("{tag} "), room), meaning));
    }
    let room = room.saturating_sub(text::width(tag) + usize::from(!tag.is_empty()));
    let words_meaning = match event.kind {
        LogKind::Notice => Meaning::Notice,
        LogKind::Start { .. } | LogKind::End { .. } | LogKind::InitStart | LogKind::Report(_) => {
            Meaning::Muted
        }
        _ => Meaning::Text,
    };
    spans.push(pen.span(text::fit(&words, room), words_meaning));
    Line::from(spans)
}

/// The event's whole text on as many lines as it takes, at most `most`.
pub fn wrapped(pen: &Pen, event: &LogEvent, columns: usize, most: usize) -> Vec<Line<'static>> {
    let prefix = prefix(pen, event, columns);
    let used: usize = prefix.iter().map(Span::width).sum();
    let room = columns.saturating_sub(used).max(10);
    let mut lines = Vec::new();
    for piece in text::wrap(&event.text, room).into_iter().take(most.max(1)) {
        let mut spans =
            if lines.is_empty() { prefix.clone() } else { vec![Span::raw(" ".repeat(used))] };
        spans.push(pen.span(piece, Meaning::Text));
        lines.push(Line::from(spans));
    }
    lines
}

fn prefix(pen: &Pen, event: &LogEvent, columns: usize) -> Vec<Span<'static>> {
    let clock = text::clock(event.timestamp_ms);
    let time = if columns < 60 { &clock[..8] } else { &clock };
    if matches!(event.kind, LogKind::Notice) {
        return vec![pen.span(format!("{time} ── "), Meaning::Notice)];
    }
    let side = pen.state.side(&event.function, &event.version);
    let name = short_name(pen, &event.function);
    let wide = if columns < 60 { 9 } else { 16 };
    vec![
        pen.span(format!("{time} "), Meaning::Muted),
        pen.span(text::pad(&version(&event.version), VERSION), Pen::side(side)),
        Span::raw(" "),
        pen.span(text::pad(name, wide), Meaning::Name),
        Span::raw(" "),
    ]
}

/// A function's name without the lab's name before it.
pub fn short_name<'n>(pen: &Pen, function: &'n str) -> &'n str {
    pen.state
        .current_lab()
        .and_then(|lab| function.strip_prefix(lab.name.as_str())?.strip_prefix('-'))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(function)
}

/// Tag, its meaning, and the words of an event.
fn summary(event: &LogEvent) -> (&'static str, Meaning, String) {
    match &event.kind {
        LogKind::Plain | LogKind::Notice => {
            ("", Meaning::Text, event.text.replace(['\n', '\t'], " "))
        }
        LogKind::Json { level, message, .. } => {
            let (tag, meaning) = level_tag(level.as_deref());
            let words = message.as_deref().unwrap_or(&event.text);
            (tag, meaning, words.replace(['\n', '\t'], " "))
        }
        LogKind::Emf(emf) => {
            let metrics: Vec<String> = emf
                .metrics
                .iter()
                .map(|metric| {
                    let sum: f64 = metric.values.iter().sum();
                    let unit = match metric.unit.as_str() {
                        "Milliseconds" => "ms",
                        "Seconds" => "s",
                        "Percent" => "%",
                        "Bytes" => "B",
                        _ => "",
                    };
                    let number = format!("{sum:.1}");
                    format!("{}={}{unit}", metric.name, number.trim_end_matches(".0"))
                })
                .collect();
            ("EMF", Meaning::Canary, metrics.join(" "))
        }
        LogKind::InitStart => ("INIT", Meaning::Muted, event.text.replace(['\n', '\t'], " ")),
        LogKind::Start { request_id } => ("START", Meaning::Muted, request_id.to_string()),
        LogKind::End { request_id } => ("END", Meaning::Muted, request_id.to_string()),
        LogKind::Report(report) => {
            let mut words = format!(
                "{} ms billed {} mem {}/{} MB",
                text::millis(report.duration_ms),
                report.billed_ms,
                report.max_memory_mb,
                report.memory_mb
            );
            if let Some(init) = report.init_ms {
                words.push_str(" · cold ");
                words.push_str(&text::millis(init));
                words.push_str(" ms");
            }
            match &report.status {
                Some(status) => ("REPORT", Meaning::Danger, format!("{status} · {words}")),
                None => ("REPORT", Meaning::Stable, words),
            }
        }
    }
}

fn level_tag(level: Option<&str>) -> (&'static str, Meaning) {
    match level {
        Some("ERROR" | "FATAL") => ("ERROR", Meaning::Danger),
        Some("WARN" | "WARNING") => ("WARN ", Meaning::Warn),
        Some("INFO") => ("INFO ", Meaning::Ok),
        Some("DEBUG") => ("DEBUG", Meaning::Muted),
        Some("TRACE") => ("TRACE", Meaning::Muted),
        _ => ("", Meaning::Text),
    }
}
