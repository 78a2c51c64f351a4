//! EMF and REPORT lines tell of the same invocations: which of them counts for a window.

use super::bucket::Bucket;
use super::samples::{Merged, Samples};
use super::{Summary, What};

/// Which of the two sources tells more of a window.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    requests_from_emf: bool,
    latency_from_emf: bool,
    cold_from_emf: bool,
}

impl Source {
    /// The source for a window.
    pub fn of(buckets: &[&Bucket]) -> Self {
        let sum = |of: fn(&Bucket) -> u64| buckets.iter().map(|bucket| of(bucket)).sum::<u64>();
        let has_latency = buckets.iter().any(
            |bucket| !matches!(&bucket.emf_latency, Samples::Few(values) if values.is_empty()),
        );
        Self {
            requests_from_emf: sum(|b| b.emf_requests) > sum(|b| b.reports),
            latency_from_emf: has_latency,
            cold_from_emf: sum(|b| b.emf_cold) > sum(|b| b.report_cold),
        }
    }

    fn requests(self, bucket: &Bucket) -> u64 {
        if self.requests_from_emf { bucket.emf_requests } else { bucket.reports }
    }

    fn cold(self, bucket: &Bucket) -> u64 {
        if self.cold_from_emf { bucket.emf_cold } else { bucket.report_cold }
    }

    fn latency(self, buckets: &[&Bucket]) -> Merged {
        let mut merged = Merged::default();
        for bucket in buckets {
            merged.add(if self.latency_from_emf {
                &bucket.emf_latency
            } else {
                &bucket.report_duration
            });
        }
        merged
    }

    /// One value of a chart.
    pub fn value(self, buckets: &[&Bucket], what: What) -> f64 {
        let sum = |of: &dyn Fn(&Bucket) -> u64| buckets.iter().map(|b| of(b)).sum::<u64>() as f64;
        let quantile = |q| {
            if buckets.is_empty() {
                return 0.0;
            }
            self.latency(buckets).quantile(q).unwrap_or_default()
        };
        match what {
            What::Requests => sum(&|bucket| self.requests(bucket)),
            What::Errors => sum(&|bucket| bucket.emf_errors + bucket.report_errors),
            What::ColdStarts => sum(&|bucket| self.cold(bucket)),
            What::P50 => quantile(0.5),
            What::P95 => quantile(0.95),
            What::P99 => quantile(0.99),
            What::Memory => {
                f64::from(buckets.iter().map(|b| b.max_memory_mb).max().unwrap_or_default())
            }
        }
    }
}

/// What the buckets of a window tell, without a rate.
pub fn summarize(buckets: &[&Bucket]) -> Summary {
    let source = Source::of(buckets);
    let sum = |of: &dyn Fn(&Bucket) -> u64| buckets.iter().map(|b| of(b)).sum::<u64>();
    let requests = sum(&|bucket| source.requests(bucket));
    let errors = sum(&|bucket| bucket.emf_errors + bucket.report_errors);
    let latency = source.latency(buckets);
    Summary {
        requests,
        errors,
        cold_starts: sum(&|bucket| source.cold(bucket)),
        rate: 0.0,
        error_rate: if requests == 0 { 0.0 } else { (errors as f64 / requests as f64).min(1.0) },
        samples: latency.count(),
        p50_ms: latency.quantile(0.5),
        p95_ms: latency.quantile(0.95),
        p99_ms: latency.quantile(0.99),
        max_memory_mb: buckets.iter().map(|b| b.max_memory_mb).max().unwrap_or_default(),
        memory_mb: buckets.iter().map(|b| b.memory_mb).max().unwrap_or_default(),
    }
}
