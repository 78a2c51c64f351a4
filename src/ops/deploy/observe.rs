//! What is live of everything that a lab names, whoever made it. Nothing here changes anything.

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::{Deployment, RestApi};
use aws_sdk_lambda::types::{FunctionConfiguration, LastUpdateStatus, State};
use futures_util::future::{try_join, try_join_all};
use labdeck_aws::{Failure, Result, Target};
use serde_json::Value;

use super::definition;
use super::wanted::{POLICY_NAME, Place, Wanted};
use crate::live::{self, LAB_TAG, existing};

/// Whose a resource is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Owner {
    /// It carries the lab's tag or mark.
    #[default]
    Lab,
    /// It does not: it is left alone.
    Foreign,
}

impl Owner {
    fn of(tag: Option<&str>, lab: &str) -> Self {
        if tag == Some(lab) { Self::Lab } else { Self::Foreign }
    }
}

/// Live state, by name. What does not exist has no entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    /// Roles.
    pub roles: BTreeMap<String, LiveRole>,
    /// Tables.
    pub tables: BTreeMap<String, LiveTable>,
    /// Log groups.
    pub log_groups: BTreeMap<String, LiveLogGroup>,
    /// Functions.
    pub functions: BTreeMap<String, LiveFunction>,
    /// The lab's own APIs that the blueprint names.
    pub apis: BTreeMap<String, LiveApi>,
    /// Names of foreign APIs that are called like the lab's.
    pub foreign_apis: Vec<String>,
    /// Further APIs of the lab: doubles, and those that the blueprint names no more, as `(id, name)`.
    pub other_apis: Vec<(String, String)>,
}

/// A role.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveRole {
    /// Whose it is.
    pub owner: Owner,
    /// Who may assume it.
    pub trust: Option<Value>,
    /// Labdeck's inline policy, where it is there.
    pub policy: Option<Value>,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveTable {
    /// Whose it is.
    pub owner: Owner,
    /// `ACTIVE` …
    pub status: String,
    /// Name and type of the partition key.
    pub hash_key: (String, String),
}

/// A log group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveLogGroup {
    /// Whose it is.
    pub owner: Owner,
    /// Retention in days; `None` keeps for ever.
    pub retention: Option<i32>,
}

/// A function.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveFunction {
    /// Whose it is.
    pub owner: Owner,
    /// Base64 SHA-256 of `$LATEST`'s zip.
    pub sha256: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// ARN of its role.
    pub role_arn: String,
    /// Memory in MB.
    pub memory_mb: i32,
    /// Timeout in seconds.
    pub timeout_s: i32,
    /// One line.
    pub description: String,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Whether its creation or last update failed.
    pub failed: bool,
    /// Newest published version.
    pub newest_version: Option<String>,
    /// Aliases with the version that each points to.
    pub aliases: BTreeMap<String, String>,
    /// Labdeck's invoke permissions by alias and statement id: what each allows to be the source.
    pub permissions: BTreeMap<String, BTreeMap<String, String>>,
}

/// An API of the lab's own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveApi {
    /// Id.
    pub id: String,
    /// Hash of the definition that it was given last.
    pub hash: Option<String>,
    /// Whether it carries the lab's tag beside the mark.
    pub tagged: bool,
    /// Stages by name.
    pub stages: BTreeMap<String, LiveStage>,
    /// Labdeck's deployments, newest first, as `(id, definition's hash)`.
    pub deployments: Vec<(String, String)>,
}

/// A stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveStage {
    /// The deployment that it serves.
    pub deployment: String,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
}

/// Reads everything that the lab names, all side by side.
pub async fn observe(target: &Target, wanted: &Wanted) -> Result<Live> {
    let place = &wanted.place;
    let lab = wanted.lab.as_str();
    let roles = try_join_all(wanted.roles.iter().map(|r| role(target, &r.name, lab)));
    let tables = try_join_all(wanted.tables.iter().map(|t| table(target, place, &t.name, lab)));
    let groups =
        try_join_all(wanted.functions.iter().map(|f| log_group(target, place, &f.log_group, lab)));
    let aliases: Vec<&str> = wanted.stages.iter().map(|stage| stage.alias.as_str()).collect();
    let functions =
        try_join_all(wanted.functions.iter().map(|f| function(target, &f.name, &aliases, lab)));
    let (((roles, tables), (groups, functions)), apis) = try_join(
        try_join(try_join(roles, tables), try_join(groups, functions)),
        live::rest_apis(target),
    )
    .await?;
    let mut live = Live {
        roles: roles.into_iter().flatten().collect(),
        tables: tables.into_iter().flatten().collect(),
        log_groups: groups.into_iter().flatten().collect(),
        functions: functions.into_iter().flatten().collect(),
        ..Live::default()
    };
    sort_apis(target, wanted, &apis, &mut live).await?;
    Ok(live)
}

async fn sort_apis(
    target: &Target,
    wanted: &Wanted,
    apis: &[RestApi],
    live: &mut Live,
) -> Result<()> {
    let mut own = Vec::new();
    for api in &wanted.apis {
        if let Some(found) = crate::status::own_api(apis, &api.name, &wanted.lab) {
            own.push(found);
        } else if apis.iter().any(|other| other.name() == Some(&api.name)) {
            live.foreign_apis.push(api.name.clone());
        }
    }
    live.other_apis = apis
        .iter()
        .filter(|api| definition::is_own(api, &wanted.lab))
        .filter(|api| !own.iter().any(|used| used.id() == api.id()))
        .map(|api| (text(api.id()), text(api.name())))
        .collect();
    live.apis = try_join_all(own.into_iter().map(|found| api(target, found, &wanted.lab)))
        .await?
        .into_iter()
        .collect();
    Ok(())
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

async fn role(target: &Target, name: &str, lab: &str) -> Result<Option<(String, LiveRole)>> {
    let iam = target.iam();
    let role = iam.get_role().role_name(name).send();
    let policy = iam.get_role_policy().role_name(name).policy_name(POLICY_NAME).send();
    let (role, policy) = tokio::join!(role, policy);
    let what = format!("reading role {name}");
    let Some(role) = existing(role.map_err(|e| Failure::from_sdk(&what, &e)))? else {
        return Ok(None);
    };
    let policy = existing(policy.map_err(|e| Failure::from_sdk(&what, &e)))?;
    let role = role.role;
    let tag = role.as_ref().and_then(|role| {
        role.tags().iter().find(|tag| tag.key() == LAB_TAG).map(|tag| tag.value().to_owned())
    });
    let trust = role.and_then(|role| role.assume_role_policy_document);
    Ok(Some((
        name.to_owned(),
        LiveRole {
            owner: Owner::of(tag.as_deref(), lab),
            trust: trust.and_then(|text| policy_document(&text)),
            policy: policy.and_then(|policy| policy_document(&policy.policy_document)),
        },
    )))
}

/// IAM answers policy documents percent-encoded.
fn policy_document(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let plain = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
    serde_json::from_str(&plain).ok()
}

async fn table(
    target: &Target,
    place: &Place,
    name: &str,
    lab: &str,
) -> Result<Option<(String, LiveTable)>> {
    let Some(table) = live::table(target, name).await? else { return Ok(None) };
    let arn = table.table_arn.clone().unwrap_or_else(|| place.table(name));
    let tags = target.dynamodb().list_tags_of_resource().resource_arn(arn).send().await;
    let what = format!("reading the tags of table {name}");
    let Some(tags) = existing(tags.map_err(|e| Failure::from_sdk(what, &e)))? else {
        return Ok(None);
    };
    let tag = tags.tags().iter().find(|tag| tag.key() == LAB_TAG).map(|tag| tag.value().to_owned());
    let key = table
        .key_schema()
        .iter()
        .find(|key| *key.key_type() == aws_sdk_dynamodb::types::KeyType::Hash)
        .map(|key| key.attribute_name().to_owned())
        .unwrap_or_default();
    let kind = table
        .attribute_definitions()
        .iter()
        .find(|attribute| attribute.attribute_name() == key)
        .map(|attribute| attribute.attribute_type().to_string())
        .unwrap_or_default();
    Ok(Some((
        name.to_owned(),
        LiveTable {
            owner: Owner::of(tag.as_deref(), lab),
            status: table.table_status.map(|status| status.to_string()).unwrap_or_default(),
            hash_key: (key, kind),
        },
    )))
}

async fn log_group(
    target: &Target,
    place: &Place,
    name: &str,
    lab: &str,
) -> Result<Option<(String, LiveLogGroup)>> {
    let what = format!("reading log group {name}");
    let found = target
        .logs()
        .describe_log_groups()
        .log_group_name_prefix(name)
        .send()
        .await
        .map_err(|e| Failure::from_sdk(&what, &e))?;
    // Groups come sorted by name, so that the one with the prefix as its name is the first.
    let group = found.log_groups().iter().find(|group| group.log_group_name() == Some(name));
    let Some(group) = group else { return Ok(None) };
    let arn = place.log_group(name);
    let tags = target.logs().list_tags_for_resource().resource_arn(arn).send().await;
    let Some(tags) = existing(tags.map_err(|e| Failure::from_sdk(&what, &e)))? else {
        return Ok(None);
    };
    let tag = tags.tags().and_then(|tags| tags.get(LAB_TAG)).map(String::as_str);
    Ok(Some((
        name.to_owned(),
        LiveLogGroup { owner: Owner::of(tag, lab), retention: group.retention_in_days() },
    )))
}

async fn function(
    target: &Target,
    name: &str,
    aliases: &[&str],
    lab: &str,
) -> Result<Option<(String, LiveFunction)>> {
    let permissions = try_join_all(aliases.iter().map(|alias| permissions(target, name, alias)));
    let (function, ((versions, live_aliases), permissions)) = try_join(
        live::function(target, name),
        try_join(try_join(live::versions(target, name), live::aliases(target, name)), permissions),
    )
    .await?;
    let Some(function) = function else { return Ok(None) };
    let tags = live::function_tags(&function);
    let owner = Owner::of(tags.get(LAB_TAG).map(String::as_str), lab);
    let configuration = function.configuration.unwrap_or_else(none);
    let number = |v: &FunctionConfiguration| v.version().and_then(|v| v.parse::<u64>().ok());
    Ok(Some((
        name.to_owned(),
        LiveFunction {
            owner,
            architecture: configuration
                .architectures()
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
            failed: configuration.state() == Some(&State::Failed)
                || configuration.last_update_status() == Some(&LastUpdateStatus::Failed),
            environment: configuration
                .environment()
                .and_then(|environment| environment.variables())
                .map(|all| all.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
                .unwrap_or_default(),
            sha256: configuration.code_sha256.unwrap_or_default(),
            role_arn: configuration.role.unwrap_or_default(),
            memory_mb: configuration.memory_size.unwrap_or_default(),
            timeout_s: configuration.timeout.unwrap_or_default(),
            description: configuration.description.unwrap_or_default(),
            newest_version: versions.iter().filter_map(number).max().map(|v| v.to_string()),
            aliases: live_aliases
                .into_iter()
                .map(|a| (a.name.unwrap_or_default(), a.function_version.unwrap_or_default()))
                .collect(),
            permissions: aliases
                .iter()
                .map(|alias| (*alias).to_owned())
                .zip(permissions)
                .filter(|(_, statements)| !statements.is_empty())
                .collect(),
        },
    )))
}

fn none() -> FunctionConfiguration {
    FunctionConfiguration::builder().build()
}

/// Labdeck's invoke permissions on an alias: statement id and source ARN.
async fn permissions(
    target: &Target,
    function: &str,
    alias: &str,
) -> Result<BTreeMap<String, String>> {
    let answer = target.lambda().get_policy().function_name(function).qualifier(alias).send().await;
    let what = format!("reading the permissions of {function}:{alias}");
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
            let id = statement["Sid"].as_str().filter(|id| id.starts_with("labdeck-"))?;
            let source = &statement["Condition"]["ArnLike"]["AWS:SourceArn"];
            Some((id.to_owned(), source.as_str().unwrap_or_default().to_owned()))
        })
        .collect()
}

async fn api(target: &Target, api: &RestApi, lab: &str) -> Result<(String, LiveApi)> {
    let id = text(api.id());
    let (stages, mut deployments) =
        try_join(live::stages(target, &id), live::deployments(target, &id)).await?;
    deployments.sort_by_key(|deployment| std::cmp::Reverse(created(deployment)));
    let live = LiveApi {
        hash: definition::live_hash(api).map(str::to_owned),
        tagged: api.tags().and_then(|tags| tags.get(LAB_TAG)).is_some_and(|owner| owner == lab),
        stages: stages
            .into_iter()
            .map(|stage| {
                let live = LiveStage {
                    deployment: stage.deployment_id.unwrap_or_default(),
                    variables: stage.variables.unwrap_or_default().into_iter().collect(),
                };
                (stage.stage_name.unwrap_or_default(), live)
            })
            .collect(),
        deployments: deployments
            .iter()
            .filter_map(|deployment| {
                Some((text(deployment.id()), definition::deployment_hash(deployment)?.to_owned()))
            })
            .collect(),
        id,
    };
    Ok((text(api.name()), live))
}

fn created(deployment: &Deployment) -> (i64, u32) {
    deployment.created_date().map_or((0, 0), |at| (at.secs(), at.subsec_nanos()))
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
    fn iams_documents_are_decoded() {
        assert_eq!(policy_document("%7B%22a%22%3A1%7D"), Some(serde_json::json!({"a":1})));
        assert_eq!(policy_document("{\"a\":\"%20\"}"), Some(serde_json::json!({"a":"%20"})));
        assert_eq!(policy_document("%%"), None);
    }
}
