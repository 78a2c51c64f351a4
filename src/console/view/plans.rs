//! Usage plans: their limits, and a bar of what each key has used of its quota, with when it runs out.

use labdeck_ops::gateway::plan::PlanModel;
use labdeck_ops::gateway::usage::{KeyUsage, PlanUsage};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, Pen, bar};
use crate::state::Panel;
use crate::state::gateway::PlanRow;
use crate::text;
use crate::theme::Meaning;

/// Shares above which a bar is yellow, and red.
const MUCH: (f64, f64) = (0.75, 0.95);

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel(buffer, area, Panel::Plans, "usage plans");
    let rows = state.plan_rows();
    if rows.is_empty() {
        paint::empty(buffer, inner, pen, "no usage plan");
        return;
    }
    let columns = usize::from(inner.width);
    let rows: Vec<Line> = rows
        .iter()
        .map(|row| match row {
            PlanRow::Plan(plan, usage) => plan_line(pen, plan, usage, columns),
            PlanRow::Key(_, usage, key) => key_line(pen, usage, key, columns),
        })
        .collect();
    let mark = pen.style(Meaning::Selected);
    paint::list(buffer, inner, &rows, state.positions.get(Panel::Plans), mark);
}

fn plan_line(pen: &Pen, plan: &PlanModel, usage: &PlanUsage, columns: usize) -> Line<'static> {
    let quota = match (usage.quota, &usage.period) {
        (Some(quota), Some(period)) => Some(format!("{quota}/{}", period.to_lowercase())),
        _ => None,
    };
    let rate = plan.settings.get("throttle.rate").map(|rate| format!("{rate}/s"));
    let limits: Vec<String> = quota.into_iter().chain(rate).collect();
    let limits = if limits.is_empty() { "no limits".to_owned() } else { limits.join(" · ") };
    let name = text::fit(&plan.name, columns.saturating_sub(limits.len() + 1)).into_owned();
    Line::from(vec![pen.span(name, Meaning::Name), pen.span(format!(" {limits}"), Meaning::Text)])
}

/// `  LabKey ████░░ 412/1000 ~14:03`: the tilde marks what is estimated.
fn key_line(pen: &Pen, usage: &PlanUsage, key: &KeyUsage, columns: usize) -> Line<'static> {
    let (used, left) = key.best();
    let about = if key.estimated_used.is_some() { "~" } else { "" };
    let figures = match left {
        Some(left) => format!("{about}{used}/{}", used + left),
        None => format!("{about}{used} today"),
    };
    let ends = match key.forecast.as_ref().and_then(|forecast| forecast.empty_ms) {
        _ if left == Some(0) => " used up".to_owned(),
        Some(at) if at - pen.state.now_ms < 86_400_000 => {
            format!(" until ~{}", &text::clock(at)[..5])
        }
        Some(at) => format!(" until ~{}", &text::date(at)[..10]),
        None => String::new(),
    };
    let share = key.share();
    let meaning = match share {
        Some(share) if share >= MUCH.1 => Meaning::Danger,
        Some(share) if share >= MUCH.0 => Meaning::Warn,
        _ => Meaning::Stable,
    };
    let name = text::pad(&key.key, (columns / 3).clamp(6, 16));
    let taken = 2 + text::width(&name) + 1 + 1 + figures.len() + ends.len();
    let room = columns.saturating_sub(taken).min(16);
    let gauge = share.map_or_else(String::new, |share| {
        let full = bar(share, room, '█');
        full.replace(' ', "░")
    });
    let resets = usage.resets_ms - pen.state.now_ms;
    let soon = left == Some(0) && columns > taken + room + 15;
    let anew = if soon { format!(", anew in {}", text::span(resets)) } else { String::new() };
    Line::from(vec![
        pen.span(format!("  {name} "), Meaning::Name),
        pen.span(gauge, meaning),
        pen.span(format!(" {figures}"), Meaning::Text),
        pen.span(ends, meaning),
        pen.span(anew, Meaning::Muted),
    ])
}
