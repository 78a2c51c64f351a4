//! `PublishVersion` and `ListVersionsByFunction`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::error::AwsError;
use crate::protocol::json_answer;
use crate::wire::{Answer, ApiRequest};

use super::Lambda;
use super::errors::{function_not_found, invalid_parameter};
use super::input::{body, check_description, max_items, page};
use super::model::{Function, new_revision};
use super::names::{FunctionName, LATEST};
use super::render::{self, Detail};
use super::updates::{check_revision, check_settled, publish};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishInput {
    #[serde(rename = "CodeSha256")]
    code_sha256: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
}

impl Lambda {
    pub(super) async fn publish_version(
        self: &Arc<Self>,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let input: PublishInput = body(request)?;
        if let Some(description) = &input.description {
            check_description(description)?;
        }
        let shown = self
            .registry
            .update(&name.name, |function| {
                let version = publish_latest(function, &input)?;
                let published = function
                    .configuration(&version)
                    .ok_or_else(|| function_not_found(&name.name, Some(&version)))?;
                Ok(render::configuration(&name.name, Some(&version), published, Detail::Full))
            })
            .await?;
        Ok(json_answer(201, &shown))
    }

    pub(super) fn list_versions(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let function = self.registry.get(&name.name)?;
        let mut items = vec![(
            format!("{:020}", 0),
            render::configuration(&name.name, Some(LATEST), &function.latest, Detail::Listed),
        )];
        for (number, version) in &function.versions {
            let qualifier = number.to_string();
            items.push((
                format!("{number:020}"),
                render::configuration(&name.name, Some(&qualifier), version, Detail::Listed),
            ));
        }
        let marker = request.query_value("Marker");
        let (shown, next) = page(items, marker.as_deref(), max_items(request)?);
        let mut answer = json!({ "Versions": shown });
        if let Some(next) = next {
            answer["NextMarker"] = next.into();
        }
        Ok(json_answer(200, &answer))
    }
}

/// Publishes `$LATEST`, unless nothing changed since the version published last: then that one is
/// the answer.
fn publish_latest(function: &mut Function, input: &PublishInput) -> Result<String, AwsError> {
    let latest = &function.latest;
    check_revision(latest, input.revision_id.as_deref())?;
    if let Some(expected) = input.code_sha256.as_deref().filter(|sha| !sha.is_empty())
        && expected != latest.code_sha256
    {
        return Err(invalid_parameter(format!(
            "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({}). Please \
             try again with the CodeSHA256 in $LATEST.",
            latest.code_sha256
        )));
    }
    check_settled(function)?;
    let last = function.last_version;
    let unchanged = function.versions.contains_key(&last)
        && function.last_published.as_deref() == Some(&function.latest.contents());
    if unchanged {
        return Ok(last.to_string());
    }
    let version = publish(function, input.description.as_deref());
    function.latest.revision_id = new_revision();
    Ok(version)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lambda::model::tests::function;

    #[test]
    fn a_version_is_published_only_when_something_changed() {
        let mut function = function("f");
        let nothing = PublishInput::default();
        let revision = function.latest.revision_id.clone();
        assert_eq!(publish_latest(&mut function, &nothing).unwrap(), "1");
        assert_ne!(function.latest.revision_id, revision, "$LATEST gets a new revision id");
        let revision = function.latest.revision_id.clone();
        assert_eq!(publish_latest(&mut function, &nothing).unwrap(), "1");
        assert_eq!(function.latest.revision_id, revision, "nothing was done");

        function.latest.memory_size = 256;
        assert_eq!(publish_latest(&mut function, &nothing).unwrap(), "2");
        // A deleted version's number is not used again, and it is not found unchanged.
        function.versions.remove(&2);
        assert_eq!(publish_latest(&mut function, &nothing).unwrap(), "3");
        assert_eq!(function.versions[&3].memory_size, 256);
        assert_eq!(function.versions[&1].memory_size, 128);
        assert_ne!(function.versions[&1].instance, function.versions[&3].instance);
    }

    #[test]
    fn guards_are_kept() {
        let mut function = function("f");
        let wrong = PublishInput { revision_id: Some("x".to_owned()), ..PublishInput::default() };
        let error = publish_latest(&mut function, &wrong).unwrap_err();
        assert_eq!(
            (error.status.as_u16(), error.code.as_str()),
            (412, "PreconditionFailedException")
        );
        let wrong = PublishInput { code_sha256: Some("abc".to_owned()), ..PublishInput::default() };
        let error = publish_latest(&mut function, &wrong).unwrap_err();
        assert_eq!(
            error.message,
            "CodeSHA256 (abc) is different from current CodeSHA256 in $LATEST (sha). Please try \
             again with the CodeSHA256 in $LATEST."
        );
        function.latest.begin_update(0);
        let error = publish_latest(&mut function, &PublishInput::default()).unwrap_err();
        assert_eq!(
            error.message,
            "The operation cannot be performed at this time. An update is in progress for \
             resource: arn:aws:lambda:us-east-1:000000000000:function:f"
        );
    }
}
