//! Evidence that may be looked at after every request.
//!
//! Each of these is a *test martingale* (an e-process): a number that begins at 1 and, as long as its
//! hypothesis holds, is worth no more on average whatever came before. By Ville's inequality it ever
//! reaches 1/α with a probability of at most α, however often it is looked at and whenever one stops.
//! That is what a test with a fixed number of samples does not offer: looked at again and again, it
//! finds a difference where there is none sooner or later.
//!
//! * [`Allocation`] asks whether failures fall on the canary more often than its share of the traffic.
//!   Lambda routes every request by the alias's weights alone ("Lambda function aliases"), so while the
//!   canary is no worse, each failure, however common failures are at that moment, is the canary's
//!   with the probability of its share. Nothing is assumed of how failures come.
//! * [`Limit`] asks whether a proportion is above a given one.
//! * [`Bounds`] is a confidence sequence: bounds of a proportion that hold at all times at once.
//!
//! Sources: Ville 1939; Robbins 1970 (mixtures); Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic
//! statistics and safe anytime-valid inference", 2023 (<https://arxiv.org/abs/2210.01948>).

use libm::lgamma;

/// How much worse the canary may be, as a factor of the odds: what is bet on, in equal parts.
const WORSE: [f64; 6] = [1.5, 2.0, 3.0, 6.0, 20.0, 1000.0];

/// The mean of what the parts of a mixture are worth, as a logarithm.
fn mixed(parts: &[f64]) -> f64 {
    let highest = parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = parts.iter().map(|part| (part - highest).exp()).sum();
    highest + (sum / parts.len() as f64).ln()
}

/// Which side of a split the failures fall on.
#[derive(Debug, Clone, Default)]
pub struct Allocation {
    parts: [f64; WORSE.len()],
}

impl Allocation {
    /// Takes a failure in: whether it is the `suspect`'s, whose part of the traffic is at most `share`
    /// (0.0–1.0).
    ///
    /// A share that is too high makes the evidence weaker, never false.
    pub fn failure(&mut self, suspect: bool, share: f64) {
        let share = share.clamp(0.0, 1.0);
        for (part, odds) in self.parts.iter_mut().zip(WORSE) {
            let factor = if suspect { odds } else { 1.0 };
            *part += (factor / (1.0 - share + share * odds)).ln();
        }
    }

    /// The natural logarithm of what the evidence against "the suspect fails no more often" is worth.
    pub fn log(&self) -> f64 {
        mixed(&self.parts)
    }
}

/// Whether a proportion is above a limit.
#[derive(Debug, Clone)]
pub struct Limit {
    highest: f64,
    /// The proportions that are bet on.
    bets: Vec<f64>,
    parts: Vec<f64>,
}

impl Limit {
    /// Against "the proportion is at most `limit`" (0.0 to below 1.0).
    pub fn new(limit: f64) -> Self {
        // Zero would make the first failure prove everything.
        let limit = limit.clamp(1e-6, 0.999_999);
        let bets: Vec<f64> = [0.03, 0.1, 0.3, 0.6, 0.9]
            .iter()
            .map(|part| limit + (1.0 - limit) * part)
            .chain([(limit * 2.0).min(limit + (1.0 - limit) * 0.5)])
            .collect();
        Self { highest: limit, parts: vec![0.0; bets.len()], bets }
    }

    /// Takes one of the sample in: whether it counts.
    pub fn take(&mut self, counts: bool) {
        for (part, bet) in self.parts.iter_mut().zip(&self.bets) {
            let factor =
                if counts { bet / self.highest } else { (1.0 - bet) / (1.0 - self.highest) };
            *part += factor.ln();
        }
    }

    /// The natural logarithm of what the evidence is worth.
    pub fn log(&self) -> f64 {
        mixed(&self.parts)
    }
}

/// How many of a sample counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Size of the sample.
    pub all: u64,
    /// How many of it counted.
    pub counted: u64,
}

impl Bounds {
    /// Takes one of the sample in.
    pub fn take(&mut self, counts: bool) {
        self.all += 1;
        self.counted += u64::from(counts);
    }

    /// The proportion in the sample; 0 for an empty one.
    pub fn proportion(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.counted as f64 / self.all as f64 }
    }

    /// Lowest and highest proportion that this sample does not rule out, at all times at once with a
    /// probability of at least 1 − `alpha`.
    pub fn at(self, alpha: f64) -> (f64, f64) {
        if self.all == 0 {
            return (0.0, 1.0);
        }
        let limit = -alpha.ln();
        let sample = self.proportion();
        let outside = |proportion: f64| self.log_against(proportion) >= limit;
        let border = |mut inside: f64, mut out: f64| {
            if !outside(out) {
                return out;
            }
            for _ in 0..50 {
                let middle = f64::midpoint(inside, out);
                if outside(middle) { out = middle } else { inside = middle }
            }
            out
        };
        (border(sample, 0.0), border(sample, 1.0))
    }

    /// What the sample is worth against this proportion: the mixture over all others, weighted by
    /// Beta(½, ½).
    fn log_against(self, proportion: f64) -> f64 {
        let (hits, misses) = (self.counted as f64, (self.all - self.counted) as f64);
        let beta = |a: f64, b: f64| lgamma(a) + lgamma(b) - lgamma(a + b);
        let power = |base: f64, times: f64| if times == 0.0 { 0.0 } else { times * base.ln() };
        beta(0.5 + hits, 0.5 + misses)
            - beta(0.5, 0.5)
            - power(proportion, hits)
            - power(1.0 - proportion, misses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_by_share_are_no_evidence_and_failures_of_the_canary_alone_are() {
        let mut fair = Allocation::default();
        for at in 0..1000 {
            fair.failure(at % 10 == 0, 0.1);
        }
        assert!(fair.log() < 0.0, "{}", fair.log());
        let mut bad = Allocation::default();
        for _ in 0..4 {
            bad.failure(true, 0.1);
        }
        assert!(bad.log() > 300_f64.ln(), "four of four at a tenth: {}", bad.log());
    }

    #[test]
    fn a_limit_is_broken_by_what_is_above_it() {
        let mut kept = Limit::new(0.1);
        let mut broken = Limit::new(0.1);
        for at in 0..300 {
            kept.take(at % 20 == 0);
            broken.take(at % 2 == 0);
        }
        assert!(kept.log() < 0.0);
        assert!(broken.log() > 50.0);
        // A whole share and none at all are limits too.
        for limit in [0.0, 1.0] {
            let mut one = Limit::new(limit);
            one.take(true);
            assert!(one.log().is_finite());
        }
    }

    #[test]
    fn bounds_close_in_on_the_proportion() {
        let mut bounds = Bounds::default();
        assert_eq!(bounds.at(0.01), (0.0, 1.0));
        let mut width = 1.0;
        for at in 1..=4000_u32 {
            bounds.take(at.is_multiple_of(10));
            if at.is_power_of_two() && at >= 64 {
                let (low, high) = bounds.at(0.01);
                assert!(low <= 0.1 && 0.1 <= high, "{low} {high} after {at}");
                assert!(high - low < width);
                width = high - low;
            }
        }
        assert!(width < 0.1);
        let none = Bounds { all: 200, counted: 0 };
        let (low, high) = none.at(0.01);
        assert!(low == 0.0 && high < 0.05, "{high}");
    }

    #[test]
    fn lgamma_knows_factorials() {
        assert!((lgamma(5.0) - 24_f64.ln()).abs() < 1e-9);
        assert!((lgamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-9);
    }
}
