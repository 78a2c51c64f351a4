//! Requests of a person's own: saved, forgotten.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Expect, SavedRequest};
use labdeck_ops::request::own;

use crate::args::RequestArgs;
use crate::context::Context;
use crate::output::exit;

/// The lab with a person's own requests. When their file is broken and `name` is one of the lab's own
/// requests, that is said, and it goes on without them.
pub(super) fn with_own(
    context: &Context<'_>,
    blueprint: Blueprint,
    name: Option<&str>,
) -> Result<Blueprint> {
    match own::with_own(&blueprint, context.global.prefix.as_deref()) {
        Ok(both) => Ok(both),
        Err(failure) if name.is_none_or(|name| has(&blueprint, name)) => {
            if context.output.json {
                context.output.notice(&failure);
            } else {
                context.output.failure(&failure);
            }
            Ok(blueprint)
        }
        Err(failure) => Err(failure),
    }
}

fn has(blueprint: &Blueprint, name: &str) -> bool {
    blueprint.requests.iter().any(|request| request.name == name)
}

/// Saves the request that the arguments describe.
pub(super) fn save(
    context: &Context<'_>,
    blueprint: &Blueprint,
    args: &RequestArgs,
    name: &str,
) -> Result<u8> {
    let prefix = context.global.prefix.as_deref();
    let request = described(blueprint, args, name, prefix)?;
    let file = own::save(blueprint, prefix, &request)?;
    context.output.result(&serde_json::json!({ "saved": request, "file": file }), || {
        vec![format!("saved {name} in {}", file.display())]
    });
    Ok(exit::DONE)
}

/// Forgets a request.
pub(super) fn forget(context: &Context<'_>, blueprint: &Blueprint, name: &str) -> Result<u8> {
    own::forget(blueprint, context.global.prefix.as_deref(), name)?;
    let value = serde_json::json!({ "forgotten": name });
    context.output.result(&value, || vec![format!("forgot {name}")]);
    Ok(exit::DONE)
}

fn described(
    blueprint: &Blueprint,
    args: &RequestArgs,
    name: &str,
    prefix: Option<&str>,
) -> Result<SavedRequest> {
    let own = &args.own;
    let bad =
        |why: String| Failure::new(FailureKind::Invalid, format!("saving request {name}"), why);
    let [method, path] = own.save.as_slice() else {
        return Err(bad("a method and a path are needed".to_owned()));
    };
    let full = |plain: &String| match prefix {
        Some(prefix) if !plain.starts_with(prefix) => format!("{prefix}{plain}"),
        _ => plain.clone(),
    };
    let api = match (&own.api, blueprint.apis.as_slice()) {
        (Some(api), _) => full(api),
        (None, [only]) => only.name.clone(),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|api| api.name.as_str()).collect();
            let why = format!("the lab has several APIs: {}", names.join(", "));
            return Err(bad(why).next("say which with --api"));
        }
    };
    let body = match own.body.as_deref().map(|body| (body, body.strip_prefix('@'))) {
        Some((_, Some(file))) => {
            Some(std::fs::read_to_string(file).map_err(|error| bad(format!("{file}: {error}")))?)
        }
        Some((text, None)) => Some(text.to_owned()),
        None => None,
    };
    Ok(SavedRequest {
        name: name.to_owned(),
        description: own.describe.clone().unwrap_or_default(),
        api,
        method: method.to_ascii_uppercase(),
        path: path.clone(),
        headers: own.headers.iter().cloned().collect(),
        query: own.query.iter().cloned().collect(),
        body,
        variables: args.variables.iter().cloned().collect(),
        key: args.key.as_ref().map(full),
        before: own.before.clone(),
        capture: own.capture.iter().cloned().collect(),
        expect: expected(&own.expect).map_err(bad)?,
        own: true,
    })
}

fn expected(said: &[(String, String)]) -> Result<Option<Expect>, String> {
    let mut expect = Expect::default();
    for (what, value) in said {
        match (what.as_str(), what.strip_prefix("header.")) {
            ("status", _) => expect.status = Some(value.parse()?),
            ("time", _) => {
                let millis = value.trim_end_matches("ms").trim().parse().ok();
                let millis = millis.filter(|millis| (1..=60_000).contains(millis));
                let rule = || format!("time={value}: expected 1 to 60000 ms");
                expect.within_ms = Some(millis.ok_or_else(rule)?);
            }
            (_, Some(header)) => {
                expect.headers.insert(header.to_ascii_lowercase(), value.clone());
            }
            (path, None) if path.starts_with('$') => {
                // What is no JSON is a text, so that texts need no quotes.
                let value = serde_json::from_str(value).unwrap_or_else(|_| value.clone().into());
                let value: serde_json::Value = value;
                if value.is_null() || value.is_array() || value.is_object() {
                    return Err(format!("{path}: expected text, a number, true or false"));
                }
                expect.json.insert(path.to_owned(), value);
            }
            (other, None) => {
                return Err(format!(
                    "{other}: expected status, time, header.NAME or a JSON path that begins with $"
                ));
            }
        }
    }
    Ok((expect != Expect::default()).then_some(expect))
}
