//! API keys and usage plans. What a key's value is, no screen shows.

use labdeck_ops::status::{Access, PlanStatus};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, Pen};
use super::{events, layout};
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// What stands for a key's value.
const MASK: &str = "••••••••";

/// Lines of the brief form.
pub fn brief_count(access: &Access) -> usize {
    access.keys.len() + access.plans.len()
}

/// Lines the panel holds.
pub fn line_count(state: &State) -> usize {
    let columns = layout::inner_width(state, Panel::Access);
    state.status().map_or(0, |status| lines(&Pen::new(state), &status.access, columns, true).len())
}

/// Draws the panel of the gateway screen.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel(buffer, area, Panel::Access, "keys · usage plans");
    let lines = state
        .status()
        .filter(|status| status.deployed)
        .map(|status| lines(pen, &status.access, usize::from(inner.width), true))
        .unwrap_or_default();
    if lines.is_empty() {
        paint::empty(buffer, inner, pen, "none");
        return;
    }
    paint::scrolled(buffer, inner, lines, state.positions.get(Panel::Access));
}

/// Every key and plan; `detailed` with the plan's stages, keys and limits below.
pub fn lines(pen: &Pen, access: &Access, columns: usize, detailed: bool) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for key in &access.keys {
        let (state, meaning) =
            if key.enabled { ("", Meaning::Muted) } else { (" disabled", Meaning::Warn) };
        let words = (format!("{MASK}{state}"), meaning);
        lines.push(events::line(pen, "key", &key.name, words, columns));
    }
    for plan in &access.plans {
        let brief = if detailed { String::new() } else { limits(plan) };
        lines.push(events::line(pen, "plan", &plan.name, (brief, Meaning::Text), columns));
        if detailed {
            lines.extend(events::below(pen, &limits(plan), columns, Meaning::Text));
            for (label, names) in [("stages", &plan.stages), ("keys", &plan.keys)] {
                let (words, meaning) = if names.is_empty() {
                    (format!("no {label}"), Meaning::Warn)
                } else {
                    (format!("{label}: {}", names.join(", ")), Meaning::Muted)
                };
                lines.extend(events::below(pen, &words, columns, meaning));
            }
        }
    }
    lines
}

/// What each key of a plan may: `1000/day · 5/s, 10 at once`.
fn limits(plan: &PlanStatus) -> String {
    let quota = plan.quota.as_ref().map(|(limit, per)| format!("{limit}/{}", per.to_lowercase()));
    let throttle =
        plan.throttle.map(|(rate, burst)| format!("{}/s, {burst} at once", text::rate(rate)));
    let limits: Vec<String> = quota.into_iter().chain(throttle).collect();
    if limits.is_empty() { "no limits".to_owned() } else { limits.join(" · ") }
}
