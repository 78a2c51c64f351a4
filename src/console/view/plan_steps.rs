//! The steps of a plan: one line each, or with every difference, old and new.

use labdeck_ops::deploy::plan::{Change, Plan, Step, Verb};
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use super::plan::{counts, wrapped};
use crate::action::Action;
use crate::state::job::{Course, StepState};
use crate::text;
use crate::theme::Meaning;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What fits a panel: a line per step, cut; differences of a plan that is only looked at.
    Brief,
    /// Everything, wrapped.
    Full,
}

/// What a job told so far.
pub fn course_lines(
    pen: &Pen,
    course: &Course,
    columns: usize,
    live: bool,
    detail: Detail,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some((seconds, compiled)) = course.built {
        let words = if compiled == 0 {
            format!("✓ built, nothing to compile ({seconds:.1} s)")
        } else {
            format!("✓ built, {compiled} crates compiled ({seconds:.1} s)")
        };
        lines.push(pen.line(words, Meaning::Ok));
    }
    if live && !pen.state.questions.is_empty() {
        lines.push(pen.line("waits for your answer", Meaning::Warn));
    } else if live {
        lines.extend(course.building.as_ref().map(|building| building_line(pen, building)));
        if !course.phase.is_empty() && course.building.is_none() {
            lines.push(pen.line(format!("{} …", course.phase), Meaning::Muted));
        }
    }
    if let Some(burst) = &course.burst {
        lines.push(pen.line(super::burst::done(burst), Meaning::Text));
    }
    if let Some(plan) = &course.plan {
        if plan.is_empty() {
            lines.push(pen.line(counts(plan), Meaning::Ok));
        }
        let begun = course.steps.iter().any(|step| *step != StepState::Waiting);
        for warning in plan.warnings().filter(|_| live && !begun) {
            lines.extend(wrapped(pen, &format!("! {warning}"), columns, Meaning::Danger));
        }
        lines.extend(plan_lines(pen, plan, Some(&course.steps), columns, detail));
    }
    lines
}

/// How far the build is.
pub fn building_line(pen: &Pen, (done, total, unit): &(usize, usize, String)) -> Line<'static> {
    let share = *done as f64 / (*total).max(1) as f64;
    Line::from(vec![
        pen.span("building ", Meaning::Text),
        pen.span(paint::bar(share, 16, '█'), Meaning::Stable),
        pen.span(format!(" {done}/{total} {unit}"), Meaning::Muted),
    ])
}

/// What somebody else changed since the last deploy, and the key that keeps it.
pub fn drift_lines(pen: &Pen, plan: &Plan, columns: usize) -> Vec<Line<'static>> {
    let drifted = plan.drifted();
    if drifted == 0 {
        return Vec::new();
    }
    let words = format!(
        "drift: somebody else changed {drifted} of these since the last deploy; this corrects it, {} \
         keeps it",
        pen.state.keys(Action::KeepDrift)
    );
    wrapped(pen, &words, columns, Meaning::Warn)
}

/// Every step with its state, its resource and its reason.
pub fn plan_lines(
    pen: &Pen,
    plan: &Plan,
    states: Option<&[StepState]>,
    columns: usize,
    detail: Detail,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let state = states.and_then(|states| states.get(index));
        let differs = detail == Detail::Full || states.is_none();
        // Where the differences stand below, the reason would say them again.
        let reason = if differs && !step.changes.is_empty() { "" } else { &step.reason };
        let (mark, meaning, note) = standing(pen, state, reason);
        let (verb, verb_meaning) = verb(step.verb);
        let mut head = vec![pen.span(mark, meaning), pen.span(format!("{verb} "), verb_meaning)];
        let used: usize = text::width(mark) + text::width(verb) + 1;
        let what = format!("{} {}", step.resource, step.name);
        let note_meaning = if meaning == Meaning::Danger { meaning } else { Meaning::Muted };
        if detail == Detail::Full {
            head.push(pen.span(what, Meaning::Text));
            lines.push(Line::from(head));
            lines.extend(below(pen, &note, columns, note_meaning));
        } else {
            let what = text::fit(&what, columns.saturating_sub(14).clamp(12, 40)).into_owned();
            let room = columns.saturating_sub(used + text::width(&what) + 2);
            head.push(pen.span(what, Meaning::Text));
            head.push(Span::raw("  "));
            head.push(pen.span(text::fit(&note.replace('\n', " "), room), note_meaning));
            lines.push(Line::from(head));
        }
        if differs {
            for change in &step.changes {
                lines.extend(change_lines(pen, change, columns, detail));
            }
        }
        if detail == Detail::Full {
            if let Some(warning) = &step.warning {
                lines.extend(below(pen, &format!("! {warning}"), columns, Meaning::Danger));
            }
            lines.extend(below(pen, &after(plan, step), columns, Meaning::Muted));
        }
    }
    lines
}

/// How a step stands: its mark, what that means, and what is said beside it.
fn standing(pen: &Pen, state: Option<&StepState>, reason: &str) -> (&'static str, Meaning, String) {
    let since = |ms: i64| (pen.state.now_ms - ms).max(0) as f64 / 1000.0;
    let beside = |seconds: f64, words: &str| format!("{seconds:.1} s  {words}");
    match state {
        None => ("", Meaning::Text, reason.to_owned()),
        Some(StepState::Waiting) => ("· ", Meaning::Muted, reason.to_owned()),
        Some(StepState::Running(begun)) => ("▸ ", Meaning::Key, beside(since(*begun), reason)),
        Some(StepState::Held { since_ms, reason, until_ms }) => {
            let left = until_ms.map(|until| (until - pen.state.now_ms + 999).max(0) / 1000);
            let left = left.map(|left| format!(", at most {left} s")).unwrap_or_default();
            let words = format!("waits for {reason}{left}");
            ("◦ ", Meaning::Warn, beside(since(*since_ms), &words))
        }
        Some(StepState::Done(seconds)) => ("✓ ", Meaning::Ok, beside(*seconds, reason)),
        Some(StepState::Failed(failure)) => ("✗ ", Meaning::Danger, failure.why.clone()),
    }
}

fn verb(verb: Verb) -> (&'static str, Meaning) {
    match verb {
        Verb::Create => ("+", Meaning::Ok),
        Verb::Update => ("~", Meaning::Warn),
        Verb::Replace => ("REPLACE", Meaning::Danger),
        Verb::Delete => ("-", Meaning::Danger),
    }
}

/// Words below a step.
fn below(pen: &Pen, words: &str, columns: usize, meaning: Meaning) -> Vec<Line<'static>> {
    if words.trim().is_empty() {
        return Vec::new();
    }
    let indented = wrapped(pen, words.trim(), columns.saturating_sub(4), meaning);
    let indent = |mut line: Line<'static>| {
        line.spans.insert(0, Span::raw("    "));
        line
    };
    indented.into_iter().map(indent).collect()
}

/// One difference: the field, what is live, what is wanted.
fn change_lines(pen: &Pen, change: &Change, columns: usize, detail: Detail) -> Vec<Line<'static>> {
    let drift = if change.drift { " (somebody else's)" } else { "" };
    let words = match (&change.old, &change.new) {
        (None, None) => format!("{}{drift}", change.text),
        (old, new) => {
            let shown = |value: &Option<String>| {
                value.clone().filter(|value| !value.is_empty()).unwrap_or_else(|| "nothing".into())
            };
            format!("{}: {} → {}{drift}", change.field, shown(old), shown(new))
        }
    };
    let meaning = if change.drift { Meaning::Warn } else { Meaning::Text };
    if detail == Detail::Full {
        return below(pen, &words, columns, meaning);
    }
    let words = text::fit(&words.replace('\n', " "), columns.saturating_sub(4)).into_owned();
    vec![Line::from(vec![Span::raw("    "), pen.span(words, meaning)])]
}

/// What a step waits for.
fn after(plan: &Plan, step: &Step) -> String {
    let before = step.after.iter().filter_map(|index| plan.steps.get(*index));
    let names: Vec<String> =
        before.map(|before| format!("{} {}", before.resource, before.name)).collect();
    if names.is_empty() { String::new() } else { format!("after {}", names.join(", ")) }
}
