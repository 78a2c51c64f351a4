//! Throttling of one method of a stage: a token bucket, as API Gateway documents it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A bucket of `burst` tokens that fills at `rate` tokens per second.
#[derive(Debug)]
pub(super) struct Throttle {
    rate: f64,
    burst: f64,
    level: Mutex<(f64, Instant)>,
}

impl Throttle {
    /// A full bucket; nothing when a negative number switches the limit off.
    pub fn new(rate: f64, burst: i32, now: Instant) -> Option<Self> {
        let burst = f64::from(burst);
        (rate >= 0.0 && burst >= 0.0).then(|| Self { rate, burst, level: Mutex::new((burst, now)) })
    }

    /// Takes one token; false when there is none.
    pub fn admits(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, filled) = *level;
        let gained = now.saturating_duration_since(filled).as_secs_f64() * self.rate;
        let tokens = (tokens + gained).min(self.burst);
        let admits = tokens >= 1.0;
        *level = (if admits { tokens - 1.0 } else { tokens }, now.max(filled));
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
        let throttle = Throttle::new(2.0, 3, start).unwrap();
        let admitted = (0..10).filter(|_| throttle.admits(start)).count();
        assert_eq!(admitted, 3);
        assert!(!throttle.admits(start + Duration::from_millis(400)));
        assert!(throttle.admits(start + Duration::from_millis(500)));
        let later = start + Duration::from_mins(1);
        assert_eq!((0..10).filter(|_| throttle.admits(later)).count(), 3);
        assert!(Throttle::new(-1.0, -1, start).is_none());
        assert!(!Throttle::new(0.0, 0, start).unwrap().admits(later));
    }
}
