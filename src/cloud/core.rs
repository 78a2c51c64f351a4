//! What every service of the local cloud shares: settings, store, clock, names.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::metrics::Recorder;
use crate::obstacles::Timing;
use crate::store::Store;

/// The account id of the local cloud.
pub const ACCOUNT_ID: &str = "000000000000";
/// The region of the local cloud.
pub const REGION: &str = "us-east-1";

/// An id that is like no other, but no secret: of a request, of a trace. Made without a system call.
pub fn unique_id() -> Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid()
}

/// Shared by all services; cheap to clone behind its `Arc`.
#[derive(Debug)]
pub struct Core {
    /// The state directory that this cloud serves (absolute).
    pub state_dir: PathBuf,
    /// The control plane's durable documents.
    pub store: Store,
    /// `http://127.0.0.1:PORT`, set once the listener is bound and before the first request.
    pub endpoint: OnceLock<String>,
    /// The pause before the first retry of a failed asynchronous invocation, where it was set.
    pub async_retry_delay: OnceLock<Duration>,
    /// Executions at once that the account may have, where it was set.
    pub concurrent_executions: OnceLock<u32>,
    /// Where services note what they measure; `metrics` collects it.
    pub recorder: Recorder,
    /// How long what happens in the background takes.
    pub timing: Timing,
}

impl Core {
    /// Shares `store` among the services of the cloud at `state_dir`.
    pub fn new(state_dir: &Path, store: Store) -> Arc<Self> {
        Self::with_timing(state_dir, store, Timing::LOCAL)
    }

    /// As [`Core::new`], with other times for what happens in the background.
    pub fn with_timing(state_dir: &Path, store: Store, timing: Timing) -> Arc<Self> {
        let state_dir = state_dir.to_owned();
        Arc::new(Self {
            state_dir,
            store,
            endpoint: OnceLock::new(),
            async_retry_delay: OnceLock::new(),
            concurrent_executions: OnceLock::new(),
            recorder: Recorder::default(),
            timing,
        })
    }

    /// `http://127.0.0.1:PORT`; empty before the listener is bound.
    pub fn endpoint(&self) -> &str {
        self.endpoint.get().map_or("", String::as_str)
    }

    /// `127.0.0.1:PORT`; empty before the listener is bound.
    pub fn authority(&self) -> &str {
        self.endpoint().trim_start_matches("http://")
    }

    /// The pause before the first retry of an asynchronous invocation whose function failed; the
    /// second is twice as long. AWS waits one minute and two (Lambda Developer Guide,
    /// "Asynchronous invocation"), and so does this unless it was set.
    pub fn async_retry_delay(&self) -> Duration {
        self.async_retry_delay.get().copied().unwrap_or(Duration::from_mins(1))
    }

    /// Now, in milliseconds since the epoch.
    pub fn now_millis(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }

    /// ARN of something in this account and region: `arn:aws:{service}:{region}:{account}:{rest}`.
    pub fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{rest}")
    }
}
