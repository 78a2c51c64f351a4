//! Where a request or an event is sent: a stage, the gateway's method test, straight to an alias or a
//! version of a function, or any URL.

use std::fmt;
use std::time::Instant;

use aws_sdk_lambda::operation::RequestId;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{SavedEvent, SavedRequest};
use labdeck_telemetry::clean;
use serde::{Serialize, Serializer};
use tokio_util::sync::CancellationToken;

use super::burst::{self, Direct, Load, Sender};
use super::exchange::{BurstSummary, Exchange, OutgoingRequest, Timings};
use super::proxy::{self, Met};
use super::qualifier::qualifier;
use super::{Given, allowed, expect, prepare, send, wire};
use crate::engine::Engine;
use crate::gateway::sent::Counter;
use crate::history::now_ms;
use crate::invoke::{self, cleaned};
use crate::progress::Reporter;
use crate::trial::{self, Method};

/// Where something is sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A stage of the lab's API.
    Stage(String),
    /// The API's current definition, with this stage's variables: `TestInvokeMethod`.
    MethodTest(String),
    /// Straight to the function, at this alias or version.
    Function(String),
    /// The same path below another URL.
    Url(String),
}

impl Destination {
    /// Reads `prod` (a stage), `test:prod` (a method test), `:3`, `:prod` or `:$LATEST` (a version or
    /// alias of the function), `https://…`.
    ///
    /// # Errors
    /// What is not understood, with what can be said.
    pub fn read(text: &str, blueprint: &Blueprint) -> Result<Self, String> {
        let stage = |name: &str| {
            if blueprint.stages.iter().any(|stage| stage.name == name) {
                return Ok(name.to_owned());
            }
            let known: Vec<&str> = blueprint.stages.iter().map(|s| s.name.as_str()).collect();
            Err(format!("the lab has no stage {name:?}; it has {}", known.join(", ")))
        };
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Url(text.trim_end_matches('/').to_owned()));
        }
        if let Some(name) = text.strip_prefix("test:") {
            return stage(name).map(Self::MethodTest);
        }
        match text.strip_prefix(':') {
            Some(text) => qualifier(text).map(Self::Function),
            None => stage(text).map(Self::Stage).map_err(|why| {
                format!("{why}; others are test:STAGE, :VERSION, :ALIAS and https://…")
            }),
        }
    }

    /// The stage whose variables count.
    pub fn stage<'a>(&'a self, blueprint: &'a Blueprint) -> &'a str {
        match self {
            Self::Stage(stage) | Self::MethodTest(stage) => stage,
            // The stage that names this alias; else the last, which after dev is prod.
            Self::Function(qualifier) => blueprint
                .stages
                .iter()
                .find(|stage| stage.alias == *qualifier)
                .or(blueprint.stages.last())
                .map_or("", |stage| &stage.name),
            Self::Url(_) => blueprint.stages.last().map_or("", |stage| &stage.name),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(stage) => f.write_str(stage),
            Self::MethodTest(stage) => write!(f, "test:{stage}"),
            Self::Function(qualifier) => write!(f, ":{qualifier}"),
            Self::Url(url) => f.write_str(url),
        }
    }
}

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// A request.
    Request(Box<SavedRequest>),
    /// An event, which only a function takes.
    Event(SavedEvent),
}

impl Sent {
    /// What tells it from everything else of the lab: the name of a request, `NAME (event)` of an event.
    pub fn label(&self) -> String {
        match self {
            Self::Request(request) => request.name.clone(),
            Self::Event(event) => event_label(event),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Request(request) => &request.name,
            Self::Event(event) => &event.name,
        }
    }
}

/// What tells an event from a request of the same name.
pub fn event_label(event: &SavedEvent) -> String {
    format!("{} (event)", event.name)
}

/// Sends a request or an event once.
///
/// Straight to a function, a request becomes the event that a proxy integration makes of it, and the
/// function's answer is read as the gateway does; where the integration is none (its template makes the
/// event), that is refused.
///
/// # Errors
/// As [`prepare`] and [`send`]; Invalid when this can't be sent there; `NotFound` when there is no such
/// function, alias or version. A function that fails is an answer.
pub async fn send_to(
    engine: &Engine,
    blueprint: &Blueprint,
    what: &Sent,
    to: &Destination,
    given: &Given,
) -> Result<Exchange> {
    let sent = match (what, to) {
        (Sent::Request(saved), Destination::Stage(stage)) => {
            send(engine, prepare(engine, blueprint, saved, stage, given).await?).await
        }
        (Sent::Request(saved), Destination::Url(url)) => {
            send(engine, elsewhere(engine, blueprint, saved, to, url, given).await?).await
        }
        (Sent::Request(saved), Destination::MethodTest(stage)) => {
            tested(engine, blueprint, saved, stage, given).await
        }
        (_, Destination::Function(qualifier)) => {
            let call = direct(engine, blueprint, what, qualifier, to, given).await?;
            invoked(engine, blueprint, call).await
        }
        (Sent::Event(event), _) => Err(only_functions(event, to)),
    };
    let mut exchange = Exchange { to: to.to_string(), ..sent? };
    if let (Sent::Request(saved), true) = (what, exchange.verdicts.is_empty())
        && let Some(expect) = &saved.expect
    {
        exchange.verdicts = expect::judge(expect, &exchange);
    }
    Ok(exchange)
}

/// Sends a request or an event as `load` says, and measures.
///
/// # Errors
/// As [`send_to`]; Invalid also for a method test, which is for looking at one request.
#[expect(clippy::too_many_arguments, reason = "what is sent, where to, and how often")]
pub async fn burst_to(
    engine: &Engine,
    blueprint: &Blueprint,
    what: &Sent,
    to: &Destination,
    given: &Given,
    load: &Load,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<BurstSummary> {
    load.checked(what.name())?;
    let outgoing = match (what, to) {
        (Sent::Request(saved), Destination::Stage(stage)) => {
            prepare(engine, blueprint, saved, stage, given).await?
        }
        (Sent::Request(saved), Destination::Url(url)) => {
            elsewhere(engine, blueprint, saved, to, url, given).await?
        }
        (Sent::Request(saved), Destination::MethodTest(_)) => {
            let why = "a method test is for one request and its log";
            let failure = Failure::new(FailureKind::Invalid, bursting(&saved.name, to), why);
            return Err(failure.next("send the burst to a stage, a function or a URL"));
        }
        (_, Destination::Function(qualifier)) => {
            let call = direct(engine, blueprint, what, qualifier, to, given).await?;
            engine.target.learn_caller().await;
            let sender = Sender::direct(call.direct);
            let counter = Counter::of(&OutgoingRequest::default());
            return burst::run(what.name(), sender, counter, load, reporter, &cancel).await;
        }
        (Sent::Event(event), _) => return Err(only_functions(event, to)),
    };
    super::burst(engine, what.name(), outgoing, load, reporter, cancel).await
}

fn bursting(name: &str, to: &Destination) -> String {
    format!("sending {name} many times to {to}")
}

fn only_functions(event: &SavedEvent, to: &Destination) -> Failure {
    let what = format!("sending event {} to {to}", event.name);
    let why = format!("an event is for a function ({}), not for the gateway", event.function);
    Failure::new(FailureKind::Invalid, what, why).next("send it to :$LATEST, :ALIAS or :VERSION")
}

/// The same request below another URL. The lab's key stays here: whoever is meant by a URL that a
/// person typed has no business with it.
async fn elsewhere(
    engine: &Engine,
    blueprint: &Blueprint,
    saved: &SavedRequest,
    to: &Destination,
    url: &str,
    given: &Given,
) -> Result<OutgoingRequest> {
    let keyless = SavedRequest { key: None, ..saved.clone() };
    let here = prepare(engine, blueprint, &keyless, to.stage(blueprint), given).await?;
    let request =
        OutgoingRequest { url: format!("{url}{}", below(&here)), origin: None, key: None, ..here };
    wire::Prepared::new(&request)?;
    Ok(request)
}

/// Path and query below the stage.
fn below(request: &OutgoingRequest) -> &str {
    let base = request.origin.as_ref().map_or("", |origin| &origin.base_url);
    request.url.strip_prefix(base).unwrap_or(&request.url)
}

/// Why a method test may fail where the stage does not: it calls the function as the stage
/// `test-invoke-stage` ("Test a REST API method" in the developer guide).
const NOT_FOR_TESTS: &str = "The function may be called for the stages that the lab has, and a method test \
    calls it as the stage test-invoke-stage, which the function's permission does not name. Send the \
    request to a stage, or straight to the function; a method test is for mocks and for mappings up to \
    the call.";

async fn tested(
    engine: &Engine,
    blueprint: &Blueprint,
    saved: &SavedRequest,
    stage: &str,
    given: &Given,
) -> Result<Exchange> {
    let sent_ms = now_ms();
    let (request, test) = trial::tested(engine, blueprint, saved, stage, given).await?;
    let millis = test.latency_ms as f64;
    let denied =
        test.log.iter().any(|line| line.contains("Invalid permissions on Lambda function"));
    let explanation = denied.then(|| NOT_FOR_TESTS.to_owned());
    Ok(Exchange {
        request,
        sent_ms,
        status: test.status,
        headers: test.headers,
        body_bytes: test.body.len(),
        body: test.body,
        timings: Timings { connect_ms: 0.0, first_byte_ms: millis, total_ms: millis },
        log: test.log,
        explanation,
        ..Exchange::default()
    })
}

/// A call of a function that is ready to be made.
struct Call {
    direct: Direct,
    name: String,
    request: OutgoingRequest,
}

async fn direct(
    engine: &Engine,
    blueprint: &Blueprint,
    what: &Sent,
    qualifier: &str,
    to: &Destination,
    given: &Given,
) -> Result<Call> {
    let lambda = engine.target.lambda().clone();
    let qualifier = qualifier.to_owned();
    match what {
        Sent::Event(event) => {
            let payload = event.payload.to_string().into_bytes();
            let function = event.function.clone();
            let request = OutgoingRequest {
                name: what.label(),
                method: "INVOKE".to_owned(),
                url: format!("{function}:{qualifier}"),
                body: Some(event.payload.to_string()),
                ..OutgoingRequest::default()
            };
            let direct = Direct { lambda, function, qualifier, payload, proxied: false };
            Ok(Call { direct, name: event.name.clone(), request })
        }
        Sent::Request(saved) => {
            let stage = to.stage(blueprint);
            let keyless = SavedRequest { key: None, ..(**saved).clone() };
            let request = prepare(engine, blueprint, &keyless, stage, given).await?;
            let path = below(&request).to_owned();
            let (met, function) = meets(engine, blueprint, &request, &path, stage).await?;
            let payload = proxy::event(&request, &path, &met, now_ms()).to_string().into_bytes();
            let request =
                OutgoingRequest { url: format!("{function}:{qualifier}{path}"), ..request };
            let direct = Direct { lambda, function, qualifier, payload, proxied: true };
            Ok(Call { direct, name: saved.name.clone(), request })
        }
    }
}

/// The method that a request meets in the API's definition as it is now, and the function behind it.
async fn meets(
    engine: &Engine,
    blueprint: &Blueprint,
    request: &OutgoingRequest,
    path: &str,
    stage: &str,
) -> Result<(Met, String)> {
    let origin = request.origin.clone().unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let what =
        format!("sending {} {path} of {} straight to its function", request.method, origin.api);
    let asked = (request.method.as_str(), path);
    let method = Method::of(engine, blueprint, &origin.api, asked, &what).await?;
    let found = engine.target.apigateway().get_integration().rest_api_id(&method.api);
    let found = found.resource_id(&method.resource).http_method(&method.verb).send().await;
    let found = found.map_err(|error| Failure::from_sdk(&what, &error))?;
    let kind = found.r#type().map(|kind| kind.as_str().to_owned()).unwrap_or_default();
    let function = found.uri().and_then(function_of);
    let (true, Some(function)) = (kind == "AWS_PROXY", function) else {
        let why =
            format!("its integration is {kind}, which makes the event (or the answer) itself");
        return Err(Failure::new(FailureKind::Invalid, what, why)
            .next("send a saved event instead, or use the method test: test:STAGE"));
    };
    let variables = trial::variables(blueprint, stage);
    let met =
        Met { api: method.api, resource_id: method.resource, resource: method.path, variables };
    Ok((met, function.to_owned()))
}

/// The function's ARN in an integration's URI, without its qualifier:
/// `arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN[:QUALIFIER]/invocations`.
fn function_of(uri: &str) -> Option<&str> {
    let arn = uri.split_once("/functions/")?.1.strip_suffix("/invocations")?;
    let name_ends = arn.match_indices(':').nth(6).map_or(arn.len(), |(at, _)| at);
    arn.get(..name_ends)
}

async fn invoked(engine: &Engine, blueprint: &Blueprint, call: Call) -> Result<Exchange> {
    let Call { direct, name, request } = call;
    let place = format!("{}:{}", direct.function, direct.qualifier);
    let what = format!("invoking {place} with {name}");
    engine.target.learn_caller().await;
    let sent_ms = now_ms();
    let since = Instant::now();
    let answer = direct
        .lambda
        .invoke()
        .function_name(&direct.function)
        .qualifier(&direct.qualifier)
        .invocation_type(InvocationType::RequestResponse)
        .log_type(LogType::Tail)
        .payload(Blob::new(direct.payload))
        .send()
        .await
        .map_err(|error| {
            let failure = Failure::from_sdk(&what, &error);
            if failure.kind == FailureKind::NotFound {
                let lab = &blueprint.name;
                failure.next(format!(
                    "labdeck labs and labdeck release {lab} status show what there is"
                ))
            } else {
                failure
            }
        })?;
    let total_ms = since.elapsed().as_secs_f64() * 1000.0;
    let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
    let failed = answer.function_error();
    let proxied = direct.proxied.then(|| proxy::answer(payload)).flatten();
    let status = proxy::status(payload, failed.is_some(), direct.proxied);
    let body = proxied.as_ref().filter(|_| failed.is_none()).map_or(payload, |answer| &answer.body);
    let explanation = match failed {
        Some(error) => Some(format!("The function failed ({error}); its answer says with what.")),
        None if direct.proxied && proxied.is_none() => Some(
            "The function answered something that is not a proxy response; behind the gateway this is \
             a 502."
                .to_owned(),
        ),
        None => None,
    };
    Ok(Exchange {
        request,
        sent_ms,
        status,
        body: cleaned(&String::from_utf8_lossy(body)),
        body_bytes: body.len(),
        headers: proxied.map(|answer| cleaned_headers(&answer.headers)).unwrap_or_default(),
        timings: Timings { connect_ms: 0.0, first_byte_ms: total_ms, total_ms },
        lambda_request_id: answer.request_id().map(str::to_owned),
        version: answer.executed_version().map(str::to_owned),
        log: invoke::tail(answer.log_result()),
        explanation,
        ..Exchange::default()
    })
}

fn cleaned_headers(headers: &[(String, String)]) -> Vec<(String, String)> {
    let clean = |text: &str| clean(text).into_owned();
    headers.iter().map(|(name, value)| (clean(name), clean(value))).collect()
}

/// Whether sending this there may change something, which read-only mode refuses: invoking a function
/// always may.
pub fn may_change(what: &Sent, to: &Destination) -> bool {
    match (what, to) {
        (Sent::Request(saved), Destination::Stage(_) | Destination::Url(_)) => {
            allowed::may_change(&saved.method)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use labdeck_lab::blueprint::Stage;

    use super::*;

    #[test]
    fn destinations_are_read_as_they_are_written() {
        let stage = |name: &str| Stage { name: name.into(), ..Stage::default() };
        let lab = Blueprint { stages: vec![stage("dev"), stage("prod")], ..Blueprint::default() };
        for text in ["dev", "test:prod", ":3", ":$LATEST", ":prod", "https://h/x"] {
            assert_eq!(Destination::read(text, &lab).unwrap().to_string(), text);
        }
        for (text, said) in [
            ("qa", "no stage \"qa\"; it has dev, prod; others are test:STAGE"),
            ("test:qa", "no stage \"qa\""),
            (":", "no alias or version"),
            (":a b", "no alias or version"),
        ] {
            let problem = Destination::read(text, &lab).unwrap_err();
            assert!(problem.contains(said), "{text}: {problem}");
        }
    }

    #[test]
    fn the_function_of_an_integration_is_found_without_its_qualifier() {
        let uri = |function: &str| {
            format!(
                "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
            )
        };
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:pets";
        assert_eq!(function_of(&uri(arn)), Some(arn));
        let qualified = format!("{arn}:${{stageVariables.lambdaAlias}}");
        assert_eq!(function_of(&uri(&qualified)), Some(arn));
        assert_eq!(function_of("https://example.com"), None);
    }
}
