//! The value of an API key, looked up when a request needs it.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;

use super::exchange::KeyValue;
use crate::engine::Engine;
use crate::live::{PAGE, ROTATES_TAG, VERIFIED_TAG};
use crate::whose;

/// The value of a key of the blueprint's own. While the key is rotated it is that of the old one until the new
/// one was seen to be accepted.
///
/// # Errors
/// `NotFound` when the lab has no such key on the target.
pub async fn value(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<KeyValue> {
    let what = format!("looking up the value of key {name}");
    let list = engine.target.apigateway().get_api_keys().name_query(name).include_values(true);
    let mut pages = list.limit(PAGE).into_paginator().send();
    let mut foreign = false;
    let mut found: Option<(u8, KeyValue)> = None;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Failure::from_sdk(&what, &error))?;
        // The query is the beginning of a name.
        for key in page.items().iter().filter(|key| key.name() == Some(name)) {
            let has = |tag: &str| key.tags().is_some_and(|tags| tags.contains_key(tag));
            let ours = whose::key(key.id(), key.tags(), blueprint);
            let Some(value) = key.value().filter(|_| ours) else {
                foreign = true;
                continue;
            };
            let rank = match (has(ROTATES_TAG), has(VERIFIED_TAG)) {
                (true, true) => 2,
                (false, _) => 1,
                (true, false) => 0,
            };
            if found.as_ref().is_none_or(|(best, _)| rank > *best) {
                found =
                    Some((rank, KeyValue::new(value).of(key.id().unwrap_or_default()).named(name)));
            }
        }
    }
    if let Some((_, value)) = found {
        return Ok(value);
    }
    let why = if foreign {
        whose::why_foreign(blueprint, "a key")
    } else {
        format!("there is no API key {name}")
    };
    Err(Failure::new(FailureKind::NotFound, what, why).next(whose::when_missing(blueprint)))
}

/// Id and name of the key of the account that has this value; `None` when none has. Values are only
/// compared here.
///
/// # Errors
/// Those of the calls.
pub async fn of_value(engine: &Engine, value: &str) -> Result<Option<(String, String)>> {
    let list = engine.target.apigateway().get_api_keys().include_values(true).limit(PAGE);
    let mut pages = list.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Failure::from_sdk("looking for a key's name", &error))?;
        if let Some(key) = page.items().iter().find(|key| key.value() == Some(value)) {
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            return Ok(Some((text(key.id()), text(key.name()))));
        }
    }
    Ok(None)
}

/// The value of the key with this id.
///
/// # Errors
/// `NotFound` when there is no such key.
pub async fn value_of(engine: &Engine, id: &str) -> Result<KeyValue> {
    let what = format!("looking up the value of key {id}");
    let call = engine.target.apigateway().get_api_key().api_key(id).include_value(true);
    let key = call.send().await.map_err(|error| Failure::from_sdk(&what, &error))?;
    let value = key.value().map(|value| KeyValue::new(value).of(id));
    value.ok_or_else(|| Failure::new(FailureKind::Service, what, "the answer holds no value"))
}
