//! From an answer to the log lines of that very request, and back.
//!
//! The gateway's id of a request (`x-amzn-RequestId`) is another than Lambda's. What joins them, the
//! surest first: the stage's access log with `$context.integration.requestId`, its execution log
//! (`AWS Integration Endpoint RequestId`), the trace that the answer's `x-amzn-trace-id` and the handler's
//! `traceId` name; and as a guess the time at which it ran.

use std::time::Duration;

use labdeck_aws::{Failure, Result};
use labdeck_lab::Blueprint;
use labdeck_telemetry::{HistoryQuery, LogEvent, LogKind, group_of_function};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::exchange::{Exchange, Origin};
use super::history::Past;
use crate::engine::Engine;

/// How far the clock of this machine may be off, in ms.
const SKEW_MS: i64 = 120_000;
/// Most lines of one request.
const MOST_LINES: usize = 2000;
/// The first pause between two looks; each is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);
/// What the execution log says of the invocation.
const ENDPOINT_ID: &str = "AWS Integration Endpoint RequestId : ";

/// The log lines of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// The gateway's id of the request.
    pub gateway_request_id: Option<String>,
    /// Lambda's id of the invocation.
    pub lambda_request_id: Option<String>,
    /// The id of its trace.
    pub trace_id: Option<String>,
    /// Lines of the gateway's access and execution logs, in the order of time.
    pub gateway: Vec<LogEvent>,
    /// Lines of the function, in the order of time.
    pub lines: Vec<LogEvent>,
    /// Which link was used.
    pub how: Link,
    /// Whether nothing more is to come: the invocation's REPORT is there, or no function ran.
    pub complete: bool,
}

/// What joins an answer and its log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Nothing, so far.
    #[default]
    None,
    /// The gateway answered itself, or from its cache: no function ran.
    Gateway,
    /// The invocation's own id: the function was called directly.
    Invocation,
    /// The stage's access log.
    AccessLog,
    /// The stage's execution log.
    ExecutionLog,
    /// The trace's id.
    TraceId,
    /// The time at which it ran: a guess.
    Time,
}

impl Link {
    /// In words.
    pub fn says(self) -> &'static str {
        match self {
            Self::None => "no line of a log was found yet",
            Self::Gateway => "the gateway answered itself, or from its cache; no function ran",
            Self::Invocation => "the invocation's own",
            Self::AccessLog => "found by the request ids of the stage's access log",
            Self::ExecutionLog => "found by the request ids of the stage's execution log",
            Self::TraceId => "found by the trace's id",
            Self::Time => "a guess: what the function logged while the request was under way",
        }
    }

    /// Whether the lines may be those of another request.
    pub fn is_guess(self) -> bool {
        self == Self::Time
    }
}

/// What there is of a request's log lines at this moment.
///
/// # Errors
/// Those of the calls. Log groups that do not exist have no lines.
pub async fn lines_of(
    engine: &Engine,
    blueprint: &Blueprint,
    exchange: &Exchange,
) -> Result<Trace> {
    let mut trace = Trace {
        gateway_request_id: exchange.request_id.clone(),
        lambda_request_id: exchange.lambda_request_id.clone(),
        trace_id: trace_id(exchange),
        ..Trace::default()
    };
    if trace.lambda_request_id.is_some() {
        trace.how = Link::Invocation;
    }
    let look = Look::of(engine, blueprint, exchange);
    if let (None, Some(origin), Some(id)) =
        (&trace.lambda_request_id, &exchange.request.origin, &exchange.request_id)
    {
        look.in_gateway_logs(&mut trace, origin, id).await?;
    }
    let by_itself =
        answered_itself(exchange) || trace.gateway.iter().any(|event| reached_nothing(&event.text));
    if trace.lambda_request_id.is_none() && by_itself {
        trace.how = Link::Gateway;
        trace.complete = true;
        return Ok(trace);
    }
    if trace.lambda_request_id.is_none()
        && let Some(id) = &trace.trace_id
    {
        let found = look.events(look.groups.clone(), Some(id)).await?;
        if let Some(invocation) = found.iter().find_map(invocation_of) {
            trace.lambda_request_id = Some(invocation);
            trace.how = Link::TraceId;
        }
    }
    if let Some(id) = &trace.lambda_request_id {
        let lines = look.invocation(id).await?;
        trace.complete = lines.iter().any(is_report);
        trace.lines = lines;
    }
    Ok(trace)
}

/// The same, once it is complete, or with what there is after `within`. Only then lines are guessed by
/// their time, when nothing else led to any.
///
/// # Errors
/// As [`lines_of`].
pub async fn wait_for(
    engine: &Engine,
    blueprint: &Blueprint,
    exchange: &Exchange,
    within: Duration,
    cancel: &CancellationToken,
) -> Result<Trace> {
    let until = tokio::time::Instant::now() + within;
    let mut pause = FIRST_PAUSE;
    loop {
        let mut trace = lines_of(engine, blueprint, exchange).await?;
        let late = tokio::time::Instant::now() + pause > until || cancel.is_cancelled();
        if trace.complete {
            return Ok(trace);
        }
        if late {
            if trace.lines.is_empty() && trace.lambda_request_id.is_none() {
                let look = Look::of(engine, blueprint, exchange);
                trace.lines = look.at_the_time(exchange).await?;
                trace.how = if trace.lines.is_empty() { trace.how } else { Link::Time };
            }
            return Ok(trace);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cancel.cancelled() => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The exchange of the history that led to an invocation, by Lambda's request id; the window is when it
/// may have run, in ms since the epoch: around the time of a log line. `None` when no log joins them.
///
/// # Errors
/// Those of the calls.
pub async fn exchange_of<'p>(
    engine: &Engine,
    blueprint: &Blueprint,
    past: &'p [Past],
    invocation: &str,
    (start_ms, end_ms): (i64, i64),
) -> Result<Option<&'p Past>> {
    let look = Look {
        engine,
        groups: crate::history::groups(blueprint),
        start_ms: start_ms - SKEW_MS,
        end_ms: end_ms + SKEW_MS,
    };
    let mut stages: Vec<(&str, &str)> = Vec::new();
    for origin in past.iter().filter_map(|past| past.exchange.request.origin.as_ref()) {
        let stage = (origin.api_id.as_str(), origin.stage.as_str());
        if !origin.api_id.is_empty() && !stages.contains(&stage) {
            stages.push(stage);
        }
    }
    for (api_id, stage) in stages {
        let logs = Logs::of(engine, api_id, stage).await?;
        for group in logs.access.into_iter().chain(logs.execution) {
            let found = look.events(vec![group], Some(invocation)).await?;
            let joined = past.iter().find(|past| {
                let id = past.exchange.request_id.as_deref();
                id.is_some_and(|id| found.iter().any(|event| event.text.contains(id)))
            });
            if joined.is_some() {
                return Ok(joined);
            }
        }
    }
    let lines = look.events(look.groups.clone(), Some(invocation)).await?;
    Ok(past.iter().find(|past| {
        let id = trace_id(&past.exchange);
        id.is_some_and(|id| lines.iter().any(|event| event.text.contains(&id)))
    }))
}

/// The id of the trace that the answer names.
fn trace_id(exchange: &Exchange) -> Option<String> {
    let header = |name: &str| {
        let found = exchange.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let root = header("x-amzn-trace-id")?.split(';').find_map(|part| part.strip_prefix("Root="))?;
    (!root.is_empty()).then(|| root.to_owned())
}

/// Whether the gateway refused the request before any function ran: its own errors name their type, and
/// those of the server side may have had a function behind them.
fn answered_itself(exchange: &Exchange) -> bool {
    let typed = exchange.headers.iter().any(|(name, _)| name == "x-amzn-errortype");
    typed && (400..500).contains(&exchange.status)
}

/// Whether a line of an access log says that the request reached no integration: the gateway refused it,
/// or its cache had the answer.
fn reached_nothing(line: &str) -> bool {
    let members: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
    let absent = |name: &str| members.get(name).is_some_and(|value| value == "-");
    absent("integrationRequestId") && absent("integrationLatency")
}

/// Where a stage writes its logs.
#[derive(Debug, Default)]
struct Logs {
    access: Option<String>,
    execution: Option<String>,
}

impl Logs {
    /// As the stage is set at this moment; nothing for a stage that is not there.
    async fn of(engine: &Engine, api_id: &str, stage: &str) -> Result<Self> {
        let call = engine.target.apigateway().get_stage().rest_api_id(api_id).stage_name(stage);
        let what = format!("reading where stage {stage} writes its logs");
        let answer = call.send().await.map_err(|error| Failure::from_sdk(what, &error));
        let Some(stage) = crate::live::existing(answer)? else { return Ok(Self::default()) };
        let arn = stage.access_log_settings().and_then(|log| log.destination_arn());
        let group = arn.and_then(|arn| arn.split_once(":log-group:"));
        let logs = stage.method_settings().is_some_and(|settings| {
            settings.values().any(|one| one.logging_level().is_some_and(|level| level != "OFF"))
        });
        let name = stage.stage_name().unwrap_or_default();
        Ok(Self {
            access: group.map(|(_, group)| group.trim_end_matches(":*").to_owned()),
            // "Execution logs: API-Gateway-Execution-Logs_{rest-api-id}/{stage_name}" (developer guide).
            execution: logs.then(|| format!("API-Gateway-Execution-Logs_{api_id}/{name}")),
        })
    }
}

/// Where and when to look.
struct Look<'a> {
    engine: &'a Engine,
    /// Log groups of the functions.
    groups: Vec<String>,
    start_ms: i64,
    end_ms: i64,
}

impl<'a> Look<'a> {
    fn of(engine: &'a Engine, blueprint: &Blueprint, exchange: &Exchange) -> Self {
        let behind = exchange.request.origin.as_ref().map(|origin| origin.functions.as_slice());
        let groups = match behind.unwrap_or_default() {
            [] => crate::history::groups(blueprint),
            functions => functions.iter().map(|name| group_of_function(name)).collect(),
        };
        let took = exchange.timings.total_ms as i64;
        let start_ms = exchange.sent_ms - SKEW_MS;
        Self { engine, groups, start_ms, end_ms: exchange.sent_ms + took + SKEW_MS }
    }

    /// The events of these groups that hold `text`.
    async fn events(&self, groups: Vec<String>, text: Option<&str>) -> Result<Vec<LogEvent>> {
        self.between(groups, text, self.start_ms, self.end_ms).await
    }

    async fn between(
        &self,
        groups: Vec<String>,
        text: Option<&str>,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<LogEvent>> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let query = HistoryQuery {
            groups,
            start_ms: start_ms.max(0),
            end_ms: Some(end_ms),
            // A term in quotes is looked for as it is.
            filter_pattern: text.map(|text| format!("\"{}\"", text.replace('"', ""))),
        };
        let mut pages = labdeck_telemetry::history(self.engine.target.clone(), query);
        let mut found = Vec::new();
        while let Some(events) = pages.next().await? {
            found.extend(events);
            if found.len() >= MOST_LINES {
                break;
            }
        }
        Ok(found)
    }

    async fn in_gateway_logs(&self, trace: &mut Trace, origin: &Origin, id: &str) -> Result<()> {
        if origin.api_id.is_empty() {
            return Ok(());
        }
        let logs = Logs::of(self.engine, &origin.api_id, &origin.stage).await?;
        if let Some(group) = logs.access {
            let found = self.events(vec![group], Some(id)).await?;
            if let Some(invocation) = found.iter().find_map(|event| integration_id(&event.text)) {
                trace.lambda_request_id = Some(invocation);
                trace.how = Link::AccessLog;
            }
            trace.gateway.extend(found);
        }
        if let Some(group) = logs.execution {
            let found = self.events(vec![group], Some(id)).await?;
            let named = found.iter().find_map(|event| event.text.split_once(ENDPOINT_ID));
            if let (None, Some((_, invocation))) = (&trace.lambda_request_id, named) {
                trace.lambda_request_id = Some(invocation.trim().to_owned());
                trace.how = Link::ExecutionLog;
            }
            trace.gateway.extend(found);
        }
        trace.gateway.sort_by_key(|event| event.timestamp_ms);
        Ok(())
    }

    /// Every line of an invocation: those that name it, and those between its START and its REPORT, for
    /// an execution environment serves one request at a time.
    async fn invocation(&self, id: &str) -> Result<Vec<LogEvent>> {
        let named = self.events(self.groups.clone(), Some(id)).await?;
        let begin = named.iter().position(|event| matches!(event.kind, LogKind::Start { .. }));
        let (Some(begin), Some(end)) = (begin, named.iter().position(is_report)) else {
            return Ok(named);
        };
        let (begin, end) = (&named[begin], &named[end]);
        let group = vec![begin.group.to_string()];
        let all = self.between(group, None, begin.timestamp_ms, end.timestamp_ms).await?;
        let mut of_stream: Vec<LogEvent> = all
            .into_iter()
            .filter(|event| event.stream == begin.stream)
            .skip_while(|event| !is_start_of(event, id))
            .collect();
        let report = of_stream.iter().position(|event| is_report_of(event, id));
        let Some(report) = report else { return Ok(named) };
        of_stream.truncate(report + 1);
        Ok(of_stream)
    }

    /// What the functions logged while the request was under way.
    async fn at_the_time(&self, exchange: &Exchange) -> Result<Vec<LogEvent>> {
        // Times are whole milliseconds.
        let end = exchange.sent_ms + exchange.timings.total_ms.ceil() as i64 + 1;
        self.between(self.groups.clone(), None, exchange.sent_ms - 1, end).await
    }
}

fn is_report(event: &LogEvent) -> bool {
    matches!(event.kind, LogKind::Report(_))
}

fn is_report_of(event: &LogEvent, id: &str) -> bool {
    matches!(&event.kind, LogKind::Report(report) if report.request_id == id)
}

fn is_start_of(event: &LogEvent, id: &str) -> bool {
    matches!(&event.kind, LogKind::Start { request_id } if **request_id == *id)
}

/// Lambda's request id of a line, where it names one.
pub fn invocation_of(event: &LogEvent) -> Option<String> {
    match &event.kind {
        LogKind::Json { request_id, .. } => request_id.as_deref().map(str::to_owned),
        LogKind::Start { request_id } | LogKind::End { request_id } => Some(request_id.to_string()),
        LogKind::Report(report) => Some(report.request_id.clone()),
        LogKind::Emf(emf) => {
            let id = emf.properties.iter().find(|(name, _)| name == "requestId");
            id.map(|(_, id)| id.clone())
        }
        LogKind::Plain | LogKind::InitStart | LogKind::Notice => None,
    }
}

/// The invocation's id in a line of an access log that is JSON, whatever the member is called that holds
/// `$context.integration.requestId`.
fn integration_id(line: &str) -> Option<String> {
    let members: serde_json::Map<String, Value> = serde_json::from_str(line).ok()?;
    let named = members.iter().find(|(name, _)| {
        let name = name.to_ascii_lowercase();
        let place = name.contains("integration") || name.contains("endpoint");
        place && name.contains("request") && name.ends_with("id")
    });
    let id = named?.1.as_str()?;
    (!id.is_empty() && id != "-").then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_log_names_the_invocation() {
        let line = r#"{"requestId":"g-1","integrationRequestId":"l-1","status":"200"}"#;
        assert_eq!(integration_id(line).as_deref(), Some("l-1"));
        assert_eq!(integration_id(r#"{"integrationRequestId":"-"}"#), None);
        assert_eq!(integration_id(r#"{"requestId":"g-1"}"#), None);
        assert_eq!(integration_id("g-1 l-1"), None);
        assert!(reached_nothing(r#"{"integrationRequestId":"-","integrationLatency":"-"}"#));
        assert!(!reached_nothing(r#"{"integrationRequestId":"-","integrationLatency":"29000"}"#));
        assert!(!reached_nothing("-"));
    }

    #[test]
    fn the_gateways_own_answers_have_no_function() {
        let answer = |status: u16, typed: bool| {
            let headers = typed.then(|| ("x-amzn-errortype".to_owned(), "x".to_owned()));
            let headers = headers.into_iter().collect();
            answered_itself(&Exchange { status, headers, ..Exchange::default() })
        };
        assert!(answer(403, true) && answer(429, true));
        assert!(!answer(404, false) && !answer(502, true) && !answer(200, false));
    }

    #[test]
    fn the_answers_header_names_the_trace() {
        let mut exchange = Exchange::default();
        assert_eq!(trace_id(&exchange), None);
        let header = "Root=1-67891233-abcdef012345678912345678;Parent=1;Sampled=0";
        exchange.headers.push(("X-Amzn-Trace-Id".into(), header.into()));
        assert_eq!(trace_id(&exchange).as_deref(), Some("1-67891233-abcdef012345678912345678"));
    }
}
