//! The loop around a handler: one request after the other, each measured, none failing silently.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lambda_http::http::StatusCode;
use lambda_http::request::RequestContext;
use lambda_http::{Body, Error, Request, RequestExt, Response, service_fn};

use crate::call::{Call, Ending, Level, Service};
use crate::reply::Reply;

/// Serves requests until Lambda ends the execution environment.
///
/// Every request is answered and writes one EMF document. A handler's error becomes a 500 whose body
/// says nothing about it, and a log line that does.
///
/// Errors: the Runtime API is not there or breaks off.
pub async fn run<H, F>(service: Service, handler: H) -> Result<(), Error>
where
    H: Fn(Request, Call) -> F,
    F: Future<Output = Result<Reply, Error>> + Send,
{
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err(format!(
            "{} is a Lambda function: it is started by Lambda, which sets AWS_LAMBDA_RUNTIME_API",
            service.name
        )
        .into());
    }
    let version =
        std::env::var("AWS_LAMBDA_FUNCTION_VERSION").unwrap_or_else(|_| "$LATEST".to_owned());
    let cold = AtomicBool::new(true);
    let handle = |request: Request| {
        let cold_start = cold.swap(false, Ordering::Relaxed);
        let call = call(service, &version, &request);
        // The handler is called here, so that only its future is moved into the answer's.
        let started = Instant::now();
        let answered = handler(request, call.clone());
        async move {
            let reply = answer(answered, &call).await;
            call.write_metrics(Ending {
                status: reply.status().as_u16(),
                latency_ms: started.elapsed().as_secs_f64() * 1000.0,
                cold_start,
                timestamp_ms: now_ms(),
            });
            Ok::<Response<Body>, Error>(reply.into_response())
        }
    };
    lambda_http::run(service_fn(handle)).await
}

/// The request's call, with its route noted.
fn call(service: Service, version: &str, request: &Request) -> Call {
    let request_id =
        request.lambda_context_ref().map(|context| context.request_id.as_str()).unwrap_or_default();
    let call = Call::new(service, version, request_id);
    // With features for REST APIs alone there is but one kind of context.
    let resource = request.request_context_ref().and_then(|context| match context {
        RequestContext::ApiGatewayV1(context) => context.resource_path.as_deref(),
        _ => None,
    });
    let path = resource.unwrap_or_else(|| request.uri().path());
    call.property("route", format!("{} {path}", request.method()));
    call
}

async fn answer(answered: impl Future<Output = Result<Reply, Error>>, call: &Call) -> Reply {
    match answered.await {
        Ok(reply) => reply,
        Err(error) => {
            let fields = [("error", error.to_string().into())];
            call.log(Level::Error, "the handler failed", &fields);
            Reply::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SERVICE: Service = Service { name: "greet", counters: &[] };

    #[tokio::test]
    async fn an_error_becomes_a_500_that_tells_nothing() {
        let call = Call::new(SERVICE, "1", "r-1");
        let failing = async { Err("the secret is out".into()) };
        let reply = answer(failing, &call).await;
        assert_eq!(reply.status(), 500);
        assert_eq!(*reply.body(), json!({ "message": "Internal server error" }));
    }

    #[test]
    fn the_route_is_noted() {
        let request = Request::default();
        let document = call(SERVICE, "1", &request).metrics(Ending {
            status: 200,
            latency_ms: 0.0,
            cold_start: false,
            timestamp_ms: 0,
        });
        assert_eq!(document["route"], "GET /");
    }
}
