//! Patch operations: `{"op","path","value","from"}`, whose values are always text.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::reply::{bad_request, input};
use crate::error::AwsError;

/// One change of a document.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PatchOperation {
    pub op: Op,
    pub path: String,
    #[serde(default)]
    pub value: Option<String>,
    #[serde(default)]
    pub from: Option<String>,
}

/// What a patch operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

impl Op {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
            Self::Move => "move",
            Self::Copy => "copy",
            Self::Test => "test",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Patch {
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

/// The operations in a PATCH request's body.
pub(super) fn read(body: &[u8]) -> Result<Vec<PatchOperation>, AwsError> {
    Ok(input::<Patch>(body)?.patch_operations)
}

impl PatchOperation {
    /// The path's parts with `~1` and `~0` decoded as RFC 6901 says.
    pub fn parts(&self) -> Vec<String> {
        self.path.split('/').skip(1).map(unescape).collect()
    }

    /// The new value; an absent one is empty.
    pub fn text(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }

    /// The new value as a truth value: everything but `true` is false, as AWS reads it.
    pub fn flag(&self) -> bool {
        self.text().eq_ignore_ascii_case("true")
    }

    /// The new value, or nothing when it is removed.
    pub fn optional(&self) -> Option<String> {
        if self.op == Op::Remove { None } else { self.value.clone() }
    }

    /// The answer to a path that cannot be patched.
    pub fn invalid_path(&self) -> AwsError {
        bad_request(format!("Invalid patch path {}", self.path))
    }

    /// The other wording some documents have for a path that cannot be patched; `replaceable`
    /// lists what `replace` accepts.
    pub fn unsupported(&self, replaceable: &str) -> AwsError {
        let choice = if self.op == Op::Replace {
            format!("Must be one of: [{replaceable}]")
        } else {
            "Please choose supported operations".to_owned()
        };
        bad_request(format!(
            "Invalid patch path  '{}' specified for op '{}'. {choice}",
            self.path,
            self.op.word()
        ))
    }

    /// Adds, replaces or removes one entry of a map.
    pub fn apply_to<T>(
        &self,
        map: &mut BTreeMap<String, T>,
        key: &str,
        value: T,
    ) -> Result<(), AwsError> {
        match self.op {
            Op::Add | Op::Replace => {
                map.insert(key.to_owned(), value);
                Ok(())
            }
            Op::Remove => {
                map.remove(key);
                Ok(())
            }
            Op::Move | Op::Copy | Op::Test => Err(only(&["add", "remove", "replace"])),
        }
    }

    /// Refuses every operation but `replace`.
    pub fn must_replace(&self) -> Result<(), AwsError> {
        if self.op == Op::Replace { Ok(()) } else { Err(only(&["replace"])) }
    }
}

/// Decodes `~1` to `/` and `~0` to `~`.
pub(super) fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// The answer to an operation that a path does not take.
pub(super) fn only(operations: &[&str]) -> AwsError {
    bad_request(format!(
        "Invalid patch operation specified. Must be one of: [{}]",
        operations.join(", ")
    ))
}
