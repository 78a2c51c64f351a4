//! The table of the metrics screen: every function and version with its numbers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::logline::short_name;
use super::paint::{self, Pen, version};
use crate::action::Action;
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let traffic = state.meter.traffic();
    let title = Line::from(vec![
        pen.span("functions", Meaning::Title),
        pen.span(
            format!(
                " · last {} ({} next window)",
                text::span(traffic.window_s * 1000),
                state.keys(Action::Window)
            ),
            Meaning::Muted,
        ),
    ]);
    let inner = pen.panel_with(buffer, area, Panel::Functions, title);
    if traffic.rows.is_empty() {
        let what = format!("no requests in this window; {} sends one", state.keys(Action::Send));
        paint::empty(buffer, inner, pen, &what);
        return;
    }
    let columns = usize::from(inner.width);
    let name = columns.saturating_sub(9 + 58).clamp(8, 40);
    let heads = ["rate", "requests", "errors", "p50", "p95", "p99", "cold", "mem MB"];
    let widths = [7, 9, 7, 7, 7, 7, 5, 9];
    let mut head = vec![pen.span(text::pad("", name + 9), Meaning::Muted)];
    for (title, columns) in heads.iter().zip(widths) {
        head.push(pen.span(text::right(title, columns), Meaning::Muted));
    }
    buffer.set_line(inner.x, inner.y, &Line::from(head), inner.width);
    let rows: Vec<Line> = traffic
        .rows
        .iter()
        .map(|row| {
            let side = Pen::side(state.side(&row.function, &row.version));
            let errors = if row.errors > 0 { Meaning::Danger } else { Meaning::Muted };
            let memory = if row.memory_mb == 0 {
                "—".to_owned()
            } else {
                format!("{}/{}", row.max_memory_mb, row.memory_mb)
            };
            let cells = [
                (format!("{}/s", text::rate(row.rate)), Meaning::Text),
                (row.requests.to_string(), Meaning::Text),
                (text::percent(row.error_share()), errors),
                (text::millis(row.p50_ms), Meaning::Text),
                (text::millis(row.p95_ms), Meaning::Text),
                (text::millis(row.p99_ms), Meaning::Text),
                (row.cold_starts.to_string(), Meaning::Muted),
                (memory, Meaning::Muted),
            ];
            let mut spans = vec![
                pen.span(text::pad(short_name(pen, &row.function), name), Meaning::Name),
                Span::raw(" "),
                pen.span(text::pad(&version(&row.version), 8), side),
            ];
            for ((cell, meaning), columns) in cells.iter().zip(widths) {
                spans.push(pen.span(text::right(cell, columns), *meaning));
            }
            Line::from(spans)
        })
        .collect();
    let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    let mark = pen.style(Meaning::Selected);
    paint::list(buffer, list, &rows, state.positions.get(Panel::Functions), mark);
}
