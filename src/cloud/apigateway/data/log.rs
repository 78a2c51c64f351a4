//! The execution log of a stage, in the group `API-Gateway-Execution-Logs_{api}/{stage}`, and the
//! one that a method's test answers.
//!
//! Words and order are those of real logs, as people keep them in tests of their log parsers: how a request
//! arrives (`Extended Request Id`, `Verifying Usage Plan`), is let in, is executed, and ends with
//! `AWS Integration Endpoint RequestId : ` and Lambda's id of the invocation (two requests of 2019 with
//! their data traced, one that succeeds and one whose function times out, and one that is throttled; a
//! request with a key of 2016). The names of the groups, the cut at 1 KB and that keys and authorization
//! are masked: "Execution logging for REST APIs" in the developer guide. Left out is what the local cloud
//! does not have: `Endpoint request headers` with the signature, and `X-ray Tracing ID`.

use std::collections::BTreeMap;

use http::HeaderMap;
use time::OffsetDateTime;

use super::super::model::MethodSetting;
use super::backend::Backends;
use super::event::usual_case;
use super::request::{Context, Multi};
use super::tree::Matched;

/// Where the text of a line of a stage's log is cut, in bytes, behind the request's id: as AWS cuts
/// execution log events.
const LONGEST_LINE: usize = 1024;

/// What follows where a line was cut.
const CUT: &str = " [TRUNCATED]";

/// Headers whose values the log masks.
const MASKED: [&str; 2] = ["authorization", "x-api-key"];

/// How many characters of a masked value are shown, at its end.
const SHOWN: usize = 6;

/// Where a line of a test's log is cut, in bytes.
const LONGEST_TEST_LINE: usize = 64 * 1024;

/// The lines of one request; kept only when the stage logs.
pub(super) struct ExecutionLog {
    level: Level,
    /// Whether headers and bodies are logged: the stage's data trace.
    data: bool,
    test: bool,
    lines: Vec<(i64, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Off,
    Error,
    Info,
}

impl ExecutionLog {
    /// A log at the level that the stage has for the method.
    pub fn new(setting: Option<&MethodSetting>) -> Self {
        let level = match setting.and_then(|setting| setting.logging_level.as_deref()) {
            Some("INFO") => Level::Info,
            Some("ERROR") => Level::Error,
            _ => Level::Off,
        };
        let data = level == Level::Info && setting.is_some_and(|one| one.data_trace_enabled);
        Self { level, data, test: false, lines: Vec::new() }
    }

    /// The log of a method's test, which has everything.
    pub fn of_test() -> Self {
        Self { level: Level::Info, data: true, test: true, lines: Vec::new() }
    }

    /// Adds a line that only the full log has.
    pub fn info(&mut self, context: &Context<'_>, text: impl FnOnce() -> String) {
        if self.level == Level::Info {
            self.push(context, &text());
        }
    }

    /// Adds a line with what clients and back ends said.
    pub fn data(&mut self, context: &Context<'_>, text: impl FnOnce() -> String) {
        if self.data {
            self.push(context, &text());
        }
    }

    /// Whether headers and bodies are logged.
    pub fn has_data(&self) -> bool {
        self.data
    }

    /// Adds a line about a failure.
    pub fn error(&mut self, context: &Context<'_>, text: &str) {
        if self.level != Level::Off {
            self.push(context, text);
        }
    }

    /// Adds how the request arrives, before anything is asked of it.
    pub fn arrive(&mut self, context: &Context<'_>) {
        let stage = stage_of(context);
        self.info(context, || format!("Extended Request Id: {}", context.extended_request_id));
        self.info(context, || {
            let (id, key) = (&context.request_id, key_of(context));
            format!("Verifying Usage Plan for request: {id}. API Key: {key} API Stage: {stage}")
        });
    }

    /// Adds that the request is let in by its key, or needs none.
    pub fn admit(&mut self, context: &Context<'_>, matched: &Matched<'_>) {
        let key = key_of(context);
        if !matched.method.api_key_required {
            let (verb, path) = (&context.request.method, &matched.route.path);
            self.info(context, || {
                format!(
                    "API Key {key} authorized because method '{verb} {path}' does not require API \
                     Key. Request will not contribute to throttle or quota limits"
                )
            });
        }
        let stage = stage_of(context);
        self.info(context, || {
            format!("Usage Plan check succeeded for API Key {key} and API Stage {stage}")
        });
    }

    /// Adds how the request's execution begins.
    pub fn begin(&mut self, context: &Context<'_>, matched: &Matched<'_>) {
        let verb = &context.request.method;
        self.info(context, || format!("Starting execution for request: {}", context.request_id));
        self.info(context, || format!("HTTP Method: {verb}, Resource Path: {}", context.path));
        if let Some(key) = context.api_key.as_ref().filter(|_| !self.test) {
            self.info(context, || format!("API Key: {}", masked(&key.value)));
            self.info(context, || format!("API Key ID: {}", key.id));
        }
        if !self.data {
            return;
        }
        let pairs: Vec<String> =
            matched.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let body = String::from_utf8_lossy(&context.request.body);
        for line in [
            format!("Method request path: {{{}}}", pairs.join(", ")),
            format!("Method request query string: {}", joined(&context.query)),
            format!("Method request headers: {}", headers(&context.request.headers)),
            format!("Method request body before transformations: {body}"),
        ] {
            self.push(context, &line);
        }
    }

    fn push(&mut self, context: &Context<'_>, text: &str) {
        let longest = if self.test { LONGEST_TEST_LINE } else { LONGEST_LINE };
        let (text, cut) = match text.get(..text.floor_char_boundary(longest)) {
            Some(whole) if whole.len() < text.len() => (whole, CUT),
            _ => (text, ""),
        };
        let line = if self.test {
            format!("{} : {text}{cut}", test_time(context.now))
        } else {
            format!("({}) {text}{cut}", context.request_id)
        };
        self.lines.push((context.now, line));
    }

    /// Adds with what status the request ended, and the id of the invocation behind it.
    pub fn end(&mut self, context: &Context<'_>, status: u16) {
        self.info(context, || format!("Method completed with status: {status}"));
        if let Some(id) = context.notes.endpoint_id().filter(|_| !self.test) {
            self.info(context, || format!("AWS Integration Endpoint RequestId : {id}"));
        }
    }

    /// The log as a method's test answers it.
    pub fn into_text(self, context: &Context<'_>) -> String {
        let mut text = format!("Execution log for request {}\n", context.request_id);
        for (_, line) in self.lines {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// Hands the lines to the log service.
    pub async fn write(self, context: &Context<'_>, backends: &dyn Backends) {
        if self.lines.is_empty() {
            return;
        }
        let group =
            format!("API-Gateway-Execution-Logs_{}/{}", context.request.api_id, context.stage);
        backends.log(&group, &stream(&group), self.lines).await;
    }
}

/// A header's name as the gateway writes it; what HTTP servers lowered stays so where it is unknown.
pub(super) fn shown_name(lower: &str) -> String {
    match lower {
        "x-amzn-trace-id" => "X-Amzn-Trace-Id".to_owned(),
        "x-amzn-errortype" => "x-amzn-ErrorType".to_owned(),
        "location" => "Location".to_owned(),
        cors if cors.starts_with("access-control-") => {
            let capital = |part: &str| {
                let (first, rest) = part.split_at(part.len().min(1));
                first.to_ascii_uppercase() + rest
            };
            cors.split('-').map(capital).collect::<Vec<_>>().join("-")
        }
        other => usual_case(other).to_owned(),
    }
}

/// A value of which only the end is shown.
fn masked(value: &str) -> String {
    let hidden = value.chars().count().saturating_sub(SHOWN);
    value.chars().enumerate().map(|(at, c)| if at < hidden { '*' } else { c }).collect()
}

/// The key that came with the request, masked; nothing where none did.
pub(super) fn key_of(context: &Context<'_>) -> String {
    context.header("x-api-key").map(masked).unwrap_or_default()
}

/// The stage as usage plans name it.
fn stage_of(context: &Context<'_>) -> String {
    format!("{}/{}", context.request.api_id, context.stage)
}

/// Why a function failed, in the words of real logs.
pub(super) fn function_failed(payload: &[u8], request_id: &str) -> String {
    let document: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    let message = document["errorMessage"].as_str().unwrap_or_default();
    format!(
        "Lambda execution failed with status 200 due to customer function error: {message}. Lambda \
         request id: {request_id}"
    )
}

/// Headers as Java writes a map of them.
pub(super) fn headers(headers: &HeaderMap) -> String {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let secret = MASKED.contains(&name.as_str());
        let value = if secret { masked(&value) } else { value.into_owned() };
        values.entry(shown_name(name.as_str())).or_default().push(value);
    }
    let pairs: Vec<String> =
        values.iter().map(|(name, values)| format!("{name}={}", values.join(","))).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn joined(values: &Multi<'_>) -> String {
    let pairs: Vec<String> = values
        .iter()
        .map(|(name, values)| format!("{name}={}", values.last().map_or("", |value| value)))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

/// `Fri Nov 20 10:00:00 UTC 2026`.
fn test_time(millis: i64) -> String {
    let time =
        OffsetDateTime::from_unix_timestamp(millis / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (weekday, month) = (time.weekday().to_string(), time.month().to_string());
    format!(
        "{} {} {:02} {:02}:{:02}:{:02} UTC {}",
        weekday.get(..3).unwrap_or_default(),
        month.get(..3).unwrap_or_default(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.year()
    )
}

/// A name like the hashes that AWS uses for the streams of this group.
pub(super) fn stream(group: &str) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(&Sha256::digest(group.as_bytes())[..16])
}
