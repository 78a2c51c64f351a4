//! Releases seen through the public URL: a deploy that changes an API's definition reaches `prod`
//! only when it is promoted, and leaves it again with a rollback. And what other tools do to an
//! alias meanwhile is never overwritten.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use support::console::Console;
use support::gateway::Operator;
use support::{Checkout, Finished, Sandbox, endpoint, eventually, http, sdk};

/// Checkouts share a target directory, so they build one after the other.
static BUILDING: Mutex<()> = Mutex::new(());

/// A checkout with its own cloud, deployed.
struct Deployed {
    sandbox: Sandbox,
    checkout: Checkout,
    summary: Value,
}

impl Deployed {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let checkout = Checkout::new();
        let labs = checkout.labs();
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let summary = sandbox.json(&["deploy", "greet", "--labs", &labs]);
        Self { sandbox, checkout, summary }
    }

    fn deploy(&self, args: &[&str]) -> Finished {
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = vec!["deploy", "greet"];
        all.extend(args);
        self.run(&all)
    }

    fn run(&self, args: &[&str]) -> Finished {
        let labs = self.checkout.labs();
        let mut all = args.to_vec();
        all.extend(["--labs", &labs]);
        self.sandbox.run(&all)
    }

    fn release(&self, args: &[&str]) -> Finished {
        let mut all = vec!["release", "greet"];
        all.extend(args);
        self.run(&all)
    }

    /// The alias `prod` of a function.
    fn prod(&self, function: &str) -> Value {
        let status = self.release(&["status", "--json"]).success().json();
        let functions = status["functions"].as_array().unwrap().clone();
        let function = functions.into_iter().find(|f| f["name"] == function).unwrap();
        let aliases = function["aliases"].as_array().unwrap().clone();
        aliases.into_iter().find(|alias| alias["name"] == "prod").unwrap()
    }

    /// Publishes versions that differ from the last ones.
    fn next_version(&self, from: &str, to: &str) {
        self.checkout.edit("handlers/greet/lab.toml", from, to);
        self.deploy(&[]).success();
        self.release(&["publish"]).success();
    }

    /// What somebody with another tool does to `prod` of a function.
    fn meddle(&self, function: &str, version: &str, description: &str) {
        let client = aws_sdk_lambda::Client::new(&sdk::config(&self.sandbox));
        let call = client
            .update_alias()
            .function_name(function)
            .name("prod")
            .function_version(version)
            .routing_config(
                aws_sdk_lambda::types::AliasRoutingConfiguration::builder()
                    .set_additional_version_weights(Some(std::collections::HashMap::new()))
                    .build(),
            )
            .description(description);
        sdk::run(call.send()).unwrap();
    }
}

#[test]
fn a_changed_definition_reaches_prod_when_it_is_promoted_and_leaves_with_a_rollback() {
    let lab = Deployed::new();
    let dev = endpoint(&lab.summary, "greet-stateless", "dev");
    let prod = endpoint(&lab.summary, "greet-stateless", "prod");
    let status = |url: &str, path: &str| http::get(&format!("{url}{path}"), &[]).status;
    assert_eq!((status(&prod, "/greet"), status(&prod, "/salute")), (200, 403));

    // The path is renamed: the old one goes, a new one comes.
    lab.checkout.edit("handlers/greet/greet-stateless.openapi.yaml", "  /greet:", "  /salute:");
    let summary = lab.deploy(&["--json"]).success().json();
    assert!(summary["changed"].as_u64().unwrap() >= 1, "{summary}");
    assert_eq!((status(&dev, "/greet"), status(&dev, "/salute")), (403, 200));
    assert_eq!((status(&prod, "/greet"), status(&prod, "/salute")), (200, 403), "not promoted");
    // Nothing is left to do, though prod serves the old definition.
    lab.run(&["plan", "greet"]).exits(0);

    let promoted = lab.release(&["promote", "--json"]).success().json();
    assert_eq!(promoted["deployments"].as_array().unwrap().len(), 1, "{promoted}");
    assert_eq!((status(&prod, "/greet"), status(&prod, "/salute")), (403, 200));
    lab.run(&["plan", "greet"]).exits(0);

    lab.run(&["rollback", "greet"]).success();
    assert_eq!((status(&prod, "/greet"), status(&prod, "/salute")), (200, 403), "as before");
    assert_eq!((status(&dev, "/greet"), status(&dev, "/salute")), (403, 200), "dev stays");
    lab.release(&["undo"]).success();
    assert_eq!((status(&prod, "/greet"), status(&prod, "/salute")), (403, 200), "undone");
    lab.release(&["undo"]).success();
    assert_eq!((status(&prod, "/greet"), status(&prod, "/salute")), (200, 403), "redone");
}

#[test]
fn a_version_and_a_definition_are_one_release() {
    let lab = Deployed::new();
    let prod = endpoint(&lab.summary, "greet-stateless", "prod");
    let said = |path: &str| http::get(&format!("{prod}{path}"), &[]).body;
    lab.checkout.edit("handlers/greet/greet-stateless.openapi.yaml", "  /greet:", "  /salute:");
    lab.next_version("\"Hello\"", "\"Welcome\"");
    assert!(said("/greet").contains("Hello"), "{}", said("/greet"));
    // A canary gets traffic, the definition does not move yet.
    lab.release(&["shift", "50"]).success();
    assert!(said("/salute").contains("Missing Authentication Token"));
    lab.release(&["promote"]).success();
    assert!(said("/salute").contains("Welcome"), "{}", said("/salute"));
    lab.run(&["rollback", "greet"]).success();
    assert!(said("/greet").contains("Hello"), "{}", said("/greet"));
    lab.release(&["undo"]).success();
    assert!(said("/salute").contains("Welcome"), "{}", said("/salute"));
}

#[test]
fn what_another_tool_did_to_an_alias_is_not_overwritten() {
    let lab = Deployed::new();
    lab.next_version("\"Hello\"", "\"Welcome\"");
    lab.release(&["promote"]).success();
    lab.next_version("\"Welcome\"", "\"Hi\"");

    // Somebody moves one function with another tool: undo does not touch it, and says why.
    lab.release(&["shift", "20"]).success();
    lab.meddle("greet-stateful", "3", "taken over");
    let undone = lab.release(&["undo"]);
    let told = undone.stdout() + &undone.stderr();
    assert!(told.contains("no move of it is on record"), "{told}");
    assert_eq!(lab.prod("greet-stateful")["version"], "3");
    assert_eq!(lab.prod("greet-stateless")["version"], "2");

    // The pointer is gone with the description: rollback offers the newest older version, a guess.
    let text = lab.release(&["status"]).success().stdout();
    assert!(text.contains("rollback → v2 (a guess)"), "{text}");
    lab.meddle("greet-stateless", "3", "taken over as well");
    let back = lab.run(&["rollback", "greet"]).success().stdout();
    assert!(back.contains("a guess"), "{back}");
    assert_eq!(lab.prod("greet-stateful")["version"], "2");
    assert_eq!(lab.prod("greet-stateful")["description"], "taken over", "their words stay");

    // Both moved by somebody else, behind our pointer: nothing to undo.
    for function in ["greet-stateful", "greet-stateless"] {
        lab.meddle(function, "1", "");
    }
    let refused = lab.release(&["undo"]).exits(3).stderr();
    assert!(refused.contains("no move of it is on record"), "{refused}");
}

#[test]
fn two_who_shift_at_once_never_overwrite_each_other() {
    let lab = Deployed::new();
    lab.next_version("\"Hello\"", "\"Welcome\"");
    let labs = lab.checkout.labs();
    for round in 0..5 {
        let shift = |percent: &str| {
            lab.sandbox
                .command(&["release", "greet", "shift", percent, "--labs", &labs])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        };
        let (a, b) = (shift("20"), shift("30"));
        let both = [(a, 0.2), (b, 0.3)].map(|(child, weight)| {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            (output.status.code(), weight, text)
        });
        let served: Vec<f64> = ["greet-stateful", "greet-stateless"]
            .map(|function| lab.prod(function)["canary"][1].as_f64().unwrap())
            .to_vec();
        for (code, weight, text) in &both {
            match code {
                Some(0) => {}
                Some(3) => {
                    assert!(text.contains("somebody else changed it: seen"), "{text}");
                    assert!(
                        served.iter().any(|live| (live - weight).abs() > 0.01),
                        "{round}: {text}"
                    );
                }
                other => panic!("{other:?}: {text}"),
            }
        }
        assert!(served.iter().all(|live| [0.2, 0.3].contains(live)), "{served:?}");
    }
    // One of them can be taken back by whoever comes next.
    lab.run(&["rollback", "greet"]).success();
    assert!(lab.prod("greet-stateful")["canary"].is_null());
}

#[test]
fn chaos_in_a_function_is_never_released() {
    let lab = Deployed::new();
    lab.run(&["chaos", "greet", "on", "missing-table"]).success();
    let refused = lab.release(&["publish"]).exits(3).stderr();
    assert!(refused.contains("missing-table is on"), "{refused}");
    assert!(refused.contains("labdeck chaos greet off missing-table"), "{refused}");
    lab.run(&["chaos", "greet", "off", "missing-table"]).success();
    eventually("the function is healed", || {
        let listed = lab.run(&["chaos", "greet", "--json"]).success().stdout();
        (!listed.contains("\"on\":true")).then_some(())
    });
    lab.release(&["publish"]).success();
}

/// Lets the nth `UpdateAlias` from now on be refused, as a policy that was changed meanwhile does.
fn refuse(lab: &Deployed, nth: u32) {
    Operator::new(&lab.sandbox).faults(&serde_json::json!([{
        "service": "lambda", "operation": "UpdateAlias", "nth": nth,
        "action": {"error": {"status": 403, "code": "AccessDeniedException", "message": "not now"}},
    }]));
}

#[test]
fn a_move_that_reached_one_function_alone_is_brought_together_or_taken_back() {
    let lab = Deployed::new();
    lab.next_version("\"Hello\"", "\"Welcome\"");
    let served = || {
        let version = |name| lab.prod(name)["version"].as_str().unwrap().to_owned();
        [version("greet-stateful"), version("greet-stateless")]
    };
    let last = || lab.release(&["status", "--json"]).success().json()["last_move"].clone();

    refuse(&lab, 1);
    let partial = lab.release(&["promote"]).exits(1).stdout();
    assert!(partial.contains("not now") && partial.contains("v1 → v2"), "{partial}");
    let mut apart = served();
    apart.sort();
    assert_eq!(apart, ["1", "2"]);
    let told = last();
    assert_eq!((&told["operation"], &told["left"][0]["goes"]), (&"promote".into(), &"v2".into()));
    let text = lab.release(&["status"]).success().stdout();
    assert!(text.contains("not all followed") && text.contains("serves v1, not v2"), "{text}");

    // The rest follows, and is one release with what went before.
    lab.release(&["complete"]).success();
    assert_eq!(served(), ["2", "2"]);
    assert_eq!(last()["left"], serde_json::json!([]));
    let refused = lab.release(&["complete"]).exits(3).stderr();
    assert!(refused.contains("the last move left nothing behind"), "{refused}");
    lab.run(&["rollback", "greet"]).success();
    assert_eq!(served(), ["1", "1"]);

    // Taken back instead, by a key; and brought together by another.
    refuse(&lab, 1);
    let labs = lab.checkout.labs();
    let mut console = Console::open(&lab.sandbox, 120, 40, &["--labs", &labs]);
    console.shows("● tail").shows("prod").keys("3").shows("together since rollback");
    console.keys("P").shows("not now").shows("not all followed promote");
    console.shows("serves v1, not v2").shows("T brings them after it");
    console.keys("u").shows("together since undo");
    assert_eq!(served(), ["1", "1"]);
    refuse(&lab, 1);
    console.keys("P").shows("not all followed promote");
    console.keys("T").shows("together since promote");
    assert_eq!(served(), ["2", "2"]);
    console.keys("u").shows("together since undo");
    assert_eq!(served(), ["1", "1"], "both parts were one promotion");
    console.keys("q");
    assert_eq!(console.ends(), 0);
}

#[test]
fn what_does_not_answer_is_waited_for_no_longer_and_brought_together_after() {
    let lab = Deployed::new();
    lab.next_version("\"Hello\"", "\"Welcome\"");
    let operator = Operator::new(&lab.sandbox);
    let hold = |service: &str, operation: &str| {
        operator.faults(&serde_json::json!([
            {"service": service, "operation": operation, "nth": 1, "action": "hold"}
        ]));
    };
    let labs = lab.checkout.labs();
    let mut console = Console::open(&lab.sandbox, 120, 40, &["--labs", &labs]);
    console.shows("● tail").shows("prod").keys("5").shows("┌ requests");
    hold("execute-api", "GET");
    console.keys("s").shows("sending hello").shows("esc waits no longer").keys("\x1b");
    console.shows("sending hello: waited for no longer");
    operator.go_on();
    console.keys("s").shows("hello: 200");

    // One of the two aliases moves, the call of the other is never answered. No key is blocked.
    console.keys("3").shows("┌ versions");
    hold("lambda", "UpdateAlias");
    console.keys("P").shows("promote …").keys("6").shows("┌ logs").keys("3").shows("promote …");
    operator.paused();
    console.keys("\x1b").shows("promote of greet: waited for no longer");
    console.shows("not all followed promote");
    operator.go_on();
    console.keys("T").shows("together since promote");
    for function in ["greet-stateful", "greet-stateless"] {
        assert_eq!(lab.prod(function)["version"], "2", "{function}");
    }
    console.keys("q");
    assert_eq!(console.ends(), 0);
}
