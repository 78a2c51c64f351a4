//! One stage of an API: id, deployment, variables, URL, methods.

use labdeck_lab::blueprint::Api;
use labdeck_ops::gateway::stage::StageModel;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::layout;
use super::paint::{self, Pen};
use crate::action::Action;
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// HTTP methods as `OpenAPI` writes them.
const METHODS: [&str; 8] =
    ["get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"];

/// Lines the panel holds.
pub fn line_count(state: &State) -> usize {
    content(&Pen::new(state), layout::inner_width(state, Panel::Api)).len()
}

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let inner = pen.panel(buffer, area, Panel::Api, "stage");
    let lines = content(pen, usize::from(inner.width));
    if lines.is_empty() {
        paint::empty(buffer, inner, pen, "no stage");
        return;
    }
    paint::scrolled(buffer, inner, lines, pen.state.positions.get(Panel::Api));
}

fn content(pen: &Pen, columns: usize) -> Vec<Line<'static>> {
    let state = pen.state;
    let selected = state.positions.get(Panel::Apis);
    let found = state.status().filter(|status| status.deployed).and_then(|status| {
        status
            .apis
            .iter()
            .flat_map(|api| api.stages.iter().map(move |stage| (api, stage)))
            .nth(selected)
    });
    let Some((api, stage)) = found else { return Vec::new() };
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
    match state.selected_stage() {
        Some(model) => lines.extend(settings(pen, model, columns)),
        None => {
            for (index, (name, value)) in stage.variables.iter().enumerate() {
                let label = if index == 0 { "variables" } else { "" };
                lines.push(field(label, &format!("{name} = {value}")));
            }
        }
    }
    let blueprint = state
        .blueprint()
        .and_then(|blueprint| blueprint.apis.iter().find(|known| known.name == api.name));
    for (index, method) in blueprint.map(methods).unwrap_or_default().iter().enumerate() {
        lines.push(field(if index == 0 { "methods" } else { "" }, method));
    }
    lines.push(Line::default());
    lines.push(Line::from(pen.hint(&state.keys(Action::Copy), "copies the URL")));
    lines
}

/// The settings as they were read, those of single methods last.
fn settings(pen: &Pen, model: &StageModel, columns: usize) -> Vec<Line<'static>> {
    let shown = model.settings.iter().filter(|(key, _)| *key != "deployment");
    let (of_methods, own): (Vec<_>, Vec<_>) = shown.partition(|(key, _)| key.starts_with('/'));
    let name = columns.saturating_sub(8).clamp(10, 24);
    let mut lines = vec![Line::default()];
    for (key, value) in own.into_iter().chain(of_methods) {
        let label = text::pad(key, name.max(text::width(key)));
        let room = columns.saturating_sub(text::width(&label) + 1).max(8);
        let mut value = text::fit(value, room).into_owned();
        if key == "cache.cluster" && model.has_cache() {
            let status = model.cache_status.as_deref().unwrap_or_default();
            value = format!("{value} {}, billed by the hour", status.to_lowercase());
        }
        lines.push(Line::from(vec![
            pen.span(format!("{label} "), Meaning::Muted),
            pen.span(value, Meaning::Text),
        ]));
    }
    lines.push(Line::default());
    lines
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
