//! The answer to the selected request, or the last burst.

use labdeck_ops::request::exchange::BurstSummary;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use super::request_list::status_meaning;
use crate::action::Action;
use crate::message::JobKind;
use crate::state::requests::{Answer, Shown};
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    match pen.state.requests.shown {
        Shown::Bursts => bursts(buffer, area, pen),
        Shown::Answer => answer(buffer, area, pen),
    }
}

fn shown_answer(state: &State) -> Option<&Answer> {
    state.requests.answers.get(&state.saved_request()?.name)
}

/// Lines the panel holds.
pub fn line_count(state: &State) -> usize {
    match state.requests.shown {
        Shown::Answer => shown_answer(state)
            .map_or(0, |answer| answer.body.len() + answer.exchange.headers.len() + 5),
        Shown::Bursts => state.requests.bursts.iter().map(|one| one.errors.len() + 8).sum(),
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
                " · {} ms · {}",
                text::millis(exchange.timings.total_ms),
                text::bytes(exchange.body_bytes as u64)
            ),
            Meaning::Muted,
        ),
    ]);
    let inner = pen.panel_with(buffer, area, Panel::Response, title);
    let columns = usize::from(inner.width);
    let mut head = vec![timings(pen, answer)];
    if let Some(explanation) = &exchange.explanation {
        for line in text::wrap_words(explanation, columns.saturating_sub(2)) {
            head.push(pen.line(format!("! {line}"), Meaning::Warn));
        }
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
    let total = head.len() + answer.body.len();
    // The body is what people look for; the headers are one line up.
    let scroll = state.requests.scroll.min(total.saturating_sub(height));
    let skip = scroll.saturating_sub(head.len());
    let lines = head
        .into_iter()
        .skip(scroll)
        .chain(answer.body.iter().skip(skip).map(|line| json_line(pen, line, columns)))
        .take(height);
    paint::lines(buffer, inner, lines);
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

fn bursts(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let running = state
        .job
        .as_ref()
        .filter(|job| matches!(job.kind, JobKind::Burst { .. } | JobKind::Compare { .. }));
    let title = match (running, state.requests.bursts.len()) {
        (Some(job), _) => job.kind.name(),
        (None, 0 | 1) => "burst",
        (None, _) => "side by side",
    };
    let inner = pen.panel(buffer, area, Panel::Response, title);
    let mut lines: Vec<Line> = Vec::new();
    if let Some(job) = running {
        let (done, total) = job.course.requests.unwrap_or((0, 0));
        let share = done as f64 / total.max(1) as f64;
        let columns = usize::from(inner.width).saturating_sub(24);
        lines.push(Line::from(vec![
            pen.span(paint::bar(share, columns, '█'), Meaning::Stable),
            pen.span(format!(" {done}/{total}"), Meaning::Text),
        ]));
        let seconds = (state.now_ms - job.started_ms).max(1) as f64 / 1000.0;
        lines.push(pen.line(
            format!(
                "{} answers/s · {} stops it",
                text::rate(done as f64 / seconds),
                state.keys(Action::Back)
            ),
            Meaning::Muted,
        ));
    } else if state.requests.bursts.is_empty() {
        paint::empty(buffer, inner, pen, "nothing was measured yet");
        return;
    } else {
        lines.extend(table(pen, &state.requests.bursts, usize::from(inner.width)));
    }
    paint::scrolled(buffer, inner, lines, state.requests.scroll);
}

/// Bursts side by side: one column each.
fn table(pen: &Pen, bursts: &[BurstSummary], columns: usize) -> Vec<Line<'static>> {
    const LABEL: usize = 10;
    let each = (columns.saturating_sub(LABEL) / bursts.len()).clamp(8, 24);
    let row = |label: &str, value: &dyn Fn(&BurstSummary) -> String, meaning: Meaning| {
        let mut spans = vec![pen.span(text::pad(label, LABEL), Meaning::Muted)];
        for burst in bursts {
            spans.push(pen.span(text::pad(&value(burst), each - 1), meaning));
            spans.push(Span::raw(" "));
        }
        Line::from(spans)
    };
    let ms = |value: f64| format!("{} ms", text::millis(value));
    let mut lines = vec![
        row("", &|burst| burst.request.clone(), Meaning::Name),
        row("answered", &|burst| burst.answered.to_string(), Meaning::Text),
        row("failed", &|burst| burst.failed.to_string(), Meaning::Text),
        row("rate", &|burst| format!("{}/s", text::rate(burst.per_second)), Meaning::Text),
        row("p50", &|burst| ms(burst.p50_ms), Meaning::Text),
        row("p90", &|burst| ms(burst.p90_ms), Meaning::Text),
        row("p95", &|burst| ms(burst.p95_ms), Meaning::Text),
        row("p99", &|burst| ms(burst.p99_ms), Meaning::Text),
        row("max", &|burst| ms(burst.max_ms), Meaning::Text),
    ];
    let statuses: std::collections::BTreeSet<u16> =
        bursts.iter().flat_map(|burst| burst.statuses.keys().copied()).collect();
    for status in statuses {
        lines.push(row(
            &status.to_string(),
            &|burst| burst.statuses.get(&status).copied().unwrap_or(0).to_string(),
            status_meaning(status),
        ));
    }
    for burst in bursts {
        for (error, count) in &burst.errors {
            let words = format!("{} {count}x {error}", burst.request);
            lines.push(pen.line(text::fit(&words, columns), Meaning::Danger));
        }
    }
    lines
}
