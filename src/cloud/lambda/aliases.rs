//! Aliases: `CreateAlias`, `GetAlias`, `ListAliases`, `UpdateAlias`, `DeleteAlias`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::error::AwsError;
use crate::protocol::{empty, json_answer};
use crate::wire::{Answer, ApiRequest};

use super::Lambda;
use super::errors::{
    conflict, constraint, function_not_found, invalid_parameter, missing, not_found, wrong_revision,
};
use super::input::{body, check_alias_name, check_description, max_items, page};
use super::model::{Alias, Extra, Function, new_revision};
use super::names::{FunctionName, LATEST, is_version, qualified_arn};
use super::provisioned::check_target;
use super::render;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AliasInput {
    name: Option<String>,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<RoutingInput>,
    revision_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoutingInput {
    /// Absent means that nothing is said about the weights, empty that there are to be none.
    additional_version_weights: Option<BTreeMap<String, f64>>,
}

impl Lambda {
    pub(super) async fn create_alias(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let input: AliasInput = body(request)?;
        let alias_name = check_alias_name(input.name.as_deref())?;
        let version = check_version(input.function_version.as_deref())?
            .ok_or_else(|| missing("functionVersion"))?;
        check_input(&input)?;
        if self.registry.find(&name.name).is_none() {
            return Err(function_not_found(&name.name, Some(version)));
        }
        let shown = self
            .registry
            .update(&name.name, |function| {
                if function.aliases.contains_key(alias_name) {
                    return Err(conflict(format!(
                        "Alias already exists: {}",
                        qualified_arn(&name.name, Some(alias_name))
                    )));
                }
                let alias = Alias {
                    name: alias_name.to_owned(),
                    version: version.to_owned(),
                    extra: match second_version(&input)? {
                        Second::Unsaid => None,
                        Second::Wanted(extra) => extra,
                    },
                    description: input.description.clone().unwrap_or_default(),
                    revision_id: new_revision(),
                };
                check_routing(function, &alias)?;
                let shown = render::alias(&name.name, &alias);
                function.aliases.insert(alias_name.to_owned(), alias);
                Ok(shown)
            })
            .await?;
        Ok(json_answer(201, &shown))
    }

    pub(super) fn get_alias(&self, name: &FunctionName, alias: &str) -> Result<Answer, AwsError> {
        let function = self.registry.find(&name.name);
        let found = function.as_ref().and_then(|function| function.aliases.get(alias));
        let alias = found.ok_or_else(|| cannot_find(&name.name, alias))?;
        Ok(json_answer(200, &render::alias(&name.name, alias)))
    }

    pub(super) fn list_aliases(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let function = self.registry.get(&name.name)?;
        let version = request.query_value("FunctionVersion");
        let items = function
            .aliases
            .values()
            // As AWS answers: by the version that an alias names, not by what else it is routed to.
            .filter(|alias| version.as_ref().is_none_or(|version| alias.version == *version))
            .map(|alias| (alias.name.clone(), render::alias(&name.name, alias)))
            .collect();
        let marker = request.query_value("Marker");
        let (shown, next) = page(items, marker.as_deref(), max_items(request)?);
        let mut answer = json!({ "Aliases": shown });
        if let Some(next) = next {
            answer["NextMarker"] = next.into();
        }
        Ok(json_answer(200, &answer))
    }

    pub(super) async fn update_alias(
        self: &Arc<Self>,
        request: &ApiRequest,
        name: &FunctionName,
        alias_name: &str,
    ) -> Result<Answer, AwsError> {
        let input: AliasInput = body(request)?;
        check_version(input.function_version.as_deref())?;
        check_input(&input)?;
        let alias_not_found = || {
            not_found(format!("Alias not found: {}", qualified_arn(&name.name, Some(alias_name))))
        };
        if self.registry.find(&name.name).is_none() {
            return Err(alias_not_found());
        }
        let shown = self
            .registry
            .update(&name.name, |function| {
                let alias = function.aliases.get(alias_name).ok_or_else(alias_not_found)?;
                let changed = updated(alias, &input)?;
                check_routing(function, &changed)?;
                if function.provisioned.contains_key(alias_name) {
                    check_target(function, &changed.version)?;
                }
                let shown = render::alias(&name.name, &changed);
                function.aliases.insert(alias_name.to_owned(), changed);
                Ok(shown)
            })
            .await?;
        self.keep_ready(&name.name);
        Ok(json_answer(200, &shown))
    }

    /// Deletes an alias and the policy on it; one that isn't there is no error.
    pub(super) async fn delete_alias(
        self: &Arc<Self>,
        name: &FunctionName,
        alias: &str,
    ) -> Result<Answer, AwsError> {
        self.registry
            .update(&name.name, |function| {
                function.aliases.remove(alias);
                function.policies.remove(alias);
                function.event_invoke.remove(alias);
                function.provisioned.remove(alias);
                Ok(())
            })
            .await?;
        self.keep_ready(&name.name);
        Ok(empty(204))
    }
}

/// 404 for an alias that a call names.
pub fn cannot_find(function: &str, alias: &str) -> AwsError {
    not_found(format!("Cannot find alias arn: {}", qualified_arn(function, Some(alias))))
}

/// The alias after an update: what was not sent stays.
fn updated(alias: &Alias, input: &AliasInput) -> Result<Alias, AwsError> {
    if input.revision_id.as_ref().is_some_and(|given| *given != alias.revision_id) {
        return Err(wrong_revision("GetFunction/GetAlias"));
    }
    let mut changed = alias.clone();
    if let Some(version) = &input.function_version {
        changed.version.clone_from(version);
    }
    if let Some(description) = &input.description {
        changed.description.clone_from(description);
    }
    if let Second::Wanted(extra) = second_version(input)? {
        changed.extra = extra;
    }
    changed.revision_id = new_revision();
    Ok(changed)
}

/// A version as the shape of the parameter allows it.
fn check_version(version: Option<&str>) -> Result<Option<&str>, AwsError> {
    match version {
        Some(text) if text != LATEST && !is_version(text) => Err(constraint(
            text,
            "functionVersion",
            "Member must satisfy regular expression pattern: (\\$LATEST|[0-9]+)",
        )),
        other => Ok(other),
    }
}

fn check_input(input: &AliasInput) -> Result<(), AwsError> {
    if let Some(description) = &input.description {
        check_description(description)?;
    }
    let Some(weights) =
        input.routing_config.as_ref().and_then(|r| r.additional_version_weights.as_ref())
    else {
        return Ok(());
    };
    let member = "routingConfig.additionalVersionWeights";
    let shown = || {
        let pairs: Vec<String> = weights.iter().map(|(v, w)| format!("{v}={w:?}")).collect();
        format!("{{{}}}", pairs.join(", "))
    };
    if weights.values().any(|weight| !(0.0..=1.0).contains(weight)) {
        return Err(constraint(
            &shown(),
            member,
            "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, \
             Member must have value greater than or equal to 0.0, Member must not be null]",
        ));
    }
    if weights.keys().any(|version| !is_version(version) || version.len() > 1024) {
        return Err(constraint(
            &shown(),
            member,
            "Map keys must satisfy constraint: [Member must have length less than or equal to \
             1024, Member must have length greater than or equal to 1, Member must satisfy regular \
             expression pattern: [0-9]+]",
        ));
    }
    Ok(())
}

/// What an input says about an alias's second version.
#[derive(Debug, Clone, PartialEq)]
enum Second {
    /// Nothing: it stays as it is.
    Unsaid,
    /// There is to be this one, or none.
    Wanted(Option<Extra>),
}

fn second_version(input: &AliasInput) -> Result<Second, AwsError> {
    let weights = input.routing_config.as_ref().and_then(|r| r.additional_version_weights.as_ref());
    let Some(weights) = weights else { return Ok(Second::Unsaid) };
    if weights.len() > 1 {
        return Err(invalid_parameter(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    Ok(Second::Wanted(
        weights
            .iter()
            .next()
            .map(|(version, weight)| Extra { version: version.clone(), weight: *weight }),
    ))
}

/// AWS's rules for what an alias may point to.
fn check_routing(function: &Function, alias: &Alias) -> Result<(), AwsError> {
    let version = &alias.version;
    let primary = function
        .configuration(version)
        .ok_or_else(|| function_not_found(&function.name, Some(version)))?;
    let Some(extra) = &alias.extra else { return Ok(()) };
    if version == LATEST {
        return Err(invalid_parameter(
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ));
    }
    if extra.version == *version {
        return Err(invalid_parameter(format!(
            "Invalid function version {version}. Function version {version} is already included in \
             routing configuration."
        )));
    }
    let second = function
        .configuration(&extra.version)
        .ok_or_else(|| function_not_found(&function.name, Some(&extra.version)))?;
    if primary.role != second.role {
        return Err(invalid_parameter(format!(
            "Function versions {version} and {} have different execution roles. An alias can only \
             route between versions with the same execution role.",
            extra.version
        )));
    }
    // Lambda Developer Guide, "Lambda function aliases".
    if primary.dead_letter != second.dead_letter {
        return Err(invalid_parameter(format!(
            "Function versions {version} and {} have different dead letter queues. An alias can \
             only route between versions with the same dead letter queue, or with none.",
            extra.version
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::lambda::model::tests::function;
    use crate::lambda::updates::publish;

    fn input(value: Value) -> AliasInput {
        serde_json::from_value(value).unwrap()
    }

    /// Creates an alias by the rules, or gives the error's message.
    fn create(function: &Function, value: Value) -> Result<Alias, String> {
        let input = input(value);
        check_input(&input).map_err(|e| e.message)?;
        let alias = Alias {
            name: "live".to_owned(),
            version: input.function_version.clone().unwrap(),
            extra: match second_version(&input).map_err(|e| e.message)? {
                Second::Unsaid => None,
                Second::Wanted(extra) => extra,
            },
            description: String::new(),
            revision_id: new_revision(),
        };
        check_routing(function, &alias).map_err(|e| e.message)?;
        Ok(alias)
    }

    #[allow(clippy::needless_pass_by_value)]
    fn weights(version: &str, weights: Value) -> Value {
        json!({
            "FunctionVersion": version,
            "RoutingConfig": { "AdditionalVersionWeights": weights },
        })
    }

    #[test]
    fn every_rule_of_weighted_routing() {
        let mut f = function("f");
        publish(&mut f, None);
        f.latest.memory_size = 256;
        publish(&mut f, None);
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let refused = |value: Value| create(&f, value).unwrap_err();

        assert!(create(&f, weights("1", json!({"2": 0.5}))).unwrap().extra.is_some());
        assert!(create(&f, weights("1", json!({}))).unwrap().extra.is_none());
        assert!(create(&f, json!({"FunctionVersion": "$LATEST"})).is_ok());
        assert_eq!(
            refused(weights("1", json!({"1": 0.1, "2": 0.5}))),
            "Number of items in AdditionalVersionWeights cannot be greater than 1"
        );
        assert!(refused(weights("1", json!({"2": 2.0}))).starts_with(
            "1 validation error detected: Value '{2=2.0}' at \
             'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value"
        ));
        assert!(refused(weights("1", json!({"2": -1.0}))).contains("'{2=-1.0}'"));
        assert!(refused(weights("1", json!({"$LATEST": 0.5}))).contains("Map keys must satisfy"));
        assert_eq!(
            refused(weights("1", json!({"1": 0.5}))),
            "Invalid function version 1. Function version 1 is already included in routing \
             configuration."
        );
        assert_eq!(
            refused(weights("$LATEST", json!({"1": 0.5}))),
            "$LATEST is not supported for an alias pointing to more than 1 version"
        );
        assert_eq!(
            refused(weights("10", json!({"2": 0.5}))),
            format!("Function not found: {arn}:10")
        );
        assert_eq!(
            refused(weights("1", json!({"10": 0.5}))),
            format!("Function not found: {arn}:10")
        );
        f.latest.role = "arn:aws:iam::000000000000:role/other".to_owned();
        publish(&mut f, None);
        assert!(
            create(&f, weights("1", json!({"3": 0.5}))).unwrap_err().contains("same execution")
        );
    }

    #[test]
    fn an_update_keeps_what_was_not_sent() {
        let mut f = function("f");
        publish(&mut f, None);
        f.latest.memory_size = 256;
        publish(&mut f, None);
        let alias = create(&f, weights("1", json!({"2": 0.2}))).unwrap();

        let described = updated(&alias, &input(json!({"Description": "d"}))).unwrap();
        assert_eq!(described.extra, alias.extra);
        assert_ne!(described.revision_id, alias.revision_id);
        // `RoutingConfig: {}` says nothing; only empty weights clear them.
        let same = updated(&alias, &input(json!({"RoutingConfig": {}}))).unwrap();
        assert_eq!(same.extra, alias.extra);
        let cleared =
            updated(&alias, &input(json!({"RoutingConfig": {"AdditionalVersionWeights": {}}})))
                .unwrap();
        assert_eq!(cleared.extra, None);
        let promoted = updated(&alias, &input(json!({"FunctionVersion": "2"}))).unwrap();
        assert!(check_routing(&f, &promoted).unwrap_err().message.contains("already included"));
        let error = updated(&alias, &input(json!({"RevisionId": "old"}))).unwrap_err();
        assert_eq!(error.status.as_u16(), 412);
    }
}
