//! Further EMF metrics of the functions, by name.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::logline::short_name;
use super::paint::{self, Pen, version};
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let inner = pen.panel(buffer, area, Panel::Others, "metrics by name");
    let traffic = pen.state.meter.traffic();
    if traffic.others.is_empty() {
        paint::empty(buffer, inner, pen, "no other metrics in this window");
        return;
    }
    let columns = usize::from(inner.width);
    let mut lines = Vec::new();
    let mut group = ("", "");
    for metric in &traffic.others {
        if group != (metric.function.as_str(), metric.version.as_str()) {
            group = (&metric.function, &metric.version);
            lines.push(Line::from(vec![
                pen.span(short_name(pen, &metric.function), Meaning::Name),
                Span::raw(" "),
                pen.span(version(&metric.version), Meaning::Muted),
            ]));
        }
        let value = if metric.unit == "Count" || metric.unit.is_empty() || metric.unit == "None" {
            format!("{}", metric.sum)
        } else {
            let average = metric.sum / metric.count.max(1) as f64;
            format!("avg {} max {}", text::millis(average), text::millis(metric.max))
        };
        let room = columns.saturating_sub(text::width(&value) + 3);
        lines.push(Line::from(vec![
            Span::raw("  "),
            pen.span(text::pad(&metric.name, room), Meaning::Text),
            Span::raw(" "),
            pen.span(value, Meaning::Strong),
        ]));
    }
    paint::scrolled(buffer, inner, lines, pen.state.positions.get(Panel::Others));
}
