//! The lines that Lambda itself writes: START, END, REPORT, `INIT_START`, as text and as JSON.
//!
//! Read by key, never by position: what a line holds differs by cold start, tracing and status.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clean::clean;
use crate::event::{LogKind, Report};

/// What a text line of Lambda is; `None` for any other line.
pub fn read_line(line: &str) -> Option<LogKind> {
    if line.starts_with("INIT_START ") {
        return Some(LogKind::InitStart);
    }
    if let Some(rest) = line.strip_prefix("START RequestId: ") {
        return Some(LogKind::Start { request_id: first_word(rest)? });
    }
    if let Some(rest) = line.strip_prefix("END RequestId: ") {
        return Some(LogKind::End { request_id: first_word(rest)? });
    }
    let rest = line.strip_prefix("REPORT ")?;
    read_report(rest).map(|report| LogKind::Report(Arc::new(report)))
}

/// What a REPORT line tells; `None` for any other line.
pub fn report_of(line: &str) -> Option<Report> {
    read_report(line.strip_prefix("REPORT ")?)
}

fn first_word(text: &str) -> Option<Arc<str>> {
    text.split_ascii_whitespace().next().map(|word| clean(word).into())
}

fn read_report(text: &str) -> Option<Report> {
    let mut report = Report::default();
    let mut timed = false;
    for part in text.split(['\t', '\n']) {
        let Some((key, value)) = part.split_once(": ") else { continue };
        let value = value.trim();
        let number = || value.split_ascii_whitespace().next()?.parse::<f64>().ok();
        match key.trim() {
            "RequestId" => report.request_id = clean(value).into_owned(),
            "Duration" => {
                report.duration_ms = positive(number()?)?;
                timed = true;
            }
            "Billed Duration" => report.billed_ms = positive(number()?)?,
            "Memory Size" => report.memory_mb = number()? as u32,
            "Max Memory Used" => report.max_memory_mb = number()? as u32,
            "Init Duration" => report.init_ms = Some(positive(number()?)?),
            "Status" => report.status = status(value),
            _ => {}
        }
    }
    (timed && !report.request_id.is_empty()).then_some(report)
}

fn positive(number: f64) -> Option<f64> {
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// A status as it is kept: not at all when it went well.
fn status(value: &str) -> Option<String> {
    (value != "success").then(|| clean(value).into_owned())
}

/// What a JSON record of Lambda is (`{"time":…,"type":"platform.report","record":{…}}`); `None`
/// for any other document.
pub fn read_record(document: &Map<String, Value>) -> Option<LogKind> {
    let kind = document.get("type")?.as_str()?.strip_prefix("platform.")?;
    let record = document.get("record")?.as_object()?;
    let request_id = || record.get("requestId")?.as_str().map(|id| Arc::from(clean(id)));
    match kind {
        "initStart" => Some(LogKind::InitStart),
        "start" => Some(LogKind::Start { request_id: request_id()? }),
        "runtimeDone" => Some(LogKind::End { request_id: request_id()? }),
        "report" => {
            let metrics = record.get("metrics")?;
            let number = |name: &str| positive(metrics.get(name)?.as_f64()?);
            Some(LogKind::Report(Arc::new(Report {
                request_id: request_id()?.to_string(),
                duration_ms: number("durationMs")?,
                billed_ms: number("billedDurationMs").unwrap_or_default(),
                memory_mb: number("memorySizeMB").unwrap_or_default() as u32,
                max_memory_mb: number("maxMemoryUsedMB").unwrap_or_default() as u32,
                init_ms: number("initDurationMs"),
                status: record.get("status").and_then(Value::as_str).and_then(status),
            })))
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(line: &str) -> Option<Report> {
        match read_line(line)? {
            LogKind::Report(report) => Some(report.as_ref().clone()),
            _ => None,
        }
    }

    #[test]
    fn reports_are_read_by_key() {
        let cold = report(
            "REPORT RequestId: r-1\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n",
        )
        .unwrap();
        assert_eq!(cold.request_id, "r-1");
        assert!((cold.duration_ms - 3.01).abs() < 1e-9);
        assert_eq!((cold.memory_mb, cold.max_memory_mb), (128, 36));
        assert_eq!((cold.init_ms, cold.status), (Some(110.10), None));
        let timed_out = report(
            "REPORT Max Memory Used: 36 MB\tRequestId: r-2\tDuration: 3000.00 ms\tStatus: timeout\n\
             XRAY TraceId: 1-2\tSampled: true",
        )
        .unwrap();
        assert_eq!(timed_out.status.as_deref(), Some("timeout"));
        assert_eq!(report("REPORT RequestId: r-3"), None);
        assert_eq!(report("REPORT RequestId: r-3\tDuration: soon"), None);
        assert_eq!(report("REPORT RequestId: r-3\tDuration: NaN ms"), None);
    }

    #[test]
    fn starts_and_ends() {
        assert_eq!(
            read_line("START RequestId: r-1 Version: 3"),
            Some(LogKind::Start { request_id: "r-1".into() })
        );
        assert_eq!(
            read_line("END RequestId: r-1\n"),
            Some(LogKind::End { request_id: "r-1".into() })
        );
        assert_eq!(read_line("INIT_START Runtime Version: x"), Some(LogKind::InitStart));
        assert_eq!(read_line("STARTED"), None);
        assert_eq!(read_line("START RequestId: "), None);
    }

    #[test]
    fn json_records() {
        let record = json!({ "time": "2026-11-20T12:00:00Z", "type": "platform.report", "record": {
            "requestId": "r-1", "status": "error",
            "metrics": { "durationMs": 3.5, "billedDurationMs": 4, "memorySizeMB": 128,
                         "maxMemoryUsedMB": 20, "initDurationMs": 12.5 } } });
        let LogKind::Report(report) = read_record(record.as_object().unwrap()).unwrap() else {
            panic!("no report")
        };
        assert_eq!(report.status.as_deref(), Some("error"));
        assert_eq!(report.init_ms, Some(12.5));
        let other = json!({ "type": "platform.telemetrySubscription", "record": {} });
        assert_eq!(read_record(other.as_object().unwrap()), None);
    }
}
