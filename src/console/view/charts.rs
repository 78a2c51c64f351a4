//! Charts over time of the selected function: requests and errors, and latency by version.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget};

use super::logline::short_name;
use super::paint::{self, Pen, version};
use crate::state::Panel;
use crate::state::traffic::{CHART_SECONDS, TrafficRow};
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let traffic = state.meter.traffic();
    let selected = state.positions.get(Panel::Functions).min(traffic.rows.len().saturating_sub(1));
    let Some(row) = traffic.rows.get(selected) else {
        let inner = pen.panel(buffer, area, Panel::Charts, "last minute");
        paint::empty(buffer, inner, pen, "nothing to chart");
        return;
    };
    let title = format!("{} · last minute", short_name(pen, &row.function));
    let inner = pen.panel(buffer, area, Panel::Charts, &title);
    let versions: Vec<&TrafficRow> =
        traffic.rows.iter().filter(|other| other.function == row.function).collect();
    let [top, bottom] =
        Layout::vertical([Constraint::Percentage(50), Constraint::Min(3)]).areas(inner);
    let rates: Vec<_> = versions
        .iter()
        .map(|row| (label(row), meaning(pen, row), points(row.chart.iter().map(|v| *v as f64))))
        .chain(versions.iter().filter(|row| row.errors > 0).map(|row| {
            let errors = points(row.error_chart.iter().map(|v| *v as f64));
            (format!("{} errors", label(row)), Meaning::Danger, errors)
        }))
        .collect();
    chart(buffer, top, pen, "requests/s", &rates);
    let latencies: Vec<_> = versions
        .iter()
        .map(|row| {
            let measured = points(row.latency_chart.iter().copied())
                .into_iter()
                .filter(|(_, value)| *value > 0.0)
                .collect();
            (label(row), meaning(pen, row), measured)
        })
        .collect();
    chart(buffer, bottom, pen, "p95 ms", &latencies);
}

fn label(row: &TrafficRow) -> String {
    version(&row.version)
}

fn meaning(pen: &Pen, row: &TrafficRow) -> Meaning {
    Pen::side(pen.state.side(&row.function, &row.version))
}

/// A line of a chart: its label, its meaning, its points.
type Series = (String, Meaning, Vec<(f64, f64)>);

/// Values as points, the newest at 0 seconds.
fn points(values: impl ExactSizeIterator<Item = f64>) -> Vec<(f64, f64)> {
    let count = values.len();
    values.enumerate().map(|(index, value)| (index as f64 + 1.0 - count as f64, value)).collect()
}

fn chart(buffer: &mut Buffer, area: Rect, pen: &Pen, name: &str, series: &[Series]) {
    let highest = series
        .iter()
        .flat_map(|(_, _, points)| points.iter().map(|(_, value)| *value))
        .fold(0.0_f64, f64::max);
    let top = if highest <= 0.0 { 1.0 } else { highest * 1.1 };
    let datasets = series
        .iter()
        .map(|(_, meaning, points)| {
            Dataset::default()
                .marker(Marker::Braille)
                .graph_type(GraphType::Line)
                .style(pen.style(*meaning))
                .data(points)
        })
        .collect();
    let muted = pen.style(Meaning::Muted);
    let back = CHART_SECONDS as f64;
    let x = Axis::default().style(muted).bounds([-back, 0.0]);
    let y = Axis::default()
        .style(muted)
        .bounds([0.0, top])
        .labels([Line::from("0"), Line::from(text::millis(top))]);
    Chart::new(datasets).x_axis(x).y_axis(y).render(area, buffer);
    let mut spans = vec![pen.span(format!("{name}  "), Meaning::Muted)];
    for (label, meaning, _) in series {
        spans.push(pen.span(format!("{label} "), *meaning));
    }
    let legend = Line::from(spans);
    let width = (legend.width() as u16).min(area.width);
    if area.height > 0 {
        buffer.set_line(area.right() - width, area.y, &legend, width);
    }
}
