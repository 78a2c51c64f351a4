//! One request on its way through a handler: its properties, its counters and its log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use crate::emf::{self, Metric, Unit};
use crate::output;

/// What a function calls itself, and what it counts beside requests, errors, latency and cold starts.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Value of the dimension `service`.
    pub name: &'static str,
    /// Names of further counters. Each is written with every request, zeros too, so that rates can be
    /// computed from them.
    pub counters: &'static [&'static str],
}

/// How serious a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something worth knowing.
    Info,
    /// Something odd that was dealt with.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// The request being handled. Cheap to clone; clones are the same request.
#[derive(Debug, Clone)]
pub struct Call {
    service: Service,
    version: Arc<str>,
    request_id: Arc<str>,
    environment: Arc<str>,
    trace_id: Arc<str>,
    record: Arc<Mutex<Record>>,
}

#[derive(Debug, Default)]
struct Record {
    properties: Map<String, Value>,
    counts: Vec<(&'static str, u64)>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) status: u16,
    pub(crate) latency_ms: f64,
    pub(crate) cold_start: bool,
    pub(crate) timestamp_ms: u64,
}

impl Call {
    /// A request of a service. `version` is the function's, `request_id` Lambda's.
    pub fn new(service: Service, version: &str, request_id: &str) -> Self {
        let counts = service.counters.iter().map(|name| (*name, 0)).collect();
        Self {
            service,
            version: version.into(),
            request_id: request_id.into(),
            environment: "".into(),
            trace_id: "".into(),
            record: Arc::new(Mutex::new(Record { properties: Map::new(), counts })),
        }
    }

    /// Sets the execution environment that answers.
    #[must_use]
    pub fn in_environment(mut self, environment: &str) -> Self {
        self.environment = environment.into();
        self
    }

    /// Sets the trace, from a trace header such as `Root=1-…;Parent=…;Sampled=1`.
    #[must_use]
    pub fn traced(mut self, header: &str) -> Self {
        let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="));
        self.trace_id = root.unwrap_or(header).into();
        self
    }

    /// The function's version: a number, or `$LATEST`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Lambda's id of the invocation.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The execution environment: the last part of its log stream's name. Empty outside Lambda.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// The id of the request's trace; empty where Lambda gives none.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// Notes a detail of the request beside its metrics. It can be searched for, and unlike a
    /// dimension it costs no metric of its own.
    pub fn property(&self, name: &str, value: impl Into<Value>) {
        self.record().properties.insert(name.to_owned(), value.into());
    }

    /// Counts one. A counter that the service did not name is counted as well, but has no zeros.
    pub fn count(&self, counter: &'static str) {
        let mut record = self.record();
        match record.counts.iter_mut().find(|(name, _)| *name == counter) {
            Some((_, count)) => *count += 1,
            None => record.counts.push((counter, 1)),
        }
    }

    /// What a counter stands at.
    pub fn counted(&self, counter: &str) -> u64 {
        let record = self.record();
        let found = record.counts.iter().find(|(name, _)| *name == counter);
        found.map_or(0, |(_, count)| *count)
    }

    /// Writes a log line: a JSON object with `level`, `message`, `requestId`, `service`, `version`,
    /// `traceId` where there is one, and the given fields.
    pub fn log(&self, level: Level, message: &str, fields: &[(&str, Value)]) {
        output::line(&self.log_line(level, message, fields));
    }

    pub(crate) fn log_line(&self, level: Level, message: &str, fields: &[(&str, Value)]) -> Value {
        let mut line = Map::new();
        line.insert("level".to_owned(), level.name().into());
        line.insert("message".to_owned(), message.into());
        line.insert("requestId".to_owned(), self.request_id().into());
        line.insert("service".to_owned(), self.service.name.into());
        line.insert("version".to_owned(), self.version().into());
        if !self.trace_id.is_empty() {
            line.insert("traceId".to_owned(), self.trace_id().into());
        }
        for (name, value) in fields {
            line.entry(*name).or_insert_with(|| value.clone());
        }
        Value::Object(line)
    }

    /// The request's metrics and properties as one EMF document.
    ///
    /// `Errors` is 1 for a status of 500 and above: what the caller did wrong is no error of the
    /// function.
    pub(crate) fn metrics(&self, ending: Ending) -> Value {
        let record = self.record();
        let count = |name, value: u64| Metric { name, unit: Unit::Count, value: value as f64 };
        let mut metrics = vec![
            count("Requests", 1),
            count("Errors", u64::from(ending.status >= 500)),
            Metric {
                name: "Latency",
                unit: Unit::Milliseconds,
                // Microseconds are as fine as it gets.
                value: (ending.latency_ms * 1000.0).round() / 1000.0,
            },
            count("ColdStart", u64::from(ending.cold_start)),
        ];
        metrics.extend(record.counts.iter().map(|(name, n)| count(name, *n)));
        let mut properties = Map::new();
        properties.insert("requestId".to_owned(), self.request_id().into());
        properties.insert("status".to_owned(), ending.status.into());
        for (name, value) in [("traceId", &self.trace_id), ("environment", &self.environment)] {
            if !value.is_empty() {
                properties.insert(name.to_owned(), (**value).into());
            }
        }
        properties.extend(record.properties.clone());
        emf::document(ending.timestamp_ms, self.service.name, &self.version, &metrics, &properties)
    }

    pub(crate) fn write_metrics(&self, ending: Ending) {
        output::line(&self.metrics(ending));
    }

    /// A panic elsewhere while noting something leaves the record whole.
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SERVICE: Service = Service { name: "greet", counters: &["MissingUserId"] };

    fn ending(status: u16) -> Ending {
        Ending { status, latency_ms: 1.234_567, cold_start: true, timestamp_ms: 5 }
    }

    #[test]
    fn metrics_hold_zeros_counts_and_properties() {
        let call = Call::new(SERVICE, "7", "r-1");
        call.property("route", "GET /greet");
        let document = call.metrics(ending(200));
        assert_eq!(document["Requests"], 1);
        assert_eq!(document["Errors"], 0);
        assert_eq!(document["Latency"], 1.235);
        assert_eq!(document["ColdStart"], 1);
        assert_eq!(document["MissingUserId"], 0);
        assert_eq!(document["requestId"], "r-1");
        assert_eq!(document["status"], 200);
        assert_eq!(document["route"], "GET /greet");
        assert_eq!(document["version"], "7");
        call.count("MissingUserId");
        call.count("Other");
        let document = call.metrics(ending(400));
        assert_eq!(document["MissingUserId"], 1);
        assert_eq!(document["Other"], 1);
        let declared = &document["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        let declared = declared.as_array().map(Vec::len);
        assert_eq!(declared, Some(6));
    }

    #[test]
    fn only_the_functions_own_failures_are_errors() {
        let call = Call::new(SERVICE, "7", "r-1");
        for (status, errors) in [(200, 0), (404, 0), (499, 0), (500, 1), (503, 1)] {
            assert_eq!(call.metrics(ending(status))["Errors"], errors, "{status}");
        }
    }

    #[test]
    fn trace_and_environment_are_told_where_they_are_known() {
        let call = Call::new(SERVICE, "7", "r-1")
            .in_environment("53c5")
            .traced("Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1");
        assert_eq!(call.trace_id(), "1-67891233-abcdef012345678912345678");
        let document = call.metrics(ending(200));
        assert_eq!(document["environment"], "53c5");
        assert_eq!(document["traceId"], call.trace_id());
        let line = call.log_line(Level::Info, "here", &[]);
        assert_eq!(line["traceId"], call.trace_id());
        assert!(Call::new(SERVICE, "7", "r-1").metrics(ending(200)).get("traceId").is_none());
    }

    #[test]
    fn a_field_never_replaces_what_every_line_has() {
        let call = Call::new(SERVICE, "7", "r-1");
        let line = call.log_line(
            Level::Error,
            "it broke",
            &[("level", json!("INFO")), ("code", json!("AccessDenied"))],
        );
        assert_eq!(
            line,
            json!({
                "level": "ERROR",
                "message": "it broke",
                "requestId": "r-1",
                "service": "greet",
                "version": "7",
                "code": "AccessDenied",
            })
        );
    }
}
