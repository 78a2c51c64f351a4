//! Telemetry: where log bytes come in, are cleaned, classified, stored and measured.

pub mod classify;
pub mod clean;
pub mod compare;
pub mod emf;
pub mod event;
pub mod filter;
pub mod metrics;
mod report;
pub mod store;
mod tail;

pub use classify::{Classifier, RawEvent, group_of_function};
pub use clean::clean;
pub use event::{Emf, EmfMetric, LogEvent, LogKind, Report, notice};
pub use filter::{Filter, FilterError};
pub use metrics::{MetricStore, Other, Summary, What};
pub use report::report_of;
pub use store::{Change, LogStore};
pub use tail::{
    History, HistoryQuery, Tail, TailHandle, TailMessage, TailState, TailStatus, history,
};
