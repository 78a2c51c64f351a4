//! Conditions of policy statements: which operators and keys the local cloud can decide.
//!
//! Semantics follow the IAM User Guide, "IAM JSON policy elements: Condition operators". What can't
//! be decided (an operator or a key that is not known here) is told apart from what is not met.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::policy::strings;
use super::wildcard::matches;
use crate::core::{ACCOUNT_ID, REGION};

/// One operator on one key.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    operator: Operator,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

/// Whether conditions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    NotMet,
    Undecidable,
}

/// What the keys stand for in one call.
#[derive(Debug, Clone)]
pub struct Context {
    now: OffsetDateTime,
    principal_arn: String,
    /// On whose behalf a service acts; none for identities.
    source_arn: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Text { ignore_case: bool, wildcards: bool, negated: bool },
    Bool,
    Date { order: Order },
    Null,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

enum Found {
    Value(String),
    Absent,
    UnknownKey,
}

impl Context {
    /// The context of a call now by the principal.
    pub fn now(principal_arn: &str) -> Self {
        Self {
            now: OffsetDateTime::now_utc(),
            principal_arn: principal_arn.to_owned(),
            source_arn: None,
        }
    }

    /// The context of a call now by a service, on behalf of the resource `source_arn`.
    pub fn of_service(source_arn: &str) -> Self {
        Self { source_arn: Some(source_arn.to_owned()), ..Self::now("") }
    }

    #[cfg(test)]
    pub fn at(seconds: i64, principal_arn: &str) -> Self {
        let now =
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self { now, principal_arn: principal_arn.to_owned(), source_arn: None }
    }

    fn value(&self, key: &str) -> Found {
        Found::Value(match key.to_ascii_lowercase().as_str() {
            "aws:currenttime" => match self.now.format(&Rfc3339) {
                Ok(text) => text,
                Err(_) => return Found::Absent,
            },
            "aws:epochtime" => self.now.unix_timestamp().to_string(),
            "aws:principalarn" => self.principal_arn.clone(),
            "aws:principalaccount" | "aws:resourceaccount" => ACCOUNT_ID.to_owned(),
            "aws:principaltype" => "AssumedRole".to_owned(),
            "aws:requestedregion" => REGION.to_owned(),
            "aws:securetransport" => "false".to_owned(),
            "aws:sourcearn" => match &self.source_arn {
                Some(arn) => arn.clone(),
                None => return Found::Absent,
            },
            "aws:sourceaccount" | "aws:sourceowner" => match &self.source_arn {
                Some(arn) => arn.split(':').nth(4).unwrap_or("").to_owned(),
                None => return Found::Absent,
            },
            // A function's credentials never carry these.
            "aws:username"
            | "aws:multifactorauthpresent"
            | "aws:multifactorauthage"
            | "aws:sourcevpc"
            | "aws:sourcevpce" => return Found::Absent,
            _ => return Found::UnknownKey,
        })
    }
}

impl Condition {
    /// Reads a `Condition` element; `None` when its shape is wrong.
    pub(super) fn parse(value: &Value) -> Option<Vec<Self>> {
        let mut conditions = Vec::new();
        for (name, keys) in value.as_object()? {
            let (name, if_exists) = match name.strip_suffix("IfExists") {
                Some(name) => (name, true),
                None => (name.as_str(), false),
            };
            for (key, value) in keys.as_object()? {
                let values = strings(value).or_else(|| match value {
                    Value::Bool(_) | Value::Number(_) => Some(vec![value.to_string()]),
                    _ => None,
                })?;
                let operator = Operator::named(name);
                conditions.push(Self { operator, if_exists, key: key.clone(), values });
            }
        }
        Some(conditions)
    }

    /// Whether all conditions are met; one that is not met settles it.
    pub(super) fn all(conditions: &[Self], context: &Context) -> Verdict {
        let mut all = Verdict::Met;
        for condition in conditions {
            match condition.verdict(context) {
                Verdict::Met => {}
                Verdict::NotMet => return Verdict::NotMet,
                Verdict::Undecidable => all = Verdict::Undecidable,
            }
        }
        all
    }

    fn verdict(&self, context: &Context) -> Verdict {
        if self.operator == Operator::Unknown {
            return Verdict::Undecidable;
        }
        let found = match context.value(&self.key) {
            Found::UnknownKey => return Verdict::Undecidable,
            Found::Absent => None,
            Found::Value(value) => Some(value),
        };
        let met = match (self.operator, found) {
            (Operator::Null, found) => {
                let wants_absent = self.values.iter().any(|v| v.eq_ignore_ascii_case("true"));
                wants_absent == found.is_none()
            }
            (_, None) if self.if_exists => true,
            (Operator::Text { negated, .. }, None) => negated,
            (Operator::Date { order }, None) => order == Order::NotEqual,
            (_, None) => false,
            (operator, Some(found)) => operator.holds(&found, &self.values),
        };
        if met { Verdict::Met } else { Verdict::NotMet }
    }
}

impl Operator {
    fn named(name: &str) -> Self {
        let text = |ignore_case, wildcards, negated| Self::Text { ignore_case, wildcards, negated };
        let date = |order| Self::Date { order };
        match name {
            "StringEquals" => text(false, false, false),
            "StringNotEquals" => text(false, false, true),
            "StringEqualsIgnoreCase" => text(true, false, false),
            "StringNotEqualsIgnoreCase" => text(true, false, true),
            // The ARN operators take wildcards in either form.
            "StringLike" | "ArnLike" | "ArnEquals" => text(false, true, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => text(false, true, true),
            "Bool" => Self::Bool,
            "DateEquals" => date(Order::Equal),
            "DateNotEquals" => date(Order::NotEqual),
            "DateLessThan" => date(Order::Less),
            "DateLessThanEquals" => date(Order::LessOrEqual),
            "DateGreaterThan" => date(Order::Greater),
            "DateGreaterThanEquals" => date(Order::GreaterOrEqual),
            "Null" => Self::Null,
            _ => Self::Unknown,
        }
    }

    fn holds(self, found: &str, values: &[String]) -> bool {
        match self {
            Self::Text { ignore_case, wildcards, negated } => {
                let any = values.iter().any(|value| match (wildcards, ignore_case) {
                    (true, _) => matches(value, found),
                    (false, true) => value.eq_ignore_ascii_case(found),
                    (false, false) => value == found,
                });
                any != negated
            }
            Self::Bool => values.iter().any(|value| value.eq_ignore_ascii_case(found)),
            Self::Date { order } => {
                let Some(found) = instant(found) else { return false };
                let compare = |value: &String| {
                    instant(value).is_some_and(|value| order.holds(found.cmp(&value)))
                };
                if order == Order::NotEqual {
                    values.iter().all(compare)
                } else {
                    values.iter().any(compare)
                }
            }
            Self::Null | Self::Unknown => false,
        }
    }
}

impl Order {
    fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A date as policies write it: ISO 8601 with or without a time, or epoch seconds.
fn instant(text: &str) -> Option<OffsetDateTime> {
    if let Ok(seconds) = text.parse() {
        return OffsetDateTime::from_unix_timestamp(seconds).ok();
    }
    let text = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    OffsetDateTime::parse(&text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339))
        .ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn verdict(condition: &Value) -> Verdict {
        let context = Context::at(1_700_000_000, "arn:aws:iam::000000000000:role/greet-role");
        Condition::all(&Condition::parse(condition).unwrap(), &context)
    }

    #[test]
    fn operators_decide_known_keys() {
        let met = |condition: Value| assert_eq!(verdict(&condition), Verdict::Met, "{condition}");
        let not = |condition: Value| {
            assert_eq!(verdict(&condition), Verdict::NotMet, "{condition}");
        };
        met(json!({"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}}));
        not(json!({"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}}));
        met(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/greet-*"}}));
        met(json!({"Bool": {"aws:SecureTransport": false}}));
        not(json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}}));
        met(json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}));
        met(json!({"Null": {"aws:username": "true"}}));
        met(json!({"DateGreaterThan": {"aws:CurrentTime": "2023-11-14"}}));
        not(json!({"DateGreaterThan": {"aws:CurrentTime": "not a date"}}));
        met(json!({"DateLessThan": {"aws:EpochTime": "1700000001"}}));
    }

    #[test]
    fn unknown_operators_and_keys_are_undecidable() {
        for condition in [
            json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
            json!({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["a"]}}),
            json!({"StringEquals": {"dynamodb:Select": "COUNT"}}),
        ] {
            assert_eq!(verdict(&condition), Verdict::Undecidable, "{condition}");
        }
        assert!(Condition::parse(&json!({"StringEquals": "x"})).is_none());
    }
}
