//! Makes the picture of the README from a real run: `cargo bench --bench screenshot`.
//!
//! Deploys the greet lab on a fresh local cloud, changes its code, ships the new version to a fifth
//! of `prod`, sends traffic, and writes the console's overview as `docs/console.svg`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use support::console::Console;
use support::{Checkout, Sandbox};

fn main() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::new();
    let labs = checkout.labs();
    sandbox.json(&["deploy", "greet", "--labs", &labs]);
    checkout.edit("handlers/greet/lab.toml", "\"Hello\"", "\"Welcome\"");
    sandbox.json(&["deploy", "greet", "--labs", &labs]);
    sandbox.json(&["release", "greet", "publish", "--labs", &labs]);
    let mut console = Console::open(&sandbox, 120, 36, &["--lab", "greet", "--labs", &labs]);
    console.shows("tail live");
    sandbox.json(&["release", "greet", "shift", "20", "--labs", &labs]);
    let requests = ["hello", "visit"];
    for _ in 0..8 {
        for name in requests {
            sandbox.run(&["request", "greet", name, "--stage", "prod", "-n", "60", "-c", "4"]);
        }
    }
    console.until("the overview shows both versions and their lines", |screen| {
        let text = screen.contents();
        text.contains("20%") && text.contains("REPORT")
    });
    let svg = console.look(|screen| support::screen::to_svg(screen, "labdeck"));
    let path = support::repository().join("docs/console.svg");
    std::fs::write(&path, svg).unwrap();
    println!("wrote {}", path.display());
    console.keys("q").ends();
}
