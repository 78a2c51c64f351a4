//! An overridden endpoint that can move while clients use it, as a local cloud's port can.

use std::sync::RwLock;

use http::Uri;

/// A base URL such as `http://127.0.0.1:4599`.
#[derive(Debug)]
pub struct Endpoint {
    url: RwLock<String>,
}

impl Endpoint {
    /// The endpoint at `url`; a trailing slash is dropped.
    pub fn new(url: &str) -> Self {
        Self { url: RwLock::new(url.trim_end_matches('/').to_owned()) }
    }

    /// Where it is now, without a trailing slash.
    pub fn url(&self) -> String {
        self.url.read().map(|url| url.clone()).unwrap_or_default()
    }

    /// It is at `url` from now on.
    pub fn set(&self, url: &str) {
        if let Ok(mut slot) = self.url.write() {
            url.trim_end_matches('/').clone_into(&mut slot);
        }
    }

    /// `uri` with this endpoint's scheme and authority; path and query stay.
    pub fn rewrite(&self, uri: &str) -> Result<Uri, http::Error> {
        let base: Uri = self.url().parse()?;
        let uri: Uri = uri.parse()?;
        let mut parts = uri.into_parts();
        parts.scheme = base.scheme().cloned();
        parts.authority = base.authority().cloned();
        if parts.path_and_query.is_none() {
            parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        }
        Ok(Uri::from_parts(parts)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_host_prefix_goes_and_the_path_stays() {
        let endpoint = Endpoint::new("http://127.0.0.1:4599/");
        let uri = endpoint.rewrite("http://stream-127.0.0.1:4599/a%3Ab?c=d").unwrap();
        assert_eq!(uri.to_string(), "http://127.0.0.1:4599/a%3Ab?c=d");
        endpoint.set("http://127.0.0.1:1");
        assert_eq!(endpoint.rewrite("http://x").unwrap().to_string(), "http://127.0.0.1:1/");
    }
}
