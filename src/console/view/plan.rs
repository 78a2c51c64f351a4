//! The plan panel: what will be, is being, or was done, step by step; what the build said. The same in
//! full is the review that lies over the screen.

use labdeck_aws::FailureKind;
use labdeck_ops::deploy::plan::{Plan, Summary, Verb};
use labdeck_ops::whose;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, Pen};
use super::plan_steps::{Detail, course_lines, drift_lines, plan_lines};
use super::{layout, plan_all};
use crate::action::Action;
use crate::message::{How, JobKind};
use crate::state::job::{Job, Report};
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let inner = pen.panel_with(buffer, area, Panel::Plan, title(pen));
    let columns = usize::from(inner.width);
    let lines = content(pen, columns, Detail::Brief);
    if lines.is_empty() {
        paint::empty(buffer, inner, pen, &what_keys_do(pen));
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
    let columns = layout::inner_width(state, Panel::Plan);
    content(&Pen::new(state), columns, Detail::Brief).len()
}

/// Lines of the review in so many columns.
pub fn review_count(state: &State, columns: usize) -> usize {
    review(&Pen::new(state), columns).len()
}

/// The review: everything, nothing cut.
pub fn review(pen: &Pen, columns: usize) -> Vec<Line<'static>> {
    content(pen, columns, Detail::Full)
}

/// The review as text, for the clipboard.
pub fn text(state: &State) -> String {
    let lines = review(&Pen::new(state), usize::from(u16::MAX));
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What an empty panel says.
fn what_keys_do(pen: &Pen) -> String {
    let state = pen.state;
    if let Some(said) = of_attached(state) {
        return said;
    }
    let mut what = format!(
        "{} shows what a deploy would do, {} does it, {} tears the lab down",
        state.keys(Action::Plan),
        state.keys(Action::Deploy),
        state.keys(Action::Destroy)
    );
    if state.blueprint().is_some_and(|blueprint| !blueprint.variants.is_empty()) {
        let live = state.status().and_then(|status| status.variant.as_deref()).unwrap_or("none");
        let keys = state.keys(Action::Variant);
        let chosen = match state.how().variant {
            Some(name) => format!("chosen: {name}"),
            None => "followed".to_owned(),
        };
        what = format!("{what}\nvariant live: {live}, {chosen}; {keys} chooses another");
    }
    if state.how().keep_drift {
        let keys = state.keys(Action::KeepDrift);
        what = format!("{what}\nkeeps what somebody else changed; {keys} corrects it");
    }
    what
}

/// Why nothing is deployed of what is attached, and what is to be known of it.
fn of_attached(state: &State) -> Option<String> {
    let lab = state.current_lab().filter(|lab| lab.attached)?;
    let attached = state.blueprint().and_then(|blueprint| blueprint.attached.as_ref());
    let remarks = attached.into_iter().flat_map(|attached| &attached.remarks);
    let remarks: Vec<String> =
        remarks.map(|remark| format!("! {}", text::harmless(remark))).collect();
    let keys = state.keys(Action::Detach);
    let off = format!("{}; {keys} detaches it", whose::off(&lab.name));
    Some([vec![off], remarks].concat().join("\n"))
}

fn deploy_job(state: &State) -> Option<&Job> {
    state.job.as_ref().filter(|job| !job.kind.sends() && job.kind != JobKind::Checks)
}

/// Scrolls so that the first unfinished step is in view.
fn follow(job: &Job, lines: usize, height: usize) -> usize {
    if job.kind.all() {
        return 0;
    }
    let done = job.course.done().0;
    (done + 4).saturating_sub(height / 2).min(lines.saturating_sub(height))
}

/// The title of the panel and of the review.
pub fn title(pen: &Pen) -> Line<'static> {
    let state = pen.state;
    let (words, note) = match (deploy_job(state), &state.report) {
        (Some(job), _) => {
            let seconds = (state.now_ms - job.started_ms) as f64 / 1000.0;
            let how = job.kind.how().map(chosen).unwrap_or_default();
            (format!("{} {}", job.kind.name(), job.lab), format!("{how} · {seconds:.1} s"))
        }
        (None, Some(Report::Applied { destroyed, .. })) => {
            ((if *destroyed { "destroyed" } else { "deployed" }).to_owned(), String::new())
        }
        (None, Some(Report::All { destroyed, parts })) => {
            let words = if *destroyed { "destroyed" } else { "deployed" };
            (words.to_owned(), format!(" · {} labs", parts.len()))
        }
        (None, Some(Report::Stepped { title, .. })) => (title.clone(), String::new()),
        (None, Some(Report::Failed { name, failure, .. })) => {
            let how = match failure.kind {
                FailureKind::Refused => "refused",
                FailureKind::Cancelled => "stopped",
                _ => "failed",
            };
            (format!("{name} {how}"), String::new())
        }
        (None, Some(Report::Planned { plan, how })) => {
            (format!("plan of {}", plan.lab), chosen(how))
        }
        (None, None) => ("plan".to_owned(), chosen(&state.how())),
    };
    Line::from(vec![pen.span(words, Meaning::Title), pen.span(note, Meaning::Muted)])
}

/// What was chosen, in the words of a title.
fn chosen(how: &How) -> String {
    let mut words = String::new();
    if let Some(variant) = &how.variant {
        words = format!(" · variant {variant}");
    }
    if how.keep_drift {
        words.push_str(" · keeps drift");
    }
    words
}

fn content(pen: &Pen, columns: usize, detail: Detail) -> Vec<Line<'static>> {
    let state = pen.state;
    if let Some(job) = deploy_job(state) {
        if job.kind.all() {
            return plan_all::lines(pen, &job.parts, job.building(), columns, detail);
        }
        return course_lines(pen, &job.course, columns, true, detail);
    }
    match &state.report {
        None => Vec::new(),
        Some(Report::Planned { plan, how }) => planned(pen, plan, how, columns, detail),
        Some(Report::Applied { summary, course, .. }) => {
            let mut lines = summary_lines(pen, summary, columns);
            lines.push(Line::default());
            lines.extend(course_lines(pen, course, columns, false, detail));
            lines
        }
        Some(Report::All { parts, .. }) => plan_all::lines(pen, parts, None, columns, detail),
        Some(Report::Stepped { did, check, .. }) => {
            let mut lines: Vec<Line> =
                did.iter().flat_map(|one| wrapped(pen, one, columns, Meaning::Text)).collect();
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
            lines.extend(course_lines(pen, course, columns, false, detail));
            lines
        }
    }
}

fn planned(
    pen: &Pen,
    plan: &Plan,
    how: &How,
    columns: usize,
    detail: Detail,
) -> Vec<Line<'static>> {
    let state = pen.state;
    let mut lines = wrapped(pen, &counts(plan), columns, count_meaning(plan));
    let live = state.status().filter(|status| status.lab == plan.lab);
    if let (Some(variant), Some(live)) = (&how.variant, live.and_then(|s| s.variant.as_ref()))
        && variant != live
    {
        let words = format!("the variant {live} is live; this plan is of {variant}");
        lines.extend(wrapped(pen, &words, columns, Meaning::Warn));
    }
    for warning in plan.warnings() {
        lines.extend(wrapped(pen, &format!("! {warning}"), columns, Meaning::Danger));
    }
    lines.extend(drift_lines(pen, plan, columns));
    for note in &plan.notes {
        lines.extend(wrapped(pen, note, columns, Meaning::Muted));
    }
    if detail == Detail::Brief && !plan.is_empty() {
        let mut hint = pen.hint(&state.keys(Action::Open), "shows it in full · ");
        hint.extend(pen.hint(&state.keys(Action::Deploy), "deploys it"));
        lines.push(Line::from(hint));
    }
    lines.extend(plan_lines(pen, plan, None, columns, detail));
    lines
}

/// Lines of at most `columns`.
pub fn wrapped(pen: &Pen, words: &str, columns: usize, meaning: Meaning) -> Vec<Line<'static>> {
    let harmless = text::harmless(words).into_owned();
    let mut lines = Vec::new();
    for line in harmless.split('\n') {
        // Compiler output keeps its columns; prose is wrapped by words.
        if line.starts_with(' ') || line.contains("  ") {
            lines.extend(text::wrap(line, columns).into_iter().map(|l| pen.line(l, meaning)));
        } else {
            lines.extend(text::wrap_words(line, columns).into_iter().map(|l| pen.line(l, meaning)));
        }
    }
    lines
}

fn count_meaning(plan: &Plan) -> Meaning {
    if plan.steps.iter().any(|step| step.verb == Verb::Replace) {
        Meaning::Danger
    } else if plan.is_empty() {
        Meaning::Ok
    } else {
        Meaning::Strong
    }
}

/// How many steps of which kind a plan has.
pub fn counts(plan: &Plan) -> String {
    if plan.is_empty() {
        return "nothing to do: live state is what the lab wants".to_owned();
    }
    let count = |verb: Verb| plan.steps.iter().filter(|step| step.verb == verb).count();
    let words = [
        (count(Verb::Create), "to create"),
        (count(Verb::Update), "to update"),
        (count(Verb::Delete), "to delete"),
        (count(Verb::Replace), "to REPLACE: removed and made anew"),
    ];
    let words = words.iter().filter(|(count, _)| *count > 0);
    words.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(" · ")
}

/// What a deploy or destroy came to.
pub fn summary_lines(pen: &Pen, summary: &Summary, columns: usize) -> Vec<Line<'static>> {
    let build = if summary.build_seconds > 0.0 {
        format!(" (build {:.1} s)", summary.build_seconds)
    } else {
        String::new()
    };
    let mut lines = vec![Line::from(vec![
        pen.span(format!("{} changed", summary.changed), Meaning::Ok),
        pen.span(
            format!(" · {} calls · {:.1} s{build}", summary.calls, summary.seconds),
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
