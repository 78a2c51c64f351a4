//! What an execution environment writes: its output line by line, Lambda's own lines between them.

use std::os::fd::AsFd;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::errno::Errno;
use tokio::net::unix::pipe;

use crate::core::Core;
use crate::iam::Iam;
use crate::logs::Logs;
use crate::wire::Caller;

/// The longest line that is kept in one piece: the largest CloudWatch event but its overhead.
const LINE_LIMIT: usize = 262_118;
/// How much is read at once before others get their turn.
const DRAIN_LIMIT: usize = 64 * 1024;
/// How much of an invocation's log `LogType=Tail` returns.
const TAIL_LIMIT: usize = 4096;

/// Where lines go, and whether they may.
#[derive(Debug)]
pub struct LogTarget {
    /// Clock.
    pub core: Arc<Core>,
    /// Decides whether the function's role may write.
    pub iam: Arc<Iam>,
    /// Keeps the lines.
    pub logs: Arc<Logs>,
    /// The function's session.
    pub caller: Caller,
    /// Log group.
    pub group: String,
    /// Log stream.
    pub stream: String,
}

impl LogTarget {
    /// Whether the role may make the stream and write into it, as of now: a role's policies may
    /// change at any time.
    fn allowed(&self) -> bool {
        let arn =
            self.core.arn("logs", &format!("log-group:{}:log-stream:{}", self.group, self.stream));
        self.iam.authorize(&self.caller, "logs:CreateLogStream", &arn).is_ok()
            && self.iam.authorize(&self.caller, "logs:PutLogEvents", &arn).is_ok()
    }
}

/// The log of one execution environment as it is being written.
#[derive(Debug)]
pub struct Output {
    target: Arc<LogTarget>,
    pipe: Option<Arc<pipe::Receiver>>,
    partial: Vec<u8>,
    ready: Vec<(i64, String)>,
    tail: Option<String>,
}

/// How a read of the pipe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// There is nothing more now.
    Empty,
    /// There may be more: enough was read for one turn.
    More,
    /// Every writer has closed it.
    Closed,
}

impl Output {
    /// A log that nothing was written to yet.
    pub fn new(target: Arc<LogTarget>) -> Self {
        Self { target, pipe: None, partial: Vec::new(), ready: Vec::new(), tail: None }
    }

    /// Connects the process's output.
    pub fn connect(&mut self, pipe: Arc<pipe::Receiver>) {
        self.pipe = Some(pipe);
    }

    /// Reads what the process has written so far, without waiting.
    ///
    /// The system call is made directly: the runtime's own notion of readiness may lag behind, and
    /// what was written before an answer must come before its END line.
    pub fn drain(&mut self) -> Drained {
        let Some(pipe) = self.pipe.clone() else { return Drained::Closed };
        let mut buffer = [0; 8192];
        let mut total = 0;
        while total < DRAIN_LIMIT {
            match nix::unistd::read(pipe.as_fd(), &mut buffer) {
                Ok(0) => return Drained::Closed,
                Ok(count) => {
                    total += count;
                    self.feed(&buffer[..count]);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Drained::Empty,
                Err(_) => return Drained::Closed,
            }
        }
        Drained::More
    }

    /// Reads everything that the process has written and that fits into a pipe.
    pub fn drain_all(&mut self) {
        for _ in 0..16 {
            if self.drain() != Drained::More {
                break;
            }
        }
    }

    /// Takes output of the process, in pieces as they come.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        let now = self.target.core.now_millis();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(&bytes[..=end]);
            bytes = &bytes[end + 1..];
            self.cut(now, 0);
        }
        self.partial.extend_from_slice(bytes);
        // A line that is too long is cut while it still grows.
        self.cut(now, LINE_LIMIT);
    }

    /// Turns the collected bytes into lines while there are more than `keep` of them.
    fn cut(&mut self, now: i64, keep: usize) {
        let mut start = 0;
        while self.partial.len() - start > keep {
            let rest = &self.partial[start..];
            let length =
                if rest.len() > LINE_LIMIT { boundary(rest, LINE_LIMIT) } else { rest.len() };
            let line = String::from_utf8_lossy(&rest[..length]).into_owned();
            start += length;
            self.push(now, line);
        }
        self.partial.drain(..start);
        if self.partial.is_empty() && self.partial.capacity() > 65_536 {
            self.partial = Vec::new();
        }
    }

    /// Now, in milliseconds since the epoch.
    pub fn now_millis(&self) -> i64 {
        self.target.core.now_millis()
    }

    /// Adds a line of Lambda's own.
    pub fn platform(&mut self, line: String) {
        let now = self.target.core.now_millis();
        self.push(now, line);
    }

    /// Ends a line that the process has left unfinished.
    pub fn finish_line(&mut self) {
        let now = self.target.core.now_millis();
        self.cut(now, 0);
    }

    /// Begins to collect the tail of an invocation's log.
    pub fn keep_tail(&mut self, wanted: bool) {
        self.tail = wanted.then(String::new);
    }

    /// The last 4 KB since [`Output::keep_tail`], in base64.
    pub fn take_tail(&mut self) -> Option<String> {
        let tail = self.tail.take()?;
        let bytes = tail.as_bytes();
        Some(STANDARD.encode(&bytes[bytes.len().saturating_sub(TAIL_LIMIT)..]))
    }

    /// Hands the finished lines to the log store. Waits while its queue is full, which in the end
    /// makes the process wait: a flood never piles up here.
    pub async fn flush(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.ready);
        if self.target.allowed() {
            self.target.logs.append(&self.target.group, &self.target.stream, lines).await;
        }
    }

    fn push(&mut self, now: i64, line: String) {
        if let Some(tail) = &mut self.tail {
            tail.push_str(&line);
            if tail.len() > 8 * TAIL_LIMIT {
                let bytes = tail.as_bytes();
                let cut = boundary(bytes, bytes.len() - TAIL_LIMIT);
                tail.drain(..cut);
            }
        }
        self.ready.push((now, line));
    }
}

/// The largest cut at most at `limit` that splits no UTF-8 sequence.
fn boundary(bytes: &[u8], limit: usize) -> usize {
    let is_continuation = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (limit.saturating_sub(3)..=limit).rev().find(|at| !is_continuation(*at)).unwrap_or(limit)
}
