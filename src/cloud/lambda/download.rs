//! The link to a function's code that `GetFunction` hands out, and what is behind it.

use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::protocol::{bytes_answer, text_answer};
use crate::wire::Answer;

use super::Lambda;

/// Where code is fetched from, below the endpoint of the cloud.
pub const CODE_PATH: &str = "/_labdeck/code/";
/// How long a link works, as on AWS ("The link is valid for 10 minutes": `Code` of `GetFunction`).
const VALID: Duration = Duration::from_mins(10);

/// Makes and checks links. Those of an earlier run of the cloud work no more.
#[derive(Debug)]
pub struct Links {
    key: [u8; 64],
}

impl Links {
    /// Links with a key of their own.
    pub fn new() -> Self {
        let mut key = [0; 64];
        for part in key.chunks_exact_mut(16) {
            part.copy_from_slice(Uuid::new_v4().as_bytes());
        }
        Self { key }
    }

    /// The link to the code of `hash`, which works for ten minutes from `now_ms` on.
    pub fn link(&self, endpoint: &str, hash: &str, now_ms: i64) -> String {
        let expires = now_ms.saturating_add(VALID.as_millis() as i64) / 1000;
        let signature = hex::encode(self.signature(hash, expires).finalize().into_bytes());
        format!("{endpoint}{CODE_PATH}{hash}?Expires={expires}&Signature={signature}")
    }

    /// Whether a query is that of a link to `hash` which still works.
    fn allows(&self, hash: &str, query: &str, now_ms: i64) -> bool {
        let value = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let expires = value("Expires").and_then(|text| text.parse::<i64>().ok());
        let signature = value("Signature").and_then(|text| hex::decode(text).ok());
        let (Some(expires), Some(signature)) = (expires, signature) else { return false };
        expires > now_ms / 1000 && self.signature(hash, expires).verify_slice(&signature).is_ok()
    }

    fn signature(&self, hash: &str, expires: i64) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&self.key.into());
        mac.update(format!("{hash} {expires}").as_bytes());
        mac
    }
}

impl Lambda {
    /// Answers a request for the code behind a link: its zip, 403 where the link does not work, 404
    /// where no function has the code any more.
    pub async fn download(&self, hash: &str, query: &str) -> Answer {
        if !self.code.links.allows(hash, query, self.core.now_millis()) {
            return text_answer(
                403,
                "This link does not work (any more): GetFunction has a new one.\n",
            );
        }
        // Only hashes are ever signed: this is no path from outside.
        let path = self.code.zip_path(hash);
        match tokio::task::spawn_blocking(move || std::fs::read(path)).await {
            Ok(Ok(zip)) => bytes_answer(200, "application/zip", zip),
            _ => text_answer(404, "No function has this code any more.\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_link_works_for_its_code_and_its_time_only() {
        let links = Links::new();
        let link = links.link("http://127.0.0.1:1", "abc", 1_000_000);
        let query = link.strip_prefix("http://127.0.0.1:1/_labdeck/code/abc?").unwrap();
        assert!(links.allows("abc", query, 1_000_000));
        assert!(links.allows("abc", query, 1_599_000));
        assert!(!links.allows("abc", query, 1_600_000), "expired");
        assert!(!links.allows("abd", query, 1_000_000), "other code");
        assert!(!links.allows("abc", &query.replace("1600", "9999"), 1_000_000), "made longer");
        assert!(!Links::new().allows("abc", query, 1_000_000), "another cloud's");
        assert!(!links.allows("abc", "", 0));
    }
}
