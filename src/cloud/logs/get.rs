//! `GetLogEvents`: one stream, forwards and backwards from a place.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::Logs;
use super::desk::{EVENT_OVERHEAD, expiry};
use super::error::{no_group, no_stream, store_failed};
use super::filter::{PAGE_BYTES, event_limit};
use super::names::{group_of, stream_name};
use super::token::{self, Place};
use crate::error::AwsError;
use crate::wire::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<i64>,
    start_from_head: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputEvent {
    timestamp: i64,
    message: String,
    ingestion_time: i64,
    #[serde(skip)]
    place: Place,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamEvents {
    events: Vec<OutputEvent>,
    /// Leads behind the last event; the same as was sent once the end is reached.
    next_forward_token: String,
    /// Leads before the first event.
    next_backward_token: String,
}

#[derive(Clone, Copy)]
enum From {
    Head,
    Tail,
    Behind(Place),
    Before(Place),
}

impl Logs {
    pub(super) async fn get_log_events(
        &self,
        caller: &Caller,
        request: GetLogEvents,
    ) -> Result<StreamEvents, AwsError> {
        let group =
            group_of(request.log_group_name.as_deref(), request.log_group_identifier.as_deref())?
                .to_owned();
        let stream = stream_name(request.log_stream_name.as_deref(), "logStreamName")?.to_owned();
        self.allow_stream(caller, "GetLogEvents", &group, &stream)?;
        let from = match request.next_token.as_deref() {
            Some(text) => direction(text).ok_or_else(token::invalid_token)?,
            None if request.start_from_head == Some(true) => From::Head,
            None => From::Tail,
        };
        let limit = event_limit(request.limit)?;
        let start = request.start_time.unwrap_or(0);
        let end = request.end_time.unwrap_or(i64::MAX);
        let now = self.core.now_millis();
        self.writer.flush().await?;
        self.reader
            .run(move |connection| {
                let found = find(connection, &group, &stream).map_err(|e| store_failed(&e))?;
                let (retention, row) = found.ok_or_else(no_group)?;
                let row = row.ok_or_else(no_stream)?;
                let start = retention.map_or(start, |days| start.max(expiry(now, days)));
                let events =
                    read(connection, row, start, end, limit, from).map_err(|e| store_failed(&e))?;
                Ok(told(events, from, start))
            })
            .await
    }
}

/// The group's retention and the stream's row.
fn find(
    connection: &Connection,
    group: &str,
    stream: &str,
) -> rusqlite::Result<Option<(Option<i64>, Option<i64>)>> {
    connection
        .prepare_cached(
            "SELECT groups.retention, streams.id FROM groups
             LEFT JOIN streams ON streams.group_id = groups.id AND streams.name = ?2
             WHERE groups.name = ?1",
        )?
        .query_row(params![group, stream], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

fn read(
    connection: &Connection,
    stream: i64,
    start: i64,
    end: i64,
    limit: usize,
    from: From,
) -> rusqlite::Result<Vec<OutputEvent>> {
    let forwards = matches!(from, From::Head | From::Behind(_));
    let sql = if forwards {
        "SELECT seq, timestamp, ingestion, message FROM events INDEXED BY events_by_stream
         WHERE stream_id = ?1 AND timestamp >= ?2 AND timestamp < ?3
           AND timestamp >= ?4 AND (timestamp > ?4 OR seq > ?5)
         ORDER BY timestamp, seq"
    } else {
        "SELECT seq, timestamp, ingestion, message FROM events INDEXED BY events_by_stream
         WHERE stream_id = ?1 AND timestamp >= ?2 AND timestamp < ?3
           AND timestamp <= ?4 AND (timestamp < ?4 OR seq < ?5)
         ORDER BY timestamp DESC, seq DESC"
    };
    let (time, seq) = match from {
        From::Head => (i64::MIN, 0),
        From::Tail => (i64::MAX, i64::MAX),
        From::Behind(place) | From::Before(place) => place,
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![stream, start, end, time, seq])?;
    let mut events = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let message: String = row.get(3)?;
        bytes += message.len() as i64 + EVENT_OVERHEAD;
        if events.len() >= limit || (bytes > PAGE_BYTES && !events.is_empty()) {
            break;
        }
        let place = (row.get(1)?, row.get(0)?);
        events.push(OutputEvent {
            timestamp: place.0,
            message,
            ingestion_time: row.get(2)?,
            place,
        });
    }
    if !forwards {
        events.reverse();
    }
    Ok(events)
}

fn told(events: Vec<OutputEvent>, from: From, start: i64) -> StreamEvents {
    // Where nothing was found, both tokens stay where the search began, so that the end is seen
    // by a token that does not change, and later events are found with it.
    let (first, last) = match (events.first(), events.last(), from) {
        (Some(first), Some(last), _) => (first.place, last.place),
        (_, _, From::Behind(place) | From::Before(place)) => (place, place),
        _ => ((start.max(0), 0), (start.max(0), 0)),
    };
    StreamEvents {
        events,
        next_forward_token: format!("f/{}/s", token::event_id(last)),
        next_backward_token: format!("b/{}/s", token::event_id(first)),
    }
}

fn direction(text: &str) -> Option<From> {
    let (direction, rest) = text.split_once('/')?;
    let place = token::place_of(rest.strip_suffix("/s")?)?;
    match direction {
        "f" => Some(From::Behind(place)),
        "b" => Some(From::Before(place)),
        _ => None,
    }
}
