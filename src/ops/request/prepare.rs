//! From a saved request to one that can be sent: variables, encoding, the stage's URL.

use std::collections::{BTreeMap, BTreeSet};

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::blueprint::{Api, SavedRequest};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::exchange::{KeyValue, Origin, OutgoingRequest};

/// What a path written by a person may hold as it is: everything that RFC 3986 allows in a path,
/// `/` and `%` included.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// A value inside a path or a query: everything but the unreserved characters is encoded.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The request that `saved` stands for below `origin.base_url`, with `variables` over its own.
pub(super) fn outgoing(
    saved: &SavedRequest,
    origin: Origin,
    key: Option<KeyValue>,
    variables: &BTreeMap<String, String>,
) -> Result<OutgoingRequest> {
    let what = format!("preparing request {}", saved.name);
    let bad = |why: String| Failure::new(FailureKind::Invalid, &what, why);
    let mut values = saved.variables.clone();
    values.extend(variables.iter().map(|(name, value)| (name.clone(), value.clone())));

    let path = fill(&saved.path, &values, Place::Path).map_err(bad)?;
    if !path.starts_with('/') {
        return Err(bad(format!("its path {path:?} must begin with /")));
    }
    let mut url = format!("{}{path}", origin.base_url);
    for (index, (name, value)) in saved.query.iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        let name = fill(name, &values, Place::Text).map_err(bad)?;
        let value = fill(value, &values, Place::Text).map_err(bad)?;
        url.extend(utf8_percent_encode(&name, VALUE));
        url.push('=');
        url.extend(utf8_percent_encode(&value, VALUE));
    }
    let headers = saved
        .headers
        .iter()
        .map(|(name, value)| Ok((name.clone(), fill(value, &values, Place::Text)?)))
        .collect::<Result<Vec<_>, String>>()
        .map_err(bad)?;
    let body = saved.body.as_ref().map(|body| fill(body, &values, Place::Text)).transpose();
    let request = OutgoingRequest {
        method: saved.method.to_ascii_uppercase(),
        url,
        headers,
        body: body.map_err(bad)?,
        key,
        origin: Some(origin),
        name: saved.name.clone(),
        expect: saved.expect.clone(),
    };
    super::wire::Prepared::new(&request)?;
    Ok(request)
}

/// A variable that neither the request nor those before it use is a typing error, not something to pass
/// over.
pub(super) fn check_known(
    saved: &SavedRequest,
    before: &[&SavedRequest],
    given: &BTreeMap<String, String>,
) -> Result<()> {
    let used: BTreeSet<&str> =
        std::iter::once(saved).chain(before.iter().copied()).flat_map(used).collect();
    let Some(unknown) = given.keys().find(|name| !used.contains(name.as_str())) else {
        return Ok(());
    };
    let known: Vec<_> = used.into_iter().collect();
    let known = if known.is_empty() {
        "no variables".to_owned()
    } else {
        format!("only {}", known.join(", "))
    };
    let why = format!("there is no variable {unknown:?} in it; it uses {known}");
    Err(Failure::new(FailureKind::Invalid, format!("preparing request {}", saved.name), why))
}

/// Names of the variables that a saved request uses and that a person may give, without those that are
/// taken from an earlier answer.
pub fn variables_of(saved: &SavedRequest) -> BTreeSet<&str> {
    used(saved).into_iter().filter(|name| !name.contains('.')).collect()
}

/// Names of all variables that a saved request uses.
pub(super) fn used(saved: &SavedRequest) -> BTreeSet<&str> {
    let query = saved.query.iter().flat_map(|(name, value)| [name, value]);
    std::iter::once(&saved.path)
        .chain(query)
        .chain(saved.headers.values())
        .chain(&saved.body)
        .flat_map(|text| holes(text))
        .map(|(_, _, name)| name)
        .collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Path,
    Text,
}

/// Every `{{name}}` of a text with where it begins and ends.
pub(super) fn holes(text: &str) -> impl Iterator<Item = (usize, usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text.get(from..)?.find("{{")?;
        let end = start + text[start..].find("}}")? + 2;
        from = end;
        Some((start, end, text[start + 2..end - 2].trim()))
    })
}

/// `text` with its variables filled in, encoded for where it stands.
fn fill(text: &str, values: &BTreeMap<String, String>, place: Place) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let literal = |filled: &mut String, part: &str| match place {
        Place::Path => filled.extend(utf8_percent_encode(part, PATH)),
        Place::Text => filled.push_str(part),
    };
    let mut copied = 0;
    for (start, end, name) in holes(text) {
        let value = values
            .get(name)
            .ok_or_else(|| format!("its variable {name:?} has no value; give --var {name}=…"))?;
        literal(&mut filled, &text[copied..start]);
        match place {
            Place::Path => filled.extend(utf8_percent_encode(value, VALUE)),
            Place::Text => filled.push_str(value),
        }
        copied = end;
    }
    literal(&mut filled, &text[copied..]);
    Ok(filled)
}

/// The routes of an API's document, such as `GET /greet`.
pub(super) fn routes(api: &Api) -> Vec<String> {
    const VERBS: [&str; 8] = [
        "get",
        "put",
        "post",
        "delete",
        "options",
        "head",
        "patch",
        "x-amazon-apigateway-any-method",
    ];
    let Some(paths) = api.document.get("paths").and_then(serde_json::Value::as_object) else {
        return Vec::new();
    };
    let verbs = |path: &str, item: &serde_json::Value| -> Vec<String> {
        let named = VERBS.iter().filter(|verb| item.get(**verb).is_some());
        named
            .map(|verb| match *verb {
                "x-amazon-apigateway-any-method" => format!("ANY {path}"),
                verb => format!("{} {path}", verb.to_ascii_uppercase()),
            })
            .collect()
    };
    paths.iter().flat_map(|(path, item)| verbs(path, item)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn saved(path: &str) -> SavedRequest {
        SavedRequest {
            name: "visit".into(),
            description: String::new(),
            api: "greet".into(),
            method: "get".into(),
            path: path.into(),
            headers: BTreeMap::from([("x-user-id".into(), "{{user}}".into())]),
            query: BTreeMap::new(),
            body: None,
            variables: BTreeMap::from([("user".into(), "alice".into())]),
            ..SavedRequest::default()
        }
    }

    fn origin() -> Origin {
        Origin {
            base_url: "http://127.0.0.1:8080/restapis/a1/prod/_user_request_".into(),
            ..Origin::default()
        }
    }

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn variables_are_filled_in_and_encoded_for_where_they_stand() {
        let mut request = saved("/users/{{ id }}/größe x");
        request.query = BTreeMap::from([("q".into(), "{{id}} & more".into())]);
        request.body = Some("{\"id\": \"{{id}}\"}".into());
        let out =
            outgoing(&request, origin(), None, &vars(&[("id", "a/b?c"), ("user", "bob")])).unwrap();
        assert_eq!(out.method, "GET");
        assert_eq!(
            out.url,
            "http://127.0.0.1:8080/restapis/a1/prod/_user_request_/users/a%2Fb%3Fc/gr%C3%B6%C3%9Fe%20x?q=a%2Fb%3Fc%20%26%20more"
        );
        assert_eq!(out.headers, [("x-user-id".to_owned(), "bob".to_owned())]);
        assert_eq!(out.body.as_deref(), Some("{\"id\": \"a/b?c\"}"));
    }

    #[test]
    fn defaults_count_and_what_is_missing_or_unknown_is_named() {
        let out = outgoing(&saved("/greet"), origin(), None, &vars(&[])).unwrap();
        assert_eq!(out.headers[0].1, "alice");
        let failure = outgoing(&saved("/{{id}}"), origin(), None, &vars(&[])).unwrap_err();
        assert!(failure.why.contains("\"id\" has no value"), "{}", failure.why);
        let failure = check_known(&saved("/greet"), &[], &vars(&[("usr", "x")])).unwrap_err();
        assert_eq!(failure.why, "there is no variable \"usr\" in it; it uses only user");
    }

    #[test]
    fn what_can_not_be_sent_is_refused_with_the_reason() {
        let refused = |request: &SavedRequest, variables: &[(&str, &str)]| {
            outgoing(request, origin(), None, &vars(variables)).unwrap_err().why
        };
        let why = refused(&saved("/greet"), &[("user", "a\r\nx-admin: 1")]);
        assert_eq!(why, "the value of header x-user-id holds a control character");
        let mut request = saved("/greet");
        request.headers = BTreeMap::from([("Content-Length".into(), "5".into())]);
        assert_eq!(refused(&request, &[]), "header Content-Length is set by the connection itself");
        request.headers = BTreeMap::from([("bad name".into(), "5".into())]);
        assert_eq!(refused(&request, &[]), "\"bad name\" is not a header name");
        assert_eq!(refused(&saved("greet"), &[]), "its path \"greet\" must begin with /");
        let mut request = saved("/greet");
        request.method = "GET IT".into();
        assert_eq!(refused(&request, &[]), "\"GET IT\" is not an HTTP method");
    }

    #[test]
    fn an_empty_header_value_is_sent_as_it_is() {
        let mut request = saved("/greet");
        request.headers = BTreeMap::from([("x-user-id".into(), String::new())]);
        let out = outgoing(&request, origin(), None, &vars(&[])).unwrap();
        assert_eq!(out.headers, [("x-user-id".to_owned(), String::new())]);
    }
}
