//! Text of what several commands show: exchanges, bursts, release outcomes, checks.

use labdeck_ops::chaos::Ended;
use labdeck_ops::checks::CheckResult;
use labdeck_ops::release::outcome::ReleaseOutcome;
use labdeck_ops::release::{LastMove, LeftStage};
use labdeck_ops::request::burst::Bucket;
use labdeck_ops::request::exchange::{BurstSummary, Exchange, Verdict};
use labdeck_ops::request::{Outcome, Row};
use labdeck_ops::status::ChaosStatus;
use labdeck_telemetry::clean;
use time::OffsetDateTime;

use crate::output::columns;

/// An exchange: status, timings, headers, body.
pub fn exchange(exchange: &Exchange) -> Vec<String> {
    let timings = exchange.timings;
    let mut text = vec![format!("{} {}", exchange.request.method, exchange.request.url)];
    if let Some(key) = &exchange.request.key {
        text.push(format!("with x-api-key: {key}"));
    }
    text.extend([format!(
        "{}  {:.1} ms (connect {:.1}, first byte {:.1})  {} bytes",
        exchange.status,
        timings.total_ms,
        timings.connect_ms,
        timings.first_byte_ms,
        exchange.body_bytes
    )]);
    text.extend(exchange.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    text.push(String::new());
    // A body that is not JSON stays as it is.
    let pretty = serde_json::from_str::<serde_json::Value>(&exchange.body)
        .and_then(|value| serde_json::to_string_pretty(&value));
    text.push(pretty.unwrap_or_else(|_| exchange.body.clone()));
    if let Some(explanation) = &exchange.explanation {
        text.push(String::new());
        text.push(explanation.clone());
    }
    if let Some(version) = &exchange.version {
        text.extend([String::new(), format!("answered by version {version}")]);
    }
    if !exchange.log.is_empty() {
        text.push(String::new());
        text.extend(exchange.log.iter().map(|line| format!("| {line}")));
    }
    if !exchange.verdicts.is_empty() {
        text.push(String::new());
        text.extend(exchange.verdicts.iter().map(Verdict::to_string));
    }
    text
}

/// A request of several: a line, and what does not hold below it.
pub fn row(row: &Row, names: usize, calls: usize) -> Vec<String> {
    let mark = match (&row.outcome, row.holds) {
        (Outcome::LeftOut(_), _) => "-",
        (_, true) => "✓",
        (_, false) => "✗",
    };
    let call = format!("{} {}", row.method, row.path);
    let (end, below) = match &row.outcome {
        Outcome::Exchange(exchange) => {
            let broken = exchange.verdicts.iter().filter(|verdict| !verdict.holds);
            let below = broken.map(|broken| format!("    {broken}")).collect();
            (format!("{}  {:>8.1} ms", exchange.status, exchange.timings.total_ms), below)
        }
        Outcome::Failure(failure) => {
            let next = failure.next.iter().map(|next| format!("    next: {}", clean(next)));
            (format!("no answer: {}", clean(&failure.why)), next.collect())
        }
        Outcome::LeftOut(why) => (format!("left out, {why}"), Vec::new()),
    };
    let mut text = vec![format!("{mark} {:names$}  {call:calls$}  {end}", row.name)];
    text.extend::<Vec<String>>(below);
    text
}

/// Bursts side by side, one row each.
pub fn bursts(bursts: &[BurstSummary]) -> Vec<String> {
    let head = [
        "request", "answered", "failed", "per s", "p50", "p90", "p95", "p99", "max ms", "statuses",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for burst in bursts {
        let statuses: Vec<String> =
            burst.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        rows.push(vec![
            burst.request.clone(),
            burst.answered.to_string(),
            burst.failed.to_string(),
            format!("{:.0}", burst.per_second),
            format!("{:.2}", burst.p50_ms),
            format!("{:.2}", burst.p90_ms),
            format!("{:.2}", burst.p95_ms),
            format!("{:.2}", burst.p99_ms),
            format!("{:.2}", burst.max_ms),
            statuses.join(", "),
        ]);
    }
    let mut text = columns(&rows);
    for burst in bursts {
        text.extend(burst.errors.iter().map(|(why, n)| format!("{}: {n} × {why}", burst.request)));
        if let Some(stopped) = &burst.stopped {
            text.push(format!("{}: ended early: {stopped}", burst.request));
        }
    }
    text
}

/// A row per range of latencies.
pub fn histogram(buckets: &[Bucket]) -> Vec<String> {
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0).max(1);
    let row = |bucket: &Bucket| {
        let bar = (bucket.count as f64 / most as f64 * 40.0).ceil() as usize;
        vec![
            format!("{:.2}-{:.2} ms", bucket.from_ms, bucket.to_ms),
            bucket.count.to_string(),
            "#".repeat(bar),
        ]
    };
    columns(&buckets.iter().map(row).collect::<Vec<_>>())
}

/// What a release operation did.
pub fn release(outcome: &ReleaseOutcome) -> Vec<String> {
    let mut rows = Vec::new();
    for part in &outcome.moves {
        let change = match (&part.failure, part.from == part.to) {
            (Some(_), _) => format!("{} stays: failed", part.from),
            (None, true) => format!("{} stays", part.from),
            (None, false) => format!("{} → {}", part.from, part.to),
        };
        let why = part.failure.as_ref().map(ToString::to_string).or_else(|| part.note.clone());
        rows.push(vec![part.function.clone(), change, why.unwrap_or_default()]);
    }
    let mut text = columns(&rows);
    for (api, stage, from, to) in &outcome.deployments {
        text.push(format!("{api} {stage}: deployment {from} → {to}"));
    }
    text.extend(outcome.problems.iter().map(|problem| format!("problem: {problem}")));
    text.push(format!("{}: {} in {:.0} ms", outcome.lab, outcome.operation, outcome.millis));
    text
}

/// The last move over all functions, and what it left behind.
pub fn last_move(lab: &str, last: &LastMove) -> Vec<String> {
    let by = if last.by.is_empty() { String::new() } else { format!(" by {}", last.by) };
    if last.is_whole() {
        return vec![format!("last move: {}{by}, all together", last.operation)];
    }
    let mut text = vec![format!("last move: {}{by}, not all followed", last.operation)];
    let functions = last
        .left
        .iter()
        .map(|left| format!("    {} serves {}, not {}", left.function, left.serves, left.goes));
    let stages = last.stages.iter().map(|left| {
        let LeftStage { api, stage, serves, goes } = left;
        format!("    {api} {stage} serves deployment {serves}, not {goes}")
    });
    text.extend(functions.chain(stages));
    text.push(format!(
        "    labdeck release {lab} complete brings them after it, labdeck release {lab} undo takes it back"
    ));
    text
}

/// Checks as a list with the reason for each.
pub fn checks(results: &[CheckResult]) -> Vec<String> {
    let mut text = Vec::new();
    for check in results {
        text.push(format!(
            "{} {}  {}",
            if check.holds { "✓" } else { "✗" },
            check.name,
            check.title
        ));
        text.push(format!("    {}", check.reason));
    }
    text
}

/// A chaos switch that is on: how long still, and when it ends.
pub fn until(switch: &ChaosStatus) -> String {
    let end = switch.until_ms.and_then(|ms| OffsetDateTime::from_unix_timestamp(ms / 1000).ok());
    let Some(end) = end else { return "on".to_owned() };
    let left = end - OffsetDateTime::now_utc();
    if !left.is_positive() {
        return format!("on, and should have ended at {}", clock(end));
    }
    let left = match left.whole_seconds() {
        left @ 0..120 => format!("{left} s"),
        left => format!("{} min", (left + 30) / 60),
    };
    format!("on for {left} more, until {}", clock(end))
}

fn clock(at: OffsetDateTime) -> String {
    format!("{:02}:{:02}:{:02} UTC", at.hour(), at.minute(), at.second())
}

/// What became of a chaos switch whose time was over.
pub fn ended(switch: &Ended) -> String {
    let at = OffsetDateTime::from_unix_timestamp(switch.until_ms / 1000).map(clock);
    let was = format!("chaos {} was to end at {}", switch.name, at.unwrap_or_default());
    match &switch.failure {
        None => format!("{was}, and has been switched off now"),
        Some(failure) => format!("{was}, and is still on: {}", failure.why),
    }
}
