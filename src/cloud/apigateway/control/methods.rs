//! Methods: put, read, patch, delete.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::model::{Api, Definition, Method, Resource, Texts, VERBS};
use super::super::patch::{self, Op, PatchOperation};
use super::super::reply::{Outcome, Reply, bad_request, conflict, input, no_method, no_resource};
use super::super::state::Apis;
use super::Call;
use crate::error::AwsError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct NewMethod {
    authorization_type: Option<String>,
    authorizer_id: Option<String>,
    authorization_scopes: Option<Vec<String>>,
    api_key_required: bool,
    operation_name: Option<String>,
    request_parameters: BTreeMap<String, bool>,
    request_models: Texts,
    request_validator_id: Option<String>,
}

/// `PutMethod`, `GetMethod`, `UpdateMethod`, `DeleteMethod`.
pub(super) async fn one(
    apis: &Apis,
    call: &Call<'_>,
    api: &str,
    resource: &str,
    verb: &str,
) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(no_resource)?;
            Reply::ok(find(&api.definition, resource, verb)?)
        }
        "PUT" => {
            let new: NewMethod = input(call.body())?;
            apis.change(api, no_resource(), |api| {
                Reply::created(create(api.edit(), resource, verb, new)?)
            })
            .await
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change(api, no_resource(), |api| update(api, resource, verb, &operations)).await
        }
        "DELETE" => {
            apis.change(api, no_resource(), |api| {
                let resource = api.edit().resources.get_mut(resource).ok_or_else(no_resource)?;
                resource.methods.remove(verb).ok_or_else(no_method)?;
                Ok(Reply::empty(204))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

/// The method `verb` of `resource`.
pub(super) fn find<'a>(
    definition: &'a Definition,
    resource: &str,
    verb: &str,
) -> Result<&'a Method, AwsError> {
    let resource = definition.resources.get(resource).ok_or_else(no_resource)?;
    resource.methods.get(verb).ok_or_else(no_method)
}

/// The same, to be changed.
pub(super) fn find_mut<'a>(
    definition: &'a mut Definition,
    resource: &str,
    verb: &str,
) -> Result<&'a mut Method, AwsError> {
    let resource = definition.resources.get_mut(resource).ok_or_else(no_resource)?;
    resource.methods.get_mut(verb).ok_or_else(no_method)
}

fn create<'a>(
    definition: &'a mut Definition,
    resource: &str,
    verb: &str,
    new: NewMethod,
) -> Result<&'a Method, AwsError> {
    let existing: &Resource = definition.resources.get(resource).ok_or_else(no_resource)?;
    if !VERBS.contains(&verb) {
        return Err(bad_request(format!(
            "Invalid HttpMethod specified. Valid options are {}",
            VERBS.join(",")
        )));
    }
    if existing.methods.contains_key(verb) {
        return Err(conflict("Method already exists for this resource"));
    }
    let method = Method {
        authorization_type: new.authorization_type.unwrap_or_else(|| "NONE".to_owned()),
        authorizer_id: new.authorizer_id,
        authorization_scopes: new.authorization_scopes,
        api_key_required: new.api_key_required,
        request_validator_id: new.request_validator_id,
        operation_name: new.operation_name,
        request_parameters: new.request_parameters,
        request_models: new.request_models,
        ..Method::open(verb)
    };
    check(definition, &method)?;
    let resource = definition.resources.get_mut(resource).ok_or_else(no_resource)?;
    Ok(resource.methods.entry(verb.to_owned()).or_insert(method))
}

/// Refuses a method that refers to what is not there.
fn check(definition: &Definition, method: &Method) -> Result<(), AwsError> {
    check_authorization(definition, method)?;
    let validator = method.request_validator_id.as_ref();
    if validator.is_some_and(|id| !definition.validators.contains_key(id)) {
        return Err(bad_request("Invalid Request Validator identifier specified"));
    }
    for name in method.request_models.values() {
        if !definition.models.contains_key(name) {
            return Err(bad_request(format!("Invalid model identifier specified: {name}")));
        }
    }
    check_parameters(&method.request_parameters)
}

fn takes_authorizer(method: &Method) -> bool {
    matches!(method.authorization_type.as_str(), "CUSTOM" | "COGNITO_USER_POOLS")
}

fn check_authorization(definition: &Definition, method: &Method) -> Result<(), AwsError> {
    let needs = takes_authorizer(method);
    let known =
        method.authorizer_id.as_ref().is_some_and(|id| definition.authorizers.contains_key(id));
    if needs && !known {
        return Err(bad_request(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or \
             COGNITO_USER_POOLS requires a valid authorizer.",
        ));
    }
    if matches!(method.authorization_type.as_str(), "NONE" | "AWS_IAM") || needs {
        Ok(())
    } else {
        Err(bad_request(format!(
            "Invalid authorization type specified. Valid options are NONE, AWS_IAM, CUSTOM, \
             COGNITO_USER_POOLS: {}",
            method.authorization_type
        )))
    }
}

/// Refuses parameter names that are not `method.request.{path|querystring|header}.NAME`, or that
/// share a name.
pub(in super::super) fn check_parameters(
    parameters: &BTreeMap<String, bool>,
) -> Result<(), AwsError> {
    let mut names = std::collections::BTreeSet::new();
    for parameter in parameters.keys() {
        let name = ["path", "querystring", "multivaluequerystring", "header", "multivalueheader"]
            .iter()
            .find_map(|place| {
                parameter.strip_prefix("method.request.")?.strip_prefix(place)?.strip_prefix('.')
            })
            .filter(|name| !name.is_empty())
            .ok_or_else(|| {
                bad_request(format!("Invalid mapping expression specified: {parameter}"))
            })?;
        if !names.insert(name) {
            return Err(bad_request(
                "Parameter names must be unique across querystring, header and path",
            ));
        }
    }
    Ok(())
}

fn update(api: &mut Api, resource: &str, verb: &str, operations: &[PatchOperation]) -> Outcome {
    let definition = api.edit();
    let mut method = find(definition, resource, verb)?.clone();
    for operation in operations {
        apply(definition, &mut method, operation)?;
    }
    let authorizes = |operation: &PatchOperation| {
        matches!(operation.path.as_str(), "/authorizationType" | "/authorizerId")
    };
    if operations.iter().any(authorizes) {
        // The two may come in either order; without a type that has one, the authorizer is ignored.
        if !takes_authorizer(&method) {
            method.authorizer_id = None;
        }
        check_authorization(definition, &method)?;
    }
    check_parameters(&method.request_parameters)?;
    let place = find_mut(definition, resource, verb)?;
    *place = method;
    Reply::ok(place)
}

fn apply(
    definition: &Definition,
    method: &mut Method,
    operation: &PatchOperation,
) -> Result<(), AwsError> {
    let parts = operation.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["requestParameters", name] => {
            operation.apply_to(&mut method.request_parameters, name, operation.flag())?;
        }
        ["requestModels", content_type] => {
            let name = operation.text();
            if operation.op != Op::Remove && !definition.models.contains_key(name) {
                return Err(bad_request(format!("Invalid model identifier specified: {name}")));
            }
            let name = name.to_owned();
            operation.apply_to(&mut method.request_models, content_type, name)?;
        }
        ["authorizationType"] => {
            operation.must_replace()?;
            operation.text().clone_into(&mut method.authorization_type);
        }
        ["authorizerId"] => {
            operation.must_replace()?;
            method.authorizer_id.clone_from(&operation.value);
        }
        ["apiKeyRequired"] => {
            operation.must_replace()?;
            method.api_key_required = operation.flag();
        }
        ["operationName"] => {
            operation.must_replace()?;
            method.operation_name.clone_from(&operation.value);
        }
        ["requestValidatorId"] => {
            operation.must_replace()?;
            let id = operation.value.clone().filter(|id| !id.is_empty());
            if id.as_ref().is_some_and(|id| !definition.validators.contains_key(id)) {
                return Err(bad_request("Invalid Request Validator identifier specified"));
            }
            method.request_validator_id = id;
        }
        _ => return Err(operation.invalid_path()),
    }
    Ok(())
}
