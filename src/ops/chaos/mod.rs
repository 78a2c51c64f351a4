//! Chaos: real failures, switched on and off, and read back from live state.
//!
//! Nothing is remembered anywhere: a switch is on when the thing it changes says so.
//!
//! | switch | what it changes | how it is read back |
//! | --- | --- | --- |
//! | deny-table | an inline Deny on the role, with its own end | the policy's name and its end |
//! | missing-table | the function's variable gets a suffix | the suffix |
//! | variable | the function's variable gets another value; the one it had is kept beside it | the value beside it |
//! | drop-cache-key | the stage serves a deployment without the cache key | that deployment's description |
//! | slow-table | the local cloud delays calls on the table | the local cloud says so |

mod cache_key;

pub(crate) use cache_key::made;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_lambda::types::{Environment, FunctionConfiguration};
use futures_util::future::try_join_all;
use labdeck_aws::{Failure, FailureKind, Result, Target, changing};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Chaos, ChaosKind};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::deploy::leased;
use crate::engine::Engine;
use crate::live::{self, LAB_TAG};
use crate::release::wait_until_ready;
use crate::status::ChaosStatus;

/// Begins the name of every inline policy that chaos puts on a role.
pub const POLICY_PREFIX: &str = "labdeck-chaos-deny-table-";
/// What a variable's value ends with while its table is missing.
pub const MISSING_SUFFIX: &str = "-labdeck-chaos-missing";

/// What the variable is called that keeps the value which a switch of kind `variable` replaced.
pub const WAS_PREFIX: &str = "LABDECK_CHAOS_WAS_";

/// The switches of the lab that are on now.
pub async fn status(engine: &Engine, blueprint: &Blueprint) -> Result<Vec<ChaosStatus>> {
    let target = &*engine.target;
    let none = BTreeMap::new();
    let lab = &blueprint.name;
    let read =
        try_join_all(blueprint.chaos.iter().map(|switch| read(target, lab, switch, &none))).await?;
    Ok(read.into_iter().flatten().collect())
}

/// The same, one call after the other, and none for functions whose configurations are known.
pub(crate) async fn status_with(
    engine: &Engine,
    blueprint: &Blueprint,
    configurations: &BTreeMap<String, FunctionConfiguration>,
) -> Result<Vec<ChaosStatus>> {
    let mut on = Vec::new();
    for switch in &blueprint.chaos {
        on.extend(read(&engine.target, &blueprint.name, switch, configurations).await?);
    }
    Ok(on)
}

/// Switches `name` on or off. Doing it twice is no fault: on begins its time anew, off stays off.
///
/// # Errors
/// `NotFound` when there is no such switch or nothing to break yet; Refused when the resource isn't
/// ours, in read-only mode, or when the target can't do it; Conflict when somebody else changes the
/// function meanwhile.
pub async fn set(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    on: bool,
) -> Result<ChaosStatus> {
    let verb = if on { "on" } else { "off" };
    let what = format!("switching chaos {name} {verb}");
    let Some(switch) = blueprint.chaos.iter().find(|switch| switch.name == name) else {
        let known: Vec<&str> = blueprint.chaos.iter().map(|switch| switch.name.as_str()).collect();
        let why = match known.as_slice() {
            [] => format!("lab {} has no chaos switches", blueprint.name),
            known => format!("lab {} has {}", blueprint.name, known.join(", ")),
        };
        return Err(Failure::new(FailureKind::NotFound, what, why));
    };
    let work = Work { target: &engine.target, lab: &blueprint.name, what };
    engine.target.learn_caller().await;
    let told = |on| format!("chaos {name} {}", if on { "on" } else { "off" });
    let until_ms =
        changing(told(!on), told(on), Box::pin(moved(engine, &work, switch, on))).await?;
    Ok(ChaosStatus { name: name.to_owned(), until_ms })
}

/// Moves a switch; answers when it ends by itself, in ms since the epoch, where it does.
async fn moved(engine: &Engine, work: &Work<'_>, switch: &Chaos, on: bool) -> Result<Option<i64>> {
    let lab = work.lab;
    Ok(match &switch.kind {
        ChaosKind::DenyTable { role, table, minutes } if on => {
            Some(work.deny(role, table, *minutes).await?)
        }
        ChaosKind::DenyTable { role, table, .. } => work.allow(role, table).await.map(|()| None)?,
        ChaosKind::MissingTable { function, variable } => {
            work.change(function, &Edit::Missing { variable }, on).await.map(|()| None)?
        }
        ChaosKind::SlowTable { table, delay_ms } => {
            work.delay(table, on.then_some(*delay_ms)).await.map(|()| None)?
        }
        ChaosKind::Variable { function, variable, value } => {
            let edit = Edit::Value { variable, value };
            work.change(function, &edit, on).await.map(|()| None)?
        }
        ChaosKind::DropCacheKey { api, path, method, parameter, stage } => {
            let key = cache_key::CacheKey { api, path, method, parameter, stage };
            // It changes the definition for a moment: no deploy must come in between.
            let work = cache_key::set(engine, lab, &switch.name, &key, on);
            leased(engine, lab, Box::pin(work)).await.map(|()| None)?
        }
    })
}

/// The switch when it is on.
async fn read(
    target: &Target,
    lab: &str,
    switch: &Chaos,
    configurations: &BTreeMap<String, FunctionConfiguration>,
) -> Result<Option<ChaosStatus>> {
    let on = |until_ms| Some(ChaosStatus { name: switch.name.clone(), until_ms });
    match &switch.kind {
        // A role that is not ours is never changed, and often can't be read.
        ChaosKind::DenyTable { .. } if target.role().is_some() => Ok(None),
        ChaosKind::DenyTable { role, table, .. } => {
            let Some(end) = denied_until(target, role, table).await? else { return Ok(None) };
            Ok(if end.is_none_or(|end| end > now_ms()) { on(end) } else { None })
        }
        ChaosKind::MissingTable { function, variable } => {
            let variables = variables(target, function, configurations).await?;
            Ok(if (Edit::Missing { variable }).is_on(&variables) { on(None) } else { None })
        }
        ChaosKind::Variable { function, variable, value } => {
            let variables = variables(target, function, configurations).await?;
            Ok(if (Edit::Value { variable, value }).is_on(&variables) { on(None) } else { None })
        }
        ChaosKind::DropCacheKey { api, stage, .. } => {
            let dropped = cache_key::is_dropped(target, lab, &switch.name, api, stage).await?;
            Ok(if dropped { on(None) } else { None })
        }
        ChaosKind::SlowTable { table, .. } => {
            let Some(admin) = target.admin() else { return Ok(None) };
            Ok(admin.table_latency(table).await?.and_then(|_| on(None)))
        }
    }
}

/// The variables of a function, of those that are known or else as they are live.
async fn variables(
    target: &Target,
    function: &str,
    configurations: &BTreeMap<String, FunctionConfiguration>,
) -> Result<HashMap<String, String>> {
    let configuration = match configurations.get(function) {
        Some(known) => Some(known.clone()),
        None => live::function(target, function).await?.and_then(|live| live.configuration),
    };
    let environment = configuration.and_then(|configuration| configuration.environment);
    Ok(environment.and_then(|environment| environment.variables).unwrap_or_default())
}

/// A change of a function's variables that can be taken back.
enum Edit<'a> {
    /// The variable's value gets a suffix.
    Missing { variable: &'a str },
    /// The variable has another value, and the one it had is kept beside it.
    Value { variable: &'a str, value: &'a str },
}

impl Edit<'_> {
    fn variable(&self) -> &str {
        match self {
            Self::Missing { variable } | Self::Value { variable, .. } => variable,
        }
    }

    fn is_on(&self, variables: &HashMap<String, String>) -> bool {
        match self {
            Self::Missing { variable } => {
                variables.get(*variable).is_some_and(|value| value.ends_with(MISSING_SUFFIX))
            }
            Self::Value { variable, .. } => variables.contains_key(&was(variable)),
        }
    }

    /// The variables as they must become; `None` when they are that way. The variable must be there.
    fn applied(
        &self,
        mut variables: HashMap<String, String>,
        on: bool,
    ) -> Option<HashMap<String, String>> {
        match self {
            Self::Missing { variable } => {
                let value = variables.get_mut(*variable)?;
                *value = toggled(value, on)?;
            }
            Self::Value { variable, value } if on => {
                if self.is_on(&variables) {
                    return None;
                }
                let was_value = variables.insert((*variable).to_owned(), (*value).to_owned())?;
                variables.insert(was(variable), was_value);
            }
            Self::Value { variable, .. } => {
                let was_value = variables.remove(&was(variable))?;
                variables.insert((*variable).to_owned(), was_value);
            }
        }
        Some(variables)
    }
}

/// Where the value is kept that a variable had.
fn was(variable: &str) -> String {
    format!("{WAS_PREFIX}{variable}")
}

/// One change, with what every message about it needs.
struct Work<'a> {
    target: &'a Target,
    lab: &'a str,
    what: String,
}

impl Work<'_> {
    fn refused(&self, why: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Refused, &self.what, why)
    }

    fn not_deployed(&self, why: impl Into<String>) -> Failure {
        Failure::new(FailureKind::NotFound, &self.what, why)
            .next(format!("deploy it first: labdeck deploy {}", self.lab))
    }

    /// Puts the Deny on the role; answers when it ends, in ms since the epoch.
    async fn deny(&self, role: &str, table: &str, minutes: u32) -> Result<i64> {
        let arn = self.own_role(role).await?;
        let end = OffsetDateTime::now_utc() + Duration::from_secs(u64::from(minutes) * 60);
        let end = end.replace_nanosecond(0).unwrap_or(end);
        let document = deny_document(&arn, self.target.region(), table, end)
            .map_err(|why| Failure::new(FailureKind::Internal, &self.what, why))?;
        let put = self.target.iam().put_role_policy().role_name(role);
        let put = put.policy_name(policy_name(table)).policy_document(document.to_string());
        put.send().await.map_err(|error| Failure::from_sdk(&self.what, &error))?;
        Ok(end.unix_timestamp() * 1000)
    }

    async fn allow(&self, role: &str, table: &str) -> Result<()> {
        if self.target.role().is_some() {
            return Err(self.refused("the role was given with --role and is not the lab's own"));
        }
        let delete = self.target.iam().delete_role_policy().role_name(role);
        let answer = delete.policy_name(policy_name(table)).send().await;
        // Not there: off already.
        live::existing(answer.map_err(|e| Failure::from_sdk(&self.what, &e))).map(|_| ())
    }

    /// The ARN of a role that carries the lab's tag.
    async fn own_role(&self, role: &str) -> Result<String> {
        if self.target.role().is_some() {
            return Err(self
                .refused("the role was given with --role: others may use it, so it is not broken")
                .next("use a chaos switch that does not touch the role, such as missing-table"));
        }
        let answer = self.target.iam().get_role().role_name(role).send().await;
        let found = live::existing(answer.map_err(|e| Failure::from_sdk(&self.what, &e)))?;
        let Some(found) = found.and_then(|answer| answer.role) else {
            return Err(self.not_deployed(format!("role {role} does not exist")));
        };
        let ours = found.tags().iter().any(|tag| tag.key() == LAB_TAG && tag.value() == self.lab);
        if !ours {
            let why = format!("role {role} does not carry the tag {LAB_TAG}={}", self.lab);
            return Err(self.refused(why).next("only a role of the lab's own is broken"));
        }
        Ok(found.arn)
    }

    /// Changes a variable of the function or takes the change back.
    async fn change(&self, function: &str, edit: &Edit<'_>, on: bool) -> Result<()> {
        let Some(live) = live::function(self.target, function).await? else {
            return if on {
                Err(self.not_deployed(format!("function {function} does not exist")))
            } else {
                Ok(())
            };
        };
        if live::function_tags(&live).get(LAB_TAG).map(String::as_str) != Some(self.lab) {
            let why = format!("function {function} does not carry the tag {LAB_TAG}={}", self.lab);
            return Err(self.refused(why).next("only a function of the lab's own is broken"));
        }
        let Some(variables) = self.changed(&live, function, edit, on)? else { return Ok(()) };
        // Its revision id changes when it becomes ready.
        let ready = wait_until_ready(self.target, function, &self.what).await?;
        let environment = Environment::builder().set_variables(Some(variables)).build();
        let update = self.target.lambda().update_function_configuration().function_name(function);
        let answer = update.environment(environment).revision_id(ready.revision_id).send().await;
        if let Err(error) = answer {
            let failure = Failure::from_sdk(&self.what, &error);
            if !failure.has_code(&["PreconditionFailedException"]) {
                return Err(failure);
            }
            // An attempt whose answer was lost did it already.
            let live = live::function(self.target, function).await?;
            let done = match &live {
                Some(live) => self.changed(live, function, edit, on)?.is_none(),
                None => false,
            };
            if !done {
                return Err(failure.next("somebody else changed the function; try again"));
            }
        }
        wait_until_ready(self.target, function, &self.what).await.map(|_| ())
    }

    /// The variables as they must become; `None` when they are that way.
    fn changed(
        &self,
        live: &aws_sdk_lambda::operation::get_function::GetFunctionOutput,
        function: &str,
        edit: &Edit<'_>,
        on: bool,
    ) -> Result<Option<HashMap<String, String>>> {
        let variables = live
            .configuration()
            .and_then(|configuration| configuration.environment())
            .and_then(|environment| environment.variables())
            .cloned()
            .unwrap_or_default();
        if !variables.contains_key(edit.variable()) {
            let why = format!("function {function} has no variable {}", edit.variable());
            return if on { Err(self.not_deployed(why)) } else { Ok(None) };
        }
        Ok(edit.applied(variables, on))
    }

    async fn delay(&self, table: &str, delay_ms: Option<u64>) -> Result<()> {
        let Some(admin) = self.target.admin() else {
            return Err(self
                .refused("only the local cloud can slow a table down")
                .next("use --target local, or another chaos switch"));
        };
        // The admin API is not reached through the SDK, whose guard does not see this.
        self.target.may_change(&self.what, None)?;
        if delay_ms.is_some() && live::table(self.target, table).await?.is_none() {
            return Err(self.not_deployed(format!("table {table} does not exist")));
        }
        let record = self.target.record("local cloud", "PutTableLatency", table);
        let done = admin.set_table_latency(table, delay_ms.map(Duration::from_millis)).await;
        record.ended(&done);
        done
    }
}

/// The value with the suffix, or without it; `None` when it is that way.
fn toggled(value: &str, on: bool) -> Option<String> {
    match (value.strip_suffix(MISSING_SUFFIX), on) {
        (None, true) => Some(format!("{value}{MISSING_SUFFIX}")),
        (Some(original), false) => Some(original.to_owned()),
        _ => None,
    }
}

/// A policy name has at most 128 characters; table names can be longer.
fn policy_name(table: &str) -> String {
    const ROOM: usize = 128 - POLICY_PREFIX.len();
    if table.len() <= ROOM {
        return format!("{POLICY_PREFIX}{table}");
    }
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(table));
    format!("{POLICY_PREFIX}{}", &hash[..32])
}

/// Denies everything on the table and its indexes until `end`, in the role's own partition and
/// account.
fn deny_document(
    role_arn: &str,
    region: &str,
    table: &str,
    end: OffsetDateTime,
) -> Result<Value, String> {
    let mut parts = role_arn.split(':').skip(1);
    let (Some(partition), Some(_), Some(_), Some(account)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(format!("{role_arn:?} is not a role's ARN"));
    };
    let arn = format!("arn:{partition}:dynamodb:{region}:{account}:table/{table}");
    let end = end.format(&Rfc3339).map_err(|error| error.to_string())?;
    Ok(json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "LabdeckChaos",
            "Effect": "Deny",
            "Action": "dynamodb:*",
            "Resource": [arn, format!("{arn}/index/*")],
            "Condition": { "DateLessThan": { "aws:CurrentTime": end } },
        }],
    }))
}

/// When the Deny on the role ends: `None` when there is none, `Some(None)` when it does not say.
async fn denied_until(target: &Target, role: &str, table: &str) -> Result<Option<Option<i64>>> {
    let get = target.iam().get_role_policy().role_name(role).policy_name(policy_name(table));
    let what = format!("reading the chaos policy of role {role}");
    let answer = get.send().await.map_err(|error| Failure::from_sdk(what, &error));
    Ok(live::existing(answer)?.map(|policy| end_of(&policy.policy_document)))
}

/// The end that a policy document names, in ms since the epoch. IAM hands documents out
/// percent-encoded.
fn end_of(document: &str) -> Option<i64> {
    let text = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
    let document: Value = serde_json::from_str(&text).ok()?;
    let end = document.pointer("/Statement/0/Condition/DateLessThan/aws:CurrentTime")?.as_str()?;
    let end = OffsetDateTime::parse(end, &Rfc3339).ok()?;
    Some(end.unix_timestamp() * 1000)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_variable_is_changed_and_is_what_it_was_again() {
        let edit = Edit::Value { variable: "MODE", value: "other" };
        let plain = HashMap::from([("MODE".to_owned(), "plain".to_owned())]);
        let on = edit.applied(plain.clone(), true).unwrap();
        assert_eq!(on["MODE"], "other");
        assert!(edit.is_on(&on) && !edit.is_on(&plain));
        // Twice is once: what it was is not lost.
        assert_eq!(edit.applied(on.clone(), true), None);
        assert_eq!(edit.applied(on, false), Some(plain.clone()));
        assert_eq!(edit.applied(plain, false), None);
    }

    #[test]
    fn the_deny_ends_by_itself_and_its_end_is_read_back() {
        let end = OffsetDateTime::from_unix_timestamp(1_795_168_800).unwrap();
        let role = "arn:aws-cn:iam::111122223333:role/r";
        let document = deny_document(role, "cn-north-1", "visits", end).unwrap();
        let statement = &document["Statement"][0];
        assert_eq!(
            statement["Resource"][0],
            "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/visits"
        );
        assert_eq!(
            statement["Condition"]["DateLessThan"]["aws:CurrentTime"],
            "2026-11-20T10:00:00Z"
        );
        let encoded = percent_encoding::utf8_percent_encode(
            &document.to_string(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        assert_eq!(end_of(&encoded), Some(1_795_168_800_000));
        assert_eq!(end_of("{}"), None);
        assert!(deny_document("nonsense", "r", "t", end).is_err());
    }

    #[test]
    fn a_variable_is_changed_once_and_comes_back_as_it_was() {
        let on = toggled("visits", true).unwrap();
        assert_eq!(on, "visits-labdeck-chaos-missing");
        assert_eq!(toggled(&on, true), None);
        assert_eq!(toggled(&on, false).as_deref(), Some("visits"));
        assert_eq!(toggled("visits", false), None);
    }

    #[test]
    fn policy_names_fit() {
        assert_eq!(policy_name("visits"), "labdeck-chaos-deny-table-visits");
        let (a, b) = ("t".repeat(200), "t".repeat(201));
        assert!(policy_name(&a).len() <= 128);
        assert_ne!(policy_name(&a), policy_name(&b));
    }
}
