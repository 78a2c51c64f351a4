//! What was measured in one bucket of time: the statistics, and a sketch for percentiles.

use sketches_ddsketch::{Config, DDSketch};

/// The largest magnitude of a value: 2^360 [`PutMetricData` reference].
pub(super) const LARGEST: f64 = 2.348_542_582_773_833_2e108;

/// Values of one bucket. Percentiles are within 1 % of the value; the rest is exact.
#[derive(Clone)]
pub(super) struct Distribution {
    /// How many values.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The smallest; infinite when there is none.
    pub min: f64,
    /// The largest; negative infinity when there is none.
    pub max: f64,
    /// Where the values lie; `None` once a statistic set came in that does not tell.
    sketch: Option<DDSketch>,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            count: 0.0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sketch: Some(DDSketch::new(Config::defaults())),
        }
    }
}

impl Distribution {
    /// Adds a value that was measured `count` times.
    pub(super) fn add(&mut self, value: f64, count: f64) {
        self.count += count;
        self.sum += value * count;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if let Some(sketch) = &mut self.sketch {
            // The sketch counts in whole numbers; a fraction of a value is one at least.
            sketch.add_with_count(value, count.round().max(1.0) as u64);
        }
    }

    /// Adds a statistic set. Unless it stands for equal values, percentiles are lost, as on AWS.
    pub(super) fn add_set(&mut self, count: f64, sum: f64, min: f64, max: f64) {
        if max <= min || count <= 1.0 {
            self.add(sum / count, count);
            self.min = self.min.min(min);
            self.max = self.max.max(max);
            return;
        }
        self.count += count;
        self.sum += sum;
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.sketch = None;
    }

    /// Adds everything that `other` has.
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        let both = self.sketch.take().zip(other.sketch.as_ref());
        self.sketch = both.and_then(|(mut mine, theirs)| mine.merge(theirs).ok().map(|()| mine));
    }

    /// Whether nothing was measured.
    pub(super) fn is_empty(&self) -> bool {
        self.count <= 0.0
    }

    /// A percentile, 0 to 100. `None` where it can't be told: without values, after statistic sets,
    /// and with negative values, for which AWS has no percentiles either.
    pub(super) fn percentile(&self, percent: f64) -> Option<f64> {
        if self.is_empty() || self.min < 0.0 {
            return None;
        }
        let value = self.sketch.as_ref()?.quantile((percent / 100.0).clamp(0.0, 1.0)).ok()??;
        Some(value.clamp(self.min, self.max))
    }

    /// The sketch in the bytes that the store keeps.
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        self.sketch.as_ref().map(DDSketch::to_java_bytes)
    }

    /// A distribution from the store. A sketch that can't be read costs percentiles only.
    pub(super) fn from_parts(
        count: f64,
        sum: f64,
        min: f64,
        max: f64,
        sketch: Option<&[u8]>,
    ) -> Self {
        let sketch = sketch.and_then(|bytes| DDSketch::from_java_bytes(bytes).ok());
        Self { count, sum, min, max, sketch }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    fn stored(one: &Distribution) -> Distribution {
        Distribution::from_parts(one.count, one.sum, one.min, one.max, one.to_bytes().as_deref())
    }

    #[test]
    fn percentiles_survive_the_store_and_merging() {
        let mut all = Distribution::default();
        for chunk in (1..=1000).collect::<Vec<i32>>().chunks(10) {
            let mut part = Distribution::default();
            for value in chunk {
                part.add(f64::from(*value), 1.0);
            }
            all = stored(&all);
            all.merge(&stored(&part));
        }
        assert_eq!((all.count, all.min, all.max, all.sum), (1000.0, 1.0, 1000.0, 500_500.0));
        for (percent, exact) in [(50.0, 500.0), (90.0, 900.0), (99.0, 990.0), (99.9, 999.0)] {
            let found = all.percentile(percent).unwrap();
            assert!((found - exact).abs() <= exact * 0.015, "p{percent}: {found}");
        }
        all.merge(&{
            let mut set = Distribution::default();
            set.add_set(3.0, 30.0, 5.0, 20.0);
            set
        });
        assert_eq!(all.percentile(50.0), None);
        assert_eq!(all.count, 1003.0);
    }

    #[test]
    fn the_largest_values_and_counts_do_no_harm() {
        let mut one = Distribution::default();
        for value in [LARGEST, -LARGEST, 0.0, 1e-300] {
            one.add(value, 1e18);
        }
        let one = stored(&one);
        assert_eq!(one.max, LARGEST);
        assert_eq!(one.percentile(50.0), None);
    }
}
