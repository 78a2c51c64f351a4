//! API keys: create, read, list, patch, delete.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::model::Texts;
use super::super::patch::{self, PatchOperation};
use super::super::plans::model::ApiKey;
use super::super::plans::registry::{Edit, Registry};
use super::super::reply::{
    Outcome, Reply, bad_request, conflict, input, limit_exceeded, no_stage, not_found, page,
};
use super::super::state::Apis;
use super::super::{ids, plans};
use super::{Call, key_import, tags};
use crate::error::AwsError;

/// The longest name, in characters (recorded).
const LONGEST_NAME: usize = 1024;
/// The longest description, in characters (recorded: one more is refused).
const LONGEST_DESCRIPTION: usize = 125_000;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewKey {
    name: Option<String>,
    description: Option<String>,
    enabled: bool,
    // `generateDistinctId` is deprecated: ids are always distinct from values.
    value: Option<String>,
    stage_keys: Vec<StageKey>,
    customer_id: Option<String>,
    tags: Texts,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StageKey {
    rest_api_id: String,
    stage_name: String,
}

/// 404 for an unknown key.
pub(super) fn no_key() -> AwsError {
    not_found("Invalid API Key identifier specified")
}

/// `GetApiKeys`, `CreateApiKey`, `ImportApiKeys`.
pub(super) async fn collection(apis: &Apis, call: &Call<'_>) -> Outcome {
    match (call.verb(), call.query("mode").as_deref()) {
        ("GET", _) => list(apis, call),
        ("POST", Some("import")) => key_import::import(apis, call).await,
        ("POST", _) => {
            let new: NewKey = input(call.body())?;
            apis.change_plans(|registry| create(apis, registry, new, call.now)).await
        }
        _ => Err(call.absent()),
    }
}

/// `GetApiKey`, `UpdateApiKey`, `DeleteApiKey`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, id: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let registry = apis.plans().read();
            let key = registry.key(id).ok_or_else(no_key)?;
            let with_value = call.query("includeValue").as_deref() == Some("true");
            Reply::ok(&with_tags(key, with_value))
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change_plans(|registry| {
                let mut key = ApiKey::clone(registry.key(id).ok_or_else(no_key)?);
                for operation in &operations {
                    update(&mut key, operation)?;
                }
                key.last_updated_date = call.now;
                let reply = Reply::ok(&with_tags(&key, false))?;
                Ok((reply, vec![Edit::PutKey(key)]))
            })
            .await
        }
        "DELETE" => {
            apis.change_plans(|registry| {
                registry.key(id).ok_or_else(no_key)?;
                Ok((Reply::empty(202), vec![Edit::DeleteKey(id.to_owned())]))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

fn list(apis: &Apis, call: &Call<'_>) -> Outcome {
    let prefix = call.query("name").unwrap_or_default();
    let customer = call.query("customerId");
    let with_values = call.query("includeValues").as_deref() == Some("true");
    let registry = apis.plans().read();
    let shown = registry
        .newest_keys()
        .into_iter()
        .filter(|key| key.name.as_deref().unwrap_or_default().starts_with(&prefix))
        .filter(|key| customer.is_none() || key.customer_id == customer)
        .map(|key| view(key, with_values))
        .collect();
    page(shown, &call.paging()?)
}

fn create(
    apis: &Apis,
    registry: &Registry,
    new: NewKey,
    now: i64,
) -> Result<(Reply, Vec<Edit>), AwsError> {
    let mut stage_keys = Vec::with_capacity(new.stage_keys.len());
    for StageKey { rest_api_id, stage_name } in new.stage_keys {
        let api = apis.get(&rest_api_id).ok_or_else(no_stage)?;
        api.stages.get(&stage_name).ok_or_else(no_stage)?;
        stage_keys.push(format!("{rest_api_id}/{stage_name}"));
    }
    check_room(registry, 1)?;
    let value = checked_value(new.value.filter(|value| !value.is_empty()))?;
    if registry.key_of_value(&value).is_some() {
        return Err(conflict("API Key already exists"));
    }
    let key = ApiKey {
        id: ids::unused(10, |id| registry.key(id).is_some())?,
        value,
        name: checked_name(new.name)?,
        customer_id: new.customer_id.filter(|id| !id.is_empty()),
        description: checked_description(new.description)?,
        enabled: new.enabled,
        created_date: now,
        last_updated_date: now,
        stage_keys,
        tags: tags::checked(new.tags)?,
    };
    let reply = Reply::created(&key)?;
    Ok((reply, vec![Edit::PutKey(key)]))
}

/// Refuses more keys than an account has room for.
pub(super) fn check_room(registry: &Registry, more: usize) -> Result<(), AwsError> {
    if registry.key_count() + more > plans::MOST_KEYS {
        return Err(limit_exceeded(format!(
            "Maximum number of API keys exceeded: an account can have {}",
            plans::MOST_KEYS
        )));
    }
    Ok(())
}

/// The value that was asked for, or a new one.
pub(super) fn checked_value(value: Option<String>) -> Result<String, AwsError> {
    let Some(value) = value else { return ids::key_value() };
    match value.chars().count() {
        ..20 => Err(bad_request("API Key value should be at least 20 characters")),
        129.. => Err(bad_request("API Key value exceeds maximum size of 128 characters")),
        _ => Ok(value),
    }
}

/// A name that AWS takes; an empty one is none.
pub(super) fn checked_name(name: Option<String>) -> Result<Option<String>, AwsError> {
    match name {
        Some(name) if name.chars().count() > LONGEST_NAME => {
            Err(bad_request("Invalid API Key name, can be at most 1024 characters."))
        }
        name => Ok(name.filter(|name| !name.is_empty())),
    }
}

/// A description that AWS takes; an empty one is none.
pub(super) fn checked_description(text: Option<String>) -> Result<Option<String>, AwsError> {
    match text {
        Some(text) if text.chars().count() > LONGEST_DESCRIPTION => {
            Err(bad_request("Invalid API Key description specified."))
        }
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

fn update(key: &mut ApiKey, operation: &PatchOperation) -> Result<(), AwsError> {
    let replaces = operation.must_replace().is_ok();
    match operation.path.as_str() {
        "/name" if replaces => key.name = checked_name(operation.value.clone())?,
        "/description" if replaces => {
            key.description = checked_description(operation.value.clone())?;
        }
        "/enabled" if replaces => key.enabled = operation.flag(),
        "/customerId" if replaces => {
            key.customer_id = operation.value.clone().filter(|id| !id.is_empty());
        }
        _ => return Err(operation.unsupported("/description, /enabled, /name, /customerId")),
    }
    Ok(())
}

/// A key as lists show it: the value only where it is asked for.
fn view(key: &ApiKey, with_value: bool) -> Value {
    let mut shown = json!(key);
    if !with_value && let Some(members) = shown.as_object_mut() {
        members.shift_remove("value");
    }
    shown
}

/// `GetApiKey` and `UpdateApiKey` answer tags even where there are none.
fn with_tags(key: &ApiKey, with_value: bool) -> Value {
    let mut shown = view(key, with_value);
    shown["tags"] = json!(key.tags);
    shown
}
