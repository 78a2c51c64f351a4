//! A job on every lab: a line per lab, and what is being done in it.

use labdeck_aws::Failure;
use labdeck_ops::deploy::plan::Summary;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use super::plan::{summary_lines, wrapped};
use super::plan_steps::{Detail, building_line, plan_lines};
use crate::state::job::{Part, StepState};
use crate::text;
use crate::theme::Meaning;

/// Every lab of the job.
pub fn lines(
    pen: &Pen,
    parts: &[Part],
    building: Option<&(usize, usize, String)>,
    columns: usize,
    detail: Detail,
) -> Vec<Line<'static>> {
    let mut lines: Vec<Line> =
        building.map(|building| building_line(pen, building)).into_iter().collect();
    for part in parts {
        lines.push(match &part.result {
            Some(result) => ended(pen, part, result, columns),
            None => running(pen, part, columns),
        });
        match &part.result {
            Some(Err(failure)) => {
                lines.extend(indented(wrapped(
                    pen,
                    &failure.why,
                    columns.saturating_sub(2),
                    Meaning::Text,
                )));
                if let Some(next) = &failure.next {
                    let next = format!("→ {next}");
                    lines.extend(indented(wrapped(
                        pen,
                        &next,
                        columns.saturating_sub(2),
                        Meaning::Key,
                    )));
                }
            }
            Some(Ok(summary)) => {
                let below = summary_lines(pen, summary, columns.saturating_sub(2));
                // The first line is the lab's own.
                let below = below.into_iter().skip(1);
                let shown =
                    detail == Detail::Full || !summary.left.is_empty() || !summary.notes.is_empty();
                lines.extend(indented(below.filter(|_| shown).collect()));
            }
            None => lines.extend(indented(at_work(pen, part, columns.saturating_sub(2), detail))),
        }
    }
    lines
}

fn indented(lines: Vec<Line<'static>>) -> Vec<Line<'static>> {
    let indent = |mut line: Line<'static>| {
        line.spans.insert(0, Span::raw("  "));
        line
    };
    lines.into_iter().map(indent).collect()
}

/// A lab whose end is known.
fn ended(
    pen: &Pen,
    part: &Part,
    result: &Result<Summary, Failure>,
    columns: usize,
) -> Line<'static> {
    let (mark, meaning, words) = match result {
        Ok(summary) => {
            let words = format!(
                "{} changed · {} calls · {:.1} s",
                summary.changed, summary.calls, summary.seconds
            );
            let well = summary.left.is_empty();
            if well { ("✓ ", Meaning::Ok, words) } else { ("! ", Meaning::Warn, words) }
        }
        Err(failure) => ("✗ ", Meaning::Danger, failure.what.clone()),
    };
    let name = text::pad(&part.lab, 12);
    let room = columns.saturating_sub(3 + text::width(&name));
    Line::from(vec![
        pen.span(mark, meaning),
        pen.span(name, Meaning::Name),
        Span::raw(" "),
        pen.span(text::fit(&words, room), Meaning::Muted),
    ])
}

/// A lab that is worked on: how many of its steps are done.
fn running(pen: &Pen, part: &Part, columns: usize) -> Line<'static> {
    let name = text::pad(&part.lab, 12);
    let (done, total) = part.course.done();
    let course = &part.course;
    if course.plan.is_none() {
        let phase = if course.phase.is_empty() { "waits for the build" } else { &course.phase };
        let phase = text::fit(phase, columns.saturating_sub(15)).into_owned();
        return Line::from(vec![
            pen.span("· ", Meaning::Muted),
            pen.span(name, Meaning::Name),
            Span::raw(" "),
            pen.span(phase, Meaning::Muted),
        ]);
    }
    let (mark, meaning) =
        if done == total { ("✓ ", Meaning::Ok) } else { ("▸ ", Meaning::Key) };
    let share = if total == 0 { 1.0 } else { done as f64 / total as f64 };
    let words = if total == 0 { "nothing to do".to_owned() } else { format!("{done}/{total}") };
    let bar = columns.saturating_sub(16 + text::width(&words)).min(24);
    Line::from(vec![
        pen.span(mark, meaning),
        pen.span(name, Meaning::Name),
        Span::raw(" "),
        pen.span(paint::bar(share, bar, '█'), Meaning::Stable),
        pen.span(format!(" {words}"), Meaning::Muted),
    ])
}

/// The steps that run, are held up or failed; in full, all of them.
fn at_work(pen: &Pen, part: &Part, columns: usize, detail: Detail) -> Vec<Line<'static>> {
    let course = &part.course;
    let Some(plan) = &course.plan else { return Vec::new() };
    if detail == Detail::Full {
        return plan_lines(pen, plan, Some(&course.steps), columns, detail);
    }
    let mut shown = plan.clone();
    let mut states = Vec::new();
    shown.steps.clear();
    for (step, state) in plan.steps.iter().zip(&course.steps) {
        if matches!(state, StepState::Running(_) | StepState::Held { .. } | StepState::Failed(_)) {
            shown.steps.push(step.clone());
            states.push(state.clone());
        }
    }
    plan_lines(pen, &shown, Some(&states), columns, detail)
}
