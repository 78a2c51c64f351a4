//! Tests of the template language through its public entrances.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod gateway;
mod recorded;
mod velocity;

use super::TemplateError;

/// What a template makes of a body.
fn rendered(template: &str, body: &str) -> Result<String, TemplateError> {
    super::render_text(template, body)
}
