//! The Gateway screen in a pseudo-terminal, on the local cloud with the real handlers: what is edited on
//! the screen is seen in the next answer of the public URL.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use support::console::{Console, line, shows_line};
use support::gateway::Operator;
use support::{Sandbox, endpoint, eventually, http};

const API: &str = "ItemsAPI";
const BACKTAB: &str = "\x1b[Z";
const BACKSPACE: &str = "\x7f";

fn get(url: &str, key: &str) -> http::Answer {
    http::get(url, &[("x-api-key", key)])
}

fn value(sandbox: &Sandbox, name: &str) -> String {
    sandbox.json(&["keys", "items", "show", name])["value"].as_str().unwrap().to_owned()
}

/// A console on the Gateway screen of the lab, once it has read all of it.
fn open(sandbox: &Sandbox) -> Console {
    let mut console = Console::open(sandbox, 160, 46, &["--lab", "items"]);
    console.shows("● tail").keys("4").shows("┌ deployments");
    shows_line(&mut console, &["LabPlan", "/day"]);
    shows_line(&mut console, &["LabKey", "••••••••"]);
    console
}

/// Types a setting into the last row of the form.
fn set(console: &mut Console, title: &str, setting: &str) {
    console.keys("e").shows(&format!("┌ edit {title}")).keys(BACKTAB);
    console.shows("another setting:").keys(setting).shows(setting).keys("\r");
}

/// Agrees to what is shown, and waits until it is done.
fn agree(console: &mut Console, title: &str, said: &str) {
    console.shows(&format!("┌ change {title}?")).keys("y").shows(said);
    console.shows_no("┌ edit");
}

#[test]
fn quotas_are_edited_and_extended_with_the_next_answer_as_proof() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "items"]);
    let url = format!("{}/items/1", endpoint(&summary, API, "dev"));
    let key = value(&sandbox, "LabKey");
    let mut console = open(&sandbox);
    // To the usage plans.
    console.keys("\t");
    set(&mut console, "usage plan LabPlan", "quota.limit=0");
    console.shows("a quota is a number of requests from 1 on");
    console.keys(BACKSPACE).keys("2\r");
    console.shows("/quota/limit").shows("1000 → 2");
    // Nothing was done yet: whoever says no is back in the form.
    console.keys("n").shows_no("┌ change").shows("┌ edit usage plan").keys("\r");
    agree(&mut console, "usage plan LabPlan", "usage plan LabPlan: 1 setting changed");
    console.keys("m").shows("┌ messages").keys("\r").shows("[plans.LabPlan] quota.limit = 2");
    console.keys("\x1b").shows_no("quota.limit = 2").keys("\x1b").shows_no("┌ messages");
    shows_line(&mut console, &["LabPlan", "2/day"]);
    let answers: Vec<u16> = (0..3).map(|_| get(&url, &key).status).collect();
    assert_eq!(answers, [200, 200, 429]);
    // The figures follow by themselves.
    shows_line(&mut console, &["LabKey", "█", "2/2", "used up"]);

    console.keys("j+").shows("more requests for LabKey in LabPlan").keys("0\r");
    console.shows("a whole number from 1 on").keys(BACKSPACE).keys("1\r");
    console.shows("0 → 1 requests left");
    assert_eq!(get(&url, &key).status, 200);
    assert_eq!(get(&url, &key).status, 429);
    console.keys("0").shows("0 → 2 requests left");
    assert_eq!(get(&url, &key).status, 200);
    console.keys("q");
    assert_eq!(console.ends(), 0);
}

#[test]
fn somebody_elses_change_is_shown_and_a_stage_is_switched_and_back() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "items", "--variant", "mock"]);
    let url = format!("{}/items/2", endpoint(&summary, API, "dev"));
    let mock = http::get(&url, &[]).body;
    sandbox.json(&["deploy", "items"]);
    sandbox.json(&["deploy", "items", "--variant", "lambda"]);
    let key = value(&sandbox, "LabKey");
    let operator = Operator::new(&sandbox);
    operator.set_stage(API, "dev", "/*/*/throttling/rateLimit", "5");
    let mut console = open(&sandbox);
    shows_line(&mut console, &["throttle.rate", "5"]);

    // Between the preview and the yes somebody else sets it, too.
    set(&mut console, "stage ItemsAPI/dev", "throttle.rate=7");
    console.shows("/*/*/throttling/rateLimit").shows("5 → 7");
    operator.set_stage(API, "dev", "/*/*/throttling/rateLimit", "9");
    console.keys("y").shows("was 5 and is 9 now; yours is 7");
    assert!((operator.rate(API, "dev") - 9.0).abs() < f64::EPSILON, "nothing was overwritten");
    // Theirs is below, mine is typed over it: it is mine to choose.
    console.shows("┌ edit stage ItemsAPI/dev").shows("*throttle.rate");
    console.keys("\r").shows("9 → 7");
    agree(&mut console, "stage ItemsAPI/dev", "stage ItemsAPI/dev: 1 setting changed");
    assert!((operator.rate(API, "dev") - 7.0).abs() < f64::EPSILON);

    // What differs is shown; the older deployment is switched to, and the newer one again.
    assert_eq!(http::get(&url, &[]).status, 403);
    console.keys(BACKTAB);
    console.keys("j").keys("D").shows("- type: mock").shows("+ type: aws");
    console.keys("\x1b").shows_no("- type: mock");
    console.keys("\r").shows("┌ change stage ItemsAPI/dev?").shows("/deploymentId");
    console.keys("y").shows("stage ItemsAPI/dev: deployment");
    eventually("the older deployment is served", || {
        (http::get(&url, &[]).body == mock).then_some(())
    });
    shows_line(&mut console, &["▸", "earlier", "dev, prod"]);
    console.keys("k").keys("\r").shows("┌ change stage ItemsAPI/dev?");
    console.keys("y").shows_no("┌ change");
    eventually("the newer deployment is served", || {
        get(&url, &key).body.contains("Pencil").then_some(())
    });
    console.keys("q");
    assert_eq!(console.ends(), 0);
}

#[test]
fn keys_are_shown_for_a_moment_disabled_made_and_rotated() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "items"]);
    let url = format!("{}/items/1", endpoint(&summary, API, "dev"));
    let old = value(&sandbox, "LabKey");
    let mut console = open(&sandbox);
    // To the keys.
    console.keys("\t\t");
    console.keys("v").shows(&old).shows_no(&old);
    console.keys("Y").shows("the value of LabKey is on the clipboard");
    assert!(!console.text().contains(&old));

    console.keys("E").shows("requests with the key LabKey get 403").keys("y");
    console.shows("API key LabKey is disabled");
    assert_eq!(get(&url, &old).status, 403);
    shows_line(&mut console, &["LabKey", "••••••••", "disabled"]);
    console.keys("E").shows("API key LabKey is enabled");
    assert_eq!(get(&url, &old).status, 200);

    // Between the question and the yes somebody else rotates it: the new one is not meant.
    console.until("it is shown as enabled", |screen| !line(screen, &["••••••••", "disabled"]));
    console.keys("E").shows("requests with the key LabKey get 403");
    sandbox.json(&["keys", "items", "rotate", "LabKey", "--grace", "0s"]);
    console.keys("y").shows("somebody else put another key in its place");
    let old = value(&sandbox, "LabKey");
    assert_eq!(get(&url, &old).status, 200);

    console
        .keys("n")
        .shows("┌ a new key")
        .keys("LabKey\r")
        .shows("there is a key \"LabKey\" already");
    console.keys(&BACKSPACE.repeat(6)).keys("Guest\r").shows("API key Guest made");
    assert_eq!(get(&url, &value(&sandbox, "Guest")).status, 200);
    shows_line(&mut console, &["Guest", "••••••••", "by hand"]);

    // LabKey stands below Guest now.
    console.keys("j").keys("o").shows("the old one is removed for good");
    // Enter is not enough for that.
    console.keys("\r").shows("┌ change API key LabKey?").keys("y");
    console.shows("API key LabKey rotated");
    let new = value(&sandbox, "LabKey");
    assert_ne!(new, old);
    assert_eq!((get(&url, &old).status, get(&url, &new).status), (403, 200));
    console.keys("m").shows("┌ messages");
    let text = console.text();
    assert!(!text.contains(&old) && !text.contains(&new), "{text}");
    console.keys("\x1b").shows_no("┌ messages").keys("q");
    assert_eq!(console.ends(), 0);
}

#[test]
fn a_read_only_console_shows_and_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "items"]);
    let mut console = Console::open(&sandbox, 80, 24, &["--lab", "items", "--read-only"]);
    console.shows("● tail").keys("4");
    shows_line(&mut console, &["LabPlan", "1000/day"]);
    console.keys("e").shows("refused: the target is read-only");
    console.keys("r").shows("redeploy refused");
    console.shows_no("┌ edit").shows_no("┌ change");
    console.keys("q");
    assert_eq!(console.ends(), 0);
}
