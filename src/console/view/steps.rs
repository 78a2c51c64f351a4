//! The lab's course: its steps, ticked by their checks, and the lesson of the selected one.

use labdeck_lab::blueprint::StepAction;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use crate::action::Action;
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel(buffer, area, Panel::Steps, "steps");
    let Some(blueprint) = state.blueprint().filter(|blueprint| !blueprint.steps.is_empty()) else {
        paint::empty(buffer, inner, pen, "this lab has no steps");
        return;
    };
    let selected = state.positions.get(Panel::Steps).min(blueprint.steps.len() - 1);
    let columns = usize::from(inner.width);
    let rows: Vec<Line> = blueprint
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let (mark, meaning) = match result(pen, &step.check) {
                Some(true) => ("✓", Meaning::Ok),
                Some(false) => ("○", Meaning::Muted),
                None => ("·", Meaning::Muted),
            };
            Line::from(vec![
                pen.span(mark, meaning),
                Span::raw(" "),
                pen.span(format!("{}. ", index + 1), Meaning::Muted),
                pen.span(text::fit(&step.title, columns.saturating_sub(6)), Meaning::Text),
            ])
        })
        .collect();
    let step = &blueprint.steps[selected];
    let mut lesson: Vec<Line> = text::wrap_words(&step.lesson, columns)
        .into_iter()
        .map(|line| pen.line(line, Meaning::Text))
        .collect();
    let keys = state.keys(Action::RunStep);
    let mut last = pen.hint(&keys, &does(&step.action));
    last.push(Span::raw(""));
    // The lesson keeps its room: the list scrolls, the lesson is read.
    let list_rows = rows.len().min(usize::from(inner.height) / 3).max(2) as u16;
    let list = Rect { height: list_rows.min(inner.height), ..inner };
    paint::list(buffer, list, &rows, selected, pen.style(Meaning::Selected));
    let below = Rect {
        y: list.bottom() + 1,
        height: inner.height.saturating_sub(list.height + 1),
        ..inner
    };
    let room = usize::from(below.height).saturating_sub(1);
    if lesson.len() > room && room > 0 {
        lesson.truncate(room.saturating_sub(1));
        lesson
            .push(pen.line(format!("… {} reads it all", state.keys(Action::Open)), Meaning::Muted));
    }
    lesson.push(Line::from(last));
    paint::lines(buffer, below, lesson);
}

/// Whether the check with this name held when it was last evaluated.
fn result(pen: &Pen, check: &str) -> Option<bool> {
    let (checks, _) = pen.state.checks.as_ref()?;
    checks.iter().find(|result| result.name == check).map(|result| result.holds)
}

/// What running a step does.
fn does(action: &StepAction) -> String {
    match action {
        StepAction::Deploy { variant: None } => "deploys the lab".to_owned(),
        StepAction::Deploy { variant: Some(variant) } => format!("deploys the variant {variant}"),
        StepAction::Define { variant } => {
            format!("gives the APIs the definition {variant}, without deploying it")
        }
        StepAction::TestMethod { request, .. } => {
            format!("tries {request} with the gateway's method test")
        }
        StepAction::Event { event, count: 1 } => format!("invokes the function with {event}"),
        StepAction::Event { event, count } => {
            format!("invokes the function with {event}, {count} times")
        }
        StepAction::DeleteFunction { function } => format!("deletes the function {function}"),
        StepAction::FlushCache { stage } => format!("flushes the cache of {stage}"),
        StepAction::Redrive { queue } => format!("sends the messages of {queue} back"),
        StepAction::Request { request, stage, count: 1, .. } => {
            format!("sends {request} to {stage}")
        }
        StepAction::Request { request, stage, count, concurrency } => {
            format!("sends {request} to {stage}, {count} times, {concurrency} at once")
        }
        StepAction::Compare { requests, stage, count, .. } => {
            format!("compares {} on {stage}, {count} times", requests.join(" and "))
        }
        StepAction::Publish => "publishes a version".to_owned(),
        StepAction::Shift { percent } => format!("shifts {percent}% of prod"),
        StepAction::Promote => "promotes the canary".to_owned(),
        StepAction::Rollback => "rolls prod back".to_owned(),
        StepAction::Undo => "undoes the last move".to_owned(),
        StepAction::Chaos { name, on } => {
            format!("switches {name} {}", if *on { "on" } else { "off" })
        }
        StepAction::Destroy => "tears the lab down".to_owned(),
    }
}
