//! What one function version did in one second.

use super::samples::Samples;

/// A metric's values in one second.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The highest.
    pub max: f64,
    /// Their quantiles.
    pub samples: Samples,
}

impl Values {
    /// Adds one value.
    pub fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.max = if self.count == 0 { value } else { self.max.max(value) };
            self.count += 1;
            self.sum += value;
            self.samples.add(value);
        }
    }
}

/// One second. What the handler itself measured (EMF) and what Lambda reported are kept apart:
/// both tell of the same invocations.
#[derive(Debug, Clone, Default)]
pub struct Bucket {
    /// The second, since the epoch.
    pub second: i64,
    /// `Requests` of EMF.
    pub emf_requests: u64,
    /// `Errors` of EMF.
    pub emf_errors: u64,
    /// `ColdStart` of EMF.
    pub emf_cold: u64,
    /// `Latency` of EMF, in ms.
    pub emf_latency: Samples,
    /// REPORT lines.
    pub reports: u64,
    /// REPORT lines with a status: the invocation failed or timed out.
    pub report_errors: u64,
    /// REPORT lines with an Init Duration.
    pub report_cold: u64,
    /// Durations of the REPORT lines, in ms.
    pub report_duration: Samples,
    /// Most memory used, in MB.
    pub max_memory_mb: u32,
    /// Memory size, in MB.
    pub memory_mb: u32,
    /// Further metrics, by their number in the store.
    pub others: Vec<(u16, Values)>,
}

impl Bucket {
    /// Bytes it takes, roughly.
    pub fn bytes(&self) -> usize {
        let others: usize = self
            .others
            .iter()
            .map(|(_, values)| size_of::<(u16, Values)>() + values.samples.bytes())
            .sum();
        size_of::<Self>() + self.emf_latency.bytes() + self.report_duration.bytes() + others
    }

    /// The values of a further metric.
    pub fn other(&mut self, number: u16) -> &mut Values {
        let known = self.others.iter().position(|(known, _)| *known == number);
        let at = known.unwrap_or_else(|| {
            self.others.push((number, Values::default()));
            self.others.len() - 1
        });
        &mut self.others[at].1
    }
}
