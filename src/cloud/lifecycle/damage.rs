//! Damaged files: found before they are used, moved aside, never deleted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use time::OffsetDateTime;
use time::macros::format_description;

use super::StartError;

/// Up to this many bytes a file is read as a whole at every start: a few milliseconds.
const SMALL: u64 = 1024 * 1024;
/// The same after a run that was killed.
const SMALL_AFTER_KILL: u64 = 8 * 1024 * 1024;

/// Moves a database aside when it can't be used. A small one is read as a whole; what is small
/// depends on whether the last run was killed.
pub(super) fn set_aside_if_damaged(
    path: &Path,
    was_killed: bool,
    notices: &mut Vec<String>,
) -> Result<(), StartError> {
    let Ok(metadata) = path.metadata() else { return Ok(()) };
    let whole_up_to = if was_killed { SMALL_AFTER_KILL } else { SMALL };
    let Some(reason) = damage(path, metadata.len() <= whole_up_to) else { return Ok(()) };
    let aside = move_aside(path)?;
    for suffix in ["-wal", "-shm"] {
        let companion = with_suffix(path, suffix);
        if companion.exists() {
            rename(&companion, &with_suffix(&aside, suffix))?;
        }
    }
    notices.push(format!(
        "{} is damaged ({reason}): it was moved to {}, and an empty one took its place",
        path.display(),
        aside.display()
    ));
    Ok(())
}

/// Writes what is still in the write-ahead log into the database itself, so that a stopped cloud
/// leaves files that are whole by themselves, whoever still has them open.
pub(super) fn settle(path: &Path) -> rusqlite::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_secs(1))?;
    let busy = |row: &rusqlite::Row| row.get::<_, bool>(0);
    if connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], busy)? {
        tracing::info!("{} is still read from; its log stays beside it", path.display());
    }
    Ok(())
}

/// Why the file is no usable database; `None` when it is one, or when that can't be told.
fn damage(path: &Path, thoroughly: bool) -> Option<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let check = || -> rusqlite::Result<Option<String>> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        if !thoroughly {
            return Ok(None);
        }
        let verdict: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok((verdict != "ok").then_some(verdict))
    };
    match check() {
        Ok(verdict) => verdict,
        Err(rusqlite::Error::SqliteFailure(failure, message))
            if matches!(failure.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) =>
        {
            Some(message.unwrap_or_else(|| failure.to_string()))
        }
        // Not readable, locked and the like: opening it for use will say so.
        Err(_) => None,
    }
}

/// Renames a file to `<name>.damaged-<time>`.
pub(super) fn move_aside(path: &Path) -> Result<PathBuf, StartError> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = OffsetDateTime::now_utc().format(format).unwrap_or_default();
    let first = with_suffix(path, &format!(".damaged-{time}"));
    let mut aside = first.clone();
    for number in 2.. {
        if !aside.exists() {
            break;
        }
        aside = with_suffix(&first, &format!("-{number}"));
    }
    rename(path, &aside)?;
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn rename(from: &Path, to: &Path) -> Result<(), StartError> {
    std::fs::rename(from, to).map_err(|source| StartError::Io {
        doing: format!("moving {} aside", from.display()),
        source,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_damaged_file_is_moved_aside_with_its_journal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs.db");
        std::fs::write(&path, "this is not a database, but long enough to look at".repeat(9))
            .unwrap();
        std::fs::write(dir.path().join("logs.db-wal"), "x").unwrap();
        let mut notices = Vec::new();
        set_aside_if_damaged(&path, false, &mut notices).unwrap();
        assert!(!path.exists());
        assert_eq!(notices.len(), 1, "{notices:?}");
        let kept = std::fs::read_dir(dir.path()).unwrap().count();
        assert!(kept >= 1);
        // The next one of the same second gets a name of its own.
        std::fs::write(&path, "again, not a database, and again long enough".repeat(9)).unwrap();
        set_aside_if_damaged(&path, true, &mut notices).unwrap();
        assert_eq!(notices.len(), 2);
        assert!(std::fs::read_dir(dir.path()).unwrap().count() > kept);
    }

    #[test]
    fn a_good_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cloud.db");
        drop(crate::store::Store::open(&path).unwrap());
        let mut notices = Vec::new();
        set_aside_if_damaged(&path, true, &mut notices).unwrap();
        assert!(path.exists());
        assert!(notices.is_empty());
        set_aside_if_damaged(&dir.path().join("missing.db"), true, &mut notices).unwrap();
        assert!(notices.is_empty());
    }
}
