//! What mapping templates and mapping expressions see of a request: `$context`, the parameters, the
//! body.

use std::borrow::Cow;

use base64::Engine as _;
use serde_json::{Value, json};

use super::event::{self, media_matches};
use super::failure::Failure;
use super::live::Serving;
use super::request::{Context, Multi};
use super::tree::Matched;
use crate::core::ACCOUNT_ID;
use crate::vtl::{Scope, select_json};

/// A request as the templates of its method see it.
pub(super) struct View<'a> {
    pub context: &'a Context<'a>,
    pub matched: &'a Matched<'a>,
    pub serving: &'a Serving,
    /// `$context`, with the overrides that templates made.
    pub document: Value,
    headers: Multi<'a>,
}

impl<'a> View<'a> {
    pub fn new(context: &'a Context<'a>, matched: &'a Matched<'a>, serving: &'a Serving) -> Self {
        let document = document(context, matched, serving);
        let headers = event::headers(context);
        Self { context, matched, serving, document, headers }
    }

    /// The scope of a template that transforms `body`.
    pub fn scope<'b>(&self, body: &'b str) -> Scope<'b> {
        let last = |values: &Multi<'_>| {
            let pair = |(name, values): (&Cow<'_, str>, &Vec<Cow<'_, str>>)| {
                (name.to_string(), values.last().map(ToString::to_string).unwrap_or_default())
            };
            values.iter().map(pair).collect()
        };
        let parameters = self.matched.parameters.iter();
        Scope {
            body,
            path: parameters.map(|(name, value)| ((*name).to_owned(), value.to_string())).collect(),
            querystring: last(&self.context.query),
            header: last(&self.headers),
            context: self.document.clone(),
            stage_variables: self.serving.variables.clone(),
        }
    }

    /// Keeps what a template overrode, for the next one and for the answer.
    pub fn keep(&mut self, overrides: Value) {
        if let (Some(document), Value::Object(overrides)) =
            (self.document.as_object_mut(), overrides)
        {
            document.extend(overrides);
        }
    }

    /// The header's values that a template set for the integration's request.
    pub fn overridden(&self, name: &str) -> Option<String> {
        let headers = self.document["requestOverride"]["header"].as_object()?;
        let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| plain(value))
    }

    /// The value of an expression that maps a part of the request: `method.request.…`, `context.…`,
    /// `stageVariables.…`, or a text in single quotes.
    pub fn expression(&self, expression: &str) -> Result<Option<String>, Failure> {
        if let Some(literal) = super::substitute::literal(expression) {
            return Ok(Some(literal.to_owned()));
        }
        if let Some(name) = expression.strip_prefix("context.") {
            return Ok(selected(&self.document, name));
        }
        if let Some(name) = expression.strip_prefix("stageVariables.") {
            return Ok(self.serving.variables.get(name).cloned());
        }
        let Some(part) = expression.strip_prefix("method.request.") else { return Ok(None) };
        if part == "body" || part.starts_with("body.") {
            return self
                .body(part.strip_prefix("body.").unwrap_or("$"))
                .map_err(|()| Failure::bad_json("Invalid JSON in request body".to_owned()));
        }
        let Some((place, name)) = part.split_once('.') else { return Ok(None) };
        let joined = |values: Option<&Vec<Cow<'_, str>>>| values.map(|values| values.join(","));
        let header = || {
            let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, values)| values)
        };
        Ok(match place {
            "header" => header().and_then(|values| values.last()).map(ToString::to_string),
            "multivalueheader" => joined(header()),
            "querystring" => self.context.query_value(name).map(str::to_owned),
            "multivaluequerystring" => joined(self.context.query.get(name)),
            "path" => self.matched.parameter(name).map(str::to_owned),
            _ => None,
        })
    }

    fn body(&self, path: &str) -> Result<Option<String>, ()> {
        let body = self.context.request.body.trim_ascii();
        if body.is_empty() {
            return Ok(None);
        }
        if path == "$" {
            return Ok(Some(String::from_utf8_lossy(body).into_owned()));
        }
        // Only what begins like JSON is read as such.
        if !matches!(body.first(), Some(b'{' | b'[' | b'"' | b'\'')) {
            return Ok(None);
        }
        let document: Value = serde_json::from_slice(body).map_err(|_| ())?;
        Ok(selected(&document, path))
    }

    /// The request's body for the integration, as its content handling says: text as base64 or the
    /// other way round ("Content type conversions in API Gateway" of the developer guide).
    pub fn request_body(&self, handling: Option<&str>) -> Result<Vec<u8>, Failure> {
        let body = &self.context.request.body;
        let kind = self.context.header("content-type").unwrap_or("application/json");
        let binary = media_matches(&self.serving.tree.binary_media_types, kind);
        let base64 = &base64::engine::general_purpose::STANDARD;
        match handling {
            Some("CONVERT_TO_TEXT") if binary => Ok(base64.encode(body).into_bytes()),
            Some("CONVERT_TO_BINARY") if !binary => base64.decode(body.trim_ascii()).map_err(|_| {
                Failure::internal(
                    "Execution failed due to configuration error: Unable to base64 decode the body.",
                )
            }),
            _ => Ok(body.to_vec()),
        }
    }
}

/// The value at a path as text.
pub(super) fn selected(document: &Value, path: &str) -> Option<String> {
    select_json(document, path).ok().flatten().map(|value| plain(&value))
}

/// A text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `$context` ("Context variables for data transformations" in the developer guide).
fn document(context: &Context<'_>, matched: &Matched<'_>, serving: &Serving) -> Value {
    let request = context.request;
    let domain = event::domain(&request.api_id, &request.host);
    let prefix = domain.split('.').next().unwrap_or_default().to_owned();
    let mut document = json!({
        "accountId": ACCOUNT_ID,
        "apiId": request.api_id,
        "deploymentId": serving.deployment_id,
        "domainName": domain,
        "domainPrefix": prefix,
        "extendedRequestId": context.extended_request_id,
        "httpMethod": request.method.as_str(),
        "identity": {
            "sourceIp": request.source_ip.to_string(),
            "userAgent": context.header("user-agent").unwrap_or_default(),
        },
        "isCanaryRequest": context.canary,
        "path": format!("/{}{}", context.stage, context.path),
        "protocol": "HTTP/1.1",
        "requestId": context.request_id,
        "requestTime": event::request_time(context.now),
        "requestTimeEpoch": context.now,
        "resourceId": matched.route.resource_id,
        "resourcePath": matched.route.path,
        "stage": context.stage,
        "xrayTraceId": context.trace_id,
    });
    if let Some(key) = &context.api_key {
        document["identity"]["apiKey"] = key.value.clone().into();
        document["identity"]["apiKeyId"] = key.id.clone().into();
    }
    if context.test {
        document["identity"]["sourceIp"] = "test-invoke-source-ip".into();
        document["identity"]["apiKey"] = "test-invoke-api-key".into();
        document["identity"]["apiKeyId"] = "test-invoke-api-key-id".into();
        document["path"] = context.path.clone().into();
    }
    document
}
