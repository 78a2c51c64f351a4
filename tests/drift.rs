//! What somebody else changes is told from what the blueprint changed; parameters keep what is live.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use serde_json::Value;
use support::{Sandbox, sdk};

/// A client that is not labdeck's.
struct Other {
    client: aws_sdk_lambda::Client,
    runtime: tokio::runtime::Runtime,
}

impl Other {
    fn new(sandbox: &Sandbox) -> Self {
        let client = aws_sdk_lambda::Client::new(&sdk::config(sandbox));
        Self { client, runtime: sdk::runtime() }
    }

    fn memory(&self, function: &str) -> i32 {
        let call = self.client.get_function_configuration().function_name(function).send();
        self.runtime.block_on(call).unwrap().memory_size.unwrap()
    }

    fn set_memory(&self, function: &str, memory: i32) {
        let call = self.client.update_function_configuration().function_name(function);
        self.runtime.block_on(call.memory_size(memory).send()).unwrap();
    }
}

fn steps(plan: &Value) -> Vec<Value> {
    plan["steps"].as_array().unwrap().clone()
}

#[test]
fn what_somebody_else_changed_is_shown_and_corrected_or_kept() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "hello"]);
    let other = Other::new(&sandbox);
    let before = other.memory("hello");
    other.set_memory("hello", 512);

    let plan = sandbox.run(&["plan", "hello", "--json"]).exits(2).json();
    let [step] = steps(&plan).try_into().unwrap();
    assert_eq!((&step["resource"], &step["drift"]), (&"function".into(), &true.into()), "{plan}");
    let change = &step["changes"][0];
    assert_eq!(change["field"], "memory", "{plan}");
    assert_eq!((&change["old"], &change["new"]), (&"512".into(), &before.to_string().into()));

    sandbox.run(&["plan", "hello", "--keep-drift"]).exits(0);
    let kept = sandbox.json(&["deploy", "hello", "--keep-drift"]);
    assert_eq!(kept["changed"], 0, "{kept}");
    assert_eq!(other.memory("hello"), 512);

    let corrected = sandbox.json(&["deploy", "hello"]);
    assert_eq!(corrected["changed"], 1, "{corrected}");
    assert_eq!(other.memory("hello"), before);
    sandbox.run(&["plan", "hello"]).exits(0);
}

#[test]
fn parameters_keep_what_is_live() {
    let sandbox = Sandbox::new();
    let notes = |summary: &Value| summary["notes"].to_string();
    let first = sandbox.json(&["deploy", "petstore", "--set", "email=ada@mailbox.local"]);
    assert!(notes(&first).contains("waits for ada@mailbox.local"), "{first}");
    // Not given: the address stays, and the inbox has confirmed itself.
    support::eventually("the inbox to confirm its subscription", || {
        let plan = sandbox.run(&["plan", "petstore", "--json"]).exits(0).json();
        (!notes(&plan).contains("inbox")).then_some(())
    });
    // Taken away: it is left out, and stays so.
    let none = sandbox.json(&["deploy", "petstore", "--set", "email="]);
    assert!(notes(&none).contains("email is left out"), "{none}");
    let plan = sandbox.run(&["plan", "petstore", "--json"]).exits(0).json();
    assert!(notes(&plan).contains("email is left out"), "{plan}");
    sandbox.run(&["plan", "petstore", "--set", "nonsense=1"]).exits(1);
    let gone = sandbox.json(&["destroy", "petstore", "--yes"]);
    assert_eq!(gone["left"].as_array().unwrap().len(), 0, "{gone}");
}
