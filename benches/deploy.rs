//! How long deploys take: of every lab on the local cloud as it is, and with a round trip of 50 ms and
//! AWS's rates and propagation times (`cloud --rtt 50 --aws-limits`).
//!
//! `cargo bench --bench deploy` (add `-- plain limits sizes` to run only the parts named so; `sizes`
//! builds every handler in AWS's profile too, which takes minutes, and runs only when it is named).
//! Times are those behind the build.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod measure;
#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;

use measure::row;
use serde_json::Value;
use support::{Checkout, OpenCloud, Sandbox, repository};

/// The round trip that is added, in seconds.
const ROUND_TRIP: f64 = 0.05;
/// What `--aws-limits` lets wait whatever the rates are: a new role, then a new function.
const ROLE_AND_FUNCTION: f64 = 4.0 + 3.0;
/// What `--aws-limits` lets an update of a function take.
const UPDATE: f64 = 1.0;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let on =
        |name: &str| wanted.iter().any(|w| w == name) || (wanted.is_empty() && name != "sizes");
    println!("{:<60} {:>12} {:>12}", "what", "measured", "asked for");
    let labs = labs();
    if on("plain") {
        plain(&labs);
    }
    if on("limits") {
        limits(&labs);
    }
    if on("sizes") {
        sizes();
    }
}

/// The names of the bundled labs.
fn labs() -> Vec<String> {
    let mut labs: Vec<String> = std::fs::read_dir(repository().join("handlers"))
        .unwrap()
        .flatten()
        .filter(|folder| folder.path().join("lab.toml").is_file())
        .map(|folder| folder.file_name().to_string_lossy().into_owned())
        .collect();
    labs.sort();
    labs
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

/// Seconds behind the build.
fn behind_build(summary: &Value) -> f64 {
    summary["seconds"].as_f64().unwrap() - summary["build_seconds"].as_f64().unwrap()
}

/// Deploys labs with one command; the seconds behind the build in all, and the last summary.
fn deploy(sandbox: &Sandbox, args: &[&str]) -> (f64, Value) {
    let begun = std::time::Instant::now();
    let all = [&["deploy", "--yes", "--json"], args].concat();
    let finished = sandbox.run(&all).success();
    let took = begun.elapsed().as_secs_f64();
    let summaries: Vec<Value> =
        finished.stdout().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let building = summaries
        .iter()
        .map(|summary| summary["build_seconds"].as_f64().unwrap())
        .fold(0.0, f64::max);
    let build = if summaries.len() == 1 { building } else { took_building(&summaries, building) };
    (took - build, summaries.last().unwrap().clone())
}

/// Labs that were built together say the same time; labs that were built in turn each their own.
fn took_building(summaries: &[Value], longest: f64) -> f64 {
    let each = summaries.iter().map(|summary| summary["build_seconds"].as_f64().unwrap());
    if each.clone().all(|one| (one - longest).abs() < 1e-9) { longest } else { each.sum() }
}

fn plain(labs: &[String]) {
    // Everything is compiled before anything is measured.
    let warm = Sandbox::new();
    for lab in labs {
        warm.run(&["plan", lab, "--json"]);
    }
    let sandbox = Sandbox::new();
    sandbox.run(&["labs"]).success();
    let (took, _) = deploy(&sandbox, &["--all"]);
    row(&format!("first deploy of all {} labs", labs.len()), seconds(took), "3 s");
    for lab in labs {
        let summary = sandbox.json(&["deploy", "--yes", lab]);
        let changed = summary["changed"].as_u64().unwrap();
        let what = format!("second deploy of {lab}: changes, calls");
        row(&what, format!("{changed}, {}", summary["calls"]), "0, -");
    }
}

/// The longest wait that the rates of single operations impose on a plan, in seconds: API Gateway's
/// quotas, one `CreateRestApi` in 3 s, one `CreateDeployment` in 5 s, one `UpdateUsagePlan` in 20 s.
fn floor(plans: &[Value]) -> f64 {
    let count = |resource: &str| {
        let of = |plan: &Value| {
            let steps = plan["steps"].as_array().unwrap();
            steps.iter().filter(|s| s["verb"] == "create" && s["resource"] == resource).count()
        };
        plans.iter().map(of).sum::<usize>()
    };
    let spaced = |resource: &str, every: f64| every * count(resource).saturating_sub(1) as f64;
    let rates = spaced("API", 3.0).max(spaced("deployment", 5.0));
    if count("function") > 0 { rates.max(ROLE_AND_FUNCTION) } else { rates }
}

fn limits(labs: &[String]) {
    let flags = ["--rtt", "50", "--aws-limits"];
    let plans = |sandbox: &Sandbox, labs: &[String]| -> Vec<Value> {
        labs.iter().map(|lab| sandbox.run(&["plan", lab, "--json"]).json()).collect()
    };
    {
        let sandbox = Sandbox::new();
        let _cloud = OpenCloud::start(&sandbox, &flags);
        let floor = floor(&plans(&sandbox, &["greet".to_owned()]));
        let (took, _) = deploy(&sandbox, &["greet"]);
        row(&format!("first deploy of greet (floor {floor:.0} s)"), seconds(took), "8 s");
        code_change(&sandbox);
    }
    let sandbox = Sandbox::new();
    let _cloud = OpenCloud::start(&sandbox, &flags);
    let floor = floor(&plans(&sandbox, labs));
    let (took, _) = deploy(&sandbox, &["--all"]);
    let what = format!("first deploy of all {} labs (floor {floor:.0} s)", labs.len());
    row(&what, seconds(took), "60 s");
    for lab in labs {
        let summary = sandbox.json(&["deploy", "--yes", lab]);
        let took = behind_build(&summary);
        let what = format!("nothing to do in {lab}: time");
        row(&what, seconds(took), "0.5 s");
        row("    round trips deep", format!("{:.1}", took / ROUND_TRIP), "6");
    }
}

/// Other code of one function, until the deploy that brings it to `dev` has ended.
fn code_change(sandbox: &Sandbox) {
    let checkout = Checkout::new();
    let labs = checkout.labs();
    let lab = "handlers/greet/lab.toml";
    checkout.edit(lab, "bin = \"greet-stateless\"", "bin = \"greet-stateful\"");
    sandbox.run(&["plan", "greet", "--labs", &labs]);
    let summary = sandbox.json(&["deploy", "greet", "--yes", "--labs", &labs]);
    let what = format!("a code change live on dev ({UPDATE:.0} s of it AWS's update)");
    row(&what, seconds(behind_build(&summary)), "0.6 s");
}

/// The size of every handler in both profiles, as a program and as the zip that is uploaded.
fn sizes() {
    let sandbox = Sandbox::new();
    let _cloud = OpenCloud::start(&sandbox, &[]);
    let url = sandbox.cloud().unwrap()["endpoint"].as_str().unwrap().to_owned();
    let there = ["--target", "aws", "--region", "us-east-1", "--endpoint-url", &url];
    for lab in labs() {
        sandbox.run(&["plan", &lab, "--json"]);
        let mut command =
            sandbox.command(&[&["plan", lab.as_str(), "--json"], &there[..]].concat());
        command.env("AWS_ACCESS_KEY_ID", "any").env("AWS_SECRET_ACCESS_KEY", "any");
        assert!(command.output().unwrap().status.code().is_some_and(|code| code == 0 || code == 2));
    }
    let packed = support::target_directory().join("labdeck");
    for profile in ["release", "aws/x86_64"] {
        let mut zips: Vec<_> = std::fs::read_dir(packed.join(profile)).unwrap().flatten().collect();
        zips.sort_by_key(std::fs::DirEntry::file_name);
        for zip in zips.iter().filter(|file| file.path().extension().is_some_and(|e| e == "zip")) {
            let name = zip.path().file_stem().unwrap().to_string_lossy().into_owned();
            let asked = if profile == "release" { "50 MB" } else { "3.5 MB" };
            let size = megabytes(&zip.path());
            row(&format!("{name}, zipped, profile {profile}"), size, asked);
        }
    }
}

fn megabytes(path: &Path) -> String {
    format!("{:.2} MB", std::fs::metadata(path).unwrap().len() as f64 / 1e6)
}
