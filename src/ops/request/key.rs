//! The value of an API key, looked up when a request needs it.

use labdeck_aws::{Failure, FailureKind, Result};

use super::exchange::KeyValue;
use crate::engine::Engine;
use crate::live::{LAB_TAG, PAGE};

/// The value of a key of `lab`'s own.
///
/// # Errors
/// `NotFound` when the lab has no such key on the target.
pub async fn value(engine: &Engine, lab: &str, name: &str) -> Result<KeyValue> {
    let what = format!("looking up the value of key {name}");
    let list = engine.target.apigateway().get_api_keys().name_query(name).include_values(true);
    let mut pages = list.limit(PAGE).into_paginator().send();
    let mut foreign = false;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Failure::from_sdk(&what, &error))?;
        // The query is the beginning of a name.
        for key in page.items().iter().filter(|key| key.name() == Some(name)) {
            let ours = key.tags().and_then(|tags| tags.get(LAB_TAG)).is_some_and(|tag| tag == lab);
            match key.value() {
                Some(value) if ours => return Ok(KeyValue::new(value)),
                _ => foreign = true,
            }
        }
    }
    let why = if foreign {
        format!("there is a key of this name, but it does not carry the tag {LAB_TAG}={lab}")
    } else {
        format!("there is no API key {name}")
    };
    Err(Failure::new(FailureKind::NotFound, what, why)
        .next(format!("deploy it first: labdeck deploy {lab}")))
}
