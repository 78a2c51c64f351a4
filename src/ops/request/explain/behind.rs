//! 500, 502, 504: the function behind the method.

use std::time::Duration;

use aws_sdk_apigateway::types::Resource;
use labdeck_aws::{Failure, Result};
use labdeck_telemetry::{LogEvent, LogKind};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Fix;
use super::live::{Case, Diagnosis, Finding};
use crate::gateway::stage;
use crate::live;
use crate::request::trace;
use crate::{status, trial};

/// How long the function's log is waited for.
const LOG_WITHIN: Duration = Duration::from_secs(3);
/// Longest text of a log line in a finding, in characters.
const LONGEST: usize = 300;
/// What begins the variables of a stage among its settings.
const VARIABLE: &str = "${stageVariables.";

/// The function that a method calls, as the definition has it.
struct Called {
    /// Function's name.
    function: String,
    /// Alias or version, with stage variables put in; empty for none.
    qualifier: String,
    /// A stage variable that it needs and that the stage does not have.
    missing: Option<String>,
    /// `METHOD/path`, as permissions name it.
    method: String,
}

/// `500 Internal server error`: whether the gateway may call the function, and what there is to call.
pub(super) async fn unreachable(case: &Case<'_>) -> Result<Diagnosis> {
    let resources = live::methods(&case.engine.target, &case.origin.api_id).await?;
    let stage = stage::read(case.engine, case.blueprint, &case.stage()).await?;
    let variable = |name: &str| stage.settings.get(&format!("variables.{name}")).cloned();
    let Some(called) = called(case, &resources, &variable) else {
        let explanation =
            "The method calls no function as the definition is now: the gateway failed on \
             its own, by a template or a mapping. The method's test shows its execution log."
                .to_owned();
        return Ok(Diagnosis { explanation, checked: Vec::new(), fix: Some(logs(case, None)) });
    };
    let (function, qualifier) = (called.function.as_str(), called.qualifier.as_str());
    let mut checked = Vec::new();
    if let Some(name) = &called.missing {
        let what = format!("stage {} has the variable {name}", case.stage());
        checked.push(Finding::new(what, false, "it has not"));
        let explanation = format!(
            "The method calls the function through the stage variable {name}, which stage {} does not have.",
            case.stage()
        );
        return Ok(Diagnosis { explanation, checked, fix: Some(case.deploy()) });
    }
    let there = live::function(&case.engine.target, function).await?;
    let detail = if there.is_some() { "it does" } else { "it was deleted" };
    checked.push(Finding::new(format!("function {function} exists"), there.is_some(), detail));
    let Some(there) = there else {
        let explanation = format!("The function {function} behind the method does not exist.");
        return Ok(Diagnosis { explanation, checked, fix: Some(case.deploy()) });
    };
    if !qualifier.is_empty() && !qualifier.chars().all(|c| c.is_ascii_digit()) {
        let aliases = live::aliases(&case.engine.target, function).await?;
        let has = aliases.iter().any(|alias| alias.name() == Some(qualifier));
        let known: Vec<&str> = aliases.iter().filter_map(|alias| alias.name()).collect();
        let detail = match (has, known.as_slice()) {
            (true, _) => "it has".to_owned(),
            (false, []) => "it has no alias".to_owned(),
            (false, known) => format!("it has {} alone", known.join(", ")),
        };
        checked.push(Finding::new(format!("{function} has alias {qualifier}"), has, detail));
        if !has {
            let explanation = format!(
                "Stage {} calls alias {qualifier} of {function}, and there is none.",
                case.stage()
            );
            return Ok(Diagnosis {
                explanation,
                checked,
                fix: Some(alias_fix(case, qualifier, &known)),
            });
        }
    }
    let allowed = allowed(case, &called).await?;
    let label =
        if qualifier.is_empty() { function.to_owned() } else { format!("{function}:{qualifier}") };
    let what = format!("{label} lets {} of stage {} call it", called.method, case.stage());
    let detail = if allowed { "it does" } else { "no statement of its policy does" };
    checked.push(Finding::new(what, allowed, detail));
    if !allowed {
        let explanation = format!(
            "{label} gives this method no permission (lambda:InvokeFunction), so the gateway may not call it."
        );
        return Ok(Diagnosis { explanation, checked, fix: Some(case.deploy()) });
    }
    let state = there.configuration().and_then(|configuration| configuration.state());
    let state = state.map_or("unknown", |state| state.as_str()).to_owned();
    let active = state == "Active";
    checked.push(Finding::new(format!("{function} is active"), active, format!("it is {state}")));
    let explanation = if active {
        "Function, alias and permission are as they must be now: send it again. When it goes on, the \
         gateway failed on what the function answered, by a template or a mapping."
            .to_owned()
    } else {
        format!("The function {function} is {state}: wait until it is active.")
    };
    Ok(Diagnosis { explanation, checked, fix: Some(logs(case, Some(function))) })
}

/// A stage that names another alias than the lab says is put back; an alias that is not there is deployed.
fn alias_fix(case: &Case<'_>, qualifier: &str, known: &[&str]) -> Fix {
    let wanted = case.blueprint.stages.iter().find(|stage| stage.name == case.origin.stage);
    match wanted.map(|stage| stage.alias.as_str()) {
        Some(alias) if alias != qualifier && known.contains(&alias) => Fix::SetStage {
            lab: case.lab(),
            stage: case.stage(),
            settings: vec![("variables.lambdaAlias".to_owned(), alias.to_owned())],
        },
        _ => case.deploy(),
    }
}

/// `502` and `504`: what the function did.
pub(super) async fn failed(case: &Case<'_>) -> Result<Diagnosis> {
    let late = case.exchange.status == 504;
    let mut checked = Vec::new();
    let lab = status::read_releases(case.engine, case.blueprint).await?;
    let on: Vec<&str> = lab.chaos.iter().map(|switch| switch.name.as_str()).collect();
    let detail =
        if on.is_empty() { "none is".to_owned() } else { format!("on: {}", on.join(", ")) };
    checked.push(Finding::new("no chaos switch of the lab is on", on.is_empty(), detail));

    let cancel = CancellationToken::new();
    let (engine, blueprint) = (case.engine, case.blueprint);
    let found = trace::wait_for(engine, blueprint, case.exchange, LOG_WITHIN, &cancel).await?;
    let ran = found.lines.iter().map(|event| event.function.to_string()).next();
    let function = ran.or_else(|| case.origin.functions.first().cloned()).unwrap_or_default();
    let known = lab.functions.iter().find(|one| one.name == function);
    if let Some(known) = known {
        let good = known.exists && (known.state.is_empty() || known.state == "Active");
        let detail =
            if known.exists { format!("it is {}", known.state) } else { "it was deleted".into() };
        checked.push(Finding::new(format!("function {function} is active"), good, detail));
    }
    let within = if late { integration_timeout(case).await? } else { None };
    let timeout = known.map_or(0, |known| known.timeout_s);
    let timed_out = found.lines.iter().any(is_timeout);
    let error = found.lines.iter().rev().find_map(error_of);
    let guess = if found.how.is_guess() { " (a guess by the time)" } else { "" };
    if !found.lines.is_empty() {
        let detail = match (timed_out, found.lines.iter().find_map(duration_of)) {
            (true, _) => "it was ended".to_owned(),
            (false, Some(millis)) => format!("it took {millis:.0} ms{guess}"),
            (false, None) => "it has not ended, or its log is not there yet".to_owned(),
        };
        let what = format!("it answered within its timeout of {timeout} s");
        checked.push(Finding::new(what, !timed_out, detail.clone()));
        if let Some(within) = &within {
            let what = format!("it answered within the integration's timeout of {within}");
            checked.push(Finding::new(what, false, detail));
        }
        let detail = error.clone().unwrap_or_else(|| "it logged none".to_owned());
        checked.push(Finding::new(
            "it logged no error",
            error.is_none(),
            format!("{detail}{guess}"),
        ));
    }
    let explanation = match (late, timed_out, &error) {
        (_, true, _) => format!("{function} did not answer within its timeout of {timeout} s."),
        (true, false, _) => format!(
            "{function} did not answer within the integration's timeout of {}; look for its slow calls in \
             the log.",
            within.as_deref().unwrap_or("at most 29 s")
        ),
        (false, false, Some(error)) => format!("{function} failed: {error}"),
        (false, false, None) if found.lines.is_empty() => format!(
            "{function} failed, or what it answered is no proxy response; its log shows nothing yet."
        ),
        (false, false, None) => {
            format!("{function} ended without an error: what it answered is no proxy response.")
        }
    };
    let released = known
        .and_then(|known| known.alias(&case.origin.alias))
        .is_some_and(|alias| alias.rollback.is_some());
    let fix = match on.first() {
        Some(name) => Fix::ChaosOff { lab: case.lab(), name: (*name).to_owned() },
        None if released => Fix::Rollback { lab: case.lab() },
        None => logs(case, (!function.is_empty()).then_some(function.as_str())),
    };
    Ok(Diagnosis { explanation, checked, fix: Some(fix) })
}

/// How long the gateway waits for what is behind the method, as the definition is now: `10 s`, `50 ms`.
async fn integration_timeout(case: &Case<'_>) -> Result<Option<String>> {
    let resources = live::methods(&case.engine.target, &case.origin.api_id).await?;
    let method = &case.exchange.request.method;
    let millis = trial::template(&resources, case.path(), method).and_then(|(template, verb)| {
        let resource = resources.iter().find(|one| one.path() == Some(template))?;
        Some(resource.resource_methods()?.get(verb)?.method_integration()?.timeout_in_millis())
    });
    Ok(millis.filter(|millis| *millis > 0).map(|millis| match millis % 1000 {
        0 => format!("{} s", millis / 1000),
        _ => format!("{millis} ms"),
    }))
}

fn logs(case: &Case<'_>, function: Option<&str>) -> Fix {
    Fix::OpenLogs { lab: case.lab(), function: function.map(str::to_owned) }
}

fn is_timeout(event: &LogEvent) -> bool {
    match &event.kind {
        LogKind::Report(report) => report.status.as_deref() == Some("timeout"),
        LogKind::Plain => event.text.contains("Task timed out after"),
        _ => false,
    }
}

fn duration_of(event: &LogEvent) -> Option<f64> {
    match &event.kind {
        LogKind::Report(report) => Some(report.duration_ms),
        _ => None,
    }
}

/// What a line says of an error.
fn error_of(event: &LogEvent) -> Option<String> {
    let text = match &event.kind {
        LogKind::Json { level, message, .. } if level.as_deref() == Some("ERROR") => {
            message.as_deref().unwrap_or(&event.text).to_owned()
        }
        LogKind::Plain if event.text.contains("Error") || event.text.contains("panicked") => {
            event.text.to_string()
        }
        _ => return None,
    };
    Some(text.chars().take(LONGEST).collect())
}

fn called(
    case: &Case<'_>,
    resources: &[Resource],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<Called> {
    let (template, verb) = trial::template(resources, case.path(), &case.exchange.request.method)?;
    let resource = resources.iter().find(|one| one.path() == Some(template))?;
    let uri = resource.resource_methods()?.get(verb)?.method_integration()?.uri()?;
    let (function, qualifier, missing) = function_of(uri, variable)?;
    Some(Called {
        function,
        qualifier,
        missing,
        method: format!("{}{template}", case.exchange.request.method),
    })
}

/// Function, qualifier, and the stage variable that is missing, of an integration's URI.
fn function_of(
    uri: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<(String, String, Option<String>)> {
    let (_, rest) = uri.split_once("/functions/")?;
    let mut name = rest.strip_suffix("/invocations")?.to_owned();
    let mut missing = None;
    while let Some(start) = name.find(VARIABLE) {
        let end = start + name[start..].find('}')?;
        let key = name[start + VARIABLE.len()..end].to_owned();
        let value = variable(&key).unwrap_or_default();
        if value.is_empty() {
            missing.get_or_insert(key);
        }
        name.replace_range(start..=end, &value);
    }
    // `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`, or `NAME[:QUALIFIER]`.
    let name = name.split_once(":function:").map_or(name.as_str(), |(_, name)| name);
    let (function, qualifier) = name.split_once(':').unwrap_or((name, ""));
    Some((function.to_owned(), qualifier.to_owned(), missing))
}

/// Whether the function's policy lets the gateway call it for this method.
async fn allowed(case: &Case<'_>, called: &Called) -> Result<bool> {
    let qualifier = (!called.qualifier.is_empty()).then(|| called.qualifier.clone());
    let call = case.engine.target.lambda().get_policy().function_name(&called.function);
    let answer = call.set_qualifier(qualifier).send().await;
    let what = format!("reading the permissions of {}", called.function);
    let answer = live::existing(answer.map_err(|error| Failure::from_sdk(what, &error)))?;
    let policy = answer.and_then(|answer| answer.policy).unwrap_or_default();
    let asked = format!("{}/{}/{}", case.origin.api_id, case.origin.stage, called.method);
    Ok(lets_in(&policy, &asked))
}

/// Whether a statement allows API Gateway to call for `asked`, which is `API/STAGE/METHOD/path`.
fn lets_in(policy: &str, asked: &str) -> bool {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
    statements.iter().any(|statement| {
        let principal = &statement["Principal"];
        let service = principal["Service"].as_str().or(principal.as_str()).unwrap_or_default();
        let source = ["ArnLike", "ArnEquals", "StringLike", "StringEquals"]
            .iter()
            .find_map(|how| statement["Condition"][how]["AWS:SourceArn"].as_str());
        statement["Effect"] == "Allow"
            && (service == "apigateway.amazonaws.com" || service == "*")
            && source.is_none_or(|source| {
                let place = source.splitn(6, ':').nth(5).unwrap_or_default();
                like(place, asked)
            })
    })
}

/// Whether a pattern with `*` and `?` fits a text.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[of] => {
                at += 1;
                of += 1;
            }
            _ => match star {
                Some((back, from)) => {
                    at = back + 1;
                    of = from + 1;
                    star = Some((back, of));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_function_is_found_with_the_stages_variables() {
        let uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:\
                   us-east-1:1:function:Items:${stageVariables.lambdaAlias}/invocations";
        let of = |value: Option<&str>| {
            let value = value.map(str::to_owned);
            function_of(uri, &move |_| value.clone())
        };
        assert_eq!(of(Some("prod")), Some(("Items".into(), "prod".into(), None)));
        let missing = Some("lambdaAlias".to_owned());
        assert_eq!(of(None), Some(("Items".into(), String::new(), missing)));
        assert_eq!(function_of("arn:aws:apigateway:us-east-1:sqs:path/1/q", &|_| None), None);
    }

    #[test]
    fn a_policy_lets_in_what_its_source_fits() {
        let policy = |source: &str| {
            json!({ "Statement": [{ "Effect": "Allow",
                "Principal": { "Service": "apigateway.amazonaws.com" },
                "Condition": { "ArnLike": { "AWS:SourceArn":
                    format!("arn:aws:execute-api:us-east-1:1:{source}") } } }] })
            .to_string()
        };
        let asked = "a1/prod/GET/items/{ID}";
        for (source, holds) in [
            ("a1/prod/GET/items/*", true),
            ("a1/*/*/*", true),
            ("a1/prod/GET/items/{ID}", true),
            ("a1/dev/GET/items/*", false),
            ("a1/prod/POST/*", false),
            ("a1/prod/GET/items", false),
        ] {
            assert_eq!(lets_in(&policy(source), asked), holds, "{source}");
        }
        assert!(!lets_in("{}", asked));
    }
}
