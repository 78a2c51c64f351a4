//! 403 `Forbidden`: the key, its plan, the stage.

use labdeck_aws::Result;

use super::Fix;
use super::live::{Case, Diagnosis, Finding};
use crate::gateway::{self, Gateway};
use crate::request::key;

/// What was sent as `x-api-key`.
enum Sent {
    /// Nothing.
    Nothing,
    /// A value that was typed and is no key's.
    Unknown,
    /// The value of a key.
    Key { id: String, name: String },
}

pub(super) async fn diagnose(case: &Case<'_>) -> Result<Diagnosis> {
    let live = gateway::read(case.engine, case.blueprint).await?;
    let sent = sent(case).await?;
    Ok(judge(case, &live, sent))
}

/// The key that the request carried: the lab's, or whose value was typed.
async fn sent(case: &Case<'_>) -> Result<Sent> {
    let request = &case.exchange.request;
    let typed = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-api-key"));
    if let Some((_, value)) = typed {
        let found = key::of_value(case.engine, value).await?;
        return Ok(found.map_or(Sent::Unknown, |(id, name)| Sent::Key { id, name }));
    }
    Ok(request.key.as_ref().map_or(Sent::Nothing, |key| Sent::Key {
        id: key.id().unwrap_or_default().to_owned(),
        name: key.name().unwrap_or_default().to_owned(),
    }))
}

fn judge(case: &Case<'_>, live: &Gateway, sent: Sent) -> Diagnosis {
    let (lab, stage) = (case.lab(), case.stage());
    let mut checked = Vec::new();
    let exists = live
        .stages
        .iter()
        .any(|known| known.api == case.origin.api && known.stage == case.origin.stage);
    checked.push(Finding::new(
        format!("stage {stage} exists"),
        exists,
        if exists { "it does" } else { "there is none" },
    ));
    if !exists {
        let explanation = format!("There is no stage {stage}.");
        return Diagnosis { explanation, checked, fix: Some(case.deploy()) };
    }
    let carries = "the request carries an API key".to_owned();
    let (id, name) = match sent {
        Sent::Nothing => {
            checked.push(Finding::new(carries, false, "it has no x-api-key"));
            let explanation = "The method wants an API key, and the request has none.".to_owned();
            return Diagnosis { explanation, checked, fix: Some(usable(case, live, None)) };
        }
        Sent::Unknown => {
            checked.push(Finding::new(carries, true, "a value that was typed"));
            let what = "its value is that of a key".to_owned();
            checked.push(Finding::new(what, false, "no key of the account has it"));
            let explanation = "The value of x-api-key is that of no key.".to_owned();
            return Diagnosis { explanation, checked, fix: Some(usable(case, live, None)) };
        }
        Sent::Key { id, name } => (id, name),
    };
    checked.push(Finding::new(carries, true, format!("that of {name}")));
    let Some(key) = live.keys.iter().find(|key| key.id == id) else {
        checked.push(Finding::new(format!("key {name} exists"), false, "it was deleted"));
        let explanation = format!("The key {name} that was sent does not exist any more.");
        let named = case.blueprint.keys.iter().any(|key| key.name == name);
        let fix = if named { case.deploy() } else { usable(case, live, Some(&name)) };
        return Diagnosis { explanation, checked, fix: Some(fix) };
    };
    let state = if key.enabled { "it is enabled" } else { "it is disabled" };
    checked.push(Finding::new(format!("key {name} is enabled"), key.enabled, state));
    if !key.enabled {
        let explanation = format!("The key {name} is disabled.");
        let fix = Some(Fix::EnableKey { lab, key: name });
        return Diagnosis { explanation, checked, fix };
    }
    let in_plan = !key.plans.is_empty();
    let plans = key.plans.join(", ");
    let detail = if in_plan { format!("in {plans}") } else { "it is in none".to_owned() };
    checked.push(Finding::new(format!("key {name} is in a usage plan"), in_plan, detail));
    if !in_plan {
        let explanation = format!("The key {name} is in no usage plan of {lab}.");
        // A deploy puts the keys that the files name into their plans, and no other.
        let planned = case.blueprint.plans.iter().any(|plan| plan.keys.contains(&name));
        let fix = if planned { case.deploy() } else { usable(case, live, Some(&name)) };
        return Diagnosis { explanation, checked, fix: Some(fix) };
    }
    let of_key = || live.plans.iter().filter(|(plan, _)| key.plans.contains(&plan.name));
    let bound = of_key().find(|(plan, _)| plan.stages().contains(&stage.as_str()));
    let to: Vec<&str> = of_key().flat_map(|(plan, _)| plan.stages()).collect();
    let detail = match (&bound, to.as_slice()) {
        (Some((plan, _)), _) => format!("{} is", plan.name),
        (None, []) => format!("{plans} is bound to no stage"),
        (None, to) => format!("{plans} is bound to {} alone", to.join(", ")),
    };
    let what = format!("a plan of key {name} is bound to stage {stage}");
    checked.push(Finding::new(what, bound.is_some(), detail));
    if bound.is_none() {
        let explanation = format!("No usage plan of key {name} is bound to stage {stage}.");
        let plan = key.plans.first().cloned().unwrap_or_default();
        let fix = Some(Fix::BindPlan { lab, plan, stage });
        return Diagnosis { explanation, checked, fix };
    }
    let explanation = format!(
        "Key, plan and stage are as they must be now. On AWS a key or a plan that was just changed takes \
         up to two minutes; send it again. When it goes on, a resource policy of API {} refuses it.",
        case.origin.api
    );
    Diagnosis { explanation, checked, fix: None }
}

/// A key with which the request would be let in, other than the one that was sent; else the first that
/// there is, whose own trouble the next answer tells.
fn usable(case: &Case<'_>, live: &Gateway, sent: Option<&str>) -> Fix {
    let stage = case.stage();
    let lets_in = |plans: &[String]| {
        let bound = live.plans.iter().filter(|(plan, _)| plans.contains(&plan.name));
        bound.into_iter().any(|(plan, _)| plan.stages().contains(&stage.as_str()))
    };
    let others = || live.keys.iter().filter(|key| Some(key.name.as_str()) != sent);
    let good = others().find(|key| key.enabled && lets_in(&key.plans));
    // A deploy makes those that the files name.
    let named = |name: &str| live.keys.iter().any(|key| key.name == name);
    let missing = case.blueprint.keys.iter().any(|key| !named(&key.name));
    let Some(key) = good.or_else(|| others().next().filter(|_| !missing)) else {
        return case.deploy();
    };
    Fix::UseKey {
        lab: case.lab(),
        request: case.exchange.request.name.clone(),
        stage: case.origin.stage.clone(),
        key: key.name.clone(),
    }
}
