//! Requests that may change something behind an API: refused in read-only mode, and written to the audit.

use labdeck_aws::{Recorded, Result};

use super::exchange::{BurstSummary, Exchange, OutgoingRequest};
use crate::engine::Engine;

/// How the audit calls deployed APIs: the name that AWS signs requests to them with.
const SERVICE: &str = "execute-api";

/// Whether a request with this method may change something: all but those that HTTP calls safe
/// (RFC 9110, 9.2.1) and an API passes on.
pub fn may_change(method: &str) -> bool {
    !["GET", "HEAD", "OPTIONS"].iter().any(|safe| method.eq_ignore_ascii_case(safe))
}

/// Refuses a request that may change something in read-only mode; begins to write it down otherwise.
/// What only reads is neither refused nor written down.
///
/// # Errors
/// Refused, in read-only mode.
pub(super) async fn begun(engine: &Engine, request: &OutgoingRequest) -> Result<Option<Recorded>> {
    if !may_change(&request.method) {
        return Ok(None);
    }
    let place = place(request);
    let counts = format!("a {} may change something, unlike GET, HEAD and OPTIONS", request.method);
    let what = format!("sending {} {place}", request.method);
    engine.target.may_change(what, Some(&counts))?;
    engine.target.learn_caller().await;
    Ok(Some(engine.target.record(SERVICE, &request.method, &place)))
}

/// API, stage and path of a request; never its query, which may hold secrets.
fn place(request: &OutgoingRequest) -> String {
    let url = request.url.split(['?', '#']).next().unwrap_or_default();
    match &request.origin {
        Some(origin) => {
            let path = url.strip_prefix(&origin.base_url).unwrap_or(url);
            format!("{} {} {path}", origin.api, origin.stage)
        }
        None => url.to_owned(),
    }
}

/// Writes down how a request ended.
pub(super) fn sent(record: Option<Recorded>, result: &Result<Exchange>) {
    let Some(record) = record else { return };
    match result {
        Ok(exchange) if exchange.status >= 400 => {
            record.failed(&format!("HTTP {}", exchange.status));
        }
        _ => record.ended(result),
    }
}

/// Writes down how many requests were answered well, in one line.
pub(super) fn burst(record: Option<Recorded>, result: &Result<BurstSummary>) {
    let Some(record) = record else { return };
    match result {
        Ok(summary) => {
            let good: u64 = summary
                .statuses
                .iter()
                .filter(|(status, _)| **status < 400)
                .map(|(_, count)| count)
                .sum();
            let all = summary.answered + summary.failed;
            if good == all {
                record.ended(result);
            } else {
                record.failed(&format!("{good} of {all} ok"));
            }
        }
        Err(_) => record.ended(result),
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Origin;
    use super::*;

    #[test]
    fn what_http_calls_safe_changes_nothing() {
        for method in ["GET", "HEAD", "OPTIONS", "get"] {
            assert!(!may_change(method), "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "ANY", ""] {
            assert!(may_change(method), "{method}");
        }
    }

    #[test]
    fn the_place_has_no_query() {
        let origin = Origin {
            api: "pets".to_owned(),
            stage: "prod".to_owned(),
            base_url: "http://h/r/a/prod/_user_request_".to_owned(),
            ..Origin::default()
        };
        let request = OutgoingRequest {
            url: format!("{}/pets/7?token=secret", origin.base_url),
            origin: Some(origin),
            ..OutgoingRequest::default()
        };
        assert_eq!(place(&request), "pets prod /pets/7");
    }
}
