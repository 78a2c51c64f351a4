//! What must not be kept of an exchange: values of keys, credentials, cookies, secrets in a query.

use std::borrow::Cow;

use super::exchange::{Exchange, KeyValue, is_secret_header, masked};

/// Parts of the names of query parameters whose values are secrets.
const SECRET_PARAMETERS: [&str; 10] = [
    "token",
    "secret",
    "passw",
    "api_key",
    "api-key",
    "apikey",
    "signature",
    "credential",
    "session",
    "auth",
];
/// A secret shorter than this is masked where it stands, and not looked for elsewhere.
const SHORTEST: usize = 8;

/// The exchange with every secret masked, wherever it stands: an API may answer with what it was sent.
pub(super) fn without(exchange: &Exchange) -> Exchange {
    let mut kept = exchange.clone();
    let mut secrets = Vec::new();
    if let Some(key) = &kept.request.key {
        secrets.push(key.reveal().to_owned());
        let mut hidden = KeyValue::new(masked(key.reveal()));
        if let Some(id) = key.id() {
            hidden = hidden.of(id);
        }
        kept.request.key = Some(hidden.named(key.name().unwrap_or_default()));
    }
    for (name, value) in kept.request.headers.iter_mut().chain(&mut kept.headers) {
        if is_secret_header(name) {
            let hidden = masked(value);
            secrets.push(std::mem::replace(value, hidden));
        }
    }
    kept.request.url = url(&kept.request.url, &mut secrets);
    secrets.retain(|secret| secret.len() >= SHORTEST);
    let hide = |text: &mut String| {
        for secret in &secrets {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), &masked(secret));
            }
        }
    };
    hide(&mut kept.request.url);
    kept.request.body.iter_mut().for_each(hide);
    hide(&mut kept.body);
    kept.log.iter_mut().for_each(hide);
    kept.request.headers.iter_mut().chain(&mut kept.headers).for_each(|(_, value)| hide(value));
    kept.verdicts.iter_mut().for_each(|verdict| hide(&mut verdict.got));
    kept
}

/// The URL with the values of secret query parameters masked.
fn url(url: &str, secrets: &mut Vec<String>) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let parts: Vec<Cow<'_, str>> = query
        .split('&')
        .map(|part| match part.split_once('=') {
            Some((name, value)) if is_secret_parameter(name) => {
                let plain = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                secrets.push(plain.into_owned());
                format!("{name}={}", masked(value)).into()
            }
            _ => part.into(),
        })
        .collect();
    format!("{path}?{}", parts.join("&"))
}

fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "key" || name == "sig" || SECRET_PARAMETERS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn no_secret_is_left_wherever_it_stands() {
        let mut exchange = Exchange::default();
        exchange.request.url = "http://h/p?page=2&access_token=qwertz%2Fuiop&key=k".into();
        exchange.request.key = Some(KeyValue::new("0123456789abcdef").of("k1").named("LabKey"));
        exchange.request.headers = vec![
            ("Authorization".into(), "Bearer asdfghjkl".into()),
            ("Cookie".into(), "session=yxcvbnm123".into()),
            ("x-copy".into(), "0123456789abcdef".into()),
        ];
        exchange.request.body = Some("{\"k\":\"0123456789abcdef\"}".into());
        exchange.headers = vec![("set-cookie".into(), "id=poiuztrewq".into())];
        exchange.body = "you sent Bearer asdfghjkl and qwertz/uiop and 0123456789abcdef".into();
        let kept = without(&exchange);
        let text = format!("{kept:?} {}", serde_json::to_string(&kept).unwrap());
        for secret in ["456789ab", "qwertz", "asdfghj", "yxcvbn", "poiuzt", "key=k\"", "abcdef\""] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        assert!(kept.request.url.starts_with("http://h/p?page=2&access_token=••••"));
        assert_eq!(kept.request.key.as_ref().and_then(KeyValue::name), Some("LabKey"));
        let again: Exchange = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        assert_eq!(again.request.key.unwrap().to_string(), "••••ef");
        assert_eq!(again.request.headers, kept.request.headers);
    }
}
