//! What operating a release takes, beside what others take for the same, on the same machine in the same
//! run: `R` to alias moved beside the AWS CLI's `update-alias`, a burst from the console beside `oha`, and
//! real canaries from their first failure to their rollback.
//!
//! `cargo bench --bench operate` (add `-- rollback burst canary` to run only the parts named so).
//! `AWS` names the AWS CLI and `OHA` oha where they are not on the path; without them their rows are
//! left out, and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod measure;
#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use measure::{millis, quantile, row, seconds};
use serde_json::Value;
use support::console::{Console, shows_line};
use support::{Checkout, OpenCloud, Sandbox, endpoint};

/// The round trip of the rollback, in ms.
const ROUND_TRIP: u64 = 50;
/// How often `R` is pressed.
const ROLLBACKS: usize = 20;
/// Requests of a burst, and how many at once.
const BURST: (usize, usize) = (30_000, 16);
/// Bursts of each, in turn.
const ROUNDS: usize = 3;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let on = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    println!("{:<60} {:>12} {:>12}", "what", "measured", "asked for");
    if on("rollback") {
        rollback();
    }
    if on("burst") {
        burst();
    }
    if on("canary") {
        canary("half of its requests fail", "2", "4 s");
        canary("one request in ten fails", "10", "20 s");
    }
}

/// A program that may be there, and answers to `--version`.
fn program(variable: &str, usual: &str) -> Option<String> {
    let name = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let mut command = Command::new(&name);
    let command = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success()).then_some(name)
}

fn rollback() {
    let sandbox = Sandbox::new();
    let cloud = OpenCloud::start(&sandbox, &["--rtt", &ROUND_TRIP.to_string()]);
    let checkout = Checkout::new();
    let labs = ["--labs".to_owned(), checkout.labs()];
    let run = |args: &[&str]| {
        let labs: Vec<&str> = labs.iter().map(String::as_str).collect();
        sandbox.run(&[args, &labs].concat()).success()
    };
    run(&["deploy", "greet", "--yes"]);
    checkout.edit("handlers/greet/lab.toml", "GREETING = \"Hello\"", "GREETING = \"Good day\"");
    run(&["deploy", "greet", "--yes"]);
    run(&["release", "greet", "publish"]);
    run(&["release", "greet", "promote"]);
    let mut console = Console::open(&sandbox, 120, 40, &["--lab", "greet", &labs[0], &labs[1]]);
    console.shows("● tail live").keys("3");
    shows_line(&mut console, &["prod", "v2"]);
    let mut times = Vec::new();
    for _ in 0..ROLLBACKS {
        console.until("prod is at v2", |screen| at(screen, "v2"));
        let begun = Instant::now();
        console.keys("R").shows("rollback: ");
        times.push(begun.elapsed());
        console.until("prod is at v1", |screen| at(screen, "v1"));
        console.keys("u").shows("undo: ");
    }
    times.sort();
    let what = format!("R to alias moved and shown, {ROUND_TRIP} ms away, p50");
    row(&what, millis(quantile(&times, 0.5)), "55 ms");
    row("    slowest", millis(*times.last().unwrap()), "-");
    // What the call itself took, as the audit has it.
    let audit = sandbox.run(&["audit", "greet", "--operation", "UpdateAlias", "--json"]).success();
    let mut calls: Vec<Duration> = audit
        .stdout()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|entry| entry["millis"].as_f64())
        .map(|ms| Duration::from_secs_f64(ms / 1000.0))
        .collect();
    calls.sort();
    row("    the UpdateAlias calls alone, p50", millis(quantile(&calls, 0.5)), "-");
    console.keys("q").ends();
    let Some(aws) = program("AWS", "aws") else {
        row("aws lambda update-alias", "no aws", "-");
        return;
    };
    let mut times = Vec::new();
    for version in ["1", "2"].iter().cycle().take(ROLLBACKS) {
        let mut command = Command::new(&aws);
        command.args(["lambda", "update-alias", "--function-name", "greet-stateless"]);
        command.args(["--name", "prod", "--function-version", version]);
        command.args(["--endpoint-url", &cloud.endpoint, "--region", "us-east-1"]);
        for (name, value) in sandbox.environment() {
            command.env(name, value);
        }
        command.env("AWS_ACCESS_KEY_ID", "any").env("AWS_SECRET_ACCESS_KEY", "any");
        let begun = Instant::now();
        assert!(command.stdout(Stdio::null()).status().unwrap().success());
        times.push(begun.elapsed());
    }
    times.sort();
    row("aws lambda update-alias of one function, p50", millis(quantile(&times, 0.5)), "-");
}

/// Whether `prod` of the first function is at a version, on the Release screen.
fn at(screen: &vt100::Screen, version: &str) -> bool {
    let text = screen.contents();
    text.lines().any(|line| {
        line.split_once("prod").is_some_and(|(_, rest)| rest.trim_start().starts_with(version))
    })
}

fn burst() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "greet"]);
    let url = format!("{}/greet", endpoint(&summary, "greet-stateless", "dev"));
    let (count, at_once) = BURST;
    let oha = program("OHA", "oha");
    let (mut ours, mut theirs, mut headless, mut frames) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut console = Console::open(&sandbox, 160, 44, &["--lab", "greet"]);
    console.shows("● tail live").keys("5").shows("┌ requests");
    // Both find the functions warm.
    headless_burst(&sandbox, 2_000, at_once);
    for _ in 0..ROUNDS {
        ours.push(console_burst(&mut console, count, at_once, &mut frames));
        if let Some(oha) = &oha {
            theirs.push(oha_burst(oha, &url, count, at_once));
        }
        headless.push(headless_burst(&sandbox, count, at_once));
    }
    console.keys("q").ends();
    let best = |all: &[f64]| all.iter().copied().fold(0.0, f64::max);
    let what = format!("burst of {count}, {at_once} at once, from the console");
    row(&what, format!("{:.0}/s", best(&ours)), "-");
    row("    the same without the console", format!("{:.0}/s", best(&headless)), "-");
    if theirs.is_empty() {
        row("    oha", "no oha", "-");
    } else {
        row("    oha", format!("{:.0}/s", best(&theirs)), "-");
        row("    console beside oha", format!("{:.2}", best(&ours) / best(&theirs)), "0.80");
    }
    frames.sort();
    row("    key to frame meanwhile, p50", millis(quantile(&frames, 0.5)), "-");
    row("    key to frame meanwhile, p99", millis(quantile(&frames, 0.99)), "16 ms");
}

/// Sends a burst from the console, and presses keys meanwhile; gives its answers a second.
fn console_burst(
    console: &mut Console,
    count: usize,
    at_once: usize,
    frames: &mut Vec<Duration>,
) -> f64 {
    console.keys("b").shows("┌ burst").keys("\x15").keys(&format!("{count}x{at_once}\r"));
    console.shows("stops it");
    while console.text().contains("stops it") {
        for (key, visible) in [("?", true), ("\x1b", false)] {
            let begun = Instant::now();
            console.keys(key);
            console.until("the help follows the key", |screen| {
                screen.contents().contains("┌ keys on") == visible
            });
            frames.push(begun.elapsed());
        }
        // Drawing for the keys, and reading it here, takes what the burst would have.
        std::thread::sleep(Duration::from_millis(250));
    }
    shows_line(console, &["answered", &count.to_string()]);
    let text = console.text();
    let line = text.lines().find(|line| line.contains("│rate ")).unwrap();
    let rate = line.split("rate").nth(1).unwrap().split("/s").next().unwrap();
    rate.trim().parse().unwrap_or_else(|_| panic!("{line}"))
}

fn headless_burst(sandbox: &Sandbox, count: usize, at_once: usize) -> f64 {
    let (count, at_once) = (count.to_string(), at_once.to_string());
    let args = ["request", "greet", "hello", "--stage", "dev", "-n", &count, "-c", &at_once];
    sandbox.json(&args)["per_second"].as_f64().unwrap()
}

fn oha_burst(oha: &str, url: &str, count: usize, at_once: usize) -> f64 {
    let mut command = Command::new(oha);
    command.args(["-n", &count.to_string(), "-c", &at_once.to_string(), "--no-tui"]);
    let output = command.args(["--output-format", "json", url]).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    told["summary"]["requestsPerSec"].as_f64().unwrap()
}

/// A canary that gets ten requests a second, and fails one in `every` of them.
fn canary(what: &str, every: &str, asked: &str) {
    let sandbox = Sandbox::new();
    let checkout = Checkout::new();
    let labs = checkout.labs();
    let run = |args: &[&str]| sandbox.run(&[args, &["--labs", &labs]].concat());
    run(&["deploy", "greet", "--yes"]).success();
    checkout.edit(
        "handlers/greet/src/stateful.rs",
        "    call.property(\"userId\", user.as_str());\n",
        &format!(
            "    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);\n    \
             if now.is_ok_and(|now| now.subsec_micros() % {every} == 0) {{\n        \
             return Reply::message(StatusCode::INTERNAL_SERVER_ERROR, \"on purpose\");\n    }}\n"
        ),
    );
    run(&["deploy", "greet", "--yes"]).success();
    run(&["release", "greet", "publish"]).success();
    let begun = ["release", "greet", "canary", "--json", "--steps", "50", "--hold", "10m"];
    let finished = run(&[&begun[..], &["--traffic", "visit@20"]].concat()).exits(1);
    let last = finished.stdout();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(last["end"], "rolled-back", "{last}");
    let first_failure = first_failure(&sandbox, &labs);
    let moved = moved_back(&sandbox);
    let took = Duration::from_millis(u64::try_from(moved - first_failure).unwrap_or(0));
    row(&format!("canary at 10/s: {what}"), seconds(took), asked);
}

/// When the canary failed first, in ms since the epoch: the first document of version 2 that counts an
/// error.
fn first_failure(sandbox: &Sandbox, labs: &str) -> i64 {
    let args =
        ["logs", "greet", "--since", "15m", "--json", "--filter", "version:2", "--labs", labs];
    let lines = sandbox.run(&args).success().stdout();
    let failed = |line: &&Value| {
        let document: Value =
            serde_json::from_str(line["text"].as_str().unwrap_or_default()).unwrap_or_default();
        document["Errors"] == 1.0
    };
    let all: Vec<Value> =
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let first = all.iter().find(failed).expect("a document that counts an error");
    first["timestamp_ms"].as_i64().expect("the time of a line")
}

/// When the alias was moved back, in ms since the epoch: the last `UpdateAlias` of the audit.
fn moved_back(sandbox: &Sandbox) -> i64 {
    let audit = sandbox.run(&["audit", "greet", "--operation", "UpdateAlias", "--json"]).success();
    let text = audit.stdout();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let format = &time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(last["time"].as_str().unwrap(), format).unwrap();
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap()
}
