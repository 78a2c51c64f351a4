//! Tags of APIs, stages, API keys and usage plans.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::super::model::Texts;
use super::super::plans::model::{ApiKey, UsagePlan};
use super::super::plans::registry::Edit;
use super::super::reply::{Outcome, Reply, bad_request, input, no_api, no_stage, not_found};
use super::super::state::Apis;
use super::Call;
use super::keys::no_key;
use super::usage_plans::no_plan;
use crate::core::REGION;
use crate::error::AwsError;

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewTags {
    tags: Texts,
}

/// What an ARN such as `arn:aws:apigateway:us-east-1::/restapis/{id}/stages/{name}` names.
enum Target<'a> {
    Api(&'a str),
    Stage { api: &'a str, name: &'a str },
    Key(&'a str),
    Plan(&'a str),
}

impl Target<'_> {
    /// The answer when it is not there.
    fn missing(&self) -> AwsError {
        match self {
            Self::Api(id) => no_api(id),
            Self::Stage { .. } => no_stage(),
            Self::Key(_) => no_key(),
            Self::Plan(_) => no_plan(),
        }
    }

    fn tags(&self, apis: &Apis) -> Result<Texts, AwsError> {
        let tags = match self {
            Self::Api(id) => apis.get(id).map(|api| api.definition.api.tags.clone()),
            Self::Stage { api, name } => {
                apis.get(api).and_then(|api| Some(api.stages.get(*name)?.tags.clone()))
            }
            Self::Key(id) => apis.plans().read().key(id).map(|key| key.tags.clone()),
            Self::Plan(id) => apis.plans().read().plan(id).map(|plan| plan.tags.clone()),
        };
        tags.ok_or_else(|| self.missing())
    }

    /// Changes the tags and refuses what AWS refuses.
    async fn change(&self, apis: &Apis, edit: impl FnOnce(&mut Texts)) -> Outcome {
        let edited = |tags: &Texts| {
            let mut tags = tags.clone();
            edit(&mut tags);
            checked(tags)
        };
        let done = Reply::empty(204);
        match *self {
            Self::Api(id) => {
                apis.change(id, self.missing(), |api| {
                    let tags = edited(&api.definition.api.tags)?;
                    api.edit().api.tags = tags;
                    Ok(done)
                })
                .await
            }
            Self::Stage { api, name } => {
                apis.change(api, self.missing(), |api| {
                    let stage = api.stages.get_mut(name).ok_or_else(no_stage)?;
                    let tags = edited(&stage.tags)?;
                    Arc::make_mut(stage).tags = tags;
                    Ok(done)
                })
                .await
            }
            Self::Key(id) => {
                apis.change_plans(|registry| {
                    let mut key = ApiKey::clone(registry.key(id).ok_or_else(no_key)?);
                    key.tags = edited(&key.tags)?;
                    Ok((done, vec![Edit::PutKey(key)]))
                })
                .await
            }
            Self::Plan(id) => {
                apis.change_plans(|registry| {
                    let mut plan = UsagePlan::clone(registry.plan(id).ok_or_else(no_plan)?);
                    plan.tags = edited(&plan.tags)?;
                    Ok((done, vec![Edit::PutPlan(plan)]))
                })
                .await
            }
        }
    }
}

/// `GetTags`, `TagResource`, `UntagResource`.
pub(super) async fn one(apis: &Apis, call: &Call<'_>, arn: &str) -> Outcome {
    let target = parse(arn)?;
    match call.verb() {
        "GET" => Reply::ok(&json!({ "tags": target.tags(apis)? })),
        "PUT" => {
            let new: NewTags = input(call.body())?;
            target.change(apis, |tags| tags.extend(new.tags)).await
        }
        "DELETE" => {
            let keys: Vec<String> = form_urlencoded::parse(call.request.query.as_bytes())
                .filter(|(name, _)| name == "tagKeys")
                .map(|(_, value)| value.into_owned())
                .collect();
            target.change(apis, |tags| tags.retain(|key, _| !keys.contains(key))).await
        }
        _ => Err(call.absent()),
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
        ["restapis", api] => Ok(Target::Api(api)),
        ["restapis", api, "stages", name] => Ok(Target::Stage { api, name }),
        ["apikeys", id] => Ok(Target::Key(id)),
        ["usageplans", id] => Ok(Target::Plan(id)),
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
