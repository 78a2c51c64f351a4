//! Lists in pages: how many items, and a token that says where the next page begins.

use crate::request::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Items of a page when the request does not say.
pub const DEFAULT_LIMIT: i32 = 20;
/// Most items of a page.
pub const MOST_LIMIT: i32 = 100;
/// Longest key that a token holds, in bytes.
const MOST_KEY_BYTES: usize = 256;

/// A page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Most items, 1–100.
    pub limit: i32,
    /// The key behind which the page begins; `None` for the first page.
    pub after: Option<String>,
}

impl Page {
    /// The page that the query parameters `limit` and `next` ask for.
    ///
    /// Errors: what to tell a caller whose `limit` is no number from 1 to 100, or whose `next` is no token
    /// that [`Page::token`] made.
    pub fn of(request: &Request) -> Result<Self, &'static str> {
        let limit = match request.query("limit").as_slice() {
            [] => DEFAULT_LIMIT,
            [limit] => limit
                .parse()
                .ok()
                .filter(|limit| (1..=MOST_LIMIT).contains(limit))
                .ok_or("The query parameter limit must be a number from 1 to 100.")?,
            _ => return Err("The query parameter limit is given more than once."),
        };
        let after =
            match request.query("next").as_slice() {
                [] => None,
                [token] => Some(key(token).ok_or(
                    "The query parameter next must be the value of next of the page before.",
                )?),
                _ => return Err("The query parameter next is given more than once."),
            };
        Ok(Self { limit, after })
    }

    /// The token of the page behind an item.
    pub fn token(key: &str) -> String {
        URL_SAFE_NO_PAD.encode(key)
    }
}

/// The key that a token stands for.
fn key(token: &str) -> Option<String> {
    if token.is_empty() || token.len() > MOST_KEY_BYTES * 4 / 3 + 2 {
        return None;
    }
    let key = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    Some(key).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use lambda_http::http::Method;

    use super::*;

    #[test]
    fn a_token_leads_behind_its_key() {
        let request = Request::new(Method::GET, "/pets");
        assert_eq!(Page::of(&request), Ok(Page { limit: DEFAULT_LIMIT, after: None }));
        let token = Page::token("pet/ü#1");
        let request = request.with_query("next", &[&token]);
        let page = Page::of(&request).map(|page| page.after);
        assert_eq!(page, Ok(Some("pet/ü#1".to_owned())));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let long = Page::token(&"k".repeat(MOST_KEY_BYTES + 8));
        let cases: [(&str, &[&str]); 10] = [
            ("limit", &["0"]),
            ("limit", &["101"]),
            ("limit", &["ten"]),
            ("limit", &[""]),
            ("limit", &["1", "2"]),
            ("next", &[""]),
            ("next", &["!!"]),
            ("next", &["_w"]),
            ("next", &[&long]),
            ("next", &["cA", "cA"]),
        ];
        for (name, values) in cases {
            let request = Request::new(Method::GET, "/pets").with_query(name, values);
            assert!(Page::of(&request).is_err(), "{name} {values:?}");
        }
    }
}
