//! Variables in gateway responses: plain substitution, as AWS does there, without a template
//! language.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::request::Context;
use super::tree::Matched;

/// What names stand for.
pub(super) struct Names<'a> {
    pub context: &'a Context<'a>,
    pub matched: Option<&'a Matched<'a>>,
    pub failure: Option<&'a Failure>,
    pub variables: &'a BTreeMap<String, String>,
}

impl Names<'_> {
    /// The value of `context.{name}`.
    fn context(&self, name: &str) -> Option<String> {
        let context = self.context;
        Some(match name {
            "error.message" => self.failure?.message.to_string(),
            "error.messageString" => {
                let mut quoted = String::new();
                super::event::text(&mut quoted, &self.failure?.message);
                quoted
            }
            "error.validationErrorString" => self.failure?.violations.clone()?,
            "error.responseType" => self.failure?.kind.to_owned(),
            "accountId" => crate::core::ACCOUNT_ID.to_owned(),
            "protocol" => "HTTP/1.1".to_owned(),
            "isCanaryRequest" => context.canary.to_string(),
            "requestId" => context.request_id.clone(),
            "extendedRequestId" => context.extended_request_id.clone(),
            "apiId" => context.request.api_id.clone(),
            "stage" => context.stage.to_owned(),
            "httpMethod" => context.request.method.to_string(),
            "path" => format!("/{}{}", context.stage, context.path),
            "resourcePath" => self.matched?.route.path.clone(),
            "resourceId" => self.matched?.route.resource_id.clone(),
            "requestTimeEpoch" => context.now.to_string(),
            "requestTime" => super::event::request_time(context.now),
            "identity.sourceIp" => context.request.source_ip.to_string(),
            "identity.apiKey" => context.api_key.as_ref()?.value.clone(),
            "identity.apiKeyId" => context.api_key.as_ref()?.id.clone(),
            "identity.userAgent" => context.header("user-agent")?.to_owned(),
            _ => return None,
        })
    }

    /// The value of a header's mapping expression: a quoted literal, a part of the request, or a
    /// context variable.
    pub fn expression(&self, expression: &str) -> Option<String> {
        if let Some(literal) = literal(expression) {
            return Some(literal.to_owned());
        }
        if let Some(name) = expression.strip_prefix("context.") {
            return self.context(name);
        }
        if let Some(name) = expression.strip_prefix("stageVariables.") {
            return self.variables.get(name).cloned();
        }
        let (place, name) = expression.strip_prefix("method.request.")?.split_once('.')?;
        match place {
            "header" => self.context.header(name).map(str::to_owned),
            "querystring" => self.context.query_value(name).map(str::to_owned),
            "path" => self.matched?.parameter(name).map(str::to_owned),
            _ => None,
        }
    }
}

/// The text between single quotes.
pub(super) fn literal(expression: &str) -> Option<&str> {
    expression.strip_prefix('\'')?.strip_suffix('\'')
}

/// A template with its `$context.…` and `$stageVariables.…` put in; unknown ones are empty.
pub(super) fn substitute(template: &str, names: &Names<'_>) -> String {
    let mut result = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let end = after
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
            .unwrap_or(after.len());
        let name = after[..end].trim_end_matches('.');
        let value = if let Some(name) = name.strip_prefix("context.") {
            Some(names.context(name).unwrap_or_default())
        } else {
            name.strip_prefix("stageVariables.")
                .map(|name| names.variables.get(name).cloned().unwrap_or_default())
        };
        if let Some(value) = value {
            result.push_str(&value);
            rest = &after[name.len()..];
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}
