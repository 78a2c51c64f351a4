//! What the cloud does by itself: keep the state below its cap, remove expired items, end when
//! idle. Nothing here wakes a cloud that nobody uses.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::usage::directory_bytes;
use crate::server::Server;

/// Time between two rounds while there is work.
const ROUND: Duration = Duration::from_mins(1);
/// Bytes that `cloud.log` may have.
const OWN_LOG: u64 = 4 * 1024 * 1024;
/// The part of the cap that metrics may have: one in so many.
const METRICS_SHARE: u64 = 4;

/// Looks after the state after requests, at most once a minute.
pub(super) async fn run(server: Arc<Server>, cap_bytes: u64) {
    loop {
        server.activity.changed.notified().await;
        tokio::time::sleep(ROUND).await;
        limit_own_log(&server.services.core.state_dir);
        keep_below_cap(&server, cap_bytes).await;
        server.services.dynamodb.remove_expired().await;
    }
}

/// Empties the cloud's own log when it has grown long. It is written in append mode, so the next
/// line starts at its beginning.
pub(super) fn limit_own_log(state_dir: &Path) {
    let path = state_dir.join("cloud.log");
    let is_long = path.metadata().is_ok_and(|metadata| metadata.len() > OWN_LOG);
    if !is_long {
        return;
    }
    match OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(0)) {
        Ok(()) => tracing::info!("the log had more than {OWN_LOG} bytes and was emptied"),
        Err(error) => tracing::warn!("the log is long and could not be emptied: {error}"),
    }
}

/// Trims the logs, and the metrics above their share, when the whole state uses more than its cap.
async fn keep_below_cap(server: &Server, cap_bytes: u64) {
    let state_dir = server.services.core.state_dir.clone();
    let (logs, metrics) = (&server.services.logs, &server.services.metrics);
    if let Err(error) = metrics.trim_to(cap_bytes / METRICS_SHARE).await {
        tracing::warn!("the metrics could not be trimmed: {error}");
    }
    let Ok(used) = tokio::task::spawn_blocking(move || directory_bytes(&state_dir)).await else {
        return;
    };
    if used <= cap_bytes {
        return;
    }
    let allowed = logs_allowance(used, logs.bytes(), cap_bytes);
    tracing::info!(used, cap_bytes, allowed, "the state is above its cap: old logs go");
    if let Err(error) = logs.trim_to(allowed).await {
        tracing::warn!("the logs could not be trimmed: {error}");
    }
}

/// Bytes that the logs may keep. A little below what would just fit, so that the next lines do not
/// lead to trimming again at once.
fn logs_allowance(used: u64, logs: u64, cap: u64) -> u64 {
    let others = used.saturating_sub(logs);
    let room = cap.saturating_sub(others);
    room - room / 10
}

/// Stops the cloud when nobody has wanted anything for `idle_exit`.
pub(super) async fn end_when_idle(server: Arc<Server>, idle_exit: Option<Duration>) {
    let Some(idle_exit) = idle_exit else { return };
    loop {
        let wait = match server.activity.idle_for() {
            Some(idle) if idle >= idle_exit => {
                tracing::info!("nobody has used the cloud for {} s", idle.as_secs());
                server.stopping.cancel();
                return;
            }
            Some(idle) => idle_exit.saturating_sub(idle),
            None => idle_exit,
        };
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::logs_allowance;

    #[test]
    fn logs_give_way_to_everything_else() {
        assert_eq!(logs_allowance(1200, 700, 1000), 450);
        assert_eq!(logs_allowance(5000, 100, 1000), 0);
    }
}
