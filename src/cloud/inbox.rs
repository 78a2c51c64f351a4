//! The inbox: `POST /_labdeck/inbox/NAME` keeps what it is sent, for whoever subscribes a webhook to a
//! topic and has nothing that listens.
//!
//! Anybody on this machine may post, as to any webhook; a browser's pages may not. What is kept is
//! read through the admin API. An SNS subscription is confirmed by the inbox itself: whoever subscribed
//! it is whoever owns the inbox, which nothing but the local cloud can say.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::core::Core;
use crate::protocol::{empty, json_answer};
use crate::sns::Sns;
use crate::wire::Answer;

/// Begins the path.
pub const PATH: &str = "/_labdeck/inbox/";
/// Longest message, in bytes: SNS sends 256 KiB and its envelope.
pub const BODY: usize = 320 * 1024;
/// The file in the state directory.
const FILE: &str = "inbox.jsonl";
/// Bytes that it may have before it is begun anew; the one before is kept.
const LIMIT: u64 = 4 << 20;
/// The most messages that are told at once, the newest.
const TOLD: usize = 500;
/// Longest name of an inbox.
const NAME: usize = 128;

/// Whether this is the name of an inbox: letters, digits, `-` and `_`.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= NAME && name.chars().all(allowed)
}

/// Keeps a message; answers once it is on the disk.
pub async fn take(core: &Core, sns: &Sns, name: &str, headers: &HeaderMap, body: &Bytes) -> Answer {
    if headers.contains_key(header::ORIGIN) {
        return json_answer(403, &json!({ "message": "Web pages do not post to the inbox." }));
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = text("x-amz-sns-message-type");
    let body_text = String::from_utf8_lossy(body).into_owned();
    let line = json!({
        "time_ms": core.now_millis(),
        "name": name,
        "type": kind,
        "topic": text("x-amz-sns-topic-arn"),
        "content_type": text("content-type"),
        "body": body_text,
    });
    let path = core.state_dir.join(FILE);
    let written = tokio::task::spawn_blocking(move || write(&path, &line)).await;
    if !matches!(written, Ok(Ok(()))) {
        return json_answer(500, &json!({ "message": "The message could not be written." }));
    }
    if kind == Some("SubscriptionConfirmation") {
        confirm(sns, &body_text).await;
    }
    empty(200)
}

/// Confirms a subscription by its token. One that is not known confirms nothing.
async fn confirm(sns: &Sns, body: &str) {
    let message: Value = serde_json::from_str(body).unwrap_or_default();
    let (topic, token) = (message["TopicArn"].as_str(), message["Token"].as_str());
    if let (Some(topic), Some(token)) = (topic, token)
        && let Err(error) = sns.confirm_token(topic, token).await
    {
        tracing::info!(%error, "the inbox could not confirm a subscription");
    }
}

fn write(path: &Path, line: &Value) -> io::Result<()> {
    if path.metadata().is_ok_and(|metadata| metadata.len() > LIMIT) {
        std::fs::rename(path, older(path))?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("jsonl.1")
}

/// The newest messages of one inbox, or of all, oldest first.
pub async fn told(core: &Core, name: Option<&str>) -> Answer {
    let path = core.state_dir.join(FILE);
    let name = name.map(str::to_owned);
    let read = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        for path in [older(&path), path] {
            let Ok(file) = File::open(path) else { continue };
            // A line that a killed cloud wrote in part is left out.
            let lines = BufReader::new(file).lines().map_while(io::Result::ok);
            let messages = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
            all.extend(messages.filter(|message| {
                name.as_deref().is_none_or(|name| message["name"].as_str() == Some(name))
            }));
        }
        let newest = all.len().saturating_sub(TOLD);
        all.split_off(newest)
    });
    match read.await {
        Ok(messages) => json_answer(200, &json!({ "messages": messages })),
        Err(_) => json_answer(500, &json!({ "message": "The inbox could not be read." })),
    }
}

/// Throws away every message.
pub async fn emptied(core: &Core) -> Answer {
    let path = core.state_dir.join(FILE);
    let removed = tokio::task::spawn_blocking(move || {
        [older(&path), path].iter().try_for_each(|path| match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
    });
    match removed.await {
        Ok(Ok(())) => empty(204),
        _ => json_answer(500, &json!({ "message": "The inbox could not be emptied." })),
    }
}
