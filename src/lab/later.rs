//! What must hold between the parts of a lab, judged when everything is read.

use serde_json::Value;

use crate::blueprint::{Api, Blueprint};
use crate::problem::{Findings, Position, one_of};
use crate::section::{Later, Need};

/// The extension that says what a method calls.
const INTEGRATION: &str = "x-amazon-apigateway-integration";
/// How a document writes the method that stands for all.
const ANY: &str = "x-amazon-apigateway-any-method";

/// Reports what does not hold. `documents_read` says whether the APIs' documents can be judged.
pub(crate) fn check(
    later: &[Later],
    text: &str,
    blueprint: &Blueprint,
    documents_read: bool,
    findings: &mut Findings,
) {
    for later in later {
        if findings.is_full() {
            return;
        }
        let at = Position::of(text, later.at);
        match &later.condition {
            Need::Method { apis, path, method } if documents_read => {
                let apis = apis.iter().flat_map(|api| blueprint.api_in_all_variants(api));
                let documents: Vec<&Api> = apis.map(|(_, api)| api).collect();
                check_method(at, &documents, path, method, findings);
            }
            Need::CacheKey { api, path, method, parameter } if documents_read => {
                let documents: Vec<&Api> =
                    blueprint.api_in_all_variants(api).map(|(_, api)| api).collect();
                if check_method(at, &documents, path, method, findings) {
                    check_cache_key(at, &documents, (path, method), parameter, findings);
                }
            }
            Need::Method { .. } | Need::CacheKey { .. } => {}
            Need::KeyOf { table, attributes } => {
                check_key(at, blueprint, table, attributes, findings);
            }
            Need::Visibility { queue, function } => {
                check_visibility(at, blueprint, queue, function, findings);
            }
        }
    }
}

/// The methods of a document: path, method, and what stands there.
fn methods(api: &Api) -> impl Iterator<Item = (&str, String, &Value)> {
    let paths = api.document.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let members = item.as_object().into_iter().flatten();
        members.filter(|(_, operation)| operation.get(INTEGRATION).is_some()).map(
            move |(key, operation)| {
                let method = if key == ANY { "ANY".to_owned() } else { key.to_uppercase() };
                (path.as_str(), method, operation)
            },
        )
    })
}

/// The operations that answer a method of a path.
fn operations<'a>(
    documents: &[&'a Api],
    path: &str,
    method: &str,
) -> impl Iterator<Item = &'a Value> {
    documents.iter().flat_map(|api| methods(api)).filter_map(move |(found, verb, operation)| {
        (found == path && (verb == method || verb == "ANY")).then_some(operation)
    })
}

/// Whether one of the APIs has the method; reported when none has.
fn check_method(
    at: Position,
    documents: &[&Api],
    path: &str,
    method: &str,
    findings: &mut Findings,
) -> bool {
    // APIs that don't exist have been reported.
    if documents.is_empty() || operations(documents, path, method).next().is_some() {
        return !documents.is_empty();
    }
    let mut known: Vec<String> = documents
        .iter()
        .flat_map(|api| methods(api))
        .map(|(path, method, _)| format!("{method} {path}"))
        .collect();
    known.sort();
    known.dedup();
    let wrong = format!("{method} {path}");
    let known = || known.iter().map(String::as_str);
    findings
        .add(at, format!("`{}` is no method of the API", wrong.escape_debug()))
        .expected(one_of(known()))
        .nearest(&wrong, known());
    false
}

fn check_cache_key(
    at: Position,
    documents: &[&Api],
    (path, method): (&str, &str),
    parameter: &str,
    findings: &mut Findings,
) {
    let keys: Vec<&str> = operations(documents, path, method)
        .filter_map(|operation| operation.get(INTEGRATION)?.get("cacheKeyParameters")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !keys.contains(&parameter) {
        let message = format!(
            "`{}` is no cache key of `{method} {}`",
            parameter.escape_debug(),
            path.escape_debug()
        );
        let known = keys.iter().copied();
        findings
            .add(at, message)
            .expected(format!("{} of its `cacheKeyParameters`", one_of(known.clone())))
            .nearest(parameter, known);
    }
}

fn check_key(
    at: Position,
    blueprint: &Blueprint,
    table: &str,
    attributes: &[String],
    findings: &mut Findings,
) {
    let Some(table) = blueprint.tables.iter().find(|candidate| candidate.name == table) else {
        return;
    };
    let range_key = table.range_key.as_ref().map(|(name, _)| name.as_str());
    let mut keys: Vec<&str> = std::iter::once(table.hash_key.as_str()).chain(range_key).collect();
    keys.sort_unstable();
    if keys.iter().copied().ne(attributes.iter().map(String::as_str)) {
        let named = one_of(attributes.iter().map(String::as_str));
        findings
            .add(at, format!("the key of table `{}` is not {named}", table.name))
            .expected(keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" and "));
    }
}

/// Lambda: `CreateEventSourceMapping` refuses a queue whose messages come back while the function still
/// works ("Queue visibility timeout: … is less than Function timeout: …").
fn check_visibility(
    at: Position,
    blueprint: &Blueprint,
    queue: &str,
    function: &str,
    findings: &mut Findings,
) {
    let queue = blueprint.queues.iter().find(|candidate| candidate.name == queue);
    let function = blueprint.functions.iter().find(|candidate| candidate.name == function);
    if let (Some(queue), Some(function)) = (queue, function)
        && queue.visibility_timeout_s < function.timeout_s
    {
        let message = format!(
            "messages of `{}` come back after {} seconds while `{}` may take {}",
            queue.name, queue.visibility_timeout_s, function.name, function.timeout_s
        );
        findings.add(at, message).expected(format!(
            "a `visibility_timeout_s` of at least {}; AWS advises six times the function's timeout",
            function.timeout_s
        ));
    }
}
