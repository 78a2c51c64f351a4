//! A person's own requests: a file of `[requests.NAME]` tables as in `lab.toml`, read for a lab.

use std::path::Path;

use crate::blueprint::{Blueprint, SavedRequest};
use crate::manifest::{Whose, requests};
use crate::problem::{Findings, Position, Problems};
use crate::section::{Context, Section};
use crate::{links, read_text, syntax};

/// Largest file of a person's own requests, in bytes: one body may have 10 MB.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Reads and checks the requests of a file for a lab, whose APIs, keys and requests they may name.
/// A file that is not there holds none.
///
/// # Errors
/// Every problem of the file with its line; a name that a request of the lab has is one.
pub fn read_requests(file: &Path, lab: &Blueprint) -> Result<Vec<SavedRequest>, Problems> {
    if std::fs::symlink_metadata(file)
        .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    {
        return Ok(Vec::new());
    }
    let mut findings = Findings::new(file);
    let text = match read_text(file, MOST_BYTES) {
        Ok(text) => text,
        Err(message) => {
            findings.add(Position { line: 1, column: 1 }, message);
            return Err(Problems(findings.into_sorted()));
        }
    };
    let own = parse_requests(&text, &called(file), lab, &mut findings);
    let problems = findings.into_sorted();
    if problems.is_empty() { Ok(own) } else { Err(Problems(problems)) }
}

/// Checks the text of such a file, before it is written.
///
/// # Errors
/// Every problem of the text with its line.
pub fn check_requests(file: &Path, text: &str, lab: &Blueprint) -> Result<(), Problems> {
    let mut findings = Findings::new(file);
    if text.len() as u64 > MOST_BYTES {
        let message =
            format!("with this it is larger than {MOST_BYTES} bytes, all requests together");
        findings.add(Position { line: 1, column: 1 }, message);
        return Err(Problems(findings.into_sorted()));
    }
    parse_requests(text, &called(file), lab, &mut findings);
    let problems = findings.into_sorted();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

fn called(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn parse_requests(
    text: &str,
    called: &str,
    lab: &Blueprint,
    findings: &mut Findings,
) -> Vec<SavedRequest> {
    let (root, damage) = syntax::parse(text, findings);
    let context = Context::new(text, damage, findings);
    let section = Section::root(&context, called, root.get_ref());
    let own = requests(&section, Whose::Own(&lab.requests));
    section.finish();
    let (names, _) = context.into_links();
    let mut all = lab.clone();
    all.requests.extend(own.iter().cloned());
    links::check(&names, text, &all, findings);
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_could_not_be_read_again_is_not_written() {
        let most = usize::try_from(MOST_BYTES).unwrap_or(usize::MAX);
        let check = |bytes: usize| {
            let text = "\n".repeat(bytes);
            check_requests(Path::new("shop.toml"), &text, &Blueprint::default())
        };
        let refused = check(most + 1).map_err(|problems| problems.to_string());
        assert!(refused.is_err_and(|why| why.contains("larger than 16777216 bytes")));
        assert!(check(10).is_ok());
    }
}
