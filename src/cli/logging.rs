//! The program's own log: a file in the state directory when `LABDECK_LOG` is set, never the
//! terminal.

use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

/// Names the levels, such as `info` or `labdeck_ops=debug,warn`.
pub const VARIABLE: &str = "LABDECK_LOG";
/// The file's name in the state directory.
pub const FILE: &str = "labdeck.log";

/// Starts to log when [`VARIABLE`] is set. The log is complete when the guard is dropped.
///
/// # Errors
/// When the variable can't be read as levels, or the directory can't be made.
pub fn start(state_dir: &Path) -> Result<Option<WorkerGuard>, String> {
    let Ok(levels) = std::env::var(VARIABLE) else { return Ok(None) };
    if levels.trim().is_empty() {
        return Ok(None);
    }
    let filter = EnvFilter::try_new(&levels)
        .map_err(|error| format!("{VARIABLE}={levels} is not a list of levels: {error}"))?;
    std::fs::create_dir_all(state_dir)
        .map_err(|error| format!("{} can't be made: {error}", state_dir.display()))?;
    let file = tracing_appender::rolling::RollingFileAppender::builder()
        .filename_prefix(FILE)
        .build(state_dir)
        .map_err(|error| format!("{} can't be written: {error}", state_dir.join(FILE).display()))?;
    let (writer, guard) = tracing_appender::non_blocking(file);
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    subscriber.try_init().map_err(|error| error.to_string())?;
    Ok(Some(guard))
}

/// Logs to stderr, which is the local cloud's own log when it runs in the background: `levels`
/// unless [`VARIABLE`] names others.
pub fn to_stderr(levels: &str) {
    let named = std::env::var(VARIABLE).ok().and_then(|levels| EnvFilter::try_new(levels).ok());
    let filter = named.unwrap_or_else(|| EnvFilter::new(levels));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // Already set up: whoever did it knows better.
    let _ = subscriber.try_init();
}
