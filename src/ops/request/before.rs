//! Requests that come before another, and what they capture for it.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedRequest;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::earlier;
use super::exchange::Exchange;

/// The requests that are sent before `saved`, each once and behind those before itself.
///
/// # Errors
/// Invalid when the lab has no such request or they come before each other.
pub(super) fn in_order<'b>(
    blueprint: &'b Blueprint,
    saved: &SavedRequest,
) -> Result<Vec<&'b SavedRequest>> {
    fn visit<'b>(
        blueprint: &'b Blueprint,
        names: &[String],
        way: &mut Vec<String>,
        order: &mut Vec<&'b SavedRequest>,
    ) -> Result<(), String> {
        for name in names {
            if order.iter().any(|known| &known.name == name) {
                continue;
            }
            if way.contains(name) {
                return Err(format!("{name} comes before itself"));
            }
            let earlier = blueprint.requests.iter().find(|request| &request.name == name);
            let earlier = earlier.ok_or_else(|| format!("the lab has no request {name}"))?;
            way.push(name.clone());
            visit(blueprint, &earlier.before, way, order)?;
            way.pop();
            order.push(earlier);
        }
        Ok(())
    }
    let mut order = Vec::new();
    visit(blueprint, &saved.before, &mut vec![saved.name.clone()], &mut order).map_err(|why| {
        let what = format!("preparing the requests before {}", saved.name);
        Failure::new(FailureKind::Invalid, what, why)
    })?;
    Ok(order)
}

/// Whether a request must be sent: what it captures is not all given.
pub(super) fn is_needed(earlier: &SavedRequest, given: &BTreeMap<String, String>) -> bool {
    earlier.capture.is_empty() || earlier.capture.keys().any(|name| !given.contains_key(name))
}

/// Takes what `earlier` captures out of its answer.
///
/// # Errors
/// Invalid when the answer is an error or does not have it.
pub(super) fn capture(
    saved: &SavedRequest,
    earlier: &SavedRequest,
    exchange: &Exchange,
    values: &mut BTreeMap<String, String>,
) -> Result<()> {
    let what = format!("sending {}, which comes before {}", earlier.name, saved.name);
    let bad = |why: String| Failure::new(FailureKind::Invalid, &what, why);
    if exchange.status >= 400 {
        let why = format!("it answered {}: {}", exchange.status, exchange.body);
        let failure = bad(why);
        return Err(match &exchange.explanation {
            Some(explanation) => failure.next(explanation.clone()),
            None => failure,
        });
    }
    if earlier.capture.is_empty() {
        return Ok(());
    }
    let body: Value = serde_json::from_str(&exchange.body)
        .map_err(|error| bad(format!("its answer is not JSON: {error}")))?;
    for (name, path) in &earlier.capture {
        let parsed = JsonPath::parse(path).map_err(|error| bad(error.to_string()))?;
        let found = parsed.query(&body).all();
        let Some(value) = found.first() else {
            return Err(bad(format!("its answer has no {path}: {}", exchange.body)));
        };
        values.insert(name.clone(), earlier::text_of(value));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn request(name: &str, before: &[&str]) -> SavedRequest {
        SavedRequest {
            name: name.into(),
            path: "/{{id}}".into(),
            before: before.iter().map(|name| (*name).to_owned()).collect(),
            capture: BTreeMap::from([("id".to_owned(), "$.pet.id".to_owned())]),
            ..SavedRequest::default()
        }
    }

    fn answered(status: u16, body: &str) -> Exchange {
        Exchange { status, body: body.into(), ..Exchange::default() }
    }

    #[test]
    fn each_is_sent_once_and_behind_those_before_it() {
        let lab = Blueprint {
            requests: vec![
                request("a", &[]),
                request("b", &["a"]),
                request("c", &["b", "a"]),
                request("x", &["y"]),
                request("y", &["x"]),
            ],
            ..Blueprint::default()
        };
        let names = |saved: &SavedRequest| -> Vec<String> {
            in_order(&lab, saved).unwrap().iter().map(|request| request.name.clone()).collect()
        };
        assert_eq!(names(&request("d", &["c", "b"])), ["a", "b", "c"]);
        assert!(in_order(&lab, &request("z", &["x"])).unwrap_err().why.contains("before itself"));
        assert!(in_order(&lab, &request("z", &["w"])).unwrap_err().why.contains("no request w"));
    }

    #[test]
    fn what_is_captured_becomes_a_variable_unless_it_was_given() {
        let (saved, earlier) = (request("get", &["add"]), request("add", &[]));
        let mut values = BTreeMap::new();
        capture(&saved, &earlier, &answered(201, r#"{"pet":{"id":"p1"}}"#), &mut values).unwrap();
        assert_eq!(values["id"], "p1");
        let given = BTreeMap::from([("id".to_owned(), "p2".to_owned())]);
        assert!(!is_needed(&earlier, &given));
        assert!(is_needed(&earlier, &BTreeMap::new()));
        capture(&saved, &earlier, &answered(200, r#"{"pet":{"id":7}}"#), &mut values).unwrap();
        assert_eq!(values["id"], "7");
        for (status, body, said) in [
            (403, "Forbidden", "it answered 403: Forbidden"),
            (200, "{}", "has no $.pet.id"),
            (200, "text", "is not JSON"),
        ] {
            let failure = capture(&saved, &earlier, &answered(status, body), &mut values);
            let failure = failure.unwrap_err();
            assert!(failure.why.contains(said), "{failure:?}");
            assert_eq!(failure.what, "sending add, which comes before get");
        }
    }
}
