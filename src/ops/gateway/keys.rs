//! API keys: listed, made, switched on and off, shown on request. Their values are read only to show or
//! copy them, and stand in no record.

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::{ApiKey, Op, PatchOperation};
use futures_util::future::try_join_all;
use labdeck_aws::{Failure, FailureKind, Result, changing};
use labdeck_lab::Blueprint;
use serde::Serialize;

use super::edit::{Done, drift_note};
use super::found;
use super::patch::Patch;
use super::rules;
use crate::deploy::patiently;
use crate::deploy::{leased, once};
use crate::engine::Engine;
use crate::live::{self, BY_HAND_TAG, ROTATES_TAG};
use crate::request::exchange::KeyValue;
use crate::whose;

/// An API key, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Name.
    pub name: String,
    /// Id.
    pub id: String,
    /// Whether it is accepted.
    pub enabled: bool,
    /// Its description.
    pub description: String,
    /// When it was made, in ms since the epoch.
    pub created_ms: i64,
    /// Names of the lab's usage plans that it is in.
    pub plans: Vec<String>,
    /// Whether it was made by hand, and stays though lab.toml does not name it.
    pub by_hand: bool,
    /// Id of the key that it takes the place of, while that is under way.
    pub rotates: Option<String>,
}

/// The lab's own keys, by name; of one name the oldest first.
///
/// # Errors
/// Those of the calls.
pub async fn list(engine: &Engine, blueprint: &Blueprint) -> Result<Vec<KeyInfo>> {
    let (keys, plans) =
        tokio::try_join!(live::api_keys(&engine.target), live::usage_plans(&engine.target))?;
    let own = plans.into_iter().filter(|plan| whose::plan(plan, blueprint));
    let members = try_join_all(own.map(|plan| async move {
        let id = plan.id().unwrap_or_default();
        let members = live::usage_plan_keys(&engine.target, id).await?;
        let ids: Vec<String> = members.into_iter().filter_map(|key| key.id).collect();
        Ok::<_, Failure>((plan.name.unwrap_or_default(), ids))
    }))
    .await?;
    Ok(assembled(keys, blueprint, &members))
}

/// The lab's own of these keys with the plans that they are in.
pub(super) fn assembled(
    keys: Vec<ApiKey>,
    blueprint: &Blueprint,
    members: &[(String, Vec<String>)],
) -> Vec<KeyInfo> {
    let own = keys.into_iter().filter(|key| whose::key(key.id(), key.tags(), blueprint));
    let mut own: Vec<KeyInfo> = own
        .map(|key| {
            let id = key.id.unwrap_or_default();
            let tags = key.tags.unwrap_or_default();
            let plans = members.iter().filter(|(_, ids)| ids.contains(&id));
            KeyInfo {
                plans: plans.map(|(plan, _)| plan.clone()).collect(),
                name: key.name.unwrap_or_default(),
                enabled: key.enabled,
                description: key.description.unwrap_or_default(),
                created_ms: key.created_date.and_then(|at| at.to_millis().ok()).unwrap_or_default(),
                by_hand: tags.contains_key(BY_HAND_TAG),
                rotates: tags.get(ROTATES_TAG).cloned(),
                id,
            }
        })
        .collect();
    let order =
        |key: &KeyInfo| (key.name.clone(), key.rotates.is_some(), key.created_ms, key.id.clone());
    own.sort_by_key(order);
    own
}

/// The lab's own key of this name: the one that clients have, should it be rotated at this moment.
///
/// # Errors
/// `NotFound`, with those that there are.
pub(super) async fn one(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<KeyInfo> {
    let all = live::api_keys(&engine.target).await?;
    let keys = assembled(all, blueprint, &[]);
    if let Some(found) = keys.iter().find(|key| key.name == name) {
        return Ok(found.clone());
    }
    let known: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    let why = match known.as_slice() {
        [] => format!("lab {} has no API key that is live", blueprint.name),
        known => format!(
            "lab {} has {}{}",
            blueprint.name,
            known.join(", "),
            rules::meant(name, known.iter().copied())
        ),
    };
    Err(Failure::new(FailureKind::NotFound, format!("looking for API key {name}"), why))
}

/// Refuses when the key that was seen is not among those that have its name now: it was rotated, or deleted
/// and made anew.
///
/// # Errors
/// Conflict, with both sides.
pub(super) fn same_key(what: &str, seen: Option<&str>, now: &[KeyInfo]) -> Result<()> {
    let Some(seen) = seen.filter(|seen| now.iter().all(|key| key.id != *seen)) else {
        return Ok(());
    };
    let now: Vec<&str> = now.iter().map(|key| key.id.as_str()).collect();
    let why = format!(
        "somebody else put another key in its place after it was read: it was {seen} and is {} now; \
         nothing was changed",
        now.join(" and ")
    );
    Err(Failure::new(FailureKind::Conflict, what, why).next("look at the keys, then decide again"))
}

/// The value of a key, to be shown or copied.
///
/// # Errors
/// `NotFound` when the lab has no such key.
pub async fn show(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<KeyValue> {
    one(engine, blueprint, name).await?;
    crate::request::key_value(engine, blueprint, name).await
}

/// Makes a key by hand and puts it into usage plans of the lab. Deploys leave it; a destroy removes it.
///
/// # Errors
/// Invalid for a name that AWS does not take; Refused when the lab has a key of this name, or lab.toml
/// names it; `NotFound` for a plan that is not there.
pub async fn create(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    plans: &[String],
) -> Result<Done> {
    let what = format!("creating API key {name}");
    rules::key_name(name).map_err(|why| Failure::new(FailureKind::Invalid, &what, why))?;
    if blueprint.keys.iter().any(|key| key.name == name) {
        let why = "lab.toml names this key: a deploy makes it";
        return Err(Failure::new(FailureKind::Refused, what, why)
            .next(format!("labdeck deploy {}, or another name", blueprint.name)));
    }
    let work = async {
        let named = || async {
            let all = live::api_keys(&engine.target).await?;
            let own = assembled(all, blueprint, &[]);
            Ok::<_, Failure>(own.into_iter().find(|key| key.name == name))
        };
        if named().await?.is_some() {
            let why = format!("lab {} has a key of this name", blueprint.name);
            return Err(Failure::new(FailureKind::Refused, &what, why)
                .next("give another name, or rotate the one that there is"));
        }
        let mut ids = Vec::new();
        for plan in plans {
            let found = found::plan(engine, blueprint, plan).await?;
            ids.push(found.id.unwrap_or_default());
        }
        let tags =
            BTreeMap::from([whose::key_tag(blueprint), (BY_HAND_TAG.to_owned(), "1".to_owned())]);
        let made = make(engine, &what, (name, "", true, None), &tags).await;
        let id = match made {
            Ok(id) => id,
            // The answer was lost, and the lab's lease is held: a key of this name is ours.
            Err(failure) if is_lost(&failure) => named().await?.ok_or(failure)?.id,
            Err(failure) => return Err(failure),
        };
        for (plan, plan_id) in plans.iter().zip(&ids) {
            join(engine, (plan, plan_id), (name, &id)).await?;
        }
        Ok(id)
    };
    let id = leased(engine, &whose::lease(blueprint), Box::pin(work)).await?;
    let into = if plans.is_empty() { String::new() } else { format!(", in {}", plans.join(", ")) };
    let stays = match &blueprint.attached {
        None => "deploys leave it, and a destroy removes it",
        Some(_) => "it stays until somebody removes it",
    };
    let done = Done::new(format!("API key {name} made ({id}){into}")).note(format!(
        "made by hand: {stays}; its value: labdeck keys {} show {name}",
        blueprint.name
    ));
    Ok(if plans.is_empty() {
        done.note("it is in no usage plan yet, and opens nothing")
    } else {
        done
    })
}

/// Whether the call may have done its work all the same.
pub(super) fn is_lost(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Network | FailureKind::Service)
}

/// Makes a key once; gives its id. Its value is not looked at.
pub(super) async fn make(
    engine: &Engine,
    what: &str,
    (name, description, enabled, customer): (&str, &str, bool, Option<&str>),
    tags: &BTreeMap<String, String>,
) -> Result<String> {
    patiently(|| async {
        let call = engine.target.apigateway().create_api_key().name(name).enabled(enabled);
        let mut call = call.set_customer_id(customer.map(str::to_owned));
        if !description.is_empty() {
            call = call.description(description);
        }
        for (tag, value) in tags {
            call = call.tags(tag, value);
        }
        let made = call.customize().config_override(once()).send().await;
        let made = made.map_err(|error| Failure::from_sdk(what, &error))?;
        made.id.ok_or_else(|| Failure::new(FailureKind::Service, what, "the answer names no id"))
    })
    .await
}

/// Puts a key into a plan; it may be in there already.
pub(super) async fn join(
    engine: &Engine,
    (plan, plan_id): (&str, &str),
    (key, key_id): (&str, &str),
) -> Result<()> {
    let joined = patiently(|| async {
        let call = engine.target.apigateway().create_usage_plan_key().usage_plan_id(plan_id);
        let answer = call.key_id(key_id).key_type("API_KEY").send().await;
        answer
            .map(|_| ())
            .map_err(|error| Failure::from_sdk(format!("giving plan {plan} key {key}"), &error))
    })
    .await;
    match joined {
        Err(failure) if failure.kind == FailureKind::Conflict => {
            let all = live::usage_plan_keys(&engine.target, plan_id).await?;
            let has = all.iter().any(|known| known.id() == Some(key_id));
            if has { Ok(()) } else { Err(failure) }
        }
        other => other,
    }
}

/// Has a key accepted, or refused with 403. Only the key with the id `seen`, where that is given.
///
/// # Errors
/// `NotFound` when the lab has no such key; Conflict when somebody changes the lab at this moment, or when
/// the key of this name is another one than the one that was seen.
pub async fn set_enabled(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    on: bool,
    seen: Option<&str>,
) -> Result<Done> {
    let word = if on { "enabled" } else { "disabled" };
    let work = async {
        let key = one(engine, blueprint, name).await?;
        let doing = if on { "enabling" } else { "disabling" };
        same_key(&format!("{doing} API key {name}"), seen, std::slice::from_ref(&key))?;
        if key.enabled == on {
            return Ok(None);
        }
        let patch = Patch::replace("/enabled", on.to_string(), Some(&key.enabled.to_string()));
        patiently(|| async {
            let operation =
                PatchOperation::builder().op(Op::Replace).path("/enabled").value(on.to_string());
            let call = engine.target.apigateway().update_api_key().api_key(&key.id);
            let call = call.patch_operations(operation.build());
            let words = |on: bool| if on { "enabled" } else { "disabled" };
            let answer = changing(words(key.enabled), words(on), call.send()).await;
            let what = format!("changing API key {name}");
            answer.map(|_| ()).map_err(|error| Failure::from_sdk(what, &error))
        })
        .await?;
        Ok(Some(patch))
    };
    let patch = leased(engine, &whose::lease(blueprint), Box::pin(work)).await?;
    let Some(patch) = patch else {
        return Ok(Done::new(format!("API key {name} is {word} already")));
    };
    let mut done = Done::new(format!("API key {name} is {word}"));
    done.patches.push(patch);
    if !on {
        done = done.note("requests with it get 403 Forbidden, within about two minutes on AWS");
    }
    if blueprint.keys.iter().any(|key| key.name == name) {
        let keys = [("enabled".to_owned(), on.to_string())];
        done.notes.extend(drift_note(&format!("keys.{name}"), &keys));
    }
    Ok(done)
}
