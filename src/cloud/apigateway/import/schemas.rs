//! Schemas of a document, which become the API's models.

use serde_json::{Map, Value};

use super::super::ids;
use super::super::model::Model;
use super::Importer;
use crate::error::AwsError;

/// How deep a schema may nest.
const DEEPEST: usize = 64;

impl Importer<'_> {
    /// Every named schema becomes a model of that name.
    pub(super) fn models(&mut self) {
        let document = self.document;
        let schemas = document["components"]["schemas"]
            .as_object()
            .or_else(|| document["definitions"].as_object());
        for (name, schema) in schemas.into_iter().flatten() {
            if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
                self.errors.push(format!(
                    "Unable to create model '{name}': Model name must be alphanumeric: {name}"
                ));
                continue;
            }
            if let Err(error) = self.model(name, schema) {
                self.errors.push(format!("Unable to create model '{name}': {}", error.message));
            }
        }
    }

    fn model(&mut self, name: &str, schema: &Value) -> Result<(), AwsError> {
        let models = &self.definition.models;
        let id = match models.get(name) {
            Some(known) => known.id.clone(),
            None => ids::unused(6, |id| models.values().any(|model| model.id == id))?,
        };
        let model = Model {
            id,
            name: name.to_owned(),
            description: None,
            schema: Some(self.referring(schema, 0)?.to_string()),
            content_type: "application/json".to_owned(),
        };
        self.definition.models.insert(name.to_owned(), model);
        Ok(())
    }

    /// The name of the model that a schema means; a schema written in place gets a model of its
    /// own.
    pub(super) fn model_of(&mut self, schema: &Value) -> Result<String, AwsError> {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            if self.definition.models.contains_key(name) {
                return Ok(name.to_owned());
            }
            return Err(super::bad_request(format!(
                "Invalid model identifier specified: {reference}"
            )));
        }
        let name = format!(
            "MODEL{}",
            ids::unused(6, |id| { self.definition.models.contains_key(&format!("MODEL{id}")) })?
        );
        self.model(&name, schema)?;
        Ok(name)
    }

    /// A schema whose references lead to the API's models.
    fn referring(&self, schema: &Value, depth: usize) -> Result<Value, AwsError> {
        if depth > DEEPEST {
            return Err(super::bad_request(format!(
                "the schema nests deeper than {DEEPEST} levels"
            )));
        }
        match schema {
            Value::Object(members) => {
                let mut result = Map::new();
                for (name, value) in members {
                    let value = match value.as_str() {
                        Some(reference) if name == "$ref" => Value::from(self.model_url(reference)),
                        _ => self.referring(value, depth + 1)?,
                    };
                    result.insert(name.clone(), value);
                }
                Ok(Value::Object(result))
            }
            Value::Array(items) => {
                items.iter().map(|item| self.referring(item, depth + 1)).collect()
            }
            other => Ok(other.clone()),
        }
    }

    fn model_url(&self, reference: &str) -> String {
        let local = ["#/components/schemas/", "#/definitions/"];
        match local.iter().find_map(|prefix| reference.strip_prefix(prefix)) {
            Some(name) => format!(
                "https://apigateway.amazonaws.com/restapis/{}/models/{name}",
                self.definition.api.id
            ),
            None => reference.to_owned(),
        }
    }
}
