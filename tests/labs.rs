//! The labs as courses: each is walked from its first step to its last, as a person would with the
//! headless commands, against real handler processes. What a step teaches is not there before it, and
//! is there after it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use support::{Checkout, Sandbox};

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
    const EMPTY: [&str; 2] = ["absent", "chaos-off"];
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
    let (sandbox, checkout) = (Sandbox::new(), Checkout::new());
    let folder = checkout.labs();
    let run = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--labs", &folder, "--json"]);
        sandbox.run(&all)
    };
    let file = format!("handlers/{lab}/lab.toml");
    for step in steps(&sandbox, lab, &folder) {
        let name = step["name"].as_str().unwrap();
        for edit in edits.iter().filter(|edit| edit.step == name) {
            checkout.edit(&file, edit.from, edit.to);
        }
        let check = step["check"]["name"].as_str().unwrap();
        let building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let before = run(&["check", lab, check]).json();
        let held = before["checks"][0]["holds"] == true;
        assert_eq!(held, known.contains(&name), "before {lab} {name}: {before}");
        let ran = run(&["walk", lab, name, "--yes"]);
        drop(building);
        let report: Value = ran.success().json();
        assert_eq!(report["check"]["holds"], true, "after {lab} {name}: {report}");
    }
}

#[test]
fn greet_is_walked() {
    let edit = Edit { step: "change", from: "\"Hello\"", to: "\"Welcome\"" };
    walk("greet", &[edit], &[]);
}
