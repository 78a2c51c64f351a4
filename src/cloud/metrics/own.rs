//! The metrics that services report about themselves: `AWS/Lambda` and `AWS/ApiGateway`.
//!
//! Names, units and dimensions are those of the developer guides ("Types of metrics for Lambda
//! functions", "Amazon API Gateway dimensions and metrics").

use std::collections::HashMap;

use super::distribution::Distribution;
use super::model::{MetricKey, Slot};

/// What became of an invocation of a function.
#[derive(Debug, Clone)]
pub struct InvocationRecord {
    /// When it began, in ms since the epoch.
    pub at_ms: i64,
    /// The function's name.
    pub function: String,
    /// The alias or version that was named; `None` for the function itself.
    pub qualifier: Option<String>,
    /// The version that ran, where an alias with two versions chose it.
    pub executed_version: Option<String>,
    /// Invocations of the function that ran at that moment, this one included.
    pub concurrent: u32,
    /// How it ended.
    pub result: InvocationResult,
}

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InvocationResult {
    /// The function ran.
    Ran {
        /// Its time in ms.
        duration_ms: f64,
        /// Whether it failed.
        failed: bool,
        /// Where environments are kept ready for its version.
        provisioned: Option<ProvisionedUse>,
    },
    /// It was refused, since a limit was reached.
    Throttled,
}

/// What an invocation found of the environments that are kept ready for its version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProvisionedUse {
    /// How many of them were working, this one included.
    pub busy: u32,
    /// How many there were.
    pub of: u32,
    /// Whether it ran elsewhere, since all were busy.
    pub spilled: bool,
}

impl ProvisionedUse {
    /// Lambda Developer Guide, "Using CloudWatch metrics with Lambda", "Concurrency metrics".
    fn values(self) -> Vec<Value> {
        if self.spilled {
            return vec![("ProvisionedConcurrencySpilloverInvocations", "Count", 1.0)];
        }
        let busy = f64::from(self.busy.min(self.of));
        vec![
            ("ProvisionedConcurrencyInvocations", "Count", 1.0),
            ("ProvisionedConcurrentExecutions", "Count", busy),
            ("ProvisionedConcurrencyUtilization", "Count", busy / f64::from(self.of.max(1))),
        ]
    }
}

/// A request that a stage has answered.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// When it came, in ms since the epoch.
    pub at_ms: i64,
    /// Name of the API.
    pub api: String,
    /// Name of the stage.
    pub stage: String,
    /// HTTP method and resource path, where the stage has detailed metrics for it.
    pub detail: Option<(String, String)>,
    /// The status of the answer.
    pub status: u16,
    /// From the request to its answer, in ms.
    pub latency_ms: f64,
    /// What the integration took of it, in ms, where it was reached.
    pub integration_ms: Option<f64>,
    /// Whether the answer came from the stage's cache, where it has one for the method.
    pub cache_hit: Option<bool>,
}

/// Values by bucket.
pub(super) type Batch = HashMap<Slot, Distribution>;

type Value = (&'static str, &'static str, f64);

impl InvocationRecord {
    pub(super) fn add_to(&self, batch: &mut Batch) {
        let mut values: Vec<Value> = Vec::with_capacity(5);
        match self.result {
            InvocationResult::Ran { duration_ms, failed, .. } => values.extend([
                ("Invocations", "Count", 1.0),
                ("Errors", "Count", f64::from(u8::from(failed))),
                ("Throttles", "Count", 0.0),
                ("Duration", "Milliseconds", duration_ms),
                ("ConcurrentExecutions", "Count", f64::from(self.concurrent)),
            ]),
            // What is throttled counts neither as invocation nor as error.
            InvocationResult::Throttled => values.push(("Throttles", "Count", 1.0)),
        }
        if let InvocationResult::Ran { provisioned: Some(ready), .. } = self.result {
            values.extend(ready.values());
        }
        let function = ("FunctionName".to_owned(), self.function.clone());
        let resource = match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.function),
            None => self.function.clone(),
        };
        let resource = ("Resource".to_owned(), resource);
        let mut sets =
            vec![Vec::new(), vec![function.clone()], vec![function.clone(), resource.clone()]];
        if let Some(version) = &self.executed_version {
            let version = ("ExecutedVersion".to_owned(), version.clone());
            sets.push(vec![function, resource, version]);
        }
        add(batch, "AWS/Lambda", &sets, &values, self.at_ms);
    }
}

impl RequestRecord {
    pub(super) fn add_to(&self, batch: &mut Batch) {
        let is = |class: u16| f64::from(u8::from(self.status / 100 == class));
        let mut values: Vec<Value> = vec![
            ("Count", "Count", 1.0),
            ("4XXError", "Count", is(4)),
            ("5XXError", "Count", is(5)),
            ("Latency", "Milliseconds", self.latency_ms),
        ];
        if let Some(integration) = self.integration_ms {
            values.push(("IntegrationLatency", "Milliseconds", integration));
        }
        match self.cache_hit {
            Some(true) => values.push(("CacheHitCount", "Count", 1.0)),
            Some(false) => values.push(("CacheMissCount", "Count", 1.0)),
            None => {}
        }
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let api = pair("ApiName", &self.api);
        let stage = pair("Stage", &self.stage);
        let mut sets = vec![vec![api.clone()], vec![api.clone(), stage.clone()]];
        if let Some((method, resource)) = &self.detail {
            sets.push(vec![api, stage, pair("Method", method), pair("Resource", resource)]);
        }
        add(batch, "AWS/ApiGateway", &sets, &values, self.at_ms);
    }
}

fn add(
    batch: &mut Batch,
    namespace: &str,
    sets: &[Vec<(String, String)>],
    values: &[Value],
    at_ms: i64,
) {
    let time = at_ms.div_euclid(60_000) * 60;
    for set in sets {
        for (name, unit, value) in values {
            let key = MetricKey::new(namespace, *name, set.clone());
            let slot = Slot { key, time, resolution: 60, unit };
            batch.entry(slot).or_default().add(*value, 1.0);
        }
    }
}
