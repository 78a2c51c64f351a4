//! The audit through the command line and the console: what changed something, of which lab, from what
//! to what, with what result; and nothing of what must stay secret.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use support::console::Console;
use support::{Checkout, Sandbox};

fn audit_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.path().join("data").join("labdeck").join("audit.jsonl")
}

/// The entries that `labdeck audit ARGS --json` prints.
fn entries(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let mut all = vec!["audit"];
    all.extend(args);
    all.push("--json");
    let printed = sandbox.run(&all).success().stdout();
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'v>(entry: &'v Value, field: &str) -> &'v str {
    entry[field].as_str().unwrap_or_default()
}

#[test]
fn what_was_changed_is_written_down_with_from_and_to() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::new();
    let labs = checkout.labs();
    let lab = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--labs", &labs]);
        sandbox.run(&all)
    };
    let nothing = sandbox.run(&["audit"]).success();
    assert_eq!(nothing.stdout(), "");
    assert!(nothing.stderr().contains("nothing of that is in"), "{}", nothing.stderr());

    lab(&["deploy", "greet"]).success();
    checkout.edit("handlers/greet/lab.toml", "\"Hello\"", "\"Welcome\"");
    lab(&["deploy", "greet"]).success();
    lab(&["release", "greet", "publish"]).success();
    lab(&["release", "greet", "shift", "20"]).success();
    lab(&["rollback", "greet"]).success();
    lab(&["chaos", "greet", "on", "deny-table"]).success();
    lab(&["chaos", "greet", "on", "slow-table"]).success();
    lab(&["chaos", "greet", "off", "deny-table"]).success();
    // A request that only reads is no change.
    lab(&["request", "greet", "hello"]).success();

    // Every entry says who, where, of which lab.
    let all = entries(&sandbox, &[]);
    assert!(all.len() > 20, "{all:?}");
    for entry in &all {
        assert_eq!(text(entry, "lab"), "greet", "{entry}");
        assert_eq!(text(entry, "target"), "local", "{entry}");
        assert_eq!(text(entry, "region"), "us-east-1", "{entry}");
        assert_eq!(text(entry, "account"), "000000000000", "{entry}");
        assert!(text(entry, "who").starts_with("arn:aws:"), "{entry}");
        assert!(text(entry, "time").ends_with('Z'), "{entry}");
        assert_eq!(text(entry, "result"), "ok", "{entry}");
    }
    let told = |operation: &str| -> Vec<(String, String, String)> {
        entries(&sandbox, &["greet", "--operation", operation])
            .iter()
            .map(|entry| {
                let field = |name| text(entry, name).to_owned();
                (field("resource"), field("from"), field("to"))
            })
            .collect()
    };
    let has = |operation: &str, resource: &str, from: &str, to: &str| {
        let found = told(operation);
        // What ends by itself says when.
        let says =
            |told: &str, words: &str| told == words || told.starts_with(&format!("{words} until "));
        let there = found
            .iter()
            .any(|(at, was, is)| at.contains(resource) && says(was, from) && says(is, to));
        assert!(there, "{operation} {resource} {from} → {to}: {found:?}");
    };
    let prod = "functions/greet-stateless/aliases/prod";
    has("updatealias", prod, "v1", "v1 80% · v2 20%");
    has("updatealias", prod, "v1 80% · v2 20%", "v1");
    has("PublishVersion", "functions/greet-stateful", "v1", "the next version");
    has("PutRolePolicy", "chaos-deny-table", "chaos deny-table off", "chaos deny-table on");
    has("DeleteRolePolicy", "chaos-deny-table", "chaos deny-table on", "chaos deny-table off");
    has("PutTableLatency", "visits", "chaos slow-table off", "chaos slow-table on");
    has("CreateFunction", "functions", "nothing", "function greet-stateless");
    // Of environment variables the names alone.
    has("UpdateFunctionConfiguration", "greet-stateless", "environment", "environment");

    // Nobody else may read it, and it holds no value of a variable and no credentials.
    let file = audit_file(&sandbox);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let whole = std::fs::read_to_string(&file).unwrap();
    let keys = std::fs::read(sandbox.state_dir().join("credentials.json")).unwrap();
    let keys: Value = serde_json::from_slice(&keys).unwrap();
    for secret in ["Welcome", text(&keys, "secret_access_key"), text(&keys, "admin_token")] {
        assert!(!secret.is_empty() && !whole.contains(secret), "{secret}");
    }

    // What failed is found, and what is too old is not.
    assert_eq!(entries(&sandbox, &["--failed"]), Vec::<Value>::new());
    assert_eq!(entries(&sandbox, &["other-lab"]), Vec::<Value>::new());
    assert_eq!(entries(&sandbox, &["--since", "1h"]).len(), all.len());

    // For people, the newest last, times in UTC.
    let shown = sandbox.run(&["audit", "greet", "--operation", "Policy"]).success().stdout();
    let last = shown.lines().last().unwrap();
    let words = ["Z  greet  ", "local 000000000000 us-east-1", "IAM DeleteRolePolicy", "off  ok  "];
    for word in words {
        assert!(last.contains(word), "{word}: {last}");
    }

    // Destroying is written down, too.
    lab(&["destroy", "greet", "--yes"]).success();
    has("DeleteFunction", "greet-stateful", "function greet-stateful", "nothing");
}

/// An entry as an older or newer version may write it.
fn line(operation: &str, time: &str, lab: &str, result: &str) -> String {
    serde_json::json!({
        "time": time, "who": "arn:aws:iam::111122223333:user/ada", "account": "111122223333",
        "region": "eu-west-1", "target": "school", "lab": lab, "service": "Lambda",
        "operation": operation, "resource": "/2015-03-31/functions/a/aliases/prod",
        "from": "v1", "to": "v2", "result": result, "millis": 7,
    })
    .to_string()
}

#[test]
fn both_parts_are_read_damage_is_told_and_what_comes_is_followed() {
    let sandbox = Sandbox::new();
    let file = audit_file(&sandbox);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let old = line("CreateAlias", "2026-01-01T00:00:00Z", "shop", "ok");
    std::fs::write(file.with_extension("jsonl.1"), format!("{old}\n")).unwrap();
    let now = line("UpdateAlias", "2026-02-01T00:00:00.5Z", "shop", "PreconditionFailedException");
    std::fs::write(&file, format!("{{\"time\":\"cut sho\n\u{1b}]0;x\n{now}\n")).unwrap();

    let told = sandbox.run(&["audit"]).success();
    let lines: Vec<String> = told.stdout().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("2026-01-01 00:00:00Z  shop  ada  school 111122223333 eu-west-1"));
    assert!(lines[1].contains("v1 → v2  PreconditionFailedException  7 ms"), "{lines:?}");
    let damage = told.stderr();
    assert!(
        damage.contains("skipped a damaged line") && damage.contains("audit.jsonl:1"),
        "{damage}"
    );
    assert!(damage.contains("audit.jsonl:2") && !damage.contains('\u{1b}'), "{damage:?}");
    assert_eq!(entries(&sandbox, &["--failed"]).len(), 1);
    assert_eq!(entries(&sandbox, &["--since", "1d"]).len(), 0);
    assert!(sandbox.cloud().is_none(), "no cloud is needed to read it");

    let mut command = sandbox.command(&["audit", "shop", "--follow", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut followed = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next =
        || -> Value { serde_json::from_str(&followed.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["operation"], "CreateAlias");
    assert_eq!(next()["operation"], "UpdateAlias");
    let mut open = std::fs::OpenOptions::new().append(true).open(&file).unwrap();
    for entry in [
        line("Other", "2026-03-01T00:00:00Z", "other", "ok"),
        line("DeleteAlias", "2026-03-01T00:00:00Z", "shop", "ok"),
    ] {
        writeln!(open, "{entry}").unwrap();
    }
    assert_eq!(next()["operation"], "DeleteAlias");
    // Put aside by another process, and begun anew.
    std::fs::rename(&file, file.with_extension("jsonl.1")).unwrap();
    std::fs::write(&file, format!("{}\n", line("PublishVersion", "t", "shop", "ok"))).unwrap();
    assert_eq!(next()["operation"], "PublishVersion");
    support::signal(i32::try_from(child.id()).unwrap(), nix::sys::signal::Signal::SIGINT);
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_console_lists_filters_and_opens_entries() {
    let sandbox = Sandbox::new();
    let file = audit_file(&sandbox);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut all = String::new();
    for (operation, lab, result) in [
        ("CreateAlias", "shop", "ok"),
        ("UpdateAlias", "greet", "ok"),
        ("UpdateStage", "greet", "TooManyRequestsException"),
    ] {
        all.push_str(&line(operation, "2026-02-01T10:20:30Z", lab, result));
        all.push('\n');
    }
    std::fs::write(&file, all + "nonsense\n").unwrap();
    let mut console = Console::open(&sandbox, 100, 30, &[]);
    console.shows("● tail").keys("A").shows("audit: what changed something").shows("3 shown, UTC");
    console.shows("2026-02-01 10:20 shop       CreateAlias");
    console.shows("TooManyRequestsException  v1 → v2").shows("1 damaged lines skipped");
    console.keys("greet upd").shows("2 shown").shows_no("CreateAlias");
    // The newest is selected; down, and it is opened whole.
    console
        .keys("\x1b[B\r")
        .shows("UpdateAlias ─")
        .shows("  who  arn:aws:iam::111122223333:user/ada");
    console.shows("took  7 ms").keys("\x1b").shows_no("took").shows("2 shown");
    console.keys("\x1b").shows_no("audit: what").keys("q");
    assert_eq!(console.ends(), 0);
}
