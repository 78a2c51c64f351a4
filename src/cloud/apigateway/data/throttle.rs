//! Throttling as API Gateway documents it: a token bucket whose size is the burst limit and which
//! fills at the rate limit.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How fast requests may come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Limit {
    /// Tokens per second, at least 0.
    rate: f64,
    /// Tokens in a full bucket, at least 0.
    burst: f64,
}

impl Limit {
    /// A limit; nothing when a negative number (or one that is none) switches it off.
    pub fn new(rate: f64, burst: f64) -> Option<Self> {
        (rate >= 0.0 && burst >= 0.0).then_some(Self { rate, burst })
    }
}

impl fmt::Display for Limit {
    /// As the execution log says it: `Limit: 1.00 Burst: 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limit: {:.2} Burst: {:.0}", self.rate, self.burst)
    }
}

/// A bucket that is full until it is first used. Its limit comes with each use, so that a change of
/// the limit holds at once and a request never waits for one.
#[derive(Debug, Default)]
pub(in super::super) struct Bucket {
    /// Tokens, and when they were counted.
    level: Mutex<Option<(f64, Instant)>>,
}

impl Bucket {
    /// Takes one token; false when there is none.
    pub fn admits(&self, limit: Limit, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, filled) = level.unwrap_or((limit.burst, now));
        let gained = now.saturating_duration_since(filled).as_secs_f64() * limit.rate;
        let tokens = (tokens + gained).min(limit.burst);
        let admits = tokens >= 1.0;
        *level = Some((if admits { tokens - 1.0 } else { tokens }, now.max(filled)));
        admits
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_only_the_rate() {
        let start = Instant::now();
        let (limit, bucket) = (Limit::new(2.0, 3.0).unwrap(), Bucket::default());
        let admitted = (0..10).filter(|_| bucket.admits(limit, start)).count();
        assert_eq!(admitted, 3);
        assert!(!bucket.admits(limit, start + Duration::from_millis(400)));
        assert!(bucket.admits(limit, start + Duration::from_millis(500)));
        let later = start + Duration::from_mins(1);
        assert_eq!((0..10).filter(|_| bucket.admits(limit, later)).count(), 3);
        assert!(Limit::new(-1.0, -1.0).is_none());
        assert!(Limit::new(f64::NAN, 1.0).is_none());
        assert!(!Bucket::default().admits(Limit::new(0.0, 0.0).unwrap(), later));
        let wider = Limit::new(2.0, 5.0).unwrap();
        let much_later = later + Duration::from_mins(1);
        assert_eq!((0..10).filter(|_| bucket.admits(wider, much_later)).count(), 5);
    }
}
