//! `GetExport`: a deployed API as an `OpenAPI` document.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::model::{Definition, Integration, Method, Stage};
use super::super::reply::{Outcome, Payload, Reply, bad_request, no_api, no_deployment, no_stage};
use super::super::state::Apis;
use super::Call;
use crate::error::AwsError;

/// What a document says beyond `OpenAPI` itself.
struct Extensions {
    integrations: bool,
    /// Everything of API Gateway's but authorizers.
    gateway: bool,
}

/// `GET /restapis/{id}/stages/{stage}/exports/{format}`.
pub(super) fn get(apis: &Apis, call: &Call<'_>, id: &str, stage: &str, format: &str) -> Outcome {
    if call.verb() != "GET" {
        return Err(call.absent());
    }
    match format {
        "oas30" => {}
        "swagger" => return Err(AwsError::not_implemented("API Gateway", "GetExport as swagger")),
        other => return Err(bad_request(format!("Unsupported export type: {other}"))),
    }
    let accept = call.request.header("accept").unwrap_or("application/json");
    if accept.contains("yaml") {
        return Err(AwsError::not_implemented("API Gateway", "GetExport as YAML"));
    }
    let api = apis.get(id).ok_or_else(|| no_api(id))?;
    let stage = api.stages.get(stage).ok_or_else(no_stage)?;
    let deployment = api.deployments.get(&stage.deployment_id).ok_or_else(no_deployment)?;
    let asked = call.query("extensions").unwrap_or_default();
    let has = |name: &str| asked.split(',').any(|one| one.trim() == name);
    let extensions = Extensions {
        integrations: has("integrations") || has("apigateway"),
        gateway: has("apigateway"),
    };
    let document = document(&deployment.snapshot, stage, &extensions);
    let bytes = serde_json::to_vec_pretty(&document)
        .map_err(|error| AwsError::internal(format!("the export could not be written: {error}")))?;
    let name = format!("oas30_{}.json", document["info"]["version"].as_str().unwrap_or("1"));
    Ok(Reply {
        status: 200,
        body: Payload::File {
            content_type: "application/octet-stream",
            name,
            bytes: Bytes::from(bytes),
        },
    })
}

fn document(definition: &Definition, stage: &Stage, extensions: &Extensions) -> Value {
    let api = &definition.api;
    let mut info = json!({ "title": api.name });
    if let Some(description) = &api.description {
        info["description"] = json!(description);
    }
    // A document needs a version; AWS takes the time of creation where the API has none.
    info["version"] = json!(api.version.clone().unwrap_or_else(|| api.created_date.to_string()));
    let mut document = json!({
        "openapi": "3.0.1",
        "info": info,
        "servers": [{
            "url": format!("/{{basePath}}"),
            "variables": { "basePath": { "default": stage.stage_name } },
        }],
    });
    let paths: BTreeMap<&str, Value> = definition
        .resources
        .values()
        .filter(|resource| !resource.methods.is_empty())
        .map(|resource| {
            let methods = resource.methods.iter().map(|(verb, method)| {
                let name = match verb.as_str() {
                    "ANY" => "x-amazon-apigateway-any-method".to_owned(),
                    verb => verb.to_ascii_lowercase(),
                };
                (name, operation(definition, method, extensions))
            });
            (resource.path.as_str(), Value::Object(methods.collect()))
        })
        .collect();
    document["paths"] = json!(paths);
    components(&mut document, definition);
    if extensions.gateway {
        gateway_extensions(&mut document, definition);
    }
    document
}

fn components(document: &mut Value, definition: &Definition) {
    let mut components = Map::new();
    let prefix = format!("https://apigateway.amazonaws.com/restapis/{}/models/", definition.api.id);
    let schemas: Map<String, Value> = definition
        .models
        .values()
        .filter_map(|model| {
            let schema = model.schema.as_ref()?.replace(&prefix, "#/components/schemas/");
            Some((model.name.clone(), serde_json::from_str(&schema).ok()?))
        })
        .collect();
    if !schemas.is_empty() {
        components.insert("schemas".to_owned(), Value::Object(schemas));
    }
    let mut methods = definition.resources.values().flat_map(|one| one.methods.values());
    if methods.any(|method| method.api_key_required) {
        let scheme =
            json!({ "api_key": { "type": "apiKey", "name": "x-api-key", "in": "header" } });
        components.insert("securitySchemes".to_owned(), scheme);
    }
    document["components"] = Value::Object(components);
}

fn gateway_extensions(document: &mut Value, definition: &Definition) {
    let api = &definition.api;
    if !definition.validators.is_empty() {
        let validators: Map<String, Value> = definition
            .validators
            .values()
            .map(|one| {
                let settings = json!({
                    "validateRequestParameters": one.validate_request_parameters,
                    "validateRequestBody": one.validate_request_body,
                });
                (one.name.clone().unwrap_or_else(|| one.id.clone()), settings)
            })
            .collect();
        document["x-amazon-apigateway-request-validators"] = Value::Object(validators);
    }
    if !definition.gateway_responses.is_empty() {
        document["x-amazon-apigateway-gateway-responses"] = json!(definition.gateway_responses);
    }
    if !api.binary_media_types.is_empty() {
        document["x-amazon-apigateway-binary-media-types"] = json!(api.binary_media_types);
    }
    if api.api_key_source != "HEADER" {
        document["x-amazon-apigateway-api-key-source"] = json!(api.api_key_source);
    }
    let policy = api.policy.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(policy) = policy {
        document["x-amazon-apigateway-policy"] = policy;
    }
}

fn operation(definition: &Definition, method: &Method, extensions: &Extensions) -> Value {
    let mut shown = Map::new();
    if let Some(name) = &method.operation_name {
        shown.insert("operationId".to_owned(), json!(name));
    }
    let parameters: Vec<Value> = method
        .request_parameters
        .iter()
        .filter_map(|(name, must)| parameter(name, *must))
        .collect();
    if !parameters.is_empty() {
        shown.insert("parameters".to_owned(), json!(parameters));
    }
    if !method.request_models.is_empty() {
        let body = json!({ "content": content(&method.request_models), "required": true });
        shown.insert("requestBody".to_owned(), body);
    }
    let responses: Map<String, Value> = method
        .method_responses
        .values()
        .map(|response| {
            let mut shown = json!({ "description": format!("{} response", response.status_code) });
            let headers = response.response_parameters.iter().flatten().filter_map(|(name, _)| {
                let name = name.strip_prefix("method.response.header.")?;
                Some((name.to_owned(), json!({ "schema": { "type": "string" } })))
            });
            let headers: Map<String, Value> = headers.collect();
            if !headers.is_empty() {
                shown["headers"] = Value::Object(headers);
            }
            let models = response.response_models.clone().unwrap_or_default();
            shown["content"] = content(&models);
            (response.status_code.clone(), shown)
        })
        .collect();
    shown.insert("responses".to_owned(), Value::Object(responses));
    if method.api_key_required {
        shown.insert("security".to_owned(), json!([{ "api_key": [] }]));
    }
    let validator =
        method.request_validator_id.as_ref().and_then(|id| definition.validators.get(id));
    if let Some(validator) = validator.filter(|_| extensions.gateway) {
        let name = validator.name.as_ref().unwrap_or(&validator.id);
        shown.insert("x-amazon-apigateway-request-validator".to_owned(), json!(name));
    }
    if let Some(integration) =
        method.method_integration.as_ref().filter(|_| extensions.integrations)
    {
        let key = "x-amazon-apigateway-integration".to_owned();
        shown.insert(key, integration_extension(integration));
    }
    Value::Object(shown)
}

fn parameter(name: &str, required: bool) -> Option<Value> {
    let (place, name) = name.strip_prefix("method.request.")?.split_once('.')?;
    let place = if place == "querystring" { "query" } else { place };
    let mut shown = json!({ "name": name, "in": place });
    if required {
        shown["required"] = json!(true);
    }
    shown["schema"] = json!({ "type": "string" });
    Some(shown)
}

fn content(models: &BTreeMap<String, String>) -> Value {
    let reference = |name: &String| json!({ "$ref": format!("#/components/schemas/{name}") });
    Value::Object(
        models
            .iter()
            .map(|(kind, name)| (kind.clone(), json!({ "schema": reference(name) })))
            .collect(),
    )
}

/// An integration as documents write it: names in lower case, responses by pattern.
fn integration_extension(integration: &Integration) -> Value {
    let mut shown = json!(integration);
    shown["type"] = json!(integration.kind.to_ascii_lowercase());
    shown["passthroughBehavior"] = json!(integration.passthrough_behavior.to_ascii_lowercase());
    let responses: Map<String, Value> = integration
        .integration_responses
        .values()
        .map(|response| {
            let pattern = response.selection_pattern.as_deref().filter(|text| !text.is_empty());
            let mut shown = json!(response);
            if let Some(shown) = shown.as_object_mut() {
                shown.shift_remove("selectionPattern");
            }
            (pattern.unwrap_or("default").to_owned(), shown)
        })
        .collect();
    if let Some(shown) = shown.as_object_mut() {
        shown.shift_remove("integrationResponses");
        shown.shift_remove("cacheNamespace");
        if integration.cache_key_parameters.is_empty() {
            shown.shift_remove("cacheKeyParameters");
        }
        if !responses.is_empty() {
            shown.insert("responses".to_owned(), Value::Object(responses));
        }
    }
    shown
}
