//! The execution log of a stage, in the group `API-Gateway-Execution-Logs_{api}/{stage}`.

use super::super::model::MethodSetting;
use super::backend::Backends;
use super::request::Context;

/// The lines of one request; kept only when the stage logs.
pub(super) struct ExecutionLog {
    level: Level,
    lines: Vec<(i64, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Off,
    Error,
    Info,
}

impl ExecutionLog {
    /// A log at the level that the stage has for the method.
    pub fn new(setting: Option<&MethodSetting>) -> Self {
        let level = match setting.and_then(|setting| setting.logging_level.as_deref()) {
            Some("INFO") => Level::Info,
            Some("ERROR") => Level::Error,
            _ => Level::Off,
        };
        Self { level, lines: Vec::new() }
    }

    /// Adds a line that only the full log has.
    pub fn info(&mut self, context: &Context<'_>, text: impl FnOnce() -> String) {
        if self.level == Level::Info {
            self.push(context, &text());
        }
    }

    /// Adds a line about a failure.
    pub fn error(&mut self, context: &Context<'_>, text: &str) {
        if self.level != Level::Off {
            self.push(context, text);
        }
    }

    fn push(&mut self, context: &Context<'_>, text: &str) {
        // AWS cuts execution log events after 1024 bytes.
        let mut line = format!("({}) {text}", context.request_id);
        if line.len() > 1024 {
            line.truncate(line.floor_char_boundary(1024));
        }
        self.lines.push((context.now, line));
    }

    /// Hands the lines to the log service.
    pub async fn write(self, context: &Context<'_>, backends: &dyn Backends) {
        if self.lines.is_empty() {
            return;
        }
        let group =
            format!("API-Gateway-Execution-Logs_{}/{}", context.request.api_id, context.stage);
        backends.log(&group, &stream(&group), self.lines).await;
    }
}

/// A name like the hashes that AWS uses for the streams of this group.
fn stream(group: &str) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(&Sha256::digest(group.as_bytes())[..16])
}
