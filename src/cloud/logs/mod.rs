//! CloudWatch Logs: groups, streams, events, retention, filter patterns and live tail.
//!
//! All of it lives in one SQLite file, `logs.db`, with one writer (`writer`) and a few
//! connections that only read.

mod api;
mod db;
mod desk;
mod error;
mod filter;
mod frame;
mod get;
mod groups;
mod live_tail;
mod names;
mod pattern;
mod put;
mod selector;
mod sessions;
mod streams;
#[cfg(test)]
mod tests;
mod token;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

pub use db::LAYOUT;
pub use error::LogsError;

use crate::core::Core;
use crate::error::AwsError;
use crate::iam::Iam;
use db::Reader;
use error::store_failed;
use sessions::Sessions;
use writer::{Append, Writer};

/// Longest message of one event that is taken from a function's output, in bytes; longer lines
/// are split. A batch of `PutLogEvents` can't hold a longer one either.
const LONGEST_LINE: usize = 1_048_550;
/// Events removed between two looks at the size.
const TRIM_ROWS: i64 = 2000;

/// The log service.
pub struct Logs {
    core: Arc<Core>,
    iam: Arc<Iam>,
    path: PathBuf,
    writer: Writer,
    reader: Reader,
    sessions: Arc<Sessions>,
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Logs {
    /// Opens `logs.db` of the state directory; a damaged file is moved aside.
    pub fn open(core: Arc<Core>, iam: Arc<Iam>) -> Result<Arc<Self>, LogsError> {
        let path = core.state_dir.join("logs.db");
        let connection = db::open(&path)?;
        let sessions = Arc::new(Sessions::default());
        let writer = Writer::start(Arc::clone(&core), &path, connection, Arc::clone(&sessions))?;
        let reader = Reader::new(&path);
        Ok(Arc::new(Self { core, iam, path, writer, reader, sessions }))
    }

    /// Adds lines (ms since the epoch, text) to a stream, making it and its group where they are
    /// missing. Waits only for space in the writer's queue.
    pub async fn append(&self, group: &str, stream: &str, lines: Vec<(i64, String)>) {
        let lines: Vec<_> =
            lines.into_iter().filter(|(_, text)| !text.is_empty()).flat_map(split).collect();
        if lines.is_empty() {
            return;
        }
        self.writer.append(Append { group: group.into(), stream: stream.into(), lines }).await;
    }

    /// Returns once everything appended before this call can be read.
    pub async fn flush(&self) -> Result<(), AwsError> {
        self.writer.flush().await
    }

    /// Bytes that the logs take on disk.
    pub fn bytes(&self) -> u64 {
        db::bytes_on_disk(&self.path)
    }

    /// Removes the oldest events until the logs take at most `bytes`, or none is left.
    pub async fn trim_to(&self, bytes: u64) -> Result<(), AwsError> {
        loop {
            let more = self
                .writer
                .change(0, move |desk| {
                    let trim = |desk: &mut desk::Desk| -> rusqlite::Result<bool> {
                        Ok(desk.live_bytes()? > bytes && desk.remove_oldest(TRIM_ROWS)? > 0)
                    };
                    trim(desk).map_err(|e| store_failed(&e))
                })
                .await?;
            if !more {
                break;
            }
        }
        // Each write lets the writer take one step towards giving the space back first.
        while self.writer.change(0, |desk| Ok(desk.has_chores())).await? {}
        Ok(())
    }
}

/// Matches messages against a filter pattern: the entrance for fuzzing.
#[doc(hidden)]
pub fn try_pattern<'a>(pattern: &str, messages: impl Iterator<Item = &'a str>) -> Option<usize> {
    let pattern = pattern::Pattern::parse(pattern).ok()?;
    Some(messages.filter(|message| pattern.matches(message)).count())
}

/// Splits a line that is too long for one event, at character boundaries.
fn split((timestamp, mut text): (i64, String)) -> Vec<(i64, String)> {
    let mut parts = Vec::new();
    while text.len() > LONGEST_LINE {
        let rest = text.split_off(text.floor_char_boundary(LONGEST_LINE));
        parts.push((timestamp, std::mem::replace(&mut text, rest)));
    }
    parts.push((timestamp, text));
    parts
}
