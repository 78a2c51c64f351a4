//! Partial batch responses: which records of a batch a function says it failed with.
//!
//! Source: Lambda Developer Guide, "Implementing partial batch responses".

use std::collections::BTreeSet;

use serde_json::Value;

/// What a function that did not fail says of its batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Report {
    /// Everything is done.
    AllDone,
    /// These records failed, the others are done.
    Failed(BTreeSet<String>),
    /// The answer is not one that can be understood: the whole batch failed.
    Unreadable,
}

/// Reads the answer to a batch whose records are known by `ids`.
pub fn read(payload: &[u8], ids: &[&str]) -> Report {
    let failures = match serde_json::from_slice::<Value>(payload) {
        Ok(Value::Null) => return Report::AllDone,
        Ok(Value::Object(mut members)) => members.remove("batchItemFailures"),
        _ => return Report::Unreadable,
    };
    let list = match failures {
        None | Some(Value::Null) => return Report::AllDone,
        Some(Value::Array(list)) => list,
        Some(_) => return Report::Unreadable,
    };
    let mut failed = BTreeSet::new();
    for item in &list {
        match item["itemIdentifier"].as_str() {
            Some(id) if ids.contains(&id) => failed.insert(id.to_owned()),
            _ => return Report::Unreadable,
        };
    }
    if failed.is_empty() { Report::AllDone } else { Report::Failed(failed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_aws_reads_them() {
        let read = |text: &str| read(text.as_bytes(), &["a", "b"]);
        for done in ["null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(read(done), Report::AllDone, "{done}");
        }
        let failed = read(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#);
        assert_eq!(failed, Report::Failed(BTreeSet::from(["b".to_owned()])));
        for wrong in [
            "",
            "7",
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"id":"a"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#,
        ] {
            assert_eq!(read(wrong), Report::Unreadable, "{wrong}");
        }
    }
}
