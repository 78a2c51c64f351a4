//! Values of one second: as they came while they are few, a quantile sketch when they are many.

use std::fmt;

use sketches_ddsketch::{Config, DDSketch};

/// Values kept as they came, before a sketch takes less room.
const FEW: usize = 192;
/// Bins that a sketch may grow to: enough for 1 µs to 15 min in ms at 1 % error.
const MOST_BINS: u32 = 1152;
/// Smallest value told from zero, in ms.
const SMALLEST: f64 = 1.0e-4;

/// A sketch as every one here is made, so that they can be merged.
fn sketch() -> DDSketch {
    DDSketch::new(Config::new(0.01, MOST_BINS, SMALLEST))
}

/// Values whose quantiles are asked for.
#[derive(Clone)]
pub enum Samples {
    /// Each value.
    Few(Vec<f32>),
    /// A sketch of them, with 1 % relative error.
    Many(Box<DDSketch>),
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Few(values) => f.debug_tuple("Few").field(values).finish(),
            Self::Many(many) => write!(f, "Many({} values)", many.count()),
        }
    }
}

impl Default for Samples {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Samples {
    /// Adds a value; one that is not a finite number is left out.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        match self {
            Self::Few(values) if values.len() < FEW => values.push(value as f32),
            Self::Few(values) => {
                let mut many = sketch();
                for value in values.iter() {
                    many.add(f64::from(*value));
                }
                many.add(value);
                *self = Self::Many(Box::new(many));
            }
            Self::Many(many) => many.add(value),
        }
    }

    /// Bytes that it takes on the heap, roughly.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Few(values) => values.capacity() * size_of::<f32>(),
            Self::Many(many) => size_of::<DDSketch>() + many.length() * 8 + 512,
        }
    }
}

/// Samples of several seconds, merged.
pub struct Merged(DDSketch);

impl fmt::Debug for Merged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Merged({} values)", self.count())
    }
}

impl Default for Merged {
    fn default() -> Self {
        Self(sketch())
    }
}

impl Merged {
    /// Adds the samples of a second.
    pub fn add(&mut self, samples: &Samples) {
        match samples {
            Samples::Few(values) => {
                for value in values {
                    self.0.add(f64::from(*value));
                }
            }
            Samples::Many(many) => {
                // All sketches here have one configuration, the only thing merging can stumble on.
                let merged = self.0.merge(many);
                debug_assert!(merged.is_ok());
            }
        }
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.0.count() as u64
    }

    /// The value below which the share `q` (0 to 1) lies; `None` where there are no values.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let value = self.0.quantile(q).ok().flatten()?;
        // A sketch tells the middle of a bin, which may lie beyond what there was.
        Some(value.clamp(self.0.min()?, self.0.max()?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_whether_few_or_many_and_merged() {
        for count in [10, 150, 5000] {
            let (mut odd, mut even) = (Samples::default(), Samples::default());
            for value in 1..=count {
                let half = if value % 2 == 1 { &mut odd } else { &mut even };
                half.add(f64::from(value));
            }
            odd.add(f64::NAN);
            let mut merged = Merged::default();
            merged.add(&odd);
            merged.add(&even);
            assert_eq!(merged.count(), u64::try_from(count).unwrap());
            for q in [0.5, 0.95, 0.99] {
                let told = merged.quantile(q).unwrap();
                let right = 1.0 + q * f64::from(count - 1);
                assert!((told - right).abs() <= right * 0.011 + 1.0, "{count} {q} {told} {right}");
            }
        }
        assert_eq!(Merged::default().quantile(0.5), None);
    }
}
