//! Arguments of `release LAB canary`.

use std::time::Duration;

use clap::Args;
use labdeck_lab::blueprint::{Canary, LONGEST_HOLD_S, Traffic, check_steps};

use super::age;

/// What of the lab's `[canary]` is to be another, or that one that was left is resumed.
#[derive(Debug, Clone, Default, Args)]
pub struct CanaryArgs {
    /// Shares of the traffic in percent, rising, such as 5,25,50; 100 may end them.
    #[arg(long, value_name = "PERCENT,…", value_parser = steps)]
    pub steps: Option<Steps>,
    /// How long each step holds: `30s`, `10m`, `1h`.
    #[arg(long, value_name = "TIME", value_parser = hold)]
    pub hold: Option<Duration>,
    /// How sure a verdict is, in percent, 50 to below 100.
    #[arg(long, value_name = "PERCENT", value_parser = confidence)]
    pub confidence: Option<f64>,
    /// Highest share of failed invocations in percent, whatever the stable version has; 0 for none.
    #[arg(long, value_name = "PERCENT", value_parser = below_all)]
    pub error_limit: Option<f64>,
    /// By how many percentage points the canary may fail more and still be called the same.
    #[arg(long, value_name = "POINTS", value_parser = points)]
    pub tolerance: Option<f64>,
    /// Slow is what takes longer than the stable version's p95 times this.
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub slowdown: Option<f64>,
    /// An alarm that must not go off, instead of the lab's; `none` for no alarm.
    #[arg(long = "alarm", value_name = "NAME")]
    pub alarms: Vec<String>,
    /// Send this saved request steadily: NAME@RATE, requests a second; `none` for no traffic.
    #[arg(long, value_name = "NAME@RATE", value_parser = traffic)]
    pub traffic: Option<OwnTraffic>,
    /// Go on with a canary that was left, here or on another machine, with its own plan.
    #[arg(
        long,
        conflicts_with_all = [
            "steps", "hold", "confidence", "error_limit", "tolerance", "slowdown", "alarms"
        ]
    )]
    pub resume: bool,
}

/// Steps of a canary, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps(pub Vec<f64>);

/// What a canary sends itself.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnTraffic {
    /// Nothing.
    None,
    /// This.
    Steady(Traffic),
}

impl CanaryArgs {
    /// The traffic that is named here.
    pub fn own_traffic(self) -> Option<Traffic> {
        match self.traffic {
            Some(OwnTraffic::Steady(traffic)) => Some(traffic),
            Some(OwnTraffic::None) | None => None,
        }
    }

    /// The lab's plan with what is said here.
    pub fn plan(self, lab: &Canary) -> Canary {
        let alarms = match self.alarms.as_slice() {
            [] => lab.alarms.clone(),
            [none] if none == "none" => Vec::new(),
            _ => self.alarms,
        };
        let traffic = match self.traffic {
            None => lab.traffic.clone(),
            Some(OwnTraffic::None) => None,
            Some(OwnTraffic::Steady(traffic)) => Some(traffic),
        };
        let hold = self.hold.and_then(|hold| u32::try_from(hold.as_secs()).ok());
        let error_limit = match self.error_limit {
            None => lab.error_limit,
            Some(limit) => Some(limit).filter(|limit| *limit > 0.0),
        };
        Canary {
            steps: self.steps.map_or_else(|| lab.steps.clone(), |steps| steps.0),
            hold_s: hold.unwrap_or(lab.hold_s),
            confidence: self.confidence.unwrap_or(lab.confidence),
            error_limit,
            tolerance: self.tolerance.unwrap_or(lab.tolerance),
            slowdown: self.slowdown.unwrap_or(lab.slowdown),
            alarms,
            traffic,
        }
    }
}

fn steps(text: &str) -> Result<Steps, String> {
    let wrong = "expected rising percentages above 0, such as 5,25,50 or 5,25,50,100".to_owned();
    let number = |part: &str| part.trim().trim_end_matches('%').parse::<f64>().ok();
    let mut steps: Vec<f64> =
        text.split(',').map(number).collect::<Option<_>>().ok_or_else(|| wrong.clone())?;
    // All of it follows in any case.
    if steps.last().is_some_and(|last| (last - 100.0).abs() < f64::EPSILON) {
        steps.pop();
    }
    check_steps(&steps).map(|()| Steps(steps)).map_err(|_| wrong)
}

fn hold(text: &str) -> Result<Duration, String> {
    let hold = age(text)?;
    let seconds = i64::try_from(hold.as_secs()).unwrap_or(i64::MAX);
    if (1..=LONGEST_HOLD_S).contains(&seconds) {
        Ok(hold)
    } else {
        Err("a step holds 1 second to 1 day".to_owned())
    }
}

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok().filter(|number| fits(*number));
    number.ok_or_else(|| format!("expected {expected}"))
}

fn confidence(text: &str) -> Result<f64, String> {
    number(text, |n| (50.0..=99.999).contains(&n), "a percentage from 50 to 99.999")
}

fn below_all(text: &str) -> Result<f64, String> {
    number(text, |n| (0.0..=99.999).contains(&n), "a percentage from 0 to 99.999")
}

fn points(text: &str) -> Result<f64, String> {
    number(text, |n| (0.01..=100.0).contains(&n), "a number from 0.01 to 100")
}

fn factor(text: &str) -> Result<f64, String> {
    number(text, |n| (1.01..=100.0).contains(&n), "a number from 1.01 to 100")
}

fn traffic(text: &str) -> Result<OwnTraffic, String> {
    if text == "none" {
        return Ok(OwnTraffic::None);
    }
    let read = || {
        let (request, rate) = text.rsplit_once('@')?;
        let rate: u32 = rate.parse().ok().filter(|rate| (1..=1000).contains(rate))?;
        (!request.is_empty()).then(|| Traffic { request: request.to_owned(), rate })
    };
    read()
        .map(OwnTraffic::Steady)
        .ok_or_else(|| "expected NAME@RATE with 1 to 1000 requests a second, or none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_goes_over_the_labs_plan() {
        let lab = Canary { alarms: vec!["a".into()], ..Canary::default() };
        assert_eq!(CanaryArgs::default().plan(&lab), lab);
        let said = CanaryArgs {
            steps: Some(steps("10, 50%,100").unwrap_or(Steps(vec![]))),
            hold: hold("10m").ok(),
            error_limit: Some(0.0),
            alarms: vec!["none".into()],
            traffic: traffic("hello@20").ok(),
            ..CanaryArgs::default()
        };
        let plan = said.plan(&lab);
        assert_eq!((plan.steps, plan.hold_s, plan.error_limit), (vec![10.0, 50.0], 600, None));
        assert!(plan.alarms.is_empty());
        assert_eq!(plan.traffic, Some(Traffic { request: "hello".into(), rate: 20 }));
    }

    #[test]
    fn what_can_not_be_is_refused() {
        for text in ["", "0", "50,25", "5,five", "101", "100", "-5", "NaN"] {
            assert!(steps(text).is_err(), "{text}");
        }
        for text in ["hello", "hello@0", "hello@1001", "@5"] {
            assert!(traffic(text).is_err(), "{text}");
        }
        assert!(hold("0s").is_err() && hold("2d").is_err());
        assert!(confidence("100").is_err() && factor("1").is_err());
    }
}
