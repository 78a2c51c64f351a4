//! Tags of APIs and stages.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::super::model::{Api, Texts};
use super::super::reply::{Outcome, Reply, bad_request, input, no_api, no_stage, not_found};
use super::super::state::Apis;
use super::Call;
use crate::core::REGION;
use crate::error::AwsError;

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewTags {
    tags: Texts,
}

/// What an ARN such as `arn:aws:apigateway:us-east-1::/restapis/{id}/stages/{name}` names.
struct Target<'a> {
    api: &'a str,
    stage: Option<&'a str>,
}

/// `GetTags`, `TagResource`, `UntagResource`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, arn: &str) -> Outcome {
    let target = parse(arn)?;
    let missing = || if target.stage.is_some() { no_stage() } else { no_api(target.api) };
    match call.verb() {
        "GET" => {
            let api = apis.get(target.api).ok_or_else(missing)?;
            let tags = match target.stage {
                Some(name) => &api.stages.get(name).ok_or_else(missing)?.tags,
                None => &api.definition.api.tags,
            };
            Reply::ok(&json!({ "tags": tags }))
        }
        "PUT" => {
            let new: NewTags = input(call.body())?;
            apis.change(target.api, missing(), |api| {
                let tags = of(api, target.stage)?;
                let mut merged = tags.clone();
                merged.extend(new.tags);
                *tags = checked(merged)?;
                Ok(Reply::empty(204))
            })
            .await
        }
        "DELETE" => {
            let keys: Vec<String> = form_urlencoded::parse(call.request.query.as_bytes())
                .filter(|(name, _)| name == "tagKeys")
                .map(|(_, value)| value.into_owned())
                .collect();
            apis.change(target.api, missing(), |api| {
                let tags = of(api, target.stage)?;
                tags.retain(|key, _| !keys.contains(key));
                Ok(Reply::empty(204))
            })
            .await
        }
        _ => Err(call.absent()),
    }
}

fn of<'a>(api: &'a mut Api, stage: Option<&str>) -> Result<&'a mut Texts, AwsError> {
    match stage {
        Some(name) => {
            let stage = api.stages.get_mut(name).ok_or_else(no_stage)?;
            Ok(&mut Arc::make_mut(stage).tags)
        }
        None => Ok(&mut api.edit().api.tags),
    }
}

fn parse(arn: &str) -> Result<Target<'_>, AwsError> {
    let path = arn
        .strip_prefix("arn:aws:apigateway:")
        .and_then(|rest| rest.strip_prefix(REGION))
        .and_then(|rest| rest.strip_prefix("::"))
        .ok_or_else(|| not_found("Invalid resource ARN specified in the request"))?;
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts[..] {
        ["restapis", api] => Ok(Target { api, stage: None }),
        ["restapis", api, "stages", stage] => Ok(Target { api, stage: Some(stage) }),
        _ => Err(not_found("Invalid resource ARN specified in the request")),
    }
}

/// Refuses tags that AWS refuses.
pub(super) fn checked(tags: Texts) -> Result<Texts, AwsError> {
    if tags.len() > 50 {
        return Err(bad_request("A resource can have at most 50 tags"));
    }
    for (key, value) in &tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(bad_request(format!(
                "Invalid tag {key}: a key has 1 to 128 characters, a value at most 256"
            )));
        }
        if key.starts_with("aws:") {
            return Err(bad_request(format!(
                "Invalid tag {key}: keys starting with aws: are reserved"
            )));
        }
    }
    Ok(tags)
}
