//! The stages panel of the overview: stages of every API, and the tables.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// Lines the panel would like.
pub fn height(state: &State) -> u16 {
    state.status().filter(|status| status.deployed).map_or(2, |status| {
        let stages: usize = status.apis.iter().map(|api| api.stages.len() + 1).sum();
        (stages + status.tables.len()) as u16
    })
}

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel(buffer, area, Panel::Stages, "stages · tables");
    let Some(status) = state.status().filter(|status| status.deployed) else {
        paint::empty(buffer, inner, pen, "nothing is deployed");
        return;
    };
    let columns = usize::from(inner.width);
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
            let age = text::span(state.now_ms - stage.updated_ms);
            lines.push(Line::from(vec![
                Span::raw("  "),
                pen.span(text::pad(&stage.name, 7), Meaning::Strong),
                pen.span(format!(" → {} ", text::pad(alias, 7)), Meaning::Text),
                pen.span(format!("{} {age}", stage.deployment_id), Meaning::Muted),
            ]));
        }
    }
    for table in &status.tables {
        let (state, meaning) = if table.status.is_empty() {
            ("missing", Meaning::Danger)
        } else if table.status == "ACTIVE" {
            ("active", Meaning::Ok)
        } else {
            (table.status.as_str(), Meaning::Warn)
        };
        lines.push(Line::from(vec![
            pen.span("table ", Meaning::Muted),
            pen.span(format!("{} ", table.name), Meaning::Name),
            pen.span(state, meaning),
            pen.span(format!(" · {} items", table.items), Meaning::Muted),
        ]));
    }
    paint::lines(buffer, inner, lines);
}
