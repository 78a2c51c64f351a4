//! The selected request as it will be sent.

use labdeck_lab::blueprint::SavedEvent;
use labdeck_ops::request::exchange::shown_header;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use crate::action::Action;
use crate::state::Panel;
use crate::state::sendable::Item;
use crate::text;
use crate::theme::Meaning;

/// The keys that change where it goes.
fn destination_keys(pen: &Pen) -> Span<'static> {
    let state = pen.state;
    let (next, choose) = (state.keys(Action::NextStage), state.keys(Action::SendTo));
    pen.span(format!(" ({next} next, {choose} choose)"), Meaning::Muted)
}

/// An event as it will be sent.
fn draw_event(buffer: &mut Buffer, area: Rect, pen: &Pen, event: &SavedEvent) {
    let to = pen.state.destination().map_or_else(String::new, |to| to.to_string());
    let title = Line::from(vec![
        pen.span(&event.name, Meaning::Title),
        pen.span(format!(" · to {}", event.function), Meaning::Muted),
        pen.span(to, Meaning::Strong),
        destination_keys(pen),
    ]);
    let inner = pen.panel_with(buffer, area, Panel::Request, title);
    let columns = usize::from(inner.width);
    let description = text::fit(&event.description, columns);
    let mut lines = vec![pen.line(description, Meaning::Muted)];
    let payload = event.payload.to_string();
    lines.extend(text::wrap(&payload, columns).iter().map(|l| pen.line(l, Meaning::JsonText)));
    paint::lines(buffer, inner, lines);
}

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let saved = match state.item() {
        Some(Item::Request(saved)) => saved,
        Some(Item::Event(event)) => {
            draw_event(buffer, area, pen, event);
            return;
        }
        None => {
            let inner = pen.panel(buffer, area, Panel::Request, "request");
            paint::empty(buffer, inner, pen, "nothing to send");
            return;
        }
    };
    let request = state.requests.current(saved);
    let edited = if state.requests.edits.contains_key(&saved.name) { " · edited" } else { "" };
    let to = state.destination().map_or_else(|| "—".to_owned(), |to| to.to_string());
    let title = Line::from(vec![
        pen.span(&saved.name, Meaning::Title),
        pen.span(edited, Meaning::Warn),
        pen.span(format!(" · to {} ▸ ", request.api), Meaning::Muted),
        pen.span(to, Meaning::Strong),
        destination_keys(pen),
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
