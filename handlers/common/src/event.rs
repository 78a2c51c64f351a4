//! Functions that are given an event as it is and answer with a value: non-proxy integrations and
//! direct invocations.

use std::future::Future;

use lambda_http::lambda_runtime::{self, Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;

use crate::Error;
use crate::call::{Call, Level, Service};
use crate::invocation::Invocations;

/// How a function says that it failed. Lambda hands it on as
/// `{"errorType": …, "errorMessage": …}`, and a non-proxy integration chooses its answer by the message,
/// so that is what the caller may know and nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    kind: &'static str,
    message: String,
    status: u16,
}

impl Failure {
    /// A failure of a kind with its message. `status` is what it would be as an HTTP status: it decides
    /// whether the failure counts as an error of the function (500 and above) or as the caller's.
    pub fn new(kind: &'static str, message: impl Into<String>, status: u16) -> Self {
        Self { kind, message: message.into(), status }
    }

    /// A failure of the function's own. What it was is for the log, not for the caller.
    pub fn internal() -> Self {
        Self::new("InternalError", "InternalError", 500)
    }

    /// What Lambda hands on as `errorMessage`.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What it would be as an HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.to_owned(), error_message: failure.message }
    }
}

/// Serves events until Lambda ends the execution environment. Each writes one EMF document.
///
/// Errors: the Runtime API is not there or breaks off.
pub async fn run_events<H, F>(service: Service, handler: H) -> Result<(), Error>
where
    H: Fn(Value, Call) -> F,
    F: Future<Output = Result<Value, Failure>> + Send,
{
    let invocations = Invocations::from_env(service)?;
    let (invocations, handler) = (&invocations, &handler);
    let handle = |event: LambdaEvent<Value>| async move {
        let invocation = invocations.begin(&event.context);
        let call = invocation.call.clone();
        call.property("route", "invoke");
        let answer = Box::pin(handler(event.payload, call.clone())).await;
        invocation.end(noted(&answer, &call));
        answer
    };
    lambda_runtime::run(service_fn(handle)).await
}

/// The status of an answer; a failure is logged, as an error where it is the function's own.
pub(crate) fn noted(answer: &Result<Value, Failure>, call: &Call) -> u16 {
    let Err(failure) = answer else { return 200 };
    let level = if failure.status >= 500 { Level::Error } else { Level::Info };
    let fields =
        [("errorType", failure.kind.into()), ("errorMessage", failure.message.as_str().into())];
    call.log(level, "the invocation failed", &fields);
    failure.status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_what_the_gateway_matches() {
        let failure = Failure::new("NotFoundError", "NotFoundError", 404);
        let diagnostic = Diagnostic::from(failure);
        assert_eq!(diagnostic.error_message, "NotFoundError");
        assert_eq!(diagnostic.error_type, "NotFoundError");
    }

    #[test]
    fn only_the_functions_own_failures_count_as_errors() {
        let call = Call::new(Service { name: "items", counters: &[] }, "1", "r-1");
        assert_eq!(noted(&Ok(Value::Null), &call), 200);
        assert_eq!(noted(&Err(Failure::new("NotFoundError", "NotFoundError", 404)), &call), 404);
        assert_eq!(noted(&Err(Failure::internal()), &call), 500);
    }
}
