//! What a guarded canary does, in a line or two.

use labdeck_ops::canary::{CanaryView, Phase};
use labdeck_telemetry::compare::Verdict;
use ratatui::text::{Line, Span};

use super::paint::{Pen, bar};
use crate::action::Action;
use crate::text;
use crate::theme::Meaning;

/// The meaning of a verdict.
pub fn verdict(verdict: Verdict) -> Meaning {
    match verdict {
        Verdict::Better | Verdict::Same => Meaning::Ok,
        Verdict::TooLittleData => Meaning::Muted,
        Verdict::Worse => Meaning::Danger,
    }
}

/// Short, for the header.
pub fn mark(pen: &Pen, view: &CanaryView) -> Span<'static> {
    let words = format!("CANARY {} {}%", view.lab, view.percent());
    let meaning = match &view.phase {
        Phase::Paused { .. } => Meaning::Warn,
        _ => Meaning::Canary,
    };
    pen.span(text::fit(&words, 36), meaning)
}

/// Its steps and what it does now, for the aliases panel.
pub fn lines(pen: &Pen, columns: usize) -> Vec<Line<'static>> {
    let state = pen.state;
    if let Some(view) = state.guarded() {
        return guarded(pen, view, columns);
    }
    if state.canary.beginning {
        return vec![pen.line("  canary: begins …", Meaning::Canary)];
    }
    let Some(begun) = crate::update::left_canary(state) else { return Vec::new() };
    let percent = begun.mark.percent();
    let mut spans =
        vec![pen.span(format!("  canary at {percent}%, not guarded here "), Meaning::Warn)];
    spans.extend(pen.hint(&state.keys(Action::Canary), "go on"));
    vec![Line::from(spans)]
}

fn guarded(pen: &Pen, view: &CanaryView, columns: usize) -> Vec<Line<'static>> {
    let state = pen.state;
    let mut steps = vec![pen.span("  canary ", Meaning::Strong)];
    for (index, percent) in view.steps.iter().enumerate() {
        let meaning = match index.cmp(&view.step) {
            std::cmp::Ordering::Less => Meaning::Ok,
            std::cmp::Ordering::Equal => Meaning::Canary,
            std::cmp::Ordering::Greater => Meaning::Muted,
        };
        let words =
            if index == view.step { format!("[{percent}%]") } else { format!("{percent}%") };
        steps.push(pen.span(words, meaning));
        steps.push(pen.span(" → ", Meaning::Muted));
    }
    steps.push(pen.span("100%", Meaning::Muted));
    let (words, meaning) = match &view.phase {
        Phase::Holding => {
            let share = view.held_s / f64::from(view.hold_s.max(1));
            let held = format!(
                "  {} {:.0}/{} s · {}",
                bar(share, 10, '█'),
                view.held_s,
                view.hold_s,
                view.verdict.words()
            );
            (held, verdict(view.verdict))
        }
        Phase::Paused { reason, .. } => (format!("  waits: {reason}"), Meaning::Warn),
        Phase::Moving { what } => (format!("  moves {what}"), Meaning::Warn),
        Phase::Ended(_) => ("  over".to_owned(), Meaning::Muted),
    };
    let waits = matches!(view.phase, Phase::Paused { by_person: true, .. });
    let mut keys = vec![Span::raw("  ")];
    for (action, what) in [
        (Action::CanaryPause, if waits { "go on" } else { "pause" }),
        (Action::CanarySkip, "skip"),
        (Action::CanaryAbort, "abort"),
    ] {
        keys.extend(pen.hint(&state.keys(action), what));
        keys.push(Span::raw("  "));
    }
    let mut lines = vec![Line::from(steps)];
    let wrapped = text::wrap_words(words.trim_start(), columns.saturating_sub(2).max(1));
    lines.extend(wrapped.iter().take(3).map(|line| pen.line(format!("  {line}"), meaning)));
    lines.push(Line::from(keys));
    lines
}
