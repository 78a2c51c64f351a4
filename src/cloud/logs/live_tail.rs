//! `StartLiveTail`: an event stream that tells new events once a second.

// Members of requests and answers are named as on the wire.
#![allow(clippy::struct_field_names)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use uuid::Uuid;

use super::error::{invalid, no_group};
use super::names::{group_of_arn, stream_name};
use super::pattern::Pattern;
use super::sessions::{Subscription, Wanted};
use super::streams::find_group;
use super::{Logs, frame};
use crate::core::ACCOUNT_ID;
use crate::error::AwsError;
use crate::wire::{Answer, Body, Caller};

/// Time between two updates.
const UPDATE_EVERY: Duration = Duration::from_secs(1);
/// How long a session lasts.
const SESSION_LENGTH: Duration = Duration::from_hours(3);
/// Log groups of one session.
const MOST_GROUPS: usize = 10;
/// Stream names, or prefixes, of one session.
const MOST_STREAMS: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartLiveTail {
    log_group_identifiers: Option<Vec<String>>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefixes: Option<Vec<String>>,
    log_event_filter_pattern: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveEvent<'a> {
    log_stream_name: &'a str,
    log_group_identifier: String,
    message: &'a str,
    timestamp: i64,
    ingestion_time: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionMetadata {
    sampled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionUpdate<'a> {
    session_metadata: SessionMetadata,
    session_results: Vec<LiveEvent<'a>>,
}

impl Logs {
    pub(super) async fn start_live_tail(
        &self,
        caller: &Caller,
        request: StartLiveTail,
        request_id: &str,
    ) -> Result<Answer, AwsError> {
        let arns = request.log_group_identifiers.unwrap_or_default();
        let streams = request.log_stream_names.unwrap_or_default();
        let prefixes = request.log_stream_name_prefixes.unwrap_or_default();
        let pattern = request.log_event_filter_pattern.unwrap_or_default();
        check(&arns, &streams, &prefixes)?;
        let parsed = Pattern::parse(&pattern).map_err(invalid)?;
        let mut groups: Vec<Arc<str>> = Vec::with_capacity(arns.len());
        for arn in &arns {
            let name = group_of_arn(arn)?;
            self.allow_group(caller, "StartLiveTail", name)?;
            groups.push(name.into());
        }
        self.writer.flush().await?;
        if self.sessions.len() >= self.core.timing.live_tail_sessions {
            return Err(AwsError::new(
                400,
                "LimitExceededException",
                "You have reached the maximum number of live tail sessions that can run at once.",
            ));
        }
        let wanted: Vec<Arc<str>> = groups.clone();
        self.reader
            .run(move |connection| {
                for group in &wanted {
                    find_group(connection, group)?.ok_or_else(no_group)?;
                }
                Ok(())
            })
            .await?;
        let start = frame::event(
            "sessionStart",
            json!({
                "requestId": request_id,
                "sessionId": Uuid::new_v4().to_string(),
                "logGroupIdentifiers": arns,
                "logStreamNames": streams,
                "logStreamNamePrefixes": prefixes,
                "logEventFilterPattern": pattern,
            })
            .to_string()
            .as_bytes(),
        );
        let subscription =
            self.sessions.subscribe(Wanted { groups, streams, prefixes, pattern: parsed });
        let mut answer = Response::new(body(start, subscription, UPDATE_EVERY, SESSION_LENGTH));
        answer.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/vnd.amazon.eventstream"),
        );
        Ok(answer)
    }
}

fn check(arns: &[String], streams: &[String], prefixes: &[String]) -> Result<(), AwsError> {
    if arns.is_empty() || arns.len() > MOST_GROUPS {
        return Err(invalid(format!(
            "logGroupIdentifiers must have 1 to {MOST_GROUPS} members, got {}.",
            arns.len()
        )));
    }
    if let Some(wrong) = arns.iter().find(|arn| !arn.starts_with("arn:") || arn.ends_with('*')) {
        return Err(invalid(format!(
            "logGroupIdentifiers must be ARNs of log groups that do not end with *: {wrong}"
        )));
    }
    if !streams.is_empty() && !prefixes.is_empty() {
        return Err(invalid(
            "logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.",
        ));
    }
    if !(streams.is_empty() && prefixes.is_empty()) && arns.len() > 1 {
        return Err(invalid(
            "logStreamNames and logStreamNamePrefixes can only be used with a single log group.",
        ));
    }
    if streams.len() > MOST_STREAMS || prefixes.len() > MOST_STREAMS {
        return Err(invalid(format!("At most {MOST_STREAMS} log streams can be named.")));
    }
    for name in streams.iter().chain(prefixes) {
        stream_name(Some(name), "logStreamNames")?;
    }
    Ok(())
}

/// The state of a running session; dropping it (the client went away) ends the subscription.
struct Session {
    /// What comes before the updates, last first.
    first: Vec<Bytes>,
    subscription: Subscription,
    ticks: Interval,
    ends: Instant,
    over: bool,
}

impl Session {
    fn new(start: Bytes, subscription: Subscription, every: Duration, length: Duration) -> Self {
        let mut ticks = interval_at(Instant::now() + every, every);
        // A client that reads slowly gets fewer updates, not a burst of late ones.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let first = vec![start, frame::initial_response()];
        Self { first, subscription, ticks, ends: Instant::now() + length, over: false }
    }

    async fn next(mut self) -> Option<(Bytes, Self)> {
        if let Some(first) = self.first.pop() {
            return Some((first, self));
        }
        if self.over {
            return None;
        }
        self.ticks.tick().await;
        if Instant::now() >= self.ends {
            self.over = true;
            let why = json!({ "message": "The session has timed out." }).to_string();
            return Some((frame::exception("SessionTimeoutException", why.as_bytes()), self));
        }
        let update = update(&self.subscription);
        Some((update, self))
    }
}

fn update(subscription: &Subscription) -> Bytes {
    let (events, sampled) = subscription.take();
    let update = SessionUpdate {
        session_metadata: SessionMetadata { sampled },
        session_results: events
            .iter()
            .map(|event| LiveEvent {
                log_stream_name: &event.stream,
                log_group_identifier: format!("{ACCOUNT_ID}:{}", event.group),
                message: &event.message,
                timestamp: event.timestamp,
                ingestion_time: event.ingestion,
            })
            .collect(),
    };
    // Text and numbers always have a JSON form.
    frame::event("sessionUpdate", &serde_json::to_vec(&update).unwrap_or_default())
}

/// The stream of a session: its start, an update `every` so often, its end after `length`.
pub(super) fn body(
    start: Bytes,
    subscription: Subscription,
    every: Duration,
    length: Duration,
) -> Body {
    let session = Session::new(start, subscription, every, length);
    let frames = stream::unfold(session, |session| async {
        session.next().await.map(|(bytes, session)| (Ok(Frame::data(bytes)), session))
    });
    StreamBody::new(frames).boxed_unsync()
}
