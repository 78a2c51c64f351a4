//! The network gone under a console: what is known last stays with its age, actions say that they can't,
//! and everything comes back by itself. The console looks at the cloud as at an account of AWS: through an
//! endpoint and credentials of the AWS configuration, and a relay that stands for the network.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use aws_sdk_lambda::types::Environment;
use serde_json::Value;
use support::console::{Console, shows_line};
use support::foreign::client;
use support::gateway::Operator;
use support::relay::Relay;
use support::{Sandbox, endpoint, http};

const BACKTAB: &str = "\x1b[Z";

/// A lab with a release to take back, and the network in front of it.
struct Far {
    sandbox: Sandbox,
    relay: Relay,
    operator: Operator,
    summary: Value,
}

impl Far {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let summary = sandbox.json(&["deploy", "greet"]);
        let operator = Operator::new(&sandbox);
        let lambda = client(&sandbox);
        let said = Environment::builder().variables("GREETING", "Welcome").build();
        let change = lambda.update_function_configuration().function_name("greet-stateless");
        operator.runtime.block_on(change.environment(said).send()).unwrap();
        sandbox.run(&["release", "greet", "publish"]).success();
        sandbox.run(&["release", "greet", "promote"]).success();

        let relay = Relay::new(sandbox.cloud().unwrap()["endpoint"].as_str().unwrap());
        let keys = std::fs::read(sandbox.state_dir().join("credentials.json")).unwrap();
        let keys: Value = serde_json::from_slice(&keys).unwrap();
        let config = sandbox.path().join("config");
        let profile = format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            keys["access_key_id"].as_str().unwrap(),
            keys["secret_access_key"].as_str().unwrap()
        );
        std::fs::write(config.join("aws-credentials"), profile).unwrap();
        std::fs::create_dir_all(config.join("labdeck")).unwrap();
        let target = format!(
            "[targets.far]\nregion = \"us-east-1\"\nendpoint_url = \"{}\"\n",
            relay.endpoint()
        );
        std::fs::write(config.join("labdeck/config.toml"), target).unwrap();
        Self { sandbox, relay, operator, summary }
    }

    fn console(&self) -> Console {
        Console::open(&self.sandbox, 170, 46, &["--target", "far", "--lab", "greet"])
    }

    /// Version that `prod` of the released function has, as it is really.
    fn prod(&self) -> String {
        let status = self.sandbox.json(&["release", "greet", "status"]);
        let functions = status["functions"].as_array().unwrap();
        let one = functions.iter().find(|one| one["name"] == "greet-stateless").unwrap();
        let aliases = one["aliases"].as_array().unwrap();
        let prod = aliases.iter().find(|alias| alias["name"] == "prod").unwrap();
        prod["version"].as_str().unwrap().to_owned()
    }
}

/// Types a setting of the selected stage and agrees to its preview.
fn set(console: &mut Console, setting: &str) {
    console.keys("e").shows("┌ edit stage greet-stateless/dev").keys(BACKTAB);
    console.shows("another setting:").keys(setting).shows(setting).keys("\r");
    console.shows("┌ change stage greet-stateless/dev?").keys("y").shows_no("┌ change");
}

#[test]
fn what_is_known_last_stays_and_all_comes_back_by_itself() {
    let mut far = Far::new();
    let mut console = far.console();
    console.shows("● tail live").keys("5").shows("┌ requests").keys("s");
    shows_line(&mut console, &["response", "200"]);
    console.keys("4").shows("┌ deployments");
    shows_line(&mut console, &["variables.lambdaAlias", "dev"]);

    far.relay.cut();
    console.shows("● no connection  state").shows("no connection to http://127.0.0.1:");
    // Everything is there as it was, on every screen, and says how old it is.
    shows_line(&mut console, &["variables.lambdaAlias", "dev"]);
    console.keys("3").shows(" old ─");
    shows_line(&mut console, &["prod", "v2", "100%"]);
    console.keys("1").shows(" old ─");
    console.shows("┌ resources");
    // Actions say that they can't.
    shows_line(&mut console, &["R roll back to v1"]);
    console.keys("R").shows("rollback: no connection: ").shows("Connection refused");
    console.keys("5").keys("s").shows("send hello: no connection: ");
    shows_line(&mut console, &["response", "200"]);
    console.keys("4");
    set(&mut console, "throttle.rate=7");
    console.shows("edit stage greet-stateless/dev: no connection: ");
    // Nothing of it was done.
    assert_eq!(far.prod(), "2");
    assert!(!far.operator.rate_set("greet-stateless", "dev"));
    // What somebody else does meanwhile is seen once the network is back.
    far.operator.set_stage("greet-stateless", "dev", "/*/*/throttling/rateLimit", "5");
    assert!(!console.text().contains("throttle.rate "));

    far.relay.restore();
    console.shows("connected again: nobody answered for");
    shows_line(&mut console, &["throttle.rate", "5"]);
    console.shows("● tail live").shows_no("no connection");
    // Its log goes on where it was, and what could not be done is done now.
    let url = format!("{}/greet", endpoint(&far.summary, "greet-stateless", "dev"));
    assert_eq!(http::get(&url, &[]).status, 200);
    console.keys("6").until("the lines of both requests", |screen| {
        screen.contents().matches("REPORT").count() >= 2
    });
    console.keys("R").shows("rollback: greet-stateless v2 → v1");
    assert_eq!(far.prod(), "1");
    an_answer_is_lost(&mut far, &mut console);
    console.keys("q");
    assert_eq!(console.ends(), 0);
}

/// The network goes while a change is on its way: it was done all the same.
fn an_answer_is_lost(far: &mut Far, console: &mut Console) {
    console.keys("4");
    far.operator.pause("apigateway", "UpdateStage");
    set(console, "throttle.rate=7");
    console.shows("edit stage greet-stateless/dev …");
    far.operator.paused();
    far.relay.cut();
    far.operator.go_on();
    console.shows("edit stage greet-stateless/dev: no connection: ");
    far.relay.restore();
    // That is seen by itself, and the lease of the edit that was cut off holds up nobody.
    shows_line(console, &["throttle.rate", "7"]);
    set(console, "tracing=on");
    console.shows("stage greet-stateless/dev: 1 setting changed");
}

#[test]
fn a_network_that_says_nothing_blocks_no_key_and_what_was_sent_arrives_once() {
    let mut far = Far::new();
    let mut console = far.console();
    console.shows("● tail live").keys("3");
    shows_line(&mut console, &["prod", "v2", "100%"]);
    far.relay.silence();
    console.keys("R").shows("rollback …");
    // The screens go on, with what is known last.
    console.keys("4").shows("┌ deployments").keys("1").shows("┌ aliases · rollback …");
    console.until("the age is told", |screen| {
        let header = screen.contents();
        header.lines().next().is_some_and(|line| line.contains("● state"))
    });
    shows_line(&mut console, &["prod", "v2", "100%"]);
    assert_eq!(far.prod(), "2");
    far.relay.restore();
    console.shows("rollback: greet-stateless v2 → v1").shows("● tail live");
    shows_line(&mut console, &["prod", "v1", "100%"]);
    assert_eq!(far.prod(), "1");
    console.keys("q");
    assert_eq!(console.ends(), 0);
}
