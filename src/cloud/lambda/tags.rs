//! `ListTags`, `TagResource`, `UntagResource`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::core::{ACCOUNT_ID, REGION};
use crate::error::AwsError;
use crate::protocol::{empty, json_answer};
use crate::wire::{Answer, ApiRequest};

use super::Lambda;
use super::errors::{constraint, invalid_parameter, not_found};
use super::input::body;
use super::names::is_word;

/// The most tags of a function.
const TAG_LIMIT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagInput {
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

impl Lambda {
    pub(super) fn list_tags(&self, arn: &str) -> Result<Answer, AwsError> {
        let function = self.registry.get(tagged_function(arn)?)?;
        Ok(json_answer(200, &json!({ "Tags": function.tags })))
    }

    pub(super) async fn tag_resource(
        &self,
        request: &ApiRequest,
        arn: &str,
    ) -> Result<Answer, AwsError> {
        let name = tagged_function(arn)?;
        let input: TagInput = body(request)?;
        if input.tags.is_empty() {
            return Err(invalid_parameter(
                "An error occurred and the request cannot be processed.",
            ));
        }
        self.registry
            .update(name, |function| {
                let mut tags = function.tags.clone();
                tags.extend(input.tags.clone());
                check_tags(&tags)?;
                function.tags = tags;
                Ok(())
            })
            .await?;
        Ok(empty(204))
    }

    pub(super) async fn untag_resource(
        &self,
        request: &ApiRequest,
        arn: &str,
    ) -> Result<Answer, AwsError> {
        let name = tagged_function(arn)?;
        let keys: Vec<String> = form_urlencoded::parse(request.query.as_bytes())
            .filter(|(key, _)| key == "tagKeys")
            .map(|(_, value)| value.into_owned())
            .collect();
        self.registry
            .update(name, |function| {
                for key in &keys {
                    function.tags.remove(key);
                }
                Ok(())
            })
            .await?;
        Ok(empty(204))
    }
}

/// The limits of tags: their number, and the lengths of keys and values.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
    if tags.len() > TAG_LIMIT {
        return Err(invalid_parameter(format!(
            "Number of tags exceeds resource tag limit. The limit is {TAG_LIMIT} tags per resource."
        )));
    }
    let too_long = |(key, value): (&String, &String)| {
        key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256
    };
    if let Some((key, _)) = tags.iter().find(|tag| too_long(*tag)) {
        return Err(invalid_parameter(format!(
            "The tag {key:?} is too long: keys have 1 to 128 characters, values up to 256."
        )));
    }
    if let Some(key) = tags.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(invalid_parameter(format!(
            "The tag key {key:?} is reserved: keys can't begin with aws:."
        )));
    }
    Ok(())
}

/// The function of an ARN that can carry tags.
fn tagged_function(arn: &str) -> Result<&str, AwsError> {
    let prefix = format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:");
    let malformed = || {
        constraint(
            arn,
            "resource",
            "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:(eusc-)?\
             [a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:(function:[a-zA-Z0-9-_]+\
             (:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-\
             [a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-\
             [0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)",
        )
    };
    let Some(rest) = arn.strip_prefix(&prefix) else {
        return Err(other_resource(arn).unwrap_or_else(malformed));
    };
    match rest.split_once(':') {
        None if is_word(rest) => Ok(rest),
        Some((name, _)) if is_word(name) => Err(invalid_parameter(
            "Tags on function aliases and versions are not supported. Please specify a function \
             ARN.",
        )),
        _ => Err(malformed()),
    }
}

/// The refusal of a well-formed ARN of something else that can carry tags, and is not there.
fn other_resource(arn: &str) -> Option<AwsError> {
    let rest = arn.strip_prefix(&format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:"))?;
    let (kind, id) = rest.split_once(':')?;
    let what = match kind {
        "event-source-mapping" if id.len() == 36 && Uuid::try_parse(id).is_ok() => {
            "Event source mapping"
        }
        "capacity-provider" if is_word(id) => "Capacity provider",
        _ => return None,
    };
    Some(not_found(format!("{what} not found: {arn}")))
}
