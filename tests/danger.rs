//! What is asked before it is done: every command as its danger level says, on the local cloud and
//! elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use support::{Checkout, Finished, Sandbox, sdk};

/// The lab with a version that prod does not serve yet, on a cloud that answers as AWS does and is told to
/// be AWS.
struct Elsewhere(Sandbox);

impl Elsewhere {
    fn new() -> Self {
        let (sandbox, checkout) = (Sandbox::new(), Checkout::new());
        let labs = checkout.labs();
        sandbox.json(&["deploy", "items", "--labs", &labs]);
        checkout.edit("handlers/items/lab.toml", "memory_mb = 128", "memory_mb = 192");
        sandbox.json(&["deploy", "items", "--labs", &labs]);
        sandbox.json(&["release", "items", "publish"]);
        Self(sandbox)
    }

    /// A command on the target that is not local, where nobody can be asked.
    fn run(&self, args: &[&str]) -> Finished {
        let endpoint = sdk::endpoint(&self.0);
        let keys = sdk::Keys::of(&self.0);
        let place = ["--target", "aws", "--region", sdk::REGION, "--endpoint-url", &endpoint];
        let mut command = self.0.command(&[args, &place].concat());
        command.env("AWS_ACCESS_KEY_ID", keys.access_key_id);
        command.env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key);
        Finished::of(command)
    }

    /// Everything that changed something so far.
    fn audit(&self) -> String {
        self.0.run(&["audit", "--json"]).success().stdout()
    }
}

#[test]
fn what_changes_prod_elsewhere_or_deletes_is_refused_where_nobody_can_be_asked() {
    let lab = Elsewhere::new();
    let before = lab.audit();
    for args in [
        &["release", "items", "shift", "20"][..],
        &["release", "items", "promote"],
        &["release", "items", "canary"],
        &["chaos", "items", "on", "function-error"],
        &["stages", "items", "prod", "set", "throttle.rate=50"],
        &["stages", "items", "prod", "switch", "abc123"],
        &["stages", "items", "prod", "redeploy"],
        &["stages", "items", "prod", "flush"],
        &["plans", "items", "set", "quota.limit=900"],
        &["keys", "items", "disable", "LabKey"],
        &["keys", "items", "rotate", "LabKey"],
        &["release", "items", "prune"],
        &["walk", "items", "destroy"],
    ] {
        let told = lab.run(args).exits(3).stderr();
        let place = " · account 000000000000 · us-east-1 · alias prod";
        for part in [place, "there is no terminal to ask on", "confirm it with --yes"] {
            assert!(told.contains(part), "{args:?}: {told}");
        }
    }
    let told = lab.run(&["destroy", "items"]).exits(3).stderr();
    assert!(told.contains("confirm it with --yes"), "{told}");
    assert_eq!(lab.audit(), before, "nothing was changed");

    // What can be changed back and is not prod's is done at once, and so is what takes prod back.
    for args in [
        &["stages", "items", "dev", "set", "throttle.rate=50"][..],
        &["stages", "items", "dev", "redeploy"],
        &["plans", "items", "reset", "LabKey"],
        &["keys", "items", "create", "Another"],
        &["keys", "items", "enable", "LabKey"],
        &["chaos", "items", "off", "function-error"],
        &["stages", "items", "prod", "set", "throttle.rate=50", "--yes"],
        &["plans", "items", "set", "quota.limit=900", "--yes"],
        &["release", "items", "promote", "--yes"],
        &["release", "items", "undo"],
    ] {
        lab.run(args).success();
    }
    // A preview and a look ask nothing.
    lab.run(&["stages", "items", "prod", "set", "throttle.rate=40", "--dry-run"]).exits(2);
    lab.run(&["release", "items", "prune", "--dry-run"]).success();
}

#[test]
fn on_the_local_cloud_only_what_deletes_is_asked_for() {
    let Elsewhere(sandbox) = Elsewhere::new();
    // Warned of, and done: no request is answered any more.
    let set = ["stages", "items", "prod", "set", "throttle.rate=0"];
    let told = sandbox.run(&set).success().stderr();
    assert!(told.contains("! throttle.rate of 0 refuses every request with 429"), "{told}");
    for args in [
        &["plans", "items", "set", "quota.limit=900"][..],
        &["keys", "items", "disable", "LabKey"],
        &["release", "items", "promote"],
    ] {
        sandbox.run(args).success();
    }
    for args in [&["release", "items", "prune"][..], &["destroy", "items"]] {
        let told = sandbox.run(args).exits(3).stderr();
        assert!(told.contains("confirm it with --yes"), "{args:?}: {told}");
    }
}
