//! What bad input gets from the program: labs that can't be read or built, a state directory that
//! can't be used or is damaged, a port that is taken, strangers at the door. Always what happened,
//! where, and the way out; nothing is deployed and nothing is deleted.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use support::console::Console;
use support::{Checkout, Sandbox, eventually, http, signal};

/// A line of a file that contains `text`, counted from 1.
#[track_caller]
fn line_of(checkout: &Checkout, file: &str, text: &str) -> usize {
    let contents = std::fs::read_to_string(checkout.path().join(file)).unwrap();
    let found = contents.lines().position(|line| line.contains(text));
    found.unwrap_or_else(|| panic!("{file} has no {text:?}")) + 1
}

#[test]
fn every_mistake_of_a_lab_is_listed_with_its_place_and_nothing_is_deployed() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::new();
    let (lab, document) =
        ("handlers/greet/lab.toml", "handlers/greet/greet-stateless.openapi.yaml");
    checkout.edit(lab, "hash_key_type = \"S\"", "hash_key_typ = \"S\"");
    checkout.edit(lab, "memory_mb = 128", "memory_mb = 12");
    checkout.edit(lab, "role = \"greet-stateful-role\"\nmemory", "role = \"gret\"\nmemory");
    checkout.edit(document, "paths:", "pahts:");
    let refused = sandbox.run(&["deploy", "greet", "--labs", &checkout.labs()]).exits(1).stderr();
    for (file, text, said) in [
        (lab, "hash_key_typ =", "did you mean `hash_key_type`"),
        (lab, "memory_mb = 12", "expected a whole number from 128 to 10240 MB"),
        (lab, "role = \"gret\"", "not a role of this lab"),
    ] {
        let place = format!("lab.toml:{}:", line_of(&checkout, file, text));
        let found = refused.lines().any(|line| line.contains(&place) && line.contains(said));
        assert!(found, "{place} {said}\n{refused}");
    }
    assert!(refused.contains("greet-stateless.openapi.yaml:1:1: the document has no `paths`"));
    assert!(refused.contains("nothing was changed"), "{refused}");
    assert!(sandbox.cloud().is_none(), "no cloud is needed to say so");

    checkout.edit(document, "pahts:", "paths: [");
    let syntax = sandbox.run(&["plan", "greet", "--labs", &checkout.labs()]).exits(1).stderr();
    assert!(syntax.contains("greet-stateless.openapi.yaml:"), "{syntax}");
    std::fs::write(checkout.path().join(lab), [0xff, 0xfe, 0, 1]).unwrap();
    let bytes = sandbox.run(&["plan", "greet", "--labs", &checkout.labs()]).exits(1).stderr();
    assert!(bytes.contains("is not UTF-8"), "{bytes}");
}

#[test]
fn a_handler_that_does_not_compile_shows_what_the_compiler_says() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::new();
    let source = "handlers/greet/src/stateless.rs";
    let path = checkout.path().join(source);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\nfn broken() -> u32 {{ \"no number\" }}\n")).unwrap();
    let failed = sandbox.run(&["deploy", "greet", "--labs", &checkout.labs()]).exits(1).stderr();
    assert!(failed.contains("error[E0308]: mismatched types"), "{failed}");
    assert!(failed.contains(source) || failed.contains("greet/src/stateless.rs:"), "{failed}");
    assert!(failed.contains("no number"), "{failed}");
    let listed = sandbox.run(&["labs", "--json"]).success().stdout();
    assert!(!listed.contains("\"deployed\":true"), "{listed}");
}

#[test]
fn a_state_directory_that_cannot_be_used_is_a_clear_error() {
    let sandbox = Sandbox::new();
    let below = sandbox.path().join("file/state");
    std::fs::write(sandbox.path().join("file"), "not a directory").unwrap();
    for args in [&["labs"][..], &["cloud"]] {
        let mut command = std::process::Command::new(support::binary());
        command.args(args).arg("--state-dir").arg(&below).current_dir(support::repository());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("file/state"), "{said}");
        assert!(said.contains("not a directory"), "{said}");
        assert!(said.contains("--state-dir"), "{said}");
    }
}

#[test]
fn damaged_files_are_moved_aside_and_told() {
    let sandbox = Sandbox::new();
    sandbox.run(&["labs"]).success();
    sandbox.run(&["cloud", "stop"]).success();
    let state = sandbox.state_dir();
    let files = ["cloud.db", "dynamodb.db", "logs.db", "credentials.json"];
    for name in files {
        std::fs::write(state.join(name), "not what it was ".repeat(1000)).unwrap();
    }
    let started = sandbox.run(&["labs"]).success().stderr();
    let status = sandbox.run(&["cloud", "status"]).success().stdout();
    for name in files {
        let kept = std::fs::read_dir(&state).unwrap().flatten().any(|entry| {
            let aside = entry.file_name().to_string_lossy().into_owned();
            aside.starts_with(&format!("{name}.damaged-"))
                && std::fs::read(entry.path()).unwrap().starts_with(b"not what it was")
        });
        assert!(kept, "{name} was kept");
        for told in [&started, &status] {
            let about = format!("{name}.damaged-");
            assert!(told.contains(&about), "{name} is told:\n{told}");
        }
    }
    let mut console = Console::open(&sandbox, 160, 40, &[]);
    console.shows("● tail").keys("m").shows("cloud.db is damaged");
    console.keys("\x1b").shows_no("┌ messages").keys("q");
    assert_eq!(console.ends(), 0);
}

#[test]
fn state_of_a_newer_version_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.run(&["labs"]).success();
    sandbox.run(&["cloud", "stop"]).success();
    let path = sandbox.state_dir().join("cloud.db");
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    newer.close().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let refused = sandbox.run(&["labs"]).exits(1).stderr();
    assert!(refused.contains("newer version of labdeck (layout 99"), "{refused}");
    assert!(refused.contains("--state-dir"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "the file is untouched");
}

/// A cloud in the foreground, and what it printed until it was ready.
fn foreground(sandbox: &Sandbox, args: &[&str], lines: usize) -> (Child, Vec<String>) {
    let mut all = vec!["cloud"];
    all.extend(args);
    let mut child = sandbox.command(&all).stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let printed = out.lines().take(lines).map(Result::unwrap).collect();
    (child, printed)
}

#[test]
fn a_taken_port_is_an_error_when_it_was_asked_for_and_another_is_chosen_when_not() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = sandbox.run(&["cloud", "--port", &port]).exits(1).stderr();
    assert!(refused.contains(&port) && refused.contains("--port"), "{refused}");
    assert!(sandbox.cloud().is_none());

    sandbox.run(&["labs"]).success();
    let before = sandbox.cloud().unwrap()["port"].as_u64().unwrap();
    sandbox.run(&["cloud", "stop"]).success();
    let squatter = TcpListener::bind(("127.0.0.1", u16::try_from(before).unwrap())).unwrap();
    let started = sandbox.run(&["labs"]).success().stderr();
    assert!(started.contains(&format!("port {before}")), "says that URLs changed: {started}");
    assert_ne!(sandbox.cloud().unwrap()["port"].as_u64().unwrap(), before);
    drop(squatter);
}

/// Headers of a request to STS signed by nobody who should.
fn signed_by(access_key_id: &str) -> String {
    let date = std::process::Command::new("date").args(["-u", "+%Y%m%d"]).output().unwrap();
    let date = String::from_utf8(date.stdout).unwrap();
    format!(
        "AWS4-HMAC-SHA256 Credential={access_key_id}/{}/us-east-1/sts/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, Signature={}",
        date.trim(),
        "0".repeat(64)
    )
}

fn who_am_i(endpoint: &str, access_key_id: Option<&str>) -> http::Answer {
    let now = std::process::Command::new("date").args(["-u", "+%Y%m%dT%H%M%SZ"]).output().unwrap();
    let now = String::from_utf8(now.stdout).unwrap();
    let authorization = access_key_id.map(signed_by).unwrap_or_default();
    let mut headers =
        vec![("content-type", "application/x-www-form-urlencoded"), ("x-amz-date", now.trim())];
    if access_key_id.is_some() {
        headers.push(("authorization", &authorization));
    }
    let body = b"Action=GetCallerIdentity&Version=2011-06-15";
    http::send("POST", &format!("{endpoint}/"), &headers, body).unwrap()
}

#[test]
fn strangers_are_refused_and_secrets_are_private() {
    let sandbox = Sandbox::new();
    sandbox.run(&["labs"]).success();
    let cloud = sandbox.cloud().unwrap();
    let endpoint = cloud["endpoint"].as_str().unwrap();
    for name in ["cloud.json", "credentials.json"] {
        let mode = std::fs::metadata(sandbox.state_dir().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let text = std::fs::read_to_string(sandbox.state_dir().join("credentials.json")).unwrap();
    let credentials: serde_json::Value = serde_json::from_str(&text).unwrap();
    let own_key = credentials["access_key_id"].as_str().unwrap();

    let stranger = who_am_i(endpoint, Some("AKIAIOSFODNN7EXAMPLE"));
    assert_eq!(stranger.status, 403, "{stranger:?}");
    assert!(stranger.body.contains("InvalidClientTokenId"), "{stranger:?}");
    let forged = who_am_i(endpoint, Some(own_key));
    assert_eq!(forged.status, 403, "{forged:?}");
    assert!(forged.body.contains("SignatureDoesNotMatch"), "{forged:?}");
    let unsigned = who_am_i(endpoint, None);
    assert_eq!(unsigned.status, 403, "{unsigned:?}");

    let rebound = http::get(&format!("{endpoint}/restapis"), &[("host", "evil.example")]);
    assert_eq!(rebound.status, 403, "{rebound:?}");
    assert!(rebound.body.to_lowercase().contains("host"), "says why: {rebound:?}");
    let page = http::get(&format!("{endpoint}/restapis"), &[("origin", "https://evil.example")]);
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("web pages from elsewhere"), "says why: {page:?}");
    let nobody =
        http::get(&format!("{endpoint}/_labdeck/status"), &[("authorization", "Bearer x")]);
    assert!((401..=403).contains(&nobody.status), "{nobody:?}");
}

#[test]
fn any_credentials_are_taken_only_when_asked_for_and_it_says_so() {
    let sandbox = Sandbox::new();
    let (mut cloud, printed) = foreground(&sandbox, &["--any-credentials"], 4);
    assert!(printed[0].starts_with("ready http://127.0.0.1:"), "{printed:?}");
    assert!(printed.iter().any(|line| line.contains("--any-credentials")), "{printed:?}");
    let endpoint = printed[0].trim_start_matches("ready ");
    let stranger = who_am_i(endpoint, Some("AKIAIOSFODNN7EXAMPLE"));
    assert_eq!(stranger.status, 200, "{stranger:?}");
    let status = sandbox.run(&["cloud", "status"]).success().stdout();
    assert!(status.contains("--any-credentials"), "{status}");
    let rebound = http::get(&format!("{endpoint}/restapis"), &[("host", "evil.example")]);
    assert_eq!(rebound.status, 403, "loopback stays guarded: {rebound:?}");

    // A second one of the same directory is told who has it.
    let second = sandbox.run(&["cloud"]).exits(75).stderr();
    assert!(second.contains(&cloud.id().to_string()), "{second}");
    signal(i32::try_from(cloud.id()).unwrap(), nix::sys::signal::Signal::SIGTERM);
    let ended = eventually("it ends", || cloud.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}
