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
        let name = match tagged(arn)? {
            Tagged::Function(name) => name,
            Tagged::Mapping(uuid) => {
                return Ok(json_answer(200, &json!({ "Tags": self.mapping_tags(uuid)? })));
            }
        };
        let function = self.registry.get(name)?;
        Ok(json_answer(200, &json!({ "Tags": function.tags })))
    }

    pub(super) async fn tag_resource(
        &self,
        request: &ApiRequest,
        arn: &str,
    ) -> Result<Answer, AwsError> {
        let tagged = tagged(arn)?;
        let input: TagInput = body(request)?;
        if input.tags.is_empty() {
            return Err(invalid_parameter(
                "An error occurred and the request cannot be processed.",
            ));
        }
        let change = |tags: &mut BTreeMap<String, String>| {
            let mut after = tags.clone();
            after.extend(input.tags);
            check_tags(&after)?;
            *tags = after;
            Ok(())
        };
        self.change_tags(tagged, change).await?;
        Ok(empty(204))
    }

    pub(super) async fn untag_resource(
        &self,
        request: &ApiRequest,
        arn: &str,
    ) -> Result<Answer, AwsError> {
        let tagged = tagged(arn)?;
        let keys: Vec<String> = form_urlencoded::parse(request.query.as_bytes())
            .filter(|(key, _)| key == "tagKeys")
            .map(|(_, value)| value.into_owned())
            .collect();
        let change = |tags: &mut BTreeMap<String, String>| {
            tags.retain(|key, _| !keys.contains(key));
            Ok(())
        };
        self.change_tags(tagged, change).await?;
        Ok(empty(204))
    }

    async fn change_tags(
        &self,
        tagged: Tagged<'_>,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), AwsError>,
    ) -> Result<(), AwsError> {
        match tagged {
            Tagged::Function(name) => {
                self.registry.update(name, |function| change(&mut function.tags)).await
            }
            Tagged::Mapping(uuid) => self.tag_mapping(uuid, change).await,
        }
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

/// What can carry tags.
enum Tagged<'a> {
    /// A function by its name.
    Function(&'a str),
    /// An event source mapping by its id.
    Mapping(&'a str),
}

/// What an ARN that can carry tags stands for.
fn tagged(arn: &str) -> Result<Tagged<'_>, AwsError> {
    let prefix = format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:");
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
    let rest = arn.strip_prefix(&prefix).ok_or_else(malformed)?;
    if let Some(uuid) = rest.strip_prefix("event-source-mapping:") {
        let fits = uuid.len() == 36 && Uuid::try_parse(uuid).is_ok();
        return if fits { Ok(Tagged::Mapping(uuid)) } else { Err(malformed()) };
    }
    let Some(rest) = rest.strip_prefix("function:") else {
        return Err(match rest.strip_prefix("capacity-provider:") {
            // Well-formed, and never there.
            Some(id) if is_word(id) => not_found(format!("Capacity provider not found: {arn}")),
            _ => malformed(),
        });
    };
    match rest.split_once(':') {
        None if is_word(rest) => Ok(Tagged::Function(rest)),
        Some((name, _)) if is_word(name) => Err(invalid_parameter(
            "Tags on function aliases and versions are not supported. Please specify a function \
             ARN.",
        )),
        _ => Err(malformed()),
    }
}
