//! `ImportApiKeys`: keys from comma-separated values.
//!
//! The format is "API Gateway API key file format" in the developer guide: the first line names the
//! columns (in any case and order); `Name` and `Key` must be there, `Description`, `Enabled` and
//! `UsagePlanIds` may; others are ignored. A value with commas is enclosed in double or single
//! quotes. A key whose value is known already takes the place of the earlier one.

use std::collections::HashMap;

use serde_json::json;

use super::super::ids;
use super::super::model::Texts;
use super::super::plans::model::ApiKey;
use super::super::plans::registry::{Edit, Registry};
use super::super::reply::{Outcome, Reply, bad_request};
use super::super::state::Apis;
use super::Call;
use super::keys::{check_room, checked_description, checked_name, checked_value};
use super::plan_keys::check_join;
use crate::error::AwsError;

/// Imports the keys of the body; with `failonwarnings=true` all of them or none.
pub(super) async fn import(apis: &Apis, call: &Call<'_>) -> Outcome {
    if call.query("format").as_deref() != Some("csv") {
        return Err(bad_request("Invalid format specified. Must be one of: [csv]"));
    }
    let strict = ["failonwarnings", "failOnWarnings"]
        .iter()
        .any(|name| call.query(name).as_deref() == Some("true"));
    let text = std::str::from_utf8(call.body())
        .map_err(|_| bad_request("The API key file is not UTF-8 text"))?;
    apis.change_plans(|registry| keys(registry, text, strict, call.now)).await
}

fn keys(
    registry: &Registry,
    text: &str,
    strict: bool,
    now: i64,
) -> Result<(Reply, Vec<Edit>), AwsError> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = fields(lines.next().unwrap_or_default().trim_start_matches('\u{feff}'));
    let column = |name: &str| header.iter().position(|known| known.eq_ignore_ascii_case(name));
    let (Some(name), Some(value)) = (column("name"), column("key")) else {
        return Err(bad_request("The API key file must have the columns Name and Key"));
    };
    let columns = Columns {
        name,
        value,
        description: column("description"),
        enabled: column("enabled"),
        plans: column("usageplanids"),
    };
    let mut batch = Batch { registry, keys: Vec::new(), by_value: HashMap::new(), new: 0 };
    let mut warnings = Vec::new();
    for (at, line) in lines.enumerate() {
        if let Err(error) = batch.line(&columns, &fields(line), now) {
            let warning = format!("Line {}: {}", at + 2, error.message);
            if strict {
                return Err(bad_request(warning));
            }
            warnings.push(warning);
        }
    }
    let ids: Vec<&str> = batch.keys.iter().map(|(key, _)| key.id.as_str()).collect();
    let reply = Reply::created(&json!({ "ids": ids, "warnings": warnings }))?;
    Ok((reply, batch.edits()))
}

struct Columns {
    name: usize,
    value: usize,
    description: Option<usize>,
    enabled: Option<usize>,
    plans: Option<usize>,
}

/// What was read so far: each key once, with all plans that it shall be in.
struct Batch<'a> {
    registry: &'a Registry,
    keys: Vec<(ApiKey, Vec<String>)>,
    by_value: HashMap<String, usize>,
    /// How many keys are not in the registry.
    new: usize,
}

impl Batch<'_> {
    fn line(&mut self, columns: &Columns, fields: &[String], now: i64) -> Result<(), AwsError> {
        let field =
            |column: Option<usize>| column.and_then(|at| fields.get(at)).map_or("", String::as_str);
        let value = checked_value(Some(field(Some(columns.value)).to_owned()))?;
        let stored = self.registry.key_of_value(&value).and_then(|id| self.registry.key(id));
        let known = self.by_value.get(&value).copied();
        let earlier = known.map(|at| &self.keys[at].0).or(stored.map(AsRef::as_ref));
        if earlier.is_none() {
            check_room(self.registry, self.new + 1)?;
        }
        let enabled = field(columns.enabled);
        let key = ApiKey {
            id: match earlier {
                Some(earlier) => earlier.id.clone(),
                None => ids::unused(10, |id| self.registry.key(id).is_some())?,
            },
            name: checked_name(Some(field(Some(columns.name)).to_owned()))?,
            customer_id: earlier.and_then(|earlier| earlier.customer_id.clone()),
            description: checked_description(Some(field(columns.description).to_owned()))?,
            enabled: enabled.is_empty() || enabled.eq_ignore_ascii_case("true"),
            created_date: earlier.map_or(now, |earlier| earlier.created_date),
            last_updated_date: now,
            stage_keys: earlier.map_or_else(Vec::new, |earlier| earlier.stage_keys.clone()),
            tags: earlier.map_or_else(Texts::new, |earlier| earlier.tags.clone()),
            value,
        };
        let mut plans = match known {
            Some(at) => self.keys[at].1.clone(),
            None => self.registry.plans_of_key(&key.id).to_vec(),
        };
        for plan in field(columns.plans).split(',').map(str::trim).filter(|plan| !plan.is_empty()) {
            if !plans.iter().any(|known| known == plan) {
                check_join(self.registry, plan, &plans)?;
                plans.push(plan.to_owned());
            }
        }
        if let Some(at) = known {
            self.keys[at] = (key, plans);
        } else {
            self.new += usize::from(stored.is_none());
            self.by_value.insert(key.value.clone(), self.keys.len());
            self.keys.push((key, plans));
        }
        Ok(())
    }

    fn edits(self) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (key, plans) in self.keys {
            let id = key.id.clone();
            edits.push(Edit::PutKey(key));
            let new = plans.into_iter().filter(|plan| self.registry.member(plan, &id).is_none());
            edits.extend(new.map(|plan| Edit::Join { plan, key: id.clone() }));
        }
        edits
    }
}

/// The fields of a line; one may be enclosed in double or single quotes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == ',' => fields.push(std::mem::take(&mut field)),
            None if matches!(c, '"' | '\'') && field.trim().is_empty() => {
                field.clear();
                quote = Some(c);
            }
            _ => field.push(c),
        }
    }
    fields.push(field);
    fields.iter().map(|field| field.trim().to_owned()).collect()
}
