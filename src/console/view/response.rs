//! The answer to the selected request, or the last burst.

use labdeck_ops::request::explain::live::Diagnosis;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::burst;
use super::paint::{self, Pen};
use super::request_list::status_meaning;
use crate::action::Action;
use crate::state::requests::{Answer, Shown};
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    match pen.state.requests.shown {
        Shown::Bursts => burst::draw(buffer, area, pen),
        Shown::Answer => answer(buffer, area, pen),
    }
}

fn shown_answer(state: &State) -> Option<&Answer> {
    state.requests.answers.get(&state.item()?.label())
}

/// Lines the panel holds.
pub fn line_count(state: &State) -> usize {
    match state.requests.shown {
        Shown::Answer => shown_answer(state).map_or(0, |answer| {
            let exchange = &answer.exchange;
            answer.body.len()
                + exchange.headers.len()
                + exchange.verdicts.len()
                + answer.diagnosis.as_ref().map_or(0, |one| one.checked.len() + 3)
                + exchange.log.len()
                + 8
        }),
        Shown::Bursts => burst::line_count(state),
    }
}

fn answer(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let Some(answer) = shown_answer(state) else {
        let inner = pen.panel(buffer, area, Panel::Response, "response");
        let what = format!(
            "{} sends it, {} edits it first, {} sends it many times",
            state.keys(Action::Send),
            state.keys(Action::Edit),
            state.keys(Action::Burst)
        );
        paint::empty(buffer, inner, pen, &what);
        return;
    };
    let exchange = &answer.exchange;
    let title = Line::from(vec![
        pen.span("response ", Meaning::Title),
        pen.span(exchange.status.to_string(), status_meaning(exchange.status)),
        pen.span(
            format!(
                " · {}{} ms · {}",
                if exchange.to.is_empty() { String::new() } else { format!("{} · ", exchange.to) },
                text::millis(exchange.timings.total_ms),
                text::bytes(exchange.body_bytes as u64)
            ),
            Meaning::Muted,
        ),
    ]);
    let inner = pen.panel_with(buffer, area, Panel::Response, title);
    let columns = usize::from(inner.width);
    let mut head = vec![timings(pen, answer)];
    if let Some(diagnosis) = &answer.diagnosis {
        head.extend(cause(pen, diagnosis, columns));
    } else if let Some(explanation) = &exchange.explanation {
        for line in text::wrap_words(explanation, columns.saturating_sub(2)) {
            head.push(pen.line(format!("! {line}"), Meaning::Warn));
        }
    }
    head.extend(exchange.verdicts.iter().map(|verdict| {
        let meaning = if verdict.holds { Meaning::Ok } else { Meaning::Danger };
        pen.line(text::fit(&verdict.to_string(), columns), meaning)
    }));
    if let Some(version) = &exchange.version {
        head.push(pen.line(format!("answered by {}", paint::version(version)), Meaning::Muted));
    }
    for (name, value) in &exchange.headers {
        let room = columns.saturating_sub(name.len() + 2);
        head.push(Line::from(vec![
            pen.span(format!("{name}: "), Meaning::Muted),
            pen.span(text::fit(value, room), Meaning::Muted),
        ]));
    }
    head.push(Line::default());
    // Only the lines in view are made: a body may have thousands.
    let height = usize::from(inner.height);
    let log_lines = if exchange.log.is_empty() { 0 } else { exchange.log.len() + 2 };
    let total = head.len() + answer.body.len() + log_lines;
    // The body is what people look for; the headers are one line up.
    let scroll = state.requests.scroll.min(total.saturating_sub(height));
    let skip = scroll.saturating_sub(head.len());
    let log_title = [Line::default(), pen.line("log", Meaning::Title)];
    let log = exchange.log.iter().map(|line| pen.line(text::fit(line, columns), Meaning::Muted));
    let log = log_title.into_iter().chain(log).take(log_lines);
    let lines = head
        .into_iter()
        .skip(scroll)
        .chain(answer.body.iter().map(|line| json_line(pen, line, columns)).skip(skip))
        .chain(log.skip(skip.saturating_sub(answer.body.len())))
        .take(height);
    paint::lines(buffer, inner, lines);
}

/// Why it is an error, what was looked at, and the key that mends it.
fn cause(pen: &Pen, diagnosis: &Diagnosis, columns: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line> = text::wrap_words(&diagnosis.explanation, columns.saturating_sub(2))
        .into_iter()
        .map(|line| pen.line(format!("! {line}"), Meaning::Warn))
        .collect();
    for finding in &diagnosis.checked {
        let (mark, meaning) =
            if finding.holds { ("✓", Meaning::Ok) } else { ("✗", Meaning::Danger) };
        let words = format!("{mark} {}: {}", finding.what, finding.detail);
        lines.push(pen.line(text::fit(&words, columns), meaning));
    }
    if let Some(fix) = &diagnosis.fix {
        let mut spans = pen.hint(&pen.state.keys(Action::Fix), &fix.does());
        spans.push(pen.span(format!("   {}", fix.command()), Meaning::Muted));
        lines.push(Line::from(spans));
    }
    lines
}

fn timings(pen: &Pen, answer: &Answer) -> Line<'static> {
    let timings = &answer.exchange.timings;
    let part = |name: &str, ms: f64| {
        vec![
            pen.span(format!("{name} "), Meaning::Muted),
            pen.span(format!("{} ms   ", text::millis(ms)), Meaning::Text),
        ]
    };
    let mut spans = part("connect", timings.connect_ms);
    spans.extend(part("first byte", timings.first_byte_ms));
    spans.extend(part("total", timings.total_ms));
    Line::from(spans)
}

/// A line of indented JSON with its parts told apart.
pub fn json_line(pen: &Pen, line: &str, columns: usize) -> Line<'static> {
    let cut = text::fit(line, columns);
    let indent = cut.len() - cut.trim_start().len();
    let (space, rest) = cut.split_at(indent);
    let mut spans = vec![Span::raw(space.to_owned())];
    let value = if rest.starts_with('"')
        && let Some(end) = rest.find("\": ")
    {
        spans.push(pen.span(&rest[..=end], Meaning::JsonKey));
        spans.push(pen.span(": ", Meaning::Muted));
        &rest[end + 3..]
    } else {
        rest
    };
    let meaning = match value.chars().next() {
        Some('"') => Meaning::JsonText,
        Some('0'..='9' | '-' | 't' | 'f' | 'n') if indent > 0 => Meaning::JsonNumber,
        _ => Meaning::Text,
    };
    spans.push(pen.span(value, meaning));
    Line::from(spans)
}
