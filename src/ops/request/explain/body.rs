//! 400, 413, 415: what the gateway checks of a body before anything runs.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, Result};
use serde_json::Value;

use super::live::{Case, Diagnosis, Finding};
use crate::live;
use crate::trial;

/// API Gateway's limit of a body, in bytes.
const LARGEST: usize = 10 * 1024 * 1024;
/// Lambda's limit of a synchronous invocation's event, in bytes (Lambda quotas).
const LARGEST_EVENT: usize = 6 * 1024 * 1024;
/// Most models that one may refer to, itself included.
const MOST_MODELS: usize = 20;
/// Most violations that are told.
const MOST_VIOLATIONS: usize = 10;

/// `Invalid request body`: how it violates the method's model.
pub(super) async fn invalid(case: &Case<'_>) -> Result<Diagnosis> {
    let request = &case.exchange.request;
    let resources = live::methods(&case.engine.target, &case.origin.api_id).await?;
    let names = trial::template(&resources, case.path(), &request.method).and_then(|place| {
        let resource = resources.iter().find(|one| one.path() == Some(place.0))?;
        resource.resource_methods()?.get(place.1)?.request_models().cloned()
    });
    let model = names.as_ref().and_then(|names| {
        let kind = content_type(case);
        names.get(&kind).or_else(|| names.get("application/json")).or_else(|| names.values().next())
    });
    let Some(name) = model else {
        let explanation =
            "The body does not fit what the method wants, and the definition as it is now \
             names no model for it."
                .to_owned();
        return Ok(Diagnosis { explanation, checked: Vec::new(), fix: None });
    };
    let schema = schema(case, name).await?;
    let checked = violations(&schema, request.body.as_deref().unwrap_or_default(), name);
    let explanation = match checked.iter().find(|finding| !finding.holds) {
        Some(first) => format!("The body does not fit model {name}: {}.", first.detail),
        None => format!(
            "The body fits model {name} as it is now: the stage serves an older definition, or takes the \
             body for another Content-Type."
        ),
    };
    Ok(Diagnosis { explanation, checked, fix: None })
}

/// `413`: how large it is.
pub(super) fn too_large(case: &Case<'_>) -> Diagnosis {
    let body = case.exchange.request.body.as_deref().unwrap_or_default();
    let mut checked = vec![Finding::new(
        "the body has at most 10 MB",
        body.len() <= LARGEST,
        format!("it has {} bytes", body.len()),
    )];
    let calls = !case.origin.functions.is_empty() && body.len() <= LARGEST;
    // In an event the body is a JSON string: quotes and line breaks take two bytes and more.
    let quoted = serde_json::to_string(body).map_or(body.len(), |text| text.len());
    let event_too_large = calls && quoted > LARGEST_EVENT;
    if calls {
        checked.push(Finding::new(
            "the event that it makes has at most 6 MB",
            !event_too_large,
            format!("the body alone takes {quoted} bytes of it"),
        ));
    }
    let explanation = if event_too_large {
        "The gateway takes the body, and the event that it makes of it is larger than Lambda's 6 MB."
    } else {
        "The gateway takes bodies of 10 MB, and hands a function events of 6 MB."
    };
    Diagnosis { explanation: explanation.into(), checked, fix: None }
}

/// `Unsupported Media Type`: which types the method takes.
pub(super) async fn unsupported(case: &Case<'_>) -> Result<Diagnosis> {
    let resources = live::methods(&case.engine.target, &case.origin.api_id).await?;
    let method = case.exchange.request.method.as_str();
    let templates = trial::template(&resources, case.path(), method).and_then(|place| {
        let resource = resources.iter().find(|one| one.path() == Some(place.0))?;
        let method = resource.resource_methods()?.get(place.1)?;
        method.method_integration()?.request_templates().cloned()
    });
    let mut types: Vec<String> = templates.unwrap_or_default().into_keys().collect();
    types.sort();
    let kind = content_type(case);
    let taken = if types.is_empty() { "none".to_owned() } else { types.join(", ") };
    let what = format!("the method takes {kind}");
    let explanation = format!("The method takes no body of type {kind}; it takes {taken}.");
    let checked = vec![Finding::new(what, types.contains(&kind), format!("it takes {taken}"))];
    Ok(Diagnosis { explanation, checked, fix: None })
}

/// What the body is sent as; JSON where nothing is said, as the gateway takes it.
fn content_type(case: &Case<'_>) -> String {
    let headers = &case.exchange.request.headers;
    let said = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let said = said.and_then(|(_, value)| value.split(';').next());
    said.map_or_else(|| "application/json".to_owned(), |value| value.trim().to_ascii_lowercase())
}

/// The schema of a model, with those that it refers to put in.
async fn schema(case: &Case<'_>, name: &str) -> Result<Value> {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    let mut waiting = vec![name.to_owned()];
    while let Some(next) = waiting.pop() {
        if known.contains_key(&next) || known.len() >= MOST_MODELS {
            continue;
        }
        let call = case.engine.target.apigateway().get_model();
        let answer = call.rest_api_id(&case.origin.api_id).model_name(&next).send().await;
        let what = format!("reading model {next}");
        let model = answer.map_err(|error| Failure::from_sdk(what, &error))?;
        let schema: Value =
            serde_json::from_str(model.schema().unwrap_or("{}")).unwrap_or_default();
        references(&schema, &mut waiting);
        known.insert(next, schema);
    }
    let mut schema = known.get(name).cloned().unwrap_or_default();
    put_in(&mut schema, &known, 0);
    Ok(schema)
}

/// The model that a reference of API Gateway names: `https://…/restapis/{id}/models/{name}`.
fn model_of(reference: &str) -> Option<&str> {
    reference.rsplit_once("/models/").map(|(_, name)| name)
}

fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            let named = members.get("$ref").and_then(Value::as_str).and_then(model_of);
            found.extend(named.map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn put_in(schema: &mut Value, known: &BTreeMap<String, Value>, depth: usize) {
    // A model that refers to itself ends somewhere.
    if depth > MOST_MODELS {
        return;
    }
    match schema {
        Value::Object(members) => {
            let named = members.get("$ref").and_then(Value::as_str).and_then(model_of);
            if let Some(model) = named.and_then(|name| known.get(name)) {
                let mut model = model.clone();
                put_in(&mut model, known, depth + 1);
                *schema = model;
                return;
            }
            members.values_mut().for_each(|member| put_in(member, known, depth));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_in(item, known, depth)),
        _ => {}
    }
}

fn violations(schema: &Value, body: &str, model: &str) -> Vec<Finding> {
    let json: Value = match serde_json::from_str(body) {
        Ok(json) => json,
        Err(error) => {
            return vec![Finding::new("the body is JSON", false, format!("it is not: {error}"))];
        }
    };
    let mut found = vec![Finding::new("the body is JSON", true, "it is")];
    // API Gateway's models are of draft 4.
    match jsonschema::draft4::new(schema) {
        Ok(validator) => {
            let errors: Vec<Finding> = validator
                .iter_errors(&json)
                .take(MOST_VIOLATIONS)
                .map(|error| {
                    let place = error.instance_path().to_string();
                    let place = if place.is_empty() { "the body".to_owned() } else { place };
                    Finding::new(format!("{place} fits model {model}"), false, error.to_string())
                })
                .collect();
            if errors.is_empty() {
                found.push(Finding::new(format!("the body fits model {model}"), true, "it does"));
            }
            found.extend(errors);
        }
        Err(error) => {
            let detail = format!("the model can't be read: {error}");
            found.push(Finding::new(format!("the body fits model {model}"), false, detail));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_violation_is_told() {
        let models = BTreeMap::from([(
            "Pet".to_owned(),
            json!({ "type": "object", "required": ["type", "price"],
                "properties": { "price": { "type": "number", "minimum": 0 } } }),
        )]);
        let mut schema = json!({ "type": "array",
            "items": { "$ref": "https://apigateway.amazonaws.com/restapis/a/models/Pet" } });
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert_eq!(found, ["Pet"]);
        put_in(&mut schema, &models, 0);
        let said = |body: &str| -> Vec<String> {
            let bad = violations(&schema, body, "Pets").into_iter().filter(|one| !one.holds);
            bad.map(|one| format!("{}: {}", one.what, one.detail)).collect()
        };
        assert_eq!(said(r#"[{"type":"dog","price":1}]"#), Vec::<String>::new());
        assert!(said("[").join("").contains("the body is JSON: it is not"));
        let two = said(r#"[{"price":-1}]"#).join("\n");
        assert!(two.contains("\"type\" is a required property"), "{two}");
        assert!(two.contains("/0/price fits model Pets: -1 is less than"), "{two}");
    }
}
