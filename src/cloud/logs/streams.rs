//! Operations on log streams: create, delete, describe.

// Members of requests and answers are named as on the wire.
#![allow(clippy::struct_field_names)]

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde::{Deserialize, Serialize};

use super::Logs;
use super::error::{constraint, invalid, no_group, store_failed};
use super::groups::page_limit;
use super::names::{group_name, group_of, stream_arn, stream_name};
use super::token;
use crate::core::Core;
use crate::error::AwsError;
use crate::wire::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfStream {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeLogStreams {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    descending: Option<bool>,
    limit: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogStream {
    log_stream_name: String,
    creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ingestion_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_sequence_token: Option<String>,
    arn: String,
    /// Always 0, as AWS answers since 2019.
    stored_bytes: i64,
    #[serde(skip)]
    row: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogStreams {
    log_streams: Vec<LogStream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Logs {
    pub(super) async fn create_log_stream(
        &self,
        caller: &Caller,
        request: OfStream,
    ) -> Result<(), AwsError> {
        let group = group_name(request.log_group_name.as_deref(), "logGroupName")?.to_owned();
        let stream = stream_name(request.log_stream_name.as_deref(), "logStreamName")?.to_owned();
        self.allow_stream(caller, "CreateLogStream", &group, &stream)?;
        self.writer
            .change(0, move |desk| {
                let group = desk.group(&group)?;
                desk.create_stream(&group, &stream).map(|_| ())
            })
            .await
    }

    pub(super) async fn delete_log_stream(
        &self,
        caller: &Caller,
        request: OfStream,
    ) -> Result<(), AwsError> {
        let group = group_name(request.log_group_name.as_deref(), "logGroupName")?.to_owned();
        let stream = stream_name(request.log_stream_name.as_deref(), "logStreamName")?.to_owned();
        self.allow_stream(caller, "DeleteLogStream", &group, &stream)?;
        self.writer
            .change(0, move |desk| {
                let group = desk.group(&group)?;
                desk.delete_stream(&group, &stream)
            })
            .await
    }

    pub(super) async fn describe_log_streams(
        &self,
        caller: &Caller,
        request: DescribeLogStreams,
    ) -> Result<LogStreams, AwsError> {
        let group =
            group_of(request.log_group_name.as_deref(), request.log_group_identifier.as_deref())?
                .to_owned();
        self.allow_group(caller, "DescribeLogStreams", &group)?;
        let by_time = match request.order_by.as_deref() {
            None | Some("LogStreamName") => false,
            Some("LastEventTime") => true,
            Some(other) => {
                return Err(constraint(
                    other,
                    "orderBy",
                    "Member must satisfy enum value set: [LogStreamName, LastEventTime]",
                ));
            }
        };
        if by_time && request.log_stream_name_prefix.is_some() {
            return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        let page = Page {
            by_time,
            descending: request.descending.unwrap_or(false),
            prefix: request.log_stream_name_prefix.unwrap_or_default(),
            limit: page_limit(request.limit)?,
            after: request.next_token.as_deref().map(token::read).transpose()?,
        };
        let core = Arc::clone(&self.core);
        self.writer.flush().await?;
        self.reader
            .run(move |connection| {
                let Some(id) = find_group(connection, &group)? else { return Err(no_group()) };
                page.read(connection, &core, id, &group).map_err(|e| store_failed(&e))
            })
            .await
    }
}

/// A group's row by name.
pub fn find_group(connection: &Connection, name: &str) -> Result<Option<i64>, AwsError> {
    connection
        .prepare_cached("SELECT id FROM groups WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(|e| store_failed(&e))
}

struct Page {
    by_time: bool,
    descending: bool,
    prefix: String,
    limit: usize,
    /// Last event's time and row of the last stream told, or its name.
    after: Option<(i64, i64, String)>,
}

impl Page {
    fn read(
        &self,
        connection: &Connection,
        core: &Core,
        group: i64,
        group_name: &str,
    ) -> rusqlite::Result<LogStreams> {
        let (direction, beyond) = if self.descending { ("DESC", "<") } else { ("ASC", ">") };
        let order = if self.by_time {
            format!("COALESCE(last_event, 0) {direction}, id {direction}")
        } else {
            format!("name {direction}")
        };
        let after = match (&self.after, self.by_time) {
            (None, _) => "?3 IS NULL".to_owned(),
            (Some(_), true) => format!("(COALESCE(last_event, 0), id) {beyond} (?3, ?4)"),
            (Some(_), false) => format!("name {beyond} ?3"),
        };
        let (time, row, name) = self.after.clone().unwrap_or_default();
        let sql = format!(
            "SELECT name, created, first_event, last_event, last_ingestion, id FROM streams
             WHERE group_id = ?1 AND substr(name, 1, length(?2)) = ?2 AND {after}
             ORDER BY {order} LIMIT {}",
            self.limit + 1
        );
        let null: Option<i64> = None;
        let mut values: Vec<&dyn ToSql> = params![group, self.prefix].to_vec();
        match (&self.after, self.by_time) {
            (None, _) => values.push(&null),
            (Some(_), true) => values.extend_from_slice(params![time, row]),
            (Some(_), false) => values.push(&name),
        }
        let mut statement = connection.prepare_cached(&sql)?;
        let mut log_streams = statement
            .query_map(&values[..], |row| stream(core, group_name, row))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let more = log_streams.len() > self.limit;
        log_streams.truncate(self.limit);
        let next_token = log_streams.last().filter(|_| more).map(|last| {
            token::write(&(last.last_event_timestamp.unwrap_or(0), last.row, &last.log_stream_name))
        });
        Ok(LogStreams { log_streams, next_token })
    }
}

fn stream(core: &Core, group: &str, row: &Row<'_>) -> rusqlite::Result<LogStream> {
    let name: String = row.get(0)?;
    let last_ingestion_time: Option<i64> = row.get(4)?;
    Ok(LogStream {
        arn: stream_arn(core, group, &name),
        log_stream_name: name,
        creation_time: row.get(1)?,
        first_event_timestamp: row.get(2)?,
        last_event_timestamp: row.get(3)?,
        last_ingestion_time,
        upload_sequence_token: last_ingestion_time.map(|_| super::put::SEQUENCE_TOKEN.to_owned()),
        stored_bytes: 0,
        row: row.get(5)?,
    })
}
