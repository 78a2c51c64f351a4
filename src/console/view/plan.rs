//! The plan panel: what will be, is being, or was done, step by step; what the build said.

use labdeck_ops::deploy::plan::{Plan, Summary, Verb};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use crate::action::Action;
use crate::message::JobKind;
use crate::state::job::{Course, Job, Report, StepState};
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let inner = pen.panel_with(buffer, area, Panel::Plan, title(pen));
    let columns = usize::from(inner.width);
    let lines = content(pen, columns);
    if lines.is_empty() {
        let state = pen.state;
        let what = format!(
            "{} shows what a deploy would do, {} does it, {} tears the lab down",
            state.keys(Action::Plan),
            state.keys(Action::Deploy),
            state.keys(Action::Destroy)
        );
        paint::empty(buffer, inner, pen, &what);
        return;
    }
    let scroll = match deploy_job(pen.state) {
        Some(job) => follow(job, lines.len(), usize::from(inner.height)),
        None => pen.state.positions.get(Panel::Plan),
    };
    paint::scrolled(buffer, inner, lines, scroll);
}

/// Lines the panel holds.
pub fn line_count(state: &State) -> usize {
    let (columns, _) = state.size;
    content(&Pen::new(state), usize::from(columns / 2)).len()
}

fn deploy_job(state: &State) -> Option<&Job> {
    state.job.as_ref().filter(|job| {
        !matches!(job.kind, JobKind::Burst { .. } | JobKind::Compare { .. } | JobKind::Checks)
    })
}

/// Scrolls so that the first unfinished step is in view.
fn follow(job: &Job, lines: usize, height: usize) -> usize {
    let done = job.course.done().0;
    (done + 4).saturating_sub(height / 2).min(lines.saturating_sub(height))
}

fn title(pen: &Pen) -> Line<'static> {
    let state = pen.state;
    let (words, note) = match (deploy_job(state), &state.report) {
        (Some(job), _) => {
            let seconds = (state.now_ms - job.started_ms) as f64 / 1000.0;
            (format!("{} {}", job.kind.name(), job.lab), Some(format!(" · {seconds:.1} s")))
        }
        (None, Some(Report::Applied { destroyed, .. })) => {
            ((if *destroyed { "destroyed" } else { "deployed" }).to_owned(), None)
        }
        (None, Some(Report::Stepped { title, .. })) => (title.clone(), None),
        (None, Some(Report::Failed { name, .. })) => (format!("{name} failed"), None),
        (None, Some(Report::Planned(_)) | None) => ("plan".to_owned(), None),
    };
    let mut spans = vec![pen.span(words, Meaning::Title)];
    spans.extend(note.map(|note| pen.span(note, Meaning::Muted)));
    Line::from(spans)
}

fn content(pen: &Pen, columns: usize) -> Vec<Line<'static>> {
    let state = pen.state;
    if let Some(job) = deploy_job(state) {
        return course_lines(pen, &job.course, columns, true);
    }
    match &state.report {
        None => Vec::new(),
        Some(Report::Planned(plan)) => {
            let mut lines = vec![count_line(pen, plan)];
            for warning in plan.warnings() {
                lines.extend(wrapped(pen, &format!("! {warning}"), columns, Meaning::Danger));
            }
            for note in &plan.notes {
                lines.extend(wrapped(pen, note, columns, Meaning::Muted));
            }
            lines.extend(plan_lines(pen, plan, None, columns));
            lines
        }
        Some(Report::Applied { summary, course, .. }) => {
            let mut lines = summary_lines(pen, summary, columns);
            lines.push(Line::default());
            lines.extend(course_lines(pen, course, columns, false));
            lines
        }
        Some(Report::Stepped { did, check, .. }) => {
            let mut lines: Vec<Line> = did
                .iter()
                .flat_map(|one| text::wrap_words(one, columns))
                .map(|one| pen.line(one, Meaning::Text))
                .collect();
            let (mark, meaning) =
                if check.holds { ("✓", Meaning::Ok) } else { ("✗", Meaning::Warn) };
            lines.push(Line::default());
            lines.push(pen.line(format!("{mark} {}", check.title), meaning));
            lines.extend(wrapped(pen, &check.reason, columns, Meaning::Muted));
            lines
        }
        Some(Report::Failed { failure, course, .. }) => {
            let mut lines = wrapped(pen, &failure.what, columns, Meaning::Danger);
            for line in failure.why.lines() {
                lines.extend(wrapped(pen, line, columns, Meaning::Text));
            }
            if let Some(next) = &failure.next {
                lines.extend(wrapped(pen, &format!("→ {next}"), columns, Meaning::Key));
            }
            lines.push(Line::default());
            lines.extend(course_lines(pen, course, columns, false));
            lines
        }
    }
}

fn wrapped(pen: &Pen, words: &str, columns: usize, meaning: Meaning) -> Vec<Line<'static>> {
    // Compiler output keeps its indentation; prose is wrapped by words.
    let harmless = text::harmless(words).into_owned();
    if harmless.starts_with(' ') {
        return text::wrap(&harmless, columns).into_iter().map(|l| pen.line(l, meaning)).collect();
    }
    text::wrap_words(&harmless, columns).into_iter().map(|l| pen.line(l, meaning)).collect()
}

fn count_line(pen: &Pen, plan: &Plan) -> Line<'static> {
    let count = |verb: Verb| plan.steps.iter().filter(|step| step.verb == verb).count();
    if plan.is_empty() {
        return pen.line("nothing to do: live state is what the lab wants", Meaning::Ok);
    }
    let mut spans = vec![
        pen.span(format!("{} create", count(Verb::Create)), Meaning::Ok),
        pen.span(" · ", Meaning::Muted),
        pen.span(format!("{} update", count(Verb::Update)), Meaning::Warn),
        pen.span(" · ", Meaning::Muted),
        pen.span(format!("{} delete", count(Verb::Delete)), Meaning::Danger),
    ];
    let replaced = count(Verb::Replace);
    if replaced > 0 {
        spans.push(pen.span(format!(" · {replaced} REPLACE"), Meaning::Danger));
    }
    Line::from(spans)
}

fn summary_lines(pen: &Pen, summary: &Summary, columns: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::from(vec![
        pen.span(format!("{} changed", summary.changed), Meaning::Ok),
        pen.span(
            format!(
                " · {} calls · {:.1} s (build {:.1} s)",
                summary.calls, summary.seconds, summary.build_seconds
            ),
            Meaning::Muted,
        ),
    ])];
    for endpoint in &summary.endpoints {
        lines.push(Line::from(vec![
            pen.span(format!("{} {} ", endpoint.api, endpoint.stage), Meaning::Name),
            pen.span(&endpoint.url, Meaning::Text),
        ]));
    }
    for note in &summary.notes {
        lines.extend(wrapped(pen, note, columns, Meaning::Warn));
    }
    for left in &summary.left {
        let words = format!("left: {} {}: {}", left.resource, left.name, left.reason);
        lines.extend(wrapped(pen, &words, columns, Meaning::Warn));
    }
    lines
}

fn course_lines(pen: &Pen, course: &Course, columns: usize, live: bool) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some((seconds, compiled)) = course.built {
        let words = if compiled == 0 {
            format!("✓ built, nothing to compile ({seconds:.1} s)")
        } else {
            format!("✓ built, {compiled} crates compiled ({seconds:.1} s)")
        };
        lines.push(pen.line(words, Meaning::Ok));
    }
    if let Some((done, total, unit)) = &course.building {
        let share = *done as f64 / (*total).max(1) as f64;
        lines.push(Line::from(vec![
            pen.span("building ", Meaning::Text),
            pen.span(paint::bar(share, 16, '█'), Meaning::Stable),
            pen.span(format!(" {done}/{total} {unit}"), Meaning::Muted),
        ]));
    }
    if live && !course.phase.is_empty() && course.building.is_none() {
        lines.push(pen.line(format!("{} …", course.phase), Meaning::Muted));
    }
    if let Some((done, total)) = course.requests {
        lines.push(pen.line(format!("{done} of {total} requests answered"), Meaning::Text));
    }
    if let Some(plan) = &course.plan {
        if plan.is_empty() {
            lines.push(count_line(pen, plan));
        }
        for warning in plan.warnings() {
            lines.extend(wrapped(pen, &format!("! {warning}"), columns, Meaning::Danger));
        }
        lines.extend(plan_lines(pen, plan, Some(&course.steps), columns));
    }
    lines
}

/// One line per step: its state or verb, its resource, its reason.
fn plan_lines(
    pen: &Pen,
    plan: &Plan,
    states: Option<&[StepState]>,
    columns: usize,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let (verb, verb_meaning) = match step.verb {
            Verb::Create => ("+", Meaning::Ok),
            Verb::Update => ("~", Meaning::Warn),
            Verb::Replace => ("±", Meaning::Danger),
            Verb::Delete => ("-", Meaning::Danger),
        };
        let state = states.and_then(|states| states.get(index));
        let (mark, meaning, note) = match state {
            None => ("", Meaning::Text, step.reason.clone()),
            Some(StepState::Waiting) => ("· ", Meaning::Muted, step.reason.clone()),
            Some(StepState::Running(since)) => {
                let seconds = (pen.state.now_ms - since).max(0) as f64 / 1000.0;
                ("▸ ", Meaning::Key, format!("{seconds:.1} s  {}", step.reason))
            }
            Some(StepState::Held { since_ms, reason }) => {
                let seconds = (pen.state.now_ms - since_ms).max(0) as f64 / 1000.0;
                ("◦ ", Meaning::Warn, format!("{seconds:.1} s  {reason}"))
            }
            Some(StepState::Done(seconds)) => {
                ("✓ ", Meaning::Ok, format!("{seconds:.1} s  {}", step.reason))
            }
            Some(StepState::Failed(failure)) => ("✗ ", Meaning::Danger, failure.why.clone()),
        };
        let what = format!("{} {}", step.resource, step.name);
        let what = text::fit(&what, columns.saturating_sub(14).clamp(12, 40)).into_owned();
        let used = text::width(mark) + 2 + text::width(&what) + 2;
        let note = text::fit(&note.replace('\n', " "), columns.saturating_sub(used)).into_owned();
        lines.push(Line::from(vec![
            pen.span(mark, meaning),
            pen.span(format!("{verb} "), verb_meaning),
            pen.span(what, Meaning::Text),
            Span::raw("  "),
            pen.span(note, if meaning == Meaning::Danger { meaning } else { Meaning::Muted }),
        ]));
    }
    lines
}
