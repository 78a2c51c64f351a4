//! `ListMetrics`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::Metrics;
use super::db::Selection;
use super::error::{invalid_token, invalid_value, missing, store_failed};
use super::input::Flag;
use super::model::{Dimension, MOST_DIMENSIONS, MetricKey, metric_name, namespace};
use super::wire::Out;
use crate::core::ACCOUNT_ID;
use crate::error::AwsError;

/// Metrics of one answer.
const PAGE: usize = 500;
/// Metrics without data for this long are not listed, in seconds.
const LISTED: i64 = 14 * 86_400;
/// The only other choice.
const RECENT: (&str, i64) = ("PT3H", 3 * 3600);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMetrics {
    namespace: Option<String>,
    metric_name: Option<String>,
    dimensions: Option<Vec<Dimension>>,
    next_token: Option<String>,
    recently_active: Option<String>,
    include_linked_accounts: Option<Flag>,
    owning_account: Option<String>,
}

impl Metrics {
    pub(super) async fn list_metrics(&self, request: ListMetrics) -> Result<Out, AwsError> {
        let mut selection = Selection { since: self.now() - LISTED, ..Selection::default() };
        if request.namespace.is_some() {
            selection.namespace = Some(namespace(request.namespace.as_deref())?.to_owned());
        }
        if request.metric_name.is_some() {
            selection.name =
                Some(metric_name(request.metric_name.as_deref(), "MetricName")?.to_owned());
        }
        match request.recently_active.as_deref() {
            None => {}
            Some(text) if text == RECENT.0 => selection.since = self.now() - RECENT.1,
            Some(other) => {
                return Err(invalid_value(format!(
                    "The value {other} for parameter RecentlyActive is invalid: it must be {}.",
                    RECENT.0
                )));
            }
        }
        if let Some(token) = request.next_token {
            selection.after = Some(read_token(&token).ok_or_else(invalid_token)?);
        }
        let filters = request.dimensions.unwrap_or_default();
        if filters.len() > MOST_DIMENSIONS {
            return Err(invalid_value(format!(
                "The collection Dimensions must not have a size greater than {MOST_DIMENSIONS}."
            )));
        }
        let filters = filters
            .into_iter()
            .enumerate()
            .map(|(index, filter)| {
                let at = format!("Dimensions.member.{}.Name", index + 1);
                Ok((filter.name.ok_or_else(|| missing(&at))?, filter.value))
            })
            .collect::<Result<Vec<_>, AwsError>>()?;
        // Nothing is owned by others here.
        let none = request.owning_account.is_some_and(|account| account != ACCOUNT_ID);
        let with_accounts = request.include_linked_accounts == Some(Flag(true));
        let mut found = Vec::new();
        if !none {
            found = self
                .with_db(move |db| {
                    let mut found = Vec::new();
                    db.metrics(&selection, |key| {
                        if matches(&key, &filters) {
                            found.push(key);
                        }
                        found.len() <= PAGE
                    })
                    .map_err(|e| store_failed(&e))?;
                    Ok(found)
                })
                .await?;
        }
        let more = found.len() > PAGE;
        found.truncate(PAGE);
        let metrics = found.iter().map(|key| {
            Out::Map(vec![
                ("Namespace", Out::text(&key.namespace)),
                ("MetricName", Out::text(&key.name)),
                ("Dimensions", key.dimensions_out()),
            ])
        });
        let mut members = vec![("Metrics", metrics.collect())];
        if more {
            members.extend(found.last().map(|key| ("NextToken", Out::Text(token(key)))));
        }
        if with_accounts {
            let accounts = found.iter().map(|_| Out::text(ACCOUNT_ID)).collect();
            members.push(("OwningAccounts", accounts));
        }
        Ok(Out::Map(members))
    }
}

/// Whether a metric has every dimension of the filters; a filter without a value takes any.
fn matches(key: &MetricKey, filters: &[(String, Option<String>)]) -> bool {
    filters.iter().all(|(name, value)| {
        key.dimensions
            .iter()
            .any(|(known, is)| known == name && value.as_ref().is_none_or(|value| value == is))
    })
}

fn token(key: &MetricKey) -> String {
    let parts = (&key.namespace, &key.name, &key.dimensions);
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&parts).unwrap_or_default())
}

fn read_token(token: &str) -> Option<MetricKey> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (namespace, name, dimensions) =
        serde_json::from_slice::<(String, String, Vec<(String, String)>)>(&bytes).ok()?;
    Some(MetricKey { namespace, name, dimensions })
}
