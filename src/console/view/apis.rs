//! The lab's APIs and their stages, as a list.

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
    let inner = pen.panel(buffer, area, Panel::Apis, "APIs");
    let Some(status) = state.status().filter(|status| status.deployed) else {
        paint::empty(buffer, inner, pen, "nothing is deployed");
        return;
    };
    let columns = usize::from(inner.width);
    let name = columns.saturating_sub(10);
    let rows: Vec<Line> = status
        .apis
        .iter()
        .flat_map(|api| api.stages.iter().map(move |stage| (api, stage)))
        .map(|(api, stage)| {
            Line::from(vec![
                pen.span(text::pad(&api.name, name), Meaning::Name),
                Span::raw(" "),
                pen.span(text::pad(&stage.name, 8), Meaning::Strong),
            ])
        })
        .collect();
    let mark = pen.style(Meaning::Selected);
    paint::list(buffer, inner, &rows, state.positions.get(Panel::Apis), mark);
}
