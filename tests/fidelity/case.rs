//! The case files: which request leads to which recorded answer.
//!
//! A file is a list of sections, one for each recorded test, in its own little language:
//!
//! ```text
//! [TestName::test_name]            a section runs against a cloud of its own
//! # anything                       a note: where the request comes from
//! name = text {{other}}            a variable (`$name` if the text begins with `{` or `"`)
//! $name = recorded /pointer        the JSON of a recorded value, for a document that has it
//! - METHOD /path {json}            a step that is not compared; it has to succeed
//! -? METHOD /path                  a step that may fail
//! > api = /id                      a variable from the last answer (JSON pointer; `:status`, `:body`)
//! ~ GET /path until /State = Active      asks again until the member has the value
//! label: METHOD /path {json}       compared with the recorded answer `label`
//! label#/part: …                   compared with a part of it (JSON pointer)
//! label (body): …                  the recorded answer is a body (also `statusCode`, `errorType`)
//! label (text): …                  the recorded answer is the body's text
//! label = {json}                   compared as it stands, after variables (also `"text"` and, for
//!                                  other JSON, `label == json`)
//! @name                            the steps of the section `[@name]`, which is no test itself
//! ! label: reason                  known to differ
//! ? label: reason                  out of scope: listed, not counted; `? *: reason` for the section
//! + Member Member: reason          members that AWS has added since the section was recorded
//! @ --option …                     options of the section's cloud
//! ```
//!
//! Variables before the first section are every section's.
//!
//! A line that starts with a blank goes on with the line before. Requests: `METHOD /path [headers]
//! [body]` to the file's service, where a header is `-H "name: value"`; `SERVICE! Action [body]` to
//! another one (JSON for those that speak it, else a form), `SERVICE! METHOD /path …` if it speaks
//! REST; `EXEC METHOD /path …` to a deployed API.
//! `{{name}}` is a variable (`{{name|url}}` and `{{name|upper}}` change it), `$zip`,
//! `$zip2` and `$zip-echo` are small programs, in base64.

use std::collections::BTreeMap;

/// One line of a section.
#[derive(Debug, Clone)]
pub enum Step {
    Set { name: String, value: String },
    Call { request: String, may_fail: bool },
    Take { name: String, pointer: String },
    Until { request: String, pointer: String, value: String },
    Compare { label: String, part: String, mode: Mode, request: String },
    Same { label: String, part: String, value: String },
    Differs { label: String, reason: String },
    OutOfScope { label: String, reason: String },
    Newer { members: Vec<String> },
    Options { options: Vec<String> },
}

/// What of an answer was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Members, error, status: as an SDK gives it.
    Sdk,
    Body,
    Text,
}

/// A section: the name of the recorded test, and its steps with their lines.
#[derive(Debug, Clone)]
pub struct Section {
    pub name: String,
    pub steps: Vec<(usize, Step)>,
}

/// Reads a case file. Panics with the line of what is not understood: the file is part of the test.
pub fn read(text: &str) -> Vec<Section> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim_end();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, before)) if line.starts_with(' ') => {
                before.push(' ');
                before.push_str(trimmed.trim_start());
            }
            _ => lines.push((number + 1, trimmed.to_owned())),
        }
    }
    let mut sections: Vec<Section> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut everywhere: Vec<(usize, Step)> = Vec::new();
    for (number, line) in lines {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if let Some(before) = seen.insert(name.to_owned(), number) {
                panic!("line {number}: {name} stands at line {before} already");
            }
            // What others use comes after their own variables.
            let steps = if name.starts_with('@') { Vec::new() } else { everywhere.clone() };
            sections.push(Section { name: name.to_owned(), steps });
            continue;
        }
        if line.starts_with('@') && !line.starts_with("@ ") {
            let used = sections.iter().find(|section| section.name == line);
            let steps = used.unwrap_or_else(|| panic!("line {number}: no [{line}]")).steps.clone();
            sections.last_mut().unwrap().steps.extend(steps);
            continue;
        }
        let step = step(number, &line);
        match sections.last_mut() {
            Some(section) => section.steps.push((number, step)),
            None if matches!(step, Step::Set { .. }) => everywhere.push((number, step)),
            None => panic!("line {number}: before any [section]"),
        }
    }
    sections.retain(|section| !section.name.starts_with('@'));
    sections
}

fn step(number: usize, line: &str) -> Step {
    let bad = |what: &str| -> ! { panic!("line {number}: {what}: {line}") };
    if let Some(rest) = line.strip_prefix("-? ") {
        return Step::Call { request: rest.trim().to_owned(), may_fail: true };
    }
    if let Some(rest) = line.strip_prefix("- ") {
        return Step::Call { request: rest.trim().to_owned(), may_fail: false };
    }
    if let Some(rest) = line.strip_prefix("> ") {
        let Some((name, pointer)) = rest.split_once('=') else { bad("no `=`") };
        return Step::Take { name: name.trim().to_owned(), pointer: pointer.trim().to_owned() };
    }
    if let Some(rest) = line.strip_prefix("~ ") {
        let Some((request, wanted)) = rest.rsplit_once(" until ") else { bad("no `until`") };
        let Some((pointer, value)) = wanted.split_once('=') else { bad("no `=`") };
        return Step::Until {
            request: request.trim().to_owned(),
            pointer: pointer.trim().to_owned(),
            value: value.trim().to_owned(),
        };
    }
    if let Some(rest) = line.strip_prefix("+ ") {
        let Some((members, _)) = rest.split_once(": ") else { bad("no reason") };
        let members = members.split_whitespace().map(str::to_owned).collect();
        return Step::Newer { members };
    }
    if let Some(rest) = line.strip_prefix("@ ") {
        return Step::Options { options: rest.split_whitespace().map(str::to_owned).collect() };
    }
    for (sign, known) in [("! ", true), ("? ", false)] {
        if let Some(rest) = line.strip_prefix(sign) {
            let Some((label, reason)) = rest.split_once(": ") else { bad("no reason") };
            let (label, reason) = (label.trim().to_owned(), reason.trim().to_owned());
            return if known {
                Step::Differs { label, reason }
            } else {
                Step::OutOfScope { label, reason }
            };
        }
    }
    // A label has no blanks and no braces; what stands between it and the first blank decides.
    let end = line.find([' ', ':']).unwrap_or_else(|| bad("not understood"));
    let (name, rest) = line.split_at(end);
    let (label, part) = name.split_once('#').unwrap_or((name, ""));
    let (label, part) = (label.to_owned(), part.to_owned());
    let (mode, rest) = match rest.strip_prefix(" (body)") {
        Some(rest) => (Mode::Body, rest),
        None => match rest.strip_prefix(" (text)") {
            Some(rest) => (Mode::Text, rest),
            None => (Mode::Sdk, rest),
        },
    };
    if let Some(request) = rest.strip_prefix(':') {
        return Step::Compare { label, part, mode, request: request.trim().to_owned() };
    }
    if let Some(value) = rest.strip_prefix(" ==") {
        return Step::Same { label, part, value: value.trim().to_owned() };
    }
    let Some(value) = rest.strip_prefix(" =") else { bad("neither `:` nor `=`") };
    let value = value.trim().to_owned();
    if label.starts_with('$') {
        Step::Set { name: label, value }
    } else if value.starts_with('"') || value.starts_with('{') && !value.starts_with("{{") {
        Step::Same { label, part, value }
    } else {
        Step::Set { name: label, value }
    }
}
