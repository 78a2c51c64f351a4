//! Permissions to invoke functions: of stages' methods, and of topics.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::blueprint::Follows;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{alias, api, topic};
use crate::deploy::graph::Planner;
use crate::deploy::observe::Live;
use crate::deploy::plan::Verb;
use crate::deploy::run::StepRun;
use crate::deploy::wanted::Wanted;
use crate::live::existing;

/// What the plan calls it.
pub const RESOURCE: &str = "permission";
/// Begins the ids of labdeck's statements.
const PREFIX: &str = "labdeck-";

/// A permission that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Function.
    pub function: String,
    /// Alias; empty for the function itself.
    pub alias: String,
    /// Statement id.
    pub statement: String,
    /// Who may invoke it.
    pub source: Source,
}

/// Who may invoke a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A method of a stage.
    Method {
        /// API.
        api: String,
        /// Stage.
        stage: String,
        /// Method in capitals, `*` for any.
        method: String,
        /// Path with `{parameters}`.
        path: String,
    },
    /// A topic, by name.
    Topic(String),
}

/// What is done to a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionAction {
    /// Give it; with `replaces`, a statement of this id with another source goes first.
    Grant {
        /// The permission.
        grant: Grant,
        /// Whether there is a statement of this id.
        replaces: bool,
    },
    /// Take it away.
    Revoke {
        /// Function.
        function: String,
        /// Alias; empty for the function itself.
        alias: String,
        /// Statement id.
        statement: String,
    },
}

/// Labdeck's permissions on an alias (empty: on the function itself): statement id and source ARN.
pub async fn observe(
    target: &Target,
    function: &str,
    alias: &str,
) -> Result<BTreeMap<String, String>> {
    let qualifier = (!alias.is_empty()).then(|| alias.to_owned());
    let call = target.lambda().get_policy().function_name(function).set_qualifier(qualifier);
    let answer = call.send().await;
    let what = format!("reading the permissions of {}", alias::label(function, alias));
    let Some(answer) = existing(answer.map_err(|e| Failure::from_sdk(what, &e)))? else {
        return Ok(BTreeMap::new());
    };
    Ok(own_statements(answer.policy().unwrap_or_default()))
}

/// The statements of a function's policy whose id begins with `labdeck-`.
fn own_statements(policy: &str) -> BTreeMap<String, String> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
    statements
        .iter()
        .filter_map(|statement| {
            let id = statement["Sid"].as_str().filter(|id| id.starts_with(PREFIX))?;
            let source = &statement["Condition"]["ArnLike"]["AWS:SourceArn"];
            Some((id.to_owned(), source.as_str().unwrap_or_default().to_owned()))
        })
        .collect()
}

/// Every permission that is wanted.
fn grants(wanted: &Wanted) -> Vec<Grant> {
    let mut all = Vec::new();
    for api in &wanted.apis {
        for route in &api.routes {
            for stage in &wanted.stages {
                let parts = [&api.name, &stage.name, &route.method, &route.path];
                all.push(Grant {
                    function: route.function.clone(),
                    alias: stage.alias.clone(),
                    statement: statement_id(parts.map(String::as_str), 2),
                    source: Source::Method {
                        api: api.name.clone(),
                        stage: stage.name.clone(),
                        method: route.method.clone(),
                        path: route.path.clone(),
                    },
                });
            }
        }
    }
    for function in &wanted.functions {
        all.extend(of_events(wanted, &function.name));
    }
    all
}

/// The permissions that topics need on a function.
pub fn of_events<'a>(wanted: &'a Wanted, function: &'a str) -> impl Iterator<Item = Grant> + 'a {
    let mut topics: Vec<&str> = wanted
        .subscriptions
        .iter()
        .filter(|subscription| subscription.function.as_deref() == Some(function))
        .map(|subscription| subscription.topic.as_str())
        .collect();
    topics.sort_unstable();
    topics.dedup();
    topics.into_iter().map(|topic| Grant {
        function: function.to_owned(),
        alias: wanted.released().unwrap_or_default().to_owned(),
        statement: statement_id(["topic", topic], 2),
        source: Source::Topic(topic.to_owned()),
    })
}

/// The source that a permission names; `None` while its API has no id.
fn source_arn(
    wanted: &Wanted,
    source: &Source,
    api_id: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    match source {
        Source::Method { api, stage, method, path } => {
            Some(wanted.place.method(&api_id(api)?, stage, method, path))
        }
        Source::Topic(name) => Some(wanted.place.topic(name)),
    }
}

/// Plans the permissions.
pub fn plan(planner: &mut Planner<'_>) {
    let (wanted, live) = (planner.wanted, planner.live);
    let mut keep: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    // Lambda refuses two changes of one alias's permissions at the same time.
    let mut last: BTreeMap<(String, String), usize> = BTreeMap::new();
    for grant in grants(wanted) {
        let place = (grant.function.clone(), grant.alias.clone());
        keep.entry(place.clone()).or_default().push(grant.statement.clone());
        let function = live.functions.get(&grant.function);
        let present = function.and_then(|f| f.permissions.get(&grant.alias)?.get(&grant.statement));
        let id = |api: &str| live.apis.get(api).map(|live| live.id.clone());
        let source = source_arn(wanted, &grant.source, id);
        if present.is_some() && present == source.as_ref() {
            continue;
        }
        let mut after = alias::ready(planner, &grant.function, &grant.alias);
        let reason = match &grant.source {
            Source::Method { api, stage, method, path } => {
                // Only that the API has an id is needed.
                after.extend(planner.of(api::RESOURCE, api).first());
                let method = if method == "*" { "any method" } else { method };
                format!("{method} {path} of {api}/{stage}")
            }
            Source::Topic(topic) => {
                after.extend(planner.of(topic::RESOURCE, topic));
                format!("topic {topic}")
            }
        };
        after.extend(last.get(&place));
        let name = alias::label(&grant.function, &grant.alias);
        let replaces = present.is_some();
        let verb = if replaces { Verb::Update } else { Verb::Create };
        let action = PermissionAction::Grant { grant, replaces };
        let index = planner.step(verb, RESOURCE, name, reason, &after, action);
        last.insert(place, index);
    }
    for function in &wanted.functions {
        let Some(present) = live.functions.get(&function.name) else { continue };
        for (alias, statements) in &present.permissions {
            let place = (function.name.clone(), alias.clone());
            let kept = keep.get(&place);
            for (statement, source) in statements {
                if kept.is_some_and(|kept| kept.contains(statement))
                    || may_be_served(wanted, live, source)
                {
                    continue;
                }
                let after: Vec<usize> = last.get(&place).copied().into_iter().collect();
                let action = PermissionAction::Revoke {
                    function: function.name.clone(),
                    alias: alias.clone(),
                    statement: statement.clone(),
                };
                let name = alias::label(&function.name, alias);
                let reason = format!("{statement} is not needed any more");
                let index = planner.step(Verb::Delete, RESOURCE, name, reason, &after, action);
                last.insert(place.clone(), index);
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

/// The statement id of a permission from what it is for: readable (by its first `words` parts),
/// unique, at most 100 of Lambda's characters.
pub(in crate::deploy) fn statement_id<const N: usize>(parts: [&str; N], words: usize) -> String {
    let mut digest = Sha256::new();
    for part in parts {
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
    let words: Vec<String> = parts.iter().take(words).map(|part| word(part)).collect();
    format!("{PREFIX}{}-{}", words.join("-"), &hash[..12])
}

impl StepRun {
    pub(crate) async fn on_permission(&self, action: &PermissionAction) -> Result<()> {
        match action {
            PermissionAction::Grant { grant, replaces } => {
                if *replaces {
                    self.revoke(&grant.function, &grant.alias, &grant.statement).await?;
                }
                self.grant(grant).await
            }
            PermissionAction::Revoke { function, alias, statement } => {
                self.revoke(function, alias, statement).await
            }
        }
    }

    async fn grant(&self, grant: &Grant) -> Result<()> {
        let Grant { function, alias, statement, source } = grant;
        let (principal, api) = match source {
            Source::Method { api, .. } => ("apigateway.amazonaws.com", Some(api)),
            Source::Topic(_) => ("sns.amazonaws.com", None),
        };
        let id = api.map(|api| self.context.id(api::RESOURCE, api)).transpose()?;
        let source = source_arn(&self.context.wanted, source, |_| id.clone());
        let label = alias::label(function, alias);
        let made = self
            .patiently(|| async {
                self.target()
                    .lambda()
                    .add_permission()
                    .function_name(function)
                    .set_qualifier((!alias.is_empty()).then(|| alias.clone()))
                    .statement_id(statement)
                    .action("lambda:InvokeFunction")
                    .principal(principal)
                    .set_source_arn(source.clone())
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(format!("permitting {label}"), &e))
            })
            .await;
        match made {
            Ok(_) => Ok(()),
            // Made by the attempt before, whose answer was lost: the plan had seen no such statement.
            Err(failure)
                if failure.kind == FailureKind::Conflict && failure.why.contains(statement) =>
            {
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    async fn revoke(&self, function: &str, alias: &str, statement: &str) -> Result<()> {
        self.patiently(|| async {
            let done = self
                .target()
                .lambda()
                .remove_permission()
                .function_name(function)
                .set_qualifier((!alias.is_empty()).then(|| alias.to_owned()))
                .statement_id(statement)
                .send()
                .await;
            let label = alias::label(function, alias);
            let what = format!("removing permission {statement} of {label}");
            existing(done.map_err(|e| Failure::from_sdk(what, &e)))
        })
        .await
        .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_labdecks_statements_count() {
        let policy = r#"{"Version":"2012-10-17","Id":"default","Statement":[
            {"Sid":"labdeck-a","Effect":"Allow","Condition":{"ArnLike":{"AWS:SourceArn":"arn:x"}}},
            {"Sid":"by-hand","Effect":"Allow"}]}"#;
        let found = own_statements(policy);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("labdeck-a".into(), "arn:x".into())]);
        assert!(own_statements("nothing").is_empty());
    }

    #[test]
    fn statement_ids_are_lambdas() {
        let (api, stage) = ("long name ".repeat(20), "s".repeat(128));
        let id = statement_id([&api, &stage, "*", "/a/{b+}/ünïcode"], 2);
        assert!(id.len() <= 100 && id.starts_with("labdeck-"), "{id}");
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{id}");
        assert_ne!(id, statement_id([&api, &stage, "GET", "/a/{b+}/ünïcode"], 2));
    }
}
