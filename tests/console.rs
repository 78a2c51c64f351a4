//! The greet lab from deploy to destroy in the console, with the real handlers as processes; consoles
//! that share a cloud; and a cloud that dies under a console.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use support::console::{Console, line, shows_line};
use support::{
    Checkout, Sandbox, alive, endpoint, eventually, http, kill_hard, processes_below,
    processes_naming,
};

/// The console waits for keys and knows what is deployed.
fn ready(console: &mut Console) {
    console.shows("● tail").shows("greet is not deployed");
}

/// Goes to a screen, and waits until it is the one that is shown: its title is underlined.
fn screen(console: &mut Console, key: &str, title: &str) {
    console.keys(key).until(&format!("the screen is {title}"), |screen| {
        let (_, columns) = screen.size();
        let shown: String = (0..columns.get())
            .filter_map(|column| screen.cell(1, column))
            .filter(|cell| cell.underline())
            .map(vt100::Cell::contents)
            .collect();
        shown == title
    });
}

/// Opens a prompt by a key, types into it, and accepts.
fn ask(console: &mut Console, key: &str, title: &str, answer: &str) {
    console.keys(key).shows(title).keys(answer).shows(&format!("› {answer}")).keys("\r");
    console.shows_no(&format!("┌ {title}"));
}

/// Deploys by the key, and waits for the words of the end.
fn deploy(console: &mut Console, changed: &str) {
    console.keys("d");
    shows_line(console, &["greet deployed:", changed, "calls"]);
}

/// Sends the selected request and waits for its status.
fn send(console: &mut Console, request: &str, status: &str) {
    console.keys("s");
    shows_line(console, &[&format!("{request}: {status} in "), " ms"]);
    shows_line(console, &["response", status, " ms"]);
}

/// Sends a burst and waits until all of it is answered.
fn burst(console: &mut Console, count: u32, at_once: u32) {
    console.keys("b").shows("┌ burst").keys("\x15");
    // The prompt comes with 200x8 in it.
    for _ in 0.."200x8".len() {
        console.keys("\x7f");
    }
    let answer = format!("{count}x{at_once}");
    console.keys(&answer).shows(&format!("› {answer}")).keys("\r");
    shows_line(console, &[&format!("{count} answered, 0 failed")]);
}

#[test]
fn greet_from_deploy_to_destroy() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::new();
    let labs = checkout.labs();
    let mut console = Console::open(&sandbox, 160, 50, &["--labs", &labs]);
    ready(&mut console);

    screen(&mut console, "2", "Deploy");
    console.shows("greet");
    deploy(&mut console, "changed");
    shows_line(&mut console, &["greet-stateless prod", "http://127.0.0.1:"]);
    shows_line(&mut console, &["greet-stateful dev", "http://127.0.0.1:"]);

    // A request, its log line, and its metric.
    screen(&mut console, "5", "Requests");
    send(&mut console, "hello", "200");
    shows_line(&mut console, &["\"greeting\"", "Hello"]);
    screen(&mut console, "6", "Logs");
    shows_line(&mut console, &["$LATEST", "stateless", "REPORT"]);
    shows_line(&mut console, &["$LATEST", "stateless", "EMF"]);
    screen(&mut console, "7", "Metrics");
    shows_line(&mut console, &["stateless", "$LATEST", "/s"]);

    // A first version, a change that dev has at once, and a second version.
    screen(&mut console, "3", "Release");
    shows_line(&mut console, &["prod", "v1", "100%"]);
    checkout.edit("handlers/greet/lab.toml", "\"Hello\"", "\"Welcome\"");
    screen(&mut console, "2", "Deploy");
    deploy(&mut console, "2 changed");
    screen(&mut console, "5", "Requests");
    send(&mut console, "hello", "200");
    shows_line(&mut console, &["\"greeting\"", "Welcome"]);
    console.keys("t").shows("greet ▸ prod");
    send(&mut console, "hello", "200");
    shows_line(&mut console, &["\"greeting\"", "Hello"]);
    screen(&mut console, "3", "Release");
    ask(&mut console, "p", "publish a version of every function", "welcome");
    shows_line(&mut console, &["v2", "welcome"]);

    // A canary: both versions are seen.
    ask(&mut console, "%", "share of prod for the newest version", "20");
    shows_line(&mut console, &["prod", "v1", "80%"]);
    shows_line(&mut console, &["v2", "20%"]);
    screen(&mut console, "5", "Requests");
    burst(&mut console, 120, 4);
    screen(&mut console, "1", "Overview");
    shows_line(&mut console, &["stateless", "v1", "/s"]);
    shows_line(&mut console, &["stateless", "v2", "/s"]);
    screen(&mut console, "7", "Metrics");
    shows_line(&mut console, &["stateless", "v1", "/s"]);
    shows_line(&mut console, &["stateless", "v2", "/s"]);

    // Back with one key, undone with one key.
    screen(&mut console, "1", "Overview");
    shows_line(&mut console, &["R roll back to v1"]);
    console.keys("R");
    shows_line(&mut console, &["rollback:", "greet-stateless"]);
    console.until("prod is v1 alone", |screen| {
        line(screen, &["prod", "v1", "100%"]) && !line(screen, &["v2", "20%"])
    });
    console.keys("u");
    shows_line(&mut console, &["undo:", "greet-stateless"]);
    shows_line(&mut console, &["v2", "20%"]);
    console.keys("R");
    console.until("prod is v1 alone again", |screen| {
        line(screen, &["prod", "v1", "100%"]) && !line(screen, &["v2", "20%"])
    });

    // A real failure, on and off.
    screen(&mut console, "5", "Requests");
    // The burst left the focus in the list.
    console.keys("j").shows("visit · to greet-stateful ▸ prod");
    send(&mut console, "visit", "200");
    console.keys("x").shows("chaos: real failures").keys("\r");
    console.shows("CHAOS deny-table").shows("deny-table is on");
    send(&mut console, "visit", "503");
    screen(&mut console, "6", "Logs");
    shows_line(&mut console, &["stateful", "ERROR", "could not be stored"]);
    ask(&mut console, "/", "filter", "level:error");
    console.shows_no("REPORT").keys("\r").shows("AccessDenied");
    console.keys("\x1b").shows_no("AccessDenied").keys("\x7f").shows("REPORT");
    console.keys("X").shows_no("CHAOS").shows("deny-table is off");
    screen(&mut console, "5", "Requests");
    send(&mut console, "visit", "200");

    // Nothing goes before the name was typed in full.
    screen(&mut console, "2", "Deploy");
    console.keys("D").shows("destroy greet").keys("gree\r").shows("that is not \"greet\"");
    console.keys("t\r");
    shows_line(&mut console, &["greet destroyed:", "calls"]);
    console.shows_no("left:");
    screen(&mut console, "1", "Overview");
    console.shows("greet is not deployed");

    let cloud = sandbox.cloud_pid();
    assert!(alive(cloud));
    console.keys("q");
    assert_eq!(console.ends(), 0);
    eventually("the cloud ended with the console that started it", || {
        (!alive(cloud)).then_some(())
    });
    assert_eq!(processes_below(&sandbox.state_dir()), Vec::<i32>::new());
}

#[test]
fn the_cloud_ends_with_the_last_console() {
    let sandbox = Sandbox::new();
    let mut first = Console::open(&sandbox, 100, 30, &[]);
    ready(&mut first);
    let cloud = sandbox.cloud_pid();
    let mut second = Console::open(&sandbox, 100, 30, &[]);
    ready(&mut second);
    // The second has said that it is there.
    eventually("two consoles are attached", || {
        let status = sandbox.json(&["cloud", "status"]);
        (status["status"]["attached"] == 2).then_some(())
    });
    first.keys("q");
    assert_eq!(first.ends(), 0);
    assert!(alive(cloud), "the second console's cloud goes on");
    // A reading of live state works: no other cloud was started for it.
    second.keys("\x12").keys("2").shows("Deploy");
    second.shows_no("restarting the cloud");
    assert_eq!(sandbox.cloud_pid(), cloud);
    assert!(alive(cloud));
    second.keys("q");
    assert_eq!(second.ends(), 0);
    eventually("the cloud ended with the last console", || (!alive(cloud)).then_some(()));
}

#[test]
fn a_console_leaves_a_cloud_that_a_command_started() {
    let sandbox = Sandbox::new();
    sandbox.run(&["plan", "greet"]).exits(2);
    let cloud = sandbox.cloud_pid();
    let mut console = Console::open(&sandbox, 100, 30, &[]);
    ready(&mut console);
    console.keys("q");
    assert_eq!(console.ends(), 0);
    assert!(alive(cloud));
}

#[test]
fn a_console_that_is_left_while_the_cloud_starts_leaves_no_cloud() {
    let sandbox = Sandbox::new();
    let mut console = Console::open(&sandbox, 100, 30, &[]);
    // Typed before the cloud can be ready.
    console.keys("q");
    assert_eq!(console.ends(), 0);
    let directory = sandbox.state_dir();
    eventually("no cloud is left", || processes_naming(&directory).is_empty().then_some(()));
}

#[test]
fn a_cloud_that_dies_is_started_again_and_the_tail_goes_on() {
    let sandbox = Sandbox::new();
    let mut console = Console::open(&sandbox, 160, 50, &[]);
    ready(&mut console);
    deploy(&mut console, "changed");
    screen(&mut console, "6", "Logs");
    let summary = sandbox.json(&["deploy", "greet"]);
    let url = format!("{}/greet", endpoint(&summary, "greet-stateless", "dev"));
    assert_eq!(http::get(&url, &[]).status, 200);
    shows_line(&mut console, &["stateless", "REPORT"]);
    let reports = |screen: &vt100::Screen| {
        screen.contents().lines().filter(|line| line.contains("REPORT")).count()
    };

    let cloud = sandbox.cloud_pid();
    kill_hard(cloud);
    console.shows("the cloud runs again");
    let next = sandbox.cloud_pid();
    assert_ne!(next, cloud);
    console.shows("● tail live");
    let before = console.look(reports);
    assert_eq!(http::get(&url, &[]).status, 200, "the same address");
    console.until("the new request's log line", |screen| reports(screen) > before);
    console.keys("m").shows("the cloud ended").keys("\x1b").shows_no("┌ messages");
    console.keys("q");
    assert_eq!(console.ends(), 0);
    eventually("the cloud ended with the console", || (!alive(next)).then_some(()));
    assert_eq!(processes_below(&sandbox.state_dir()), Vec::<i32>::new());
}
