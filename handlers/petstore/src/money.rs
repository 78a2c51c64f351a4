//! Prices that add up exactly: billionths as whole numbers.

/// Digits behind the point that count; what is finer is cut off, the same way each time.
const DIGITS: u32 = 9;
/// Most digits before the point.
const MOST_DIGITS: usize = 18;

/// An amount, in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Money(i128);

impl Money {
    /// Reads a number as JSON and `DynamoDB` write it: `12.5`, `-3`, `1e-7`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || digits.len() > 40 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        // Where the point stands, from the left.
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        let wanted = point + i64::from(DIGITS);
        if wanted <= 0 {
            return Some(Self(0));
        }
        let significant = digits.trim_start_matches('0');
        let zeros = digits.len() - significant.len();
        if significant.is_empty() {
            return Some(Self(0));
        }
        if point - i64::try_from(zeros).ok()? > i64::try_from(MOST_DIGITS).ok()? {
            return None;
        }
        let wanted = usize::try_from(wanted).ok()?;
        let scaled: String = digits.chars().chain(std::iter::repeat('0')).take(wanted).collect();
        let amount: i128 = scaled.parse().ok()?;
        Some(Self(if negative { -amount } else { amount }))
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }

    pub(crate) fn negated(self) -> Self {
        Self(-self.0)
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let one = 10_u128.pow(DIGITS);
        let amount = self.0.unsigned_abs();
        let (whole, fraction) = (amount / one, amount % one);
        let sign = if self.0 < 0 { "-" } else { "" };
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let fraction = format!("{fraction:09}");
        write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written_exactly() {
        for (text, written) in [
            ("0", "0"),
            ("-0", "0"),
            ("12.5", "12.5"),
            ("12.50", "12.5"),
            ("-3", "-3"),
            ("0.1", "0.1"),
            ("1e-7", "0.0000001"),
            ("1E+3", "1000"),
            ("1.5e2", "150"),
            ("123e-2", "1.23"),
            ("0.0000000019", "0.000000001"),
            ("1e-300", "0"),
            ("0e300", "0"),
            ("000012", "12"),
            ("999999999.999999999", "999999999.999999999"),
            ("100000000000000000", "100000000000000000"),
        ] {
            let money = Money::parse(text).map(|money| money.to_string());
            assert_eq!(money.as_deref(), Some(written), "{text}");
        }
        for text in ["", "-", ".", "e5", "1e", "1x", "1e30", "--1", "NaN", "1.2.3", "1e99999999999"]
        {
            assert_eq!(Money::parse(text), None, "{text}");
        }
        assert_eq!(Money::parse(&"9".repeat(50)), None);
    }

    #[test]
    fn tenths_add_up() {
        let tenth = Money::parse("0.1").unwrap_or_default();
        let sum = (0..10).fold(Money::default(), |sum, _| sum.minus(tenth.negated()));
        assert_eq!(sum.to_string(), "1");
    }
}
