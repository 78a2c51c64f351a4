//! When alarms are evaluated, and what comes of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::super::Metrics;
use super::super::db::Db;
use super::super::error::store_failed;
use super::super::own::Batch;
use super::super::series::{self, Range};
use super::super::statistic::Statistic;
use super::evaluate::{MORE, evaluate};
use super::history::HistoryItem;
use super::model::{Alarm, State};
use super::reason::{self, Point};
use crate::error::AwsError;

/// Seconds between two evaluations of alarms with a period below a minute, and of the others.
const OFTEN: i64 = 10;
const USUAL: i64 = 60;
/// How long data that came in for a period that is over waits for more.
const GATHER: Duration = Duration::from_millis(20);

/// What makes the evaluation look up.
#[derive(Debug, Default)]
pub(in super::super) struct Wake {
    changed: Notify,
    /// Alarms whose metric has new data for periods that are over.
    touched: Mutex<BTreeSet<String>>,
}

impl Wake {
    /// The alarms have changed: the next evaluation may be due earlier.
    pub(super) fn scheduled(&self) {
        self.changed.notify_one();
    }

    /// Data was written: notes the alarms that it concerns. `now` in seconds since the epoch.
    pub(in super::super) fn written(&self, db: &Db, batch: &Batch, now: i64) {
        if db.alarms().is_empty() {
            return;
        }
        let mut touched = Vec::new();
        for alarm in db.alarms().values() {
            let over = last_end(alarm.period, now);
            let concerns =
                |slot: &super::super::model::Slot| slot.time < over && alarm.watches(&slot.key);
            if batch.keys().any(concerns) {
                touched.push(alarm.name.clone());
            }
        }
        if !touched.is_empty() {
            self.touched.lock().unwrap_or_else(PoisonError::into_inner).extend(touched);
            self.changed.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How often alarms with a period are evaluated, in seconds.
fn cadence(period: i64) -> i64 {
    if period < 60 { OFTEN } else { USUAL }
}

/// The end of the last period that is over: periods of minutes slide by the minute.
fn last_end(period: i64, now: i64) -> i64 {
    now.div_euclid(cadence(period)) * cadence(period)
}

impl Metrics {
    /// Evaluates alarms until the service stops.
    pub(in super::super) fn start_evaluating(self: &Arc<Self>, runtime: &tokio::runtime::Handle) {
        let weak = Arc::downgrade(self);
        let wake = Arc::clone(&self.wake);
        let stopped = self.stopped.clone();
        runtime.spawn(async move {
            let work = async {
                let mut last = weak.upgrade().map_or(0, |metrics| metrics.now());
                loop {
                    let Some(metrics) = weak.upgrade() else { return };
                    let pause = metrics.pause().await;
                    drop(metrics);
                    match pause {
                        Some(pause) => {
                            let _ = tokio::time::timeout(pause, wake.changed.notified()).await;
                        }
                        None => wake.changed.notified().await,
                    }
                    tokio::time::sleep(GATHER).await;
                    let Some(metrics) = weak.upgrade() else { return };
                    let now = metrics.now();
                    metrics.evaluate_alarms(last, now).await;
                    last = now;
                }
            };
            stopped.run_until_cancelled(work).await;
        });
    }

    /// How long until alarms are evaluated; without alarms there is nothing to wait for.
    async fn pause(&self) -> Option<Duration> {
        let step = |db: &mut Db| Ok(db.alarms().values().map(|alarm| cadence(alarm.period)).min());
        let step = self.with_db(step).await.ok()??;
        let now = self.core.now_millis();
        let next = (now.div_euclid(step * 1000) + 1) * step * 1000;
        Some(Duration::from_millis(u64::try_from(next - now).unwrap_or(0)))
    }

    /// Evaluates the alarms whose time has come since `last`, and those with new data.
    async fn evaluate_alarms(&self, last: i64, now: i64) {
        let touched = self.wake.take();
        let now_ms = self.core.now_millis();
        let changes = self
            .with_db(move |db| {
                let due: Vec<Alarm> = db
                    .alarms()
                    .values()
                    .filter(|alarm| {
                        last_end(alarm.period, last) != last_end(alarm.period, now)
                            || touched.contains(&alarm.name)
                    })
                    .cloned()
                    .collect();
                let mut changes = Vec::new();
                for before in due {
                    let Some(after) = judge(db, &before, now, now_ms)? else { continue };
                    let mut items = Vec::new();
                    if before.state != after.state {
                        items.push(HistoryItem::changed(&before, &after, now_ms));
                    }
                    db.put_alarm(after.clone(), &items).map_err(|e| store_failed(&e))?;
                    if before.state != after.state {
                        changes.push((before, after));
                    }
                }
                Ok(changes)
            })
            .await;
        match changes {
            Ok(changes) => {
                for (before, after) in changes {
                    tracing::info!(alarm = after.name, state = after.state.name(), after.reason);
                    self.act(&before, &after).await;
                }
            }
            Err(error) => tracing::warn!("alarms could not be evaluated: {error}"),
        }
    }
}

/// The alarm with its new state; `None` where nothing changes.
fn judge(db: &Db, alarm: &Alarm, now: i64, now_ms: i64) -> Result<Option<Alarm>, AwsError> {
    let end = last_end(alarm.period, now);
    let periods = alarm.evaluation_periods + MORE;
    let range = Range { start: end - periods * alarm.period, end, period: alarm.period };
    let statistic = alarm.statistic();
    let unit = alarm.unit.as_deref();
    let units = series::points(db, &alarm.key(), unit, &range, statistic.needs_sketch())
        .map_err(|e| store_failed(&e))?;
    let points = units.into_values().next().unwrap_or_default();
    let mut too_few = false;
    let seen: Vec<Point> = (0..periods)
        .map(|index| {
            let time = range.start + index * alarm.period;
            let values = points.get(&time);
            too_few |= values.is_some_and(|values| has_too_few(alarm, statistic, values.count));
            let data = values.and_then(|values| Some((values.count, statistic.of(values)?)));
            Point { time, data }
        })
        .collect();
    if too_few {
        // Percentiles of few samples say nothing, where the alarm was told so.
        return Ok(None);
    }
    let breaching: Vec<Option<bool>> = seen
        .iter()
        .map(|point| point.data.map(|(_, v)| alarm.comparison.breaches(v, alarm.threshold)))
        .collect();
    let count = |number: i64| usize::try_from(number).unwrap_or(1);
    let missing = alarm.missing.unwrap_or_default();
    let verdict =
        evaluate(&breaching, count(alarm.evaluation_periods), count(alarm.needed()), missing);
    let Some(state) = verdict.state else { return Ok(None) };
    let unchecked = alarm.reason_data.is_none() && alarm.state == State::InsufficientData;
    if state == alarm.state && !unchecked {
        return Ok(None);
    }
    let mut after = alarm.clone();
    after.reason = reason::text(alarm, state, &seen, &verdict);
    after.reason_data = Some(reason::data(alarm, &seen, &verdict, now_ms));
    after.updated_ms = now_ms;
    if state != alarm.state {
        after.state = state;
        after.transitioned_ms = now_ms;
    }
    Ok(Some(after))
}

/// Whether a percentile has too few samples to be told well [user guide, "Percentile-based alarms
/// and low data samples"], where such points are to be ignored.
fn has_too_few(alarm: &Alarm, statistic: Statistic, samples: f64) -> bool {
    let Statistic::Percentile(percent) = statistic else { return false };
    if alarm.low_samples.as_deref() != Some("ignore") {
        return false;
    }
    let share = percent / 100.0;
    let rare = if share >= 0.5 { 1.0 - share } else { share };
    rare > 0.0 && samples < 10.0 / rare
}
