//! The metric store's SQLite file: metrics, their buckets, alarms.
//!
//! One connection, held behind a lock by whoever works with it on the blocking pool. In WAL mode
//! what is committed survives the end of the process at any moment.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::layout::{LayoutError, Migration, migrate};

use super::alarms::{Alarm, HistoryItem, HistoryQuery};
use super::distribution::Distribution;
use super::error::MetricsError;
use super::model::{MetricKey, Slot, unit};
use super::series::{BY_5_MINUTES, BY_MINUTE, BY_SECOND};

/// What the file has been through; see `layout`. How to add one: `docs/architecture.md`.
const MIGRATIONS: &[Migration] = &[|transaction| transaction.execute_batch(SCHEMA)];
/// The newest layout that is known here.
pub const LAYOUT: u32 = MIGRATIONS.len() as u32;
/// Seconds that data are kept: the 455 days of AWS.
const KEPT: i64 = 455 * 86_400;
/// Seconds that the history of alarms is kept: 30 days, as on AWS; and its rows.
const HISTORY_KEPT: i64 = 30 * 86_400;
const HISTORY_ROWS: i64 = 100_000;
/// Rows that go in one step of trimming.
const TRIM_ROWS: i64 = 5000;
/// Which buckets become longer ones: seconds before, seconds after, and the age.
const ROLL_UP: [(i64, i64, i64); 3] =
    [(1, 60, BY_SECOND), (60, 300, BY_MINUTE), (300, 3600, BY_5_MINUTES)];

/// `time` is the begin of a bucket in seconds since the epoch; `resolution` how many seconds it is
/// long. `last` is the newest `time` of a metric.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    dimensions TEXT NOT NULL,
    last INTEGER NOT NULL,
    UNIQUE (namespace, name, dimensions)
);
CREATE TABLE IF NOT EXISTS points (
    metric INTEGER NOT NULL,
    time INTEGER NOT NULL,
    unit TEXT NOT NULL,
    resolution INTEGER NOT NULL,
    count REAL NOT NULL,
    sum REAL NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    sketch BLOB,
    PRIMARY KEY (metric, time, unit, resolution)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS points_by_time ON points (resolution, time);
CREATE TABLE IF NOT EXISTS alarms (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    alarm TEXT NOT NULL,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    summary TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS history_by_alarm ON history (alarm);
";

/// The open store.
pub(super) struct Db {
    connection: Connection,
    alarms: BTreeMap<String, Alarm>,
}

/// One bucket of a metric.
pub(super) struct Bucket {
    pub time: i64,
    pub resolution: i64,
    pub unit: &'static str,
    pub values: Distribution,
}

/// Which metrics are listed.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub namespace: Option<String>,
    pub name: Option<String>,
    /// Only those with data at or after this time.
    pub since: i64,
    /// Only those behind this one in the order of the list.
    pub after: Option<MetricKey>,
}

impl Db {
    /// Opens or makes the store.
    pub(super) fn open(path: &Path) -> Result<Self, MetricsError> {
        let wrap = |source| MetricsError::Sqlite { path: path.to_owned(), source };
        let mut connection = Connection::open(path).map_err(wrap)?;
        // Has to come before the first table; an existing file keeps its own mode.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(wrap)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(wrap)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(wrap)?;
        connection.pragma_update(None, "journal_size_limit", 4 << 20).map_err(wrap)?;
        connection.pragma_update(None, "cache_size", -2048).map_err(wrap)?;
        migrate(&mut connection, MIGRATIONS).map_err(|error| match error {
            LayoutError::Sqlite(source) => wrap(source),
            LayoutError::Newer(found) => {
                MetricsError::Newer { path: path.to_owned(), found, known: i64::from(LAYOUT) }
            }
        })?;
        connection.set_prepared_statement_cache_capacity(32);
        let alarms = load_alarms(&connection).map_err(wrap)?;
        Ok(Self { connection, alarms })
    }

    /// Adds what was measured; all of it or, on an error, nothing.
    pub(super) fn write(&mut self, batch: &HashMap<Slot, Distribution>) -> rusqlite::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        {
            let mut find = transaction.prepare_cached(
                "INSERT INTO metrics (namespace, name, dimensions, last) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET last = MAX(last, excluded.last) RETURNING id",
            )?;
            for (slot, news) in batch {
                let key = &slot.key;
                let found = params![key.namespace, key.name, key.dimensions_text(), slot.time];
                let id: i64 = find.query_row(found, |row| row.get(0))?;
                add(&transaction, id, slot.time, slot.unit, slot.resolution, news)?;
            }
        }
        transaction.commit()
    }

    /// Hands `take` the buckets of a metric that begin in `from..to`, oldest first; of every unit
    /// without one. Without sketches there are no percentiles.
    pub(super) fn buckets(
        &self,
        key: &MetricKey,
        unit: Option<&str>,
        from: i64,
        to: i64,
        with_sketches: bool,
        mut take: impl FnMut(Bucket),
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(
            "SELECT time, unit, resolution, count, sum, low, high, iif(?7, sketch, NULL) FROM points
             WHERE metric = (SELECT id FROM metrics
                             WHERE namespace = ?1 AND name = ?2 AND dimensions = ?3)
               AND time >= ?4 AND time < ?5 AND (?6 IS NULL OR unit = ?6)
             ORDER BY time",
        )?;
        let dimensions = key.dimensions_text();
        let wanted = params![key.namespace, key.name, dimensions, from, to, unit, with_sketches];
        let mut rows = statement.query(wanted)?;
        while let Some(row) = rows.next()? {
            take(bucket(row)?);
        }
        Ok(())
    }

    /// Metrics in the order of namespace, name and dimensions, handed to `take` until it says no.
    pub(super) fn metrics(
        &self,
        selection: &Selection,
        mut take: impl FnMut(MetricKey) -> bool,
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(
            "SELECT namespace, name, dimensions FROM metrics
             WHERE (?1 IS NULL OR namespace = ?1) AND (?2 IS NULL OR name = ?2) AND last >= ?3
               AND (?4 IS NULL OR (namespace, name, dimensions) > (?4, ?5, ?6))
             ORDER BY namespace, name, dimensions",
        )?;
        let after = selection.after.as_ref();
        let mut rows = statement.query(params![
            selection.namespace,
            selection.name,
            selection.since,
            after.map(|key| &key.namespace),
            after.map(|key| &key.name),
            after.map(MetricKey::dimensions_text),
        ])?;
        while let Some(row) = rows.next()? {
            let dimensions: String = row.get(2)?;
            let dimensions = serde_json::from_str(&dimensions).unwrap_or_default();
            let key = MetricKey { namespace: row.get(0)?, name: row.get(1)?, dimensions };
            if !take(key) {
                break;
            }
        }
        Ok(())
    }

    /// Every alarm, by name.
    pub(super) fn alarms(&self) -> &BTreeMap<String, Alarm> {
        &self.alarms
    }

    /// Keeps an alarm, and what happened to it.
    pub(super) fn put_alarm(
        &mut self,
        alarm: Alarm,
        items: &[HistoryItem],
    ) -> rusqlite::Result<()> {
        let document = serde_json::to_string(&alarm)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let transaction = self.connection.transaction()?;
        transaction
            .execute("INSERT OR REPLACE INTO alarms VALUES (?1, ?2)", [&alarm.name, &document])?;
        insert_history(&transaction, items)?;
        transaction.commit()?;
        self.alarms.insert(alarm.name.clone(), alarm);
        Ok(())
    }

    /// Removes alarms; what happened to them stays.
    pub(super) fn delete_alarms(
        &mut self,
        names: &[String],
        items: &[HistoryItem],
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for name in names {
            transaction.execute("DELETE FROM alarms WHERE name = ?1", [name])?;
        }
        insert_history(&transaction, items)?;
        transaction.commit()?;
        for name in names {
            self.alarms.remove(name);
        }
        Ok(())
    }

    /// Notes what happened to alarms.
    pub(super) fn add_history(&mut self, items: &[HistoryItem]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        insert_history(&transaction, items)?;
        transaction.commit()
    }

    /// What happened to alarms.
    pub(super) fn history(&self, query: &HistoryQuery) -> rusqlite::Result<Vec<HistoryItem>> {
        let (order, behind) = if query.ascending { ("ASC", ">") } else { ("DESC", "<") };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT seq, alarm, time, kind, summary, data FROM history
             WHERE (?1 IS NULL OR alarm = ?1) AND (?2 IS NULL OR kind = ?2)
               AND time >= ?3 AND time <= ?4 AND (?5 IS NULL OR seq {behind} ?5)
             ORDER BY seq {order} LIMIT ?6"
        ))?;
        let most = i64::try_from(query.most).unwrap_or(i64::MAX);
        let wanted = params![query.alarm, query.kind, query.from, query.to, query.after, most];
        let items = statement.query_map(wanted, |row| {
            Ok(HistoryItem {
                seq: row.get(0)?,
                alarm: row.get(1)?,
                time: row.get(2)?,
                kind: row.get(3)?,
                summary: row.get(4)?,
                data: row.get(5)?,
            })
        })?;
        items.collect()
    }

    /// Rolls up what is old, removes what is expired, then the oldest data until what is used takes
    /// at most `bytes`. `now` in seconds since the epoch.
    pub(super) fn trim(&mut self, bytes: u64, now: i64) -> rusqlite::Result<()> {
        for (from, to, age) in ROLL_UP {
            while self.roll_up(from, to, now - age)? {}
        }
        self.connection.execute(
            "DELETE FROM points WHERE resolution IN (1, 60, 300, 3600) AND time < ?1",
            [now - KEPT],
        )?;
        while self.live_bytes()? > bytes {
            let removed = self.connection.execute(
                "DELETE FROM points WHERE time <= (
                     SELECT MAX(time) FROM (SELECT time FROM points ORDER BY time LIMIT ?1))",
                [TRIM_ROWS],
            )?;
            if removed == 0 {
                break;
            }
        }
        self.connection
            .execute("DELETE FROM history WHERE time < ?1", [(now - HISTORY_KEPT) * 1000])?;
        self.connection.execute(
            "DELETE FROM history WHERE seq <= (SELECT MAX(seq) FROM history) - ?1",
            [HISTORY_ROWS],
        )?;
        self.connection.execute(
            "DELETE FROM metrics WHERE NOT EXISTS (SELECT 1 FROM points WHERE metric = id)",
            [],
        )?;
        self.connection.execute_batch("PRAGMA incremental_vacuum")?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// Adds buckets of `from` seconds that begin before `before` to those of `to` seconds, some at
    /// a time; whether there may be more.
    fn roll_up(&mut self, from: i64, to: i64, before: i64) -> rusqlite::Result<bool> {
        // Whole buckets of the new length only.
        let before = before.div_euclid(to) * to;
        let transaction = self.connection.transaction()?;
        let rows = {
            let mut read = transaction.prepare_cached(
                "SELECT time, unit, resolution, count, sum, low, high, sketch, metric FROM points
                 WHERE resolution = ?1 AND time < ?2 ORDER BY time LIMIT ?3",
            )?;
            let rows = read.query_map(params![from, before, TRIM_ROWS], |row| {
                Ok((row.get::<_, i64>(8)?, bucket(row)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()?
        };
        let mut sums: HashMap<(i64, i64, &'static str), Distribution> = HashMap::new();
        for (metric, bucket) in &rows {
            let place = (*metric, bucket.time.div_euclid(to) * to, bucket.unit);
            sums.entry(place).or_default().merge(&bucket.values);
            transaction
                .prepare_cached(
                    "DELETE FROM points
                     WHERE metric = ?1 AND time = ?2 AND unit = ?3 AND resolution = ?4",
                )?
                .execute(params![metric, bucket.time, bucket.unit, from])?;
        }
        for ((metric, time, unit), values) in &sums {
            add(&transaction, *metric, *time, unit, to, values)?;
        }
        transaction.commit()?;
        Ok(rows.len() as i64 == TRIM_ROWS)
    }

    fn live_bytes(&self) -> rusqlite::Result<u64> {
        let number = |name: &str| -> rusqlite::Result<u64> {
            self.connection.pragma_query_value(None, name, |row| row.get(0))
        };
        let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
        Ok(pages * number("page_size")?)
    }
}

/// Alarms that can't be read are left out, and stay in the file.
fn load_alarms(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Alarm>> {
    let mut statement = connection.prepare("SELECT name, document FROM alarms")?;
    let mut rows = statement.query([])?;
    let mut alarms = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (name, document): (String, String) = (row.get(0)?, row.get(1)?);
        match serde_json::from_str(&document) {
            Ok(alarm) => {
                alarms.insert(name, alarm);
            }
            Err(error) => tracing::error!(%error, name, "an alarm could not be read"),
        }
    }
    Ok(alarms)
}

fn insert_history(connection: &Connection, items: &[HistoryItem]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO history (alarm, time, kind, summary, data) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for item in items {
        let HistoryItem { seq: _, alarm, time, kind, summary, data } = item;
        statement.execute(params![alarm, time, kind, summary, data])?;
    }
    Ok(())
}

/// Adds values to a bucket, made where it is missing.
fn add(
    connection: &Connection,
    metric: i64,
    time: i64,
    unit: &'static str,
    resolution: i64,
    news: &Distribution,
) -> rusqlite::Result<()> {
    let known = connection
        .prepare_cached(
            "SELECT time, unit, resolution, count, sum, low, high, sketch FROM points
             WHERE metric = ?1 AND time = ?2 AND unit = ?3 AND resolution = ?4",
        )?
        .query_row(params![metric, time, unit, resolution], bucket)
        .optional()?;
    let values = match known {
        Some(mut known) => {
            known.values.merge(news);
            Cow::Owned(known.values)
        }
        None => Cow::Borrowed(news),
    };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO points VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            metric,
            time,
            unit,
            resolution,
            values.count,
            values.sum,
            values.min,
            values.max,
            values.to_bytes(),
        ])?;
    Ok(())
}

fn bucket(row: &Row<'_>) -> rusqlite::Result<Bucket> {
    let name: String = row.get(1)?;
    let sketch: Option<Vec<u8>> = row.get(7)?;
    Ok(Bucket {
        time: row.get(0)?,
        resolution: row.get(2)?,
        unit: unit(&name).unwrap_or("None"),
        values: Distribution::from_parts(
            row.get(3)?,
            row.get(4)?,
            row.get(5)?,
            row.get(6)?,
            sketch.as_deref(),
        ),
    })
}

/// Bytes that the store takes on disk, with its write-ahead log.
pub(super) fn bytes_on_disk(path: &Path) -> u64 {
    let wal = {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        PathBuf::from(name)
    };
    [path, &wal].iter().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum()
}
