//! How much is sent, how fast, for how long.

use std::fmt;
use std::time::Duration;

use labdeck_aws::{Failure, FailureKind, Result};
use serde::Serialize;

/// Most requests of a burst.
pub const MOST_REQUESTS: u64 = 1_000_000;
/// Most requests at once.
pub const MOST_AT_ONCE: usize = 1_024;
/// Most requests per second that can be asked for.
pub const MOST_PER_SECOND: f64 = 100_000.0;
/// Longest burst.
pub const LONGEST: Duration = Duration::from_hours(1);

/// The load of a burst: it ends after `count` requests or after `lasts`, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Load {
    /// How many requests, 1–[`MOST_REQUESTS`].
    pub count: Option<u64>,
    /// How long requests are begun, up to [`LONGEST`].
    pub lasts: Option<Duration>,
    /// Requests per second, above 0 and up to [`MOST_PER_SECOND`]; as fast as answers come without.
    pub rate: Option<f64>,
    /// How many requests are on their way at once, 1–[`MOST_AT_ONCE`].
    pub at_once: usize,
}

impl Load {
    /// So many requests, so many at once, as fast as answers come.
    pub fn times(count: u64, at_once: usize) -> Self {
        Self { count: Some(count), lasts: None, rate: None, at_once }
    }

    /// The bound that is not kept, where one is not.
    pub fn problem(&self) -> Option<String> {
        if self.count.is_none() && self.lasts.is_none() {
            return Some("a burst needs an end: a number of requests or a duration".to_owned());
        }
        if self.count.is_some_and(|count| !(1..=MOST_REQUESTS).contains(&count)) {
            return Some(format!("a burst has 1 to {MOST_REQUESTS} requests"));
        }
        if self.lasts.is_some_and(|lasts| lasts.is_zero() || lasts > LONGEST) {
            return Some("a burst lasts up to an hour, and more than no time".to_owned());
        }
        // Written so that a number that is none is refused as well.
        if !self.rate.is_none_or(|rate| rate > 0.0 && rate <= MOST_PER_SECOND) {
            return Some(format!("a rate is above 0 and up to {MOST_PER_SECOND} a second"));
        }
        if !(1..=MOST_AT_ONCE).contains(&self.at_once) {
            return Some(format!("1 to {MOST_AT_ONCE} requests can be on their way at once"));
        }
        None
    }

    pub(in super::super) fn checked(&self, name: &str) -> Result<()> {
        match self.problem() {
            Some(why) => {
                let what = format!("sending {name}: {self}");
                Err(Failure::new(FailureKind::Invalid, what, why))
            }
            None => Ok(()),
        }
    }

    /// Reads what a person types: `200x8` (how many, how many at once), `30s x8`, `50/s 1m x8`: parts
    /// apart from each other in any order. What is missing is one at once, and no limit.
    ///
    /// # Errors
    /// The part that is not understood, or the bound that is not kept.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut load = Self::default();
        let spaced = text.to_ascii_lowercase().replace('x', " x");
        for part in spaced.split([' ', ',']).filter(|part| !part.is_empty()) {
            load.take(part)?;
        }
        load.problem().map_or(Ok(load), Err)
    }

    /// Whether a word is a part of what [`Load::read`] reads.
    pub fn reads(word: &str) -> bool {
        let spaced = word.to_ascii_lowercase().replace('x', " x");
        let mut parts = spaced.split(' ').filter(|part| !part.is_empty());
        parts.all(|part| Self::default().take(part).is_ok())
    }

    /// Takes one part in.
    fn take(&mut self, part: &str) -> Result<(), String> {
        let bad = || format!("{part:?} is no number of requests, duration, rate or xN");
        if let Some(rate) = part.strip_suffix("/s") {
            self.rate = Some(rate.parse().map_err(|_| bad())?);
        } else if let Some(at_once) = part.strip_prefix('x') {
            self.at_once = at_once.parse().map_err(|_| bad())?;
        } else if part.bytes().all(|byte| byte.is_ascii_digit()) {
            self.count = Some(part.parse().map_err(|_| bad())?);
        } else {
            self.lasts = Some(lasts(part).ok_or_else(bad)?);
        }
        Ok(())
    }
}

impl Default for Load {
    /// One at once, and no end yet.
    fn default() -> Self {
        Self { count: None, lasts: None, rate: None, at_once: 1 }
    }
}

/// `500ms`, `30s`, `2m`, `1h`.
fn lasts(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            Some(count) => write!(f, "{count} requests")?,
            None => f.write_str("requests")?,
        }
        if let Some(rate) = self.rate {
            write!(f, ", {rate}/s")?;
        }
        if let Some(lasts) = self.lasts {
            write!(f, " for {lasts:?}")?;
        }
        write!(f, ", {} at once", self.at_once)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_typed_is_understood_in_any_order() {
        let load = |text: &str| Load::read(text).unwrap();
        assert_eq!(load("200x8"), Load::times(200, 8));
        assert_eq!(load("200 x 8".replace(" x ", " x").as_str()), Load::times(200, 8));
        assert_eq!(load("5"), Load::times(5, 1));
        let minute = load("x16 50/s 1m");
        assert_eq!(minute.lasts, Some(Duration::from_mins(1)));
        assert_eq!((minute.rate, minute.at_once, minute.count), (Some(50.0), 16, None));
        assert_eq!(minute.to_string(), "requests, 50/s for 60s, 16 at once");
        assert_eq!(load("0.5/s,30s").rate, Some(0.5));
    }

    #[test]
    fn bounds_and_typing_errors_are_told() {
        for (text, said) in [
            ("", "needs an end"),
            ("x4", "needs an end"),
            ("0", "1 to 1000000"),
            ("1000001", "1 to 1000000"),
            ("5x0", "at once"),
            ("5x1025", "at once"),
            ("5 0/s", "a rate"),
            ("5 nan/s", "a rate"),
            ("5 -1/s", "a rate"),
            ("2h", "up to an hour"),
            ("0s", "up to an hour"),
            ("many", "\"many\" is no number"),
            ("5y", "\"5y\" is no number"),
            ("99999999999999999999", "is no number"),
        ] {
            let problem = Load::read(text).unwrap_err();
            assert!(problem.contains(said), "{text}: {problem}");
        }
    }
}
