//! One stage of an API: id, deployment, variables, URL, methods.

use labdeck_lab::blueprint::Api;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, Pen};
use crate::action::Action;
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// HTTP methods as `OpenAPI` writes them.
const METHODS: [&str; 8] =
    ["get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"];

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel(buffer, area, Panel::Api, "stage");
    let selected = state.positions.get(Panel::Apis);
    let found = state.status().filter(|status| status.deployed).and_then(|status| {
        status
            .apis
            .iter()
            .flat_map(|api| api.stages.iter().map(move |stage| (api, stage)))
            .nth(selected)
    });
    let Some((api, stage)) = found else {
        paint::empty(buffer, inner, pen, "no stage");
        return;
    };
    let columns = usize::from(inner.width);
    let field = |name: &str, value: &str| {
        Line::from(vec![
            pen.span(text::pad(name, 12), Meaning::Muted),
            pen.span(value, Meaning::Text),
        ])
    };
    let mut lines = vec![
        Line::from(vec![
            pen.span(&api.name, Meaning::Name),
            pen.span(" ▸ ", Meaning::Muted),
            pen.span(&stage.name, Meaning::Strong),
        ]),
        Line::default(),
        field("id", &api.id),
        field("deployment", &stage.deployment_id),
        field("changed", &format!("{} UTC", text::date(stage.updated_ms))),
    ];
    for (index, piece) in text::wrap(&stage.url, columns.saturating_sub(12)).iter().enumerate() {
        lines.push(field(if index == 0 { "url" } else { "" }, piece));
    }
    for (index, (name, value)) in stage.variables.iter().enumerate() {
        let label = if index == 0 { "variables" } else { "" };
        lines.push(field(label, &format!("{name} = {value}")));
    }
    let blueprint = state
        .blueprint()
        .and_then(|blueprint| blueprint.apis.iter().find(|known| known.name == api.name));
    for (index, method) in blueprint.map(methods).unwrap_or_default().iter().enumerate() {
        lines.push(field(if index == 0 { "methods" } else { "" }, method));
    }
    lines.push(Line::default());
    let mut copy = pen.hint(&state.keys(Action::Copy), "copies the URL");
    copy.insert(0, pen.span("", Meaning::Text));
    lines.push(Line::from(copy));
    lines.push(Line::default());
    let later = "Shown only: editing a stage, usage plans, API keys, throttling and the cache are \
                 not part of labdeck yet. A lab's stages and variables come from its lab.toml.";
    lines.extend(
        text::wrap_words(later, columns).into_iter().map(|line| pen.line(line, Meaning::Muted)),
    );
    paint::lines(buffer, inner, lines);
}

/// `GET /path` for every method of the API's document.
fn methods(api: &Api) -> Vec<String> {
    let Some(paths) = api.document.get("paths").and_then(|paths| paths.as_object()) else {
        return Vec::new();
    };
    paths
        .iter()
        .flat_map(|(path, item)| {
            METHODS.iter().filter(move |method| item.get(**method).is_some()).map(move |method| {
                let name = if method.starts_with("x-") { "ANY" } else { method };
                format!("{} {path}", name.to_uppercase())
            })
        })
        .collect()
}
