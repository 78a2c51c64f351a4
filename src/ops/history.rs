//! What a lab's functions have logged: from all of them, in the order of time, page by page.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use labdeck_lab::Blueprint;
use labdeck_telemetry::{History, HistoryQuery, group_of_function};

use crate::engine::Engine;

/// Names of the log groups of the lab's functions.
pub fn groups(blueprint: &Blueprint) -> Vec<String> {
    let named = blueprint.attached.as_ref().map(|attached| &attached.log_groups);
    let group = |function: &str| {
        let own = named.and_then(|groups| groups.get(function)).cloned();
        own.unwrap_or_else(|| group_of_function(function))
    };
    let mut groups: Vec<String> =
        blueprint.functions.iter().map(|function| group(&function.name)).collect();
    // Functions that somebody else deployed may share one.
    let mut seen = std::collections::BTreeSet::new();
    groups.retain(|group| seen.insert(group.clone()));
    groups
}

/// `age` ago, in ms since the epoch.
pub fn since_ms(age: Duration) -> i64 {
    let since =
        SystemTime::now().checked_sub(age).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The moment, in ms since the epoch.
pub fn now_ms() -> i64 {
    since_ms(Duration::ZERO)
}

/// Everything that the lab's functions have logged since `since_ms` (ms since the epoch) and until
/// now. A function that has not logged yet has nothing to show.
pub fn of_lab(engine: &Engine, blueprint: &Blueprint, since_ms: i64) -> History {
    let query = HistoryQuery {
        groups: groups(blueprint),
        start_ms: since_ms,
        end_ms: Some(now_ms()),
        filter_pattern: None,
    };
    labdeck_telemetry::history(engine.target.clone(), query)
}
