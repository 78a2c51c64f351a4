//! The log pane.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::logline;
use super::paint::{self, Pen};
use crate::action::Action;
use crate::state::Panel;
use crate::theme::Meaning;

/// Draws the pane.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let logs = &pen.state.logs;
    let inner = pen.panel_with(buffer, area, Panel::Logs, title(pen));
    let Some(selected) = logs.selected() else {
        paint::empty(buffer, inner, pen, &nothing(pen));
        return;
    };
    let bottom = logs.bottom.map_or(logs.shown() - 1, |sequence| logs.index_of(sequence));
    let mark = !logs.follows() || pen.state.panel() == Panel::Logs;
    // With wrapped lines the selected event may not be on a page that ends at `bottom`.
    if !page(buffer, inner, pen, bottom.max(selected), selected, mark) {
        buffer.set_style(inner, ratatui::style::Style::reset());
        ratatui::widgets::Widget::render(ratatui::widgets::Clear, inner, buffer);
        page(buffer, inner, pen, selected, selected, mark);
    }
}

/// Draws the page that ends with the event at `bottom`; whether the selected one is on it.
fn page(
    buffer: &mut Buffer,
    inner: Rect,
    pen: &Pen,
    bottom: usize,
    selected: usize,
    mark: bool,
) -> bool {
    let logs = &pen.state.logs;
    let columns = usize::from(inner.width);
    let mut seen = false;
    // A page that is not full begins at the top.
    let fits = bottom + 1 < usize::from(inner.height) && !logs.wrap;
    let mut y = if fits { inner.y + bottom as u16 + 1 } else { inner.bottom() };
    let mut index = bottom;
    while y > inner.y {
        let Some(event) = logs.at(index) else { break };
        let lines: Vec<Line> = if logs.wrap {
            logline::wrapped(pen, event, columns, usize::from(inner.height))
        } else {
            vec![logline::line(pen, event, columns)]
        };
        let height = lines.len() as u16;
        let top = y.saturating_sub(height).max(inner.y);
        let hidden = usize::from(height - (y - top));
        for (row, line) in lines.iter().skip(hidden).enumerate() {
            buffer.set_line(inner.x, top + row as u16, line, inner.width);
        }
        if index == selected {
            seen = true;
            if mark {
                let area = Rect { y: top, height: y - top, ..inner };
                buffer.set_style(area, pen.style(Meaning::Selected));
            }
        }
        y = top;
        if index == 0 {
            break;
        }
        index -= 1;
    }
    seen
}

fn title(pen: &Pen) -> Line<'static> {
    let logs = &pen.state.logs;
    let mut spans = vec![pen.span("logs", Meaning::Title)];
    let (word, meaning) = if logs.follows() {
        ("follow".to_owned(), Meaning::Ok)
    } else if logs.unseen > 0 {
        (format!("paused, {} new", logs.unseen), Meaning::Warn)
    } else {
        ("paused".to_owned(), Meaning::Warn)
    };
    spans.push(pen.span(format!(" · {word}"), meaning));
    let sources = logs.tail.sources;
    let plural = if sources == 1 { "source" } else { "sources" };
    spans.push(pen.span(format!(" · {sources} {plural}"), Meaning::Muted));
    spans.push(pen.span(format!(" · {} dropped", logs.dropped()), Meaning::Muted));
    if logs.notices > 0 {
        spans.push(pen.span(format!(" · {} notices", logs.notices), Meaning::Notice));
    }
    if let Some(filter) = &logs.filter {
        let found = if filter.scanning {
            format!(" · /{} …", filter.text)
        } else {
            format!(" · /{} {} of {}", filter.text, logs.shown(), logs.len())
        };
        spans.push(pen.span(found, Meaning::Key));
    }
    Line::from(spans)
}

fn nothing(pen: &Pen) -> String {
    let state = pen.state;
    if let Some(filter) = &state.logs.filter {
        let keys = state.keys(Action::ClearFilter);
        return format!("no event matches {:?}; {keys} shows every event", filter.text);
    }
    if let Some(note) = &state.logs.tail.note {
        return note.clone();
    }
    match state.status() {
        Some(status) if status.deployed => {
            format!("no log events yet; {} sends a request", state.keys(Action::Send))
        }
        Some(_) => format!("nothing is deployed yet; {} deploys", state.keys(Action::Deploy)),
        None => "waiting for the cloud".to_owned(),
    }
}
