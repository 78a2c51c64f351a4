//! What is checked before the back end is called.

use std::sync::Arc;
use std::time::Instant;

use super::super::plans::Plans;
use super::super::plans::registry::Pass;
use super::super::plans::usage::day_of;
use super::failure::Failure;
use super::live::{Rules, Serving};
use super::log::key_of;
use super::request::Context;
use super::schema::Refusal;
use super::tree::{Matched, Place};

/// The largest body that API Gateway takes, in bytes.
pub(super) const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// The largest event that Lambda takes, in bytes.
pub(super) const LARGEST_EVENT: usize = 6_291_456;

/// Refuses a request that the method does not let in, in API Gateway's order: authorization, API
/// key, throttles, quota; `parameters` and `body` come next. The key that lets it in is left in the
/// context.
pub(super) fn request(
    context: &mut Context<'_>,
    matched: &Matched<'_>,
    serving: &Serving,
    rules: Option<&Rules>,
    plans: &Plans,
) -> Result<(), Failure> {
    let method = matched.method;
    if method.authorization != "NONE" {
        return Err(Failure::absent(&format!(
            "authorization type {} of API Gateway methods",
            method.authorization
        )));
    }
    if context.request.body.len() > LARGEST_BODY {
        return Err(Failure::too_large());
    }
    let pass =
        method.api_key_required.then(|| key(context, matched, serving, plans)).transpose()?;
    throttle(context, matched, rules, plans, pass.as_ref())?;
    if let Some(pass) = pass {
        context.api_key = Some(Arc::clone(&pass.key));
        count(context, plans, &pass)?;
    }
    Ok(())
}

/// What the request's API key opens the stage with.
fn key(
    context: &Context<'_>,
    matched: &Matched<'_>,
    serving: &Serving,
    plans: &Plans,
) -> Result<Pass, Failure> {
    let (api, stage) = (&context.request.api_id, context.stage);
    let refused = |why: &str| {
        Failure::no_key(format!(
            "API Key {} not authorized because method '{} {}' requires API Key and API Key is not \
             associated with a Usage Plan for API Stage {api}/{stage}: {why}",
            key_of(context),
            context.request.method,
            matched.route.path
        ))
    };
    if !serving.tree.key_in_header {
        return Err(refused("the API takes its keys from an authorizer, and the method has none"));
    }
    let value = context.header("x-api-key").ok_or_else(|| refused("No API Key provided"))?;
    let method = || format!("{}/{}", matched.route.path, matched.method.verb);
    plans.read().pass(value, api, stage, method).ok_or_else(|| refused("API Key was invalid"))
}

/// Takes a token of every limit that holds for the request: the plan's for the key (or for the key
/// and method), the stage's for the method, the account's. The order is that of "Throttle requests
/// to your REST APIs" in the developer guide.
fn throttle(
    context: &Context<'_>,
    matched: &Matched<'_>,
    rules: Option<&Rules>,
    plans: &Plans,
    pass: Option<&Pass>,
) -> Result<(), Failure> {
    let now = Instant::now();
    if let Some(pass) = pass {
        let (api, stage) = (&context.request.api_id, context.stage);
        let method = || format!("{api}/{stage}{}/{}", matched.route.path, matched.method.verb);
        if !pass.admits(method, now) {
            return Err(Failure::throttled().because(format!(
                "Key throttle limit exceeded for Usage Plan ID {} and API Stage {api}/{stage}",
                pass.plan.id
            )));
        }
    }
    if let Some((rules, limit)) = rules.and_then(|rules| Some((rules, rules.limit?)))
        && !rules.bucket.admits(limit, now)
    {
        // As a real log says it of a method's own limit.
        return Err(Failure::throttled().because(format!(
            "Key throttle limit exceeded for RestApi {}, Stage {}, Resource {}, HttpMethod {}. {limit}",
            context.request.api_id,
            context.stage,
            matched.route.resource_id,
            context.request.method
        )));
    }
    if plans.account_admits(now) { Ok(()) } else { Err(Failure::throttled()) }
}

/// Counts a request that was not throttled towards its key's quota.
fn count(context: &Context<'_>, plans: &Plans, pass: &Pass) -> Result<(), Failure> {
    let quota = pass.plan.quota.as_ref();
    let today = day_of(context.now);
    if pass.member.with_usage(|usage| usage.take(quota, today)) {
        plans.note(&pass.member);
        return Ok(());
    }
    Err(Failure::quota_exceeded(format!(
        "Key quota exhausted for Usage Plan ID {} and API Stage {}/{}",
        pass.plan.id, context.request.api_id, context.stage
    )))
}

/// Refuses a request without parameters that its validator demands.
pub(super) fn parameters(context: &Context<'_>, matched: &Matched<'_>) -> Result<(), Failure> {
    let missing: Vec<&str> = matched
        .method
        .required
        .iter()
        .filter(|(place, name)| !is_there(context, matched, *place, name))
        .map(|(_, name)| name.as_str())
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Failure::parameters(&missing)) }
}

/// Refuses a body that violates the model for its content type. Where there is none for it (nor
/// one for `$default`), nothing is checked: "Request validation for REST APIs" in the developer
/// guide.
pub(super) async fn body(context: &Context<'_>, matched: &Matched<'_>) -> Result<(), Failure> {
    let models = &matched.method.models;
    let sent = context.header("content-type").unwrap_or("application/json");
    let media = sent.split(';').next().unwrap_or_default().trim();
    let model = models
        .iter()
        .find(|(kind, _)| kind.eq_ignore_ascii_case(media))
        .or_else(|| models.iter().find(|(kind, _)| kind == "$default"));
    let Some((_, schema)) = model else { return Ok(()) };
    schema.check(&context.request.body).await.map_err(|refusal| match refusal {
        Refusal::Invalid(violations) => Failure::body(media, violations),
        Refusal::BadModel(why) => Failure::misconfigured(why),
    })
}

/// Whether a parameter is there and not blank.
fn is_there(context: &Context<'_>, matched: &Matched<'_>, place: Place, name: &str) -> bool {
    let value = match place {
        Place::Path => matched.parameter(name),
        Place::Query => context.query_value(name),
        Place::Header => context.header(name),
    };
    value.is_some_and(|value| !value.trim().is_empty())
}
