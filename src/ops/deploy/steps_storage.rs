//! Steps on roles, tables and log groups.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    Tag as TableTag,
};
use aws_sdk_iam::types::Tag as RoleTag;
use labdeck_aws::{Failure, FailureKind, Result};

use super::steps::{StepRun, missing};
use super::wanted::{POLICY_NAME, WantedRole};
use crate::live::{self, LAB_TAG, existing};

impl StepRun {
    fn wanted_role(&self, name: &str) -> Result<&WantedRole> {
        self.context
            .wanted
            .roles
            .iter()
            .find(|role| role.name == name)
            .ok_or_else(|| missing("role", name))
    }

    pub(super) async fn create_role(&self, name: &str) -> Result<()> {
        let what = format!("creating role {name}");
        let role = self.wanted_role(name)?;
        let lab = &self.context.wanted.lab;
        let tag = RoleTag::builder().key(LAB_TAG).value(lab).build();
        let tag = tag.map_err(|e| Failure::new(FailureKind::Internal, &what, e.to_string()))?;
        let trust = role.trust.to_string();
        let made = self
            .patiently(|| async {
                self.target()
                    .iam()
                    .create_role()
                    .role_name(name)
                    .assume_role_policy_document(&trust)
                    .description(format!("Execution role of the lab {lab}"))
                    .tags(tag.clone())
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await;
        match made {
            Ok(_) => self.put_role_policy(name).await,
            // Made by the attempt before, whose answer was lost: the plan had seen that it is not
            // there, and the lease keeps other deploys of this lab away.
            Err(failure) if failure.kind == FailureKind::Conflict => {
                self.put_role_policy(name).await
            }
            Err(failure) if failure.kind == FailureKind::Denied => Err(failure
                .next("use a role that exists already: --role NAME (learner accounts: LabRole)")),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn update_trust(&self, name: &str) -> Result<()> {
        let trust = self.wanted_role(name)?.trust.to_string();
        self.patiently(|| async {
            let call = self.target().iam().update_assume_role_policy().role_name(name);
            let done = call.policy_document(&trust).send().await;
            done.map_err(|e| Failure::from_sdk(format!("changing who may assume role {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    pub(super) async fn put_role_policy(&self, name: &str) -> Result<()> {
        let policy = self.wanted_role(name)?.policy.to_string();
        self.patiently(|| async {
            self.target()
                .iam()
                .put_role_policy()
                .role_name(name)
                .policy_name(POLICY_NAME)
                .policy_document(&policy)
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("giving role {name} its policy"), &e))
        })
        .await
        .map(|_| ())
    }

    /// Policies keep a role from being deleted: they go first, also those that others added.
    pub(super) async fn delete_role(&self, name: &str) -> Result<()> {
        let what = format!("deleting role {name}");
        self.patiently(|| async {
            let iam = self.target().iam();
            let inline = iam.list_role_policies().role_name(name).send().await;
            let Some(inline) = existing(inline.map_err(|e| Failure::from_sdk(&what, &e)))? else {
                return Ok(());
            };
            let attached = iam.list_attached_role_policies().role_name(name).send().await;
            let attached = existing(attached.map_err(|e| Failure::from_sdk(&what, &e)))?;
            let attached = attached.and_then(|answer| answer.attached_policies);
            for policy in attached.unwrap_or_default() {
                let call = iam.detach_role_policy().role_name(name);
                let arn = policy.policy_arn().unwrap_or_default();
                let done = call.policy_arn(arn).send().await;
                existing(done.map_err(|e| Failure::from_sdk(&what, &e)))?;
            }
            for policy in inline.policy_names() {
                let done =
                    iam.delete_role_policy().role_name(name).policy_name(policy).send().await;
                existing(done.map_err(|e| Failure::from_sdk(&what, &e)))?;
            }
            let done = iam.delete_role().role_name(name).send().await;
            existing(done.map_err(|e| Failure::from_sdk(&what, &e))).map(|_| ())
        })
        .await
    }

    pub(super) async fn create_table(&self, name: &str) -> Result<()> {
        let what = format!("creating table {name}");
        let wanted = &self.context.wanted;
        let table = wanted
            .tables
            .iter()
            .find(|table| table.name == name)
            .ok_or_else(|| missing("table", name))?;
        let broken = |e: aws_sdk_dynamodb::error::BuildError| {
            Failure::new(FailureKind::Internal, &what, e.to_string())
        };
        let attribute = AttributeDefinition::builder()
            .attribute_name(&table.hash_key)
            .attribute_type(ScalarAttributeType::from(table.hash_key_type.as_str()))
            .build()
            .map_err(broken)?;
        let key = KeySchemaElement::builder()
            .attribute_name(&table.hash_key)
            .key_type(KeyType::Hash)
            .build()
            .map_err(broken)?;
        let tag = TableTag::builder().key(LAB_TAG).value(&wanted.lab).build().map_err(broken)?;
        let made = self
            .target()
            .dynamodb()
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute)
            .key_schema(key)
            .tags(tag)
            .send()
            .await
            .map_err(|e| Failure::from_sdk(&what, &e));
        match made {
            // In use: made by the attempt before, whose answer was lost.
            Ok(_) => {}
            Err(failure) if failure.has_code(&["ResourceInUseException"]) => {}
            Err(failure) => return Err(failure),
        }
        let waits_for = format!("table {name} to become active");
        self.until(&waits_for, Duration::from_mins(5), || async {
            let table = live::table(self.target(), name).await?;
            Ok(table.filter(|t| t.table_status == Some(TableStatus::Active)).map(|_| ()))
        })
        .await
    }

    pub(super) async fn delete_table(&self, name: &str) -> Result<()> {
        let what = format!("deleting table {name}");
        if let Some(admin) = self.target().admin() {
            // A slow table of this name must not be slow again when it is made anew.
            admin.set_table_latency(name, None).await?;
        }
        self.patiently(|| async {
            let done = self.target().dynamodb().delete_table().table_name(name).send().await;
            existing(done.map_err(|e| Failure::from_sdk(&what, &e)))
        })
        .await?;
        let waits_for = format!("table {name} to be gone");
        self.until(&waits_for, Duration::from_mins(3), || async {
            Ok(live::table(self.target(), name).await?.is_none().then_some(()))
        })
        .await
    }

    pub(super) async fn create_log_group(&self, name: &str) -> Result<()> {
        let made = self
            .patiently(|| async {
                self.target()
                    .logs()
                    .create_log_group()
                    .log_group_name(name)
                    .tags(LAB_TAG, &self.context.wanted.lab)
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(format!("creating log group {name}"), &e))
            })
            .await;
        match made {
            Ok(_) => self.set_retention(name).await,
            Err(failure) if failure.kind == FailureKind::Conflict => self.set_retention(name).await,
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn set_retention(&self, name: &str) -> Result<()> {
        self.patiently(|| async {
            self.target()
                .logs()
                .put_retention_policy()
                .log_group_name(name)
                .retention_in_days(self.context.wanted.retention)
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("setting how long {name} keeps"), &e))
        })
        .await
        .map(|_| ())
    }

    pub(super) async fn delete_log_group(&self, name: &str) -> Result<()> {
        self.patiently(|| async {
            let done = self.target().logs().delete_log_group().log_group_name(name).send().await;
            let what = format!("deleting log group {name}");
            existing(done.map_err(|e| Failure::from_sdk(what, &e)))
        })
        .await
        .map(|_| ())
    }
}
