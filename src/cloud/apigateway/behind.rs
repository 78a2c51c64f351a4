//! The services behind the gateway: Lambda, CloudWatch Logs and `CloudWatch`.

use std::sync::Arc;

use bytes::Bytes;

use super::data::backend::{Backends, FunctionAnswer, FunctionCall, Later};
use crate::core::Core;
use crate::error::AwsError;
use crate::lambda::{Invocation, Invoker, Lambda};
use crate::logs::Logs;
use crate::metrics::RequestRecord;

/// The name by which functions' policies let API Gateway in.
const PRINCIPAL: &str = "apigateway.amazonaws.com";

/// The local cloud's own services.
pub(super) struct Behind {
    pub core: Arc<Core>,
    pub lambda: Arc<Lambda>,
    pub logs: Arc<Logs>,
}

impl Backends for Behind {
    fn call(&self, call: FunctionCall) -> Later<'static, Result<FunctionAnswer, AwsError>> {
        let lambda = Arc::clone(&self.lambda);
        Box::pin(async move {
            let invocation = Invocation {
                function: call.function,
                qualifier: None,
                payload: call.payload,
                invoker: Invoker::Service { principal: PRINCIPAL, source_arn: call.source_arn },
                trace_id: Some(call.trace_id),
                client_context: None,
                log_tail: false,
            };
            if call.event {
                let request_id = lambda.invoke_event(invocation).await?;
                return Ok(FunctionAnswer { payload: Bytes::new(), failed: false, request_id });
            }
            let outcome = lambda.invoke(invocation).await?;
            Ok(FunctionAnswer {
                payload: outcome.payload,
                failed: outcome.function_error.is_some(),
                request_id: outcome.request_id,
            })
        })
    }

    fn log<'a>(
        &'a self,
        group: &'a str,
        stream: &'a str,
        lines: Vec<(i64, String)>,
    ) -> Later<'a, ()> {
        Box::pin(self.logs.append(group, stream, lines))
    }

    fn measured(&self, record: RequestRecord) {
        self.core.recorder.request(record);
    }
}
