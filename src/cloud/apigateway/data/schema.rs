//! Models compiled for checking request bodies: JSON Schema draft 4, as API Gateway has it.
//!
//! References lead to other models of the same API
//! (`https://apigateway.amazonaws.com/restapis/{id}/models/{name}`) and nowhere else: nothing is
//! read from the network or from files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use jsonschema::{Draft, PatternOptions, Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;

use super::super::model::{Definition, Method, Model};

/// Steps that a pattern may take before it counts as not matching.
const PATTERN_STEPS: usize = 100_000;

/// Violations that are told at most, and the length of each in bytes.
const TOLD: (usize, usize) = (10, 256);

/// The longest body, in bytes, of which more than the first violation is looked for, and which is
/// checked by the worker that serves the request.
const SHORT: usize = 64 * 1024;

/// A model, or why it cannot be used.
#[derive(Debug)]
pub(super) struct Schema(Result<Validator, String>);

/// Why a body is refused.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// The body violates the model: what AWS puts into `$context.error.validationErrorString`.
    Invalid(String),
    /// The model itself is a mistake.
    BadModel(String),
}

impl Schema {
    /// Checks a body; an empty one counts as an empty object (recorded). A long one is checked on a
    /// thread of its own, so that other requests do not wait for it.
    pub async fn check(self: &Arc<Self>, body: &Bytes) -> Result<(), Refusal> {
        if body.len() <= SHORT {
            return self.check_now(body);
        }
        let (schema, body) = (Arc::clone(self), body.clone());
        let checked = tokio::task::spawn_blocking(move || schema.check_now(&body)).await;
        checked.unwrap_or_else(|stopped| {
            Err(Refusal::BadModel(format!("the check of the body ended early: {stopped}")))
        })
    }

    fn check_now(&self, body: &[u8]) -> Result<(), Refusal> {
        let validator = self.0.as_ref().map_err(|why| Refusal::BadModel(why.clone()))?;
        let is_short = body.len() <= SHORT;
        let body = if body.is_empty() { b"{}" } else { body };
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::Invalid(format!("[the body is not JSON: {error}]")))?;
        let Err(first) = validator.validate(&body) else { return Ok(()) };
        let told: Vec<String> = if is_short {
            validator.iter_errors(&body).take(TOLD.0).map(|error| told(&error)).collect()
        } else {
            vec![told(&first)]
        };
        Err(Refusal::Invalid(format!("[{}]", told.join(", "))))
    }
}

fn told(error: &ValidationError<'_>) -> String {
    let mut text = error.to_string();
    if text.len() > TOLD.1 {
        text.truncate(text.floor_char_boundary(TOLD.1));
        text.push('…');
    }
    text
}

/// Compiles the models of an API, each once and only when a method needs it.
pub(super) struct Schemas<'a> {
    definition: &'a Definition,
    models: Arc<Models>,
    compiled: HashMap<&'a str, Arc<Schema>>,
}

impl<'a> Schemas<'a> {
    /// Nothing compiled yet.
    pub fn new(definition: &'a Definition) -> Self {
        let api = definition.api.id.clone();
        let by_name = parsed(&definition.models);
        Self { definition, models: Arc::new(Models { api, by_name }), compiled: HashMap::new() }
    }

    /// The models of a method whose validator checks bodies, by content type.
    pub fn of(&mut self, method: &'a Method) -> Vec<(String, Arc<Schema>)> {
        let validator =
            method.request_validator_id.as_ref().and_then(|id| self.definition.validators.get(id));
        if !validator.is_some_and(|one| one.validate_request_body) {
            return Vec::new();
        }
        let models = method.request_models.iter();
        models.map(|(kind, name)| (kind.clone(), self.named(name))).collect()
    }

    fn named(&mut self, name: &'a str) -> Arc<Schema> {
        let models = &self.models;
        let schema = self.compiled.entry(name).or_insert_with(|| Arc::new(compile(models, name)));
        Arc::clone(schema)
    }
}

fn compile(models: &Arc<Models>, name: &str) -> Schema {
    let Some(document) = models.by_name.get(name) else {
        return Schema(Err(format!("the API has no model {name} with a schema")));
    };
    let compiled = jsonschema::options()
        .with_draft(Draft::Draft4)
        .with_base_uri(format!(
            "https://apigateway.amazonaws.com/restapis/{}/models/{name}",
            models.api
        ))
        .with_retriever(Shared(Arc::clone(models)))
        .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(PATTERN_STEPS))
        .build(document);
    Schema(compiled.map_err(|error| format!("the schema of model {name} is not valid: {error}")))
}

/// The schemas of an API by the names of its models.
struct Models {
    api: String,
    by_name: HashMap<String, Value>,
}

struct Shared(Arc<Models>);

impl Retrieve for Shared {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.as_str().split_once("//").and_then(|(_, rest)| {
            let (host, path) = rest.split_once('/')?;
            let ours = host.starts_with("apigateway.") && host.ends_with(".amazonaws.com");
            let (api, name) = path.strip_prefix("restapis/")?.split_once("/models/")?;
            (ours && api == self.0.api).then_some(name)
        });
        match name.and_then(|name| self.0.by_name.get(name)) {
            Some(schema) => Ok(schema.clone()),
            None => Err(format!("{uri} is not a model of this API").into()),
        }
    }
}

fn parsed(models: &BTreeMap<String, Model>) -> HashMap<String, Value> {
    let parse = |model: &Model| {
        let mut schema: Value = serde_json::from_str(model.schema.as_deref()?).ok()?;
        // Every model is draft 4, whatever it says; a name that is not known would be an error.
        schema.as_object_mut()?.shift_remove("$schema");
        Some((model.name.clone(), schema))
    };
    models.values().filter_map(parse).collect()
}
