//! `logs`: what the lab's functions logged, and with `--follow` what comes.

use std::os::fd::AsFd;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_ops::{Engine, history};
use labdeck_telemetry::{Filter, LogEvent, LogKind, Tail, TailMessage, TailState};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::io::Interest;
use tokio::net::unix::pipe;

use crate::args::LogsArgs;
use crate::context::Context;
use crate::output::exit;

/// A log event as JSON.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    timestamp_ms: i64,
    function: &'a str,
    version: &'a str,
    kind: &'static str,
    stream: &'a str,
    text: &'a str,
}

impl<'a> From<&'a LogEvent> for Line<'a> {
    fn from(event: &'a LogEvent) -> Self {
        Self {
            timestamp_ms: event.timestamp_ms,
            function: &event.function,
            version: &event.version,
            kind: kind(&event.kind),
            stream: &event.stream,
            text: &event.text,
        }
    }
}

/// A log event as a line; `width` is the room for the function's name.
pub(super) fn line(event: &LogEvent, width: usize) -> String {
    format!(
        "{} {:>3} {:width$} {}",
        clock(event.timestamp_ms),
        version(&event.version),
        event.function,
        event.text,
    )
}

/// Prints the log; with `--follow` until Ctrl-C or until nobody reads any more.
pub async fn run(context: &Context<'_>, args: &LogsArgs) -> Result<u8> {
    let filter = filter(args.filter.as_deref())?;
    let (engine, blueprint) = context.lab(&args.lab).await?;
    let since = history::since_ms(args.since);
    let mut printer = Printer { context, filter, width: width(&blueprint) };
    if args.follow {
        follow(&mut printer, &engine, &blueprint, since).await
    } else {
        read(&mut printer, &engine, &blueprint, since).await
    }
}

/// What was logged up to now.
async fn read(
    printer: &mut Printer<'_>,
    engine: &Engine,
    blueprint: &Blueprint,
    since: i64,
) -> Result<u8> {
    let mut pages = history::of_lab(engine, blueprint, since);
    loop {
        let page = tokio::select! {
            page = pages.next() => page?,
            () = printer.context.cancel.cancelled() => return Ok(exit::DONE),
        };
        let Some(events) = page else { return Ok(exit::DONE) };
        if !printer.print_all(&events) {
            return Ok(exit::DONE);
        }
    }
}

/// What was logged, and then what comes, until Ctrl-C or until nobody reads any more.
async fn follow(
    printer: &mut Printer<'_>,
    engine: &Engine,
    blueprint: &Blueprint,
    since: i64,
) -> Result<u8> {
    let groups = history::groups(blueprint);
    let (_tail, mut messages) = Tail::start(engine.target.clone(), groups, since);
    let mut state = TailState::Connecting;
    let mut reader_gone = std::pin::pin!(reader_gone());
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            () = printer.context.cancel.cancelled() => return Ok(exit::DONE),
            () = &mut reader_gone => return Ok(exit::DONE),
        };
        match message {
            None => return Ok(exit::DONE),
            Some(TailMessage::Events(events)) => {
                if !printer.print_all(&events) {
                    return Ok(exit::DONE);
                }
            }
            Some(TailMessage::Status(status)) => {
                if status.state != state {
                    printer.context.output.remark(told(&status.state));
                    state = status.state;
                }
            }
        }
    }
}

/// Waits until nobody reads stdout any more, which a quiet log would never notice by writing.
pub(super) async fn reader_gone() {
    // Watched only, never written to: its blocking mode, which it shares with stdout, stays. Not
    // every stdout can be watched: a file has no reader that could go.
    let stdout = std::io::stdout().as_fd().try_clone_to_owned();
    if let Ok(stdout) = stdout.and_then(pipe::Sender::from_owned_fd_unchecked)
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// The state of the tail as a remark.
fn told(state: &TailState) -> String {
    match state {
        TailState::Connecting => "tail: connecting".to_owned(),
        TailState::Live => "tail: live".to_owned(),
        TailState::Polling => "tail: polling, no live session".to_owned(),
        TailState::Disconnected { reason } => format!("tail: disconnected: {reason}"),
    }
}

fn filter(expression: Option<&str>) -> Result<Filter> {
    let Some(expression) = expression else { return Ok(Filter::default()) };
    Filter::parse(expression).map_err(|error| {
        let what = format!("reading the filter {expression:?}");
        Failure::new(FailureKind::Invalid, what, error.to_string())
            .next("for example: --filter 'level:error -timeout version:3 \"not found\" /5\\d\\d/'")
    })
}

/// Room for the longest function name.
fn width(blueprint: &Blueprint) -> usize {
    blueprint.functions.iter().map(|function| function.name.len()).max().unwrap_or_default()
}

/// Writes events that the filter shows.
struct Printer<'a> {
    context: &'a Context<'a>,
    filter: Filter,
    width: usize,
}

impl Printer<'_> {
    /// Prints events; `false` when there is no use in going on.
    fn print_all(&mut self, events: &[LogEvent]) -> bool {
        for event in events {
            self.print(event);
            if self.context.output.closed() || self.context.cancel.is_cancelled() {
                return false;
            }
        }
        true
    }

    fn print(&mut self, event: &LogEvent) {
        if !self.filter.matches(event) {
            return;
        }
        if self.context.output.json {
            self.context.output.value(&Line::from(event));
        } else {
            self.context.output.line(line(event, self.width));
        }
    }
}

fn version(version: &str) -> String {
    match version {
        "" => String::new(),
        "$LATEST" => "dev".to_owned(),
        number => format!("v{number}"),
    }
}

fn kind(kind: &LogKind) -> &'static str {
    match kind {
        LogKind::Plain => "plain",
        LogKind::Json { .. } => "json",
        LogKind::Emf(_) => "emf",
        LogKind::InitStart => "init_start",
        LogKind::Start { .. } => "start",
        LogKind::End { .. } => "end",
        LogKind::Report(_) => "report",
        LogKind::Notice => "notice",
    }
}

/// Time of day in UTC with milliseconds.
fn clock(ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!("{:02}:{:02}:{:02}.{:03}", at.hour(), at.minute(), at.second(), at.millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_versions_read_well() {
        assert_eq!(clock(1_795_168_800_123), "10:00:00.123");
        assert_eq!(version("3"), "v3");
        assert_eq!(version("$LATEST"), "dev");
    }

    #[test]
    fn a_bad_filter_says_where() {
        let failure = filter(Some("/(/"));
        assert!(failure.is_err_and(|failure| failure.why.starts_with("column ")));
    }
}
