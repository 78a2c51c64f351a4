//! Compares an answer with a recorded one. Placeholders of the record (`<uuid:1>`) stand for one value
//! each, wherever they occur in a section, and for different ones where their numbers differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use regex::Regex;
use serde_json::{Map, Value};

use crate::case::Mode;
use crate::support::http::Answer;

/// What the placeholders stand for, so far.
pub type Bound = BTreeMap<String, String>;

/// Where an answer differs from the record, if it does.
pub fn differences(
    expected: &Value,
    mode: Mode,
    answer: &Answer,
    bound: &mut Bound,
) -> Vec<String> {
    let mut found = Vec::new();
    match mode {
        Mode::Text => {
            // Recorded as Python prints bytes.
            let text = expected.as_str().unwrap_or_default();
            let text = text.strip_prefix("b'").and_then(|t| t.strip_suffix('\'')).unwrap_or(text);
            if text != answer.body {
                found.push(format!("{text:?} is {:?}", answer.body));
            }
        }
        Mode::Body => same("", expected, &body_as(expected, answer), bound, &mut found),
        Mode::Sdk => sdk(expected, answer, bound, &mut found),
    }
    found
}

/// The body with what the record has beside it.
fn body_as(expected: &Value, answer: &Answer) -> Value {
    let body = parsed(&answer.body);
    let Value::Object(expected) = expected else { return body };
    let mut composed =
        match (&body, ["content", "body"].iter().find(|k| expected.contains_key(**k))) {
            (Value::Object(members), Some(_)) if !expected.keys().any(|k| k == "errorType") => {
                members.clone()
            }
            (_, Some(name)) => Map::from_iter([((*name).to_owned(), body)]),
            (Value::Object(members), None) => members.clone(),
            (_, None) => return body,
        };
    if expected.contains_key("statusCode") && !composed.contains_key("statusCode") {
        composed.insert("statusCode".into(), answer.status.into());
    }
    if expected.contains_key("errorType") {
        let kind = answer.header("x-amzn-errortype").unwrap_or_default();
        composed.insert("errorType".into(), kind.into());
    }
    Value::Object(composed)
}

fn parsed(text: &str) -> Value {
    if text.is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// As an SDK sees it: the status, the error's code and message, the members.
fn sdk(expected: &Value, answer: &Answer, bound: &mut Bound, found: &mut Vec<String>) {
    let status = &expected["ResponseMetadata"]["HTTPStatusCode"];
    if status.as_u64().is_some_and(|status| status != u64::from(answer.status)) {
        found.push(format!("status {status} is {}", answer.status));
    }
    let body = parsed(&answer.body);
    let mut members = expected.as_object().cloned().unwrap_or_default();
    members.remove("ResponseMetadata");
    if let Some(error) = members.remove("Error") {
        let code = answer.header("x-amzn-errortype").or_else(|| body["__type"].as_str());
        let code = code.unwrap_or_default().split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        same("/Error/Code", &error["Code"], &code.into(), bound, found);
        let message = body["message"].as_str().or_else(|| body["Message"].as_str());
        same("/Error/Message", &error["Message"], &message.into(), bound, found);
        for (name, value) in members {
            let actual = match name.as_str() {
                "message" | "Message" => &Value::from(message.unwrap_or_default()),
                _ => &body[&name],
            };
            same(&format!("/{name}"), &value, actual, bound, found);
        }
        return;
    }
    if answer.status >= 400 {
        found.push(format!("refused: {}", answer.body));
        return;
    }
    let mut body = body;
    // Botocore's names for what the wire calls otherwise, and members that it takes from elsewhere.
    if let Some(object) = body.as_object_mut() {
        if !members.contains_key("item")
            && let Some(items) = object.remove("item")
        {
            object.insert("items".into(), items);
        }
        if members.contains_key("items") {
            object.entry("items").or_insert_with(|| Value::Array(Vec::new()));
        }
        for (member, header) in [("ExecutedVersion", "x-amz-executed-version")] {
            if let (true, Some(value)) = (members.contains_key(member), answer.header(header)) {
                object.insert(member.into(), value.into());
            }
        }
        if members.contains_key("StatusCode") {
            object.insert("StatusCode".into(), answer.status.into());
        }
    }
    same("", &Value::Object(members), &body, bound, found);
}

/// Compares two values, noting each difference with its path.
fn same(path: &str, expected: &Value, actual: &Value, bound: &mut Bound, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(_) | Value::Array(_), Value::String(text))
            if expected.get("line00").is_none() =>
        {
            // The record shows JSON inside of strings as what it means.
            match serde_json::from_str::<Value>(text) {
                Ok(inner) if !inner.is_string() => same(path, expected, &inner, bound, found),
                _ if text.is_empty() && expected == &Value::Object(Map::new()) => {}
                _ => found.push(format!("{path}: {expected} is {actual}")),
            }
        }
        (Value::Object(lines), Value::String(text)) => {
            let actual: Map<String, Value> = text
                .split('\n')
                .enumerate()
                .map(|(number, line)| (format!("line{number:02}"), line.into()))
                .collect();
            same(path, &Value::Object(lines.clone()), &Value::Object(actual), bound, found);
        }
        (Value::Object(wanted), Value::Object(got)) => {
            for (name, value) in wanted {
                let below = format!("{path}/{name}");
                match got.get(name) {
                    Some(actual) => same(&below, value, actual, bound, found),
                    None if value.is_null() => {}
                    // Python has an empty map where the wire has none.
                    None => found.push(format!("{below}: missing, {value} expected")),
                }
            }
            for (name, value) in got {
                if !wanted.contains_key(name) && !value.is_null() && !name.starts_with('_') {
                    found.push(format!("{path}/{name}: not expected: {value}"));
                }
            }
        }
        (Value::Array(wanted), Value::Array(got)) => list(path, wanted, got, bound, found),
        (Value::String(pattern), _) => {
            let text = match actual {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            if let Err(why) = text_matches(pattern, &text, bound) {
                found.push(format!("{path}: {why}"));
            }
        }
        (Value::Number(wanted), Value::Number(got)) => {
            if wanted.as_f64() != got.as_f64() {
                found.push(format!("{path}: {wanted} is {got}"));
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{path}: {expected} is {actual}")),
    }
}

/// Lists agree in any order: the record's is its service's own. In order first, then greedily.
fn list(path: &str, wanted: &[Value], got: &[Value], bound: &mut Bound, found: &mut Vec<String>) {
    if wanted.len() != got.len() {
        found.push(format!("{path}: {} entries are {}: {got:?}", wanted.len(), got.len()));
        return;
    }
    let mut ordered = (bound.clone(), Vec::new());
    for (index, (one, other)) in wanted.iter().zip(got).enumerate() {
        same(&format!("{path}/{index}"), one, other, &mut ordered.0, &mut ordered.1);
    }
    if ordered.1.is_empty() {
        *bound = ordered.0;
        return;
    }
    let mut left: Vec<&Value> = got.iter().collect();
    let mut trial = bound.clone();
    for one in wanted {
        let at = left.iter().position(|other| {
            let (mut tried, mut differs) = (trial.clone(), Vec::new());
            same(path, one, other, &mut tried, &mut differs);
            if differs.is_empty() {
                trial = tried;
            }
            differs.is_empty()
        });
        let Some(at) = at else {
            found.extend(ordered.1);
            return;
        };
        left.remove(at);
    }
    *bound = trial;
}

/// A recorded text with placeholders against a text.
fn text_matches(pattern: &str, text: &str, bound: &mut Bound) -> Result<(), String> {
    let fail = |note: &str| Err(format!("{pattern:?} is {text:?}{note}"));
    match pattern {
        "date" | "datetime" | "timestamp" | "content-length" => {
            return if text.is_empty() { fail("") } else { Ok(()) };
        }
        _ => {}
    }
    // The local cloud has no language of its own: what was recorded with one runtime and then with
    // an older one is asked with the two that are there.
    let pattern = match pattern {
        "python3.12" | "python3.9" => "provided.al2023",
        "python3.11" | "python3.8" => "provided.al2",
        other => other,
    };
    let pattern = pattern
        .replace("<partition>", "aws")
        .replace("<region>", "us-east-1")
        .replace("111111111111", "000000000000");
    let token =
        Regex::new(r"<(code-sha256|[A-Za-z_-]+?)((?::|-)\d+)?>|DDD MMM dd hh:mm:ss UTC yyyy")
            .unwrap();
    let mut expression = String::from("(?s)^");
    let (mut at, mut new) = (0, Vec::new());
    for found in token.captures_iter(&pattern) {
        let whole = found.get(0).unwrap();
        expression.push_str(&regex::escape(&pattern[at..whole.start()]));
        at = whole.end();
        let Some(kind) = found.get(1) else {
            expression.push_str(r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d UTC \d{4}");
            continue;
        };
        if HTML.contains(&kind.as_str()) {
            expression.push_str(&regex::escape(whole.as_str()));
        } else if found.get(2).is_none() {
            expression.push_str(".*?");
        } else if let Some(value) = bound.get(whole.as_str()) {
            expression.push_str(&regex::escape(value));
        } else if let Some(group) = new.iter().position(|name| name == whole.as_str()) {
            // The same again within one text: its group stands for it, compared below.
            let _ = write!(expression, "(?P<again{group}_{at}>.+?)");
        } else {
            let _ = write!(expression, "(?P<new{}>.+?)", new.len());
            new.push(whole.as_str().to_owned());
        }
    }
    expression.push_str(&regex::escape(&pattern[at..]));
    expression.push('$');
    let matcher = Regex::new(&expression).unwrap();
    let Some(groups) = matcher.captures(text) else { return fail("") };
    for name in matcher.capture_names().flatten() {
        let Some((first, _)) = name.strip_prefix("again").and_then(|n| n.split_once('_')) else {
            continue;
        };
        if groups.name(name).map(|m| m.as_str())
            != groups.name(&format!("new{first}")).map(|m| m.as_str())
        {
            return fail(" (one placeholder, two values)");
        }
    }
    for (index, name) in new.iter().enumerate() {
        let value = groups.name(&format!("new{index}")).map_or("", |m| m.as_str()).to_owned();
        let taken = bound.iter().find(|(other, had)| kind(other) == kind(name) && **had == value);
        if let Some((other, _)) = taken {
            return fail(&format!(" ({name} would be {other})"));
        }
        bound.insert(name.clone(), value);
    }
    Ok(())
}

/// `<id:1>` without its number.
fn kind(placeholder: &str) -> &str {
    placeholder.trim_end_matches(|c: char| c.is_ascii_digit() || c == '>')
}

/// Tags of recorded error pages, which are no placeholders.
const HTML: [&str; 9] = ["code", "p", "a", "html", "head", "style", "body", "h", "pre"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What differs between a record and a body, with what was bound before.
    fn found(expected: &Value, body: &Value, bound: &mut Bound) -> Vec<String> {
        let answer = Answer { status: 200, headers: Vec::new(), body: body.to_string() };
        differences(expected, Mode::Sdk, &answer, bound)
    }

    #[test]
    fn a_placeholder_stands_for_one_value_and_no_other_does() {
        let mut bound = Bound::new();
        let record = json!({"Id": "<uuid:1>", "Arn": "arn:<uuid:1>", "Other": "<uuid:2>"});
        let fits = json!({"Id": "a", "Arn": "arn:a", "Other": "b"});
        assert_eq!(found(&record, &fits, &mut bound), Vec::<String>::new());
        // Another answer of the same section.
        assert_eq!(found(&json!({"Id": "<uuid:1>"}), &json!({"Id": "b"}), &mut bound).len(), 1);
        let one_for_two = json!({"Id": "a", "Arn": "arn:a", "Other": "a"});
        assert_eq!(found(&record, &one_for_two, &mut Bound::new()).len(), 1);
        let two_for_one = json!({"Id": "a", "Arn": "arn:b", "Other": "c"});
        assert!(!found(&record, &two_for_one, &mut Bound::new()).is_empty());
    }

    #[test]
    fn members_status_and_lists_are_compared() {
        let record = json!({"List": [{"Id": "x"}, {"Id": "<id:1>"}],
            "ResponseMetadata": {"HTTPStatusCode": 200}});
        let differing = |body: Value| {
            found(&record, &body, &mut Bound::new()).into_iter().next().unwrap_or_default()
        };
        assert_eq!(differing(json!({"List": [{"Id": "a"}, {"Id": "x"}]})), "");
        assert_eq!(differing(json!({"List": [{"Id": "x"}, {"Id": "a"}]})), "", "in any order");
        assert!(differing(json!({"List": [{"Id": "a"}]})).contains("2 entries are 1"));
        assert!(differing(json!({"List": [{"Id": "x"}, {}]})).contains("missing"));
        assert!(
            differing(json!({"List": [{"Id": "a"}, {"Id": "x"}], "More": 1}))
                .contains("not expected")
        );
        let mut created = record.clone();
        created["ResponseMetadata"]["HTTPStatusCode"] = 201.into();
        let body = json!({"List": [{"Id": "a"}, {"Id": "x"}]});
        assert_eq!(found(&created, &body, &mut Bound::new()), ["status 201 is 200"]);
    }

    #[test]
    fn an_error_is_its_code_its_message_and_its_status() {
        let record = json!({"Error": {"Code": "NotFound", "Message": "no <name>"}, "Type": "User",
            "ResponseMetadata": {"HTTPStatusCode": 404}});
        let mut answer = Answer {
            status: 404,
            headers: vec![("x-amzn-errortype".into(), "NotFound".into())],
            body: r#"{"Type":"User","message":"no such thing"}"#.into(),
        };
        let found = |answer: &Answer| differences(&record, Mode::Sdk, answer, &mut Bound::new());
        assert_eq!(found(&answer), Vec::<String>::new());
        answer.body = r#"{"Type":"User","message":"nothing"}"#.into();
        assert_eq!(found(&answer).len(), 1);
        answer.headers.clear();
        assert_eq!(found(&answer).len(), 2);
        answer.status = 400;
        assert_eq!(found(&answer).len(), 3);
    }
}
