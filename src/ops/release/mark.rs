//! The plan of a running canary, in the short form that its alias keeps.
//!
//! `1/5-25-50/30/99/5/5/1.25/mi2k5dqo/mi2k6f00`: the step that runs (from 0), the steps in percent, how long each
//! holds in seconds, confidence, error limit (`-` for none), tolerance, slowdown, when the canary was
//! begun, and when the step was (base 36 milliseconds since the epoch). Only characters that tags allow are used.

use labdeck_lab::blueprint::{Canary, check_steps};

use super::pointer::base36;

/// A running canary, as its alias knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// The step that runs, from 0.
    pub step: usize,
    /// Its plan. What the alias does not keep is empty: alarms and traffic.
    pub plan: Canary,
    /// When it was begun, in ms since the epoch.
    pub begun_ms: u64,
    /// When the step that runs was begun, in ms since the epoch: evidence counts from there, however often
    /// the canary is resumed.
    pub step_ms: u64,
}

impl Mark {
    /// The mark of a canary that is at this step of its plan.
    pub fn new(plan: &Canary, step: usize, begun_ms: u64, step_ms: u64) -> Self {
        let plan = Canary { alarms: Vec::new(), traffic: None, ..plan.clone() };
        Self { step, plan, begun_ms, step_ms }
    }

    /// The plan that it was begun with; what the alias does not keep is the lab's.
    pub fn plan_of(&self, lab: &Canary) -> Canary {
        Canary { alarms: lab.alarms.clone(), traffic: lab.traffic.clone(), ..self.plan.clone() }
    }

    /// The share of the step that runs, in percent.
    pub fn percent(&self) -> f64 {
        self.plan.steps.get(self.step).copied().unwrap_or_default()
    }

    pub(super) fn encode(&self) -> String {
        let plan = &self.plan;
        let steps: Vec<String> = plan.steps.iter().map(f64::to_string).collect();
        let limit = plan.error_limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        format!(
            "{}/{}/{}/{}/{limit}/{}/{}/{}/{}",
            self.step,
            steps.join("-"),
            plan.hold_s,
            plan.confidence,
            plan.tolerance,
            plan.slowdown,
            base36(self.begun_ms),
            base36(self.step_ms)
        )
    }

    /// `None` for anything but what [`Mark::encode`] writes: an alias may say whatever somebody wrote.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let [step, steps, hold, confidence, limit, tolerance, slowdown, begun, since] = parts[..]
        else {
            return None;
        };
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let plan = Canary {
            steps: steps.split('-').map(number).collect::<Option<_>>()?,
            hold_s: hold.parse().ok()?,
            confidence: number(confidence)?,
            error_limit: if limit == "-" { None } else { Some(number(limit)?) },
            tolerance: number(tolerance)?,
            slowdown: number(slowdown)?,
            alarms: Vec::new(),
            traffic: None,
        };
        let step = step.parse().ok()?;
        let time = |text: &str| u64::from_str_radix(text, 36).ok();
        let (begun_ms, step_ms) = (time(begun)?, time(since)?);
        let sound = check_steps(&plan.steps).is_ok()
            && step < plan.steps.len()
            && (50.0..100.0).contains(&plan.confidence)
            && plan.tolerance > 0.0
            && plan.slowdown > 1.0
            && plan.error_limit.is_none_or(|limit| (0.0..100.0).contains(&limit));
        sound.then_some(Self { step, plan, begun_ms, step_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for limit in [None, Some(2.5)] {
            let plan =
                Canary { error_limit: limit, steps: vec![0.5, 12.25, 99.0], ..Canary::default() };
            let mark = Mark::new(&plan, 2, 1_795_168_800_123, 1_795_168_830_456);
            assert_eq!(Mark::decode(&mark.encode()), Some(mark.clone()), "{}", mark.encode());
            assert_eq!(mark.plan_of(&Canary::default()), plan);
        }
    }

    #[test]
    fn what_nobody_wrote_is_no_mark() {
        for text in [
            "",
            "1/5-25/30/99/5/5/1.25/x",
            "2/5-25/30/99/5/5/1.25/x/x",
            "0/25-5/30/99/5/5/1.25/x/x",
            "0/5/30/100/5/5/1.25/x/x",
            "0/5/30/99/5/0/1.25/x/x",
            "0/5/30/99/5/5/NaN/x/x",
            "0/5/30/99/200/5/1.25/x/x",
            "0/5/-1/99/5/5/1.25/x/x",
        ] {
            assert_eq!(Mark::decode(text), None, "{text}");
        }
    }
}
