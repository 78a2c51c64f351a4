//! What the account may run at once, and whether what a lab takes out of it leaves enough for others.

use labdeck_aws::{Failure, FailureKind, Result, Target};

use super::function::WantedFunction;
use crate::deploy::observe::Live;
use crate::deploy::wanted::Wanted;

/// Executions that must stay for functions that reserve nothing (Lambda Developer Guide, "Configuring
/// reserved concurrency for a function").
const UNRESERVED_LEAST: i32 = 100;

/// What an account may run at once in a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountConcurrency {
    /// Executions at once, of all functions together.
    pub limit: i32,
    /// Those that no function has reserved.
    pub unreserved: i32,
}

impl AccountConcurrency {
    /// How many of them can't be reserved. An account that may have fewer than Lambda's 100 can reserve
    /// none.
    pub fn least(self) -> i32 {
        UNRESERVED_LEAST.min(self.limit)
    }

    /// How many may still be reserved.
    pub fn free(self) -> i32 {
        (self.unreserved - self.least()).max(0)
    }
}

/// Reads what the account may run at once; `None` where that may not be read.
///
/// # Errors
/// Those of the call.
pub async fn account(target: &Target) -> Result<Option<AccountConcurrency>> {
    let answer = target.lambda().get_account_settings().send().await;
    let what = "reading what the account may run at once";
    match answer.map_err(|e| Failure::from_sdk(what, &e)) {
        Ok(answer) => Ok(answer.account_limit.map(|limit| AccountConcurrency {
            limit: limit.concurrent_executions,
            unreserved: limit.unreserved_concurrent_executions.unwrap_or_default(),
        })),
        // Lambda itself will say what it does not grant.
        Err(failure) if failure.kind == FailureKind::Denied => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The same, where the lab takes something out of it.
pub async fn observe(target: &Target, wanted: &Wanted) -> Result<Option<AccountConcurrency>> {
    if wanted.functions.iter().all(|function| taken(function) == 0) {
        return Ok(None);
    }
    account(target).await
}

/// Executions that a function takes out of what others share.
fn taken(function: &WantedFunction) -> i32 {
    function.spec.settings.reserved.or(function.provisioned).unwrap_or_default()
}

/// Refuses a plan that Lambda would refuse half way, since too little is left for other functions.
pub fn check(wanted: &Wanted, live: &Live) -> Result<()> {
    let Some(account) = live.concurrency else { return Ok(()) };
    let now = |name: &str| {
        let live = live.functions.get(name);
        let kept = live.and_then(|live| live.provisioned.values().copied().reduce(|a, b| a + b));
        live.and_then(|live| live.found.settings.reserved).or(kept).unwrap_or_default()
    };
    let more: Vec<(&WantedFunction, i32)> = wanted
        .functions
        .iter()
        .map(|function| (function, taken(function) - now(&function.name)))
        .filter(|(_, more)| *more > 0)
        .collect();
    let less: i32 = wanted.functions.iter().map(|f| (now(&f.name) - taken(f)).max(0)).sum();
    let asked: i32 = more.iter().map(|(_, more)| more).sum();
    if more.is_empty() || asked <= account.free() + less {
        return Ok(());
    }
    let who: Vec<String> =
        more.iter().map(|(function, _)| format!("{} {}", function.name, taken(function))).collect();
    let why = format!(
        "the account may run {} executions at once, {} of them can still be reserved, and the lab asks \
         for {asked} more ({})",
        account.limit,
        account.free() + less,
        who.join(", "),
    );
    let set: Vec<String> = more
        .iter()
        .flat_map(|(function, _)| &function.counts)
        .map(|parameter| format!("--set {parameter}="))
        .collect();
    let ask = "ask AWS for more (Service Quotas, AWS Lambda, Concurrent executions)";
    let next = if set.is_empty() {
        format!("reserve less in lab.toml, or {ask}")
    } else {
        let mut set = set;
        set.dedup();
        format!("deploy it without ({}), or {ask}", set.join(" "))
    };
    let what = format!("planning lab {}", wanted.lab);
    Err(Failure::new(FailureKind::Invalid, what, why).next(next))
}
