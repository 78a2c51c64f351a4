//! The labs as courses: each is walked from its first step to its last, as a person would with the
//! headless commands, against real handler processes. What a step teaches is not there before it, and
//! is there after it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use support::{Checkout, OpenCloud, Sandbox, UNSIGNED_DATE, endpoint, eventually, http, unsigned};

/// Checkouts share a target directory, so they build one after the other.
static BUILDING: Mutex<()> = Mutex::new(());

/// The names of the labs.
fn labs() -> Vec<String> {
    let folders = std::fs::read_dir(support::repository().join("handlers")).unwrap().flatten();
    let mut labs: Vec<String> = folders
        .filter(|entry| entry.path().join("lab.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    labs.sort();
    labs
}

/// The steps of a lab, in order, each with what its check says now.
fn steps(sandbox: &Sandbox, lab: &str, folder: &str) -> Vec<Value> {
    let listed = sandbox.run(&["walk", lab, "--labs", folder, "--json"]).success().json();
    listed["steps"].as_array().unwrap().clone()
}

/// The ends of sentences in a text.
fn sentences(text: &str) -> usize {
    let words: Vec<&str> = text.split_whitespace().collect();
    let ends = |word: &&str| word.ends_with(['.', '?', '!']) || word.ends_with(".)");
    words.iter().filter(|word| ends(word)).count()
}

#[test]
fn every_lab_is_a_course_from_a_deploy_to_nothing_left() {
    // True where there is nothing.
    const EMPTY: [&str; 3] = ["absent", "chaos-off", "function-missing"];
    let labs = labs();
    assert_eq!(labs.len(), 6, "{labs:?}");
    let sandbox = Sandbox::new();
    let folder = support::repository().join("handlers");
    for lab in labs {
        let steps = steps(&sandbox, &lab, folder.to_str().unwrap());
        let action = |step: &Value| step["action"]["kind"].as_str().unwrap().to_owned();
        assert_eq!(action(&steps[0]), "deploy", "{lab}");
        assert_eq!(action(&steps[steps.len() - 1]), "destroy", "{lab}");
        let manifest = std::fs::read_to_string(folder.join(&lab).join("lab.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        for step in &steps {
            let (name, lesson) = (&step["name"], step["lesson"].as_str().unwrap());
            let count = sentences(lesson);
            assert!((2..=6).contains(&count), "{lab} {name}: {count} sentences\n{lesson}");
            let check = step["check"]["name"].as_str().unwrap();
            let kind = manifest["checks"][check]["kind"].as_str().unwrap();
            let holds = step["check"]["holds"] == true;
            assert_eq!(holds, EMPTY.contains(&kind), "{lab} {name}: {}", step["check"]);
        }
    }
}

/// Something a lesson asks the reader to change before its step is run.
struct Edit {
    step: &'static str,
    from: &'static str,
    to: &'static str,
}

/// Walks a lab. `known` are steps whose check holds before they are run, because it asks the lab itself
/// rather than what was done with it, and an earlier step has made it true.
fn walk(lab: &str, edits: &[Edit], known: &[&str]) {
    let sandbox = Sandbox::new();
    // Only what is edited needs a copy, and only a copy has to be built anew.
    let checkout = (!edits.is_empty()).then(Checkout::new);
    let repository = support::repository().join("handlers").to_string_lossy().into_owned();
    let folder = checkout.as_ref().map_or(repository, Checkout::labs);
    let run = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--labs", &folder, "--json"]);
        sandbox.run(&all)
    };
    let file = format!("handlers/{lab}/lab.toml");
    for step in steps(&sandbox, lab, &folder) {
        let name = step["name"].as_str().unwrap();
        for edit in edits.iter().filter(|edit| edit.step == name) {
            checkout.as_ref().unwrap().edit(&file, edit.from, edit.to);
        }
        let check = step["check"]["name"].as_str().unwrap();
        let building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let before = run(&["check", lab, check]).json();
        let held = before["checks"][0]["holds"] == true;
        assert_eq!(held, known.contains(&name), "before {lab} {name}: {before}");
        let ran = run(&["walk", lab, name, "--yes"]);
        drop(building);
        let report: Value = ran.json();
        if report["check"]["holds"] == true {
            continue;
        }
        // An alarm looks at whole minutes, and a stream is read when its time has come.
        eventually(&format!("after {lab} {name}: {report}"), || {
            let now = run(&["check", lab, check]).json();
            (now["checks"][0]["holds"] == true).then_some(())
        });
    }
}

#[test]
fn greet_is_walked() {
    let edit = Edit { step: "change", from: "\"Hello\"", to: "\"Welcome\"" };
    walk("greet", &[edit], &[]);
}

/// The URL of a lab's API, deployed from the repository's own folder.
fn deployed(sandbox: &Sandbox, lab: &str, api: &str, stage: &str) -> String {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    endpoint(&sandbox.json(&["deploy", lab]), api, stage)
}

#[test]
fn hello_greets_every_value_and_refuses_what_it_can_not_read() {
    let sandbox = Sandbox::new();
    let url = format!("{}/helloworld", deployed(&sandbox, "hello", "hello", "test"));
    let json = ("content-type", "application/json");
    let bytes = ("content-type", "application/octet-stream");
    for (query, headers, body, status, message) in [
        ("?greeter=Ada&greeter=Grace", vec![("greeter", "no")], "", 200, "Hello, Ada and Grace!"),
        (
            "?greeter=",
            vec![("greeter", "Ada"), ("Greeter", "Alan")],
            "",
            200,
            "Hello, Ada and Alan!",
        ),
        ("?greeter=Zo%C3%AB%20%26", vec![], "", 200, "Hello, Zoë &!"),
        ("", vec![json], r#"{"greeter":"Body"}"#, 200, "Hello, Body!"),
        ("", vec![bytes], r#"{"greeter":"Bytes"}"#, 200, "Hello, Bytes!"),
        ("", vec![json], r#"{"greeter":"#, 400, "The body is not valid JSON."),
        ("", vec![bytes], "\u{0}", 400, "The body is not valid JSON."),
        ("", vec![], "", 200, "Hello, World!"),
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let url = format!("{url}{query}");
            let answer = http::send(method, &url, &headers, body.as_bytes()).unwrap();
            assert_eq!((answer.status, &answer.json()["message"]), (status, &message.into()));
        }
    }
}

#[test]
fn todos_created_at_once_are_one() {
    let sandbox = Sandbox::new();
    let url = format!("{}/todos", deployed(&sandbox, "todos", "TodoAPI", "dev"));
    let key = ("idempotency-key", "race");
    for (headers, body) in [
        (vec![key], r#"{"task":"race"}"#),
        (vec![], r#"{"task":"race","id":"mine"}"#),
        (vec![("idempotency-key", "both")], r#"{"task":"race","id":"ours"}"#),
    ] {
        let before = http::get(&url, &[]).json()["todos"].as_array().unwrap().len();
        let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
            let create = || {
                let answer = http::send("POST", &url, &headers, body.as_bytes()).unwrap();
                (answer.status, answer.json()["todoId"].clone())
            };
            let all: Vec<_> = (0..24).map(|_| scope.spawn(create)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(answers[0].0, 201);
        let todos = http::get(&url, &[]).json()["todos"].as_array().unwrap().clone();
        assert_eq!(todos.len(), before + 1, "{todos:?}");
        let id = answers[0].1.as_str().unwrap();
        assert_eq!(http::get(&format!("{url}/{id}"), &[]).json()["task"], "race");
    }
    let other = http::send("POST", &url, &[key], br#"{"task":"another"}"#).unwrap();
    assert_eq!(other.status, 409);
}
/// A function that keeps environments ready has none to start for its first request, and a deploy
/// changes their number and takes them away.
#[test]
fn todos_are_read_without_a_cold_start() {
    let building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let sandbox = Sandbox::new();
    let deploy = |set: &str| sandbox.json(&["deploy", "todos", "--yes", "--set", set]);
    let url = format!("{}/todos", endpoint(&deploy("ready=1"), "TodoAPI", "prod"));
    let steps = |args: &[&str], code: i32| {
        let mut all = vec!["plan", "todos", "--json"];
        all.extend(args);
        sandbox.run(&all).exits(code).json()["steps"].to_string()
    };
    assert_eq!(steps(&[], 0), "[]", "a deploy without --set keeps what is live");
    assert_eq!(http::get(&url, &[]).status, 200);
    let cold_starts = eventually("the metrics of the request", || {
        let log = sandbox.run(&["logs", "todos", "--since", "1h", "--json"]).success().stdout();
        log.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .find(|event| event["function"] == "getTodo" && event["kind"] == "emf")
            .map(|event| serde_json::from_str::<Value>(event["text"].as_str().unwrap()).unwrap())
            .map(|document| document["ColdStart"].clone())
    });
    assert_eq!(cold_starts, 0);

    assert!(steps(&["--set", "ready=2"], 2).contains("environments 1 → 2"));
    deploy("ready=");
    assert_eq!(steps(&[], 0), "[]");
    drop(building);
    let left = sandbox.json(&["destroy", "todos", "--yes"])["left"].clone();
    assert_eq!(left, Value::Array(Vec::new()));
}

/// What a million requests cost is read from the log; sizes are tried on a copy, of which nothing is left,
/// also when the run is killed.
#[test]
fn todos_are_priced_and_tried_with_other_sizes() {
    let building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let sandbox = Sandbox::new();
    let cloud = OpenCloud::start(&sandbox, &[]);
    let functions = || -> Vec<String> {
        let authorization = unsigned("lambda");
        let signed = [("authorization", authorization.as_str()), ("x-amz-date", UNSIGNED_DATE)];
        let url = format!("{}/2015-03-31/functions", cloud.endpoint);
        let all = http::get(&url, &signed).json()["Functions"].as_array().unwrap().clone();
        all.iter().map(|f| f["FunctionName"].as_str().unwrap().to_owned()).collect()
    };
    let url = format!("{}/todos", endpoint(&sandbox.json(&["deploy", "todos"]), "TodoAPI", "prod"));
    for _ in 0..3 {
        assert_eq!(http::get(&url, &[]).status, 200);
    }
    let cost = eventually("the reports", || {
        let cost = sandbox.json(&["cost", "todos"]);
        (cost["functions"][0]["invocations"] == 3).then_some(cost)
    });
    let of = &cost["functions"][0];
    assert_eq!((&of["function"], &of["memory_mb"]), (&"getTodo".into(), &128.into()), "{cost}");
    let billed = of["billed_ms"].as_f64().unwrap();
    let duration = 128.0 / 1024.0 * billed / 1000.0 * 16.6667;
    assert!((of["duration"].as_f64().unwrap() - duration).abs() < 1e-3, "{cost}");
    assert_eq!(of["gateway"], 3.5);

    let tried = ["right-size", "todos", "getTodo", "--sizes", "128,512", "-n", "3"];
    let found = sandbox.json(&tried);
    let sizes = found["sizes"].as_array().unwrap();
    for (size, memory) in sizes.iter().zip([128, 512]) {
        assert_eq!((&size["memory_mb"], &size["runs"]), (&memory.into(), &3.into()), "{found}");
        assert_eq!(size["failed"], 0, "{found}");
        assert!(size["init_ms"].as_f64().is_some(), "{found}");
    }
    assert_eq!(
        (sizes.len(), &found["best_mb"], &found["memory_mb"]),
        (2, &128.into(), &128.into())
    );
    let told = sandbox.run(&tried).success().stdout();
    assert!(told.contains("not representative"), "{told}");
    assert_eq!(functions().len(), 4, "{:?}", functions());
    sandbox.run(&["plan", "todos"]).exits(0);

    for clean_up in ["deploy", "destroy"] {
        let mut cut_off =
            sandbox.command(&["right-size", "todos", "getTodo", "-n", "1000", "--json"]);
        let mut cut_off = cut_off.stdout(std::process::Stdio::null()).spawn().unwrap();
        eventually("the copy", || {
            functions().contains(&"getTodo-right-size".to_owned()).then_some(())
        });
        cut_off.kill().unwrap();
        cut_off.wait().unwrap();
        let plan = sandbox.run(&["plan", "todos"]).exits(2).stdout();
        assert!(plan.contains("getTodo-right-size"), "{plan}");
        sandbox.run(&[clean_up, "todos", "--yes"]).success();
        let left = functions();
        assert!(!left.iter().any(|name| name.ends_with("right-size")), "{left:?}");
        sandbox.run(&["plan", "todos"]).exits(if clean_up == "deploy" { 0 } else { 2 });
    }
    drop(building);
}

/// AWS gives new accounts ten executions at once, of which none can be reserved.
#[test]
fn todos_is_deployed_in_a_new_account() {
    let building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let sandbox = Sandbox::new();
    let _cloud = OpenCloud::start(&sandbox, &["--concurrent-executions", "10"]);
    let refused = sandbox.run(&["plan", "todos"]).exits(1).stderr();
    for told in ["may run 10 executions at once", "createTodo 50", "--set reserve="] {
        assert!(refused.contains(told), "{told}: {refused}");
    }
    let doctor = sandbox.run(&["doctor"]).stdout();
    assert!(doctor.contains("labdeck deploy todos --set reserve="), "{doctor}");
    sandbox.run(&["deploy", "todos", "--set", "reserve=", "--yes"]).success();
    // Nothing is to do for whoever does not say it again.
    sandbox.run(&["plan", "todos"]).exits(0);
    drop(building);
    let wrong = sandbox.run(&["plan", "todos", "--set", "reserve=many"]).exits(1).stderr();
    assert!(wrong.contains("no whole number"), "{wrong}");
}

#[test]
fn hello_is_walked() {
    walk("hello", &[], &["unknown-path"]);
}

#[test]
fn items_db_is_walked() {
    walk("items-db", &[], &["scale"]);
}

#[test]
fn todos_is_walked() {
    walk("todos", &[], &["cors", "event"]);
}

#[test]
fn petstore_is_walked() {
    let known = ["mock-list", "mock-adopt", "mock-read", "key", "plan", "validate", "cors"];
    walk("petstore", &[], &known);
}

#[test]
fn items_is_walked() {
    let first = Edit { step: "change", from: "memory_mb = 128", to: "memory_mb = 256" };
    let second = Edit { step: "change-again", from: "memory_mb = 256", to: "memory_mb = 384" };
    let known =
        ["list", "test", "function", "event", "missing", "no-number", "key", "cache", "invalidate"];
    walk("items", &[first, second], &known);
}

/// All labs at once come to the same as each for itself: the same code, nothing left to do.
#[test]
fn all_labs_are_deployed_and_destroyed_at_once() {
    let _alone = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let sandbox = Sandbox::new();
    sandbox.run(&["deploy", "--all", "--yes", "--json"]).success();
    for lab in labs() {
        let plan = sandbox.run(&["plan", &lab, "--json"]).exits(0).json();
        assert_eq!(plan["steps"], serde_json::json!([]), "{plan}");
    }
    let destroyed = sandbox.run(&["destroy", "--all", "--yes", "--json"]).success().stdout();
    let left = |line: &str| serde_json::from_str::<Value>(line).unwrap()["left"].clone();
    let left: Vec<Value> = destroyed.lines().map(left).collect();
    assert_eq!(left, vec![Value::Array(Vec::new()); labs().len()]);
}
