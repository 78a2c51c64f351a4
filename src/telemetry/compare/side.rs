//! One of the two versions: what its invocations came to.

use std::sync::Arc;

use super::evidence::Bounds;
use crate::metrics::samples::{Merged, Samples};

/// What one version did, as it is shown.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SideView {
    /// The version's number.
    pub version: Arc<str>,
    /// Invocations.
    pub requests: u64,
    /// Failed ones.
    pub errors: u64,
    /// Failed ones as a share of the invocations (0.0–1.0).
    pub error_rate: f64,
    /// Median duration of warm invocations, in ms.
    pub p50_ms: Option<f64>,
    /// 95th percentile, in ms.
    pub p95_ms: Option<f64>,
    /// 99th percentile, in ms.
    pub p99_ms: Option<f64>,
    /// Warm invocations that were slow, of those that could be judged.
    pub slow: u64,
    /// Cold starts.
    pub cold_starts: u64,
    /// Most memory used, in MB.
    pub max_memory_mb: u32,
}

/// What one version did.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub version: Arc<str>,
    pub errors: Bounds,
    pub slow: Bounds,
    pub warm: Samples,
    pub warm_count: u64,
    pub cold_starts: u64,
    pub max_memory_mb: u32,
}

impl Side {
    pub(super) fn new(version: &str) -> Self {
        Self {
            version: version.into(),
            errors: Bounds::default(),
            slow: Bounds::default(),
            warm: Samples::default(),
            warm_count: 0,
            cold_starts: 0,
            max_memory_mb: 0,
        }
    }

    fn merged(&self) -> Merged {
        let mut merged = Merged::default();
        merged.add(&self.warm);
        merged
    }

    /// The 95th percentile of warm invocations, in ms.
    pub(super) fn p95(&self) -> Option<f64> {
        self.merged().quantile(0.95)
    }

    pub(super) fn view(&self) -> SideView {
        let merged = self.merged();
        SideView {
            version: Arc::clone(&self.version),
            requests: self.errors.all,
            errors: self.errors.counted,
            error_rate: self.errors.proportion(),
            p50_ms: merged.quantile(0.5),
            p95_ms: merged.quantile(0.95),
            p99_ms: merged.quantile(0.99),
            slow: self.slow.counted,
            cold_starts: self.cold_starts,
            max_memory_mb: self.max_memory_mb,
        }
    }
}
