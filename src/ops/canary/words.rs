//! A canary's plan as a person writes it.

use labdeck_lab::blueprint::{Canary, LONGEST_HOLD_S, Traffic, check_steps};

/// Steps such as `5,25,50`; a 100 at the end may be written.
///
/// # Errors
/// What is expected.
pub fn steps(text: &str) -> Result<Vec<f64>, String> {
    let wrong = || "expected rising percentages above 0, such as 5,25,50 or 5,25,50,100".to_owned();
    let number = |part: &str| part.trim().trim_end_matches('%').parse::<f64>().ok();
    let mut steps: Vec<f64> =
        text.split(',').map(number).collect::<Option<_>>().ok_or_else(wrong)?;
    // All of it follows in any case.
    if steps.last().is_some_and(|last| (last - 100.0).abs() < f64::EPSILON) {
        steps.pop();
    }
    check_steps(&steps).map(|()| steps).map_err(|_| wrong())
}

/// How long a step holds, in seconds: `30s`, `10m`, `1h`; a number alone is seconds.
///
/// # Errors
/// What is expected.
pub fn hold(text: &str) -> Result<u32, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "s" => Some(1_i64),
        "m" | "min" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = digits.parse::<i64>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
    seconds
        .filter(|seconds| (1..=LONGEST_HOLD_S).contains(seconds))
        .and_then(|seconds| u32::try_from(seconds).ok())
        .ok_or_else(|| "a step holds 1 second to 1 day, such as 30s, 10m or 1h".to_owned())
}

/// Steady traffic: `NAME@RATE`, requests a second.
///
/// # Errors
/// What is expected.
pub fn traffic(text: &str) -> Result<Traffic, String> {
    let read = || {
        let (request, rate) = text.rsplit_once('@')?;
        let rate: u32 = rate.parse().ok().filter(|rate| (1..=1000).contains(rate))?;
        (!request.is_empty()).then(|| Traffic { request: request.to_owned(), rate })
    };
    read().ok_or_else(|| "traffic is NAME@RATE, 1 to 1000 requests a second".to_owned())
}

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok().filter(|number| fits(*number));
    number.ok_or_else(|| format!("expected {expected}"))
}

/// How sure a verdict is, in percent.
///
/// # Errors
/// What is expected.
pub fn confidence(text: &str) -> Result<f64, String> {
    number(text, |n| (50.0..=99.999).contains(&n), "a percentage from 50 to 99.999")
}

/// The highest share of failed invocations, in percent; 0 for no such limit.
///
/// # Errors
/// What is expected.
pub fn error_limit(text: &str) -> Result<f64, String> {
    number(text, |n| (0.0..=99.999).contains(&n), "a percentage from 0 to 99.999")
}

/// A tolerance in percentage points.
///
/// # Errors
/// What is expected.
pub fn points(text: &str) -> Result<f64, String> {
    number(text, |n| (0.01..=100.0).contains(&n), "a number from 0.01 to 100")
}

/// How many times longer than the stable version's p95 is slow.
///
/// # Errors
/// What is expected.
pub fn factor(text: &str) -> Result<f64, String> {
    number(text, |n| (1.01..=100.0).contains(&n), "a number from 1.01 to 100")
}

/// What `alarm=` names: nothing for `none`.
fn alarms(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "none");
    names.map(str::to_owned).collect()
}

/// A plan in one line: `5,25,50 30s`, and `hello@10` behind it for traffic of its own.
pub fn line(plan: &Canary) -> String {
    let steps: Vec<String> = plan.steps.iter().map(f64::to_string).collect();
    let traffic = plan.traffic.as_ref();
    let traffic = traffic.map(|one| format!(" {}@{}", one.request, one.rate)).unwrap_or_default();
    format!("{} {}s{traffic}", steps.join(","), plan.hold_s)
}

/// The plan that such a line says; what it does not say is the lab's.
///
/// # Errors
/// What is wrong and what is expected.
pub fn of_line(text: &str, lab: &Canary) -> Result<Canary, String> {
    let mut words = text.split_whitespace();
    let Some(first) = words.next() else {
        return Err("write steps and how long each holds: 5,25,50 30s".to_owned());
    };
    let mut plan = Canary { steps: steps(first)?, traffic: None, ..lab.clone() };
    for word in words {
        let said = |what: &str, result: Result<f64, String>| {
            result.map_err(|expected| format!("{what}: {expected}"))
        };
        match word.split_once('=') {
            Some(("limit", text)) => {
                let limit = said("limit", error_limit(text))?;
                plan.error_limit = Some(limit).filter(|limit| *limit > 0.0);
            }
            Some(("confidence", text)) => plan.confidence = said("confidence", confidence(text))?,
            Some(("tolerance", text)) => plan.tolerance = said("tolerance", points(text))?,
            Some(("slowdown", text)) => plan.slowdown = said("slowdown", factor(text))?,
            Some(("alarm", text)) => plan.alarms = alarms(text),
            Some((other, _)) => {
                let known = "limit, confidence, tolerance, slowdown and alarm";
                return Err(format!("{other}= is not known; there are {known}"));
            }
            None if word.contains('@') => plan.traffic = Some(traffic(word)?),
            None => plan.hold_s = hold(word)?,
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_line_says_the_plan() {
        let lab = Canary { confidence: 95.0, ..Canary::default() };
        let plan = of_line("10, 50", &lab);
        assert!(plan.is_err(), "a space ends the steps: {plan:?}");
        let plan = of_line("10,50%,100 10m hello@20", &lab).unwrap();
        assert_eq!((plan.steps.as_slice(), plan.hold_s), ([10.0, 50.0].as_slice(), 600));
        assert_eq!(plan.traffic, Some(Traffic { request: "hello".into(), rate: 20 }));
        assert!((plan.confidence - 95.0).abs() < f64::EPSILON);
        assert_eq!(of_line(&line(&plan), &lab).unwrap(), plan);
        let said = "10 1m limit=0 confidence=90 tolerance=2.5 slowdown=2 alarm=errors,late";
        let plan = of_line(said, &lab).unwrap();
        assert_eq!((plan.error_limit, plan.confidence, plan.tolerance), (None, 90.0, 2.5));
        assert_eq!(plan.alarms, ["errors", "late"]);
        let watched = Canary { alarms: vec!["errors".into()], ..lab.clone() };
        assert_eq!(of_line("10 alarm=none", &watched).unwrap().alarms, Vec::<String>::new());
        assert_eq!(of_line(&line(&lab), &lab).unwrap(), lab);
    }

    #[test]
    fn what_can_not_be_is_refused() {
        for text in ["", "0", "50,25", "5,five", "101", "100", "-5", "NaN"] {
            assert!(steps(text).is_err(), "{text}");
        }
        for text in ["hello", "hello@0", "hello@1001", "@5"] {
            assert!(traffic(text).is_err(), "{text}");
        }
        for text in ["limit=100", "confidence=100", "tolerance=0", "slowdown=1", "hop=3"] {
            let refused = of_line(&format!("10 {text}"), &Canary::default()).unwrap_err();
            assert!(refused.starts_with(text.split('=').next().unwrap()), "{refused}");
        }
        for text in ["0s", "2d", "", "s", "5w", "-1", "99999999999999999999d"] {
            assert!(hold(text).is_err(), "{text}");
        }
    }
}
