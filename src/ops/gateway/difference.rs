//! What a deployment holds that the API's current definition does not have, and the other way round.
//!
//! What a stage serves is read from its export. Of a deployment that no stage serves AWS tells only the
//! paths, the methods and whether they want a key.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use serde::Serialize;
use serde_json::Value;

use super::found::{self, own_api};
use super::stage;
use crate::deploy::kinds::drift;
use crate::engine::Engine;
use crate::live;

/// A part of a method that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// `GET /items`.
    pub method: String,
    /// What of it: `request template`, `API key` …; empty where the whole method is on one side only.
    pub part: String,
    /// In the deployment; nothing where it does not have the method.
    pub served: Option<Value>,
    /// In the current definition; nothing where it does not have the method.
    pub current: Option<Value>,
}

impl Difference {
    /// Lines as `diff` writes them: `-` what the deployment has, `+` what the definition has.
    pub fn lines(&self) -> Vec<(char, String)> {
        let text = |value: &Option<Value>| {
            let mut lines = Vec::new();
            if let Some(value) = value {
                flatten("", value, &mut lines);
            }
            lines
        };
        compared(&text(&self.served), &text(&self.current))
    }
}

/// What differs between what a deployment holds and the current definition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// API's name.
    pub api: String,
    /// The deployment.
    pub deployment: String,
    /// The stage whose export was read; `None` where no stage serves the deployment.
    pub stage: Option<String>,
    /// What differs; empty where nothing does.
    pub differences: Vec<Difference>,
    /// What could not be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Compares what a stage serves with the API's current definition.
///
/// # Errors
/// As reading the stage; Denied when it may not be exported.
pub async fn of_stage(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<Comparison> {
    let place = found::stage(engine, blueprint, name).await?;
    let now = stage::read_at(engine, &place).await?;
    let differences = exported(engine, &place.api_id, &place.stage).await?;
    Ok(Comparison {
        api: place.api,
        deployment: now.deployment().to_owned(),
        stage: Some(place.stage),
        differences,
        note: None,
    })
}

/// Compares a deployment with the API's current definition.
///
/// # Errors
/// `NotFound` when there is no such deployment.
pub async fn of_deployment(
    engine: &Engine,
    blueprint: &Blueprint,
    api: &str,
    deployment: &str,
) -> Result<Comparison> {
    let apis = live::rest_apis(&engine.target).await?;
    let id = own_api(&apis, api, blueprint)?.id().unwrap_or_default().to_owned();
    let stages = stage::of_api(engine, api, &id).await?;
    let serving = stages.iter().find(|stage| stage.deployment() == deployment);
    let (differences, note) = match serving {
        Some(stage) => (exported(engine, &id, &stage.stage).await?, None),
        None => (
            summarised(engine, &id, deployment).await?,
            Some(
                "no stage serves this deployment, and of such a one AWS tells only the paths, the \
                 methods and whether they want a key: templates and integrations are not compared"
                    .to_owned(),
            ),
        ),
    };
    Ok(Comparison {
        api: api.to_owned(),
        deployment: deployment.to_owned(),
        stage: serving.map(|stage| stage.stage.clone()),
        differences,
        note,
    })
}

async fn exported(engine: &Engine, api_id: &str, stage: &str) -> Result<Vec<Difference>> {
    let served = drift::served(&engine.target, api_id, stage).await?;
    let Some(served) = served else {
        let what = format!("exporting stage {stage} of API {api_id}");
        return Err(Failure::new(FailureKind::Service, what, "the export is no JSON document"));
    };
    let resources = live::methods(&engine.target, api_id).await?;
    Ok(differing(&served, &drift::defined(&resources)))
}

async fn summarised(engine: &Engine, api_id: &str, deployment: &str) -> Result<Vec<Difference>> {
    let call = engine.target.apigateway().get_deployment().rest_api_id(api_id);
    let answer = call.deployment_id(deployment).embed("apisummary").send().await;
    let what = format!("reading deployment {deployment}");
    let found = answer.map_err(|error| Failure::from_sdk(what, &error))?;
    let mut served = drift::Methods::new();
    for (path, methods) in found.api_summary().into_iter().flatten() {
        for (verb, method) in methods {
            let guarded = method.api_key_required()
                || method.authorization_type().is_some_and(|kind| kind != "NONE");
            let parts = BTreeMap::from([(drift::GUARDED, Value::from(guarded))]);
            served.insert(format!("{verb} {path}"), parts);
        }
    }
    let resources = live::methods(&engine.target, api_id).await?;
    let mut current = drift::defined(&resources);
    for parts in current.values_mut() {
        parts.retain(|part, _| *part == drift::GUARDED);
    }
    Ok(differing(&served, &current))
}

fn differing(served: &drift::Methods, current: &drift::Methods) -> Vec<Difference> {
    let mut names: Vec<&String> = served.keys().chain(current.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let whole = |parts: &drift::Parts| -> Value {
        parts.iter().map(|(part, value)| ((*part).to_owned(), value.clone())).collect()
    };
    let mut all = Vec::new();
    for name in names {
        match (served.get(name), current.get(name)) {
            (Some(served), Some(current)) => {
                let parts =
                    served.iter().filter(|(part, value)| current.get(*part) != Some(*value));
                all.extend(parts.map(|(part, value)| Difference {
                    method: name.clone(),
                    part: (*part).to_owned(),
                    served: Some(value.clone()),
                    current: current.get(part).cloned(),
                }));
            }
            (served, current) => all.push(Difference {
                method: name.clone(),
                part: String::new(),
                served: served.map(whole),
                current: current.map(whole),
            }),
        }
    }
    all
}

/// `name: value` for every text and number of a value; a text of several lines has one line each.
fn flatten(name: &str, value: &Value, lines: &mut Vec<String>) {
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name} {key}") };
    let labelled =
        |text: &str| if name.is_empty() { text.to_owned() } else { format!("{name}: {text}") };
    match value {
        Value::Object(members) if members.is_empty() => lines.push(labelled("none")),
        Value::Object(members) => {
            members.iter().for_each(|(key, member)| flatten(&below(key), member, lines));
        }
        Value::Array(items) if items.is_empty() => lines.push(labelled("none")),
        Value::Array(items) => items.iter().for_each(|item| flatten(name, item, lines)),
        Value::String(text) if text.contains('\n') => {
            lines.push(labelled(""));
            lines.extend(text.lines().map(|line| format!("  {line}")));
        }
        Value::String(text) => lines.push(labelled(text)),
        Value::Bool(on) => lines.push(labelled(if *on { "yes" } else { "no" })),
        other => lines.push(labelled(&other.to_string())),
    }
}

/// The longest common subsequence keeps its lines; texts beyond what a screen holds are shown whole.
fn compared(old: &[String], new: &[String]) -> Vec<(char, String)> {
    const MOST: usize = 600;
    let marked = |mark: char, lines: &[String]| -> Vec<(char, String)> {
        lines.iter().map(|line| (mark, line.clone())).collect()
    };
    if old.len() > MOST || new.len() > MOST {
        return [marked('-', old), marked('+', new)].concat();
    }
    let width = new.len() + 1;
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            longest[i * width + j] = if a == b {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            lines.push((' ', old[i].clone()));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            lines.push(('-', old[i].clone()));
            i += 1;
        } else {
            lines.push(('+', new[j].clone()));
            j += 1;
        }
    }
    lines.extend(marked('-', &old[i..]));
    lines.extend(marked('+', &new[j..]));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_are_compared_line_by_line() {
        let difference = Difference {
            method: "GET /items".into(),
            part: "request template".into(),
            served: Some(json!({ "application/json": "{\n  a\n}" })),
            current: Some(json!({ "application/json": "{\n  b\n}" })),
        };
        let lines: Vec<String> =
            difference.lines().iter().map(|(mark, line)| format!("{mark}{line}")).collect();
        assert_eq!(lines, [" application/json: ", "   {", "-    a", "+    b", "   }"]);
    }

    #[test]
    fn methods_of_one_side_and_changed_parts_are_found() {
        let parts = |key: bool| BTreeMap::from([(drift::GUARDED, json!(key))]);
        let served =
            BTreeMap::from([("GET /a".to_owned(), parts(true)), ("GET /b".into(), parts(true))]);
        let current =
            BTreeMap::from([("GET /a".to_owned(), parts(false)), ("GET /c".into(), parts(true))]);
        let found = differing(&served, &current);
        let told: Vec<_> = found.iter().map(|d| (d.method.as_str(), d.part.as_str())).collect();
        assert_eq!(told, [("GET /a", drift::GUARDED), ("GET /b", ""), ("GET /c", "")]);
        assert_eq!(found[0].lines(), [('-', "yes".to_owned()), ('+', "no".to_owned())]);
        assert!(differing(&served, &served).is_empty());
    }
}
