//! Non-proxy integrations: mock ones and functions whose requests and answers are mapped.
//!
//! The order is that of "Example resource for a REST API" in the developer guide: parameters and
//! template of the integration request, back end, choice of the integration response, its
//! parameters and template, overrides.

use base64::Engine as _;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::Value;

use super::backend::{Backends, FunctionCall};
use super::check::{LARGEST_BODY, LARGEST_EVENT};
use super::event::media_matches;
use super::execute::{invocation_uri, refused_call, source_arn, within};
use super::failure::Failure;
use super::log::{ExecutionLog, function_failed};
use super::mapping::{Compiled, MappedResponse, Mapping, Templates};
use super::tree::Called;
use super::variables::{View, plain, selected};
use crate::vtl::{Limits, TemplateError};
use crate::wire::{Answer, full};

/// What a back end answered, for the choice and the templates of the integration response.
struct Endpoint {
    /// What patterns are matched against.
    said: String,
    status: u16,
    payload: Bytes,
    headers: Vec<(&'static str, String)>,
}

/// The answer of a mock.
pub(super) fn mock(view: &mut View<'_>, mapping: &Mapping) -> Result<Answer, Failure> {
    parameters(view, mapping)?;
    let document = request(view, mapping)?;
    let status = status_of(&String::from_utf8_lossy(&document)).ok_or_else(|| {
        Failure::misconfigured(
            "Unable to parse statusCode. It should be an integer that is defined in the request \
             template.",
        )
    })?;
    let endpoint =
        Endpoint { said: status.to_string(), status, payload: Bytes::new(), headers: Vec::new() };
    respond(view, mapping, &endpoint)
}

/// The answer of a function.
pub(super) async fn function(
    view: &mut View<'_>,
    backends: &dyn Backends,
    called: &Called,
    mapping: &Mapping,
    log: &mut ExecutionLog,
) -> Result<Answer, Failure> {
    let context = view.context;
    let function = called
        .function
        .resolve(&view.serving.variables)
        .map_err(|name| Failure::misconfigured(format!("the stage has no variable {name}")))?;
    let headers = parameters(view, mapping)?;
    let payload = request(view, mapping)?;
    let payload = if payload.is_empty() { b"{}".to_vec() } else { payload };
    let event = view
        .overridden("X-Amz-Invocation-Type")
        .or_else(|| {
            headers.into_iter().find_map(|(name, value)| {
                name.eq_ignore_ascii_case("x-amz-invocation-type").then_some(value)
            })
        })
        .is_some_and(|kind| kind == "Event");
    let uri = invocation_uri(&function);
    log.data(context, || format!("Endpoint request URI: {uri}"));
    log.data(context, || {
        format!(
            "Endpoint request body after transformations: {}",
            String::from_utf8_lossy(&payload)
        )
    });
    if payload.len() > LARGEST_EVENT {
        return Err(Failure::too_large());
    }
    // Lambda's own answer to what is no JSON.
    serde_json::from_slice::<serde::de::IgnoredAny>(&payload).map_err(|error| {
        Failure::bad_json(format!("Could not parse request body into json: {error}"))
    })?;
    log.info(context, || format!("Sending request to {uri}"));
    let call = FunctionCall {
        function,
        payload: Bytes::from(payload),
        source_arn: source_arn(context, view.matched),
        trace_id: context.trace_id.clone(),
        event,
    };
    let sent = std::time::Instant::now();
    let answered = within(called.timeout_ms, backends.call(call))
        .await?
        .map_err(|error| refused_call(&error))?;
    context.notes.endpoint(answered.request_id.clone());
    let status = if event { 202 } else { 200 };
    context.notes.answered(status, status);
    log.info(context, || {
        let latency = sent.elapsed().as_millis();
        format!("Received response. Status: {status}, Integration latency: {latency} ms")
    });
    log.data(context, || {
        format!(
            "Endpoint response body before transformations: {}",
            String::from_utf8_lossy(&answered.payload)
        )
    });
    let failure = answered.failed.then(|| {
        let document: Value = serde_json::from_slice(&answered.payload).unwrap_or_default();
        document["errorMessage"].as_str().unwrap_or_default().to_owned()
    });
    if answered.failed {
        log.info(context, || function_failed(&answered.payload, &answered.request_id));
    }
    let mut headers = vec![("Content-Type", "application/json".to_owned())];
    if answered.failed {
        headers.push(("X-Amz-Function-Error", "Unhandled".to_owned()));
    }
    let endpoint = Endpoint {
        said: failure.filter(|text| !text.is_empty()).unwrap_or_else(|| status.to_string()),
        status,
        payload: answered.payload,
        headers,
    };
    let mut answer = respond(view, mapping, &endpoint)?;
    if let Ok(trace) = HeaderValue::from_str(&context.trace_id) {
        answer.headers_mut().insert("x-amzn-trace-id", trace);
    }
    Ok(answer)
}

/// The headers that the integration's request parameters make.
fn parameters(view: &View<'_>, mapping: &Mapping) -> Result<Vec<(String, String)>, Failure> {
    let mut headers = Vec::new();
    for (target, expression) in &mapping.request_parameters {
        let value = view.expression(expression)?;
        if let (Some(name), Some(value)) =
            (target.strip_prefix("integration.request.header."), value)
        {
            headers.push((name.to_owned(), value));
        }
    }
    Ok(headers)
}

/// What the request template makes of the request, or the body itself where it passes through.
fn request(view: &mut View<'_>, mapping: &Mapping) -> Result<Vec<u8>, Failure> {
    let sent = view.context.header("content-type").unwrap_or("application/json");
    let media = sent.split(';').next().unwrap_or_default().trim();
    let templates = &mapping.request_templates;
    let template = templates.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(media));
    let refuses = mapping.passthrough == "NEVER"
        || (mapping.passthrough == "WHEN_NO_TEMPLATES" && !templates.is_empty());
    let body = match template {
        None if refuses => return Err(Failure::media_type()),
        _ => view.request_body(mapping.content_handling.as_deref())?,
    };
    let Some((_, Some(template))) = template else { return Ok(body) };
    let text =
        evaluate(view, template, &String::from_utf8_lossy(&body)).map_err(|error| match error {
            TemplateError::NotJson(why) => {
                Failure::bad_json(format!("Could not parse request body into json: {why}"))
            }
            error => Failure::misconfigured(format!("Unable to transform request: {error}")),
        })?;
    Ok(text.into_bytes())
}

/// Evaluates a template and keeps its overrides.
fn evaluate(view: &mut View<'_>, template: &Compiled, body: &str) -> Result<String, TemplateError> {
    let template = template.as_ref().map_err(Clone::clone)?;
    let rendered = template.render(&view.scope(body), &Limits::default())?;
    view.keep(rendered.overrides);
    Ok(rendered.text)
}

/// The answer to the client.
fn respond(view: &mut View<'_>, mapping: &Mapping, endpoint: &Endpoint) -> Result<Answer, Failure> {
    let response = mapping.select(&endpoint.said).ok_or_else(|| {
        Failure::misconfigured(format!(
            "No match for output mapping and no default output mapping configured. Endpoint \
             Response Status Code: {}",
            endpoint.status
        ))
    })?;
    if !mapping.declared.contains(&response.status) {
        return Err(Failure::misconfigured(format!(
            "Output mapping refers to an invalid method response: {}",
            response.status
        )));
    }
    let mut headers = HeaderMap::new();
    for (target, expression) in &response.parameters {
        let Some(name) = target.strip_prefix("method.response.header.") else { continue };
        if let Some(value) = response_value(view, expression, endpoint)? {
            set(&mut headers, name, &value);
        }
    }
    let accept = view.context.header("accept");
    let (kind, template) = chosen(&response.templates, accept);
    let body = match template {
        Some(template) => {
            let payload = String::from_utf8_lossy(&endpoint.payload);
            let text = evaluate(view, template, &payload).map_err(|error| {
                Failure::misconfigured(format!("Unable to transform response: {error}"))
            })?;
            Bytes::from(text)
        }
        None => endpoint.payload.clone(),
    };
    let body = converted(view, response, accept, body)?;
    if body.len() > LARGEST_BODY {
        return Err(Failure::bad_gateway("Execution failed: the response body is too long"));
    }
    let overrides = &view.document["responseOverride"];
    for (name, value) in overrides["header"].as_object().into_iter().flatten() {
        set(&mut headers, name, &plain(value));
    }
    // A status that is no integer from 100 to 599 is ignored, as recorded.
    let overridden = overrides["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let overridden = overridden.filter(|status| (100..=599).contains(status));
    let status = overridden.or_else(|| response.status.parse().ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let mut answer = Response::new(full(body));
    *answer.status_mut() = status
        .filter(|status| !status.is_informational())
        .ok_or_else(|| Failure::misconfigured("the integration response has no valid status"))?;
    if !headers.contains_key(CONTENT_TYPE)
        && let Ok(kind) = HeaderValue::from_str(kind)
    {
        headers.insert(CONTENT_TYPE, kind);
    }
    *answer.headers_mut() = headers;
    Ok(answer)
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

/// The value of a response parameter's expression.
fn response_value(
    view: &View<'_>,
    expression: &str,
    endpoint: &Endpoint,
) -> Result<Option<String>, Failure> {
    let Some(part) = expression.strip_prefix("integration.response.") else {
        return view.expression(expression);
    };
    if part == "body" {
        return Ok(Some(String::from_utf8_lossy(&endpoint.payload).into_owned()));
    }
    if let Some(path) = part.strip_prefix("body.") {
        let document: Value = serde_json::from_slice(&endpoint.payload).unwrap_or_default();
        return Ok(selected(&document, path));
    }
    let name = part.strip_prefix("header.").or_else(|| part.strip_prefix("multivalueheader."));
    let found = name.and_then(|name| {
        endpoint.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
    });
    Ok(found.map(|(_, value)| value.clone()))
}

/// The template for what the client accepts: that media type's, else JSON's, else the first.
fn chosen<'a>(templates: &'a Templates, accept: Option<&str>) -> (&'a str, Option<&'a Compiled>) {
    let of = |kind: &str| templates.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind));
    let accepted = accept
        .into_iter()
        .flat_map(|accept| accept.split(','))
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .find_map(of);
    match accepted.or_else(|| of("application/json")).or_else(|| templates.first()) {
        Some((kind, template)) => (kind, template.as_ref()),
        None => ("application/json", None),
    }
}

/// The body as bytes where the integration response or the client wants it so: what the back end
/// said was their base64 (the table in "Content type conversions in API Gateway").
fn converted(
    view: &View<'_>,
    response: &MappedResponse,
    accept: Option<&str>,
    body: Bytes,
) -> Result<Bytes, Failure> {
    let types = &view.serving.tree.binary_media_types;
    let wants = match response.content_handling.as_deref() {
        Some("CONVERT_TO_BINARY") => true,
        Some(_) => false,
        None => {
            let first = accept.and_then(|accept| accept.split(',').next());
            first.is_some_and(|first| media_matches(types, first))
        }
    };
    if !wants || body.is_empty() {
        return Ok(body);
    }
    let text = body.trim_ascii();
    let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    let decoded = base64::engine::general_purpose::STANDARD.decode(text);
    decoded.map(Bytes::from).map_err(|_| {
        Failure::internal(
            "Execution failed due to configuration error: Unable to base64 decode the body.",
        )
    })
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
