//! What every kind of function shares: the version, the cold start, the clock and the one EMF document
//! of each invocation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lambda_http::lambda_runtime::Context;

use crate::Error;
use crate::call::{Call, Ending, Service};

/// The invocations of one execution environment.
#[derive(Debug)]
pub(crate) struct Invocations {
    service: Service,
    version: String,
    environment: String,
    cold: AtomicBool,
}

/// An invocation that has begun.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) call: Call,
    started: Instant,
    cold_start: bool,
}

impl Invocations {
    /// Errors: the program was not started by Lambda.
    pub(crate) fn from_env(service: Service) -> Result<Self, Error> {
        if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
            return Err(format!(
                "{} is a Lambda function: it is started by Lambda, which sets AWS_LAMBDA_RUNTIME_API",
                service.name
            )
            .into());
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let stream = variable("AWS_LAMBDA_LOG_STREAM_NAME").unwrap_or_default();
        Ok(Self {
            service,
            version: variable("AWS_LAMBDA_FUNCTION_VERSION")
                .unwrap_or_else(|| "$LATEST".to_owned()),
            environment: environment_of(&stream).to_owned(),
            // An environment that was kept ready has started before anybody waited for it.
            cold: AtomicBool::new(
                variable("AWS_LAMBDA_INITIALIZATION_TYPE").as_deref()
                    != Some("provisioned-concurrency"),
            ),
        })
    }

    pub(crate) fn begin(&self, context: &Context) -> Invocation {
        let call = Call::new(self.service, &self.version, &context.request_id)
            .in_environment(&self.environment)
            .traced(context.xray_trace_id.as_deref().unwrap_or_default());
        Invocation {
            call,
            started: Instant::now(),
            cold_start: self.cold.swap(false, Ordering::Relaxed),
        }
    }
}

impl Invocation {
    /// Writes the invocation's metrics.
    pub(crate) fn end(self, status: u16) {
        self.call.write_metrics(Ending {
            status,
            latency_ms: self.started.elapsed().as_secs_f64() * 1000.0,
            cold_start: self.cold_start,
            timestamp_ms: now_ms(),
        });
    }
}

/// The execution environment's own part of its log stream's name, `2026/11/20/[3]53c5…`: each
/// environment writes a stream of its own.
fn environment_of(stream: &str) -> &str {
    stream.rsplit(']').next().unwrap_or(stream)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_known_by_its_log_stream() {
        assert_eq!(environment_of("2026/11/20/[$LATEST]53c5ab"), "53c5ab");
        assert_eq!(environment_of("odd"), "odd");
        assert_eq!(environment_of(""), "");
    }
}
