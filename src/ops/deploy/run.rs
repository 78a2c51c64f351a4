//! A step that runs: what every step has at hand, and how it waits and repeats.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use labdeck_aws::{Failure, FailureKind, Result, Target};
use tokio_util::sync::CancellationToken;

use super::kinds::{api, key, usage_plan};
use super::observe::Live;
use super::pack::Code;
use super::wanted::Wanted;
use crate::progress::{Progress, Reporter};

/// What the steps of one plan share.
#[derive(Debug)]
pub(super) struct Context {
    pub target: Arc<Target>,
    pub wanted: Wanted,
    /// Code by function name.
    pub code: BTreeMap<String, Code>,
    /// What was live when the plan was made.
    pub live: Live,
    /// Ids by kind and name of what has no id of its own choosing; grows as things are made.
    ids: Mutex<HashMap<(&'static str, String), String>>,
}

impl Context {
    pub fn new(
        target: Arc<Target>,
        wanted: Wanted,
        code: BTreeMap<String, Code>,
        live: Live,
    ) -> Self {
        let mut ids = HashMap::new();
        for (name, api) in &live.apis {
            ids.insert((api::RESOURCE, name.clone()), api.id.clone());
        }
        for api in &wanted.apis {
            let live = live.apis.get(&api.name);
            if let Some(id) = live.and_then(|live| live.held(&wanted, &api.definition.hash)) {
                ids.insert((api::DEPLOYMENT, api.name.clone()), id.to_owned());
            }
        }
        // The oldest of several is used.
        for key in live.keys.iter().rev() {
            ids.insert((key::RESOURCE, key.name.clone()), key.id.clone());
        }
        for plan in live.plans.iter().rev() {
            ids.insert((usage_plan::RESOURCE, plan.name.clone()), plan.id.clone());
        }
        Self { target, wanted, code, live, ids: Mutex::new(ids) }
    }

    /// The id of something that exists by now.
    pub fn id(&self, kind: &'static str, name: &str) -> Result<String> {
        let ids = self.ids.lock().ok();
        ids.and_then(|ids| ids.get(&(kind, name.to_owned())).cloned())
            .ok_or_else(|| missing(kind, name))
    }

    pub fn set_id(&self, kind: &'static str, name: &str, id: String) {
        if let Ok(mut ids) = self.ids.lock() {
            ids.insert((kind, name.to_owned()), id);
        }
    }
}

/// A part of the plan that should be there: a fault of labdeck itself.
pub(super) fn missing(kind: &str, name: &str) -> Failure {
    Failure::new(
        FailureKind::Internal,
        "applying the plan",
        format!("the plan names {kind} {name}, which is not known"),
    )
}

/// A step that runs.
#[derive(Debug)]
pub(super) struct StepRun {
    pub context: Arc<Context>,
    pub index: usize,
    pub reporter: Reporter,
    pub cancel: CancellationToken,
}

impl StepRun {
    pub(super) fn target(&self) -> &Target {
        &self.context.target
    }

    /// Says that the step waits.
    pub(super) fn waiting(&self, reason: impl Into<String>, at_most: Option<Duration>) {
        self.reporter.report(Progress::StepWaiting {
            index: self.index,
            reason: reason.into(),
            seconds: at_most.map(|d| d.as_secs_f64()),
        });
    }

    /// Says so when a call of API Gateway has to wait for its rate budget.
    pub(super) fn announce_budget(&self, operation: &str) {
        let wait = self.target().budget_wait("API Gateway", operation);
        if wait > Duration::from_millis(500) {
            self.waiting(format!("API Gateway's rate for {operation}"), Some(wait));
        }
    }

    /// Pauses, unless the person stops the work.
    pub(super) async fn pause(&self, pause: Duration) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.cancel.cancelled() => {
                Err(Failure::new(FailureKind::Cancelled, "waiting", "stopped on request"))
            }
        }
    }

    /// [`patiently`], saying that the step waits; ends when the person stops the work.
    pub(super) async fn patiently<T, Call>(&self, call: impl FnMut() -> Call) -> Result<T>
    where
        Call: Future<Output = Result<T>>,
    {
        repeated(call, move |patience, left| {
            self.waiting(patience.reason, Some(left));
            self.pause(patience.pause.min(left))
        })
        .await
    }

    /// Polls until `look` answers something; fails after `limit`.
    ///
    /// The pauses are a twentieth of the time waited so far (5 ms to 1 s), so that what is waited for is
    /// seen at most that much late, however long it takes.
    pub(super) async fn until<T, Look>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Look,
    ) -> Result<T>
    where
        Look: Future<Output = Result<Option<T>>>,
    {
        let begun = Instant::now();
        let mut said = false;
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            let waited = begun.elapsed();
            let left = limit.saturating_sub(waited);
            if left.is_zero() {
                let why = format!("not done after {} s", limit.as_secs());
                return Err(Failure::new(FailureKind::Service, format!("waiting for {what}"), why)
                    .next("look at it in the AWS console, or run it again"));
            }
            if !said && waited > Duration::from_millis(500) {
                said = true;
                self.waiting(what, Some(left));
            }
            let pause = (waited / 20).clamp(Duration::from_millis(5), Duration::from_secs(1));
            self.pause(pause.min(left)).await?;
        }
    }
}

/// How to go on after a failure that waiting mends.
#[derive(Debug, PartialEq, Eq)]
struct Patience {
    reason: &'static str,
    pause: Duration,
    limit: Duration,
}

/// Calls until it succeeds or fails for a reason that waiting does not mend: a rate, or another change
/// of the same thing that is under way.
pub(crate) async fn patiently<T, Call>(call: impl FnMut() -> Call) -> Result<T>
where
    Call: Future<Output = Result<T>>,
{
    repeated(call, |patience, left| async move {
        tokio::time::sleep(patience.pause.min(left)).await;
        Ok(())
    })
    .await
}

/// Calls, and waits with `wait` before the next attempt: how, and for how long at most.
async fn repeated<T, Call, Wait>(
    mut call: impl FnMut() -> Call,
    mut wait: impl FnMut(Patience, Duration) -> Wait,
) -> Result<T>
where
    Call: Future<Output = Result<T>>,
    Wait: Future<Output = Result<()>>,
{
    let begun = Instant::now();
    let mut attempt = 0;
    loop {
        let failure = match call().await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let waited = begun.elapsed();
        let Some(patience) = patience(&failure, attempt, waited) else { return Err(failure) };
        let left = patience.limit.saturating_sub(waited);
        if left.is_zero() {
            return Err(failure);
        }
        wait(patience, left).await?;
        attempt += 1;
    }
}

/// How to go on after the failure of this attempt (from 0), so long after the first.
fn patience(failure: &Failure, attempt: u32, waited: Duration) -> Option<Patience> {
    let grows = |first_ms: u64, most: Duration| {
        Duration::from_millis(first_ms.saturating_mul(1 << attempt.min(16))).min(most)
    };
    // What takes a time of its own is seen a twentieth of that time late at most.
    let follows = |least_ms: u64| {
        (waited / 20).clamp(Duration::from_millis(least_ms), Duration::from_secs(2))
    };
    let says = |text: &str| failure.why.contains(text);
    let new = |reason, pause, limit| Some(Patience { reason, pause, limit });
    match failure.code.as_deref().unwrap_or_default() {
        // Lambda sees a new role with a delay: only these two texts mean that.
        "InvalidParameterValueException"
            if says("cannot be assumed by Lambda")
                || says("does not have permissions to call")
                || says("Cannot access stream") =>
        {
            let pause = follows(200);
            new("the role to become usable", pause, Duration::from_mins(2))
        }
        "ResourceConflictException"
            if says("update is in progress") || says("Pending") || says("being created") =>
        {
            let pause = follows(50);
            new("the function's last change to end", pause, Duration::from_mins(5))
        }
        "ConflictException" if says("concurrent modification") => {
            let pause = grows(500, Duration::from_secs(2));
            new("another change of the API to end", pause, Duration::from_mins(1))
        }
        "OperationAbortedException" => {
            let pause = grows(500, Duration::from_secs(2));
            new("another change of the log group to end", pause, Duration::from_mins(1))
        }
        // API Gateway, too, sees a new role with a delay.
        "BadRequestException" if says("role ARN does not have required permissions") => {
            let pause = follows(200);
            new("the role to become usable", pause, Duration::from_mins(2))
        }
        // SQS keeps the name of a deleted queue for a minute.
        "QueueDeletedRecently" | "AWS.SimpleQueueService.QueueDeletedRecently" => {
            new("the name of the deleted queue", Duration::from_secs(5), Duration::from_secs(90))
        }
        "ResourceInUseException" | "DeleteConflict" | "DeleteConflictException" => {
            let pause = grows(200, Duration::from_secs(2));
            new("another change of it to end", pause, Duration::from_mins(1))
        }
        _ if failure.kind == FailureKind::Throttled => {
            let pause = grows(1000, Duration::from_secs(30));
            new("AWS's request rate", pause, Duration::from_mins(3))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waiting_mends_is_repeated() {
        let failure = |kind, code: &str, why: &str| Failure::new(kind, "x", why).code(code);
        let not_yet = failure(
            FailureKind::Invalid,
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
        );
        let pause = |waited| patience(&not_yet, 3, Duration::from_secs(waited)).map(|p| p.pause);
        assert_eq!(pause(0), Some(Duration::from_millis(200)));
        assert_eq!(pause(20), Some(Duration::from_secs(1)), "a twentieth of what was waited");
        assert_eq!(pause(60), Some(Duration::from_secs(2)), "and not more than two seconds");
        let wrong =
            failure(FailureKind::Invalid, "InvalidParameterValueException", "Memory is too small");
        assert_eq!(patience(&wrong, 0, Duration::ZERO), None);
        let exists = failure(
            FailureKind::Conflict,
            "ResourceConflictException",
            "Function already exist: greet",
        );
        assert_eq!(patience(&exists, 0, Duration::ZERO), None);
        let throttled = failure(FailureKind::Throttled, "ThrottlingException", "Rate exceeded");
        let pauses: Vec<_> = (0..7)
            .filter_map(|n| patience(&throttled, n, Duration::ZERO))
            .map(|p| p.pause.as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    }
}
