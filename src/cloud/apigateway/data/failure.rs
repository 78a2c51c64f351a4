//! The gateway's own answers: their default text and how an API customises them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::super::model::GatewayResponse;
use super::request::Context;
use super::substitute::{Names, substitute};
use super::tree::Matched;
use crate::wire::{Answer, full};

/// Why the gateway answers instead of the back end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    /// AWS's type of the answer, by which an API customises it.
    pub kind: &'static str,
    pub status: u16,
    pub message: Cow<'static, str>,
    /// Value of `x-amzn-ErrorType`.
    pub error_type: &'static str,
    /// Whether AWS writes a space after the colon of this body.
    spaced: bool,
    /// What the log says about it.
    pub reason: Option<String>,
    /// How a body violates its model.
    pub violations: Option<String>,
}

impl Failure {
    fn new(
        kind: &'static str,
        status: u16,
        error_type: &'static str,
        message: &'static str,
    ) -> Self {
        Self {
            kind,
            status,
            message: message.into(),
            error_type,
            spaced: false,
            reason: None,
            violations: None,
        }
    }

    fn spaced(mut self) -> Self {
        self.spaced = true;
        self
    }

    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// No method at this path.
    pub fn no_route() -> Self {
        Self::new(
            "MISSING_AUTHENTICATION_TOKEN",
            403,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    }

    /// No such API or stage, or an API that answers elsewhere.
    pub fn forbidden() -> Self {
        Self::new("ACCESS_DENIED", 403, "ForbiddenException", "Forbidden")
    }

    /// No API key that opens the method.
    pub fn no_key(reason: String) -> Self {
        Self::new("INVALID_API_KEY", 403, "ForbiddenException", "Forbidden").because(reason)
    }

    /// A key whose quota is used up.
    pub fn quota_exceeded(reason: String) -> Self {
        Self::new("QUOTA_EXCEEDED", 429, "LimitExceededException", "Limit Exceeded").because(reason)
    }

    /// Required parameters that are missing.
    pub fn parameters(missing: &[&str]) -> Self {
        let mut failure =
            Self::new("BAD_REQUEST_PARAMETERS", 400, "BadRequestException", "").spaced();
        failure.message =
            format!("Missing required request parameters: [{}]", missing.join(", ")).into();
        failure
    }

    /// A body that violates its model.
    pub fn body(media: &str, violations: String) -> Self {
        let reason = format!(
            "Request body does not match model schema for content type {media}: {violations}"
        );
        let mut failure =
            Self::new("BAD_REQUEST_BODY", 400, "BadRequestException", "Invalid request body")
                .spaced()
                .because(reason);
        failure.violations = Some(violations);
        failure
    }

    /// Something that the client may not do.
    pub fn access_denied(message: String) -> Self {
        let mut failure = Self::new("ACCESS_DENIED", 403, "AccessDeniedException", "");
        failure.message = message.into();
        failure
    }

    /// A body that should be JSON and is not.
    pub fn bad_json(message: String) -> Self {
        let mut failure = Self::new("BAD_REQUEST_BODY", 400, "BadRequestException", "").spaced();
        failure.message = message.into();
        failure
    }

    /// A content type that the integration refuses.
    pub fn media_type() -> Self {
        Self::new(
            "UNSUPPORTED_MEDIA_TYPE",
            415,
            "UnsupportedMediaTypeException",
            "Unsupported Media Type",
        )
    }

    /// A body that is too long.
    pub fn too_large() -> Self {
        Self::new("REQUEST_TOO_LARGE", 413, "RequestTooLargeException", "Request Too Long")
    }

    /// Too many requests for a throttle.
    pub fn throttled() -> Self {
        Self::new("THROTTLED", 429, "TooManyRequestsException", "Too Many Requests")
    }

    /// A mistake in how the API is set up.
    pub fn misconfigured(reason: impl Into<String>) -> Self {
        Self::new(
            "API_CONFIGURATION_ERROR",
            500,
            "InternalServerErrorException",
            "Internal server error",
        )
        .spaced()
        .because(format!("Execution failed due to configuration error: {}", reason.into()))
    }

    /// A function that the gateway may not call.
    pub fn not_permitted() -> Self {
        let mut failure = Self::misconfigured("Invalid permissions on Lambda function");
        failure.spaced = false;
        failure
    }

    /// A back end that failed or answered what is no answer.
    pub fn bad_gateway(reason: impl Into<String>) -> Self {
        Self::new("DEFAULT_5XX", 502, "InternalServerErrorException", "Internal server error")
            .spaced()
            .because(reason)
    }

    /// A failure of the gateway.
    pub fn internal(reason: impl Into<String>) -> Self {
        Self::new("DEFAULT_5XX", 500, "InternalServerErrorException", "Internal server error")
            .spaced()
            .because(reason)
    }

    /// A back end that took too long.
    pub fn timeout(millis: u64) -> Self {
        Self::new(
            "INTEGRATION_TIMEOUT",
            504,
            "InternalServerErrorException",
            "Endpoint request timed out",
        )
        .spaced()
        .because(format!("Execution failed due to a timeout error after {millis} ms"))
    }

    /// Something that the local cloud does not have: never a made-up success.
    pub fn absent(what: &str) -> Self {
        let mut failure = Self::new("DEFAULT_5XX", 501, "NotImplementedException", "");
        failure.message = format!("The local cloud does not implement {what}.").into();
        let reason = failure.message.to_string();
        failure.because(reason)
    }

    /// The answer, as the API customises it.
    pub fn answer(
        &self,
        context: &Context<'_>,
        matched: Option<&Matched<'_>>,
        responses: &BTreeMap<String, GatewayResponse>,
        variables: &BTreeMap<String, String>,
    ) -> Answer {
        let catch_all = if self.status < 500 { "DEFAULT_4XX" } else { "DEFAULT_5XX" };
        // What the local cloud does not have is its own statement, never dressed as the API's.
        let custom = if self.status == 501 {
            None
        } else {
            responses.get(self.kind).or_else(|| responses.get(catch_all))
        };
        let names = Names { context, matched, failure: Some(self), variables };
        let status =
            custom.and_then(|one| one.status_code.as_deref()?.parse().ok()).unwrap_or(self.status);
        let template = custom.and_then(|one| {
            let templates = &one.response_templates;
            templates.get_key_value("application/json").or_else(|| templates.iter().next())
        });
        let (content_type, body) = match template {
            Some((kind, template)) => (kind.as_str(), substitute(template, &names)),
            None => ("application/json", self.text()),
        };
        let mut answer = Response::new(full(Bytes::from(body)));
        *answer.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = answer.headers_mut();
        if let Ok(kind) = HeaderValue::from_str(content_type) {
            headers.insert(CONTENT_TYPE, kind);
        }
        headers.insert("x-amzn-errortype", HeaderValue::from_static(self.error_type));
        for (name, expression) in custom.into_iter().flat_map(|one| &one.response_parameters) {
            let name = name.strip_prefix("gatewayresponse.header.").unwrap_or(name);
            let value = names.expression(expression);
            if let (Ok(name), Some(value)) = (HeaderName::try_from(name), value)
                && let Ok(value) = HeaderValue::from_str(&value)
            {
                headers.insert(name, value);
            }
        }
        answer
    }

    fn text(&self) -> String {
        let mut body = String::with_capacity(64);
        body.push_str(if self.spaced { "{\"message\": " } else { "{\"message\":" });
        super::event::text(&mut body, &self.message);
        body.push('}');
        body
    }
}
