//! `GetUsage` and `UpdateUsage`: how much of its quota each key of a plan has used.

use serde_json::{Map, Value, json};
use time::format_description::FormatItem;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::super::patch::{self, Op};
use super::super::plans::registry::{Member, Registry};
use super::super::plans::usage::{KEPT_DAYS, day_of};
use super::super::reply::{Outcome, Reply, bad_request};
use super::super::state::Apis;
use super::Call;
use super::keys::no_key;
use super::usage_plans::no_plan;
use crate::error::AwsError;

const FORMAT: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// `GetUsage`: for each key `[used, remaining]` of every day from `startDate` to `endDate`.
pub(super) fn of_plan(apis: &Apis, call: &Call<'_>, plan: &str) -> Outcome {
    if call.verb() != "GET" {
        return Err(call.absent());
    }
    let (first, last) = (day(call, "startDate")?, day(call, "endDate")?);
    if first > last {
        return Err(bad_request("Invalid date range: startDate is after endDate"));
    }
    if last - first >= KEPT_DAYS {
        return Err(bad_request(format!("Invalid date range: usage is kept for {KEPT_DAYS} days")));
    }
    let registry = apis.plans().read();
    registry.plan(plan).ok_or_else(no_plan)?;
    let wanted = call.query("keyId").filter(|id| !id.is_empty());
    let members: Vec<(&str, &Member)> = registry
        .members(plan)
        .into_iter()
        .filter(|(key, _)| wanted.as_ref().is_none_or(|id| *id == key.id))
        .map(|(key, member)| (key.id.as_str(), member.as_ref()))
        .collect();
    if wanted.is_some() && members.is_empty() {
        return Err(no_key());
    }
    let (shown, position) = call.paging()?.cut(members)?;
    let mut answer = answer(&registry, plan, &shown, (first, last));
    if let Some(position) = position {
        answer["position"] = json!(position);
    }
    Reply::ok(&answer)
}

/// `UpdateUsage`: sets what remains of the current period's quota.
pub(super) async fn of_key(apis: &Apis, call: &Call<'_>, plan: &str, key: &str) -> Outcome {
    if call.verb() != "PATCH" {
        return Err(call.absent());
    }
    let operations = patch::read(call.body())?;
    let mut remaining = None;
    for operation in &operations {
        if operation.op != Op::Replace || operation.path != "/remaining" {
            let paths = if operation.op == Op::Replace { "/remaining" } else { "" };
            return Err(bad_request(format!(
                "Invalid patch path  '{}' specified for op '{}'. Must be one of: [{paths}]",
                operation.path,
                operation.op.word()
            )));
        }
        let number: i32 =
            operation.text().trim().parse().ok().filter(|left| *left >= 0).ok_or_else(|| {
                bad_request(format!(
                    "Invalid value '{}' specified for patch path '/remaining': it must be a \
                     number of at least 0",
                    operation.text()
                ))
            })?;
        remaining = Some(i64::from(number));
    }
    let today = day_of(call.now * 1000);
    let (answer, member) = {
        let registry = apis.plans().read();
        let settings = registry.plan(plan).ok_or_else(no_plan)?;
        let member = registry.member(plan, key).ok_or_else(no_key)?;
        if let Some(remaining) = remaining {
            let quota = settings
                .quota
                .as_ref()
                .ok_or_else(|| bad_request("The usage plan has no quota to extend"))?;
            member.with_usage(|usage| usage.set_left(quota, today, remaining));
        }
        (answer(&registry, plan, &[(key, member.as_ref())], (today, today)), member.clone())
    };
    if remaining.is_some() {
        apis.plans().note(&member);
        // What a client was told is kept, unlike counts.
        apis.plans().flush().await?;
    }
    Reply::ok(&answer)
}

fn answer(
    registry: &Registry,
    plan: &str,
    members: &[(&str, &Member)],
    (first, last): (i64, i64),
) -> Value {
    let quota = registry.plan(plan).and_then(|plan| plan.quota.as_ref());
    let values: Map<String, Value> = members
        .iter()
        .map(|(key, member)| {
            let daily = member.with_usage(|usage| usage.daily(quota, first, last));
            ((*key).to_owned(), json!(daily))
        })
        .collect();
    json!({
        "usagePlanId": plan,
        "startDate": date(first),
        "endDate": date(last),
        "values": values,
    })
}

fn day(call: &Call<'_>, name: &str) -> Result<i64, AwsError> {
    let text = call.query(name).unwrap_or_default();
    let date = Date::parse(&text, FORMAT).map_err(|_| {
        bad_request(format!("Invalid {name} '{text}' specified: it must be a date as 2026-11-21"))
    })?;
    Ok((date - OffsetDateTime::UNIX_EPOCH.date()).whole_days())
}

fn date(day: i64) -> String {
    OffsetDateTime::from_unix_timestamp(day.saturating_mul(86_400))
        .ok()
        .and_then(|time| time.date().format(FORMAT).ok())
        .unwrap_or_default()
}
