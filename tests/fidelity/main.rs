//! Does the local cloud answer as AWS does? Recorded answers of real AWS (`tests/captures`) against
//! those of the local cloud, asked in the same words (`*.cases`); the result is `docs/fidelity.md`.
//!
//! `LABDECK_BLESS=1` writes that file anew, `LABDECK_FIDELITY=text` runs the sections whose name has
//! the text and prints what differs.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod case;
mod compare;
mod run;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use run::{Outcome, Report};
use serde_json::Value;

/// Function code: two programs that do nothing, and one that is `echo_function` of `$PROGRAM`.
const FIXED: [(&str, &str); 3] = [
    (
        "zip",
        "UEsDBBQAAAAAAAAAIVjihkXDEQAAABEAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmV4aXQgMApQSwECFAMUAAAAAAAAACFY4oZFwxEAAAARAAAACQAAAAAAAAAAAAAA7QEAAAAAYm9vdHN0cmFwUEsFBgAAAAABAAEANwAAADgAAAAAAA==",
    ),
    (
        "zip2",
        "UEsDBBQAAAAAAAAAIVijt17aEQAAABEAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmV4aXQgMQpQSwECFAMUAAAAAAAAACFYo7de2hEAAAARAAAACQAAAAAAAAAAAAAA7QEAAAAAYm9vdHN0cmFwUEsFBgAAAAABAAEANwAAADgAAAAAAA==",
    ),
    (
        "zip-echo",
        "UEsDBBQAAAAAAAAAWFlOV8X5QgAAAEIAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmV4ZWMgIiRQUk9HUkFNIiAtLWV4YWN0IC0taW5jbHVkZS1pZ25vcmVkIGVjaG9fZnVuY3Rpb24KUEsBAhQDFAAAAAAAAABYWU5XxflCAAAAQgAAAAkAAAAAAAAAAAAAAO0BAAAAAGJvb3RzdHJhcFBLBQYAAAAAAQABADcAAABpAAAAAAA=",
    ),
];

/// A zip of zeros, in base64, that is a byte larger than Lambda takes when it is unzipped.
fn bomb() -> String {
    const UNZIPPED: u32 = 262_144_001;
    // Deflated by hand: one block with the fixed codes (bits 1, 01), a zero, then "258 of the byte
    // before" (11000101, 00000) over and over; what is left over at the end are zeros of their own
    // (00110000), and the end of the block (0000000).
    let mut bits = Bits::default();
    bits.push("110");
    bits.push("00110000");
    for _ in 0..(UNZIPPED - 1) / 258 {
        bits.push("1100010100000");
    }
    for _ in 0..(UNZIPPED - 1) % 258 {
        bits.push("00110000");
    }
    bits.push("0000000");
    let data = bits.bytes;
    let name = b"bootstrap";
    let number = |value: u32| value.to_le_bytes();
    // Version 2.0, no flags, deflated, no date; its checksum is not looked at that far.
    let mut entry = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    entry.extend(number(data.len() as u32));
    entry.extend(number(UNZIPPED));
    entry.extend([name.len() as u8, 0, 0, 0]);
    let mut zip = b"PK\x03\x04".to_vec();
    zip.extend(&entry);
    zip.extend(name);
    zip.extend(data);
    let directory = zip.len() as u32;
    zip.extend(b"PK\x01\x02\x14\x00");
    zip.extend(&entry);
    zip.extend([0; 14]);
    zip.extend(name);
    let length = zip.len() as u32 - directory;
    zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend(number(length));
    zip.extend(number(directory));
    zip.extend([0, 0]);
    base64(&zip)
}

/// Bits as DEFLATE packs them.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, bits: &str) {
        for bit in bits.bytes() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if bit == b'1' {
                *self.bytes.last_mut().unwrap() |= 1 << (self.used % 8);
            }
            self.used += 1;
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + 4);
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = letters[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { letter as char } else { '=' });
        }
    }
    text
}

/// How many in a thousand of the compared answers have to agree.
const WANTED_PERMILLE: usize = 950;

#[test]
fn lambda_answers_as_recorded() {
    check("lambda", "Lambda");
}

#[test]
fn api_gateway_answers_as_recorded() {
    check("apigateway", "API Gateway");
}

/// No test but a function: the local cloud starts it, and it answers `{"json": EVENT}`.
#[test]
fn echo_function() {
    let Ok(runtime) = std::env::var("AWS_LAMBDA_RUNTIME_API") else { return };
    let invocation = format!("http://{runtime}/2018-06-01/runtime/invocation");
    while let Ok(event) = support::http::send("GET", &format!("{invocation}/next"), &[], b"") {
        let Some(id) = event.header("lambda-runtime-aws-request-id") else { return };
        let answer = format!("{{\"json\":{}}}", event.body);
        let url = format!("{invocation}/{id}/response");
        if support::http::send("POST", &url, &[], answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Compares a service's answers, and its section of `docs/fidelity.md` with what came out.
fn check(service: &str, title: &str) {
    let wanted = std::env::var("LABDECK_FIDELITY").unwrap_or_default();
    let mut mistakes = Vec::new();
    let reports = file(service, &wanted, &mut mistakes);
    let (mut agree, mut compared, mut outside) = (0, 0, 0);
    let (mut table, mut notes) = (String::new(), String::new());
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, report) in &reports {
        mistakes.extend(report.mistakes.iter().map(|mistake| format!("{name}: {mistake}")));
        let (mut yes, mut no, mut out) = (0, 0, 0);
        for (label, outcome) in &report.outcomes {
            match outcome {
                Outcome::Agrees => yes += 1,
                Outcome::Differs { how, known: Some(reason) } => {
                    no += 1;
                    let _ = writeln!(notes, "- `{name}`, `{label}`: {reason}");
                    if !wanted.is_empty() {
                        println!("{name} {label} (known):\n    {}", how.join("\n    "));
                    }
                }
                Outcome::Differs { how, known: None } => {
                    no += 1;
                    mistakes.push(format!("{name} {label} differs:\n    {}", how.join("\n    ")));
                }
                Outcome::OutOfScope(reason) => {
                    out += 1;
                    reasons.entry(reason).or_default().push(format!("`{name}` `{label}`"));
                }
            }
        }
        let _ = writeln!(table, "| `{name}` | {yes} | {no} | {out} |");
        agree += yes;
        compared += yes + no;
        outside += out;
    }
    println!("{title}: {agree} of {compared} agree, {outside} out of scope");
    assert!(mistakes.is_empty(), "{} problems:\n{}", mistakes.len(), mistakes.join("\n"));
    if !wanted.is_empty() {
        return;
    }
    let permille = agree * 1000 / compared.max(1);
    let mut section = format!(
        "## {title}\n\n{agree} of {compared} agree ({}.{} %); {outside} need what is out of scope: \
         listed, not counted.\n\n\
         | recorded test | agree | differ | out of scope |\n| --- | --- | --- | --- |\n{table}",
        permille / 10,
        permille % 10
    );
    if !notes.is_empty() {
        let _ = write!(section, "\n### {title}: what differs, and why\n\n{notes}");
    }
    if !reasons.is_empty() {
        let _ = write!(section, "\n### {title}: out of scope\n\n");
        for (reason, labels) in reasons {
            let _ = writeln!(section, "- {reason}: {}", labels.join(", "));
        }
    }
    page(title, &section);
    assert!(permille >= WANTED_PERMILLE, "only {agree} of {compared} agree");
}

/// Compares the service's section of the page with what came out, or writes it.
fn page(title: &str, section: &str) {
    static PAGE: Mutex<()> = Mutex::new(());
    let _one = PAGE.lock();
    let file = support::repository().join("docs/fidelity.md");
    let stands = std::fs::read_to_string(&file).unwrap();
    let heading = format!("\n## {title}\n");
    let start = stands.find(&heading).map_or(stands.len(), |at| at + 1);
    let end = stands[start..]
        .match_indices("\n## ")
        .map(|(at, _)| start + at + 1)
        .next()
        .unwrap_or(stands.len());
    if std::env::var_os("LABDECK_BLESS").is_some() {
        let gap = if stands[..start].ends_with("\n\n") { "" } else { "\n" };
        let after = if end < stands.len() { "\n" } else { "" };
        let page = format!("{}{gap}{section}{after}{}", &stands[..start], &stands[end..]);
        std::fs::write(&file, page).unwrap();
        return;
    }
    assert!(
        stands[start..end].trim_end() == section.trim_end(),
        "{title} in docs/fidelity.md is not what came out: LABDECK_BLESS=1 writes it anew"
    );
}

/// Runs every section of a service's cases, several at once.
fn file(service: &str, wanted: &str, mistakes: &mut Vec<String>) -> BTreeMap<String, Report> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let recorded: Value = serde_json::from_str(
        &std::fs::read_to_string(directory.join(format!("captures/{service}.json"))).unwrap(),
    )
    .unwrap();
    let text =
        std::fs::read_to_string(directory.join(format!("fidelity/{service}.cases"))).unwrap();
    let sections: Vec<_> =
        case::read(&text).into_iter().filter(|s| s.name.contains(wanted)).collect();
    for section in &sections {
        if recorded.get(&section.name).is_none() {
            mistakes.push(format!("{service}: nothing recorded as {}", section.name));
        }
    }
    for name in recorded.as_object().unwrap().keys().filter(|name| name.contains(wanted)) {
        if !sections.iter().any(|section| section.name == *name) {
            mistakes.push(format!("{service}: {name} has no section"));
        }
    }
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(section) = sections.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(recorded) = recorded.get(&section.name) else { continue };
                    let run = || run::section(section, service, recorded);
                    let report =
                        std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
                            Report {
                                outcomes: BTreeMap::new(),
                                mistakes: vec!["the case panicked: see above".into()],
                            }
                        });
                    reports.lock().unwrap().insert(section.name.clone(), report);
                }
            });
        }
    });
    reports.into_inner().unwrap()
}
