//! From what is live to a blueprint: what everything else takes for a lab. Calls nothing.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_apigateway::types::EndpointConfiguration;
use aws_sdk_lambda::types::FunctionConfiguration;
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Api, Attached, Follows, Function, LogLevel, SavedRequest, Stage};
use labdeck_telemetry::group_of_function;
use serde_json::{Map, Value, json};

use super::account::{STACK_TAG, api_tags, lab_of_api};
use super::facts::{ApiFacts, Facts, FunctionFacts};
use super::store::Attachment;
use super::uri::Behind;
use crate::live::LAB_TAG;

/// The variable of a stage that names the alias that it uses.
const ALIAS_VARIABLE: &str = "lambdaAlias";
/// The alias that releases move where there is one of this name and none was chosen.
const USUAL_ALIAS: &str = "prod";
/// What is called where no alias is named.
const LATEST: &str = "$LATEST";
/// The key of an `OpenAPI` document for a method that takes every verb.
const ANY: &str = "x-amazon-apigateway-any-method";

/// The blueprint of what is attached.
pub(super) fn blueprint(attachment: &Attachment, facts: &Facts) -> Blueprint {
    let mut remarks = facts.remarks.clone();
    let used = aliases_used(facts);
    let (alias, why) = released(attachment, facts, &used);
    remarks.extend(why);
    for api in &facts.apis {
        remarks.extend(of_api(api));
    }
    for function in &facts.functions {
        remarks.extend(of_function(function, alias.as_deref()));
    }
    let (labs, stacks) = owners(facts);
    remarks.extend(labs.iter().map(|lab| {
        format!(
            "lab {lab} of labdeck deployed some of this: its deploys take back what is changed here"
        )
    }));
    remarks.extend(stacks.iter().map(|stack| {
        format!(
            "the stack {stack} made some of this: its updates may take back what is changed here"
        )
    }));
    let attached = Attached {
        apis: facts.apis.iter().map(|api| (api.name.clone(), api.id.clone())).collect(),
        log_groups: facts.functions.iter().filter_map(log_group).collect(),
        keys: facts.apis.iter().flat_map(|api| &api.keys).map(|(id, _)| id.clone()).collect(),
        labs,
        stacks,
        remarks,
        alias: alias.clone(),
    };
    Blueprint {
        name: attachment.name.clone(),
        title: title(facts),
        functions: facts.functions.iter().map(function).collect(),
        apis: facts.apis.iter().map(|api| of(api, facts)).collect(),
        stages: stages(facts, &used, alias.as_deref()),
        requests: requests(facts),
        attached: Some(attached),
        ..Blueprint::default()
    }
}

/// What is attached, in one line.
fn title(facts: &Facts) -> String {
    let count = |number: usize, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        number => Some(format!("{number} {many}")),
    };
    let parts = [
        count(facts.apis.len(), "REST API", "REST APIs"),
        count(facts.functions.len(), "function", "functions"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let what = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
    format!("attached: {what}")
}

/// The alias that each stage of each API uses: by its variable, else by what its methods call.
fn aliases_used(facts: &Facts) -> BTreeMap<(String, String), String> {
    let mut used = BTreeMap::new();
    for api in &facts.apis {
        let calls = api.calls();
        for stage in &api.stages {
            let name = stage.stage_name().unwrap_or_default();
            let variable = stage.variables().and_then(|all| all.get(ALIAS_VARIABLE));
            let called = || {
                let mut counts: BTreeMap<String, usize> = BTreeMap::new();
                let here = calls.iter().filter(|(at, ..)| *at == Some(name));
                for (.., behind) in here {
                    if let Behind::Function(called) = behind {
                        let qualifier = called.qualifier.clone();
                        *counts
                            .entry(qualifier.unwrap_or_else(|| LATEST.to_owned()))
                            .or_default() += 1;
                    }
                }
                counts.into_iter().max_by_key(|(_, count)| *count).map(|(alias, _)| alias)
            };
            let alias = variable.filter(|alias| !alias.is_empty()).cloned().or_else(called);
            used.insert((api.name.clone(), name.to_owned()), alias.unwrap_or_default());
        }
    }
    used
}

/// The alias that releases move: the chosen one, else `prod` where there is one, else the only one that
/// stages use, else the only one that there is. Without one, why.
fn released(
    attachment: &Attachment,
    facts: &Facts,
    used: &BTreeMap<(String, String), String>,
) -> (Option<String>, Option<String>) {
    let all: BTreeSet<&str> =
        facts.functions.iter().flat_map(|one| &one.aliases).map(String::as_str).collect();
    if let Some(chosen) = &attachment.alias {
        let why = (!all.contains(chosen.as_str()))
            .then(|| format!("no function has the alias {chosen} that releases are to move"));
        return (Some(chosen.clone()), why);
    }
    if all.contains(USUAL_ALIAS) {
        return (Some(USUAL_ALIAS.to_owned()), None);
    }
    let by_stages: BTreeSet<&str> =
        used.values().map(String::as_str).filter(|alias| all.contains(alias)).collect();
    let among = if by_stages.is_empty() { &all } else { &by_stages };
    let mut names = among.iter();
    match (names.next(), names.next()) {
        (Some(only), None) => (Some((*only).to_owned()), None),
        (None, _) if facts.functions.is_empty() => (None, None),
        (None, _) => (
            None,
            Some("no function has an alias: there is nothing that a release moves".to_owned()),
        ),
        _ => {
            let names: Vec<&str> = among.iter().copied().collect();
            let why = format!(
                "there are several aliases, {}: choose the one that releases move with labdeck attach {} \
                 --alias NAME",
                names.join(", "),
                attachment.name
            );
            (None, Some(why))
        }
    }
}

fn of_api(api: &ApiFacts) -> Vec<String> {
    let Some(live) = &api.live else {
        return vec![format!("API {} ({}) is gone", api.name, api.id)];
    };
    let mut remarks = Vec::new();
    let kinds = live.endpoint_configuration().map(EndpointConfiguration::types).unwrap_or_default();
    if kinds.iter().any(|kind| kind.as_str() == "PRIVATE") {
        remarks.push(format!("API {} is private: requests reach it from its VPC alone", api.name));
    }
    if live.disable_execute_api_endpoint() {
        remarks.push(format!(
            "API {} has its execute-api endpoint disabled: requests from here are refused, only its own \
             domain answers",
            api.name
        ));
    }
    if api.stages.is_empty() {
        remarks.push(format!("API {} has no stage: nothing can be sent to it", api.name));
    }
    remarks
}

fn of_function(function: &FunctionFacts, alias: Option<&str>) -> Option<String> {
    let name = &function.name;
    match (&function.live, alias) {
        (None, _) => Some(format!("function {name} does not exist")),
        (Some(_), Some(alias)) if !function.aliases.iter().any(|known| known == alias) => {
            Some(format!("function {name} has no alias {alias}: releases leave it as it is"))
        }
        _ => None,
    }
}

/// Labs of labdeck and stacks of `CloudFormation` that something of it belongs to.
fn owners(facts: &Facts) -> (BTreeSet<String>, BTreeSet<String>) {
    let apis = facts.apis.iter().filter_map(|api| api.live.as_ref());
    let mut labs: BTreeSet<String> = apis.clone().filter_map(lab_of_api).collect();
    labs.extend(facts.functions.iter().filter_map(|one| one.tags.get(LAB_TAG).cloned()));
    let mut stacks: BTreeSet<String> =
        apis.filter_map(|api| api_tags(api).get(STACK_TAG).cloned()).collect();
    stacks.extend(facts.functions.iter().filter_map(|one| one.tags.get(STACK_TAG).cloned()));
    (labs, stacks)
}

/// The function's log group, where it is not the usual one.
fn log_group(function: &FunctionFacts) -> Option<(String, String)> {
    let group = function.live.as_ref()?.logging_config()?.log_group()?;
    let usual = group_of_function(&function.name);
    (group != usual).then(|| (function.name.clone(), group.to_owned()))
}

fn function(facts: &FunctionFacts) -> Function {
    let live = facts.live.as_ref();
    let role = live.and_then(|live| live.role()).and_then(|role| role.rsplit('/').next());
    Function {
        name: facts.name.clone(),
        role: role.unwrap_or_default().to_owned(),
        memory_mb: live.and_then(FunctionConfiguration::memory_size).unwrap_or_default(),
        timeout_s: live.and_then(FunctionConfiguration::timeout).unwrap_or_default(),
        description: live.and_then(|live| live.description()).unwrap_or_default().to_owned(),
        ..Function::default()
    }
}

/// An API with a document that has its methods.
fn of(api: &ApiFacts, facts: &Facts) -> Api {
    let mut functions: Vec<String> = Vec::new();
    for (.., behind) in api.calls() {
        if let Behind::Function(called) = behind
            && facts.functions.iter().any(|known| known.name == called.name)
            && !functions.contains(&called.name)
        {
            functions.push(called.name);
        }
    }
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for resource in &api.resources {
        let path = resource.path().unwrap_or("/").to_owned();
        for (verb, method) in resource.resource_methods().into_iter().flatten() {
            let verb = if verb == "ANY" { ANY.to_owned() } else { verb.to_ascii_lowercase() };
            let mut operation = Map::new();
            if method.api_key_required().unwrap_or_default() {
                operation.insert("security".to_owned(), json!([{ "api_key": [] }]));
            }
            paths.entry(path.clone()).or_default().insert(verb, Value::Object(operation));
        }
    }
    let document = json!({ "openapi": "3.0.1", "info": { "title": api.name }, "paths": paths });
    Api { name: api.name.clone(), document, functions, ..Api::default() }
}

/// The stages of all APIs by name; those that a release moves come last, as `prod` does in a lab.
fn stages(
    facts: &Facts,
    used: &BTreeMap<(String, String), String>,
    alias: Option<&str>,
) -> Vec<Stage> {
    let mut stages: BTreeMap<String, Stage> = BTreeMap::new();
    for api in &facts.apis {
        for live in &api.stages {
            let name = live.stage_name().unwrap_or_default().to_owned();
            let uses = used.get(&(api.name.clone(), name.clone())).cloned().unwrap_or_default();
            let stage = stages.entry(name.clone()).or_insert_with(|| Stage {
                name,
                log_level: LogLevel::Off,
                ..Stage::default()
            });
            let variables = live.variables().into_iter().flatten();
            stage.variables.extend(variables.map(|(k, v)| (k.clone(), v.clone())));
            if stage.alias.is_empty() || Some(uses.as_str()) == alias {
                stage.alias = uses;
            }
        }
    }
    let mut stages: Vec<Stage> = stages.into_values().collect();
    for stage in &mut stages {
        let released = alias.is_some_and(|alias| alias == stage.alias);
        stage.follows = if released { Follows::Release } else { Follows::Latest };
    }
    stages.sort_by_key(|stage| (stage.follows == Follows::Release, stage.name.clone()));
    stages
}

/// A request for every method that can be read with: a path parameter is a variable that a person fills
/// in.
fn requests(facts: &Facts) -> Vec<SavedRequest> {
    let mut requests: Vec<SavedRequest> = Vec::new();
    let several = facts.apis.len() > 1;
    for api in &facts.apis {
        let mut resources: Vec<_> = api.resources.iter().collect();
        resources.sort_by_key(|resource| resource.path().unwrap_or("/").to_owned());
        for resource in resources {
            let path = resource.path().unwrap_or("/");
            let methods = resource.resource_methods();
            let method = methods.and_then(|all| all.get("GET").or_else(|| all.get("ANY")));
            let Some(method) = method else { continue };
            let guard =
                method.authorization_type().filter(|kind| !kind.is_empty() && *kind != "NONE");
            let wants_key = method.api_key_required().unwrap_or_default();
            let key =
                api.keys.first().map(|(_, name)| name.clone()).filter(|name| !name.is_empty());
            let description = match (guard, wants_key && key.is_none()) {
                (Some(kind), _) => format!("wants authorization ({kind}), which is not sent"),
                (None, true) => "wants an API key, and no usage plan of the API has one".to_owned(),
                (None, false) => String::new(),
            };
            let name = path.to_owned();
            requests.push(SavedRequest {
                name: if several { format!("{name} of {}", api.name) } else { name },
                description,
                api: api.name.clone(),
                method: "GET".to_owned(),
                path: with_variables(path),
                key: key.filter(|_| wants_key),
                ..SavedRequest::default()
            });
        }
    }
    requests
}

/// `/items/{id}` as a saved request writes it: `/items/{{id}}`.
fn with_variables(path: &str) -> String {
    path.replace("+}", "}").replace('{', "{{").replace('}', "}}")
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
