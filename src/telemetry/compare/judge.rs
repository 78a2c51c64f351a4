//! Takes log events in and says what they tell of the canary.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::evidence::{Allocation, Limit};
use super::pairing::Pairing;
use super::side::Side;
use super::{Assessment, Terms, Verdict};
use crate::event::{LogEvent, LogKind, Report};

/// Warm invocations of the stable version before it is said what is slow.
const FIRST_SAMPLES: u64 = 30;
/// What is slow is settled anew after so many more of them.
const EVERY_SAMPLES: u64 = 32;
/// A difference in duration that is never called slow, in ms.
const NOISE_MS: f64 = 10.0;
/// *Same* is said of durations once the canary's share of slow ones is at most this much above the
/// stable version's.
const SLOW_TOLERANCE: f64 = 0.10;
/// How long weights that were replaced may still be in effect, in ms: Lambda shifts traffic within
/// seconds, and promises nothing.
const SHIFTING_MS: i64 = 60_000;
/// How far the clocks of this machine and of the functions' may differ, in ms.
const CLOCKS_MS: i64 = 5_000;
/// A function with a smaller part of the busiest one's invocations is not waited for.
const IDLE: f64 = 0.1;

/// A function whose versions are compared.
#[derive(Debug, Clone)]
struct Watched {
    sides: [Side; 2],
    /// Since when it is watched, in ms since the epoch.
    begun_ms: i64,
    /// The canary's share of the traffic from a time on (ms since the epoch), oldest first; none of it
    /// in the beginning.
    shares: Vec<(i64, f64)>,
    pairing: Pairing,
    errors: Allocation,
    fewer_errors: Allocation,
    slow: Allocation,
    less_slow: Allocation,
    limit: Option<Limit>,
    /// What is slow, in ms, and after how many warm invocations of the stable version it is settled
    /// anew.
    slow_ms: Option<f64>,
    settle_at: u64,
    /// Invocations of both sides since the share was last changed, the canary's of them.
    since_shift: (u64, u64),
}

/// Compares the versions of a lab's functions.
#[derive(Debug, Clone)]
pub struct Judge {
    terms: Terms,
    functions: BTreeMap<Arc<str>, Watched>,
}

impl Judge {
    /// Compares by these terms; nothing is watched yet.
    pub fn new(terms: Terms) -> Self {
        Self { terms, functions: BTreeMap::new() }
    }

    /// By which terms it compares.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Watches `canary` beside `stable`, with this share of the function's traffic (0.0–1.0) from
    /// `at_ms` (ms since the epoch) on. What is known is kept while the versions stay.
    pub fn watch(&mut self, function: &str, stable: &str, canary: &str, share: f64, at_ms: i64) {
        let known = self.functions.get_mut(function);
        if let Some(watched) = known
            && *watched.sides[0].version == *stable
            && *watched.sides[1].version == *canary
        {
            let last = watched.shares.last().map(|(_, share)| *share);
            if last.is_none_or(|last| (last - share).abs() > 1e-9) {
                watched.shares.push((at_ms, share));
                watched.since_shift = (0, 0);
            }
            return;
        }
        let watched = Watched {
            sides: [Side::new(stable), Side::new(canary)],
            begun_ms: at_ms,
            shares: vec![(i64::MIN, 0.0), (at_ms, share)],
            pairing: Pairing::default(),
            errors: Allocation::default(),
            fewer_errors: Allocation::default(),
            slow: Allocation::default(),
            less_slow: Allocation::default(),
            limit: self.terms.error_limit.map(Limit::new),
            slow_ms: None,
            settle_at: FIRST_SAMPLES,
            since_shift: (0, 0),
        };
        self.functions.insert(function.into(), watched);
    }

    /// Whether nothing is watched.
    pub fn is_idle(&self) -> bool {
        self.functions.is_empty()
    }

    /// Takes an event in; whether it told of an invocation that is compared.
    ///
    /// What happened before its function was watched, or in another version, is left out.
    pub fn ingest(&mut self, event: &LogEvent) -> bool {
        let Some(watched) = self.functions.get_mut(&*event.function) else { return false };
        let Some(side) = watched.sides.iter().position(|side| side.version == event.version) else {
            return false;
        };
        if event.timestamp_ms < watched.begun_ms - CLOCKS_MS {
            return false;
        }
        match &event.kind {
            LogKind::Emf(emf) => {
                if watched.pairing.document(emf, &event.stream) {
                    watched.mended(side, event.timestamp_ms);
                    return true;
                }
                false
            }
            LogKind::Report(report) => {
                let failed = report.status.is_some();
                let failed = watched.pairing.report(&report.request_id, &event.stream, failed);
                watched.ended(side, report, failed, event.timestamp_ms, self.terms.slowdown);
                true
            }
            _ => false,
        }
    }

    /// What is said of each function's canary, in the order of their names.
    pub fn assess(&self) -> Vec<Assessment> {
        let alpha = self.alpha();
        self.functions
            .iter()
            .map(|(name, watched)| watched.assess(name, &self.terms, alpha))
            .collect()
    }

    /// The first canary that is worse: its function, its version, and why. Quicker than
    /// [`Judge::assess`].
    pub fn worse(&self) -> Option<(Arc<str>, Arc<str>, String)> {
        let alpha = self.alpha();
        self.functions.iter().find_map(|(name, watched)| {
            let reason = watched.worse(&self.terms, alpha)?;
            Some((Arc::clone(name), Arc::clone(&watched.sides[1].version), reason))
        })
    }

    /// The part of the doubt that each test may use up: there are three for each function.
    fn alpha(&self) -> f64 {
        let tests = 3 * self.functions.len().max(1);
        (1.0 - self.terms.confidence).max(f64::EPSILON) / tests as f64
    }
}

/// What is said of a lab's canary: the worst verdict of its functions. One with little of the traffic is
/// not waited for.
pub fn overall(assessments: &[Assessment]) -> Verdict {
    let all = |one: &Assessment| one.stable.requests + one.canary.requests;
    let busiest = assessments.iter().map(all).max().unwrap_or_default();
    let counts = |one: &&Assessment| {
        one.verdict == Verdict::Worse || all(one) as f64 >= IDLE * busiest.max(1) as f64
    };
    let verdicts = assessments.iter().filter(counts).map(|one| one.verdict);
    verdicts.max().unwrap_or(Verdict::TooLittleData)
}

impl Watched {
    /// Highest and lowest share that the canary may have had for an invocation that ended at `at_ms`.
    ///
    /// What the invocations themselves show counts too: a canary that is called past the alias has more
    /// than its weight.
    fn share(&self, at_ms: i64) -> (f64, f64) {
        let (mut high, mut low) = (0.0_f64, 1.0_f64);
        for (index, (from, share)) in self.shares.iter().enumerate() {
            let until = self.shares.get(index + 1).map_or(i64::MAX, |(next, _)| next + SHIFTING_MS);
            if from.saturating_sub(CLOCKS_MS) <= at_ms && at_ms <= until {
                high = high.max(*share);
                low = low.min(*share);
            }
        }
        let (all, canary) = self.since_shift;
        if all >= 50 {
            let seen = canary as f64 / all as f64;
            let spread = 4.0 * (seen * (1.0 - seen) / all as f64).sqrt();
            if seen - spread > high {
                high = seen + spread;
            }
            if seen + spread < low {
                low = seen - spread;
            }
        }
        (high.clamp(0.0, 1.0), low.clamp(0.0, 1.0))
    }

    fn failure(&mut self, side: usize, at_ms: i64) {
        let (high, low) = self.share(at_ms);
        self.errors.failure(side == 1, high);
        self.fewer_errors.failure(side == 0, 1.0 - low);
    }

    /// An invocation that was counted as a success was none.
    fn mended(&mut self, side: usize, at_ms: i64) {
        self.failure(side, at_ms);
        self.sides[side].errors.counted += 1;
        if let Some(limit) = self.limit.as_mut().filter(|_| side == 1) {
            limit.take(true);
        }
    }

    /// An invocation ended.
    fn ended(&mut self, side: usize, report: &Report, failed: bool, at_ms: i64, slowdown: f64) {
        self.since_shift.0 += 1;
        self.since_shift.1 += u64::from(side == 1);
        if failed {
            self.failure(side, at_ms);
        }
        if let Some(limit) = self.limit.as_mut().filter(|_| side == 1) {
            limit.take(failed);
        }
        let one = &mut self.sides[side];
        one.errors.take(failed);
        one.max_memory_mb = one.max_memory_mb.max(report.max_memory_mb);
        if report.init_ms.is_some() {
            one.cold_starts += 1;
            return;
        }
        // What is slow was settled before this one came.
        if let Some(slow_ms) = self.slow_ms {
            let slow = report.duration_ms > slow_ms;
            one.slow.take(slow);
            if slow {
                let (high, low) = self.share(at_ms);
                self.slow.failure(side == 1, high);
                self.less_slow.failure(side == 0, 1.0 - low);
            }
        }
        let one = &mut self.sides[side];
        one.warm.add(report.duration_ms);
        one.warm_count += 1;
        let stable = &self.sides[0];
        if side == 0 && stable.warm_count >= self.settle_at {
            self.settle_at = stable.warm_count + EVERY_SAMPLES;
            self.slow_ms = stable.p95().map(|p95| (p95 * slowdown).max(p95 + NOISE_MS));
        }
    }

    fn assess(&self, name: &Arc<str>, terms: &Terms, alpha: f64) -> Assessment {
        let (verdict, reason) = self.decide(terms, alpha);
        let [stable, canary] = &self.sides;
        Assessment {
            function: Arc::clone(name),
            stable: stable.view(),
            canary: canary.view(),
            verdict,
            reason,
        }
    }

    /// How many failed on either side.
    fn failed(&self) -> String {
        let [stable, canary] = &self.sides;
        format!(
            "{} of {} failed, {} of {} in v{}",
            canary.errors.counted,
            canary.errors.all,
            stable.errors.counted,
            stable.errors.all,
            stable.version
        )
    }

    /// How many were slow on either side.
    fn took_long(&self) -> String {
        let [stable, canary] = &self.sides;
        format!(
            "{} of {} took over {:.0} ms, {} of {} in v{}",
            canary.slow.counted,
            canary.slow.all,
            self.slow_ms.unwrap_or_default(),
            stable.slow.counted,
            stable.slow.all,
            stable.version
        )
    }

    /// Why the canary is worse, where it is.
    fn worse(&self, terms: &Terms, alpha: f64) -> Option<String> {
        let enough = -alpha.ln();
        if self.errors.log() >= enough {
            return Some(self.failed());
        }
        if let (Some(limit), Some(share)) = (&self.limit, terms.error_limit)
            && limit.log() >= enough
        {
            let share = (share * 1000.0).round() / 10.0;
            return Some(format!("{}; the limit is {share}%", self.failed()));
        }
        (self.slow.log() >= enough).then(|| self.took_long())
    }

    fn decide(&self, terms: &Terms, alpha: f64) -> (Verdict, String) {
        let [stable, canary] = &self.sides;
        let enough = -alpha.ln();
        if let Some(reason) = self.worse(terms, alpha) {
            return (Verdict::Worse, reason);
        }
        let (_, most) = canary.errors.at(alpha);
        let (least, _) = stable.errors.at(alpha);
        let (_, most_slow) = canary.slow.at(alpha);
        let (least_slow, _) = stable.slow.at(alpha);
        let room = terms.tolerance - (most - least);
        let known = room >= 0.0 && most_slow - least_slow <= SLOW_TOLERANCE;
        if !known {
            let wanted = wanted(canary.errors.all.max(1), most - least, terms.tolerance);
            let reason = if canary.errors.all == 0 {
                format!("v{} had no invocation yet", canary.version)
            } else if room >= 0.0 {
                format!("{}; how slow it is can't be told yet", self.failed())
            } else {
                format!("{}; about {wanted} more are needed", self.failed())
            };
            return (Verdict::TooLittleData, reason);
        }
        if self.fewer_errors.log() >= enough {
            return (Verdict::Better, self.failed());
        }
        if self.less_slow.log() >= enough {
            return (Verdict::Better, self.took_long());
        }
        (Verdict::Same, self.failed())
    }
}

/// About how many more invocations narrow bounds of this width to the wanted one.
fn wanted(all: u64, width: f64, tolerance: f64) -> u64 {
    let factor = (width / tolerance).clamp(1.0, 1000.0);
    let more = (all as f64 * (factor - 1.0)).ceil() as u64;
    // Rounded to what a person would say.
    let step = 10_u64.pow(more.max(1).ilog10());
    more.div_ceil(step).max(1) * step
}
