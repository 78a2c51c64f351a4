//! `CloudWatch`: metrics from `PutMetricData`, from documents in log events and from the services
//! themselves, and the alarms on them.
//!
//! All of it lives in one SQLite file, `metrics.db`. Services note what they measure in the
//! [`Recorder`] and go on; a task writes it some moments later, and whoever reads metrics has it
//! written first. What is written is added up by metric, unit and bucket of time.

mod alarms;
mod api;
mod data;
mod db;
mod distribution;
mod emf;
mod error;
mod input;
mod label;
mod list;
mod model;
mod own;
mod put;
mod recorder;
mod series;
mod statistic;
mod statistics;
#[cfg(test)]
mod tests;
mod wire;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::error::AwsError;
use crate::iam::Iam;
use alarms::Wake;
use db::Db;
use error::store_failed;

pub use alarms::{AlarmActions, Notification};
pub use db::LAYOUT;
pub use emf::count_series;
pub use error::MetricsError;
pub use own::{InvocationRecord, InvocationResult, ProvisionedUse, RequestRecord};
pub use recorder::Recorder;
pub use wire::{LONGEST_BODY, SERVICE, VERSION, protocol};

/// How long records wait for company before they are written.
const LINGER: Duration = Duration::from_secs(1);

/// The metric service.
pub struct Metrics {
    core: Arc<Core>,
    iam: Arc<Iam>,
    db: Arc<Mutex<Db>>,
    path: PathBuf,
    wake: Arc<Wake>,
    actions: OnceLock<Box<dyn AlarmActions>>,
    stopped: CancellationToken,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Opens `metrics.db` of the state directory and starts to write what is recorded. Must be
    /// called from within the async runtime.
    pub fn open(core: Arc<Core>, iam: Arc<Iam>) -> Result<Arc<Self>, MetricsError> {
        let runtime = tokio::runtime::Handle::try_current()?;
        let path = core.state_dir.join("metrics.db");
        let db = Db::open(&path)?;
        let metrics = Arc::new(Self {
            core,
            iam,
            db: Arc::new(Mutex::new(db)),
            path,
            wake: Arc::new(Wake::default()),
            actions: OnceLock::new(),
            stopped: CancellationToken::new(),
        });
        metrics.start_writing(&runtime);
        metrics.start_evaluating(&runtime);
        Ok(metrics)
    }

    /// Writes what is recorded; nothing is written by itself any more.
    pub async fn shutdown(&self) {
        self.stopped.cancel();
        if let Err(error) = self.flush().await {
            tracing::warn!("the last metrics could not be written: {error}");
        }
    }

    /// Returns once everything recorded before this call can be read.
    pub async fn flush(&self) -> Result<(), AwsError> {
        self.with_db(|_| Ok(())).await
    }

    /// Bytes that the metrics take on disk.
    pub fn bytes(&self) -> u64 {
        db::bytes_on_disk(&self.path)
    }

    /// Rolls up what is old, then removes the oldest data until the metrics take at most `bytes`.
    pub async fn trim_to(&self, bytes: u64) -> Result<(), AwsError> {
        let now = self.now();
        self.with_db(move |db| db.trim(bytes, now).map_err(|e| store_failed(&e))).await
    }

    /// Writes values; alarms on them are evaluated soon.
    async fn write(&self, batch: own::Batch) -> Result<(), AwsError> {
        let now = self.now();
        let wake = Arc::clone(&self.wake);
        self.with_db(move |db| {
            db.write(&batch).map_err(|e| store_failed(&e))?;
            wake.written(db, &batch, now);
            Ok(())
        })
        .await
    }

    /// Now, in seconds since the epoch.
    fn now(&self) -> i64 {
        self.core.now_millis().div_euclid(1000)
    }

    /// Runs `work` on the store with everything recorded written before, on the blocking pool.
    async fn with_db<T, F>(&self, work: F) -> Result<T, AwsError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, AwsError> + Send + 'static,
    {
        let db = Arc::clone(&self.db);
        let core = Arc::clone(&self.core);
        let wake = Arc::clone(&self.wake);
        let done = tokio::task::spawn_blocking(move || {
            let mut db = db.lock().unwrap_or_else(PoisonError::into_inner);
            // Taken under the store's lock: whoever comes next finds it written.
            let now = core.now_millis().div_euclid(1000);
            let batch = core.recorder.take(now);
            match db.write(&batch) {
                Ok(()) => wake.written(&db, &batch, now),
                Err(error) => {
                    let series = batch.len();
                    tracing::error!(%error, series, "recorded metrics could not be stored");
                }
            }
            work(&mut db)
        });
        match done.await {
            Ok(result) => result,
            Err(failed) => Err(AwsError::internal(format!("the metric store failed: {failed}"))),
        }
    }

    fn start_writing(self: &Arc<Self>, runtime: &tokio::runtime::Handle) {
        let metrics = Arc::downgrade(self);
        let core = Arc::clone(&self.core);
        let stopped = self.stopped.clone();
        runtime.spawn(async move {
            let work = async {
                loop {
                    core.recorder.first.notified().await;
                    let _ = tokio::time::timeout(LINGER, core.recorder.many.notified()).await;
                    let Some(metrics) = metrics.upgrade() else { return };
                    if let Err(error) = metrics.flush().await {
                        tracing::warn!("recorded metrics could not be written: {error}");
                    }
                }
            };
            stopped.run_until_cancelled(work).await;
        });
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.stopped.cancel();
    }
}

/// Reads the input of a request in every protocol of `CloudWatch`: the entrance for fuzzing.
#[doc(hidden)]
pub fn read_input(request: &crate::wire::ApiRequest) {
    use crate::protocol::Protocol;
    for kind in [protocol(&request.headers), Protocol::Query, Protocol::Json10] {
        let _ = wire::read(request, kind);
    }
}
