//! Mock integrations: the gateway answers from templates, without a back end.
//!
//! A request template says the status; the integration response for it says headers and body.
//! Templates are taken as they are: one with a `$` or a `#` needs the template language.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::failure::Failure;
use super::request::Context;
use super::substitute::literal;
use super::tree::MockBackend;
use crate::wire::{Answer, full};

/// The answer of a mock.
pub(super) fn answer(context: &Context<'_>, mock: &MockBackend) -> Result<Answer, Failure> {
    let document = request_document(context, mock)?;
    let status = status_of(&document).ok_or_else(|| {
        Failure::misconfigured(
            "Unable to parse statusCode. It should be an integer that is defined \
                                in the request template.",
        )
    })?;
    let text = status.to_string();
    let matching = mock
        .responses
        .iter()
        .find(|(pattern, _)| pattern.as_ref().is_some_and(|pattern| pattern.is_match(&text)))
        .or_else(|| mock.responses.iter().find(|(pattern, _)| pattern.is_none()));
    let Some((_, response)) = matching else {
        return Err(Failure::misconfigured(
            "No match for output mapping and no default output mapping configured.",
        ));
    };
    let templates = response.response_templates.as_ref();
    let template = templates.and_then(|templates| chosen(templates, context.header("accept")));
    let (content_type, body) = match template {
        Some((kind, template)) => (kind, plain(template, "a mock's response template")?),
        None => ("application/json", ""),
    };
    let mut answer = Response::new(full(Bytes::copy_from_slice(body.as_bytes())));
    *answer.status_mut() = response
        .status_code
        .parse()
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok())
        .filter(|code| !code.is_informational())
        .ok_or_else(|| Failure::misconfigured("the integration response has no valid status"))?;
    let headers = answer.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, kind);
    }
    for (name, expression) in response.response_parameters.iter().flatten() {
        let Some(name) = name.strip_prefix("method.response.header.") else { continue };
        let value = literal(expression).ok_or_else(|| {
            Failure::no_templates(&format!("the response parameter {expression} of a mock"))
        })?;
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    Ok(answer)
}

/// What the request template makes of the request, or the body itself where it passes through.
fn request_document(context: &Context<'_>, mock: &MockBackend) -> Result<String, Failure> {
    let sent = context.header("content-type").unwrap_or("application/json");
    let media = sent.split(';').next().unwrap_or_default().trim();
    let template = mock.request_templates.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(media));
    match template {
        Some((_, Some(template))) => {
            plain(template, "a mock's request template").map(str::to_owned)
        }
        Some((_, None)) => Ok(String::new()),
        None if mock.passthrough == "NEVER"
            || (mock.passthrough == "WHEN_NO_TEMPLATES" && !mock.request_templates.is_empty()) =>
        {
            Err(Failure::media_type())
        }
        None => Ok(String::from_utf8_lossy(&context.request.body).into_owned()),
    }
}

/// The template for what the client accepts: that media type's, else JSON's, else the first.
fn chosen<'a>(
    templates: &'a BTreeMap<String, Option<String>>,
    accept: Option<&str>,
) -> Option<(&'a str, &'a str)> {
    let accepted = accept
        .into_iter()
        .flat_map(|accept| accept.split(','))
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .find_map(|kind| templates.get_key_value(kind));
    let (kind, template) = accepted
        .or_else(|| templates.get_key_value("application/json"))
        .or_else(|| templates.iter().next())?;
    Some((kind, template.as_deref().unwrap_or_default()))
}

/// The template itself, when it needs no evaluation.
fn plain<'a>(template: &'a str, what: &str) -> Result<&'a str, Failure> {
    if template.contains(['$', '#']) { Err(Failure::no_templates(what)) } else { Ok(template) }
}

/// The integer behind `statusCode` in an object whose names may be without quotes.
fn status_of(document: &str) -> Option<u16> {
    let (_, rest) = document.split_once("statusCode")?;
    let rest = rest.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    let complete = after.trim_start().starts_with([',', '}']);
    complete.then(|| digits.parse().ok())?
}
