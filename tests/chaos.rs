//! Chaos ends by itself: by the cloud where it can, else by whoever comes next; seen through the public
//! endpoint.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::console::Console;
use support::{Checkout, Finished, Sandbox, endpoint, eventually, http};

struct Deployed {
    sandbox: Sandbox,
    checkout: Checkout,
    summary: Value,
}

impl Deployed {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let checkout = Checkout::new();
        let summary = sandbox.json(&["deploy", "greet", "--labs", &checkout.labs()]);
        Self { sandbox, checkout, summary }
    }

    fn run(&self, args: &[&str]) -> Finished {
        let labs = self.checkout.labs();
        let mut all = args.to_vec();
        all.extend(["--labs", &labs]);
        self.sandbox.run(&all)
    }

    /// Asks the stateful API of a stage; its status and how long it took.
    fn ask(&self, stage: &str) -> (u16, Duration) {
        let url = endpoint(&self.summary, "greet-stateful", stage);
        let since = Instant::now();
        let answer = http::get(&format!("{url}/greet"), &[("x-user-id", "ada")]);
        (answer.status, since.elapsed())
    }
}

#[test]
fn what_the_cloud_can_end_ends_though_nobody_is_there() {
    let lab = Deployed::new();
    assert_eq!(lab.ask("prod").0, 200);
    let said = lab.run(&["chaos", "greet", "on", "deny-table", "--for", "3s"]).success().stdout();
    assert!(said.contains("on for ") && said.contains("more, until"), "{said}");
    assert_eq!(lab.ask("prod").0, 503);
    eventually("the table is allowed again", || (lab.ask("prod").0 == 200).then_some(()));

    let slow = Duration::from_millis(600);
    lab.run(&["chaos", "greet", "on", "slow-table", "--for", "3s"]).success();
    assert!(lab.ask("prod").1 >= slow);
    eventually("the table is quick again", || (lab.ask("prod").1 < slow).then_some(()));
    let listed = lab.run(&["chaos", "greet", "--json"]).success().json();
    assert_eq!(listed["on"], serde_json::json!([]), "{listed}");
}

#[test]
fn what_the_cloud_can_not_end_is_ended_by_whoever_comes_next() {
    let lab = Deployed::new();
    let refused =
        lab.run(&["chaos", "greet", "on", "missing-table", "--for", "9h"]).exits(1).stderr();
    assert!(refused.contains("from 1 second to 8 hours"), "{refused}");
    // Without a time it is a quarter of an hour, and the list says how much of it is left.
    lab.run(&["chaos", "greet", "on", "missing-table"]).success();
    let listed = lab.run(&["chaos", "greet"]).success().stdout();
    assert!(listed.contains("on for 15 min more, until "), "{listed}");
    // On again begins its time anew.
    let on = lab
        .run(&["chaos", "greet", "on", "missing-table", "--for", "2s", "--json"])
        .success()
        .json();
    let until_ms = on["until_ms"].as_i64().unwrap();
    assert_eq!(lab.ask("dev").0, 503);
    eventually("its time is over", || (now_ms() > until_ms).then_some(()));
    assert_eq!(lab.ask("dev").0, 503, "the cloud does not know of it");

    // Read-only mode says so, and leaves it.
    let told = lab.run(&["release", "greet", "status", "--read-only"]).success();
    assert!(told.stderr().contains("missing-table was to end at"), "{}", told.stderr());
    assert!(told.stderr().contains("is still on"), "{}", told.stderr());
    assert!(told.stdout().contains("should have ended at"), "{}", told.stdout());

    // Any other command on the lab ends it first; the answer is as without it.
    let told = lab.run(&["release", "greet", "status", "--json"]).success();
    assert!(told.stderr().contains("has been switched off now"), "{}", told.stderr());
    assert_eq!(told.json()["chaos"], serde_json::json!([]));
    assert_eq!(lab.ask("dev").0, 200);
    lab.run(&["plan", "greet"]).exits(0);
    let quiet = lab.run(&["release", "greet", "status"]).success();
    assert_eq!(quiet.stderr(), "");
}

#[test]
fn the_console_shows_the_time_left_and_ends_what_is_over() {
    let lab = Deployed::new();
    let labs = lab.checkout.labs();
    // Over before it is opened.
    let on = lab
        .run(&["chaos", "greet", "on", "missing-table", "--for", "1s", "--json"])
        .success()
        .json();
    let until_ms = on["until_ms"].as_i64().unwrap();
    eventually("its time is over", || (now_ms() > until_ms).then_some(()));
    let mut console = Console::open(&lab.sandbox, 120, 30, &["--labs", &labs, "--lab", "greet"]);
    console.shows("missing-table of greet was to end at").shows_no("CHAOS");
    eventually("the table is there again", || (lab.ask("dev").0 == 200).then_some(()));

    // Over while it is open, without a key.
    lab.run(&["chaos", "greet", "on", "missing-table", "--for", "15s"]).success();
    assert_eq!(lab.ask("dev").0, 503);
    console.shows("CHAOS missing-table 1").shows_no("CHAOS");
    eventually("the table is there again", || (lab.ask("dev").0 == 200).then_some(()));

    // Its time is chosen in the list.
    console.keys("x").shows("ends by itself after 10 min").keys("j");
    console.shows("ends by itself after 15 min").keys("+").shows("ends by itself after 30 min");
    console
        .keys("\r")
        .shows("missing-table is on until")
        .shows("CHAOS missing-table ")
        .keys("X")
        .shows_no("CHAOS");
    console.keys("q");
    assert_eq!(console.ends(), 0);
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
