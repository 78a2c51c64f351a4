//! What a burst measured: counts, quantiles, a histogram.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;
use sketches_ddsketch::{Config, DDSketch};

use super::super::exchange::BurstSummary;

/// Different errors that are kept apart.
const MOST_ERRORS: usize = 20;
/// Buckets of the histogram per factor of ten.
const PER_DECADE: i32 = 8;
/// The first bucket ends at 10^-2 ms.
const FIRST: i32 = -2 * PER_DECADE;
/// The last bucket begins at 10^5 ms, more than any answer takes.
const LAST: i32 = 5 * PER_DECADE;

/// A bucket of a histogram of latencies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// From this many ms; the first one with something in it may hold shorter ones.
    pub from_ms: f64,
    /// Up to this many ms.
    pub to_ms: f64,
    /// Answers.
    pub count: u64,
}

/// What was measured so far.
pub(super) struct Tally {
    pub(super) answered: u64,
    pub(super) failed: u64,
    statuses: BTreeMap<u16, u64>,
    errors: HashMap<String, u64>,
    millis: DDSketch,
    histogram: Vec<u64>,
}

impl Tally {
    pub(super) fn new() -> Self {
        // Relative error of 1 %, down to a microsecond.
        let millis = DDSketch::new(Config::new(0.01, 2048, 1e-3));
        let histogram = vec![0; usize::try_from(LAST - FIRST + 1).unwrap_or_default()];
        let (statuses, errors) = (BTreeMap::new(), HashMap::new());
        Self { answered: 0, failed: 0, statuses, errors, millis, histogram }
    }

    pub(super) fn answer(&mut self, status: u16, took: Duration) {
        self.answered += 1;
        *self.statuses.entry(status).or_default() += 1;
        let millis = took.as_secs_f64() * 1e3;
        self.millis.add(millis);
        if let Some(count) = self.histogram.get_mut(index(millis)) {
            *count += 1;
        }
    }

    pub(super) fn fail(&mut self, error: &str) {
        self.failed += 1;
        if self.errors.len() < MOST_ERRORS || self.errors.contains_key(error) {
            *self.errors.entry(error.to_owned()).or_default() += 1;
        } else {
            *self.errors.entry("other errors".to_owned()).or_default() += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (error, count) in &other.errors {
            *self.errors.entry(error.clone()).or_default() += count;
        }
        for (count, more) in self.histogram.iter_mut().zip(&other.histogram) {
            *count += more;
        }
        // Both have the same configuration, the only thing that can differ.
        let _ = self.millis.merge(&other.millis);
    }

    /// As it is told. `name` and `url` say of what.
    pub(super) fn summary(
        self,
        name: &str,
        url: &str,
        seconds: f64,
        stopped: Option<String>,
    ) -> BurstSummary {
        let quantile = |q: f64| self.millis.quantile(q).ok().flatten().unwrap_or_default();
        let mut errors: Vec<(String, u64)> =
            self.errors.iter().map(|(error, count)| (error.clone(), *count)).collect();
        errors.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        BurstSummary {
            request: name.to_owned(),
            url: url.to_owned(),
            answered: self.answered,
            failed: self.failed,
            seconds,
            per_second: if seconds > 0.0 { self.answered as f64 / seconds } else { 0.0 },
            p50_ms: quantile(0.50),
            p90_ms: quantile(0.90),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            max_ms: self.millis.max().unwrap_or_default(),
            histogram: buckets(&self.histogram),
            statuses: self.statuses,
            errors,
            stopped,
        }
    }
}

fn index(millis: f64) -> usize {
    let place = (millis.max(1e-9).log10() * f64::from(PER_DECADE)).floor();
    let place = place.clamp(f64::from(FIRST), f64::from(LAST)) as i32;
    usize::try_from(place - FIRST).unwrap_or_default()
}

/// The buckets from the first to the last that holds something.
fn buckets(counts: &[u64]) -> Vec<Bucket> {
    let Some(first) = counts.iter().position(|count| *count > 0) else { return Vec::new() };
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or(first);
    let edge = |index: usize| {
        let place = FIRST + i32::try_from(index).unwrap_or_default();
        10_f64.powf(f64::from(place) / f64::from(PER_DECADE))
    };
    (first..=last)
        .map(|at| Bucket { from_ms: edge(at), to_ms: edge(at + 1), count: counts[at] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_in_the_bucket_of_its_time() {
        let mut tally = Tally::new();
        for millis in [0.0001_f64, 0.5, 0.5, 1.0, 9.9, 1e9] {
            tally.answer(200, Duration::from_secs_f64(millis / 1e3));
        }
        let summary = tally.summary("a", "u", 1.0, None);
        let within = |millis: f64| {
            let of = |bucket: &&Bucket| bucket.from_ms <= millis && millis < bucket.to_ms;
            summary.histogram.iter().find(of).map(|bucket| bucket.count)
        };
        assert_eq!(summary.histogram.iter().map(|bucket| bucket.count).sum::<u64>(), 6);
        assert_eq!(summary.histogram.first().map(|bucket| bucket.count), Some(1));
        assert_eq!(summary.histogram.last().map(|bucket| bucket.count), Some(1));
        assert_eq!((within(0.5), within(1.0), within(9.9)), (Some(2), Some(1), Some(1)));
        assert!(Tally::new().summary("a", "u", 0.0, None).histogram.is_empty());
    }
}
