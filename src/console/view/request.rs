//! The selected request as it will be sent.

use labdeck_ops::request::exchange::shown_header;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use crate::action::Action;
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let Some(saved) = state.saved_request() else {
        let inner = pen.panel(buffer, area, Panel::Request, "request");
        paint::empty(buffer, inner, pen, "nothing to send");
        return;
    };
    let request = state.requests.current(saved);
    let edited = if state.requests.edits.contains_key(&saved.name) { " · edited" } else { "" };
    let stage = state.stage().unwrap_or("—");
    let title = Line::from(vec![
        pen.span(&saved.name, Meaning::Title),
        pen.span(edited, Meaning::Warn),
        pen.span(format!(" · to {} ▸ ", request.api), Meaning::Muted),
        pen.span(stage, Meaning::Strong),
        pen.span(format!(" ({} next stage)", state.keys(Action::NextStage)), Meaning::Muted),
    ]);
    let inner = pen.panel_with(buffer, area, Panel::Request, title);
    let columns = usize::from(inner.width);
    let query: Vec<String> =
        request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let target = format!("{}{query}", request.path);
    let mut lines = vec![Line::from(vec![
        pen.span(format!("{} ", request.method), Meaning::Key),
        pen.span(
            text::fit(&target, columns.saturating_sub(request.method.len() + 1)),
            Meaning::Strong,
        ),
    ])];
    for (name, value) in &request.headers {
        let room = columns.saturating_sub(name.len() + 2);
        lines.push(Line::from(vec![
            pen.span(format!("{name}: "), Meaning::JsonKey),
            pen.span(text::fit(&shown_header(name, value), room), Meaning::Text),
        ]));
    }
    if let Some(key) = &request.key {
        lines.push(Line::from(vec![
            pen.span("x-api-key: ", Meaning::JsonKey),
            pen.span(format!("of the key {key}"), Meaning::Muted),
        ]));
    }
    for (name, value) in &request.variables {
        lines.push(Line::from(vec![
            pen.span("{{", Meaning::Muted),
            pen.span(name, Meaning::Canary),
            pen.span("}} = ", Meaning::Muted),
            pen.span(value, Meaning::Text),
        ]));
    }
    if let Some(body) = &request.body {
        lines.push(pen.line(text::fit(&body.replace('\n', "↵"), columns), Meaning::JsonText));
    }
    if !saved.description.is_empty() && lines.len() < usize::from(inner.height) {
        lines.push(Line::from(vec![
            Span::raw(""),
            pen.span(text::fit(&saved.description, columns), Meaning::Muted),
        ]));
    }
    paint::lines(buffer, inner, lines);
}
