//! What is learnt about a request on its way, for metrics and the access log.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::super::model::MethodSetting;
use super::request::Context;
use super::tree::Matched;
use crate::metrics::RequestRecord;
use crate::wire::Answer;

/// Filled in while the request is served.
pub(super) struct Notes {
    began: Instant,
    route: OnceLock<Route>,
    integration: OnceLock<Duration>,
    cache_hit: OnceLock<bool>,
}

/// The method that serves the request.
struct Route {
    path: String,
    /// The stage has detailed metrics for it.
    detailed: bool,
}

impl Default for Notes {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            route: OnceLock::new(),
            integration: OnceLock::new(),
            cache_hit: OnceLock::new(),
        }
    }
}

impl Notes {
    /// The request's method was found, and what the stage does for it.
    pub fn matched(&self, matched: &Matched<'_>, setting: Option<&MethodSetting>) {
        let detailed = setting.is_some_and(|setting| setting.metrics_enabled);
        let _ = self.route.set(Route { path: matched.route.path.clone(), detailed });
    }

    /// The integration has answered or failed after this time.
    pub fn integrated(&self, took: Duration) {
        let _ = self.integration.set(took);
    }

    /// The stage's cache was asked, and had the answer or not.
    pub fn looked_up(&self, hit: bool) {
        let _ = self.cache_hit.set(hit);
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
            latency_ms: millis(self.began.elapsed()),
            integration_ms: self.integration.get().copied().map(millis),
            cache_hit: self.cache_hit.get().copied(),
        }
    }
}

/// Whole milliseconds, as the gateway counts.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round()
}
