//! Numbers, times and flags as any of the protocols sends them.

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A number; may be sent as text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Num(pub f64);

/// A whole number; may be sent as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Int(pub i64);

/// Yes or no; may be sent as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flag(pub bool);

/// A time in seconds since the epoch; may be sent as ISO 8601.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Time(pub f64);

fn wrong<E: de::Error>(value: &Value, expected: &str) -> E {
    let mut text = value.to_string();
    text.truncate(text.floor_char_boundary(80));
    E::custom(format!("{text} is not {expected}"))
}

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| wrong(&value, "a number"))
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => {
                let whole = |number: f64| {
                    (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
                };
                number.as_i64().or_else(|| number.as_f64().and_then(whole))
            }
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| wrong(&value, "a whole number"))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let flag = match &value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        flag.map(Self).ok_or_else(|| wrong(&value, "true or false"))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let seconds = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => parse(text.trim()),
            _ => None,
        };
        // Far beyond every calendar that could be meant, and safe to calculate with.
        seconds
            .filter(|seconds| seconds.abs() <= 1e11)
            .map(Self)
            .ok_or_else(|| wrong(&value, "a time"))
    }
}

fn parse(text: &str) -> Option<f64> {
    let parsed = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let time = parsed(text)
        // What is often typed: without a zone, or a day alone.
        .or_else(|| parsed(&format!("{text}Z")))
        .or_else(|| parsed(&format!("{text}T00:00:00Z")));
    match time {
        Some(time) => Some(time.unix_timestamp_nanos() as f64 / 1e9),
        None => text.parse().ok(),
    }
}
