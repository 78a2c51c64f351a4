//! The metric store: what the log lines tell of each function version, second by second.
//!
//! Sources are the EMF documents of namespace `Labdeck`, the REPORT lines of Lambda, and any other
//! EMF metric by its name. Where both EMF and REPORT tell the same thing of a window, requests are
//! the greater count (a function that fails early writes no EMF), latency is EMF's, and errors are
//! what EMF counted plus the invocations that Lambda itself saw fail.

mod bucket;
pub(crate) mod samples;
mod source;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bucket::Bucket;
use samples::Merged;
use source::{Source, summarize};

use crate::emf::NAMESPACE;
use crate::event::{Emf, LogEvent, LogKind, Report};

/// Seconds that a store looks back unless told otherwise.
pub const DEFAULT_WINDOW_S: i64 = 900;
/// Function versions that are kept; the one that was quiet longest goes first.
const MOST_SERIES: usize = 64;
/// Further metrics by name that are kept; later ones are counted in [`MetricStore::unnamed`].
const MOST_NAMES: usize = 64;
/// Bytes of all buckets; beyond, the oldest seconds go early.
const MOST_BYTES: usize = 8 << 20;
/// How far ahead of the newest second so far an event may be, in seconds.
const MOST_AHEAD: i64 = 3600;

/// What a chart shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Invocations in the second.
    Requests,
    /// Failed ones.
    Errors,
    /// Cold starts.
    ColdStarts,
    /// Median latency in ms.
    P50,
    /// 95th percentile of latency in ms.
    P95,
    /// 99th percentile of latency in ms.
    P99,
    /// Most memory used in MB.
    Memory,
}

/// What a function did in a window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Invocations.
    pub requests: u64,
    /// Failed ones.
    pub errors: u64,
    /// Cold starts.
    pub cold_starts: u64,
    /// Invocations per second, over the window as far as there was something to measure.
    pub rate: f64,
    /// Failed ones as a share of the invocations, 0 to 1.
    pub error_rate: f64,
    /// Latencies that the quantiles stand on.
    pub samples: u64,
    /// Median latency in ms; `None` without samples.
    pub p50_ms: Option<f64>,
    /// 95th percentile in ms.
    pub p95_ms: Option<f64>,
    /// 99th percentile in ms.
    pub p99_ms: Option<f64>,
    /// Most memory used, in MB.
    pub max_memory_mb: u32,
    /// Memory size, in MB.
    pub memory_mb: u32,
}

/// A further metric in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    /// Function.
    pub function: Arc<str>,
    /// Version.
    pub version: Arc<str>,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Unit.
    pub unit: Arc<str>,
    /// Values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The highest.
    pub max: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
}

#[derive(Debug)]
struct Known {
    namespace: Arc<str>,
    name: Arc<str>,
    unit: Arc<str>,
}

#[derive(Debug, Default)]
struct Series {
    /// In order of time; only seconds in which something happened.
    buckets: VecDeque<Bucket>,
    newest: i64,
}

impl Series {
    /// The bucket of a second, and whether it was made for it.
    fn bucket(&mut self, second: i64) -> (&mut Bucket, bool) {
        self.newest = self.newest.max(second);
        let at = self.buckets.partition_point(|bucket| bucket.second < second);
        let made = self.buckets.get(at).is_none_or(|bucket| bucket.second != second);
        if made {
            self.buckets.insert(at, Bucket { second, ..Bucket::default() });
        }
        (&mut self.buckets[at], made)
    }
}

/// The metric store.
#[derive(Debug)]
pub struct MetricStore {
    window_s: i64,
    series: BTreeMap<(Arc<str>, Arc<str>), Series>,
    names: Vec<Known>,
    unnamed: u64,
    newest: i64,
    bytes: usize,
}

impl Default for MetricStore {
    fn default() -> Self {
        Self::new(DEFAULT_WINDOW_S)
    }
}

impl MetricStore {
    /// An empty store that looks back `window_s` seconds.
    pub fn new(window_s: i64) -> Self {
        Self {
            window_s: window_s.max(1),
            series: BTreeMap::new(),
            names: Vec::new(),
            unnamed: 0,
            newest: 0,
            bytes: 0,
        }
    }

    /// Takes in what an event measured; whether it measured anything.
    pub fn ingest(&mut self, event: &LogEvent) -> bool {
        match &event.kind {
            LogKind::Emf(emf) => self.measure(event, |store, bucket| store.emf(bucket, emf)),
            LogKind::Report(report) => self.measure(event, |_, bucket| take_report(bucket, report)),
            _ => false,
        }
    }

    /// Takes `take` to the bucket of the event's second, and keeps the store within its bounds.
    fn measure(&mut self, event: &LogEvent, take: impl FnOnce(&mut Self, &mut Bucket)) -> bool {
        let second = event.timestamp_ms.div_euclid(1000);
        let too_new = self.newest > 0 && second > self.newest + MOST_AHEAD;
        if second <= self.newest - self.window_s || too_new {
            return false;
        }
        let later = second > self.newest;
        self.newest = self.newest.max(second);
        let key = (Arc::clone(&event.function), Arc::clone(&event.version));
        // Out of the map while it is written, since `take` may number a new metric.
        let mut series = self.series.remove(&key).unwrap_or_default();
        let (bucket, made) = series.bucket(second);
        let before = if made { 0 } else { bucket.bytes() };
        take(self, bucket);
        self.bytes = (self.bytes + bucket.bytes()).saturating_sub(before);
        self.series.insert(key, series);
        if later || self.bytes > MOST_BYTES || self.series.len() > MOST_SERIES {
            self.shrink();
        }
        true
    }

    fn emf(&mut self, bucket: &mut Bucket, emf: &Emf) {
        for metric in &emf.metrics {
            let total = || metric.values.iter().filter(|v| **v > 0.0).sum::<f64>().round() as u64;
            if emf.namespace == NAMESPACE {
                match metric.name.as_str() {
                    "Requests" => {
                        bucket.emf_requests += total();
                        continue;
                    }
                    "Errors" => {
                        bucket.emf_errors += total();
                        continue;
                    }
                    "ColdStart" => {
                        bucket.emf_cold += total();
                        continue;
                    }
                    "Latency" => {
                        let scale = to_ms(&metric.unit);
                        for value in &metric.values {
                            bucket.emf_latency.add(value * scale);
                        }
                        continue;
                    }
                    _ => {}
                }
            }
            let Some(number) = self.number(&emf.namespace, &metric.name, &metric.unit) else {
                self.unnamed += 1;
                continue;
            };
            let values = bucket.other(number);
            metric.values.iter().for_each(|value| values.add(*value));
        }
    }

    /// The number of a further metric; `None` when there are too many already.
    fn number(&mut self, namespace: &str, name: &str, unit: &str) -> Option<u16> {
        let known = self
            .names
            .iter()
            .position(|known| &*known.name == name && &*known.namespace == namespace);
        if let Some(at) = known {
            return u16::try_from(at).ok();
        }
        if self.names.len() >= MOST_NAMES {
            return None;
        }
        self.names.push(Known {
            namespace: namespace.into(),
            name: name.into(),
            unit: unit.into(),
        });
        u16::try_from(self.names.len() - 1).ok()
    }

    /// Drops seconds that are out of the window or beyond the memory, and series beyond their
    /// number.
    fn shrink(&mut self) {
        let mut floor = self.newest - self.window_s;
        loop {
            let due = |series: &Series| {
                series.buckets.front().is_some_and(|bucket| bucket.second <= floor)
            };
            if self.series.values().any(due) {
                for series in self.series.values_mut() {
                    while series.buckets.front().is_some_and(|bucket| bucket.second <= floor) {
                        let gone = series.buckets.pop_front().map_or(0, |bucket| bucket.bytes());
                        self.bytes = self.bytes.saturating_sub(gone);
                    }
                }
            }
            if self.bytes <= MOST_BYTES || floor >= self.newest - 1 {
                break;
            }
            floor += (self.newest - floor) / 16 + 1;
            floor = floor.min(self.newest - 1);
        }
        self.series.retain(|_, series| !series.buckets.is_empty());
        if self.series.len() > MOST_SERIES {
            let quietest = self
                .series
                .iter()
                .min_by_key(|(_, series)| series.newest)
                .map(|(key, _)| key.clone());
            if let Some(series) = quietest.and_then(|key| self.series.remove(&key)) {
                let gone: usize = series.buckets.iter().map(Bucket::bytes).sum();
                self.bytes = self.bytes.saturating_sub(gone);
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.window_s);
    }

    /// Seconds that it looks back.
    pub fn window_s(&self) -> i64 {
        self.window_s
    }

    /// Values of further metrics that were left out because there are too many names.
    pub fn unnamed(&self) -> u64 {
        self.unnamed
    }

    /// The functions and versions of which something is known.
    pub fn series_keys(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.series.keys().map(|(function, version)| (function, version))
    }

    /// The versions of a function of which something is known, oldest number first, `$LATEST`
    /// last.
    pub fn versions(&self, function: &str) -> Vec<Arc<str>> {
        let mut versions: Vec<_> = self
            .series
            .keys()
            .filter(|(name, _)| **name == *function)
            .map(|(_, version)| Arc::clone(version))
            .collect();
        versions.sort_by_key(|version| version.parse::<u64>().unwrap_or(u64::MAX));
        versions
    }

    fn chosen<'a>(
        &'a self,
        function: &'a str,
        version: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Series> {
        self.series
            .iter()
            .filter(move |((name, v), _)| {
                **name == *function && version.is_none_or(|version| **v == *version)
            })
            .map(|(_, series)| series)
    }

    /// What a function (one version, or all) did from `since_ms` to `now_ms`.
    pub fn summary(
        &self,
        function: &str,
        version: Option<&str>,
        since_ms: i64,
        now_ms: i64,
    ) -> Summary {
        let from = since_ms.div_euclid(1000);
        let buckets: Vec<&Bucket> = self
            .chosen(function, version)
            .flat_map(|series| series.buckets.iter().filter(move |bucket| bucket.second >= from))
            .collect();
        let mut summary = summarize(&buckets);
        let first = buckets.iter().map(|bucket| bucket.second).min();
        let seconds = first.map_or(1, |first| now_ms.div_euclid(1000) - first.max(from) + 1).max(1);
        summary.rate = summary.requests as f64 / seconds as f64;
        summary
    }

    /// One value per second for the `seconds` before and including the second of `now_ms`,
    /// oldest first; 0 where nothing was measured.
    pub fn series(
        &self,
        function: &str,
        version: Option<&str>,
        what: What,
        seconds: usize,
        now_ms: i64,
    ) -> Vec<f64> {
        let last = now_ms.div_euclid(1000);
        let first = last + 1 - seconds as i64;
        let mut slots: Vec<Vec<&Bucket>> = vec![Vec::new(); seconds];
        for series in self.chosen(function, version) {
            let from = series.buckets.partition_point(|bucket| bucket.second < first);
            for bucket in series.buckets.range(from..) {
                let slot = usize::try_from(bucket.second - first).ok();
                if let Some(slot) = slot.and_then(|slot| slots.get_mut(slot)) {
                    slot.push(bucket);
                }
            }
        }
        // One source for the whole chart: the two lines of one request may fall in two seconds.
        let all: Vec<&Bucket> = slots.iter().flatten().copied().collect();
        let source = Source::of(&all);
        slots.iter().map(|slot| source.value(slot, what)).collect()
    }

    /// The further metrics of all functions from `since_ms` on.
    pub fn others(&self, since_ms: i64) -> Vec<Other> {
        let from = since_ms.div_euclid(1000);
        let mut others = Vec::new();
        for ((function, version), series) in &self.series {
            let mut merged: BTreeMap<u16, (u64, f64, f64, Merged)> = BTreeMap::new();
            for bucket in series.buckets.iter().filter(|bucket| bucket.second >= from) {
                for (number, values) in bucket.others.iter().filter(|(_, v)| v.count > 0) {
                    let (count, sum, max, all) = merged
                        .entry(*number)
                        .or_insert_with(|| (0, 0.0, f64::NEG_INFINITY, Merged::default()));
                    *count += values.count;
                    *sum += values.sum;
                    *max = max.max(values.max);
                    all.add(&values.samples);
                }
            }
            for (number, (count, sum, max, all)) in merged {
                let Some(name) = self.names.get(usize::from(number)) else { continue };
                others.push(Other {
                    function: Arc::clone(function),
                    version: Arc::clone(version),
                    namespace: Arc::clone(&name.namespace),
                    name: Arc::clone(&name.name),
                    unit: Arc::clone(&name.unit),
                    count,
                    sum,
                    max,
                    p50: all.quantile(0.5).unwrap_or_default(),
                    p95: all.quantile(0.95).unwrap_or_default(),
                });
            }
        }
        others
    }
}

fn take_report(bucket: &mut Bucket, report: &Report) {
    bucket.reports += 1;
    bucket.report_errors += u64::from(report.status.is_some());
    bucket.report_cold += u64::from(report.init_ms.is_some());
    bucket.report_duration.add(report.duration_ms);
    bucket.max_memory_mb = bucket.max_memory_mb.max(report.max_memory_mb);
    bucket.memory_mb = bucket.memory_mb.max(report.memory_mb);
}

fn to_ms(unit: &str) -> f64 {
    match unit {
        "Seconds" => 1000.0,
        "Microseconds" => 0.001,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests;
