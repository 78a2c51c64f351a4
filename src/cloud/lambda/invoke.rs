//! Invocations: who may, which version, and how the result is answered.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::core::unique_id;
use crate::error::AwsError;
use crate::metrics::{InvocationRecord, InvocationResult, ProvisionedUse};
use crate::protocol::{bytes_answer, empty, set_header};
use crate::wire::{Answer, ApiRequest, Caller};

use super::Lambda;
use super::environment::{Event, Initialization, Job, Spec};
use super::errors::{constraint, function_not_found};
use super::events::QueuedEvent;
use super::model::{Configuration, Function, State};
use super::names::{FunctionName, LATEST, Wording, qualified_arn};
use super::permissions::policy_key;
use super::policy::allows_service;
use super::routing;
use super::updates::not_ready;

/// The largest payload of a synchronous invocation, in bytes.
const SYNC_LIMIT: usize = 6_291_456;
/// The largest payload of an asynchronous invocation, in bytes.
const ASYNC_LIMIT: usize = 1_048_576;

/// An invocation by another service of the local cloud.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Name or ARN, maybe with `:qualifier`.
    pub function: String,
    /// A version or an alias, where the function doesn't name it.
    pub qualifier: Option<String>,
    /// The event, as JSON.
    pub payload: Bytes,
    /// Who invokes.
    pub invoker: Invoker,
    /// Trace header to pass on.
    pub trace_id: Option<String>,
    /// Client context to pass on, in base64.
    pub client_context: Option<String>,
    /// Whether the last lines of the log are wanted.
    pub log_tail: bool,
}

/// Who invokes a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invoker {
    /// Credentials: IAM decides.
    Caller(Caller),
    /// A service: the function's resource policy decides.
    Service {
        /// Such as `apigateway.amazonaws.com`.
        principal: &'static str,
        /// The resource on whose behalf it invokes.
        source_arn: String,
    },
}

/// The result of an invocation, whether the function did well or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the function answered, or the description of its failure, as JSON.
    pub payload: Bytes,
    /// `Unhandled` when the function failed.
    pub function_error: Option<String>,
    /// The version that ran.
    pub executed_version: String,
    /// The invocation's id.
    pub request_id: String,
    /// The last 4 KB of its log in base64, where asked for.
    pub log_result: Option<String>,
}

/// An invocation that was checked: it only has to be run.
pub struct Admitted {
    function: Arc<Function>,
    name: FunctionName,
}

/// What travels with an event.
#[derive(Debug, Clone, Default)]
pub struct Baggage {
    /// Trace header.
    pub trace_id: Option<String>,
    /// Client context.
    pub client_context: Option<String>,
}

impl Lambda {
    /// Invokes a function and waits for its result.
    ///
    /// A function that fails is an [`Outcome`] with `function_error`. Errors are AWS's: 403 where
    /// the invoker may not, 404 where there is no such function, 429 where a limit is reached.
    pub async fn invoke(self: &Arc<Self>, invocation: Invocation) -> Result<Outcome, AwsError> {
        let name = FunctionName::parse(
            &invocation.function,
            invocation.qualifier.as_deref(),
            Wording::Invoke,
        )?;
        let admitted = self.admit(name, &invocation.invoker)?;
        let baggage =
            Baggage { trace_id: invocation.trace_id, client_context: invocation.client_context };
        let request_id = unique_id().to_string();
        self.run(admitted, invocation.payload, request_id, baggage, invocation.log_tail).await
    }

    /// Tells a function of an event: AWS's asynchronous invocation. It is kept and run later. Answers
    /// the invocation's id.
    pub async fn invoke_event(
        self: &Arc<Self>,
        invocation: Invocation,
    ) -> Result<String, AwsError> {
        let name = FunctionName::parse(
            &invocation.function,
            invocation.qualifier.as_deref(),
            Wording::Invoke,
        )?;
        let admitted = self.admit(name, &invocation.invoker)?;
        let payload = check_payload(invocation.payload, ASYNC_LIMIT)?;
        let baggage =
            Baggage { trace_id: invocation.trace_id, client_context: invocation.client_context };
        let id = unique_id().to_string();
        let now = self.core.now_millis();
        let event = QueuedEvent::new(id.clone(), admitted.name, payload, baggage, now);
        self.accept_event(event).await?;
        Ok(id)
    }

    /// The `Invoke` operation.
    pub(super) async fn invoke_api(
        self: &Arc<Self>,
        request: ApiRequest,
        function: &str,
    ) -> Result<Answer, AwsError> {
        let qualifier = request.query_value("Qualifier");
        let name = FunctionName::parse(function, qualifier.as_deref(), Wording::Invoke)?;
        let admitted = self.admit(name, &Invoker::Caller(request.caller.clone()))?;
        let kind = request.header("x-amz-invocation-type").unwrap_or("RequestResponse");
        let limit = match kind {
            "RequestResponse" => SYNC_LIMIT,
            "Event" => ASYNC_LIMIT,
            "DryRun" => return Ok(empty(204)),
            other => {
                return Err(constraint(
                    other,
                    "invocationType",
                    "Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
                ));
            }
        };
        let payload = check_payload(request.body.clone(), limit)?;
        let baggage = Baggage {
            trace_id: request.header("x-amzn-trace-id").map(str::to_owned),
            client_context: request.header("x-amz-client-context").map(str::to_owned),
        };
        if kind == "Event" {
            let event = QueuedEvent::new(
                request.request_id.clone(),
                admitted.name,
                payload,
                baggage,
                self.core.now_millis(),
            );
            self.accept_event(event).await?;
            return Ok(empty(202));
        }
        let tail = match request.header("x-amz-log-type") {
            None | Some("None") => false,
            Some("Tail") => true,
            Some(other) => {
                return Err(constraint(
                    other,
                    "logType",
                    "Member must satisfy enum value set: [None, Tail]",
                ));
            }
        };
        let outcome =
            self.run(admitted, payload, request.request_id.clone(), baggage, tail).await?;
        let mut answer = bytes_answer(200, "application/json", outcome.payload);
        set_header(&mut answer, "x-amz-executed-version", &outcome.executed_version);
        if let Some(error) = &outcome.function_error {
            set_header(&mut answer, "x-amz-function-error", error);
        }
        if let Some(log) = &outcome.log_result {
            set_header(&mut answer, "x-amz-log-result", log);
        }
        Ok(answer)
    }

    /// Checks that the function is there and ready and that the invoker may.
    pub(super) fn admit(
        &self,
        name: FunctionName,
        invoker: &Invoker,
    ) -> Result<Admitted, AwsError> {
        if let Invoker::Caller(caller) = invoker {
            // Before anything is told about the function: who may not invoke learns nothing.
            self.iam
                .authorize(caller, "lambda:InvokeFunction", &name.qualified_arn())
                .map_err(|denial| denial.into_error(403))?;
        }
        let qualifier = name.qualifier.as_deref();
        let function = self
            .registry
            .find(&name.name)
            .ok_or_else(|| function_not_found(&name.name, qualifier))?;
        let configuration =
            function.resolve(qualifier).ok_or_else(|| function_not_found(&name.name, qualifier))?;
        if let Invoker::Service { principal, source_arn } = invoker {
            let statements = function.policies.get(&policy_key(&name));
            let allowed = statements.is_some_and(|p| {
                p.statements.iter().any(|s| allows_service(s, principal, source_arn))
            });
            if !allowed {
                return Err(AwsError::new(
                    403,
                    "AccessDeniedException",
                    format!(
                        "User: {principal} is not authorized to perform: lambda:InvokeFunction on \
                         resource: {} because no resource-based policy allows the \
                         lambda:InvokeFunction action",
                        name.qualified_arn()
                    ),
                ));
            }
        }
        if configuration.state == State::Pending {
            return Err(not_ready());
        }
        Ok(Admitted { function, name })
    }

    /// Runs an invocation that was admitted.
    pub(super) async fn run(
        self: &Arc<Self>,
        admitted: Admitted,
        payload: Bytes,
        request_id: String,
        baggage: Baggage,
        tail: bool,
    ) -> Result<Outcome, AwsError> {
        let Admitted { function, name } = admitted;
        let qualifier = name.qualifier.as_deref();
        let version = match qualifier {
            None | Some(LATEST) => LATEST,
            Some(qualifier) => match function.aliases.get(qualifier) {
                Some(alias) => routing::choose(alias, routing::draw()),
                None => qualifier,
            },
        };
        let configuration = function
            .serving(version)
            .ok_or_else(|| function_not_found(&name.name, Some(version)))?;
        let job = Job {
            function: &function.name,
            reserved: function.reserved_concurrency,
            instance: &configuration.instance,
            timeout: Duration::from_secs(configuration.timeout.into()),
            event: Event {
                request_id: request_id.clone(),
                payload,
                deadline_ms: 0,
                arn: qualified_arn(&name.name, qualifier),
                trace_id: trace_id(
                    baggage.trace_id.as_deref(),
                    configuration,
                    self.core.now_millis(),
                )
                .into_owned(),
                client_context: baggage.client_context.as_deref().and_then(decode_context),
            },
            tail,
        };
        // The code may have been removed from the disk by hand: it is kept as a zip too.
        let began = self.core.now_millis();
        let concurrent = self.pool.running(&function.name) + 1;
        let ready = (!function.provisioned.is_empty()).then(|| ProvisionedUse {
            busy: self.pool.busy_ahead(&configuration.instance) + 1,
            of: self.pool.ready_ahead(&configuration.instance),
            spilled: false,
        });
        let result = self.pool.run(job, || self.spec(&function, configuration)).await;
        let measured = match &result {
            Ok(completion) => Some(InvocationResult::Ran {
                duration_ms: completion.duration.as_secs_f64() * 1000.0,
                failed: completion.failed,
                provisioned: ready
                    .filter(|ready| ready.of > 0)
                    .map(|ready| ProvisionedUse { spilled: !completion.provisioned, ..ready }),
            }),
            Err(error) => (error.status == 429).then_some(InvocationResult::Throttled),
        };
        if let Some(measured) = measured {
            let alias = qualifier.and_then(|qualifier| function.aliases.get(qualifier));
            self.core.recorder.invocation(InvocationRecord {
                at_ms: began,
                function: function.name.clone(),
                qualifier: name.qualifier.clone(),
                executed_version: alias
                    .filter(|alias| alias.extra.is_some())
                    .map(|_| configuration.version.clone()),
                concurrent,
                result: measured,
            });
        }
        let completion = result?;
        Ok(Outcome {
            payload: completion.payload,
            function_error: completion.failed.then(|| "Unhandled".to_owned()),
            executed_version: configuration.version.clone(),
            request_id,
            log_result: completion.tail,
        })
    }

    /// What an execution environment of a configuration runs.
    pub(super) fn spec(&self, function: &Function, c: &Configuration) -> Spec {
        let code = self.code.hold(&c.code_hash);
        if let Err(error) = self.code.restore(&c.code_hash) {
            tracing::error!(%error, function = function.name, "the code could not be restored");
        }
        Spec {
            instance: c.instance.clone(),
            function: function.name.clone(),
            version: c.version.clone(),
            role: c.role.clone(),
            handler: c.handler.clone(),
            runtime: c.runtime.clone(),
            memory_mb: c.memory_size,
            timeout: Duration::from_secs(c.timeout.into()),
            log_group: c.log_group.clone(),
            variables: c.environment.clone().unwrap_or_default(),
            code,
            initialization: Initialization::OnDemand,
        }
    }
}

/// The payload as the function gets it: JSON within the limit; none is an empty object.
fn check_payload(payload: Bytes, limit: usize) -> Result<Bytes, AwsError> {
    if payload.len() > limit {
        return Err(AwsError::new(
            413,
            "RequestTooLargeException",
            format!("Request must be smaller than {limit} bytes for the InvokeFunction operation"),
        ));
    }
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<IgnoredAny>(&payload) {
        Ok(_) => Ok(payload),
        Err(error) => Err(AwsError::new(
            400,
            "InvalidRequestContentException",
            format!(
                "Could not parse request body into json: Could not parse payload into json: {error}"
            ),
        )),
    }
}

/// The trace header of an invocation: the caller's, or a new one that is sampled when the function
/// traces actively.
fn trace_id<'a>(given: Option<&'a str>, c: &Configuration, now_ms: i64) -> Cow<'a, str> {
    if let Some(given) = given.filter(|given| given.contains("Root=")) {
        return Cow::Borrowed(given);
    }
    let random = unique_id().simple().to_string();
    let parent = unique_id().simple().to_string();
    let sampled = u8::from(c.tracing == "Active");
    let seconds = now_ms / 1000;
    let (random, parent) = (&random[..24], &parent[..16]);
    Cow::Owned(format!("Root=1-{seconds:08x}-{random};Parent={parent};Sampled={sampled}"))
}

/// Client contexts travel to Lambda in base64 and to the runtime as plain JSON.
fn decode_context(text: &str) -> Option<String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    String::from_utf8(bytes).ok().filter(|context| !context.contains(char::is_control))
}
