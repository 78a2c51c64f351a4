//! Read-only mode: by flag, by configuration and by key; and every operation of every SDK in use, taken
//! from the SDK's own sources, is either known to read or refused.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use labdeck_aws::{is_mutating, reading_operations};
use serde_json::Value;
use support::console::Console;
use support::{Checkout, Finished, Sandbox, repository};

/// What a name that sounds like reading begins with.
const SOUNDS_LIKE_READING: [&str; 24] = [
    "Batch", "Check", "Count", "Decode", "Describe", "Detect", "Download", "Estimate", "Export",
    "Filter", "Find", "Get", "Head", "List", "Lookup", "Peek", "Preview", "Query", "Read",
    "Receive", "Scan", "Search", "Simulate", "Test",
];

/// Operations that sound like reading, were looked at, and count as changing all the same.
const REVIEWED: [(&str, &str, &str); 12] = [
    ("API Gateway", "TestInvokeAuthorizer", "runs the authorizer"),
    ("API Gateway", "TestInvokeMethod", "runs the integration"),
    ("DynamoDB", "BatchExecuteStatement", "statements may write"),
    ("DynamoDB", "BatchWriteItem", "writes"),
    ("DynamoDB", "ExportTableToPointInTime", "writes a copy to a bucket"),
    ("Lambda", "CheckpointDurableExecution", "writes the state of an execution"),
    ("SNS", "CheckIfPhoneNumberIsOptedOut", "only reads, and is not needed"),
    ("SQS", "ReceiveMessage", "hides messages, and counts them"),
    ("STS", "GetDelegatedAccessToken", "makes credentials"),
    ("STS", "GetFederationToken", "makes credentials"),
    ("STS", "GetSessionToken", "makes credentials"),
    ("STS", "GetWebIdentityToken", "makes credentials"),
];

/// What a name begins with that surely changes something.
const CHANGES: [&str; 22] = [
    "Add",
    "Associate",
    "Attach",
    "Change",
    "Create",
    "Delete",
    "Disable",
    "Enable",
    "Execute",
    "Import",
    "Invoke",
    "Publish",
    "Put",
    "Remove",
    "Reset",
    "Restore",
    "Send",
    "Set",
    "Stop",
    "Tag",
    "Untag",
    "Update",
];

/// The folders of the sources of the SDK clients that the workspace names.
fn sdk_folders() -> BTreeMap<String, PathBuf> {
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let named: BTreeSet<String> = manifest["workspace"]["dependencies"]
        .as_table()
        .unwrap()
        .keys()
        .filter(|name| name.starts_with("aws-sdk-"))
        .cloned()
        .collect();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let told = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let metadata: Value = serde_json::from_slice(&told.stdout).unwrap();
    let folders: BTreeMap<String, PathBuf> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|package| {
            let name = package["name"].as_str()?;
            let manifest = PathBuf::from(package["manifest_path"].as_str()?);
            named.contains(name).then(|| (name.to_owned(), manifest.parent().unwrap().to_owned()))
        })
        .collect();
    assert_eq!(
        folders.keys().cloned().collect::<BTreeSet<_>>(),
        named,
        "every client is looked at"
    );
    folders
}

/// Every operation of the SDKs, by the name of its service as the SDK gives it.
fn operations() -> BTreeMap<String, BTreeSet<String>> {
    // What each operation tells the interceptors of itself.
    let metadata = regex::Regex::new(r#"Metadata::new\(\s*"(\w+)",\s*"([^"]+)",?\s*\)"#).unwrap();
    let mut operations: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, folder) in sdk_folders() {
        let mut files = 0;
        for file in std::fs::read_dir(folder.join("src").join("operation")).unwrap().flatten() {
            if file.path().extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(file.path()).unwrap();
            let found = metadata.captures(&text);
            let found =
                found.unwrap_or_else(|| panic!("{} names no operation", file.path().display()));
            operations.entry(found[2].to_owned()).or_default().insert(found[1].to_owned());
            files += 1;
        }
        assert!(files > 3, "{name} has operations");
    }
    operations
}

#[test]
fn nothing_of_any_sdk_that_changes_state_counts_as_reading() {
    let operations = operations();
    assert!(operations.len() >= 10 && operations.values().map(BTreeSet::len).sum::<usize>() > 600);
    let mut wrong = Vec::new();
    for (service, names) in &operations {
        let reading: BTreeSet<&str> = reading_operations(service).collect();
        for name in names {
            assert_eq!(is_mutating(service, name), !reading.contains(name.as_str()));
            let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
            let reviewed = REVIEWED.iter().any(|(at, known, _)| at == service && known == name);
            match reading.contains(name.as_str()) {
                true if begins(&CHANGES) => wrong.push(format!("{service} {name} does not read")),
                true if reviewed => wrong.push(format!("{service} {name} is in both lists")),
                // A new version of the SDK: somebody has to look at it.
                false if begins(&SOUNDS_LIKE_READING) && !reviewed => wrong.push(format!(
                    "{service} {name} is new: add it to src/aws/reading.rs if it only reads, to \
                     REVIEWED here if it does not"
                )),
                _ => {}
            }
        }
        let gone = reading.iter().filter(|name| !names.contains(**name));
        wrong.extend(gone.map(|name| format!("{service} has no operation {name} any more")));
    }
    for (service, name, _) in REVIEWED {
        if !operations.get(service).is_some_and(|names| names.contains(name)) {
            wrong.push(format!("{service} has no operation {name} any more"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Two labs that are deployed.
struct Deployed {
    sandbox: Sandbox,
    checkout: Checkout,
}

impl Deployed {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let checkout = Checkout::new();
        checkout.edit(
            "handlers/hello/lab.toml",
            "[checks.deployed]",
            "[events.one]\ndescription = \"One\"\nfunction = \"hello\"\npayload = {}\n\n[checks.deployed]",
        );
        let this = Self { sandbox, checkout };
        this.run(&["deploy", "greet", "hello"]).success();
        this
    }

    fn run(&self, args: &[&str]) -> Finished {
        let labs = self.checkout.labs();
        let mut all = args.to_vec();
        all.extend(["--labs", &labs]);
        self.sandbox.run(&all)
    }

    /// What is live, and what the audit has: both stay as they are when nothing is changed.
    fn state(&self) -> (Value, Value, String) {
        let greet = self.run(&["release", "greet", "status", "--json"]).success().json();
        let hello = self.run(&["release", "hello", "status", "--json"]).success().json();
        (greet, hello, self.sandbox.run(&["audit", "--json"]).success().stdout())
    }
}

#[test]
fn every_command_that_changes_something_is_refused_and_looking_is_not() {
    let lab = Deployed::new();
    let before = lab.state();
    for args in [
        &["deploy", "greet"][..],
        &["destroy", "greet", "--yes"],
        &["release", "greet", "publish"],
        &["release", "greet", "shift", "20"],
        &["release", "greet", "promote"],
        &["release", "greet", "rollback"],
        &["release", "greet", "undo"],
        &["rollback", "greet"],
        &["chaos", "greet", "on", "deny-table"],
        &["chaos", "greet", "on", "missing-table"],
        &["chaos", "greet", "on", "slow-table"],
        &["chaos", "greet", "off", "slow-table"],
        &["right-size", "greet", "greet-stateless"],
        &["walk", "greet", "publish"],
        &["walk", "greet", "destroy", "--yes"],
    ] {
        let mut all = args.to_vec();
        all.push("--read-only");
        let told = lab.run(&all).exits(3).stderr();
        assert!(told.contains("read-only"), "{args:?}: {told}");
        assert!(told.contains("without --read-only"), "{args:?}: {told}");
    }
    // What may change something though it does not look like it, with words that say so.
    for (args, word) in [
        (&["request", "hello", "body"][..], "a POST may change something, unlike GET"),
        (&["request", "hello", "header", "-n", "5", "-c", "2"], "a PUT may change something"),
        (&["walk", "hello", "body"], "a POST may change something"),
        (&["invoke", "hello", "one"], "invoking one counts as changing"),
    ] {
        let mut all = args.to_vec();
        all.push("--read-only");
        let told = lab.run(&all).exits(3).stderr();
        assert!(told.contains(word) && told.contains("read-only"), "{args:?}: {told}");
    }
    // Looking is allowed, and so is a request that only reads.
    for args in [
        &["labs"][..],
        &["release", "greet", "status"],
        &["stages", "greet"],
        &["chaos", "greet"],
        &["request", "greet", "hello"],
        &["request", "hello", "query", "-n", "5"],
        &["logs", "greet"],
        &["audit"],
    ] {
        let mut all = args.to_vec();
        all.push("--read-only");
        lab.run(&all).success();
    }
    lab.run(&["plan", "greet", "--read-only"]).exits(0);
    assert_eq!(lab.state(), before, "nothing has changed, and nothing was written down");

    // The same by the configuration of the target.
    let folder = lab.sandbox.path().join("config").join("labdeck");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "[targets.local]\nread_only = true\n").unwrap();
    let told = lab.run(&["release", "greet", "publish"]).exits(3).stderr();
    assert!(told.contains("read_only in its configuration"), "{told}");
    std::fs::remove_file(folder.join("config.toml")).unwrap();
    lab.run(&["request", "hello", "body"]).success();
}

#[test]
fn the_console_enters_read_only_mode_by_a_key_and_never_leaves_it() {
    let lab = Deployed::new();
    let labs = lab.checkout.labs();
    let before = lab.state();
    let mut console = Console::open(&lab.sandbox, 140, 40, &["--labs", &labs, "--lab", "hello"]);
    console.shows("● tail").shows("  rw  ");
    console.keys("O").shows("read-only from now on").shows("  read-only  ").shows_no("  rw  ");
    console.keys("O").shows("leaving it takes a restart");
    for (key, said) in [
        ("R", "roll back refused: the target is read-only"),
        ("d", "deploy refused: the target is read-only"),
        ("x", "chaos refused: the target is read-only"),
        ("X", "end chaos refused: the target is read-only"),
    ] {
        console.keys(key).shows(said);
    }
    // A GET is sent; a POST is not.
    console.keys("5s").shows("world: 200 in ");
    console.keys("jjj").keys("s").shows("POST refused: it may change something");
    // Connecting again does not bring it back.
    console.keys("gc").shows("● tail").shows("  read-only  ");
    console.keys("q");
    assert_eq!(console.ends(), 0);
    assert_eq!(lab.state(), before);
}
