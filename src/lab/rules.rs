//! Rules of single values of a saved request, for whoever checks them where they are typed.

use serde_json_path::JsonPath;

use crate::names::{self, Rule};

/// The methods that a saved request can have.
pub const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

fn kept(rule: Rule, text: &str) -> Result<(), String> {
    if (rule.keeps)(text) { Ok(()) } else { Err(format!("expected {}", rule.says)) }
}

/// The name of a request or a variable.
///
/// # Errors
/// The rule in words.
pub fn name(text: &str) -> Result<(), String> {
    kept(names::WORD, text)
}

/// A path below the stage, without its query.
///
/// # Errors
/// The rule in words.
pub fn path(text: &str) -> Result<(), String> {
    kept(names::PATH, text)
}

/// A header's name.
///
/// # Errors
/// The rule in words.
pub fn header_name(text: &str) -> Result<(), String> {
    kept(names::HEADER, text)
}

/// A header's value.
///
/// # Errors
/// The rule in words.
pub fn header_value(text: &str) -> Result<(), String> {
    kept(names::HEADER_VALUE, text)
}

/// A JSON path.
///
/// # Errors
/// What it is not, and where.
pub fn json_path(text: &str) -> Result<(), String> {
    match JsonPath::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("expected a JSON path such as $.pet.id: {error}")),
    }
}
