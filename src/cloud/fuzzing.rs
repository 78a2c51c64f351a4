//! Stable entrances for the fuzz targets in `fuzz/`: any bytes in, no panic, bounded time.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::iam::OperatorPolicy;
use crate::logs;
use crate::obstacles::operation_name;
use crate::protocol::Form;
use crate::services::Service;
use crate::wire::{ApiRequest, Caller};
use crate::{apigateway, lambda, metrics, server, vtl};

/// Services whose requests are told apart.
const SERVICES: [&str; 10] =
    ["lambda", "apigateway", "logs", "dynamodb", "iam", "sts", "sqs", "sns", "monitoring", "other"];

/// A request as text: `METHOD target`, lines of headers, an empty line, the body. Goes through all
/// that reads a request before it changes anything.
pub fn router(data: &[u8]) {
    let Some(request) = request(data) else { return };
    let _ = server::read_head(&request, "secret");
    let _ = Service::of_request(&request);
    for service in SERVICES {
        let _ = Service::of_scope(service, &request.headers).protocol();
        let _ = operation_name(service, &request);
    }
    let _ = lambda::operation_of(&request);
    let form = Form::read(&request);
    let _ = (form.members("TagKeys"), form.pairs("Tags"), form.number("MaxItems", 1, 1..=9));
    metrics::read_input(&request);
}

/// An OpenAPI document that is imported.
pub fn openapi(data: &[u8]) {
    let _ = apigateway::try_import(data);
}

/// A log filter pattern in the first line, and messages in the others.
pub fn log_pattern(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    logs::try_pattern(lines.next().unwrap_or(""), lines.take(64));
}

/// A log event that may be a document of the embedded metric format.
pub fn emf(data: &[u8]) {
    let _ = metrics::count_series(data, 1_700_000_000);
}

/// A mapping template in front of a zero byte, the payload behind it.
pub fn template(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (template, body) = text.split_once('\0').unwrap_or((&text, "{}"));
    let _ = vtl::render_text(template, body);
}

/// An IAM policy document.
pub fn policy(data: &[u8]) {
    let _ = OperatorPolicy::parse(&String::from_utf8_lossy(data));
}

fn request(data: &[u8]) -> Option<ApiRequest> {
    let end = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let (head, body) = data.split_at(end);
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next()?).into_owned();
    let (method, target) = first.split_once(' ')?;
    let mut headers = HeaderMap::new();
    for line in lines.take(64) {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(line[..at].trim_ascii());
        let value = HeaderValue::from_bytes(line[at + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(ApiRequest {
        method: Method::from_bytes(method.as_bytes()).ok()?,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Bytes::copy_from_slice(body.get(2..).unwrap_or_default()),
        caller: Caller::Operator,
        request_id: String::new(),
    })
}
