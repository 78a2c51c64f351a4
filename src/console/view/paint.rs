//! Small tools of every view: spans by meaning, panel frames, lists, bars, sparks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Widget};

use crate::state::{Panel, Side, State};
use crate::text;
use crate::theme::Meaning;

/// The state with the theme at hand.
pub struct Pen<'a> {
    /// The state.
    pub state: &'a State,
}

impl<'a> Pen<'a> {
    /// A pen for `state`.
    pub fn new(state: &'a State) -> Self {
        Self { state }
    }

    /// The style of a meaning.
    pub fn style(&self, meaning: Meaning) -> Style {
        self.state.theme.style(meaning)
    }

    /// A span with a meaning. Names and texts from outside are made harmless here.
    pub fn span(&self, text: impl AsRef<str>, meaning: Meaning) -> Span<'static> {
        Span::styled(text::harmless(text.as_ref()).into_owned(), self.style(meaning))
    }

    /// A line of one span.
    pub fn line(&self, text: impl AsRef<str>, meaning: Meaning) -> Line<'static> {
        Line::from(self.span(text, meaning))
    }

    /// A key with what it does: `R roll back`.
    pub fn hint(&self, keys: &str, what: &str) -> Vec<Span<'static>> {
        vec![self.span(keys, Meaning::Key), self.span(format!(" {what}"), Meaning::Muted)]
    }

    /// Draws a panel's frame with its title; gives what is inside.
    pub fn panel(&self, buffer: &mut Buffer, area: Rect, panel: Panel, title: &str) -> Rect {
        self.panel_with(buffer, area, panel, Line::from(self.span(title, Meaning::Title)))
    }

    /// The same with a title of several spans.
    pub fn panel_with(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        panel: Panel,
        title: Line<'static>,
    ) -> Rect {
        let focused = self.state.panel() == panel && self.state.popups.is_empty();
        let meaning = if focused { Meaning::Focus } else { Meaning::Border };
        let mut spans = vec![Span::raw(" ")];
        spans.extend(title.spans);
        spans.push(Span::raw(" "));
        let block = Block::new()
            .borders(Borders::ALL)
            .border_style(self.style(meaning))
            .title(Line::from(spans));
        let inner = block.inner(area);
        block.render(area, buffer);
        inner
    }

    /// The meaning of a side of a split.
    pub fn side(side: Side) -> Meaning {
        match side {
            Side::Stable => Meaning::Stable,
            Side::Canary => Meaning::Canary,
            Side::Other => Meaning::Text,
        }
    }
}

/// Writes lines from the top of `area`; what does not fit is left out.
pub fn lines<'l>(buffer: &mut Buffer, area: Rect, lines: impl IntoIterator<Item = Line<'l>>) {
    for (row, line) in (0..area.height).zip(lines) {
        buffer.set_line(area.x, area.y + row, &line, area.width);
    }
}

/// Writes lines with the one at `selected` marked and in view.
pub fn list(buffer: &mut Buffer, area: Rect, rows: &[Line], selected: usize, mark: Style) {
    let height = usize::from(area.height);
    let selected = selected.min(rows.len().saturating_sub(1));
    let start = (selected + 1).saturating_sub(height);
    for (row, (index, line)) in rows.iter().enumerate().skip(start).take(height).enumerate() {
        let y = area.y + row as u16;
        buffer.set_line(area.x, y, line, area.width);
        if index == selected {
            buffer.set_style(Rect { y, height: 1, ..area }, mark);
        }
    }
}

/// Writes lines from `scroll` on, never past the last page.
pub fn scrolled(buffer: &mut Buffer, area: Rect, rows: Vec<Line<'_>>, scroll: usize) {
    let most = rows.len().saturating_sub(usize::from(area.height));
    lines(buffer, area, rows.into_iter().skip(scroll.min(most)));
}

/// A bar of `columns`, filled by `share` (0.0–1.0) with `full`, the rest with spaces.
pub fn bar(share: f64, columns: usize, full: char) -> String {
    let filled = ((share.clamp(0.0, 1.0) * columns as f64).round() as usize).min(columns);
    let mut text: String = std::iter::repeat_n(full, filled).collect();
    text.extend(std::iter::repeat_n(' ', columns - filled));
    text
}

const SPARKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last `columns` values as a spark line, scaled to `top`.
pub fn spark(values: &[u64], columns: usize, top: u64) -> String {
    let skip = values.len().saturating_sub(columns);
    let mut line = " ".repeat(columns.saturating_sub(values.len()));
    for value in &values[skip..] {
        let level = if *value == 0 { 0 } else { (value * 8).div_ceil(top.max(1)).min(8) };
        line.push(SPARKS[level as usize]);
    }
    line
}

/// A text in the middle of an empty panel, with the key that fills it.
pub fn empty(buffer: &mut Buffer, area: Rect, pen: &Pen, what: &str) {
    let wrapped = text::wrap_words(what, usize::from(area.width.saturating_sub(4)).max(1));
    let top = area.height.saturating_sub(wrapped.len() as u16) / 2;
    for (row, line) in wrapped.iter().enumerate() {
        let y = area.y + top + row as u16;
        if y >= area.bottom() {
            break;
        }
        let left = area.width.saturating_sub(text::width(line) as u16) / 2;
        buffer.set_span(area.x + left, y, &pen.span(line, Meaning::Muted), area.width);
    }
}

/// A version as people write it: `v3`, `$LATEST`.
pub fn version(version: &str) -> String {
    if version.starts_with('$') || version.is_empty() {
        version.to_owned()
    } else {
        format!("v{version}")
    }
}
