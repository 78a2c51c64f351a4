//! Conditions of policy statements: which operators and keys the local cloud can decide.
//!
//! Semantics follow the IAM User Guide, "IAM JSON policy elements: Condition operators". What can't
//! be decided (an operator or a key that is not known here) is told apart from what is not met.

use std::net::IpAddr;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::context::{Context, Found};
use super::policy::strings;
use super::wildcard::matches;

/// One operator on one key.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    operator: Operator,
    /// Met as well when the key is absent: `…IfExists`, `ForAllValues:…`.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Text { ignore_case: bool, wildcards: bool, negated: bool },
    Bool,
    Date { order: Order },
    Number { order: Order },
    Address { negated: bool },
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

impl Condition {
    /// Reads a `Condition` element; `None` when its shape is wrong.
    pub(super) fn parse(value: &Value) -> Option<Vec<Self>> {
        let mut conditions = Vec::new();
        for (name, keys) in value.as_object()? {
            let (name, mut if_exists) = match name.strip_suffix("IfExists") {
                Some(name) => (name, true),
                None => (name.as_str(), false),
            };
            // Every key known here has one value, so that all of its values are any of them.
            let name = match name.split_once(':') {
                Some(("ForAllValues", name)) => {
                    if_exists = true;
                    name
                }
                Some(("ForAnyValue", name)) => name,
                _ => name,
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

    /// Its operator and key, when it can never be decided here.
    pub(super) fn undecidable(&self) -> Option<String> {
        let known = self.operator != Operator::Unknown
            && Context::now("").value(&self.key) != Found::UnknownKey;
        (!known).then(|| self.key.clone())
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
            (Operator::Text { negated, .. } | Operator::Address { negated }, None) => negated,
            (Operator::Date { order } | Operator::Number { order }, None) => {
                order == Order::NotEqual
            }
            (_, None) => false,
            (operator, Some(found)) => {
                // A variable without a value equals nothing.
                let values: Vec<String> =
                    self.values.iter().filter_map(|value| context.substitute(value)).collect();
                operator.holds(&found, &values)
            }
        };
        if met { Verdict::Met } else { Verdict::NotMet }
    }
}

impl Operator {
    fn named(name: &str) -> Self {
        let text = |ignore_case, wildcards, negated| Self::Text { ignore_case, wildcards, negated };
        let date = |order| Self::Date { order };
        let number = |order| Self::Number { order };
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
            "NumericEquals" => number(Order::Equal),
            "NumericNotEquals" => number(Order::NotEqual),
            "NumericLessThan" => number(Order::Less),
            "NumericLessThanEquals" => number(Order::LessOrEqual),
            "NumericGreaterThan" => number(Order::Greater),
            "NumericGreaterThanEquals" => number(Order::GreaterOrEqual),
            "IpAddress" => Self::Address { negated: false },
            "NotIpAddress" => Self::Address { negated: true },
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
                order.holds_for(values, |value| instant(value).map(|value| found.cmp(&value)))
            }
            Self::Number { order } => {
                let Ok(found) = found.parse::<f64>() else { return false };
                order.holds_for(values, |value| found.partial_cmp(&value.parse::<f64>().ok()?))
            }
            Self::Address { negated } => {
                let Ok(found) = found.parse::<IpAddr>() else { return false };
                values.iter().any(|range| is_within(found, range)) != negated
            }
            Self::Null | Self::Unknown => false,
        }
    }
}

impl Order {
    /// Whether the order holds for any value; `NotEqual` must hold for all.
    fn holds_for(
        self,
        values: &[String],
        compare: impl Fn(&str) -> Option<std::cmp::Ordering>,
    ) -> bool {
        let holds = |value: &String| compare(value).is_some_and(|ordering| self.holds(ordering));
        if self == Self::NotEqual { values.iter().all(holds) } else { values.iter().any(holds) }
    }

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

/// Whether an address is in a range such as `10.0.0.0/8` or `2001:db8::/32`, or is the one named.
fn is_within(address: IpAddr, range: &str) -> bool {
    let (base, bits) = match range.split_once('/') {
        Some((base, bits)) => (base, bits.parse::<u32>().ok()),
        None => (range, Some(128)),
    };
    let (Ok(base), Some(bits)) = (base.parse::<IpAddr>(), bits) else { return false };
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let free = 32_u32.saturating_sub(bits);
            (u64::from(a.to_bits()) >> free) == (u64::from(b.to_bits()) >> free)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let free = 128_u32.saturating_sub(bits);
            free >= 128 || (a.to_bits() >> free) == (b.to_bits() >> free)
        }
        _ => false,
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
        met(json!({"NumericLessThanEquals": {"aws:EpochTime": 1_700_000_000}}));
        not(json!({"NumericGreaterThan": {"aws:EpochTime": ["1700000000", "no number"]}}));
        not(json!({"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}));
        met(json!({"NumericLessThanIfExists": {"aws:MultiFactorAuthAge": "3600"}}));
        met(json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "127.0.0.0/8"]}}));
        not(json!({"NotIpAddress": {"aws:SourceIp": "127.0.0.1"}}));
        not(json!({"IpAddress": {"aws:SourceIp": ["::/0", "127.0.0.1/x"]}}));
        met(json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}));
        met(json!({"ForAllValues:StringEquals": {"aws:username": "nobody"}}));
        not(json!({"ForAnyValue:StringEquals": {"aws:username": "nobody"}}));
        met(json!({"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}));
        not(json!({"StringLike": {"aws:PrincipalArn": "*${aws:username}"}}));
    }

    #[test]
    fn unknown_operators_and_keys_are_undecidable() {
        for condition in [
            json!({"BinaryEquals": {"aws:SourceIp": "10.0.0.0/8"}}),
            json!({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["a"]}}),
            json!({"StringEquals": {"dynamodb:Select": "COUNT"}}),
        ] {
            assert_eq!(verdict(&condition), Verdict::Undecidable, "{condition}");
        }
        assert!(Condition::parse(&json!({"StringEquals": "x"})).is_none());
    }
}
