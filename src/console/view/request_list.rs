//! The saved requests, and what was sent last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel(buffer, area, Panel::RequestList, "requests");
    let Some(blueprint) = state.blueprint().filter(|lab| !lab.requests.is_empty()) else {
        paint::empty(buffer, inner, pen, "this lab has no saved requests");
        return;
    };
    let columns = usize::from(inner.width);
    let rows: Vec<Line> = blueprint
        .requests
        .iter()
        .map(|saved| {
            let request = state.requests.current(saved);
            let edited = state.requests.edits.contains_key(&saved.name);
            let answer = state.requests.answers.get(&saved.name);
            let status = answer.map_or(String::new(), |answer| answer.exchange.status.to_string());
            let meaning =
                answer.map_or(Meaning::Muted, |answer| status_meaning(answer.exchange.status));
            let room = columns.saturating_sub(5 + 4 + 2);
            let name = if edited { format!("{}*", saved.name) } else { saved.name.clone() };
            Line::from(vec![
                pen.span(text::pad(&request.method, 5), Meaning::Key),
                pen.span(text::pad(&name, room), Meaning::Text),
                Span::raw(" "),
                pen.span(text::right(&status, 4), meaning),
            ])
        })
        .collect();
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
