//! Resources: the paths of an API, each below its parent.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::ids;
use super::super::model::{Definition, Resource};
use super::super::patch::{self, PatchOperation};
use super::super::reply::{
    Outcome, Reply, bad_request, conflict, input, no_api, no_resource, page,
};
use super::super::state::Apis;
use super::Call;
use crate::error::AwsError;

/// API Gateway's quota of resources per API.
const MOST: usize = 300;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewResource {
    #[serde(default)]
    path_part: String,
}

/// `GetResources`.
pub(super) fn list(apis: &Apis, call: &Call<'_>, api: &str) -> Outcome {
    if call.verb() != "GET" {
        return Err(call.absent());
    }
    let api = apis.get(api).ok_or_else(|| no_api(api))?;
    let embed = embeds_methods(call);
    let mut resources: Vec<&Resource> = api.definition.resources.values().collect();
    resources.sort_by(|a, b| a.path.cmp(&b.path));
    page(resources.into_iter().map(|resource| view(resource, embed)).collect(), &call.paging()?)
}

/// `GetResource`, `CreateResource` (below `id`), `UpdateResource`, `DeleteResource`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, api: &str, id: &str) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(no_resource)?;
            let resource = api.definition.resources.get(id).ok_or_else(no_resource)?;
            Reply::ok(&view(resource, embeds_methods(call)))
        }
        "POST" => {
            let new: NewResource = input(call.body())?;
            apis.change(api, no_resource(), |api| {
                let definition = api.edit();
                let new = add(definition, id, &new.path_part, &BTreeMap::new())?;
                let resource = definition.resources.get(&new).ok_or_else(no_resource)?;
                Reply::created(&view(resource, false))
            })
            .await
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change(api, no_resource(), |api| {
                let definition = api.edit();
                definition.resources.get(id).ok_or_else(no_resource)?;
                for operation in &operations {
                    update(definition, id, operation)?;
                }
                let resource = definition.resources.get(id).ok_or_else(no_resource)?;
                Reply::ok(&view(resource, false))
            })
            .await
        }
        "DELETE" => {
            apis.change(api, no_resource(), |api| {
                remove(api.edit(), id)?;
                Ok(Reply::empty(202))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

fn embeds_methods(call: &Call<'_>) -> bool {
    form_urlencoded::parse(call.request.query.as_bytes())
        .any(|(key, value)| key == "embed" && value.split(',').any(|part| part == "methods"))
}

/// A resource as AWS answers it: its methods by verb, empty unless they are asked for.
fn view(resource: &Resource, embed: bool) -> Value {
    let mut shown = json!({ "id": resource.id });
    if let (Some(parent), Some(part)) = (&resource.parent_id, &resource.path_part) {
        shown["parentId"] = json!(parent);
        shown["pathPart"] = json!(part);
    }
    shown["path"] = json!(resource.path);
    if !resource.methods.is_empty() {
        let methods: Map<String, Value> = resource
            .methods
            .iter()
            .map(|(verb, method)| (verb.clone(), if embed { json!(method) } else { json!({}) }))
            .collect();
        shown["resourceMethods"] = Value::Object(methods);
    }
    shown
}

/// Adds the resource `part` below `parent` and answers its id: the one that `before` has for its
/// path, or a new one.
pub(in super::super) fn add(
    definition: &mut Definition,
    parent: &str,
    part: &str,
    before: &BTreeMap<String, String>,
) -> Result<String, AwsError> {
    let above = definition.resources.get(parent).ok_or_else(no_resource)?;
    let path = child_path(&above.path, part);
    check_part(part)?;
    check_place(definition, parent, part, None)?;
    if definition.resources.len() >= MOST {
        return Err(AwsError::new(
            429,
            "LimitExceededException",
            format!("An API can have at most {MOST} resources"),
        ));
    }
    let id = match before.get(&path) {
        Some(id) => id.clone(),
        None => ids::unused(6, |id| definition.resources.contains_key(id))?,
    };
    let resource = Resource {
        id: id.clone(),
        parent_id: Some(parent.to_owned()),
        path_part: Some(part.to_owned()),
        path,
        methods: BTreeMap::new(),
    };
    definition.resources.insert(id.clone(), resource);
    Ok(id)
}

fn child_path(parent: &str, part: &str) -> String {
    if parent == "/" { format!("/{part}") } else { format!("{parent}/{part}") }
}

/// Whether a path part is a variable such as `{id}` or `{proxy+}`.
fn is_variable(part: &str) -> bool {
    part.starts_with('{')
}

/// Refuses what cannot be one part of a path.
fn check_part(part: &str) -> Result<(), AwsError> {
    let name = part
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .map(|name| name.strip_suffix('+').unwrap_or(name));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    let good = match name {
        Some(name) => !name.is_empty() && name.chars().all(|c| allowed(c) && c != ':'),
        None => {
            !part.is_empty() && part.chars().all(|c| allowed(c) || "~!$&'()*+,;=@%".contains(c))
        }
    };
    if good {
        Ok(())
    } else {
        Err(bad_request(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and \
             curly braces at the beginning and the end.",
        ))
    }
}

/// Refuses a part that cannot stand below `parent`; `itself` is the resource that moves there.
fn check_place(
    definition: &Definition,
    parent: &str,
    part: &str,
    itself: Option<&str>,
) -> Result<(), AwsError> {
    let above = definition.resources.get(parent).ok_or_else(no_resource)?;
    if let Some(greedy) = above.path_part.as_deref().filter(|part| part.ends_with("+}")) {
        return Err(bad_request(format!(
            "Cannot create a child of a resource with a greedy path variable: {greedy}"
        )));
    }
    let siblings = definition.resources.values().filter(|other| {
        other.parent_id.as_deref() == Some(parent) && Some(other.id.as_str()) != itself
    });
    for sibling in siblings {
        let theirs = sibling.path_part.as_deref().unwrap_or_default();
        if theirs == part {
            return Err(conflict(format!(
                "Another resource with the same parent already has this name: {part}"
            )));
        }
        if is_variable(theirs) && is_variable(part) {
            return Err(bad_request(format!(
                "A sibling ({theirs}) of this resource already has a variable path part -- only \
                 one is allowed"
            )));
        }
    }
    Ok(())
}

fn update(
    definition: &mut Definition,
    id: &str,
    operation: &PatchOperation,
) -> Result<(), AwsError> {
    let replaces = operation.must_replace().is_ok();
    let resource = definition.resources.get(id).ok_or_else(no_resource)?;
    let (Some(parent), Some(part)) = (resource.parent_id.clone(), resource.path_part.clone())
    else {
        return Err(bad_request(format!(
            "Root resource cannot update its {}.",
            operation.path.trim_start_matches('/')
        )));
    };
    let (parent, part) = match operation.path.as_str() {
        "/pathPart" if replaces => {
            check_part(operation.text())?;
            (parent, operation.text().to_owned())
        }
        "/parentId" if replaces => {
            let target = operation.text();
            definition.resources.get(target).ok_or_else(no_resource)?;
            if is_below(definition, target, id) {
                return Err(bad_request("Resources cannot be cyclical."));
            }
            (target.to_owned(), part)
        }
        _ => return Err(operation.unsupported("/parentId, /pathPart")),
    };
    check_place(definition, &parent, &part, Some(id))?;
    if let Some(resource) = definition.resources.get_mut(id) {
        resource.parent_id = Some(parent);
        resource.path_part = Some(part);
    }
    rename_below(definition, id);
    Ok(())
}

/// Whether `id` is `top` or stands somewhere below it.
fn is_below(definition: &Definition, id: &str, top: &str) -> bool {
    let mut current = Some(id);
    while let Some(id) = current {
        if id == top {
            return true;
        }
        current = definition.resources.get(id).and_then(|resource| resource.parent_id.as_deref());
    }
    false
}

/// Writes the paths of a resource and of everything below it anew.
fn rename_below(definition: &mut Definition, id: &str) {
    let mut waiting = vec![id.to_owned()];
    while let Some(id) = waiting.pop() {
        let path = definition.resources.get(&id).and_then(|resource| {
            let parent = definition.resources.get(resource.parent_id.as_deref()?)?;
            Some(child_path(&parent.path, resource.path_part.as_deref()?))
        });
        if let (Some(path), Some(resource)) = (path, definition.resources.get_mut(&id)) {
            resource.path = path;
        }
        waiting.extend(children(definition, &id));
    }
}

fn children(definition: &Definition, id: &str) -> Vec<String> {
    definition
        .resources
        .values()
        .filter(|resource| resource.parent_id.as_deref() == Some(id))
        .map(|resource| resource.id.clone())
        .collect()
}

fn remove(definition: &mut Definition, id: &str) -> Result<(), AwsError> {
    let resource = definition.resources.get(id).ok_or_else(no_resource)?;
    if resource.parent_id.is_none() {
        return Err(bad_request("The root resource cannot be deleted."));
    }
    let mut waiting = vec![id.to_owned()];
    while let Some(id) = waiting.pop() {
        waiting.extend(children(definition, &id));
        definition.resources.remove(&id);
    }
    Ok(())
}
