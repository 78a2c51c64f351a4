//! The lab's checks: yes or no on live state, with the reason for each no.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use crate::action::Action;
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let mut title = vec![pen.span("checks", Meaning::Title)];
    let words = if let Some((checks, at)) = &state.checks {
        let holding = checks.iter().filter(|check| check.holds).count();
        let age = text::span(state.now_ms - at);
        let all = state.blueprint().map_or(0, |blueprint| blueprint.checks.len());
        if checks.len() < all {
            format!(" · {holding} hold, {} not evaluated · {age} ago", all - checks.len())
        } else {
            format!(" · {holding} of {} hold · {age} ago", checks.len())
        }
    } else {
        format!(" · {} evaluates them", state.keys(Action::Check))
    };
    title.push(pen.span(words, Meaning::Muted));
    let inner = pen.panel_with(buffer, area, Panel::Checks, Line::from(title));
    let Some(blueprint) = state.blueprint() else { return };
    let columns = usize::from(inner.width);
    let rows: Vec<Line> = blueprint
        .checks
        .iter()
        .map(|check| {
            let result = state
                .checks
                .as_ref()
                .and_then(|(checks, _)| checks.iter().find(|result| result.name == check.name));
            let (mark, meaning, reason) = match result {
                None => ("·", Meaning::Muted, ""),
                Some(result) if result.holds => ("✓", Meaning::Ok, ""),
                Some(result) => ("✗", Meaning::Danger, result.reason.as_str()),
            };
            let name = text::fit(&check.title, columns.saturating_sub(2)).into_owned();
            let room = columns.saturating_sub(text::width(&name) + 4);
            Line::from(vec![
                pen.span(mark, meaning),
                Span::raw(" "),
                pen.span(name, Meaning::Text),
                Span::raw("  "),
                pen.span(text::fit(reason, room), Meaning::Muted),
            ])
        })
        .collect();
    let mark = pen.style(Meaning::Selected);
    paint::list(buffer, inner, &rows, state.positions.get(Panel::Checks), mark);
}
