//! The resources panel of the overview: stages of every API, tables, queues, topics, event source
//! mappings, alarms, keys and usage plans.

use labdeck_ops::status::LabStatus;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use super::{access, events, layout};
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// Lines the panel would like.
pub fn height(state: &State) -> u16 {
    state.status().filter(|status| status.deployed).map_or(2, |status| {
        let stages: usize = status.apis.iter().map(|api| api.stages.len() + 1).sum();
        let events = events::brief_count(&status.events);
        (stages + status.tables.len() + events + access::brief_count(&status.access)) as u16
    })
}

/// Lines the panel holds.
pub fn line_count(state: &State) -> usize {
    let columns = layout::inner_width(state, Panel::Stages);
    content(&Pen::new(state), columns).len()
}

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let status = state.status().filter(|status| status.deployed);
    let lines = content(pen, usize::from(area.width.saturating_sub(2)));
    let mut title = vec![pen.span("resources", Meaning::Title)];
    let room = usize::from(area.height.saturating_sub(2));
    if lines.len() > room {
        let at = state.positions.get(Panel::Stages).min(lines.len() - room);
        let words = format!(" {}–{}/{}", at + 1, at + room, lines.len());
        title.push(pen.span(words, Meaning::Muted));
    }
    match status.map_or(0, |status| events::troubles(&status.events)) {
        0 => {}
        1 => title.push(pen.span(" · 1 needs a look", Meaning::Danger)),
        some => title.push(pen.span(format!(" · {some} need a look"), Meaning::Danger)),
    }
    let inner = pen.panel_with(buffer, area, Panel::Stages, Line::from(title));
    if lines.is_empty() {
        paint::empty(buffer, inner, pen, "nothing is deployed");
        return;
    }
    paint::scrolled(buffer, inner, lines, state.positions.get(Panel::Stages));
}

/// Every resource, those that need a look first; with what there is to know beside it where the panel
/// has the whole screen.
fn content(pen: &Pen, columns: usize) -> Vec<Line<'static>> {
    let state = pen.state;
    let Some(status) = state.status().filter(|status| status.deployed) else { return Vec::new() };
    let (troubled, well) = events::lines(pen, &status.events, columns, state.zoomed);
    let mut lines = troubled;
    lines.extend(stages(pen, status, columns));
    lines.extend(tables(pen, status));
    lines.extend(well);
    lines.extend(access::lines(pen, &status.access, columns, state.zoomed));
    lines
}

fn stages(pen: &Pen, status: &LabStatus, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for api in &status.apis {
        lines.push(Line::from(vec![
            pen.span(text::fit(&api.name, columns.saturating_sub(14)), Meaning::Name),
            pen.span(format!("  {}", api.id), Meaning::Muted),
        ]));
        for stage in &api.stages {
            let alias = stage
                .variables
                .iter()
                .find(|(name, _)| name == "lambdaAlias")
                .map_or("—", |(_, value)| value);
            let age = text::span(pen.state.now_ms - stage.updated_ms);
            let mut spans = vec![
                Span::raw("  "),
                pen.span(text::pad(&stage.name, 5), Meaning::Strong),
                pen.span(format!(" → {} ", text::pad(alias, 5)), Meaning::Text),
                pen.span(format!("{} {age}", stage.deployment_id), Meaning::Muted),
            ];
            if let Some(cache) = &stage.cache {
                let ready = cache.status == "AVAILABLE";
                let meaning = if ready { Meaning::Text } else { Meaning::Warn };
                spans.push(pen.span(format!(" cache {}GB", cache.size_gb), meaning));
            }
            lines.push(Line::from(spans));
        }
    }
    lines
}

fn tables(pen: &Pen, status: &LabStatus) -> Vec<Line<'static>> {
    let line = |table: &labdeck_ops::status::TableStatus| {
        let (state, meaning) = if table.status.is_empty() {
            ("missing", Meaning::Danger)
        } else if table.status == "ACTIVE" {
            ("active", Meaning::Ok)
        } else {
            (table.status.as_str(), Meaning::Warn)
        };
        Line::from(vec![
            pen.span("table ", Meaning::Muted),
            pen.span(format!("{} ", table.name), Meaning::Name),
            pen.span(state, meaning),
            pen.span(format!(" · {} items", table.items), Meaning::Muted),
        ])
    };
    status.tables.iter().map(line).collect()
}
