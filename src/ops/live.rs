//! Reading what is live: the calls that status and deploy share. Nothing here changes anything.

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::{
    ApiKey, Deployment, Resource, RestApi, Stage, UsagePlan, UsagePlanKey,
};
use aws_sdk_cloudwatch::types::MetricAlarm;
use aws_sdk_dynamodb::types::TableDescription;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::{
    AliasConfiguration, EventSourceMappingConfiguration, FunctionConfiguration,
};
use labdeck_aws::{Failure, FailureKind, Result, Target};

/// The tag on everything that belongs to a lab.
pub const LAB_TAG: &str = "labdeck:lab";
/// The tag on an API key that a person made with labdeck, beside the lab's tag: deploys leave it though
/// lab.toml does not name it.
pub(crate) const BY_HAND_TAG: &str = "labdeck:by-hand";
/// The tag on a new API key while it takes the place of the one whose id it holds.
pub(crate) const ROTATES_TAG: &str = "labdeck:rotates";
/// The tag on such a key once requests with it were answered.
pub(crate) const VERIFIED_TAG: &str = "labdeck:verified";
/// The largest page of API Gateway's lists.
pub(crate) const PAGE: i32 = 500;

/// `None` instead of a failure that says that it does not exist.
pub(crate) fn existing<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// A function with its tags; `None` when there is none.
pub(crate) async fn function(target: &Target, name: &str) -> Result<Option<GetFunctionOutput>> {
    let answer = target.lambda().get_function().function_name(name).send().await;
    existing(answer.map_err(|e| Failure::from_sdk(format!("reading function {name}"), &e)))
}

/// The tags of a function as a sorted map.
pub(crate) fn function_tags(function: &GetFunctionOutput) -> BTreeMap<String, String> {
    function
        .tags()
        .map(|tags| tags.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
        .unwrap_or_default()
}

/// Every alias of a function; none when the function does not exist.
pub(crate) async fn aliases(target: &Target, name: &str) -> Result<Vec<AliasConfiguration>> {
    let list = target.lambda().list_aliases().function_name(name).into_paginator().items();
    let all = list.send().collect::<std::result::Result<_, _>>().await;
    let what = format!("reading the aliases of {name}");
    existing(all.map_err(|e| Failure::from_sdk(what, &e))).map(Option::unwrap_or_default)
}

/// `$LATEST` and every published version of a function, oldest first; none when it does not exist.
pub(crate) async fn versions(target: &Target, name: &str) -> Result<Vec<FunctionConfiguration>> {
    let list = target.lambda().list_versions_by_function().function_name(name);
    let all = list.into_paginator().items().send().collect::<std::result::Result<_, _>>().await;
    let what = format!("reading the versions of {name}");
    existing(all.map_err(|e| Failure::from_sdk(what, &e))).map(Option::unwrap_or_default)
}

/// Every REST API of the account and region.
pub(crate) async fn rest_apis(target: &Target) -> Result<Vec<RestApi>> {
    let list = target.apigateway().get_rest_apis().limit(PAGE).into_paginator().items();
    let all = list.send().collect::<std::result::Result<_, _>>().await;
    all.map_err(|e| Failure::from_sdk("listing REST APIs", &e))
}

/// The stages of an API; none when it does not exist.
pub(crate) async fn stages(target: &Target, api_id: &str) -> Result<Vec<Stage>> {
    let answer = target.apigateway().get_stages().rest_api_id(api_id).send().await;
    let what = format!("reading the stages of API {api_id}");
    let found = existing(answer.map_err(|e| Failure::from_sdk(what, &e)))?;
    Ok(found.and_then(|answer| answer.item).unwrap_or_default())
}

/// The deployments of an API; none when it does not exist.
pub async fn deployments(target: &Target, api_id: &str) -> Result<Vec<Deployment>> {
    let list = target.apigateway().get_deployments().rest_api_id(api_id).limit(PAGE);
    let all = list.into_paginator().items().send().collect::<std::result::Result<_, _>>().await;
    let what = format!("reading the deployments of API {api_id}");
    existing(all.map_err(|e| Failure::from_sdk(what, &e))).map(Option::unwrap_or_default)
}

/// The resources of an API with their methods.
pub(crate) async fn methods(target: &Target, api_id: &str) -> Result<Vec<Resource>> {
    let list = target.apigateway().get_resources().rest_api_id(api_id).limit(PAGE).embed("methods");
    let all = list.into_paginator().items().send().collect::<std::result::Result<_, _>>().await;
    all.map_err(|e| Failure::from_sdk(format!("reading the methods of API {api_id}"), &e))
}

/// A table; `None` when there is none.
pub(crate) async fn table(target: &Target, name: &str) -> Result<Option<TableDescription>> {
    let answer = target.dynamodb().describe_table().table_name(name).send().await;
    let found =
        existing(answer.map_err(|e| Failure::from_sdk(format!("reading table {name}"), &e)))?;
    Ok(found.and_then(|answer| answer.table))
}

/// Every event source mapping of the account and region.
pub(crate) async fn mappings(target: &Target) -> Result<Vec<EventSourceMappingConfiguration>> {
    let list = target.lambda().list_event_source_mappings().into_paginator().items();
    let all = list.send().collect::<std::result::Result<_, _>>().await;
    all.map_err(|e| Failure::from_sdk("listing event source mappings", &e))
}

/// Every API key of the account and region, without values.
pub(crate) async fn api_keys(target: &Target) -> Result<Vec<ApiKey>> {
    let list = target.apigateway().get_api_keys().limit(PAGE).include_values(false);
    let all = list.into_paginator().items().send().collect::<std::result::Result<_, _>>().await;
    all.map_err(|e| Failure::from_sdk("listing API keys", &e))
}

/// Every usage plan of the account and region.
pub(crate) async fn usage_plans(target: &Target) -> Result<Vec<UsagePlan>> {
    let list = target.apigateway().get_usage_plans().limit(PAGE).into_paginator().items();
    let all = list.send().collect::<std::result::Result<_, _>>().await;
    all.map_err(|e| Failure::from_sdk("listing usage plans", &e))
}

/// The keys of a usage plan; none when it does not exist.
pub(crate) async fn usage_plan_keys(target: &Target, id: &str) -> Result<Vec<UsagePlanKey>> {
    let list = target.apigateway().get_usage_plan_keys().usage_plan_id(id).limit(PAGE);
    let all = list.into_paginator().items().send().collect::<std::result::Result<_, _>>().await;
    let what = format!("reading the keys of usage plan {id}");
    existing(all.map_err(|e| Failure::from_sdk(what, &e))).map(Option::unwrap_or_default)
}

/// The alarms with these names (at most 100), those that exist.
pub(crate) async fn alarms(target: &Target, names: &[String]) -> Result<Vec<MetricAlarm>> {
    let list = target.cloudwatch().describe_alarms().set_alarm_names(Some(names.to_vec()));
    let mut pages = list.into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| Failure::from_sdk("reading alarms", &e))?;
        all.extend(page.metric_alarms.unwrap_or_default());
    }
    Ok(all)
}
