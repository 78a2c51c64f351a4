//! Java's numbers: which type a result has, and how it is written.

use std::cmp::Ordering;

use super::TemplateError;
use super::heap::Value;
use super::syntax::Operator;

/// A number of Java's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i32),
    Long(i64),
    /// `BigInteger`, as far as 128 bits go.
    Big(i128),
    Double(f64),
}

impl Number {
    /// The number that a value is; texts are none.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Int(number) => Self::Int(*number),
            Value::Long(number) => Self::Long(*number),
            Value::Big(number) => Self::Big(*number),
            Value::Double(number) => Self::Double(*number),
            _ => return None,
        })
    }

    /// The value of the smallest type that holds an integer.
    pub fn integer(number: i128) -> Value {
        match (i32::try_from(number), i64::try_from(number)) {
            (Ok(number), _) => Value::Int(number),
            (_, Ok(number)) => Value::Long(number),
            _ => Value::Big(number),
        }
    }

    fn whole(self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(number.into()),
            Self::Long(number) => Some(number.into()),
            Self::Big(number) => Some(number),
            Self::Double(_) => None,
        }
    }

    pub fn as_double(self) -> f64 {
        match self {
            Self::Int(number) => number.into(),
            Self::Long(number) => number as f64,
            Self::Big(number) => number as f64,
            Self::Double(number) => number,
        }
    }

    /// Java's narrowing to `long`.
    pub fn as_long(self) -> i64 {
        match self {
            Self::Int(number) => number.into(),
            Self::Long(number) => number,
            Self::Big(number) => number as i64,
            Self::Double(number) => number as i64,
        }
    }

    /// Java's narrowing to `int`.
    pub fn as_int(self) -> i32 {
        match self {
            Self::Double(number) => number as i32,
            other => other.as_long() as i32,
        }
    }

    /// Compares as `MathUtils.compare`.
    pub fn compare(self, other: Self) -> Ordering {
        match (self.whole(), other.whole()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => self.as_double().partial_cmp(&other.as_double()).unwrap_or(Ordering::Greater),
        }
    }
}

/// `left operator right`, for the five operators of arithmetic. Nothing where Java has no number: a
/// division by zero.
pub(super) fn calculate(
    operator: Operator,
    left: Number,
    right: Number,
) -> Result<Value, TemplateError> {
    let divides = matches!(operator, Operator::Divide | Operator::Modulo);
    if divides && right.as_double() == 0.0 {
        return Ok(Value::Null);
    }
    let (Some(a), Some(b)) = (left.whole(), right.whole()) else {
        let (a, b) = (left.as_double(), right.as_double());
        return Ok(Value::Double(match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            _ => a % b,
        }));
    };
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    let result = result.ok_or(TemplateError::Limit("an integer's size"))?;
    let big = matches!(left, Number::Big(_)) || matches!(right, Number::Big(_));
    let long = matches!(left, Number::Long(_)) || matches!(right, Number::Long(_));
    Ok(match i64::try_from(result) {
        Ok(result) if long && !big => Value::Long(result),
        _ if big => Value::Big(result),
        _ => Number::integer(result),
    })
}

/// A double as `Double.toString` writes it.
pub(super) fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        let text = number.to_string();
        return if text.contains('.') { text } else { format!("{text}.0") };
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}
