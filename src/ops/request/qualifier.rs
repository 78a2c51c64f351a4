//! Aliases and versions that are typed: Lambda's rule, and whether there are such.

use labdeck_lab::Blueprint;

use super::destination::{Destination, Sent};
use crate::status::{FunctionStatus, LabStatus};

/// An alias or a version, as Lambda takes it: `$LATEST` or letters, digits, `-` and `_`, up to 128.
///
/// # Errors
/// The rule.
pub fn qualifier(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text == "$LATEST" || ((1..=128).contains(&text.len()) && text.bytes().all(fits)) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is no alias or version: a number, $LATEST, or a name of up to 128 letters, digits, - \
         and _"
    ))
}

/// Refuses to send to an alias or a version that none of the functions has that would run it, by what is
/// live of the lab.
///
/// # Errors
/// What there is instead.
pub fn known(
    to: &Destination,
    what: &Sent,
    blueprint: &Blueprint,
    live: &LabStatus,
) -> Result<(), String> {
    let Destination::Function(qualifier) = to else { return Ok(()) };
    let runs = |function: &&FunctionStatus| match what {
        Sent::Event(event) => function.name == event.function,
        Sent::Request(request) => blueprint
            .apis
            .iter()
            .any(|api| api.name == request.api && api.functions.contains(&function.name)),
    };
    let functions: Vec<&FunctionStatus> =
        live.functions.iter().filter(|function| function.exists).filter(runs).collect();
    let has = |function: &&FunctionStatus| {
        qualifier == "$LATEST"
            || function.alias(qualifier).is_some()
            || function.has_version(qualifier)
    };
    // Where nothing is known of them the call itself tells.
    if functions.is_empty() || functions.iter().any(has) {
        return Ok(());
    }
    let there: Vec<String> = functions.iter().map(|function| what_has(function)).collect();
    Err(format!("there is no {} {qualifier}; {}", kind(qualifier), there.join("; ")))
}

/// What people call a qualifier.
pub(crate) fn kind(qualifier: &str) -> &'static str {
    if qualifier.bytes().all(|byte| byte.is_ascii_digit()) { "version" } else { "alias" }
}

fn what_has(function: &FunctionStatus) -> String {
    let versions = function.versions.iter().map(|version| version.version.as_str());
    let aliases = function.aliases.iter().map(|alias| alias.name.as_str());
    let all: Vec<&str> = versions.chain(aliases).chain(["$LATEST"]).collect();
    format!("{} has {}", function.name, all.join(", "))
}
