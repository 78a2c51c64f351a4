//! API keys and usage plans. What a key's value is, no screen shows.

use labdeck_ops::status::{Access, PlanStatus};
use ratatui::text::Line;

use super::events;
use super::keys::MASK;
use super::paint::Pen;
use crate::text;
use crate::theme::Meaning;

/// Lines of the brief form.
pub fn brief_count(access: &Access) -> usize {
    access.keys.len() + access.plans.len()
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
