//! From a request to its answer: host → admin → execute-api → origin → signature → service.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::StreamExt;
use http::request::Parts;
use http_body::Body as _;
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::Request;
use hyper::body::Incoming;

use super::Server;
use super::activity::Busy;
use super::authenticate::authorization;
use super::body::{self, BodyError};
use super::execute;
use super::origin::{Host, classify, origin_is_local};
use crate::core::unique_id;
use crate::error::AwsError;
use crate::obstacles::{Lost, Passage};
use crate::protocol::{Protocol, REQUEST_ID, set_request_id, text_answer};
use crate::services::Service;
use crate::wire::{Answer, ApiRequest, Caller};

/// Answers one request, whatever it is.
pub async fn answer(server: Arc<Server>, client: IpAddr, request: Request<Incoming>) -> Answer {
    let request_id = unique_id().to_string();
    let id = request_id.clone();
    // A task of its own: a client that goes away must not stop a change half-way, and a panic
    // costs one answer only.
    let task = tokio::spawn(async move { route(&server, client, request, id).await });
    let mut answer = match task.await {
        Ok(answer) => answer,
        Err(stopped) => {
            tracing::error!(request_id, "a request ended early: {stopped}");
            let error = AwsError::internal("The local cloud failed; its log says more.");
            Protocol::ApiGateway.error(&error, &request_id)
        }
    };
    set_request_id(&mut answer, &request_id);
    answer
}

async fn route(
    server: &Arc<Server>,
    client: IpAddr,
    request: Request<Incoming>,
    request_id: String,
) -> Answer {
    server.activity.count_request();
    let (head, body) = request.into_parts();
    let host = host(&head);
    if host == Host::Foreign {
        return foreign_host();
    }
    if head.uri.path().starts_with("/_labdeck/") {
        if !origin_is_local(&head.headers) {
            return foreign_origin();
        }
        let _busy = server.activity.begin();
        return server.admin.answer(server, head, body).await;
    }
    if let Some(target) = execute::target(&host, head.uri.path()) {
        let _busy = server.activity.begin();
        server.obstacles.travel(&Caller::Operator).await;
        let passage = server.obstacles.meet_execute(&head.method, &request_id).await;
        if let Passage::Refused(answer) = passage {
            return answer;
        }
        let answer = execute::answer(server, client, target, head, body).await;
        if matches!(passage, Passage::HoldAnswer) {
            server.obstacles.hold().await;
        }
        server.obstacles.travel(&Caller::Operator).await;
        return unless_lost(answer, &passage);
    }
    if !origin_is_local(&head.headers) {
        return foreign_origin();
    }
    control_plane(server, head, body, request_id).await
}

/// A call of an AWS service's API.
async fn control_plane(
    server: &Arc<Server>,
    head: Parts,
    body: Incoming,
    request_id: String,
) -> Answer {
    let authorization = authorization(&head.headers);
    let service = match &authorization {
        Some(Ok(authorization)) => Service::of_scope(&authorization.service, &head.headers),
        _ => Service::Lambda,
    };
    let limit = service.body_limit();
    let body = match body::read(body, &head.headers, limit).await {
        Ok(body) => body,
        Err(error) => return unread(error, service.protocol(), limit),
    };
    let mut request = ApiRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        headers: head.headers,
        body,
        caller: Caller::Operator,
        request_id,
    };
    let checked = server.gate.check(&server.services.iam, authorization, &request);
    let caller = checked.as_ref().map_or(Caller::Operator, |(_, caller)| caller.clone());
    server.obstacles.travel(&caller).await;
    let service = match checked {
        Ok((service, caller)) => {
            request.caller = caller;
            service
        }
        Err((protocol, error)) => {
            tracing::info!(path = request.path, "refused: {error}");
            return protocol.error(&error, &request.request_id);
        }
    };
    // What functions do by themselves does not keep the cloud awake.
    let busy = (request.caller == Caller::Operator).then(|| server.activity.begin());
    let passage = server.obstacles.meet(&service, &request).await;
    if let Passage::Refused(answer) = passage {
        return answer;
    }
    let answer = server.services.call(&service, request).await;
    if matches!(passage, Passage::HoldAnswer) {
        server.obstacles.hold().await;
    }
    server.obstacles.travel(&caller).await;
    unless_lost(with_stream_kept(server, answer, busy), &passage)
}

/// Marks the answer of a call that must lose it.
fn unless_lost(mut answer: Answer, passage: &Passage) -> Answer {
    if matches!(passage, Passage::LoseAnswer) {
        answer.extensions_mut().insert(Lost);
    }
    answer
}

/// Keeps a stream counted as work until it ends, and ends it when the cloud stops.
fn with_stream_kept(server: &Server, answer: Answer, busy: Option<Busy>) -> Answer {
    if answer.body().size_hint().exact().is_some() {
        return answer;
    }
    let stopped = server.stopping.clone().cancelled_owned();
    answer.map(|body| {
        let frames = BodyStream::new(body).take_until(stopped).map(move |frame| {
            let _ = &busy;
            frame
        });
        StreamBody::new(frames).boxed_unsync()
    })
}

/// The host that a request asks for: its target's authority and its `Host` header must both pass.
fn host(head: &Parts) -> Host {
    let mut hosts = head.headers.get_all(http::header::HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(only), None) => classify(only.to_str().unwrap_or("")),
        _ => Host::Foreign,
    };
    match head.uri.authority() {
        Some(authority) if classify(authority.as_str()) == Host::Foreign => Host::Foreign,
        _ => named,
    }
}

fn foreign_host() -> Answer {
    text_answer(
        403,
        "Forbidden: the local cloud answers only to 127.0.0.1, localhost and names below \
         localhost. Send one of these as the Host header.\n",
    )
}

fn foreign_origin() -> Answer {
    text_answer(
        403,
        "Forbidden: web pages from elsewhere may not use the control plane of the local cloud. \
         The APIs deployed on it may be called from any page.\n",
    )
}

fn unread(error: BodyError, protocol: Protocol, limit: usize) -> Answer {
    let mut answer = match error {
        BodyError::TooLong => {
            let error = AwsError::new(
                413,
                "RequestEntityTooLargeException",
                format!("Request must be smaller than {limit} bytes"),
            );
            let mut answer = protocol.error(&error, "");
            answer.headers_mut().remove(REQUEST_ID);
            answer
        }
        BodyError::Broken => text_answer(408, "The body of the request did not arrive.\n"),
    };
    // What is left of the body is not worth reading.
    answer.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    answer
}
