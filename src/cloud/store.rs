//! The durable store of the control plane: JSON documents in collections, in one SQLite file.
//!
//! Services keep their state in memory for reading and write through here: a change is applied to
//! memory and acknowledged only after [`Store::commit`] returned, so a `kill -9` at any moment loses
//! nothing that was acknowledged. SQLite runs in WAL mode with `synchronous=NORMAL`: a killed
//! process loses nothing, since its writes are already with the operating system.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::layout::{LayoutError, Migration, migrate};

/// What the file has been through; see `layout`. How to add one: `docs/architecture.md`.
const MIGRATIONS: &[Migration] = &[|transaction| {
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS documents (
             collection TEXT NOT NULL,
             key TEXT NOT NULL,
             value TEXT NOT NULL,
             PRIMARY KEY (collection, key)
         ) WITHOUT ROWID;",
    )
}];
/// The newest layout that is known here.
pub const LAYOUT: u32 = MIGRATIONS.len() as u32;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("the store {path} could not be used: {source}")]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// SQLite's own error.
        source: rusqlite::Error,
    },
    /// A document could not be read or written as JSON.
    #[error("document {key} of {collection} is not what this version writes: {source}")]
    Document {
        /// The collection.
        collection: &'static str,
        /// The document's key.
        key: String,
        /// What serde said.
        source: serde_json::Error,
    },
    /// The file was written by a newer version of the program.
    #[error("the store {path} has layout {found}; this version knows up to {known}")]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The layout found.
        found: i64,
        /// The newest layout this version can read.
        known: i64,
    },
}

/// One change of one document.
#[derive(Debug, Clone)]
pub struct Change {
    collection: &'static str,
    key: String,
    value: Option<String>,
}

impl Change {
    /// Writes a document, replacing an earlier one of the same key.
    pub fn put(
        collection: &'static str,
        key: impl Into<String>,
        document: &impl Serialize,
    ) -> Result<Self, StoreError> {
        let key = key.into();
        match serde_json::to_string(document) {
            Ok(value) => Ok(Self { collection, key, value: Some(value) }),
            Err(source) => Err(StoreError::Document { collection, key, source }),
        }
    }

    /// Removes a document; a missing one is no error.
    pub fn delete(collection: &'static str, key: impl Into<String>) -> Self {
        Self { collection, key: key.into(), value: None }
    }
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    path: Arc<PathBuf>,
    connection: Arc<Mutex<Connection>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or creates the store at `path` and brings an older layout up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let wrap = |source| StoreError::Sqlite { path: path.to_owned(), source };
        let mut connection = Connection::open(path).map_err(wrap)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(wrap)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(wrap)?;
        migrate(&mut connection, MIGRATIONS).map_err(|error| match error {
            LayoutError::Sqlite(source) => wrap(source),
            LayoutError::Newer(found) => {
                StoreError::Newer { path: path.to_owned(), found, known: i64::from(LAYOUT) }
            }
        })?;
        Ok(Self { path: Arc::new(path.to_owned()), connection: Arc::new(Mutex::new(connection)) })
    }

    /// All documents of a collection, by key. Used once, when a service starts.
    pub fn load<T: DeserializeOwned>(
        &self,
        collection: &'static str,
    ) -> Result<Vec<(String, T)>, StoreError> {
        let connection = self.lock();
        let wrap = |source| StoreError::Sqlite { path: self.path.as_ref().clone(), source };
        let mut statement = connection
            .prepare_cached("SELECT key, value FROM documents WHERE collection = ?1 ORDER BY key")
            .map_err(wrap)?;
        let rows = statement
            .query_map(params![collection], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })
            .map_err(wrap)?;
        let mut documents = Vec::new();
        for row in rows {
            let (key, value) = row.map_err(wrap)?;
            match serde_json::from_str(&value) {
                Ok(document) => documents.push((key, document)),
                Err(source) => {
                    return Err(StoreError::Document { collection, key, source });
                }
            }
        }
        Ok(documents)
    }

    /// Applies all changes in one transaction and returns when they are durable.
    ///
    /// Runs on the blocking pool, so it may be awaited on any worker.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || store.commit_blocking(&changes)).await {
            Ok(result) => result,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// As [`Store::commit`], for callers outside the async runtime.
    pub fn commit_blocking(&self, changes: &[Change]) -> Result<(), StoreError> {
        let wrap = |source| StoreError::Sqlite { path: self.path.as_ref().clone(), source };
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(wrap)?;
        for change in changes {
            match &change.value {
                Some(value) => transaction
                    .prepare_cached(
                        "INSERT INTO documents (collection, key, value) VALUES (?1, ?2, ?3)
                         ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value",
                    )
                    .and_then(|mut s| s.execute(params![change.collection, change.key, value])),
                None => transaction
                    .prepare_cached("DELETE FROM documents WHERE collection = ?1 AND key = ?2")
                    .and_then(|mut s| s.execute(params![change.collection, change.key])),
            }
            .map_err(wrap)?;
        }
        transaction.commit().map_err(wrap)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A panic while the lock was held left at most an open transaction, which SQLite rolls back.
        self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
