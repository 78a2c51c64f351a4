//! A short lease per lab, taken by an atomic create in the target itself.
//!
//! API Gateway, IAM and DynamoDB give no revision ids, so two deploys of one lab must not run at the
//! same time. The lease is an empty log group `/labdeck/lease/LAB`: `CreateLogGroup` makes it with
//! its tags in one call, or says that it is there already. Its tags say who holds it and until when;
//! the holder renews it. A lease that has run out, or whose holder was a process of this machine that
//! does not live any more, is taken over. Between deleting such a lease and making the own one, two
//! processes may each delete the other's: the own lease is read back once to see whose it is. One that
//! this process holds no more though it is there, since the network was gone when it was to be given back,
//! is taken over as well.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use labdeck_aws::{Failure, FailureKind, Result, Target, same_count};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::look::place;
use super::wanted::Place;
use crate::engine::Engine;
use crate::live::existing;
use crate::release::pointer::operator;

/// How long a lease holds without being renewed.
const HOLDS: Duration = Duration::from_mins(2);
/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(10);
/// Takeovers that are tried.
const TRIES: usize = 4;

/// Leases that this process has taken.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Holders of this process whose work goes on.
static HELD: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// A holder of this process, for as long as its work goes on.
#[derive(Debug)]
struct Held(String);

impl Held {
    fn new(holder: &str) -> Self {
        Self::all().insert(holder.to_owned());
        Self(holder.to_owned())
    }

    fn all() -> MutexGuard<'static, HashSet<String>> {
        HELD.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        Self::all().remove(&self.0);
    }
}

const UNTIL: &str = "labdeck:until";
const HOLDER: &str = "labdeck:holder";
const WHO: &str = "labdeck:who";

/// A held lease. Dropping it gives it back too, in the background.
#[derive(Debug)]
pub(super) struct Lease {
    taken: Arc<Taken>,
    held: Option<Held>,
    renewal: AbortHandle,
    stop: CancellationToken,
    lost: CancellationToken,
    released: bool,
}

/// What a lease was taken with.
#[derive(Debug)]
struct Taken {
    target: Arc<Target>,
    group: String,
    holder: String,
    arn: String,
    /// Ms since the epoch.
    until: AtomicU64,
}

impl Lease {
    /// Takes the lease of `lab`, or fails as a conflict when somebody else holds it.
    pub(super) async fn take(
        target: &Arc<Target>,
        place: &Place,
        lab: &str,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        let group = format!("/labdeck/lease/{lab}");
        let arn = place.log_group(&group);
        let holder = holder(&target.endpoint().unwrap_or_default());
        let held = Held::new(&holder);
        let until = now_ms() + millis(HOLDS);
        let taken = || Taken {
            target: Arc::clone(target),
            group: group.clone(),
            holder: holder.clone(),
            arn: arn.clone(),
            until: AtomicU64::new(until),
        };
        for _ in 0..TRIES {
            if create(target, &group, &holder, until).await? {
                let seen = tags(target, &arn).await?.unwrap_or_default();
                if seen.get(HOLDER) == Some(&holder) {
                    return Ok(Self::held(taken(), held, cancel));
                }
                continue;
            }
            let Some(found) = tags(target, &arn).await? else { continue };
            // Made by a call whose answer was lost, and which was repeated.
            if found.get(HOLDER) == Some(&holder) {
                return Ok(Self::held(taken(), held, cancel));
            }
            if !is_over(&found, now_ms()) {
                return Err(conflict(lab, &found));
            }
            delete(target, &group).await?;
        }
        Err(Failure::new(
            FailureKind::Conflict,
            format!("taking the lease of {lab}"),
            "others take it at the same time",
        )
        .next("wait a moment and run it again"))
    }

    /// Removes a lease of `lab` that is over: what a run left that was killed.
    pub(super) async fn sweep(target: &Target, place: &Place, lab: &str) -> Result<()> {
        let group = format!("/labdeck/lease/{lab}");
        match tags(target, &place.log_group(&group)).await? {
            Some(found) if is_over(&found, now_ms()) => delete(target, &group).await,
            _ => Ok(()),
        }
    }

    fn held(taken: Taken, held: Held, cancel: &CancellationToken) -> Self {
        let taken = Arc::new(taken);
        let (stop, lost) = (cancel.child_token(), CancellationToken::new());
        let (renewing, losing, stopping) = (Arc::clone(&taken), lost.clone(), stop.clone());
        let renewal = tokio::spawn(same_count(async move {
            while renewing.renewed().await {}
            losing.cancel();
            stopping.cancel();
        }))
        .abort_handle();
        Self { taken, held: Some(held), renewal, stop, lost, released: false }
    }

    /// What work under this lease must heed: cancelled with the person's own, and when somebody else has
    /// taken the lease. A computer that slept, say, did not renew it in time.
    pub(super) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Gives the lease back after work that came to this. A lease that can't be given back runs out by
    /// itself.
    pub(super) async fn end<T>(mut self, result: Result<T>) -> Result<T> {
        self.released = true;
        self.renewal.abort();
        let lost = self.lost.is_cancelled();
        let given = if lost { Ok(()) } else { self.taken.give_back().await };
        if let Err(failure) = given {
            tracing::warn!(%failure, "the lease could not be given back");
        }
        result.map_err(|failure| match failure.kind {
            FailureKind::Cancelled if lost => Failure {
                kind: FailureKind::Conflict,
                why: failure.why.replace(
                    "stopped on request",
                    "somebody else is changing this lab by now, since its lease was not renewed in time",
                ),
                ..failure
            },
            _ => failure,
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.released || self.lost.is_cancelled() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (taken, held) = (Arc::clone(&self.taken), self.held.take());
            runtime.spawn(async move {
                let _ = taken.give_back().await;
                drop(held);
            });
        }
    }
}

impl Taken {
    /// Waits until it is time, and renews the lease; `false` when it is somebody else's by now.
    async fn renewed(&self) -> bool {
        tokio::time::sleep(RENEWED).await;
        match tags(&self.target, &self.arn).await {
            Ok(found) if !self.is_own(found.as_ref()) => return false,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the lease could not be read");
                return true;
            }
        }
        let until = now_ms() + millis(HOLDS);
        let call = self.target.logs().tag_resource().resource_arn(&self.arn);
        match call.tags(UNTIL, until.to_string()).send().await {
            Ok(_) => self.until.store(until, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
        }
        true
    }

    fn is_own(&self, found: Option<&HashMap<String, String>>) -> bool {
        found.and_then(|tags| tags.get(HOLDER)) == Some(&self.holder)
    }

    /// Removes the lease, unless it ran out and may be somebody else's by now.
    async fn give_back(&self) -> Result<()> {
        let ran_out = now_ms() + millis(RENEWED) >= self.until.load(Ordering::Relaxed);
        if ran_out && !self.is_own(tags(&self.target, &self.arn).await?.as_ref()) {
            return Ok(());
        }
        delete(&self.target, &self.group).await
    }
}

/// Does `work` while nobody else changes the lab.
///
/// # Errors
/// `Conflict` when somebody else does so at this moment, saying who; those of the work.
pub(crate) async fn leased<T>(
    engine: &Engine,
    lab: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let place = Box::pin(place(&engine.target)).await?;
    let cancel = CancellationToken::new();
    let lease = Box::pin(Lease::take(&engine.target, &place, lab, &cancel)).await?;
    let result = work.await;
    Box::pin(lease.end(result)).await
}

/// Makes the lease; `false` when it is there already.
async fn create(target: &Target, group: &str, holder: &str, until: u64) -> Result<bool> {
    let made = target
        .logs()
        .create_log_group()
        .log_group_name(group)
        .tags(UNTIL, until.to_string())
        .tags(HOLDER, holder)
        .tags(WHO, operator())
        .send()
        .await
        .map_err(|e| Failure::from_sdk(format!("taking the lease {group}"), &e));
    match made {
        Ok(_) => Ok(true),
        Err(failure) if failure.kind == FailureKind::Conflict => Ok(false),
        Err(failure) => Err(failure),
    }
}

async fn tags(target: &Target, arn: &str) -> Result<Option<HashMap<String, String>>> {
    let answer = target.logs().list_tags_for_resource().resource_arn(arn).send().await;
    let found = existing(answer.map_err(|e| Failure::from_sdk("reading who holds the lease", &e)))?;
    Ok(found.map(|answer| answer.tags.unwrap_or_default()))
}

async fn delete(target: &Target, group: &str) -> Result<()> {
    let answer = target.logs().delete_log_group().log_group_name(group).send().await;
    let what = format!("giving the lease {group} back");
    existing(answer.map_err(|e| Failure::from_sdk(what, &e))).map(|_| ())
}

/// Whether a lease with these tags holds no more.
fn is_over(tags: &HashMap<String, String>, now: u64) -> bool {
    let until = tags.get(UNTIL).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    // A clock that is far ahead must not hold it for ever.
    let holds = until > now && until <= now + 10 * millis(HOLDS);
    !holds || tags.get(HOLDER).is_some_and(|holder| is_dead(holder))
}

fn conflict(lab: &str, tags: &HashMap<String, String>) -> Failure {
    let who = tags.get(WHO).filter(|who| !who.is_empty()).map_or("somebody", String::as_str);
    let until = tags.get(UNTIL).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let left = until.saturating_sub(now_ms()).div_ceil(1000);
    Failure::new(
        FailureKind::Conflict,
        format!("taking the lease of {lab}"),
        format!("{who} is changing this lab at this moment"),
    )
    .next(format!("run it again when that is done, or after {left} s should it have died"))
}

/// Names this process so that another on the same machine can see whether it still lives: the boot,
/// the namespace of process ids, the process and when it started. The target keeps apart processes
/// that a copied tag would confuse, and a number the leases that one process takes.
fn holder(target: &str) -> String {
    let process = std::process::id();
    let (boot, space) = machine();
    let start = started(process).unwrap_or_default();
    // Characters that tags do not allow never occur in an endpoint's authority.
    let target = target.rsplit('/').next().unwrap_or_default();
    let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
    format!("{boot}/{space}/{process}/{start}/{target}/{taken}")
}

/// The boot's id and the namespace of process ids, where the system tells them.
fn machine() -> (String, String) {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid")
        .map(|link| link.to_string_lossy().chars().filter(char::is_ascii_digit).collect())
        .unwrap_or_default();
    (boot.trim().to_owned(), space)
}

/// When a process started, in the kernel's ticks; `None` when it does not live.
fn started(process: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The command stands in parentheses and may hold anything; the 22nd field is the start.
    let rest = stat.rsplit_once(')')?.1;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| start.to_owned())
}

/// Whether the holder is known to be dead: a process of this machine that does not live any more, or this
/// process with work that is over.
fn is_dead(holder: &str) -> bool {
    let mut parts = holder.split('/');
    let (boot, space) = machine();
    let here = !boot.is_empty()
        && parts.next() == Some(boot.as_str())
        && parts.next() == Some(space.as_str());
    let process = parts.next().and_then(|text| text.parse().ok());
    let start = parts.next().unwrap_or_default();
    let over = |process: u32| process == std::process::id() && !Held::all().contains(holder);
    here && process
        .is_some_and(|process| started(process).as_deref() != Some(start) || over(process))
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(until: u64, holder: &str) -> HashMap<String, String> {
        HashMap::from([(UNTIL.into(), until.to_string()), (HOLDER.into(), holder.into())])
    }

    #[test]
    fn a_lease_holds_until_its_time() {
        let now = 1_000_000;
        assert!(!is_over(&lease(now + 1, "elsewhere/1/2/3/x"), now));
        assert!(is_over(&lease(now, "elsewhere/1/2/3/x"), now));
        assert!(is_over(&lease(now + 100 * millis(HOLDS), "elsewhere/1/2/3/x"), now));
        assert!(is_over(&HashMap::new(), now));
    }

    #[test]
    fn the_lease_of_a_dead_process_here_is_over() {
        let now = now_ms();
        let own = holder("http://127.0.0.1:1");
        let held = Held::new(&own);
        assert!(!is_over(&lease(now + 1000, &own), now));
        drop(held);
        let (boot, space) = machine();
        if !boot.is_empty() {
            // It could not be given back, and the work is over.
            assert!(is_over(&lease(now + 1000, &own), now));
            let dead = format!("{boot}/{space}/{}/0/x", std::process::id());
            assert!(is_over(&lease(now + 1000, &dead), now));
        }
    }
}
