//! The layouts of the SQLite files: their versions, and how an older one is brought up to date.
//!
//! The version is SQLite's `user_version`: how many migrations a file has been through. Migrations
//! are only ever added at the end of a list; the first one makes the tables. A file with a version
//! that is not known here was written by a newer program: it is refused before anything is touched.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Brings a file from one version to the next; part of a transaction.
pub type Migration = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// The version of `dynamodb.db`, whose tables dynoxide makes and migrates: counted up whenever a newer
/// dynoxide writes files that the one before can't read.
pub const DYNAMODB: u32 = 1;

/// Where `user_version` stands in a database, and so in each copy of its first page.
const VERSION_AT: u64 = 60;
/// Bytes of the head of a write-ahead log, and of the head of each of its frames.
const WAL_HEAD: u64 = 32;
const FRAME_HEAD: u64 = 24;

/// Why a file could not be brought up to date.
#[derive(Debug)]
pub enum LayoutError {
    /// SQLite refused.
    Sqlite(rusqlite::Error),
    /// A newer program wrote it; the version found.
    Newer(i64),
}

impl From<rusqlite::Error> for LayoutError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Runs the migrations that the file has not been through, each with its version in one transaction.
pub fn migrate(connection: &mut Connection, migrations: &[Migration]) -> Result<(), LayoutError> {
    let found = version(connection)?;
    let Some(missing) = usize::try_from(found).ok().and_then(|found| migrations.get(found..))
    else {
        return Err(LayoutError::Newer(found));
    };
    for (migration, version) in missing.iter().zip(found + 1..) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        migration(&transaction)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
        if found > 0 {
            tracing::info!(version, "a file of an older version was brought up to date");
        }
    }
    Ok(())
}

/// Notes the version of a file whose tables somebody else makes.
pub fn mark(path: &Path, version_now: u32) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(1))?;
    if version(&connection)? < i64::from(version_now) {
        connection.pragma_update(None, "user_version", version_now)?;
    }
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// The version of a database, read without SQLite so that nothing is written, locked or made; 0 when
/// there is no database.
///
/// Source: "Database File Format" of SQLite's documentation: the head of a database, and the frames
/// of its write-ahead log. A version only grows, so the highest one found holds.
pub fn peek(path: &Path) -> io::Result<u32> {
    let of_file = match File::open(path) {
        Ok(mut file) => {
            let mut magic = [0; 16];
            if file.read_exact(&mut magic).is_err() || &magic != b"SQLite format 3\0" {
                return Ok(0);
            }
            number_at(&mut file, VERSION_AT)?.unwrap_or(0)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    match File::open(PathBuf::from(wal)) {
        Ok(mut wal) => Ok(of_file.max(of_wal(&mut wal)?)),
        Err(_) => Ok(of_file),
    }
}

/// The highest version in a write-ahead log.
fn of_wal(wal: &mut File) -> io::Result<u32> {
    let length = wal.metadata()?.len();
    let Some(page_size) = number_at(wal, 8)?.filter(|size| (512..=65536).contains(size)) else {
        return Ok(0);
    };
    let mut highest = 0;
    let mut frame = WAL_HEAD;
    while frame + FRAME_HEAD + u64::from(page_size) <= length {
        if number_at(wal, frame)? == Some(1) {
            highest = highest.max(number_at(wal, frame + FRAME_HEAD + VERSION_AT)?.unwrap_or(0));
        }
        frame += FRAME_HEAD + u64::from(page_size);
    }
    Ok(highest)
}

/// A big-endian number at a place of a file; `None` behind its end.
fn number_at(file: &mut File, at: u64) -> io::Result<Option<u32>> {
    let mut bytes = [0; 4];
    file.seek(SeekFrom::Start(at))?;
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(u32::from_be_bytes(bytes))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FIRST: Migration = |t| t.execute_batch("CREATE TABLE a (x); INSERT INTO a VALUES (1)");
    const SECOND: Migration = |t| t.execute_batch("ALTER TABLE a ADD COLUMN y DEFAULT 7");
    const BROKEN: Migration = |t| t.execute_batch("DELETE FROM a; SELECT nonsense");

    #[test]
    fn each_migration_runs_once_and_wholly_or_not_at_all() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, &[FIRST]).unwrap();
        assert!(migrate(&mut db, &[FIRST, BROKEN]).is_err());
        let rows = |db: &Connection| -> i64 {
            db.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap()
        };
        assert_eq!((version(&db).unwrap(), rows(&db)), (1, 1), "a failed one leaves nothing");
        migrate(&mut db, &[FIRST, SECOND]).unwrap();
        migrate(&mut db, &[FIRST, SECOND]).unwrap();
        let y: i64 = db.query_row("SELECT y FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!((version(&db).unwrap(), y), (2, 7));
        assert!(matches!(migrate(&mut db, &[FIRST]), Err(LayoutError::Newer(2))));
    }

    #[test]
    fn versions_are_read_from_the_file_and_from_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        assert_eq!(peek(&path).unwrap(), 0);
        std::fs::write(&path, "not a database").unwrap();
        assert_eq!(peek(&path).unwrap(), 0);
        std::fs::remove_file(&path).unwrap();
        let mut db = Connection::open(&path).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        migrate(&mut db, &[FIRST]).unwrap();
        // Nothing was moved from the log into the file yet.
        assert_eq!(peek(&path).unwrap(), 1);
        migrate(&mut db, &[FIRST, SECOND]).unwrap();
        assert_eq!(peek(&path).unwrap(), 2);
        drop(db);
        assert!(!dir.path().join("a.db-wal").exists());
        assert_eq!(peek(&path).unwrap(), 2);
    }
}
