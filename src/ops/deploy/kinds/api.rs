//! REST APIs and their deployments: one imported document, one snapshot of it per definition.

use std::time::Duration;

use aws_sdk_apigateway::config::retry::RetryConfig;
use aws_sdk_apigateway::primitives::Blob;
use aws_sdk_apigateway::types::{Deployment, PutMode, RestApi};
use futures_util::future::try_join;
use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Api, Follows};
use serde_json::Value;

use super::definition::{self, Definition, deployment_description};
use super::{drift, stage};
use crate::deploy::graph::Planner;
use crate::deploy::plan::{Change, Verb};
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::wanted::{Place, Wanted};
use crate::live::{self, LAB_TAG, existing};

/// What the plan calls it.
pub const RESOURCE: &str = "API";
/// What the plan calls its tag.
pub const TAG: &str = "API tag";
/// What the plan calls a snapshot.
pub const DEPLOYMENT: &str = "deployment";
/// Verbs of an `OpenAPI` path that are methods.
pub(super) const METHODS: [&str; 8] =
    ["get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"];

/// A REST API that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedApi {
    /// Name.
    pub name: String,
    /// What is imported.
    pub definition: Definition,
    /// Its methods that invoke functions.
    pub routes: Vec<Route>,
}

/// A method of an API that invokes a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The function.
    pub function: String,
    /// The method in capitals, `*` for any.
    pub method: String,
    /// The path, with `{parameters}`.
    pub path: String,
}

/// An API of the lab's own that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveApi {
    /// Id.
    pub id: String,
    /// Hash of the definition that it was given last.
    pub hash: Option<String>,
    /// The variant of that definition, where the lab has several.
    pub variant: Option<String>,
    /// Whether it carries the lab's tag beside the mark.
    pub tagged: bool,
    /// Stages by name.
    pub stages: std::collections::BTreeMap<String, stage::LiveStage>,
    /// Labdeck's deployments, newest first, as `(id, definition's hash)`.
    pub deployments: Vec<(String, String)>,
    /// Where the export of the stage that follows the newest code is not as wanted.
    pub drift: Vec<String>,
    /// Where the definition that it has now, deployed or not, is not as wanted.
    pub edited: Vec<String>,
}

/// What is done to an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiAction {
    /// Import it.
    Import(String),
    /// Give it its definition.
    Put(String),
    /// Put the lab's tag on it.
    Tag(String),
    /// Take a snapshot of its definition.
    Deploy(String),
    /// Remove it with its stages and deployments, by id.
    Delete(String),
}

/// The APIs of a blueprint.
pub fn wanted(resolver: &Resolver<'_>) -> Result<Vec<WantedApi>> {
    resolver.blueprint.apis.iter().map(|api| wanted_api(resolver, api)).collect()
}

fn wanted_api(resolver: &Resolver<'_>, api: &Api) -> Result<WantedApi> {
    let blueprint = resolver.blueprint;
    let document = resolver.value(&api.name, &api.document)?;
    let routes = routes(blueprint, &resolver.place, &document);
    let definition = Definition::new(document, &blueprint.name, blueprint.variant.as_deref());
    Ok(WantedApi { name: api.name.clone(), definition, routes })
}

/// The methods of a resolved document whose integration invokes a function of the lab.
fn routes(blueprint: &Blueprint, place: &Place, document: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    let Some(paths) = document.get("paths").and_then(Value::as_object) else { return routes };
    for (path, item) in paths {
        for method in METHODS {
            let uri = item
                .get(method)
                .and_then(|operation| operation.get("x-amazon-apigateway-integration"))
                .and_then(|integration| integration.get("uri"))
                .and_then(Value::as_str)
                .unwrap_or_default();
            let function = blueprint.functions.iter().find(|function| {
                uri.split_once(&place.function(&function.name))
                    .is_some_and(|(_, rest)| rest.starts_with(':') || rest.starts_with('/'))
            });
            if let Some(function) = function {
                routes.push(Route {
                    function: function.name.clone(),
                    method: if method.starts_with("x-") {
                        "*".into()
                    } else {
                        method.to_uppercase()
                    },
                    path: path.clone(),
                });
            }
        }
    }
    routes
}

/// Reads an API with its stages and deployments.
pub async fn observe(target: &Target, wanted: &Wanted, api: &RestApi) -> Result<(String, LiveApi)> {
    let id = api.id().unwrap_or_default().to_owned();
    let name = api.name().unwrap_or_default().to_owned();
    let wanted_api = wanted.apis.iter().find(|wanted| wanted.name == name);
    let newest = wanted.stages.iter().find(|stage| stage.follows == Follows::Latest);
    let drift = async {
        match (wanted_api, newest) {
            (Some(api), Some(stage)) => {
                drift::observe(target, &id, &stage.name, &api.definition.document).await
            }
            _ => Ok(Vec::new()),
        }
    };
    let edited = async {
        match wanted_api {
            Some(api) => drift::observe_defined(target, &id, &api.definition.document).await,
            None => Ok(Vec::new()),
        }
    };
    let ((stages, mut deployments), (drift, edited)) = try_join(
        try_join(live::stages(target, &id), live::deployments(target, &id)),
        try_join(drift, edited),
    )
    .await?;
    deployments.sort_by_key(|deployment| std::cmp::Reverse(created(deployment)));
    let live = LiveApi {
        hash: definition::live_hash(api).map(str::to_owned),
        variant: definition::live_variant(api).map(str::to_owned),
        tagged: api.tags().and_then(|t| t.get(LAB_TAG)).is_some_and(|lab| *lab == wanted.lab),
        stages: stages.into_iter().map(|live| stage::live_stage(live, wanted)).collect(),
        deployments: deployments
            .iter()
            .filter_map(|deployment| {
                let hash = definition::deployment_hash(deployment)?.to_owned();
                Some((deployment.id().unwrap_or_default().to_owned(), hash))
            })
            .collect(),
        id,
        drift,
        edited,
    };
    Ok((name, live))
}

fn created(deployment: &Deployment) -> (i64, u32) {
    deployment.created_date().map_or((0, 0), |at| (at.secs(), at.subsec_nanos()))
}

impl LiveApi {
    /// The definition that a stage serves, where labdeck deployed it.
    pub fn serves(&self, stage: &str) -> Option<&str> {
        let deployment = &self.stages.get(stage)?.deployment;
        let held = self.deployments.iter().find(|(id, _)| id == deployment);
        held.map(|(_, hash)| hash.as_str())
    }

    /// Whether the snapshot of the wanted definition that is served was changed by hand before it was
    /// taken.
    fn is_tainted(&self, wanted: &Wanted, hash: &str) -> bool {
        let mut newest = wanted.stages.iter().filter(|stage| stage.follows == Follows::Latest);
        !self.drift.is_empty()
            && !wanted.keeps_drift
            && newest.next().is_some_and(|stage| self.serves(&stage.name) == Some(hash))
    }

    /// The deployment of the definition with this hash, where it may be served again.
    pub fn held(&self, wanted: &Wanted, hash: &str) -> Option<&str> {
        if self.is_tainted(wanted, hash) {
            return None;
        }
        self.deployments.iter().find(|(_, of)| of == hash).map(|(id, _)| id.as_str())
    }
}

/// The last step on an API so far: API Gateway refuses changes of one API side by side.
pub fn last(planner: &Planner<'_>, api: &str) -> Vec<usize> {
    let mut steps = planner.of(RESOURCE, api);
    steps.extend(planner.of(TAG, api));
    steps.extend(planner.of(DEPLOYMENT, api));
    for stage in &planner.wanted.stages {
        steps.extend(planner.of(stage::RESOURCE, &stage::label(api, &stage.name)));
    }
    steps.into_iter().max().into_iter().collect()
}

/// Plans the APIs with their stages.
pub fn plan(planner: &mut Planner<'_>) {
    for api in &planner.wanted.apis {
        plan_api(planner, api);
    }
    for (id, name) in &planner.live.other_apis {
        let known = planner.wanted.apis.iter().any(|api| api.name == *name);
        let reason =
            if known { "a double of the lab's own API" } else { "not in lab.toml any more" };
        planner.step(Verb::Delete, RESOURCE, name, reason, &[], ApiAction::Delete(id.clone()));
    }
}

fn plan_api(planner: &mut Planner<'_>, api: &WantedApi) {
    let name = &api.name;
    let hash = &api.definition.hash;
    let live = planner.live.apis.get(name);
    let tainted = live.is_some_and(|live| live.is_tainted(planner.wanted, hash));
    let mut put = false;
    match live {
        None => {
            planner.create(RESOURCE, name, &[], ApiAction::Import(name.clone()));
        }
        Some(live) if live.hash.as_ref() != Some(hash) => {
            put = true;
            let text = match (&live.variant, &planner.wanted.variant) {
                (old, Some(new)) if old.as_ref() != Some(new) => {
                    let old = old.as_deref().unwrap_or("nothing");
                    format!("its definition changed (variant {old} → {new})")
                }
                _ => "its definition changed".to_owned(),
            };
            let changes = vec![definition_change(live, text, false)];
            planner.change(RESOURCE, name, changes, &[], ApiAction::Put(name.clone()));
        }
        Some(live) if tainted => {
            put = true;
            let changes =
                live.drift.iter().map(|text| definition_change(live, text.clone(), true)).collect();
            planner.change(RESOURCE, name, changes, &[], ApiAction::Put(name.clone()));
        }
        // Nothing of it is served yet, and the next deployment would serve it.
        Some(live) if !live.edited.is_empty() && !planner.wanted.keeps_drift => {
            put = true;
            let edits = live.edited.iter().map(|text| format!("{text}, not deployed"));
            let changes = edits.map(|text| definition_change(live, text, true)).collect();
            planner.change(RESOURCE, name, changes, &[], ApiAction::Put(name.clone()));
        }
        Some(_) => {}
    }
    if !live.is_some_and(|live| live.tagged) {
        // An import can't carry tags, so even a new API gets its tag by a call of its own; until then
        // the mark in its description says whose it is.
        let (verb, reason) = match live {
            None => (Verb::Create, "missing"),
            Some(_) => (Verb::Update, "the lab's tag is missing"),
        };
        let after = last(planner, name);
        planner.step(verb, TAG, name, reason, &after, ApiAction::Tag(name.clone()));
    }
    // A snapshot that was taken of this definition serves it again, unless the API changed since.
    let held = live.filter(|_| !put).and_then(|live| live.held(planner.wanted, hash)).is_some();
    let changes = stage::changes_of(planner, api, tainted);
    let needed = changes.iter().any(stage::StageChange::needs_deployment);
    if needed && !held {
        let reason = match live {
            Some(live) if !live.deployments.is_empty() => "no deployment holds this definition",
            _ => "missing",
        };
        let after = last(planner, name);
        let action = ApiAction::Deploy(name.clone());
        planner.step(Verb::Create, DEPLOYMENT, name, reason, &after, action);
    }
    stage::plan(planner, api, changes);
}

fn definition_change(live: &LiveApi, text: String, drift: bool) -> Change {
    let overwrites = live.hash.clone().unwrap_or_default();
    Change { field: "definition".to_owned(), old: None, new: None, text, drift, overwrites }
}

/// Plans to remove the APIs.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    let live = planner.live;
    let own = live.apis.iter().map(|(name, api)| (&api.id, name));
    for (id, name) in own.chain(live.other_apis.iter().map(|(id, name)| (id, name))) {
        let mut before = after.to_vec();
        before.extend(stage::of_api(planner, name));
        let action = ApiAction::Delete(id.clone());
        planner.step(Verb::Delete, RESOURCE, name, "the lab is destroyed", &before, action);
    }
}

impl Wanted {
    pub(super) fn api(&self, name: &str) -> Result<&WantedApi> {
        self.apis.iter().find(|api| api.name == name).ok_or_else(|| missing(RESOURCE, name))
    }
}

/// Calls that create something without a name of its own are not repeated by the SDK: whether the
/// first attempt made it is looked up before.
pub(crate) fn once() -> aws_sdk_apigateway::config::Builder {
    aws_sdk_apigateway::config::Builder::new().retry_config(RetryConfig::disabled())
}

impl StepRun {
    pub(crate) async fn on_api(&self, action: &ApiAction) -> Result<()> {
        match action {
            ApiAction::Import(name) => self.import_api(name).await,
            ApiAction::Put(name) => self.put_api(name).await,
            ApiAction::Tag(name) => {
                let path = format!("/restapis/{}", self.context.id(RESOURCE, name)?);
                self.tag_gateway(&path, LAB_TAG, &self.context.wanted.lab).await
            }
            ApiAction::Deploy(name) => self.deploy_api(name).await,
            ApiAction::Delete(id) => self.delete_api(id).await,
        }
    }

    async fn import_api(&self, name: &str) -> Result<()> {
        let what = format!("importing API {name}");
        let wanted = &self.context.wanted;
        let body = Blob::new(wanted.api(name)?.definition.document.to_string());
        let made = || async {
            let all = live::rest_apis(self.target()).await?;
            let own = crate::status::own_api(&all, name, &wanted.lab);
            Ok(own.and_then(|api| api.id.clone()))
        };
        let id = self
            .create_once(&what, made, || async {
                self.announce_budget("ImportRestApi");
                let call = self
                    .target()
                    .apigateway()
                    .import_rest_api()
                    .fail_on_warnings(true)
                    .parameters("endpointConfigurationTypes", "REGIONAL")
                    .body(body.clone());
                let made = call.customize().config_override(once()).send().await;
                made.map(|made| made.id).map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await?;
        self.context.set_id(RESOURCE, name, id);
        Ok(())
    }

    async fn put_api(&self, name: &str) -> Result<()> {
        let id = self.context.id(RESOURCE, name)?;
        let body = Blob::new(self.context.wanted.api(name)?.definition.document.to_string());
        self.patiently(|| async {
            self.announce_budget("PutRestApi");
            self.target()
                .apigateway()
                .put_rest_api()
                .rest_api_id(&id)
                .mode(PutMode::Overwrite)
                .fail_on_warnings(true)
                .body(body.clone())
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("updating API {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    /// Puts a tag on something of API Gateway, by its path.
    pub(super) async fn tag_gateway(&self, path: &str, key: &str, value: &str) -> Result<()> {
        let arn = self.context.wanted.place.gateway(path);
        self.patiently(|| async {
            let call = self.target().apigateway().tag_resource().resource_arn(&arn);
            let done = call.tags(key, value).send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging {path}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn deploy_api(&self, name: &str) -> Result<()> {
        let what = format!("deploying API {name}");
        let id = self.context.id(RESOURCE, name)?;
        let hash = &self.context.wanted.api(name)?.definition.hash;
        let description = deployment_description(hash);
        let before: Vec<String> = match self.context.live.apis.get(name) {
            Some(live) => live.deployments.iter().map(|(id, _)| id.clone()).collect(),
            None => Vec::new(),
        };
        let made = || async {
            let all = live::deployments(self.target(), &id).await?;
            let newest = definition::deployment_of(&all, hash).and_then(|d| d.id.clone());
            Ok(newest.filter(|id| !before.contains(id)))
        };
        let deployment = self
            .create_once(&what, made, || async {
                self.announce_budget("CreateDeployment");
                let call = self
                    .target()
                    .apigateway()
                    .create_deployment()
                    .rest_api_id(&id)
                    .description(&description);
                let made = call.customize().config_override(once()).send().await;
                made.map(|made| made.id).map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await?;
        self.context.set_id(DEPLOYMENT, name, deployment);
        Ok(())
    }

    async fn delete_api(&self, id: &str) -> Result<()> {
        self.patiently(|| async {
            self.announce_budget("DeleteRestApi");
            let done = self.target().apigateway().delete_rest_api().rest_api_id(id).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting API {id}"), &e)))
        })
        .await
        .map(|_| ())
    }

    /// Makes something that has no name of its own, once: after an attempt whose answer was lost,
    /// `made` looks whether it is there before the next.
    pub(super) async fn create_once<Look, Call>(
        &self,
        what: &str,
        mut made: impl FnMut() -> Look,
        mut create: impl FnMut() -> Call,
    ) -> Result<String>
    where
        Look: Future<Output = Result<Option<String>>>,
        Call: Future<Output = Result<Option<String>>>,
    {
        const TRIES: u32 = 4;
        let mut tries = 0;
        loop {
            let failure = match self.patiently(&mut create).await {
                Ok(Some(id)) => return Ok(id),
                Ok(None) => Failure::new(FailureKind::Service, what, "the answer names no id"),
                Err(failure) => failure,
            };
            let lost = matches!(failure.kind, FailureKind::Network | FailureKind::Service);
            tries += 1;
            if !lost || tries >= TRIES {
                return Err(failure);
            }
            self.waiting(format!("an answer was lost ({}): looking", failure.why), None);
            self.pause(Duration::from_millis(200 << tries)).await?;
            if let Some(id) = made().await? {
                return Ok(id);
            }
        }
    }
}
