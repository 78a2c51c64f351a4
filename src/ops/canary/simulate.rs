//! Simulated traffic through the real guard: where the numbers of `docs/canary.md` come from.
//!
//! Time is simulated too: each invocation becomes the REPORT line and, where it failed, the EMF document
//! that a function would have logged, and the guard decides a few times a second, as it does live.

use std::f64::consts::TAU;
use std::sync::Arc;

use labdeck_lab::blueprint::Canary;
use labdeck_telemetry::emf::NAMESPACE;
use labdeck_telemetry::{Emf, EmfMetric, LogEvent, LogKind, Report};

use super::guard::{Decision, Guard, Telemetry};

/// When simulated time begins, in ms since the epoch.
const BEGUN_MS: i64 = 1_800_000_000_000;
/// How often the guard decides, in ms.
const TICK_MS: i64 = 200;

/// What one version does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behaviour {
    /// Its share of failed invocations (0.0–1.0).
    pub failing: f64,
    /// Median duration in ms; durations are log-normal.
    pub median_ms: f64,
}

/// Traffic to simulate.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// The plan of the canary.
    pub plan: Canary,
    /// Requests a second over both versions, Poisson.
    pub rate: f64,
    /// The stable version.
    pub stable: Behaviour,
    /// The canary.
    pub canary: Behaviour,
    /// Share of the time in which *both* versions fail every second request, in spells of 10 s: a
    /// database that is away is no fault of the canary.
    pub outages: f64,
    /// After how long it is given up, in seconds.
    pub longest_s: u32,
}

/// How a simulated canary ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What the guard decided last; `None` where it was still undecided when given up.
    pub end: Option<Decision>,
    /// After how many seconds.
    pub seconds: f64,
    /// Seconds from the canary's first failure to the end, where it had one.
    pub since_failure: Option<f64>,
    /// Invocations of the canary.
    pub canary_requests: u64,
}

impl Outcome {
    /// Whether the canary was taken back.
    pub fn rolled_back(&self) -> bool {
        matches!(self.end, Some(Decision::RollBack(_)))
    }
}

/// A small generator of random numbers (`SplitMix64`, public domain, by Vigna), so that a run can be
/// repeated by its seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Begins at a seed. Neighbouring seeds begin far apart: each is scrambled first, as the numbers of one
    /// generator are those of another whose state is a few steps behind.
    pub fn new(seed: u64) -> Self {
        Self(Self(seed).bits())
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0 and at most 1.
    fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    fn chance(&mut self, of: f64) -> bool {
        self.unit() <= of
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (TAU * self.unit()).cos()
    }
}

/// Runs one canary.
pub fn canary(world: &World, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let mut guard = Guard::new("simulated", world.plan.clone(), 0, BEGUN_MS);
    guard.telemetry(Telemetry::Flows);
    let mut share = world.plan.steps.first().copied().unwrap_or_default() / 100.0;
    let watch = |guard: &mut Guard, share: f64, now_ms: i64| {
        guard.watch(std::iter::once(("shop", "1", "2", share)), now_ms);
    };
    watch(&mut guard, share, BEGUN_MS);
    guard.arrived(0, BEGUN_MS);
    let mut next_s = random.exponential(1.0 / world.rate);
    let (mut requests, mut first_failure) = (0_u64, None);
    let (mut spell, mut outage) = (-1_i64, false);
    let mut number = 0_u64;
    let mut now_ms = 0_i64;
    let ended = |end, now_ms: i64, first: Option<f64>, requests| Outcome {
        end,
        seconds: now_ms as f64 / 1000.0,
        since_failure: first.map(|first| now_ms as f64 / 1000.0 - first),
        canary_requests: requests,
    };
    while now_ms < i64::from(world.longest_s) * 1000 {
        now_ms += TICK_MS;
        let mut events = Vec::new();
        while next_s * 1000.0 < now_ms as f64 {
            let spell_now = (next_s / 10.0) as i64;
            if spell_now != spell {
                spell = spell_now;
                outage = random.chance(world.outages);
            }
            let canary = random.chance(share);
            let one = if canary { world.canary } else { world.stable };
            let fails = random.chance(one.failing) || (outage && random.chance(0.5));
            requests += u64::from(canary);
            if canary && fails && first_failure.is_none() {
                first_failure = Some(next_s);
            }
            let took = one.median_ms * (0.4 * random.normal()).exp();
            number += 1;
            logged(&mut events, number, canary, fails, took, BEGUN_MS + (next_s * 1000.0) as i64);
            next_s += random.exponential(1.0 / world.rate);
        }
        guard.events(&events);
        match guard.decide(BEGUN_MS + now_ms) {
            Some(Decision::Step(step)) => {
                share = world.plan.steps.get(step).copied().unwrap_or(100.0) / 100.0;
                watch(&mut guard, share, BEGUN_MS + now_ms);
                guard.arrived(step, BEGUN_MS + now_ms);
            }
            Some(end) => return ended(Some(end), now_ms, first_failure, requests),
            None => {}
        }
    }
    ended(None, now_ms, first_failure, requests)
}

/// What an invocation logs.
fn logged(
    events: &mut Vec<LogEvent>,
    number: u64,
    canary: bool,
    fails: bool,
    took_ms: f64,
    at_ms: i64,
) {
    let version: Arc<str> = if canary { "2" } else { "1" }.into();
    let id = number.to_string();
    let event = |kind| LogEvent {
        timestamp_ms: at_ms,
        ingestion_ms: at_ms,
        group: "/aws/lambda/shop".into(),
        stream: format!("[{version}]").into(),
        function: "shop".into(),
        version: Arc::clone(&version),
        text: "".into(),
        kind,
    };
    if fails {
        let metric = EmfMetric { name: "Errors".into(), unit: "Count".into(), values: vec![1.0] };
        events.push(event(LogKind::Emf(Arc::new(Emf {
            namespace: NAMESPACE.into(),
            metrics: vec![metric],
            dimensions: Vec::new(),
            properties: vec![("requestId".to_owned(), id.clone())],
        }))));
    }
    events.push(event(LogKind::Report(Arc::new(Report {
        request_id: id,
        duration_ms: took_ms,
        billed_ms: took_ms.ceil(),
        memory_mb: 128,
        max_memory_mb: 40,
        ..Report::default()
    }))));
}
