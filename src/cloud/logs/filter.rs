//! `FilterLogEvents`: a group's events in order of time, then ingestion, page by page.
//!
//! A page begins behind the place where the last one ended, so events that arrive meanwhile
//! neither repeat nor hide others. A page that examined much without finding much is handed out
//! with a token, as AWS does.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize, Serializer};

use super::Logs;
use super::desk::{EVENT_OVERHEAD, expiry};
use super::error::{constraint, invalid, no_group, no_stream, store_failed};
use super::names::{group_of, stream_name};
use super::pattern::Pattern;
use super::token::{self, Place};
use crate::error::AwsError;
use crate::wire::Caller;

/// Events in one page at most, and when no limit is given.
pub const MOST_EVENTS: i64 = 10_000;
/// Bytes of messages in one page.
pub const PAGE_BYTES: i64 = 1 << 20;
/// Events examined for one page.
const EXAMINED_EVENTS: usize = 100_000;
/// Bytes of messages examined for one page.
const EXAMINED_BYTES: usize = 64 << 20;
/// How long a token is good for, in ms.
const TOKEN_LIFE: i64 = 24 * 3_600_000;
/// Stream names in one request.
const MOST_STREAMS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FilteredEvent {
    #[serde(serialize_with = "shared")]
    log_stream_name: Arc<str>,
    timestamp: i64,
    message: String,
    ingestion_time: i64,
    event_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FilteredEvents {
    events: Vec<FilteredEvent>,
    /// Always empty, as AWS answers since 2019.
    searched_log_streams: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

fn shared<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Where the next page begins: behind this place; and when the token was made.
type Position = (Place, i64);

impl Logs {
    pub(super) async fn filter_log_events(
        &self,
        caller: &Caller,
        request: FilterLogEvents,
    ) -> Result<FilteredEvents, AwsError> {
        let group =
            group_of(request.log_group_name.as_deref(), request.log_group_identifier.as_deref())?
                .to_owned();
        self.allow_group(caller, "FilterLogEvents", &group)?;
        let names = request.log_stream_names.unwrap_or_default();
        if !names.is_empty() && request.log_stream_name_prefix.is_some() {
            return Err(invalid(
                "logStreamNamePrefix and logStreamNames are mutually exclusive parameters.",
            ));
        }
        if names.len() > MOST_STREAMS {
            return Err(invalid(format!("logStreamNames has more than {MOST_STREAMS} members.")));
        }
        for name in &names {
            stream_name(Some(name), "logStreamNames")?;
        }
        let now = self.core.now_millis();
        let after = match request.next_token.as_deref() {
            None => None,
            Some(text) => {
                let (place, made): Position = token::read(text)?;
                if now.saturating_sub(made) > TOKEN_LIFE {
                    return Err(token::invalid_token());
                }
                Some(place)
            }
        };
        let search = Search {
            names,
            prefix: request.log_stream_name_prefix.filter(|prefix| !prefix.is_empty()),
            start: request.start_time.unwrap_or(0),
            end: request.end_time.unwrap_or(i64::MAX),
            pattern: Pattern::parse(request.filter_pattern.as_deref().unwrap_or_default())
                .map_err(invalid)?,
            limit: event_limit(request.limit)?,
            after,
            now,
        };
        self.writer.flush().await?;
        self.reader.run(move |connection| search.run(connection, &group)).await
    }
}

/// The page size of the calls that read events: 1 to 10,000, 10,000 when not given.
pub fn event_limit(limit: Option<i64>) -> Result<usize, AwsError> {
    page_size(limit, MOST_EVENTS)
}

/// The page size of a call: 1 to `most`, `most` when not given.
pub fn page_size(limit: Option<i64>, most: i64) -> Result<usize, AwsError> {
    let limit = limit.unwrap_or(most);
    let rule = if limit < 1 {
        "Member must have value greater than or equal to 1".to_owned()
    } else if limit > most {
        format!("Member must have value less than or equal to {most}")
    } else {
        return Ok(limit as usize);
    };
    Err(constraint(&limit.to_string(), "limit", &rule))
}

struct Search {
    names: Vec<String>,
    prefix: Option<String>,
    /// Earliest time, in ms.
    start: i64,
    /// Latest time, in ms.
    end: i64,
    pattern: Pattern,
    limit: usize,
    after: Option<Place>,
    now: i64,
}

impl Search {
    fn run(mut self, connection: &Connection, group: &str) -> Result<FilteredEvents, AwsError> {
        let found: Option<(i64, Option<i64>)> = connection
            .prepare_cached("SELECT id, retention FROM groups WHERE name = ?1")
            .and_then(|mut statement| {
                statement.query_row([group], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .map_err(|e| store_failed(&e))?;
        let Some((group, retention)) = found else { return Err(no_group()) };
        if let Some(days) = retention {
            self.start = self.start.max(expiry(self.now, days));
        }
        let mut streams = HashMap::new();
        for name in &self.names {
            let id: Option<i64> = connection
                .prepare_cached("SELECT id FROM streams WHERE group_id = ?1 AND name = ?2")
                .and_then(|mut statement| {
                    statement.query_row(params![group, name], |row| row.get(0)).optional()
                })
                .map_err(|e| store_failed(&e))?;
            streams.insert(id.ok_or_else(no_stream)?, Some(Arc::from(name.as_str())));
        }
        self.page(connection, group, streams).map_err(|e| store_failed(&e))
    }

    /// Reads one page. `streams` holds the wanted streams where they were named; others are
    /// looked up on the way, and are `None` when they are not wanted.
    fn page(
        &self,
        connection: &Connection,
        group: i64,
        mut streams: HashMap<i64, Option<Arc<str>>>,
    ) -> rusqlite::Result<FilteredEvents> {
        let single = match streams.keys().next() {
            Some(id) if streams.len() == 1 => Some(*id),
            _ => None,
        };
        let sql = if single.is_some() {
            "SELECT seq, stream_id, timestamp, ingestion, message FROM events
                 INDEXED BY events_by_stream
             WHERE stream_id = ?1 AND timestamp >= ?2 AND timestamp <= ?3
               AND (timestamp > ?2 OR seq > ?4)
             ORDER BY timestamp, seq"
        } else {
            "SELECT seq, stream_id, timestamp, ingestion, message FROM events
                 INDEXED BY events_by_time
             WHERE group_id = ?1 AND timestamp >= ?2 AND timestamp <= ?3
               AND (timestamp > ?2 OR seq > ?4)
             ORDER BY timestamp, seq"
        };
        // Behind the last page's end, which is never before the start.
        let (start, seq) = match self.after {
            Some((time, seq)) if time >= self.start => (time, seq),
            _ => (self.start, 0),
        };
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![single.unwrap_or(group), start, self.end, seq])?;
        let named = !self.names.is_empty();
        let mut events: Vec<FilteredEvent> = Vec::new();
        let (mut bytes, mut examined, mut examined_bytes) = (0, 0, 0);
        let mut last = None;
        while let Some(row) = rows.next()? {
            let place: Place = (row.get(2)?, row.get(0)?);
            if examined >= EXAMINED_EVENTS || examined_bytes >= EXAMINED_BYTES {
                return Ok(self.told(events, last));
            }
            let id: i64 = row.get(1)?;
            let name = if let Some(known) = streams.get(&id) {
                known.clone()
            } else {
                let name = if named { None } else { self.stream_name(connection, id)? };
                streams.insert(id, name.clone());
                name
            };
            examined += 1;
            let Some(name) = name else {
                last = Some(place);
                continue;
            };
            let message = row.get_ref(4)?.as_str()?;
            examined_bytes += message.len();
            if self.pattern.matches(message) {
                bytes += message.len() as i64 + EVENT_OVERHEAD;
                let full = events.len() >= self.limit || bytes > PAGE_BYTES;
                if full && !events.is_empty() {
                    return Ok(self.told(events, last));
                }
                events.push(FilteredEvent {
                    log_stream_name: name,
                    timestamp: place.0,
                    message: message.to_owned(),
                    ingestion_time: row.get(3)?,
                    event_id: token::event_id(place),
                });
            }
            last = Some(place);
        }
        Ok(self.told(events, None))
    }

    /// The name of a stream that is there and wanted.
    fn stream_name(&self, connection: &Connection, id: i64) -> rusqlite::Result<Option<Arc<str>>> {
        let name: Option<String> = connection
            .prepare_cached("SELECT name FROM streams WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        Ok(name
            .filter(|name| self.prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix)))
            .map(Arc::from))
    }

    fn told(&self, events: Vec<FilteredEvent>, more_after: Option<Place>) -> FilteredEvents {
        FilteredEvents {
            events,
            searched_log_streams: [],
            next_token: more_after.map(|place| token::write(&(place, self.now))),
        }
    }
}
