//! Models: JSON schemas that methods refer to by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::ids;
use super::super::model::{Definition, Method, Model};
use super::super::patch::{self, PatchOperation};
use super::super::reply::{Outcome, Reply, bad_request, conflict, input, no_api, not_found, page};
use super::super::state::Apis;
use super::Call;
use crate::error::AwsError;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewModel {
    name: String,
    description: Option<String>,
    schema: Option<String>,
    content_type: Option<String>,
}

fn no_model(name: &str) -> AwsError {
    not_found(format!("Invalid model name specified: {name}"))
}

/// The two models that every created (not imported) API has.
pub(super) fn default_models() -> Result<BTreeMap<String, Model>, AwsError> {
    let model = |name: &str, description: &str, schema: &str| {
        Ok::<_, AwsError>((
            name.to_owned(),
            Model {
                id: ids::new(6)?,
                name: name.to_owned(),
                description: Some(description.to_owned()),
                schema: Some(schema.to_owned()),
                content_type: "application/json".to_owned(),
            },
        ))
    };
    Ok(BTreeMap::from([
        model(
            "Empty",
            "This is a default empty schema model",
            "{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Empty \
             Schema\",\n  \"type\" : \"object\"\n}",
        )?,
        model(
            "Error",
            "This is a default error schema model",
            "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \
             \"Error Schema\",\n  \"type\" : \"object\",\n  \"properties\" : {\n    \"message\" : \
             { \"type\" : \"string\" }\n  }\n}",
        )?,
    ]))
}

/// `GetModels`, `CreateModel`.
pub(super) async fn collection(apis: &Apis, call: &Call<'_>, api: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(|| no_api(api))?;
            let models = &api.definition.models;
            let shown: Result<Vec<Value>, _> = models.values().map(serde_json::to_value).collect();
            page(shown.map_err(|error| AwsError::internal(error.to_string()))?, &call.paging()?)
        }
        "POST" => {
            let new: NewModel = input(call.body())?;
            apis.change(api, no_api(api), |api| {
                let model = create(&api.definition, new)?;
                let reply = Reply::created(&model);
                api.edit().models.insert(model.name.clone(), model);
                reply
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

/// `GetModel`, `UpdateModel`, `DeleteModel`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, api: &str, name: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(|| no_model(name))?;
            Reply::ok(api.definition.models.get(name).ok_or_else(|| no_model(name))?)
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change(api, no_model(name), |api| {
                let model = api.edit().models.get_mut(name).ok_or_else(|| no_model(name))?;
                for operation in &operations {
                    update(model, operation)?;
                }
                Reply::ok(model)
            })
            .await
        }
        "DELETE" => {
            apis.change(api, no_model(name), |api| {
                if !api.definition.models.contains_key(name) {
                    return Err(no_model(name));
                }
                if let Some(user) = user_of(&api.definition, name) {
                    return Err(conflict(format!(
                        "Cannot delete model '{name}', is referenced in method request: {user}"
                    )));
                }
                api.edit().models.remove(name);
                Ok(Reply::empty(202))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

fn create(definition: &Definition, new: NewModel) -> Result<Model, AwsError> {
    if new.name.is_empty() {
        return Err(bad_request("Model name must be non-empty"));
    }
    if !new.name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(bad_request(format!("Model name must be alphanumeric: {}", new.name)));
    }
    check_schema(new.schema.as_deref())?;
    if definition.models.contains_key(&new.name) {
        return Err(conflict("Model name already exists for this REST API"));
    }
    let taken = |id: &str| definition.models.values().any(|model| model.id == id);
    Ok(Model {
        id: ids::unused(6, taken)?,
        name: new.name,
        description: new.description.filter(|text| !text.is_empty()),
        schema: new.schema,
        content_type: new.content_type.unwrap_or_else(|| "application/json".to_owned()),
    })
}

fn check_schema(schema: Option<&str>) -> Result<(), AwsError> {
    let schema = schema.unwrap_or_default();
    if schema.trim().is_empty() {
        return Err(bad_request(
            "Model schema must have at least 1 property or array items defined",
        ));
    }
    match serde_json::from_str::<Value>(schema) {
        Ok(Value::Object(_)) => Ok(()),
        Ok(_) => Err(bad_request("Invalid model schema specified. It is not a JSON object.")),
        Err(error) => Err(bad_request(format!("Invalid model schema specified. {error}"))),
    }
}

/// The method that keeps a model from going: of several the last, as AWS names them.
fn user_of(definition: &Definition, model: &str) -> Option<String> {
    let uses = |method: &&Method| method.request_models.values().any(|name| name == model);
    let mut users: Vec<String> = definition
        .resources
        .values()
        .flat_map(|resource| {
            let methods = resource.methods.values().filter(uses);
            methods.map(|method| format!("{}/{}", resource.path, method.http_method))
        })
        .collect();
    users.sort();
    users.pop()
}

fn update(model: &mut Model, operation: &PatchOperation) -> Result<(), AwsError> {
    let replaces = operation.must_replace().is_ok();
    match operation.path.as_str() {
        "/description" if replaces => {
            model.description = operation.value.clone().filter(|text| !text.is_empty());
        }
        "/schema" if replaces => {
            check_schema(operation.value.as_deref())?;
            model.schema.clone_from(&operation.value);
        }
        _ => return Err(operation.unsupported("/description, /schema")),
    }
    Ok(())
}
