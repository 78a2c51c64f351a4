//! The Requests screen in a pseudo-terminal, on the local cloud with the real handlers.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::os::unix::fs::PermissionsExt;

use portable_pty::CommandBuilder;
use support::console::{Console, shows_line};
use support::{Sandbox, binary};

/// A console on the requests of a lab, with this editor.
fn open(sandbox: &Sandbox, lab: &str, editor: &str) -> Console {
    let mut command = CommandBuilder::new(binary());
    command.args(["--lab", lab, "--state-dir"]);
    command.arg(sandbox.state_dir());
    command.env_remove("VISUAL");
    command.env("EDITOR", editor);
    let mut console = Console::spawn(sandbox, 150, 44, command);
    console.shows("● tail").keys("5").shows("┌ requests");
    console
}

/// An editor that needs no person: it writes `text` and says that it had the terminal.
fn editor(sandbox: &Sandbox, text: &str) -> String {
    let path = sandbox.path().join("editor");
    let script = format!("#!/bin/sh\nprintf 'EDITOR HERE'\nprintf '%s\\n' '{text}' > \"$1\"\n");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn own_requests_are_made_edited_kept_compared_and_forgotten() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "petstore"]);
    let editor = editor(&sandbox, r#"{"type": "dog", "price": 7}"#);
    let mut console = open(&sandbox, "petstore", &editor);
    // A copy of one of the lab's, with another body: typed in two lines, JSON is declared.
    shows_line(&mut console, &["POST", "adopt-parrot"]);
    console.until("adopt-parrot is selected", |screen| {
        screen.contents().contains("┌ mock-list") || screen.contents().contains("┌ adopt")
    });
    while !console.text().contains("┌ adopt-parrot") {
        let before = console.text();
        console.keys("j").until("the next one is selected", |screen| screen.contents() != before);
    }
    console.keys("S").shows("keep it under a name of its own").keys("\r");
    console.shows("kept my-adopt-parrot among your own requests").shows("┌ my-adopt-parrot");
    console.keys("e").shows("┌ edit my-adopt-parrot");
    while !console.look(|screen| {
        let (row, _) = screen.cursor_position();
        screen.contents().lines().nth(usize::from(row)).is_some_and(|line| line.contains("body"))
    }) {
        let before = console.look(vt100::Screen::cursor_position);
        console.keys("\t").until("the next row", |screen| screen.cursor_position() != before);
    }
    // Enter and arrows are the text's own.
    console.keys("{\r\x1b[B").shows("│ body      {").keys("\x13");
    console.shows("but it is not JSON").shows("┌ edit");
    // The person's own editor takes the terminal and gives it back.
    console.keys("\x0f").shows(r#"{"type": "dog", "price": 7}"#).shows("┌ edit");
    console.keys("\x13").shows_no("┌ edit");
    console.shows("kept my-adopt-parrot");
    let listed = sandbox.json(&["request", "petstore"]);
    let own = listed["requests"].as_array().unwrap().iter().find(|one| one["own"] == true).unwrap();
    assert_eq!(own["body"], r#"{"type": "dog", "price": 7}"#);
    // Sent twice, and the two answers compared.
    console.keys("s").shows("response 201 · dev").keys("s");
    console.until("both were answered", |screen| {
        screen.contents().matches("201 my-adopt-parrot").count() == 2
    });
    console.keys("H").shows("┌ what was sent before");
    shows_line(&mut console, &["my-adopt-parrot", "201"]);
    console.keys("D").shows("┌ what differs").keys("q").shows("what was sent before");
    console.keys("\r").shows("POST http://").keys("qq").shows_no("what was sent before");
    // Forgotten after a yes.
    console.keys("D").shows("Forget your request my-adopt-parrot?").keys("y");
    console.shows("forgot my-adopt-parrot").shows_no("┌ my-adopt-parrot");
    console.keys("q").ends();
}

#[test]
fn requests_go_to_versions_and_method_tests_and_lead_to_their_log_lines() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "greet"]);
    let mut console = open(&sandbox, "greet", "");
    console.keys("s").shows("response 200 · dev");
    // The lines of this very answer, and from there back to the answer.
    console.keys("L").shows("┌ the log lines of this answer").shows("Lambda request id");
    console.shows("REPORT").keys("q").shows_no("log lines of this answer");
    console.keys("6").shows("REPORT").keys("L").shows("GET http://").shows("200 in").keys("q");
    console.keys("5").shows("┌ requests");
    // Straight to version 1, without the gateway.
    console.keys("T").shows("┌ send to");
    shows_line(&mut console, &[":prod", "straight to the function"]);
    console.keys("G\r").shows("VERSION · :ALIAS").keys(":1\r");
    shows_line(&mut console, &["▸ :1"]);
    console.keys("s").shows("response 200 · :1").shows("answered by v1");
    // Through the gateway's own test, with its log.
    console.keys("T").shows("┌ send to").keys("ggjj\r").shows("▸ test:dev");
    // The lab lets its own stages call the function, and a method test is another: that is said.
    console.keys("s").shows("response 500 · test:dev").shows("stage test-invoke-stage");
    console.shows("Method completed with status: 500");
    // Every request at once, each as expected.
    console.keys("a").shows("sent");
    console.keys("q").ends();
}

#[test]
fn bursts_run_as_typed_show_their_spread_and_stop_at_once() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "greet"]);
    let mut console = open(&sandbox, "greet", "");
    console.keys("b").shows("┌ burst").keys("\x15x8\r").shows("a burst needs an end");
    console.keys("\x15").keys("1h 200/s x4\r");
    // Live: the table and the spread, while it runs.
    shows_line(&mut console, &["requests ·", "3600 s"]);
    console.shows("p99").shows("▇");
    // The screen goes on meanwhile; escape ends the burst where it is.
    console.keys("?").shows("┌ keys on").keys("\x1b").shows_no("┌ keys on");
    console.keys("\x1b").shows("ended early: cancelled");
    // The same traffic to two stages, side by side.
    console.keys("c").shows("┌ compare").keys("\x15").keys("dev prod 60x4\r");
    shows_line(&mut console, &["dev", "prod"]);
    console.shows("┌ side by side").shows("spread");
    shows_line(&mut console, &["200", "60", "60"]);
    console.keys("q").ends();
}

#[test]
fn an_error_is_explained_by_what_is_live_and_one_key_mends_it() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "items"]);
    let mut console = open(&sandbox, "items", "");
    sandbox.run(&["keys", "items", "disable", "LabKey", "--yes"]).success();
    console.keys("s").shows("response 403 · dev");
    shows_line(&mut console, &["f", "accept key LabKey again", "labdeck keys items enable LabKey"]);
    console.keys("f").until("the key is accepted", |_| {
        sandbox.json(&["keys", "items"])["keys"].as_array().is_some_and(|keys| {
            keys.iter().any(|key| key["name"] == "LabKey" && key["enabled"] == true)
        })
    });
    console.keys("s").shows("response 200 · dev");
    console.keys("q").ends();
}
