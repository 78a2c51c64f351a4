//! API keys. What a key's value is, is shown on request alone, and for a few seconds.

use labdeck_ops::gateway::keys::KeyInfo;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, Pen};
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// What stands for a key's value.
pub const MASK: &str = "••••••••";

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel(buffer, area, Panel::Keys, "keys");
    let keys = state.gateway().map(|gateway| gateway.keys.as_slice()).unwrap_or_default();
    if keys.is_empty() {
        paint::empty(buffer, inner, pen, "no key");
        return;
    }
    let columns = usize::from(inner.width);
    let rows: Vec<Line> = keys.iter().map(|key| row(pen, key, columns)).collect();
    let mark = pen.style(Meaning::Selected);
    paint::list(buffer, inner, &rows, state.positions.get(Panel::Keys), mark);
}

fn row(pen: &Pen, key: &KeyInfo, columns: usize) -> Line<'static> {
    let shown = pen.state.gateway.shown.as_ref().filter(|shown| shown.name == key.name);
    if let Some(shown) = shown.filter(|_| key.rotates.is_none()) {
        // The whole line for the value: it may be long.
        return pen.line(text::fit(shown.value.reveal(), columns), Meaning::Strong);
    }
    let (words, meaning) = match (key.enabled, &key.rotates) {
        (false, _) => ("disabled", Meaning::Warn),
        (true, Some(_)) => ("new", Meaning::Warn),
        (true, None) if key.by_hand => ("by hand", Meaning::Muted),
        (true, None) => ("", Meaning::Muted),
    };
    let room = columns.saturating_sub(MASK.chars().count() + words.len() + 3);
    Line::from(vec![
        pen.span(text::pad(&key.name, room), Meaning::Name),
        pen.span(format!(" {MASK} "), Meaning::Muted),
        pen.span(words, meaning),
    ])
}
