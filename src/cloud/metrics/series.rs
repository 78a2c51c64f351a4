//! Data points: the buckets of a metric added up by period.

use std::collections::BTreeMap;

use super::db::Db;
use super::distribution::Distribution;
use super::model::MetricKey;

/// Seconds after which AWS keeps a metric's data by the minute, by 5 minutes and by the hour only.
pub(super) const BY_SECOND: i64 = 3 * 3600;
pub(super) const BY_MINUTE: i64 = 15 * 86_400;
pub(super) const BY_5_MINUTES: i64 = 63 * 86_400;

/// Values by the begin of their period, in seconds since the epoch.
pub(super) type Points = BTreeMap<i64, Distribution>;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// Begin of the first period, in seconds since the epoch.
    pub start: i64,
    /// Data at or after this time is left out.
    pub end: i64,
    /// Seconds of a period.
    pub period: i64,
}

/// The data points of a metric by unit, in the order of units; all units when `unit` is `None`.
///
/// Data that is kept by longer steps than the period gives no points, as on AWS; what was never
/// measured by the second gives points by the minute.
pub(super) fn points(
    db: &Db,
    key: &MetricKey,
    unit: Option<&str>,
    range: &Range,
    with_sketches: bool,
) -> rusqlite::Result<BTreeMap<&'static str, Points>> {
    let mut units: BTreeMap<&'static str, Points> = BTreeMap::new();
    let longest = range.period.max(60);
    db.buckets(key, unit, range.start, range.end, with_sketches, |bucket| {
        if bucket.resolution > longest {
            return;
        }
        let time =
            range.start + (bucket.time - range.start).div_euclid(range.period) * range.period;
        units.entry(bucket.unit).or_default().entry(time).or_default().merge(&bucket.values);
    })?;
    Ok(units)
}

/// The begin of the first period, as the service rounds it: the older, the coarser. Sub-minute
/// periods round to themselves.
pub(super) fn round_start(start: f64, period: i64, now: i64) -> i64 {
    let seconds = start.floor() as i64;
    let age = now - seconds;
    let step = if age > BY_5_MINUTES {
        3600
    } else if age > BY_MINUTE {
        300
    } else if period < 60 {
        period
    } else {
        60
    };
    seconds.div_euclid(step) * step
}

/// Whether a period is 1, 5, 10, 20 or 30 seconds or whole minutes, up to what is kept at all.
pub(super) fn is_period(period: i64) -> bool {
    matches!(period, 1 | 5 | 10 | 20 | 30)
        || (period > 0 && period % 60 == 0 && period <= 86_400 * 455)
}
