//! The audit's popup.

use labdeck_aws::AuditEntry;
use labdeck_ops::audit;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use super::popups::{input_line, keys_line, wide};
use crate::state::audit::{AuditList, Reading};
use crate::text;
use crate::theme::Meaning;

/// Draws the list; gives the place of the text cursor.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen, list: &AuditList) -> Position {
    let inner = wide(buffer, area, pen, "audit: what changed something");
    let line = Rect { height: 1, ..inner };
    let cursor = input_line(buffer, line, pen, "› ", (&list.input, "words that must be in it"));
    let rest = Rect { y: inner.y + 1, height: inner.height.saturating_sub(3), ..inner };
    let columns = usize::from(inner.width);
    let height = usize::from(rest.height).max(1);
    // Only what is on the screen is made into lines: there may be thousands.
    let first = (list.selected + 1).saturating_sub(height);
    let rows: Vec<Line> =
        list.rows(first).take(height).map(|entry| row(pen, entry, columns)).collect();
    match (&list.reading, rows.is_empty()) {
        (Reading::Begun, true) => paint::empty(buffer, rest, pen, "reading …"),
        (Reading::Failed(why), true) => paint::empty(buffer, rest, pen, &text::harmless(why)),
        (_, true) => paint::empty(buffer, rest, pen, "nothing of that was written down"),
        _ => {
            let selected = list.selected - first;
            paint::list(buffer, rest, &rows, selected, pen.style(Meaning::Selected));
        }
    }
    let below = Rect { y: inner.bottom().saturating_sub(2), height: 2, ..inner };
    paint::lines(buffer, below, [said(pen, list, columns), keys_line(pen)]);
    cursor
}

/// How many are listed, and what could not be read.
fn said(pen: &Pen, list: &AuditList, columns: usize) -> Line<'static> {
    let count = format!("{} shown, UTC", list.count());
    match &list.reading {
        Reading::Done { damaged: Some((lines, first)) } => {
            let said = format!("{count} · {lines} damaged lines skipped, the first: {first}");
            pen.line(text::fit(&said, columns), Meaning::Warn)
        }
        _ => pen.line(count, Meaning::Muted),
    }
}

/// When, which lab, what, on what, from what to what, and how it ended where it failed.
fn row(pen: &Pen, entry: &AuditEntry, columns: usize) -> Line<'static> {
    let at =
        audit::at(entry).and_then(|at| i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok());
    let clock = at.map_or_else(|| entry.time.clone(), |ms| text::date(ms)[..16].to_owned());
    let time = format!("{} ", text::pad(&clock, 16));
    let lab = format!("{} ", text::pad(&text::harmless(&entry.lab), 10));
    let what = format!("{} ", text::pad(&text::harmless(&entry.operation), 16));
    let mut rest = audit::change(entry);
    if entry.failed() {
        rest = format!("{}  {rest}", entry.result);
    }
    let resource = audit::short_resource(&entry.resource);
    let rest = if rest.is_empty() { resource.to_owned() } else { format!("{rest}  {resource}") };
    let room = columns.saturating_sub(16 + 1 + 11 + 17);
    let meaning = if entry.failed() { Meaning::Danger } else { Meaning::Text };
    Line::from(vec![
        pen.span(time, Meaning::Muted),
        pen.span(lab, Meaning::Name),
        pen.span(what, Meaning::Strong),
        Span::styled(text::fit(&text::harmless(&rest), room).into_owned(), pen.style(meaning)),
    ])
}
