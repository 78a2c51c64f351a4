//! `walk`: the lab's steps. Without a step they are listed, ticked off by their checks.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::LabStep;
use labdeck_ops::walk::{self, StepOutcome, StepReport};
use labdeck_ops::{Engine, checks, danger, whose};
use serde_json::json;

use super::{deploy, show};
use crate::args::WalkArgs;
use crate::confirm::About;
use crate::context::Context;
use crate::output::exit;
use crate::progress::Display;

/// Runs a step, or lists them. Exit status 1 when the check of the step does not hold.
pub async fn run(context: &Context<'_>, args: &WalkArgs) -> Result<u8> {
    let (engine, blueprint) = context.lab(&args.lab).await?;
    whose::refuse_attached(&blueprint, &format!("walking {}", blueprint.name))?;
    let Some(name) = &args.step else { return list(context, &engine, &blueprint).await };
    let (index, step) = find(&blueprint, name)?;
    let about = About {
        what: format!("running step {} of {}", step.name, blueprint.name),
        danger: danger::of_step(&blueprint, &step.action),
        alias: blueprint.released_alias(),
        name: danger::typed_for_step(&blueprint.name, &step.action).unwrap_or_default(),
    };
    context.confirmed(&engine, &about).await?;
    if !context.output.json {
        context.output.line(format!("{}. {}", index + 1, step.title));
        for line in wrapped(&step.lesson, width()) {
            context.output.line(line);
        }
        context.output.line("");
    }
    let display = Display::new(context.output);
    let reporter = display.reporter();
    let (confirm, cancel) = (deploy::asking(context), context.cancel.clone());
    let report = walk::run_step(&engine, &blueprint, step, confirm, &reporter, cancel).await?;
    drop(display);
    context.output.result(&report, || text(&report));
    Ok(if report.check.holds { exit::DONE } else { exit::FAILED })
}

/// A step by its name, or by its number as listed.
fn find<'a>(blueprint: &'a Blueprint, name: &str) -> Result<(usize, &'a LabStep)> {
    let by_number = name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let named = |(index, step): &(usize, &LabStep)| step.name == name || Some(*index) == by_number;
    blueprint.steps.iter().enumerate().find(named).ok_or_else(|| {
        let known: Vec<&str> = blueprint.steps.iter().map(|step| step.name.as_str()).collect();
        let why = format!("lab {} has no such step", blueprint.name);
        Failure::new(FailureKind::NotFound, format!("running step {name}"), why)
            .next(format!("its steps: {}", known.join(", ")))
    })
}

async fn list(context: &Context<'_>, engine: &Engine, blueprint: &Blueprint) -> Result<u8> {
    let results = checks::run(engine, blueprint).await?;
    let holds =
        |step: &LabStep| results.iter().any(|check| check.name == step.check && check.holds);
    let steps: Vec<_> = blueprint
        .steps
        .iter()
        .map(|step| {
            json!({
                "name": step.name,
                "title": step.title,
                "lesson": step.lesson,
                "action": step.action,
                "check": results.iter().find(|check| check.name == step.check),
            })
        })
        .collect();
    context.output.result(&json!({ "lab": blueprint.name, "steps": steps }), || {
        let mut text = Vec::new();
        for (index, step) in blueprint.steps.iter().enumerate() {
            let tick = if holds(step) { "✓" } else { " " };
            text.push(format!("{tick} {:2}. {}  {}", index + 1, step.name, step.title));
        }
        text.push(format!("run one with: labdeck walk {} STEP", blueprint.name));
        text
    });
    Ok(exit::DONE)
}

fn text(report: &StepReport) -> Vec<String> {
    let mut text = match &report.outcome {
        StepOutcome::Deployed(summary) => vec![format!(
            "deployed: {} changes, {} calls, {:.1} s",
            summary.changed, summary.calls, summary.seconds
        )],
        StepOutcome::Destroyed(summary) => {
            vec![format!("destroyed: {} removed, {} left", summary.changed, summary.left.len())]
        }
        StepOutcome::Sent(exchange) => show::exchange(exchange),
        StepOutcome::Burst(burst) => show::bursts(std::slice::from_ref(burst)),
        StepOutcome::Compared(bursts) => show::bursts(bursts),
        StepOutcome::Released(outcome) => show::release(outcome),
        StepOutcome::Chaos { on, switch } => {
            let state = if *on { show::until(switch) } else { "off".to_owned() };
            vec![format!("chaos {}: {state}", switch.name)]
        }
        outcome => outcome.lines(),
    };
    if let Some(effect) = &report.effect {
        text.push(String::new());
        text.extend(effect.lines());
    }
    text.push(String::new());
    text.extend(show::checks(std::slice::from_ref(&report.check)));
    text
}

/// Columns for a lesson: the terminal's, and no more than reads well.
fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0).clamp(20, 80))
}

/// The text in lines of at most `width` characters, as far as its words allow.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lessons_are_wrapped_between_words() {
        assert_eq!(wrapped("one two\nthree  four", 9), ["one two", "three", "four"]);
        assert_eq!(wrapped("incomprehensible", 5), ["incomprehensible"]);
        assert!(wrapped(" ", 5).is_empty());
    }
}
