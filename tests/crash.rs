//! Kills in the middle: of a burst, of a deploy, of the cloud. What was acknowledged is there
//! afterwards, a second run converges, and no process is left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;
use support::{Sandbox, alive, endpoint, eventually, http, kill_hard, processes_below, signal};

/// Visits as the function itself counts them.
fn count(url: &str, user: &str) -> u64 {
    http::get(&format!("{url}/greet"), &[("x-user-id", user)]).json()["count"].as_u64().unwrap()
}

#[test]
fn killing_the_cloud_in_a_burst_loses_no_acknowledged_visit_and_leaves_no_process() {
    let sandbox = Sandbox::new();
    let summary = sandbox.json(&["deploy", "greet"]);
    let url = endpoint(&summary, "greet-stateful", "prod");
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (url, acknowledged, stop) =
                (url.clone(), Arc::clone(&acknowledged), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let answer =
                        http::send("GET", &format!("{url}/greet"), &[("x-user-id", "ada")], b"");
                    match answer {
                        Ok(answer) if answer.status == 200 => {
                            acknowledged.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(answer) => panic!("{answer:?}"),
                        Err(_) => return,
                    }
                }
            })
        })
        .collect();
    eventually("the burst is under way", || {
        (acknowledged.load(Ordering::Relaxed) > 100).then_some(())
    });
    let functions = processes_below(&sandbox.state_dir());
    assert!(!functions.is_empty(), "functions run as processes");
    kill_hard(sandbox.cloud_pid());
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.join().unwrap();
    }
    eventually("no function outlives the cloud", || {
        (!functions.iter().any(|pid| alive(*pid))).then_some(())
    });

    // Whoever needs the cloud next starts it again, on the same port.
    sandbox.json(&["labs"]);
    let seen = count(&url, "ada");
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    assert!(seen > acknowledged, "acknowledged {acknowledged}, counted {}", seen - 1);
    // At most one visit per sender was counted without its answer having arrived.
    assert!(seen <= acknowledged + 1 + 4, "acknowledged {acknowledged}, counted {}", seen - 1);
    sandbox.run(&["plan", "greet"]).exits(0);
}

#[test]
fn a_deploy_killed_anywhere_converges_when_run_again() {
    let sandbox = Sandbox::new();
    // The undisturbed run, to compare with; it also builds the handlers once.
    sandbox.json(&["deploy", "greet"]);
    let undisturbed = inventory(&sandbox);
    sandbox.json(&["destroy", "greet", "--yes"]);

    for step in [1, 3, 6, 9, 12] {
        let mut child = sandbox
            .command(&["deploy", "greet"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Progress is one line per step that ended; the kill comes right after the n-th.
        let killed = Arc::new(Mutex::new(false));
        let pid = i32::try_from(child.id()).unwrap();
        let lines = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut done = 0;
        for line in std::io::BufRead::lines(lines).map_while(Result::ok) {
            if step_ended(&line) {
                done += 1;
            }
            if done == step {
                kill_hard(pid);
                *killed.lock().unwrap() = true;
                break;
            }
        }
        child.wait().unwrap();
        assert!(*killed.lock().unwrap(), "killed after step {step}");

        sandbox.json(&["deploy", "greet"]);
        assert_eq!(inventory(&sandbox), undisturbed, "killed after step {step}");
        sandbox.run(&["plan", "greet"]).exits(0);
        sandbox.json(&["destroy", "greet", "--yes"]);
    }
}

#[test]
fn killing_the_cloud_in_a_deploy_is_a_clear_failure_and_the_next_deploy_ends_it() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "greet"]);
    sandbox.json(&["destroy", "greet", "--yes"]);
    let mut child = sandbox
        .command(&["deploy", "greet"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    let mut killed = false;
    for line in std::io::BufRead::lines(lines).map_while(Result::ok) {
        if step_ended(&line) && !killed {
            kill_hard(sandbox.cloud_pid());
            killed = true;
        }
        said.push_str(&line);
        said.push('\n');
    }
    assert!(killed, "{said}");
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(1), "{said}");
    sandbox.json(&["deploy", "greet"]);
    sandbox.run(&["plan", "greet"]).exits(0);
}

#[test]
fn the_cloud_ends_its_functions_whatever_ends_it() {
    // Not SIGHUP: a cloud in the background outlives the terminal that started it.
    for end in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let sandbox = Sandbox::new();
        let summary = sandbox.json(&["deploy", "greet"]);
        let url = endpoint(&summary, "greet-stateless", "dev");
        assert_eq!(http::get(&format!("{url}/greet"), &[]).status, 200);
        let functions = processes_below(&sandbox.state_dir());
        assert!(!functions.is_empty());
        let cloud = sandbox.cloud_pid();
        signal(cloud, end);
        eventually(&format!("{end}: the cloud and its functions ended"), || {
            (!alive(cloud) && !functions.iter().any(|pid| alive(*pid))).then_some(())
        });
        // And everything is there again.
        sandbox.run(&["plan", "greet"]).exits(0);
        assert_eq!(http::get(&format!("{url}/greet"), &[]).status, 200);
    }
}

/// Whether a line of progress says that a step ended: `  create table visits (0.3 s)`.
fn step_ended(line: &str) -> bool {
    line.starts_with("  ") && line.ends_with(" s)")
}

/// What exists of the lab, without what differs from run to run.
fn inventory(sandbox: &Sandbox) -> String {
    let status = sandbox.json(&["release", "greet", "status"]);
    let listed = sandbox.json(&["labs"]);
    let mut text = String::new();
    for function in status["functions"].as_array().unwrap() {
        let _ = writeln!(
            text,
            "{} {} {}",
            function["name"], function["code_sha256"], function["memory_mb"]
        );
        for version in function["versions"].as_array().unwrap() {
            let _ = writeln!(text, "  version {}", version["version"]);
        }
        for alias in function["aliases"].as_array().unwrap() {
            let _ = writeln!(text, "  alias {} {}", alias["name"], alias["version"]);
        }
    }
    let greet = listed
        .as_array()
        .or_else(|| listed["labs"].as_array())
        .unwrap()
        .iter()
        .find(|lab| lab["lab"] == "greet" || lab["name"] == "greet")
        .unwrap();
    for endpoint in greet["endpoints"].as_array().unwrap() {
        let _ = writeln!(text, "  {} {}", endpoint["api"], endpoint["stage"]);
    }
    text
}
