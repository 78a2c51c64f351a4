//! Operations on log groups: create, delete, describe, retention, tags.

// Members of requests and answers are named as on the wire.
#![allow(clippy::struct_field_names)]

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::Logs;
use super::error::{constraint, invalid, no_group, store_failed};
use super::filter::page_size;
use super::names::{group_arn, group_name, group_of_arn, required};
use super::token;
use crate::error::AwsError;
use crate::wire::Caller;

/// Days that a retention may have (`PutRetentionPolicy`).
const RETENTIONS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];
/// Tags that a group may have.
const MOST_TAGS: usize = 50;

type Tags = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateLogGroup {
    log_group_name: Option<String>,
    tags: Option<Tags>,
    kms_key_id: Option<String>,
    log_group_class: Option<String>,
    deletion_protection_enabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfGroup {
    log_group_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutRetentionPolicy {
    log_group_name: Option<String>,
    retention_in_days: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeLogGroups {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    limit: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogGroup {
    log_group_name: String,
    creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_in_days: Option<i64>,
    metric_filter_count: i64,
    arn: String,
    stored_bytes: i64,
    log_group_class: &'static str,
    log_group_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogGroups {
    log_groups: Vec<LogGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagResource {
    resource_arn: Option<String>,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UntagResource {
    resource_arn: Option<String>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfResource {
    resource_arn: Option<String>,
}

#[derive(Serialize)]
pub struct TagList {
    tags: Tags,
}

impl Logs {
    pub(super) async fn create_log_group(
        &self,
        caller: &Caller,
        request: CreateLogGroup,
    ) -> Result<(), AwsError> {
        let name = group_name(request.log_group_name.as_deref(), "logGroupName")?.to_owned();
        self.allow_group(caller, "CreateLogGroup", &name)?;
        if request.kms_key_id.is_some() {
            return Err(AwsError::not_implemented(
                "CloudWatch Logs",
                "CreateLogGroup with kmsKeyId",
            ));
        }
        if request.deletion_protection_enabled == Some(true) {
            return Err(AwsError::not_implemented(
                "CloudWatch Logs",
                "CreateLogGroup with deletionProtectionEnabled",
            ));
        }
        if request.log_group_class.as_deref().is_some_and(|class| class != "STANDARD") {
            return Err(AwsError::not_implemented(
                "CloudWatch Logs",
                "CreateLogGroup with a logGroupClass other than STANDARD",
            ));
        }
        let tags = request.tags.unwrap_or_default();
        if !tags.is_empty() {
            // Tags given at the making need the permission to tag as well.
            self.allow_group(caller, "TagResource", &name)?;
        }
        check_tags(&tags)?;
        let tags = to_json(&tags)?;
        self.writer.change(0, move |desk| desk.create_group(&name, &tags).map(|_| ())).await
    }

    pub(super) async fn delete_log_group(
        &self,
        caller: &Caller,
        request: OfGroup,
    ) -> Result<(), AwsError> {
        let name = group_name(request.log_group_name.as_deref(), "logGroupName")?.to_owned();
        self.allow_group(caller, "DeleteLogGroup", &name)?;
        self.writer.change(0, move |desk| desk.delete_group(&name)).await
    }

    pub(super) async fn put_retention_policy(
        &self,
        caller: &Caller,
        request: PutRetentionPolicy,
    ) -> Result<(), AwsError> {
        let name = group_name(request.log_group_name.as_deref(), "logGroupName")?.to_owned();
        self.allow_group(caller, "PutRetentionPolicy", &name)?;
        let days = request.retention_in_days.unwrap_or(0);
        if !RETENTIONS.contains(&days) {
            return Err(constraint(
                &days.to_string(),
                "retentionInDays",
                &format!("Member must satisfy enum value set: {RETENTIONS:?}"),
            ));
        }
        self.writer.change(0, move |desk| desk.set_retention(&name, Some(days))).await
    }

    pub(super) async fn delete_retention_policy(
        &self,
        caller: &Caller,
        request: OfGroup,
    ) -> Result<(), AwsError> {
        let name = group_name(request.log_group_name.as_deref(), "logGroupName")?.to_owned();
        self.allow_group(caller, "DeleteRetentionPolicy", &name)?;
        self.writer.change(0, move |desk| desk.set_retention(&name, None)).await
    }

    pub(super) async fn describe_log_groups(
        &self,
        caller: &Caller,
        request: DescribeLogGroups,
    ) -> Result<LogGroups, AwsError> {
        self.allow_group(caller, "DescribeLogGroups", "")?;
        if request.log_group_name_prefix.is_some() && request.log_group_name_pattern.is_some() {
            return Err(invalid(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        let limit = page_limit(request.limit)?;
        let after: String = token::read_or_default(request.next_token.as_deref())?;
        let core = std::sync::Arc::clone(&self.core);
        self.writer.flush().await?;
        self.reader
            .run(move |connection| {
                let list = || -> rusqlite::Result<Vec<LogGroup>> {
                    let mut statement = connection.prepare_cached(
                        "SELECT name, created, retention, bytes FROM groups
                         WHERE name > ?1 AND substr(name, 1, length(?2)) = ?2
                           AND (?3 = '' OR instr(name, ?3) > 0)
                         ORDER BY name LIMIT ?4",
                    )?;
                    let prefix = request.log_group_name_prefix.unwrap_or_default();
                    let pattern = request.log_group_name_pattern.unwrap_or_default();
                    statement
                        .query_map(params![after, prefix, pattern, limit + 1], |row| {
                            let name: String = row.get(0)?;
                            let arn = group_arn(&core, &name);
                            Ok(LogGroup {
                                log_group_name: name,
                                creation_time: row.get(1)?,
                                retention_in_days: row.get(2)?,
                                metric_filter_count: 0,
                                arn: format!("{arn}:*"),
                                stored_bytes: row.get(3)?,
                                log_group_class: "STANDARD",
                                log_group_arn: arn,
                            })
                        })?
                        .collect()
                };
                let mut log_groups = list().map_err(|e| store_failed(&e))?;
                let more = log_groups.len() > limit;
                log_groups.truncate(limit);
                let next_token = log_groups
                    .last()
                    .filter(|_| more)
                    .map(|group| token::write(&group.log_group_name));
                Ok(LogGroups { log_groups, next_token })
            })
            .await
    }

    pub(super) async fn tag_resource(
        &self,
        caller: &Caller,
        request: TagResource,
    ) -> Result<(), AwsError> {
        let name = self.tagged(caller, "TagResource", request.resource_arn.as_deref())?;
        let new = request.tags.unwrap_or_default();
        check_tags(&new)?;
        self.change_tags(name, move |tags| {
            tags.extend(new);
            if tags.len() > MOST_TAGS {
                return Err(AwsError::new(
                    400,
                    "TooManyTagsException",
                    format!("A resource can have no more than {MOST_TAGS} tags."),
                ));
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn untag_resource(
        &self,
        caller: &Caller,
        request: UntagResource,
    ) -> Result<(), AwsError> {
        let name = self.tagged(caller, "UntagResource", request.resource_arn.as_deref())?;
        let keys = request.tag_keys.unwrap_or_default();
        self.change_tags(name, move |tags| {
            tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    pub(super) async fn list_tags_for_resource(
        &self,
        caller: &Caller,
        request: OfResource,
    ) -> Result<TagList, AwsError> {
        let name = self.tagged(caller, "ListTagsForResource", request.resource_arn.as_deref())?;
        self.read_tags(name).await
    }

    pub(super) async fn list_tags_log_group(
        &self,
        caller: &Caller,
        request: OfGroup,
    ) -> Result<TagList, AwsError> {
        let name = group_name(request.log_group_name.as_deref(), "logGroupName")?.to_owned();
        self.allow_tags(caller, "ListTagsLogGroup", &name)?;
        self.read_tags(name).await
    }

    fn tagged(&self, caller: &Caller, action: &str, arn: Option<&str>) -> Result<String, AwsError> {
        let name = group_of_arn(required(arn, "resourceArn")?)?;
        self.allow_tags(caller, action, name)?;
        Ok(name.to_owned())
    }

    async fn change_tags(
        &self,
        name: String,
        change: impl FnOnce(&mut Tags) -> Result<(), AwsError> + Send + 'static,
    ) -> Result<(), AwsError> {
        self.writer
            .change(0, move |desk| {
                let group = desk.group(&name)?;
                let tags: String = desk
                    .connection()
                    .query_row("SELECT tags FROM groups WHERE id = ?1", [group.id], |row| {
                        row.get(0)
                    })
                    .map_err(|e| store_failed(&e))?;
                let mut tags = from_json(&tags)?;
                change(&mut tags)?;
                desk.connection()
                    .execute(
                        "UPDATE groups SET tags = ?2 WHERE id = ?1",
                        params![group.id, to_json(&tags)?],
                    )
                    .map_err(|e| store_failed(&e))?;
                Ok(())
            })
            .await
    }

    async fn read_tags(&self, name: String) -> Result<TagList, AwsError> {
        self.writer.flush().await?;
        self.reader
            .run(move |connection| {
                let tags: Option<String> = connection
                    .query_row("SELECT tags FROM groups WHERE name = ?1", [name], |row| row.get(0))
                    .optional()
                    .map_err(|e| store_failed(&e))?;
                Ok(TagList { tags: from_json(&tags.ok_or_else(no_group)?)? })
            })
            .await
    }
}

/// The page size of the describing calls: 1 to 50, 50 when not given.
pub fn page_limit(limit: Option<i64>) -> Result<usize, AwsError> {
    page_size(limit, 50)
}

fn check_tags(tags: &Tags) -> Result<(), AwsError> {
    if tags.len() > MOST_TAGS {
        return Err(invalid(format!("A resource can have no more than {MOST_TAGS} tags.")));
    }
    for (key, value) in tags {
        let length = key.chars().count();
        if !(1..=128).contains(&length) || key.starts_with("aws:") {
            return Err(constraint(
                key,
                "tags",
                "Map keys have 1 to 128 characters and do not begin with aws:",
            ));
        }
        if value.chars().count() > 256 {
            return Err(constraint(value, "tags", "Map values have at most 256 characters"));
        }
    }
    Ok(())
}

fn to_json(tags: &Tags) -> Result<String, AwsError> {
    serde_json::to_string(tags).map_err(|error| AwsError::internal(error.to_string()))
}

fn from_json(tags: &str) -> Result<Tags, AwsError> {
    serde_json::from_str(tags).map_err(|error| AwsError::internal(error.to_string()))
}
