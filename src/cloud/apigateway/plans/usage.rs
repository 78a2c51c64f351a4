//! How much of a plan's quota a key has used.
//!
//! Days are counted from the epoch and begin at midnight UTC. AWS restricts a quota's offset to the
//! days of its period (0, 0–6, 0–27): it is read here as the day on which the period starts. A
//! week without offset starts on Sunday, as AWS documents no other day.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::model::QuotaSettings;

/// Days of which the numbers are kept, today's among them.
pub(in super::super) const KEPT_DAYS: i64 = 100;

/// What is left where a plan has no quota.
const NO_QUOTA: i64 = -1;

/// The requests of one key under one plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Usage {
    /// First day of the period that `granted` belongs to.
    period: i64,
    /// Requests that `UpdateUsage` added to the period's quota (or took from it).
    granted: i64,
    /// Requests, and what was left of the quota after them, by day.
    days: BTreeMap<i64, (i64, i64)>,
}

impl Usage {
    /// Counts a request on `day`; false when the quota is used up, which counts nothing.
    pub fn take(&mut self, quota: Option<&QuotaSettings>, day: i64) -> bool {
        let left = self.left(quota, day);
        if left == Some(0) {
            return false;
        }
        let entry = self.days.entry(day).or_default();
        entry.0 += 1;
        entry.1 = left.map_or(NO_QUOTA, |left| left - 1);
        let oldest = day - KEPT_DAYS;
        while self.days.first_key_value().is_some_and(|(known, _)| *known <= oldest) {
            self.days.pop_first();
        }
        true
    }

    /// Leaves `remaining` requests in the period of `day`.
    pub fn set_left(&mut self, quota: &QuotaSettings, day: i64, remaining: i64) {
        let start = period_start(quota, day);
        let used = self.used_since(start, day);
        self.period = start;
        self.granted = remaining + used - i64::from(quota.limit);
        self.days.entry(day).or_default().1 = remaining;
    }

    /// What is left of the quota in the period of `day`; nothing where there is no quota.
    fn left(&mut self, quota: Option<&QuotaSettings>, day: i64) -> Option<i64> {
        let quota = quota?;
        let start = period_start(quota, day);
        if start != self.period {
            self.period = start;
            self.granted = 0;
        }
        let used = self.used_since(start, day);
        Some((i64::from(quota.limit) + self.granted - used).max(0))
    }

    fn used_since(&self, start: i64, day: i64) -> i64 {
        self.days.range(start..=day.max(start)).map(|(_, (used, _))| used).sum()
    }

    /// Used and left for every day of a range, as `GetUsage` answers them.
    pub fn daily(&self, quota: Option<&QuotaSettings>, first: i64, last: i64) -> Vec<(i64, i64)> {
        (first..=last)
            .map(|day| match self.days.get(&day) {
                Some((used, left)) => (*used, self.left_now(quota, day).unwrap_or(*left)),
                None => (0, self.left_before(quota, day)),
            })
            .collect()
    }

    /// What is left by the quota as it is now, where `day` is the newest one with requests: a quota that
    /// was edited since counts at once.
    fn left_now(&self, quota: Option<&QuotaSettings>, day: i64) -> Option<i64> {
        let (newest, _) = self.days.last_key_value()?;
        let quota = quota.filter(|_| *newest == day)?;
        let start = period_start(quota, day);
        let granted = if start == self.period { self.granted } else { 0 };
        Some((i64::from(quota.limit) + granted - self.used_since(start, day)).max(0))
    }

    /// What was left on a day without requests: as on the last day of its period that had some.
    fn left_before(&self, quota: Option<&QuotaSettings>, day: i64) -> i64 {
        let Some(quota) = quota else { return NO_QUOTA };
        let start = period_start(quota, day);
        let before = self.days.range(start..day.max(start)).next_back();
        before.map_or(i64::from(quota.limit), |(_, (_, left))| *left)
    }
}

/// The day of a time in milliseconds since the epoch.
pub(in super::super) fn day_of(millis: i64) -> i64 {
    millis.div_euclid(86_400_000)
}

/// The first day of the period that `day` is in.
fn period_start(quota: &QuotaSettings, day: i64) -> i64 {
    let offset = i64::from(quota.offset);
    match quota.period.as_str() {
        // The epoch was a Thursday: day -4 was a Sunday.
        "WEEK" => day - (day + 4 - offset).rem_euclid(7),
        "MONTH" => month_start(day, offset),
        _ => day,
    }
}

fn month_start(day: i64, offset: i64) -> i64 {
    let shifted = day - offset;
    let date = OffsetDateTime::from_unix_timestamp(shifted.saturating_mul(86_400))
        .map_or(Date::MIN, OffsetDateTime::date);
    shifted - i64::from(date.day() - 1) + offset
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn day(date: Date) -> i64 {
        (date - date!(1970 - 01 - 01)).whole_days()
    }

    fn quota(limit: i32, period: &str, offset: i32) -> QuotaSettings {
        QuotaSettings { limit, offset, period: period.to_owned() }
    }

    #[test]
    fn periods_start_where_their_offset_says() {
        let start = |period, offset, date| period_start(&quota(1, period, offset), day(date));
        let saturday = date!(2026 - 11 - 21);
        assert_eq!(start("DAY", 0, saturday), day(saturday));
        assert_eq!(start("WEEK", 0, saturday), day(date!(2026 - 11 - 15)));
        assert_eq!(start("WEEK", 6, saturday), day(saturday));
        assert_eq!(start("WEEK", 1, date!(2026 - 11 - 22)), day(date!(2026 - 11 - 16)));
        assert_eq!(start("MONTH", 0, saturday), day(date!(2026 - 11 - 01)));
        assert_eq!(start("MONTH", 20, saturday), day(saturday));
        assert_eq!(start("MONTH", 21, saturday), day(date!(2026 - 10 - 22)));
    }

    #[test]
    fn a_quota_is_for_its_period_and_can_be_extended() {
        let quota = quota(2, "WEEK", 0);
        let monday = day(date!(2026 - 11 - 16));
        let mut usage = Usage::default();
        assert!(usage.take(Some(&quota), monday));
        assert!(usage.take(Some(&quota), monday + 1));
        assert!(!usage.take(Some(&quota), monday + 2));
        usage.set_left(&quota, monday + 2, 1);
        assert!(usage.take(Some(&quota), monday + 3));
        assert!(!usage.take(Some(&quota), monday + 3));
        assert_eq!(
            usage.daily(Some(&quota), monday - 1, monday + 4),
            [(0, 2), (1, 1), (1, 0), (0, 1), (1, 0), (0, 0)]
        );
        let more = QuotaSettings { limit: 5, ..quota.clone() };
        let edited = usage.daily(Some(&more), monday, monday + 3);
        assert_eq!(edited, [(1, 1), (1, 0), (0, 1), (1, 3)], "an edited quota counts at once");
        let next = monday + 6;
        assert!(usage.take(Some(&quota), next) && usage.take(Some(&quota), next));
        assert!(!usage.take(Some(&quota), next));
    }
}
