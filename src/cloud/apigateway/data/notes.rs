//! What is learnt about a request on its way, for metrics and the access log.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::super::model::MethodSetting;
use super::failure::Failure;
use super::request::Context;
use super::tree::Matched;
use crate::metrics::RequestRecord;
use crate::wire::Answer;

/// Filled in while the request is served.
pub(super) struct Notes {
    began: Instant,
    route: OnceLock<Route>,
    integration: OnceLock<Duration>,
    backend: OnceLock<Statuses>,
    endpoint: OnceLock<String>,
    cache_hit: OnceLock<bool>,
    failure: OnceLock<Failed>,
}

/// The method that serves the request.
pub(super) struct Route {
    /// The resource's path.
    pub path: String,
    /// The resource.
    pub resource_id: String,
    /// The stage has detailed metrics for it.
    detailed: bool,
}

/// What the back end answered.
pub(super) struct Statuses {
    /// The status of the service's own answer.
    pub service: u16,
    /// The status that the back end gave the request.
    pub own: u16,
}

/// Why the request was refused or failed.
pub(super) struct Failed {
    /// AWS's type of the answer.
    pub kind: &'static str,
    /// What the client was told.
    pub message: String,
    /// What the log says.
    pub reason: Option<String>,
    /// How a body violates its model.
    pub violations: Option<String>,
}

impl Default for Notes {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            route: OnceLock::new(),
            integration: OnceLock::new(),
            backend: OnceLock::new(),
            endpoint: OnceLock::new(),
            cache_hit: OnceLock::new(),
            failure: OnceLock::new(),
        }
    }
}

impl Notes {
    /// The request's method was found, and what the stage does for it.
    pub fn matched(&self, matched: &Matched<'_>, setting: Option<&MethodSetting>) {
        let detailed = setting.is_some_and(|setting| setting.metrics_enabled);
        let route = Route {
            path: matched.route.path.clone(),
            resource_id: matched.route.resource_id.clone(),
            detailed,
        };
        let _ = self.route.set(route);
    }

    /// The integration has answered or failed after this time.
    pub fn integrated(&self, took: Duration) {
        let _ = self.integration.set(took);
    }

    /// The service behind the integration answered with a status of its own, and the back end
    /// with one for the request.
    pub fn answered(&self, service: u16, own: u16) {
        let _ = self.backend.set(Statuses { service, own });
    }

    /// The service behind the integration has taken the request under an id of its own.
    pub fn endpoint(&self, request_id: String) {
        let _ = self.endpoint.set(request_id);
    }

    /// The id of the request at the service behind the integration.
    pub fn endpoint_id(&self) -> Option<&str> {
        self.endpoint.get().map(String::as_str)
    }

    /// The stage's cache was asked, and had the answer or not.
    pub fn looked_up(&self, hit: bool) {
        let _ = self.cache_hit.set(hit);
    }

    /// The request failed; the first failure is the one that counts.
    pub fn failed(&self, failure: &Failure) {
        let _ = self.failure.set(Failed {
            kind: failure.kind,
            message: failure.message.to_string(),
            reason: failure.reason.clone(),
            violations: failure.violations.clone(),
        });
    }

    /// The method that serves the request, where there is one.
    pub fn route(&self) -> Option<&Route> {
        self.route.get()
    }

    /// What the back end answered, where it did.
    pub fn backend(&self) -> Option<&Statuses> {
        self.backend.get()
    }

    /// Why the request failed, where it did.
    pub fn failure(&self) -> Option<&Failed> {
        self.failure.get()
    }

    /// Time since the request came, in whole ms.
    pub fn latency_ms(&self) -> f64 {
        millis(self.began.elapsed())
    }

    /// What the integration took, in whole ms, where it was reached.
    pub fn integration_ms(&self) -> Option<f64> {
        self.integration.get().copied().map(millis)
    }

    /// What metrics count of the request.
    pub fn record(&self, context: &Context<'_>, api: &str, answer: &Answer) -> RequestRecord {
        let detailed = self.route.get().filter(|route| route.detailed);
        RequestRecord {
            at_ms: context.now,
            api: api.to_owned(),
            stage: context.stage.to_owned(),
            detail: detailed.map(|route| (context.request.method.to_string(), route.path.clone())),
            status: answer.status().as_u16(),
            latency_ms: self.latency_ms(),
            integration_ms: self.integration_ms(),
            cache_hit: self.cache_hit.get().copied(),
        }
    }
}

/// Whole milliseconds, as the gateway counts.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round()
}
