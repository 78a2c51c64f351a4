//! An API's definition: the OpenAPI document as it is imported, its hash, and the marks that say
//! whose API it is and which definition a deployment holds.

use aws_sdk_apigateway::types::{Deployment, RestApi};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::deploy::settings::sorted;
use crate::live::LAB_TAG;

/// Hexadecimal digits of a definition's hash: 80 bits.
const DIGITS: usize = 20;
/// Starts the mark in a deployment's description.
const DEPLOYMENT_MARK: &str = "labdeck:definition=";

/// A resolved document with its mark.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The document that is imported, with the mark as the last line of `info.description`.
    pub document: Value,
    /// Hash of the resolved document without the mark.
    pub hash: String,
}

impl Definition {
    /// The definition of an API of `lab` from its document, in which every reference is resolved.
    pub fn new(mut document: Value, lab: &str, variant: Option<&str>) -> Self {
        let hash = hash(&document);
        if let Some(info) = document.get_mut("info").and_then(Value::as_object_mut) {
            let text = info.get("description").and_then(Value::as_str).unwrap_or_default();
            let description = format!("{}\n\n{}", text.trim_end(), mark(lab, &hash, variant));
            info.insert("description".to_owned(), description.trim_start().into());
        }
        Self { document, hash }
    }
}

/// The hash of a document: its members sorted, so that their order does not count.
fn hash(document: &Value) -> String {
    let mut digest = Sha256::new();
    digest.update(sorted(document).to_string());
    let mut text = hex::encode(digest.finalize());
    text.truncate(DIGITS);
    text
}

/// The last line of an API's description: whose it is, the definition that it was given, and of which
/// variant that is.
fn mark(lab: &str, hash: &str, variant: Option<&str>) -> String {
    let variant = variant.map(|name| format!(" variant={name}")).unwrap_or_default();
    format!("{LAB_TAG}={lab} definition={hash}{variant}")
}

/// The lab, the definition's hash and the variant that an API's description names.
fn read_mark(description: &str) -> Option<(&str, &str, Option<&str>)> {
    let line = description.lines().next_back()?;
    let mut parts = line.strip_prefix(LAB_TAG)?.strip_prefix('=')?.split(' ');
    let (lab, definition) = (parts.next()?, parts.next()?);
    let variant = parts.next().and_then(|part| part.strip_prefix("variant="));
    Some((lab, definition.strip_prefix("definition=")?, variant))
}

/// Whether an API is `lab`'s own: by its description's mark, or by its tag.
///
/// The mark is in the imported document, so an API has it from the moment it exists; the tag follows
/// in a call of its own.
pub fn is_own(api: &RestApi, lab: &str) -> bool {
    let marked = api.description().and_then(read_mark).is_some_and(|(owner, ..)| owner == lab);
    marked || api.tags().and_then(|tags| tags.get(LAB_TAG)).is_some_and(|owner| owner == lab)
}

/// The lab that an API's description names.
pub fn owner(api: &RestApi) -> Option<&str> {
    api.description().and_then(read_mark).map(|(lab, ..)| lab)
}

/// The hash of the definition that an API was given last, where its description says so.
pub fn live_hash(api: &RestApi) -> Option<&str> {
    api.description().and_then(read_mark).map(|(_, hash, _)| hash)
}

/// The variant of the definition that an API was given last, where its description says so.
pub fn live_variant(api: &RestApi) -> Option<&str> {
    api.description().and_then(read_mark).and_then(|(.., variant)| variant)
}

/// The description of a deployment of this definition.
pub fn deployment_description(hash: &str) -> String {
    format!("{DEPLOYMENT_MARK}{hash}")
}

/// The hash of the definition that a deployment holds, where its description says so.
pub fn deployment_hash(deployment: &Deployment) -> Option<&str> {
    deployment.description().and_then(|text| text.strip_prefix(DEPLOYMENT_MARK))
}

/// The newest deployment of the definition with this hash.
pub fn deployment_of<'a>(deployments: &'a [Deployment], hash: &str) -> Option<&'a Deployment> {
    deployments
        .iter()
        .filter(|deployment| deployment_hash(deployment) == Some(hash))
        .max_by(|a, b| order(a).cmp(&order(b)))
}

/// The newest deployment that labdeck made: what a release promotes `prod` to.
pub fn newest_deployment(deployments: &[Deployment]) -> Option<&Deployment> {
    deployments
        .iter()
        .filter(|deployment| deployment_hash(deployment).is_some())
        .max_by(|a, b| order(a).cmp(&order(b)))
}

fn order(deployment: &Deployment) -> (i64, u32, Option<&str>) {
    let (seconds, nanos) =
        deployment.created_date().map_or((0, 0), |at| (at.secs(), at.subsec_nanos()));
    (seconds, nanos, deployment.id())
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigateway::primitives::DateTime;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_mark_is_read_back_and_does_not_count_in_the_hash() {
        let document = json!({"openapi":"3.0.1","info":{"title":"a","description":"Text.\n"}});
        let definition = Definition::new(document.clone(), "greet", None);
        let text = definition.document["info"]["description"].as_str().unwrap_or_default();
        assert_eq!(read_mark(text), Some(("greet", definition.hash.as_str(), None)));
        assert!(text.starts_with("Text.\n\n"));
        let swapped = json!({"info":{"description":"Text.\n","title":"a"},"openapi":"3.0.1"});
        assert_eq!(Definition::new(swapped, "greet", Some("mock")).hash, definition.hash);
        let other = json!({"openapi":"3.0.1","info":{"title":"b"}});
        assert_ne!(Definition::new(other, "greet", None).hash, definition.hash);
    }

    #[test]
    fn an_api_without_mark_or_tag_is_foreign() {
        let api = |text: &str| RestApi::builder().name("a").description(text).build();
        assert!(is_own(&api("labdeck:lab=greet definition=00"), "greet"));
        assert!(!is_own(&api("labdeck:lab=greeter definition=00"), "greet"));
        assert!(!is_own(&api("something else"), "greet"));
        let tagged = RestApi::builder().name("a").tags(LAB_TAG, "greet").build();
        assert!(is_own(&tagged, "greet"));
    }

    #[test]
    fn the_newest_deployment_is_by_time() {
        let deployment = |id: &str, at: i64, text: &str| {
            Deployment::builder()
                .id(id)
                .created_date(DateTime::from_secs(at))
                .description(text)
                .build()
        };
        let all = [
            deployment("a", 3, &deployment_description("x")),
            deployment("b", 5, "by hand"),
            deployment("c", 4, &deployment_description("y")),
            deployment("d", 2, &deployment_description("x")),
        ];
        assert_eq!(newest_deployment(&all).and_then(Deployment::id), Some("c"));
        assert_eq!(deployment_of(&all, "x").and_then(Deployment::id), Some("a"));
        assert!(deployment_of(&all, "z").is_none());
    }
}
