//! E-mail: one line of JSON per mail in the state directory, instead of a mail.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::model::Subscription;
use super::queue::Content;

/// The file in the state directory.
const FILE: &str = "outbox.jsonl";
/// Bytes that it may have before it is begun anew; the one before is kept.
const LIMIT: u64 = 4 << 20;

/// A mail.
#[derive(Debug)]
pub struct Mail<'a> {
    /// Whom it goes to.
    pub subscription: &'a Subscription,
    /// What it says.
    pub content: &'a Content,
    /// What confirms the subscription, where that is what it asks for.
    pub confirm_url: Option<&'a str>,
    /// What ends the subscription.
    pub unsubscribe_url: &'a str,
    /// The body of `email-json`.
    pub json: Option<String>,
}

/// Writes a mail.
pub async fn write(state_dir: &Path, mail: Mail<'_>) -> io::Result<()> {
    let Mail { subscription, content, confirm_url, unsubscribe_url, json } = mail;
    let text = json.unwrap_or_else(|| match confirm_url {
        Some(url) => format!("{}\n{url}\n", content.message),
        None => format!("{}\n--\n{unsubscribe_url}\n", content.message),
    });
    let subject = match (&content.subject, content.confirmation) {
        (_, true) => "AWS Notification - Subscription Confirmation",
        (Some(subject), false) => subject,
        (None, false) => "AWS Notification Message",
    };
    let mut line = json!({
        "time": content.timestamp(),
        "to": subscription.endpoint,
        "topic": content.topic_arn,
        "message_id": content.message_id,
        "subject": subject,
        "text": text,
    });
    if let Some(url) = confirm_url {
        line["confirm_url"] = url.into();
    }
    let path = state_dir.join(FILE);
    let line = format!("{line}\n");
    let written = tokio::task::spawn_blocking(move || {
        if path.metadata().is_ok_and(|metadata| metadata.len() > LIMIT) {
            std::fs::rename(&path, path.with_extension("jsonl.1"))?;
        }
        OpenOptions::new().create(true).append(true).open(&path)?.write_all(line.as_bytes())
    });
    written.await.map_err(io::Error::other)?
}
