//! `PutProvisionedConcurrencyConfig`, `GetProvisionedConcurrencyConfig`,
//! `DeleteProvisionedConcurrencyConfig`, `ListProvisionedConcurrencyConfigs`: execution environments
//! that are kept ready for a version or an alias.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::error::AwsError;
use crate::protocol::{empty, json_answer};
use crate::wire::{Answer, ApiRequest};

use super::Lambda;
use super::aliases::cannot_find;
use super::environment::PROVISIONED_LIMIT;
use super::errors::{conflict, constraint, function_not_found, invalid_parameter, missing};
use super::input::{body, page, within};
use super::model::{Function, Provisioned, State};
use super::names::{FunctionName, LATEST, is_version, qualified_arn};
use super::updates::not_ready;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProvisionedInput {
    provisioned_concurrent_executions: Option<i64>,
}

impl Lambda {
    pub(super) async fn put_provisioned(
        self: &Arc<Self>,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let input: ProvisionedInput = body(request)?;
        let wanted = input
            .provisioned_concurrent_executions
            .ok_or_else(|| missing("provisionedConcurrentExecutions"))?;
        if wanted < 1 {
            return Err(constraint(
                &wanted.to_string(),
                "provisionedConcurrentExecutions",
                "Member must have value greater than or equal to 1",
            ));
        }
        let qualifier = qualifier(
            name,
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        )?;
        let function = self.qualified(name, qualifier)?;
        check_unshared(&function, qualifier)?;
        let count = u32::try_from(wanted).unwrap_or(u32::MAX);
        self.check_room(&function, qualifier, count)?;
        let modified_ms = self.core.now_millis();
        let kept = Provisioned { count, modified_ms };
        self.registry
            .update(&name.name, |function| {
                check_unshared(function, qualifier)?;
                function.provisioned.insert(qualifier.to_owned(), kept.clone());
                Ok(())
            })
            .await?;
        self.keep_ready(&name.name);
        // Nothing is ready yet: as on AWS that is told by the next call.
        let shown = show(&kept, &Readiness { ready: 0, failed: None });
        Ok(json_answer(202, &shown))
    }

    pub(super) fn get_provisioned(&self, name: &FunctionName) -> Result<Answer, AwsError> {
        let qualifier = qualifier(name, PUBLISHED_ONLY)?;
        let function = self.qualified(name, qualifier)?;
        let kept = function.provisioned.get(qualifier).ok_or_else(|| {
            AwsError::new(
                404,
                "ProvisionedConcurrencyConfigNotFoundException",
                "No Provisioned Concurrency Config found for this function",
            )
        })?;
        Ok(json_answer(200, &show(kept, &self.readiness(&function, qualifier, kept.count))))
    }

    pub(super) async fn delete_provisioned(
        self: &Arc<Self>,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let qualifier = qualifier(name, PUBLISHED_ONLY)?;
        self.qualified(name, qualifier)?;
        // One that is not there is no error.
        self.registry
            .update(&name.name, |function| {
                function.provisioned.remove(qualifier);
                Ok(())
            })
            .await?;
        self.keep_ready(&name.name);
        Ok(empty(204))
    }

    pub(super) fn list_provisioned(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let function = self.registry.get(&name.name)?;
        let most = request.query_value("MaxItems").and_then(|text| text.parse().ok());
        within(most, "maxItems", 1, 50)?;
        let items = function
            .provisioned
            .iter()
            .map(|(qualifier, kept)| {
                let readiness = self.readiness(&function, qualifier, kept.count);
                let mut shown = show(kept, &readiness);
                shown.insert(
                    "FunctionArn".to_owned(),
                    qualified_arn(&function.name, Some(qualifier)).into(),
                );
                (qualifier.clone(), Value::Object(shown))
            })
            .collect();
        let marker = request.query_value("Marker");
        let most = most.map_or(50, |most| most as usize);
        let (shown, next) = page(items, marker.as_deref(), most);
        let mut answer = json!({ "ProvisionedConcurrencyConfigs": shown });
        if let Some(next) = next {
            answer["NextMarker"] = next.into();
        }
        Ok(json_answer(200, &answer))
    }

    /// The function of a name whose version or alias must be there.
    fn qualified(&self, name: &FunctionName, qualifier: &str) -> Result<Arc<Function>, AwsError> {
        let function = self.registry.find(&name.name);
        let function = function.filter(|function| function.resolve(Some(qualifier)).is_some());
        function.ok_or_else(|| {
            if is_version(qualifier) {
                function_not_found(&name.name, Some(qualifier))
            } else {
                cannot_find(&name.name, qualifier)
            }
        })
    }

    /// Refuses more environments than the function's reserve, the account or this machine has room
    /// for.
    fn check_room(&self, function: &Function, qualifier: &str, count: u32) -> Result<(), AwsError> {
        let before = function.provisioned.get(qualifier).map_or(0, |kept| kept.count);
        let total = (function.provisioned_total() - before).saturating_add(count);
        match function.reserved_concurrency {
            Some(reserved) if total > reserved => {
                return Err(invalid_parameter(
                    "Requested Provisioned Concurrency should not be greater than the \
                     reservedConcurrentExecution for function",
                ));
            }
            Some(_) => {}
            None => {
                self.check_unreserved(&function.name, total.into(), "ConcurrentExecutions")?;
            }
        }
        let others: u32 = self
            .registry
            .all()
            .iter()
            .filter(|other| other.name != function.name)
            .map(|other| other.provisioned_total())
            .sum();
        if others.saturating_add(total) > PROVISIONED_LIMIT {
            return Err(invalid_parameter(format!(
                "The local cloud keeps at most {PROVISIONED_LIMIT} execution environments ready on \
                 one machine, {others} of them for other functions. Nothing was done; ask for fewer \
                 here, or use AWS."
            )));
        }
        Ok(())
    }

    /// How much of what a version or alias asks for is there.
    fn readiness(&self, function: &Function, qualifier: &str, count: u32) -> Readiness {
        let mut readiness = Readiness { ready: 0, failed: None };
        for (instance, wanted) in function.share_out(qualifier, count) {
            readiness.ready += wanted.min(self.pool.ready_ahead(&instance));
            readiness.failed = readiness.failed.or_else(|| self.keeper.failure(&instance));
        }
        readiness
    }
}

/// What a call says that names no published version and no alias.
const PUBLISHED_ONLY: &str =
    "The function resource provided must be an alias or a published version.";

/// How far the environments of a version or alias are.
struct Readiness {
    ready: u32,
    failed: Option<String>,
}

fn show(kept: &Provisioned, readiness: &Readiness) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("RequestedProvisionedConcurrentExecutions", kept.count.into());
    put("AllocatedProvisionedConcurrentExecutions", readiness.ready.into());
    put("AvailableProvisionedConcurrentExecutions", readiness.ready.into());
    let status = match &readiness.failed {
        _ if readiness.ready >= kept.count => "READY",
        Some(_) => "FAILED",
        None => "IN_PROGRESS",
    };
    put("Status", status.into());
    if let (Some(reason), "FAILED") = (&readiness.failed, status) {
        put("StatusReason", reason.as_str().into());
    }
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+0000");
    let at = OffsetDateTime::from_unix_timestamp(kept.modified_ms / 1000)
        .ok()
        .and_then(|at| at.format(&format).ok())
        .unwrap_or_default();
    put("LastModified", at.into());
    out
}

/// The version or alias that a call names; `refusal` is what AWS says of any other.
fn qualifier<'a>(name: &'a FunctionName, refusal: &str) -> Result<&'a str, AwsError> {
    match name.qualifier.as_deref() {
        None => Err(missing("qualifier")),
        Some(LATEST) => Err(invalid_parameter(refusal)),
        Some(qualifier) => Ok(qualifier),
    }
}

/// AWS's rules for which versions and aliases may have some (Lambda Developer Guide, "Configuring
/// provisioned concurrency for a function"): not a version and an alias of it, not an alias of the
/// unpublished code, and none is changed while an alias is split.
fn check_unshared(function: &Function, qualifier: &str) -> Result<(), AwsError> {
    if let Some(alias) = function.aliases.get(qualifier) {
        if alias.extra.is_some() {
            return Err(invalid_parameter(
                "Provisioned Concurrency can't be configured on an alias while it routes to more \
                 than one version. Remove its RoutingConfig first.",
            ));
        }
        check_target(function, &alias.version)?;
    } else {
        let pointed = function
            .aliases_of(qualifier)
            .any(|alias| function.provisioned.contains_key(&alias.name));
        if pointed {
            return Err(conflict("Version is pointed by a Provisioned Concurrency alias"));
        }
    }
    match function.resolve(Some(qualifier)) {
        Some(configuration) if configuration.state == State::Pending => Err(not_ready()),
        _ => Ok(()),
    }
}

/// Refuses a version that an alias with provisioned concurrency must not point to.
pub fn check_target(function: &Function, version: &str) -> Result<(), AwsError> {
    if version == LATEST {
        return Err(invalid_parameter(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        ));
    }
    if function.provisioned.contains_key(version) {
        return Err(conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already \
             Provisioned version",
        ));
    }
    Ok(())
}

impl Function {
    /// How many environments each instance of the code is to have ready.
    pub fn kept_ready(&self) -> BTreeMap<String, u32> {
        let mut wanted = BTreeMap::new();
        for (qualifier, kept) in &self.provisioned {
            for (instance, count) in self.share_out(qualifier, kept.count) {
                *wanted.entry(instance).or_default() += count;
            }
        }
        wanted.retain(|_, count| *count > 0);
        wanted
    }

    /// The instances that a version or alias invokes, with their part of its environments: a split
    /// alias has them by its weights.
    fn share_out(&self, qualifier: &str, count: u32) -> Vec<(String, u32)> {
        let instance = |version: &str| self.configuration(version).map(|c| c.instance.clone());
        let Some(alias) = self.aliases.get(qualifier) else {
            return instance(qualifier).map(|i| (i, count)).into_iter().collect();
        };
        let second = alias.extra.as_ref().map_or(0, |extra| {
            // Weights are between 0 and 1, so that this is never more than the count.
            (f64::from(count) * extra.weight).round() as u32
        });
        let parts = [
            instance(&alias.version).map(|i| (i, count.saturating_sub(second))),
            alias.extra.as_ref().and_then(|e| instance(&e.version)).map(|i| (i, second)),
        ];
        parts.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lambda::model::tests::function;
    use crate::lambda::model::{Alias, Extra};
    use crate::lambda::updates::publish;

    #[test]
    fn a_split_alias_shares_its_environments_out_by_weight() {
        let mut f = function("f");
        publish(&mut f, None);
        f.latest.memory_size = 256;
        publish(&mut f, None);
        let extra = Some(Extra { version: "2".to_owned(), weight: 0.2 });
        let alias = Alias {
            name: "live".to_owned(),
            version: "1".to_owned(),
            extra,
            description: String::new(),
            revision_id: String::new(),
        };
        f.aliases.insert("live".to_owned(), alias);
        f.provisioned.insert("live".to_owned(), Provisioned { count: 10, modified_ms: 0 });
        let (one, two) = (f.versions[&1].instance.clone(), f.versions[&2].instance.clone());
        assert_eq!(f.kept_ready(), BTreeMap::from([(one.clone(), 8), (two.clone(), 2)]));

        // An alias of the same version adds its own; what comes to nothing is not kept.
        f.provisioned.get_mut("live").unwrap().count = 2;
        let other = Alias { name: "other".to_owned(), extra: None, ..f.aliases["live"].clone() };
        f.aliases.insert("other".to_owned(), other);
        f.provisioned.insert("other".to_owned(), Provisioned { count: 3, modified_ms: 0 });
        assert_eq!(f.kept_ready(), BTreeMap::from([(one, 5)]));
    }
}
