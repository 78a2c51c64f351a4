//! What is checked before the back end is called.

use std::time::Instant;

use super::failure::Failure;
use super::live::Rules;
use super::request::Context;
use super::tree::{Matched, Place};

/// The largest body that API Gateway takes, in bytes.
pub(super) const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// The largest event that Lambda takes, in bytes.
pub(super) const LARGEST_EVENT: usize = 6_291_456;

/// Refuses a request that the method does not let in.
pub(super) fn request(
    context: &Context<'_>,
    matched: &Matched<'_>,
    rules: Option<&Rules>,
) -> Result<(), Failure> {
    let method = matched.method;
    if method.authorization != "NONE" {
        return Err(Failure::absent(&format!(
            "authorization type {} of API Gateway methods",
            method.authorization
        )));
    }
    if method.api_key_required {
        return Err(Failure::no_key());
    }
    let throttle = rules.and_then(|rules| rules.throttle.as_ref());
    if throttle.is_some_and(|throttle| !throttle.admits(Instant::now())) {
        return Err(Failure::throttled());
    }
    if context.request.body.len() > LARGEST_BODY {
        return Err(Failure::too_large());
    }
    let missing: Vec<&str> = method
        .required
        .iter()
        .filter(|(place, name)| !is_there(context, matched, *place, name))
        .map(|(_, name)| name.as_str())
        .collect();
    if !missing.is_empty() {
        return Err(Failure::parameters(&missing));
    }
    if method.validates_body {
        return Err(Failure::absent("the validation of request bodies against models"));
    }
    Ok(())
}

/// Whether a parameter is there and not blank.
fn is_there(context: &Context<'_>, matched: &Matched<'_>, place: Place, name: &str) -> bool {
    let value = match place {
        Place::Path => matched.parameter(name),
        Place::Query => context.query_value(name),
        Place::Header => context.header(name),
    };
    value.is_some_and(|value| !value.trim().is_empty())
}
