//! `[canary]` of `lab.toml`.

use crate::blueprint::{Canary, DEFAULT_HOLD_S, LONGEST_HOLD_S, Traffic, check_steps};
use crate::links::Kind;
use crate::section::Section;

use super::unsigned;

pub(super) fn canary(root: &Section<'_, '_, '_>) -> Canary {
    let default = Canary::default();
    let Some(section) = root.section("canary") else { return default };
    let steps = section.optional_numbers("steps", "percentages, such as [5, 25, 50]");
    if let Some(steps) = &steps
        && let Err(expected) = check_steps(steps)
    {
        let message = format!("`steps` in {} can't be gone through", section.called);
        section.context.problem(section.at_of("steps"), message, |problem| {
            problem.expected(expected);
        });
    }
    let canary = Canary {
        steps: steps.unwrap_or(default.steps),
        hold_s: unsigned(section.number(
            "hold_s",
            &(1..=LONGEST_HOLD_S),
            "seconds",
            DEFAULT_HOLD_S,
        )),
        confidence: within(&section, "confidence", default.confidence, 50.0, 99.999),
        // Naught switches it off.
        error_limit: Some(within(&section, "error_limit", 5.0, 0.0, 99.999)).filter(|l| *l > 0.0),
        tolerance: within(&section, "tolerance", default.tolerance, 0.01, 100.0),
        slowdown: within(&section, "slowdown", default.slowdown, 1.01, 100.0),
        alarms: section.optional_links("alarms", &Kind::Alarm),
        traffic: traffic(&section),
    };
    section.finish();
    canary
}

fn traffic(section: &Section<'_, '_, '_>) -> Option<Traffic> {
    let inner = section.section("traffic")?;
    let traffic = Traffic {
        request: inner.link("request", Kind::Request),
        rate: unsigned(inner.number("rate", &(1..=1000), "requests a second", 10)),
    };
    inner.finish();
    Some(traffic)
}

/// A number from `least` to `most`; left out, it is `default`.
fn within(
    section: &Section<'_, '_, '_>,
    key: &'static str,
    default: f64,
    least: f64,
    most: f64,
) -> f64 {
    let number = section.real(key, default);
    if (least..=most).contains(&number) {
        return number;
    }
    let message = format!("`{key}` in {} is {number}", section.called);
    section.context.problem(section.at_of(key), message, |problem| {
        problem.expected(format!("a number from {least} to {most}"));
    });
    default
}
