//! What differs between two answers.

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::exchange::Exchange;

/// Headers that differ from answer to answer and say nothing.
const PASSING: [&str; 10] = [
    "date",
    "x-amzn-requestid",
    "x-amzn-request-id",
    "x-amz-request-id",
    "x-request-id",
    "x-amz-apigw-id",
    "x-amzn-trace-id",
    "x-amz-cf-id",
    "x-amz-cf-pop",
    "via",
];

/// The difference between two answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerDiff {
    /// The two statuses, where they differ.
    pub status: Option<(u16, u16)>,
    /// Headers that only one has, or that differ; without dates and request ids.
    pub headers: Vec<HeaderDiff>,
    /// The two bodies, line by line; JSON is indented first.
    pub body: Vec<DiffLine>,
    /// Whether nothing differs.
    pub same: bool,
}

/// A header that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeaderDiff {
    /// Its name.
    pub name: String,
    /// Its value in the first answer.
    pub before: Option<String>,
    /// Its value in the second.
    pub after: Option<String>,
}

/// A line of the two bodies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffLine {
    /// Which has it.
    pub side: Side,
    /// The line.
    pub text: String,
}

/// Which of two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Both.
    Both,
    /// The first.
    Before,
    /// The second.
    After,
}

impl Side {
    /// The mark in front of a line: a space, `-` or `+`.
    pub fn mark(self) -> char {
        match self {
            Self::Both => ' ',
            Self::Before => '-',
            Self::After => '+',
        }
    }
}

/// What differs between two answers.
pub fn diff(before: &Exchange, after: &Exchange) -> AnswerDiff {
    let status = (before.status != after.status).then_some((before.status, after.status));
    let headers = headers(&before.headers, &after.headers);
    let (first, second) = (pretty(&before.body), pretty(&after.body));
    let body: Vec<DiffLine> = TextDiff::configure()
        .timeout(std::time::Duration::from_secs(1))
        .diff_lines(&first, &second)
        .iter_all_changes()
        .map(|change| DiffLine {
            side: match change.tag() {
                ChangeTag::Equal => Side::Both,
                ChangeTag::Delete => Side::Before,
                ChangeTag::Insert => Side::After,
            },
            text: change.value().trim_end_matches(['\r', '\n']).to_owned(),
        })
        .collect();
    let same = status.is_none() && headers.is_empty() && body.iter().all(|l| l.side == Side::Both);
    AnswerDiff { status, headers, body, same }
}

fn headers(before: &[(String, String)], after: &[(String, String)]) -> Vec<HeaderDiff> {
    let value = |all: &[(String, String)], name: &str| {
        let values = all.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    };
    let names = before.iter().chain(after).map(|(name, _)| name.to_ascii_lowercase());
    let names: std::collections::BTreeSet<String> =
        names.filter(|name| !PASSING.contains(&name.as_str())).collect();
    names
        .into_iter()
        .map(|name| HeaderDiff { before: value(before, &name), after: value(after, &name), name })
        .filter(|header| header.before != header.after)
        .collect()
}

/// JSON indented; other text as it is. Ends with a line break, so that the last line is one as any other.
fn pretty(body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    let indented = serde_json::from_str::<serde_json::Value>(body)
        .and_then(|value| serde_json::to_string_pretty(&value));
    let mut text = indented.unwrap_or_else(|_| body.to_owned());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Exchange {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(owned).collect();
        Exchange { status, headers, body: body.into(), ..Exchange::default() }
    }

    #[test]
    fn dates_and_request_ids_say_nothing() {
        let one = answer(200, &[("Date", "1"), ("x-amzn-RequestId", "a")], "{\"a\":1}");
        let other = answer(200, &[("date", "2"), ("via", "x")], "{ \"a\": 1 }");
        assert!(diff(&one, &other).same);
    }

    #[test]
    fn what_differs_is_shown_line_by_line() {
        let one = answer(200, &[("x-a", "1"), ("x-b", "1")], r#"{"a":1,"b":[1,2]}"#);
        let other = answer(404, &[("X-A", "2"), ("x-c", "1")], r#"{"a":1,"b":[1,3]}"#);
        let found = diff(&one, &other);
        assert_eq!(found.status, Some((200, 404)));
        let said =
            |header: &HeaderDiff| format!("{} {:?} {:?}", header.name, header.before, header.after);
        let headers: Vec<String> = found.headers.iter().map(said).collect();
        let expected =
            ["x-a Some(\"1\") Some(\"2\")", "x-b Some(\"1\") None", "x-c None Some(\"1\")"];
        assert_eq!(headers, expected);
        let lines: Vec<String> =
            found.body.iter().map(|line| format!("{}{}", line.side.mark(), line.text)).collect();
        let expected =
            [" {", "   \"a\": 1,", "   \"b\": [", "     1,", "-    2", "+    3", "   ]", " }"];
        assert_eq!(lines, expected);
        assert!(!found.same);
        assert!(diff(&one, &one).same);
    }
}
