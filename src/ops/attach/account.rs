//! What an account has that could be attached: its REST APIs and functions, with their tags.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_apigateway::types::RestApi;
use aws_sdk_lambda::types::FunctionConfiguration;
use futures_util::{StreamExt, TryStreamExt, stream};
use labdeck_aws::{Failure, Result, Target};
use serde::Serialize;

use super::store::{self, Attachment};
use crate::deploy::kinds::definition;
use crate::engine::Engine;
use crate::live::{self, LAB_TAG};

/// The tag that `CloudFormation` puts on what a stack makes.
pub const STACK_TAG: &str = "aws:cloudformation:stack-name";
/// Calls at once: Lambda tells the tags of one function at a time.
const AT_ONCE: usize = 8;
/// Functions whose tags are read for a list: reading those of more would take too long to look at.
const MOST_TAGGED: usize = 200;

/// What could be attached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Offer {
    /// REST APIs, by name.
    pub apis: Vec<Offered>,
    /// Functions, by name.
    pub functions: Vec<Offered>,
    /// Whether the tags of the functions were not read, since there are too many.
    pub untagged: bool,
}

/// A REST API or a function.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Offered {
    /// Name.
    pub name: String,
    /// The API's id; empty for a function.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The lab that it belongs to, where labdeck deployed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lab: Option<String>,
    /// Names of the attachments that name it.
    pub attached: Vec<String>,
}

/// Reads what the account has in the target's region.
///
/// # Errors
/// Those of the calls.
pub async fn offer(engine: &Engine) -> Result<Offer> {
    let target = &*engine.target;
    let known = store::on(&store::target_key(target).await?)?;
    let (apis, functions) = tokio::try_join!(live::rest_apis(target), functions(target))?;
    let untagged = functions.len() > MOST_TAGGED;
    let tags = if untagged { BTreeMap::new() } else { tags_of(target, &functions).await? };
    let named = |has: &dyn Fn(&Attachment) -> bool| -> Vec<String> {
        known.iter().filter(|one| has(one)).map(|one| one.name.clone()).collect()
    };
    let mut apis: Vec<Offered> = apis
        .iter()
        .map(|api| {
            let id = api.id().unwrap_or_default();
            Offered {
                name: api.name().unwrap_or_default().to_owned(),
                tags: api_tags(api),
                lab: lab_of_api(api),
                attached: named(&|one| one.apis.iter().any(|picked| picked.id == id)),
                id: id.to_owned(),
            }
        })
        .collect();
    apis.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    let functions = functions.iter().filter_map(FunctionConfiguration::function_name);
    let mut functions: Vec<Offered> = functions
        .map(|name| {
            let tags = tags.get(name).cloned().unwrap_or_default();
            Offered {
                name: name.to_owned(),
                id: String::new(),
                lab: tags.get(LAB_TAG).cloned(),
                tags,
                attached: named(&|one| one.functions.iter().any(|picked| picked == name)),
            }
        })
        .collect();
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Offer { apis, functions, untagged })
}

/// Every function of the account and region.
pub(super) async fn functions(target: &Target) -> Result<Vec<FunctionConfiguration>> {
    let list = target.lambda().list_functions().into_paginator().items();
    let all = list.send().collect::<std::result::Result<_, _>>().await;
    all.map_err(|e| Failure::from_sdk("listing functions", &e))
}

/// Names of the functions that carry one of these tags.
pub(super) async fn functions_with(target: &Target, tags: &[String]) -> Result<BTreeSet<String>> {
    let all = functions(target).await?;
    let found = tags_of(target, &all).await?;
    Ok(found.into_iter().filter(|(_, has)| carries(has, tags)).map(|(name, _)| name).collect())
}

/// Whether tags hold one of these `KEY=VALUE`.
pub(super) fn carries(has: &BTreeMap<String, String>, wanted: &[String]) -> bool {
    let mut pairs = wanted.iter().filter_map(|tag| tag.split_once('='));
    pairs.any(|(key, value)| has.get(key).is_some_and(|known| known == value))
}

async fn tags_of(
    target: &Target,
    functions: &[FunctionConfiguration],
) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let mut named = Vec::new();
    for one in functions {
        if let (Some(name), Some(arn)) = (one.function_name(), one.function_arn()) {
            named.push((name.to_owned(), arn.to_owned()));
        }
    }
    stream::iter(named)
        .map(|(name, arn)| async move {
            let answer = target.lambda().list_tags().resource(arn).send().await;
            let what = format!("reading the tags of {name}");
            let answer = live::existing(answer.map_err(|e| Failure::from_sdk(what, &e)))?;
            let tags = answer.and_then(|answer| answer.tags).unwrap_or_default();
            Ok::<_, Failure>((name, tags.into_iter().collect()))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// The tags of an API as a sorted map.
pub(super) fn api_tags(api: &RestApi) -> BTreeMap<String, String> {
    let tags = api.tags().into_iter().flatten();
    tags.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The lab that an API belongs to, by its tag or its mark.
pub(super) fn lab_of_api(api: &RestApi) -> Option<String> {
    let tagged = api.tags().and_then(|tags| tags.get(LAB_TAG)).cloned();
    tagged.or_else(|| definition::owner(api).map(str::to_owned))
}
