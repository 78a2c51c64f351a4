//! Numbers from the log stream: fed by every event, recounted a few times a second at most.

use labdeck_telemetry::{LogEvent, MetricStore, Summary, What};

use crate::state::traffic::{CHART_SECONDS, OtherMetric, Traffic, TrafficRow};

/// Windows that the numbers look back over, in seconds; the store keeps as much as the longest.
const WINDOWS: [i64; 3] = [300, 900, 60];

/// The numbers from the log stream.
#[derive(Debug, Default)]
pub struct Meter {
    store: MetricStore,
    window: usize,
    traffic: Traffic,
    /// Whether something was measured since the last count.
    behind: bool,
}

impl Meter {
    /// A meter that shows `traffic`, for drawing without a stream.
    pub fn showing(traffic: Traffic) -> Self {
        Self { traffic, ..Self::default() }
    }

    /// The numbers as of the last count.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Takes in an event.
    pub fn ingest(&mut self, event: &LogEvent) {
        self.behind |= self.store.ingest(event);
    }

    /// When the next count is due, in ms since the epoch.
    pub fn due_ms(&self) -> Option<i64> {
        self.behind.then_some(self.traffic.at_ms + crate::update::BEAT_MS)
    }

    /// Counts again when a count is due.
    pub fn recount_if_due(&mut self, now_ms: i64) {
        if self.due_ms().is_some_and(|due| due <= now_ms) {
            self.recount(now_ms);
        }
    }

    /// Counts again.
    pub fn recount(&mut self, now_ms: i64) {
        self.behind = false;
        let window_s = WINDOWS[self.window];
        let since_ms = now_ms - window_s * 1000;
        let mut rows: Vec<TrafficRow> = self
            .store
            .series_keys()
            .map(|(function, version)| {
                let summary = self.store.summary(function, Some(version), since_ms, now_ms);
                self.row(function, version, &summary, now_ms)
            })
            .filter(|row| row.requests > 0)
            .collect();
        // Within a function the versions by number, `$LATEST` last.
        rows.sort_by(|a, b| {
            let number = |row: &TrafficRow| row.version.parse::<u64>().unwrap_or(u64::MAX);
            a.function.cmp(&b.function).then(number(a).cmp(&number(b)))
        });
        let others = self
            .store
            .others(since_ms)
            .into_iter()
            .map(|other| OtherMetric {
                function: other.function.to_string(),
                version: other.version.to_string(),
                name: other.name.to_string(),
                unit: other.unit.to_string(),
                count: other.count,
                sum: other.sum,
                max: other.max,
            })
            .collect();
        self.traffic = Traffic { at_ms: now_ms, window_s, rows, others };
    }

    fn row(&self, function: &str, version: &str, summary: &Summary, now_ms: i64) -> TrafficRow {
        let chart = |what| self.store.series(function, Some(version), what, CHART_SECONDS, now_ms);
        let whole = |values: Vec<f64>| values.into_iter().map(|value| value as u64).collect();
        TrafficRow {
            function: function.to_owned(),
            version: version.to_owned(),
            requests: summary.requests,
            errors: summary.errors,
            rate: summary.rate,
            p50_ms: summary.p50_ms.unwrap_or(f64::NAN),
            p95_ms: summary.p95_ms.unwrap_or(f64::NAN),
            p99_ms: summary.p99_ms.unwrap_or(f64::NAN),
            cold_starts: summary.cold_starts,
            max_memory_mb: summary.max_memory_mb,
            memory_mb: summary.memory_mb,
            chart: whole(chart(What::Requests)),
            error_chart: whole(chart(What::Errors)),
            latency_chart: chart(What::P95),
        }
    }

    /// Looks further back, or less far again after the furthest.
    pub fn next_window(&mut self, now_ms: i64) {
        self.window = (self.window + 1) % WINDOWS.len();
        self.recount(now_ms);
    }

    /// Forgets everything: another lab is tailed.
    pub fn clear(&mut self) {
        *self = Self { window: self.window, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_support::{NOW_MS, mixed_event};

    #[test]
    fn events_become_rows_by_function_and_version() {
        let mut meter = Meter::default();
        for index in 0..200 {
            meter.ingest(&mixed_event(index));
        }
        assert!(meter.due_ms().is_some());
        meter.recount(NOW_MS);
        assert!(meter.due_ms().is_none());
        let rows: Vec<_> = meter
            .traffic()
            .rows
            .iter()
            .map(|row| (row.function.as_str(), row.version.as_str()))
            .collect();
        assert_eq!(
            rows,
            [("shop-front", "3"), ("shop-front", "4"), ("shop-store", "3"), ("shop-store", "4")]
        );
        assert!(meter.traffic().rows.iter().all(|row| row.chart.len() == CHART_SECONDS));
        meter.clear();
        meter.recount(NOW_MS);
        assert!(meter.traffic().rows.is_empty());
    }
}
