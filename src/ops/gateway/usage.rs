//! How much of its quota each key of a usage plan has used, when it runs out, and setting what is left.

use std::collections::HashMap;

use aws_sdk_apigateway::types::{Op, PatchOperation};
use labdeck_aws::{Failure, FailureKind, Result, changing};
use labdeck_lab::Blueprint;
use serde::Serialize;
use time::format_description::FormatItem;
use time::macros::format_description;
use time::{Date, Duration, Month, OffsetDateTime};

use super::edit::Done;
use super::estimate::{self, Forecast};
use super::plan::{self, PlanModel};
use super::{rules, sent};
use crate::deploy::leased;
use crate::deploy::patiently;
use crate::engine::Engine;
use crate::history::now_ms;
use crate::{live, whose};

const DATE: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]");
/// Pages of usage that are read at most.
const MOST_PAGES: usize = 50;

/// The use of one key under one plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyUsage {
    /// Key's name; its id where it has none.
    pub key: String,
    /// Key's id.
    pub key_id: String,
    /// Requests in the present period, as the cloud counts them.
    pub used: i64,
    /// Requests that are left, as the cloud counts them; `None` where the plan has no quota.
    pub remaining: Option<i64>,
    /// Requests at least, where what was sent from here shows that the cloud's figure lags.
    pub estimated_used: Option<i64>,
    /// Left at most, by that estimate.
    pub estimated_remaining: Option<i64>,
    /// When it runs out, as far as that can be told.
    pub forecast: Option<Forecast>,
}

impl KeyUsage {
    /// The best figures there are: used, left.
    pub fn best(&self) -> (i64, Option<i64>) {
        let used = self.estimated_used.unwrap_or(self.used);
        (used, self.estimated_remaining.or(self.remaining))
    }

    /// The share of the quota that is used, 0.0 to 1.0; `None` where there is no quota.
    pub fn share(&self) -> Option<f64> {
        let (used, left) = self.best();
        let left = left?;
        let all = used + left;
        Some(if all <= 0 { 1.0 } else { used as f64 / all as f64 })
    }
}

/// The use of a plan's keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanUsage {
    /// Plan's name.
    pub plan: String,
    /// Requests of each key per period.
    pub quota: Option<i64>,
    /// `DAY`, `WEEK` or `MONTH`.
    pub period: Option<String>,
    /// First day of the present period.
    pub since: String,
    /// When the next one begins, in ms since the epoch.
    pub resets_ms: i64,
    /// Its keys, by name.
    pub keys: Vec<KeyUsage>,
}

/// The present period of a quota: its first day, and the first of the next.
fn period(settings: &super::edit::Settings, today: Date) -> (Date, Date) {
    let offset = settings.get("quota.offset").and_then(|text| text.parse().ok()).unwrap_or(0_i64);
    match settings.get("quota.period").map(String::as_str) {
        Some("WEEK") => {
            let from_sunday = i64::from(today.weekday().number_days_from_sunday());
            let since = today - Duration::days((from_sunday - offset).rem_euclid(7));
            (since, since + Duration::days(7))
        }
        Some("MONTH") => {
            let shifted = today - Duration::days(offset);
            let first = shifted.replace_day(1).unwrap_or(shifted);
            let (year, month) = match first.month() {
                Month::December => (first.year() + 1, Month::January),
                month => (first.year(), month.next()),
            };
            let next = Date::from_calendar_date(year, month, 1).unwrap_or(first);
            (first + Duration::days(offset), next + Duration::days(offset))
        }
        _ => (today, today + Duration::days(1)),
    }
}

/// How much each key of a plan has used.
///
/// # Errors
/// `NotFound` when the lab has no such plan that is live.
pub async fn of_plan(engine: &Engine, blueprint: &Blueprint, name: &str) -> Result<PlanUsage> {
    let model = plan::read(engine, blueprint, name).await?;
    of_model(engine, &model).await
}

/// The same of a plan that was read.
pub(super) async fn of_model(engine: &Engine, model: &PlanModel) -> Result<PlanUsage> {
    let now = now_ms();
    let today =
        OffsetDateTime::from_unix_timestamp(now / 1000).map_or(Date::MIN, OffsetDateTime::date);
    let (since, next) = period(&model.settings, today);
    let (keys, days) = tokio::try_join!(
        live::usage_plan_keys(&engine.target, &model.id),
        daily(engine, model, since, today)
    )?;
    let resets_ms = next.midnight().assume_utc().unix_timestamp() * 1000;
    let quota = model.settings.get("quota.limit").and_then(|text| text.parse::<i64>().ok());
    let stages = model.stages();
    let since = written(since);
    let mut keys: Vec<KeyUsage> = keys
        .into_iter()
        .filter_map(|key| {
            let key_id = key.id?;
            let name = key.name.filter(|name| !name.is_empty()).unwrap_or_else(|| key_id.clone());
            let days = days.get(&key_id).map(Vec::as_slice).unwrap_or_default();
            let used: i64 = days.iter().map(|(used, _)| used).sum();
            let today = days.last().map_or(0, |(used, _)| *used);
            // Nothing was used yet, or the plan got its quota only now.
            let left = days.last().map(|(_, left)| *left).filter(|left| *left >= 0);
            let remaining = quota.map(|quota| left.unwrap_or((quota - used).max(0)));
            let sent = sent::count(&key_id, &stages);
            let place = (model.id.as_str(), key_id.as_str());
            let least = estimate::reading(place, &since, used, sent, now);
            let more = least - used;
            let estimated = (more > 0).then_some(least);
            let estimated_left = estimated.and(remaining).map(|left| (left - more).max(0));
            let best = estimated_left.or(remaining);
            let forecast = best
                .and_then(|left| estimate::forecast(place, today + more, left, (now, resets_ms)));
            Some(KeyUsage {
                key: name,
                key_id,
                used,
                remaining,
                estimated_used: estimated,
                estimated_remaining: estimated_left,
                forecast,
            })
        })
        .collect();
    keys.sort_by(|a, b| (&a.key, &a.key_id).cmp(&(&b.key, &b.key_id)));
    Ok(PlanUsage {
        plan: model.name.clone(),
        quota,
        period: model.settings.get("quota.period").cloned(),
        since,
        resets_ms,
        keys,
    })
}

fn written(day: Date) -> String {
    day.format(DATE).unwrap_or_default()
}

/// Used and left by day and key.
async fn daily(
    engine: &Engine,
    model: &PlanModel,
    since: Date,
    today: Date,
) -> Result<HashMap<String, Vec<(i64, i64)>>> {
    let mut all: HashMap<String, Vec<(i64, i64)>> = HashMap::new();
    let mut position = None;
    for _ in 0..MOST_PAGES {
        let call = engine.target.apigateway().get_usage().usage_plan_id(&model.id);
        let call = call.start_date(written(since)).end_date(written(today)).limit(live::PAGE);
        let answer = call.set_position(position).send().await;
        let what = format!("reading the usage of plan {}", model.name);
        let page = answer.map_err(|error| Failure::from_sdk(what, &error))?;
        for (key, days) in page.items.unwrap_or_default() {
            let pair = |day: Vec<i64>| Some((*day.first()?, day.get(1).copied().unwrap_or(-1)));
            all.insert(key, days.into_iter().filter_map(pair).collect());
        }
        position = page.position;
        if position.is_none() {
            break;
        }
    }
    Ok(all)
}

/// What is to be left of a key's quota in the present period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Left {
    /// All of it again.
    Full,
    /// So many more than now.
    More(u32),
}

/// Sets what is left of a key's quota in the present period.
///
/// # Errors
/// Invalid when the plan has no quota; `NotFound` when it does not have the key; Conflict when somebody
/// changes the lab at this moment.
pub async fn set_left(
    engine: &Engine,
    blueprint: &Blueprint,
    plan: &str,
    key: &str,
    left: Left,
) -> Result<Done> {
    let what = match left {
        Left::Full => format!("resetting the quota of key {key} in plan {plan}"),
        Left::More(more) => format!("extending the quota of key {key} in plan {plan} by {more}"),
    };
    let work = async {
        let model = plan::read(engine, blueprint, plan).await?;
        let usage = of_model(engine, &model).await?;
        let found = usage.keys.iter().find(|known| known.key == key || known.key_id == key);
        let Some(found) = found else {
            let known: Vec<&str> = usage.keys.iter().map(|known| known.key.as_str()).collect();
            let near = rules::meant(key, known.iter().copied());
            let why = match known.as_slice() {
                [] => "the plan has no keys".to_owned(),
                known => format!("the plan has only the keys {}{near}", known.join(", ")),
            };
            return Err(Failure::new(FailureKind::NotFound, &what, why));
        };
        let (Some(quota), Some(before)) = (usage.quota, found.remaining) else {
            let why = "the plan has no quota: its keys are not limited";
            return Err(Failure::new(FailureKind::Invalid, &what, why)
                .next(format!("labdeck plans {} {plan} set quota.limit=N", blueprint.name)));
        };
        let after = match left {
            Left::Full => quota,
            Left::More(more) => before.saturating_add(i64::from(more)),
        };
        let after = after.min(i64::from(i32::MAX));
        patiently(|| async {
            let patch = PatchOperation::builder().op(Op::Replace).path("/remaining");
            let call = engine.target.apigateway().update_usage().usage_plan_id(&model.id);
            let call = call.key_id(&found.key_id);
            let call = call.patch_operations(patch.value(after.to_string()).build());
            let words = |left: i64| format!("{left} requests left");
            let answer = changing(words(before), words(after), call.send()).await;
            answer.map(|_| ()).map_err(|error| Failure::from_sdk(&what, &error))
        })
        .await?;
        Ok((before, after, usage.resets_ms))
    };
    let (before, after, resets_ms) =
        leased(engine, &whose::lease(blueprint), Box::pin(work)).await?;
    let until = OffsetDateTime::from_unix_timestamp(resets_ms / 1000)
        .ok()
        .and_then(|at| at.date().format(DATE).ok())
        .unwrap_or_default();
    Ok(Done::new(format!("key {key} in plan {plan}: {before} → {after} requests left"))
        .note(format!("for the present period only, which ends on {until} (UTC)")))
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    #[test]
    fn periods_begin_and_end_where_their_offset_says() {
        let of = |period: &str, offset: &str, today| {
            let settings = [("quota.period", period), ("quota.offset", offset)];
            let settings = settings.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
            super::period(&settings, today)
        };
        let saturday = date!(2026 - 11 - 21);
        assert_eq!(of("DAY", "0", saturday), (saturday, date!(2026 - 11 - 22)));
        assert_eq!(of("WEEK", "0", saturday), (date!(2026 - 11 - 15), date!(2026 - 11 - 22)));
        assert_eq!(of("WEEK", "6", saturday), (saturday, date!(2026 - 11 - 28)));
        assert_eq!(of("MONTH", "0", saturday), (date!(2026 - 11 - 01), date!(2026 - 12 - 01)));
        assert_eq!(of("MONTH", "21", saturday), (date!(2026 - 10 - 22), date!(2026 - 11 - 22)));
        let end = date!(2026 - 12 - 31);
        assert_eq!(of("MONTH", "0", end), (date!(2026 - 12 - 01), date!(2027 - 01 - 01)));
    }
}
