//! Guarded canaries with real handlers on the local cloud: one that promotes itself, one that rolls
//! back, one that waits, and one whose console is killed and that another console goes on with.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use support::console::Console;
use support::gateway::Operator;
use support::{Checkout, Finished, Sandbox, eventually, kill_hard, sdk};

/// Checkouts share a target directory, so they build one after the other.
static BUILDING: Mutex<()> = Mutex::new(());

const LAB: &str = "handlers/greet/lab.toml";

/// The greet lab with v1 on `prod` and v2 published, which differs as `changes` say.
struct Published {
    sandbox: Sandbox,
    checkout: Checkout,
}

impl Published {
    fn new(changes: &[(&str, &str)]) -> Self {
        let this = Self { sandbox: Sandbox::new(), checkout: Checkout::new() };
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        this.run(&["deploy", "greet", "--yes"]).success();
        for (from, to) in changes {
            this.checkout.edit(LAB, from, to);
        }
        this.run(&["deploy", "greet", "--yes"]).success();
        this.run(&["release", "greet", "publish"]).success();
        this
    }

    fn run(&self, args: &[&str]) -> Finished {
        self.sandbox.run(&[args, &["--labs", &self.checkout.labs()]].concat())
    }

    fn canary(&self, args: &[&str]) -> Finished {
        self.run(&[&["release", "greet", "canary", "--json"], args].concat())
    }

    /// A canary that goes on while the test does something else.
    fn begin(&self, args: &[&str]) -> Running {
        let labs = self.checkout.labs();
        let all = [&["release", "greet", "canary"], args, &["--labs", &labs]].concat();
        let mut command: Command = self.sandbox.command(&all);
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// What `prod` of the stateful function serves: its version and the canary's share.
    fn prod(&self) -> (String, Option<f64>) {
        self.prod_of("greet-stateful")
    }

    fn prod_of(&self, name: &str) -> (String, Option<f64>) {
        let status = self.run(&["release", "greet", "status", "--json"]).success().json();
        let functions = status["functions"].as_array().unwrap();
        let function = functions.iter().find(|f| f["name"] == name).unwrap();
        let aliases = function["aliases"].as_array().unwrap();
        let prod = aliases.iter().find(|alias| alias["name"] == "prod").unwrap();
        (prod["version"].as_str().unwrap().to_owned(), prod["canary"][1].as_f64())
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The views that a canary told, one a line.
fn views(finished: &Finished) -> Vec<Value> {
    finished.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const HARMLESS: &[(&str, &str)] = &[("GREETING = \"Hello\"", "GREETING = \"Good day\"")];
/// The new version looks for its table where there is none: every request fails.
const BROKEN: &[(&str, &str)] = &[("TABLE = \"${table.visits.name}\"", "TABLE = \"nowhere\"")];

#[test]
fn a_canary_that_is_no_worse_promotes_itself_step_by_step() {
    let lab = Published::new(HARMLESS);
    let traffic = ["--traffic", "visit@100", "--tolerance", "20"];
    let finished =
        lab.canary(&[&["--steps", "20,60", "--hold", "1s"], &traffic[..]].concat()).exits(0);
    let views = views(&finished);
    let steps: Vec<u64> = views.iter().map(|view| view["step"].as_u64().unwrap()).collect();
    assert!(steps.is_sorted() && steps.contains(&0) && steps.contains(&1), "{steps:?}");
    let last = views.last().unwrap();
    assert_eq!((last["phase"].as_str(), last["end"].as_str()), (Some("ended"), Some("promoted")));
    assert_eq!(lab.prod(), ("2".to_owned(), None));
    // Undo brings back what was there before the last move.
    lab.run(&["release", "greet", "undo"]).success();
    assert_eq!(lab.prod(), ("1".to_owned(), Some(0.6)));
}

#[test]
fn a_canary_that_fails_is_rolled_back_by_itself_and_says_why() {
    let lab = Published::new(BROKEN);
    let finished =
        lab.canary(&["--steps", "25,50", "--hold", "10m", "--traffic", "visit@40"]).exits(1);
    let last = views(&finished).pop().unwrap();
    assert_eq!(
        (last["phase"].as_str(), last["end"].as_str()),
        (Some("ended"), Some("rolled-back"))
    );
    assert_eq!(last["verdict"], "worse");
    let reason = last["reason"].as_str().unwrap();
    assert!(reason.starts_with("v2 of greet-stateful is worse: "), "{reason}");
    let stateful =
        last["functions"].as_array().unwrap().iter().find(|f| f["function"] == "greet-stateful");
    let canary = &stateful.unwrap()["canary"];
    assert_eq!(canary["errors"], canary["requests"], "all of its requests failed: {canary}");
    assert_eq!(lab.prod(), ("1".to_owned(), None));
}

#[test]
fn a_canary_waits_for_data_has_no_second_beside_it_and_yields_to_a_person() {
    let lab = Published::new(HARMLESS);
    lab.run(&["release", "greet", "canary", "--resume"]).exits(3);
    let running = lab.begin(&["--steps", "10,50", "--hold", "1s"]);
    eventually("the split", || (lab.prod() == ("1".to_owned(), Some(0.1))).then_some(()));
    let second = lab.run(&["release", "greet", "canary"]).exits(3);
    assert!(second.stderr().contains("canary --resume"), "{}", second.stderr());
    let status = lab.run(&["release", "greet", "status"]).success().stdout();
    assert!(status.contains("canary: step 1 of 2, 10%"), "{status}");
    // Somebody moves the alias by hand: nothing is overwritten, and the guard says so.
    lab.run(&["release", "greet", "shift", "30"]).success();
    let mut running = running;
    let ended = eventually("the guard ends", || running.0.try_wait().unwrap());
    assert_eq!(ended.code(), Some(3));
    assert_eq!(lab.prod(), ("1".to_owned(), Some(0.3)));
    let status = lab.run(&["release", "greet", "status"]).success().stdout();
    assert!(!status.contains("canary: step"), "a moved split is no guarded one: {status}");
}

#[test]
fn what_can_not_be_a_canary_is_refused_before_any_call() {
    let sandbox = Sandbox::new();
    for wrong in [
        ["--steps", "50,25"],
        ["--steps", "5,101"],
        ["--hold", "0s"],
        ["--confidence", "100"],
        ["--traffic", "visit"],
        ["--error-limit", "-1"],
    ] {
        sandbox.run(&[&["release", "greet", "canary"], &wrong[..]].concat()).exits(64);
    }
    assert!(sandbox.cloud().is_none(), "nothing was started for it");
}

#[test]
fn a_canary_whose_console_is_killed_is_resumed_from_another() {
    let lab = Published::new(HARMLESS);
    let labs = lab.checkout.labs();
    let args = ["--labs", labs.as_str()];
    let mut first = Console::open(&lab.sandbox, 110, 34, &args);
    first.shows("● tail").shows("prod").keys("3").shows("c begins a canary");
    first.keys("c").shows("guarded canary of prod");
    // The plan of the lab stands there; it is written over.
    first.keys("\u{15}").keys("50,25 1s\r").shows("rising percentages");
    first.keys("\u{15}").keys("25 1s").shows("› 25 1s").keys("\r");
    first.shows("waits: too little data").shows("CANARY greet 25%");
    assert_eq!(lab.prod(), ("1".to_owned(), Some(0.25)));
    // Leaving asks; staying keeps guarding.
    first.keys("q").shows("nobody watches it").keys("n").shows_no("nobody watches it");
    kill_hard(first.pid());

    let mut second = Console::open(&lab.sandbox, 110, 34, &args);
    second.shows("not guarded here");
    assert_eq!(lab.prod(), ("1".to_owned(), Some(0.25)), "the split stays");
    second.keys("3").shows("c go on").keys("c").shows("CANARY greet 25%");
    second.keys(",").shows("waits: on request").keys(",").shows("waits: too little data");
    second.keys(".").shows("canary of greet: promoted").shows("last canary · promoted");
    eventually("the promotion", || (lab.prod() == ("2".to_owned(), None)).then_some(()));
    second.keys("q");
    assert_eq!(second.ends(), 0);
}

#[test]
fn a_canary_in_the_console_goes_back_by_itself_and_by_a_key() {
    let lab = Published::new(BROKEN);
    let labs = lab.checkout.labs();
    let mut console = Console::open(&lab.sandbox, 120, 40, &["--labs", &labs]);
    console.shows("● tail").shows("prod").keys("3").shows("c begins a canary").keys("c");
    console.shows("guarded canary of prod").keys("\u{15}").keys("30 10m");
    console.shows("› 30 10m").keys("\r").shows("CANARY greet 30%").shows("[30%]");
    console.keys("!").shows("canary of greet: taken back").shows_no("CANARY");
    assert_eq!(lab.prod(), ("1".to_owned(), None));

    console.keys("c").shows("guarded canary of prod").keys("\u{15}").keys("30 10m visit@50");
    console.shows("› 30 10m visit@50").keys("\r");
    console.shows("canary of greet: rolled back: v2 of greet-stateful is worse");
    console.shows("last canary · rolled back").shows("worse");
    assert_eq!(lab.prod(), ("1".to_owned(), None));
    console.keys("q");
    assert_eq!(console.ends(), 0);
}

#[test]
fn a_canary_whose_moves_fail_in_part_still_goes_back_whole() {
    let lab = Published::new(&[HARMLESS[0], BROKEN[0]]);
    // The first step moves both functions; one of the two moves back is refused, and the try after it.
    let refused = |nth: u32| {
        serde_json::json!({
            "service": "lambda", "operation": "UpdateAlias", "nth": nth,
            "action": {"error": {"status": 403, "code": "AccessDeniedException", "message": "no"}},
        })
    };
    Operator::new(&lab.sandbox).faults(&serde_json::json!([refused(3), refused(5)]));
    let finished =
        lab.canary(&["--steps", "25", "--hold", "10m", "--traffic", "visit@40"]).exits(1);
    let told = finished.stdout();
    assert!(told.contains("tried once") && told.contains("tried 2 times"), "{told}");
    assert_eq!(views(&finished).pop().unwrap()["end"], "rolled-back");
    for function in ["greet-stateful", "greet-stateless"] {
        assert_eq!(lab.prod_of(function), ("1".to_owned(), None), "{function}");
    }
}

#[test]
fn an_alarm_takes_a_canary_back_that_looks_no_worse_and_others_promote_themselves_or_by_a_key() {
    let lab = Published::new(HARMLESS);
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&sdk::config(&lab.sandbox));
    let complaints = |value: f64| {
        use aws_sdk_cloudwatch::types::{MetricDatum, StandardUnit};
        let datum = MetricDatum::builder()
            .metric_name("Complaints")
            .value(value)
            .unit(StandardUnit::Count)
            .storage_resolution(1)
            .build();
        sdk::run(cloudwatch.put_metric_data().namespace("Shop").metric_data(datum).send()).unwrap();
    };
    // What the shop counts itself, every ten seconds.
    let alarm = cloudwatch
        .put_metric_alarm()
        .alarm_name("complaints")
        .namespace("Shop")
        .metric_name("Complaints")
        .statistic(aws_sdk_cloudwatch::types::Statistic::Sum)
        .period(10)
        .evaluation_periods(1)
        .threshold(5.0)
        .comparison_operator(
            aws_sdk_cloudwatch::types::ComparisonOperator::GreaterThanOrEqualToThreshold,
        )
        .treat_missing_data("notBreaching");
    sdk::run(alarm.send()).unwrap();
    complaints(1.0);
    let labs = lab.checkout.labs();
    let mut console = Console::open(&lab.sandbox, 120, 40, &["--labs", &labs]);
    console.shows("● tail").shows("prod").keys("3").shows("c begins a canary").keys("c");
    console.shows("guarded canary of prod").keys("\u{15}").keys("40 10m visit@20 alarm=complaints");
    console.keys("\r").shows("CANARY greet 40%").shows("[40%]");
    complaints(9.0);
    console.shows("canary of greet: rolled back: alarm complaints went off");
    assert_eq!(lab.prod(), ("1".to_owned(), None));

    // While it is on, another is refused. Without it, one promotes itself in the console, step by step.
    let refused = lab.canary(&["--alarm", "complaints"]).exits(3).stderr();
    assert!(refused.contains("its alarm complaints is on already"), "{refused}");
    console.keys("c").shows("guarded canary of prod").keys("\u{15}");
    console.keys("20,60 1s visit@100 tolerance=20\r").shows("[20%]").shows("[60%]");
    console.shows("canary of greet: promoted");
    assert_eq!(lab.prod(), ("2".to_owned(), None));

    // One that is guarded is promoted by a key.
    console.keys("R").shows("rollback: ").shows("together since rollback");
    assert_eq!(lab.prod(), ("1".to_owned(), None));
    console.keys("c").shows("guarded canary of prod").keys("\u{15}").keys("40 10m").keys("\r");
    console.shows("CANARY greet 40%").shows("[40%]").keys("P");
    console.shows("canary of greet: promoted").shows("last canary · promoted");
    assert_eq!(lab.prod(), ("2".to_owned(), None));
    console.keys("q");
    assert_eq!(console.ends(), 0);
}
