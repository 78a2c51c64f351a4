//! Requests by headless commands on the local cloud with the real handlers: what is expected of answers,
//! requests of one's own, the history, log lines, and what mends an error answer.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;
use support::diagnosis::{ask, breaks_and_mends, broken, mend};
use support::foreign::client;
use support::gateway::Operator;
use support::{Checkout, Sandbox, binary, eventually};

#[test]
fn every_request_is_sent_and_judged() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "hello"]);
    let (code, all) = ask(&sandbox, &["hello", "--all"]);
    assert_eq!((code, &all["holds"]), (0, &true.into()), "{all}");
    let rows = all["requests"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["exchange"]["verdicts"][0]["holds"] == true), "{all}");
    // What does not hold is said, and shows in the exit status.
    let own = ["request", "hello", "wrong", "--save", "GET", "/helloworld"];
    let expect = ["--expect", "status=2xx", "--expect", "$.message=Goodbye"];
    sandbox.run(&[&own[..], &expect[..]].concat()).success();
    let said = sandbox.run(&["request", "hello", "wrong"]).exits(1).stdout();
    assert!(said.contains("✓ status 200 (2xx)"), "{said}");
    assert!(said.contains("✗ $.message is \"Hello, World!\", expected \"Goodbye\""), "{said}");
    let said = sandbox.run(&["request", "hello", "--all"]).exits(1).stdout();
    assert!(said.contains("✗ wrong"), "{said}");
    // How long it may take: the gateway alone takes longer than one, and never as long as the other.
    let within = |name: &str, millis: &str| {
        let own = ["request", "hello", name, "--save", "GET", "/helloworld", "--expect", millis];
        sandbox.run(&own).success();
    };
    within("late", "time=40");
    within("in-time", "time=60000");
    let operator = Operator::new(&sandbox);
    operator.slow("execute-api", "GET", 60);
    let (code, answer) = ask(&sandbox, &["hello", "late"]);
    let verdict = &answer["verdicts"][0];
    assert_eq!((code, &verdict["holds"]), (1, &false.into()), "{answer}");
    let said = sandbox.run(&["request", "hello", "late"]).exits(1).stdout();
    assert!(said.contains("✗ time is ") && said.contains("expected at most 40 ms"), "{said}");
    let said = sandbox.run(&["request", "hello", "in-time"]).exits(0).stdout();
    assert!(said.contains("✓ time ") && said.contains("60000 ms"), "{said}");
    operator.go_on();
    // Without the API nobody answers.
    sandbox.run(&["destroy", "hello", "--yes"]).success();
    let said = sandbox.run(&["request", "hello", "--all"]).exits(1).stdout();
    assert!(said.contains("no answer: API hello is not deployed"), "{said}");
}

#[test]
fn own_requests_take_values_from_answers_and_the_history_keeps_no_secrets() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "items"]);
    let save = |name: &str, more: &[&str]| {
        let mut all = vec!["request", "items", name, "--save"];
        all.extend(more);
        sandbox.run(&all)
    };
    // What is wrong is refused where it is typed.
    let refused = save("mine", &["GET", "items"]).exits(1).stderr();
    assert!(refused.contains("path: a path begins with /"), "{refused}");
    save("one", &["GET", "/items"]).exits(3);
    save("mine", &["GET", "/items/{{one.ID}}", "--key", "LabKey", "--query", "token=s3cret-value"])
        .success();
    let file = sandbox.path().join("config/labdeck/requests/items.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    // Its variable wants an answer that is not there yet.
    let said = sandbox.run(&["request", "items", "mine"]).exits(1).stderr();
    assert!(said.contains("next: send it first: labdeck request items one"), "{said}");
    assert_eq!(ask(&sandbox, &["items", "one", "--var", "id=3"]).1["status"], 200);
    let (code, answer) = ask(&sandbox, &["items", "mine"]);
    assert_eq!((code, &answer["status"]), (0, &200.into()), "{answer}");
    assert!(answer["body"].as_str().unwrap().contains("Highlighter"), "{answer}");

    // The history has both, and no secret.
    let history = sandbox.json(&["request", "items", "--history"]);
    let names: Vec<&str> = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|past| past["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["mine", "one"], "{history}");
    let key = sandbox.json(&["keys", "items", "show", "LabKey"])["value"].to_string();
    let folder = sandbox.path().join("data/labdeck/requests");
    let target = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let path = target.join("items.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(key.trim_matches('"')) && !text.contains("s3cret"), "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    ask(&sandbox, &["items", "one", "--var", "id=4"]);
    let diff = sandbox.run(&["request", "items", "--diff", "1", "3"]).success().stdout();
    assert!(
        diff.contains("-   \"name\": \"Highlighter\"") && diff.contains("+   \"name\": \"Ruler\"")
    );

    // As curl it does the same, without the key's value.
    let line = sandbox.run(&["request", "items", "one", "--curl"]).success().stdout();
    assert!(!line.contains(key.trim_matches('"')), "{line}");
    if let Ok(true) = Command::new("curl").arg("--version").output().map(|o| o.status.success()) {
        let program = format!("labdeck() {{ '{}' \"$@\"; }}\n{line}", binary().display());
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(program).current_dir(support::repository());
        shell.envs(sandbox.environment());
        let output = String::from_utf8(shell.output().unwrap().stdout).unwrap();
        assert!(output.contains("200 OK") && output.contains("Pen"), "{output}");
    }

    // A broken file is told, left as it is, and keeps nobody from the lab's own requests.
    std::fs::write(&file, "[requests.mine]\napi = \"ItemsAPI\"\nmethod = \"GET\"\npaht = \"/\"\n")
        .unwrap();
    let said = sandbox.run(&["request", "items", "mine"]).exits(1).stderr();
    assert!(said.contains("items.toml:4:1: unknown key `paht`"), "{said}");
    let listed = sandbox.run(&["request", "items"]).success();
    assert!(listed.stdout().contains("without-key") && listed.stderr().contains("paht"));
    sandbox.run(&["request", "items", "mine", "--forget"]).exits(1);
    assert!(std::fs::read_to_string(&file).unwrap().contains("paht"));
}

#[test]
fn an_answer_leads_to_its_log_lines_and_back() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "items", "greet"]);
    for (request, how) in [(["items", "one"], "access_log"), (["greet", "visit"], "trace_id")] {
        let (_, answer) = ask(&sandbox, &[request[0], request[1], "--stage", "dev", "--logs"]);
        let logs = &answer["logs"];
        assert_eq!((&logs["how"], &logs["complete"]), (&how.into(), &true.into()), "{answer:#}");
        let lines = logs["lines"].as_array().unwrap();
        let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("start", "report"), "{logs:#}");
        let id = logs["lambda_request_id"].as_str().unwrap();
        assert!(lines.iter().all(|line| line["text"].as_str().unwrap().contains(id)), "{logs:#}");
        let back = ["request", request[0], "--history", "--invocation", id];
        let back = sandbox.json(&back);
        assert_eq!(back["history"][0]["id"], answer["id"], "{back}");
        assert_eq!(back["history"].as_array().unwrap().len(), 1);
    }
    // The execution log alone joins them as well.
    let stage = ["stages", "items", "dev", "set", "log_level=INFO", "access_log.destination="];
    sandbox.run(&stage).success();
    let (_, answer) = ask(&sandbox, &["items", "one", "--stage", "dev", "--logs"]);
    assert_eq!(answer["logs"]["how"], "execution_log", "{answer:#}");
    assert!(!answer["logs"]["lines"].as_array().unwrap().is_empty());
    // What the gateway refuses has no function behind it.
    let (_, answer) = ask(&sandbox, &["items", "without-key", "--stage", "dev", "--logs"]);
    assert_eq!(answer["logs"]["how"], "gateway", "{answer:#}");
}

#[test]
fn keys_and_plans_are_diagnosed_and_mended() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "items"]);
    let one = ["items", "one", "--stage", "dev"];
    let (_, answer) = ask(&sandbox, &["items", "without-key", "--stage", "dev"]);
    assert_eq!(broken(&answer).0, ["the request carries an API key"], "{answer:#}");
    let sent = mend(&sandbox, &answer).stdout();
    assert!(sent.contains("200  "), "{sent}");

    sandbox.run(&["keys", "items", "disable", "LabKey", "--yes"]).success();
    breaks_and_mends(&sandbox, &one, 403, &["key LabKey is enabled"], "enable_key");
    sandbox.run(&["plans", "items", "set", "stages.ItemsAPI/dev=off", "--yes"]).success();
    let unbound = ["a plan of key LabKey is bound to stage ItemsAPI/dev"];
    breaks_and_mends(&sandbox, &one, 403, &unbound, "bind_plan");

    // A quota that is used up, and a rate that refuses everything.
    sandbox.run(&["plans", "items", "set", "quota.limit=3", "--yes"]).success();
    eventually("the quota is used up", || (ask(&sandbox, &one).1["status"] == 429).then_some(()));
    let used = ["key LabKey has requests left in plan LabPlan"];
    breaks_and_mends(&sandbox, &one, 429, &used, "reset_quota");
    sandbox.run(&["plans", "items", "set", "quota.limit=1000", "--yes"]).success();
    let closed = ["/items/{ID}/GET:throttle.rate=0", "/items/{ID}/GET:throttle.burst=0"];
    let set = ["stages", "items", "dev", "set", closed[0], closed[1], "--yes"];
    sandbox.run(&set).success();
    let low = ["the rate of /items/{ID}/GET on stage ItemsAPI/dev is above what was sent"];
    breaks_and_mends(&sandbox, &one, 429, &low, "set_stage");
}

#[test]
fn a_stale_stage_is_diagnosed_and_mended() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::new();
    let labs = checkout.labs();
    let run = |args: &[&str]| sandbox.run(&[args, &["--labs", &labs]].concat());
    run(&["deploy", "hello"]).success();
    let first = run(&["stages", "hello", "test", "deployments", "--json"]).success().json();
    let first =
        first["apis"][0]["deployments"][0]["id"].as_str().unwrap_or_else(|| panic!("{first}"));
    let ask = || run(&["request", "hello", "unknown-path", "--json"]).json();
    let answer = ask();
    assert!(answer["diagnosis"]["fix"].is_null(), "{answer:#}");
    assert!(answer["diagnosis"]["explanation"].as_str().unwrap().contains("no such method"));

    // The files have it, the API has not.
    let document = checkout.path().join("handlers/hello/hello.openapi.yaml");
    let text = std::fs::read_to_string(&document).unwrap();
    let (_, method) = text.split_once("  /helloworld:\n").unwrap();
    std::fs::write(&document, format!("{}\n  /goodbye:\n{method}", text.trim_end())).unwrap();
    let answer = ask();
    assert_eq!(broken(&answer).1, "deploy", "{answer:#}");
    run(&["deploy", "hello"]).success();
    let answer = ask();
    assert_eq!(answer["status"], 200, "{answer:#}");

    // The stage is switched back to the deployment without it.
    run(&["stages", "hello", "test", "switch", first, "--yes"]).success();
    let answer = ask();
    assert_eq!(broken(&answer).0, ["stage hello/test serves that definition"], "{answer:#}");
    assert_eq!(broken(&answer).1, "switch_deployment");
    let fix = answer["diagnosis"]["fix"]["arguments"].as_array().unwrap().clone();
    let words: Vec<&str> = fix.iter().map(|word| word.as_str().unwrap()).collect();
    run(&[&words[..], &["--yes"]].concat()).success();
    assert_eq!(ask()["status"], 200);
}

#[test]
fn what_is_behind_a_method_is_diagnosed_and_mended() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "items", "items-db"]);
    let one = ["items", "one", "--stage", "dev"];
    assert_eq!(ask(&sandbox, &one).1["status"], 200);
    let (lambda, runtime) = (client(&sandbox), Operator::new(&sandbox).runtime);
    let name = "ItemsFunction";

    // The stage calls an alias that there is not.
    let set = ["stages", "items", "dev", "set", "variables.lambdaAlias=nobody", "--yes"];
    sandbox.run(&set).success();
    breaks_and_mends(&sandbox, &one, 500, &["ItemsFunction has alias nobody"], "set_stage");
    // The alias was deleted; the permission was taken away; the function was deleted.
    runtime.block_on(lambda.delete_alias().function_name(name).name("dev").send()).unwrap();
    breaks_and_mends(&sandbox, &one, 500, &["ItemsFunction has alias dev"], "deploy");
    let policy = lambda.get_policy().function_name(name).qualifier("dev").send();
    let policy = runtime.block_on(policy).unwrap().policy.unwrap();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    for statement in policy["Statement"].as_array().unwrap() {
        let id = statement["Sid"].as_str().unwrap();
        let call = lambda.remove_permission().function_name(name).qualifier("dev");
        runtime.block_on(call.statement_id(id).send()).unwrap();
    }
    let may = ["ItemsFunction:dev lets GET/items/{ID} of stage ItemsAPI/dev call it"];
    breaks_and_mends(&sandbox, &one, 500, &may, "deploy");
    runtime.block_on(lambda.delete_function().function_name(name).send()).unwrap();
    breaks_and_mends(&sandbox, &one, 500, &["function ItemsFunction exists"], "deploy");

    // What the function answers is no proxy response.
    let read = ["items-db", "read", "--stage", "dev"];
    ask(&sandbox, &["items-db", "save", "--stage", "dev"]);
    sandbox.run(&["chaos", "items-db", "on", "bare-response"]).success();
    let (_, answer) = ask(&sandbox, &read);
    assert_eq!(answer["status"], 502, "{answer:#}");
    assert_eq!(broken(&answer).0[0], "no chaos switch of the lab is on", "{answer:#}");
    assert_eq!(broken(&answer).1, "chaos_off");
    mend(&sandbox, &answer);
    eventually("it is a proxy response again", || {
        (ask(&sandbox, &read).1["status"] == 200).then_some(())
    });
}

#[test]
fn a_body_that_does_not_fit_its_model_is_told_how() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "petstore"]);
    let (_, answer) = ask(&sandbox, &["petstore", "no-pet", "--stage", "dev"]);
    assert_eq!(answer["status"], 400, "{answer:#}");
    let explanation = answer["diagnosis"]["explanation"].as_str().unwrap();
    assert!(explanation.contains("\"price\" is a required property"), "{explanation}");
    // Somebody else's change of the stage is told from live state, not from the files.
    let operator = Operator::new(&sandbox);
    operator.set_stage("petstore", "dev", "/*/*/throttling/rateLimit", "0");
    operator.set_stage("petstore", "dev", "/*/*/throttling/burstLimit", "0");
    let (_, answer) = ask(&sandbox, &["petstore", "list", "--stage", "dev"]);
    assert_eq!(answer["status"], 429, "{answer:#}");
    assert_eq!(broken(&answer).1, "set_stage", "{answer:#}");
}
