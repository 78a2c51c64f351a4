//! What is said about broken labs, and that the labs of this repository are not broken.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod documents;
mod full;
mod manifest;
mod prefix;
mod schema;

use std::fmt::Write;
use std::path::Path;

use tempfile::TempDir;

use crate::blueprint::{Condition, Follows, StepAction};
use crate::{Blueprint, Problem, Problems, discover, read};

/// A small lab without problems.
const MANIFEST: &str = r#"title = "Small"
description = "A small lab."

[tables.things]
hash_key = "id"
hash_key_type = "S"

[roles.small-role]
statements = [{ actions = ["dynamodb:GetItem"], resources = ["${table.things}"] }]

[functions.small]
description = "Answers"
package = "small"
bin = "small"
role = "small-role"
memory_mb = 256
environment = { TABLE = "${table.things.name}" }

[apis.small]
document = "small.yaml"

[stages.dev]
alias = "dev"
follows = "latest"

[requests.ask]
description = "Ask"
api = "small"
method = "GET"
path = "/things/{{id}}"
variables = { id = "1" }

[chaos.slow]
description = "Slow"
kind = "slow-table"
table = "things"
delay_ms = 100

[checks.answers]
title = "It answers"
kind = "request"
request = "ask"
stage = "dev"
status = 200

[steps.ask]
title = "Ask"
lesson = "Asking is good."
action = { kind = "request", request = "ask", stage = "dev", count = 3 }
check = "answers"
"#;

/// Its API.
const DOCUMENT: &str = r#"openapi: "3.0.1"
info:
  title: small
  version: "1.0"
paths:
  /things/{id}:
    get:
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        uri: "arn:aws:apigateway:${region}:lambda:path/2015-03-31/functions/${function.small}:${stageVariables.lambdaAlias}/invocations"
"#;

struct Lab {
    dir: TempDir,
}

impl Lab {
    fn new(manifest: &str, document: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lab = dir.path().join("small");
        std::fs::create_dir(&lab).unwrap();
        std::fs::write(lab.join("lab.toml"), manifest).unwrap();
        std::fs::write(lab.join("small.yaml"), document).unwrap();
        Self { dir }
    }

    fn read(&self) -> Result<Blueprint, Problems> {
        read(&self.dir.path().join("small"))
    }
}

/// Reads the small lab with one text replaced by another.
fn changed(file: &str, from: &str, to: &str) -> (String, Vec<Problem>) {
    let text = if file == "lab.toml" { MANIFEST } else { DOCUMENT };
    assert!(text.contains(from), "{from} is not in {file}");
    let text = text.replacen(from, to, 1);
    let lab =
        if file == "lab.toml" { Lab::new(&text, DOCUMENT) } else { Lab::new(MANIFEST, &text) };
    (text, lab.read().err().map(|all| all.0).unwrap_or_default())
}

/// Asserts that the changed lab has exactly one problem, that it is in the line of `at`, and what is
/// said about it.
#[track_caller]
fn assert_problem(file: &str, from: &str, to: &str, at: &str, said: &[&str]) {
    let (text, problems) = changed(file, from, to);
    let line = 1 + text.lines().position(|line| line.contains(at)).unwrap();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 1, "{shown:#?}");
    let place = format!("small/{file}:{line}:");
    assert!(shown[0].contains(&place), "{place}: {shown:#?}");
    for part in said {
        assert!(shown[0].contains(part), "{part}: {shown:#?}");
    }
}

#[test]
fn the_small_lab_has_no_problems() {
    let blueprint = Lab::new(MANIFEST, DOCUMENT).read().unwrap();
    assert_eq!(blueprint.name, "small");
    assert_eq!(blueprint.log_retention_days, 7);
    assert_eq!(blueprint.functions[0].timeout_s, 3);
    assert_eq!(blueprint.apis[0].functions, ["small"]);
    assert!(blueprint.apis[0].file.is_absolute());
    let action = &blueprint.steps[0].action;
    assert!(matches!(action, StepAction::Request { count: 3, concurrency: 1, .. }));
}

#[test]
fn reads_the_greet_lab() {
    let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../handlers");
    let blueprint = read(&labs.join("greet")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(blueprint.name, "greet");
    let names: Vec<&str> =
        blueprint.functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["greet-stateless", "greet-stateful"]);
    let stateful = &blueprint.apis[1];
    assert_eq!(stateful.functions, ["greet-stateful"]);
    assert_eq!(
        stateful.document["paths"]["/greet"]["get"]["x-amazon-apigateway-integration"]["type"],
        "aws_proxy"
    );
    let keys: Vec<&String> = stateful.document.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["openapi", "info", "paths"]);
    assert_eq!(blueprint.stages[1].follows, Follows::Release);
    let role = blueprint.roles.iter().find(|role| role.name == "greet-stateful-role");
    assert_eq!(role.unwrap().statements[0].actions, ["dynamodb:UpdateItem"]);
    let long = blueprint.requests.iter().find(|request| request.name == "long-user");
    assert_eq!(long.unwrap().headers["x-user-id"].len(), 129);
    assert_eq!(blueprint.steps[0].action, StepAction::Deploy { variant: None });
    assert_eq!(blueprint.steps.last().unwrap().action, StepAction::Destroy);
    for step in &blueprint.steps {
        let sentences = step.lesson.matches(['.', '!', '?']).count();
        assert!(sentences >= 2, "{}: {sentences}", step.name);
        assert!(!step.lesson.contains('\n'), "{}", step.name);
    }
    let absent = blueprint.checks.iter().any(|check| check.condition == Condition::Absent);
    assert!(absent);
}

#[test]
fn a_lab_is_a_folder_with_a_manifest() {
    let labs = tempfile::tempdir().unwrap();
    for name in ["zebra", "ant", "not-a-lab"] {
        std::fs::create_dir(labs.path().join(name)).unwrap();
    }
    for name in ["zebra", "ant"] {
        std::fs::write(labs.path().join(name).join("lab.toml"), "").unwrap();
    }
    std::fs::write(labs.path().join("lab.toml"), "").unwrap();
    let found = discover(labs.path()).unwrap();
    assert_eq!(found, [labs.path().join("ant"), labs.path().join("zebra")]);
    assert!(discover(&labs.path().join("missing")).is_err());
}

#[test]
fn files_that_cannot_be_read_are_problems() {
    let empty = tempfile::tempdir().unwrap();
    let problems = read(empty.path()).unwrap_err();
    assert!(problems.to_string().contains("lab.toml:1:1: cannot read"));

    let lab = Lab::new(MANIFEST, DOCUMENT);
    let file = lab.dir.path().join("small/lab.toml");
    std::fs::write(&file, b"title = \"\xff\"").unwrap();
    let problems = lab.read().unwrap_err();
    assert!(problems.to_string().contains("is not UTF-8"), "{problems}");
    std::fs::write(&file, vec![b'#'; 2 * 1024 * 1024]).unwrap();
    let problems = lab.read().unwrap_err();
    assert!(problems.to_string().contains("is larger than"), "{problems}");

    std::fs::write(&file, MANIFEST).unwrap();
    std::fs::remove_file(lab.dir.path().join("small/small.yaml")).unwrap();
    let problems = lab.read().unwrap_err();
    let line = 1 + MANIFEST.lines().position(|line| line.contains("small.yaml")).unwrap();
    assert_eq!(problems.0.len(), 1);
    assert_eq!(problems.0[0].line, line);
}

#[test]
fn problems_of_all_files_come_at_once() {
    let manifest = MANIFEST
        .replace("memory_mb = 256", "memory_mb = 64")
        .replace("table = \"things\"", "table = \"thing\"")
        .replace("follows = \"latest\"", "folows = \"latest\"");
    let document = DOCUMENT.replace("aws_proxy", "aws_prxy");
    let problems = Lab::new(&manifest, &document).read().unwrap_err();
    // A misspelt key is two problems: an unknown key, and one that is missing.
    assert_eq!(problems.0.len(), 5, "{problems}");
    let lines: Vec<usize> = problems.0[..4].iter().map(|problem| problem.line).collect();
    assert!(lines.is_sorted());
    assert!(problems.0[4].file.ends_with("small/small.yaml"));
}

#[test]
fn the_list_of_problems_is_bounded() {
    let mut manifest = MANIFEST.to_owned();
    for n in 0..1000 {
        writeln!(manifest, "[steps.s{n}]").unwrap();
    }
    let problems = Lab::new(&manifest, DOCUMENT).read().unwrap_err();
    assert_eq!(problems.0.len(), 200);
}

proptest::proptest! {
    /// Nothing that stands in the files makes reading panic.
    #[test]
    fn any_damage_is_a_problem_or_none(
        at in 0..MANIFEST.len(),
        cut in 0..40_usize,
        put in ".{0,12}",
        in_document in proptest::bool::ANY,
    ) {
        let text = if in_document { DOCUMENT } else { MANIFEST };
        let start = at % text.len();
        let end = (start + cut).min(text.len());
        let damaged = format!("{}{put}{}", &text[..start], &text[end..]);
        let lab = if in_document {
            Lab::new(MANIFEST, &damaged)
        } else {
            Lab::new(&damaged, DOCUMENT)
        };
        let _ = lab.read();
    }
}
