//! Method responses and integration responses: what a method answers, by status.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::model::{IntegrationResponse, MethodResponse, Texts};
use super::super::patch::{self, Op, PatchOperation};
use super::super::reply::{Outcome, Reply, bad_request, conflict, input, no_resource, not_found};
use super::super::state::Apis;
use super::Call;
use super::integrations::no_integration;
use super::mappings;
use super::methods::{find, find_mut};
use crate::error::AwsError;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewMethodResponse {
    response_parameters: Option<BTreeMap<String, bool>>,
    response_models: Option<Texts>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewIntegrationResponse {
    selection_pattern: Option<String>,
    response_parameters: Option<Texts>,
    response_templates: Option<BTreeMap<String, Option<String>>>,
    content_handling: Option<String>,
}

fn no_response() -> AwsError {
    not_found("Invalid Response status code specified")
}

/// Refuses a status that is not `[1-5]dd`.
pub(super) fn check_status(code: &str) -> Result<(), AwsError> {
    let bytes = code.as_bytes();
    if bytes.len() == 3 && matches!(bytes[0], b'1'..=b'5') && bytes.iter().all(u8::is_ascii_digit) {
        Ok(())
    } else {
        Err(bad_request("Invalid Response status code specified"))
    }
}

/// `PutMethodResponse`, `GetMethodResponse`, `UpdateMethodResponse`, `DeleteMethodResponse`.
pub(super) async fn of_method(
    apis: &Apis,
    call: &Call<'_>,
    api: &str,
    (resource, verb): (&str, &str),
    code: &str,
) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(no_resource)?;
            let method = find(&api.definition, resource, verb)?;
            Reply::ok(method.method_responses.get(code).ok_or_else(no_response)?)
        }
        "PUT" => {
            check_status(code)?;
            let new: NewMethodResponse = input(call.body())?;
            apis.change(api, no_resource(), |api| {
                let models = new.response_models.as_ref();
                for name in models.into_iter().flat_map(BTreeMap::values) {
                    if !api.definition.models.contains_key(name) {
                        return Err(bad_request(format!(
                            "Invalid model identifier specified: {name}"
                        )));
                    }
                }
                let method = find_mut(api.edit(), resource, verb)?;
                if method.method_responses.contains_key(code) {
                    return Err(conflict("Response already exists for this resource"));
                }
                Reply::created(method.method_responses.entry(code.to_owned()).or_insert(
                    MethodResponse {
                        status_code: code.to_owned(),
                        response_parameters: new.response_parameters,
                        response_models: new.response_models,
                    },
                ))
            })
            .await
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change(api, no_resource(), |api| {
                let method = find_mut(api.edit(), resource, verb)?;
                let response = method.method_responses.get_mut(code).ok_or_else(no_response)?;
                for operation in &operations {
                    update_method_response(response, operation)?;
                }
                Reply::created(response)
            })
            .await
        }
        "DELETE" => {
            apis.change(api, no_resource(), |api| {
                let method = find_mut(api.edit(), resource, verb)?;
                method.method_responses.remove(code).ok_or_else(no_response)?;
                Ok(Reply::empty(204))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

fn update_method_response(
    response: &mut MethodResponse,
    operation: &PatchOperation,
) -> Result<(), AwsError> {
    let parts = operation.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["responseParameters", name] => {
            let map = response.response_parameters.get_or_insert_default();
            operation.apply_to(map, name, operation.flag())
        }
        ["responseModels", content_type] => {
            let map = response.response_models.get_or_insert_default();
            operation.apply_to(map, content_type, operation.text().to_owned())
        }
        _ => Err(operation.invalid_path()),
    }
}

/// `PutIntegrationResponse`, `GetIntegrationResponse`, `UpdateIntegrationResponse`,
/// `DeleteIntegrationResponse`.
pub(super) async fn of_integration(
    apis: &Apis,
    call: &Call<'_>,
    api: &str,
    (resource, verb): (&str, &str),
    code: &str,
) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(no_resource)?;
            let method = find(&api.definition, resource, verb)?;
            let integration = method.method_integration.as_ref().ok_or_else(no_integration)?;
            Reply::ok(integration.integration_responses.get(code).ok_or_else(no_response)?)
        }
        "PUT" => {
            check_status(code)?;
            let new: NewIntegrationResponse = input(call.body())?;
            apis.change(api, no_resource(), |api| {
                let method = find_mut(api.edit(), resource, verb)?;
                mappings::check_response(method, code, new.response_parameters.as_ref())?;
                let integration = method.method_integration.as_mut().ok_or_else(no_integration)?;
                let response = IntegrationResponse {
                    status_code: code.to_owned(),
                    selection_pattern: new.selection_pattern,
                    response_parameters: new.response_parameters,
                    response_templates: new.response_templates,
                    content_handling: new.content_handling,
                };
                let reply = Reply::created(&response);
                integration.integration_responses.insert(code.to_owned(), response);
                reply
            })
            .await
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change(api, no_resource(), |api| {
                let method = find_mut(api.edit(), resource, verb)?;
                let integration = method.method_integration.as_mut().ok_or_else(no_integration)?;
                let response =
                    integration.integration_responses.get_mut(code).ok_or_else(no_response)?;
                for operation in &operations {
                    update_integration_response(response, operation)?;
                }
                let response = response.clone();
                mappings::check_response(method, code, response.response_parameters.as_ref())?;
                Reply::ok(&response)
            })
            .await
        }
        "DELETE" => {
            apis.change(api, no_resource(), |api| {
                let method = find_mut(api.edit(), resource, verb)?;
                let integration = method.method_integration.as_mut().ok_or_else(no_integration)?;
                integration.integration_responses.remove(code).ok_or_else(no_response)?;
                Ok(Reply::empty(204))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

fn update_integration_response(
    response: &mut IntegrationResponse,
    operation: &PatchOperation,
) -> Result<(), AwsError> {
    let parts = operation.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["selectionPattern"] => response.selection_pattern = operation.optional(),
        ["contentHandling"] => {
            response.content_handling = operation.optional().filter(|text| !text.is_empty());
        }
        ["responseParameters", name] => {
            let map = response.response_parameters.get_or_insert_default();
            operation.apply_to(map, name, operation.text().to_owned())?;
        }
        ["responseTemplates", content_type] => {
            let map = response.response_templates.get_or_insert_default();
            let value = if operation.op == Op::Remove { None } else { operation.value.clone() };
            operation.apply_to(map, content_type, value)?;
        }
        _ => return Err(operation.invalid_path()),
    }
    Ok(())
}
