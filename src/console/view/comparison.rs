//! Stable and canary side by side, from live log lines, with a verdict.

use labdeck_telemetry::compare::{Assessment, SideView};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::canary;
use super::paint::{self, Pen};
use crate::action::Action;
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// Lines that the panel would fill at this width.
pub fn rows(state: &State, columns: u16) -> u16 {
    let columns = usize::from(columns).max(1);
    let each = |one: &&Assessment| {
        if quiet(one) { 1 } else { 4 + text::wrap_words(&said(one), columns).len() as u16 }
    };
    let rows: u16 = assessed(state).iter().map(each).sum();
    rows.max(1)
}

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let assessed = assessed(state);
    let Some(confidence) = state.blueprint().map(|lab| lab.canary.confidence) else {
        pen.panel(buffer, area, Panel::Comparison, "stable and canary");
        return;
    };
    let live = state.release_aliases().any(|(_, alias)| alias.canary.is_some());
    let last = state
        .canary
        .last
        .as_ref()
        .filter(|view| !live && state.current_lab().is_some_and(|lab| lab.name == view.lab));
    let title = match last {
        Some(view) => {
            let how = crate::update::how_canary_ended(&view.phase);
            let how = how.split(':').next().unwrap_or_default().to_owned();
            format!("last canary · {how}")
        }
        None => format!("stable and canary · {confidence}% sure"),
    };
    let inner = pen.panel(buffer, area, Panel::Comparison, &title);
    if assessed.is_empty() {
        let what = format!("nothing is split; {} begins a canary", state.keys(Action::Canary));
        paint::empty(buffer, inner, pen, &what);
        return;
    }
    let columns = usize::from(inner.width);
    let mut lines = Vec::new();
    for one in assessed {
        if quiet(one) {
            lines.push(Line::from(vec![
                pen.span(text::fit(&one.function, columns.saturating_sub(14)), Meaning::Name),
                pen.span("  no calls yet", Meaning::Muted),
            ]));
            continue;
        }
        lines.push(Line::from(vec![
            pen.span(text::fit(&one.function, columns.saturating_sub(18)), Meaning::Name),
            Span::raw("  "),
            pen.span(one.verdict.words(), canary::verdict(one.verdict)),
        ]));
        lines.push(pen.line(head(columns), Meaning::Muted));
        lines.push(side(pen, &one.stable, Meaning::Stable, columns));
        lines.push(side(pen, &one.canary, Meaning::Canary, columns));
        for line in text::wrap_words(&said(one), columns) {
            lines.push(pen.line(line, Meaning::Text));
        }
    }
    paint::scrolled(buffer, inner, lines, state.positions.get(Panel::Comparison));
}

fn assessed(state: &State) -> Vec<&Assessment> {
    state.current_lab().map(|lab| state.canary.assessed(&lab.name)).unwrap_or_default()
}

/// Whether neither side was called.
fn quiet(one: &Assessment) -> bool {
    one.stable.requests + one.canary.requests == 0
}

fn said(one: &Assessment) -> String {
    format!("  {}", one.reason)
}

fn head(columns: usize) -> String {
    let mut line = format!(
        "  {}{}{}{}{}{}",
        text::pad("", 6),
        text::right("calls", 7),
        text::right("errors", 8),
        text::right("p50", 7),
        text::right("p95", 7),
        text::right("p99 ms", 8)
    );
    if columns >= 60 {
        line.push_str(&text::right("cold", 6));
        line.push_str(&text::right("MB", 6));
    }
    line
}

fn side(pen: &Pen, side: &SideView, meaning: Meaning, columns: usize) -> Line<'static> {
    let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), text::millis);
    let errors = if side.requests == 0 {
        "-".to_owned()
    } else {
        format!("{:.1}%", side.error_rate * 100.0)
    };
    let mut line = format!(
        "{}{}{}{}{}",
        text::right(&side.requests.to_string(), 7),
        text::right(&errors, 8),
        text::right(&ms(side.p50_ms), 7),
        text::right(&ms(side.p95_ms), 7),
        text::right(&ms(side.p99_ms), 8)
    );
    if columns >= 60 {
        line.push_str(&text::right(&side.cold_starts.to_string(), 6));
        line.push_str(&text::right(&side.max_memory_mb.to_string(), 6));
    }
    let version = text::pad(&paint::version(&side.version), 6);
    Line::from(vec![Span::raw("  "), pen.span(version, meaning), pen.span(line, Meaning::Text)])
}
