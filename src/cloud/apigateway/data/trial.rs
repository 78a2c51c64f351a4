//! `TestInvokeMethod`: a method of the definition as it is, without a stage in front of it.
//!
//! No key, throttle, cache or authorizer has a say; the method's validator, its integration and its
//! log have ("Test a REST API method in the console" in the developer guide).

use std::collections::BTreeMap;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Collected};
use serde_json::{Map, Value, json};

use super::super::model::{Definition, Resource, Texts};
use super::backend::Backends;
use super::live::Serving;
use super::log::{ExecutionLog, shown_name};
use super::request::{Context, ExecuteRequest};
use super::tree::{Matched, Tree};
use super::{check, execute};
use crate::error::AwsError;

/// The stage that a test names in `$context` and to Lambda's permissions.
pub(in super::super) const TEST_STAGE: &str = "test-invoke-stage";

/// Runs a method; `request.path` begins with [`TEST_STAGE`]. Answers what `TestInvokeMethod` does.
/// Nothing when the resource has no such method.
pub(in super::super) async fn run(
    definition: &Definition,
    resource: &Resource,
    variables: Texts,
    backends: &dyn Backends,
    request: &ExecuteRequest,
    now: i64,
) -> Result<Option<Value>, AwsError> {
    let variables_json =
        if variables.is_empty() { "null".to_owned() } else { json!(variables).to_string() };
    let serving = Serving {
        deployment_id: String::new(),
        tree: Arc::new(Tree::compile(definition)),
        variables,
        variables_json,
    };
    let mut context = Context::new(request, now)?;
    context.test = true;
    let verb = request.method.as_str();
    let Some(matched) = serving.tree.method_of(&resource.path, verb, context.encoded_path()) else {
        return Ok(None);
    };
    let started = std::time::Instant::now();
    let mut log = ExecutionLog::of_test();
    log.begin(&context, &matched);
    let checked = match check::parameters(&context, &matched) {
        Ok(()) => check::body(&context, &matched).await,
        refused => refused,
    };
    let outcome = match checked {
        Ok(()) => execute::integrate(backends, &serving, &context, &matched, &mut log).await,
        Err(failure) => Err(failure),
    };
    let answer = match outcome {
        Ok(answer) => execute::succeed(answer, &context, &mut log).await,
        Err(failure) => {
            log.error(&context, failure.reason.as_deref().unwrap_or(&failure.message));
            execute::refuse(&failure, &serving, &context, Some(&matched))
        }
    };
    let status = answer.status().as_u16();
    log.end(&context, status);
    let (mut parts, body) = answer.into_parts();
    // A body in memory: collecting it cannot fail.
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    if parts.headers.contains_key("x-amzn-errortype") {
        // As recorded: the gateway's own answers name no content type here.
        parts.headers.remove(http::header::CONTENT_TYPE);
    }
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        values.entry(shown_name(name.as_str())).or_default().push(value);
    }
    let last = values.iter().map(|(name, values)| {
        (name.clone(), Value::from(values.last().map_or("", String::as_str)))
    });
    Ok(Some(json!({
        "status": status,
        "body": String::from_utf8_lossy(&body),
        "headers": last.collect::<Map<_, _>>(),
        "multiValueHeaders": values,
        "log": log.into_text(&context),
        "latency": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })))
}

impl Tree {
    /// The method of the resource at `declared`, with the path parameters of `path` where that is
    /// this resource's; a path of anything else has none, as recorded.
    fn method_of<'a>(&'a self, declared: &str, verb: &str, path: &'a str) -> Option<Matched<'a>> {
        let route = self.route_at(declared)?;
        let method = route.method(verb)?;
        let parameters = match self.find(verb, path) {
            Some(found) if std::ptr::eq(found.route, route) => found.parameters,
            _ => Vec::new(),
        };
        Some(Matched { route, method, parameters })
    }
}
