//! The policy that holds for the operator: a file, read at the start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use super::policy::{Kind, Malformed, Policy};

/// Bytes that the file may have; a managed policy of IAM has at most 6144 characters.
const LONGEST: u64 = 1024 * 1024;

/// A policy for the operator's own calls.
#[derive(Debug, Clone)]
pub struct OperatorPolicy {
    policy: Policy,
}

/// A file that is no policy. Its text says where and why.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// It can't be read.
    #[error("{} can't be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is far too long.
    #[error("{} is longer than {LONGEST} bytes", file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
    },
    /// It is no policy document.
    #[error("{}, line {line}: {reason}", file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

impl OperatorPolicy {
    /// Reads an IAM policy document from a file.
    pub fn read(file: &Path) -> Result<Self, PolicyFileError> {
        let unreadable = |source| PolicyFileError::Unreadable { file: file.to_owned(), source };
        if std::fs::metadata(file).map_err(unreadable)?.len() > LONGEST {
            return Err(PolicyFileError::TooLong { file: file.to_owned() });
        }
        let document = std::fs::read_to_string(file).map_err(unreadable)?;
        Self::parse(&document).map_err(|(line, reason)| PolicyFileError::Wrong {
            file: file.to_owned(),
            line,
            reason,
        })
    }

    /// Reads a document, or says in which line it is wrong, and why.
    pub fn parse(document: &str) -> Result<Self, (usize, String)> {
        // serde_json knows the place of what is no JSON at all.
        if let Err(error) = serde_json::from_str::<serde_json::Value>(document) {
            return Err((error.line().max(1), error.to_string()));
        }
        match Policy::parse_at(document, Kind::Identity) {
            Ok(policy) => Ok(Self { policy }),
            Err(wrong) => {
                let reason = match &wrong.element {
                    Some(element) => format!("{element}: {}", wrong.error.message),
                    None => wrong.error.message.clone(),
                };
                Err((line(document, &wrong), reason))
            }
        }
    }

    /// The condition keys that can't be decided here: an `Allow` with one never allows, a `Deny`
    /// with one always denies.
    pub fn undecidable(&self) -> Vec<String> {
        self.policy.undecidable()
    }

    pub(super) fn into_policy(self) -> Policy {
        self.policy
    }
}

/// The line of a document in which something is wrong, from 1.
fn line(document: &str, wrong: &Malformed) -> usize {
    let place = place(document, wrong).unwrap_or(document);
    // `place` is a part of `document`.
    let before = (place.as_ptr() as usize).saturating_sub(document.as_ptr() as usize);
    document.as_bytes().iter().take(before).filter(|byte| **byte == b'\n').count() + 1
}

/// The part of a document in which something is wrong.
fn place<'a>(document: &'a str, wrong: &Malformed) -> Option<&'a str> {
    let elements = elements(document)?;
    let Some(statement) = wrong.statement else {
        return elements.get(wrong.element.as_deref()?).map(|value| value.get());
    };
    let list: &RawValue = elements.get("Statement")?;
    let statement = if list.get().starts_with('[') {
        let list: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
        list.get(statement)?.get()
    } else {
        list.get()
    };
    let named = |name: &str| Some(self::elements(statement)?.get(name)?.get());
    Some(wrong.element.as_deref().and_then(named).unwrap_or(statement))
}

fn elements(object: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(object).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_wrong_document_is_told_by_line_and_reason() {
        let wrong = |document: &str| OperatorPolicy::parse(document).unwrap_err();
        let (line, reason) = wrong("{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [,]\n}");
        assert_eq!(line, 3, "{reason}");
        let (line, reason) = wrong(
            "{\n \"Statement\": [\n  {\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},\n  \
             {\"Effect\":\"Allow\",\n   \"Action\":[\"lambda:*\",\n    \"Get\"],\n   \
             \"Resource\":\"*\"}\n ]\n}",
        );
        assert_eq!((line, reason.starts_with("Action: Actions/Conditions must be")), (5, true));
        assert_eq!(
            wrong("{\"Version\":\"2012-10-17\",\n\"Statements\": []}"),
            (2, "Statements: Syntax errors in policy.".to_owned())
        );
        assert_eq!(
            wrong("{\"Statement\":\n {\"Effect\":\"Allow\",\"Action\":\"*\"}}"),
            (2, "Policy statement must contain resources.".to_owned())
        );
        assert_eq!(wrong("[]").0, 1);
        assert_eq!(wrong("").0, 1);
    }

    #[test]
    fn what_can_not_be_decided_is_named() {
        let document = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*",
            "Condition":{"StringEquals":{"aws:RequestTag/a":"b","aws:username":"operator"}}}}"#;
        assert_eq!(OperatorPolicy::parse(document).unwrap().undecidable(), ["aws:RequestTag/a"]);
    }
}
