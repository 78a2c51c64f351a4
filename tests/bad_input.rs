//! What can't be is refused where it is typed, with AWS's rule, before any call: on the command line, where
//! no cloud is even started for it, and in the console's prompts and forms.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use support::Sandbox;
use support::console::{Console, shows_line};

const BACKTAB: &str = "\x1b[Z";
const BACKSPACE: &str = "\x7f";

#[test]
fn commands_refuse_it_and_call_nobody() {
    let sandbox = Sandbox::new();
    let save = |more: &[&'static str]| {
        [&["request", "petstore", "mine", "--save"][..], more, &["--api", "petstore"]].concat()
    };
    let json = "content-type: application/json";
    let share = "a share is a number from 0 to 100, in steps of 0.01";
    for (args, code, said) in [
        (vec!["release", "greet", "shift", "101"], 64, share),
        (vec!["release", "greet", "shift", "-5"], 64, share),
        (vec!["release", "greet", "shift", "0.001"], 64, share),
        (vec!["release", "greet", "shift", "NaN"], 64, share),
        (vec!["release", "greet", "canary", "--steps", "5,150"], 64, "rising percentages above 0"),
        (vec!["release", "greet", "canary", "--steps", "-5,10"], 64, "rising percentages above 0"),
        (vec!["invoke", "items", "first", "--alias", "v 1"], 64, "letters, digits, - and _"),
        (vec!["request", "greet", "hello", "--to", ":v/1"], 1, "letters, digits, - and _"),
        (vec!["request", "greet", "hello", "--to", "nowhere"], 1, "it has dev, prod"),
        (vec!["plans", "items", "set", "quota.limit=0"], 64, "a number of requests from 1 on"),
        (vec!["plans", "items", "set", "quota.limit=-1"], 64, "a number of requests from 1 on"),
        (
            vec!["stages", "items", "prod", "set", "variables.my-name=x"],
            64,
            "letters, digits and underscores (A-Z a-z 0-9 _)",
        ),
        (save(&["GET", "pets"]), 1, "path: a path begins with /"),
        (save(&["GET", "/pets all"]), 1, "without `?`, `#`, spaces or control characters"),
        (save(&["GET", "/pets?x=1"]), 1, "query parameters go into `query`"),
        (
            save(&["POST", "/pets", "--header", json, "--body", "{"]),
            1,
            "body: Content-Type is application/json, but it is not JSON: EOF",
        ),
        (
            save(&["POST", "/pets", "--header", "Content-Type: a/b+json", "--body", "x"]),
            1,
            "body: Content-Type is a/b+json, but it is not JSON",
        ),
    ] {
        let refused = sandbox.run(&args).exits(code);
        assert!(refused.stderr().contains(said), "{args:?}: {}", refused.stderr());
    }
    assert!(sandbox.cloud().is_none(), "nothing was called: no cloud was started");
}

/// What changed something so far, as the audit has it.
fn changes(sandbox: &Sandbox) -> usize {
    sandbox.run(&["audit", "--json"]).success().stdout().lines().count()
}

/// Types into the prompt that a key opens, sees it refused, and leaves.
fn refused(console: &mut Console, key: &str, title: &str, typed: &str, said: &str) {
    console.keys(key).shows(title).keys("\x15").keys(typed).shows(typed).keys("\r");
    console.shows(said).keys("\x1b").shows_no(title);
}

/// Types a setting into the last row of the form, sees it refused, and leaves.
fn not_set(console: &mut Console, title: &str, setting: &str, said: &str) {
    console.keys("e").shows(title).keys(BACKTAB).shows("another setting:");
    console.keys(setting).shows(setting).keys("\r").shows(said);
    console.keys("\x1b").shows_no(title);
}

#[test]
fn the_consoles_prompts_and_forms_refuse_it_and_call_nobody() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "petstore"]);
    let before = changes(&sandbox);
    let mut console = Console::open(&sandbox, 160, 46, &["--lab", "petstore"]);
    console.shows("● tail").keys("3");
    shows_line(&mut console, &["prod", "v1", "100%"]);
    let share = "a share is a number from 0 to 100, in steps of 0.01";
    for typed in ["101", "-1", "0.001", "half"] {
        refused(&mut console, "%", "┌ share of prod", typed, share);
    }
    refused(&mut console, "c", "┌ guarded canary", "5,150", "rising percentages above 0");

    console.keys("4").shows("┌ deployments");
    shows_line(&mut console, &["/day"]);
    let stage = "┌ edit stage petstore-mock/dev";
    not_set(&mut console, stage, "variables.my-name=x", "letters, digits and underscores");
    not_set(&mut console, stage, "variables.name=a b", "letters, digits and - . _ ~ :");
    not_set(&mut console, stage, "canary.percent=101", "from 0 to 100");
    // To the usage plans.
    console.keys("\t");
    for quota in ["quota.limit=0", "quota.limit=-1"] {
        not_set(&mut console, "┌ edit usage plan", quota, "a number of requests from 1 on");
    }

    console.keys("5").shows("┌ requests").keys("e").shows("┌ edit mock-list");
    // The form begins in the path.
    console.keys("\x15").keys("pets").keys("\x13").shows("a path begins with /");
    console.keys("\x15").keys("/a b").keys("\x13").shows("spaces or control characters");
    console.keys("\x1b").shows_no("┌ edit mock-list");
    // Down to a request with a body that says that it is JSON.
    while !console.text().contains("┌ adopt-parrot") {
        let before = console.text();
        console.keys("j").until("the next one is selected", |screen| screen.contents() != before);
    }
    console.keys("e").shows("┌ edit adopt-parrot");
    while !console.look(|screen| {
        let (row, _) = screen.cursor_position();
        screen.contents().lines().nth(usize::from(row)).is_some_and(|line| line.contains("body"))
    }) {
        let before = console.look(vt100::Screen::cursor_position);
        console.keys("\t").until("the next row", |screen| screen.cursor_position() != before);
    }
    console.keys("x").keys("\x13").shows("but it is not JSON");
    console.keys("\x1b").shows_no("┌ edit adopt-parrot");

    // Versions that there are not, by what is shown of the functions.
    console.keys("T").shows("┌ send to").keys("G\r").shows("VERSION · :ALIAS");
    console.keys(":99\r").shows("there is no version 99; ").keys(&BACKSPACE.repeat(2));
    console.keys("nobody\r").shows("there is no alias nobody; ").keys("\x1b");
    console.shows_no("VERSION · :ALIAS");
    refused(&mut console, "c", "┌ compare", ":1 :99 9x1", "there is no version 99; ");
    refused(&mut console, "b", "┌ burst", "0x1", "1 to");

    console.keys("q");
    assert_eq!(console.ends(), 0);
    assert_eq!(changes(&sandbox), before, "nothing was changed, and nothing sent");
}
