//! Variables whose values are taken from earlier answers: `{{pet.id}}` is what the last answer of the
//! request `pet` has as `id`.

use std::collections::{BTreeMap, BTreeSet};

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedRequest;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::Given;
use super::exchange::Exchange;
use super::prepare::used;

/// Names of the requests whose last answers a saved request takes values from.
pub fn answers_of(saved: &SavedRequest) -> BTreeSet<&str> {
    used(saved).into_iter().filter_map(|name| Some(name.split_once('.')?.0)).collect()
}

/// The values of a request's variables: what was given, else what was captured, else what earlier
/// answers have; `sent` are answers of this very run, the newest last, and come before those given.
///
/// # Errors
/// Invalid when an answer is not there or has no such value; it names the request to send first.
pub(super) fn filled(
    blueprint: &Blueprint,
    saved: &SavedRequest,
    captured: &BTreeMap<String, String>,
    given: &Given,
    sent: &[Exchange],
) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for name in used(saved) {
        let known = given.variables.get(name).or_else(|| captured.get(name)).cloned();
        let value = match (known, name.split_once('.')) {
            (Some(value), _) => Some(value),
            (None, Some((of, rest))) => Some(taken(blueprint, saved, (of, rest), given, sent)?),
            (None, None) => None,
        };
        values.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(values)
}

fn taken(
    blueprint: &Blueprint,
    saved: &SavedRequest,
    (of, rest): (&str, &str),
    given: &Given,
    sent: &[Exchange],
) -> Result<String> {
    let what = format!("preparing request {}", saved.name);
    let failed = |why: String| {
        Failure::new(FailureKind::Invalid, &what, why)
            .next(format!("send it first: labdeck request {} {of}", blueprint.name))
    };
    let Some(earlier) = blueprint.requests.iter().find(|request| request.name == of) else {
        let why = format!("its variable {of}.{rest} names a request {of} that there is not");
        return Err(Failure::new(FailureKind::Invalid, what, why));
    };
    let answer = sent.iter().rev().find(|answer| answer.request.name == of);
    let Some(answer) = answer.or_else(|| given.answers.get(of)) else {
        let why =
            format!("its variable {of}.{rest} is taken from the answer of {of}, and there is none");
        return Err(failed(why));
    };
    let path = match earlier.capture.get(rest) {
        Some(path) => path.clone(),
        None => format!("$.{rest}"),
    };
    let parsed = JsonPath::parse(&path)
        .map_err(|error| failed(format!("its variable {of}.{rest} is no JSON path: {error}")))?;
    let body: Option<Value> = serde_json::from_str(&answer.body).ok();
    let found = body.as_ref().and_then(|body| parsed.query(body).all().first().copied());
    found.map(text_of).ok_or_else(|| {
        let status = answer.status;
        failed(format!("the last answer of {of}, a {status}, has no {path} for {of}.{rest}"))
    })
}

/// A JSON value as text: a text without its quotes.
pub(crate) fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn lab() -> Blueprint {
        let pet = SavedRequest {
            name: "pet".into(),
            path: "/pets".into(),
            capture: BTreeMap::from([("id".to_owned(), "$.pet.id".to_owned())]),
            ..SavedRequest::default()
        };
        Blueprint { name: "shop".into(), requests: vec![pet], ..Blueprint::default() }
    }

    fn saved(path: &str) -> SavedRequest {
        SavedRequest { name: "get".into(), path: path.into(), ..SavedRequest::default() }
    }

    fn answer(body: &str) -> Exchange {
        let mut exchange = Exchange { status: 200, body: body.into(), ..Exchange::default() };
        exchange.request.name = "pet".into();
        exchange
    }

    #[test]
    fn a_capture_comes_before_a_path_and_what_is_given_before_both() {
        let (lab, none) = (lab(), BTreeMap::new());
        let body = r#"{"id":"outer","pet":{"id":7},"all":[{"n":"x"}]}"#;
        let mut given = Given::default();
        given.answers.insert("pet".into(), answer(body));
        let path = "/{{pet.id}}/{{ pet.pet.id }}/{{pet.all[0].n}}/{{plain}}";
        let values = filled(&lab, &saved(path), &none, &given, &[]).unwrap();
        let expected = [("pet.all[0].n", "x"), ("pet.id", "7"), ("pet.pet.id", "7")];
        let expected: BTreeMap<String, String> =
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(values, expected);
        let newer = [answer(r#"{"pet":{"id":8}}"#)];
        assert_eq!(
            filled(&lab, &saved("/{{pet.id}}"), &none, &given, &newer).unwrap()["pet.id"],
            "8"
        );
        given.variables.insert("pet.id".into(), "9".into());
        assert_eq!(
            filled(&lab, &saved("/{{pet.id}}"), &none, &given, &newer).unwrap()["pet.id"],
            "9"
        );
        assert_eq!(answers_of(&saved(path)), BTreeSet::from(["pet"]));
    }

    #[test]
    fn an_answer_that_is_not_there_names_the_request_to_send() {
        let (lab, none) = (lab(), BTreeMap::new());
        let refused =
            |path: &str, given: &Given| filled(&lab, &saved(path), &none, given, &[]).unwrap_err();
        let failure = refused("/{{pet.id}}", &Given::default());
        assert!(failure.why.contains("the answer of pet, and there is none"), "{failure:?}");
        assert_eq!(failure.next.as_deref(), Some("send it first: labdeck request shop pet"));
        let mut given = Given::default();
        given.answers.insert("pet".into(), answer("{}"));
        let failure = refused("/{{pet.id}}", &given);
        assert_eq!(failure.why, "the last answer of pet, a 200, has no $.pet.id for pet.id");
        assert!(refused("/{{dog.id}}", &given).why.contains("names a request dog"));
    }
}
