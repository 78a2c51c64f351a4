//! Conditions on what a function has logged.

use std::time::Duration;

use labdeck_aws::Result;
use labdeck_telemetry::{HistoryQuery, LogEvent, LogKind, group_of_function};

use super::Finding;
use crate::engine::Engine;
use crate::history;

/// Pages of at most a thousand log events that a check reads at most.
const MOST_PAGES: usize = 200;

fn query(function: &str, minutes: u32, pattern: String) -> HistoryQuery {
    HistoryQuery {
        groups: vec![group_of_function(function)],
        start_ms: history::since_ms(Duration::from_mins(u64::from(minutes))),
        end_ms: None,
        filter_pattern: Some(pattern),
    }
}

/// Whether a log event of the last minutes matches CloudWatch's filter pattern.
pub(super) async fn matched(
    engine: &Engine,
    function: &str,
    pattern: &str,
    minutes: u32,
) -> Result<Finding> {
    let query = query(function, minutes, pattern.to_owned());
    let mut pages = labdeck_telemetry::history(engine.target.clone(), query);
    let mut read = 0;
    while let Some(events) = pages.next().await? {
        if let Some(event) = events.first() {
            return Ok(Finding::new(true, format!("it logged: {}", event.text.trim_end())));
        }
        read += 1;
        if read >= MOST_PAGES {
            break;
        }
    }
    Ok(Finding::new(false, format!("nothing of the last {minutes} min matches {pattern}")))
}

/// Whether the function's metric reached `at_least` within the last minutes, read from its log.
pub(super) async fn measured(
    engine: &Engine,
    function: &str,
    metric: &str,
    at_least: f64,
    minutes: u32,
) -> Result<Finding> {
    let query = query(function, minutes, format!("\"{metric}\""));
    let mut pages = labdeck_telemetry::history(engine.target.clone(), query);
    let (mut sum, mut read) = (0.0, 0);
    while let Some(events) = pages.next().await? {
        sum += events.iter().map(|event| sum_of(event, metric)).sum::<f64>();
        read += 1;
        if sum >= at_least || read >= MOST_PAGES {
            break;
        }
    }
    let seen = format!("{metric} was {sum} within the last {minutes} min");
    let holds = sum >= at_least;
    let reason = match () {
        () if holds => seen,
        () if read >= MOST_PAGES => format!("{seen}, as far as was read; {at_least} is expected"),
        () => format!("{seen}; {at_least} is expected"),
    };
    Ok(Finding::new(holds, reason))
}

/// What one log event adds to the metric.
pub(super) fn sum_of(event: &LogEvent, metric: &str) -> f64 {
    let LogKind::Emf(emf) = &event.kind else { return 0.0 };
    let named = emf.metrics.iter().filter(|known| known.name == metric);
    named.flat_map(|known| &known.values).sum()
}
