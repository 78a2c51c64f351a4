//! The saved requests, and what was sent last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use crate::state::Panel;
use crate::state::sendable::Item;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel(buffer, area, Panel::RequestList, "requests");
    let columns = usize::from(inner.width);
    let rows: Vec<Line> = state
        .items()
        .map(|item| {
            let (method, edited, own) = match item {
                Item::Request(saved) => {
                    let edited = state.requests.edits.contains_key(&saved.name);
                    (state.requests.current(saved).method.as_str(), edited, saved.own)
                }
                Item::Event(_) => ("event", false, false),
            };
            let answer = state.requests.answers.get(&item.label());
            let status = answer.map_or(String::new(), |answer| {
                let mark = if answer.exchange.holds() { "" } else { "✗" };
                format!("{}{mark}", answer.exchange.status)
            });
            let meaning =
                answer.map_or(Meaning::Muted, |answer| status_meaning(answer.exchange.status));
            let room = columns.saturating_sub(6 + 4 + 1);
            let edited = if edited { "*" } else { "" };
            let name = format!("{}{edited}", item.name());
            Line::from(vec![
                pen.span(text::pad(method, 6), Meaning::Key),
                pen.span(text::pad(&name, room), if own { Meaning::Name } else { Meaning::Text }),
                Span::raw(" "),
                pen.span(text::right(&status, 4), meaning),
            ])
        })
        .collect();
    if rows.is_empty() {
        paint::empty(buffer, inner, pen, "this lab has no saved requests");
        return;
    }
    let list_height = (rows.len() as u16).min(inner.height.saturating_sub(4).max(1));
    let list = Rect { height: list_height, ..inner };
    paint::list(buffer, list, &rows, state.requests.selected, pen.style(Meaning::Selected));
    let below = Rect {
        y: list.bottom() + 1,
        height: inner.height.saturating_sub(list_height + 1),
        ..inner
    };
    let mut lines = Vec::new();
    if !state.requests.history.is_empty() {
        lines.push(pen.line("sent", Meaning::Muted));
    }
    for past in &state.requests.history {
        let (status, meaning) = match past.status {
            Some(status) => (status.to_string(), status_meaning(status)),
            None => ("—".to_owned(), Meaning::Danger),
        };
        let room = columns.saturating_sub(4 + 10);
        lines.push(Line::from(vec![
            pen.span(text::pad(&status, 4), meaning),
            pen.span(text::pad(&past.name, room), Meaning::Muted),
            pen.span(
                text::right(&format!("{} ms", text::millis(past.total_ms)), 10),
                Meaning::Muted,
            ),
        ]));
    }
    paint::lines(buffer, below, lines);
}

/// The meaning of an HTTP status.
pub fn status_meaning(status: u16) -> Meaning {
    match status {
        200..=399 => Meaning::Ok,
        400..=499 => Meaning::Warn,
        _ => Meaning::Danger,
    }
}
