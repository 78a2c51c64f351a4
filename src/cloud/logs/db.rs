//! The log store's SQLite file: layout, opening, and the connections that only read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::Semaphore;

use super::error::{LogsError, store_failed};
use crate::error::AwsError;
use crate::layout::{LayoutError, Migration, migrate};

/// What the file has been through; see `layout`. How to add one: `docs/architecture.md`.
const MIGRATIONS: &[Migration] = &[|transaction| transaction.execute_batch(SCHEMA)];
/// The newest layout that is known here.
pub const LAYOUT: u32 = MIGRATIONS.len() as u32;

/// How many reads run side by side; more wait.
const READERS: usize = 4;

/// `seq` is the order of ingestion and never used twice: event ids are made from it.
/// Both indexes end in the row id, which is `seq`, so they order by time, then ingestion.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    retention INTEGER,
    bytes INTEGER NOT NULL DEFAULT 0,
    tags TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    first_event INTEGER,
    last_event INTEGER,
    last_ingestion INTEGER,
    UNIQUE (group_id, name)
);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER NOT NULL,
    stream_id INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    ingestion INTEGER NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_time ON events (group_id, timestamp);
CREATE INDEX IF NOT EXISTS events_by_stream ON events (stream_id, timestamp);
";

/// Opens the store for writing; a file that is no database any more is moved aside first.
pub fn open(path: &Path) -> Result<Connection, LogsError> {
    match open_writable(path) {
        Err(LogsError::Sqlite { source, .. }) if is_damage(&source) => {
            move_aside(path)?;
            open_writable(path)
        }
        other => other,
    }
}

fn open_writable(path: &Path) -> Result<Connection, LogsError> {
    let wrap = |source| LogsError::Sqlite { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(wrap)?;
    // Has to come before the first table; an existing file keeps its own mode.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(wrap)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(wrap)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(wrap)?;
    connection.pragma_update(None, "journal_size_limit", 8 << 20).map_err(wrap)?;
    connection.pragma_update(None, "cache_size", -2048).map_err(wrap)?;
    migrate(&mut connection, MIGRATIONS).map_err(|error| match error {
        LayoutError::Sqlite(source) => wrap(source),
        LayoutError::Newer(found) => {
            LogsError::Newer { path: path.to_owned(), found, known: i64::from(LAYOUT) }
        }
    })?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Renames the file and its companions, so that nothing of it is lost.
fn move_aside(path: &Path) -> Result<(), LogsError> {
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    for suffix in ["", "-wal", "-shm"] {
        let from = with_suffix(path, suffix);
        let to = with_suffix(path, &format!(".damaged-{stamp}{suffix}"));
        match std::fs::rename(&from, &to) {
            Ok(()) => {
                tracing::warn!(from = %from.display(), to = %to.display(), "damaged log store moved aside");
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(LogsError::Aside { path: from, source }),
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Bytes that the store takes on disk, with its write-ahead log.
pub fn bytes_on_disk(path: &Path) -> u64 {
    ["", "-wal"]
        .iter()
        .filter_map(|suffix| std::fs::metadata(with_suffix(path, suffix)).ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// Connections that only read, used off the async workers. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    path: Arc<PathBuf>,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Reader {
    /// A reader of the store at `path`, which exists already.
    pub fn new(path: &Path) -> Self {
        Self {
            path: Arc::new(path.to_owned()),
            turns: Arc::new(Semaphore::new(READERS)),
            idle: Arc::new(Mutex::new(Vec::new())),
        }
    }

    /// Runs `work` on a reading connection, on the blocking pool.
    pub async fn run<T, F>(&self, work: F) -> Result<T, AwsError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, AwsError> + Send + 'static,
    {
        let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else {
            return Err(AwsError::internal("the log store is closed"));
        };
        let reader = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let connection = reader.take().map_err(|e| store_failed(&e))?;
            let result = work(&connection);
            reader.lock().push(connection);
            result
        });
        match done.await {
            Ok(result) => result,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        if let Some(connection) = self.lock().pop() {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.path.as_ref(), flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "cache_size", -1024)?;
        Ok(connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
