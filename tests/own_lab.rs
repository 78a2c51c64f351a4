//! `docs/your-own-lab.md`, followed to the letter: its files are written, its commands are run, and what
//! it says they print is compared.
//!
//! A line `` `PATH`: `` names the file of the block behind it. In a block of output `…` stands for
//! anything, and lines may lie between its lines.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::process::{Command, Stdio};

use support::{Checkout, Sandbox, binary, repository};

/// A part of the page.
#[derive(Debug)]
enum Part {
    File { path: String, text: String },
    Commands(Vec<String>),
    Output(Vec<String>),
}

fn parts(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut named: Option<String> = None;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(path) = line.strip_prefix('`').and_then(|rest| rest.strip_suffix("`:")) {
            named = Some(path.to_owned());
            continue;
        }
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                named = None;
            }
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let owned = || block.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        parts.push(match (named.take(), language) {
            (Some(path), _) => Part::File { path, text: block.join("\n") + "\n" },
            (None, "sh") => Part::Commands(owned()),
            (None, "text") => Part::Output(owned()),
            (None, other) => panic!("a block of {other:?} without a file's name"),
        });
    }
    parts
}

/// Whether a line is as the pattern says, where `…` stands for anything.
fn fits(pattern: &str, line: &str) -> bool {
    let mut rest = line;
    let mut parts = pattern.split('…').peekable();
    let first = parts.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first.trim_end()) else { return false };
    rest = after;
    while let Some(part) = parts.next() {
        let part = part.trim();
        if parts.peek().is_none() && !part.is_empty() {
            return rest.trim_end().ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    pattern.contains('…') || rest.trim().is_empty()
}

#[track_caller]
fn assert_printed(expected: &[String], printed: &str) {
    let mut lines = printed.lines();
    for pattern in expected.iter().filter(|pattern| pattern.as_str() != "…") {
        assert!(
            lines.any(|line| fits(pattern, line)),
            "no line {pattern:?} (in this order) in\n{printed}"
        );
    }
}

#[test]
fn the_page_is_true() {
    let page = std::fs::read_to_string(repository().join("docs/your-own-lab.md")).unwrap();
    let (sandbox, checkout) = (Sandbox::new(), Checkout::new());
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", binary().parent().unwrap().display());
    let run = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(checkout.path()).stdin(Stdio::null());
        command.envs(sandbox.environment().into_iter().filter(|(_, value)| !value.is_empty()));
        // What is built must be what was downloaded for this repository.
        command.env("PATH", &path).env("CARGO_NET_OFFLINE", "true");
        command.env("LABDECK_STATE_DIR", sandbox.state_dir());
        let done = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code().unwrap(), text(&done.stdout) + &text(&done.stderr))
    };
    let mut printed = String::new();
    let mut followed = 0;
    for part in parts(&page) {
        match part {
            Part::File { path, text } => {
                let path = checkout.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Part::Commands(lines) => {
                printed.clear();
                for line in lines {
                    let (status, output) = run(&line);
                    // A plan with something to do ends with 2, one of a broken lab with 1.
                    let plan = line.starts_with("labdeck plan");
                    assert!(status == 0 || plan, "{line}: {status}\n{output}");
                    printed.push_str(&output);
                    followed += 1;
                }
            }
            Part::Output(expected) => assert_printed(&expected, &printed),
        }
    }
    assert!(followed > 15, "{followed} commands");
}

#[test]
fn patterns_fit_what_they_say() {
    assert!(fits("quotes: … steps", "quotes: 9 steps"));
    assert!(fits("…/quotes/1", "GET http://127.0.0.1:1/quotes/1"));
    assert!(fits("  \"a\": 1", "  \"a\": 1"));
    assert!(!fits("200 …", "404 no"));
    assert!(!fits("quotes: … steps", "quotes: nothing to do"));
    assert!(!fits("a", "ab"));
}
