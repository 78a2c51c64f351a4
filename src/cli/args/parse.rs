//! Values that several commands take.

pub(super) fn prefix(text: &str) -> Result<String, String> {
    labdeck_lab::check_prefix(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// `NAME=VALUE`.
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// An age such as `5m`; a number alone is seconds.
pub fn age(text: &str) -> Result<std::time::Duration, String> {
    const LONGEST: u64 = 365 * 24 * 3600;
    let bad = || "expected an age such as 90s, 5m, 2h or 1d".to_owned();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(bad()),
    };
    match number.checked_mul(unit) {
        Some(seconds) if (1..=LONGEST).contains(&seconds) => {
            Ok(std::time::Duration::from_secs(seconds))
        }
        _ => Err("expected an age from 1s to 365d".to_owned()),
    }
}
