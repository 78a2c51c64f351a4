//! 403 `Missing Authentication Token`: which definition has the method, and which the stage serves.

use labdeck_aws::Result;

use super::Fix;
use super::live::{Case, Diagnosis, Finding};
use crate::gateway::deployments;
use crate::request::prepare;
use crate::trial;

pub(super) async fn diagnose(case: &Case<'_>) -> Result<Diagnosis> {
    let (method, path) = (case.exchange.request.method.as_str(), case.path());
    let resources = trial::resources(case.engine, &case.origin.api_id).await?;
    let all = deployments::list(case.engine, case.blueprint).await?;
    let now = trial::matching(&resources, path, method).is_some();
    let api = case.blueprint.apis.iter().find(|api| api.name == case.origin.api);
    let routes = api.map(prepare::routes).unwrap_or_default();
    let wanted = routes.iter().any(|route| fits(route, method, path));
    let found = |holds: bool| if holds { "it has" } else { "it has not" };
    let stage = case.stage();
    // What is attached has no files: its routes are those of its definition.
    let attached = case.blueprint.attached.is_some();
    let mut checked = Vec::new();
    if !attached {
        let what = format!("the lab's files have {method} {path}");
        checked.push(Finding::new(what, wanted, found(wanted)));
    }
    let what = format!("the API's definition has {method} {path}");
    checked.push(Finding::new(what, now, found(now)));
    if !now {
        let (explanation, fix) = if wanted && !attached {
            let text =
                "The lab's files have this method, and the API that is deployed has it not yet.";
            (text.to_owned(), Some(case.deploy()))
        } else {
            let known = if routes.is_empty() { "no method".to_owned() } else { routes.join(", ") };
            let whose = if attached { "the API's definition has" } else { "the lab's files have" };
            (format!("There is no such method: {whose} {known}."), None)
        };
        return Ok(Diagnosis { explanation, checked, fix });
    }
    let own = all.iter().find(|api| api.api_id == case.origin.api_id);
    let of_api = own.map(|api| api.deployments.as_slice()).unwrap_or_default();
    let served = of_api.iter().find(|one| one.stages.contains(&case.origin.stage));
    let newest = of_api.iter().find(|one| one.current);
    let detail = match (served, newest) {
        (Some(served), Some(newest)) => {
            format!("it serves {}, and {} holds the definition of now", served.id, newest.id)
        }
        (Some(served), None) => {
            format!("it serves {}, and the definition of now was never deployed", served.id)
        }
        (None, _) => "it serves no deployment that is there".to_owned(),
    };
    let what = format!("stage {stage} serves that definition");
    checked.push(Finding::new(what, false, detail));
    let explanation = format!(
        "The API has the method, and stage {stage} still serves a deployment without it: the stage is \
         stale."
    );
    let lab = case.lab();
    let fix = match newest.filter(|one| served.is_none_or(|served| served.id != one.id)) {
        Some(one) => Fix::SwitchDeployment { lab, stage, deployment: one.id.clone() },
        None => Fix::Redeploy { lab, stage },
    };
    Ok(Diagnosis { explanation, checked, fix: Some(fix) })
}

/// Whether a route such as `GET /items/{ID}` answers a request.
fn fits(route: &str, method: &str, path: &str) -> bool {
    let Some((verb, template)) = route.split_once(' ') else { return false };
    (verb == method || verb == "ANY") && trial::rank(template, path).is_some()
}
