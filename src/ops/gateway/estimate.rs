//! What a key has really used where the cloud's figure lags, and when its quota runs out.
//!
//! At every reading the cloud's figure is at most what was used by then. What this process has sent with
//! the key since then was used too. So `figure + sent since`, of whichever reading gives most, is what was
//! used at least. It is more than the newest figure only where that lags, and is marked as an estimate.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// How far back the rate of use is looked at, in ms.
const LOOK_BACK_MS: i64 = 5 * 60 * 1000;
/// A rate over less time says nothing, in ms.
const LEAST_SPAN_MS: i64 = 4_000;
/// Keys of which readings are kept.
const MOST_KEYS: usize = 1_000;

/// What is known of the use of one key under one plan.
#[derive(Debug, Default)]
struct Track {
    /// First day of the period that it is about.
    period: String,
    /// The most that a figure was above what had been sent by then; below zero where it lagged.
    ahead: i64,
    /// When, and what was used by then.
    samples: VecDeque<(i64, i64)>,
    /// The last figure.
    last: i64,
}

static TRACKS: Mutex<Option<HashMap<(String, String), Track>>> = Mutex::new(None);

/// When a quota runs out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// Requests per hour that it is made from.
    pub per_hour: f64,
    /// Whether that is the rate of the last minutes; else the average of the day.
    pub recent: bool,
    /// When nothing is left, in ms since the epoch; `None` when the quota starts anew before that.
    pub empty_ms: Option<i64>,
}

/// Takes in a reading: `figure` is the cloud's, `sent` what this process has sent so far. Gives what was
/// used at least.
pub(super) fn reading(
    (plan, key): (&str, &str),
    period: &str,
    figure: i64,
    sent: u64,
    now_ms: i64,
) -> i64 {
    let mut tracks = TRACKS.lock().unwrap_or_else(PoisonError::into_inner);
    let tracks = tracks.get_or_insert_default();
    if tracks.len() >= MOST_KEYS {
        tracks.clear();
    }
    let track = tracks.entry((plan.to_owned(), key.to_owned())).or_default();
    track.take(period, figure, sent, now_ms)
}

impl Track {
    fn take(&mut self, period: &str, figure: i64, sent: u64, now_ms: i64) -> i64 {
        let sent = i64::try_from(sent).unwrap_or(i64::MAX);
        let fresh = self.samples.is_empty() || self.period != period || figure < self.last;
        if fresh {
            *self = Self { period: period.to_owned(), ahead: figure - sent, ..Self::default() };
        }
        self.last = figure;
        self.ahead = self.ahead.max(figure - sent);
        let used = (self.ahead + sent).max(figure);
        self.samples.push_back((now_ms, used));
        while self.samples.front().is_some_and(|(at, _)| now_ms - at > LOOK_BACK_MS) {
            self.samples.pop_front();
        }
        used
    }

    /// Requests per ms over the last minutes.
    fn rate(&self) -> Option<f64> {
        let ((from, before), (to, now)) = (self.samples.front()?, self.samples.back()?);
        let span = to - from;
        (span >= LEAST_SPAN_MS).then(|| (now - before) as f64 / span as f64)
    }
}

/// When `remaining` requests are used up, `resets_ms` being when the quota starts anew. The rate is that of
/// the last minutes where it was watched, else that of the day so far.
pub(super) fn forecast(
    (plan, key): (&str, &str),
    used_today: i64,
    remaining: i64,
    (now_ms, resets_ms): (i64, i64),
) -> Option<Forecast> {
    const DAY_MS: i64 = 86_400_000;
    let watched = {
        let tracks = TRACKS.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tracks.as_ref().and_then(|all| all.get(&(plan.to_owned(), key.to_owned())));
        found.and_then(Track::rate)
    };
    let today = now_ms.rem_euclid(DAY_MS).max(60_000);
    let (per_ms, recent) = match watched {
        Some(rate) => (rate, true),
        None => (used_today as f64 / today as f64, false),
    };
    if per_ms <= 0.0 && !recent {
        return None;
    }
    let empty_ms = (per_ms > 0.0)
        .then(|| now_ms.saturating_add((remaining.max(0) as f64 / per_ms) as i64))
        .filter(|empty| *empty < resets_ms);
    Some(Forecast { per_hour: per_ms * 3_600_000.0, recent, empty_ms })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;

    #[test]
    fn a_figure_that_lags_is_made_up_for_by_what_was_sent() {
        let mut track = Track::default();
        assert_eq!(track.take("d", 100, 7, 0), 100, "the first figure is all that is known");
        assert_eq!(track.take("d", 100, 57, 1), 150, "50 more were sent, and the figure lags");
        assert_eq!(track.take("d", 130, 57, 2), 150);
        assert_eq!(track.take("d", 170, 57, 3), 170, "others sent some, too");
        assert_eq!(track.take("d", 170, 60, 4), 173);
        assert_eq!(track.take("e", 0, 60, 5), 0, "another period starts anew");
        assert_eq!(track.take("e", 0, 61, 6), 1);
    }

    #[test]
    fn a_quota_runs_out_at_the_rate_it_is_used() {
        let (plan, key) = ("forecast-plan", "k");
        let now = 10 * 86_400_000 + 3_600_000;
        let resets = 11 * 86_400_000;
        let average = forecast((plan, key), 60, 120, (now, resets)).expect("a forecast");
        assert!(!average.recent && (average.per_hour - 60.0).abs() < 0.01);
        assert_eq!(average.empty_ms, Some(now + 2 * 3_600_000));
        reading((plan, key), "d", 60, 0, now);
        reading((plan, key), "d", 70, 0, now + 10_000);
        let recent = forecast((plan, key), 70, 110, (now + 10_000, resets)).expect("a forecast");
        assert!(recent.recent);
        assert_eq!(recent.empty_ms, Some(now + 10_000 + 110_000));
        let lasts = forecast((plan, "other"), 1, 1_000_000, (now, resets)).expect("a forecast");
        assert_eq!(lasts.empty_ms, None);
        assert!(forecast((plan, "none"), 0, 5, (now, resets)).is_none());
    }
}
