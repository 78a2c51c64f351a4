//! What the data plane calls: functions and the log.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::error::AwsError;
use crate::metrics::RequestRecord;

/// A function call on behalf of a request.
#[derive(Debug)]
pub(in super::super) struct FunctionCall {
    /// Name or ARN, maybe with a version or alias.
    pub function: String,
    pub payload: Bytes,
    /// The method for which the gateway calls, as permissions name it.
    pub source_arn: String,
    pub trace_id: String,
    /// Whether nobody waits for the answer: the function is only told.
    pub event: bool,
}

/// What a function answered.
#[derive(Debug)]
pub(in super::super) struct FunctionAnswer {
    pub payload: Bytes,
    /// Whether the function failed.
    pub failed: bool,
    /// The invocation's id.
    pub request_id: String,
}

/// An answer that comes later.
pub(in super::super) type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The services behind the gateway.
pub(in super::super) trait Backends: Send + Sync {
    /// Calls a function and waits for its answer. The call may outlive the request.
    fn call(&self, call: FunctionCall) -> Later<'static, Result<FunctionAnswer, AwsError>>;

    /// Writes lines (ms since the epoch, text) to a log stream.
    fn log<'a>(
        &'a self,
        group: &'a str,
        stream: &'a str,
        lines: Vec<(i64, String)>,
    ) -> Later<'a, ()>;

    /// Notes a request that was answered, for the gateway's metrics.
    fn measured(&self, _: RequestRecord) {}
}
