//! Mapping expressions: which an integration and its responses may have.
//!
//! The wording is that of AWS's answers as users report them: every mistake in one list after
//! `Validation Result`.

use super::super::model::{Method, Texts};
use super::super::reply::bad_request;
use crate::error::AwsError;

/// Refuses an integration's request parameters that map from what the method does not declare, or to
/// or from what there is not.
pub(in super::super) fn check_request(method: &Method, parameters: &Texts) -> Result<(), AwsError> {
    let mut errors = Vec::new();
    for (target, expression) in parameters {
        if named(target, "integration.request.", &["header", "querystring", "path"]).is_none() {
            errors.push(format!("Invalid mapping expression parameter specified: {target}"));
        }
        match from_request(method, expression) {
            Source::Fine => {}
            Source::Undeclared => {
                errors
                    .push(format!("Invalid mapping expression parameter specified: {expression}"));
            }
            Source::Unknown => {
                errors.push(format!("Invalid mapping expression specified: {expression}"));
            }
        }
    }
    result(&errors)
}

/// Refuses response parameters that map to what the method's response does not declare, or from what
/// there is not.
pub(in super::super) fn check_response(
    method: &Method,
    status: &str,
    parameters: Option<&Texts>,
) -> Result<(), AwsError> {
    let Some(parameters) = parameters.filter(|parameters| !parameters.is_empty()) else {
        return Ok(());
    };
    let Some(response) = method.method_responses.get(status) else {
        return result(&["No method response exists for method.".to_owned()]);
    };
    let declared = response.response_parameters.as_ref();
    let mut errors = Vec::new();
    for (target, expression) in parameters {
        if !declared.is_some_and(|declared| declared.contains_key(target)) {
            errors.push(format!("Invalid mapping expression parameter specified: {target}"));
        }
        let places = ["header", "multivalueheader", "body"];
        let fine = expression == "integration.response.body"
            || named(expression, "integration.response.", &places).is_some()
            || constant(expression);
        if !fine {
            errors.push(format!("Invalid mapping expression specified: {expression}"));
        }
    }
    result(&errors)
}

enum Source {
    Fine,
    Undeclared,
    Unknown,
}

fn from_request(method: &Method, expression: &str) -> Source {
    if constant(expression)
        || expression == "method.request.body"
        || named(expression, "method.request.", &["body"]).is_some()
    {
        return Source::Fine;
    }
    let places = ["header", "querystring", "path", "multivalueheader", "multivaluequerystring"];
    match named(expression, "method.request.", &places) {
        None => Source::Unknown,
        Some((place, name)) => {
            // The one with many values is declared as the one with one.
            let single =
                format!("method.request.{}.{name}", place.trim_start_matches("multivalue"));
            let declared = &method.request_parameters;
            if declared.contains_key(expression) || declared.contains_key(&single) {
                Source::Fine
            } else {
                Source::Undeclared
            }
        }
    }
}

/// A text in single quotes, or a variable of the context or the stage.
fn constant(expression: &str) -> bool {
    (expression.len() >= 2 && expression.starts_with('\'') && expression.ends_with('\''))
        || ["context.", "stageVariables."]
            .iter()
            .any(|start| expression.strip_prefix(start).is_some_and(|name| !name.is_empty()))
}

/// Place and name of `{start}{place}.{name}`.
fn named<'a>(expression: &'a str, start: &str, places: &[&str]) -> Option<(&'a str, &'a str)> {
    let (place, name) = expression.strip_prefix(start)?.split_once('.')?;
    (places.contains(&place) && !name.is_empty()).then_some((place, name))
}

fn result(errors: &[String]) -> Result<(), AwsError> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(bad_request(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [{}]",
        errors.join(", ")
    )))
}
