//! Which hosts may be asked for and which web pages may ask: a page that rebinds its name to
//! 127.0.0.1 must reach nothing, and no page may reach the control plane.

use http::HeaderMap;

/// The API that a host name stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Host {
    /// The local cloud itself.
    Loopback,
    /// `{id}.execute-api.localhost`.
    Api(String),
    /// Not a name of this machine.
    Foreign,
}

/// Reads a `Host` header or a request's authority.
pub fn classify(authority: &str) -> Host {
    let name = without_port(authority).to_ascii_lowercase();
    match name.as_str() {
        "127.0.0.1" | "localhost" | "[::1]" => return Host::Loopback,
        _ => {}
    }
    match name.strip_suffix(".localhost") {
        Some(labels) if !labels.is_empty() => match labels.strip_suffix(".execute-api") {
            Some(id) if !id.is_empty() && !id.contains('.') => Host::Api(id.to_owned()),
            _ => Host::Loopback,
        },
        _ => Host::Foreign,
    }
}

/// Whether the `Origin` header, when there is one, names a page of this machine.
pub fn origin_is_local(headers: &HeaderMap) -> bool {
    headers.get_all(http::header::ORIGIN).iter().all(|value| {
        let origin = value.to_str().unwrap_or("");
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| classify(authority) != Host::Foreign)
    })
}

fn without_port(authority: &str) -> &str {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match authority.rsplit_once(':') {
        Some((name, port)) if digits(port) => name,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_names_of_this_machine_pass() {
        for name in ["127.0.0.1", "127.0.0.1:4566", "LOCALHOST:1", "a.localhost", "[::1]:80"] {
            assert_eq!(classify(name), Host::Loopback, "{name}");
        }
        assert_eq!(classify("abc123.execute-api.localhost:4566"), Host::Api("abc123".to_owned()));
        for name in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "127.0.0.2",
            ".localhost",
            "::1",
            "user@127.0.0.1",
            "127.0.0.1:80:80",
        ] {
            assert_eq!(classify(name), Host::Foreign, "{name}");
        }
    }

    #[test]
    fn pages_from_elsewhere_are_told_apart() {
        let with = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("origin", HeaderValue::from_static(origin));
            origin_is_local(&headers)
        };
        assert!(origin_is_local(&HeaderMap::new()));
        assert!(with("http://localhost:3000"));
        assert!(!with("https://evil.example"));
        assert!(!with("null"));
    }
}
