//! Integrations: the back end of a method.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::model::{Integration, Texts};
use super::super::patch::{self, PatchOperation};
use super::super::reply::{
    Outcome, Reply, bad_request, input, invalid_value, no_resource, not_found,
};
use super::super::state::Apis;
use super::Call;
use super::mappings;
use super::methods::{find, find_mut};
use crate::error::AwsError;

/// What AWS allows without a raised quota, in milliseconds.
const TIMEOUTS: std::ops::RangeInclusive<u64> = 50..=29_000;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewIntegration {
    #[serde(rename = "type")]
    kind: Option<String>,
    http_method: Option<String>,
    uri: Option<String>,
    connection_type: Option<String>,
    connection_id: Option<String>,
    credentials: Option<String>,
    request_parameters: Texts,
    request_templates: BTreeMap<String, Option<String>>,
    passthrough_behavior: Option<String>,
    content_handling: Option<String>,
    timeout_in_millis: Option<u64>,
    cache_namespace: Option<String>,
    cache_key_parameters: Option<Vec<String>>,
    tls_config: Option<Value>,
}

/// 404 for a method without a back end.
pub(super) fn no_integration() -> AwsError {
    not_found("Invalid Integration identifier specified")
}

/// `PutIntegration`, `GetIntegration`, `UpdateIntegration`, `DeleteIntegration`.
pub(super) async fn one(
    apis: &Apis,
    call: &Call<'_>,
    api: &str,
    (resource, verb): (&str, &str),
) -> Outcome {
    match call.verb() {
        "GET" => {
            let api = apis.get(api).ok_or_else(no_resource)?;
            let method = find(&api.definition, resource, verb)?;
            Reply::ok(method.method_integration.as_ref().ok_or_else(no_integration)?)
        }
        "PUT" => {
            let integration = create(input(call.body())?, resource)?;
            apis.change(api, no_resource(), |api| {
                let method = find_mut(api.edit(), resource, verb)?;
                mappings::check_request(method, &integration.request_parameters)?;
                let reply = Reply::created(&integration);
                method.method_integration = Some(integration);
                reply
            })
            .await
        }
        "PATCH" => {
            let operations = patch::read(call.body())?;
            apis.change(api, no_resource(), |api| {
                let method = find_mut(api.edit(), resource, verb)?;
                let mut integration =
                    method.method_integration.clone().ok_or_else(no_integration)?;
                for operation in &operations {
                    update(&mut integration, operation)?;
                }
                check(&integration)?;
                mappings::check_request(method, &integration.request_parameters)?;
                Reply::ok(method.method_integration.insert(integration))
            })
            .await
        }
        "DELETE" => {
            apis.change(api, no_resource(), |api| {
                let method = find_mut(api.edit(), resource, verb)?;
                method.method_integration.take().ok_or_else(no_integration)?;
                Ok(Reply::empty(204))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

fn create(new: NewIntegration, resource: &str) -> Result<Integration, AwsError> {
    let kind = new.kind.ok_or_else(|| {
        invalid_value("null", "putIntegrationInput.type", "Member must not be null")
    })?;
    let integration = Integration {
        connection_type: connection(new.connection_type, &kind),
        kind,
        http_method: new.http_method,
        uri: new.uri,
        connection_id: new.connection_id,
        credentials: new.credentials,
        request_parameters: new.request_parameters,
        request_templates: new.request_templates,
        passthrough_behavior: new
            .passthrough_behavior
            .unwrap_or_else(|| "WHEN_NO_MATCH".to_owned()),
        content_handling: new.content_handling,
        timeout_in_millis: new.timeout_in_millis.unwrap_or(29_000),
        cache_namespace: new.cache_namespace.unwrap_or_else(|| resource.to_owned()),
        cache_key_parameters: new.cache_key_parameters.unwrap_or_default(),
        integration_responses: BTreeMap::new(),
        tls_config: new.tls_config,
    };
    check(&integration)?;
    Ok(integration)
}

/// How the gateway reaches the back end: shown for HTTP back ends even when it was not said.
pub(in super::super) fn connection(asked: Option<String>, kind: &str) -> Option<String> {
    asked.or_else(|| kind.starts_with("HTTP").then(|| "INTERNET".to_owned()))
}

/// Refuses an integration that AWS refuses.
pub(in super::super) fn check(integration: &Integration) -> Result<(), AwsError> {
    let kind = integration.kind.as_str();
    if !matches!(kind, "AWS" | "AWS_PROXY" | "HTTP" | "HTTP_PROXY" | "MOCK") {
        return Err(invalid_value(
            &format!("'{kind}'"),
            "putIntegrationInput.type",
            "Member must satisfy enum value set: [HTTP, MOCK, AWS_PROXY, HTTP_PROXY, AWS]",
        ));
    }
    if !matches!(
        integration.passthrough_behavior.as_str(),
        "WHEN_NO_MATCH" | "WHEN_NO_TEMPLATES" | "NEVER"
    ) {
        return Err(bad_request(format!(
            "Invalid passthrough behavior specified: {}. Valid options are WHEN_NO_MATCH, \
             WHEN_NO_TEMPLATES, NEVER",
            integration.passthrough_behavior
        )));
    }
    if !TIMEOUTS.contains(&integration.timeout_in_millis) {
        return Err(bad_request("Timeout should be between 50 ms and 29000 ms"));
    }
    if kind == "MOCK" {
        return Ok(());
    }
    if integration.http_method.as_deref().is_none_or(str::is_empty) {
        return Err(bad_request("Enumeration value for HttpMethod must be non-empty"));
    }
    let uri = integration.uri.as_deref().unwrap_or_default();
    if kind.starts_with("HTTP") { check_url(uri) } else { check_arn(uri, kind) }
}

fn check_url(uri: &str) -> Result<(), AwsError> {
    if uri.starts_with("http://") || uri.starts_with("https://") || uri.contains("${stageVariables")
    {
        Ok(())
    } else {
        Err(bad_request("Invalid HTTP endpoint specified for URI"))
    }
}

fn check_arn(uri: &str, kind: &str) -> Result<(), AwsError> {
    let parts: Vec<&str> = uri.splitn(6, ':').collect();
    let [arn, partition, "apigateway", _region, service, target] = parts[..] else {
        return Err(bad_request("Invalid ARN specified in the request"));
    };
    if arn != "arn" || !partition.starts_with("aws") {
        return Err(bad_request("Invalid ARN specified in the request"));
    }
    if !(target.starts_with("path/") || target.starts_with("action/")) {
        return Err(bad_request("AWS ARN for integration must contain path or action"));
    }
    if kind == "AWS_PROXY" && !matches!(service, "lambda" | "firehose") {
        return Err(bad_request(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose \
             stream invocations.",
        ));
    }
    Ok(())
}

fn update(integration: &mut Integration, operation: &PatchOperation) -> Result<(), AwsError> {
    let parts = operation.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["uri"] => integration.uri = operation.optional(),
        ["httpMethod"] => integration.http_method = operation.optional(),
        ["type"] => {
            operation.must_replace()?;
            operation.text().clone_into(&mut integration.kind);
        }
        ["credentials"] => {
            integration.credentials = operation.optional().filter(|text| !text.is_empty());
        }
        ["contentHandling"] => {
            integration.content_handling = operation.optional().filter(|text| !text.is_empty());
        }
        ["connectionType"] => integration.connection_type = operation.optional(),
        ["connectionId"] => integration.connection_id = operation.optional(),
        ["passthroughBehavior"] => {
            operation.must_replace()?;
            operation.text().clone_into(&mut integration.passthrough_behavior);
        }
        ["timeoutInMillis"] => {
            operation.must_replace()?;
            integration.timeout_in_millis = operation
                .text()
                .parse()
                .map_err(|_| bad_request("Timeout should be between 50 ms and 29000 ms"))?;
        }
        ["cacheNamespace"] => {
            operation.must_replace()?;
            operation.text().clone_into(&mut integration.cache_namespace);
        }
        ["cacheKeyParameters", name] => {
            integration.cache_key_parameters.retain(|known| known != name);
            if operation.optional().is_some() || operation.op == patch::Op::Add {
                integration.cache_key_parameters.push((*name).to_owned());
            }
        }
        ["requestParameters", name] => {
            let value = operation.text().to_owned();
            operation.apply_to(&mut integration.request_parameters, name, value)?;
        }
        ["requestTemplates", content_type] => {
            let value = operation.value.clone();
            operation.apply_to(&mut integration.request_templates, content_type, value)?;
        }
        _ => return Err(operation.invalid_path()),
    }
    Ok(())
}
