//! Makes the pictures of the documentation from a real run: `cargo bench --bench screenshot`.
//!
//! Deploys the greet and the items lab on a fresh local cloud, ships a new version of greet to a fifth of
//! `prod`, sends traffic, and writes every screen into `docs/pictures`, and the overview also as
//! `docs/console.svg`. Then attaches what somebody else deployed.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use support::console::{Console, shows_line};
use support::foreign::{ALIAS, API, Foreign};
use support::{Checkout, Sandbox};

const COLUMNS: u16 = 120;
const ROWS: u16 = 36;

fn main() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::new();
    let labs = checkout.labs();
    sandbox.json(&["deploy", "greet", "--labs", &labs]);
    sandbox.json(&["deploy", "items", "--labs", &labs]);
    checkout.edit("handlers/greet/lab.toml", "\"Hello\"", "\"Welcome\"");
    sandbox.json(&["deploy", "greet", "--labs", &labs]);
    sandbox.json(&["release", "greet", "publish", "--labs", &labs, "-d", "another word"]);
    greet(&sandbox, &labs);
    items(&sandbox, &labs);
    attached();
}

fn greet(sandbox: &Sandbox, labs: &str) {
    let mut console = Console::open(sandbox, COLUMNS, ROWS, &["--lab", "greet", "--labs", labs]);
    console.shows("tail live");
    sandbox.json(&["release", "greet", "shift", "20", "--labs", labs]);
    for _ in 0..8 {
        for name in ["hello", "visit"] {
            sandbox.run(&["request", "greet", name, "--stage", "prod", "-n", "60", "-c", "4"]);
        }
    }
    console.until("the overview shows both versions and their lines", |screen| {
        let text = screen.contents();
        text.contains("20%") && text.contains("REPORT")
    });
    save(&console, "overview");
    std::fs::copy(picture("overview"), support::repository().join("docs/console.svg")).unwrap();
    console
        .keys("2")
        .shows("┌ plan")
        .keys("p")
        .shows("nothing to do")
        .keys("c")
        .shows("checks hold");
    save(&console, "deploy");
    console.keys("3").shows("┌ stable and canary");
    save(&console, "release");
    console.keys("5").shows("┌ requests").keys("b").shows("┌ burst").keys("\x15").keys("2000x8\r");
    shows_line(&mut console, &["answered", "2000"]);
    save(&console, "burst");
    console.keys("js").shows("response 200");
    save(&console, "requests");
    console.keys("6").shows("REPORT");
    save(&console, "logs");
    console.keys("7").shows("p95");
    save(&console, "metrics");
    console.keys("q").ends();
}

fn items(sandbox: &Sandbox, labs: &str) {
    sandbox.json(&["release", "items", "publish", "--labs", labs]);
    let burst = ["request", "items", "list", "--stage", "dev", "-n", "60", "-c", "2"];
    sandbox.run(&[&burst[..], &["--labs", labs]].concat());
    let mut console = Console::open(sandbox, COLUMNS, ROWS, &["--lab", "items", "--labs", labs]);
    console.shows("● tail").keys("4").shows("┌ deployments");
    shows_line(&mut console, &["LabKey", "/1000"]);
    save(&console, "gateway");
    console.keys("q").ends();
}

/// What somebody else deployed, on a cloud of its own.
fn attached() {
    let sandbox = Sandbox::new();
    let foreign = Foreign::new(&sandbox);
    foreign.point("2");
    let mut console = Console::open(&sandbox, COLUMNS, ROWS, &["--lab", "greet"]);
    console.shows("● tail").keys("I").shows("attach: REST APIs and functions");
    shows_line(&mut console, &["API", API, "team=shop"]);
    save(&console, "attach");
    console.keys("api orders").shows("1 shown, 0 marked").keys("\t\r").shows("┌ attach");
    console.keys("\r").shows("(attached)");
    shows_line(&mut console, &[ALIAS, "v2"]);
    save(&console, "attached");
    console.keys("q").ends();
}

fn picture(name: &str) -> std::path::PathBuf {
    support::repository().join("docs/pictures").join(format!("{name}.svg"))
}

fn save(console: &Console, name: &str) {
    let svg = console.look(|screen| support::screen::to_svg(screen, "labdeck"));
    std::fs::create_dir_all(picture(name).parent().unwrap()).unwrap();
    std::fs::write(picture(name), svg).unwrap();
    println!("wrote {}", picture(name).display());
}
