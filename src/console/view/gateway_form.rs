//! The form of settings, and the preview of what is going to be changed.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::layout;
use super::paint::{self, Pen};
use super::popups::{input_line, keys_line, open};
use crate::state::gateway::{PreviewBox, SettingsForm};
use crate::text;
use crate::theme::Meaning;

/// Lines that an error has at most.
const ERROR_LINES: usize = 4;

/// Draws the form; gives the place of the text cursor.
pub fn settings(buffer: &mut Buffer, area: Rect, pen: &Pen, form: &SettingsForm) -> Position {
    let columns = area.width.saturating_sub(4).min(110);
    let room = usize::from(columns.saturating_sub(4)).max(1);
    let said = match &form.error {
        Some(error) => {
            let mut lines = text::wrap_words(error, room);
            lines.truncate(ERROR_LINES);
            lines.into_iter().map(|line| pen.line(line, Meaning::Danger)).collect()
        }
        None => vec![pen.line(text::fit(form.takes(), room), Meaning::Muted)],
    };
    let below = said.len() as u16 + 1;
    let height = (form.rows.len() as u16 + 3 + below).min(area.height.saturating_sub(2));
    let title = format!("edit {}", form.subject.name());
    let inner = open(buffer, layout::middle(area, columns, height), pen, &title);
    let rows = usize::from(inner.height.saturating_sub(below + 1)).max(1);
    let start = (form.selected + 1).saturating_sub(rows);
    let names = form.rows.iter().filter_map(|row| row.key.as_deref()).map(text::width);
    let widest = names.max().unwrap_or(0).clamp(14, usize::from(inner.width) / 2);
    let mut cursor = Position::new(inner.x, inner.y);
    for (line, (index, row)) in form.rows.iter().enumerate().skip(start).take(rows).enumerate() {
        let place = Rect { y: inner.y + line as u16, height: 1, ..inner };
        let changed = row.input.value().trim() != row.original;
        let mark = if changed { "*" } else { " " };
        let name = row.key.as_deref().unwrap_or("KEY=VALUE");
        let label = format!("{mark}{} ", text::pad(name, widest));
        let at = input_line(buffer, place, pen, &label, (&row.input, "not set"));
        if index == form.selected {
            buffer.set_style(place, pen.style(Meaning::Selected));
            cursor = at;
        }
    }
    let place = Rect { y: inner.bottom().saturating_sub(below), height: below, ..inner };
    paint::lines(buffer, place, said.into_iter().chain([keys_line(pen)]));
    cursor
}

/// Draws what is going to be changed.
pub fn preview(buffer: &mut Buffer, area: Rect, pen: &Pen, shown: &PreviewBox) {
    let columns = area.width.saturating_sub(4).min(100);
    let room = usize::from(columns.saturating_sub(4)).max(1);
    let mut rows: Vec<Line> = Vec::new();
    for line in &shown.about {
        rows.extend(text::wrap_words(line, room).iter().map(|l| pen.line(l, Meaning::Danger)));
    }
    for patch in &shown.preview.patches {
        rows.push(Line::from(vec![
            pen.span(format!("{:<8}", patch.op.word()), Meaning::Muted),
            pen.span(text::fit(&patch.path, room.saturating_sub(8)), Meaning::Name),
        ]));
        for piece in text::wrap(&patch.change(), room.saturating_sub(8)) {
            rows.push(Line::from(vec![Span::raw("        "), pen.span(piece, Meaning::Strong)]));
        }
    }
    for warning in &shown.preview.warnings {
        let lines = text::wrap_words(&format!("! {warning}"), room);
        rows.extend(lines.iter().map(|line| pen.line(line, Meaning::Warn)));
    }
    let most = usize::from(area.height.saturating_sub(6));
    if rows.len() > most {
        let left = rows.len() - most + 1;
        rows.truncate(most.saturating_sub(1));
        rows.push(pen.line(format!("… and {left} lines more"), Meaning::Muted));
    }
    let height = rows.len() as u16 + 4;
    let title = format!("change {}?", shown.preview.subject);
    let inner = open(buffer, layout::middle(area, columns, height), pen, &title);
    rows.push(Line::default());
    rows.push(keys_line(pen));
    paint::lines(buffer, inner, rows);
}
