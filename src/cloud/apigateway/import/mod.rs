//! Import of `OpenAPI` 3.0 and Swagger 2.0 documents with API Gateway's extensions.
//!
//! What a document may say and what of it counts follows "Develop REST APIs using OpenAPI in API
//! Gateway" in the developer guide, among it that security at the root of a document is ignored.

mod integration;
mod methods;
mod schemas;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::control::{self, check_type};
use super::ids;
use super::model::{Definition, GatewayResponse, RequestValidator, Resource};
use super::reply::bad_request;
use crate::error::AwsError;

/// The largest document that AWS takes, in bytes.
const LARGEST: usize = 6 * 1024 * 1024;

/// What happens to what the API has and the document does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It stays.
    Merge,
    /// It goes.
    Overwrite,
}

/// How a document is applied.
#[derive(Debug)]
pub(super) struct Options {
    pub mode: Mode,
    pub fail_on_warnings: bool,
    /// What to do with the document's base path: only `ignore` is there.
    pub base_path: Option<String>,
}

/// A document being applied to a definition.
pub(super) struct Importer<'a> {
    pub definition: &'a mut Definition,
    pub document: &'a Value,
    /// What makes the import fail, in AWS's wording.
    pub errors: Vec<String>,
    pub warnings: Vec<String>,
}

fn invalid(what: impl std::fmt::Display) -> AwsError {
    bad_request(format!("Invalid OpenAPI input. {what}"))
}

/// AWS says no more of a text that is neither JSON nor YAML.
fn unreadable<E>(_: E) -> AwsError {
    bad_request("Invalid OpenAPI input.")
}

/// Reads a JSON or YAML document and checks that it is an `OpenAPI` document at all.
pub(super) fn parse(body: &[u8]) -> Result<Value, AwsError> {
    if body.len() > LARGEST {
        return Err(bad_request(format!(
            "Invalid OpenAPI input. The document has {} bytes; at most {LARGEST} are allowed",
            body.len()
        )));
    }
    let text = std::str::from_utf8(body).map_err(unreadable)?;
    let document: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(unreadable)?
    } else {
        serde_saphyr::from_str(text).map_err(unreadable)?
    };
    if !document.is_object() {
        return Err(invalid("The document is not an object with the members of OpenAPI"));
    }
    match (document["openapi"].as_str(), document["swagger"].as_str()) {
        (Some(version), _) if version.starts_with("3.0") => Ok(document),
        (None, Some("2.0")) => Ok(document),
        (Some(version), _) => {
            Err(invalid(format_args!("openapi: version {version} is not supported, 3.0 is")))
        }
        (None, Some(version)) => {
            Err(invalid(format_args!("swagger: version {version} is not supported, 2.0 is")))
        }
        (None, None) => Err(invalid("The document has neither openapi nor swagger as a string")),
    }
}

/// The name that an imported API gets.
pub(super) fn title(document: &Value) -> Result<String, AwsError> {
    match document["info"]["title"].as_str() {
        Some(title) if !title.trim().is_empty() => Ok(title.to_owned()),
        _ => Err(invalid("info.title is missing or not text")),
    }
}

/// Applies a document and answers its warnings. The definition is only good when this succeeds.
pub(super) fn apply(
    definition: &mut Definition,
    document: &Value,
    options: &Options,
) -> Result<Vec<String>, AwsError> {
    if let Some(other) = options.base_path.as_deref().filter(|choice| *choice != "ignore") {
        return Err(AwsError::not_implemented(
            "API Gateway",
            &format!("import with basepath={other}"),
        ));
    }
    let mut importer = Importer { definition, document, errors: Vec::new(), warnings: Vec::new() };
    importer.about(options.mode)?;
    if options.mode == Mode::Overwrite {
        importer.clear();
    }
    importer.models();
    importer.validators()?;
    importer.authorizers()?;
    importer.gateway_responses();
    importer.paths(options.mode)?;
    let Importer { errors, warnings, .. } = importer;
    if !errors.is_empty() {
        return Err(listed("Errors", &errors));
    }
    if options.fail_on_warnings && !warnings.is_empty() {
        return Err(listed("Warnings", &warnings));
    }
    Ok(warnings)
}

/// At most fifty problems, one a line.
fn listed(kind: &str, problems: &[String]) -> AwsError {
    let shown: Vec<String> = problems.iter().take(50).map(|one| format!("\n\t{one}")).collect();
    bad_request(format!("{kind} found during import:{}", shown.concat()))
}

impl Importer<'_> {
    /// The document's statements about the API as a whole.
    fn about(&mut self, mode: Mode) -> Result<(), AwsError> {
        let overwrite = mode == Mode::Overwrite;
        let api = &mut self.definition.api;
        let info = &self.document["info"];
        api.name = title(self.document)?;
        let text = |value: &Value| match value {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        if overwrite || !info["description"].is_null() {
            api.description = text(&info["description"]);
        }
        if overwrite || !info["version"].is_null() {
            api.version = text(&info["version"]);
        }
        let media = &self.document["x-amazon-apigateway-binary-media-types"];
        if overwrite {
            api.binary_media_types.clear();
        }
        for kind in media.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !api.binary_media_types.iter().any(|known| known == kind) {
                api.binary_media_types.push(kind.to_owned());
            }
        }
        match self.document["x-amazon-apigateway-api-key-source"].as_str() {
            Some(source @ ("HEADER" | "AUTHORIZER")) => source.clone_into(&mut api.api_key_source),
            Some(other) => self.errors.push(format!("Invalid API key source: {other}")),
            None => {}
        }
        let policy = &self.document["x-amazon-apigateway-policy"];
        if overwrite || !policy.is_null() {
            api.policy = policy.is_object().then(|| policy.to_string());
        }
        let size = &self.document["x-amazon-apigateway-minimum-compression-size"];
        if let Some(size) = size.as_i64() {
            api.minimum_compression_size = i32::try_from(size).ok();
        }
        let servers = self.document["servers"].as_array();
        let endpoints = std::iter::once(self.document).chain(servers.into_iter().flatten());
        for endpoint in endpoints {
            let settings = &endpoint["x-amazon-apigateway-endpoint-configuration"];
            if let Some(disabled) = settings["disableExecuteApiEndpoint"].as_bool() {
                api.disable_execute_api_endpoint = disabled;
            }
        }
        Ok(())
    }

    /// Forgets all but the resources, whose ids are kept for paths that stay.
    fn clear(&mut self) {
        self.definition.models.clear();
        self.definition.validators.clear();
        self.definition.gateway_responses.clear();
        self.definition.authorizers.clear();
    }

    fn validators(&mut self) -> Result<(), AwsError> {
        let document = self.document;
        let Some(declared) = document["x-amazon-apigateway-request-validators"].as_object() else {
            return Ok(());
        };
        for (name, settings) in declared {
            let known = self
                .definition
                .validators
                .values()
                .find(|validator| validator.name.as_ref() == Some(name))
                .map(|validator| validator.id.clone());
            let id = match known {
                Some(id) => id,
                None => ids::unused(6, |id| self.definition.validators.contains_key(id))?,
            };
            let flag = |member: &str| settings[member].as_bool().unwrap_or(false);
            let validator = RequestValidator {
                id: id.clone(),
                name: Some(name.clone()),
                validate_request_body: flag("validateRequestBody"),
                validate_request_parameters: flag("validateRequestParameters"),
            };
            self.definition.validators.insert(id, validator);
        }
        Ok(())
    }

    /// The security schemes of the document, in either version's place.
    fn schemes(&self) -> Option<&Map<String, Value>> {
        let document = self.document;
        document["components"]["securitySchemes"]
            .as_object()
            .or_else(|| document["securityDefinitions"].as_object())
    }

    fn authorizers(&mut self) -> Result<(), AwsError> {
        let declared: Vec<(String, Value)> = self
            .schemes()
            .into_iter()
            .flatten()
            .filter(|(_, scheme)| scheme["x-amazon-apigateway-authorizer"].is_object())
            .map(|(name, scheme)| (name.clone(), scheme.clone()))
            .collect();
        for (name, scheme) in declared {
            let id = match self.authorizer_id(&name) {
                Some(id) => id,
                None => ids::unused(6, |id| self.definition.authorizers.contains_key(id))?,
            };
            let mut shown = scheme["x-amazon-apigateway-authorizer"].clone();
            shown["id"] = Value::from(id.as_str());
            shown["name"] = Value::from(name);
            if let Some(kind) = shown["type"].as_str() {
                shown["type"] = Value::from(kind.to_ascii_uppercase());
            }
            shown["authType"] = scheme["x-amazon-apigateway-authtype"].clone();
            if shown["identitySource"].is_null()
                && let (Some("header"), Some(header)) =
                    (scheme["in"].as_str(), scheme["name"].as_str())
            {
                shown["identitySource"] = format!("method.request.header.{header}").into();
            }
            self.definition.authorizers.insert(id, shown);
        }
        Ok(())
    }

    /// The id of the authorizer with this name.
    fn authorizer_id(&self, name: &str) -> Option<String> {
        let mut all = self.definition.authorizers.iter();
        all.find(|(_, shown)| shown["name"] == name).map(|(id, _)| id.clone())
    }

    fn gateway_responses(&mut self) {
        let document = self.document;
        let declared = document["x-amazon-apigateway-gateway-responses"].as_object();
        for (kind, settings) in declared.into_iter().flatten() {
            if let Err(error) = check_type(kind) {
                self.errors.push(error.message);
                continue;
            }
            let response = GatewayResponse {
                status_code: status_text(&settings["statusCode"]),
                response_parameters: texts(&settings["responseParameters"]),
                response_templates: texts(&settings["responseTemplates"]),
            };
            self.definition.gateway_responses.insert(kind.clone(), response);
        }
    }

    fn paths(&mut self, mode: Mode) -> Result<(), AwsError> {
        let document = self.document;
        let empty = Map::new();
        let paths = match &document["paths"] {
            Value::Object(paths) => paths,
            Value::Null => &empty,
            _ => return Err(invalid("paths is not an object")),
        };
        let before = if mode == Mode::Overwrite { self.start_over() } else { BTreeMap::new() };
        for (path, item) in paths {
            let Some(item) = item.as_object() else {
                self.errors.push(format!("Unable to read path '{path}': it is not an object"));
                continue;
            };
            match self.resource(path, &before) {
                Ok(id) => self.methods(&id, path, item),
                Err(error) => self
                    .errors
                    .push(format!("Unable to create resource at path '{path}': {}", error.message)),
            }
        }
        Ok(())
    }

    /// Leaves the root alone and answers the ids that the paths had.
    fn start_over(&mut self) -> BTreeMap<String, String> {
        let root = self.definition.api.root_resource_id.clone();
        let old = std::mem::take(&mut self.definition.resources);
        let ids = old.values().map(|one| (one.path.clone(), one.id.clone())).collect();
        let kept = Resource {
            id: root.clone(),
            parent_id: None,
            path_part: None,
            path: "/".to_owned(),
            methods: BTreeMap::new(),
        };
        self.definition.resources.insert(root, kept);
        ids
    }

    /// The id of the resource at `path`, made with its parents where it is not there.
    fn resource(
        &mut self,
        path: &str,
        before: &BTreeMap<String, String>,
    ) -> Result<String, AwsError> {
        let Some(relative) = path.strip_prefix('/') else {
            return Err(bad_request("A path starts with /"));
        };
        let mut id = self.definition.api.root_resource_id.clone();
        for part in relative.split('/').filter(|part| !part.is_empty()) {
            let child = self.definition.resources.values().find(|one| {
                one.parent_id.as_ref() == Some(&id) && one.path_part.as_deref() == Some(part)
            });
            id = match child {
                Some(child) => child.id.clone(),
                None => control::add_resource(self.definition, &id, part, before)?,
            };
        }
        Ok(id)
    }
}

/// A status as text: documents write it as text or as a number.
fn status_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A map of text; numbers and truth values count as their text.
fn texts(value: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    value.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect()
}
