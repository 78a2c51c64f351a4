//! Gateway responses: the gateway's own answers and how an API customises them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::model::{Definition, GatewayResponse, Texts};
use super::super::patch::{self, Op, PatchOperation};
use super::super::reply::{Outcome, Reply, bad_request, input, no_api, page};
use super::super::state::Apis;
use super::Call;
use crate::error::AwsError;

/// The template of an answer that nobody customised.
const DEFAULT_TEMPLATE: &str = "{\"message\":$context.error.messageString}";

/// Every response type with its default status; the two catch-alls have none.
const RESPONSE_TYPES: [(&str, Option<u16>); 21] = [
    ("ACCESS_DENIED", Some(403)),
    ("API_CONFIGURATION_ERROR", Some(500)),
    ("AUTHORIZER_CONFIGURATION_ERROR", Some(500)),
    ("AUTHORIZER_FAILURE", Some(500)),
    ("BAD_REQUEST_BODY", Some(400)),
    ("BAD_REQUEST_PARAMETERS", Some(400)),
    ("DEFAULT_4XX", None),
    ("DEFAULT_5XX", None),
    ("EXPIRED_TOKEN", Some(403)),
    ("INTEGRATION_FAILURE", Some(504)),
    ("INTEGRATION_TIMEOUT", Some(504)),
    ("INVALID_API_KEY", Some(403)),
    ("INVALID_SIGNATURE", Some(403)),
    ("MISSING_AUTHENTICATION_TOKEN", Some(403)),
    ("QUOTA_EXCEEDED", Some(429)),
    ("REQUEST_TOO_LARGE", Some(413)),
    ("RESOURCE_NOT_FOUND", Some(404)),
    ("THROTTLED", Some(429)),
    ("UNAUTHORIZED", Some(401)),
    ("UNSUPPORTED_MEDIA_TYPE", Some(415)),
    ("WAF_FILTERED", Some(403)),
];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewGatewayResponse {
    status_code: Option<String>,
    response_parameters: Texts,
    response_templates: Texts,
}

/// `GetGatewayResponses`: all types, customised or not.
pub(super) fn list(apis: &Apis, call: &Call<'_>, api: &str) -> Outcome {
    if call.verb() != "GET" {
        return Err(call.absent());
    }
    let api = apis.get(api).ok_or_else(|| no_api(api))?;
    let shown = RESPONSE_TYPES.iter().map(|(kind, _)| view(&api.definition, kind)).collect();
    page(shown, &call.paging()?)
}

/// `PutGatewayResponse`, `GetGatewayResponse`, `UpdateGatewayResponse`, `DeleteGatewayResponse`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, api: &str, kind: &str) -> Outcome {
    check_type(kind)?;
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(|| no_api(api))?;
            Reply::ok(&view(&api.definition, kind))
        }
        "PUT" => {
            let new: NewGatewayResponse = input(call.body())?;
            let response = GatewayResponse {
                status_code: new.status_code.map(checked_status).transpose()?,
                response_parameters: new.response_parameters,
                response_templates: new.response_templates,
            };
            apis.change(api, no_api(api), |api| {
                api.edit().gateway_responses.insert(kind.to_owned(), response);
                Reply::created(&view(&api.definition, kind))
            })
            .await
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change(api, no_api(api), |api| {
                let mut response =
                    api.definition.gateway_responses.get(kind).cloned().unwrap_or_default();
                for operation in &operations {
                    update(&mut response, operation)?;
                }
                api.edit().gateway_responses.insert(kind.to_owned(), response);
                Reply::ok(&view(&api.definition, kind))
            })
            .await
        }
        "DELETE" => {
            apis.change(api, no_api(api), |api| {
                if api.edit().gateway_responses.remove(kind).is_none() {
                    return Err(super::super::reply::not_found(
                        "Gateway response type not defined on api",
                    ));
                }
                Ok(Reply::empty(202))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

/// Refuses an unknown response type.
pub(in super::super) fn check_type(kind: &str) -> Result<(), AwsError> {
    if RESPONSE_TYPES.iter().any(|(known, _)| *known == kind) {
        return Ok(());
    }
    let known: Vec<&str> = RESPONSE_TYPES.iter().map(|(known, _)| *known).collect();
    Err(super::super::reply::invalid_value(
        &format!("'{kind}'"),
        "responseType",
        &format!("Member must satisfy enum value set: [{}]", known.join(", ")),
    ))
}

fn checked_status(status: String) -> Result<String, AwsError> {
    match status.parse::<u16>() {
        Ok(100..=599) if status.len() == 3 => Ok(status),
        _ => Err(bad_request(format!("Invalid gateway response status code specified: {status}"))),
    }
}

fn update(response: &mut GatewayResponse, operation: &PatchOperation) -> Result<(), AwsError> {
    let parts = operation.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["statusCode"] => {
            response.status_code = match operation.op {
                Op::Remove => None,
                _ => Some(checked_status(operation.text().to_owned())?),
            };
            Ok(())
        }
        ["responseParameters", name] => {
            let value = operation.text().to_owned();
            operation.apply_to(&mut response.response_parameters, name, value)
        }
        ["responseTemplates", content_type] => {
            let value = operation.text().to_owned();
            operation.apply_to(&mut response.response_templates, content_type, value)
        }
        _ => Err(operation.invalid_path()),
    }
}

/// The catch-all that stands in for a type that is not customised itself.
fn catch_all(status: u16) -> &'static str {
    if status < 500 { "DEFAULT_4XX" } else { "DEFAULT_5XX" }
}

fn view(definition: &Definition, kind: &str) -> Value {
    let usual = RESPONSE_TYPES.iter().find(|(known, _)| *known == kind).and_then(|(_, code)| *code);
    let own = definition.gateway_responses.get(kind);
    let inherited = usual.and_then(|status| definition.gateway_responses.get(catch_all(status)));
    let response = own.or(inherited);
    let empty = BTreeMap::new();
    let templates = response.map_or(&empty, |response| &response.response_templates);
    let mut shown = json!({
        "defaultResponse": own.is_none(),
        "responseParameters": response.map_or(&empty, |response| &response.response_parameters),
        "responseTemplates": if templates.is_empty() {
            json!({ "application/json": DEFAULT_TEMPLATE })
        } else {
            json!(templates)
        },
        "responseType": kind,
    });
    let status = response.and_then(|response| response.status_code.clone());
    if let Some(status) = status.or_else(|| usual.map(|status| status.to_string())) {
        shown["statusCode"] = json!(status);
    }
    shown
}
