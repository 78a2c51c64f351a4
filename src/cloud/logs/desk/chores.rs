//! What the writer does between batches, in small steps: it removes what is expired or deleted and
//! gives the space back.

use rusqlite::{OptionalExtension, params};

use super::{Desk, EVENT_OVERHEAD, expiry};

/// Rows removed by one step of a chore.
const CHORE_ROWS: i64 = 1000;
/// Pages given back to the file system by one step of a chore.
const CHORE_PAGES: u32 = 512;

impl Desk {
    /// Notes whether some group has a retention.
    pub(super) fn note_retention(&mut self) -> rusqlite::Result<()> {
        self.retention = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM groups WHERE retention IS NOT NULL)",
            [],
            |row| row.get(0),
        )?;
        Ok(())
    }

    /// Whether some group has a retention.
    pub fn has_retention(&self) -> bool {
        self.retention
    }

    /// Whether [`Desk::chore`] has something to do.
    pub fn has_chores(&self) -> bool {
        !self.sweep.is_empty() || self.doomed || self.slack || self.uncut
    }

    /// Begins to remove what has expired, in every group with a retention.
    pub fn start_sweep(&mut self) {
        let now = self.now();
        let groups = self
            .connection
            .prepare("SELECT id, retention FROM groups WHERE retention IS NOT NULL")
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| Ok((row.get(0)?, expiry(now, row.get(1)?))))?
                    .collect::<rusqlite::Result<Vec<_>>>()
            });
        match groups {
            Ok(groups) => self.sweep = groups,
            Err(error) => tracing::error!(%error, "expired log events could not be looked up"),
        }
    }

    /// One small step of whatever is to be cleared out. After an error nothing more is tried
    /// until the next sweep.
    pub fn chore(&mut self) -> rusqlite::Result<()> {
        if self.sweep.is_empty() && !self.doomed && !self.slack && self.uncut {
            self.uncut = false;
            // Stops at what a reader still needs; the next checkpoint does the rest.
            return self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
        let done = self.begin().and_then(|()| self.step()).and_then(|()| self.commit());
        if done.is_err() {
            self.roll_back();
            self.sweep.clear();
            self.doomed = false;
            self.slack = false;
            self.uncut = false;
        }
        done
    }

    fn step(&mut self) -> rusqlite::Result<()> {
        if let Some(&(group, before)) = self.sweep.last() {
            let removed = self.remove_events(
                "SELECT seq FROM events WHERE group_id = ?1 AND timestamp < ?2 LIMIT ?3",
                params![group, before, CHORE_ROWS],
            )?;
            if removed < CHORE_ROWS {
                self.sweep.pop();
            }
            return Ok(());
        }
        if self.doomed {
            return self.clear_doomed();
        }
        self.slack = self.give_back(CHORE_PAGES)?;
        self.uncut = !self.slack;
        Ok(())
    }

    fn clear_doomed(&mut self) -> rusqlite::Result<()> {
        let next: Option<(String, i64)> = self
            .connection
            .query_row("SELECT kind, id FROM doomed LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((kind, id)) = next else {
            self.doomed = false;
            return Ok(());
        };
        let which = if kind == "group" {
            "SELECT seq FROM events WHERE group_id = ?1 LIMIT ?2"
        } else {
            "SELECT seq FROM events WHERE stream_id = ?1 LIMIT ?2"
        };
        if self.remove_events(which, params![id, CHORE_ROWS])? < CHORE_ROWS {
            self.connection
                .execute("DELETE FROM doomed WHERE kind = ?1 AND id = ?2", params![kind, id])?;
        }
        Ok(())
    }

    /// Removes the `rows` oldest events of all groups, by ingestion; answers how many went.
    pub fn remove_oldest(&mut self, rows: i64) -> rusqlite::Result<i64> {
        self.remove_events("SELECT seq FROM events ORDER BY seq LIMIT ?1", params![rows])
    }

    fn remove_events(
        &mut self,
        which: &str,
        parameters: &[&dyn rusqlite::ToSql],
    ) -> rusqlite::Result<i64> {
        let mut removed = 0;
        let sql = format!(
            "DELETE FROM events WHERE seq IN ({which}) RETURNING group_id, octet_length(message)"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            let bytes: i64 = row.get(1)?;
            *self.group_bytes.entry(row.get(0)?).or_default() -= bytes + EVENT_OVERHEAD;
            removed += 1;
        }
        self.slack |= removed > 0;
        Ok(removed)
    }

    /// Bytes of the store's pages that hold something.
    pub fn live_bytes(&self) -> rusqlite::Result<u64> {
        let pragma =
            |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = pragma("page_count")? - pragma("freelist_count")?;
        Ok(u64::try_from(pages * pragma("page_size")?).unwrap_or(0))
    }

    /// Gives free pages back to the file system; whether there are more.
    fn give_back(&self, pages: u32) -> rusqlite::Result<bool> {
        self.connection.execute_batch(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let free: i64 =
            self.connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        Ok(free > 0)
    }
}
