//! The template language of API Gateway's mapping templates: Velocity 1.7 as API Gateway runs it.
//!
//! Pure: text and JSON in, text out; no clock but for the time limit, no I/O. What is special about
//! API Gateway's Velocity was found by comparing recorded answers of AWS with Apache Velocity 1.7
//! (the recordings of `LocalStack`'s `airspeed` test-suite and the ones this project keeps): it is
//! stock 1.7 with an invalid-reference handler that makes every reference without a value the empty
//! text (which is true in `#if`), and without `#macro`, `#evaluate`, `#parse` and `#include`.
//!
//! Everything is bounded by [`Limits`]: no template can take more time, memory or stack than that.

mod eval;
mod gateway;
mod heap;
mod java_regex;
mod jsonpath;
mod jsonpath_text;
mod literals;
mod methods;
mod number;
mod parse;
mod references;
mod strings;
mod syntax;
mod text;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use gateway::{Rendered, Scope};

/// What bounds a template and its evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest template, in bytes. API Gateway takes 300 KB (quotas of the developer guide).
    pub template: usize,
    /// Deepest nesting of blocks, expressions and interpolated texts.
    pub depth: usize,
    /// Rounds of one `#foreach`: API Gateway's quota is 1000; more are left out silently, as
    /// Velocity does at `directive.foreach.maxloops`.
    pub rounds: usize,
    /// Longest output, and longest text within, in bytes.
    pub output: usize,
    /// Values that lists and maps may hold together, and steps of the evaluation.
    pub work: usize,
    /// Longest evaluation.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            template: 300 * 1024,
            depth: 48,
            rounds: 1000,
            output: 10 * 1024 * 1024,
            work: 4_000_000,
            time: Duration::from_secs(3),
        }
    }
}

/// Why a template has no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template is no Velocity template.
    #[error("{message} at line {line}, column {column}")]
    Syntax {
        /// What was wrong.
        message: String,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// A method that failed, as Java's methods throw.
    #[error("{0}")]
    Failed(String),
    /// `$input.json` or `$input.path` on a body that is not JSON: what is wrong with it.
    #[error("{0}")]
    NotJson(String),
    /// A limit was reached.
    #[error("the template exceeds the limit of {0}")]
    Limit(&'static str),
}

/// A parsed template, ready to be rendered any number of times.
#[derive(Debug)]
pub struct Template {
    nodes: Vec<syntax::Node>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Whatever Velocity's parser refuses, and templates beyond the limits.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, TemplateError> {
        if text.len() > limits.template {
            return Err(TemplateError::Limit("a template's size"));
        }
        Ok(Self { nodes: parse::template(text, limits.depth)? })
    }

    /// Evaluates the template for a request or a response.
    ///
    /// # Errors
    /// A method that fails, a body that is not JSON where JSON is asked for, a limit.
    pub fn render(&self, scope: &Scope<'_>, limits: &Limits) -> Result<Rendered, TemplateError> {
        gateway::render(&self.nodes, scope, limits)
    }
}

/// Evaluates `template` on a JSON document, the entrance for fuzzing: whatever the two are, it
/// answers within [`Limits::default`] and never panics.
///
/// # Errors
/// See [`Template::parse`] and [`Template::render`].
pub fn render_text(template: &str, document: &str) -> Result<String, TemplateError> {
    let limits = Limits::default();
    let scope = Scope { body: document, ..Scope::default() };
    Ok(Template::parse(template, &limits)?.render(&scope, &limits)?.text)
}

/// The value at a JSON path in Jayway's flavour, as JSON; nothing when there is none.
///
/// # Errors
/// A path that cannot be read, or that takes more work than the limits allow.
pub fn select_json(
    document: &serde_json::Value,
    path: &str,
) -> Result<Option<serde_json::Value>, TemplateError> {
    gateway::select_json(document, path)
}

pub use java_regex::JavaPattern;
