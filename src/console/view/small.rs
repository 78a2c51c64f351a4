//! The screen when the terminal is too small: says so, still rolls back, quits and shows logs.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::layout::{MIN_COLUMNS, MIN_ROWS};
use super::logline;
use super::paint::Pen;
use crate::action::Action;
use crate::theme::Meaning;

/// Draws the small screen.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let mut head: Vec<Line> = vec![pen.line(
        format!("{}x{}: too small, {MIN_COLUMNS}x{MIN_ROWS} needed", area.width, area.height),
        Meaning::Warn,
    )];
    let mut keys = pen.hint(&state.keys(Action::Rollback), "roll back  ");
    keys.extend(pen.hint(&state.keys(Action::Quit), "quit"));
    head.push(Line::from(keys));
    if let Some(note) = state.notes.current() {
        head.push(pen.line(&note.text, super::hints::tone(note.tone)));
    }
    if let Some(popup) = state.popups.last() {
        let text = match popup {
            crate::state::popup::Popup::Confirm { lines, .. } => lines.join(" "),
            crate::state::popup::Popup::Prompt(prompt) if !prompt.about.is_empty() => {
                prompt.about.join(" ")
            }
            _ => "a popup is open; it needs more room".to_owned(),
        };
        head.push(pen.line(text, Meaning::Strong));
        let hints = super::hints::hints(state);
        head.push(Line::from(
            hints
                .iter()
                .flat_map(|(keys, action)| pen.hint(keys, &format!("{} ", action.entry().hint)))
                .collect::<Vec<_>>(),
        ));
    }
    let used = (head.len() as u16).min(area.height);
    super::paint::lines(buffer, area, head);
    let rest = Rect { y: area.y + used, height: area.height - used, ..area };
    let shown = state.logs.shown();
    let first = shown.saturating_sub(usize::from(rest.height));
    let lines = (first..shown).filter_map(|index| {
        Some(logline::line(pen, state.logs.at(index)?, usize::from(rest.width)))
    });
    super::paint::lines(buffer, rest, lines);
}
