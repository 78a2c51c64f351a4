//! Reads what a selection stands for: the APIs with their stages, methods, plans and keys, and the
//! functions that were picked or that are behind the APIs.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_apigateway::types::{Resource, RestApi, Stage, UsagePlan};
use aws_sdk_lambda::types::FunctionConfiguration;
use futures_util::future::{try_join, try_join_all};
use futures_util::{StreamExt, stream};
use labdeck_aws::{Failure, FailureKind, Result, Target};

use super::account::{api_tags, carries, functions_with};
use super::store::Attachment;
use super::uri::{Behind, Called, behind};
use crate::engine::Engine;
use crate::live;

/// Calls at once.
const AT_ONCE: usize = 8;

/// What is live of a selection.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// APIs, by the names that the blueprint gives them.
    pub apis: Vec<ApiFacts>,
    /// Functions, by name.
    pub functions: Vec<FunctionFacts>,
    /// What was left out, and why.
    pub remarks: Vec<String>,
}

/// A REST API.
#[derive(Debug, Default)]
pub(super) struct ApiFacts {
    /// The name that the blueprint gives it: its own, with its id where several have it.
    pub name: String,
    /// Id.
    pub id: String,
    /// As it is; `None` when it is gone.
    pub live: Option<RestApi>,
    /// Stages.
    pub stages: Vec<Stage>,
    /// Resources with their methods.
    pub resources: Vec<Resource>,
    /// Keys of the usage plans that are bound to it: id and name.
    pub keys: Vec<(String, String)>,
}

/// A function.
#[derive(Debug, Default)]
pub(super) struct FunctionFacts {
    /// Name.
    pub name: String,
    /// As it is; `None` when it does not exist.
    pub live: Option<FunctionConfiguration>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Names of its aliases.
    pub aliases: Vec<String>,
}

impl ApiFacts {
    /// What its methods call, each with the stage whose variables were used; with none where it has no
    /// stage.
    pub fn calls(&self) -> Vec<(Option<&str>, String, Behind)> {
        let mut all = Vec::new();
        let none = BTreeMap::new();
        let mut places: Vec<(Option<&str>, BTreeMap<String, String>)> = Vec::new();
        for stage in &self.stages {
            let variables = stage.variables().into_iter().flatten();
            let variables = variables.map(|(k, v)| (k.clone(), v.clone())).collect();
            places.push((stage.stage_name(), variables));
        }
        if places.is_empty() {
            places.push((None, none));
        }
        for (stage, variables) in &places {
            for resource in &self.resources {
                for (verb, method) in resource.resource_methods().into_iter().flatten() {
                    let Some(integration) = method.method_integration() else { continue };
                    let kind = integration.r#type().map_or("", |kind| kind.as_str());
                    let called = behind(kind, integration.uri(), variables);
                    let method = format!("{verb} {}", resource.path().unwrap_or("/"));
                    all.push((*stage, method, called));
                }
            }
        }
        all
    }
}

/// Reads everything that `attachment` stands for.
///
/// # Errors
/// Those of the calls; what only a part may not be read of is left out with a remark.
pub(super) async fn read(engine: &Engine, attachment: &Attachment) -> Result<Facts> {
    let target = &*engine.target;
    let mut facts = Facts::default();
    let tagged = async {
        if attachment.tags.is_empty() {
            return Ok(BTreeSet::new());
        }
        functions_with(target, &attachment.tags).await
    };
    let (all, tagged) = try_join(live::rest_apis(target), tagged).await?;
    let picked = picked(attachment, &all);
    facts.apis = try_join_all(picked.into_iter().map(|(name, id, live)| async move {
        if live.is_none() {
            return Ok::<_, Failure>(ApiFacts { name, id, ..ApiFacts::default() });
        }
        let (stages, resources) =
            try_join(live::stages(target, &id), live::methods(target, &id)).await?;
        Ok(ApiFacts { name, id, live, stages, resources, keys: Vec::new() })
    }))
    .await?;
    keys(target, &mut facts).await?;
    let behind = functions_behind(target, &mut facts).await?;
    let chosen = attachment.functions.iter().cloned();
    let names: BTreeSet<String> = chosen.chain(tagged).chain(behind).collect();
    let read = stream::iter(names)
        .map(|name| async move {
            let result = function(target, &name).await;
            (name, result)
        })
        .buffered(AT_ONCE);
    let read: Vec<(String, Result<FunctionFacts>)> = read.collect().await;
    for (name, result) in read {
        match result {
            Ok(function) => facts.functions.push(function),
            Err(failure) if failure.kind == FailureKind::Denied => {
                facts.remarks.push(format!("function {name} is left out: {}", failure.why));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(facts)
}

/// The APIs that were picked or carry a tag: the name that each is given, its id, and what is live.
fn picked(attachment: &Attachment, all: &[RestApi]) -> Vec<(String, String, Option<RestApi>)> {
    let mut picked: Vec<(String, String, Option<RestApi>)> = attachment
        .apis
        .iter()
        .map(|api| {
            let live = all.iter().find(|live| live.id() == Some(&api.id)).cloned();
            let name = live.as_ref().and_then(|live| live.name()).unwrap_or(&api.name).to_owned();
            (name, api.id.clone(), live)
        })
        .collect();
    let tagged = all.iter().filter(|api| carries(&api_tags(api), &attachment.tags));
    for api in tagged {
        let id = api.id().unwrap_or_default();
        if !picked.iter().any(|(_, known, _)| known == id) {
            let name = api.name().unwrap_or_default().to_owned();
            picked.push((name, id.to_owned(), Some(api.clone())));
        }
    }
    picked.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let names: Vec<String> = picked.iter().map(|(name, ..)| name.clone()).collect();
    for (name, id, _) in &mut picked {
        if names.iter().filter(|known| *known == name).count() > 1 {
            *name = format!("{name}@{id}");
        }
    }
    picked
}

/// Gives every API the keys of the usage plans that are bound to it.
async fn keys(target: &Target, facts: &mut Facts) -> Result<()> {
    if facts.apis.is_empty() {
        return Ok(());
    }
    let plans = match live::usage_plans(target).await {
        Ok(plans) => plans,
        Err(failure) if failure.kind == FailureKind::Denied => {
            let why = format!("usage plans and keys are left out: {}", failure.why);
            facts.remarks.push(why);
            return Ok(());
        }
        Err(failure) => return Err(failure),
    };
    let opens = |plan: &UsagePlan, id: &str| {
        plan.api_stages().iter().any(|bound| bound.api_id() == Some(id))
    };
    let bound: Vec<&UsagePlan> =
        plans.iter().filter(|plan| facts.apis.iter().any(|api| opens(plan, &api.id))).collect();
    let members = try_join_all(
        bound.iter().map(|plan| live::usage_plan_keys(target, plan.id().unwrap_or_default())),
    )
    .await?;
    for (plan, members) in bound.into_iter().zip(members) {
        for api in facts.apis.iter_mut().filter(|api| opens(plan, &api.id)) {
            let named = members.iter().filter_map(|key| {
                Some((key.id()?.to_owned(), key.name().unwrap_or_default().to_owned()))
            });
            api.keys.extend(named);
        }
    }
    for api in &mut facts.apis {
        api.keys.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        api.keys.dedup();
    }
    Ok(())
}

/// Names of the functions behind the APIs; notes what else is behind them.
async fn functions_behind(target: &Target, facts: &mut Facts) -> Result<BTreeSet<String>> {
    if facts.apis.iter().all(|api| api.resources.is_empty()) {
        return Ok(BTreeSet::new());
    }
    let account = target.account().await?.to_owned();
    let mut names = BTreeSet::new();
    let mut others: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut other = |what: String, method: String| {
        others.entry(what).or_default().insert(method);
    };
    for api in &facts.apis {
        for (stage, method, called) in api.calls() {
            match called {
                Behind::Function(called) => match elsewhere(&called, &account, target.region()) {
                    None => {
                        names.insert(called.name);
                    }
                    Some(place) => {
                        let what = format!(
                            "function {} is left out: it is in {place}, and only this target's own \
                             can be operated",
                            called.name
                        );
                        other(what, format!("{} {method}", api.name));
                    }
                },
                Behind::Unknown(arn) => {
                    let stage =
                        stage.map_or_else(String::new, |stage| format!(" of stage {stage}"));
                    let what = format!(
                        "the function {arn} is not known: a stage variable{stage} has no value"
                    );
                    other(what, format!("{} {method}", api.name));
                }
                Behind::Other(what) => {
                    other(
                        format!("no function answers, but {what}"),
                        format!("{} {method}", api.name),
                    );
                }
            }
        }
    }
    for (what, methods) in others {
        let count = methods.len();
        let mut shown: Vec<String> = methods.into_iter().take(3).collect();
        if count > shown.len() {
            shown.push(format!("{} more", count - shown.len()));
        }
        facts.remarks.push(format!("{}: {what}", shown.join(", ")));
    }
    Ok(names)
}

/// Where a function is, if not in this account and region.
fn elsewhere(called: &Called, account: &str, region: &str) -> Option<String> {
    if called.account != account {
        return Some(format!("account {}", called.account));
    }
    (called.region != region).then(|| format!("region {}", called.region))
}

async fn function(target: &Target, name: &str) -> Result<FunctionFacts> {
    let (found, aliases) =
        try_join(live::function(target, name), live::aliases(target, name)).await?;
    let tags = found.as_ref().map(live::function_tags).unwrap_or_default();
    let mut aliases: Vec<String> = aliases.into_iter().filter_map(|alias| alias.name).collect();
    aliases.sort_unstable();
    let live = found.and_then(|found| found.configuration);
    Ok(FunctionFacts { name: name.to_owned(), live, tags, aliases })
}
