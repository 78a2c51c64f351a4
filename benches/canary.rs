//! What the guard of a canary makes of simulated traffic: how often it is wrong, and how soon right.
//!
//! `cargo bench --bench canary` prints the tables of `docs/canary.md`. Time is simulated; a run is
//! repeated by its seed.
#![allow(missing_docs)]

use labdeck_lab::blueprint::Canary;
use labdeck_ops::canary::Decision;
use labdeck_ops::canary::simulate::{self, Behaviour, Outcome, World};

/// Canaries of each kind.
const RUNS: u64 = 1000;
const GOOD: Behaviour = Behaviour { failing: 0.01, median_ms: 40.0 };

fn main() {
    no_difference();
    differences();
    within_seconds();
}

fn world(canary: Behaviour) -> World {
    let plan = Canary { steps: vec![10.0, 25.0, 50.0], ..Canary::default() };
    World { plan, rate: 40.0, stable: GOOD, canary, outages: 0.0, longest_s: 1800 }
}

fn run(world: &World) -> Vec<Outcome> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let work = |thread: u64| {
        let world = world.clone();
        let seeds = (0..RUNS).filter(move |seed| seed % threads == thread);
        std::thread::spawn(move || {
            seeds.map(|seed| simulate::canary(&world, seed)).collect::<Vec<_>>()
        })
    };
    let handles: Vec<_> = (0..threads).map(work).collect();
    handles.into_iter().flat_map(|handle| handle.join().unwrap_or_default()).collect()
}

fn share(outcomes: &[Outcome], of: impl Fn(&Outcome) -> bool) -> String {
    let count = outcomes.iter().filter(|one| of(one)).count();
    format!("{:.1} %", 100.0 * count as f64 / outcomes.len() as f64)
}

/// The value below which the share `q` of them lies.
fn quantile(mut values: Vec<f64>, q: f64) -> String {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 - 1.0) * q).round() as usize;
    values.get(at).map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

fn row(what: &str, world: &World) {
    let outcomes = run(world);
    let back = outcomes.iter().filter(|one| one.rolled_back());
    let seconds: Vec<f64> = back.clone().filter_map(|one| one.since_failure).collect();
    let requests: Vec<f64> = back.map(|one| one.canary_requests as f64).collect();
    println!(
        "| {what} | {} | {} | {} | {} | {} |",
        share(&outcomes, Outcome::rolled_back),
        share(&outcomes, |one| one.end == Some(Decision::Promote)),
        quantile(seconds.clone(), 0.5),
        quantile(seconds, 0.95),
        quantile(requests, 0.5),
    );
}

fn head(first: &str) {
    println!(
        "\n| {first} | rolled back | promoted | s since first failure, p50 | p95 | its requests, p50 |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
}

fn no_difference() {
    head("both alike, default plan with steps 10, 25, 50, 40 requests/s");
    row("1 % fail", &world(GOOD));
    for failing in [0.001, 0.03] {
        let alike = Behaviour { failing, ..GOOD };
        row(&format!("{} % fail", failing * 100.0), &World { stable: alike, ..world(alike) });
    }
    for failing in [0.1, 0.3] {
        let alike = Behaviour { failing, ..GOOD };
        let plan = Canary { error_limit: None, ..world(GOOD).plan };
        let world = World { stable: alike, plan, ..world(alike) };
        row(&format!("{} % fail, no limit", failing * 100.0), &world);
    }
    let plan = Canary { error_limit: None, ..world(GOOD).plan };
    let shaken = World { outages: 0.2, plan: plan.clone(), ..world(GOOD) };
    row("1 % fail, both out for a fifth of the time, no limit", &shaken);
    let sure = Canary { confidence: 90.0, ..plan };
    row("1 % fail, 90 % sure, no limit", &World { plan: sure, ..world(GOOD) });
}

fn differences() {
    head("stable 1 %, p50 40 ms; the canary");
    for failing in [0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0] {
        row(&format!("fails {} %", failing * 100.0), &world(Behaviour { failing, ..GOOD }));
    }
    for median_ms in [45.0, 50.0, 60.0, 80.0, 120.0] {
        let slower = Behaviour { median_ms, ..GOOD };
        row(&format!("takes {median_ms} ms"), &world(slower));
    }
    let better = Behaviour { failing: 0.0, ..GOOD };
    row("fails never", &world(better));
}

fn within_seconds() {
    head("the canary gets 10 requests/s, stable fails 1 %");
    for (percent, rate) in [(10.0, 100.0), (25.0, 40.0), (50.0, 20.0)] {
        for failing in [0.5, 0.1] {
            let plan = Canary { steps: vec![percent], hold_s: 300, ..Canary::default() };
            let bad = Behaviour { failing, ..GOOD };
            let world = World { plan, rate, ..world(bad) };
            row(&format!("{percent} % of {rate}/s, fails {} %", failing * 100.0), &world);
        }
    }
}
