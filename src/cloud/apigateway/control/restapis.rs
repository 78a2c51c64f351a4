//! REST APIs themselves: create, import, put, read, patch, delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::ids;
use super::super::import;
use super::super::model::{Api, Definition, EndpointConfiguration, Resource, RestApi, Texts};
use super::super::patch::{self, Op, PatchOperation};
use super::super::reply::{
    Outcome, Reply, bad_request, conflict, input, invalid_value, no_api, not_found, page,
};
use super::super::state::Apis;
use super::models::default_models;
use super::{Call, tags};
use crate::error::AwsError;

/// What a new API starts with.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Basics {
    name: Option<String>,
    description: Option<String>,
    pub version: Option<String>,
    pub clone_from: Option<String>,
    pub binary_media_types: Option<Vec<String>>,
    pub minimum_compression_size: Option<i32>,
    pub api_key_source: Option<String>,
    pub endpoint_configuration: Option<EndpointConfiguration>,
    pub policy: Option<String>,
    pub tags: Option<Texts>,
    pub disable_execute_api_endpoint: Option<bool>,
}

/// `/restapis`: `GetRestApis`, `CreateRestApi`, `ImportRestApi`.
pub(super) async fn collection(apis: &Apis, call: &Call<'_>) -> Outcome {
    match (call.verb(), call.query("mode").as_deref()) {
        ("GET", _) => list(apis, call),
        ("POST", Some("import")) => import_new(apis, call).await,
        ("POST", _) => create(apis, call).await,
        _ => Err(call.absent()),
    }
}

/// `/restapis/{id}`: `GetRestApi`, `PutRestApi`, `UpdateRestApi`, `DeleteRestApi`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, id: &str) -> Outcome {
    match call.verb() {
        "GET" => with_tags(&apis.get(id).ok_or_else(|| no_api(id))?.definition.api),
        "PUT" => put(apis, call, id).await,
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change(id, no_api(id), |api| {
                let api = &mut api.edit().api;
                for operation in &operations {
                    update(api, operation)?;
                }
                with_tags(api)
            })
            .await
        }
        "DELETE" => {
            apis.delete(id, no_api(id)).await?;
            Ok(Reply::empty(202))
        }
        _ => Err(call.absent()),
    }
}

/// `GetAuthorizers`: what imported documents declared.
pub(super) fn authorizers(apis: &Apis, call: &Call<'_>, id: &str) -> Outcome {
    let api = apis.get(id).ok_or_else(|| no_api(id))?;
    page(api.definition.authorizers.values().cloned().collect(), &call.paging()?)
}

fn list(apis: &Apis, call: &Call<'_>) -> Outcome {
    let mut all: Vec<_> = apis.all();
    all.sort_by(|a, b| {
        let (a, b) = (&a.definition.api, &b.definition.api);
        (a.created_date, &a.id).cmp(&(b.created_date, &b.id))
    });
    page(all.iter().map(|api| json!(api.definition.api)).collect(), &call.paging()?)
}

async fn create(apis: &Apis, call: &Call<'_>) -> Outcome {
    let basics: Basics = input(call.body())?;
    if basics.clone_from.is_some() {
        return Err(AwsError::not_implemented("API Gateway", "CreateRestApi with cloneFrom"));
    }
    let mut definition = definition(basics, call.now, |id| apis.get(id).is_some())?;
    definition.models = default_models()?;
    let reply = Reply::created(&definition.api)?;
    apis.create(new_api(definition)).await?;
    Ok(reply)
}

async fn import_new(apis: &Apis, call: &Call<'_>) -> Outcome {
    let document = import::parse(call.body())?;
    let mut basics = Basics { name: Some(import::title(&document)?), ..Basics::default() };
    if let Some(types) = call.query("endpointConfigurationTypes") {
        basics.endpoint_configuration = Some(EndpointConfiguration {
            ip_address_type: None,
            types: types.split(',').map(str::to_owned).collect(),
            vpc_endpoint_ids: Vec::new(),
        });
    }
    let mut definition = definition(basics, call.now, |id| apis.get(id).is_some())?;
    let warnings =
        import::apply(&mut definition, &document, &options(call, import::Mode::Overwrite))?;
    let reply = reply_with_warnings(201, json!(definition.api), &warnings);
    apis.create(new_api(definition)).await?;
    reply
}

/// Applies a document to an API of its own that nobody keeps, and counts the warnings: the entrance
/// for fuzzing.
#[doc(hidden)]
pub fn try_import(body: &[u8]) -> Result<usize, AwsError> {
    let document = import::parse(body)?;
    let basics = Basics { name: Some(import::title(&document)?), ..Basics::default() };
    let mut definition = definition(basics, 0, |_| false)?;
    let options =
        import::Options { mode: import::Mode::Overwrite, fail_on_warnings: false, base_path: None };
    import::apply(&mut definition, &document, &options).map(|warnings| warnings.len())
}

async fn put(apis: &Apis, call: &Call<'_>, id: &str) -> Outcome {
    let mode = match call.query("mode").as_deref() {
        None | Some("merge") => import::Mode::Merge,
        Some("overwrite") => import::Mode::Overwrite,
        Some(other) => {
            return Err(invalid_value(
                &format!("'{other}'"),
                "mode",
                "Member must satisfy enum value set: [merge, overwrite]",
            ));
        }
    };
    let document = import::parse(call.body())?;
    let options = options(call, mode);
    apis.change(id, no_api(id), |api| {
        let warnings = import::apply(api.edit(), &document, &options)?;
        reply_with_warnings(200, shown(&api.definition.api), &warnings)
    })
    .await
}

fn options(call: &Call<'_>, mode: import::Mode) -> import::Options {
    import::Options {
        mode,
        fail_on_warnings: call.query("failonwarnings").is_some_and(|text| text == "true"),
        base_path: call.query("basepath"),
    }
}

fn reply_with_warnings(status: u16, mut api: Value, warnings: &[String]) -> Outcome {
    if !warnings.is_empty() {
        api["warnings"] = json!(warnings);
    }
    Reply::json(status, &api)
}

fn new_api(definition: Definition) -> Api {
    Api { definition: Arc::new(definition), deployments: BTreeMap::new(), stages: BTreeMap::new() }
}

/// A definition with nothing but a root resource; `taken` knows the ids in use.
fn definition(
    basics: Basics,
    now: i64,
    taken: impl Fn(&str) -> bool,
) -> Result<Definition, AwsError> {
    let name = match basics.name {
        None => {
            return Err(invalid_value(
                "null",
                "createRestApiInput.name",
                "Member must not be null",
            ));
        }
        Some(name) if name.trim().is_empty() => {
            return Err(bad_request("API name cannot be blank"));
        }
        Some(name) => name,
    };
    if basics.description.as_deref() == Some("") {
        return Err(bad_request("Description cannot be an empty string"));
    }
    let root_resource_id = ids::new(10)?;
    let root = Resource {
        id: root_resource_id.clone(),
        parent_id: None,
        path_part: None,
        path: "/".to_owned(),
        methods: BTreeMap::new(),
    };
    let api = RestApi {
        id: ids::unused(10, taken)?,
        name,
        description: basics.description,
        created_date: now,
        version: basics.version,
        binary_media_types: basics.binary_media_types.unwrap_or_default(),
        minimum_compression_size: basics.minimum_compression_size,
        api_key_source: key_source(basics.api_key_source.as_deref())?,
        endpoint_configuration: endpoint(basics.endpoint_configuration)?,
        policy: basics.policy,
        tags: tags::checked(basics.tags.unwrap_or_default())?,
        disable_execute_api_endpoint: basics.disable_execute_api_endpoint.unwrap_or(false),
        root_resource_id: root_resource_id.clone(),
    };
    Ok(Definition {
        api,
        resources: BTreeMap::from([(root_resource_id, root)]),
        models: BTreeMap::new(),
        validators: BTreeMap::new(),
        gateway_responses: BTreeMap::new(),
        authorizers: BTreeMap::new(),
    })
}

fn key_source(source: Option<&str>) -> Result<String, AwsError> {
    match source {
        None => Ok("HEADER".to_owned()),
        Some(source @ ("HEADER" | "AUTHORIZER")) => Ok(source.to_owned()),
        Some(other) => Err(invalid_value(
            &format!("'{other}'"),
            "createRestApiInput.apiKeySource",
            "Member must satisfy enum value set: [HEADER, AUTHORIZER]",
        )),
    }
}

fn endpoint(asked: Option<EndpointConfiguration>) -> Result<EndpointConfiguration, AwsError> {
    let mut endpoint = asked.unwrap_or(EndpointConfiguration {
        ip_address_type: None,
        types: Vec::new(),
        vpc_endpoint_ids: Vec::new(),
    });
    if endpoint.types.is_empty() {
        endpoint.types.push("EDGE".to_owned());
    }
    if endpoint.types.iter().any(|kind| !matches!(kind.as_str(), "EDGE" | "REGIONAL" | "PRIVATE")) {
        return Err(invalid_value(
            &format!("'[{}]'", endpoint.types.join(", ")),
            "createRestApiInput.endpointConfiguration.types",
            "Member must satisfy constraint: [Member must satisfy enum value set: [PRIVATE, EDGE, \
             REGIONAL]]",
        ));
    }
    if endpoint.types.len() > 1 {
        return Err(bad_request("Cannot create an api with multiple Endpoint Types."));
    }
    if endpoint.ip_address_type.as_deref().is_none_or(str::is_empty) {
        let private = endpoint.types[0] == "PRIVATE";
        endpoint.ip_address_type = Some(if private { "dualstack" } else { "ipv4" }.to_owned());
    }
    Ok(endpoint)
}

/// An API as `GetRestApi` and updates answer it, unlike what creates or lists it: with its tags, even
/// when it has none.
fn with_tags(api: &RestApi) -> Outcome {
    Reply::ok(&shown(api))
}

fn shown(api: &RestApi) -> Value {
    let mut shown = json!(api);
    shown["tags"] = json!(api.tags);
    shown
}

fn update(api: &mut RestApi, operation: &PatchOperation) -> Result<(), AwsError> {
    let parts = operation.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["name"] => {
            operation.must_replace()?;
            if operation.text().trim().is_empty() {
                return Err(bad_request("API name cannot be blank"));
            }
            operation.text().clone_into(&mut api.name);
        }
        ["description"] => {
            api.description = operation.optional().filter(|text| !text.is_empty());
        }
        ["version"] => api.version = operation.optional(),
        ["policy"] => api.policy = operation.optional().filter(|text| !text.is_empty()),
        ["apiKeySource"] => api.api_key_source = key_source(Some(operation.text()))?,
        ["disableExecuteApiEndpoint"] => api.disable_execute_api_endpoint = operation.flag(),
        ["minimumCompressionSize"] => {
            api.minimum_compression_size = match operation.optional().as_deref() {
                None | Some("") => None,
                Some(text) => Some(text.parse().map_err(|_| {
                    bad_request(format!("Invalid minimum compression size: {text}"))
                })?),
            };
        }
        ["endpointConfiguration", "types", _] => {
            operation.must_replace()?;
            let mut asked = api.endpoint_configuration.clone();
            asked.types = vec![operation.text().to_owned()];
            api.endpoint_configuration = endpoint(Some(asked))?;
        }
        ["binaryMediaTypes", media] if !media.is_empty() => {
            let media = (*media).to_owned();
            match operation.op {
                Op::Add => {
                    if !api.binary_media_types.contains(&media) {
                        api.binary_media_types.push(media);
                    }
                }
                Op::Remove => api.binary_media_types.retain(|known| *known != media),
                Op::Replace => {
                    if !api.binary_media_types.contains(&media) {
                        return Err(not_found(format!("Binary media type {media} not found")));
                    }
                    api.binary_media_types.retain(|known| *known != media);
                    let new = operation.text().to_owned();
                    if api.binary_media_types.contains(&new) {
                        return Err(conflict(format!("Binary media type {new} already exists")));
                    }
                    api.binary_media_types.push(new);
                }
                _ => return Err(patch::only(&["add", "remove", "replace"])),
            }
        }
        _ => return Err(operation.invalid_path()),
    }
    Ok(())
}
