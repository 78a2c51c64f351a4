//! Invoke permissions: which statement every route of every stage needs, and which ones go.

use std::collections::BTreeMap;

use labdeck_lab::blueprint::Follows;
use sha2::{Digest as _, Sha256};

use super::Steps;
use crate::deploy::action::{Action, Grant};
use crate::deploy::observe::Live;
use crate::deploy::plan::Verb;
use crate::deploy::wanted::{Route, Wanted};

/// The steps on invoke permissions.
pub(super) fn grants(
    steps: &mut Steps,
    wanted: &Wanted,
    live: &Live,
    aliases: &BTreeMap<(&str, &str), Vec<usize>>,
    imported: &BTreeMap<&str, Vec<usize>>,
) {
    let mut keep: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    // Lambda refuses two changes of one alias's permissions at the same time.
    let mut last: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for api in &wanted.apis {
        for route in &api.routes {
            for stage in &wanted.stages {
                let place = (route.function.as_str(), stage.alias.as_str());
                let statement = statement_id(&api.name, &stage.name, route);
                keep.entry(place).or_default().push(statement.clone());
                let present = live
                    .functions
                    .get(&route.function)
                    .and_then(|f| f.permissions.get(&stage.alias)?.get(&statement));
                let source = live.apis.get(&api.name).map(|live| {
                    wanted.place.method(&live.id, &stage.name, &route.method, &route.path)
                });
                if present.is_some() && present == source.as_ref() {
                    continue;
                }
                let mut after = aliases.get(&place).cloned().unwrap_or_default();
                after.extend(imported.get(api.name.as_str()).into_iter().flatten());
                after.extend(last.get(&place));
                let name = format!("{}:{}", route.function, stage.alias);
                let method = if route.method == "*" { "any method" } else { &route.method };
                let reason = format!("{method} {} of {}/{}", route.path, api.name, stage.name);
                let grant = Grant {
                    function: route.function.clone(),
                    alias: stage.alias.clone(),
                    statement,
                    api: api.name.clone(),
                    stage: stage.name.clone(),
                    method: route.method.clone(),
                    path: route.path.clone(),
                    replaces: present.is_some(),
                };
                let verb = if present.is_some() { Verb::Update } else { Verb::Create };
                let action = Action::Grant(grant);
                let index = steps.push(verb, "permission", name, reason, &after, action);
                last.insert(place, index);
            }
        }
    }
    for function in &wanted.functions {
        let Some(present) = live.functions.get(&function.name) else { continue };
        for (alias, statements) in &present.permissions {
            let place = (function.name.as_str(), alias.as_str());
            let kept = keep.get(&place);
            for (statement, source) in statements {
                if kept.is_some_and(|kept| kept.contains(statement))
                    || may_be_served(wanted, live, source)
                {
                    continue;
                }
                let after: Vec<usize> = last.get(&place).copied().into_iter().collect();
                let action = Action::Revoke {
                    function: function.name.clone(),
                    alias: alias.clone(),
                    statement: statement.clone(),
                };
                let name = format!("{}:{alias}", function.name);
                let reason = format!("{statement} is not needed any more");
                let index = steps.push(Verb::Delete, "permission", name, reason, &after, action);
                last.insert(place, index);
            }
        }
    }
}

/// Whether a permission is for a stage that follows releases: it may serve an older definition now,
/// or after a rollback, and that one may have methods that the newest does not have.
fn may_be_served(wanted: &Wanted, live: &Live, source: &str) -> bool {
    let mut released = wanted.stages.iter().filter(|stage| stage.follows == Follows::Release);
    released.any(|stage| {
        wanted.apis.iter().filter_map(|api| live.apis.get(&api.name)).any(|api| {
            let methods = wanted.place.method(&api.id, &stage.name, "", "");
            source.starts_with(&methods)
        })
    })
}

/// The statement id of a route's permission: readable, unique, at most 100 of Lambda's characters.
pub(super) fn statement_id(api: &str, stage: &str, route: &Route) -> String {
    let mut digest = Sha256::new();
    for part in [api, stage, &route.method, &route.path] {
        digest.update(part);
        digest.update([0]);
    }
    let hash = hex::encode(digest.finalize());
    let word = |text: &str| -> String {
        text.chars()
            .take(30)
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
            .collect()
    };
    format!("labdeck-{}-{}-{}", word(api), word(stage), &hash[..12])
}
