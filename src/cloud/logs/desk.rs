//! What the writer's thread works with: its connection, what it knows of groups and streams, and
//! what has to be noted when a transaction is committed.

mod chores;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::{already_exists, no_group, no_stream, store_failed};
use super::sessions::{Sessions, TailEvent};
use super::writer::Append;
use crate::core::Core;
use crate::error::AwsError;

/// Streams known without asking the store; when there are more, all are forgotten.
const KNOWN_STREAMS: usize = 4096;
/// What AWS counts for an event beside its message.
pub const EVENT_OVERHEAD: i64 = 26;

/// A log group as the writer knows it.
#[derive(Clone)]
pub struct KnownGroup {
    /// Its row.
    pub id: i64,
    /// Its name, shared.
    pub name: Arc<str>,
    /// Days that its events are kept.
    pub retention: Option<i64>,
}

#[derive(Default)]
struct StreamNews {
    first: i64,
    last: i64,
    ingestion: i64,
}

/// The writer's desk.
pub struct Desk {
    core: Arc<Core>,
    connection: Connection,
    sessions: Arc<Sessions>,
    groups: HashMap<Arc<str>, KnownGroup>,
    streams: HashMap<i64, HashMap<Arc<str>, i64>>,
    known_streams: usize,
    stream_news: BTreeMap<i64, StreamNews>,
    group_bytes: BTreeMap<i64, i64>,
    outbox: Vec<TailEvent>,
    /// Some group has a retention.
    retention: bool,
    /// Groups whose expired events are being removed: row and cut-off in ms.
    sweep: Vec<(i64, i64)>,
    /// Groups or streams were deleted whose events are still in the file.
    doomed: bool,
    /// Pages are free that the file should give back.
    slack: bool,
    /// Pages were given back; the write-ahead log can be cut.
    uncut: bool,
}

impl Desk {
    /// A desk on an open store.
    pub fn new(
        core: Arc<Core>,
        connection: Connection,
        sessions: Arc<Sessions>,
    ) -> rusqlite::Result<Self> {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS doomed (
                 kind TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (kind, id)
             ) WITHOUT ROWID;",
        )?;
        let doomed =
            connection.query_row("SELECT EXISTS (SELECT 1 FROM doomed)", [], |row| row.get(0))?;
        let mut desk = Self {
            core,
            connection,
            sessions,
            groups: HashMap::new(),
            streams: HashMap::new(),
            known_streams: 0,
            stream_news: BTreeMap::new(),
            group_bytes: BTreeMap::new(),
            outbox: Vec::new(),
            retention: false,
            sweep: Vec::new(),
            doomed,
            slack: false,
            uncut: false,
        };
        desk.note_retention()?;
        Ok(desk)
    }

    /// The connection, for statements of the operations.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Now, in ms since the epoch.
    pub fn now(&self) -> i64 {
        self.core.now_millis()
    }

    /// Begins a transaction.
    pub fn begin(&mut self) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")
    }

    /// Commits, and hands the new events to whoever tails; on an error nothing of it happened.
    pub fn commit(&mut self) -> rusqlite::Result<()> {
        let committed = self.note_news().and_then(|()| self.connection.execute_batch("COMMIT"));
        let outbox = std::mem::take(&mut self.outbox);
        match committed {
            Ok(()) => self.sessions.publish(&outbox),
            Err(_) => self.roll_back(),
        }
        committed
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            // Nothing is left to be done when even this fails: the next BEGIN reports it.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.stream_news.clear();
        self.group_bytes.clear();
        self.forget();
    }

    /// Runs one change inside the transaction; its error undoes what it did.
    pub fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        if self.connection.is_autocommit() {
            // Without a transaction a savepoint would commit on its own.
            return Err(AwsError::internal("the log store could not begin a transaction"));
        }
        self.connection.execute_batch("SAVEPOINT change").map_err(|e| store_failed(&e))?;
        match work(self) {
            Ok(done) => {
                self.connection.execute_batch("RELEASE change").map_err(|e| store_failed(&e))?;
                Ok(done)
            }
            Err(error) => {
                self.connection
                    .execute_batch("ROLLBACK TO change; RELEASE change")
                    .map_err(|e| store_failed(&e))?;
                self.forget();
                Err(error)
            }
        }
    }

    /// Forgets what is known of groups and streams; the store is asked again.
    pub fn forget(&mut self) {
        self.groups.clear();
        self.streams.clear();
        self.known_streams = 0;
    }

    /// A group by name.
    pub fn group(&mut self, name: &str) -> Result<KnownGroup, AwsError> {
        self.find_group(name).map_err(|e| store_failed(&e))?.ok_or_else(no_group)
    }

    fn find_group(&mut self, name: &str) -> rusqlite::Result<Option<KnownGroup>> {
        if let Some(group) = self.groups.get(name) {
            return Ok(Some(group.clone()));
        }
        let found = self
            .connection
            .prepare_cached("SELECT id, retention FROM groups WHERE name = ?1")?
            .query_row(params![name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(found.map(|(id, retention)| {
            let name: Arc<str> = name.into();
            let group = KnownGroup { id, name: Arc::clone(&name), retention };
            self.groups.insert(name, group.clone());
            group
        }))
    }

    /// Makes a group; `tags` is a JSON object.
    pub fn create_group(&mut self, name: &str, tags: &str) -> Result<KnownGroup, AwsError> {
        if self.find_group(name).map_err(|e| store_failed(&e))?.is_some() {
            return Err(already_exists("log group"));
        }
        self.insert_group(name, tags).map_err(|e| store_failed(&e))
    }

    fn insert_group(&mut self, name: &str, tags: &str) -> rusqlite::Result<KnownGroup> {
        let now = self.now();
        self.connection
            .prepare_cached("INSERT INTO groups (name, created, tags) VALUES (?1, ?2, ?3)")?
            .execute(params![name, now, tags])?;
        let shared: Arc<str> = name.into();
        let group = KnownGroup {
            id: self.connection.last_insert_rowid(),
            name: Arc::clone(&shared),
            retention: None,
        };
        self.groups.insert(shared, group.clone());
        Ok(group)
    }

    /// A stream's row by name.
    pub fn stream(&mut self, group: &KnownGroup, name: &str) -> Result<i64, AwsError> {
        self.find_stream(group, name).map_err(|e| store_failed(&e))?.ok_or_else(no_stream)
    }

    fn find_stream(&mut self, group: &KnownGroup, name: &str) -> rusqlite::Result<Option<i64>> {
        if let Some(id) = self.streams.get(&group.id).and_then(|streams| streams.get(name)) {
            return Ok(Some(*id));
        }
        let found = self
            .connection
            .prepare_cached("SELECT id FROM streams WHERE group_id = ?1 AND name = ?2")?
            .query_row(params![group.id, name], |row| row.get(0))
            .optional()?;
        if let Some(id) = found {
            self.know_stream(group.id, name, id);
        }
        Ok(found)
    }

    fn know_stream(&mut self, group: i64, name: &str, id: i64) {
        if self.known_streams >= KNOWN_STREAMS {
            self.streams.clear();
            self.known_streams = 0;
        }
        self.streams.entry(group).or_default().insert(name.into(), id);
        self.known_streams += 1;
    }

    /// Makes a stream.
    pub fn create_stream(&mut self, group: &KnownGroup, name: &str) -> Result<i64, AwsError> {
        if self.find_stream(group, name).map_err(|e| store_failed(&e))?.is_some() {
            return Err(already_exists("log stream"));
        }
        self.insert_stream(group, name).map_err(|e| store_failed(&e))
    }

    fn insert_stream(&mut self, group: &KnownGroup, name: &str) -> rusqlite::Result<i64> {
        let now = self.now();
        self.connection
            .prepare_cached("INSERT INTO streams (group_id, name, created) VALUES (?1, ?2, ?3)")?
            .execute(params![group.id, name, now])?;
        let id = self.connection.last_insert_rowid();
        self.know_stream(group.id, name, id);
        Ok(id)
    }

    /// Adds lines, making their group and stream where they are missing.
    pub fn append(&mut self, append: Append) -> rusqlite::Result<()> {
        let group = match self.find_group(&append.group)? {
            Some(group) => group,
            None => self.insert_group(&append.group, "{}")?,
        };
        let stream = match self.find_stream(&group, &append.stream)? {
            Some(stream) => stream,
            None => self.insert_stream(&group, &append.stream)?,
        };
        self.insert(&group, stream, &append.stream, append.lines)
    }

    /// Adds events to a stream.
    pub fn insert(
        &mut self,
        group: &KnownGroup,
        stream: i64,
        stream_name: &Arc<str>,
        lines: Vec<(i64, String)>,
    ) -> rusqlite::Result<()> {
        let ingestion = self.now();
        let mut bytes = 0;
        let mut first = i64::MAX;
        let mut last = i64::MIN;
        {
            let mut statement = self.connection.prepare_cached(
                "INSERT INTO events (group_id, stream_id, timestamp, ingestion, message)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (timestamp, message) in &lines {
                statement.execute(params![group.id, stream, timestamp, ingestion, message])?;
                self.core.recorder.log_event(message);
                bytes += message.len() as i64 + EVENT_OVERHEAD;
                first = first.min(*timestamp);
                last = last.max(*timestamp);
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        *self.group_bytes.entry(group.id).or_default() += bytes;
        let news = self.stream_news.entry(stream).or_insert(StreamNews { first, last, ingestion });
        news.first = news.first.min(first);
        news.last = news.last.max(last);
        news.ingestion = ingestion;
        if self.sessions.any() {
            self.outbox.extend(lines.into_iter().map(|(timestamp, message)| TailEvent {
                group: Arc::clone(&group.name),
                stream: Arc::clone(stream_name),
                timestamp,
                ingestion,
                message: message.into(),
            }));
        }
        Ok(())
    }

    fn note_news(&mut self) -> rusqlite::Result<()> {
        for (stream, news) in std::mem::take(&mut self.stream_news) {
            self.connection
                .prepare_cached(
                    "UPDATE streams SET
                         first_event = MIN(COALESCE(first_event, ?2), ?2),
                         last_event = MAX(COALESCE(last_event, ?3), ?3),
                         last_ingestion = ?4
                     WHERE id = ?1",
                )?
                .execute(params![stream, news.first, news.last, news.ingestion])?;
        }
        for (group, bytes) in std::mem::take(&mut self.group_bytes) {
            self.connection
                .prepare_cached("UPDATE groups SET bytes = MAX(0, bytes + ?2) WHERE id = ?1")?
                .execute(params![group, bytes])?;
        }
        Ok(())
    }

    /// Deletes a group with its streams; its events are out of sight at once and go as a chore.
    pub fn delete_group(&mut self, name: &str) -> Result<(), AwsError> {
        let group = self.group(name)?;
        let delete = |connection: &Connection| -> rusqlite::Result<()> {
            connection.execute("DELETE FROM groups WHERE id = ?1", [group.id])?;
            connection.execute("DELETE FROM streams WHERE group_id = ?1", [group.id])?;
            connection.execute("INSERT INTO doomed VALUES ('group', ?1)", [group.id])?;
            Ok(())
        };
        delete(&self.connection).map_err(|e| store_failed(&e))?;
        self.doomed = true;
        self.forget();
        self.note_retention().map_err(|e| store_failed(&e))
    }

    /// Deletes a stream; its events are out of sight at once and go as a chore.
    pub fn delete_stream(&mut self, group: &KnownGroup, name: &str) -> Result<(), AwsError> {
        let stream = self.stream(group, name)?;
        let delete = |connection: &Connection| -> rusqlite::Result<()> {
            connection.execute("DELETE FROM streams WHERE id = ?1", [stream])?;
            connection.execute("INSERT INTO doomed VALUES ('stream', ?1)", [stream])?;
            Ok(())
        };
        delete(&self.connection).map_err(|e| store_failed(&e))?;
        self.stream_news.remove(&stream);
        self.doomed = true;
        self.forget();
        Ok(())
    }

    /// Sets or clears a group's retention; expired events go as a chore, beginning now.
    pub fn set_retention(&mut self, name: &str, days: Option<i64>) -> Result<(), AwsError> {
        let group = self.group(name)?;
        self.connection
            .execute("UPDATE groups SET retention = ?2 WHERE id = ?1", params![group.id, days])
            .map_err(|e| store_failed(&e))?;
        self.forget();
        self.note_retention().map_err(|e| store_failed(&e))?;
        self.start_sweep();
        Ok(())
    }
}

/// The time before which events of a group with `days` of retention are expired.
pub fn expiry(now_ms: i64, days: i64) -> i64 {
    now_ms - days * 86_400_000
}
