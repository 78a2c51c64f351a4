//! Chaos: real failures, switched on and off, and read back from live state.
//!
//! Nothing is remembered on this machine: a switch is on when the thing it changes says so, and that also
//! says until when. What the cloud can't end by itself is ended by whoever comes next ([`end_overdue`]).
//!
//! | switch | what it changes | how it is read back | who ends it |
//! | --- | --- | --- | --- |
//! | deny-table | an inline Deny on the role, with its own end | the policy's name and its end | IAM |
//! | missing-table | the function's variable gets a suffix | the suffix | who comes next |
//! | variable | the function's variable gets another value; the one it had is kept beside it | the value beside it | who comes next |
//! | drop-cache-key | the stage serves a deployment without the cache key | that deployment's description | who comes next |
//! | slow-table | the local cloud delays calls on the table | the local cloud says so | the local cloud |

mod cache_key;
mod deny;
mod overdue;
mod variable;

pub(crate) use cache_key::made;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_lambda::types::{Environment, FunctionConfiguration};
use futures_util::future::try_join_all;
use labdeck_aws::{Failure, FailureKind, Result, SlowTable, Target, changing};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Chaos, ChaosKind};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use overdue::{Ended, end_overdue};

use self::deny::{denied_until, deny_document, policy_name};
use self::variable::Edit;
use crate::deploy::leased;
use crate::engine::Engine;
use crate::history::now_ms;
use crate::live::{self, LAB_TAG};
use crate::release::wait_until_ready;
use crate::status::ChaosStatus;

/// Begins the name of every inline policy that chaos puts on a role.
pub const POLICY_PREFIX: &str = "labdeck-chaos-deny-table-";
/// What a variable's value ends with while its table is missing.
pub const MISSING_SUFFIX: &str = "-labdeck-chaos-missing";

/// What the variable is called that keeps the value which a switch of kind `variable` replaced.
pub const WAS_PREFIX: &str = "LABDECK_CHAOS_WAS_";

/// What the variable is called that keeps until when another one is changed.
pub const UNTIL_PREFIX: &str = "LABDECK_CHAOS_UNTIL_";

/// How long a switch stays on when nobody said how long.
pub const LASTS: Duration = Duration::from_mins(15);
/// The shortest and the longest time that a switch can stay on.
pub const BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(8));

/// How long a switch stays on when nobody said how long: as its lab says, else [`LASTS`].
pub fn lasts(switch: &Chaos) -> Duration {
    match switch.kind {
        ChaosKind::DenyTable { minutes, .. } => Duration::from_secs(u64::from(minutes) * 60),
        _ => LASTS,
    }
}

/// Where a switch is moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Off.
    Off,
    /// On for this long, within [`BOUNDS`]; without it as long as [`lasts`] says.
    On(Option<Duration>),
}

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
/// `NotFound` when there is no such switch or nothing to break yet; Invalid when the time is out of
/// bounds; Refused when the resource isn't ours, in read-only mode, or when the target can't do it;
/// Conflict when somebody else changes the function meanwhile.
pub async fn set(
    engine: &Engine,
    blueprint: &Blueprint,
    name: &str,
    to: To,
) -> Result<ChaosStatus> {
    let verb = if to == To::Off { "off" } else { "on" };
    let what = format!("switching chaos {name} {verb}");
    crate::whose::refuse_attached(blueprint, &what)?;
    let Some(switch) = blueprint.chaos.iter().find(|switch| switch.name == name) else {
        let known: Vec<&str> = blueprint.chaos.iter().map(|switch| switch.name.as_str()).collect();
        let why = match known.as_slice() {
            [] => format!("lab {} has no chaos switches", blueprint.name),
            known => format!("lab {} has {}", blueprint.name, known.join(", ")),
        };
        return Err(Failure::new(FailureKind::NotFound, what, why));
    };
    let until = match to {
        To::Off => None,
        To::On(given) => Some(end(given.unwrap_or_else(|| lasts(switch)), &what)?),
    };
    let work = Work { target: &engine.target, lab: &blueprint.name, what };
    engine.target.learn_caller().await;
    let off = format!("chaos {name} off");
    let on = match until.and_then(|until| until.format(&Rfc3339).ok()) {
        Some(until) => format!("chaos {name} on until {until}"),
        None => format!("chaos {name} on"),
    };
    let (from, to) = if until.is_some() { (off, on) } else { (on, off) };
    changing(from, to, Box::pin(moved(engine, &work, switch, until))).await?;
    let until_ms = until.map(|until| until.unix_timestamp() * 1000);
    Ok(ChaosStatus { name: name.to_owned(), until_ms })
}

/// The moment at which something ends that lasts so long from now on, in whole seconds.
fn end(lasts: Duration, what: &str) -> Result<OffsetDateTime> {
    let (shortest, longest) = BOUNDS;
    if !(shortest..=longest).contains(&lasts) {
        let why = "a switch stays on from 1 second to 8 hours";
        return Err(Failure::new(FailureKind::Invalid, what, why));
    }
    // Rounded up: it never lasts shorter than asked for.
    let end = OffsetDateTime::now_utc() + lasts + Duration::from_millis(999);
    Ok(end.replace_nanosecond(0).unwrap_or(end))
}

/// Moves a switch: on until a moment, or off without one.
async fn moved(
    engine: &Engine,
    work: &Work<'_>,
    switch: &Chaos,
    until: Option<OffsetDateTime>,
) -> Result<()> {
    let lab = work.lab;
    match &switch.kind {
        ChaosKind::DenyTable { role, table, .. } => match until {
            Some(until) => work.deny(role, table, until).await,
            None => work.allow(role, table).await,
        },
        ChaosKind::MissingTable { function, variable } => {
            work.change(function, &Edit::Missing { variable }, until).await
        }
        ChaosKind::SlowTable { table, delay_ms } => work.delay(table, *delay_ms, until).await,
        ChaosKind::Variable { function, variable, value } => {
            work.change(function, &Edit::Value { variable, value }, until).await
        }
        ChaosKind::DropCacheKey { api, path, method, parameter, stage } => {
            let key = cache_key::CacheKey { api, path, method, parameter, stage };
            // It changes the definition for a moment: no deploy must come in between.
            let work = cache_key::set(engine, lab, &switch.name, &key, until);
            leased(engine, lab, Box::pin(work)).await
        }
    }
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
            let edit = Edit::Missing { variable };
            Ok(if edit.is_on(&variables) { on(edit.until_ms(&variables)) } else { None })
        }
        ChaosKind::Variable { function, variable, value } => {
            let variables = variables(target, function, configurations).await?;
            let edit = Edit::Value { variable, value };
            Ok(if edit.is_on(&variables) { on(edit.until_ms(&variables)) } else { None })
        }
        ChaosKind::DropCacheKey { api, stage, .. } => {
            let dropped = cache_key::dropped(target, lab, &switch.name, api, stage).await?;
            Ok(dropped.and_then(on))
        }
        ChaosKind::SlowTable { table, .. } => {
            let Some(admin) = target.admin() else { return Ok(None) };
            Ok(admin.table_latency(table).await?.and_then(|slow| on(slow.until_ms)))
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

    /// Puts the Deny on the role, until `end`.
    async fn deny(&self, role: &str, table: &str, end: OffsetDateTime) -> Result<()> {
        let arn = self.own_role(role).await?;
        let document = deny_document(&arn, self.target.region(), table, end)
            .map_err(|why| Failure::new(FailureKind::Internal, &self.what, why))?;
        let put = self.target.iam().put_role_policy().role_name(role);
        let put = put.policy_name(policy_name(table)).policy_document(document.to_string());
        put.send().await.map(|_| ()).map_err(|error| Failure::from_sdk(&self.what, &error))
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
    async fn change(
        &self,
        function: &str,
        edit: &Edit<'_>,
        until: Option<OffsetDateTime>,
    ) -> Result<()> {
        let Some(live) = live::function(self.target, function).await? else {
            return if until.is_some() {
                Err(self.not_deployed(format!("function {function} does not exist")))
            } else {
                Ok(())
            };
        };
        if live::function_tags(&live).get(LAB_TAG).map(String::as_str) != Some(self.lab) {
            let why = format!("function {function} does not carry the tag {LAB_TAG}={}", self.lab);
            return Err(self.refused(why).next("only a function of the lab's own is broken"));
        }
        let Some(variables) = self.changed(&live, function, edit, until)? else { return Ok(()) };
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
                Some(live) => self.changed(live, function, edit, until)?.is_none(),
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
        until: Option<OffsetDateTime>,
    ) -> Result<Option<HashMap<String, String>>> {
        let variables = live
            .configuration()
            .and_then(|configuration| configuration.environment())
            .and_then(|environment| environment.variables())
            .cloned()
            .unwrap_or_default();
        if !variables.contains_key(edit.variable()) {
            let why = format!("function {function} has no variable {}", edit.variable());
            return if until.is_some() { Err(self.not_deployed(why)) } else { Ok(None) };
        }
        Ok(edit.applied(variables, until))
    }

    async fn delay(&self, table: &str, delay_ms: u64, until: Option<OffsetDateTime>) -> Result<()> {
        let Some(admin) = self.target.admin() else {
            return Err(self
                .refused("only the local cloud can slow a table down")
                .next("use --target local, or another chaos switch"));
        };
        // The admin API is not reached through the SDK, whose guard does not see this.
        self.target.may_change(&self.what, None)?;
        if until.is_some() && live::table(self.target, table).await?.is_none() {
            return Err(self.not_deployed(format!("table {table} does not exist")));
        }
        let slow = until.map(|until| SlowTable {
            delay: Duration::from_millis(delay_ms),
            until_ms: Some(until.unix_timestamp() * 1000),
        });
        let record = self.target.record("local cloud", "PutTableLatency", table);
        let done = admin.set_table_latency(table, slow).await;
        record.ended(&done);
        done
    }
}
