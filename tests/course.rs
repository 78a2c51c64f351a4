//! What a course can do, step by step, with a lab of its own: variants, method tests, saved events,
//! requests that come before others, and the drills that change variables and cache keys.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use serde_json::Value;
use support::{Sandbox, eventually, repository};

struct Course {
    sandbox: Sandbox,
    lab: &'static str,
}

impl Course {
    fn new(lab: &'static str) -> Self {
        Self { sandbox: Sandbox::new(), lab }
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
        let report = self.json(&["walk", self.lab, name, "--yes"]);
        assert_eq!(report["check"]["holds"], true, "{report}");
        report
    }

    /// Whether a check holds.
    fn holds(&self, name: &str) -> bool {
        let answer = self.run(&["check", self.lab, name]).json();
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
    let course = Course::new("course");
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
fn keys_queues_and_dead_letters() {
    let course = Course::new("letters");
    for check in ["bound", "mapped", "read", "cats", "failed", "retried", "dead", "alarmed"] {
        assert!(!course.holds(check), "{check}");
    }
    let (before, after) = effect(&course.step("deploy"));
    assert!(before.contains("is not deployed"), "{before}");
    assert!(after.contains("Forbidden"), "{after}");
    for check in ["bound", "keyless", "read", "quiet"] {
        assert!(course.holds(check), "{check}");
    }
    assert!(!course.holds("alarmed"));

    // The key goes along and is never seen.
    let sent = course.json(&["request", "letters", "read"]);
    assert_eq!(sent["status"], 200, "{sent}");
    assert_eq!(sent["body"].as_str().unwrap().matches("cat").count(), 1, "{sent}");
    let key = sent["request"]["key"].as_str().unwrap();
    assert!(key.starts_with("••••") && key.chars().count() == 6, "{key}");
    let shown = course.sandbox.run(&[
        "request",
        "letters",
        "read",
        "--labs",
        repository().join("tests/labs").to_str().unwrap(),
    ]);
    assert!(shown.success().stdout().contains("with x-api-key: ••••"));

    course.step("cat");
    assert!(course.holds("mapped"));
    course.step("break");
    let dog = course.json(&["request", "letters", "adopt", "--var", "type=dog"]);
    assert_eq!(dog["status"], 201, "{dog}");
    eventually("the failed batch is told to the queue", || course.holds("failed").then_some(()));
    // A batch that fails again stays where it is, and its message is visible at once.
    let early = course.run(&["walk", "letters", "again"]).exits(1);
    assert!(early.stderr().contains("failed again"), "{}", early.stderr());
    assert!(course.holds("failed"));
    course.step("heal");
    assert!(!course.holds("dogs"));
    let retried = course.step("retry")["outcome"]["result"].clone();
    assert_eq!((&retried["moved"], &retried["by_sqs"]), (&1.into(), &false.into()), "{retried}");
    assert!(course.holds("dogs"));

    // What a queue could not deliver goes back to it by SQS, and is refused again.
    eventually("refused messages are dead letters", || course.holds("dead").then_some(()));
    let moved = course.step("dead")["outcome"]["result"].clone();
    assert_eq!(moved["by_sqs"], true, "{moved}");
    assert!(moved["moved"].as_u64().unwrap() > 0, "{moved}");
    course.step("destroy");
}

#[test]
fn variants_are_chosen_by_name() {
    let course = Course::new("course");
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
