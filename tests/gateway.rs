//! The gateway edited live by headless commands, and seen through the public URL with the real handlers:
//! quotas, deployments, keys; what somebody else did in between; what bad input gets.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use support::gateway::Operator;
use support::{Sandbox, endpoint, eventually, http};

const API: &str = "ItemsAPI";

/// The value of the lab's key.
fn key(sandbox: &Sandbox) -> String {
    sandbox.json(&["keys", "items", "show", "LabKey"])["value"].as_str().unwrap().to_owned()
}

fn get(url: &str, key: &str) -> http::Answer {
    http::get(url, &[("x-api-key", key)])
}

fn usage(sandbox: &Sandbox) -> Value {
    let all = sandbox.json(&["plans", "items", "usage"]);
    all["plans"][0]["keys"][0].clone()
}

#[test]
fn a_quota_edited_live_changes_the_answer_to_the_next_request() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "items"]);
    let url = format!("{}/items/1", endpoint(&summary, API, "dev"));
    let key = key(&sandbox);
    assert_eq!(get(&url, &key).status, 200);
    assert_eq!(get(&url, &key).status, 200);

    // The preview changes nothing.
    let dry = ["plans", "items", "set", "quota.limit=2", "--dry-run", "--json"];
    let preview = sandbox.run(&dry).exits(2).json();
    let patch = &preview["patches"][0];
    assert_eq!((&patch["path"], &patch["op"]), (&"/quota/limit".into(), &"replace".into()));
    assert_eq!((&patch["old"], &patch["value"]), (&"1000".into(), &"2".into()), "{preview}");
    assert_eq!(get(&url, &key).status, 200);

    let done = sandbox.json(&["plans", "items", "set", "quota.limit=3"]);
    assert!(done["notes"].to_string().contains("[plans.LabPlan] quota.limit = 3"), "{done}");
    let refused = get(&url, &key);
    assert_eq!((refused.status, refused.body.as_str()), (429, "{\"message\":\"Limit Exceeded\"}"));
    let used = usage(&sandbox);
    assert_eq!((&used["used"], &used["remaining"]), (&3.into(), &0.into()), "{used}");

    // More for this period, then all of it.
    let more = sandbox.json(&["plans", "items", "LabPlan", "extend", "LabKey", "1"]);
    assert!(more["said"].as_str().unwrap().contains("0 → 1 requests left"), "{more}");
    assert_eq!(get(&url, &key).status, 200);
    assert_eq!(get(&url, &key).status, 429);
    sandbox.json(&["plans", "items", "reset", "LabKey"]);
    assert_eq!(usage(&sandbox)["remaining"], 3);
    assert_eq!(get(&url, &key).status, 200);

    // It is drift until lab.toml says so, too: shown, and corrected by a deploy.
    let plan = sandbox.run(&["plan", "items", "--json"]).exits(2).json();
    let [step] = plan["steps"].as_array().unwrap().clone().try_into().unwrap();
    assert_eq!((&step["resource"], &step["drift"]), (&"usage plan".into(), &true.into()), "{plan}");
    assert_eq!(step["changes"][0]["text"], "quota 3 → 1000", "{plan}");
    sandbox.run(&["plan", "items", "--keep-drift"]).exits(0);
    sandbox.json(&["deploy", "items"]);
    assert_eq!(sandbox.run(&["plan", "items"]).exits(0).code(), 0);
    let models = sandbox.json(&["plans", "items"]);
    assert_eq!(models["plans"][0]["settings"]["quota.limit"], "1000", "{models}");
}

#[test]
fn settings_of_a_stage_are_shown_edited_and_limited_by_method() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "items"]);
    let url = format!("{}/items", endpoint(&summary, API, "dev"));
    let key = key(&sandbox);
    let set =
        ["stages", "items", "dev", "set", "variables.colour=red", "/items/GET:throttle.rate=0"];
    let mut all = set.to_vec();
    all.push("/items/GET:throttle.burst=0");
    let done = sandbox.json(&all);
    assert_eq!(done["patches"].as_array().unwrap().len(), 3, "{done}");
    assert!(done["notes"].to_string().contains("variables.colour = \\\"red\\\""), "{done}");
    eventually("the method is closed", || {
        let answer = get(&url, &key);
        (answer.status == 429 && answer.body.contains("Too Many Requests")).then_some(())
    });
    assert_eq!(get(&format!("{url}/1"), &key).status, 200, "the other method is open");
    let model = sandbox.json(&["stages", "items", "dev"]);
    let settings = &model["settings"];
    assert_eq!(settings["variables.colour"], "red", "{model}");
    assert_eq!(settings["/items/GET:throttle.rate"], "0", "{model}");
    sandbox.json(&[
        "stages",
        "items",
        "dev",
        "set",
        "/items/GET:settings=none",
        "variables.colour=",
    ]);
    assert_eq!(get(&url, &key).status, 200);
    // Nothing of it is left for the plan to correct.
    sandbox.run(&["plan", "items"]).exits(0);

    // A cache that is switched on is said to cost, holds answers, is flushed, and goes.
    let on =
        sandbox.run(&["stages", "items", "dev", "set", "cache.cluster=on", "cache.enabled=on"]);
    let on = on.success();
    assert!(on.stderr().contains("billed by the hour"), "{}", on.stderr());
    sandbox.json(&["stages", "items", "dev", "flush"]);
    sandbox.json(&["stages", "items", "dev", "set", "cache.cluster=off", "cache.enabled=off"]);
    sandbox.run(&["stages", "items", "dev", "flush"]).exits(1);

    // Per method limits of the plan, on both stages.
    let limits = ["/items/{ID}/GET:throttle.rate=0", "/items/{ID}/GET:throttle.burst=0"];
    let done = sandbox.json(&["plans", "items", "set", limits[0], limits[1]]);
    assert_eq!(done["patches"].as_array().unwrap().len(), 4, "{done}");
    assert_eq!(get(&format!("{url}/1"), &key).status, 429);
    sandbox.json(&["plans", "items", "set", "/items/{ID}/GET:throttle=none"]);
    assert_eq!(get(&format!("{url}/1"), &key).status, 200);
    sandbox.run(&["plan", "items"]).exits(0);
}

#[test]
fn a_stage_switched_back_serves_the_old_deployment() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "items", "--variant", "mock"]);
    let url = format!("{}/items/2", endpoint(&summary, API, "dev"));
    let first = http::get(&url, &[]);
    assert!(first.body.contains("foo2"), "{first:?}");
    sandbox.json(&["deploy", "items", "--variant", "lambda"]);
    let key = key(&sandbox);
    assert_eq!(http::get(&url, &[]).status, 403);
    assert!(get(&url, &key).body.contains("Pencil"));

    let listed = sandbox.json(&["stages", "items", "deployments"]);
    let all = listed["apis"][0]["deployments"].as_array().unwrap().clone();
    let serving = |stage: &str| {
        let stage = Value::from(stage);
        let found = all.iter().find(|one| one["stages"].as_array().unwrap().contains(&stage));
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    // prod follows releases: it serves the mocks still.
    let (new, old) = (serving("dev"), serving("prod"));
    assert_ne!(new, old);

    let diff = sandbox.run(&["stages", "items", "prod", "diff"]).success();
    assert!(diff.stdout().contains("GET /items/{ID} integration"), "{}", diff.stdout());
    let same = sandbox.json(&["stages", "items", "dev", "diff"]);
    assert_eq!(same["differences"].as_array().unwrap().len(), 0, "{same}");

    let done = sandbox.json(&["stages", "items", "dev", "switch", &old]);
    assert!(done["notes"].to_string().contains(&format!("switch {new}")), "{done}");
    assert_eq!(http::get(&url, &[]).body, first.body);
    // The plan says so, and changes nothing by itself.
    let plan = sandbox.run(&["plan", "items"]).exits(2);
    assert!(plan.stdout().contains("serves another definition"), "{}", plan.stdout());
    assert_eq!(http::get(&url, &[]).body, first.body);
    sandbox.json(&["stages", "items", "dev", "switch", &new]);
    assert!(get(&url, &key).body.contains("Pencil"));
    sandbox.run(&["plan", "items"]).exits(0);

    // A new deployment of the same definition is known again as such.
    let done = sandbox.json(&["stages", "items", "dev", "redeploy"]);
    assert!(done["notes"].to_string().contains("holds the definition of lab.toml"), "{done}");
    assert!(get(&url, &key).body.contains("Pencil"));
    sandbox.run(&["plan", "items"]).exits(0);
    let unknown = sandbox.run(&["stages", "items", "dev", "switch", "nosuch"]).exits(1);
    assert!(unknown.stderr().contains("its deployments:"), "{}", unknown.stderr());
}

#[test]
fn what_somebody_else_changed_in_between_is_not_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "items"]);
    let operator = Operator::new(&sandbox);
    let during = |args: &[&str], change: &dyn Fn()| {
        // Between reading and applying: the lease is what comes next.
        operator.pause("logs", "CreateLogGroup");
        let mut command = sandbox.command(args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        operator.paused();
        change();
        operator.go_on();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        stderr
    };
    let told = during(&["stages", "items", "prod", "set", "throttle.rate=7"], &|| {
        operator.set_stage(API, "prod", "/*/*/throttling/rateLimit", "9");
    });
    assert!(told.contains("throttle.rate was 10000 and is 9 now; yours is 7"), "{told}");
    assert!(told.contains("nothing was overwritten"), "{told}");
    assert!((operator.rate(API, "prod") - 9.0).abs() < f64::EPSILON);

    let told = during(&["plans", "items", "set", "quota.limit=7"], &|| {
        operator.set_plan("LabPlan", "/quota/limit", "9");
    });
    assert!(told.contains("quota.limit was 1000 and is 9 now; yours is 7"), "{told}");
    // Read again, it is done.
    sandbox.json(&["plans", "items", "set", "quota.limit=7"]);
    sandbox.json(&["stages", "items", "prod", "set", "throttle.rate=7"]);
    assert!((operator.rate(API, "prod") - 7.0).abs() < f64::EPSILON);
}

#[test]
fn a_key_rotated_under_load_loses_no_request() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "items"]);
    sandbox.json(&["plans", "items", "set", "throttle=none", "quota=none"]);
    let url = format!("{}/items/1", endpoint(&summary, API, "dev"));
    let old = key(&sandbox);
    let current = Arc::new(Mutex::new(old.clone()));
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (url, current) = (url.clone(), Arc::clone(&current));
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            std::thread::spawn(move || {
                let mut lost = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let value = current.lock().unwrap().clone();
                    let answer = get(&url, &value);
                    if answer.status != 200 {
                        lost.push(answer);
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                lost
            })
        })
        .collect();
    let more = || {
        let before = sent.load(Ordering::Relaxed);
        eventually("more requests", || (sent.load(Ordering::Relaxed) > before + 20).then_some(()));
    };
    more();
    let mut command = sandbox.command(&["keys", "items", "rotate", "LabKey", "--grace", "5s"]);
    let rotation = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Clients change over to the new value while both are accepted.
    let new = eventually("the new key is accepted", || {
        let now = key(&sandbox);
        (now != old).then_some(now)
    });
    assert_eq!(get(&url, &old).status, 200, "the old key is accepted still");
    current.lock().unwrap().clone_from(&new);
    more();
    let output = rotation.wait_with_output().unwrap();
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{told}");
    assert!(!told.contains(&old) && !told.contains(&new), "no value is printed: {told}");
    more();
    stop.store(true, Ordering::Relaxed);
    let lost: Vec<_> = load.into_iter().flat_map(|one| one.join().unwrap()).collect();
    assert!(lost.is_empty(), "{} lost, such as {:?}", lost.len(), lost.first());
    assert_eq!(get(&url, &old).status, 403, "the old key is gone");
    let listed = sandbox.json(&["keys", "items"]);
    let keys = listed["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1, "{listed}");
    assert_eq!(keys[0]["plans"], serde_json::json!(["LabPlan"]), "{listed}");
    // A deploy takes the new key for the lab's own.
    sandbox.json(&["deploy", "items"]);
    assert_eq!(key(&sandbox), new);
    let audit = std::fs::read_dir(sandbox.path().join("data/labdeck")).unwrap();
    for file in audit.flatten().filter(|file| file.path().is_file()) {
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(&old) && !text.contains(&new), "{}", file.path().display());
    }
}

#[test]
fn a_rotation_that_was_cut_off_is_finished_and_deploys_leave_both_keys() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "items"]);
    let url = format!("{}/items/1", endpoint(&summary, API, "dev"));
    let old = key(&sandbox);
    let operator = Operator::new(&sandbox);
    // Killed with the new key made, before it is in the plan.
    operator.pause("apigateway", "CreateUsagePlanKey");
    let mut command = sandbox.command(&["keys", "items", "rotate", "LabKey"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    operator.paused();
    child.kill().unwrap();
    child.wait().unwrap();
    operator.go_on();
    let keys = sandbox.json(&["keys", "items"])["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!(keys[1]["rotates"], keys[0]["id"], "{keys:?}");
    assert_eq!(key(&sandbox), old, "the old key counts until the new one is accepted");
    let plan = sandbox.run(&["plan", "items", "--json"]).exits(0).json();
    assert!(plan["notes"].to_string().contains("its rotation was cut off"), "{plan}");
    assert_eq!(get(&url, &old).status, 200);

    sandbox.json(&["keys", "items", "rotate", "LabKey", "--grace", "0s"]);
    let new = key(&sandbox);
    assert_ne!(new, old);
    assert_eq!((get(&url, &old).status, get(&url, &new).status), (403, 200));
    let left = sandbox.json(&["keys", "items"])["keys"].as_array().unwrap().clone();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((&left[0]["id"], &left[0]["rotates"]), (&keys[1]["id"], &Value::Null), "{left:?}");
}

#[test]
fn keys_are_made_disabled_and_left_alone_by_deploys() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "items"]);
    let url = format!("{}/items/1", endpoint(&summary, API, "dev"));
    sandbox.json(&["keys", "items", "create", "Guest", "--plan", "LabPlan"]);
    let guest = sandbox.json(&["keys", "items", "show", "Guest"]);
    let guest = guest["value"].as_str().unwrap();
    assert_eq!(get(&url, guest).status, 200);
    sandbox.run(&["keys", "items", "create", "Guest"]).exits(3);
    sandbox.run(&["keys", "items", "create", "LabKey"]).exits(3);
    sandbox.json(&["keys", "items", "disable", "Guest"]);
    assert_eq!(get(&url, guest).status, 403);
    sandbox.run(&["keys", "items", "rotate", "Guest"]).exits(3);
    sandbox.json(&["keys", "items", "enable", "Guest"]);
    assert_eq!(get(&url, guest).status, 200);
    let text = sandbox.run(&["keys", "items"]).success().stdout();
    assert!(text.contains("Guest") && text.contains("made by hand") && !text.contains(guest));
    let plan = sandbox.run(&["plan", "items"]).exits(0);
    assert!(plan.stdout().contains("it was made by hand"), "{}", plan.stdout());
    sandbox.json(&["deploy", "items"]);
    assert_eq!(get(&url, guest).status, 200);
    let disabled = sandbox.json(&["keys", "items", "disable", "LabKey"]);
    assert!(disabled["notes"].to_string().contains("[keys.LabKey] enabled = false"), "{disabled}");
    sandbox.run(&["plan", "items"]).exits(2);
    let gone = sandbox.json(&["destroy", "items", "--yes"]);
    assert_eq!(gone["left"].as_array().unwrap().len(), 0, "{gone}");
}

#[test]
fn what_cannot_be_is_refused_before_any_call() {
    let sandbox = Sandbox::new();
    for (args, said) in [
        (&["plans", "items", "set", "quota.limit=0"][..], "from 1 on"),
        (&["plans", "items", "set", "quota.limit=-1"], "from 1 on"),
        (&["plans", "items", "set", "quota.period=weekly"], "DAY, WEEK, MONTH"),
        (&["plans", "items", "set", "throttle.rate=-1"], "0 or more"),
        (&["plans", "items", "set", "qouta.limit=1"], "did you mean \"quota.limit\"?"),
        (&["plans", "items", "LabPlan", "extend", "LabKey", "0"], "0 is not in"),
        (&["stages", "items", "prod", "set", "variables.my-name=x"], "letters, digits and under"),
        (&["stages", "items", "prod", "set", "variables.name=a b"], "letters, digits and -"),
        (&["stages", "items", "prod", "set", "throttle.burst=-1"], "0 or more"),
        (&["stages", "items", "prod", "set", "cache.ttl_s=3601"], "0 to 3600"),
        (&["stages", "items", "prod", "set", "cache.size_gb=2"], "0.5, 1.6"),
        (
            &["stages", "items", "prod", "set", "cach.size_gb=0.5"],
            "did you mean \"cache.size_gb\"?",
        ),
        (&["stages", "items", "prod", "set", "log_level=debug"], "OFF, ERROR, INFO"),
        (&["stages", "items", "set", "tracing=on"], "no stage is named"),
        (&["keys", "items", "create", " x"], "1 to 1024 characters"),
    ] {
        let refused = sandbox.run(args).exits(64);
        assert!(refused.stderr().contains(said), "{args:?}: {}", refused.stderr());
    }
    let refused = sandbox.run(&["stages", "items", "prodd"]).exits(1);
    assert!(refused.stderr().contains("did you mean \"prod\"?"), "{}", refused.stderr());
    let refused = sandbox.run(&["stages", "greet", "prod"]).exits(1);
    assert!(refused.stderr().contains("greet-stateless/prod"), "{}", refused.stderr());
    assert!(sandbox.cloud().is_none(), "nothing was called: no cloud was started");

    let refused = sandbox.run(&["stages", "items", "prod", "set", "tracing=on"]).exits(1);
    assert!(refused.stderr().contains("labdeck deploy items"), "{}", refused.stderr());
    let refused = sandbox.run(&["plans", "items", "LabPlan", "usage", "--json"]).exits(1);
    assert!(refused.stderr().contains("no usage plan that is live"), "{}", refused.stderr());
    sandbox.json(&["deploy", "items"]);
    for (args, said) in [
        (&["stages", "items", "prod", "set", "/itmes/GET:throttle.rate=1"][..], "\"/items/GET\"?"),
        (&["stages", "items", "prod", "set", "deployment=nosuch"], "Deployment id does not exist"),
        (&["plans", "items", "set", "quota.offset=3"], "does not go with DAY"),
        (&["plans", "items", "LabPlann", "usage"], "\"LabPlan\"?"),
        (&["plans", "items", "reset", "LabKay"], "\"LabKey\"?"),
        (&["keys", "items", "show", "LabKay"], "\"LabKey\"?"),
    ] {
        let refused = sandbox.run(args).exits(1);
        assert!(refused.stderr().contains(said), "{args:?}: {}", refused.stderr());
    }
    // Read-only refuses every edit, and shows all the same.
    for args in [
        &["stages", "items", "prod", "set", "tracing=on", "--read-only"][..],
        &["plans", "items", "set", "quota.limit=5", "--read-only"],
        &["keys", "items", "rotate", "LabKey", "--read-only"],
    ] {
        sandbox.run(args).exits(3);
    }
    sandbox.run(&["plans", "items", "usage", "--read-only"]).success();
}
