//! What the last release operation did: both sides of every move, conflicts with what to do.

use labdeck_aws::Failure;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, Pen};
use crate::action::Action;
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let Some((outcome, at)) = &state.outcome else {
        let inner = pen.panel(buffer, area, Panel::Outcome, "last move");
        let what = format!(
            "{} publishes, {} gives the newest version a share of {}, {} promotes, {} takes it back",
            state.keys(Action::Publish),
            state.keys(Action::Shift),
            state.release_alias(),
            state.keys(Action::Promote),
            state.keys(Action::Rollback)
        );
        paint::empty(buffer, inner, pen, &what);
        return;
    };
    let title = Line::from(vec![
        pen.span(&outcome.operation, Meaning::Title),
        pen.span(
            format!(
                " · {} ms · {} ago",
                text::millis(outcome.millis),
                text::span(state.now_ms - at)
            ),
            Meaning::Muted,
        ),
    ]);
    let inner = pen.panel_with(buffer, area, Panel::Outcome, title);
    let columns = usize::from(inner.width);
    let mut lines = Vec::new();
    for one in &outcome.moves {
        let (mark, meaning) = match (&one.failure, one.changed) {
            (Some(_), _) => ("✗", Meaning::Danger),
            (None, true) => ("✓", Meaning::Ok),
            (None, false) => ("=", Meaning::Muted),
        };
        lines.push(Line::from(vec![
            pen.span(format!("{mark} "), meaning),
            pen.span(&one.function, Meaning::Name),
        ]));
        lines.push(Line::from(vec![
            pen.span("    ", Meaning::Text),
            pen.span(&one.from, Meaning::Muted),
            pen.span(" → ", Meaning::Muted),
            pen.span(&one.to, Meaning::Stable),
        ]));
        if let Some(note) = &one.note {
            lines.push(pen.line(format!("    {note}"), Meaning::Muted));
        }
        lines.extend(one.failure.iter().flat_map(|failure| failure_lines(pen, failure, columns)));
    }
    for (api, stage, from, to) in &outcome.deployments {
        lines.push(Line::from(vec![
            pen.span(format!("  {api} {stage} "), Meaning::Name),
            pen.span(format!("deployment {from} → {to}"), Meaning::Text),
        ]));
    }
    for problem in &outcome.problems {
        lines.push(pen.line(format!("✗ {}", problem.what), Meaning::Danger));
        lines.extend(failure_lines(pen, problem, columns));
    }
    paint::scrolled(buffer, inner, lines, state.positions.get(Panel::Outcome));
}

/// Why it failed and what to do, wrapped below its subject.
fn failure_lines(pen: &Pen, failure: &Failure, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for line in text::wrap_words(&failure.why, columns.saturating_sub(4)) {
        lines.push(pen.line(format!("    {line}"), Meaning::Danger));
    }
    let next = failure.next.as_deref().unwrap_or_default();
    if !next.is_empty() {
        for line in text::wrap_words(next, columns.saturating_sub(6)) {
            lines.push(pen.line(format!("    → {line}"), Meaning::Key));
        }
    }
    lines
}
