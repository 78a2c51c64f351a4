//! The traffic panel of the overview: rate, errors and latency by function and version.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::logline::short_name;
use super::paint::{self, Pen, spark, version};
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let inner = pen.panel(buffer, area, Panel::Traffic, "requests/s · errors · p50 p95 p99 ms");
    let traffic = pen.state.meter.traffic();
    if traffic.rows.is_empty() {
        paint::empty(buffer, inner, pen, "no requests in the last minutes");
        return;
    }
    let columns = usize::from(inner.width);
    // Rate, errors, and the three quantiles: narrow where there is no room.
    let widths = if columns < 60 { [5, 6, 5, 5, 5] } else { [8, 7, 7, 7, 7] };
    let numbers: usize = widths.iter().sum();
    let versions =
        traffic.rows.iter().map(|row| version(&row.version).len()).max().unwrap_or(2).min(8);
    let rest = columns.saturating_sub(numbers + versions + 2);
    let name = (rest / 2).clamp(rest.min(12), 22);
    let sparks = rest.saturating_sub(name + 1);
    let sparks = if sparks < 6 { 0 } else { sparks };
    let name = if sparks == 0 { rest } else { name };
    let top = traffic.rows.iter().flat_map(|row| row.chart.iter().copied()).max().unwrap_or(1);
    let lines = traffic.rows.iter().map(|row| {
        let side = Pen::side(pen.state.side(&row.function, &row.version));
        let errors = row.error_share();
        let error_meaning = if errors > 0.0 { Meaning::Danger } else { Meaning::Muted };
        let mut spans = vec![
            pen.span(text::pad(short_name(pen, &row.function), name), Meaning::Name),
            Span::raw(" "),
            pen.span(text::pad(&version(&row.version), versions), side),
            Span::raw(" "),
        ];
        if sparks > 0 {
            spans.push(pen.span(spark(&row.chart, sparks, top), side));
            spans.push(Span::raw(" "));
        }
        let cells = [
            (format!("{}/s", text::rate(row.rate)), Meaning::Text),
            (text::percent(errors), error_meaning),
            (text::millis(row.p50_ms), Meaning::Text),
            (text::millis(row.p95_ms), Meaning::Text),
            (text::millis(row.p99_ms), Meaning::Text),
        ];
        for ((cell, meaning), width) in cells.iter().zip(widths) {
            spans.push(pen.span(text::right(cell, width), *meaning));
        }
        Line::from(spans)
    });
    paint::lines(buffer, inner, lines);
}
