//! The rates that AWS grants an account and region, as token buckets.
//!
//! Sources: API Gateway, "Quotas for creating, deploying and managing an API"; Lambda, "Lambda
//! quotas", API requests; CloudWatch Logs, "CloudWatch Logs quotas"; CloudWatch, "CloudWatch
//! service quotas"; STS, "IAM and STS quotas". IAM publishes no rates: the ones here are a cautious
//! choice. Where only a rate is documented, the bucket holds one second's worth of calls.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::AwsError;
use crate::wire::ApiRequest;

/// A rate and whom it counts.
#[derive(Debug)]
struct Rate {
    service: &'static str,
    of: Of,
    /// Calls granted …
    calls: u32,
    /// … in this many seconds.
    seconds: u32,
    /// Calls at once.
    burst: u32,
}

#[derive(Debug)]
enum Of {
    /// These operations together.
    These(&'static [&'static str]),
    /// Every operation of the service but these.
    AllBut(&'static [&'static str]),
}

const fn these(
    service: &'static str,
    operations: &'static [&'static str],
    calls: u32,
    seconds: u32,
) -> Rate {
    // One second's worth, and at least one.
    let burst = if seconds > calls { 1 } else { calls / seconds };
    Rate { service, of: Of::These(operations), calls, seconds, burst }
}

/// The operation by which an API with an edge-optimised endpoint is counted.
const EDGE: &str = "CreateRestApi (edge)";

const RATES: &[Rate] = &[
    these("apigateway", &["CreateRestApi", "ImportRestApi"], 1, 3),
    these("apigateway", &[EDGE], 1, 30),
    these("apigateway", &["DeleteRestApi"], 1, 30),
    these("apigateway", &["PutRestApi"], 1, 1),
    these("apigateway", &["CreateDeployment"], 1, 5),
    these("apigateway", &["CreateResource"], 5, 1),
    these("apigateway", &["DeleteResource"], 5, 1),
    Rate {
        service: "apigateway",
        of: Of::These(&["GetResources"]),
        calls: 5,
        seconds: 2,
        burst: 5,
    },
    these("apigateway", &["CreateApiKey", "ImportApiKeys"], 5, 1),
    these("apigateway", &["DeleteApiKey"], 5, 1),
    these("apigateway", &["UpdateUsagePlan"], 1, 20),
    these("apigateway", &["UpdateAccount"], 1, 20),
    these("apigateway", &["CreateDocumentationVersion"], 1, 20),
    these("apigateway", &["ImportDocumentationParts"], 1, 30),
    these("apigateway", &["CreateDomainName"], 1, 30),
    these("apigateway", &["DeleteDomainName"], 1, 30),
    these("apigateway", &["UpdateDomainName"], 1, 30),
    these("apigateway", &["CreateVpcLink"], 1, 15),
    these("apigateway", &["DeleteVpcLink"], 1, 30),
    Rate { service: "apigateway", of: Of::AllBut(&[]), calls: 10, seconds: 1, burst: 40 },
    these("lambda", &["GetFunction"], 100, 1),
    these("lambda", &["GetPolicy"], 15, 1),
    Rate {
        service: "lambda",
        of: Of::AllBut(&[
            "Invoke",
            "InvokeAsync",
            "InvokeWithResponseStream",
            "GetFunction",
            "GetPolicy",
        ]),
        calls: 15,
        seconds: 1,
        burst: 15,
    },
    these("logs", &["FilterLogEvents"], 5, 1),
    these("logs", &["GetLogEvents"], 25, 1),
    these("logs", &["DescribeLogStreams"], 25, 1),
    these("logs", &["DescribeLogGroups"], 10, 1),
    these("logs", &["CreateLogGroup"], 10, 1),
    these("logs", &["DeleteLogGroup"], 10, 1),
    these("logs", &["CreateLogStream"], 50, 1),
    these("logs", &["PutLogEvents"], 5000, 1),
    these("monitoring", &["GetMetricData"], 50, 1),
    these("monitoring", &["PutMetricData"], 500, 1),
    these("monitoring", &["ListMetrics"], 25, 1),
    these("monitoring", &["PutMetricAlarm"], 3, 1),
    these("monitoring", &["DescribeAlarms"], 9, 1),
    these("monitoring", &["DeleteAlarms"], 3, 1),
    these("dynamodb", &["DescribeStream"], 10, 1),
    these("sts", &["GetCallerIdentity", "AssumeRole"], 600, 1),
    Rate { service: "iam", of: Of::AllBut(&[]), calls: 20, seconds: 1, burst: 40 },
];

impl Rate {
    fn counts(&self, service: &str, operation: &str) -> bool {
        self.service == service
            && match self.of {
                Of::These(list) => list.contains(&operation),
                Of::AllBut(list) => !list.contains(&operation),
            }
    }

    fn per_second(&self) -> f64 {
        f64::from(self.calls) / f64::from(self.seconds.max(1))
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// A call above its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Throttled {
    /// How long until the call would be granted.
    wait: Duration,
}

/// What is left of each rate.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// By the place of the rate in [`RATES`].
    buckets: Mutex<HashMap<usize, Bucket>>,
}

impl Limits {
    /// Counts a call, or says that it is too much.
    pub(super) fn spend(
        &self,
        service: &str,
        operation: &str,
        request: &ApiRequest,
    ) -> Result<(), Throttled> {
        let creates_api = matches!(operation, "CreateRestApi" | "ImportRestApi");
        let operation = if creates_api && service == "apigateway" && is_edge(operation, request) {
            EDGE
        } else {
            operation
        };
        self.spend_at(service, operation, Instant::now())
    }

    fn spend_at(&self, service: &str, operation: &str, now: Instant) -> Result<(), Throttled> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let rates: Vec<_> =
            RATES.iter().enumerate().filter(|(_, r)| r.counts(service, operation)).collect();
        let mut wait = 0.0_f64;
        for (place, rate) in &rates {
            let full = f64::from(rate.burst);
            let bucket = buckets.entry(*place).or_insert(Bucket { tokens: full, at: now });
            let since = now.saturating_duration_since(bucket.at).as_secs_f64();
            bucket.tokens = (bucket.tokens + since * rate.per_second()).min(full);
            bucket.at = now;
            wait = wait.max((1.0 - bucket.tokens) / rate.per_second());
        }
        // A rounding error is no reason to refuse.
        if wait > 1e-6 {
            return Err(Throttled { wait: Duration::from_secs_f64(wait) });
        }
        for (place, _) in rates {
            if let Some(bucket) = buckets.get_mut(&place) {
                bucket.tokens -= 1.0;
            }
        }
        Ok(())
    }
}

impl Throttled {
    /// The service's own error.
    pub(super) fn error(service: &str) -> AwsError {
        match service {
            "apigateway" => AwsError::new(429, "TooManyRequestsException", "Too Many Requests"),
            "lambda" => AwsError::new(429, "TooManyRequestsException", "Rate exceeded")
                .with("Reason", "CallerRateLimitExceeded"),
            "dynamodb" => AwsError::new(
                400,
                "ThrottlingException",
                "Rate of requests exceeds the allowed throughput.",
            ),
            "iam" | "sts" => AwsError::new(400, "Throttling", "Rate exceeded"),
            "sns" => AwsError::new(429, "Throttled", "Rate exceeded"),
            "sqs" => AwsError::new(403, "RequestThrottled", "Request is throttled."),
            _ => AwsError::new(400, "ThrottlingException", "Rate exceeded"),
        }
    }

    /// Seconds for the `Retry-After` header, of the services that send one.
    pub(super) fn retry_after(self, service: &str) -> Option<u64> {
        matches!(service, "apigateway" | "lambda")
            .then(|| self.wait.as_secs_f64().ceil().max(1.0) as u64)
    }
}

/// Whether the API that a request makes has an edge-optimised endpoint, AWS's default.
fn is_edge(operation: &str, request: &ApiRequest) -> bool {
    let near = |kind: &str| matches!(kind.trim(), "REGIONAL" | "PRIVATE");
    if operation == "ImportRestApi" {
        let types = request.query_value("endpointConfigurationTypes").unwrap_or_default();
        return !types.split(',').any(near);
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let types = body["endpointConfiguration"]["types"].as_array();
    !types.into_iter().flatten().filter_map(Value::as_str).any(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_rate_grants_one_call_and_tells_when_the_next_is_due() {
        let limits = Limits::default();
        let now = Instant::now();
        let spend = |after| limits.spend_at("apigateway", "CreateDeployment", now + after);
        assert_eq!(spend(Duration::ZERO), Ok(()));
        let throttled = spend(Duration::from_secs(2)).map_err(|t| t.retry_after("apigateway"));
        assert_eq!(throttled, Err(Some(3)));
        assert_eq!(spend(Duration::from_secs(5)), Ok(()), "a refused call spends nothing");
    }

    #[test]
    fn the_account_has_a_rate_of_its_own_on_top() {
        let limits = Limits::default();
        let now = Instant::now();
        for _ in 0..40 {
            assert_eq!(limits.spend_at("apigateway", "GetStages", now), Ok(()));
        }
        assert!(limits.spend_at("apigateway", "GetStage", now).is_err());
        assert_eq!(
            limits.spend_at("apigateway", "GetStage", now + Duration::from_millis(101)),
            Ok(())
        );
    }

    #[test]
    fn invocations_and_reads_are_not_counted_with_the_rest_of_lambda() {
        let limits = Limits::default();
        let now = Instant::now();
        for _ in 0..15 {
            assert_eq!(limits.spend_at("lambda", "UpdateAlias", now), Ok(()));
        }
        assert!(limits.spend_at("lambda", "ListAliases", now).is_err());
        for _ in 0..100 {
            assert_eq!(limits.spend_at("lambda", "Invoke", now), Ok(()));
            assert_eq!(limits.spend_at("lambda", "GetFunction", now), Ok(()));
        }
        assert!(limits.spend_at("lambda", "GetFunction", now).is_err());
    }
}
