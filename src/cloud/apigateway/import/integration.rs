//! `x-amazon-apigateway-integration`: the back end of an operation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::control::{check_integration, connection};
use super::super::model::{Integration, IntegrationResponse};
use super::super::reply::bad_request;
use super::{status_text, texts};
use crate::error::AwsError;

/// The integration that an operation declares; `resource` is the id of its resource.
pub(super) fn read(declared: &Value, resource: &str) -> Result<Integration, AwsError> {
    let text = |name: &str| declared[name].as_str().map(str::to_owned);
    let kind = text("type").unwrap_or_default().to_ascii_uppercase();
    let timeout = match &declared["timeoutInMillis"] {
        Value::Null => 29_000,
        value => value
            .as_u64()
            .ok_or_else(|| bad_request("Timeout should be between 50 ms and 29000 ms"))?,
    };
    let integration = Integration {
        http_method: text("httpMethod").map(|verb| verb.to_ascii_uppercase()),
        uri: text("uri"),
        connection_type: connection(text("connectionType"), &kind),
        connection_id: text("connectionId"),
        credentials: text("credentials"),
        request_parameters: texts(&declared["requestParameters"]),
        request_templates: templates(&declared["requestTemplates"]).unwrap_or_default(),
        passthrough_behavior: text("passthroughBehavior")
            .map_or_else(|| "WHEN_NO_MATCH".to_owned(), |text| text.to_ascii_uppercase()),
        content_handling: text("contentHandling").map(|text| text.to_ascii_uppercase()),
        timeout_in_millis: timeout,
        cache_namespace: text("cacheNamespace").unwrap_or_else(|| resource.to_owned()),
        cache_key_parameters: declared["cacheKeyParameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        integration_responses: responses(&declared["responses"])?,
        tls_config: declared.get("tlsConfig").filter(|config| config.is_object()).cloned(),
        kind,
    };
    if integration.kind.is_empty() {
        return Err(bad_request("x-amazon-apigateway-integration has no type"));
    }
    check_integration(&integration)?;
    Ok(integration)
}

/// The responses by status; a document keys them by pattern, `default` for the one without.
fn responses(declared: &Value) -> Result<BTreeMap<String, IntegrationResponse>, AwsError> {
    let mut responses = BTreeMap::new();
    for (pattern, response) in declared.as_object().into_iter().flatten() {
        let status_code = status_text(&response["statusCode"]).ok_or_else(|| {
            bad_request(format!("the integration response '{pattern}' has no statusCode"))
        })?;
        let parameters = texts(&response["responseParameters"]);
        let read = IntegrationResponse {
            status_code: status_code.clone(),
            selection_pattern: (pattern != "default").then(|| pattern.clone()),
            response_parameters: (!parameters.is_empty()).then_some(parameters),
            response_templates: templates(&response["responseTemplates"]),
            content_handling: response["contentHandling"].as_str().map(str::to_ascii_uppercase),
        };
        responses.insert(status_code, read);
    }
    Ok(responses)
}

fn templates(declared: &Value) -> Option<BTreeMap<String, Option<String>>> {
    let declared = declared.as_object().filter(|map| !map.is_empty())?;
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Some(declared.iter().map(|(kind, value)| (kind.clone(), text(value))).collect())
}
