//! What a measured function is invoked with: a saved event, or a saved request as the gateway would hand
//! it over.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Api, SavedRequest};
use serde_json::{Map, Value, json};

use crate::engine::Engine;
use crate::request;
use crate::request::exchange::OutgoingRequest;
use crate::trial::rank;

/// An event, and what it was made from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Payload {
    /// `event NAME` or `request NAME`.
    pub called: String,
    /// The event.
    pub event: Value,
}

/// The event of this name, the request of this name, or without one the first request that reaches the
/// function through a proxy integration, else its first event.
pub(super) async fn find(
    engine: &Engine,
    blueprint: &Blueprint,
    function: &str,
    wanted: Option<&str>,
) -> Result<Payload> {
    let what = format!("looking for something to invoke {function} with");
    let missing = |why: String| Failure::new(FailureKind::NotFound, &what, why);
    let event = blueprint
        .events
        .iter()
        .find(|event| event.function == function && wanted.is_none_or(|name| name == event.name));
    let request = blueprint.requests.iter().find_map(|saved| {
        let api = blueprint.apis.iter().find(|api| api.name == saved.api)?;
        let named = wanted.is_none_or(|name| name == saved.name);
        let template = named.then(|| reaches(api, saved, function)).flatten()?;
        Some((saved, template))
    });
    match (request, event, wanted) {
        (Some((saved, template)), _, _) => {
            let stage = blueprint.stages.first().map(|stage| stage.name.as_str());
            let stage = stage.ok_or_else(|| missing("the lab has no stages".to_owned()))?;
            let outgoing =
                request::prepare(engine, blueprint, saved, stage, &request::Given::default()).await?;
            let event = proxied(&outgoing, template, stage);
            Ok(Payload { called: format!("request {}", saved.name), event })
        }
        (None, Some(event), _) => Ok(Payload {
            called: format!("event {}", event.name),
            event: event.payload.clone(),
        }),
        (None, None, Some(name)) => Err(missing(format!(
            "no saved event of {function} and no saved request that reaches it is called {name}"
        ))),
        (None, None, None) => Err(missing(
            "the lab has neither a saved event of it nor a saved request that reaches it through a \
             proxy integration"
                .to_owned(),
        )
        .next("write one into lab.toml: [events.NAME] with function and payload")),
    }
}

/// The path template by which a request reaches the function through a proxy integration.
fn reaches<'a>(api: &'a Api, saved: &SavedRequest, function: &str) -> Option<&'a str> {
    let path = saved.path.replace("{{", "").replace("}}", "");
    let method = saved.method.to_ascii_lowercase();
    let paths = api.document.get("paths")?.as_object()?;
    let (_, template, operations) = paths
        .iter()
        .filter_map(|(template, operations)| Some((rank(template, &path)?, template, operations)))
        .min_by(|(a, ..), (b, ..)| a.cmp(b))?;
    let operation =
        operations.get(&method).or_else(|| operations.get("x-amazon-apigateway-any-method"))?;
    let integration = operation.get("x-amazon-apigateway-integration")?;
    let proxy = integration["type"].as_str()?.eq_ignore_ascii_case("aws_proxy");
    let named = integration["uri"].as_str()?;
    let calls = [format!("${{function.{function}}}"), format!("${{function.{function}.arn}}")];
    (proxy && calls.iter().any(|call| named.contains(call))).then_some(template)
}

/// A request as the gateway hands it to a function (API Gateway Developer Guide, "Input format of a Lambda
/// function for proxy integration").
fn proxied(outgoing: &OutgoingRequest, template: &str, stage: &str) -> Value {
    let base = outgoing.origin.as_ref().map_or("", |origin| origin.base_url.as_str());
    let below = outgoing.url.strip_prefix(base).unwrap_or(&outgoing.url);
    let (path, query) = below.split_once('?').unwrap_or((below, ""));
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut single = Map::new();
    let mut multiple: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        single.insert(decoded(name), decoded(value).into());
        multiple.entry(decoded(name)).or_default().push(decoded(value));
    }
    let mut headers = Map::new();
    let mut multi_headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &outgoing.headers {
        headers.insert(name.clone(), value.clone().into());
        multi_headers.entry(name.clone()).or_default().push(value.clone());
    }
    let mut parameters = Map::new();
    let mut segments = path.split('/').skip(1);
    for part in template.split('/').skip(1) {
        let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            segments.next();
            continue;
        };
        if let Some(greedy) = name.strip_suffix('+') {
            let rest: Vec<&str> = segments.by_ref().collect();
            parameters.insert(greedy.to_owned(), decoded(&rest.join("/")).into());
        } else {
            let value = segments.next().unwrap_or_default();
            parameters.insert(name.to_owned(), decoded(value).into());
        }
    }
    let or_null = |map: Map<String, Value>| if map.is_empty() { Value::Null } else { map.into() };
    let listed = |map: BTreeMap<String, Vec<String>>| {
        if map.is_empty() { Value::Null } else { json!(map) }
    };
    json!({
        "resource": template,
        "path": decoded(path),
        "httpMethod": outgoing.method,
        "headers": or_null(headers),
        "multiValueHeaders": listed(multi_headers),
        "queryStringParameters": or_null(single),
        "multiValueQueryStringParameters": listed(multiple),
        "pathParameters": or_null(parameters),
        "stageVariables": null,
        "requestContext": {
            "resourcePath": template,
            "httpMethod": outgoing.method,
            "path": format!("/{stage}{}", decoded(path)),
            "stage": stage,
            "protocol": "HTTP/1.1",
            "requestId": "labdeck-right-size",
            "identity": { "sourceIp": "127.0.0.1", "userAgent": "labdeck" },
        },
        "body": outgoing.body,
        "isBase64Encoded": false,
    })
}
