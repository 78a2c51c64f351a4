//! Error answers with their diagnoses, and what mends them.

use serde_json::Value;

use super::{Finished, Sandbox, eventually};

/// Sends a saved request; exit status and what was printed.
pub fn ask(sandbox: &Sandbox, args: &[&str]) -> (i32, Value) {
    let mut all = vec!["request"];
    all.extend(args);
    all.push("--json");
    let done = sandbox.run(&all);
    (done.code(), done.json())
}

/// What the diagnosis of an error answer finds broken, and the kind of its fix.
pub fn broken(answer: &Value) -> (Vec<String>, String) {
    let diagnosis = &answer["diagnosis"];
    let checked = diagnosis["checked"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let broken = checked.iter().filter(|finding| finding["holds"] == false);
    let broken = broken.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect();
    (broken, diagnosis["fix"]["kind"].as_str().unwrap_or_default().to_owned())
}

/// Runs the command of the fix, word by word as it is printed.
pub fn mend(sandbox: &Sandbox, answer: &Value) -> Finished {
    let fix = &answer["diagnosis"]["fix"];
    let arguments: Vec<&str> =
        fix["arguments"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(fix["command"].as_str().unwrap().starts_with("labdeck "), "{fix}");
    let mut all = arguments;
    all.push("--yes");
    sandbox.run(&all).success()
}

/// Breaks something, sees the request fail with this status, checks the diagnosis, runs its fix, and sees
/// the request succeed.
#[track_caller]
pub fn breaks_and_mends(
    sandbox: &Sandbox,
    request: &[&str],
    status: u16,
    found: &[&str],
    fix: &str,
) {
    let (_, answer) = ask(sandbox, request);
    assert_eq!(answer["status"], status, "{answer}");
    let (broken, kind) = broken(&answer);
    assert_eq!(broken, found, "{answer:#}");
    assert_eq!(kind, fix, "{answer:#}");
    mend(sandbox, &answer);
    eventually("the request succeeds", || (ask(sandbox, request).1["status"] == 200).then_some(()));
}
