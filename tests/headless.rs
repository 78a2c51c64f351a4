//! The greet lab from deploy to destroy by headless commands, with the real handlers as processes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use serde_json::Value;
use support::{Checkout, Sandbox, endpoint, eventually, http, processes_below};

/// The alias of a function in what `release status --json` printed.
fn prod(status: &Value, function: &str) -> Value {
    status["functions"]
        .as_array()
        .and_then(|all| all.iter().find(|f| f["name"] == function))
        .and_then(|f| f["aliases"].as_array())
        .and_then(|all| all.iter().find(|a| a["name"] == "prod"))
        .unwrap_or_else(|| panic!("no alias prod of {function} in {status}"))
        .clone()
}

#[test]
fn greet_from_deploy_to_destroy() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::new();
    let labs = checkout.labs();
    let lab = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--labs", &labs]);
        sandbox.run(&all)
    };
    let json = |args: &[&str]| {
        let mut all = args.to_vec();
        all.push("--json");
        lab(&all).success().json()
    };

    // Nothing is there; the plan says what would be made, and why.
    let plan = lab(&["plan", "greet", "--json"]).exits(2).json();
    assert!(plan["steps"].as_array().unwrap().iter().all(|s| s["verb"] == "create"), "{plan}");
    let listed = json(&["labs"]);
    assert!(listed.to_string().contains("\"greet\""), "{listed}");

    let summary = json(&["deploy", "greet"]);
    assert_eq!(summary["lab"], "greet");
    assert!(summary["changed"].as_u64().unwrap() > 8, "{summary}");
    assert!(summary["calls"].as_u64().unwrap() > 8, "{summary}");
    assert_eq!(summary["endpoints"].as_array().unwrap().len(), 4, "{summary}");
    lab(&["plan", "greet"]).exits(0);
    let again = json(&["deploy", "greet"]);
    assert_eq!(again["changed"], 0, "{again}");

    // Both APIs answer, on both stages.
    let stateless = endpoint(&summary, "greet-stateless", "prod");
    let stateful = endpoint(&summary, "greet-stateful", "prod");
    let answer = http::get(&format!("{stateless}/greet"), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("x-amzn-requestid").is_some(), "{answer:?}");
    let missing = http::get(&format!("{stateful}/greet"), &[]);
    assert_eq!(missing.status, 400, "{missing:?}");
    let unrouted = http::get(&format!("{stateless}/nothing"), &[]);
    assert_eq!(unrouted.status, 403);
    assert_eq!(unrouted.json()["message"], "Missing Authentication Token");
    assert_eq!(unrouted.header("x-amzn-errortype"), Some("MissingAuthenticationTokenException"));

    // Concurrent visits of one person lose nothing.
    let burst = json(&[
        "request", "greet", "visit", "--stage", "prod", "--var", "user=ada", "-n", "60", "-c", "6",
    ]);
    assert_eq!(burst["answered"], 60, "{burst}");
    assert_eq!(burst["statuses"]["200"], 60, "{burst}");
    let next = http::get(&format!("{stateful}/greet"), &[("x-user-id", "ada")]);
    assert_eq!(next.json()["count"], 61, "{next:?}");

    // One request with everything about it.
    let exchange = json(&["request", "greet", "hello", "--stage", "dev"]);
    assert_eq!(exchange["status"], 200, "{exchange}");
    assert!(exchange["timings"]["total_ms"].as_f64().unwrap() > 0.0);

    // Logs and metrics follow.
    eventually("the burst is in the logs", || {
        let logs = lab(&["logs", "greet", "--since", "10m"]).success().stdout();
        (logs.contains("REPORT RequestId:") && logs.contains("CloudWatchMetrics")).then_some(())
    });
    let metrics = lab(&["metrics", "greet", "--since", "10m", "--json"]).success().stdout();
    assert!(metrics.contains("greet-stateful"), "{metrics}");

    // A new version: dev has it at once, prod only when it is shifted there.
    lab(&["release", "greet", "publish"]).success();
    checkout.edit("handlers/greet/lab.toml", "\"Hello\"", "\"Welcome\"");
    assert!(json(&["deploy", "greet"])["changed"].as_u64().unwrap() >= 2);
    let status = json(&["release", "greet", "status"]);
    assert_eq!(prod(&status, "greet-stateful")["version"], "1", "{status}");
    lab(&["release", "greet", "shift", "20"]).exits(3);
    json(&["release", "greet", "publish"]);
    json(&["release", "greet", "shift", "20"]);
    let split = prod(&json(&["release", "greet", "status"]), "greet-stateful");
    assert_eq!(split["version"], "1", "{split}");
    assert_eq!(split["canary"][0], "2", "{split}");
    assert_eq!(split["rollback"]["version"], "1", "{split}");
    json(&["request", "greet", "visit", "--stage", "prod", "-n", "120", "-c", "4"]);
    eventually("both versions are in the logs", || {
        let logs = lab(&["logs", "greet", "--since", "10m", "--json"]).success().stdout();
        let seen = |version: &str| logs.contains(&format!("\"version\":\"{version}\""));
        (seen("1") && seen("2")).then_some(())
    });

    // Back, undone, forward, back again.
    lab(&["rollback", "greet"]).success();
    assert!(prod(&json(&["release", "greet", "status"]), "greet-stateful")["canary"].is_null());
    lab(&["release", "greet", "undo"]).success();
    let undone = prod(&json(&["release", "greet", "status"]), "greet-stateful");
    assert_eq!(undone["canary"][0], "2", "{undone}");
    lab(&["release", "greet", "promote"]).success();
    let promoted = prod(&json(&["release", "greet", "status"]), "greet-stateless");
    assert_eq!(promoted["version"], "2", "{promoted}");
    lab(&["rollback", "greet"]).success();
    let back = prod(&json(&["release", "greet", "status"]), "greet-stateless");
    assert_eq!(back["version"], "1", "{back}");

    // Real failures, on and off.
    json(&["chaos", "greet", "on", "deny-table"]);
    let denied = eventually("the stateful API feels the denied table", || {
        let answer = http::get(&format!("{stateful}/greet"), &[("x-user-id", "ada")]);
        (answer.status == 503).then_some(answer)
    });
    assert!(denied.header("retry-after").is_some(), "{denied:?}");
    assert!(!denied.body.contains("AccessDenied"), "{denied:?}");
    assert_eq!(http::get(&format!("{stateless}/greet"), &[]).status, 200);
    eventually("the log says why", || {
        lab(&["logs", "greet", "--since", "5m"])
            .success()
            .stdout()
            .contains("AccessDenied")
            .then_some(())
    });
    json(&["chaos", "greet", "off", "deny-table"]);
    eventually("the table is back", || {
        let answer = http::get(&format!("{stateful}/greet"), &[("x-user-id", "ada")]);
        (answer.status == 200).then_some(())
    });

    json(&["chaos", "greet", "on", "missing-table"]);
    let dev = endpoint(&summary, "greet-stateful", "dev");
    eventually("dev misses its table", || {
        (http::get(&format!("{dev}/greet"), &[("x-user-id", "ada")]).status == 503).then_some(())
    });
    assert_eq!(http::get(&format!("{stateful}/greet"), &[("x-user-id", "ada")]).status, 200);
    let refused = lab(&["release", "greet", "publish"]).exits(3);
    assert!(refused.stderr().contains("missing-table"), "{}", refused.stderr());
    json(&["chaos", "greet", "off", "missing-table"]);
    eventually("dev has its table", || {
        (http::get(&format!("{dev}/greet"), &[("x-user-id", "ada")]).status == 200).then_some(())
    });

    json(&["chaos", "greet", "on", "slow-table"]);
    let slow = json(&["request", "greet", "visit", "--stage", "prod"]);
    assert!(slow["timings"]["total_ms"].as_f64().unwrap() > 200.0, "{slow}");
    json(&["chaos", "greet", "off", "slow-table"]);

    lab(&["check", "greet"]);

    // Nothing is left, and nothing runs.
    lab(&["destroy", "greet"]).exits(3);
    let gone = json(&["destroy", "greet", "--yes"]);
    assert_eq!(gone["left"].as_array().unwrap().len(), 0, "{gone}");
    lab(&["plan", "greet"]).exits(2);
    eventually("the functions' processes ended", || {
        processes_below(&sandbox.state_dir()).is_empty().then_some(())
    });
    assert_eq!(http::get(&format!("{stateless}/greet"), &[]).status, 403);
}

#[test]
fn wrong_words_are_usage_errors() {
    let sandbox = Sandbox::new();
    for args in [
        vec!["deploi"],
        vec!["deploy"],
        vec!["release", "greet", "shift", "120"],
        vec!["request", "greet", "-n", "none"],
        vec!["logs", "greet", "--since", "yesterday"],
    ] {
        let finished = sandbox.run(&args).exits(64);
        assert!(!finished.stderr().is_empty(), "{args:?}");
    }
    let unknown = sandbox.run(&["deploy", "greeet"]).exits(1);
    assert!(unknown.stderr().contains("greet"), "suggests the lab: {}", unknown.stderr());
    assert!(sandbox.cloud().is_none(), "no cloud is needed to say so");
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let sandbox = Sandbox::new();
    let finished = sandbox.run(&["deploy", "greeet", "--json"]).exits(1);
    let error: Value = serde_json::from_str(finished.stderr().trim()).expect("JSON on stderr");
    assert!(error["what"].is_string() && error["why"].is_string(), "{error}");
}

#[test]
fn a_read_only_target_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.run(&["cloud", "status"]);
    let refused = sandbox.run(&["deploy", "greet", "--read-only"]).exits(3);
    assert!(refused.stderr().contains("read-only"), "{}", refused.stderr());
    let listed = sandbox.json(&["labs", "--read-only"]);
    assert!(!listed.to_string().contains("\"deployed\":true"), "{listed}");
}

#[test]
fn the_schema_of_lab_files_is_printed() {
    let sandbox = Sandbox::new();
    let published = support::repository().join("docs/lab.schema.json");
    let published: Value = serde_json::from_slice(&std::fs::read(published).unwrap()).unwrap();
    let printed = sandbox.run(&["labs", "--schema"]).success();
    assert_eq!(serde_json::from_str::<Value>(&printed.stdout()).unwrap(), published);
    // A schema needs no cloud.
    assert!(sandbox.cloud().is_none());
}

#[test]
fn two_people_share_an_account_by_their_prefixes() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::new();
    let labs = checkout.labs();
    let settings = sandbox.path().join("config/labdeck");
    std::fs::create_dir_all(&settings).unwrap();
    let settings = settings.join("config.toml");
    std::fs::write(&settings, "[targets.ada]\ncloud = \"local\"\nprefix = \"ada-\"\n").unwrap();
    let mine = |args: &[&str]| sandbox.json(&[args, &["--labs", &labs]].concat());
    let hers =
        |args: &[&str]| sandbox.json(&[args, &["--labs", &labs, "--target", "ada"]].concat());

    let my = mine(&["deploy", "greet"]);
    let her = hers(&["deploy", "greet"]);
    assert_eq!((&my["lab"], &her["lab"]), (&"greet".into(), &"ada-greet".into()));
    let visit = |url: &str| http::get(&format!("{url}/greet"), &[("x-user-id", "u")]);
    let my_url = endpoint(&my, "greet-stateful", "prod");
    let her_url = endpoint(&her, "ada-greet-stateful", "prod");
    // Tables of their own: both are at their first visit.
    for url in [&my_url, &her_url] {
        let answer = visit(url);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["count"], 1, "{answer:?}");
    }
    // Everything that is done with a lab is done with its own.
    let checks = hers(&["check", "greet", "deployed"]);
    assert!(checks.to_string().contains("\"holds\":true"), "{checks}");
    hers(&["chaos", "greet", "on", "deny-table"]);
    assert_eq!(visit(&her_url).status, 503);
    assert_eq!(visit(&my_url).status, 200);
    hers(&["destroy", "greet", "--yes"]);
    assert_eq!(visit(&my_url).json()["count"], 3);
    hers(&["check", "greet", "cleaned-up"]);
    sandbox.run(&["plan", "greet", "--labs", &labs]).exits(0);

    // A name that becomes too long is said before anything is made.
    let long = "a2345678901234567890";
    checkout.edit("handlers/greet/lab.toml", "[functions.greet-stateless]", &format!(
        "[functions.greet-{}]\ndescription = \"d\"\npackage = \"greet\"\nbin = \"greet-stateless\"\n\
         role = \"greet-stateless-role\"\n\n[functions.greet-stateless]", "x".repeat(55)));
    let refused = sandbox.run(&["plan", "greet", "--labs", &labs, "--prefix", long]).exits(1);
    assert!(refused.stderr().contains("is too long; expected 1 to 64"), "{}", refused.stderr());
    std::fs::write(&settings, "[targets.ada]\nprefx = \"ada-\"\n").unwrap();
    let refused = sandbox.run(&["labs"]).exits(64);
    assert!(refused.stderr().contains("unknown field `prefx`"), "{}", refused.stderr());
}
