//! The deployments of the selected stage's API: which stage serves which.

use labdeck_ops::gateway::deployments::{DeploymentInfo, Origin};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, Pen};
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel(buffer, area, Panel::Deployments, "deployments");
    let Some(all) = state.deployments() else {
        paint::empty(buffer, inner, pen, "none was read yet");
        return;
    };
    let serves = state.selected_stage().map_or("", |stage| stage.deployment()).to_owned();
    let rows: Vec<Line> = all.deployments.iter().map(|one| row(pen, one, &serves)).collect();
    let mark = pen.style(Meaning::Selected);
    paint::list(buffer, inner, &rows, state.positions.get(Panel::Deployments), mark);
}

fn row(pen: &Pen, one: &DeploymentInfo, serves: &str) -> Line<'static> {
    let here = if one.id == serves { "▸ " } else { "  " };
    let (words, meaning) = match (one.origin, one.current) {
        (Origin::Deploy, true) => ("current", Meaning::Ok),
        (Origin::Deploy, false) => ("earlier", Meaning::Muted),
        (Origin::Chaos, _) => ("chaos", Meaning::Danger),
        (Origin::Hand, _) => ("by hand", Meaning::Warn),
    };
    let canaries = one.canaries.iter().map(|stage| format!("{stage} canary"));
    let stages: Vec<String> = one.stages.iter().cloned().chain(canaries).collect();
    let age = text::span(pen.state.now_ms - one.created_ms);
    Line::from(vec![
        pen.span(here, Meaning::Key),
        pen.span(format!("{} ", text::pad(&one.id, 7)), Meaning::Text),
        pen.span(text::pad(words, 8), meaning),
        pen.span(text::right(&age, 7), Meaning::Muted),
        pen.span(format!("  {}", stages.join(", ")), Meaning::Strong),
    ])
}
