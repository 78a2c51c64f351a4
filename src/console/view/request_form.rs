//! The form in which a request is edited.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Widget;

use super::layout;
use super::paint::{self, Pen};
use super::popups::{input_line, keys_line, open};
use crate::state::form::{Field, RequestForm, Text};
use crate::text;
use crate::theme::Meaning;

/// Columns of the labels.
const LABEL: u16 = 10;

/// Draws the form; gives the place of the text cursor.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen, form: &RequestForm) -> Position {
    let heights: Vec<u16> = form.rows.iter().map(|row| row.text.height() as u16).collect();
    let height = (heights.iter().sum::<u16>() + 5).min(area.height.saturating_sub(2));
    let columns = area.width.saturating_sub(8).min(110);
    let title = format!("edit {}", form.original.name);
    let inner = open(buffer, layout::middle(area, columns, height), pen, &title);
    let room = inner.height.saturating_sub(3).max(1);
    // From the first row on with which the selected one is in view.
    let mut start = 0;
    while start < form.selected && heights[start..=form.selected].iter().sum::<u16>() > room {
        start += 1;
    }
    let mut cursor = Position::new(inner.x, inner.y);
    let mut y = inner.y;
    for (index, row) in form.rows.iter().enumerate().skip(start) {
        let left = (inner.y + room).saturating_sub(y);
        if left == 0 {
            break;
        }
        let place = Rect { y, height: heights[index].min(left), ..inner };
        y += place.height;
        let label = text::pad(row.field.label(), usize::from(LABEL));
        let at = match &row.text {
            Text::Line(input) => {
                input_line(buffer, place, pen, &label, (input, row.field.placeholder()))
            }
            Text::Lines(_) if index != form.selected && row.text.value().is_empty() => {
                let empty = tui_input::Input::default();
                input_line(buffer, place, pen, &label, (&empty, row.field.placeholder()))
            }
            Text::Lines(area) => {
                let line = pen.line(&label, Meaning::Muted);
                buffer.set_line(place.x, place.y, &line, LABEL);
                let inside =
                    Rect { x: place.x + LABEL, width: place.width.saturating_sub(LABEL), ..place };
                let mut area = (**area).clone();
                area.set_style(pen.style(Meaning::Strong));
                area.set_cursor_line_style(pen.style(Meaning::Strong));
                let mark = if index == form.selected { Meaning::Selected } else { Meaning::Strong };
                area.set_cursor_style(pen.style(mark));
                (&area).render(inside, buffer);
                inside.as_position()
            }
        };
        if index == form.selected {
            if matches!(row.text, Text::Line(_)) {
                buffer.set_style(place, pen.style(Meaning::Selected));
            }
            cursor = at;
        }
    }
    let below = Rect { y: inner.bottom().saturating_sub(2), height: 2, ..inner };
    let in_text = form.rows.get(form.selected).is_some_and(|row| row.field == Field::Body);
    let said = if let Some(error) = &form.error {
        pen.line(error, Meaning::Danger)
    } else if in_text {
        let words = "enter and the arrows are the text's own; tab leaves it, ctrl-s takes the form";
        pen.line(words, Meaning::Muted)
    } else {
        pen.line("an empty row is left out; {{name}} stands for a variable", Meaning::Muted)
    };
    paint::lines(buffer, below, [said, keys_line(pen)]);
    cursor
}
