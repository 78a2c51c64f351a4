//! A handler that panics, exits, hangs, prints junk or answers what is no proxy response: the gateway
//! answers what AWS would, the log says why, and the next request works.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use support::{Sandbox, endpoint, eventually, http, repository};

#[test]
fn an_unruly_handler_harms_only_its_own_request() {
    let sandbox = Sandbox::new();
    let labs = repository().join("tests/labs").to_string_lossy().into_owned();
    let summary = sandbox.json(&["deploy", "unruly", "--labs", &labs]);
    let url = endpoint(&summary, "unruly", "dev");
    let ask = |what: &str| http::get(&format!("{url}/do/{what}"), &[]);
    let logged = |text: &str| {
        eventually(&format!("the log says {text:?}"), || {
            let logs = sandbox
                .run(&["logs", "unruly", "--since", "10m", "--labs", &labs])
                .success()
                .stdout();
            logs.contains(text).then_some(logs)
        })
    };
    let fine = || {
        let answer = ask("ok");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["said"], "ok");
    };

    fine();
    for (what, why) in [
        ("panic", "the handler panicked on purpose"),
        ("exit", "Runtime exited with error: exit status 3"),
        ("hang", "Task timed out after 2.00 seconds"),
    ] {
        let answer = ask(what);
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
        assert_eq!(answer.body, "{\"message\": \"Internal server error\"}", "{what}");
        assert_eq!(
            answer.header("x-amzn-errortype"),
            Some("InternalServerErrorException"),
            "{what}"
        );
        logged(why);
        fine();
    }
    for what in ["not-proxy", "extra-key", "not-json", "big"] {
        let answer = ask(what);
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
        assert_eq!(answer.body, "{\"message\": \"Internal server error\"}", "{what}");
        fine();
    }

    let junk = ask("junk");
    assert_eq!(junk.json()["said"], "junk", "{junk:?}");
    logged("binary");
    let escape = ask("escape");
    assert_eq!(escape.json()["said"], "escape", "{escape:?}");
    let logs = logged("visible-text");
    for hostile in ['\u{1b}', '\u{7}', '\u{202e}', '\u{0}'] {
        assert!(!logs.contains(hostile), "{hostile:?} reached the terminal");
    }
    fine();
}
