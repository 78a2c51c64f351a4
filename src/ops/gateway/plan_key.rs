//! The settings of a usage plan by name, as they are typed and shown.
//!
//! A method's limits hold on every stage of the plan whose API has the method, or with `API/STAGE:` before
//! it on one.

use std::fmt;

use super::rules;
use super::stage_key::{NONE, split_place};

/// Periods of a quota.
pub const PERIODS: [&str; 3] = ["DAY", "WEEK", "MONTH"];

/// A setting of a usage plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanKey {
    /// `description`.
    Description,
    /// `quota.limit`: requests of each key per period.
    QuotaLimit,
    /// `quota.period`: DAY, WEEK or MONTH.
    QuotaPeriod,
    /// `quota.offset`.
    QuotaOffset,
    /// `quota`: `none` removes it.
    Quota,
    /// `throttle.rate`: requests of each key per second.
    Rate,
    /// `throttle.burst`: requests of each key at once.
    Burst,
    /// `throttle`: `none` removes it.
    Throttle,
    /// `stages.API/STAGE`: whether the plan is bound to it.
    Stage(String),
    /// A limit of a method, on one stage (`API/STAGE`) or on all.
    Method {
        /// The stage; `None` for all that have the method.
        stage: Option<String>,
        /// `/path/METHOD`.
        method: String,
        /// Which.
        limit: MethodLimit,
    },
}

/// A limit of a method in a usage plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodLimit {
    /// `throttle.rate`.
    Rate,
    /// `throttle.burst`.
    Burst,
    /// `throttle`: `none` removes both.
    None,
}

const KEYS: [(PlanKey, &str); 8] = [
    (PlanKey::Description, "description"),
    (PlanKey::QuotaLimit, "quota.limit"),
    (PlanKey::QuotaPeriod, "quota.period"),
    (PlanKey::QuotaOffset, "quota.offset"),
    (PlanKey::Quota, "quota"),
    (PlanKey::Rate, "throttle.rate"),
    (PlanKey::Burst, "throttle.burst"),
    (PlanKey::Throttle, "throttle"),
];
const LIMITS: [(MethodLimit, &str); 3] = [
    (MethodLimit::Rate, "throttle.rate"),
    (MethodLimit::Burst, "throttle.burst"),
    (MethodLimit::None, "throttle"),
];
/// Begins the name of a stage that a plan is bound to.
pub(super) const STAGES: &str = "stages.";

impl PlanKey {
    /// Reads a name.
    ///
    /// # Errors
    /// What is wrong, with the nearest name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some((key, _)) = KEYS.iter().find(|(_, name)| *name == text) {
            return Ok(key.clone());
        }
        if let Some(stage) = text.strip_prefix(STAGES) {
            return match stage.split_once('/') {
                Some((api, name)) if !api.is_empty() && !name.is_empty() => {
                    Ok(Self::Stage(stage.to_owned()))
                }
                _ => Err(format!("{text:?} is not stages.API/STAGE")),
            };
        }
        let (stage, rest) = match text.split_once(":/") {
            Some((stage, rest)) if !text.starts_with('/') => {
                (Some(stage.to_owned()), format!("/{rest}"))
            }
            _ => (None, text.to_owned()),
        };
        if rest.starts_with('/') {
            let ((path, verb), limit) = split_place(&rest)?;
            let known = LIMITS.iter().find(|(_, name)| *name == limit);
            let Some((limit, _)) = known else {
                let names = LIMITS.iter().map(|(_, name)| *name);
                let near = rules::meant(limit, names);
                return Err(format!(
                    "a method of a usage plan has throttle.rate and throttle.burst, no {limit:?}{near}"
                ));
            };
            return Ok(Self::Method { stage, method: format!("{path}/{verb}"), limit: *limit });
        }
        let known: Vec<&str> = KEYS.iter().map(|(_, name)| *name).chain([STAGES]).collect();
        let near = rules::meant(text, known.iter().copied());
        if near.is_empty() {
            return Err(format!(
                "a usage plan has no setting {text:?}; it has {}API/STAGE, /path/METHOD:throttle.rate",
                known.join(", ")
            ));
        }
        Err(format!("a usage plan has no setting {text:?}{near}"))
    }

    /// The value as AWS takes it; an empty one (or `none`) takes away what can be taken away.
    ///
    /// # Errors
    /// AWS's rule.
    pub fn check(&self, value: &str) -> Result<String, String> {
        let value = value.trim();
        match self {
            Self::Description => Ok(value.to_owned()),
            Self::Quota | Self::Throttle | Self::Method { limit: MethodLimit::None, .. } => {
                match value {
                    "" | NONE => Ok(String::new()),
                    _ => Err(format!("{self} takes only {NONE}, which removes it")),
                }
            }
            Self::QuotaLimit => match value.parse::<i32>() {
                Ok(limit) if limit >= 1 => Ok(limit.to_string()),
                Ok(limit) => Err(format!(
                    "a quota is a number of requests from 1 on, and {limit} is none; quota=none \
                     takes the quota away"
                )),
                Err(_) => Err(format!("a quota is a whole number of requests, not {value:?}")),
            },
            Self::QuotaPeriod => rules::word(value, &PERIODS),
            Self::QuotaOffset => match value.parse::<i32>() {
                Ok(offset) if (0..=27).contains(&offset) => Ok(offset.to_string()),
                _ => Err(format!(
                    "a quota's offset is 0 for DAY, 0 to 6 for WEEK and 0 to 27 for MONTH, not \
                     {value:?}"
                )),
            },
            Self::Rate | Self::Method { limit: MethodLimit::Rate, .. } => rules::rate(value),
            Self::Burst | Self::Method { limit: MethodLimit::Burst, .. } => rules::burst(value),
            Self::Stage(_) => rules::flag(value),
        }
    }

    /// What it takes, in a few words.
    pub fn takes(&self) -> &'static str {
        match self {
            Self::Description => "text",
            Self::QuotaLimit => "requests of each key per period, 1 or more",
            Self::QuotaPeriod => "DAY, WEEK, MONTH",
            Self::QuotaOffset => "0; for WEEK 0 to 6, for MONTH 0 to 27",
            Self::Quota | Self::Throttle | Self::Method { limit: MethodLimit::None, .. } => {
                "none removes it"
            }
            Self::Rate | Self::Method { limit: MethodLimit::Rate, .. } => {
                "requests per second, 0 or more"
            }
            Self::Burst | Self::Method { limit: MethodLimit::Burst, .. } => {
                "requests at once, 0 or more"
            }
            Self::Stage(_) => "on binds the plan to it, off takes it off",
        }
    }
}

impl fmt::Display for PlanKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(stage) => write!(f, "{STAGES}{stage}"),
            Self::Method { stage, method, limit } => {
                if let Some(stage) = stage {
                    write!(f, "{stage}:")?;
                }
                let known = LIMITS.iter().find(|(known, _)| known == limit);
                write!(f, "{method}:{}", known.map_or("", |(_, name)| name))
            }
            other => {
                let known = KEYS.iter().find(|(known, _)| known == other);
                f.write_str(known.map_or("", |(_, name)| name))
            }
        }
    }
}

/// Refuses an offset that the period does not have.
///
/// # Errors
/// AWS's rule.
pub(super) fn check_offset(period: &str, offset: &str) -> Result<(), String> {
    let most = match period {
        "WEEK" => 6,
        "MONTH" => 27,
        _ => 0,
    };
    match offset.parse::<i32>() {
        Ok(offset) if (0..=most).contains(&offset) => Ok(()),
        _ => Err(format!(
            "a quota's offset is 0 for DAY, 0 to 6 for WEEK and 0 to 27 for MONTH: {offset} does not \
             go with {period}"
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for name in [
            "quota.limit",
            "throttle",
            "stages.Shop/prod",
            "/items/{ID}/GET:throttle.rate",
            "Shop/prod:/items/GET:throttle.burst",
            "//GET:throttle",
        ] {
            assert_eq!(PlanKey::parse(name).unwrap().to_string(), name);
        }
        let near = |name: &str| PlanKey::parse(name).unwrap_err();
        assert!(near("qouta.limit").ends_with("did you mean \"quota.limit\"?"));
        assert!(near("/items/GET:throttle.brust").contains("\"throttle.burst\"?"));
        assert!(near("stages.prod").contains("stages.API/STAGE"));
    }

    #[test]
    fn quotas_that_mean_nothing_are_refused() {
        let check = |name: &str, value: &str| PlanKey::parse(name).unwrap().check(value);
        for bad in ["0", "-1", "1.5", "many", ""] {
            assert!(check("quota.limit", bad).is_err(), "{bad}");
        }
        assert!(check("quota.limit", "0").unwrap_err().contains("from 1 on"));
        assert_eq!(check("quota.period", "week"), Ok("WEEK".to_owned()));
        assert!(check("quota.period", "weekly").unwrap_err().contains("\"WEEK\"?"));
        assert!(check_offset("WEEK", "6").is_ok() && check_offset("WEEK", "7").is_err());
        assert!(check_offset("DAY", "1").is_err() && check_offset("MONTH", "27").is_ok());
        assert!(check("throttle.rate", "-0.5").is_err());
    }
}
