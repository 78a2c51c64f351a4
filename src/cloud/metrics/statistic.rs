//! Statistics by name.

use super::distribution::Distribution;
use crate::error::AwsError;

/// What is asked of the values of one period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Statistic {
    SampleCount,
    Sum,
    Average,
    Minimum,
    Maximum,
    /// 0 to 100.
    Percentile(f64),
}

/// The plain statistics, in the order of the service's model.
pub(super) const PLAIN: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

impl Statistic {
    /// One of the five plain statistics.
    pub(super) fn plain(name: &str) -> Option<Self> {
        Some(match name {
            "SampleCount" => Self::SampleCount,
            "Sum" => Self::Sum,
            "Average" => Self::Average,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => return None,
        })
    }

    /// A percentile: `p` and a number from 0 to 100 with at most ten decimals.
    pub(super) fn percentile(name: &str) -> Option<Self> {
        let digits = name.strip_prefix('p')?;
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |text: &str, longest: usize| {
            (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(whole, 3) || !is_number(decimals, 10) {
            return None;
        }
        digits.parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).map(Self::Percentile)
    }

    /// Any statistic. `Ok(None)` when there is none of this name; an error names one that the
    /// local cloud does not have: trimmed means and the like.
    pub(super) fn any(name: &str) -> Result<Option<Self>, AwsError> {
        if let Some(known) = Self::plain(name).or_else(|| Self::percentile(name)) {
            return Ok(Some(known));
        }
        let kind = name.trim_end_matches(|c: char| "(:)%.".contains(c) || c.is_ascii_digit());
        let kind = kind.split_once('(').map_or(kind, |(kind, _)| kind);
        let absent = ["tm", "TM", "wm", "WM", "tc", "TC", "ts", "TS", "pr", "PR", "IQM"];
        if absent.contains(&kind) {
            return Err(AwsError::not_implemented("CloudWatch", &format!("the statistic {name}")));
        }
        Ok(None)
    }

    /// Whether it needs to know where the values lie.
    pub(super) fn needs_sketch(self) -> bool {
        matches!(self, Self::Percentile(_))
    }

    /// Its value; `None` where there is none, as with percentiles of statistic sets.
    pub(super) fn of(self, values: &Distribution) -> Option<f64> {
        if values.is_empty() {
            return None;
        }
        match self {
            Self::SampleCount => Some(values.count),
            Self::Sum => Some(values.sum),
            Self::Average => Some(values.sum / values.count),
            Self::Minimum => Some(values.min),
            Self::Maximum => Some(values.max),
            Self::Percentile(percent) => values.percentile(percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_have_a_number_up_to_a_hundred() {
        assert_eq!(Statistic::percentile("p99.9"), Some(Statistic::Percentile(99.9)));
        assert_eq!(Statistic::percentile("p0"), Some(Statistic::Percentile(0.0)));
        assert_eq!(Statistic::percentile("p100"), Some(Statistic::Percentile(100.0)));
        for wrong in ["p", "p101", "p-1", "p1e1", "p99.", "P50", "p50.12345678901", "pNaN"] {
            assert_eq!(Statistic::percentile(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_there_is_told_from_what_does_not_exist() {
        for absent in ["tm99", "TM(10%:90%)", "IQM", "PR(:300)", "wm98.5"] {
            assert!(Statistic::any(absent).is_err(), "{absent}");
        }
        assert_eq!(Statistic::any("Median"), Ok(None));
        assert_eq!(Statistic::any("Sum"), Ok(Some(Statistic::Sum)));
    }
}
