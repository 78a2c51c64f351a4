//! The documents of API keys and usage plans, written as the service's own answers write them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::model::Texts;

/// An API key as `GetApiKey` answers it with its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ApiKey {
    pub id: String,
    /// What clients send: 20 to 128 characters.
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub enabled: bool,
    /// Seconds since the epoch.
    pub created_date: i64,
    /// Seconds since the epoch.
    pub last_updated_date: i64,
    /// Stages (`{api}/{stage}`) that the key was created for. They open nothing since usage plans
    /// do.
    #[serde(default)]
    pub stage_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Texts,
}

/// A key as it is stored: with its place in the order of creation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredKey {
    pub order: u64,
    pub key: ApiKey,
}

/// A usage plan as `GetUsagePlan` answers it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct UsagePlan {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default)]
    pub api_stages: Vec<ApiStage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<ThrottleSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_code: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Texts,
}

/// A plan as it is stored: with its place in the order of creation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredPlan {
    pub order: u64,
    pub plan: UsagePlan,
}

/// A stage that a plan opens, with limits for single methods (`/pets/GET`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in super::super) struct ApiStage {
    pub api_id: String,
    pub stage: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub throttle: BTreeMap<String, ThrottleSettings>,
}

/// How fast a key's requests may come.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ThrottleSettings {
    /// Requests at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst_limit: Option<i32>,
    /// Requests per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<f64>,
}

/// How many requests a key has in a period.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in super::super) struct QuotaSettings {
    pub limit: i32,
    /// Days by which the period starts later: 0 for days, 0–6 for weeks, 0–27 for months.
    pub offset: i32,
    /// `DAY`, `WEEK` or `MONTH`.
    pub period: String,
}

/// What belongs to the gateway as a whole.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in super::super) struct Account {
    /// The role that the gateway would write its logs with.
    pub cloudwatch_role_arn: Option<String>,
}
