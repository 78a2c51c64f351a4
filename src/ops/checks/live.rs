//! Conditions on live resources: definitions, plans, items, queues, mappings, alarms.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigateway::types::RestApi;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use labdeck_aws::{Failure, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Source, UsagePlan};
use serde_json::{Map, Value};

use super::Finding;
use crate::deploy::definition;
use crate::engine::Engine;
use crate::live::existing;
use crate::redrive::queue_url;
use crate::request::{expect, text_of};
use crate::{live, status};

pub(super) async fn variant(
    engine: &Engine,
    blueprint: &Blueprint,
    wanted: &str,
) -> Result<Finding> {
    let apis = live::rest_apis(&engine.target).await?;
    let mut others = Vec::new();
    for api in &blueprint.apis {
        let found = status::own_api(&apis, &api.name, &blueprint.name);
        match found.map(definition::live_variant) {
            Some(Some(found)) if found == wanted => {}
            Some(Some(found)) => others.push(format!("API {} is {found}", api.name)),
            Some(None) => others.push(format!("API {} does not say its variant", api.name)),
            None => others.push(format!("API {} does not exist", api.name)),
        }
    }
    Ok(if others.is_empty() {
        Finding::new(true, format!("every API is {wanted}"))
    } else {
        Finding::new(false, others.join("; "))
    })
}

/// Whether the stage serves a deployment of another definition than the API has now.
pub(super) async fn stage_stale(
    engine: &Engine,
    blueprint: &Blueprint,
    api: &str,
    stage: &str,
) -> Result<Finding> {
    let apis = live::rest_apis(&engine.target).await?;
    let Some(found) = status::own_api(&apis, api, &blueprint.name) else {
        return Ok(Finding::new(false, format!("API {api} does not exist")));
    };
    let id = found.id().unwrap_or_default();
    let stages = live::stages(&engine.target, id).await?;
    let Some(served) = stages.iter().find(|known| known.stage_name() == Some(stage)) else {
        return Ok(Finding::new(false, format!("API {api} has no stage {stage}")));
    };
    let deployments = live::deployments(&engine.target, id).await?;
    let deployment = deployments.iter().find(|known| known.id() == served.deployment_id());
    let (has, serves) =
        (definition::live_hash(found), deployment.and_then(definition::deployment_hash));
    Ok(match (has, serves) {
        (Some(has), Some(serves)) if has == serves => {
            Finding::new(false, format!("{stage} serves the definition that {api} has"))
        }
        (Some(_), Some(_)) => {
            Finding::new(true, format!("{api} has a newer definition than {stage} serves"))
        }
        _ => Finding::new(false, format!("what {stage} of {api} serves is not known")),
    })
}

pub(super) async fn plan_bound(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
) -> Result<Finding> {
    let Some(wanted) = blueprint.plans_of_all_variants().find(|plan| plan.name == name) else {
        return Ok(Finding::new(false, format!("the lab has no plan {name}")));
    };
    let plans = live::usage_plans(&engine.target).await?;
    let found = plans.iter().find(|plan| {
        let tag = plan.tags().and_then(|tags| tags.get(live::LAB_TAG));
        plan.name() == Some(name) && tag == Some(&blueprint.name)
    });
    let Some(plan) = found else {
        return Ok(Finding::new(false, format!("there is no usage plan {name}")));
    };
    let apis = live::rest_apis(&engine.target).await?;
    let mut missing = unbound(blueprint, wanted, plan.api_stages(), &apis);
    let keys = live::usage_plan_keys(&engine.target, plan.id().unwrap_or_default()).await?;
    let has = |wanted: &String| keys.iter().any(|key| key.name() == Some(wanted));
    let without = wanted.keys.iter().filter(|key| !has(key));
    missing.extend(without.map(|key| format!("key {key} is not in it")));
    Ok(if missing.is_empty() {
        let (stages, keys) = (plan.api_stages().len(), keys.len());
        Finding::new(true, format!("it is bound to {stages} stages and has {keys} keys"))
    } else {
        Finding::new(false, missing.join("; "))
    })
}

/// What a plan is not bound to.
fn unbound(
    blueprint: &Blueprint,
    wanted: &UsagePlan,
    bound: &[aws_sdk_apigateway::types::ApiStage],
    apis: &[RestApi],
) -> Vec<String> {
    let mut missing = Vec::new();
    for api in &wanted.apis {
        let id = status::own_api(apis, api, &blueprint.name).and_then(RestApi::id);
        for stage in &wanted.stages {
            let there = id.is_some()
                && bound
                    .iter()
                    .any(|one| one.api_id() == id && one.stage() == Some(stage.as_str()));
            if !there {
                missing.push(format!("it is not bound to {stage} of {api}"));
            }
        }
    }
    missing
}

pub(super) async fn item(
    engine: &Engine,
    blueprint: &Blueprint,
    table: &str,
    key: &BTreeMap<String, Value>,
    json: &BTreeMap<String, Value>,
) -> Result<Finding> {
    let declared = blueprint.tables.iter().find(|known| known.name == table);
    let range = declared.and_then(|table| table.range_key.as_ref());
    let kind = |name: &str| match range {
        Some((range, kind)) if range == name => kind.clone(),
        _ => declared.map(|table| table.hash_key_type.clone()).unwrap_or_default(),
    };
    let key = key.iter().map(|(name, value)| (name.clone(), attribute(&kind(name), value)));
    let what = format!("reading an item of table {table}");
    let get = engine.target.dynamodb().get_item().table_name(table).consistent_read(true);
    let answer = get.set_key(Some(key.collect())).send().await;
    let Some(answer) = existing(answer.map_err(|error| Failure::from_sdk(what, &error)))? else {
        return Ok(Finding::new(false, format!("table {table} does not exist")));
    };
    let Some(item) = answer.item() else {
        return Ok(Finding::new(false, "there is no such item"));
    };
    Ok(match expect::broken(&expect::values(Some(&plain(item)), json)) {
        Some(why) => Finding::new(false, why),
        None => Finding::new(true, "the item is as expected"),
    })
}

/// A key's value as the table's type has it.
fn attribute(kind: &str, value: &Value) -> AttributeValue {
    let text = text_of(value);
    match kind {
        "N" => AttributeValue::N(text),
        "B" => AttributeValue::B(Blob::new(text)),
        _ => AttributeValue::S(text),
    }
}

/// An item as plain JSON: numbers are numbers, sets are lists, bytes are text in base64.
fn plain(item: &HashMap<String, AttributeValue>) -> Value {
    Value::Object(
        item.iter().map(|(name, value)| (name.clone(), json_of(value))).collect::<Map<_, _>>(),
    )
}

fn json_of(value: &AttributeValue) -> Value {
    use base64::Engine as _;
    let bytes =
        |blob: &Blob| Value::from(base64::engine::general_purpose::STANDARD.encode(blob.as_ref()));
    let number =
        |text: &String| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.clone()));
    match value {
        AttributeValue::S(text) => Value::from(text.clone()),
        AttributeValue::N(text) => number(text),
        AttributeValue::Bool(flag) => Value::from(*flag),
        AttributeValue::B(blob) => bytes(blob),
        AttributeValue::L(items) => items.iter().map(json_of).collect(),
        AttributeValue::M(members) => plain(members),
        AttributeValue::Ss(texts) => texts.iter().cloned().collect(),
        AttributeValue::Ns(numbers) => numbers.iter().map(number).collect(),
        AttributeValue::Bs(blobs) => blobs.iter().map(bytes).collect(),
        _ => Value::Null,
    }
}

/// Whether a queue holds at least so many messages, or none. Messages that are being worked on count.
pub(super) async fn queue_depth(
    engine: &Engine,
    queue: &str,
    at_least: Option<u32>,
) -> Result<Finding> {
    let Some(url) = queue_url(engine, queue).await? else {
        return Ok(Finding::new(false, format!("queue {queue} does not exist")));
    };
    let counted = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let get = engine.target.sqs().get_queue_attributes().queue_url(url);
    let answer = get.set_attribute_names(Some(counted.to_vec())).send().await;
    let what = format!("counting the messages of queue {queue}");
    let answer = answer.map_err(|error| Failure::from_sdk(what, &error))?;
    let depth: u64 =
        counted.iter().filter_map(|name| answer.attributes()?.get(name)?.parse::<u64>().ok()).sum();
    let seen = format!("it holds about {depth} messages");
    Ok(match at_least {
        Some(least) if depth >= u64::from(least) => Finding::new(true, seen),
        Some(least) => Finding::new(false, format!("{seen}; {least} are expected")),
        None => Finding::new(depth == 0, seen),
    })
}

pub(super) async fn mapping_enabled(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
) -> Result<Finding> {
    let Some(wanted) = blueprint.mappings.iter().find(|mapping| mapping.name == name) else {
        return Ok(Finding::new(false, format!("the lab has no mapping {name}")));
    };
    let from_source = |arn: &str| match &wanted.source {
        Source::Queue { queue, .. } => arn.ends_with(&format!(":{queue}")),
        Source::Stream { table, .. } => arn.contains(&format!(":table/{table}/stream/")),
    };
    let calls = |arn: &str| arn.split(':').nth(6) == Some(wanted.function.as_str());
    let mappings = live::mappings(&engine.target).await?;
    let found = mappings.iter().find(|mapping| {
        mapping.event_source_arn().is_some_and(from_source)
            && mapping.function_arn().is_some_and(calls)
    });
    Ok(match found.map(|mapping| mapping.state().unwrap_or_default()) {
        Some(state) => Finding::new(state == "Enabled", format!("it is {state}")),
        None => Finding::new(false, "it does not exist"),
    })
}

pub(super) async fn alarm_state(engine: &Engine, alarm: &str, state: &str) -> Result<Finding> {
    let answer = engine.target.cloudwatch().describe_alarms().alarm_names(alarm).send().await;
    let what = format!("reading alarm {alarm}");
    let answer = answer.map_err(|error| Failure::from_sdk(what, &error))?;
    Ok(match answer.metric_alarms().first() {
        Some(found) => {
            let is = found.state_value().map_or("unknown", |value| value.as_str());
            let why = found.state_reason().unwrap_or_default();
            let reason = format!("it is {is}: {why}");
            Finding::new(is == state, reason.trim_end_matches(": "))
        }
        None => Finding::new(false, "it does not exist"),
    })
}
