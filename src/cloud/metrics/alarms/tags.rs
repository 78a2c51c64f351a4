//! Tags of alarms.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::Metrics;
use super::super::error::{invalid_value, store_failed};
use super::super::wire::Out;
use super::input::{length, required};
use crate::error::AwsError;

/// Tags of one alarm.
const MOST_TAGS: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Tag {
    key: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
pub(in super::super) struct Tagged {
    #[serde(rename = "ResourceARN")]
    pub arn: Option<String>,
    #[serde(rename = "Tags")]
    tags: Option<Vec<Tag>>,
    #[serde(rename = "TagKeys")]
    keys: Option<Vec<String>>,
}

/// Tags added to those that are there.
pub(super) fn checked(
    sent: Vec<Tag>,
    mut tags: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, AwsError> {
    for tag in sent {
        let key = required(tag.key, "tags.key")?;
        let value = required(tag.value, "tags.value")?;
        length(&key, "tags.key", 1, 128)?;
        length(&value, "tags.value", 0, 256)?;
        if key.starts_with("aws:") {
            return Err(invalid_value(
                "aws: prefixed tag key names are not allowed for external use.",
            ));
        }
        tags.insert(key, value);
    }
    if tags.len() > MOST_TAGS {
        return Err(invalid_value(format!("An alarm can have at most {MOST_TAGS} tags.")));
    }
    Ok(tags)
}

/// The name of the alarm that an ARN names.
fn alarm_name(arn: Option<String>) -> Result<String, AwsError> {
    let arn = required(arn, "resourceARN")?;
    length(&arn, "resourceARN", 1, 1024)?;
    arn.split_once(":alarm:").map(|(_, name)| name.to_owned()).ok_or_else(|| {
        invalid_value(format!("The value {arn} for parameter ResourceARN is invalid."))
    })
}

fn no_resource(name: &str) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", format!("Unknown alarm: {name}"))
        .with("ResourceType", "Alarm")
        .with("ResourceId", name)
}

impl Metrics {
    pub(in super::super) async fn list_tags_for_resource(
        &self,
        request: Tagged,
    ) -> Result<Out, AwsError> {
        let name = alarm_name(request.arn)?;
        let tags = self
            .with_db(move |db| {
                let alarm = db.alarms().get(&name).ok_or_else(|| no_resource(&name))?;
                Ok(alarm.tags.clone())
            })
            .await?;
        let one = |(key, value): (&String, &String)| {
            Out::Map(vec![("Key", Out::text(key)), ("Value", Out::text(value))])
        };
        Ok(Out::Map(vec![("Tags", tags.iter().map(one).collect())]))
    }

    pub(in super::super) async fn tag_resource(&self, request: Tagged) -> Result<Out, AwsError> {
        let sent = required(request.tags, "tags")?;
        self.change_tags(request.arn, |tags| checked(sent, tags)).await
    }

    pub(in super::super) async fn untag_resource(&self, request: Tagged) -> Result<Out, AwsError> {
        let keys = required(request.keys, "tagKeys")?;
        self.change_tags(request.arn, move |mut tags| {
            tags.retain(|key, _| !keys.contains(key));
            Ok(tags)
        })
        .await
    }

    async fn change_tags(
        &self,
        arn: Option<String>,
        change: impl FnOnce(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, AwsError>
        + Send
        + 'static,
    ) -> Result<Out, AwsError> {
        let name = alarm_name(arn)?;
        self.with_db(move |db| {
            let mut alarm = db.alarms().get(&name).ok_or_else(|| no_resource(&name))?.clone();
            alarm.tags = change(alarm.tags)?;
            db.put_alarm(alarm, &[]).map_err(|e| store_failed(&e))
        })
        .await?;
        Ok(Out::Map(Vec::new()))
    }
}
