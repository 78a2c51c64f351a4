//! Operations of a document, which become methods.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::control::{check_parameters, check_request_mappings, check_response_mappings};
use super::super::model::{Method, MethodResponse};
use super::super::reply::bad_request;
use super::{Importer, integration};
use crate::error::AwsError;

/// Names of operations in a path item, with the verbs they mean.
const OPERATIONS: [(&str, &str); 8] = [
    ("get", "GET"),
    ("put", "PUT"),
    ("post", "POST"),
    ("delete", "DELETE"),
    ("options", "OPTIONS"),
    ("head", "HEAD"),
    ("patch", "PATCH"),
    ("x-amazon-apigateway-any-method", "ANY"),
];

/// The variables of a path. AWS takes them for required parameters, declared or not (recorded answers
/// of AWS have them for methods whose document declares none).
fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(name.strip_suffix('+').unwrap_or(name)).filter(|name| !name.is_empty())
    })
}

impl Importer<'_> {
    /// Reads the operations of one path into the resource `id`.
    pub(super) fn methods(&mut self, id: &str, path: &str, item: &Map<String, Value>) {
        for (name, operation) in item {
            let Some((_, verb)) = OPERATIONS.iter().find(|(known, _)| known == name) else {
                if !(name.starts_with("x-")
                    || matches!(
                        name.as_str(),
                        "parameters" | "summary" | "description" | "servers"
                    ))
                {
                    self.warnings.push(format!(
                        "Ignoring '{name}' at path '{path}': it is not an operation"
                    ));
                }
                continue;
            };
            match self.method((*verb, path), operation, item.get("parameters")) {
                Ok(mut method) => {
                    self.integrate(&mut method, operation, id, path);
                    if let Some(resource) = self.definition.resources.get_mut(id) {
                        resource.methods.insert((*verb).to_owned(), method);
                    }
                }
                Err(error) => self.errors.push(format!(
                    "Unable to put method '{verb}' on resource at path '{path}': {}",
                    error.message
                )),
            }
        }
    }

    fn integrate(&mut self, method: &mut Method, operation: &Value, id: &str, path: &str) {
        let declared = &operation["x-amazon-apigateway-integration"];
        if declared.is_null() {
            return;
        }
        let verb = method.http_method.clone();
        let mut refuse = |what: &str, error: &AwsError| {
            self.errors.push(format!(
                "Unable to put {what} on '{verb}' for resource at path '{path}': {}",
                error.message
            ));
        };
        let read = integration::read(declared, id).and_then(|read| {
            check_request_mappings(method, &read.request_parameters)?;
            Ok(read)
        });
        match read {
            Ok(read) => {
                for (status, response) in &read.integration_responses {
                    let parameters = response.response_parameters.as_ref();
                    if let Err(error) = check_response_mappings(method, status, parameters) {
                        refuse("integration response", &error);
                    }
                }
                method.method_integration = Some(read);
            }
            Err(error) => refuse("integration", &error),
        }
    }

    fn method(
        &mut self,
        (verb, path): (&str, &str),
        operation: &Value,
        shared: Option<&Value>,
    ) -> Result<Method, AwsError> {
        if !operation.is_object() {
            return Err(bad_request("the operation is not an object"));
        }
        let mut method = Method::open(verb);
        method.operation_name = operation["operationId"].as_str().map(str::to_owned);
        method.request_validator_id = self.validator_of(operation)?;
        self.security(&mut method, operation);
        let lists = [shared, operation.get("parameters")];
        for parameter in lists.into_iter().flatten().filter_map(Value::as_array).flatten() {
            self.parameter(&mut method, operation, parameter)?;
        }
        for name in variables(path) {
            let parameter = format!("method.request.path.{name}");
            method.request_parameters.entry(parameter).or_insert(true);
        }
        check_parameters(&method.request_parameters)?;
        let body = resolve(self.document, &operation["requestBody"])?;
        for (content_type, media) in content(body) {
            if let Some(schema) = media.get("schema") {
                let model = self.model_of(schema)?;
                method.request_models.insert(content_type.clone(), model);
            }
        }
        self.responses(&mut method, operation)?;
        Ok(method)
    }

    fn validator_of(&self, operation: &Value) -> Result<Option<String>, AwsError> {
        const KEY: &str = "x-amazon-apigateway-request-validator";
        let Some(name) = operation[KEY].as_str().or_else(|| self.document[KEY].as_str()) else {
            return Ok(None);
        };
        let mut known = self.definition.validators.values();
        match known.find(|validator| validator.name.as_deref() == Some(name)) {
            Some(validator) => Ok(Some(validator.id.clone())),
            None => Err(bad_request(format!(
                "Invalid Request Validator identifier specified: '{name}' is not among \
                 x-amazon-apigateway-request-validators"
            ))),
        }
    }

    /// `security` of the operation: the API key, an authorizer, or IAM.
    fn security(&self, method: &mut Method, operation: &Value) {
        if let Some(kind) = operation["x-amazon-apigateway-auth"]["type"].as_str() {
            kind.to_ascii_uppercase().clone_into(&mut method.authorization_type);
        }
        let requirements = operation["security"].as_array().into_iter().flatten();
        for name in requirements.filter_map(Value::as_object).flat_map(Map::keys) {
            let Some(scheme) = self.schemes().and_then(|schemes| schemes.get(name)) else {
                continue;
            };
            if let Some(id) = self.authorizer_id(name) {
                let kind = scheme["x-amazon-apigateway-authtype"].as_str();
                let kind = match kind {
                    Some("cognito_user_pools") => "COGNITO_USER_POOLS",
                    _ => "CUSTOM",
                };
                kind.clone_into(&mut method.authorization_type);
                method.authorizer_id = Some(id);
            } else if scheme["x-amazon-apigateway-authtype"] == "awsSigv4" {
                "AWS_IAM".clone_into(&mut method.authorization_type);
            } else if scheme["type"] == "apiKey"
                && scheme["name"]
                    .as_str()
                    .is_some_and(|name| name.eq_ignore_ascii_case("x-api-key"))
            {
                method.api_key_required = true;
            }
        }
    }

    fn parameter(
        &mut self,
        method: &mut Method,
        operation: &Value,
        parameter: &Value,
    ) -> Result<(), AwsError> {
        let parameter = resolve(self.document, parameter)?;
        let name = parameter["name"].as_str().unwrap_or_default();
        let required = parameter["required"].as_bool().unwrap_or(false);
        let place = match parameter["in"].as_str() {
            Some("path") => "path",
            Some("query") => "querystring",
            Some("header") => "header",
            Some("body") => {
                let model = self.model_of(&parameter["schema"])?;
                for content_type in media_types(operation, self.document, "consumes") {
                    method.request_models.insert(content_type, model.clone());
                }
                return Ok(());
            }
            other => {
                self.warnings.push(format!(
                    "Ignoring parameter '{name}': its place {} is not supported",
                    other.unwrap_or("(none)")
                ));
                return Ok(());
            }
        };
        if name.is_empty() {
            return Err(bad_request("a parameter has no name"));
        }
        let key = format!("method.request.{place}.{name}");
        method.request_parameters.insert(key, required || place == "path");
        Ok(())
    }

    fn responses(&mut self, method: &mut Method, operation: &Value) -> Result<(), AwsError> {
        for (code, response) in operation["responses"].as_object().into_iter().flatten() {
            if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let response = resolve(self.document, response)?;
            let headers: BTreeMap<String, bool> = response["headers"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| (format!("method.response.header.{name}"), false))
                .collect();
            let mut models = BTreeMap::new();
            for (content_type, media) in content(response) {
                if let Some(schema) = media.get("schema") {
                    models.insert(content_type.clone(), self.model_of(schema)?);
                }
            }
            if let Some(schema) = response.get("schema") {
                let model = self.model_of(schema)?;
                for content_type in media_types(operation, self.document, "produces") {
                    models.insert(content_type, model.clone());
                }
            }
            method.method_responses.insert(
                code.clone(),
                MethodResponse {
                    status_code: code.clone(),
                    response_parameters: (!headers.is_empty()).then_some(headers),
                    response_models: (!models.is_empty()).then_some(models),
                },
            );
        }
        Ok(())
    }
}

/// What a local reference such as `#/components/parameters/Page` leads to, or the value itself.
/// A reference to a reference is followed a few times, so that none goes in circles.
fn resolve<'v>(document: &'v Value, mut value: &'v Value) -> Result<&'v Value, AwsError> {
    for _ in 0..8 {
        let Some(reference) = value["$ref"].as_str() else {
            return Ok(value);
        };
        value = reference
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer))
            .ok_or_else(|| bad_request(format!("the reference {reference} leads nowhere")))?;
    }
    Err(bad_request("a reference leads to too many others"))
}

/// The media types of a body or a response of `OpenAPI` 3.
fn content(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value["content"].as_object().into_iter().flatten()
}

/// `consumes` or `produces` of Swagger 2.0, which an operation may say for itself.
fn media_types(operation: &Value, document: &Value, member: &str) -> Vec<String> {
    let said = operation[member].as_array().or_else(|| document[member].as_array());
    let mut types: Vec<String> =
        said.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if types.is_empty() {
        types.push("application/json".to_owned());
    }
    types
}
