//! Whether an answer is what was expected of it: status, headers, JSON values, time.

use std::collections::BTreeMap;

use labdeck_lab::blueprint::Expect;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::exchange::{Exchange, Verdict};

/// What is said of a body that has no values.
const NOT_JSON: &str = "a body that is not JSON";

/// One verdict for each thing that is expected, in the order status, headers, JSON, time.
pub fn judge(expect: &Expect, exchange: &Exchange) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if let Some(wanted) = expect.status {
        verdicts.push(Verdict {
            what: "status".to_owned(),
            wanted: wanted.to_string(),
            got: exchange.status.to_string(),
            holds: wanted.holds(exchange.status),
        });
    }
    for (name, wanted) in &expect.headers {
        let found = exchange.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        verdicts.push(Verdict {
            what: format!("header {name}"),
            wanted: wanted.clone(),
            got: found.map_or_else(|| "nothing".to_owned(), |(_, value)| value.clone()),
            holds: found.is_some_and(|(_, value)| value == wanted),
        });
    }
    if !expect.json.is_empty() {
        let body = serde_json::from_str::<Value>(&exchange.body).ok();
        verdicts.extend(values(body.as_ref(), &expect.json));
    }
    if let Some(within) = expect.within_ms {
        let millis = exchange.timings.total_ms;
        verdicts.push(Verdict {
            what: "time".to_owned(),
            wanted: format!("at most {within} ms"),
            got: format!("{millis:.1} ms"),
            holds: millis <= f64::from(within),
        });
    }
    verdicts
}

/// One verdict for each JSON path; without a body, one that is not JSON, none holds. Of several values
/// at a path the first counts, and only a value that is alone there holds.
pub fn values(body: Option<&Value>, json: &BTreeMap<String, Value>) -> Vec<Verdict> {
    let verdict = |(path, wanted): (&String, &Value)| {
        let (got, holds) = match (JsonPath::parse(path), body) {
            (Err(error), _) => (format!("no valid path: {error}"), false),
            (Ok(_), None) => (NOT_JSON.to_owned(), false),
            (Ok(path), Some(body)) => match path.query(body).all().as_slice() {
                [] => ("nothing".to_owned(), false),
                [found] => (found.to_string(), same(found, wanted)),
                [found, ..] => (format!("{found} and others"), false),
            },
        };
        Verdict { what: path.clone(), wanted: wanted.to_string(), got, holds }
    };
    json.iter().map(verdict).collect()
}

/// Numbers are compared by value: 1 and 1.0 are the same.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= f64::EPSILON * wanted.abs(),
        _ => found == wanted,
    }
}

/// The first thing that does not hold, in a sentence; `None` when everything does.
pub fn broken(verdicts: &[Verdict]) -> Option<String> {
    let verdict = verdicts.iter().find(|verdict| !verdict.holds)?;
    Some(format!("{} is {} instead of {}", verdict.what, verdict.got, verdict.wanted))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::exchange::Timings;
    use super::*;

    fn expect() -> Expect {
        Expect {
            status: Some("2xx".parse().unwrap()),
            headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
            json: BTreeMap::from([("$.pet.id".to_owned(), Value::from(7))]),
            within_ms: Some(20),
        }
    }

    #[test]
    fn each_thing_is_judged_by_itself() {
        let mut exchange = Exchange {
            status: 201,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: r#"{"pet":{"id":7.0}}"#.into(),
            timings: Timings { total_ms: 20.0, ..Timings::default() },
            ..Exchange::default()
        };
        let verdicts = judge(&expect(), &exchange);
        assert_eq!(verdicts.len(), 4);
        assert_eq!(broken(&verdicts), None, "{verdicts:?}");
        let said = |exchange: &Exchange| broken(&judge(&expect(), exchange)).unwrap();
        exchange.timings.total_ms = 20.2;
        assert_eq!(said(&exchange), "time is 20.2 ms instead of at most 20 ms");
        exchange.body = r#"{"pet":{"id":"7"}}"#.into();
        assert_eq!(said(&exchange), "$.pet.id is \"7\" instead of 7");
        exchange.body = "{}".into();
        assert_eq!(said(&exchange), "$.pet.id is nothing instead of 7");
        exchange.body = "<html>".into();
        assert_eq!(said(&exchange), "$.pet.id is a body that is not JSON instead of 7");
        exchange.headers.clear();
        assert_eq!(said(&exchange), "header content-type is nothing instead of application/json");
        exchange.status = 301;
        assert_eq!(said(&exchange), "status is 301 instead of 2xx");
        assert_eq!(judge(&Expect::default(), &exchange), []);
    }
}
