//! The admin API (`/_labdeck/…`): what only the local cloud can do.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::request::Parts;
use http::{Method, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::dynamodb::Latency;
use crate::inbox;
use crate::lambda::CODE_PATH;
use crate::lifecycle::usage::directory_bytes;
use crate::protocol::{empty, json_answer};
use crate::server::{Busy, Server, read_body, same};
use crate::wire::Answer;

/// Longest body of an admin call, in bytes.
const BODY: usize = 64 * 1024;
/// Longest delay a table may be given.
const LONGEST_DELAY_MS: u64 = 60_000;
/// How long `stop` waits for a client that has just detached.
const DETACHING: Duration = Duration::from_millis(300);

/// What the admin API knows by itself.
#[derive(Debug)]
pub struct Admin {
    /// The token that callers must bear.
    pub token: String,
    /// Version of the program.
    pub version: &'static str,
    /// When the cloud became ready, in ms since the epoch.
    pub started_ms: i64,
    /// Bytes that the state may use.
    pub state_cap_bytes: u64,
    /// The file of the policy that holds for the operator, when one does.
    pub operator_policy: Option<PathBuf>,
    /// What was found at the start that its owner should know of.
    pub notices: Vec<String>,
}

impl Admin {
    /// Answers a request below `/_labdeck/`.
    pub async fn answer(&self, server: &Arc<Server>, head: Parts, body: Incoming) -> Answer {
        if let (&Method::GET, Some(hash)) = (&head.method, head.uri.path().strip_prefix(CODE_PATH))
        {
            // The link itself is the right to follow it.
            let query = head.uri.query().unwrap_or("");
            return server.services.lambda.download(hash, query).await;
        }
        if let (&Method::POST, Some(name)) =
            (&head.method, head.uri.path().strip_prefix(inbox::PATH))
            && inbox::is_name(name)
        {
            let Ok(body) = read_body(body, &head.headers, inbox::BODY).await else {
                return message(413, "The message is too long or did not arrive.");
            };
            let services = &server.services;
            return inbox::take(&services.core, &services.sns, name, &head.headers, &body).await;
        }
        if !self.is_authorized(&head) {
            return message(401, "This needs the admin token of the state directory.");
        }
        let Ok(body) = read_body(body, &head.headers, BODY).await else {
            return message(413, "The body is too long or did not arrive.");
        };
        let path = head.uri.path().trim_start_matches("/_labdeck/").to_owned();
        match (&head.method, path.split('/').collect::<Vec<_>>().as_slice()) {
            (&Method::GET, ["status"]) => self.status(server).await,
            (&Method::GET, ["attach"]) => attach(server),
            (&Method::POST, ["stop"]) => stop(server, &body).await,
            (method, ["faults"]) => faults(server, method, &body),
            (&Method::GET, ["inbox"]) => inbox::told(&server.services.core, None).await,
            (&Method::GET, ["inbox", name]) => {
                inbox::told(&server.services.core, Some(*name)).await
            }
            (&Method::DELETE, ["inbox"]) => inbox::emptied(&server.services.core).await,
            (&Method::GET, ["asked"]) => json_answer(200, &server.services.iam.asked.told()),
            (method, ["tables", table, "latency"]) => latency(server, method, table, &body),
            _ => message(404, &format!("The admin API has no {} /_labdeck/{path}.", head.method)),
        }
    }

    fn is_authorized(&self, head: &Parts) -> bool {
        head.headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|token| same(token, &self.token))
    }

    async fn status(&self, server: &Server) -> Answer {
        let core = &server.services.core;
        let state_dir: PathBuf = core.state_dir.clone();
        let state_bytes =
            tokio::task::spawn_blocking(move || directory_bytes(&state_dir)).await.unwrap_or(0);
        json_answer(
            200,
            &json!({
                "version": self.version,
                "pid": std::process::id(),
                "endpoint": core.endpoint(),
                "started_ms": self.started_ms,
                "uptime_ms": core.now_millis().saturating_sub(self.started_ms).max(0),
                "attached": server.activity.attached(),
                "requests": server.activity.requests(),
                "environments": server.services.environments(),
                "state_bytes": state_bytes,
                "state_cap_bytes": self.state_cap_bytes,
                "any_credentials": server.gate.any_credentials,
                "aws_limits": server.obstacles.has_limits(),
                "rtt_ms": u64::try_from(server.obstacles.rtt.as_millis()).unwrap_or(u64::MAX),
                "operator_policy": self.operator_policy,
                "faults": server.obstacles.faults.len(),
                "notices": self.notices,
            }),
        )
    }
}

/// Counts as an attached client while it lives; the last one ends a cloud that was asked to stop while
/// others were attached.
struct Attached {
    busy: Option<Busy>,
    server: Arc<Server>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        drop(self.busy.take());
        if self.server.activity.ends_now() {
            self.server.stopping.cancel();
        }
    }
}

/// A stream that says `attached` and then stays open until one of both sides ends it.
fn attach(server: &Arc<Server>) -> Answer {
    let attached = Attached { busy: Some(server.activity.attach()), server: Arc::clone(server) };
    let stopping = server.stopping.clone();
    let first = stream::once(async { Bytes::from_static(b"attached\n") });
    let rest = stream::once(async move {
        stopping.cancelled().await;
        drop(attached);
        Bytes::from_static(b"stopping\n")
    });
    let frames = first.chain(rest).map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    let mut answer = Answer::new(StreamBody::new(frames).boxed_unsync());
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
    answer
}

async fn stop(server: &Arc<Server>, body: &Bytes) -> Answer {
    let Some(body) = object(body) else {
        return message(400, r#"The body must be {"only_if_alone":true|false}."#);
    };
    if body.get("only_if_alone").and_then(Value::as_bool) == Some(true) {
        // Whoever asks has detached before; the end of its stream may be noticed a little later.
        let deadline = tokio::time::Instant::now() + DETACHING;
        while server.activity.attached() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let attached = server.activity.attached();
        if attached > 0 {
            server.activity.end_when_alone();
        }
        // The last may have left before it could know.
        if attached > 0 && !server.activity.ends_now() {
            return json_answer(
                409,
                &json!({"message": "Other clients are attached.", "attached": attached}),
            );
        }
    }
    server.stopping.cancel();
    json_answer(202, &json!({"message": "The local cloud stops."}))
}

fn latency(server: &Server, method: &Method, table: &str, body: &Bytes) -> Answer {
    let tables = &server.services.dynamodb;
    match *method {
        Method::GET => {
            let latency = tables.latency(table);
            let delay = latency.map(|latency| latency.delay).unwrap_or_default();
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(0);
            let until_ms = latency.and_then(|latency| latency.until_ms);
            json_answer(200, &json!({"delay_ms": delay_ms, "until_ms": until_ms}))
        }
        Method::PUT => {
            let body = object(body).unwrap_or_default();
            let until_ms = match body.get("until_ms") {
                None | Some(Value::Null) => Some(None),
                Some(until) => until.as_i64().map(Some),
            };
            match (body.get("delay_ms").and_then(Value::as_u64), until_ms) {
                (Some(delay), Some(until_ms)) if delay <= LONGEST_DELAY_MS => {
                    let delay = Duration::from_millis(delay);
                    tables.set_latency(
                        table,
                        (!delay.is_zero()).then_some(Latency { delay, until_ms }),
                    );
                    empty(204)
                }
                _ => message(
                    400,
                    &format!(
                        "The body must be {{\"delay_ms\":0 to {LONGEST_DELAY_MS},\"until_ms\":ms since \
                         the epoch, optional}}."
                    ),
                ),
            }
        }
        Method::DELETE => {
            tables.set_latency(table, None);
            empty(204)
        }
        _ => message(405, "Use GET, PUT or DELETE."),
    }
}

/// Sets, tells and clears the faults.
fn faults(server: &Server, method: &Method, body: &Bytes) -> Answer {
    let faults = &server.obstacles.faults;
    match *method {
        Method::GET => json_answer(200, &faults.told()),
        Method::PUT => match faults.replace(body) {
            Ok(()) => json_answer(200, &faults.told()),
            Err(error) => message(400, &error.to_string()),
        },
        Method::DELETE => {
            faults.clear();
            empty(204)
        }
        _ => message(405, "Use GET, PUT or DELETE."),
    }
}

/// A JSON object; an empty body is an empty one.
fn object(body: &Bytes) -> Option<serde_json::Map<String, Value>> {
    if body.is_empty() {
        return Some(serde_json::Map::new());
    }
    serde_json::from_slice(body).ok()
}

fn message(status: u16, text: &str) -> Answer {
    json_answer(status, &json!({"message": text}))
}
