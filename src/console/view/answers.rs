//! What was sent before, and what differs between two answers.

use labdeck_ops::request::diff::Side;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, Pen};
use super::popups::{keys_line, wide};
use super::request_list::status_meaning;
use crate::state::answers::{AnswerList, Compared};
use crate::text;
use crate::theme::Meaning;

/// Draws the list.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen, list: &AnswerList) {
    let inner = wide(buffer, area, pen, "what was sent before");
    if list.past.is_empty() {
        paint::empty(buffer, inner, pen, "nothing was sent yet");
        return;
    }
    let columns = usize::from(inner.width);
    let widest = |of: fn(&labdeck_ops::request::history::Past) -> usize, most: usize| {
        list.past.iter().map(of).max().unwrap_or(0).min(most)
    };
    let names = widest(|past| text::width(&past.name), 20);
    let places = widest(|past| text::width(&past.to), 20);
    let rows: Vec<Line> = list
        .past
        .iter()
        .map(|past| {
            let mark = if list.marked == Some(past.id) { "● " } else { "  " };
            let failed = past.exchange.verdicts.iter().any(|verdict| !verdict.holds);
            let time = text::clock(past.at_ms);
            let room = columns.saturating_sub(2 + 9 + names + 1 + places + 1 + 4 + 11);
            let base = past.exchange.request.origin.as_ref().map_or("", |at| &at.base_url);
            let path = past.url.strip_prefix(base).unwrap_or(&past.url);
            Line::from(vec![
                pen.span(mark, Meaning::Warn),
                pen.span(format!("{} ", &time[..8]), Meaning::Muted),
                pen.span(text::pad(&past.name, names + 1), Meaning::Name),
                pen.span(text::pad(&past.to, places + 1), Meaning::Muted),
                pen.span(
                    text::pad(&format!("{}{}", past.status, if failed { "✗" } else { "" }), 5),
                    status_meaning(past.status),
                ),
                pen.span(text::right(&format!("{} ms ", text::millis(past.ms)), 10), Meaning::Text),
                pen.span(text::fit(&format!("{} {path}", past.method), room), Meaning::Muted),
            ])
        })
        .collect();
    let height = inner.height.saturating_sub(2);
    paint::list(
        buffer,
        Rect { height, ..inner },
        &rows,
        list.selected,
        pen.style(Meaning::Selected),
    );
    let below = Rect { y: inner.bottom().saturating_sub(1), height: 1, ..inner };
    paint::lines(buffer, below, [keys_line(pen)]);
}

/// Lines of a comparison.
pub fn line_count(compared: &Compared) -> usize {
    compared.diff.body.len() + compared.diff.headers.len() + 4
}

/// Draws a comparison.
pub fn compared(buffer: &mut Buffer, area: Rect, pen: &Pen, compared: &Compared, scroll: usize) {
    let inner = wide(buffer, area, pen, "what differs");
    let columns = usize::from(inner.width);
    let cut = |words: String, meaning: Meaning| pen.line(text::fit(&words, columns), meaning);
    let mut lines = vec![
        cut(format!("- {}", compared.before), Meaning::Danger),
        cut(format!("+ {}", compared.after), Meaning::Ok),
    ];
    if compared.diff.same {
        let words = "the answers are the same, but for dates and request ids";
        lines.push(pen.line(words, Meaning::Strong));
    }
    if let Some((before, after)) = compared.diff.status {
        lines.push(cut(format!("status {before} → {after}"), Meaning::Warn));
    }
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    for header in &compared.diff.headers {
        let (before, after) = (value(&header.before), value(&header.after));
        lines.push(cut(format!("{}: {before} → {after}", header.name), Meaning::Warn));
    }
    lines.push(Line::default());
    for line in &compared.diff.body {
        let meaning = match line.side {
            Side::Both => Meaning::Muted,
            Side::Before => Meaning::Danger,
            Side::After => Meaning::Ok,
        };
        let words = crate::text::harmless(&line.text);
        lines.push(cut(format!("{} {words}", line.side.mark()), meaning));
    }
    paint::scrolled(buffer, inner, lines, scroll);
}
