//! Request validators: what the gateway checks of a request.

use serde::Deserialize;
use serde_json::json;

use super::super::ids;
use super::super::model::RequestValidator;
use super::super::patch;
use super::super::reply::{Outcome, Reply, bad_request, input, no_api, not_found, page};
use super::super::state::Apis;
use super::Call;
use crate::error::AwsError;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewValidator {
    name: Option<String>,
    validate_request_body: bool,
    validate_request_parameters: bool,
}

fn no_validator() -> AwsError {
    not_found("Invalid Request Validator identifier specified")
}

/// `GetRequestValidators`, `CreateRequestValidator`.
pub(super) async fn collection(apis: &Apis, call: &Call<'_>, api: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(|| no_api(api))?;
            let shown = api.definition.validators.values().map(|one| json!(one)).collect();
            page(shown, &call.paging()?)
        }
        "POST" => {
            let new: NewValidator = input(call.body())?;
            apis.change(api, no_api(api), |api| {
                let validators = &mut api.edit().validators;
                let id = ids::unused(6, |id| validators.contains_key(id))?;
                Reply::created(validators.entry(id.clone()).or_insert(RequestValidator {
                    id,
                    name: new.name,
                    validate_request_body: new.validate_request_body,
                    validate_request_parameters: new.validate_request_parameters,
                }))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

/// `GetRequestValidator`, `UpdateRequestValidator`, `DeleteRequestValidator`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, api: &str, id: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(no_validator)?;
            Reply::ok(api.definition.validators.get(id).ok_or_else(no_validator)?)
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change(api, no_validator(), |api| {
                let validator = api.edit().validators.get_mut(id).ok_or_else(no_validator)?;
                for operation in &operations {
                    operation.must_replace()?;
                    match operation.path.as_str() {
                        "/name" => validator.name.clone_from(&operation.value),
                        "/validateRequestBody" => {
                            validator.validate_request_body = operation.flag();
                        }
                        "/validateRequestParameters" => {
                            validator.validate_request_parameters = operation.flag();
                        }
                        _ => return Err(operation.invalid_path()),
                    }
                }
                Reply::ok(validator)
            })
            .await
        }
        "DELETE" => {
            apis.change(api, no_validator(), |api| {
                if !api.definition.validators.contains_key(id) {
                    return Err(no_validator());
                }
                let mut methods = api
                    .definition
                    .resources
                    .values()
                    .flat_map(|resource| resource.methods.values());
                if methods.any(|method| method.request_validator_id.as_deref() == Some(id)) {
                    return Err(bad_request(format!(
                        "Cannot delete request validator '{id}', is referenced by a method"
                    )));
                }
                api.edit().validators.remove(id);
                Ok(Reply::empty(202))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}
