//! Arguments of `release LAB canary`.

use clap::Args;
use labdeck_lab::blueprint::{Canary, Traffic};
use labdeck_ops::canary::words;

/// What of the lab's `[canary]` is to be another, or that one that was left is resumed.
#[derive(Debug, Clone, Default, Args)]
pub struct CanaryArgs {
    /// Shares of the traffic in percent, rising, such as 5,25,50; 100 may end them.
    #[arg(long, value_name = "PERCENT,…", value_parser = steps, allow_hyphen_values = true)]
    pub steps: Option<Steps>,
    /// How long each step holds: `30s`, `10m`, `1h`.
    #[arg(long, value_name = "TIME", value_parser = words::hold, allow_hyphen_values = true)]
    pub hold: Option<u32>,
    /// How sure a verdict is, in percent, 50 to below 100.
    #[arg(long, value_name = "PERCENT", value_parser = words::confidence, allow_hyphen_values = true)]
    pub confidence: Option<f64>,
    /// Highest share of failed invocations in percent, whatever the stable version has; 0 for none.
    #[arg(long, value_name = "PERCENT", value_parser = words::error_limit, allow_hyphen_values = true)]
    pub error_limit: Option<f64>,
    /// By how many percentage points the canary may fail more and still be called the same.
    #[arg(long, value_name = "POINTS", value_parser = words::points, allow_hyphen_values = true)]
    pub tolerance: Option<f64>,
    /// Slow is what takes longer than the stable version's p95 times this.
    #[arg(long, value_name = "FACTOR", value_parser = words::factor, allow_hyphen_values = true)]
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
        let error_limit = match self.error_limit {
            None => lab.error_limit,
            Some(limit) => Some(limit).filter(|limit| *limit > 0.0),
        };
        Canary {
            steps: self.steps.map_or_else(|| lab.steps.clone(), |steps| steps.0),
            hold_s: self.hold.unwrap_or(lab.hold_s),
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
    words::steps(text).map(Steps)
}

fn traffic(text: &str) -> Result<OwnTraffic, String> {
    if text == "none" { Ok(OwnTraffic::None) } else { words::traffic(text).map(OwnTraffic::Steady) }
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
            hold: words::hold("10m").ok(),
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
}
