//! What an API is beside what the document says: what a stage serves, told from the stage's export, and
//! what is defined and not deployed, told from the API's resources.
//!
//! API Gateway writes much into an export that a document need not say, and fills in what it left out:
//! both are brought to what decides how a request is answered, and that is compared. So are the methods
//! of the resources.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigateway::types::{Integration, IntegrationType, Resource};
use labdeck_aws::{Failure, FailureKind, Result, Target};
use serde_json::{Map, Value, json};

use super::api::METHODS;
use crate::deploy::settings::sorted;
use crate::live;

const INTEGRATION: &str = "x-amazon-apigateway-integration";

/// Where the definition that a stage serves is not as the document. Nothing where the stage does not
/// exist, or may not be exported.
pub async fn observe(
    target: &Target,
    api_id: &str,
    stage: &str,
    document: &Value,
) -> Result<Vec<String>> {
    match served(target, api_id, stage).await {
        Ok(Some(live)) => Ok(changed(&normalised(document), &live)),
        Ok(None) => Ok(Vec::new()),
        Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Denied) => {
            Ok(Vec::new())
        }
        Err(failure) => Err(failure),
    }
}

/// Every method that a stage serves, from its export; `None` where that is no document.
pub(crate) async fn served(target: &Target, api_id: &str, stage: &str) -> Result<Option<Methods>> {
    let answer = target
        .apigateway()
        .get_export()
        .rest_api_id(api_id)
        .stage_name(stage)
        .export_type("oas30")
        .accepts("application/json")
        .parameters("extensions", "apigateway")
        .send()
        .await
        .map_err(|e| Failure::from_sdk(format!("exporting stage {stage} of API {api_id}"), &e));
    let export =
        answer?.body.map(aws_sdk_apigateway::primitives::Blob::into_inner).unwrap_or_default();
    Ok(serde_json::from_slice(&export).ok().map(|export| normalised(&export)))
}

/// Where the definition that an API has now is not as the document, deployed or not. Nothing where it may
/// not be read.
pub async fn observe_defined(
    target: &Target,
    api_id: &str,
    document: &Value,
) -> Result<Vec<String>> {
    match live::methods(target, api_id).await {
        Ok(resources) => Ok(changed(&normalised(document), &defined(&resources))),
        Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Denied) => {
            Ok(Vec::new())
        }
        Err(failure) => Err(failure),
    }
}

/// Every method that is not in `export` as in `document`.
#[cfg(test)]
fn differences(document: &Value, export: &Value) -> Vec<String> {
    changed(&normalised(document), &normalised(export))
}

/// Every method of an API as `GET /path`, with what decides how it answers.
pub(crate) type Methods = BTreeMap<String, Parts>;
/// What decides how a method answers, by what it is.
pub(crate) type Parts = BTreeMap<&'static str, Value>;
/// The part that says whether a method wants a key.
pub(crate) const GUARDED: &str = "API key";

fn changed(wanted: &Methods, live: &Methods) -> Vec<String> {
    let mut all = Vec::new();
    for (method, parts) in wanted {
        match live.get(method) {
            None => all.push(format!("{method} was removed")),
            Some(live) => {
                let changed: Vec<&str> = parts
                    .iter()
                    .filter(|(part, value)| live.get(*part) != Some(value))
                    .map(|(part, _)| *part)
                    .collect();
                if !changed.is_empty() {
                    all.push(format!("{method}: {} changed", changed.join(", ")));
                }
            }
        }
    }
    let added = live.keys().filter(|method| !wanted.contains_key(*method));
    all.extend(added.map(|method| format!("{method} was added")));
    all
}

/// Every method of a document with what decides how it answers.
fn normalised(document: &Value) -> Methods {
    let mut methods = BTreeMap::new();
    let none = Map::new();
    let paths = document.get("paths").and_then(Value::as_object).unwrap_or(&none);
    for (path, item) in paths {
        for verb in METHODS {
            let Some(operation) = item.get(verb) else { continue };
            let name = if verb.starts_with("x-") { "ANY".to_owned() } else { verb.to_uppercase() };
            methods.insert(format!("{name} {path}"), parts(document, operation));
        }
    }
    methods
}

fn parts(document: &Value, operation: &Value) -> Parts {
    let security = operation.get("security").or_else(|| document.get("security"));
    let guarded = security.and_then(Value::as_array).is_some_and(|all| {
        all.iter().any(|one| one.as_object().is_some_and(|schemes| !schemes.is_empty()))
    });
    parts_of(&operation[INTEGRATION], guarded)
}

/// What decides how a method answers: its integration as a document writes it, and whether it is guarded.
fn parts_of(integration: &Value, guarded: bool) -> Parts {
    let text = |name: &str| integration[name].as_str().unwrap_or_default().to_owned();
    let kind = text("type").to_lowercase();
    let mut target = json!({ "type": kind });
    if kind != "mock" {
        target["uri"] = json!(text("uri"));
        target["httpMethod"] = json!(text("httpMethod").to_uppercase());
    }
    let mut keys: Vec<&str> = integration["cacheKeyParameters"]
        .as_array()
        .map(|keys| keys.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    keys.sort_unstable();
    BTreeMap::from([
        ("integration", target),
        ("cache key", json!(keys)),
        (GUARDED, json!(guarded)),
        ("request template", filled(&integration["requestTemplates"])),
        ("request mapping", filled(&integration["requestParameters"])),
        ("responses", responses(&integration["responses"], kind.ends_with("_proxy"))),
    ])
}

/// Every method of an API's resources, in the same form.
pub(crate) fn defined(resources: &[Resource]) -> Methods {
    let mut all = BTreeMap::new();
    for resource in resources {
        let path = resource.path().unwrap_or_default();
        for (verb, method) in resource.resource_methods().into_iter().flatten() {
            let guarded = method.api_key_required().unwrap_or_default()
                || method.authorizer_id().is_some()
                || method.authorization_type().is_some_and(|kind| kind != "NONE");
            let integration = method.method_integration().map(written).unwrap_or_default();
            all.insert(format!("{verb} {path}"), parts_of(&integration, guarded));
        }
    }
    all
}

/// An integration as a document writes it.
fn written(integration: &Integration) -> Value {
    let none = HashMap::new();
    let responses = integration.integration_responses().unwrap_or(&none).values();
    let responses: Map<String, Value> = responses
        .map(|response| {
            let pattern = response.selection_pattern().filter(|text| !text.is_empty());
            let written = json!({
                "statusCode": response.status_code(),
                "responseTemplates": response.response_templates(),
                "responseParameters": response.response_parameters(),
            });
            (pattern.unwrap_or("default").to_owned(), written)
        })
        .collect();
    json!({
        "type": integration.r#type().map(IntegrationType::as_str),
        "uri": integration.uri(),
        "httpMethod": integration.http_method(),
        "cacheKeyParameters": integration.cache_key_parameters(),
        "requestTemplates": integration.request_templates(),
        "requestParameters": integration.request_parameters(),
        "responses": responses,
    })
}

/// The members that hold a text.
fn filled(members: &Value) -> Value {
    let none = Map::new();
    let members = members.as_object().unwrap_or(&none).iter();
    let held: Map<String, Value> = members
        .filter(|(_, value)| value.as_str().is_some_and(|text| !text.is_empty()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    sorted(&Value::Object(held))
}

/// Integration responses by pattern. Those of a proxy integration decide nothing.
fn responses(responses: &Value, proxy: bool) -> Value {
    let none = Map::new();
    let all = responses.as_object().filter(|_| !proxy).unwrap_or(&none).iter();
    let shown: Map<String, Value> = all
        .map(|(pattern, response)| {
            let status = match &response["statusCode"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let shown = json!({
                "status": status,
                "templates": filled(&response["responseTemplates"]),
                "parameters": filled(&response["responseParameters"]),
            });
            (pattern.clone(), shown)
        })
        .collect();
    sorted(&Value::Object(shown))
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigateway::types::Method;

    use super::*;

    fn document(uri: &str) -> Value {
        json!({
            "paths": { "/pets": { "get": {
                "security": [{ "api_key": [] }],
                INTEGRATION: { "type": "aws_proxy", "httpMethod": "POST", "uri": uri },
            }}},
        })
    }

    #[test]
    fn what_api_gateway_fills_in_is_no_difference() {
        let mut export = document("u");
        let integration = &mut export["paths"]["/pets"]["get"][INTEGRATION];
        integration["type"] = json!("AWS_PROXY");
        integration["passthroughBehavior"] = json!("when_no_match");
        integration["timeoutInMillis"] = json!(29000);
        integration["responses"] = json!({ "default": { "statusCode": "200" } });
        export["servers"] = json!([{ "url": "https://x" }]);
        assert_eq!(differences(&document("u"), &export), Vec::<String>::new());
    }

    #[test]
    fn what_resources_say_is_compared_with_the_document() {
        let integration = |uri: &str| {
            Integration::builder()
                .r#type(IntegrationType::AwsProxy)
                .http_method("POST")
                .uri(uri)
                .timeout_in_millis(29_000)
                .build()
        };
        let method = |uri: &str| {
            Method::builder()
                .authorization_type("NONE")
                .api_key_required(true)
                .method_integration(integration(uri))
                .build()
        };
        let resources = |uri: &str| {
            let root = Resource::builder().path("/").build();
            let pets = Resource::builder().path("/pets").resource_methods("GET", method(uri));
            [root, pets.build()]
        };
        let wanted = normalised(&document("u"));
        assert_eq!(changed(&wanted, &defined(&resources("u"))), Vec::<String>::new());
        let other = changed(&wanted, &defined(&resources("other")));
        assert_eq!(other, ["GET /pets: integration changed"]);
        assert_eq!(changed(&wanted, &defined(&[])), ["GET /pets was removed"]);
    }

    #[test]
    fn every_changed_method_is_named_with_what_changed() {
        let mut export = document("other");
        export["paths"]["/pets"]["get"]["security"] = json!([]);
        export["paths"]["/more"] = json!({ "post": { INTEGRATION: { "type": "mock" } } });
        assert_eq!(
            differences(&document("u"), &export),
            ["GET /pets: API key, integration changed", "POST /more was added"]
        );
        assert_eq!(differences(&export, &json!({})).len(), 2);
    }
}
