//! The labs of the folder and what of each is deployed; what is attached.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let inner = pen.panel(buffer, area, Panel::Labs, "labs");
    if pen.state.labs.is_empty() {
        paint::empty(buffer, inner, pen, &super::aliases::unknown(pen));
        return;
    }
    let rows = rows(pen, usize::from(inner.width));
    let mark = pen.style(Meaning::Selected);
    paint::list(buffer, inner, &rows, pen.state.positions.get(Panel::Labs), mark);
}

/// One line per lab.
pub fn rows(pen: &Pen, columns: usize) -> Vec<Line<'static>> {
    let state = pen.state;
    let describe = |index: usize, lab: &crate::state::Lab| {
        let here = if state.lab == Some(index) { "▸ " } else { "  " };
        let (words, meaning, title) = match &lab.blueprint {
            Err(_) if lab.attached => ("unreadable", Meaning::Danger, ""),
            Err(_) => ("files wrong", Meaning::Danger, ""),
            Ok(blueprint) => match state.statuses.get(&lab.name) {
                None => ("…", Meaning::Muted, blueprint.title.as_str()),
                Some(fetched) if lab.attached && fetched.status.deployed => {
                    ("live", Meaning::Ok, blueprint.title.as_str())
                }
                Some(_) if lab.attached => ("gone", Meaning::Warn, blueprint.title.as_str()),
                Some(fetched) if fetched.status.deployed => {
                    ("deployed", Meaning::Ok, blueprint.title.as_str())
                }
                Some(_) => ("not deployed", Meaning::Muted, blueprint.title.as_str()),
            },
        };
        let name = text::fit(&lab.name, 16).into_owned();
        let room = columns.saturating_sub(2 + text::width(&name) + 2 + words.len());
        Line::from(vec![
            pen.span(here, Meaning::Key),
            pen.span(name, Meaning::Name),
            Span::raw(" "),
            pen.span(text::pad(title, room), Meaning::Muted),
            Span::raw(" "),
            pen.span(words, meaning),
        ])
    };
    state.labs.iter().enumerate().map(|(index, lab)| describe(index, lab)).collect()
}
