//! `TestInvokeMethod`: what is asked, and of which method.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;

use super::super::data::backend::Backends;
use super::super::data::{ExecuteRequest, trial};
use super::super::model::Texts;
use super::super::reply::{Outcome, Reply, bad_request, input, no_method, no_resource};
use super::super::state::Apis;
use super::Call;
use super::methods::find;
use crate::error::AwsError;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Trial {
    path_with_query_string: Option<String>,
    body: Option<String>,
    headers: Option<Texts>,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    stage_variables: Option<Texts>,
}

/// Answers `TestInvokeMethod`; nothing when the call is another operation.
pub(in super::super) async fn answer(
    apis: &Apis,
    backends: &dyn Backends,
    call: &Call<'_>,
    now: i64,
) -> Option<Outcome> {
    if call.verb() != "POST" {
        return None;
    }
    let segments = call.request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["restapis", api, "resources", resource, "methods", verb] => {
            Some(run(apis, backends, call, (api, resource, verb), now).await)
        }
        _ => None,
    }
}

async fn run(
    apis: &Apis,
    backends: &dyn Backends,
    call: &Call<'_>,
    (api, resource, verb): (&str, &str, &str),
    now: i64,
) -> Outcome {
    // An unknown API is an unknown resource here, as recorded.
    let api = apis.get(api).ok_or_else(no_resource)?;
    let definition = &api.definition;
    find(definition, resource, verb)?;
    let resource = definition.resources.get(resource).ok_or_else(no_resource)?;
    let asked: Trial = input(call.body())?;
    let variables = asked.stage_variables.clone().unwrap_or_default();
    let request = request(api.id(), &resource.path, verb, asked)?;
    let result = trial::run(definition, resource, variables, backends, &request, now).await?;
    Reply::ok(&result.ok_or_else(no_method)?)
}

/// The request that a client would have sent.
fn request(
    api: &str,
    declared: &str,
    verb: &str,
    asked: Trial,
) -> Result<ExecuteRequest, AwsError> {
    let path = asked.path_with_query_string.filter(|path| !path.is_empty());
    let path = path.unwrap_or_else(|| declared.to_owned());
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let mut headers = HeaderMap::new();
    let single = asked.headers.into_iter().flatten().map(|(name, value)| (name, vec![value]));
    for (name, values) in asked.multi_value_headers.into_iter().flatten().chain(single) {
        for value in values {
            let invalid = || bad_request(format!("Invalid header specified: {name}"));
            let key = HeaderName::try_from(name.as_str()).map_err(|_| invalid())?;
            let value = HeaderValue::from_str(&value).map_err(|_| invalid())?;
            headers.try_append(key, value).map_err(|_| invalid())?;
        }
    }
    // A method for any verb is tried with GET.
    let verb = if verb == "ANY" { "GET" } else { verb };
    Ok(ExecuteRequest {
        api_id: api.to_owned(),
        method: Method::from_bytes(verb.as_bytes()).map_err(|_| no_method())?,
        path: format!("/{}/{}", trial::TEST_STAGE, path.trim_start_matches('/')),
        query: query.to_owned(),
        headers,
        body: Bytes::from(asked.body.unwrap_or_default()),
        source_ip: std::net::IpAddr::from([127, 0, 0, 1]),
        host: format!("{api}.execute-api.localhost"),
    })
}
