//! The lines that Lambda itself writes into a function's log, and the payloads of its failures.

use std::fmt::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::signal::Signal;
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::lambda::render::runtime_version_arn;

/// What one REPORT line tells.
#[derive(Debug)]
pub struct Report<'a> {
    /// The invocation.
    pub request_id: &'a str,
    /// How long the invocation took.
    pub duration: Duration,
    /// How long the start took, on a cold start.
    pub init: Option<Duration>,
    /// The function's memory in MB.
    pub memory_mb: u32,
    /// The most memory its process ever used, in MB.
    pub used_mb: u64,
    /// How it ended, where it did not end well.
    pub status: Option<Status<'a>>,
}

/// How an invocation ended that did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status<'a> {
    /// It ran out of time.
    TimedOut,
    /// The runtime failed; the error type says how.
    Failed(&'a str),
}

impl Report<'_> {
    /// The line, ended by a newline.
    pub fn line(&self) -> String {
        // Custom runtimes are billed for their start too.
        let billed = (self.duration + self.init.unwrap_or_default()).as_secs_f64() * 1000.0;
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} \
             MB\tMax Memory Used: {} MB\t",
            self.request_id,
            millis(self.duration),
            billed.ceil().max(1.0) as u64,
            self.memory_mb,
            self.used_mb,
        );
        if let Some(init) = self.init {
            let _ = write!(line, "Init Duration: {:.2} ms\t", millis(init));
        }
        match self.status {
            None => {}
            Some(Status::TimedOut) => line.push_str("Status: timeout"),
            Some(Status::Failed(kind)) => {
                let _ = write!(line, "Status: error\tError Type: {kind}");
            }
        }
        line.push('\n');
        line
    }
}

/// Written when an execution environment starts.
pub fn init_start(runtime: &str) -> String {
    format!(
        "INIT_START Runtime Version: {}.v1\tRuntime Version ARN: {}\n",
        runtime.replace('.', ":"),
        runtime_version_arn(runtime)
    )
}

/// Written when a start failed.
pub fn init_report(init: Duration, status: Status<'_>) -> String {
    let status = match status {
        Status::TimedOut => "Status: timeout".to_owned(),
        Status::Failed(kind) => format!("Status: error\tError Type: {kind}"),
    };
    format!("INIT_REPORT Init Duration: {:.2} ms\tPhase: init\t{status}\n", millis(init))
}

/// The first line of an invocation.
pub fn start(request_id: &str, version: &str) -> String {
    format!("START RequestId: {request_id} Version: {version}\n")
}

/// The last line of an invocation but the report.
pub fn end(request_id: &str) -> String {
    format!("END RequestId: {request_id}\n")
}

/// Written when an invocation runs out of time.
pub fn timed_out(now_ms: i64, request_id: &str, limit: Duration) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now_ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&format).ok())
        .unwrap_or_default();
    format!("{at} {request_id} Task timed out after {:.2} seconds\n\n", limit.as_secs_f64())
}

/// Written when the runtime failed.
pub fn failure(request_id: &str, message: &str, kind: &str) -> String {
    format!("RequestId: {request_id} Error: {message}\n{kind}\n")
}

/// The payload of an invocation that failed without the function's own words.
pub fn failure_payload(request_id: &str, message: &str, kind: &str) -> Bytes {
    Bytes::from(
        json!({
            "errorType": kind,
            "errorMessage": format!("RequestId: {request_id} Error: {message}"),
        })
        .to_string(),
    )
}

/// The message of an invocation that ran out of time.
pub fn timed_out_message(limit: Duration) -> String {
    format!("Task timed out after {:.2} seconds", limit.as_secs_f64())
}

/// How a process ended, in the words that Lambda uses.
pub fn exit_message(status: Option<ExitStatus>) -> String {
    let Some(status) = status else {
        return "Runtime exited without providing a reason".to_owned();
    };
    match (status.code(), status.signal()) {
        (Some(0), _) | (None, None) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(signal)) => {
            let dumped = if status.core_dumped() { " (core dumped)" } else { "" };
            format!("Runtime exited with error: signal: {}{dumped}", signal_name(signal))
        }
    }
}

fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(Signal::SIGKILL) => "killed".to_owned(),
        Ok(Signal::SIGSEGV) => "segmentation fault".to_owned(),
        Ok(Signal::SIGABRT) => "aborted".to_owned(),
        Ok(Signal::SIGILL) => "illegal instruction".to_owned(),
        Ok(Signal::SIGBUS) => "bus error".to_owned(),
        Ok(Signal::SIGFPE) => "floating point exception".to_owned(),
        Ok(Signal::SIGTERM) => "terminated".to_owned(),
        Ok(Signal::SIGINT) => "interrupt".to_owned(),
        Ok(Signal::SIGHUP) => "hangup".to_owned(),
        Ok(Signal::SIGPIPE) => "broken pipe".to_owned(),
        _ => format!("signal {number}"),
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(init: Option<Duration>, status: Option<Status<'_>>) -> String {
        Report {
            request_id: "r-1",
            duration: Duration::from_micros(3_010),
            init,
            memory_mb: 128,
            used_mb: 36,
            status,
        }
        .line()
    }

    #[test]
    fn reports_are_written_as_lambda_writes_them() {
        assert_eq!(
            report(Some(Duration::from_micros(110_100)), None),
            "REPORT RequestId: r-1\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 \
             MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n"
        );
        assert_eq!(
            report(None, None),
            "REPORT RequestId: r-1\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 \
             MB\tMax Memory Used: 36 MB\t\n"
        );
        assert!(report(None, Some(Status::TimedOut)).ends_with("36 MB\tStatus: timeout\n"));
        assert!(
            report(None, Some(Status::Failed("Runtime.ExitError")))
                .ends_with("\tStatus: error\tError Type: Runtime.ExitError\n")
        );
    }

    #[test]
    fn exits_are_named_as_lambda_names_them() {
        let exit = |raw| exit_message(Some(ExitStatus::from_raw(raw)));
        assert_eq!(exit(0), "Runtime exited without providing a reason");
        assert_eq!(exit(127 << 8), "Runtime exited with error: exit status 127");
        assert_eq!(exit(9), "Runtime exited with error: signal: killed");
        assert_eq!(exit(6), "Runtime exited with error: signal: aborted");
        assert_eq!(
            timed_out(1_700_000_000_007, "r-1", Duration::from_secs(3)),
            "2023-11-14T22:13:20.007Z r-1 Task timed out after 3.00 seconds\n\n"
        );
        assert!(init_start("provided.al2023").starts_with(
            "INIT_START Runtime Version: provided:al2023.v1\tRuntime Version ARN: arn:aws:lambda:"
        ));
    }
}
