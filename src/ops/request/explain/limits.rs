//! 429: quotas and rates of plans, methods and stages.

use std::collections::BTreeMap;

use labdeck_aws::Result;

use super::Fix;
use super::live::{Case, Diagnosis, Finding};
use crate::gateway::plan::PlanModel;
use crate::gateway::{self, Gateway};
use crate::trial;

/// What AWS gives an account at first: requests per second, and at once.
const ACCOUNT: (f64, i64) = (10_000.0, 5_000);

/// `Limit Exceeded`: the quota is used up.
pub(super) async fn quota(case: &Case<'_>) -> Result<Diagnosis> {
    let live = gateway::read(case.engine, case.blueprint).await?;
    let stage = case.stage();
    let sent = case.exchange.request.key.as_ref().and_then(|key| key.id());
    let mut checked = Vec::new();
    let mut empty = None;
    for (plan, usage) in &live.plans {
        if !plan.stages().contains(&stage.as_str()) {
            continue;
        }
        for key in usage.keys.iter().filter(|key| sent.is_none_or(|id| key.key_id == id)) {
            let (used, left) = key.best();
            let Some(left) = left else { continue };
            let period = usage.period.as_deref().unwrap_or_default().to_ascii_lowercase();
            let detail = format!("{used} used of {} in this {period}", used + left);
            let what = format!("key {} has requests left in plan {}", key.key, plan.name);
            checked.push(Finding::new(what, left > 0, detail));
            if left <= 0 && empty.is_none() {
                empty = Some((plan.name.clone(), key.key.clone()));
            }
        }
    }
    let Some((plan, key)) = empty else {
        let explanation =
            "A quota was used up when this was answered; by the cloud's figures, which lag \
             on AWS, none is now."
                .to_owned();
        return Ok(Diagnosis { explanation, checked, fix: None });
    };
    let explanation = format!("Key {key} has used up its quota of plan {plan}.");
    let fix = Some(Fix::ResetQuota { lab: case.lab(), plan, key });
    Ok(Diagnosis { explanation, checked, fix })
}

/// A rate that requests are held to.
struct Limit {
    of: String,
    rate: f64,
    burst: i64,
    plan: Option<String>,
    /// What is in front of `throttle.rate`.
    place: String,
    /// What the lab's files say, where they say something.
    wanted: Option<(f64, i64)>,
}

/// `Too Many Requests`: the lowest rate is the likeliest.
pub(super) async fn rate(case: &Case<'_>) -> Result<Diagnosis> {
    let live = gateway::read(case.engine, case.blueprint).await?;
    let resources = trial::resources(case.engine, &case.origin.api_id).await?;
    let template = trial::template(&resources, case.path(), &case.exchange.request.method);
    let method = template.map(|(path, method)| format!("{path}/{method}"));
    let mut limits = of_plans(case, &live, method.as_deref());
    limits.extend(of_stage(case, &live, method.as_deref()));
    limits.sort_by(|a, b| a.rate.total_cmp(&b.rate).then(a.burst.cmp(&b.burst)));
    let checked = limits
        .iter()
        .enumerate()
        .map(|(index, limit)| {
            let (rate, burst) = (limit.rate, limit.burst);
            let what = format!("{} is above what was sent", limit.of);
            let detail = format!("{rate} requests per second, {burst} at once");
            Finding::new(what, index > 0, detail)
        })
        .collect();
    let Some(lowest) = limits.first() else {
        let explanation =
            "Neither plan nor stage has a rate of its own: the limit of the account was \
             reached, which all APIs of the region share."
                .to_owned();
        return Ok(Diagnosis { explanation, checked, fix: None });
    };
    let explanation = if lowest.rate <= 0.0 || lowest.burst <= 0 {
        format!("{} is 0: it refuses every request.", capital(&lowest.of))
    } else {
        format!(
            "{} is the lowest there is: {} requests per second, {} at once.",
            capital(&lowest.of),
            lowest.rate,
            lowest.burst
        )
    };
    Ok(Diagnosis { explanation, checked, fix: Some(raised(case, lowest)) })
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn raised(case: &Case<'_>, limit: &Limit) -> Fix {
    let more = |(rate, burst): &(f64, i64)| *rate > limit.rate || *burst > limit.burst;
    let (rate, burst) = match limit.wanted.filter(more) {
        Some(wanted) => wanted,
        None if limit.rate <= 0.0 || limit.burst <= 0 => ACCOUNT,
        None => (limit.rate * 2.0, limit.burst * 2),
    };
    let settings = vec![
        (format!("{}throttle.rate", limit.place), format!("{rate}")),
        (format!("{}throttle.burst", limit.place), format!("{burst}")),
    ];
    match &limit.plan {
        Some(plan) => Fix::SetPlan { lab: case.lab(), plan: plan.clone(), settings },
        None => Fix::SetStage { lab: case.lab(), stage: case.stage(), settings },
    }
}

fn of_plans(case: &Case<'_>, live: &Gateway, method: Option<&str>) -> Vec<Limit> {
    let stage = case.stage();
    let sent = case.exchange.request.key.as_ref().and_then(|key| key.id());
    let mut limits = Vec::new();
    for (plan, usage) in &live.plans {
        let has = sent.is_some_and(|id| usage.keys.iter().any(|key| key.key_id == id));
        if !has || !plan.stages().contains(&stage.as_str()) {
            continue;
        }
        limits.extend(of_plan(case, plan, &stage, method));
    }
    limits
}

fn of_plan(case: &Case<'_>, plan: &PlanModel, stage: &str, method: Option<&str>) -> Vec<Limit> {
    let known = case.blueprint.plans.iter().find(|known| known.name == plan.name);
    let mut limits = Vec::new();
    if let Some((rate, burst)) = pair(&plan.settings, "") {
        limits.push(Limit {
            of: format!("the rate of plan {}", plan.name),
            rate,
            burst,
            plan: Some(plan.name.clone()),
            place: String::new(),
            wanted: known
                .and_then(|plan| plan.throttle)
                .map(|limit| (limit.rate, i64::from(limit.burst))),
        });
    }
    let Some(method) = method else { return limits };
    let place = format!("{stage}:{method}:");
    if let Some((rate, burst)) = pair(&plan.settings, &place) {
        limits.push(Limit {
            of: format!("the rate of {method} in plan {}", plan.name),
            rate,
            burst,
            plan: Some(plan.name.clone()),
            place,
            wanted: known
                .and_then(|plan| plan.methods.get(method))
                .map(|limit| (limit.rate, i64::from(limit.burst))),
        });
    }
    limits
}

fn of_stage(case: &Case<'_>, live: &Gateway, method: Option<&str>) -> Vec<Limit> {
    let stage = live
        .stages
        .iter()
        .find(|known| known.api == case.origin.api && known.stage == case.origin.stage);
    let Some(stage) = stage else { return Vec::new() };
    let known = case.blueprint.stages.iter().find(|known| known.name == case.origin.stage);
    let wanted =
        known.and_then(|stage| stage.throttle).map(|limit| (limit.rate, i64::from(limit.burst)));
    let places = [
        (String::new(), format!("the rate of stage {}", case.stage())),
        (
            method.map(|method| format!("{method}:")).unwrap_or_default(),
            format!("the rate of {} on stage {}", method.unwrap_or_default(), case.stage()),
        ),
    ];
    let mut limits = Vec::new();
    for (place, of) in places {
        let own = place.is_empty();
        if let Some((rate, burst)) = pair(&stage.settings, &place)
            && (own || method.is_some())
            && !limits.iter().any(|limit: &Limit| limit.place == place)
        {
            limits.push(Limit { of, rate, burst, plan: None, place, wanted });
        }
    }
    // A rate of the method itself stands in place of the stage's.
    if limits.len() > 1 {
        limits.remove(0);
    }
    limits
}

/// `throttle.rate` and `throttle.burst` behind `place`, where they are set.
fn pair(settings: &BTreeMap<String, String>, place: &str) -> Option<(f64, i64)> {
    let rate = settings.get(&format!("{place}throttle.rate"))?.parse().ok()?;
    let burst = settings.get(&format!("{place}throttle.burst"))?.parse().ok()?;
    // Below 0 nothing is set.
    (rate >= 0.0 && burst >= 0).then_some((rate, burst))
}
