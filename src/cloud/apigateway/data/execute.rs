//! The way of a request: stage, route, checks, back end, answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HeaderValue;
use http_body_util::{BodyExt as _, Collected};

use super::super::plans::Plans;
use super::backend::{Backends, FunctionCall, Later};
use super::cache::Caches;
use super::failure::Failure;
use super::live::{Live, LiveApi, LiveStage, Serving};
use super::log::{ExecutionLog, function_failed, headers};
use super::notes::Notes;
use super::request::{Context, ExecuteRequest};
use super::tree::{Backend, Matched};
use super::variables::View;
use super::{cache, check, event, proxy, transform};
use crate::core::{ACCOUNT_ID, REGION};
use crate::error::AwsError;
use crate::protocol::Protocol;
use crate::wire::{Answer, full};

/// Answers a request to a stage; `now` in milliseconds since the epoch.
pub(in super::super) async fn execute(
    live: &Live,
    plans: &Plans,
    backends: &dyn Backends,
    request: &ExecuteRequest,
    now: i64,
) -> Answer {
    let mut context = match Context::new(request, now) {
        Ok(context) => context,
        Err(error) => return Protocol::ApiGateway.error(&error, ""),
    };
    let api: Option<Arc<LiveApi>> = live.get(&request.api_id);
    let stage = api.as_ref().and_then(|api| api.named(context.stage));
    let mut answer = match stage {
        Some(stage) => {
            let answer = serve(stage, &live.caches, plans, backends, &mut context).await;
            let name = api.as_ref().map_or("", |api| api.name.as_str());
            backends.measured(context.notes.record(&context, name, &answer));
            if let Some(log) = &stage.access {
                let line = log.line(&context, &answer);
                log.write(now, line, backends).await;
            }
            answer
        }
        None => Failure::forbidden().answer(&context, None, &BTreeMap::new(), &BTreeMap::new()),
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        ("x-amzn-requestid", &context.request_id),
        ("x-amz-apigw-id", &context.extended_request_id),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    answer
}

async fn serve(
    stage: &LiveStage,
    caches: &Caches,
    plans: &Plans,
    backends: &dyn Backends,
    context: &mut Context<'_>,
) -> Answer {
    let (serving, canary) = stage.serve(dice(context));
    context.canary = canary;
    let matched = match route(serving, context) {
        Ok(matched) => matched,
        Err(failure) => return refuse(&failure, serving, context, None),
    };
    let rules = stage.rules(&matched.route.path, &matched.method.verb);
    context.notes.matched(&matched, rules.map(|rules| &rules.setting));
    let mut log = ExecutionLog::new(rules.map(|rules| &rules.setting));
    log.arrive(context);
    let mut checked = check::request(context, &matched, serving, rules, plans);
    if checked.is_ok() {
        log.admit(context, &matched);
        log.begin(context, &matched);
        checked = check::parameters(context, &matched);
    }
    if checked.is_ok() {
        checked = check::body(context, &matched).await;
    }
    let outcome = match checked {
        Ok(()) => match cache::used_by(context, &matched, stage, canary, rules) {
            Ok(using) => {
                let answer = integrate(backends, serving, context, &matched, &mut log);
                cached(caches, using, &context.notes, answer).await
            }
            Err(failure) => Err(failure),
        },
        Err(failure) => Err(failure),
    };
    let answer = match outcome {
        Ok(answer) => succeed(answer, context, &mut log).await,
        Err(failure) => {
            let reason = failure.reason.as_deref().unwrap_or(&failure.message);
            log.error(context, reason);
            tracing::debug!(api = context.request.api_id, stage = context.stage, reason);
            refuse(&failure, serving, context, Some(&matched))
        }
    };
    log.end(context, answer.status().as_u16());
    log.write(context, backends).await;
    answer
}

/// The cached answer, or the back end's, which is kept.
async fn cached(
    caches: &Caches,
    using: Option<cache::Use>,
    notes: &Notes,
    answer: impl Future<Output = Result<Answer, Failure>>,
) -> Result<Answer, Failure> {
    let integrated = async {
        let asked = Instant::now();
        let answer = answer.await;
        notes.integrated(asked.elapsed());
        answer
    };
    let Some(using) = using else { return integrated.await };
    let found = caches.find(&using);
    notes.looked_up(found.is_some());
    match found {
        Some(found) => Ok(found),
        None => Ok(caches.keep(&using, integrated.await?).await),
    }
}

/// Logs an answer that no failure stands in for.
pub(super) async fn succeed(
    answer: Answer,
    context: &Context<'_>,
    log: &mut ExecutionLog,
) -> Answer {
    let answer = if log.has_data() {
        let (parts, body) = answer.into_parts();
        // A body in memory: collecting it cannot fail.
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        log.data(context, || {
            let text = String::from_utf8_lossy(&body);
            format!("Method response body after transformations: {text}")
        });
        log.data(context, || format!("Method response headers: {}", headers(&parts.headers)));
        Answer::from_parts(parts, full(body))
    } else {
        answer
    };
    log.info(context, || "Successfully completed execution".to_owned());
    answer
}

pub(super) fn refuse(
    failure: &Failure,
    serving: &Serving,
    context: &Context<'_>,
    matched: Option<&Matched<'_>>,
) -> Answer {
    context.notes.failed(failure);
    failure.answer(context, matched, &serving.tree.responses, &serving.variables)
}

fn route<'a>(serving: &'a Serving, context: &Context<'a>) -> Result<Matched<'a>, Failure> {
    if serving.tree.disabled {
        return Err(Failure::forbidden());
    }
    if serving.tree.has_policy {
        return Err(Failure::absent("resource policies of API Gateway APIs"));
    }
    let verb = context.request.method.as_str();
    serving.tree.find(verb, context.encoded_path()).ok_or_else(Failure::no_route)
}

/// A number in 0..100 from the request's random id.
fn dice(context: &Context<'_>) -> f64 {
    let digits = context.request_id.get(..8).unwrap_or_default();
    let number = u32::from_str_radix(digits, 16).unwrap_or(0);
    f64::from(number) / (f64::from(u32::MAX) + 1.0) * 100.0
}

/// Calls the back end and makes the answer of what it says.
pub(super) async fn integrate(
    backends: &dyn Backends,
    serving: &Serving,
    context: &Context<'_>,
    matched: &Matched<'_>,
    log: &mut ExecutionLog,
) -> Result<Answer, Failure> {
    match &matched.method.backend {
        Backend::Mock(mapping) => {
            transform::mock(&mut View::new(context, matched, serving), mapping)
        }
        Backend::Mapped(called, mapping) => {
            let mut view = View::new(context, matched, serving);
            transform::function(&mut view, backends, called, mapping, log).await
        }
        Backend::Misconfigured(reason) => Err(Failure::misconfigured(reason.as_str())),
        Backend::Absent(kind) => Err(Failure::misconfigured(format!(
            "the local cloud does not have integrations of type {kind}"
        ))),
        Backend::Lambda(called) => {
            let function = called.function.resolve(&serving.variables).map_err(|name| {
                Failure::misconfigured(format!("the stage has no variable {name}"))
            })?;
            let payload = Bytes::from(event::build(context, matched, serving));
            if payload.len() > check::LARGEST_EVENT {
                return Err(Failure::too_large());
            }
            let uri = invocation_uri(&function);
            log.data(context, || format!("Endpoint request URI: {uri}"));
            log.data(context, || {
                let body = String::from_utf8_lossy(&payload);
                format!("Endpoint request body after transformations: {body}")
            });
            log.info(context, || format!("Sending request to {uri}"));
            let sent = Instant::now();
            let call = FunctionCall {
                function,
                payload,
                source_arn: source_arn(context, matched),
                trace_id: context.trace_id.clone(),
                event: false,
            };
            let answered = within(called.timeout_ms, backends.call(call))
                .await?
                .map_err(|error| refused_call(&error))?;
            context.notes.endpoint(answered.request_id.clone());
            log.info(context, || {
                let latency = sent.elapsed().as_millis();
                format!("Received response. Status: 200, Integration latency: {latency} ms")
            });
            log.data(context, || {
                let body = String::from_utf8_lossy(&answered.payload);
                format!("Endpoint response body before transformations: {body}")
            });
            if answered.failed {
                context.notes.answered(200, 200);
                let why = function_failed(&answered.payload, &answered.request_id);
                return Err(Failure::bad_gateway(why));
            }
            let accept = context.header("accept");
            let types = &serving.tree.binary_media_types;
            let answer = proxy::answer(&answered.payload, accept, types);
            let own = answer.as_ref().map_or(200, |answer| answer.status().as_u16());
            context.notes.answered(200, own);
            let mut answer = answer?;
            if let Ok(trace) = HeaderValue::from_str(&context.trace_id) {
                answer.headers_mut().insert("x-amzn-trace-id", trace);
            }
            Ok(answer)
        }
    }
}

/// Where the gateway calls a function, as its log says it.
pub(super) fn invocation_uri(function: &str) -> String {
    format!("https://lambda.{REGION}.amazonaws.com/2015-03-31/functions/{function}/invocations")
}

/// Waits for a call as long as the integration allows. The function of a call that takes longer
/// goes on: only nobody waits for its answer.
pub(super) async fn within<T: Send + 'static>(
    millis: u64,
    mut call: Later<'static, T>,
) -> Result<T, Failure> {
    if let Ok(answer) = tokio::time::timeout(Duration::from_millis(millis), &mut call).await {
        return Ok(answer);
    }
    tokio::spawn(call);
    Err(Failure::timeout(millis))
}

/// The method as Lambda permissions name it, with the resource's path as it was declared.
pub(super) fn source_arn(context: &Context<'_>, matched: &Matched<'_>) -> String {
    format!(
        "arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{}/{}/{}{}",
        context.request.api_id, context.stage, context.request.method, matched.route.path
    )
}

/// What a call that Lambda did not take means for the client.
pub(super) fn refused_call(error: &AwsError) -> Failure {
    match error.status.as_u16() {
        // A missing function looks to API Gateway like one that it may not call.
        403 | 404 => Failure::not_permitted(),
        413 => Failure::too_large(),
        429 => Failure::bad_gateway(format!("Lambda invocation failed with status: 429. {error}")),
        status => {
            Failure::internal(format!("Lambda invocation failed with status: {status}. {error}"))
        }
    }
}
