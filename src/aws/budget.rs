//! Rate budgets of AWS's control planes, spent before a call is sent.
//!
//! Rates: "Amazon API Gateway quotas and important notes", "Lambda quotas", "CloudWatch Logs quotas" and
//! "CloudWatch service quotas". Keeping below them beforehand is quicker than being throttled: a throttled
//! call to these services costs seconds.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A fixed rate: one call per `interval`, after `burst` calls at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    name: &'static str,
    interval: Duration,
    burst: u32,
}

/// What is added to the space between calls that go one by one: AWS counts them as they arrive, and the
/// second may be quicker on its way than the first, which had to open its connection.
const ON_THE_WAY: Duration = Duration::from_millis(200);

const fn rate(name: &'static str, interval_ms: u64, burst: u32) -> Rate {
    Rate { name, interval: Duration::from_millis(interval_ms), burst }
}

/// The rates that a call of `operation` at `service` (the SDK's service id) spends.
fn rates(service: &str, operation: &str) -> Vec<Rate> {
    match service {
        "API Gateway" => {
            let own = match operation {
                "CreateRestApi" | "ImportRestApi" => Some(rate("CreateRestApi", 3_000, 1)),
                "DeleteRestApi" => Some(rate("DeleteRestApi", 30_000, 1)),
                "CreateDeployment" => Some(rate("CreateDeployment", 5_000, 1)),
                "PutRestApi" => Some(rate("PutRestApi", 1_000, 1)),
                "GetResources" => Some(rate("GetResources", 400, 5)),
                "CreateResource" => Some(rate("CreateResource", 200, 5)),
                "DeleteResource" => Some(rate("DeleteResource", 200, 5)),
                "CreateApiKey" => Some(rate("CreateApiKey", 200, 5)),
                "DeleteApiKey" => Some(rate("DeleteApiKey", 200, 5)),
                "UpdateUsagePlan" => Some(rate("UpdateUsagePlan", 20_000, 1)),
                "UpdateAccount" => Some(rate("UpdateAccount", 20_000, 1)),
                _ => None,
            };
            own.into_iter().chain([rate("API Gateway", 100, 40)]).collect()
        }
        "Lambda" => match operation {
            "Invoke" | "GetFunction" => Vec::new(),
            "GetPolicy" => vec![rate("GetPolicy", 67, 15)],
            _ => vec![rate("Lambda", 67, 15)],
        },
        "CloudWatch Logs" => match operation {
            "DescribeLogGroups" => vec![rate("DescribeLogGroups", 100, 10)],
            "CreateLogGroup" => vec![rate("CreateLogGroup", 100, 10)],
            "DeleteLogGroup" => vec![rate("DeleteLogGroup", 100, 10)],
            _ => Vec::new(),
        },
        "CloudWatch" => match operation {
            "DescribeAlarms" => vec![rate("DescribeAlarms", 112, 9)],
            "PutMetricAlarm" => vec![rate("PutMetricAlarm", 334, 3)],
            "DeleteAlarms" => vec![rate("DeleteAlarms", 334, 3)],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Budgets of one account and region, shared by every client of a target.
///
/// Each rate is kept as the time at which its next call is due (the generic cell rate algorithm), so
/// callers are served in the order in which they ask.
#[derive(Debug, Default)]
pub struct Budgets {
    due: Mutex<HashMap<&'static str, Instant>>,
}

impl Budgets {
    /// Spends one call of `operation` at `service` and says how long to wait before sending it.
    pub fn spend(&self, service: &str, operation: &str, now: Instant) -> Duration {
        self.wait(service, operation, now, true)
    }

    /// How long a call would have to wait now; spends nothing.
    pub fn peek(&self, service: &str, operation: &str, now: Instant) -> Duration {
        self.wait(service, operation, now, false)
    }

    fn wait(&self, service: &str, operation: &str, now: Instant, spend: bool) -> Duration {
        let Ok(mut due) = self.due.lock() else { return Duration::ZERO };
        let mut longest = Duration::ZERO;
        for rate in rates(service, operation) {
            let next = due.get(rate.name).map_or(now, |at| (*at).max(now));
            let credit = rate.interval * rate.burst.saturating_sub(1);
            longest = longest.max((next - now).saturating_sub(credit));
            if spend {
                let cushion = if rate.burst == 1 { ON_THE_WAY } else { Duration::ZERO };
                due.insert(rate.name, next + rate.interval + cushion);
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_rate_spaces_its_calls() {
        let budgets = Budgets::default();
        let now = Instant::now();
        assert_eq!(budgets.spend("API Gateway", "DeleteRestApi", now), Duration::ZERO);
        let spaced = Duration::from_secs(30) + ON_THE_WAY;
        assert_eq!(budgets.peek("API Gateway", "DeleteRestApi", now), spaced);
        assert_eq!(budgets.spend("API Gateway", "DeleteRestApi", now), spaced);
        let later = now + Duration::from_secs(50);
        assert_eq!(
            budgets.spend("API Gateway", "DeleteRestApi", later),
            (spaced * 2).saturating_sub(Duration::from_secs(50))
        );
    }

    #[test]
    fn a_burst_goes_out_at_once_and_then_waits() {
        let budgets = Budgets::default();
        let now = Instant::now();
        for _ in 0..40 {
            assert_eq!(budgets.spend("API Gateway", "GetStages", now), Duration::ZERO);
        }
        assert_eq!(budgets.spend("API Gateway", "GetStages", now), Duration::from_millis(100));
    }

    #[test]
    fn services_without_a_fixed_rate_never_wait() {
        let budgets = Budgets::default();
        let now = Instant::now();
        for _ in 0..1000 {
            assert_eq!(budgets.spend("DynamoDB", "DescribeTable", now), Duration::ZERO);
            assert_eq!(budgets.spend("Lambda", "Invoke", now), Duration::ZERO);
        }
    }
}
