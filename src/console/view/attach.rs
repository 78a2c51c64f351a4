//! The picker of what is attached.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use super::popups::{input_line, keys_line, wide};
use crate::state::attach::{Choice, Picker, Reading};
use crate::text;
use crate::theme::Meaning;

/// Draws the picker; gives the place of the text cursor.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen, picker: &Picker) -> Position {
    let inner = wide(buffer, area, pen, "attach: REST APIs and functions of the account");
    let line = Rect { height: 1, ..inner };
    let words = (&picker.input, "words of a name or a tag");
    let cursor = input_line(buffer, line, pen, "› ", words);
    let rest = Rect { y: inner.y + 1, height: inner.height.saturating_sub(3), ..inner };
    let columns = usize::from(inner.width);
    let height = usize::from(rest.height).max(1);
    let first = (picker.selected + 1).saturating_sub(height);
    let rows: Vec<Line> = picker
        .rows(first)
        .take(height)
        .map(|(choice, marked)| row(pen, choice, marked, columns))
        .collect();
    match (&picker.reading, rows.is_empty()) {
        (Reading::Begun, _) => paint::empty(buffer, rest, pen, "reading what the account has …"),
        (Reading::Failed(why), _) => paint::empty(buffer, rest, pen, &text::harmless(why)),
        (Reading::Done(_), true) => {
            paint::empty(
                buffer,
                rest,
                pen,
                "nothing of that is there that is not attached already",
            );
        }
        (Reading::Done(_), false) => {
            let selected = picker.selected - first;
            paint::list(buffer, rest, &rows, selected, pen.style(Meaning::Selected));
        }
    }
    let below = Rect { y: inner.bottom().saturating_sub(2), height: 2, ..inner };
    paint::lines(buffer, below, [said(pen, picker), keys_line(pen)]);
    cursor
}

/// How many are shown and marked, and what could not be read.
fn said(pen: &Pen, picker: &Picker) -> Line<'static> {
    let mut said = format!("{} shown, {} marked", picker.count(), picker.marked());
    if picker.reading == Reading::Done(true) {
        said.push_str(" · too many functions to read the tags of each");
    }
    pen.line(said, Meaning::Muted)
}

/// Whether it is marked, what it is, its name, its id, whose it is, its tags.
fn row(pen: &Pen, choice: &Choice, marked: bool, columns: usize) -> Line<'static> {
    let one = &choice.offered;
    let mark = if marked { "● " } else { "  " };
    let kind = if choice.api { "API      " } else { "function " };
    let name = text::harmless(&one.name);
    let name_columns = (columns / 3).clamp(16, 40);
    let tags = one.tags.iter().map(|(key, value)| format!("{key}={value}"));
    let tags: Vec<String> = tags.collect();
    let whose = one.lab.as_ref().map(|lab| format!("lab {lab}  ")).unwrap_or_default();
    let rest = format!("{whose}{}", tags.join(" "));
    let id = text::pad(&one.id, 11);
    let room = columns.saturating_sub(2 + 9 + name_columns + 1 + 12);
    Line::from(vec![
        pen.span(mark, Meaning::Key),
        pen.span(kind, Meaning::Muted),
        pen.span(text::pad(&name, name_columns), Meaning::Name),
        Span::raw(" "),
        pen.span(id, Meaning::Muted),
        Span::raw(" "),
        pen.span(text::fit(&text::harmless(&rest), room), Meaning::Text),
    ])
}
