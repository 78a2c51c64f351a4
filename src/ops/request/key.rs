//! The value of an API key, looked up when a request needs it.

use labdeck_aws::{Failure, FailureKind, Result};

use super::exchange::KeyValue;
use crate::engine::Engine;
use crate::live::{LAB_TAG, PAGE, ROTATES_TAG, VERIFIED_TAG};

/// The value of a key of `lab`'s own. While the key is rotated it is that of the old one until the new
/// one was seen to be accepted.
///
/// # Errors
/// `NotFound` when the lab has no such key on the target.
pub async fn value(engine: &Engine, lab: &str, name: &str) -> Result<KeyValue> {
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
            let ours = key.tags().and_then(|tags| tags.get(LAB_TAG)).is_some_and(|tag| tag == lab);
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
        format!("there is a key of this name, but it does not carry the tag {LAB_TAG}={lab}")
    } else {
        format!("there is no API key {name}")
    };
    Err(Failure::new(FailureKind::NotFound, what, why)
        .next(format!("deploy it first: labdeck deploy {lab}")))
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
