//! The event of a Lambda proxy integration, payload format 1.0.
//!
//! Members and their order follow "Input format of a Lambda function for proxy integration" in the
//! developer guide. The event is written straight into one buffer.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use http::HeaderMap;
use time::{Month, OffsetDateTime};

use super::live::Serving;
use super::request::{Context, Multi};
use super::tree::Matched;
use crate::core::ACCOUNT_ID;

/// Headers between the client and the gateway alone, which no back end sees.
const HOP_BY_HOP: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Headers that the gateway writes itself.
const OWN: [&str; 4] =
    ["x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"];

/// The event for a request.
pub(super) fn build(context: &Context<'_>, matched: &Matched<'_>, serving: &Serving) -> Vec<u8> {
    let request = context.request;
    let mut out = String::with_capacity(2560 + request.body.len() * 4 / 3);
    member(&mut out, "{\"resource\":", &matched.route.path);
    member(&mut out, ",\"path\":", &context.path);
    member(&mut out, ",\"httpMethod\":", request.method.as_str());
    let headers = headers(context);
    out.push_str(",\"headers\":");
    last_values(&mut out, &headers);
    out.push_str(",\"multiValueHeaders\":");
    all_values(&mut out, &headers);
    out.push_str(",\"queryStringParameters\":");
    last_values(&mut out, &context.query);
    out.push_str(",\"multiValueQueryStringParameters\":");
    all_values(&mut out, &context.query);
    out.push_str(",\"pathParameters\":");
    path_parameters(&mut out, matched);
    out.push_str(",\"stageVariables\":");
    out.push_str(&serving.variables_json);
    out.push_str(",\"requestContext\":");
    request_context(&mut out, context, matched, serving);
    body(&mut out, context, serving);
    out.push('}');
    out.into_bytes()
}

/// Writes `lead` and `value` as a JSON string.
fn member(out: &mut String, lead: &str, value: &str) {
    out.push_str(lead);
    text(out, value);
}

/// Writes a JSON string.
pub(super) fn text(out: &mut String, value: &str) {
    out.push('"');
    let mut clean = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&value[clean..at]);
        clean = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
    }
    out.push_str(&value[clean..]);
    out.push('"');
}

fn last_values(out: &mut String, values: &Multi<'_>) {
    object(out, values, |out, values| text(out, values.last().map_or("", Cow::as_ref)));
}

fn all_values(out: &mut String, values: &Multi<'_>) {
    object(out, values, |out, values| {
        out.push('[');
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            text(out, value);
        }
        out.push(']');
    });
}

fn path_parameters(out: &mut String, matched: &Matched<'_>) {
    let parameters = matched.parameters.iter().map(|(name, value)| (*name, value));
    object(out, parameters, |out, value| text(out, value));
}

/// A JSON object of `entries`; AWS writes `null` where there are none.
fn object<N: AsRef<str>, V>(
    out: &mut String,
    entries: impl IntoIterator<Item = (N, V)>,
    write: impl Fn(&mut String, V),
) {
    let mut lead = '{';
    for (name, value) in entries {
        out.push(lead);
        text(out, name.as_ref());
        out.push(':');
        write(out, value);
        lead = ',';
    }
    out.push_str(if lead == '{' { "null" } else { "}" });
}

/// The request's headers as a back end sees them: with the gateway's own.
pub(super) fn headers<'a>(context: &'a Context<'_>) -> Multi<'a> {
    let request = context.request;
    let mut headers = Multi::new();
    for name in request.headers.keys() {
        let lower = name.as_str();
        if HOP_BY_HOP.contains(&lower) || OWN.contains(&lower) {
            continue;
        }
        let values =
            request.headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
        headers.insert(Cow::Borrowed(usual_case(lower)), values.collect());
    }
    if context.test {
        return headers;
    }
    headers.entry(Cow::Borrowed("Host")).or_insert_with(|| vec![Cow::Borrowed(&*request.host)]);
    let address = request.source_ip.to_string();
    let forwarded = match joined(&request.headers, "x-forwarded-for") {
        Some(before) => format!("{before}, {address}"),
        None => address,
    };
    let port = request.host.rsplit_once(':').map_or("80", |(_, port)| port);
    headers.insert(Cow::Borrowed("X-Forwarded-For"), vec![Cow::Owned(forwarded)]);
    headers.insert(Cow::Borrowed("X-Forwarded-Port"), vec![Cow::Borrowed(port)]);
    headers.insert(Cow::Borrowed("X-Forwarded-Proto"), vec![Cow::Borrowed("http")]);
    headers.insert(Cow::Borrowed("X-Amzn-Trace-Id"), vec![Cow::Borrowed(&*context.trace_id)]);
    headers
}

fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<&str> =
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// The well-known headers as clients usually write them. HTTP servers give names in lower case, so
/// that what the client wrote is lost; other names stay in lower case.
pub(super) fn usual_case(lower: &str) -> &str {
    match lower {
        "accept" => "Accept",
        "accept-charset" => "Accept-Charset",
        "accept-encoding" => "Accept-Encoding",
        "accept-language" => "Accept-Language",
        "authorization" => "Authorization",
        "cache-control" => "Cache-Control",
        "content-encoding" => "Content-Encoding",
        "content-language" => "Content-Language",
        "content-type" => "Content-Type",
        "cookie" => "Cookie",
        "date" => "Date",
        "forwarded" => "Forwarded",
        "host" => "Host",
        "if-match" => "If-Match",
        "if-modified-since" => "If-Modified-Since",
        "if-none-match" => "If-None-Match",
        "origin" => "Origin",
        "pragma" => "Pragma",
        "range" => "Range",
        "referer" => "Referer",
        "user-agent" => "User-Agent",
        "via" => "Via",
        other => other,
    }
}

fn request_context(
    out: &mut String,
    context: &Context<'_>,
    matched: &Matched<'_>,
    serving: &Serving,
) {
    let request = context.request;
    let api = request.api_id.as_str();
    member(out, "{\"accountId\":", ACCOUNT_ID);
    member(out, ",\"apiId\":", api);
    member(out, ",\"deploymentId\":", &serving.deployment_id);
    member(out, ",\"resourceId\":", &matched.route.resource_id);
    member(out, ",\"resourcePath\":", &matched.route.path);
    member(out, ",\"stage\":", context.stage);
    out.push_str(",\"path\":");
    text(out, &format!("/{}{}", context.stage, context.path));
    member(out, ",\"httpMethod\":", request.method.as_str());
    out.push_str(",\"protocol\":\"HTTP/1.1\"");
    member(out, ",\"requestId\":", &context.request_id);
    member(out, ",\"extendedRequestId\":", &context.extended_request_id);
    member(out, ",\"requestTime\":", &request_time(context.now));
    let _ = write!(out, ",\"requestTimeEpoch\":{}", context.now);
    let domain = domain(api, &request.host);
    member(out, ",\"domainName\":", &domain);
    member(out, ",\"domainPrefix\":", domain.split('.').next().unwrap_or_default());
    member(out, ",\"identity\":{\"sourceIp\":", &request.source_ip.to_string());
    out.push_str(",\"userAgent\":");
    match context.header("user-agent") {
        Some(agent) => text(out, agent),
        None => out.push_str("null"),
    }
    if let Some(key) = &context.api_key {
        member(out, ",\"apiKey\":", &key.value);
        member(out, ",\"apiKeyId\":", &key.id);
    }
    for name in [
        "accountId",
        "accessKey",
        "caller",
        "user",
        "userArn",
        "principalOrgId",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "cognitoAuthenticationType",
        "cognitoAuthenticationProvider",
    ] {
        let _ = write!(out, ",\"{name}\":null");
    }
    out.push_str("}}");
}

/// The name under which the API was called; one that was called by address has the name that the
/// local cloud gives it.
pub(super) fn domain(api: &str, host: &str) -> String {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if name.starts_with(api) { name.to_owned() } else { format!("{api}.execute-api.localhost") }
}

/// `20/Nov/2026:10:00:00 +0000`, as the Common Log Format has it.
pub(in super::super) fn request_time(millis: i64) -> String {
    let time =
        OffsetDateTime::from_unix_timestamp(millis / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = match time.month() {
        Month::January => "Jan",
        Month::February => "Feb",
        Month::March => "Mar",
        Month::April => "Apr",
        Month::May => "May",
        Month::June => "Jun",
        Month::July => "Jul",
        Month::August => "Aug",
        Month::September => "Sep",
        Month::October => "Oct",
        Month::November => "Nov",
        Month::December => "Dec",
    };
    format!(
        "{:02}/{month}/{}:{:02}:{:02}:{:02} +0000",
        time.day(),
        time.year(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

fn body(out: &mut String, context: &Context<'_>, serving: &Serving) {
    let body = &context.request.body;
    let binary = context
        .header("content-type")
        .is_some_and(|kind| media_matches(&serving.tree.binary_media_types, kind))
        || serving.tree.binary_media_types.iter().any(|kind| kind == "*/*");
    out.push_str(",\"body\":");
    if body.is_empty() {
        out.push_str("null");
    } else if binary {
        out.push('"');
        base64::engine::general_purpose::STANDARD.encode_string(body, out);
        out.push('"');
    } else {
        text(out, &String::from_utf8_lossy(body));
    }
    let encoded = binary && !body.is_empty();
    let _ = write!(out, ",\"isBase64Encoded\":{encoded}");
}

/// Whether a media type such as `image/png; q=1` is among `types`, which may say `image/*`.
pub(super) fn media_matches(types: &[String], media: &str) -> bool {
    let media = media.split(';').next().unwrap_or_default().trim();
    types.iter().any(|known| {
        known == "*/*"
            || known.eq_ignore_ascii_case(media)
            || known.strip_suffix("/*").is_some_and(|family| {
                media.split_once('/').is_some_and(|(kind, _)| kind.eq_ignore_ascii_case(family))
            })
    })
}
