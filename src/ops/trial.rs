//! The gateway's own method test: a request through the definition as it is now, deployed or not.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigateway::types::Resource;
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedRequest;
use serde::Serialize;

use crate::deploy::kinds::stage;
use crate::engine::Engine;
use crate::invoke::cleaned;
use crate::request::Given;
use crate::request::exchange::OutgoingRequest;
use crate::{live, request, whose};

/// What the method test answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MethodTest {
    /// The saved request's name.
    pub request: String,
    /// Method and path as they were tested.
    pub tested: String,
    /// Status.
    pub status: u16,
    /// Body, cleaned of control characters.
    pub body: String,
    /// How long it took, in ms, as the gateway says.
    pub latency_ms: i64,
    /// Headers of the answer.
    pub headers: Vec<(String, String)>,
    /// The execution log.
    pub log: Vec<String>,
}

impl MethodTest {
    /// As lines for a person.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "tested {}: {} in {} ms, with the definition as it is now",
            self.tested, self.status, self.latency_ms
        )];
        lines.extend(self.body.lines().map(str::to_owned));
        lines.extend(self.log.iter().map(|line| format!("| {line}")));
        lines
    }
}

/// Tests the method that `saved` asks for, with the variables of `stage`. Keys, throttles and caches take
/// no part in a method test.
///
/// # Errors
/// `NotFound` when the API is not deployed or has no such method; otherwise as
/// [`request::prepare`].
pub async fn test(
    engine: &Engine,
    blueprint: &Blueprint,
    saved: &SavedRequest,
    stage: &str,
) -> Result<MethodTest> {
    tested(engine, blueprint, saved, stage, &Given::default()).await.map(|(_, test)| test)
}

/// The same with what fills the request's variables; also gives the request as it was tested.
pub(crate) async fn tested(
    engine: &Engine,
    blueprint: &Blueprint,
    saved: &SavedRequest,
    stage: &str,
    given: &Given,
) -> Result<(OutgoingRequest, MethodTest)> {
    // The gateway does not ask for a key here, which may not exist yet.
    let keyless = SavedRequest { key: None, ..saved.clone() };
    let outgoing = request::prepare(engine, blueprint, &keyless, stage, given).await?;
    let origin = outgoing.origin.clone().unwrap_or_default();
    let below = outgoing.url.strip_prefix(&origin.base_url).unwrap_or(&outgoing.url);
    let what = format!("testing {} {below} of {}", outgoing.method, saved.api);
    let method =
        Method::of(engine, blueprint, &saved.api, (&outgoing.method, below), &what).await?;

    let variables: HashMap<String, String> = variables(blueprint, stage).into_iter().collect();
    let headers: HashMap<String, String> = outgoing.headers.iter().cloned().collect();
    engine.target.learn_caller().await;
    let answer = engine
        .target
        .apigateway()
        .test_invoke_method()
        .rest_api_id(&method.api)
        .resource_id(&method.resource)
        .http_method(&method.verb)
        .path_with_query_string(below)
        .set_body(outgoing.body.clone())
        .set_headers((!headers.is_empty()).then_some(headers))
        .set_stage_variables((!variables.is_empty()).then_some(variables))
        .send()
        .await
        .map_err(|error| Failure::from_sdk(&what, &error))?;
    let mut answered: Vec<(String, String)> = Vec::new();
    for (name, values) in answer.multi_value_headers().into_iter().flatten() {
        answered.extend(values.iter().map(|value| (cleaned(name), cleaned(value))));
    }
    answered.sort();
    let test = MethodTest {
        request: saved.name.clone(),
        tested: format!("{} {below}", outgoing.method),
        status: u16::try_from(answer.status()).unwrap_or_default(),
        body: cleaned(answer.body().unwrap_or_default()),
        latency_ms: answer.latency(),
        headers: answered,
        log: cleaned(answer.log().unwrap_or_default()).lines().map(str::to_owned).collect(),
    };
    Ok((outgoing, test))
}

/// The variables of a stage as the lab has them, `lambdaAlias` among them; none for a stage that it has not.
pub(crate) fn variables(blueprint: &Blueprint, stage: &str) -> BTreeMap<String, String> {
    let found = blueprint.stages.iter().find(|known| known.name == stage);
    found.map(stage::variables).unwrap_or_default()
}

/// A method of the definition as it is now.
pub(crate) struct Method {
    /// Id of the API.
    pub api: String,
    /// Id of the resource.
    pub resource: String,
    /// Path of the resource, with `{parameters}`.
    pub path: String,
    /// The verb that it was declared with: `ANY` takes every one.
    pub verb: String,
}

impl Method {
    /// The method of the blueprint's API `name` that answers a request with this verb and path, the query
    /// left out. `what` is what is being done.
    ///
    /// # Errors
    /// `NotFound` where the API is not deployed, or has no such method.
    pub async fn of(
        engine: &Engine,
        blueprint: &Blueprint,
        name: &str,
        (verb, path): (&str, &str),
        what: &str,
    ) -> Result<Self> {
        let missing = |why: String| Failure::new(FailureKind::NotFound, what, why);
        let apis = live::rest_apis(&engine.target).await?;
        let api = whose::api(&apis, name, blueprint).and_then(|api| api.id());
        let api = api.ok_or_else(|| missing(format!("API {name} is not deployed")))?;
        let resources = resources(engine, api).await?;
        let (resource, verb) =
            matching(&resources, path.split('?').next().unwrap_or(path), verb)
                .ok_or_else(|| missing("the definition has no such method".to_owned()))?;
        let of = resources.iter().find(|one| one.id() == Some(resource));
        Ok(Self {
            api: api.to_owned(),
            resource: resource.to_owned(),
            path: of.and_then(Resource::path).unwrap_or_default().to_owned(),
            verb: verb.to_owned(),
        })
    }
}

/// Every resource of an API.
pub(crate) async fn resources(engine: &Engine, api: &str) -> Result<Vec<Resource>> {
    let list = engine.target.apigateway().get_resources().rest_api_id(api).limit(live::PAGE);
    let all = list.into_paginator().items().send().collect::<std::result::Result<_, _>>().await;
    all.map_err(|e| Failure::from_sdk(format!("reading the resources of API {api}"), &e))
}

/// The resource and the method that answer a path: written-out segments before parameters before the
/// rest (`{proxy+}`), as the gateway chooses.
pub(crate) fn matching<'r>(
    resources: &'r [Resource],
    path: &str,
    method: &str,
) -> Option<(&'r str, &'r str)> {
    let (resource, method) = best(resources, path, method)?;
    Some((resource.id()?, method))
}

/// The same with the resource's path instead of its id.
pub(crate) fn template<'r>(
    resources: &'r [Resource],
    path: &str,
    method: &str,
) -> Option<(&'r str, &'r str)> {
    let (resource, method) = best(resources, path, method)?;
    Some((resource.path()?, method))
}

fn best<'r>(
    resources: &'r [Resource],
    path: &str,
    method: &str,
) -> Option<(&'r Resource, &'r str)> {
    let found = resources.iter().filter_map(|resource| {
        let rank = rank(resource.path()?, path)?;
        let methods = resource.resource_methods()?;
        let own = [method, "ANY"].into_iter().find_map(|word| methods.get_key_value(word))?.0;
        Some((rank, resource, own.as_str()))
    });
    let best = found.min_by(|a, b| a.0.cmp(&b.0))?;
    Some((best.1, best.2))
}

/// How well a resource's path fits, segment by segment: 0 written out, 1 a parameter, 2 the rest.
pub(crate) fn rank(template: &str, path: &str) -> Option<Vec<u8>> {
    let mut given = path.split('/').skip(1);
    let mut rank = Vec::new();
    for part in template.split('/').skip(1) {
        let segment = given.next()?;
        if part.starts_with('{') && part.ends_with("+}") {
            rank.push(2);
            return Some(rank);
        }
        match part.starts_with('{') && part.ends_with('}') {
            true if !segment.is_empty() => rank.push(1),
            false if part == segment => rank.push(0),
            _ => return None,
        }
    }
    given.next().is_none().then_some(rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_out_comes_before_parameters() {
        assert_eq!(rank("/items/{ID}", "/items/7"), Some(vec![0, 1]));
        assert_eq!(rank("/items/new", "/items/new"), Some(vec![0, 0]));
        assert_eq!(rank("/{proxy+}", "/items/7"), Some(vec![2]));
        assert_eq!(rank("/", "/"), Some(vec![0]));
        for (template, path) in
            [("/items", "/items/7"), ("/items/{ID}", "/items"), ("/items/{ID}", "/items/")]
        {
            assert_eq!(rank(template, path), None, "{template} {path}");
        }
    }
}
