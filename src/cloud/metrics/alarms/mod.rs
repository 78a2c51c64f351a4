//! Alarms on metrics: kept, evaluated, and their states told.
//!
//! Alarms live in the metric store, with their history; `Db` has them in memory too, so that an
//! evaluation reads only data points. An alarm is evaluated as often as on AWS (every 10 seconds
//! with a period below a minute, else every minute) and soon after data came in for a period that
//! is over.

mod act;
mod describe;
mod evaluate;
mod history;
mod input;
mod manage;
mod model;
mod put;
mod reason;
mod run;
mod tags;

pub use act::{AlarmActions, Notification};
pub(super) use history::{HistoryItem, HistoryQuery};
pub(super) use manage::{AlarmNames, SetAlarmState};
pub(super) use model::Alarm;
pub(super) use put::PutMetricAlarm;
pub(super) use run::Wake;
pub(super) use tags::Tagged;

/// Alarms of an account.
const MOST_ALARMS: usize = 5000;
