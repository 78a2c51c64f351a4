//! Whose something is: the one place that decides whether what is live is a blueprint's.
//!
//! What a lab deployed carries its tag or mark; a resource of the same name without it is somebody
//! else's. What is attached carries neither: it is known by the ids and names of the attachment.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigateway::types::{RestApi, UsagePlan};
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;

use crate::live::LAB_TAG;
use crate::status;

/// The tag on an API key that was made for an attachment, with the attachment's name.
pub(crate) const ATTACHED_TAG: &str = "labdeck:attached";

/// The blueprint's API of this name.
pub(crate) fn api<'a>(
    apis: &'a [RestApi],
    name: &str,
    blueprint: &Blueprint,
) -> Option<&'a RestApi> {
    match &blueprint.attached {
        None => status::own_api(apis, name, &blueprint.name),
        Some(attached) => {
            let id = attached.apis.get(name)?;
            apis.iter().find(|api| api.id() == Some(id))
        }
    }
}

/// Whether a function of the blueprint's name that has these tags is the blueprint's.
pub(crate) fn function(tags: &BTreeMap<String, String>, blueprint: &Blueprint) -> bool {
    blueprint.attached.is_some() || tags.get(LAB_TAG) == Some(&blueprint.name)
}

/// Whether a usage plan is the blueprint's: an attachment's are those that are bound to its APIs.
pub(crate) fn plan(plan: &UsagePlan, blueprint: &Blueprint) -> bool {
    match &blueprint.attached {
        None => tagged(plan.tags(), LAB_TAG, &blueprint.name),
        Some(attached) => plan.api_stages().iter().any(|bound| {
            bound.api_id().is_some_and(|id| attached.apis.values().any(|known| known == id))
        }),
    }
}

/// Whether an API key with this id and these tags is the blueprint's: an attachment's are those of its
/// usage plans, and those that were made for it.
pub(crate) fn key(
    id: Option<&str>,
    tags: Option<&HashMap<String, String>>,
    blueprint: &Blueprint,
) -> bool {
    match &blueprint.attached {
        None => tagged(tags, LAB_TAG, &blueprint.name),
        Some(attached) => {
            tagged(tags, ATTACHED_TAG, &blueprint.name)
                || id.is_some_and(|id| attached.keys.contains(id))
        }
    }
}

fn tagged(tags: Option<&HashMap<String, String>>, tag: &str, value: &str) -> bool {
    tags.and_then(|tags| tags.get(tag)).is_some_and(|owner| owner == value)
}

/// The tag that an API key gets which is made for the blueprint. What is attached does not become a
/// lab's: a destroy of a lab of the same name must not find it.
pub(crate) fn key_tag(blueprint: &Blueprint) -> (String, String) {
    let tag = if blueprint.attached.is_some() { ATTACHED_TAG } else { LAB_TAG };
    (tag.to_owned(), blueprint.name.clone())
}

/// The name of the lease under which the blueprint's resources are changed. Attachments have other names
/// on other machines: theirs is that of the lab that the resources belong to, else of the resources.
pub(crate) fn lease(blueprint: &Blueprint) -> String {
    let Some(attached) = &blueprint.attached else { return blueprint.name.clone() };
    let first = || {
        let api = attached.apis.values().min().map(|id| format!("api-{id}"));
        api.or_else(|| Some(format!("function-{}", blueprint.functions.first()?.name)))
    };
    let lab = attached.labs.first().cloned();
    lab.or_else(first).unwrap_or_else(|| format!("attached-{}", blueprint.name))
}

/// What to do where something of the blueprint is not there.
pub(crate) fn when_missing(blueprint: &Blueprint) -> String {
    let name = &blueprint.name;
    match &blueprint.attached {
        None => format!("deploy it first: labdeck deploy {name}"),
        Some(_) => format!(
            "it is gone, or not there yet: labdeck attach {name} shows what is attached, and \
             labdeck detach {name} forgets it"
        ),
    }
}

/// Why something is not there that a person calls by a name.
pub(crate) fn why_foreign(blueprint: &Blueprint, thing: &str) -> String {
    match &blueprint.attached {
        None => format!(
            "there is {thing} of this name, but it does not carry the tag {LAB_TAG}={}",
            blueprint.name
        ),
        Some(_) => format!(
            "there is {thing} of this name, but nothing binds it to what is attached as {}",
            blueprint.name
        ),
    }
}

/// What becomes of a change by hand to what is attached: who deployed it may set it back.
pub(crate) fn hand_edit_note(blueprint: &Blueprint) -> Option<String> {
    let attached = blueprint.attached.as_ref()?;
    let owners: Vec<String> = (attached.labs.iter())
        .map(|lab| format!("a deploy of lab {lab}"))
        .chain(attached.stacks.iter().map(|stack| format!("an update of the stack {stack}")))
        .collect();
    Some(if owners.is_empty() {
        "a hand edit: whoever deployed this may set it back".to_owned()
    } else {
        format!("a hand edit: {} may set it back", owners.join(" or "))
    })
}

/// Refuses what is done only to what labdeck deployed. `what` says it in present participle:
/// `deploying shop`.
///
/// # Errors
/// Refused when the blueprint is of attached resources.
pub fn refuse_attached(blueprint: &Blueprint, what: &str) -> Result<()> {
    if blueprint.attached.is_none() {
        return Ok(());
    }
    Err(refusal(&blueprint.name, what))
}

/// The refusal of [`refuse_attached`].
pub fn refusal(name: &str, what: &str) -> Failure {
    Failure::new(FailureKind::Refused, what, off(name)).next(format!(
        "what works on it: status, logs, metrics, request, stages, plans, keys, release and \
         rollback; labdeck detach {name} forgets it"
    ))
}

/// Why something is off for what is attached, in one line.
pub fn off(name: &str) -> String {
    format!(
        "{name} is attached, labdeck did not deploy it: it changes releases, stages, plans and keys \
         of it, and never makes or removes its resources"
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigateway::types::ApiStage;
    use labdeck_lab::blueprint::Attached;

    use super::*;

    fn attached() -> Blueprint {
        let attached = Attached {
            apis: BTreeMap::from([("orders@b2".to_owned(), "b2".to_owned())]),
            keys: ["k1".to_owned()].into(),
            ..Attached::default()
        };
        Blueprint { name: "shop".to_owned(), attached: Some(attached), ..Blueprint::default() }
    }

    #[test]
    fn what_is_attached_is_known_by_its_id() {
        let api_of = |id: &str| RestApi::builder().id(id).name("orders").build();
        let all = [api_of("a1"), api_of("b2")];
        let found = api(&all, "orders@b2", &attached()).and_then(|api| api.id());
        assert_eq!(found, Some("b2"));
        assert!(api(&all, "orders", &attached()).is_none());
        let bound = |id: &str| {
            let stage = ApiStage::builder().api_id(id).stage("prod").build();
            UsagePlan::builder().name("p").api_stages(stage).build()
        };
        assert!(plan(&bound("b2"), &attached()) && !plan(&bound("a1"), &attached()));
        assert!(key(Some("k1"), None, &attached()) && !key(Some("k2"), None, &attached()));
        let made = HashMap::from([(ATTACHED_TAG.to_owned(), "shop".to_owned())]);
        assert!(key(Some("k2"), Some(&made), &attached()));
        assert_eq!(key_tag(&attached()).0, ATTACHED_TAG);
    }

    #[test]
    fn what_a_lab_deployed_carries_its_tag_whatever_its_id() {
        let lab = Blueprint { name: "shop".to_owned(), ..Blueprint::default() };
        let tags = |lab: &str| HashMap::from([(LAB_TAG.to_owned(), lab.to_owned())]);
        assert!(key(Some("k"), Some(&tags("shop")), &lab) && !key(Some("k"), None, &lab));
        assert!(!key(Some("k"), Some(&tags("other")), &lab));
        assert!(!function(&BTreeMap::new(), &lab) && function(&BTreeMap::new(), &attached()));
        assert!(refuse_attached(&lab, "deploying shop").is_ok());
        let refused = refuse_attached(&attached(), "deploying shop");
        assert!(refused.is_err_and(|failure| failure.kind == FailureKind::Refused));
    }

    #[test]
    fn the_lease_is_the_same_whatever_the_attachment_is_called() {
        let mut other = attached();
        other.name = "another".to_owned();
        assert_eq!(lease(&attached()), lease(&other));
        let labs = std::collections::BTreeSet::from(["greeter".to_owned()]);
        other.attached = other.attached.map(|attached| Attached { labs, ..attached });
        assert_eq!(lease(&other), "greeter");
    }
}
