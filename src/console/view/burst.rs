//! Bursts: live while they run, side by side afterwards, with the spread of the latencies.

use labdeck_ops::progress::BurstProgress;
use labdeck_ops::request::burst::Bucket;
use labdeck_ops::request::exchange::BurstSummary;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use super::request_list::status_meaning;
use crate::action::Action;
use crate::message::JobKind;
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// Columns of the labels.
const LABEL: usize = 10;
/// Most rows of a histogram.
const MOST_ROWS: usize = 14;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
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
    let columns = usize::from(inner.width);
    let mut lines: Vec<Line> = Vec::new();
    if let Some(job) = running {
        let burst = job.course.burst.as_deref();
        let words = burst.map_or_else(|| "begins …".to_owned(), done);
        let room = columns.saturating_sub(text::width(&words) + 1);
        let share = burst.map_or(0.0, |burst| burst.share);
        lines.push(Line::from(vec![
            pen.span(paint::bar(share, room, '█'), Meaning::Stable),
            Span::raw(" "),
            pen.span(words, Meaning::Text),
        ]));
        let mut about: Vec<String> = burst.iter().map(|burst| burst.load.to_string()).collect();
        about.push(format!("{} stops it", state.keys(Action::Back)));
        lines.push(pen.line(about.join(" · "), Meaning::Muted));
        lines.extend(
            burst
                .iter()
                .flat_map(|burst| measured(pen, std::slice::from_ref(&burst.so_far), columns)),
        );
    } else if state.requests.bursts.is_empty() {
        paint::empty(buffer, inner, pen, "nothing was measured yet");
        return;
    } else {
        lines.extend(measured(pen, &state.requests.bursts, columns));
    }
    paint::scrolled(buffer, inner, lines, state.requests.scroll);
}

/// Lines the panel holds at most.
pub fn line_count(state: &State) -> usize {
    let one = |burst: &BurstSummary| burst.errors.len() + burst.statuses.len() + 12 + MOST_ROWS;
    state.requests.bursts.iter().map(one).sum()
}

/// How far a burst is, in words: `120/200 requests`, `340 requests, 12.0 s`.
pub fn done(burst: &BurstProgress) -> String {
    let sent = burst.so_far.answered + burst.so_far.failed;
    match (burst.load.count, burst.load.lasts) {
        (Some(count), _) => format!("{sent}/{count} requests"),
        (None, Some(lasts)) => {
            let (passed, lasts) = (burst.so_far.seconds, lasts.as_secs_f64());
            format!("{sent} requests · {passed:.0}/{lasts:.0} s")
        }
        (None, None) => format!("{sent} requests"),
    }
}

/// The table, the histogram and the errors.
fn measured(pen: &Pen, bursts: &[BurstSummary], columns: usize) -> Vec<Line<'static>> {
    let mut lines = table(pen, bursts, columns);
    if let [burst] = bursts {
        lines.push(Line::default());
        lines.extend(histogram(pen, &burst.histogram, columns));
    } else {
        lines.extend(spreads(pen, bursts, columns));
    }
    for burst in bursts {
        for (error, count) in &burst.errors {
            let words = format!("{} {count}x {error}", burst.request);
            lines.push(pen.line(text::fit(&words, columns), Meaning::Danger));
        }
        if let Some(stopped) = &burst.stopped {
            let words = format!("{} ended early: {stopped}", burst.request);
            lines.push(pen.line(text::fit(&words, columns), Meaning::Warn));
        }
    }
    lines
}

/// Bursts side by side: one column each.
fn table(pen: &Pen, bursts: &[BurstSummary], columns: usize) -> Vec<Line<'static>> {
    let each = (columns.saturating_sub(LABEL) / bursts.len().max(1)).clamp(8, 24);
    let row = |label: &str, value: &dyn Fn(&BurstSummary) -> String, meaning: Meaning| {
        let mut spans = vec![pen.span(text::pad(label, LABEL), Meaning::Muted)];
        for burst in bursts {
            spans.push(pen.span(text::pad(&value(burst), each - 1), meaning));
            spans.push(Span::raw(" "));
        }
        Line::from(spans)
    };
    let ms = |value: f64| format!("{} ms", text::millis(value));
    let first = bursts.first();
    // How far a quantile is from the first one's.
    let than_first = |value: f64, of: &dyn Fn(&BurstSummary) -> f64, burst: &BurstSummary| {
        let base = first.map_or(0.0, of);
        let other = first.is_some_and(|first| !std::ptr::eq(first, burst));
        if other && base > 0.0 && value > 0.0 {
            format!("{} {:+.0}%", ms(value), (value / base - 1.0) * 100.0)
        } else {
            ms(value)
        }
    };
    let quantile = |label: &str, of: fn(&BurstSummary) -> f64| {
        row(label, &|burst| than_first(of(burst), &of, burst), Meaning::Text)
    };
    let mut lines = vec![
        row("", &|burst| burst.request.clone(), Meaning::Name),
        row("answered", &|burst| burst.answered.to_string(), Meaning::Text),
        row("failed", &|burst| burst.failed.to_string(), Meaning::Text),
        row("rate", &|burst| format!("{}/s", text::rate(burst.per_second)), Meaning::Text),
        quantile("p50", |burst| burst.p50_ms),
        quantile("p90", |burst| burst.p90_ms),
        quantile("p95", |burst| burst.p95_ms),
        quantile("p99", |burst| burst.p99_ms),
        quantile("max", |burst| burst.max_ms),
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
    lines
}

/// Neighbouring buckets put together until there are at most [`MOST_ROWS`].
fn condensed(buckets: &[Bucket]) -> Vec<Bucket> {
    let each = buckets.len().div_ceil(MOST_ROWS).max(1);
    let together = |some: &[Bucket]| Bucket {
        from_ms: some.first().map_or(0.0, |one| one.from_ms),
        to_ms: some.last().map_or(0.0, |one| one.to_ms),
        count: some.iter().map(|one| one.count).sum(),
    };
    buckets.chunks(each).map(together).collect()
}

/// A row per range of latencies.
fn histogram(pen: &Pen, buckets: &[Bucket], columns: usize) -> Vec<Line<'static>> {
    let rows = condensed(buckets);
    let most = rows.iter().map(|row| row.count).max().unwrap_or(0).max(1);
    let label = |row: &Bucket| format!("≤ {} ms", text::millis(row.to_ms));
    let label_columns = rows.iter().map(|row| text::width(&label(row))).max().unwrap_or(0);
    let count_columns = most.to_string().len();
    let room = columns.saturating_sub(label_columns + count_columns + 2);
    let line = |row: &Bucket| {
        Line::from(vec![
            pen.span(text::right(&label(row), label_columns), Meaning::Muted),
            Span::raw(" "),
            pen.span(text::right(&row.count.to_string(), count_columns), Meaning::Text),
            Span::raw(" "),
            pen.span(paint::bar(row.count as f64 / most as f64, room, '▇'), Meaning::Stable),
        ])
    };
    rows.iter().map(line).collect()
}

/// A small histogram per burst, all over the same range.
fn spreads(pen: &Pen, bursts: &[BurstSummary], columns: usize) -> Vec<Line<'static>> {
    let buckets = || bursts.iter().flat_map(|burst| &burst.histogram);
    let low = buckets().map(|bucket| bucket.from_ms).fold(f64::INFINITY, f64::min);
    let high = buckets().map(|bucket| bucket.to_ms).fold(0.0, f64::max);
    if !low.is_finite() || low <= 0.0 {
        return Vec::new();
    }
    let name_columns = bursts.iter().map(|burst| text::width(&burst.request)).max().unwrap_or(0);
    let name_columns = name_columns.clamp(LABEL, 24) + 1;
    let room = columns.saturating_sub(name_columns).clamp(1, 48);
    let per_column = (high / low).ln() / room as f64;
    let mut lines = vec![
        Line::default(),
        pen.line(
            format!(
                "{} {} to {} ms",
                text::pad("spread", name_columns - 1),
                text::millis(low),
                text::millis(high)
            ),
            Meaning::Muted,
        ),
    ];
    for burst in bursts {
        let mut counts = vec![0_u64; room];
        for bucket in &burst.histogram {
            let middle = (bucket.from_ms * bucket.to_ms).sqrt();
            let at = ((middle / low).ln() / per_column.max(f64::EPSILON)) as usize;
            if let Some(count) = counts.get_mut(at.min(room - 1)) {
                *count += bucket.count;
            }
        }
        let top = counts.iter().copied().max().unwrap_or(1);
        lines.push(Line::from(vec![
            pen.span(text::pad(&burst.request, name_columns), Meaning::Name),
            pen.span(paint::spark(&counts, room, top), Meaning::Stable),
        ]));
    }
    lines
}
