//! The numbers a person feels, measured on the real binary: start, first answer, warm answer, cold
//! start, key to frame under a log flood, idle load, memory. Printed beside what they should be.
//!
//! `cargo bench --bench numbers` (add `-- ready warm` to run only the parts named so).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod measure;
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use measure::{Connection, millis, quantile, rate, row, rss_mb, seconds};
use support::Sandbox;
use support::console::Console;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let on = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    println!("{:<60} {:>12} {:>12}", "what", "measured", "asked for");
    if on("draw") {
        draw();
    }
    if on("ready") {
        ready();
    }
    if on("frame") {
        first_frame();
    }
    if ["deploy", "warm", "cold", "memory", "idle", "flood"].iter().any(|part| on(part)) {
        let sandbox = Sandbox::new();
        let deployed = Instant::now();
        let summary = sandbox.json(&["deploy", "greet"]);
        row("first deploy of greet, build included", seconds(deployed.elapsed()), "-");
        let (all, build) =
            (summary["seconds"].as_f64().unwrap(), summary["build_seconds"].as_f64().unwrap());
        row("first deploy of greet, after the build", format!("{:.2} s", all - build), "-");
        let again = Instant::now();
        sandbox.json(&["deploy", "greet"]);
        row("second deploy of greet, nothing to do", seconds(again.elapsed()), "-");
        let stateless = endpoint(&summary, "greet-stateless", "prod");
        // Before the many requests that fill the panes.
        if on("memory") || on("idle") {
            console_and_cloud(&sandbox, on("memory"), on("idle"));
        }
        if on("warm") {
            warm(&stateless);
            warm_stateful(&endpoint(&summary, "greet-stateful", "prod"));
        }
        if on("cold") {
            cold(&sandbox, &stateless);
        }
        if on("flood") {
            flood(&sandbox);
        }
    }
}

fn endpoint(summary: &serde_json::Value, api: &str, stage: &str) -> String {
    summary["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["api"] == api && e["stage"] == stage)
        .unwrap()["url"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Drawing every screen at 200×60 with 20,000 log events behind it, all cells computed anew.
fn draw() {
    use labdeck_console::action::Screen;
    use labdeck_console::bench_support;
    let mut state = bench_support::full_state(20_000).unwrap();
    let backend = ratatui::backend::TestBackend::new(200, 60);
    let mut terminal = ratatui::Terminal::new(backend).unwrap();
    let mut worst = Duration::ZERO;
    for screen in Screen::ALL {
        state.screen = screen;
        let mut times = Vec::new();
        for round in 0..2000 {
            let start = Instant::now();
            terminal.draw(|frame| bench_support::draw(frame, &state)).unwrap();
            if round >= 100 {
                times.push(start.elapsed());
            }
        }
        times.sort();
        worst = worst.max(quantile(&times, 0.99));
        let name = format!("draw 200x60 {}, p50", screen.title());
        row(&name, millis(quantile(&times, 0.5)), "-");
    }
    row("draw 200x60, p99 of the slowest screen", millis(worst), "1 ms");
}

/// From `exec` of `labdeck cloud` to its `ready` line.
fn ready() {
    let sandbox = Sandbox::new();
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let mut child = Command::new(support::binary())
            .args(["cloud", "--state-dir"])
            .arg(sandbox.state_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        times.push(start.elapsed());
        assert!(line.starts_with("ready "), "{line}");
        support::signal(child.id() as i32, nix::sys::signal::Signal::SIGTERM);
        child.wait().unwrap();
    }
    row("local cloud ready, first start", millis(times[0]), "50 ms");
    times.sort();
    row("local cloud ready, p50 of 20 starts", millis(quantile(&times, 0.5)), "50 ms");
}

/// From `exec` of the console to the first frame on the terminal, with no cloud running.
fn first_frame() {
    let mut times = Vec::new();
    for _ in 0..10 {
        let sandbox = Sandbox::new();
        let start = Instant::now();
        let mut console = Console::open(&sandbox, 200, 60, &[]);
        console.shows("Overview");
        times.push(start.elapsed());
        console.keys("q").ends();
    }
    times.sort();
    row("first frame of the console, p50 of 10", millis(quantile(&times, 0.5)), "50 ms");
}

fn warm(url: &str) {
    let get = || Connection::open("GET", &format!("{url}/greet"), "", "");
    let mut connection = get();
    connection.sample(200);
    let times = connection.sample(5000);
    row("warm GET /greet (stateless), p50, 1 connection", millis(quantile(&times, 0.5)), "0.5 ms");
    row("warm GET /greet (stateless), p99, 1 connection", millis(quantile(&times, 0.99)), "-");
    let rate = rate((0..8).map(|_| get()).collect(), 1000);
    row("warm GET /greet (stateless), 8 connections", format!("{rate:.0}/s"), "-");
}

fn warm_stateful(url: &str) {
    let url = format!("{url}/greet");
    let mut connection = Connection::open("GET", &url, "x-user-id: bench\r\n", "");
    connection.sample(50);
    let times = connection.sample(1000);
    row("warm GET /greet (stateful), p50, 1 connection", millis(quantile(&times, 0.5)), "-");
}

/// The first request after the cloud was started anew: the function's process is started for it.
fn cold(sandbox: &Sandbox, url: &str) {
    let mut times = Vec::new();
    for _ in 0..10 {
        sandbox.run(&["cloud", "stop"]).success();
        sandbox.json(&["labs"]);
        let mut connection = Connection::open("GET", &format!("{url}/greet"), "", "");
        let (status, time, _) = connection.send();
        assert_eq!(status, 200);
        times.push(time);
    }
    times.sort();
    row("first request to a cold function, p50 of 10", millis(quantile(&times, 0.5)), "60 ms");
}

/// Time on a core so far by thread, in ns.
fn on_core(pid: i32) -> BTreeMap<u32, u64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    threads
        .filter_map(|thread| {
            let id = thread.file_name().to_str()?.parse().ok()?;
            let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            Some((id, text.split(' ').next()?.parse().ok()?))
        })
        .collect()
}

/// The shares of a core, in percent, that processes had in `window`. Looks every second, so that
/// threads that end meanwhile count until then.
fn shares<const N: usize>(pids: [i32; N], window: Duration) -> [f64; N] {
    let begun = Instant::now();
    let before = pids.map(on_core);
    let mut last = before.clone();
    while begun.elapsed() < window {
        std::thread::sleep(Duration::from_secs(1));
        for (last, pid) in last.iter_mut().zip(pids) {
            last.extend(on_core(pid));
        }
    }
    let nanos = begun.elapsed().as_nanos() as f64;
    std::array::from_fn(|index| {
        let used = last[index]
            .iter()
            .map(|(thread, ns)| ns.saturating_sub(before[index].get(thread).copied().unwrap_or(0)));
        used.sum::<u64>() as f64 / nanos * 100.0
    })
}

fn console_and_cloud(sandbox: &Sandbox, memory: bool, idle: bool) {
    let mut console = Console::open(sandbox, 200, 60, &["--lab", "greet"]);
    console.shows("tail live");
    let cloud = sandbox.cloud_pid();
    std::thread::sleep(Duration::from_secs(12));
    if memory {
        let (a, b) = (rss_mb(console.pid()), rss_mb(cloud));
        row("RSS of the console", format!("{a:.1} MB"), "-");
        row("RSS of the cloud", format!("{b:.1} MB"), "-");
        row("RSS of both, greet deployed", format!("{:.1} MB", a + b), "80 MB");
    }
    if idle {
        let [a, b] = shares([console.pid(), cloud], Duration::from_secs(30));
        row("idle console, share of a core", format!("{a:.3} %"), "-");
        row("idle cloud, share of a core", format!("{b:.3} %"), "-");
        row("both, share of a core", format!("{:.3} %", a + b), "0.1 %");
    }
    console.keys("q").ends();
}

/// 10,000 lines a second arrive while a person opens and closes the help.
fn flood(sandbox: &Sandbox) {
    let mut console = Console::open(sandbox, 200, 60, &["--lab", "greet"]);
    console.shows("tail live");
    console.keys("6");
    let credentials: serde_json::Value = serde_json::from_str(
        &std::fs::read_to_string(sandbox.state_dir().join("credentials.json")).unwrap(),
    )
    .unwrap();
    let endpoint = sandbox.cloud().unwrap()["endpoint"].as_str().unwrap().to_owned();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flooding = std::sync::Arc::clone(&stop);
    let writer = std::thread::spawn(move || write_lines(&endpoint, &credentials, &flooding));
    console.shows("flood line");
    let mut times = Vec::new();
    for _ in 0..200 {
        for (key, visible) in [("?", true), ("\x1b", false)] {
            let start = Instant::now();
            console.keys(key);
            console.until("the help follows the key", |screen| {
                screen.contents().contains("┌ keys on") == visible
            });
            times.push(start.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let written = writer.join().unwrap();
    times.sort();
    row("log lines written per second meanwhile", format!("{written:.0}/s"), "10000/s");
    row("key to flushed frame, p50", millis(quantile(&times, 0.5)), "-");
    row("key to flushed frame, p99", millis(quantile(&times, 0.99)), "16 ms");
    console.keys("q").ends();
}

/// Writes 10,000 lines a second to a lab's log group until told to stop; gives the rate reached.
fn write_lines(
    endpoint: &str,
    credentials: &serde_json::Value,
    stop: &std::sync::atomic::AtomicBool,
) -> f64 {
    use aws_sdk_cloudwatchlogs as logs;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
        let provider = logs::config::Credentials::new(
            text("access_key_id"),
            text("secret_access_key"),
            None,
            None,
            "bench",
        );
        let config = logs::config::Builder::new()
            .behavior_version(logs::config::BehaviorVersion::latest())
            .region(logs::config::Region::new("us-east-1"))
            .endpoint_url(endpoint)
            .credentials_provider(provider)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let client = logs::Client::from_conf(config);
        let (group, stream) = ("/aws/lambda/greet-stateless", "2026/01/01/[1]flood");
        let _ =
            client.create_log_stream().log_group_name(group).log_stream_name(stream).send().await;
        let start = Instant::now();
        let mut written = 0_u64;
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        while !stop.load(std::sync::atomic::Ordering::Relaxed) && start.elapsed().as_secs() < 120 {
            tick.tick().await;
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_millis() as i64;
            let events = (0..500)
                .map(|i| {
                    logs::types::InputLogEvent::builder()
                        .timestamp(now)
                        .message(format!("flood line {} of a busy function", written + i))
                        .build()
                        .unwrap()
                })
                .collect();
            client
                .put_log_events()
                .log_group_name(group)
                .log_stream_name(stream)
                .set_log_events(Some(events))
                .send()
                .await
                .unwrap();
            written += 500;
        }
        written as f64 / start.elapsed().as_secs_f64()
    })
}
