//! A patch operation as it is shown before it is applied: AWS's own words, with the old value beside it.

use aws_sdk_apigateway::types::{Op, PatchOperation};
use serde::Serialize;

/// What a patch operation does to its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Puts something into a list.
    Add,
    /// Gives a value.
    Replace,
    /// Takes it away.
    Remove,
}

impl Verb {
    /// AWS's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// One operation of `UpdateStage` or `UpdateUsagePlan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// What it does.
    pub op: Verb,
    /// AWS's path, slashes of resource paths written `~1`.
    pub path: String,
    /// The new value, always text; `None` where something is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What was there when it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
}

impl Patch {
    /// Gives `path` a value.
    pub fn replace(path: impl Into<String>, value: impl Into<String>, old: Option<&str>) -> Self {
        Self {
            op: Verb::Replace,
            path: path.into(),
            value: Some(value.into()),
            old: old.map(str::to_owned),
        }
    }

    /// Takes `path` away.
    pub fn remove(path: impl Into<String>, old: Option<&str>) -> Self {
        Self { op: Verb::Remove, path: path.into(), value: None, old: old.map(str::to_owned) }
    }

    /// Puts `value` into the list at `path`, or takes it out.
    pub fn member(op: Verb, path: &str, value: String) -> Self {
        Self { op, path: path.to_owned(), value: Some(value), old: None }
    }

    /// For the SDK.
    pub fn operation(&self) -> PatchOperation {
        let op = match self.op {
            Verb::Add => Op::Add,
            Verb::Replace => Op::Replace,
            Verb::Remove => Op::Remove,
        };
        PatchOperation::builder().op(op).path(&self.path).set_value(self.value.clone()).build()
    }

    /// Old and new value as people read them: `5 → 10`, `nothing → red`.
    pub fn change(&self) -> String {
        let shown = |value: &Option<String>| match value.as_deref() {
            None | Some("") => "nothing".to_owned(),
            Some(value) => value.to_owned(),
        };
        match (self.op, &self.old) {
            (Verb::Replace, _) | (Verb::Remove, Some(_)) => {
                format!("{} → {}", shown(&self.old), shown(&self.value))
            }
            _ => self.value.clone().unwrap_or_default(),
        }
    }
}

/// What the audit says of patches: what was there, and what is there then; of variables the names alone.
pub fn told(patches: &[Patch]) -> (String, String) {
    let line = |patch: &Patch, value: &Option<String>| {
        let hidden = ["/variables/", "/canarySettings/stageVariableOverrides/"];
        match value {
            Some(value) if !hidden.iter().any(|start| patch.path.starts_with(start)) => {
                format!("{} {value}", patch.path)
            }
            Some(_) => patch.path.clone(),
            None => format!("no {}", patch.path),
        }
    };
    let all = |of: fn(&Patch) -> &Option<String>| {
        patches.iter().map(|patch| line(patch, of(patch))).collect::<Vec<_>>().join(", ")
    };
    (all(|patch| &patch.old), all(|patch| &patch.value))
}

/// A part of a path in a patch: `~` and `/` are written `~0` and `~1` (RFC 6901).
pub fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// What [`escaped`] made.
pub fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}
