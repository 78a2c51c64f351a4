//! The Runtime API of one execution environment: where its runtime gets events and leaves answers.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::{Answer, Environment, Event};

/// The largest answer of a function, in bytes.
pub const RESPONSE_LIMIT: usize = 6_291_556;
/// How much of an answer that is too large is read and thrown away, so that the runtime gets to see
/// the refusal instead of a broken connection.
const DISCARD_LIMIT: usize = 256 << 20;

const BASE: &str = "/2018-06-01/runtime/";

/// Serves one connection of the runtime until either side ends it.
pub async fn serve(environment: Arc<Environment>, stream: TcpStream) {
    // Small messages go both ways: waiting for more to send would cost milliseconds.
    let _ = stream.set_nodelay(true);
    let end = environment.end.clone();
    let service = service_fn(move |request| {
        let environment = Arc::clone(&environment);
        async move { Ok::<_, Infallible>(handle(&environment, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    // A connection ends with its runtime; what went wrong on it is of no interest.
    let _ = end.run_until_cancelled(connection).await;
}

async fn handle(
    environment: &Arc<Environment>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    // No runtime sends it, every browser does: a web page must not answer for a function.
    if request.headers().contains_key(header::ORIGIN) {
        return error(StatusCode::FORBIDDEN, "Forbidden", "Not for web pages");
    }
    let Some(path) = request.uri().path().strip_prefix(BASE).map(str::to_owned) else {
        return error(StatusCode::NOT_FOUND, "NotFound", "No such path");
    };
    match (request.method(), path.as_str()) {
        (&Method::GET, "invocation/next") => next(environment).await,
        (&Method::POST, "init/error") => init_error(environment, request).await,
        (&Method::POST, path) => {
            let Some((id, kind)) =
                path.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'))
            else {
                return error(StatusCode::NOT_FOUND, "NotFound", "No such path");
            };
            let is_error = match kind {
                "response" => false,
                "error" => true,
                _ => return error(StatusCode::NOT_FOUND, "NotFound", "No such path"),
            };
            answer(environment, id, is_error, request.into_body()).await
        }
        _ => error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "No such method"),
    }
}

/// The next event; waits until there is one.
async fn next(environment: &Arc<Environment>) -> Response<Full<Bytes>> {
    let (deliver, event) = oneshot::channel();
    if !environment.arrive(deliver) {
        return error(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            "State transition from Running to Ready failed for runtime. Error: State transition is \
             not allowed",
        );
    }
    match event.await {
        Ok(event) => event_response(event),
        Err(_) => error(StatusCode::GONE, "Gone", "The execution environment ends"),
    }
}

fn event_response(event: Event) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(event.payload));
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        // A value with control characters can't be a header; nothing that is made here has any.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, "application/json");
    set(HeaderName::from_static("lambda-runtime-aws-request-id"), &event.request_id);
    set(HeaderName::from_static("lambda-runtime-deadline-ms"), &event.deadline_ms.to_string());
    set(HeaderName::from_static("lambda-runtime-invoked-function-arn"), &event.arn);
    set(HeaderName::from_static("lambda-runtime-trace-id"), &event.trace_id);
    if let Some(context) = &event.client_context {
        set(HeaderName::from_static("lambda-runtime-client-context"), context);
    }
    response
}

async fn answer(
    environment: &Arc<Environment>,
    id: &str,
    is_error: bool,
    body: Incoming,
) -> Response<Full<Bytes>> {
    let (answer, status) = match read(body).await {
        Ok(Some(bytes)) if is_error => (Answer::Error(bytes), StatusCode::ACCEPTED),
        Ok(Some(bytes)) => (Answer::Response(bytes), StatusCode::ACCEPTED),
        Ok(None) => (Answer::TooLarge, StatusCode::PAYLOAD_TOO_LARGE),
        Err(failure) => {
            return error(StatusCode::BAD_REQUEST, "InvalidRequest", &failure.to_string());
        }
    };
    if !environment.answer(id, answer).await {
        return error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID");
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return error(
            status,
            "RequestEntityTooLarge",
            &format!("Exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."),
        );
    }
    json(status, r#"{"status":"OK"}"#.to_owned())
}

async fn init_error(
    environment: &Arc<Environment>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    match read(request.into_body()).await {
        Ok(Some(bytes)) => {
            environment.init_failed(bytes);
            json(StatusCode::ACCEPTED, r#"{"status":"OK"}"#.to_owned())
        }
        Ok(None) => error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "The error is larger than an answer may be.",
        ),
        Err(failure) => error(StatusCode::BAD_REQUEST, "InvalidRequest", &failure.to_string()),
    }
}

/// The whole body; none when it is larger than an answer may be. A body that comes in one piece, as
/// nearly all do, is not copied.
async fn read(mut body: Incoming) -> Result<Option<Bytes>, hyper::Error> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        total += data.len();
        if total > RESPONSE_LIMIT {
            first = Bytes::new();
            whole = BytesMut::new();
            if total > DISCARD_LIMIT {
                break;
            }
        } else if total == data.len() {
            first = data;
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&first);
                first = Bytes::new();
            }
            whole.extend_from_slice(&data);
        }
    }
    if total > RESPONSE_LIMIT {
        return Ok(None);
    }
    Ok(Some(if whole.is_empty() { first } else { whole.freeze() }))
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    json(status, serde_json::json!({ "errorMessage": message, "errorType": kind }).to_string())
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
