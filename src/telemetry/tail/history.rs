//! The events of several groups between two times, in order of time, page by page.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use labdeck_aws::{FailureKind, Result, Target};
use tokio::time::Instant;

use super::aws::explain;
use crate::classify::{Classifier, RawEvent};
use crate::event::LogEvent;

/// Time between two calls on AWS: the account has 5 a second, and tails take one of them.
const CALL_EVERY: Duration = Duration::from_millis(300);
/// Events handed out at once.
const BATCH: usize = 1000;

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    /// Log groups; those that do not exist have no events.
    pub groups: Vec<String>,
    /// From this time on, in ms since the epoch.
    pub start_ms: i64,
    /// Up to and including this time; `None` for all there is.
    pub end_ms: Option<i64>,
    /// A filter pattern of CloudWatch Logs, applied by the service.
    pub filter_pattern: Option<String>,
}

#[derive(Debug)]
struct Cursor {
    group: Arc<str>,
    events: VecDeque<RawEvent>,
    token: Option<String>,
    /// There are no further pages.
    done: bool,
}

/// A search that is read with [`History::next`]; dropping it ends it.
#[derive(Debug)]
pub struct History {
    target: Arc<Target>,
    query: HistoryQuery,
    cursors: Vec<Cursor>,
    classifier: Classifier,
    next_call: Instant,
}

/// Begins a search; nothing is asked before the first [`History::next`].
pub fn history(target: Arc<Target>, query: HistoryQuery) -> History {
    let cursors = query
        .groups
        .iter()
        .map(|group| Cursor {
            group: group.as_str().into(),
            events: VecDeque::new(),
            token: None,
            done: false,
        })
        .collect();
    History { target, query, cursors, classifier: Classifier::default(), next_call: Instant::now() }
}

impl History {
    /// The next events in order of time, at most a thousand; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<LogEvent>>> {
        let mut batch = Vec::new();
        loop {
            // Only when every group shows its next event is it known which one comes first.
            let starved = (0..self.cursors.len())
                .find(|at| self.cursors[*at].events.is_empty() && !self.cursors[*at].done);
            if let Some(starved) = starved {
                if !batch.is_empty() {
                    return Ok(Some(batch));
                }
                self.read_page(starved).await?;
                continue;
            }
            let earliest = self
                .cursors
                .iter_mut()
                .filter(|cursor| !cursor.events.is_empty())
                .min_by_key(|cursor| cursor.events.front().map(|event| event.timestamp_ms));
            let Some(event) = earliest.and_then(|cursor| cursor.events.pop_front()) else {
                return Ok((!batch.is_empty()).then_some(batch));
            };
            batch.push(self.classifier.classify(&event));
            if batch.len() >= BATCH {
                return Ok(Some(batch));
            }
        }
    }

    async fn read_page(&mut self, at: usize) -> Result<()> {
        if !self.target.is_local() {
            tokio::time::sleep_until(self.next_call).await;
            self.next_call = Instant::now() + CALL_EVERY;
        }
        let cursor = &mut self.cursors[at];
        let page = self
            .target
            .logs()
            .filter_log_events()
            .log_group_name(&*cursor.group)
            .start_time(self.query.start_ms)
            .set_end_time(self.query.end_ms)
            .set_filter_pattern(self.query.filter_pattern.clone())
            .set_next_token(cursor.token.take())
            .send()
            .await;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let failure = explain(&cursor.group, &error);
                if failure.kind == FailureKind::NotFound {
                    cursor.done = true;
                    return Ok(());
                }
                return Err(failure);
            }
        };
        cursor.done = page.next_token.is_none();
        cursor.token = page.next_token;
        cursor.events = page
            .events
            .unwrap_or_default()
            .into_iter()
            .map(|event| RawEvent {
                timestamp_ms: event.timestamp.unwrap_or_default(),
                ingestion_ms: event.ingestion_time.unwrap_or_default(),
                group: Arc::clone(&cursor.group),
                stream: event.log_stream_name.unwrap_or_default(),
                message: event.message.unwrap_or_default(),
            })
            .collect();
        Ok(())
    }
}
