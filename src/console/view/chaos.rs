//! The list of chaos switches.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::layout;
use super::paint::{self, Pen};
use super::popups::{keys_line, open};
use crate::text;
use crate::theme::Meaning;
use crate::update::chaos::lasts;

/// Draws the switches, which are on and for how long still, and how long the next stays on.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen, selected: usize) {
    let state = pen.state;
    let Some(blueprint) = state.blueprint() else { return };
    let height = blueprint.chaos.len() as u16 + 5;
    let inner = open(buffer, layout::middle(area, 76, height), pen, "chaos: real failures");
    let columns = usize::from(inner.width);
    let rows: Vec<Line> = blueprint
        .chaos
        .iter()
        .map(|chaos| {
            let live = state
                .status()
                .and_then(|status| status.chaos.iter().find(|one| one.name == chaos.name));
            let (mark, meaning) = match (state.switching.contains(&chaos.name), live) {
                (true, _) => ("…".to_owned(), Meaning::Warn),
                (false, Some(live)) => {
                    let left = live.until_ms.map(|until| text::span(until - state.now_ms));
                    (format!("ON {}", left.unwrap_or_default()), Meaning::Danger)
                }
                (false, None) => ("off".to_owned(), Meaning::Muted),
            };
            Line::from(vec![
                pen.span(text::pad(&mark, 10), meaning),
                pen.span(text::pad(&chaos.name, 15), Meaning::Name),
                pen.span(text::fit(&chaos.description, columns.saturating_sub(25)), Meaning::Muted),
            ])
        })
        .collect();
    let list = Rect { height: inner.height.saturating_sub(3), ..inner };
    paint::list(buffer, list, &rows, selected, pen.style(Meaning::Selected));
    let minutes = lasts(state, selected).as_secs().div_ceil(60);
    let said = format!("switched on, it ends by itself after {minutes} min");
    let below = Rect { y: inner.bottom().saturating_sub(2), height: 2, ..inner };
    paint::lines(buffer, below, [pen.line(said, Meaning::Text), keys_line(pen)]);
}
