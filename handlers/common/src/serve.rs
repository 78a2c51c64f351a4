//! The loop around a handler of proxy requests: each is measured, none fails silently.

use std::future::Future;

use lambda_http::http::StatusCode;
use lambda_http::lambda_runtime::{self, LambdaEvent, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Error;
use crate::call::{Call, Level, Service};
use crate::event::Failure;
use crate::invocation::Invocations;
use crate::reply::Reply;
use crate::request::Request;

/// Serves requests of a proxy integration until Lambda ends the execution environment.
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
    let invocations = Invocations::from_env(service)?;
    let (invocations, handler) = (&invocations, &handler);
    let handle = |event: LambdaEvent<Box<RawValue>>| async move {
        let invocation = invocations.begin(&event.context);
        let call = invocation.call.clone();
        let Some(request) = read(event.payload.get(), &call) else {
            invocation.end(StatusCode::BAD_REQUEST.as_u16());
            return Err(Failure::new(
                "InvalidEvent",
                "The event is not a request of an API Gateway proxy integration",
                400,
            ));
        };
        // Boxed, so that the handler's states are no part of the loop's type.
        let reply = answer(Box::pin(handler(request, call.clone())), &call).await;
        invocation.end(reply.status().as_u16());
        reply.into_event() as Result<Value, Failure>
    };
    lambda_runtime::run(service_fn(handle)).await
}

/// The request of an event, its route noted; `None` when it is none.
fn read(event: &str, call: &Call) -> Option<Request> {
    match Request::read(event) {
        Ok(request) => {
            call.property("route", format!("{} {}", request.method(), request.resource()));
            Some(request)
        }
        Err(error) => {
            call.property("route", "invoke");
            let fields = [("error", error.to_string().into())];
            call.log(Level::Error, "the event is not a request of API Gateway", &fields);
            None
        }
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::Ending;

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
        let call = Call::new(SERVICE, "1", "r-1");
        let event = json!({ "resource": "/items/{id}", "path": "/items/7", "httpMethod": "GET",
            "requestContext": { "httpMethod": "GET" } });
        assert!(read(&event.to_string(), &call).is_some());
        let ending = Ending { status: 200, latency_ms: 0.0, cold_start: false, timestamp_ms: 0 };
        assert_eq!(call.metrics(ending)["route"], "GET /items/{id}");
    }

    #[test]
    fn what_is_no_request_is_told_apart() {
        for event in ["{}", "7", "null", r#"{"ID":1}"#, r#"{"httpMethod":7}"#] {
            let call = Call::new(SERVICE, "1", "r-1");
            assert!(read(event, &call).is_none(), "{event}");
        }
    }
}
