//! What a course can do, step by step, with a lab of its own: variants, method tests, saved events,
//! requests that come before others, and the drills that change variables and cache keys.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use serde_json::Value;
use support::{Sandbox, repository};

struct Course {
    sandbox: Sandbox,
}

impl Course {
    fn new() -> Self {
        Self { sandbox: Sandbox::new() }
    }

    fn run(&self, args: &[&str]) -> support::Finished {
        let labs = repository().join("tests/labs");
        self.sandbox.run(&[args, &["--labs", labs.to_str().unwrap(), "--json"]].concat())
    }

    fn json(&self, args: &[&str]) -> Value {
        self.run(args).success().json()
    }

    /// Runs a step, whose check must hold.
    fn step(&self, name: &str) -> Value {
        let report = self.json(&["walk", "course", name, "--yes"]);
        assert_eq!(report["check"]["holds"], true, "{report}");
        report
    }

    /// Whether a check holds.
    fn holds(&self, name: &str) -> bool {
        let answer = self.run(&["check", "course", name]).json();
        let text = answer.to_string();
        assert!(text.contains("\"holds\":"), "{text}");
        text.contains("\"holds\":true")
    }
}

/// The body that a `shows` request was answered with, before and after.
fn effect(report: &Value) -> (String, String) {
    let body = |seen: &Value| match &seen["answered"] {
        Value::Null => seen["nothing"]["why"].as_str().unwrap().to_owned(),
        exchange => exchange["body"].as_str().unwrap().to_owned(),
    };
    (body(&report["effect"]["before"]), body(&report["effect"]["after"]))
}

#[test]
fn a_course_from_the_mock_to_the_end() {
    let course = Course::new();
    // Before anything is there, the lessons are open.
    for check in ["mock-live", "stale", "one-answers", "typed", "counted", "dropped", "logged"] {
        assert!(!course.holds(check), "{check}");
    }

    let (before, after) = effect(&course.step("deploy-mock"));
    assert!(before.contains("is not deployed"), "{before}");
    assert_eq!(after, r#"{"ID": "mock"}"#);
    assert!(!course.holds("stale"));
    assert!(!course.holds("same-for-all"));

    // The definition changes, what the stage serves does not.
    let (before, after) = effect(&course.step("define"));
    assert_eq!((before.as_str(), after.as_str()), (r#"{"ID": "mock"}"#, r#"{"ID": "mock"}"#));
    let tested = course.step("test")["outcome"]["result"].clone();
    assert_eq!(tested["tested"], "GET /items/1", "{tested}");
    let log = tested["log"].to_string();
    assert!(log.contains("Execution log for request"), "{tested}");
    assert!(log.contains("course-items:dev"), "the definition under test is the new one: {tested}");

    // A deploy without a variant takes the one that is defined.
    let (_, after) = effect(&course.step("deploy"));
    assert!(after.contains("Pen"), "{after}");
    assert!(!course.holds("stale"));
    assert!(course.holds("typed"));

    // Events: listed, invoked, failed.
    let listed = course.json(&["invoke", "course"]);
    assert_eq!(listed["events"].as_array().unwrap().len(), 3, "{listed}");
    let one = course.json(&["invoke", "course", "one", "--alias", "prod"]);
    assert!(one["payload"].as_str().unwrap().contains("Pen"), "{one}");
    assert_ne!(one["version"], "$LATEST");
    let failed = course.run(&["invoke", "course", "unknown"]).exits(1).json();
    assert_eq!(failed["function_error"], "Unhandled", "{failed}");
    let wrong = course.run(&["invoke", "course", "on"]).exits(1);
    assert!(wrong.stderr().contains("all, one, unknown"), "{}", wrong.stderr());
    let invoked = course.step("events")["outcome"]["result"].clone();
    assert_eq!(invoked.as_array().unwrap().len(), 3, "{invoked}");
    assert!(course.holds("unknown-fails"));

    // A request that comes before fills the variable of the one after it.
    let first = course.json(&["request", "course", "item-of-visit", "--stage", "dev"]);
    assert!(first["request"]["url"].as_str().unwrap().ends_with("/items/1"), "{first}");
    let second = course.json(&["request", "course", "item-of-visit", "--stage", "dev"]);
    assert!(second["body"].as_str().unwrap().contains("Pencil"), "{second}");
    let given =
        course.json(&["request", "course", "item-of-visit", "--stage", "dev", "--var", "id=4"]);
    assert!(given["body"].as_str().unwrap().contains("Ruler"), "{given}");
    let bob =
        course.json(&["request", "course", "item-of-visit", "--stage", "dev", "--var", "user=bob"]);
    assert!(bob["request"]["url"].as_str().unwrap().ends_with("/items/1"), "{bob}");
    assert!(course.holds("counted"));
    assert!(course.holds("logged"));

    // Drills are read back from live state, and go away without a trace.
    course.step("mode");
    course.step("mode-back");
    course.step("drop");
    assert!(!course.holds("all-off"));
    assert!(!course.holds("stale"), "the definition is what it was");
    course.json(&["chaos", "course", "off", "one-for-all"]);
    assert!(course.holds("all-off"));
    course.run(&["plan", "course"]).exits(0);
    // A stage that serves another definition is not touched.
    course.step("define-mock");
    let refused = course.run(&["chaos", "course", "on", "one-for-all"]).exits(3);
    assert!(refused.stderr().contains("another definition"), "{}", refused.stderr());
    course.json(&["deploy", "course", "--variant", "lambda"]);

    let (before, after) = effect(&course.step("delete"));
    assert!(before.contains("Pen"), "{before}");
    assert!(!after.contains("Pen"), "{after}");
    course.step("destroy");
}

#[test]
fn variants_are_chosen_by_name() {
    let course = Course::new();
    course.json(&["deploy", "course"]);
    assert!(course.holds("lambda-live"));
    course.run(&["plan", "course", "--variant", "mock"]).exits(2);
    course.json(&["deploy", "course", "--variant", "mock"]);
    assert!(course.holds("mock-live"));
    // What is live stays.
    course.run(&["plan", "course"]).exits(0);
    let wrong = course.run(&["deploy", "course", "--variant", "mok"]).exits(1);
    assert!(wrong.stderr().contains("has mock, lambda"), "{}", wrong.stderr());
    let wrong = course.sandbox.run(&["deploy", "greet", "--variant", "mock"]).exits(1);
    assert!(wrong.stderr().contains("has no variants"), "{}", wrong.stderr());
}
